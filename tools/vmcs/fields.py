# SPDX-License-Identifier: MIT
"""The fields of a VMCS by encoding (Intel SDM volume 3, appendix B), and their names in the VMM's header.

Rules and dumps meet in the encoding: the VMM may rename a field in its header, and the dumps of that VMM are still read.
"""

import re

SEGMENTS = ("ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR")
HOST_SELECTORS = ("ES", "CS", "SS", "DS", "FS", "GS", "TR")
WIDTH_BITS = (16, 64, 32, 64)  # by bits 14:13 of the encoding; the last is the natural width


def run(first, *names):
    return {name: first + 2 * index for index, name in enumerate(names)}


ENCODINGS = {
    **run(0x0000, "VPID", "POSTED_INTERRUPT_VECTOR", "EPTP_INDEX", "HLAT_PREFIX_SIZE", "LAST_PID_POINTER_INDEX"),
    **run(0x0800, *(f"GUEST_{name}_SELECTOR" for name in SEGMENTS), "GUEST_INTERRUPT_STATUS", "PML_INDEX", "GUEST_UINV"),
    **run(0x0c00, *(f"HOST_{name}_SELECTOR" for name in HOST_SELECTORS)),
    **run(0x2000, "IO_BITMAP_A", "IO_BITMAP_B", "MSR_BITMAP", "EXIT_MSR_STORE_ADDRESS", "EXIT_MSR_LOAD_ADDRESS",
          "ENTRY_MSR_LOAD_ADDRESS", "EXECUTIVE_VMCS_POINTER", "PML_ADDRESS", "TSC_OFFSET", "VIRTUAL_APIC_PAGE",
          "APIC_ACCESS_ADDRESS", "POSTED_INTERRUPT_DESCRIPTOR", "VM_FUNCTION_CONTROLS", "EPT_POINTER",
          "EOI_EXIT_BITMAP0", "EOI_EXIT_BITMAP1", "EOI_EXIT_BITMAP2", "EOI_EXIT_BITMAP3", "EPTP_LIST_ADDRESS",
          "VMREAD_BITMAP", "VMWRITE_BITMAP", "VE_INFORMATION_ADDRESS", "XSS_EXITING_BITMAP", "ENCLS_EXITING_BITMAP",
          "SPP_TABLE_POINTER", "TSC_MULTIPLIER", "PROC3_CONTROLS", "ENCLV_EXITING_BITMAP", "LOW_PASID_DIRECTORY",
          "HIGH_PASID_DIRECTORY", "SHARED_EPT_POINTER", "PCONFIG_EXITING_BITMAP", "HLAT_POINTER", "PID_POINTER_TABLE",
          "EXIT2_CONTROLS"),
    **run(0x204a, "SPEC_CTRL_MASK", "SPEC_CTRL_SHADOW"),
    **run(0x2400, "GUEST_PHYSICAL_ADDRESS"),
    **run(0x2800, "VMCS_LINK_POINTER", "GUEST_DEBUGCTL", "GUEST_IA32_PAT", "GUEST_IA32_EFER",
          "GUEST_IA32_PERF_GLOBAL_CTRL", "GUEST_PDPTE0", "GUEST_PDPTE1", "GUEST_PDPTE2", "GUEST_PDPTE3",
          "GUEST_IA32_BNDCFGS", "GUEST_IA32_RTIT_CTL", "GUEST_IA32_LBR_CTL", "GUEST_IA32_PKRS"),
    **run(0x2c00, "HOST_IA32_PAT", "HOST_IA32_EFER", "HOST_IA32_PERF_GLOBAL_CTRL", "HOST_IA32_PKRS"),
    **run(0x4000, "PIN_CONTROLS", "PROC_CONTROLS", "EXCEPTION_BITMAP", "PAGE_FAULT_MASK", "PAGE_FAULT_MATCH",
          "CR3_TARGET_COUNT", "EXIT_CONTROLS", "EXIT_MSR_STORE_COUNT", "EXIT_MSR_LOAD_COUNT", "ENTRY_CONTROLS",
          "ENTRY_MSR_LOAD_COUNT", "ENTRY_EVENT", "ENTRY_EVENT_ERROR", "ENTRY_INSN_LENGTH", "TPR_THRESHOLD",
          "PROC2_CONTROLS", "PLE_GAP", "PLE_WINDOW", "INSTRUCTION_TIMEOUT"),
    **run(0x4400, "INSTRUCTION_ERROR", "EXIT_REASON", "EXIT_EVENT", "EXIT_EVENT_ERROR", "IDT_EVENT",
          "IDT_EVENT_ERROR", "EXIT_INSN_LENGTH", "EXIT_INSN_INFO"),
    **run(0x4800, *(f"GUEST_{name}_LIMIT" for name in SEGMENTS), "GUEST_GDTR_LIMIT", "GUEST_IDTR_LIMIT",
          *(f"GUEST_{name}_RIGHTS" for name in SEGMENTS), "GUEST_INTERRUPTIBILITY", "GUEST_ACTIVITY", "GUEST_SMBASE",
          "GUEST_SYSENTER_CS"),
    **run(0x482e, "PREEMPTION_TIMER"),
    **run(0x4c00, "HOST_SYSENTER_CS"),
    **run(0x6000, "CR0_MASK", "CR4_MASK", "CR0_SHADOW", "CR4_SHADOW", "CR3_TARGET0", "CR3_TARGET1", "CR3_TARGET2",
          "CR3_TARGET3"),
    **run(0x6400, "EXIT_QUALIFICATION", "IO_RCX", "IO_RSI", "IO_RDI", "IO_RIP", "GUEST_LINEAR_ADDRESS"),
    **run(0x6800, "GUEST_CR0", "GUEST_CR3", "GUEST_CR4", *(f"GUEST_{name}_BASE" for name in SEGMENTS),
          "GUEST_GDTR_BASE", "GUEST_IDTR_BASE", "GUEST_DR7", "GUEST_RSP", "GUEST_RIP", "GUEST_RFLAGS",
          "GUEST_PENDING_DEBUG", "GUEST_SYSENTER_ESP", "GUEST_SYSENTER_EIP", "GUEST_S_CET", "GUEST_SSP",
          "GUEST_INTERRUPT_SSP_TABLE"),
    **run(0x6c00, "HOST_CR0", "HOST_CR3", "HOST_CR4", "HOST_FS_BASE", "HOST_GS_BASE", "HOST_TR_BASE", "HOST_GDTR_BASE",
          "HOST_IDTR_BASE", "HOST_SYSENTER_ESP", "HOST_SYSENTER_EIP", "HOST_RSP", "HOST_RIP", "HOST_S_CET", "HOST_SSP",
          "HOST_INTERRUPT_SSP_TABLE"),
}
NAMES = {encoding: name for name, encoding in ENCODINGS.items()}

ROW = re.compile(r"\bX\((\w+), (0x[0-9a-f]+)\)")
SEGMENT_ROWS = re.compile(r"\bVMCS_SEGMENTS\(X, (\w+), (0x[0-9a-f]+)\)")


def bits(encoding):
    return WIDTH_BITS[encoding >> 13 & 3]


def of_header(text):
    """{name: encoding} of the VMM's list: rows X(NAME, ENCODING), and VMCS_SEGMENTS(X, PART, ENCODING) for eight of them."""
    names = {name: int(encoding, 16) for name, encoding in ROW.findall(text)}
    for part, encoding in SEGMENT_ROWS.findall(text):
        names.update(run(int(encoding, 16), *(f"GUEST_{name}_{part}" for name in SEGMENTS)))
    return names
