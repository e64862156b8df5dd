/* SPDX-License-Identifier: MIT */
/*
 * Does somebody else have this IPv4 address? Asks three times within 0.3 s (RFC 5227 gives 7 s, which a box
 * that boots does not have), and listens from then on. Time and frames come from the caller.
 */
#ifndef NET_PROBE_H
#define NET_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_FRAME_BYTES 60u
#define PROBE_NEVER       UINT64_MAX

enum probe_state {
    PROBE_IDLE,
    PROBE_ASKING,
    PROBE_FREE,  /* nobody has answered */
    PROBE_TAKEN, /* `other` has it */
};

struct probe {
    enum probe_state state;
    uint8_t mac[6], address[4]; /* ours; the address in question */
    uint8_t other[6];
    unsigned asked;
    uint64_t next_ms;
};

/** Begins to ask about an address. */
void probe_start(struct probe *probe, const uint8_t mac[6], const uint8_t address[4], uint64_t now_ms);

/** Does what is due. @return true if `frame` is to be sent */
bool probe_turn(struct probe *probe, uint64_t now_ms, uint8_t frame[PROBE_FRAME_BYTES]);

/** Looks at a received frame. @return true if it shows that another station uses, or wants to use, the
 * address */
bool probe_hears(struct probe *probe, const uint8_t *frame, size_t bytes);

/** @return when probe_turn() is due */
uint64_t probe_deadline(const struct probe *probe);

#endif
