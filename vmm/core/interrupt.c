/* SPDX-License-Identifier: MIT */
/* Interrupts between the devices and vCPUs of one partition; none crosses its border. */
#include "core/core.h"
#include "dev/msix.h"

#define ICR_VECTOR(icr)      ((uint8_t)(icr))
#define ICR_LOGICAL(icr)     (((icr) >> 11 & 1) != 0)
#define ICR_DESTINATION(icr) ((uint32_t)((icr) >> 32))
#define MSI_LOGICAL          BIT(2)

/** Delivers one command to one vCPU; false if that kind of interrupt is not delivered. */
static bool deliver(struct vcpu *to, uint64_t icr) {
    switch ((enum delivery_mode)ICR_MODE(icr)) {
    case MODE_FIXED:
    case MODE_LOWEST: vcpu_interrupt(to, ICR_VECTOR(icr)); return true;
    case MODE_NMI: vcpu_request(to, VCPU_REQUEST_NMI); return true;
    case MODE_INIT: vcpu_request(to, VCPU_REQUEST_INIT); return true;
    case MODE_SIPI:
        to->sipi_page = ICR_VECTOR(icr);
        vcpu_request(to, VCPU_REQUEST_SIPI);
        return true;
    case MODE_SMI:
    case MODE_RESERVED:
    case MODE_EXTINT: return false;
    }
    return false;
}

static bool addressed(const struct vcpu *from, const struct vcpu *to, uint64_t icr) {
    switch ((enum icr_shorthand)ICR_SHORTHAND(icr)) {
    case TO_DESTINATION: return x2apic_destination_matches(to->apic.id, ICR_DESTINATION(icr), ICR_LOGICAL(icr));
    case TO_SELF: return to == from;
    case TO_ALL: return true;
    case TO_ALL_BUT_SELF: return to != from;
    }
    return false;
}

void interrupt_send_ipi(struct vcpu *from, uint64_t icr) {
    const struct partition *p = from->partition;
    bool delivered = false, lowest = ICR_MODE(icr) == MODE_LOWEST;
    for (uint32_t i = 0; i < p->vcpu_count && !(lowest && delivered); i++) {
        if (addressed(from, p->vcpus[i], icr)) { delivered |= deliver(p->vcpus[i], icr); }
    }
    from->counters.refused_ipis += !delivered;
}

void interrupt_deliver_message(const struct partition *p, const struct ioapic_message *message) {
    for (uint32_t i = 0; i < p->vcpu_count; i++) {
        if (x2apic_destination_matches(p->vcpus[i]->apic.id, message->destination, message->logical)) {
            vcpu_interrupt(p->vcpus[i], message->vector);
        }
    }
}

/* Intel SDM volume 3, "Message Signalled Interrupts": bits 19:12 the destination, bit 2 of the address its mode; of the
 * data, bits 10:8 the delivery mode. The 8-bit broadcast means all of them in x2APIC mode too. */
void interrupt_deliver_msi(const struct partition *p, uint64_t address, uint32_t data) {
    bool logical = (address & MSI_LOGICAL) != 0;
    uint32_t destination = address >> 12 & 0xff;
    if (!logical && destination == 0xff) { destination = UINT32_MAX; }
    if (address >> 20 == MSI_ADDRESS >> 20 && (data >> 8 & 7) <= MODE_LOWEST) {
        interrupt_deliver_message(p, &(struct ioapic_message){(uint8_t)data, destination, logical});
    }
}

void partition_interrupt_pin(struct partition *p, unsigned pin) {
    struct ioapic_message message;
    if (ioapic_edge(&p->ioapic, pin, &message)) { interrupt_deliver_message(p, &message); }
}
