/* SPDX-License-Identifier: MIT */
/* The local APIC: interrupts for others, delivery modes that reach past the partition, and storms. */
#include "hostile.h"

#define ICR_FIXED   0ull
#define ICR_SMI     2ull
#define ICR_NMI     4ull
#define ICR_INIT    5ull
#define ICR_STARTUP 6ull
#define FOREIGN_IDS 300u
#define STORM_TICKS 1000u
#define LVT_MASKED  (1u << 16)
#define VECTOR_NMI  2

#define NMI_SLEEPS      10u
#define NMI_SLEEP_TICKS 1000000u

static uint64_t write_value;

static void write_try(uint64_t msr)
{
    msr_write((uint32_t)msr, write_value);
}

static void read_try(uint64_t msr)
{
    (void)msr_read((uint32_t)msr);
}

static int write_attempt(uint32_t msr, uint64_t value)
{
    write_value = value;
    return attempt(write_try, msr);
}

static bool skipped(void)
{
    if (!timer_usable()) {
        report("skipped", "no x2APIC");
        return true;
    }
    return false;
}

static uint64_t icr(uint64_t mode, uint64_t destination)
{
    return destination << 32 | 1u << 14 | mode << 8 | 0x50;
}

static void foreign_run(uint64_t mode)
{
    if (skipped()) {
        return;
    }
    unsigned faults = 0;
    const uint64_t own = msr_read(X2APIC_ID);
    for (uint64_t id = 0; id < FOREIGN_IDS; id++) {
        if (id != own) {
            faults += write_attempt(X2APIC_ICR, icr(mode, id)) == NO_FAULT ? 0u : 1u;
        }
    }
    faults += write_attempt(X2APIC_ICR, icr(mode, 0xfffeu)) == NO_FAULT ? 0u : 1u;
    faults += write_attempt(X2APIC_ICR, icr(mode, 0xfffe0002u) | 1u << 11) == NO_FAULT ? 0u : 1u;
    faults += write_attempt(X2APIC_ICR, icr(mode, 0) | 3u << 18) == NO_FAULT ? 0u : 1u;
    report(faults == 0 ? "ignored" : "faulted", "faults=%u", faults);
}

static void row_ipi_foreign(void)
{
    foreign_run(ICR_FIXED);
}

static void row_ipi_foreign_nmi(void)
{
    foreign_run(ICR_NMI);
}

static void row_ipi_foreign_init(void)
{
    foreign_run(ICR_INIT);
}

static void row_ipi_foreign_startup(void)
{
    foreign_run(ICR_STARTUP);
}

static void row_ipi_modes(void)
{
    static const uint64_t modes[] = {ICR_SMI, 3, 7};
    if (skipped()) {
        return;
    }
    unsigned accepted = 0;
    for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
        for (uint64_t shorthand = 0; shorthand < 4; shorthand++) {
            const uint64_t value = icr(modes[i], 1) | shorthand << 18;
            accepted += write_attempt(X2APIC_ICR, value) == VECTOR_GP ? 0u : 1u;
        }
    }
    report(accepted == 0 ? "#GP" : "accepted", "accepted=%u", accepted);
}

static void row_lvt_modes(void)
{
    static const uint32_t modes[] = {1, 2, 3, 5, 6};
    if (skipped()) {
        return;
    }
    unsigned accepted = 0;
    for (uint32_t msr = X2APIC_LVT_TIMER + 1; msr <= X2APIC_LVT_ERROR; msr++) {
        for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
            if (msr == X2APIC_LVT_ERROR && modes[i] < 2) {
                continue;
            }
            if (write_attempt(msr, 0x50u | modes[i] << 8) != VECTOR_GP) {
                accepted++;
                print("# LVT %x takes delivery mode %u\n", msr, modes[i]);
            }
        }
    }
    report(accepted == 0 ? "#GP" : "accepted", "accepted=%u", accepted);
}

