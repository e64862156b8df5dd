/* SPDX-License-Identifier: MIT */
/* Restarting the machine, switching it off, and its power button. ACPI 6.5, sections 4.8.3.6 (reset register), 4.8.3.2
 * (PM1 control) and 4.8.3.1 (PM1 status and enable). */
#pragma once

#include "x86/acpi.h"

/** By the FADT's reset register, else port 0xcf9, else the keyboard controller. */
__attribute__((noreturn)) void reset_machine(const struct acpi_info *acpi);

/** Enters S5 with the given SLP_TYP values. -MULLION_E_HARDWARE if there is no PM1 control register or
 * nothing happens. */
int reset_power_off(const struct acpi_info *acpi, uint32_t slp_typa, uint32_t slp_typb);

/** Takes the button from the firmware, which would switch the box off by itself. */
void reset_button_enable(const struct acpi_info *acpi);

/** Was it pressed since the last call? */
bool reset_button_pressed(const struct acpi_info *acpi);
