/* SPDX-License-Identifier: MIT */
#include "core/core.h"

#define BOOT_MAP_END      0x100000000ull
#define TABLE_LIMIT_BYTES 0x1000000u

enum { FADT_RESET_SUPPORT = 1 << 10, CPUID_1_ECX_X2APIC = 1 << 21 };
enum { MADT_LOCAL_APIC = 0, MADT_IOAPIC = 1, MADT_LOCAL_X2APIC = 9, MADT_ENABLED = 1, APIC_ID_NONE = 0xff };
enum { RSDP_V1_BYTES = 20, MCFG_ENTRY_BYTES = 16, GAS_IO = 1 };

/* Common table header, ACPI 6.5 section 5.2.6: signature (4 bytes), length (4), and more. */
enum { HEADER_LENGTH = 4, HEADER_BYTES = 36 };

/* MADT entries by type: length, and offsets of APIC identifier or address and of the flags; section 5.2.12.
 */
enum { MADT_LOCAL_APIC_BYTES = 8, MADT_LOCAL_APIC_ID = 3, MADT_LOCAL_APIC_FLAGS = 4 };
enum { MADT_LOCAL_X2APIC_BYTES = 16, MADT_LOCAL_X2APIC_ID = 4, MADT_LOCAL_X2APIC_FLAGS = 8 };
enum { MADT_IOAPIC_BYTES = 12, MADT_IOAPIC_ADDRESS = 4 };

/* FADT fields by offset, section 5.2.9. */
enum { FADT_DSDT = 40, FADT_SMI_CMD = 48, FADT_ACPI_ENABLE = 52, FADT_PM1A_EVT = 56, FADT_PM1_EVT_LEN = 88 };
enum { FADT_PM1A_CNT = 64, FADT_PM1B_CNT = 68, FADT_PM_TMR = 76, FADT_FLAGS = 112 };
enum { FADT_RESET_REG = 116, FADT_RESET_VALUE = 128, FADT_X_DSDT = 140 };

static struct acpi_info *acpi;
static bool madt_seen;

static bool sum_is_zero(const void *start, uint32_t bytes) {
    uint8_t sum = 0;
    for (uint32_t i = 0; i < bytes; i++) { sum = (uint8_t)(sum + ((const uint8_t *)start)[i]); }
    return sum == 0;
}

/** The table at `address` if it is sound and in reach, else NULL with a line in the log. */
static const uint8_t *table_at(uint64_t address) {
    if (address == 0) { return NULL; }
    bool in_reach = address <= BOOT_MAP_END - HEADER_BYTES;
    const uint8_t *table = (const void *)address; // NOLINT(performance-no-int-to-ptr)
    uint32_t length = in_reach ? read32(table + HEADER_LENGTH) : 0;
    bool whole = length >= HEADER_BYTES && length <= TABLE_LIMIT_BYTES && address + length <= BOOT_MAP_END;
    if (whole && sum_is_zero(table, length)) { return table; }
    log_line("ACPI table at 0x%lx is left out: it is damaged or not below 4 GiB; update the firmware", address);
    return NULL;
}

static void add_cpu(uint32_t apic_id, uint32_t flags) {
    bool enabled = (flags & MADT_ENABLED) != 0;
    if (!enabled && apic_id >= APIC_ID_NONE) { return; /* a placeholder, not a CPU */ }
    if (apic_id >= APIC_ID_NONE && (cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC) == 0) {
        log_line("CPU with APIC %u is not used: without x2APIC the VMM cannot address it", apic_id);
    } else if (!cpu_add(apic_id, enabled)) {
        log_line("CPU with APIC %u is not used: the VMM supports %u CPUs", apic_id, CPU_MAX);
    }
}

static void read_madt_entry(const uint8_t *entry) {
    if (entry[0] == MADT_LOCAL_APIC && entry[1] >= MADT_LOCAL_APIC_BYTES) {
        add_cpu(entry[MADT_LOCAL_APIC_ID], read32(entry + MADT_LOCAL_APIC_FLAGS));
    } else if (entry[0] == MADT_LOCAL_X2APIC && entry[1] >= MADT_LOCAL_X2APIC_BYTES) {
        add_cpu(read32(entry + MADT_LOCAL_X2APIC_ID), read32(entry + MADT_LOCAL_X2APIC_FLAGS));
    } else if (entry[0] == MADT_IOAPIC && entry[1] >= MADT_IOAPIC_BYTES && acpi->ioapic_count < ACPI_MAX_IOAPIC) {
        acpi->ioapic[acpi->ioapic_count++] = read32(entry + MADT_IOAPIC_ADDRESS);
    }
}

