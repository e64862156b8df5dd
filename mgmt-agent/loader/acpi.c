/* SPDX-License-Identifier: MIT */
#include "loader/acpi.h"

#include <string.h>

#include "dsdt.h"
#include "loader/bytes.h"
#include "mullion/abi.h"
#include "mullion/machine.h"

#define HEADER_BYTES   36u
#define OFFSET_LENGTH  4u
#define OFFSET_SUM     9u
#define RSDP_BYTES     36u
#define RSDP_SUM_BYTES 20u /* covered by the first checksum */
#define LOCAL_APIC     0xfee00000u

/* ACPI 6.4, table 5.9: offsets in the FADT. */
#define FADT_BYTES         276u
#define FADT_DSDT          40u
#define FADT_BOOT_ARCH     109u
#define FADT_FLAGS         112u
#define FADT_RESET_REG     116u
#define FADT_RESET_VALUE   128u
#define FADT_X_DSDT        140u
#define FADT_SLEEP_CONTROL 244u
#define FADT_SLEEP_STATUS  256u
#define FADT_HYPERVISOR    268u
#define BOOT_NO_VGA        0x04u
#define BOOT_NO_CMOS_RTC   0x20u
#define FLAG_WBINVD        (1u << 0)
#define FLAG_NO_PWR_BUTTON (1u << 4) /* no fixed one: a control-method button */
#define FLAG_NO_SLP_BUTTON (1u << 5)
#define FLAG_RESET_REG     (1u << 10)
#define FLAG_HW_REDUCED    (1u << 20)

/* All tables, each up to 15 bytes further for its alignment: RSDP, DSDT, FADT, MADT, MCFG, XSDT. */
_Static_assert(RSDP_BYTES + sizeof(dsdt_aml) + FADT_BYTES + (HEADER_BYTES + 8 + 8 * MULLION_MAX_VCPUS + 12) +
                       (HEADER_BYTES + 24) + (HEADER_BYTES + 24) + 6 * 15 <=
                   ACPI_MAX_BYTES,
               "the tables fit the room that callers give");

/* Where the next table goes. */
struct writer {
    uint8_t *base;
    uint64_t gpa;
    size_t used;
};

static void checksum(uint8_t *table, size_t bytes, size_t at)
{
    uint8_t sum = 0;
    table[at] = 0;
    for (size_t i = 0; i < bytes; i++) {
        sum = (uint8_t)(sum + table[i]);
    }
    table[at] = (uint8_t)-sum;
}

/* Room for a table of `bytes`, zeroed, 16-byte aligned. */
static uint8_t *take(struct writer *w, size_t bytes)
{
    w->used = (size_t)round_up(w->used, 16);
    uint8_t *at = w->base + w->used;
    w->used += bytes;
    memset(at, 0, bytes);
    return at;
}

static uint64_t gpa_of(const struct writer *w, const uint8_t *table)
{
    return w->gpa + (uint64_t)(table - w->base);
}

static uint8_t *table_begin(struct writer *w, const char *signature, uint8_t revision, size_t bytes)
{
    uint8_t *table = take(w, bytes);
    memcpy(table, signature, 4);
    put32(table + OFFSET_LENGTH, (uint32_t)bytes);
    table[8] = revision;
    memcpy(table + 10, "MULLN ", 6);
    memcpy(table + 16, "MULLION ", 8);
    put32(table + 24, 1);
    memcpy(table + 28, "MULN", 4);
    put32(table + 32, 1);
    return table;
}

/* Generic address structure: an 8-bit I/O port (ACPI 6.4, 5.2.3.2). */
static void port_register(uint8_t *at, uint16_t port)
{
    at[0] = 1; /* system I/O */
    at[1] = 8; /* bits */
    at[3] = 1; /* byte access */
    put64(at + 4, port);
}

static uint64_t dsdt_write(struct writer *w)
{
    uint8_t *table = take(w, sizeof(dsdt_aml));
    memcpy(table, dsdt_aml, sizeof(dsdt_aml));
    return gpa_of(w, table);
}

