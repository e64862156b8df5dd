# SPDX-License-Identifier: MIT
"""Checks on the guest-state area but for segment registers: Intel SDM volume 3, section 27.3.1. Exit reason 33."""

from vmcs.controls import HARDWARE_EXCEPTION, NMI, OTHER_EVENT
from vmcs.rules import (ALL_ONES, CR0_CD, CR0_NW, CR0_PE, CR0_PG, CR4_PAE, CR4_PCIDE, MOV_SS_BLOCKING, NMI_BLOCKING,
                        SMI_BLOCKING, STI_BLOCKING, canonical, cet_needs_write_protection, efer, fixed_bits,
                        memory_types, rule, shadow_stack, upper_half_zero)

REGISTERS, TABLES, FLOW, NON_REGISTER, PDPTES = "27.3.1.1", "27.3.1.3", "27.3.1.4", "27.3.1.5", "27.3.1.6"
DEBUGCTL_RESERVED = ALL_ONES & ~0xffc7  # LBR, BTF, bus lock detect; TR to RTM
DEBUGCTL_BTF = 1 << 1
RFLAGS_ALWAYS_ONE, RFLAGS_RESERVED, RFLAGS_TF, RFLAGS_IF, RFLAGS_VM = 2, 0xffffffffffc08028, 1 << 8, 1 << 9, 1 << 17
RIGHTS_L = 1 << 13
ACTIVE, HLT, SHUTDOWN, WAIT_FOR_SIPI = range(4)
MISC_ACTIVITY_BIT = {HLT: 6, SHUTDOWN: 7, WAIT_FOR_SIPI: 8}
EXTERNAL_INTERRUPT = 0
DEBUG_EXCEPTION, MACHINE_CHECK = 1, 18
PENDING_RESERVED, PENDING_ENABLED_BREAKPOINT = 0xfffffffffffea7f0, 1 << 12  # bit 11: CPUs that detect bus locks
PENDING_BS, PENDING_RTM = 1 << 14, 1 << 16


# ---- control registers, debug registers, MSRs -------------------------------------------------------------------

@rule(REGISTERS)
def guest_cr0_fixed(dump):
    free = CR0_PE | CR0_PG if dump.on("unrestricted guest") else 0
    yield from fixed_bits(dump, "GUEST_CR0", "CR0", CR0_NW | CR0_CD | free)


@rule(REGISTERS)
def guest_cr0_paging(dump):
    if dump["GUEST_CR0"] & CR0_PG and not dump["GUEST_CR0"] & CR0_PE:
        yield ("GUEST_CR0",), "PE (bit 0) set, since PG (bit 31) is set"


@rule(REGISTERS)
def guest_cr4_fixed(dump):
    yield from fixed_bits(dump, "GUEST_CR4", "CR4")


cet_needs_write_protection(REGISTERS, "guest-cet-needs-wp", "GUEST")


@rule(REGISTERS)
def guest_debugctl(dump):
    if dump.on("load debug controls") and dump["GUEST_DEBUGCTL"] & DEBUGCTL_RESERVED:
        yield ("GUEST_DEBUGCTL",), "bits 5:3 and 63:16 zero"


@rule(REGISTERS)
def guest_long_mode_needs_paging(dump):
    if not dump.on("IA-32e mode guest"):
        return
    if not dump["GUEST_CR0"] & CR0_PG:
        yield ("GUEST_CR0", "ENTRY_CONTROLS"), 'PG (bit 31) set, since "IA-32e mode guest" is set'
    if not dump["GUEST_CR4"] & CR4_PAE:
        yield ("GUEST_CR4", "ENTRY_CONTROLS"), 'PAE (bit 5) set, since "IA-32e mode guest" is set'


@rule(REGISTERS)
def guest_pcide_needs_long_mode(dump):
    if dump["GUEST_CR4"] & CR4_PCIDE and not dump.on("IA-32e mode guest"):
        yield ("GUEST_CR4", "ENTRY_CONTROLS"), 'PCIDE (bit 17) clear, since "IA-32e mode guest" is clear'


@rule(REGISTERS)
def guest_cr3_width(dump):
    if not dump.physical(dump["GUEST_CR3"]):
        yield ("GUEST_CR3",), f"no bit beyond the {dump.physical_bits} of a physical address"


