/* SPDX-License-Identifier: MIT */
/* The emulated IO-APIC: 24 pins, edge-triggered use only. Source: Intel 82093AA data sheet. */
#pragma once

#include "core/types.h"

#define IOAPIC_PINS 24

struct ioapic {
    uint32_t select, id;
    uint64_t redirection[IOAPIC_PINS];
    uint32_t raised; /* edges that arrived while masked: delivered at unmask */
};

/** An interrupt that a pin sends. */
struct ioapic_message {
    uint8_t vector;
    uint32_t destination;
    bool logical;
};

/** Power-up state: all pins masked. */
void ioapic_reset(struct ioapic *ioapic);

/** 32-bit read at `offset` (0x00 IOREGSEL, 0x10 IOWIN). Other offsets read as 0. */
uint32_t ioapic_read(const struct ioapic *ioapic, uint64_t offset);

/**
 * 32-bit write at `offset`. Unmasking a pin with a remembered edge fills *message and returns true.
 * Redirection entries keep only the fields that exist; a delivery mode other than fixed or lowest priority is
 * stored but never sent.
 */
bool ioapic_write(struct ioapic *ioapic, uint64_t offset, uint32_t value, struct ioapic_message *message);

/** A rising edge on `pin`: true with *message if it must be delivered now. */
bool ioapic_edge(struct ioapic *ioapic, unsigned pin, struct ioapic_message *message);
