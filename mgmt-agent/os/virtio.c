/* SPDX-License-Identifier: MIT */
#include "virtio.h"

#include <stddef.h>
#include <string.h>

#include "cpu.h"
#include "mullion/machine.h"
#include "os.h"

#define F_VERSION_1        (1ull << 32)
#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER      2u
#define STATUS_DRIVER_OK   4u
#define STATUS_FEATURES_OK 8u
#define STATUS_NEEDS_RESET 0x40u
#define DESCRIPTOR_WRITE   2u         /* the device writes it */
#define AVAILABLE_QUIET    1u         /* no interrupt wanted */
#define USED_QUIET         1u         /* no notification wanted */
#define STATUS_NO_DEVICE   0xffu      /* what a bus reads where nothing answers */
#define RESET_TICKS        100000000u /* of the TSC: some 0.03 s; the VMM resets at once */

/* Common configuration, section 4.1.4.3. */
enum common {
    COMMON_DEVICE_SELECT = 0,
    COMMON_DEVICE_FEATURES = 4,
    COMMON_DRIVER_SELECT = 8,
    COMMON_DRIVER_FEATURES = 12,
    COMMON_QUEUE_COUNT = 18,
    COMMON_STATUS = 20,
    COMMON_QUEUE_SELECT = 22,
    COMMON_QUEUE_SIZE = 24,
    COMMON_QUEUE_ENABLE = 28,
    COMMON_QUEUE_DESCRIPTORS = 32,
    COMMON_QUEUE_AVAILABLE = 40,
    COMMON_QUEUE_USED = 48,
};

_Static_assert(offsetof(struct virtio_available, ring) == 4, "section 2.7.6");
_Static_assert(offsetof(struct virtio_used, ring) == 4 && sizeof(struct virtio_used_element) == 8,
               "section 2.7.8");
_Static_assert(sizeof(struct virtio_descriptor) == 16, "section 2.7.5");

/* ---- registers: one MOV each, which is what the VMM decodes
 * ---------------------------------------------------- */

static uintptr_t registers_of(const struct virtio_port *port)
{
    return (uintptr_t)(MACHINE_PORT_BAR_BASE + port->slot * MACHINE_PORT_BAR_BYTES);
}

static uint8_t read8(uintptr_t at)
{
    uint8_t value;
    __asm__ volatile("movb (%1), %0" : "=q"(value) : "r"(at) : "memory");
    return value;
}

static void write8(uintptr_t at, uint8_t value)
{
    __asm__ volatile("movb %0, (%1)" : : "q"(value), "r"(at) : "memory");
}

static uint16_t read16(uintptr_t at)
{
    uint16_t value;
    __asm__ volatile("movw (%1), %0" : "=r"(value) : "r"(at) : "memory");
    return value;
}

static void write16(uintptr_t at, uint16_t value)
{
    __asm__ volatile("movw %0, (%1)" : : "r"(value), "r"(at) : "memory");
}

static uint32_t read32(uintptr_t at)
{
    uint32_t value;
    __asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(at) : "memory");
    return value;
}

static void write32(uintptr_t at, uint32_t value)
{
    __asm__ volatile("movl %0, (%1)" : : "r"(value), "r"(at) : "memory");
}

static void write64(uintptr_t at, uint64_t value)
{
    write32(at, (uint32_t)value);
    write32(at + 4, (uint32_t)(value >> 32));
}

/* ---- opening
 * -------------------------------------------------------------------------------------------------- */

static bool reset(uintptr_t common)
{
    if (read8(common + COMMON_STATUS) == STATUS_NO_DEVICE) {
        return false;
    }
    write8(common + COMMON_STATUS, 0);
    for (uint64_t begin = os_tsc(); read8(common + COMMON_STATUS) != 0;) {
        if (os_tsc() - begin > RESET_TICKS) {
            return false;
        }
        __asm__ volatile("pause");
    }
    return true;
}

