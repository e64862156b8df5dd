/* SPDX-License-Identifier: MIT */
/*
 * What a DHCP server offers is input that anybody on the wire can make: this looks at it before lwIP does,
 * and refuses what no honest server would offer. RFC 2131, 2132.
 */
#ifndef NET_LEASE_H
#define NET_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lease_verdict {
    LEASE_NONE, /* the frame offers nothing: it is none of this filter's business */
    LEASE_GOOD,
    LEASE_REFUSED, /* drop the frame */
};

struct lease {
    uint8_t address[4], gateway[4];
    uint8_t server[4]; /* who sent it */
    uint8_t prefix;
    bool has_gateway;
    uint32_t exchange; /* the client's number for the conversation */
    bool is_offer;     /* else an acknowledgement */
    bool is_fragment;  /* LEASE_REFUSED: a piece of UDP, which may be any; nothing else is known */
    const char *why;   /* of LEASE_REFUSED otherwise */
};

/** Judges a received frame; `mac` is ours. */
enum lease_verdict lease_check(const uint8_t *frame, size_t bytes, const uint8_t mac[6], struct lease *lease);

/** @return why a station cannot have this address with this prefix and gateway (NULL: none), or NULL if it
 * can */
const char *lease_address_problem(const uint8_t address[4], unsigned prefix, const uint8_t *gateway);

#endif
