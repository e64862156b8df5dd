/* SPDX-License-Identifier: MIT */
/*
 * Sleep, reset and event registers of a hardware-reduced ACPI machine (ACPI 6.5, sections 4.8.3.7, 4.8.3.6
 * and 5.6.9), and the legacy reset port 0xcf9.
 */
#pragma once

#include "core/types.h"

#define POWER_PORT_CF9 0xcf9

struct power {
    uint8_t events; /* pending MACHINE_EVENT_ bits; set by other CPUs, atomically */
};

enum power_effect { POWER_NOTHING, POWER_OFF, POWER_RESET };

void power_reset(struct power *power);

/** Byte read. */
uint8_t power_read(struct power *power, uint16_t port);

/** Byte write. */
enum power_effect power_write(struct power *power, uint16_t port, uint8_t value);

/** Sets an event bit; true if the event line had been idle, so that the caller sends an edge. */
bool power_raise(struct power *power, uint8_t event);
