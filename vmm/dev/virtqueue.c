/* SPDX-License-Identifier: MIT */
#include "dev/virtqueue.h"

enum { FLAG_NEXT = 1, FLAG_WRITE = 2, FLAG_INDIRECT = 4, NO_INTERRUPT = 1, DESCRIPTOR_BYTES = 16, USED_BYTES = 8 };
enum { INDEX_OFFSET = 2, ENTRIES_OFFSET = 4 }; /* in both rings: flags, index, entries */

#define DRIVER_BYTES(q)    (6u + 2u * (q)->regs.size)
#define DEVICE_BYTES(q)    (6u + USED_BYTES * (q)->regs.size)
#define USED_EVENT(q)      ((q)->regs.driver + ENTRIES_OFFSET + 2ull * (q)->regs.size)
#define AVAILABLE_EVENT(q) ((q)->regs.device + ENTRIES_OFFSET + (uint64_t)USED_BYTES * (q)->regs.size)

struct descriptor {
    uint64_t at;
    uint32_t bytes;
    uint16_t flags, next;
};

/** A table of descriptors: the queue's own, or an indirect one. */
struct table {
    uint64_t at;
    uint32_t entries;
    bool indirect;
};

bool virtqueue_fits(const struct virtqueue *q, const struct partition *ram) {
    const struct virtqueue_registers *r = &q->regs;
    return r->enabled && ram_contains(ram, r->descriptors, (uint64_t)DESCRIPTOR_BYTES * r->size) &&
           ram_contains(ram, r->driver, DRIVER_BYTES(q)) && ram_contains(ram, r->device, DEVICE_BYTES(q));
}

static bool enter_indirect(const struct virtqueue *q, const struct partition *ram, const struct descriptor *d,
                           struct table *table) {
    uint32_t entries = d->bytes / DESCRIPTOR_BYTES;
    bool good = q->indirect && !table->indirect && (d->flags & FLAG_NEXT) == 0 && d->bytes % DESCRIPTOR_BYTES == 0 &&
                entries != 0 && entries <= q->regs.size && ram_contains(ram, d->at, d->bytes);
    *table = (struct table){d->at, entries, true};
    return good;
}

/** Adds the memory of one chain. @return false if the chain is broken; a loop is found by its length */
static bool walk(const struct virtqueue *q, const struct partition *ram, uint16_t head, bool writable,
                 struct virtqueue_list *list) {
    struct table table = {q->regs.descriptors, q->regs.size, false};
    uint32_t index = head;
    uint64_t bytes = 0;
    for (unsigned count = 0; count < VIRTQUEUE_CHAIN_MAX; count++) {
        struct descriptor d;
        if (index >= table.entries) { return false; }
        ram_read(ram, table.at + (uint64_t)DESCRIPTOR_BYTES * index, &d, sizeof d);
        list->descriptors++;
        if ((d.flags & FLAG_INDIRECT) != 0) {
            if (!enter_indirect(q, ram, &d, &table)) { return false; }
            index = 0;
            continue;
        }
        if (((d.flags & FLAG_WRITE) != 0) != writable || !ram_contains(ram, d.at, d.bytes)) { return false; }
        list->segment[list->segments++] = (struct virtqueue_segment){d.at, d.bytes};
        bytes += d.bytes;
        if ((d.flags & FLAG_NEXT) == 0) {
            list->chain[list->chains].head = head;
            list->chain[list->chains++].bytes = bytes;
            return true;
        }
        index = d.next;
    }
    return false;
}

enum virtqueue_result virtqueue_fetch(struct virtqueue *q, const struct partition *ram, bool writable,
                                      struct virtqueue_list *list) {
    if ((uint16_t)(q->seen - q->next) <= list->chains) {
        uint16_t index = ram_load16(ram, q->regs.driver + INDEX_OFFSET);
        if ((uint16_t)(index - q->next) > q->regs.size) { return VIRTQUEUE_BROKEN; }
        q->seen = index;
    }
    if ((uint16_t)(q->seen - q->next) <= list->chains) { return VIRTQUEUE_NONE; }
    uint64_t place = (uint16_t)(q->next + list->chains) % q->regs.size;
    uint16_t head = ram_load16(ram, q->regs.driver + ENTRIES_OFFSET + 2 * place);
    return walk(q, ram, head, writable, list) ? VIRTQUEUE_FETCHED : VIRTQUEUE_BROKEN;
}

void virtqueue_return(struct virtqueue *q, const struct partition *ram, uint16_t head, uint32_t written) {
    const uint32_t entry[2] = {head, written};
    uint64_t place = q->used++ % q->regs.size;
    q->next++;
    ram_write(ram, q->regs.device + ENTRIES_OFFSET + place * USED_BYTES, entry, sizeof entry);
}

void virtqueue_publish(struct virtqueue *q, const struct partition *ram) {
    ram_store16(ram, q->regs.device + INDEX_OFFSET, q->used);
}

bool virtqueue_ask(struct virtqueue *q, const struct partition *ram) {
    if (q->event_idx) { ram_store16(ram, AVAILABLE_EVENT(q), q->seen); }
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* either we see the driver's index or it sees that we ask */
    return ram_load16(ram, q->regs.driver + INDEX_OFFSET) != q->seen;
}

bool virtqueue_wants_interrupt(struct virtqueue *q, const struct partition *ram) {
    uint16_t published = (uint16_t)(q->used - q->told);
    if (published == 0) { return false; }
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* either we see what the driver waits for or it sees what we published */
    q->told = q->used;
    if (!q->event_idx) { return (ram_load16(ram, q->regs.driver) & NO_INTERRUPT) == 0; }
    uint16_t event = ram_load16(ram, USED_EVENT(q));
    return (uint16_t)(q->used - event - 1) < published;
}