static void read_madt(const uint8_t *table, const uint8_t *end) {
    const uint8_t *at = table + HEADER_BYTES + 8;
    for (; at + 2 <= end && at[1] >= 2 && at + at[1] <= end; at += at[1]) { read_madt_entry(at); }
    madt_seen = true;
}

/* MCFG entry, PCI Firmware 3.3 section 4.1.2: base (8 bytes), segment (2), first and last bus (1 each). */
static void read_mcfg(const uint8_t *table, const uint8_t *end) {
    const uint8_t *at = table + HEADER_BYTES + 8;
    for (; at + MCFG_ENTRY_BYTES <= end && acpi->ecam_count < ACPI_MAX_ECAM; at += MCFG_ENTRY_BYTES) {
        acpi->ecam[acpi->ecam_count++] = (struct acpi_ecam){read64(at), (uint16_t)read32(at + 8), at[10], at[11]};
    }
}

static void read_fadt(const uint8_t *fadt, const uint8_t *end) {
    uint64_t length = (uint64_t)(end - fadt);
    if (length < FADT_FLAGS + 4) { return; }
    acpi->pm_timer_port = (uint16_t)read32(fadt + FADT_PM_TMR);
    acpi->pm1a_control = (uint16_t)read32(fadt + FADT_PM1A_CNT);
    acpi->pm1b_control = (uint16_t)read32(fadt + FADT_PM1B_CNT);
    acpi->pm1a_status = (uint16_t)read32(fadt + FADT_PM1A_EVT);
    acpi->pm1a_enable = (uint16_t)(acpi->pm1a_status + fadt[FADT_PM1_EVT_LEN] / 2);
    acpi->smi_command = (uint16_t)read32(fadt + FADT_SMI_CMD);
    acpi->smi_enable = fadt[FADT_ACPI_ENABLE];
    bool has_reset = (read32(fadt + FADT_FLAGS) & FADT_RESET_SUPPORT) != 0 && length > FADT_RESET_VALUE;
    if (has_reset && fadt[FADT_RESET_REG] == GAS_IO) {
        acpi->reset_port = (uint16_t)read64(fadt + FADT_RESET_REG + 4);
        acpi->reset_value = fadt[FADT_RESET_VALUE];
    }
    uint64_t wide = length >= FADT_X_DSDT + 8 ? read64(fadt + FADT_X_DSDT) : 0;
    const uint8_t *dsdt = table_at(wide != 0 ? wide : read32(fadt + FADT_DSDT));
    acpi->dsdt = (uint64_t)(uintptr_t)dsdt;
    acpi->dsdt_bytes = dsdt != NULL ? read32(dsdt + HEADER_LENGTH) : 0;
}

static void note_iommu(const uint8_t *table, const uint8_t *end) {
    log_line("the box has an IOMMU, which is not used: if there is no network, switch off pre-boot DMA protection in "
             "the firmware set-up");
}

static void read_table(const uint8_t *table) {
    static const struct {
        char signature[5];
        void (*read)(const uint8_t *table, const uint8_t *end);
    } known[] = {
        {"APIC", read_madt}, {"MCFG", read_mcfg}, {"FACP", read_fadt}, {"DMAR", note_iommu}, {"IVRS", note_iommu}};
    for (size_t i = 0; table != NULL && i < ARRAY_COUNT(known); i++) {
        if (memcmp(table, known[i].signature, 4) == 0) { known[i].read(table, table + read32(table + HEADER_LENGTH)); }
    }
}

void acpi_read(const uint8_t *rsdp, uint32_t rsdp_bytes, struct acpi_info *info) {
    acpi = info;
    bool extended = rsdp_bytes >= 36 && rsdp[15] >= 2 && read64(rsdp + 24) != 0;
    bool sound = rsdp_bytes >= RSDP_V1_BYTES && sum_is_zero(rsdp, RSDP_V1_BYTES);
    const uint8_t *list = !sound ? NULL : table_at(extended ? read64(rsdp + 24) : read32(rsdp + 16));
    uint32_t width = extended ? 8 : 4;
    for (uint32_t at = HEADER_BYTES; list != NULL && at + width <= read32(list + HEADER_LENGTH); at += width) {
        read_table(table_at(extended ? read64(list + at) : read32(list + at)));
    }
    if (!madt_seen || cpu_count() == 0) {
        log_fatal("no usable ACPI MADT: the VMM cannot find the CPUs; ACPI is off or damaged; enable ACPI in the "
                  "firmware set-up");
    }
}
