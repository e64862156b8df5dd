/* SPDX-License-Identifier: MIT */
/* Restarting the machine and switching it off. ACPI 6.5, sections 4.8.3.6 (reset register) and 4.8.3.2 (PM1
 * control). */
#ifndef X86_RESET_H
#define X86_RESET_H

#include "x86/acpi.h"

/** By the FADT's reset register, else port 0xcf9, else the keyboard controller. */
__attribute__((noreturn)) void reset_machine(const struct acpi_info *acpi);

/** Enters S5 with the given SLP_TYP values. -MULLION_E_HARDWARE if there is no PM1 control register or
 * nothing happens. */
int reset_power_off(const struct acpi_info *acpi, uint32_t slp_typa, uint32_t slp_typb);

#endif
