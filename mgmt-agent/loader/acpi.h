/* SPDX-License-Identifier: MIT */
/* The ACPI tables of a partition (ACPI 6.4): RSDP, XSDT, FADT, DSDT, MADT, MCFG. */
#ifndef LOADER_ACPI_H
#define LOADER_ACPI_H

#include <stddef.h>
#include <stdint.h>

#define ACPI_MAX_BYTES 4096u /* of all tables together, with MULLION_MAX_VCPUS vCPUs */

/**
 * Writes all tables.
 * @param to room for ACPI_MAX_BYTES
 * @param gpa guest-physical address of `to`, 16-byte aligned, below 4 GiB; the RSDP comes first
 * @param vcpu_count 1..MULLION_MAX_VCPUS; vCPU n has APIC identifier n
 * @return bytes used
 */
size_t acpi_build(uint8_t *to, uint64_t gpa, uint32_t vcpu_count);

#endif