/* NMI is a valid mode of the entries that have one; nothing in a partition raises these pins. */
static void row_lvt_nmi(void)
{
    static const uint32_t entries[] = {0x833, 0x834, X2APIC_LVT_LINT0, 0x836};
    if (skipped()) {
        return;
    }
    const uint64_t before = interrupt_count[VECTOR_NMI];
    unsigned faults = 0;
    for (size_t i = 0; i < ARRAY_COUNT(entries); i++) {
        faults += write_attempt(entries[i], ICR_NMI << 8) == NO_FAULT ? 0u : 1u;
    }
    for (unsigned i = 0; i < NMI_SLEEPS; i++) {
        timer_sleep(NMI_SLEEP_TICKS);
    }
    const uint64_t arrived = interrupt_count[VECTOR_NMI] - before;
    for (size_t i = 0; i < ARRAY_COUNT(entries); i++) {
        (void)write_attempt(entries[i], LVT_MASKED);
    }
    report(faults == 0 && arrived == 0 ? "ignored" : "delivered", "faults=%u nmis=%lu", faults, arrived);
}

static void row_apic_base(void)
{
    if (skipped()) {
        return;
    }
    const uint64_t base = msr_read(MSR_APIC_BASE);
    const uint64_t values[] = {0,       base & ~0x400ull, base & ~0xc00ull, base + 0x1000, base | 1ull << 52,
                               base | 1};
    unsigned accepted = 0;
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        if (write_attempt(MSR_APIC_BASE, values[i]) != VECTOR_GP) {
            accepted++;
            print("# APIC_BASE takes %lx\n", values[i]);
        }
    }
    report(accepted == 0 ? "#GP" : "accepted", "accepted=%u", accepted);
}

static void row_x2apic_reserved(void)
{
    static const struct {
        uint32_t msr;
        uint64_t value;
    } writes[] = {{0x802, 1},     {0x803, 1},           {0x80a, 0},          {0x80d, 1},     {0x80b, 1},
                  {0x808, 0x100}, {0x80f, 0x1000001ff}, {0x810, 1},          {0x820, 1},     {0x828, 1},
                  {0x832, 0x700}, {0x839, 1},           {0x83e, 0xff},       {0x83f, 0x100}, {0x840, 0},
                  {0x80e, 0},     {0x831, 0},           {0x838, 1ull << 32}, {0x8ff, 0},     {0x800, 0}};
    static const uint32_t reads[] = {0x80b, 0x83f, 0x80e, 0x831, 0x840, 0x8ff, 0x800};
    if (skipped()) {
        return;
    }
    unsigned accepted = 0;
    for (size_t i = 0; i < ARRAY_COUNT(writes); i++) {
        if (write_attempt(writes[i].msr, writes[i].value) != VECTOR_GP) {
            accepted++;
            print("# MSR %x takes %lx\n", writes[i].msr, writes[i].value);
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(reads); i++) {
        if (attempt(read_try, reads[i]) != VECTOR_GP) {
            accepted++;
            print("# MSR %x can be read\n", reads[i]);
        }
    }
    report(accepted == 0 ? "#GP" : "accepted", "accepted=%u", accepted);
}

/* A periodic timer of 1 ns: it may eat this vCPU's time and nobody else's; the handler ends it. */
static void row_timer_storm(void)
{
    if (skipped()) {
        return;
    }
    const uint64_t before = interrupt_count[TIMER_VECTOR];
    trap_limit_timer(STORM_TICKS);
    msr_write(X2APIC_LVT_TIMER, TIMER_VECTOR | 1u << 17);
    timer_arm(1);
    __asm__ volatile("sti");
    while (interrupt_count[TIMER_VECTOR] - before < STORM_TICKS) {
        __asm__ volatile("pause");
    }
    __asm__ volatile("cli");
    msr_write(X2APIC_LVT_TIMER, TIMER_VECTOR);
    report("harmless", "interrupts=%lu", interrupt_count[TIMER_VECTOR] - before);
}

const struct row rows_apic[] = {
    {"ipi-foreign", row_ipi_foreign, false},
    {"ipi-foreign-nmi", row_ipi_foreign_nmi, false},
    {"ipi-foreign-init", row_ipi_foreign_init, false},
    {"ipi-foreign-startup", row_ipi_foreign_startup, false},
    {"ipi-modes", row_ipi_modes, false},
    {"lvt-modes", row_lvt_modes, false},
    {"lvt-nmi", row_lvt_nmi, false},
    {"apic-base", row_apic_base, false},
    {"x2apic-reserved", row_x2apic_reserved, false},
    {"timer-storm", row_timer_storm, false},
};
const size_t rows_apic_count = ARRAY_COUNT(rows_apic);
