/* SPDX-License-Identifier: MIT */
/*
 * Links: two virtio devices of two partitions, and the copying between their rings. Pure logic; the surroundings are
 * the functions at the end of this file and dev/ram.h.
 *
 *     end A   tx ring --- direction A.out ---> rx ring   end B
 *             rx ring <--- direction B.out --- tx ring
 *
 * A direction's lock guards its two rings and everything in struct link_direction. What a link is (who the peer is, who
 * runs) changes only with the locks of both directions held, so either is enough to read it.
 */
#pragma once

#include "core/spinlock.h"
#include "dev/virtio.h"

#define LINK_NEVER UINT64_MAX

/* One call of link_pump() moves at most this much, and finishes the frame in hand. */
#define LINK_CALL_BYTES       65536u
#define LINK_CALL_DESCRIPTORS 128u /* of both rings together */

struct link_direction {
    struct spinlock lock;
    bool again;                        /* somebody found work but not the lock */
    bool live, up;                     /* the sender's driver runs with good rings; the link is up */
    uint64_t due;                      /* when link_pump() wants to be called by itself, or LINK_NEVER */
    uint64_t stalled_since;            /* since when the receiver has had no buffers, 0: it has some */
    uint64_t offset;                   /* console: bytes of the next chain that were sent */
    struct mullion_port_info counters; /* just the counters of it */
};

struct link_end {
    struct virtio virtio;
    struct link_direction out;
    const struct partition *ram;
    uint64_t patience;     /* ticks that a frame or bytes wait for buffers */
    struct link_end *peer; /* NULL: not connected */
    bool running, halted;  /* its driver set DRIVER_OK; its partition has ended */
    bool must_acknowledge; /* the link rises only if `acknowledged` are this end's features */
    uint64_t acknowledged;
};

/** Makes an end that was never used, or that link_disconnect() left alone, as after power-up. */
void link_init(struct link_end *end, const struct partition *ram, const struct mullion_port_create *port,
               uint64_t patience);

/** Moves what waits in `from`'s tx ring. The holder of the direction does the work of whoever comes meanwhile.
 * @return true if one call's measure is full */
bool link_pump(struct link_end *from);

/* Changes of a link; each settles whether it is up. */
void link_connect(struct link_end *end, struct link_end *peer, bool must_acknowledge);
void link_disconnect(struct link_end *end);
void link_acknowledge(struct link_end *end, uint64_t features);
void link_run(struct link_end *end);
void link_reset(struct link_end *end);
void link_halt(struct link_end *end, bool halted);

/** All but the peer's name; `id` and `slot` stay. */
void link_info(struct link_end *end, struct mullion_port_info *info);

/* ---- what the surroundings provide; all but link_clock() are called with locks of directions held ---- */

/** Time in ticks. */
uint64_t link_clock(void);

/** Does the end's partition run, so that waiting for its buffers makes sense? */
bool link_waits_for(const struct link_end *end);

/** The end's device interrupts by this entry of its MSI-X table. */
void link_interrupt(struct link_end *end, uint16_t vector);

/** end->out.due has become earlier. */
void link_wake(struct link_end *end);

/** What the agent may know of the end has changed. */
void link_report(const struct link_end *end);
