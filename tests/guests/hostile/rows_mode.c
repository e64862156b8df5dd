/* SPDX-License-Identifier: MIT */
/* Intercepted instructions in every CPU mode and with prefixes: the VMM has to know their lengths. */
#include "hostile.h"

#define LOW_CODE   0x8000ull /* modes.S is linked for this address */
#define PAGE_BYTES 4096u
#define PAGE_SMALL 7u

extern const uint8_t modes_begin[], modes_end[];
extern const uint64_t modes_entry[];
extern const uint32_t modes_expected[];
/** Calls the code at `entry` in low memory; returns how many markers it passed. */
uint32_t modes_call(uint64_t entry);

enum mode {
    MODE_LONG,
    MODE_COMPAT32,
    MODE_COMPAT16,
    MODE_PROTECTED32,
    MODE_PROTECTED16,
    MODE_REAL,
};

static uint32_t passed;

static void mode_call(uint64_t entry)
{
    passed = modes_call(entry);
}

static void mode_run(enum mode mode)
{
    uint8_t *to = (uint8_t *)LOW_CODE;
    for (const uint8_t *from = modes_begin; from < modes_end; from++) {
        *to++ = *from;
    }
    __asm__ volatile("" : : : "memory");
    passed = 0;
    const int vector = attempt(mode_call, modes_entry[mode]);
    const bool good = vector == NO_FAULT && passed == modes_expected[mode];
    report(good ? "allowed" : "lost", "vector=%d passed=%u of %u", vector, passed, modes_expected[mode]);
}

static void row_length_long(void)
{
    mode_run(MODE_LONG);
}

static void row_length_compat32(void)
{
    mode_run(MODE_COMPAT32);
}

static void row_length_compat16(void)
{
    mode_run(MODE_COMPAT16);
}

static void row_length_protected32(void)
{
    mode_run(MODE_PROTECTED32);
}

static void row_length_protected16(void)
{
    mode_run(MODE_PROTECTED16);
}

static void row_length_real(void)
{
    mode_run(MODE_REAL);
}

static void hlt_prefixed(uint64_t unused)
{
    (void)unused;
    timer_arm(1000000);
    __asm__ volatile("sti; .byte 0x2e, 0xf4; cli");
    timer_arm(1000000);
    __asm__ volatile("sti; .byte 0x48, 0xf4; cli");
}

static void row_length_hlt(void)
{
    if (!timer_usable()) {
        report("skipped", "no x2APIC");
        return;
    }
    const uint64_t before = interrupt_count[TIMER_VECTOR];
    const int vector = attempt(hlt_prefixed, 0);
    const uint64_t count = interrupt_count[TIMER_VECTOR] - before;
    report(vector == NO_FAULT && count == 2 ? "allowed" : "lost", "vector=%d interrupts=%lu", vector, count);
}

/* Two neighbouring pages whose frames are far apart, with an instruction across the border. */
static void row_page_straddle(void)
{
    static uint64_t page_table[512] __attribute__((aligned(PAGE_BYTES)));
    static uint8_t frames[3][PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));
    static const uint8_t code[] = {0x53, 0x31, 0xc0, 0x0f, 0xa2, 0xb0, 0x5a, 0xe6, 0x80, 0x5b, 0xc3};
    unsigned faults = 0;
    page_table[0] = (uint64_t)frames[0] | PAGE_SMALL;
    page_table[1] = (uint64_t)frames[2] | PAGE_SMALL;
    pd_window[1] = (uint64_t)page_table | PAGE_SMALL;
    const uint64_t virtual_base = (512ull << 30) + (2ull << 20);
    for (unsigned before = 1; before < sizeof code; before++) {
        for (unsigned i = 0; i < sizeof code; i++) {
            uint8_t *frame = i < before ? frames[0] + PAGE_BYTES - before : frames[2] - before;
            frame[i] = code[i];
        }
        void (*function)(uint64_t) = (void (*)(uint64_t))(virtual_base + PAGE_BYTES - before);
        faults += attempt(function, 0) == NO_FAULT ? 0u : 1u;
    }
    report(faults == 0 ? "allowed" : "lost", "faults=%u", faults);
}

const struct row rows_mode[] = {
    {"length-long", row_length_long, false},
    {"length-compat32", row_length_compat32, false},
    {"length-compat16", row_length_compat16, false},
    {"length-protected32", row_length_protected32, false},
    {"length-protected16", row_length_protected16, false},
    {"length-real", row_length_real, false},
    {"length-hlt", row_length_hlt, false},
    {"page-straddle", row_page_straddle, false},
};
const size_t rows_mode_count = ARRAY_COUNT(rows_mode);
