/* SPDX-License-Identifier: MIT */
/*
 * Part of a VMM for tests only (tests/system/vmx.mk), never of a release: each entry into a guest on another
 * CPU than the agent's breaks one rule of the manual, in the order of this table, until all have been broken.
 * It stands before vmx_switch by the linker's hand (--wrap), so that the VMM under test is the VMM.
 * tests/system/test_vm_entry.py knows which rule each row breaks.
 */
#include "core/core.h"
#include "x86/vmx/vmx.h"

uint64_t __real_vmx_switch(uint64_t *gpr, bool launched);
uint64_t __wrap_vmx_switch(uint64_t *gpr, bool launched);

static const struct {
    const char *name;
    enum vmcs_field field;
    uint64_t keep, set;
} faults[] = {
    {"activity", GUEST_ACTIVITY, 0, 7},
    {"code-type", GUEST_CS_RIGHTS, ~0xfull, 10},
    {"task-register", GUEST_TR_RIGHTS, UINT64_MAX, BIT(16)},
    {"link-pointer", VMCS_LINK_POINTER, 0, 0x1001},
    {"cr4", GUEST_CR4, ~(uint64_t)BIT(13), 0},
    {"ept-pointer", EPT_POINTER, ~7ull, 5},
    {"event", ENTRY_EVENT, 0, BIT(31) | 3 << 8 | 13},
    {"host-tr", HOST_TR_SELECTOR, 0, 0},
};

uint64_t __wrap_vmx_switch(uint64_t *gpr, bool launched)
{
    static size_t next;
    if (this_cpu()->index != 0 && next < ARRAY_COUNT(faults)) {
        enum vmcs_field field = faults[next].field;
        vmcs_write(field, (vmcs_read(field) & faults[next].keep) | faults[next].set);
        log_line("planted: %s", faults[next].name);
        next++;
    }
    return __real_vmx_switch(gpr, launched);
}
