/* SPDX-License-Identifier: MIT */
/*
 * Segments and exceptions. Interrupts stay off: the agent has none. An exception is the end of this agent; it
 * is reported by AGENT_EXIT and the VMM starts a new one.
 */
#include <stddef.h>
#include <stdio.h>

#include "cpu.h"
#include "kernel.h"
#include "os.h"

#define VECTORS        32u
#define STUB_BYTES     16u
#define SELECTOR_CODE  0x08u
#define SELECTOR_TSS   0x18u
#define GATE_INTERRUPT 0x8eu
#define TSS_AVAILABLE  0x89ull
#define VECTOR_PAGE    14u
#define STACK_BYTES    8192u
#define IST_FAULT      1u /* every exception but #DF */
#define IST_DOUBLE     2u /* #DF, so that it survives a bad IST_FAULT */

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, zero;
};
_Static_assert(sizeof(struct gate) == 16, "IDT gate, AMD64 APM vol. 2, 4.8.4");

struct __attribute__((packed)) tss {
    uint32_t zero0;
    uint64_t rsp[3];
    uint64_t zero1;
    uint64_t ist[7];
    uint64_t zero2;
    uint16_t zero3, io_map;
};
_Static_assert(sizeof(struct tss) == 104, "64-bit TSS, AMD64 APM vol. 2, 12.2.5");

struct __attribute__((packed)) table_register {
    uint16_t limit;
    uint64_t base;
};

#define AT(type, field, offset) _Static_assert(offsetof(struct type, field) == (offset), #type "." #field)

AT(gate, offset_low, 0);
AT(gate, selector, 2);
AT(gate, ist, 4);
AT(gate, type, 5);
AT(gate, offset_mid, 6);
AT(gate, offset_high, 8);
AT(gate, zero, 12);
AT(tss, zero0, 0);
AT(tss, rsp, 4);
AT(tss, zero1, 28);
AT(tss, ist, 36);
AT(tss, zero2, 92);
AT(tss, zero3, 100);
AT(tss, io_map, 102);
AT(table_register, limit, 0);
AT(table_register, base, 2);
AT(trap_frame, vector, 0);
AT(trap_frame, error, 8);
AT(trap_frame, rip, 16);
AT(trap_frame, cs, 24);
AT(trap_frame, rflags, 32);
AT(trap_frame, rsp, 40);
AT(trap_frame, ss, 48);

extern const char trap_stubs[];

static struct gate idt[VECTORS];
static struct tss tss;
static uint64_t gdt[5] = {0, 0x00af9b000000ffffull, 0x00cf93000000ffffull};
static uint8_t fault_stack[STACK_BYTES] __attribute__((aligned(16)));
static uint8_t double_stack[STACK_BYTES] __attribute__((aligned(16)));

static const char *const names[VECTORS] = {
    [0] = "divide error",        [1] = "debug",          [2] = "NMI",
    [3] = "breakpoint",          [4] = "overflow",       [5] = "bound range",
    [6] = "invalid opcode",      [7] = "no FPU",         [8] = "double fault",
    [10] = "invalid TSS",        [11] = "no segment",    [12] = "stack fault",
    [13] = "general protection", [14] = "page fault",    [16] = "x87 error",
    [17] = "alignment check",    [18] = "machine check", [19] = "SIMD error",
};

static void gdt_load(void)
{
    uint64_t base = (uintptr_t)&tss;
    gdt[3] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | TSS_AVAILABLE << 40 | (base >> 24 & 0xff) << 56;
    gdt[4] = base >> 32;
    const struct table_register r = {sizeof(gdt) - 1, (uintptr_t)gdt};
    __asm__ volatile("lgdt %0" : : "m"(r));
    __asm__ volatile("ltr %w0" : : "r"(SELECTOR_TSS));
}

void trap_start(void)
{
    tss.ist[IST_FAULT - 1] = (uintptr_t)(fault_stack + STACK_BYTES);
    tss.ist[IST_DOUBLE - 1] = (uintptr_t)(double_stack + STACK_BYTES);
    tss.io_map = sizeof(tss);
    gdt_load();
    for (unsigned i = 0; i < VECTORS; i++) {
        uint64_t stub = (uintptr_t)trap_stubs + (uint64_t)i * STUB_BYTES;
        idt[i] = (struct gate){
            .offset_low = (uint16_t)stub,
            .selector = SELECTOR_CODE,
            .ist = i == 8 ? IST_DOUBLE : IST_FAULT,
            .type = GATE_INTERRUPT,
            .offset_mid = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
    const struct table_register r = {sizeof(idt) - 1, (uintptr_t)idt};
    __asm__ volatile("lidt %0" : : "m"(r));
}

_Noreturn void trap_report(const struct trap_frame *frame)
{
    static int reporting;
    if (reporting++ != 0) {
        os_die("exception while an exception was being reported");
    }
    const char *name = frame->vector < VECTORS ? names[frame->vector] : NULL;
    char text[MULLION_TEXT_BYTES];
    char address[40] = "";
    if (frame->vector == VECTOR_PAGE) {
        snprintf(address, sizeof(address), ", address %#llx", (unsigned long long)cpu_cr2());
    }
    snprintf(text, sizeof(text), "exception %u (%s) at RIP %#llx, error code %#llx%s",
             (unsigned)frame->vector, name != NULL ? name : "reserved", (unsigned long long)frame->rip,
             (unsigned long long)frame->error, address);
    os_die(text);
}
