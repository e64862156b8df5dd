/* SPDX-License-Identifier: MIT */
/* AMD64 APM volume 2, section 11.5 (XSAVE); Intel SDM volume 1, chapter 13. */
#include "core/core.h"

enum { FCW_RESET = 0x37f, MXCSR_RESET = 0x1f80, MXCSR_WORD = 6 };

/* CPUID 1 ECX, 80000001 EDX, 80000008 EBX (AMD), 7 EDX (Intel); the MSR's bit */
enum {
    CPUID_XSAVE = 1 << 26,
    CPUID_RDTSCP = 1 << 27,
    CPUID_IBPB = 1 << 12,
    CPUID_IBRS_IBPB = 1 << 26,
    PRED_CMD_IBPB = 1 << 0
};

/* XSTATE_BV = 0: XRSTOR brings every component to its initial state. */
const struct fpu_state fpu_initial = {.xsave = {[0] = FCW_RESET, [MXCSR_WORD] = MXCSR_RESET}, .xcr0 = 1};

static uint64_t components; /* what guests may switch on in XCR0; 0: no XSAVE */
static bool has_tsc_aux, has_ibpb;

void fpu_init(void) {
    components = (cpuid(1, 0).ecx & CPUID_XSAVE) != 0 ? cpuid_xcr0_allowed() : 0;
    has_tsc_aux = (cpuid(0x80000001, 0).edx & CPUID_RDTSCP) != 0;
    has_ibpb = (cpuid(0x80000008, 0).ebx & CPUID_IBPB) != 0 || (cpuid(7, 0).edx & CPUID_IBRS_IBPB) != 0;
    for (uint32_t i = 2; i < 32; i++) {
        struct cpuid_regs component = cpuid(0xd, i);
        ASSERT((components >> i & 1) == 0 || component.eax + component.ebx <= sizeof fpu_initial.xsave);
    }
}

static uint64_t xgetbv(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/** Components that are switched off keep their content: it is moved too. */
static void switch_on(uint64_t xcr0) {
    if (xgetbv() != xcr0) { xsetbv(xcr0); }
}

void fpu_save(struct fpu_state *state) {
    if (components != 0) {
        state->xcr0 = xgetbv();
        switch_on(components);
        __asm__ volatile("xsave64 %0" : "+m"(state->xsave) : "a"((uint32_t)components), "d"(components >> 32));
    } else {
        __asm__ volatile("fxsave64 %0" : "=m"(state->xsave));
    }
    __asm__ volatile("mov %%db0, %0; mov %%db1, %1; mov %%db2, %2; mov %%db3, %3"
                     : "=r"(state->debug[0]), "=r"(state->debug[1]), "=r"(state->debug[2]), "=r"(state->debug[3]));
    state->tsc_aux = has_tsc_aux ? rdmsr(MSR_TSC_AUX) : 0;
}

void fpu_load(const struct fpu_state *state) {
    __asm__ volatile("fninit"); /* older CPUs do not restore the last x87 addresses */
    if (components != 0) {
        switch_on(components);
        __asm__ volatile("xrstor64 %0" : : "m"(state->xsave), "a"((uint32_t)components), "d"(components >> 32));
        switch_on(state->xcr0);
    } else {
        __asm__ volatile("fxrstor64 %0" : : "m"(state->xsave));
    }
    __asm__ volatile("mov %0, %%db0; mov %1, %%db1; mov %2, %%db2; mov %3, %%db3"
                     :
                     : "r"(state->debug[0]), "r"(state->debug[1]), "r"(state->debug[2]), "r"(state->debug[3]));
    if (has_tsc_aux) { wrmsr(MSR_TSC_AUX, state->tsc_aux); }
    if (has_ibpb) { wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB); }
}
