/* SPDX-License-Identifier: MIT */
/*
 * The registers of a virtio device on PCI: what its driver sees in configuration space and in BAR 1. Virtio 1.2,
 * section 4.1 (PCI), 5.1 (net), 5.3 (console). Callers hold the partition's device lock, and the lock that guards
 * the MSI-X table.
 */
#pragma once

#include "dev/msix.h"
#include "dev/pci.h"
#include "dev/virtqueue.h"
#include "mullion/abi.h"

enum { VIRTIO_RX, VIRTIO_TX, VIRTIO_QUEUES, VIRTIO_NO_VECTOR = 0xffff };

enum { VIRTIO_NET_F_CSUM = 1 << 0, VIRTIO_NET_F_GUEST_CSUM = 1 << 1, VIRTIO_NET_F_MTU = 1 << 3 };
enum { VIRTIO_NET_F_MAC = 1 << 5, VIRTIO_NET_F_GUEST_TSO4 = 1 << 7, VIRTIO_NET_F_GUEST_TSO6 = 1 << 8 };
enum { VIRTIO_NET_F_HOST_TSO4 = 1 << 11, VIRTIO_NET_F_HOST_TSO6 = 1 << 12, VIRTIO_NET_F_MRG_RXBUF = 1 << 15 };
enum { VIRTIO_NET_F_STATUS = 1 << 16, VIRTIO_F_INDIRECT_DESC = 1 << 28, VIRTIO_F_EVENT_IDX = 1 << 29 };
#define VIRTIO_F_VERSION_1 BIT(32)

enum { VIRTIO_STATUS_DRIVER_OK = 4, VIRTIO_STATUS_FEATURES_OK = 8, VIRTIO_STATUS_NEEDS_RESET = 0x40 };

/** The first registers as the driver sees them; those of the selected queue follow. */
struct virtio_common {
    uint32_t device_select, device_features, driver_select, driver_features;
    uint16_t config_vector, queue_count;
    uint8_t status, generation;
    uint16_t queue_select;
};

struct virtio {
    enum mullion_port_kind kind;
    uint8_t mac[6];
    uint16_t mtu;
    uint64_t offered, features; /* features: what the driver has written */
    struct virtio_common common;
    struct virtqueue queues[VIRTIO_QUEUES];
    bool needs_reset, link_up; /* written by whoever moves data, from any CPU */
    uint8_t generation, isr;   /* generation: likewise */
    struct pci_bar bars[2];
    uint16_t command;
    struct msix msix;
};

/** What the caller must do after a write. */
enum virtio_effect {
    VIRTIO_NOTHING,
    VIRTIO_RUNS,  /* the driver is ready: it set DRIVER_OK */
    VIRTIO_RESET, /* call virtio_reset() once nobody uses the queues any more */
};

/** As after power-up, in slot `slot`. `mac`, `mtu` (0: not told): MULLION_PORT_NET. */
void virtio_init(struct virtio *v, const struct mullion_port_create *port);

/** As after a write of 0 to the status. */
void virtio_reset(struct virtio *v);

/** What a reset leaves alone: configuration space and MSI-X. */
void virtio_power_up(struct virtio *v);

/** Access to BAR 1. What is not a register, of its own size, reads as 0. */
uint64_t virtio_read(struct virtio *v, uint64_t offset, unsigned bytes);
enum virtio_effect virtio_write(struct virtio *v, uint64_t offset, unsigned bytes, uint64_t value);

/** Configuration space: see struct pci_function_ops. */
uint32_t virtio_config_read(const struct virtio *v, uint32_t reg);
void virtio_config_write(struct virtio *v, uint32_t reg, uint32_t value, uint32_t lanes);
