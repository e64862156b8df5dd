/* SPDX-License-Identifier: MIT */
/* Two partitions' memory, the two ends of a link, and drivers for them: what dev/link.c needs, on the host.
 */
#ifndef TESTS_UNIT_FAKE_LINK_H
#define TESTS_UNIT_FAKE_LINK_H

#include "dev/link.h"

#ifndef FAKE_RAM_BYTES
#define FAKE_RAM_BYTES 0x100000u
#endif
#define FAKE_QUEUE_SIZE 64u
#define FAKE_PATIENCE   1000u
#define FAKE_BUFFERS    0x20000u /* below lie the rings and indirect tables */

/* Where the queues lie in each end's memory. */
#define FAKE_TABLE(queue)    (0x1000u + (queue)*0x4000u)
#define FAKE_DRIVER(queue)   (FAKE_TABLE(queue) + 0x1000u)
#define FAKE_DEVICE(queue)   (FAKE_TABLE(queue) + 0x2000u)
#define FAKE_INDIRECT(queue) (0x10000u + (queue)*0x8000u) /* 1 KiB per head */

#define FLAG_NEXT     1u
#define FLAG_WRITE    2u
#define FLAG_INDIRECT 4u

struct partition {
    uint8_t *ram;
};

/** The driver's view of one queue. */
struct fake_queue {
    uint16_t available, used; /* chains posted, and taken back */
    uint64_t busy;            /* heads in the device's hands */
};

struct fake_end {
    struct link_end end;
    struct partition partition;
    struct fake_queue queues[VIRTIO_QUEUES];
    bool runs;
    unsigned interrupts[VIRTIO_QUEUES + 1]; /* by vector: config, rx, tx */
    unsigned wakes, reports;
};

struct fake_used {
    uint32_t head, bytes;
};

extern struct fake_end fake_ends[2];
extern uint64_t fake_now; /* the clock; each look at it takes one tick */

/** What was done to memory since it was last cleared. */
extern _Thread_local struct fake_work {
    uint64_t bytes, reads, copies;
} fake_work;

/** Called after each read of memory with what was read, as a driver that changes it at once; NULL: nobody
 * does. */
extern void (*fake_spoil)(uint64_t at, uint8_t *bytes, size_t count);

/** Both ends of `kind` as after power-up, not connected; memory is zero. */
void fake_link_init(enum mullion_port_kind kind);
void fake_link_free(void);

/** The driver of an end resets and starts the device with these features, if it accepts them. */
bool fake_start(struct fake_end *e, uint64_t features);

/** Both drivers started with these features, and connected. */
void fake_link_up(enum mullion_port_kind kind, uint64_t features);

uint64_t fake_register(struct fake_end *e, uint64_t offset, unsigned bytes);
enum virtio_effect fake_set_register(struct fake_end *e, uint64_t offset, unsigned bytes, uint64_t value);

/** Writes a descriptor at `at`. */
void fake_descriptor(struct fake_end *e, uint64_t at, uint64_t address, uint32_t bytes, unsigned flags,
                     unsigned next);

/** Makes `head` available. */
void fake_make_available(struct fake_end *e, unsigned queue, uint16_t head);

/** Posts a chain of `count` segments at descriptors head.., or an indirect one. */
void fake_post(struct fake_end *e, unsigned queue, uint16_t head, const struct virtqueue_segment *segments,
               unsigned count, bool indirect);

/** A head that the device does not have, or -1. Each owns FAKE_QUEUE_SIZE / 16 descriptors: 0, 4, 8 ... */
int fake_free_head(const struct fake_end *e, unsigned queue);
#define FAKE_CHAIN_MAX 4u

/** Takes the next chain back that the device has returned. */
bool fake_take(struct fake_end *e, unsigned queue, struct fake_used *used);

#endif
