# SPDX-License-Identifier: MIT
"""Checks on VMX controls: Intel SDM volume 3, section 27.2.1. A broken one is VM-instruction error 7."""

from vmcs.rules import CR0_PE, add, aligned, broken_addresses, needs, rule

EXECUTION, EXIT, ENTRY = "27.2.1.1", "27.2.1.2", "27.2.1.3"
NMI, HARDWARE_EXCEPTION, RESERVED_TYPE, OTHER_EVENT = 2, 3, 1, 7
SOFTWARE_TYPES = (4, 5, 6)  # interrupt, privileged exception, exception
WITH_ERROR_CODE = (8, 10, 11, 12, 13, 14, 17)
UNCACHEABLE, WRITE_BACK = 0, 6


def allowed(section, name, field, register, group=None):
    """The low half of a capability MSR names the bits that must be set, the high half those that may."""
    def check(dump):
        if group and not dump.on(group):
            return
        limits, value = dump.capability(register), dump[field]
        if missing := limits & ~value & 0xffffffff:
            yield (field,), f"bits {missing:#x} set (low half of {register})"
        if surplus := value & ~(limits >> 32):
            yield (field,), f"bits {surplus:#x} clear (high half of {register})"
    add(section, name, check)


allowed(EXECUTION, "pin-controls-allowed", "PIN_CONTROLS", "IA32_VMX_TRUE_PINBASED_CTLS")
allowed(EXECUTION, "proc-controls-allowed", "PROC_CONTROLS", "IA32_VMX_TRUE_PROCBASED_CTLS")
allowed(EXECUTION, "proc2-controls-allowed", "PROC2_CONTROLS", "IA32_VMX_PROCBASED_CTLS2",
        "activate secondary controls")
allowed(EXIT, "exit-controls-allowed", "EXIT_CONTROLS", "IA32_VMX_TRUE_EXIT_CTLS")
allowed(ENTRY, "entry-controls-allowed", "ENTRY_CONTROLS", "IA32_VMX_TRUE_ENTRY_CTLS")

aligned(EXECUTION, "io-bitmaps", "use I/O bitmaps", "IO_BITMAP_A", "IO_BITMAP_B")
aligned(EXECUTION, "msr-bitmap", "use MSR bitmaps", "MSR_BITMAP")
aligned(EXECUTION, "virtual-apic-page", "use TPR shadow", "VIRTUAL_APIC_PAGE")
aligned(EXECUTION, "apic-access-page", "virtualize APIC accesses", "APIC_ACCESS_ADDRESS")
aligned(EXECUTION, "posted-interrupt-descriptor", "process posted interrupts", "POSTED_INTERRUPT_DESCRIPTOR", low_bits=6)
aligned(EXECUTION, "pml-address", "enable PML", "PML_ADDRESS")
aligned(EXECUTION, "shadowing-bitmaps", "VMCS shadowing", "VMREAD_BITMAP", "VMWRITE_BITMAP")
aligned(EXECUTION, "ve-information", "EPT-violation #VE", "VE_INFORMATION_ADDRESS")
aligned(EXECUTION, "spp-table", "sub-page write permissions for EPT", "SPP_TABLE_POINTER")

needs(EXECUTION, "virtual-nmis", "virtual NMIs", "NMI exiting")
needs(EXECUTION, "nmi-window", "NMI-window exiting", "virtual NMIs")
needs(EXECUTION, "x2apic-mode-needs-tpr-shadow", "virtualize x2APIC mode", "use TPR shadow")
needs(EXECUTION, "x2apic-mode-excludes-apic-accesses", "virtualize x2APIC mode", "virtualize APIC accesses", unless=True)
needs(EXECUTION, "apic-registers-need-tpr-shadow", "APIC-register virtualization", "use TPR shadow")
needs(EXECUTION, "virtual-interrupts", "virtual-interrupt delivery", "use TPR shadow", "external-interrupt exiting")
needs(EXECUTION, "posted-interrupts", "process posted interrupts", "virtual-interrupt delivery",
      "acknowledge interrupt on exit")
