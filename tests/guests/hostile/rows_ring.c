/* SPDX-License-Identifier: MIT */
/*
 * Rings of a network port that no driver would build (virtio 1.2, sections 2.7 and 4.1.4.3). The partition
 * needs a port in slot RING_SLOT; each row brings the device up anew, breaks one rule, and looks at the
 * device status.
 */
#include "hostile.h"
#include "mullion/machine.h"

#define QUEUE_ENTRIES    16u
#define RECEIVE_QUEUE    0u
#define TRANSMIT_QUEUE   1u
#define FRAME_BYTES      60u
#define HEADER_BYTES     12u
#define OUTSIDE_RAM      0xb0000000ull
#define LOOK_TIMES       200000u
#define GARBAGE_ROUNDS   4u
#define FEATURE_WORDS    2u
#define FEATURE_VERSION  1u         /* VIRTIO_F_VERSION_1: bit 0 of word 1 */
#define FEATURE_INDIRECT (1u << 28) /* VIRTIO_F_INDIRECT_DESC, in word 0 */

enum status { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64 };
enum descriptor_flag { NEXT = 1, WRITE = 2, INDIRECT = 4 };

struct descriptor {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags, next;
};

/* The registers behind MACHINE_PORT_COMMON. */
struct common {
    uint32_t device_feature_select, device_feature, driver_feature_select, driver_feature;
    uint16_t msix_config, queue_count;
    uint8_t status, generation;
    uint16_t queue_select, queue_size, queue_vector, queue_enable, queue_notify_off;
    uint32_t descriptors[2], available[2], used[2]; /* low and high halves */
};

struct queue {
    struct descriptor descriptors[QUEUE_ENTRIES] __attribute__((aligned(16)));
    uint16_t available[2 + QUEUE_ENTRIES + 1]; /* flags, index, ring */
    uint16_t used[2 + 4 * QUEUE_ENTRIES + 1] __attribute__((aligned(4)));
};

static struct queue queues[2];
static struct descriptor table[QUEUE_ENTRIES] __attribute__((aligned(16)));
static uint8_t frame[HEADER_BYTES + FRAME_BYTES];

static volatile struct common *registers(void)
{
    return (volatile struct common *)(MACHINE_PORT_BAR_BASE + RING_SLOT * MACHINE_PORT_BAR_BYTES +
                                      MACHINE_PORT_COMMON);
}

static void notify(uint16_t queue)
{
    port_out16((uint16_t)(MACHINE_PORT_NOTIFY + RING_SLOT * MACHINE_PORT_NOTIFY_BYTES), queue);
}

static void set_address(volatile uint32_t halves[2], const void *at)
{
    halves[0] = (uint32_t)(uintptr_t)at;
    halves[1] = (uint32_t)((uint64_t)(uintptr_t)at >> 32);
}

static void queue_up(uint16_t number)
{
    volatile struct common *common = registers();
    struct queue *queue = &queues[number];
    *queue = (struct queue){.available = {0}};
    common->queue_select = number;
    common->queue_size = QUEUE_ENTRIES;
    set_address(common->descriptors, queue->descriptors);
    set_address(common->available, queue->available);
    set_address(common->used, queue->used);
    common->queue_enable = 1;
}

