/* SPDX-License-Identifier: MIT */
#include "dev/virtio.h"

#include "core/lib.h"

#define FEATURES_ANY (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC)
#define FEATURES_NET                                                                                                   \
    (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MAC | VIRTIO_NET_F_GUEST_TSO4 |                        \
     VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_MRG_RXBUF |              \
     VIRTIO_NET_F_STATUS)
#define STATUS_BITS 0x8fu /* acknowledge, driver, DRIVER_OK, FEATURES_OK, failed */

/* ---- configuration space: a template and what changes; PCI capabilities from 0x40 on ---- */

#define CAP(next, bytes, type) (PCI_CAP_VENDOR | (next) << 8 | (bytes) << 16 | (type) << 24)
#define MSIX_CAP               0x98u
#define VENDOR_AND_NET         0x10411af4u
#define VENDOR_AND_CONSOLE     0x10431af4u
#define COMMAND_BITS           (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };

/* By register / 4. A capability: header, BAR, offset, length; that of CAP_NOTIFY also says that all queues share one
 * port. The one of CAP_PCI must be there; it leads nowhere. */
// clang-format off
static const uint32_t config_template[] = {
    [PCI_SUBSYSTEM / 4] = 0x00401af4,
    [PCI_CAPABILITIES / 4] = 0x40,
    [0x40 / 4] = CAP(0x50, 16, CAP_COMMON), 1, MACHINE_PORT_COMMON, 0x38,
    [0x50 / 4] = CAP(0x64, 20, CAP_NOTIFY), 0, 0, MACHINE_PORT_NOTIFY_BYTES, 0,
    [0x64 / 4] = CAP(0x74, 16, CAP_ISR), 1, MACHINE_PORT_ISR, 1,
    [0x74 / 4] = CAP(0x84, 16, CAP_DEVICE), 1, MACHINE_PORT_CONFIG, 0x40,
    [0x84 / 4] = CAP(MSIX_CAP, 20, CAP_PCI), 0, 0, 0, 0,
    [MSIX_CAP / 4] = PCI_CAP_MSIX, MACHINE_PORT_MSIX | 1, MACHINE_PORT_PBA | 1,
};
// clang-format on

uint32_t virtio_config_read(const struct virtio *v, uint32_t reg) {
    bool net = v->kind == MULLION_PORT_NET;
    uint32_t fixed = reg < sizeof config_template ? config_template[reg / 4] : 0;
    switch (reg) {
    case PCI_ID: return net ? VENDOR_AND_NET : VENDOR_AND_CONSOLE;
    case PCI_COMMAND: return (uint32_t)PCI_STATUS_CAPS | v->command;
    case PCI_CLASS: return net ? 0x02000001 : 0x07800001;
    case PCI_BAR:
    case PCI_BAR + 4: return pci_bar_read(&v->bars[(reg - PCI_BAR) / 4]);
    case MSIX_CAP: return fixed | (uint32_t)msix_control(&v->msix) << 16;
    default: return fixed;
    }
}

void virtio_config_write(struct virtio *v, uint32_t reg, uint32_t value, uint32_t lanes) {
    uint32_t merged = (virtio_config_read(v, reg) & ~lanes) | (value & lanes);
    switch (reg) {
    case PCI_COMMAND: v->command = merged & COMMAND_BITS; break;
    case PCI_BAR:
    case PCI_BAR + 4: pci_bar_write(&v->bars[(reg - PCI_BAR) / 4], value, lanes); break;
    case MSIX_CAP: msix_set_control(&v->msix, (uint16_t)(merged >> 16)); break;
    default: break;
    }
}

/* ---- the common registers: when each can be written and its size, then what a write means ---- */

/* What keeps a register from being written: bits of the status, and two that are none. */
enum { ALWAYS = 0, BEFORE_FEATURES = VIRTIO_STATUS_FEATURES_OK, BEFORE_RUN = VIRTIO_STATUS_DRIVER_OK };
enum { QUEUE_ENABLED = 0x10, BEFORE_ENABLED = BEFORE_RUN | QUEUE_ENABLED, NEVER = 0x20 };

/* Those after QUEUE_SELECT belong to the selected queue; its three addresses are halves of 4 bytes from RINGS on. */
// clang-format off
enum {
    DEVICE_SELECT = 0x00, DEVICE_FEATURES = 0x04, DRIVER_SELECT = 0x08, DRIVER_FEATURES = 0x0c, CONFIG_VECTOR = 0x10,
    QUEUE_COUNT = 0x12, STATUS = 0x14, GENERATION = 0x15, QUEUE_SELECT = 0x16, QUEUE_SIZE = 0x18, QUEUE_VECTOR = 0x1a,
    QUEUE_ENABLE = 0x1c, NOTIFY_OFFSET = 0x1e, RINGS = 0x20, COMMON_END = 0x38,
};

