/* SPDX-License-Identifier: MIT */
/* The emulated IO-APIC: see ioapic.h. */
#include "dev/ioapic.h"

enum { OFFSET_SELECT = 0x00, OFFSET_WINDOW = 0x10 };
enum { REGISTER_ID = 0x00, REGISTER_VERSION = 0x01, REGISTER_ARBITRATION = 0x02, REGISTER_REDIRECTION = 0x10 };

#define VERSION_VALUE (0x11u | (IOAPIC_PINS - 1) << 16)

/* MODE_LOWEST: fixed is 0 */
enum { ENTRY_LOGICAL = 1 << 11, ENTRY_MASKED = 1 << 16, MODE_LOWEST = 1 };
#define ENTRY_WRITABLE 0xff0000000001afffull /* all but delivery status, remote IRR and reserved bits */
#define ENTRY_MODE(e)  (((e) >> 8) & 7)

enum { ID_MASK = 0x0f000000, DESTINATION_BROADCAST_8 = 0xff };
#define DESTINATION_BROADCAST 0xffffffffu

void ioapic_reset(struct ioapic *ioapic) {
    *ioapic = (struct ioapic){0};
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) ioapic->redirection[pin] = ENTRY_MASKED;
}

static bool select_is_redirection(const struct ioapic *ioapic) {
    return ioapic->select >= REGISTER_REDIRECTION && ioapic->select < REGISTER_REDIRECTION + 2 * IOAPIC_PINS;
}

static uint32_t window_read(const struct ioapic *ioapic) {
    if (select_is_redirection(ioapic)) {
        uint32_t index = ioapic->select - REGISTER_REDIRECTION;
        return (uint32_t)(ioapic->redirection[index / 2] >> (index % 2 * 32));
    }
    if (ioapic->select == REGISTER_ID || ioapic->select == REGISTER_ARBITRATION) return ioapic->id;
    return ioapic->select == REGISTER_VERSION ? VERSION_VALUE : 0;
}

uint32_t ioapic_read(const struct ioapic *ioapic, uint64_t offset) {
    if (offset == OFFSET_SELECT) return ioapic->select;
    return offset == OFFSET_WINDOW ? window_read(ioapic) : 0;
}

/* Sends the remembered edge of `pin` if its entry lets it through. The 8-bit broadcast means all of them in x2APIC mode
 * too. */
static bool deliver(struct ioapic *ioapic, unsigned pin, struct ioapic_message *message) {
    uint64_t entry = ioapic->redirection[pin];
    if (!(ioapic->raised & BIT(pin)) || (entry & ENTRY_MASKED)) return false;
    ioapic->raised &= ~(uint32_t)BIT(pin);
    if (ENTRY_MODE(entry) > MODE_LOWEST) return false;
    uint32_t destination = (uint32_t)(entry >> 56);
    bool logical = entry & ENTRY_LOGICAL;
    if (!logical && destination == DESTINATION_BROADCAST_8) destination = DESTINATION_BROADCAST;
    *message = (struct ioapic_message){(uint8_t)entry, destination, logical};
    return true;
}

static bool redirection_write(struct ioapic *ioapic, uint32_t value, struct ioapic_message *message) {
    uint32_t index = ioapic->select - REGISTER_REDIRECTION;
    unsigned shift = index % 2 * 32;
    uint64_t *entry = &ioapic->redirection[index / 2];
    *entry = ((*entry & ~(0xffffffffull << shift)) | ((uint64_t)value << shift)) & ENTRY_WRITABLE;
    return deliver(ioapic, index / 2, message);
}

bool ioapic_write(struct ioapic *ioapic, uint64_t offset, uint32_t value, struct ioapic_message *message) {
    if (offset == OFFSET_SELECT) ioapic->select = value & 0xff;
    if (offset != OFFSET_WINDOW) return false;
    if (select_is_redirection(ioapic)) return redirection_write(ioapic, value, message);
    if (ioapic->select == REGISTER_ID) ioapic->id = value & ID_MASK;
    return false;
}

bool ioapic_edge(struct ioapic *ioapic, unsigned pin, struct ioapic_message *message) {
    if (pin >= IOAPIC_PINS) return false;
    ioapic->raised |= (uint32_t)BIT(pin);
    return deliver(ioapic, pin, message);
}