static bool agree(uintptr_t common, uint64_t wanted)
{
    uint64_t offered = 0;
    for (uint32_t half = 0; half < 2; half++) {
        write32(common + COMMON_DEVICE_SELECT, half);
        offered |= (uint64_t)read32(common + COMMON_DEVICE_FEATURES) << (32 * half);
    }
    if ((wanted & ~offered) != 0) {
        return false;
    }
    for (uint32_t half = 0; half < 2; half++) {
        write32(common + COMMON_DRIVER_SELECT, half);
        write32(common + COMMON_DRIVER_FEATURES, (uint32_t)(wanted >> (32 * half)));
    }
    write8(common + COMMON_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    return (read8(common + COMMON_STATUS) & STATUS_FEATURES_OK) != 0;
}

static bool queue_open(uintptr_t common, struct virtio_queue *queue, uint16_t index)
{
    memset(queue, 0, sizeof(*queue));
    queue->available.flags = index == VIRTIO_QUEUE_OUT ? AVAILABLE_QUIET : 0;
    write16(common + COMMON_QUEUE_SELECT, index);
    if (read16(common + COMMON_QUEUE_SIZE) < VIRTIO_RING) {
        return false;
    }
    write16(common + COMMON_QUEUE_SIZE, VIRTIO_RING);
    write64(common + COMMON_QUEUE_DESCRIPTORS, os_gpa(queue->descriptors));
    write64(common + COMMON_QUEUE_AVAILABLE, os_gpa(&queue->available));
    write64(common + COMMON_QUEUE_USED, os_gpa(&queue->used));
    write16(common + COMMON_QUEUE_ENABLE, 1);
    return read16(common + COMMON_QUEUE_ENABLE) == 1;
}

int virtio_open(struct virtio_port *port, uint64_t features)
{
    uintptr_t common = registers_of(port) + MACHINE_PORT_COMMON;
    port->broken = true;
    if (os_map(registers_of(port), MACHINE_PORT_BAR_BYTES, OS_READ_WRITE) == NULL || !reset(common)) {
        return -MULLION_E_NO_PORT;
    }
    write8(common + COMMON_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    if (read16(common + COMMON_QUEUE_COUNT) < VIRTIO_QUEUES || !agree(common, features | F_VERSION_1)) {
        return -MULLION_E_NO_PORT;
    }
    for (uint16_t i = 0; i < VIRTIO_QUEUES; i++) {
        if (!queue_open(common, &port->queues[i], i)) {
            return -MULLION_E_NO_PORT;
        }
    }
    write8(common + COMMON_STATUS,
           STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
    port->broken = false;
    for (uint16_t id = 0; id < VIRTIO_RING; id++) {
        virtio_lend(port, VIRTIO_QUEUE_IN, id, port->buffer_bytes);
    }
    virtio_notify(port, VIRTIO_QUEUE_IN);
    return 0;
}

bool virtio_is_broken(const struct virtio_port *port)
{
    return port->broken ||
           (read8(registers_of(port) + MACHINE_PORT_COMMON + COMMON_STATUS) & STATUS_NEEDS_RESET) != 0;
}

uint8_t virtio_config(const struct virtio_port *port, uint32_t at)
{
    return read8(registers_of(port) + MACHINE_PORT_CONFIG + at);
}

/* ---- rings
 * ---------------------------------------------------------------------------------------------------- */

uint8_t *virtio_buffer(const struct virtio_port *port, unsigned queue, uint16_t id)
{
    return port->buffers[queue] + (size_t)id * port->buffer_bytes;
}

void virtio_lend(struct virtio_port *port, unsigned queue, uint16_t id, uint32_t bytes)
{
    struct virtio_queue *q = &port->queues[queue];
    q->descriptors[id] = (struct virtio_descriptor){.gpa = os_gpa(virtio_buffer(port, queue, id)),
                                                    .bytes = bytes,
                                                    .flags = queue == VIRTIO_QUEUE_IN ? DESCRIPTOR_WRITE : 0};
    q->lent[id] = true;
    q->available.ring[q->given++ % VIRTIO_RING] = id;
    __atomic_store_n(&q->available.index, q->given, __ATOMIC_RELEASE);
}

bool virtio_take(struct virtio_port *port, unsigned queue, uint16_t *id, uint32_t *bytes)
{
    struct virtio_queue *q = &port->queues[queue];
    if (port->broken || __atomic_load_n(&q->used.index, __ATOMIC_ACQUIRE) == q->taken) {
        return false;
    }
    const volatile struct virtio_used_element *element = &q->used.ring[q->taken % VIRTIO_RING];
    uint32_t named = element->id;
    uint32_t written = element->bytes;
    if (named >= VIRTIO_RING || !q->lent[named] ||
        (queue == VIRTIO_QUEUE_IN && written > port->buffer_bytes)) {
        port->broken = true;
        return false;
    }
    q->lent[named] = false;
    q->taken++;
    *id = (uint16_t)named;
    *bytes = written;
    return true;
}

void virtio_notify(struct virtio_port *port, unsigned queue)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if ((__atomic_load_n(&port->queues[queue].used.flags, __ATOMIC_RELAXED) & USED_QUIET) == 0) {
        cpu_out16((uint16_t)(MACHINE_PORT_NOTIFY + port->slot * MACHINE_PORT_NOTIFY_BYTES), (uint16_t)queue);
    }
}