static const struct { uint8_t bytes, closed_by; } registers[COMMON_END] = {
    [DEVICE_SELECT] = {4, ALWAYS},            [DEVICE_FEATURES] = {4, NEVER},    [DRIVER_SELECT] = {4, ALWAYS},
    [DRIVER_FEATURES] = {4, BEFORE_FEATURES}, [CONFIG_VECTOR] = {2, BEFORE_RUN}, [QUEUE_COUNT] = {2, NEVER},
    [STATUS] = {1, ALWAYS},                   [GENERATION] = {1, NEVER},         [QUEUE_SELECT] = {2, ALWAYS},
    [QUEUE_SIZE] = {2, BEFORE_ENABLED},       [QUEUE_VECTOR] = {2, BEFORE_RUN},  [QUEUE_ENABLE] = {2, BEFORE_ENABLED},
    [NOTIFY_OFFSET] = {2, NEVER},             [RINGS] = {4, BEFORE_ENABLED},     [RINGS + 4] = {4, BEFORE_ENABLED},
    [RINGS + 8] = {4, BEFORE_ENABLED},        [RINGS + 12] = {4, BEFORE_ENABLED},
    [RINGS + 16] = {4, BEFORE_ENABLED},       [RINGS + 20] = {4, BEFORE_ENABLED},
};
// clang-format on

static bool is_register(uint64_t offset, unsigned bytes) {
    return offset < COMMON_END && registers[offset].bytes == bytes;
}

/** Where a common register is kept; NULL: it belongs to a queue that does not exist. */
static uint8_t *place_of(struct virtio *v, uint64_t offset) {
    if (offset < sizeof v->common) { return (uint8_t *)&v->common + offset; }
    if (v->common.queue_select >= VIRTIO_QUEUES) { return NULL; }
    return (uint8_t *)&v->queues[v->common.queue_select].regs + (offset - sizeof v->common);
}

static uint32_t half(uint64_t features, uint32_t select) {
    return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

/** Brings those registers up to date that show something else's state. */
static void refresh(struct virtio *v) {
    struct virtio_common *c = &v->common;
    bool broken = __atomic_load_n(&v->needs_reset, __ATOMIC_RELAXED);
    c->device_features = half(v->offered, c->device_select);
    c->driver_features = half(v->features, c->driver_select);
    c->generation = __atomic_load_n(&v->generation, __ATOMIC_ACQUIRE);
    c->status = (uint8_t)((c->status & STATUS_BITS) | (broken ? VIRTIO_STATUS_NEEDS_RESET : 0));
}

/** The selected queue exists if the register is one of a queue. */
static bool may_write(const struct virtio *v, uint64_t offset) {
    bool enabled = offset >= sizeof v->common && v->queues[v->common.queue_select].regs.enabled;
    return (registers[offset].closed_by & (v->common.status | NEVER | (enabled ? QUEUE_ENABLED : 0))) == 0;
}

static void write_features(struct virtio *v, uint32_t value) {
    uint32_t select = v->common.driver_select;
    if (select < 2) { memcpy((uint8_t *)&v->features + sizeof value * select, &value, sizeof value); }
}

static enum virtio_effect write_status(struct virtio *v, uint8_t value) {
    bool acceptable = (v->features & ~v->offered) == 0 && (v->features & VIRTIO_F_VERSION_1) != 0;
    uint8_t before = v->common.status;
    if (value == 0) { return VIRTIO_RESET; }
    value = (value | before) & STATUS_BITS; /* bits go only by reset */
    if (!acceptable) { value &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK; }
    if ((value & VIRTIO_STATUS_FEATURES_OK) == 0) { value &= (uint8_t)~VIRTIO_STATUS_DRIVER_OK; }
    v->common.status = value;
    if ((value & ~before & VIRTIO_STATUS_DRIVER_OK) == 0) { return VIRTIO_NOTHING; }
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
        v->queues[i].indirect = (v->features & VIRTIO_F_INDIRECT_DESC) != 0;
        v->queues[i].event_idx = (v->features & VIRTIO_F_EVENT_IDX) != 0;
    }
    return VIRTIO_RUNS;
}

static bool is_queue_size(uint64_t size) { return size != 0 && size <= VIRTQUEUE_MAX && (size & (size - 1)) == 0; }

/** A misaligned ring cannot be enabled: that is where its indices stay single words. */
static uint16_t enable(const struct virtqueue_registers *r, uint64_t value) {
    return value == 1 && r->descriptors % 16 == 0 && r->driver % 2 == 0 && r->device % 4 == 0;
}

