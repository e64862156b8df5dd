/* SPDX-License-Identifier: MIT */
/*
 * What dev/link.c is to the VMM. A partition's notifications are bits per slot that any of its CPUs may take; work that
 * waits for a time is done by the CPU of the sender's vCPU 0.
 */
#include "core/core.h"
#include "dev/link.h"

enum { NET_PATIENCE_US = 100000, CONSOLE_PATIENCE_US = 1000000 /* bytes are not sent again by themselves */ };
#define PORT_PAGES (align_up(sizeof(struct port), PAGE_BYTES) / PAGE_BYTES)

struct port {
    struct link_end end; /* first: the link knows its surroundings by it */
    struct partition *partition;
    uint32_t slot;
    struct spinlock lock; /* the registers, the MSI-X table, the count of interrupts */
    struct port *next_free;
};

/* A port's memory stays a port: a CPU that is late with a notification may still look at one that is gone. */
static struct port *free_ports;

static struct port *port_of(const struct link_end *end) { return (struct port *)end; }

/* ---- PCI ---- */

/** All of it changes under the device lock only. */
static uint32_t config_read(void *device, uint32_t reg) {
    const struct port *port = device;
    return virtio_config_read(&port->end.virtio, reg);
}

/** Messages that waited for the mask to go. */
static void send_unmasked(struct port *port) {
    for (int entry; (entry = msix_unmasked(&port->end.virtio.msix)) >= 0;) {
        const struct msix_entry *message = &port->end.virtio.msix.entries[entry];
        interrupt_deliver_msi(port->partition, message->address, message->data);
    }
}

static void config_write(void *device, uint32_t reg, uint32_t value, uint32_t lanes) {
    struct port *port = device;
    spin_lock(&port->lock);
    virtio_config_write(&port->end.virtio, reg, value, lanes);
    send_unmasked(port);
    spin_unlock(&port->lock);
}

static const struct pci_function_ops port_ops = {config_read, config_write};

/** The port in a slot, or NULL. */
static struct port *find(const struct partition *p, uint64_t slot) {
    const struct pci_slot *place = slot < MACHINE_SLOTS ? &p->pci.slots[slot] : NULL;
    return place != NULL && place->ops == &port_ops ? place->device : NULL;
}

uint64_t ports_read(struct partition *p, uint64_t offset, unsigned bytes) {
    struct port *port = find(p, offset / MACHINE_PORT_BAR_BYTES);
    if (port == NULL) { return UINT64_MAX; }
    spin_lock(&port->lock);
    uint64_t value = virtio_read(&port->end.virtio, offset % MACHINE_PORT_BAR_BYTES, bytes);
    spin_unlock(&port->lock);
    return value;
}

void ports_write(struct partition *p, uint64_t offset, unsigned bytes, uint64_t value) {
    struct port *port = find(p, offset / MACHINE_PORT_BAR_BYTES);
    if (port == NULL) { return; }
    spin_lock(&port->lock);
    enum virtio_effect effect = virtio_write(&port->end.virtio, offset % MACHINE_PORT_BAR_BYTES, bytes, value);
    send_unmasked(port);
    spin_unlock(&port->lock);
    if (effect == VIRTIO_RUNS) { link_run(&port->end); }
    if (effect == VIRTIO_RESET) { link_reset(&port->end); }
}

/* ---- work ---- */

void ports_notify(struct partition *p, uint64_t offset, uint32_t queue) {
    uint64_t slot = offset / MACHINE_PORT_NOTIFY_BYTES;
    struct port *port = find(p, slot);
    if (port == NULL || offset % MACHINE_PORT_NOTIFY_BYTES != 0 || queue >= VIRTIO_QUEUES) { return; }
    port->end.out.counters.notifications++;
    __atomic_fetch_or(&p->ports_notified[queue], BIT(slot), __ATOMIC_SEQ_CST);
}

static bool pump(const struct partition *p, unsigned queue, unsigned slot) {
    struct port *port = find(p, slot);
    if (port == NULL) { return false; }
    struct link_end *from = queue == VIRTIO_TX ? &port->end : __atomic_load_n(&port->end.peer, __ATOMIC_ACQUIRE);
    return from != NULL && link_pump(from);
}

/** Of those slots whose queue was notified. @return true if one had so much to do that the rest waits */
static bool pump_notified(struct partition *p, unsigned queue, uint64_t mask) {
    if ((__atomic_load_n(&p->ports_notified[queue], __ATOMIC_RELAXED) & mask) == 0) { return false; }
    uint64_t slots = __atomic_fetch_and(&p->ports_notified[queue], ~mask, __ATOMIC_SEQ_CST) & mask;
    while (slots != 0) {
        unsigned slot = (unsigned)__builtin_ctzll(slots);
        slots &= slots - 1;
        if (pump(p, queue, slot)) {
            __atomic_fetch_or(&p->ports_notified[queue], slots, __ATOMIC_SEQ_CST);
            __atomic_store_n(&p->ports_turn, 64 * queue + slot + 1, __ATOMIC_RELAXED);
            return true;
        }
    }
    return false;
}

