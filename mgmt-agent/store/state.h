/* SPDX-License-Identifier: MIT */
/*
 * What outlives the agent: a record in the agent-state area, in two copies. A copy carries a generation and a
 * CRC; the valid one with the higher generation counts, the other is overwritten next. So a death in the
 * middle of a write loses nothing that was written before.
 */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mullion/abi.h"

/** What the operator or the manifest wants of a partition. */
enum desired_state {
    DESIRED_ABSENT = 0,
    DESIRED_STOPPED = 1,
    DESIRED_RUNNING = 2,
    DESIRED_COUNT = 3,
};

/** One partition's part of the record. */
struct state_partition {
    char name[MULLION_NAME_BYTES];
    uint32_t id;      /* 0: not created */
    uint32_t desired; /* enum desired_state */
    uint32_t crash_restarts;
    uint32_t attempts; /* starts begun and not ended: an agent that died in one leaves it above 0 */
};

#define STATE_TOKEN_BYTES    40u /* with the terminating zero */
#define STATE_SEED_KINDS     4u
#define STATE_ENDINGS        3u
#define STATE_SEED_BYTES     16u
#define STATE_IDENTITY_BYTES 2048u

/** The record; whole structure checksummed, so it holds no padding. */
struct agent_state {
    uint64_t boot_ms; /* time from start of the VMM to the first status block, 0 before it */
    uint32_t count;
    uint32_t identity_bytes;
    char token[STATE_TOKEN_BYTES];          /* of the administrator */
    uint8_t seed[STATE_SEED_BYTES];         /* from which MAC addresses derive */
    uint32_t seed_kind;                     /* enum identity_source */
    uint32_t ending;                        /* enum box_ending */
    uint32_t driver_attempts;               /* of starting the driver VM, as in state_partition */
    uint32_t driver_deaths;                 /* of the driver VM, in a row */
    uint8_t identity[STATE_IDENTITY_BYTES]; /* TLS key and certificate, as tls/ wrote them */
    struct state_partition partitions[MULLION_MAX_PARTITIONS];
};
_Static_assert(sizeof(struct agent_state) == 2136 + 48 * MULLION_MAX_PARTITIONS, "no padding in agent_state");

/** Bytes that the area must have. */
#define STATE_AREA_BYTES 0x10000u

/**
 * Reads the newest valid copy. `area` is read once, into *state, before it is checked.
 * @return false if neither copy is valid; then *state is zero
 */
bool state_load(const uint8_t *area, struct agent_state *state);

/** @return whether more than one record was ever begun here: if not, nothing but a first one can be lost */
bool state_is_used(const uint8_t *area);

/** Writes over the older copy. */
void state_save(uint8_t *area, const struct agent_state *state);

#endif
