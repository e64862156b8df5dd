/* SPDX-License-Identifier: MIT */
/* Control registers: values that no CPU takes, and those that a guest must read back as it wrote them. */
#include "hostile.h"

#define CR0_PE (1ull << 0)
#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_NE (1ull << 5)
#define CR0_WP (1ull << 16)
#define CR0_AM (1ull << 18)
#define CR0_NW (1ull << 29)
#define CR0_CD (1ull << 30)

#define CR4_PAE    (1ull << 5)
#define CR4_MCE    (1ull << 6)
#define CR4_VMXE   (1ull << 13)
#define CR4_SMXE   (1ull << 14)
#define CR4_SMEP   (1ull << 20)
#define CR4_SMAP   (1ull << 21)
#define CR4_ALWAYS 0x6bfull /* VME PVI TSD DE PSE PAE PGE OSFXSR OSXMMEXCPT */
#define EFER_SVME  (1ull << 12)

static void cr0_write(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static void cr3_write(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static void cr4_write(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

static void cr8_write(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr8" : : "r"(value) : "memory");
}

static uint64_t cr0_read(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static uint64_t cr3_read(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}

static uint64_t cr4_read(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static uint64_t cr8_read(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr8, %0" : "=r"(value));
    return value;
}

/* Tries all values; each has to end in #GP and to leave the register as it was. */
static void refusals_report(void (*write)(uint64_t), uint64_t (*read)(void), const uint64_t *values,
                            size_t count)
{
    unsigned accepted = 0;
    const uint64_t before = read();
    for (size_t i = 0; i < count; i++) {
        if (attempt(write, values[i]) != VECTOR_GP || read() != before) {
            accepted++;
            print("# value %lx is taken\n", values[i]);
        }
    }
    report(accepted == 0 ? "#GP" : "accepted", "values=%lu accepted=%u", count, accepted);
}

static void row_cr0_paging_unprotected(void)
{
    const uint64_t values[] = {cr0_read() & ~CR0_PE};
    refusals_report(cr0_write, cr0_read, values, ARRAY_COUNT(values));
}

static void row_cr0_not_write_through(void)
{
    const uint64_t values[] = {(cr0_read() | CR0_NW) & ~CR0_CD};
    refusals_report(cr0_write, cr0_read, values, ARRAY_COUNT(values));
}

static void row_cr0_upper(void)
{
    const uint64_t values[] = {cr0_read() | 1ull << 32, cr0_read() | 1ull << 63};
    refusals_report(cr0_write, cr0_read, values, ARRAY_COUNT(values));
}

/* Writes each value and reads it back; the register is as before in the end. */
static void kept_report(void (*write)(uint64_t), uint64_t (*read)(void), const uint64_t *values, size_t count)
{
    unsigned changed = 0;
    const uint64_t before = read();
    for (size_t i = 0; i < count; i++) {
        const bool taken = attempt(write, values[i]) == NO_FAULT;
        const uint64_t now = read();
        write(before);
        if (!taken || now != values[i]) {
            changed++;
            print("# %lx was written, %lx read\n", values[i], now);
        }
    }
    report(changed == 0 ? "allowed" : "changed", "values=%lu changed=%u", count, changed);
}

static void row_cr0_kept(void)
{
    static const uint64_t flips[] = {0,
                                     CR0_MP,
                                     CR0_EM,
                                     CR0_TS,
                                     CR0_NE,
                                     CR0_WP,
                                     CR0_AM,
                                     CR0_CD,
                                     CR0_CD | CR0_NW,
                                     CR0_CD | CR0_NE,
                                     CR0_TS | CR0_NE | CR0_WP | CR0_CD | CR0_NW};
    uint64_t values[ARRAY_COUNT(flips)];
    for (size_t i = 0; i < ARRAY_COUNT(flips); i++) {
        values[i] = cr0_read() ^ flips[i];
    }
    kept_report(cr0_write, cr0_read, values, ARRAY_COUNT(values));
}

static unsigned physical_bits(void)
{
    uint32_t leaf[4];
    cpuid(0x80000008, 0, leaf);
    return leaf[0] & 0xff;
}

static void row_cr3_reserved(void)
{
    uint64_t values[64];
    size_t count = 0;
    for (unsigned bit = physical_bits(); bit < 64; bit++) {
        values[count++] = cr3_read() | 1ull << bit;
    }
    refusals_report(cr3_write, cr3_read, values, count);
}

/* The bits of CR4 that CPUID lets a guest set. */
static uint64_t cr4_offered(void)
{
    static const struct {
        uint32_t leaf;
        unsigned reg, from, to;
    } features[] = {{1, 2, 26, 18}, {7, 2, 2, 11}, {7, 1, 0, 16}, {7, 1, 7, 20}, {7, 1, 20, 21}};
    uint64_t offered = CR4_ALWAYS | CR4_MCE;
    for (size_t i = 0; i < ARRAY_COUNT(features); i++) {
        uint32_t leaf[4];
        cpuid(features[i].leaf, 0, leaf);
        offered |= (uint64_t)(leaf[features[i].reg] >> features[i].from & 1) << features[i].to;
    }
    return offered;
}

static void row_cr4_reserved(void)
{
    uint64_t values[65];
    size_t count = 0;
    values[count++] = cr4_read() & ~CR4_PAE;
    for (unsigned bit = 0; bit < 64; bit++) {
        if ((cr4_offered() >> bit & 1) == 0) {
            values[count++] = cr4_read() | 1ull << bit;
        }
    }
    refusals_report(cr4_write, cr4_read, values, count);
}

/* All that is offered, but for PAE, SMEP and SMAP, which this guest's page tables do not stand, and MCE,
 * which the VMM keeps on. */
static void row_cr4_kept(void)
{
    uint64_t values[64];
    size_t count = 0;
    const uint64_t bits = cr4_offered() & ~(CR4_PAE | CR4_MCE | CR4_SMEP | CR4_SMAP);
    for (unsigned bit = 0; bit < 64; bit++) {
        if ((bits >> bit & 1) != 0) {
            values[count++] = cr4_read() ^ 1ull << bit;
        }
    }
    kept_report(cr4_write, cr4_read, values, count);
}

/* What the CPU needs for the VMM's sake is not the guest's to see. */
static void row_control_hidden(void)
{
    const uint64_t cr4 = cr4_read() & (CR4_VMXE | CR4_SMXE);
    const uint64_t efer = msr_read(MSR_EFER) & EFER_SVME;
    report(cr4 == 0 && efer == 0 ? "zero" : "answered", "cr4=%lx efer=%lx", cr4, efer);
}

static void row_cr8_reserved(void)
{
    static const uint64_t values[] = {16, 1ull << 32, ~0ull};
    refusals_report(cr8_write, cr8_read, values, ARRAY_COUNT(values));
}

static void row_cr8_kept(void)
{
    static const uint64_t values[] = {1, 2, 7, 14, 15, 0};
    kept_report(cr8_write, cr8_read, values, ARRAY_COUNT(values));
}

const struct row rows_control[] = {
    {"cr0-paging-unprotected", row_cr0_paging_unprotected, false},
    {"cr0-not-write-through", row_cr0_not_write_through, false},
    {"cr0-upper", row_cr0_upper, false},
    {"cr0-kept", row_cr0_kept, false},
    {"cr3-reserved", row_cr3_reserved, false},
    {"cr4-reserved", row_cr4_reserved, false},
    {"cr4-kept", row_cr4_kept, false},
    {"control-hidden", row_control_hidden, false},
    {"cr8-reserved", row_cr8_reserved, false},
    {"cr8-kept", row_cr8_kept, false},
};
const size_t rows_control_count = ARRAY_COUNT(rows_control);
