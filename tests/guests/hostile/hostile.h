/* SPDX-License-Identifier: MIT */
/*
 * The hostile guest: attacks on a VMM, one per row, each with one observable verdict. docs/hostile.md lists
 * the verdicts that Mullion promises; tests/system compares.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define RING_SLOT 8u /* where the manifest gives the guest a network port */

#define NO_FAULT  (-1)
#define VECTOR_DB 1
#define VECTOR_UD 6
#define VECTOR_GP 13
#define VECTOR_AC 17

#define MSR_APIC_BASE 0x1bu
#define MSR_EFER      0xc0000080u

#define X2APIC_ID         0x802u
#define X2APIC_EOI        0x80bu
#define X2APIC_SVR        0x80fu
#define X2APIC_ICR        0x830u
#define X2APIC_LVT_TIMER  0x832u
#define X2APIC_LVT_LINT0  0x835u
#define X2APIC_LVT_ERROR  0x837u
#define X2APIC_TIMER_INIT 0x838u
#define X2APIC_TIMER_DIV  0x83eu
#define TIMER_VECTOR      0x40

/** One attack. `stops`: the partition is expected not to survive it. */
struct row {
    const char *name;
    void (*run)(void);
    bool stops;
};

/* Tables of rows, one per file. */
extern const struct row rows_cpu[], rows_control[], rows_msr[], rows_port[], rows_memory[], rows_apic[],
    rows_mode[], rows_table[], rows_task[], rows_ring[];
extern const size_t rows_cpu_count, rows_control_count, rows_msr_count, rows_port_count, rows_memory_count,
    rows_apic_count, rows_mode_count, rows_table_count, rows_task_count, rows_ring_count;

/* console.c */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** Ends the row: prints `ROW name verdict detail`. */
void report(const char *verdict, const char *format, ...) __attribute__((format(printf, 2, 3)));
void console_start_row(const char *name);
/** Reads a line typed on the console, without its end. */
void console_read_line(char *line, size_t bytes);

/* rows_cpu.c */
/** Intel's CPU, whose hypercall instruction is VMCALL; AMD's is VMMCALL. */
bool cpu_is_intel(void);

/* trap.c */
extern volatile uint64_t interrupt_count[256];
extern volatile uint64_t fault_error, fault_rip;
void trap_init(void);
/** Back to the long mode's task register. */
void trap_load_tss(void);
/** Vector `vector` uses interrupt stack 1, with its top at `stack`; 0: back to the normal stack. */
void trap_set_stack(unsigned vector, uint64_t stack);
/** Is there an x2APIC to work with (there is none under an emulator without Mullion)? */
bool timer_usable(void);
/** Stops the timer after `interrupts` more of its interrupts. */
void trap_limit_timer(uint64_t interrupts);
/** Arms the one-shot timer: TIMER_VECTOR after `ticks` of 1 ns. */
void timer_arm(uint32_t ticks);
/** Sleeps until the next interrupt, at most `ticks` of 1 ns; spins where there is no x2APIC. */
void timer_sleep(uint32_t ticks);

/* entry.S */
/** Runs function(argument); the vector of the exception that ended it, or NO_FAULT. */
int attempt(void (*function)(uint64_t), uint64_t argument);
/** The same in ring 3. */
int attempt_user(void (*function)(uint64_t), uint64_t argument);
void recover(int result) __attribute__((noreturn));
extern uint64_t recovery_rsp, start_info;
extern uint64_t gdt[], pml4[], pd_window[];
extern char trap_stubs[];

/* mode_table.c */
/** Makes all ready for the next two; a gate is one of that mode's IDT. */
void mode_prepare_protected32(void);
void mode_gate_protected32(unsigned vector, uint64_t gate);
/** Runs the code in 32-bit protected mode without paging, until an exception or INT VECTOR_END. */
void mode_run_protected32(const uint8_t *code, size_t bytes);

/* rows_memory.c */
/** Fills a part of RAM that nothing else uses with a pattern. */
void memory_keep(void);
/** How many words of it are no longer what they were. */
uint64_t memory_wrong(void);
/** Maps the 2 MiB that hold `gpa` at a fixed place; returns where `gpa` itself appears. */
void *window_map(uint64_t gpa);

/* Helpers that several files use; each may fault inside attempt(). */
static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(subleaf));
}

static inline uint8_t port_in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void port_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint16_t port_in16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void port_out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t port_in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void port_out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

#endif
