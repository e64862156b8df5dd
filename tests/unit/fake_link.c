/* SPDX-License-Identifier: MIT */
#include "fake_link.h"

#include <stdlib.h>
#include <string.h>

struct fake_end fake_ends[2];
uint64_t fake_now;
_Thread_local struct fake_work fake_work;
void (*fake_spoil)(uint64_t at, uint8_t *bytes, size_t count);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* ---- dev/ram.h ---- */

bool ram_contains(const struct partition *p, uint64_t at, uint64_t bytes)
{
    (void)p;
    return bytes == 0 || (at < FAKE_RAM_BYTES && bytes <= FAKE_RAM_BYTES - at);
}

static uint8_t *place(const struct partition *p, uint64_t at, size_t bytes)
{
    check(ram_contains(p, at, bytes));
    fake_work.reads++;
    fake_work.bytes += bytes;
    return p->ram + at;
}

void ram_read(const struct partition *p, uint64_t from, void *to, size_t bytes)
{
    void *at = place(p, from, bytes);
    if (bytes == sizeof(uint16_t) && from % 2 == 0) {
        uint16_t value = __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
        memcpy(to, &value, sizeof(value));
    } else {
        memcpy(to, at, bytes);
    }
    if (fake_spoil)
        fake_spoil(from, at, bytes);
}

void ram_write(const struct partition *p, uint64_t to, const void *from, size_t bytes)
{
    void *at = place(p, to, bytes);
    if (bytes == sizeof(uint16_t) && to % 2 == 0) {
        uint16_t value;
        memcpy(&value, from, sizeof(value));
        __atomic_store_n((uint16_t *)at, value, __ATOMIC_RELEASE);
    } else {
        memcpy(at, from, bytes);
    }
}

void ram_copy(const struct partition *to, uint64_t to_at, const struct partition *from, uint64_t from_at,
              size_t bytes)
{
    check(to != from);
    fake_work.copies++;
    uint8_t *source = place(from, from_at, bytes);
    memcpy(place(to, to_at, bytes), source, bytes);
    if (fake_spoil)
        fake_spoil(from_at, source, bytes);
}

/* ---- what the link asks of its surroundings ---- */

static struct fake_end *fake_of(const struct link_end *end)
{
    return end == &fake_ends[0].end ? &fake_ends[0] : &fake_ends[1];
}

uint64_t link_clock(void)
{
    return __atomic_add_fetch(&fake_now, 1, __ATOMIC_RELAXED);
}

bool link_waits_for(const struct link_end *end)
{
    return __atomic_load_n(&fake_of(end)->runs, __ATOMIC_RELAXED);
}

void link_interrupt(struct link_end *end, uint16_t vector)
{
    if (vector <= VIRTIO_QUEUES)
        __atomic_add_fetch(&fake_of(end)->interrupts[vector], 1, __ATOMIC_RELEASE);
}

void link_wake(struct link_end *end)
{
    __atomic_add_fetch(&fake_of(end)->wakes, 1, __ATOMIC_RELAXED);
}

void link_report(const struct link_end *end)
{
    __atomic_add_fetch(&fake_of(end)->reports, 1, __ATOMIC_RELAXED);
}

/* ---- setting up ---- */

void fake_link_init(enum mullion_port_kind kind)
{
    fake_now = 1;
    for (unsigned i = 0; i < 2; i++) {
        struct fake_end *e = &fake_ends[i];
        struct mullion_port_create create = {.slot = 8 + i, .kind = kind};
        if (kind == MULLION_PORT_NET)
            memcpy(create.mac, (const uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(i + 1)}, 6);
        *e = (struct fake_end){.runs = true};
        e->partition.ram = calloc(1, FAKE_RAM_BYTES);
        check(e->partition.ram != NULL);
        link_init(&e->end, &e->partition, &create, FAKE_PATIENCE);
    }
}

void fake_link_free(void)
{
    for (unsigned i = 0; i < 2; i++)
        free(fake_ends[i].partition.ram);
}

uint64_t fake_register(struct fake_end *e, uint64_t offset, unsigned bytes)
{
    return virtio_read(&e->end.virtio, offset, bytes);
}

/* What ports.c does with the effect. */
enum virtio_effect fake_set_register(struct fake_end *e, uint64_t offset, unsigned bytes, uint64_t value)
{
    enum virtio_effect effect = virtio_write(&e->end.virtio, offset, bytes, value);
    switch (effect) {
    case VIRTIO_NOTHING:
        break;
    case VIRTIO_RUNS:
        link_run(&e->end);
        break;
    case VIRTIO_RESET:
        link_reset(&e->end);
        break;
    }
    return effect;
}

