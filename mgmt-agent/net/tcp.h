/* SPDX-License-Identifier: MIT */
/* Streams over lwIP's raw TCP. */
#ifndef NET_TCP_H
#define NET_TCP_H

#include "net/net.h"

/** Listens on NET_HTTPS_PORT, on all addresses. @return 0 or a negative MULLION_E_ code */
int tcp_serve(net_accept *accept);

/** Lets the oldest half-open connection go if there is no room for another: before each frame that lwIP gets.
 */
void tcp_make_room(void);

/** Hands over the clients that have come since the last call: never from inside lwIP. */
void tcp_hand_over(void);

#endif