/** The partition's vCPU 0 looks at its ports no later than `at`. */
static void look_at(struct partition *p, uint64_t at) {
    uint64_t before = __atomic_load_n(&p->ports_due, __ATOMIC_RELAXED);
    const struct cpu *cpu = p->vcpus[0]->cpu;
    while (at < before) {
        if (__atomic_compare_exchange_n(&p->ports_due, &before, at, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
            if (cpu != this_cpu()) { smp_kick(cpu); }
            return;
        }
    }
}

/** What is due by now counts as notified. */
static void find_due(struct partition *p, uint64_t now) {
    if (now < __atomic_load_n(&p->ports_due, __ATOMIC_RELAXED)) { return; }
    __atomic_store_n(&p->ports_due, LINK_NEVER, __ATOMIC_SEQ_CST);
    for (unsigned slot = 0; slot < MACHINE_SLOTS; slot++) {
        const struct port *port = find(p, slot);
        uint64_t due = port != NULL ? __atomic_load_n(&port->end.out.due, __ATOMIC_SEQ_CST) : LINK_NEVER;
        if (due <= now) { __atomic_fetch_or(&p->ports_notified[VIRTIO_TX], BIT(slot), __ATOMIC_SEQ_CST); }
        if (due > now && due != LINK_NEVER) { look_at(p, due); }
    }
}

void ports_work(struct vcpu *vcpu) {
    struct partition *p = vcpu->partition;
    uint64_t start = rdtsc();
    if (vcpu->index == 0) { find_due(p, start); }
    uint32_t turn = __atomic_load_n(&p->ports_turn, __ATOMIC_RELAXED);
    bool full = false;
    for (unsigned i = 0; i < 3 && !full; i++) { /* the first queue's slots below `turn` come last */
        full = pump_notified(p, (turn / 64 + i) % VIRTIO_QUEUES, i == 0 ? UINT64_MAX << turn % 64 : UINT64_MAX);
    }
    window_close();
    /* What is left waits as long as this took, like the rest of one port: guests have half of a CPU at least. */
    if (full && (p->ports_notified[0] | p->ports_notified[1]) != 0) { look_at(p, 2 * rdtsc() - start); }
}

uint64_t ports_due(const struct vcpu *vcpu) {
    const struct partition *p = vcpu->partition;
    for (unsigned queue = 0; queue < VIRTIO_QUEUES; queue++) {
        if (__atomic_load_n(&p->ports_notified[queue], __ATOMIC_RELAXED) != 0) { return 0; }
    }
    return vcpu->index == 0 ? __atomic_load_n(&p->ports_due, __ATOMIC_RELAXED) : TSC_NEVER;
}

/* ---- what the link asks of its surroundings ---- */

uint64_t link_clock(void) { return rdtsc(); }

bool link_waits_for(const struct link_end *end) {
    return __atomic_load_n(&port_of(end)->partition->state, __ATOMIC_SEQ_CST) == MULLION_STATE_RUNNING;
}

void link_interrupt(struct link_end *end, uint16_t vector) {
    struct port *port = port_of(end);
    struct msix *msix = &end->virtio.msix;
    spin_lock(&port->lock);
    end->out.counters.interrupts++;
    if (port->partition->id == MULLION_AGENT_ID) {
        event_post(MULLION_EVENT_PORT);
    } else if (msix_raise(msix, vector)) {
        interrupt_deliver_msi(port->partition, msix->entries[vector].address, msix->entries[vector].data);
    } else if (!msix->enabled) {
        __atomic_fetch_or(&end->virtio.isr, vector == end->virtio.common.config_vector ? 2 : 1, __ATOMIC_RELAXED);
    }
    spin_unlock(&port->lock);
}

void link_wake(struct link_end *end) { look_at(port_of(end)->partition, end->out.due); }

void link_report(const struct link_end *end) { event_post_port(port_of(end)->partition->id); }

/* ---- life ---- */

static void halt(struct port *port) { link_halt(&port->end, true); }

static void reset(struct port *port) {
    link_reset(&port->end);
    link_halt(&port->end, false);
    spin_lock(&port->lock);
    virtio_power_up(&port->end.virtio);
    spin_unlock(&port->lock);
}

static void release(struct port *port) {
    link_reset(&port->end);
    link_disconnect(&port->end);
    port->partition->pci.slots[port->slot] = (struct pci_slot){0};
    port->next_free = free_ports;
    free_ports = port;
}

static void for_each(const struct partition *p, void (*what)(struct port *port)) {
    for (unsigned slot = 0; slot < MACHINE_SLOTS; slot++) {
        struct port *port = find(p, slot);
        if (port != NULL) { what(port); }
    }
}

void ports_halt(struct partition *p) { for_each(p, halt); }

void ports_reset(struct partition *p) { for_each(p, reset); }

void ports_free(struct partition *p) { for_each(p, release); }

/* ---- calls ---- */

static int check_create(const struct partition *p, const struct mullion_port_create *r) {
    bool net = r->kind == MULLION_PORT_NET, known = net || r->kind == MULLION_PORT_CONSOLE, mac = false;
    for (size_t i = 0; i < sizeof r->mac; i++) { mac |= r->mac[i] != 0; }
    if ((r->zero[0] | r->zero[1]) != 0 || (!net && (mac || r->mtu != 0))) { return -MULLION_E_NOT_ZERO; }
    if (p->id != MULLION_AGENT_ID && p->state != MULLION_STATE_DEFINED) { return -MULLION_E_STATE; }
    if (r->slot == 0 || r->slot >= MACHINE_SLOTS || !known) { return -MULLION_E_RANGE; }
    if (r->mtu != 0 && (r->mtu < 68 || r->mtu > UINT16_MAX)) { return -MULLION_E_RANGE; }
    return p->pci.slots[r->slot].ops != NULL ? -MULLION_E_SLOT_BUSY : 0;
}

int port_create(struct partition *p, const struct mullion_port_create *request) {
    int error = check_create(p, request);
    if (error != 0) { return error; }
    struct port *port = free_ports != NULL ? free_ports : pool_alloc(PORT_PAGES);
    if (port == NULL) { return -MULLION_E_POOL; }
    free_ports = port->next_free;
    port->partition = p;
    port->slot = request->slot;
    link_init(&port->end, p, request,
              tsc_from_us(request->kind == MULLION_PORT_NET ? NET_PATIENCE_US : CONSOLE_PATIENCE_US));
    spin_lock(&p->device_lock);
    p->pci.slots[request->slot] = (struct pci_slot){&port_ops, port};
    spin_unlock(&p->device_lock);
    return 0;
}

static int find_port(uint32_t id, uint32_t slot, struct port **port) {
    const struct partition *p = partition_find(id);
    if (p == NULL) { return -MULLION_E_NO_PARTITION; }
    *port = find(p, slot);
    return *port == NULL ? -MULLION_E_NO_PORT : 0;
}

static int find_connected(uint32_t id, uint32_t slot, struct port **port) {
    int error = find_port(id, slot, port);
    return error == 0 && (*port)->end.peer == NULL ? -MULLION_E_STATE : error;
}

int port_connect(const struct mullion_port_connect *request) {
    struct port *port, *peer;
    if (request->zero != 0) { return -MULLION_E_NOT_ZERO; }
    if ((request->flags & ~MULLION_LINK_ACKNOWLEDGED) != 0) { return -MULLION_E_RANGE; }
    int error = find_port(request->id, request->slot, &port);
    if (error == 0) { error = find_port(request->peer, request->peer_slot, &peer); }
    if (error != 0) { return error; }
    if (port == peer || port->end.virtio.kind != peer->end.virtio.kind) { return -MULLION_E_PORT_KIND; }
    if (port->end.peer != NULL || peer->end.peer != NULL) { return -MULLION_E_SLOT_BUSY; }
    link_connect(&port->end, &peer->end, (request->flags & MULLION_LINK_ACKNOWLEDGED) != 0);
    return 0;
}

int port_disconnect(const struct mullion_port_connect *request) {
    struct port *port;
    if ((request->peer | request->peer_slot | request->flags | request->zero) != 0) { return -MULLION_E_NOT_ZERO; }
    int error = find_connected(request->id, request->slot, &port);
    if (error == 0) { link_disconnect(&port->end); }
    return error;
}

int port_acknowledge(const struct mullion_port_acknowledge *request) {
    struct port *port;
    int error = find_connected(request->id, request->slot, &port);
    if (error == 0) { link_acknowledge(&port->end, request->features); }
    return error;
}

int port_info(struct mullion_port_info *info) {
    struct port *port;
    int error = find_port(info->id, info->slot, &port);
    if (error != 0) { return error; }
    link_info(&port->end, info);
    const struct port *peer = port->end.peer != NULL ? port_of(port->end.peer) : NULL;
    info->peer = peer != NULL ? peer->partition->id : 0;
    info->peer_slot = peer != NULL ? peer->slot : 0;
    return 0;
}
