/* SPDX-License-Identifier: MIT */
/* One function per privileged instruction, and the register bits that more than one file needs. */
#pragma once

#include "core/types.h"

#define MSR_PAT      0x277u
#define MSR_EFER     0xc0000080u
#define MSR_GS_BASE  0xc0000101u
#define MSR_TSC_AUX  0xc0000103u
#define MSR_PRED_CMD 0x49u
#define EFER_SCE     BIT(0)
#define EFER_LME     BIT(8)
#define EFER_LMA     BIT(10)
#define EFER_NXE     BIT(11)
#define EFER_SVME    BIT(12)
#define CR0_NW       BIT(29)
#define CR0_CD       BIT(30)
#define CR0_PG       BIT(31)
#define RFLAGS_RF    BIT(16)

enum { CR0_PE = 1 << 0, CR0_ET = 1 << 4 };
enum { CR4_PSE = 1 << 4, CR4_PAE = 1 << 5, CR4_MCE = 1 << 6, CR4_OSFXSR = 1 << 9, CR4_OSXMMEXCPT = 1 << 10 };
enum { CR4_OSXSAVE = 1 << 18, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21 };
enum { RFLAGS_RESERVED = 1 << 1, RFLAGS_TF = 1 << 8, RFLAGS_IF = 1 << 9 };

struct cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf) {
    struct cpuid_regs r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

/* inb, inw, inl and outb, outw, outl */
#define PORT_ACCESS(suffix, type)                                                                                      \
    static inline type in##suffix(uint16_t port) {                                                                     \
        type value;                                                                                                    \
        __asm__ volatile("in" #suffix " %1, %0" : "=a"(value) : "Nd"(port));                                           \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void out##suffix(uint16_t port, type value) {                                                        \
        __asm__ volatile("out" #suffix " %0, %1" : : "a"(value), "Nd"(port));                                          \
    }
PORT_ACCESS(b, uint8_t)
PORT_ACCESS(w, uint16_t)
PORT_ACCESS(l, uint32_t)

static inline uint64_t rdmsr(uint32_t msr) {
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value) {
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline uint64_t rdtsc(void) {
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* read_cr2() and write_cr2(), and so on */
#define REGISTER_ACCESS(name, register)                                                                                \
    static inline uint64_t read_##name(void) {                                                                         \
        uint64_t value;                                                                                                \
        __asm__ volatile("mov %%" register ", %0" : "=r"(value));                                                      \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void write_##name(uint64_t value) {                                                                  \
        __asm__ volatile("mov %0, %%" register : : "r"(value) : "memory");                                             \
    }
REGISTER_ACCESS(cr0, "cr0")
REGISTER_ACCESS(cr2, "cr2")
REGISTER_ACCESS(cr3, "cr3")
REGISTER_ACCESS(cr4, "cr4")
REGISTER_ACCESS(dr6, "db6")

static inline void xsetbv(uint64_t value) {
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static inline void invlpg(const void *address) { __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory"); }

static inline void cpu_pause(void) { __asm__ volatile("pause" : : : "memory"); }

static inline void interrupts_disable(void) { __asm__ volatile("cli" : : : "memory"); }

/** Takes every interrupt that is pending, then masks them again. */
static inline void interrupts_take_pending(void) { __asm__ volatile("sti; nop; nop; cli" : : : "memory"); }

/** Waits for an interrupt, takes it, and masks interrupts again. */
static inline void interrupts_wait(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }
