/* SPDX-License-Identifier: MIT */
/* AMD64 APM volume 2, section 11.5 (XSAVE); Intel SDM volume 1, chapter 13. */
#include "x86/fpu.h"

#include "x86/asm.h"

#define XSAVE_AREA_BYTES 4096
#define FCW_RESET        0x37fu
#define MXCSR_RESET      0x1f80u
#define MXCSR_WORD       6
#define CPUID_IBPB       BIT(12) /* 80000008 EBX */
#define PRED_CMD_IBPB    1u

/* XSTATE_BV = 0: XRSTOR brings every component to its initial state. */
static const uint32_t initial_state[XSAVE_AREA_BYTES / 4]
    __attribute__((aligned(64))) = {[0] = FCW_RESET, [MXCSR_WORD] = MXCSR_RESET};

void fpu_reset(void) {
    __asm__ volatile("fninit"); /* older CPUs do not restore the last x87 addresses */
    if ((read_cr4() & CR4_OSXSAVE) != 0) {
        struct cpuid_regs all = cpuid(0xd, 0);
        xsetbv((uint64_t)all.edx << 32 | all.eax);
        __asm__ volatile("xrstor64 %0" : : "m"(initial_state), "a"(UINT32_MAX), "d"(UINT32_MAX));
        xsetbv(1);
    } else {
        __asm__ volatile("fxrstor64 %0" : : "m"(initial_state));
    }
    __asm__ volatile("mov %0, %%db0; mov %0, %%db1; mov %0, %%db2; mov %0, %%db3" : : "r"(0ull));
    if ((cpuid(0x80000001, 0).edx >> 27 & 1) != 0) { wrmsr(MSR_TSC_AUX, 0); }
    if ((cpuid(0x80000008, 0).ebx & CPUID_IBPB) != 0) { wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB); }
}
