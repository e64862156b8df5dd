/* SPDX-License-Identifier: MIT */
/* One CPU as the VMM uses it: descriptor tables, stacks, and what runs there. */
#pragma once

#include "core/share.h"

/* CPU_WINDOWS: frames of partitions that a CPU can look into at once */
enum { CPU_MAX = 256, CPU_STACK_PAGES = 4, CPU_WINDOWS = 8 };
enum { VECTOR_TIMER = 0xf0, VECTOR_KICK = 0xf1, VECTOR_SPURIOUS = 0xff };

struct vcpu;

/* Task-state segment, AMD64 APM volume 2, section 12.2.5: offsets of the first interrupt stack and of the I/O map's
 * base. */
enum { TSS_BYTES = 104, TSS_IST1 = 36, TSS_IO_MAP = 102 };

/** Per-CPU state; GS points here. */
struct cpu {
    struct cpu *self;
    uint32_t index, apic_id;     /* index 0 = boot CPU */
    bool present, started, smap; /* present: named usable by the MADT */
    struct vcpu *owner;          /* the vCPU that this CPU was given to; CPU 0 only */
    struct vcpu *sharer;         /* CPU 0: the driver VM's vCPU */
    struct vcpu *vcpu;           /* what shall run here, NULL = nothing; written by CPU 0 */
    struct vcpu *current;        /* what run.c is using now; written by this CPU (a hazard pointer) */
    struct vcpu *loaded;         /* whose registers are in this CPU, beyond those that a control block holds */
    struct share share;
    uint8_t *stack; /* lowest page is the guard */
    uint64_t gdt[8];
    uint8_t tss[TSS_BYTES];
    uint64_t timer_deadline;       /* TSC; what the APIC timer is armed for, 0 = it has fired */
    void *vendor;                  /* pages of the back end */
    uint64_t windows[CPU_WINDOWS]; /* frames mapped in this CPU's windows (window.c), 0 = none */
    uint32_t window_used;          /* the window looked into last */
};

/** The CPU that executes this. */
static inline struct cpu *this_cpu(void) {
    struct cpu *cpu;
    __asm__("mov %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/** CPU by index, 0..cpu_count()-1. */
struct cpu *cpu_at(uint32_t index);
uint32_t cpu_count(void);

/** Adds a CPU found in the MADT (boot CPU included; once is enough); false if CPU_MAX are known. */
bool cpu_add(uint32_t apic_id, bool present);

/** Makes the CPU with this APIC identifier number 0. */
void cpu_set_boot(uint32_t apic_id);

/** Stacks from the pool, with guard pages. */
void cpu_alloc_stacks(struct cpu *cpu);

/** Descriptor tables, GS, control registers on the executing CPU. */
void cpu_load(struct cpu *cpu);

/* Selectors of the VMM's descriptor table. */
enum { SELECTOR_CODE = 8, SELECTOR_DATA = 16, SELECTOR_TSS = 40 };

/** Where the interrupt descriptor table lies; all CPUs use the same. */
uint64_t cpu_idt(void);

/** NMIs that reached the VMM on any CPU. */
uint64_t trap_nmi_count(void);

/** The boot CPU before its identity is known: exceptions are reported from here on. */
void cpu_early_init(void);
