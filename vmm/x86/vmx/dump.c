/* SPDX-License-Identifier: MIT */
/* What an operator sends in when an entry failed: the VMCS and what the CPU says it may hold, by name. */
#include "core/core.h"
#include "x86/vmx/vmx.h"

static const struct {
    const char *name;
    enum vmcs_field field;
} fields[] = {
#define FIELD_ROW(name, encoding) {#name, name},
    VMCS_FIELDS(FIELD_ROW)
#undef FIELD_ROW
};

static const struct {
    const char *name;
    uint32_t msr;
} capabilities[] = {
    {"IA32_VMX_BASIC", 0x480},
    {"IA32_VMX_MISC", 0x485},
    {"IA32_VMX_CR0_FIXED0", 0x486},
    {"IA32_VMX_CR0_FIXED1", 0x487},
    {"IA32_VMX_CR4_FIXED0", 0x488},
    {"IA32_VMX_CR4_FIXED1", 0x489},
    {"IA32_VMX_PROCBASED_CTLS2", 0x48b},
    {"IA32_VMX_EPT_VPID_CAP", 0x48c},
    {"IA32_VMX_TRUE_PINBASED_CTLS", 0x48d},
    {"IA32_VMX_TRUE_PROCBASED_CTLS", 0x48e},
    {"IA32_VMX_TRUE_EXIT_CTLS", 0x48f},
    {"IA32_VMX_TRUE_ENTRY_CTLS", 0x490},
};

void vmx_dump(const struct vcpu *vcpu) {
    uint64_t code = vmx_of(vcpu)->exit_code;
    if ((code & VMX_CODE_NOT_ENTERED) != 0) {
        log_line("vmcs: entry failed: VM-instruction error %lu", (uint64_t)(code & ~VMX_CODE_NOT_ENTERED));
    } else {
        log_line("vmcs: entry failed: exit reason 0x%lx, qualification 0x%lx", code, vmcs_read(EXIT_QUALIFICATION));
    }
    log_line("vmcs: partition %s, vCPU %u", vcpu->partition->name, vcpu->index);
    for (size_t i = 0; i < ARRAY_COUNT(capabilities); i++) {
        log_line("vmcs: cap %s = 0x%lx", capabilities[i].name, rdmsr(capabilities[i].msr));
    }
    log_line("vmcs: cap MAXPHYADDR = 0x%x", cpuid(0x80000008, 0).eax & 0xff);
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        log_line("vmcs: %s = 0x%lx", fields[i].name, vmcs_read(fields[i].field));
    }
    log_line("vmcs: end; tools/vmcs-explain names the rule that this VMCS breaks");
}
