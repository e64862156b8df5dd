/* SPDX-License-Identifier: MIT */
/* What Intel's CPUs need against what guests can make them guess, keep or mix up: Intel SDM volume 4 (the registers),
 * and Intel's advice on L1TF, MDS, branch history and the iTLB. */
#include "core/core.h"
#include "x86/vmx/vmx.h"

enum { MSR_SPEC_CTRL = 0x48, MSR_ARCH_CAPABILITIES = 0x10a, MSR_FLUSH_CMD = 0x10b, SPEC_CTRL_IBRS = 1 << 0 };
enum { EDX_MD_CLEAR = 1 << 10, EDX_L1D_FLUSH = 1 << 28, EDX_ARCH_CAPABILITIES = 1 << 29 }; /* CPUID 7 */
/* MSR_ARCH_CAPABILITIES; L1TF_IS_NO_CONCERN: RDCL_NO or SKIP_L1DFL_VMENTRY */
enum { IBRS_ALL = 1 << 1, L1TF_IS_NO_CONCERN = 1 << 0 | 1 << 3, PSCHANGE_MC_NO = 1 << 6 };

static bool flushes_l1d, clears_buffers;

/** What the CPU says of its own weaknesses; 0: nothing, so it may have all. */
static uint64_t arch_capabilities(void) {
    return (cpuid(7, 0).edx & EDX_ARCH_CAPABILITIES) != 0 ? rdmsr(MSR_ARCH_CAPABILITIES) : 0;
}

void vmx_speculation_init(void) {
    uint32_t features = cpuid(7, 0).edx;
    flushes_l1d = (features & EDX_L1D_FLUSH) != 0 && (arch_capabilities() & L1TF_IS_NO_CONCERN) == 0;
    clears_buffers = (features & EDX_MD_CLEAR) != 0;
    if ((arch_capabilities() & PSCHANGE_MC_NO) == 0) {
        log_line("a guest can stop this CPU by changing the size of a page that it executes (CVE-2018-12207); give it "
                 "only to guests that you trust, or use a newer CPU");
    }
}

void vmx_speculation_cpu_enable(void) {
    if ((arch_capabilities() & IBRS_ALL) != 0) { wrmsr(MSR_SPEC_CTRL, SPEC_CTRL_IBRS); }
}

void vmx_clear_buffers(void) {
    static const uint16_t data_selector = SELECTOR_DATA;
    if (flushes_l1d) { wrmsr(MSR_FLUSH_CMD, 1); }
    if (clears_buffers) { __asm__ volatile("verw %0" : : "m"(data_selector) : "cc"); }
}