static void set_up_queue(struct fake_end *e, unsigned queue)
{
    e->queues[queue] = (struct fake_queue){0};
    memset(e->partition.ram + FAKE_DRIVER(queue), 0, 0x3000);
    fake_set_register(e, 0x16, 2, queue);
    fake_set_register(e, 0x18, 2, FAKE_QUEUE_SIZE);
    fake_set_register(e, 0x1a, 2, queue + 1);
    fake_set_register(e, 0x20, 4, FAKE_TABLE(queue));
    fake_set_register(e, 0x28, 4, FAKE_DRIVER(queue));
    fake_set_register(e, 0x30, 4, FAKE_DEVICE(queue));
    fake_set_register(e, 0x1c, 2, 1);
}

bool fake_start(struct fake_end *e, uint64_t features)
{
    fake_set_register(e, 0x14, 1, 0);
    fake_set_register(e, 0x14, 1, 3);
    for (uint32_t half = 0; half < 2; half++) {
        fake_set_register(e, 0x08, 4, half);
        fake_set_register(e, 0x0c, 4, (uint32_t)(features >> 32 * half));
    }
    fake_set_register(e, 0x14, 1, 11);
    fake_set_register(e, 0x10, 2, 0);
    for (unsigned queue = 0; queue < VIRTIO_QUEUES; queue++)
        set_up_queue(e, queue);
    fake_set_register(e, 0x14, 1, 15);
    return fake_register(e, 0x14, 1) == 15;
}

void fake_link_up(enum mullion_port_kind kind, uint64_t features)
{
    fake_link_init(kind);
    link_connect(&fake_ends[0].end, &fake_ends[1].end, false);
    for (unsigned i = 0; i < 2; i++)
        check(fake_start(&fake_ends[i], features));
    check(fake_ends[0].end.out.up && fake_ends[1].end.out.up);
}

/* ---- a driver ---- */

void fake_descriptor(struct fake_end *e, uint64_t at, uint64_t address, uint32_t bytes, unsigned flags,
                     unsigned next)
{
    struct {
        uint64_t address;
        uint32_t bytes;
        uint16_t flags, next;
    } descriptor = {address, bytes, (uint16_t)flags, (uint16_t)next};
    memcpy(e->partition.ram + at, &descriptor, sizeof(descriptor));
}

static uint16_t *word(struct fake_end *e, uint64_t at)
{
    return (uint16_t *)(void *)(e->partition.ram + at);
}

void fake_make_available(struct fake_end *e, unsigned queue, uint16_t head)
{
    struct fake_queue *q = &e->queues[queue];
    *word(e, FAKE_DRIVER(queue) + 4u + 2u * (q->available % FAKE_QUEUE_SIZE)) = head;
    if (head < FAKE_QUEUE_SIZE)
        q->busy |= 1ull << head;
    __atomic_store_n(word(e, FAKE_DRIVER(queue) + 2), ++q->available, __ATOMIC_RELEASE);
}

void fake_post(struct fake_end *e, unsigned queue, uint16_t head, const struct virtqueue_segment *segments,
               unsigned count, bool indirect)
{
    unsigned base = indirect ? 0 : head, write = queue == VIRTIO_RX ? FLAG_WRITE : 0;
    uint64_t table = indirect ? FAKE_INDIRECT(queue) + head * 256u : FAKE_TABLE(queue);
    for (unsigned i = 0; i < count; i++) {
        unsigned next = i + 1 < count ? FLAG_NEXT : 0;
        fake_descriptor(e, table + 16ull * (base + i), segments[i].at, segments[i].bytes, next | write,
                        base + i + 1);
    }
    if (indirect)
        fake_descriptor(e, FAKE_TABLE(queue) + 16ull * head, table, 16 * count, FLAG_INDIRECT, 0);
    fake_make_available(e, queue, head);
}

int fake_free_head(const struct fake_end *e, unsigned queue)
{
    for (unsigned head = 0; head < FAKE_QUEUE_SIZE; head += FAKE_CHAIN_MAX) {
        if (!(e->queues[queue].busy >> head & 1))
            return (int)head;
    }
    return -1;
}

bool fake_take(struct fake_end *e, unsigned queue, struct fake_used *used)
{
    struct fake_queue *q = &e->queues[queue];
    if (__atomic_load_n(word(e, FAKE_DEVICE(queue) + 2), __ATOMIC_ACQUIRE) == q->used)
        return false;
    memcpy(used, e->partition.ram + FAKE_DEVICE(queue) + 4 + 8u * (q->used++ % FAKE_QUEUE_SIZE),
           sizeof(*used));
    check(used->head < FAKE_QUEUE_SIZE && (q->busy >> used->head & 1));
    q->busy &= ~(1ull << used->head);
    return true;
}