upper_half_zero(REGISTERS, "guest-dr7", "load debug controls", "GUEST_DR7")
canonical(REGISTERS, "guest-sysenter", "GUEST_SYSENTER_ESP", "GUEST_SYSENTER_EIP")
memory_types(REGISTERS, "guest-pat", "load IA32_PAT at entry", "GUEST_IA32_PAT")
efer(REGISTERS, "guest-efer", "load IA32_EFER at entry", "GUEST_IA32_EFER", "IA-32e mode guest")
upper_half_zero(REGISTERS, "guest-pkrs", "load PKRS at entry", "GUEST_IA32_PKRS")
shadow_stack(FLOW, "guest-shadow-stack", "load CET state at entry", "IA-32e mode guest", "GUEST_S_CET", "GUEST_SSP",
             "GUEST_INTERRUPT_SSP_TABLE")


@rule(REGISTERS)
def guest_bndcfgs(dump):
    if dump.on("load IA32_BNDCFGS"):
        if dump["GUEST_IA32_BNDCFGS"] & 0xffc:
            yield ("GUEST_IA32_BNDCFGS",), "bits 11:2 zero"
        if not dump.canonical(dump["GUEST_IA32_BNDCFGS"] & ~0xfff):
            yield ("GUEST_IA32_BNDCFGS",), f"a canonical address ({dump.linear_bits} bits)"


@rule(REGISTERS)
def guest_uinv(dump):
    if dump.on("load UINV") and dump["GUEST_UINV"] >> 8:
        yield ("GUEST_UINV",), "bits 15:8 zero"


# ---- descriptor tables, RIP, RFLAGS -------------------------------------------------------------------------------

canonical(TABLES, "guest-table-bases", "GUEST_GDTR_BASE", "GUEST_IDTR_BASE")


@rule(TABLES)
def guest_table_limits(dump):
    for field in ("GUEST_GDTR_LIMIT", "GUEST_IDTR_LIMIT"):
        if dump[field] >> 16:
            yield (field,), "bits 31:16 zero"


@rule(FLOW)
def guest_rip(dump):
    rip = dump["GUEST_RIP"]
    if not dump.on("IA-32e mode guest") or not dump["GUEST_CS_RIGHTS"] & RIGHTS_L:
        if rip >> 32:
            yield ("GUEST_RIP", "GUEST_CS_RIGHTS", "ENTRY_CONTROLS"), "bits 63:32 zero: the guest runs no 64-bit code"
    elif rip >> dump.linear_bits not in (0, ALL_ONES >> dump.linear_bits):
        yield ("GUEST_RIP",), f"bits 63:{dump.linear_bits} alike"


@rule(FLOW)
def guest_rflags_reserved(dump):
    if dump["GUEST_RFLAGS"] & RFLAGS_RESERVED:
        yield ("GUEST_RFLAGS",), "bits 63:22, 15, 5 and 3 zero"
    if not dump["GUEST_RFLAGS"] & RFLAGS_ALWAYS_ONE:
        yield ("GUEST_RFLAGS",), "bit 1 set"


@rule(FLOW)
def guest_rflags_vm(dump):
    if not dump["GUEST_RFLAGS"] & RFLAGS_VM:
        return
    if dump.on("IA-32e mode guest"):
        yield ("GUEST_RFLAGS", "ENTRY_CONTROLS"), 'VM (bit 17) clear, since "IA-32e mode guest" is set'
    if not dump["GUEST_CR0"] & CR0_PE:
        yield ("GUEST_RFLAGS", "GUEST_CR0"), "VM (bit 17) clear, since CR0.PE is clear"


@rule(FLOW)
def guest_rflags_if(dump):
    if dump.injects and dump.event_type == EXTERNAL_INTERRUPT and not dump["GUEST_RFLAGS"] & RFLAGS_IF:
        yield ("GUEST_RFLAGS", "ENTRY_EVENT"), "IF (bit 9) set, since an external interrupt is injected"


# ---- state that is no register ------------------------------------------------------------------------------------

