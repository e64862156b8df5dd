/* SPDX-License-Identifier: MIT */
/* Intel SDM volume 3, chapter "VMX Instruction Reference". None of these fails unless the VMM has a bug. */
#include "x86/vmx/vmcs.h"

#include "core/core.h"

uint64_t vmcs_read(enum vmcs_field field) {
    uint64_t value;
    bool failed;
    __asm__ volatile("vmread %2, %1" : "=@ccna"(failed), "=rm"(value) : "r"((uint64_t)field));
    ASSERT(!failed);
    return value;
}

void vmcs_write(enum vmcs_field field, uint64_t value) {
    bool failed;
    __asm__ volatile("vmwrite %1, %2" : "=@ccna"(failed) : "rm"(value), "r"((uint64_t)field) : "memory");
    ASSERT(!failed);
}

void vmcs_clear(const void *page) {
    bool failed;
    __asm__ volatile("vmclear %1" : "=@ccna"(failed) : "m"(page) : "memory");
    ASSERT(!failed);
}

void vmcs_load(const void *page) {
    bool failed;
    __asm__ volatile("vmptrld %1" : "=@ccna"(failed) : "m"(page) : "memory");
    ASSERT(!failed);
}