static uint64_t fadt_write(struct writer *w, uint64_t dsdt)
{
    uint8_t *table = table_begin(w, "FACP", 6, FADT_BYTES);
    put32(table + FADT_DSDT, (uint32_t)dsdt);
    put64(table + FADT_X_DSDT, dsdt);
    table[FADT_BOOT_ARCH] = BOOT_NO_VGA | BOOT_NO_CMOS_RTC; /* and no 8042: that bit stays clear */
    put32(table + FADT_FLAGS,
          FLAG_WBINVD | FLAG_NO_PWR_BUTTON | FLAG_NO_SLP_BUTTON | FLAG_RESET_REG | FLAG_HW_REDUCED);
    port_register(table + FADT_RESET_REG, MACHINE_PORT_RESET);
    table[FADT_RESET_VALUE] = MACHINE_RESET_VALUE;
    port_register(table + FADT_SLEEP_CONTROL, MACHINE_PORT_SLEEP_CONTROL);
    port_register(table + FADT_SLEEP_STATUS, MACHINE_PORT_SLEEP_STATUS);
    memcpy(table + FADT_HYPERVISOR, "MULLION", 8);
    checksum(table, FADT_BYTES, OFFSET_SUM);
    return gpa_of(w, table);
}

static uint64_t madt_write(struct writer *w, uint32_t vcpu_count)
{
    size_t bytes = HEADER_BYTES + 8 + 8 * (size_t)vcpu_count + 12;
    uint8_t *table = table_begin(w, "APIC", 5, bytes);
    put32(table + HEADER_BYTES, LOCAL_APIC);
    uint8_t *at = table + HEADER_BYTES + 8; /* flags stay 0: no PCAT_COMPAT, there is no 8259 */
    for (uint32_t i = 0; i < vcpu_count; i++, at += 8) {
        at[0] = 0; /* processor local APIC */
        at[1] = 8;
        at[2] = (uint8_t)i;
        at[3] = (uint8_t)i;
        put32(at + 4, 1); /* enabled */
    }
    at[0] = 1; /* IO-APIC */
    at[1] = 12;
    at[2] = MACHINE_IOAPIC_ID;
    put32(at + 4, (uint32_t)MACHINE_IOAPIC_BASE);
    checksum(table, bytes, OFFSET_SUM);
    return gpa_of(w, table);
}

static uint64_t mcfg_write(struct writer *w)
{
    size_t bytes = HEADER_BYTES + 8 + 16;
    uint8_t *table = table_begin(w, "MCFG", 1, bytes);
    put64(table + HEADER_BYTES + 8, MACHINE_ECAM_BASE); /* segment 0, bus 0 to 0: the rest is zero */
    checksum(table, bytes, OFFSET_SUM);
    return gpa_of(w, table);
}

static uint64_t xsdt_write(struct writer *w, const uint64_t *tables, size_t count)
{
    size_t bytes = HEADER_BYTES + 8 * count;
    uint8_t *table = table_begin(w, "XSDT", 1, bytes);
    for (size_t i = 0; i < count; i++) {
        put64(table + HEADER_BYTES + 8 * i, tables[i]);
    }
    checksum(table, bytes, OFFSET_SUM);
    return gpa_of(w, table);
}

size_t acpi_build(uint8_t *to, uint64_t gpa, uint32_t vcpu_count)
{
    struct writer w = {.base = to, .gpa = gpa};
    uint8_t *rsdp = take(&w, RSDP_BYTES);
    uint64_t dsdt = dsdt_write(&w);
    const uint64_t tables[] = {fadt_write(&w, dsdt), madt_write(&w, vcpu_count), mcfg_write(&w)};
    memcpy(rsdp, "RSD PTR ", 8);
    memcpy(rsdp + 9, "MULLN ", 6);
    rsdp[15] = 2; /* revision: ACPI 2.0 and later */
    put32(rsdp + 20, RSDP_BYTES);
    put64(rsdp + 24, xsdt_write(&w, tables, sizeof(tables) / sizeof(tables[0])));
    checksum(rsdp, RSDP_SUM_BYTES, 8);
    checksum(rsdp, RSDP_BYTES, 32);
    return w.used;
}
