/* SPDX-License-Identifier: MIT */
/*
 * A driver for the agent's own virtio ports. Virtio 1.2, sections 2.7 (split rings) and 4.1 (PCI), at the
 * places of mullion/machine.h, so that nothing has to be looked for. Nothing interrupts: EVENT_WAIT returns
 * with MULLION_EVENT_PORT, then the rings are looked at. Every buffer has its descriptor, so a chain is one
 * descriptor.
 */
#ifndef OS_VIRTIO_H
#define OS_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_RING       128u /* buffers of a queue */
#define VIRTIO_QUEUES     2u
#define VIRTIO_QUEUE_IN   0u
#define VIRTIO_QUEUE_OUT  1u
#define VIRTIO_F_NET_MAC  (1ull << 5)
#define VIRTIO_F_NET_LINK (1ull << 16) /* VIRTIO_NET_F_STATUS */

struct virtio_descriptor {
    uint64_t gpa;
    uint32_t bytes;
    uint16_t flags, next;
};

struct virtio_available {
    uint16_t flags, index, ring[VIRTIO_RING], used_event;
};

struct virtio_used_element {
    uint32_t id, bytes;
};

struct virtio_used {
    uint16_t flags, index;
    struct virtio_used_element ring[VIRTIO_RING];
    uint16_t available_event;
};

struct virtio_queue {
    struct virtio_descriptor descriptors[VIRTIO_RING] __attribute__((aligned(16)));
    struct virtio_available available;
    struct virtio_used used __attribute__((aligned(4)));
    bool lent[VIRTIO_RING]; /* the device has it */
    uint16_t given, taken;  /* counts of buffers lent and got back, modulo 2^16 */
};

struct virtio_port {
    uint32_t slot;
    uint32_t buffer_bytes;
    uint8_t *buffers[VIRTIO_QUEUES]; /* VIRTIO_RING of buffer_bytes each */
    bool broken;                     /* the device answered nonsense: closed until it is opened again */
    struct virtio_queue queues[VIRTIO_QUEUES];
};

/**
 * Resets the device and starts it with these features and VIRTIO_F_VERSION_1.
 * @return 0, or -MULLION_E_NO_PORT if there is none or it does not take the features
 */
int virtio_open(struct virtio_port *port, uint64_t features);

/** @return whether one side found the other's rings to make no sense: then only virtio_open() helps */
bool virtio_is_broken(const struct virtio_port *port);

/** @return byte `at` of the device's own configuration */
uint8_t virtio_config(const struct virtio_port *port, uint32_t at);

/** @return buffer `id` of a queue */
uint8_t *virtio_buffer(const struct virtio_port *port, unsigned queue, uint16_t id);

/** Lends a buffer to the device: `bytes` to read of VIRTIO_QUEUE_OUT, to write of VIRTIO_QUEUE_IN. */
void virtio_lend(struct virtio_port *port, unsigned queue, uint16_t id, uint32_t bytes);

/** Takes the next buffer back. @return false if there is none */
bool virtio_take(struct virtio_port *port, unsigned queue, uint16_t *id, uint32_t *bytes);

/** Tells the device about what was lent, unless it looks by itself. */
void virtio_notify(struct virtio_port *port, unsigned queue);

#endif
