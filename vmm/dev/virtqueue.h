/* SPDX-License-Identifier: MIT */
/*
 * The device's side of a split virtqueue. Virtio 1.2, section 2.7. The driver's side is hostile: all that it can write
 * is read once and checked, and a ring that makes no sense is reported as broken.
 */
#pragma once

#include "dev/ram.h"

/* Descriptors of one chain, indirect ones included; chains of one list, and pieces of memory of it. */
enum { VIRTQUEUE_MAX = 256, VIRTQUEUE_CHAIN_MAX = 64, VIRTQUEUE_CHAINS_MAX = 64, VIRTQUEUE_SEGMENTS_MAX = 128 };

/** As the register file shows them: virtio 1.2, section 4.1.4.3, from queue_size on. */
struct virtqueue_registers {
    uint16_t size, vector, enabled, notify_offset;
    uint64_t descriptors, driver, device; /* where table, available ring and used ring lie */
};

struct virtqueue {
    struct virtqueue_registers regs; /* fixed while the driver runs */
    bool indirect, event_idx;        /* negotiated */
    uint16_t next, seen;             /* next chain to take, and the driver's index when last read */
    uint16_t used, told;             /* chains given back, and how many when the driver was last interrupted */
};

struct virtqueue_segment {
    uint64_t at;
    uint32_t bytes;
};

/** Chains one after the other, and their memory in one row. */
struct virtqueue_list {
    uint32_t chains, segments, descriptors; /* descriptors: how many were read */
    struct {
        uint64_t bytes;
        uint16_t head;
    } chain[VIRTQUEUE_CHAINS_MAX];
    struct virtqueue_segment segment[VIRTQUEUE_SEGMENTS_MAX];
};

enum virtqueue_result { VIRTQUEUE_NONE, VIRTQUEUE_FETCHED, VIRTQUEUE_BROKEN };

/** Do the three areas lie in the partition's RAM? Must hold before any of the calls below. */
bool virtqueue_fits(const struct virtqueue *q, const struct partition *ram);

/** Adds the chain that comes list->chains behind the next one to the list, which has room for it; `writable`: all its
 * memory must be for the device to write, else to read. The chain stays in the ring. */
enum virtqueue_result virtqueue_fetch(struct virtqueue *q, const struct partition *ram, bool writable,
                                      struct virtqueue_list *list);

/** Gives the next chain back, with `written` bytes in it; virtqueue_publish() shows it to the driver. */
void virtqueue_return(struct virtqueue *q, const struct partition *ram, uint16_t head, uint32_t written);
void virtqueue_publish(struct virtqueue *q, const struct partition *ram);

/** Asks the driver to notify when it adds a chain. @return true if it has added one already */
bool virtqueue_ask(struct virtqueue *q, const struct partition *ram);

/** Does the driver want an interrupt for what was published since this was last asked? */
bool virtqueue_wants_interrupt(struct virtqueue *q, const struct partition *ram);
