/* SPDX-License-Identifier: MIT */
/*
 * The agent's network: one port, IPv4 by DHCP or a static address, IPv6 by itself. The unikernel answers with
 * lwIP over the port (net/), the Linux process with the host's sockets (os/linux/).
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "http/stream.h"

#define NET_PORT_SLOT       8u /* of the agent's network port */
#define NET_HTTPS_PORT      443u
#define NET_FALLBACK_S      20u /* default of net_config.fallback_s */
#define NET_TEXT_BYTES      48u
#define NET_PROBLEM_BYTES   256u
#define NET_IPV6_ADDRESSES  3u
#define NET_HOST_NAME_BYTES 32u

/** What the site configuration asks for. */
struct net_config {
    bool dhcp;           /* ask a DHCP server; `address` is what remains if there is no lease */
    bool has_address;    /* `address`, `prefix` count */
    bool has_gateway;    /* `gateway` counts */
    uint8_t prefix;      /* 1..30 */
    uint8_t address[4];  /* static */
    uint8_t gateway[4];  /* of the static address */
    unsigned fallback_s; /* seconds without lease after which the static address is used */
    char host_name[NET_HOST_NAME_BYTES]; /* told to the DHCP server; empty: none */
};

enum net_source {
    NET_NO_ADDRESS,
    NET_FROM_DHCP,
    NET_STATIC,
};

/** How it stands. */
struct net_status {
    bool link;
    enum net_source source;
    char address[NET_TEXT_BYTES]; /* "10.0.2.15/24", empty if there is none */
    char gateway[NET_TEXT_BYTES]; /* empty if there is none */
    char ipv6[NET_IPV6_ADDRESSES][NET_TEXT_BYTES];
    unsigned ipv6_count;
    uint16_t https_port;
    char problem[NET_PROBLEM_BYTES]; /* "what: why: remedy", empty if all is well */
    uint32_t generation;             /* grows whenever anything above has changed */
};

/** Gets the stream of each client of NET_HTTPS_PORT. */
typedef void net_accept(struct stream *stream);

/** Starts the port in NET_PORT_SLOT and asks for an address. @return 0 or a negative MULLION_E_ code */
int net_start(const struct net_config *config, uint64_t tsc_khz, net_accept *accept);

/** Takes in what has arrived and does what is due. Call after every event and at net_deadline(). `cable`: as
 * far as one knows, what the port is bridged to is connected; when it is again, that may be another network.
 */
void net_poll(bool cable);

/** @return the TSC at which net_poll() is due at the latest, UINT64_MAX for never */
uint64_t net_deadline(void);

const struct net_status *net_status(void);

#endif