/* Reset, negotiate, two empty queues. @return false if there is no device, or it refuses an honest driver */
static bool device_up(void)
{
    static const uint32_t wanted[FEATURE_WORDS] = {FEATURE_INDIRECT, FEATURE_VERSION};
    volatile struct common *common = registers();
    common->status = 0;
    common->status = ACKNOWLEDGE | DRIVER;
    for (uint32_t word = 0; word < FEATURE_WORDS; word++) {
        common->driver_feature_select = word;
        common->driver_feature = wanted[word];
    }
    common->status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    if ((common->status & FEATURES_OK) == 0) {
        return false;
    }
    queue_up(RECEIVE_QUEUE);
    queue_up(TRANSMIT_QUEUE);
    common->status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    return common->status == (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

static bool device_there(void)
{
    port_out32(MACHINE_PORT_PCI_ADDRESS, 0x80000000u | RING_SLOT << 8);
    return port_in32(MACHINE_PORT_PCI_DATA) == 0x10411af4;
}

/* An honest frame in descriptor 0, which a row then spoils. */
static struct queue *honest_frame(void)
{
    struct queue *queue = &queues[TRANSMIT_QUEUE];
    for (size_t i = 0; i < sizeof frame; i++) {
        frame[i] = i < HEADER_BYTES ? 0 : 0xff;
    }
    queue->descriptors[0] = (struct descriptor){(uintptr_t)frame, sizeof frame, 0, 0};
    queue->available[2] = 0;
    return queue;
}

static void publish(struct queue *queue, uint16_t index)
{
    __atomic_store_n(&queue->available[1], index, __ATOMIC_SEQ_CST);
    notify(TRANSMIT_QUEUE);
}

static bool needs_reset(void)
{
    for (unsigned i = 0; i < LOOK_TIMES; i++) {
        if ((registers()->status & NEEDS_RESET) != 0) {
            return true;
        }
        if (__atomic_load_n(&queues[TRANSMIT_QUEUE].used[1], __ATOMIC_SEQ_CST) != 0) {
            return false;
        }
    }
    return false;
}

/* The verdict, and whether the device works again for an honest driver. */
static void report_outcome(void)
{
    const bool broken = needs_reset();
    const bool consumed = queues[TRANSMIT_QUEUE].used[1] != 0;
    const bool again = device_up();
    report(broken ? "needs-reset" : consumed ? "dropped" : "unnoticed", "works again=%u", (unsigned)again);
}

static void spoil(void (*how)(struct queue *), uint16_t index)
{
    if (!device_there() || !device_up()) {
        report("no-port", "no network port in slot %u", RING_SLOT);
        return;
    }
    struct queue *queue = honest_frame();
    how(queue);
    publish(queue, index);
    report_outcome();
}

static void head_outside(struct queue *queue)
{
    queue->available[2] = QUEUE_ENTRIES;
}

static void nothing(struct queue *queue)
{
    (void)queue;
}

static void address_outside(struct queue *queue)
{
    queue->descriptors[0].address = OUTSIDE_RAM;
}

static void address_wraps(struct queue *queue)
{
    queue->descriptors[0].address = ~0ull - 16;
}

static void chain_loops(struct queue *queue)
{
    queue->descriptors[0].flags = NEXT;
    queue->descriptors[0].next = 0;
}

static void next_outside(struct queue *queue)
{
    queue->descriptors[0].flags = NEXT;
    queue->descriptors[0].next = QUEUE_ENTRIES;
}

static void written_by_device(struct queue *queue)
{
    queue->descriptors[0].flags = WRITE;
}

static void make_indirect(struct queue *queue, uint32_t bytes)
{
    table[0] = queue->descriptors[0];
    queue->descriptors[0] = (struct descriptor){(uintptr_t)table, bytes, INDIRECT, 0};
}

static void indirect_nested(struct queue *queue)
{
    make_indirect(queue, sizeof table[0]);
    table[0].flags = INDIRECT;
}

static void indirect_ragged(struct queue *queue)
{
    make_indirect(queue, sizeof table[0] - 1);
}

static void indirect_huge(struct queue *queue)
{
    make_indirect(queue, (QUEUE_ENTRIES + 1) * sizeof table[0]);
}

static void indirect_empty(struct queue *queue)
{
    make_indirect(queue, 0);
}

static void frame_huge(struct queue *queue)
{
    queue->descriptors[0].bytes = 0x80000;
}

static void header_nonsense(struct queue *queue)
{
    (void)queue;
    for (unsigned i = 0; i < HEADER_BYTES; i++) {
        frame[i] = 0xff;
    }
}

static void header_cut(struct queue *queue)
{
    queue->descriptors[0].bytes = HEADER_BYTES - 1;
}

static void row_head(void)
{
    spoil(head_outside, 1);
}

static void row_jump(void)
{
    spoil(nothing, QUEUE_ENTRIES + 1);
}

static void row_address(void)
{
    spoil(address_outside, 1);
}

static void row_wrap(void)
{
    spoil(address_wraps, 1);
}

static void row_loop(void)
{
    spoil(chain_loops, 1);
}

static void row_next(void)
{
    spoil(next_outside, 1);
}

static void row_direction(void)
{
    spoil(written_by_device, 1);
}

static void row_nested(void)
{
    spoil(indirect_nested, 1);
}

static void row_ragged(void)
{
    spoil(indirect_ragged, 1);
}

static void row_indirect_huge(void)
{
    spoil(indirect_huge, 1);
}

static void row_indirect_empty(void)
{
    spoil(indirect_empty, 1);
}

static void row_huge(void)
{
    spoil(frame_huge, 1);
}

static void row_header(void)
{
    spoil(header_nonsense, 1);
}

static void row_cut(void)
{
    spoil(header_cut, 1);
}

/* A queue that lies outside RAM. */
static void row_queue(void)
{
    if (!device_there() || !device_up()) {
        report("no-port", "no network port in slot %u", RING_SLOT);
        return;
    }
    volatile struct common *common = registers();
    common->status = 0;
    common->status = ACKNOWLEDGE | DRIVER;
    common->driver_feature_select = 1;
    common->driver_feature = FEATURE_VERSION;
    common->status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    queue_up(TRANSMIT_QUEUE);
    common->queue_select = TRANSMIT_QUEUE;
    common->available[0] = (uint32_t)OUTSIDE_RAM;
    common->status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    notify(TRANSMIT_QUEUE);
    report_outcome();
}

/* Every register of the port, and its configuration space, with values that nobody asked for. */
static void row_registers(void)
{
    if (!device_there()) {
        report("no-port", "no network port in slot %u", RING_SLOT);
        return;
    }
    volatile uint32_t *words = (volatile uint32_t *)registers();
    uint32_t value = 0x9e3779b9;
    for (unsigned round = 0; round < GARBAGE_ROUNDS; round++) {
        for (unsigned i = 0; i < MACHINE_PORT_BAR_BYTES / sizeof *words; i++) {
            value = value * 1664525 + 1013904223;
            words[i] = value;
            (void)words[i];
        }
        for (uint32_t offset = 0; offset < 256; offset += 4) {
            value = value * 1664525 + 1013904223;
            port_out32(MACHINE_PORT_PCI_ADDRESS, 0x80000000u | RING_SLOT << 8 | offset);
            port_out32(MACHINE_PORT_PCI_DATA, value);
        }
        notify((uint16_t)value);
    }
    const bool again = device_there() && device_up();
    report(again ? "ignored" : "lost", "works again=%u", (unsigned)again);
}

const struct row rows_ring[] = {
    {"ring-head", row_head, false},
    {"ring-jump", row_jump, false},
    {"ring-address", row_address, false},
    {"ring-wrap", row_wrap, false},
    {"ring-loop", row_loop, false},
    {"ring-next", row_next, false},
    {"ring-direction", row_direction, false},
    {"ring-nested", row_nested, false},
    {"ring-ragged", row_ragged, false},
    {"ring-indirect-huge", row_indirect_huge, false},
    {"ring-indirect-empty", row_indirect_empty, false},
    {"ring-huge", row_huge, false},
    {"ring-header", row_header, false},
    {"ring-cut", row_cut, false},
    {"ring-queue", row_queue, false},
    {"port-registers", row_registers, false},
};
const size_t rows_ring_count = ARRAY_COUNT(rows_ring);
