/* SPDX-License-Identifier: MIT */
/* Requests to the kernel about network interfaces, and its news of them. */
#ifndef DRIVERVM_NETLINK_H
#define DRIVERVM_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

/** Opens the sockets of requests and of news. Once.
 * @return a descriptor that becomes readable with news of interfaces, or -errno */
int netlink_open(void);

/** Reads away what news there is: what they say is read from /sys. */
void netlink_drain(int news);

/** Makes a bridge that forwards at once, knows no spanning tree and has this MAC.
 * @return 0 or -errno, as all below */
int netlink_add_bridge(const char *name, const uint8_t mac[6]);

int netlink_set_up(unsigned interface, bool up);

/** Puts an interface into a bridge; 0: takes it out of the one where it is. */
int netlink_set_master(unsigned interface, unsigned bridge);

#endif
