/* SPDX-License-Identifier: MIT */
#include "core/core.h"

enum { CPUID_80000001_ECX_SVM = 1 << 2, CPUID_1_ECX_VMX = 1 << 5 };

const struct hvm_ops *hvm;

void hvm_choose(void) {
    if ((cpuid(0x80000001, 0).ecx & CPUID_80000001_ECX_SVM) != 0) {
        hvm = &svm_ops;
    } else if ((cpuid(1, 0).ecx & CPUID_1_ECX_VMX) != 0) {
        hvm = &vmx_ops;
    } else {
        log_fatal(
            "no hardware virtualisation (AMD SVM or Intel VMX); the CPU does not report it; enable SVM or VT-x in "
            "the firmware set-up, or use a CPU that has it");
    }
    const char *missing = hvm->missing();
    if (missing != NULL) { log_fatal("%s", missing); }
}
