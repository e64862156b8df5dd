/* SPDX-License-Identifier: MIT */
#include "x86/apic.h"

#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/paging.h"

enum { MSR_APIC_BASE = 0x1b, MSR_X2APIC = 0x800, CPUID_1_ECX_X2APIC = 1 << 21 };
enum { APIC_BASE_ENABLE = 1 << 11, APIC_BASE_EXTENDED = 1 << 10 };
enum { LVT_MASKED = 0x10000, SVR_ENABLE = 0x100, DIVIDE_BY_1 = 0xb, ICR_PENDING = 0x1000 };

/* Register numbers: the xAPIC offset divided by 16. */
// clang-format off
enum apic_register {
    APIC_ID = 0x02, APIC_TPR = 0x08, APIC_EOI = 0x0b, APIC_SVR = 0x0f, APIC_ICR = 0x30, APIC_ICR_HIGH = 0x31,
    APIC_LVT_TIMER = 0x32, APIC_LVT_PERF = 0x34, APIC_LVT_LINT0 = 0x35, APIC_LVT_LINT1 = 0x36, APIC_LVT_ERROR = 0x37,
    APIC_TIMER_INITIAL = 0x38, APIC_TIMER_CURRENT = 0x39, APIC_TIMER_DIVIDE = 0x3e
};
// clang-format on

static bool x2apic;
static volatile uint32_t *registers;
static uint64_t timer_khz;

static uint32_t apic_read(enum apic_register r) {
    return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + (uint32_t)r) : registers[(uint32_t)r * 4];
}

static void apic_write(enum apic_register r, uint32_t value) {
    if (x2apic) {
        wrmsr(MSR_X2APIC + (uint32_t)r, value);
    } else {
        registers[(uint32_t)r * 4] = value;
    }
}

/** Intel 82093AA data sheet: index register at 0, window at 0x10; register 1 tells the last pin in bits
 * 23:16. */
void apic_mask_ioapics(const uint32_t *addresses, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        paging_map(addresses[i], PAGE_BYTES, PAGING_DEVICE);
        volatile uint32_t *ioapic = (volatile uint32_t *)(uintptr_t)addresses[i]; // NOLINT
        ioapic[0] = 1;
        uint32_t last = ioapic[4] >> 16 & 0xff;
        for (uint32_t pin = 0; pin <= last; pin++) {
            ioapic[0] = 0x10 + 2 * pin;
            ioapic[4] = LVT_MASKED;
        }
    }
}

void apic_init(void) {
    outb(0x21, 0xff); /* the legacy 8259 pair and what the firmware left pending there (data sheet: OCW1 is the mask) */
    outb(0xa1, 0xff);
    uint64_t base = rdmsr(MSR_APIC_BASE);
    x2apic = (cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC) != 0;
    if (!x2apic) {
        base = align_down(base, PAGE_BYTES) & 0xffffffffffull;
        paging_map(base, PAGE_BYTES, PAGING_DEVICE);
        registers = (volatile uint32_t *)(uintptr_t)base; // NOLINT(performance-no-int-to-ptr)
    }
}

void apic_enable(void) {
    uint64_t base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;
    wrmsr(MSR_APIC_BASE, base);
    if (x2apic) { wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTENDED); }
    static const enum apic_register masked[] = {APIC_LVT_PERF, APIC_LVT_LINT0, APIC_LVT_LINT1, APIC_LVT_ERROR};
    apic_write(APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_TPR, 0);
    for (size_t i = 0; i < ARRAY_COUNT(masked); i++) { apic_write(masked[i], LVT_MASKED); }
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
}

bool apic_is_x2apic(void) { return x2apic; }

uint32_t apic_read_id(void) {
    uint32_t id = apic_read(APIC_ID);
    return x2apic ? id : id >> 24;
}

void apic_eoi(void) { apic_write(APIC_EOI, 0); }

void apic_send(uint32_t apic_id, enum apic_command command, uint8_t vector_or_page) {
    uint32_t low = (uint32_t)command | vector_or_page;
    if (x2apic) {
        wrmsr(MSR_X2APIC + APIC_ICR, (uint64_t)apic_id << 32 | low);
        return;
    }
    while ((apic_read(APIC_ICR) & ICR_PENDING) != 0) { cpu_pause(); }
    apic_write(APIC_ICR_HIGH, apic_id << 24);
    apic_write(APIC_ICR, low);
}

void apic_timer_calibrate(void (*delay)(uint32_t microseconds), uint32_t microseconds, uint64_t tsc_khz) {
    apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, UINT32_MAX);
    uint64_t start = rdtsc();
    uint32_t before = apic_read(APIC_TIMER_CURRENT);
    delay(microseconds);
    uint64_t ticks = rdtsc() - start;
    uint32_t after = apic_read(APIC_TIMER_CURRENT);
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    timer_khz = (uint64_t)(before - after) * tsc_khz / ticks;
}

uint64_t apic_timer_khz(void) { return timer_khz; }

void apic_timer_arm(uint64_t ticks) {
    apic_write(APIC_TIMER_INITIAL, ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks);
}