needs(EXECUTION, "unrestricted-guest-needs-ept", "unrestricted guest", "enable EPT")
needs(EXECUTION, "mode-based-execute-needs-ept", "mode-based execute control for EPT", "enable EPT")
needs(EXECUTION, "pml-needs-ept", "enable PML", "enable EPT")
needs(EXECUTION, "spp-needs-ept", "sub-page write permissions for EPT", "enable EPT")
needs(EXECUTION, "processor-trace", "Intel PT uses guest physical addresses", "enable EPT", "load IA32_RTIT_CTL",
      "clear IA32_RTIT_CTL")
needs(EXIT, "save-preemption-timer", "save VMX-preemption timer value", "activate VMX-preemption timer")
needs(ENTRY, "smm-entry-and-dual-monitor", "deactivate dual-monitor treatment", "entry to SMM", unless=True)


@rule(EXECUTION)
def cr3_target_count(dump):
    limit = dump.capability("IA32_VMX_MISC") >> 16 & 0x1ff
    if dump["CR3_TARGET_COUNT"] > limit:
        yield ("CR3_TARGET_COUNT",), f"at most {limit} (IA32_VMX_MISC bits 24:16)"


@rule(EXECUTION)
def tpr_threshold(dump):
    if dump.on("use TPR shadow") and not dump.on("virtual-interrupt delivery") and dump["TPR_THRESHOLD"] >> 4:
        yield ("TPR_THRESHOLD",), "bits 31:4 zero"


@rule(EXECUTION)
def posted_interrupt_vector(dump):
    if dump.on("process posted interrupts") and dump["POSTED_INTERRUPT_VECTOR"] > 255:
        yield ("POSTED_INTERRUPT_VECTOR",), "0 to 255"


@rule(EXECUTION)
def vpid_is_not_zero(dump):
    if dump.on("enable VPID") and dump["VPID"] == 0:
        yield ("VPID", "PROC2_CONTROLS"), 'not 0, since "enable VPID" is set'


@rule(EXECUTION)
def ept_pointer(dump):
    if not dump.on("enable EPT"):
        return
    pointer, offered = dump["EPT_POINTER"], dump.capability("IA32_VMX_EPT_VPID_CAP")
    kind, levels = pointer & 7, (pointer >> 3 & 7) + 1
    if kind not in (UNCACHEABLE, WRITE_BACK) or not offered >> 8 + kind & 1:
        yield ("EPT_POINTER",), f"memory type (bits 2:0) 0 or 6, and one that IA32_VMX_EPT_VPID_CAP offers; it is {kind}"
    if levels not in (4, 5) or not offered >> 2 + levels & 1:
        yield ("EPT_POINTER",), f"a page-walk length (bits 5:3, plus 1) that IA32_VMX_EPT_VPID_CAP offers; it is {levels}"
    if pointer >> 6 & 1 and not offered >> 21 & 1:
        yield ("EPT_POINTER",), "bit 6 clear: IA32_VMX_EPT_VPID_CAP offers no accessed and dirty flags"
    if pointer >> 7 & 1 and not offered >> 23 & 1:
        yield ("EPT_POINTER",), "bit 7 clear: IA32_VMX_EPT_VPID_CAP offers no supervisor shadow stacks"
    if pointer & 0xf00:
        yield ("EPT_POINTER",), "bits 11:8 zero"
    if not dump.physical(pointer):
        yield ("EPT_POINTER",), f"no bit beyond the {dump.physical_bits} of a physical address"


@rule(EXECUTION)
def vm_functions(dump):
    if dump.on("enable VM functions") and dump["VM_FUNCTION_CONTROLS"] & 1:
        if not dump.on("enable EPT"):
            yield ("VM_FUNCTION_CONTROLS", "PROC2_CONTROLS"), '"enable EPT" set, since EPTP switching is on'
        yield from broken_addresses(dump, ("EPTP_LIST_ADDRESS",), 12, "EPTP switching is on")


@rule(EXECUTION)
def tsc_multiplier(dump):
    if dump.on("use TSC scaling") and dump["TSC_MULTIPLIER"] == 0:
        yield ("TSC_MULTIPLIER",), 'not 0, since "use TSC scaling" is set'


