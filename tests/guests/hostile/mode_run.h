/* SPDX-License-Identifier: MIT */
/* Running one instruction in another CPU mode: mode_run.c does it, mode_table.c judges what came of it. */
#ifndef MODE_RUN_H
#define MODE_RUN_H

#include "hostile.h"
#include "mode_block.h"
#include "mode_table.h"

#define GPRS 16u
#define EAX  0u
#define ECX  1u
#define EDX  2u
#define EBX  3u
#define ESP  4u
#define EBP  5u
#define ESI  6u
#define EDI  7u

#define MODE_FLAGS  0x8d7ull /* RFLAGS before each instruction: all arithmetic flags set */
#define TIMER_TICKS 1000000u

enum mode_number {
    MODE_REAL,
    MODE_PROTECTED16,
    MODE_PROTECTED32,
    MODE_PAGED32,
    MODE_PAE,
    MODE_COMPAT16,
    MODE_COMPAT32,
    MODE_LONG,
    MODE_V86,
    MODE_COUNT
};

/* The begin of mode_switch.S. */
struct mode_block {
    uint64_t gpr[GPRS], rip, rflags, cr0, cr3, cr4, enter, code_selector, data_selector, trampoline,
        resume_error;
    uint64_t host_cr0, host_cr3, host_cr4, idt_pointer[2], host_idt_pointer[2];
    uint64_t out_gpr[GPRS], out_cr0, resume, host_rsp;
};

/* A row of mode_cases.S. */
struct mode_case {
    const char *name;
    const uint8_t *code;
    uint8_t insn, next, length, zero;
    uint32_t end, check, eax, ecx, edx, value;
};

struct mode {
    const char *name;
    uint8_t bits, gate_bits, enter;
    uint16_t code_selector, data_selector;
    bool paging, pae;
};

/* What the handler found on its stack. */
struct frame {
    uint64_t vector, error, rip, cs, rflags;
    uint64_t end; /* stack pointer in front of the frame */
};

extern struct mode_block *const mode_block;
extern const struct mode modes[];
extern bool has_xsave;

/** Copies mode_switch.S into low memory and makes tables and descriptors; then one mode is chosen. */
void mode_prepare(const struct mode *mode);
/** The instructions for this mode's size of code; a row without name ends them. */
const struct mode_case *mode_cases(const struct mode *mode);
/** Runs one; mode_block says what it did to the registers. */
void mode_case_run(const struct mode *mode, const struct mode_case *c);
/** Reads what the handler of this mode found on its stack, its vector first. */
struct frame mode_frame(const struct mode *mode);
/** The registers of the IO-APIC, the first of which selects. */
volatile uint32_t *ioapic_registers(void);

#endif