static enum virtio_effect write_common(struct virtio *v, uint64_t offset, unsigned bytes, uint64_t value) {
    uint8_t *place = place_of(v, offset);
    if (place == NULL || !may_write(v, offset)) { return VIRTIO_NOTHING; }
    switch (offset) {
    case STATUS: return write_status(v, (uint8_t)value);
    case DRIVER_FEATURES: write_features(v, (uint32_t)value); return VIRTIO_NOTHING;
    case CONFIG_VECTOR:
    case QUEUE_VECTOR: value = value < v->msix.count ? value : VIRTIO_NO_VECTOR; break;
    case QUEUE_ENABLE: value = enable(&v->queues[v->common.queue_select].regs, value); break;
    case QUEUE_SIZE: value = is_queue_size(value) ? value : v->queues[v->common.queue_select].regs.size; break;
    default: break;
    }
    memcpy(place, &value, bytes);
    return VIRTIO_NOTHING;
}

/* ---- the structures of BAR 1 ---- */

static uint64_t read_config(const struct virtio *v, uint64_t at, unsigned bytes) {
    /* three words of MAC, link status, pairs of queues, MTU; then nothing, since an access may be longer */
    uint16_t config[10] = {[3] = __atomic_load_n(&v->link_up, __ATOMIC_ACQUIRE), 1, v->mtu};
    uint64_t value = 0;
    memcpy(config, v->mac, sizeof v->mac);
    if (v->kind == MULLION_PORT_NET && at < 12) { memcpy(&value, (const uint8_t *)config + at, bytes); }
    return value;
}

uint64_t virtio_read(struct virtio *v, uint64_t offset, unsigned bytes) {
    uint64_t value = 0;
    if (offset >= MACHINE_PORT_PBA) { return offset == MACHINE_PORT_PBA ? msix_pending(&v->msix) : 0; }
    if (offset >= MACHINE_PORT_MSIX) { return msix_table_read(&v->msix, offset - MACHINE_PORT_MSIX, bytes); }
    if (offset >= MACHINE_PORT_CONFIG) { return read_config(v, offset - MACHINE_PORT_CONFIG, bytes); }
    if (offset == MACHINE_PORT_ISR) { return __atomic_exchange_n(&v->isr, 0, __ATOMIC_ACQ_REL); }
    const uint8_t *place = is_register(offset, bytes) ? place_of(v, offset) : NULL;
    refresh(v);
    if (place != NULL) { memcpy(&value, place, bytes); }
    return value;
}

enum virtio_effect virtio_write(struct virtio *v, uint64_t offset, unsigned bytes, uint64_t value) {
    if (offset >= MACHINE_PORT_MSIX && offset < MACHINE_PORT_PBA) {
        msix_table_write(&v->msix, offset - MACHINE_PORT_MSIX, bytes, value);
    }
    return is_register(offset, bytes) ? write_common(v, offset, bytes, value) : VIRTIO_NOTHING;
}

void virtio_reset(struct virtio *v) {
    v->features = 0;
    v->common = (struct virtio_common){.config_vector = VIRTIO_NO_VECTOR, .queue_count = VIRTIO_QUEUES};
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
        v->queues[i] = (struct virtqueue){.regs = {.size = VIRTQUEUE_MAX, .vector = VIRTIO_NO_VECTOR}};
    }
    __atomic_store_n(&v->needs_reset, false, __ATOMIC_RELAXED);
    __atomic_store_n(&v->isr, 0, __ATOMIC_RELAXED);
}

void virtio_power_up(struct virtio *v) {
    v->bars[0].sizing = v->bars[1].sizing = false;
    v->command = 0;
    msix_reset(&v->msix, VIRTIO_QUEUES + 1);
}

void virtio_init(struct virtio *v, const struct mullion_port_create *port) {
    *v = (struct virtio){.kind = (enum mullion_port_kind)port->kind, .mtu = (uint16_t)port->mtu};
    memcpy(v->mac, port->mac, sizeof v->mac);
    v->offered = FEATURES_ANY | (v->kind == MULLION_PORT_NET ? FEATURES_NET : 0) | (v->mtu != 0 ? VIRTIO_NET_F_MTU : 0);
    uint32_t notify = MACHINE_PORT_NOTIFY + port->slot * MACHINE_PORT_NOTIFY_BYTES;
    uint32_t memory = (uint32_t)(MACHINE_PORT_BAR_BASE + port->slot * MACHINE_PORT_BAR_BYTES);
    v->bars[0] = (struct pci_bar){.value = notify | 1, .size = MACHINE_PORT_NOTIFY_BYTES};
    v->bars[1] = (struct pci_bar){.value = memory, .size = (uint32_t)MACHINE_PORT_BAR_BYTES};
    virtio_power_up(v);
    virtio_reset(v);
}