def msr_area(section, name, count, address):
    """16-byte entries at an address of a multiple of 16."""
    def check(dump):
        if dump[count]:
            yield from broken_addresses(dump, (address,), 4, f"{dump.name(count)} is not 0")
            if not dump.physical(dump[address] + dump[count] * 16 - 1):
                yield (count, address), f"an area that ends below 2^{dump.physical_bits}"
    add(section, name, check)


msr_area(EXIT, "exit-msr-store", "EXIT_MSR_STORE_COUNT", "EXIT_MSR_STORE_ADDRESS")
msr_area(EXIT, "exit-msr-load", "EXIT_MSR_LOAD_COUNT", "EXIT_MSR_LOAD_ADDRESS")
msr_area(ENTRY, "entry-msr-load", "ENTRY_MSR_LOAD_COUNT", "ENTRY_MSR_LOAD_ADDRESS")


@rule(ENTRY)
def smm_controls_outside_smm(dump):
    for control in ("entry to SMM", "deactivate dual-monitor treatment"):
        if dump.on(control):
            yield ("ENTRY_CONTROLS",), f'"{control}" clear: the VMM does not run in SMM'


@rule(ENTRY)
def event_type(dump):
    if not dump.injects:
        return
    if dump.event_type == RESERVED_TYPE:
        yield ("ENTRY_EVENT",), "a type (bits 10:8) other than 1, which is reserved"
    if dump.event_type == OTHER_EVENT and not dump.capability("IA32_VMX_TRUE_PROCBASED_CTLS") >> 32 + 27 & 1:
        yield ("ENTRY_EVENT",), 'a type other than 7: the CPU has no "monitor trap flag"'


@rule(ENTRY)
def event_vector(dump):
    if not dump.injects:
        return
    vector = dump["ENTRY_EVENT"] & 0xff
    if dump.event_type == NMI and vector != 2:
        yield ("ENTRY_EVENT",), "vector 2, since the type is NMI"
    if dump.event_type == HARDWARE_EXCEPTION and vector > 31:
        yield ("ENTRY_EVENT",), "a vector of at most 31, since the type is hardware exception"
    if dump.event_type == OTHER_EVENT and vector != 0:
        yield ("ENTRY_EVENT",), "vector 0, since the type is other event"


def may_choose_error_code(dump):
    """IA32_VMX_BASIC bit 56: hardware exceptions with or without error code, whatever the vector."""
    return dump.event_type == HARDWARE_EXCEPTION and dump.capability("IA32_VMX_BASIC") >> 56 & 1


@rule(ENTRY)
def event_delivers_error_code(dump):
    if not dump.injects:
        return
    delivers = dump["ENTRY_EVENT"] >> 11 & 1 == 1
    if dump.on("unrestricted guest") and not dump["GUEST_CR0"] & CR0_PE:
        if delivers:
            yield ("ENTRY_EVENT", "GUEST_CR0"), "no error code (bit 11): the guest is in real mode"
        return
    pushes = dump.event_type == HARDWARE_EXCEPTION and dump["ENTRY_EVENT"] & 0xff in WITH_ERROR_CODE
    if delivers != pushes and not may_choose_error_code(dump):
        text = "an error code (bit 11): this exception has one" if pushes else "no error code (bit 11): this event has none"
        yield ("ENTRY_EVENT",), text


@rule(ENTRY)
def event_reserved_bits(dump):
    if dump.injects and dump["ENTRY_EVENT"] & 0x7ffff000:
        yield ("ENTRY_EVENT",), "bits 30:12 zero"


@rule(ENTRY)
def event_error_code(dump):
    if dump.injects and dump["ENTRY_EVENT"] >> 11 & 1 and dump["ENTRY_EVENT_ERROR"] >> 16:
        yield ("ENTRY_EVENT_ERROR",), "bits 31:16 zero"


@rule(ENTRY)
def event_instruction_length(dump):
    if not dump.injects or dump.event_type not in SOFTWARE_TYPES:
        return
    zero_is_allowed = dump.capability("IA32_VMX_MISC") >> 30 & 1
    if dump["ENTRY_INSN_LENGTH"] > 15 or dump["ENTRY_INSN_LENGTH"] == 0 and not zero_is_allowed:
        least = 0 if zero_is_allowed else 1
        yield ("ENTRY_INSN_LENGTH", "ENTRY_EVENT"), f"{least} to 15, since a software event is injected"