@rule(NON_REGISTER)
def activity_state(dump):
    state = dump["GUEST_ACTIVITY"]
    if state > WAIT_FOR_SIPI:
        yield ("GUEST_ACTIVITY",), "0 (active), 1 (HLT), 2 (shutdown) or 3 (wait-for-SIPI)"
    elif state != ACTIVE and not dump.capability("IA32_VMX_MISC") >> MISC_ACTIVITY_BIT[state] & 1:
        yield ("GUEST_ACTIVITY",), f"a state that the CPU offers (IA32_VMX_MISC bit {MISC_ACTIVITY_BIT[state]} is clear)"


@rule(NON_REGISTER)
def activity_hlt_needs_ring_0(dump):
    if dump["GUEST_ACTIVITY"] == HLT and dump["GUEST_SS_RIGHTS"] >> 5 & 3:
        yield ("GUEST_ACTIVITY", "GUEST_SS_RIGHTS"), "not HLT, since SS.DPL (bits 6:5) is not 0"


@rule(NON_REGISTER)
def activity_while_blocked(dump):
    if dump["GUEST_INTERRUPTIBILITY"] & (STI_BLOCKING | MOV_SS_BLOCKING) and dump["GUEST_ACTIVITY"] != ACTIVE:
        yield ("GUEST_ACTIVITY", "GUEST_INTERRUPTIBILITY"), "active (0), since STI or MOV SS blocks events"


@rule(NON_REGISTER)
def activity_allows_event(dump):
    if not dump.injects:
        return
    kind, vector, state = dump.event_type, dump["ENTRY_EVENT"] & 0xff, dump["GUEST_ACTIVITY"]
    exceptions = {HLT: (DEBUG_EXCEPTION, MACHINE_CHECK), SHUTDOWN: (MACHINE_CHECK,)}
    types = {HLT: (EXTERNAL_INTERRUPT, NMI, OTHER_EVENT), SHUTDOWN: (NMI,)}
    wakes = kind in types.get(state, ()) or kind == HARDWARE_EXCEPTION and vector in exceptions.get(state, ())
    wanted = {HLT: "an external interrupt, NMI, #DB, #MC or a pending MTF exit", SHUTDOWN: "an NMI or #MC",
              WAIT_FOR_SIPI: "no event"}
    if state in wanted and not wakes:
        yield ("ENTRY_EVENT", "GUEST_ACTIVITY"), f"{wanted[state]} in this activity state"


@rule(NON_REGISTER)
def activity_entry_to_smm(dump):
    if dump.on("entry to SMM") and dump["GUEST_ACTIVITY"] == WAIT_FOR_SIPI:
        yield ("GUEST_ACTIVITY", "ENTRY_CONTROLS"), 'not wait-for-SIPI (3), since "entry to SMM" is set'


@rule(NON_REGISTER)
def interruptibility_reserved(dump):
    if dump["GUEST_INTERRUPTIBILITY"] >> 5:
        yield ("GUEST_INTERRUPTIBILITY",), "bits 31:5 zero"


@rule(NON_REGISTER)
def interruptibility_sti_and_mov_ss(dump):
    state = dump["GUEST_INTERRUPTIBILITY"]
    if state & STI_BLOCKING and state & MOV_SS_BLOCKING:
        yield ("GUEST_INTERRUPTIBILITY",), "not both blocking by STI (bit 0) and by MOV SS (bit 1)"


@rule(NON_REGISTER)
def interruptibility_sti_needs_if(dump):
    if dump["GUEST_INTERRUPTIBILITY"] & STI_BLOCKING and not dump["GUEST_RFLAGS"] & RFLAGS_IF:
        yield ("GUEST_INTERRUPTIBILITY", "GUEST_RFLAGS"), "no blocking by STI (bit 0), since RFLAGS.IF is clear"


@rule(NON_REGISTER)
def interruptibility_allows_event(dump):
    if not dump.injects:
        return
    state, kind = dump["GUEST_INTERRUPTIBILITY"], dump.event_type
    if kind == EXTERNAL_INTERRUPT and state & (STI_BLOCKING | MOV_SS_BLOCKING):
        yield ("GUEST_INTERRUPTIBILITY", "ENTRY_EVENT"), "bits 1:0 zero, since an external interrupt is injected"
    if kind == NMI and state & MOV_SS_BLOCKING:
        yield ("GUEST_INTERRUPTIBILITY", "ENTRY_EVENT"), "bit 1 zero, since an NMI is injected"
    if kind == NMI and state & STI_BLOCKING:
        yield ("GUEST_INTERRUPTIBILITY", "ENTRY_EVENT"), "bit 0 zero, since an NMI is injected (some CPUs let it pass)"
    if kind == NMI and state & NMI_BLOCKING and dump.on("virtual NMIs"):
        yield ("GUEST_INTERRUPTIBILITY", "ENTRY_EVENT"), 'bit 3 zero, since an NMI is injected and "virtual NMIs" is set'


