/* SPDX-License-Identifier: MIT */
/* Streams over lwIP's raw TCP. */
#ifndef NET_TCP_H
#define NET_TCP_H

#include "net/net.h"

/** Listens on NET_HTTPS_PORT, on all addresses. @return 0 or a negative MULLION_E_ code */
int tcp_serve(net_accept *accept);

/** Hands over the clients that have come since the last call: never from inside lwIP. */
void tcp_hand_over(void);

#endif
