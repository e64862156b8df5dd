/* SPDX-License-Identifier: MIT */
/* The static firmware tables that the VMM reads once at boot: MADT, MCFG, FADT. No AML. ACPI 6.5, chapter 5.
 */
#pragma once

#include "core/types.h"

enum { ACPI_MAX_ECAM = 8, ACPI_MAX_IOAPIC = 16 };

struct acpi_ecam {
    uint64_t base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
};

struct acpi_info {
    uint16_t pm_timer_port, pm1a_control, pm1b_control, reset_port; /* I/O ports, 0: none */
    uint16_t pm1a_status, pm1a_enable, smi_command;
    uint8_t reset_value, smi_enable;
    uint64_t dsdt, dsdt_bytes;
    struct acpi_ecam ecam[ACPI_MAX_ECAM];
    uint32_t ecam_count;
    uint32_t ioapic[ACPI_MAX_IOAPIC]; /* physical addresses */
    uint32_t ioapic_count;
};

/** Reads the tables below the RSDP and registers the CPUs of the MADT. Boot map (4 GiB identity) needed.
 * Fatal without MADT. */
void acpi_read(const uint8_t *rsdp, uint32_t rsdp_bytes, struct acpi_info *info);