@rule(NON_REGISTER)
def interruptibility_smi(dump):
    blocked, entry = bool(dump["GUEST_INTERRUPTIBILITY"] & SMI_BLOCKING), dump.on("entry to SMM")
    if blocked != entry:
        state = "set" if entry else "clear"
        yield ("GUEST_INTERRUPTIBILITY", "ENTRY_CONTROLS"), f'blocking by SMI (bit 2) {state}, as "entry to SMM" is'


@rule(NON_REGISTER)
def interruptibility_enclave(dump):
    state = dump["GUEST_INTERRUPTIBILITY"]
    if state >> 4 & 1 and state & MOV_SS_BLOCKING:
        yield ("GUEST_INTERRUPTIBILITY",), "no blocking by MOV SS (bit 1) with an enclave interruption (bit 4)"


@rule(NON_REGISTER)
def pending_debug_reserved(dump):
    if dump["GUEST_PENDING_DEBUG"] & PENDING_RESERVED:
        yield ("GUEST_PENDING_DEBUG",), "bits 10:4, 13, 15 and 63:17 zero"


@rule(NON_REGISTER)
def pending_debug_single_step(dump):
    """While #DB has to wait, a trap flag that would have raised it must be remembered, and nothing else as one."""
    held = dump["GUEST_INTERRUPTIBILITY"] & (STI_BLOCKING | MOV_SS_BLOCKING) or dump["GUEST_ACTIVITY"] == HLT
    if not held:
        return
    wanted = dump["GUEST_RFLAGS"] & RFLAGS_TF and not dump["GUEST_DEBUGCTL"] & DEBUGCTL_BTF
    if bool(wanted) != bool(dump["GUEST_PENDING_DEBUG"] & PENDING_BS):
        yield (("GUEST_PENDING_DEBUG", "GUEST_RFLAGS", "GUEST_DEBUGCTL", "GUEST_INTERRUPTIBILITY", "GUEST_ACTIVITY"),
               f'BS (bit 14) {"set" if wanted else "clear"}, as RFLAGS.TF and DEBUGCTL.BTF have it')


@rule(NON_REGISTER)
def pending_debug_rtm(dump):
    pending = dump["GUEST_PENDING_DEBUG"]
    if not pending & PENDING_RTM:
        return
    if pending & ~(PENDING_RTM | PENDING_ENABLED_BREAKPOINT) or not pending & PENDING_ENABLED_BREAKPOINT:
        yield ("GUEST_PENDING_DEBUG",), "with RTM (bit 16) bit 12 and no other"
    if dump["GUEST_INTERRUPTIBILITY"] & MOV_SS_BLOCKING:
        yield ("GUEST_PENDING_DEBUG", "GUEST_INTERRUPTIBILITY"), "no RTM (bit 16) while MOV SS blocks events"


@rule(NON_REGISTER)
def vmcs_link_pointer(dump):
    pointer = dump["VMCS_LINK_POINTER"]
    if pointer == ALL_ONES:
        return
    if pointer & 0xfff or not dump.physical(pointer):
        yield ("VMCS_LINK_POINTER",), f"all ones, or a page below 2^{dump.physical_bits} with a VMCS's revision"


@rule(PDPTES)
def guest_pdptes(dump):
    paging, pae = dump["GUEST_CR0"] & CR0_PG, dump["GUEST_CR4"] & CR4_PAE
    if not (paging and pae and dump.on("enable EPT")) or dump.on("IA-32e mode guest"):
        return
    for field in ("GUEST_PDPTE0", "GUEST_PDPTE1", "GUEST_PDPTE2", "GUEST_PDPTE3"):
        if dump[field] & 1 and (dump[field] & 0x1e6 or not dump.physical(dump[field])):
            yield (field,), f"bits 2:1, 8:5 and those beyond the {dump.physical_bits} of a physical address zero"
