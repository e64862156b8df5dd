/* SPDX-License-Identifier: MIT */
/* The network of the agent as a process: the host's TCP. Answers net/net.h over one listening socket. */
#ifndef OS_LINUX_SOCKETS_H
#define OS_LINUX_SOCKETS_H

#include <stdint.h>

/** Where net_start() listens: 127.0.0.1 and this port, 0: any. Not called: no network. @return the port, or
 * -1 */
int sockets_listen(uint16_t port);

/** @return a descriptor that is readable when net_poll() has something to do, -1 without network */
int sockets_descriptor(void);

#endif
