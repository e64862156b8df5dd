# SPDX-License-Identifier: MIT
"""vmcs-explain: a good dump, and one edit for each way in which a rule can be broken."""

import importlib.machinery
import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
TOOL = TOP / "tools/vmcs-explain"
GOOD = TOP / "tools/tests/vmcs/long-mode.log"
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("vmcs_explain", str(TOOL))
tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("vmcs_explain", loader))
loader.exec_module(tool)

from vmcs import fields  # noqa: E402  the tool has put its folder on the path
from vmcs.dump import dumps  # noqa: E402
from vmcs.rules import RULES, check_all  # noqa: E402

BASIC, MISC, CR4_FIXED1, EPT_VPID = "IA32_VMX_BASIC", "IA32_VMX_MISC", "IA32_VMX_CR4_FIXED1", "IA32_VMX_EPT_VPID_CAP"
PIN, PROC, PROC2 = "IA32_VMX_TRUE_PINBASED_CTLS", "IA32_VMX_TRUE_PROCBASED_CTLS", "IA32_VMX_PROCBASED_CTLS2"
EXIT, ENTRY = "IA32_VMX_TRUE_EXIT_CTLS", "IA32_VMX_TRUE_ENTRY_CTLS"
DATA_SEGMENTS = ("ES", "SS", "DS", "FS", "GS")


def segments(names, **parts):
    return {f"GUEST_{name}_{part}": value for name in names for part, value in parts.items()}


REAL = {  # CS:IP = f000:fff0, unrestricted guest, paging off
    "ENTRY_CONTROLS": 0xd1ff, "GUEST_IA32_EFER": 0, "GUEST_CR0": 0x30, "GUEST_CR4": 0x2000, "GUEST_CR3": 0,
    "GUEST_RIP": 0xfff0, "GUEST_RFLAGS": 2, "GUEST_RSP": 0, "GUEST_GDTR_BASE": 0, "GUEST_IDTR_BASE": 0,
    **segments(("CS", "TR", *DATA_SEGMENTS), SELECTOR=0, BASE=0, LIMIT=0xffff, RIGHTS=0x93),
    "GUEST_CS_SELECTOR": 0xf000, "GUEST_CS_BASE": 0xf0000, "GUEST_TR_RIGHTS": 0x8b,
}
PAE = {
    "ENTRY_CONTROLS": 0xd1ff, "GUEST_IA32_EFER": 0x800, "GUEST_CS_RIGHTS": 0xc09b, "GUEST_RIP": 0xc1000000,
    "GUEST_PDPTE0": 0x12345001, "GUEST_PDPTE1": 0x1e6,
}
V86 = {
    **PAE, "GUEST_RFLAGS": 0x20202, **segments(("CS", *DATA_SEGMENTS), SELECTOR=0x1000, BASE=0x10000, LIMIT=0xffff, RIGHTS=0xf3),
    "GUEST_RIP": 0x100,
}
RESTRICTED = {"PROC2_CONTROLS": 0x102a}  # not an unrestricted guest
USER = {  # ring 3
    **RESTRICTED, **segments(("DS", "ES", "SS"), SELECTOR=0x2b, RIGHTS=0xc0f3), "GUEST_CS_SELECTOR": 0x33,
    "GUEST_CS_RIGHTS": 0xa0fb,
}
LDT = {"GUEST_LDTR_SELECTOR": 0x50, "GUEST_LDTR_RIGHTS": 0x82, "GUEST_LDTR_LIMIT": 0xf, "GUEST_LDTR_BASE": 0x1000}
NEWER = {  # a CPU that can do more than the one of the good dump: its capability MSRs allow all
    PIN: 0xffffffff00000016, PROC: 0xffffffff04006172, PROC2: 0xffffffff00000000, EXIT: 0xffffffff00036dfb,
    ENTRY: 0xffffffff000011fb, CR4_FIXED1: 0xffffff,
}
EVENT = 1 << 31
INTERRUPT, NMI, EXCEPTION, SOFTWARE, OTHER = (EVENT | kind << 8 for kind in (0, 2, 3, 4, 7))
ERROR_CODE = 1 << 11
HALTED = {"GUEST_ACTIVITY": 1}
STEP = {"GUEST_INTERRUPTIBILITY": 2, "GUEST_RFLAGS": 0x346}  # MOV SS, then single step
CET = {**NEWER, "ENTRY_CONTROLS": 0x10d3ff, "EXIT_CONTROLS": 0x103fefff, "GUEST_CR4": 0x8026f0, "GUEST_S_CET": 1,
       "GUEST_SSP": 0xffffc90000001000, "GUEST_INTERRUPT_SSP_TABLE": 0, "HOST_S_CET": 1, "HOST_SSP": 0x2000,
       "HOST_INTERRUPT_SSP_TABLE": 0}
APICV = {**NEWER, "PIN_CONTROLS": 0xbf, "PROC_CONTROLS": 0x962061f2, "PROC2_CONTROLS": 0x13aa, "VIRTUAL_APIC_PAGE": 0x1300000,
         "POSTED_INTERRUPT_DESCRIPTOR": 0x1301040, "POSTED_INTERRUPT_VECTOR": 0xf2, "TPR_THRESHOLD": 0}
EXTRAS = {**NEWER, "PROC2_CONTROLS": 0x2c670aa, "PML_ADDRESS": 0x1302000, "VMREAD_BITMAP": 0x1303000,
          "VMWRITE_BITMAP": 0x1304000, "VE_INFORMATION_ADDRESS": 0x1305000, "SPP_TABLE_POINTER": 0x1306000,
          "VM_FUNCTION_CONTROLS": 1, "EPTP_LIST_ADDRESS": 0x1307000, "TSC_MULTIPLIER": 1 << 48}
LOADS = {**NEWER, "ENTRY_CONTROLS": 0x4bd3ff, "EXIT_CONTROLS": 0x203fefff, "GUEST_IA32_BNDCFGS": 0xfffff00000000003,
         "GUEST_UINV": 0xec, "GUEST_IA32_PKRS": 0xffffffff, "HOST_IA32_PKRS": 0}

GOOD_EDITS = {
    "as it is": {}, "real mode": REAL, "PAE": PAE, "virtual-8086": V86, "not unrestricted": RESTRICTED, "ring 3": USER,
    "usable LDTR": LDT, "CET": CET, "APICv": APICV, "extras": EXTRAS, "more loads": LOADS, "halted": HALTED,
    "interrupt": {"ENTRY_EVENT": INTERRUPT | 0x30}, "NMI": {"ENTRY_EVENT": NMI | 2},
    "page fault": {"ENTRY_EVENT": EXCEPTION | ERROR_CODE | 14, "ENTRY_EVENT_ERROR": 7},
    "#GP in real mode": {**REAL, "ENTRY_EVENT": EXCEPTION | 13},
    "#CP or not": {BASIC: 1 << 56, "ENTRY_EVENT": EXCEPTION | 13},
    "INT": {"ENTRY_EVENT": SOFTWARE | 0x80, "ENTRY_INSN_LENGTH": 2},
    "halted with #DB": {**HALTED, "ENTRY_EVENT": EXCEPTION | 1}, "halted with MTF": {**HALTED, "ENTRY_EVENT": OTHER},
    "shut down with NMI": {"GUEST_ACTIVITY": 2, "ENTRY_EVENT": NMI | 2},
    "single step over MOV SS": {**STEP, "GUEST_PENDING_DEBUG": 0x4000},
    "null SS in 64-bit code": {"GUEST_SS_SELECTOR": 0, "GUEST_SS_RIGHTS": 0x10000},
    "57-bit addresses": {CR4_FIXED1: 0x3737ff, "GUEST_GS_BASE": 0xff11000000000000},
    "conforming code": {"GUEST_CS_RIGHTS": 0xa09f}, "MSR areas": {"EXIT_MSR_STORE_COUNT": 2, "EXIT_MSR_STORE_ADDRESS": 0x1308010},
}

HIGH = 1 << 41  # beyond the 40 bits of the dump's physical addresses
ODD = 1 << 60  # makes an address not canonical
BROKEN = [  # rule, edits, a part of what is wanted
    ("pin-controls-allowed", {"PIN_CONTROLS": 0x3d}, "bits 0x2 set"),
    ("pin-controls-allowed", {**APICV, PIN: 0x7f00000016}, "bits 0x80 clear"),
    ("proc-controls-allowed", {"PROC_CONTROLS": 0x960061f0}, "bits 0x2 set"),
    ("proc2-controls-allowed", {"PROC2_CONTROLS": 0x800010aa}, "bits 0x80000000 clear"),
    ("exit-controls-allowed", {"EXIT_CONTROLS": 0x3feffe}, "bits 0x1 set"),
    ("entry-controls-allowed", {"ENTRY_CONTROLS": 0x8000d3ff}, "bits 0x80000000 clear"),
    ("io-bitmaps", {"IO_BITMAP_B": 0x1205001}, "bits 11:0 zero"),
    ("io-bitmaps", {"IO_BITMAP_A": HIGH}, "beyond the 40"),
    ("msr-bitmap", {"MSR_BITMAP": 0x1206800}, "bits 11:0 zero"),
    ("virtual-apic-page", {**APICV, "VIRTUAL_APIC_PAGE": 0x1300004}, "bits 11:0 zero"),
    ("apic-access-page", {"PROC2_CONTROLS": 0x10ab, "APIC_ACCESS_ADDRESS": 1, PROC2: 0x7cff00000000}, "bits 11:0 zero"),
    ("posted-interrupt-descriptor", {**APICV, "POSTED_INTERRUPT_DESCRIPTOR": 0x1301020}, "bits 5:0 zero"),
    ("pml-address", {**EXTRAS, "PML_ADDRESS": 0x1302001}, "bits 11:0 zero"),
    ("shadowing-bitmaps", {**EXTRAS, "VMWRITE_BITMAP": 0x1304001}, "bits 11:0 zero"),
    ("ve-information", {**EXTRAS, "VE_INFORMATION_ADDRESS": 0x1305001}, "bits 11:0 zero"),
    ("spp-table", {**EXTRAS, "SPP_TABLE_POINTER": HIGH}, "beyond the 40"),
    ("virtual-nmis", {"PIN_CONTROLS": 0x37}, '"NMI exiting" set'),
    ("nmi-window", {"PIN_CONTROLS": 0x1f, "PROC_CONTROLS": 0x964061f2}, '"virtual NMIs" set'),
    ("x2apic-mode-needs-tpr-shadow", {"PROC2_CONTROLS": 0x10ba}, '"use TPR shadow" set'),
    ("x2apic-mode-excludes-apic-accesses", {**APICV, "PROC2_CONTROLS": 0x13bb, "APIC_ACCESS_ADDRESS": 0},
     'APIC accesses" clear'),
    ("apic-registers-need-tpr-shadow", {**NEWER, "PROC2_CONTROLS": 0x11aa}, '"use TPR shadow" set'),
    ("virtual-interrupts", {**APICV, "PIN_CONTROLS": 0xbe}, '"external-interrupt exiting" set'),
    ("posted-interrupts", {**APICV, "EXIT_CONTROLS": 0x3f6fff}, '"acknowledge interrupt on exit" set'),
    ("unrestricted-guest-needs-ept", {"PROC2_CONTROLS": 0x10a8}, '"enable EPT" set'),
    ("mode-based-execute-needs-ept", {**NEWER, "PROC2_CONTROLS": 0x401028}, '"enable EPT" set'),
    ("pml-needs-ept", {**NEWER, "PROC2_CONTROLS": 0x21028, "PML_ADDRESS": 0}, '"enable EPT" set'),
    ("spp-needs-ept", {**NEWER, "PROC2_CONTROLS": 0x801028, "SPP_TABLE_POINTER": 0}, '"enable EPT" set'),
    ("processor-trace", {**NEWER, "PROC2_CONTROLS": 0x10010aa, "ENTRY_CONTROLS": 0x4d3ff}, '"clear IA32_RTIT_CTL" set'),
    ("cr3-target-count", {"CR3_TARGET_COUNT": 5}, "at most 4"),
    ("tpr-threshold", {"PROC_CONTROLS": 0x962061f2, "VIRTUAL_APIC_PAGE": 0, "TPR_THRESHOLD": 16}, "bits 31:4 zero"),
    ("posted-interrupt-vector", {**APICV, "POSTED_INTERRUPT_VECTOR": 0x1f2}, "0 to 255"),
    ("vpid-is-not-zero", {"VPID": 0}, "not 0"),
    ("ept-pointer", {"EPT_POINTER": 0x120705c}, "memory type (bits 2:0) 0 or 6"),
    ("ept-pointer", {"EPT_POINTER": 0x120700e + 0x40}, "a page-walk length"),
    ("ept-pointer", {"EPT_POINTER": 0x120705e, EPT_VPID: 0xf0106534141}, "bit 6 clear"),
    ("ept-pointer", {"EPT_POINTER": 0x120785e}, "bits 11:8 zero"),
    ("ept-pointer", {"EPT_POINTER": 0x12070de}, "bit 7 clear"),
    ("ept-pointer", {"EPT_POINTER": HIGH | 0x5e}, "beyond the 40"),
    ("vm-functions", {**EXTRAS, "EPTP_LIST_ADDRESS": 0x1307008}, "bits 11:0 zero"),
    ("tsc-multiplier", {**EXTRAS, "TSC_MULTIPLIER": 0}, "not 0"),
    ("save-preemption-timer", {"EXIT_CONTROLS": 0x7fefff}, '"activate VMX-preemption timer" set'),
    ("exit-msr-store", {"EXIT_MSR_STORE_COUNT": 1, "EXIT_MSR_STORE_ADDRESS": 0x1308008}, "bits 3:0 zero"),
    ("exit-msr-store", {"EXIT_MSR_STORE_COUNT": 2, "EXIT_MSR_STORE_ADDRESS": (1 << 40) - 16}, "ends below 2^40"),
    ("exit-msr-load", {"EXIT_MSR_LOAD_COUNT": 1, "EXIT_MSR_LOAD_ADDRESS": 1}, "bits 3:0 zero"),
    ("entry-msr-load", {"ENTRY_MSR_LOAD_COUNT": 1, "ENTRY_MSR_LOAD_ADDRESS": 8}, "bits 3:0 zero"),
    ("event-type", {"ENTRY_EVENT": EVENT | 1 << 8}, "other than 1"),
    ("event-type", {"ENTRY_EVENT": OTHER, PROC: 0xf7f9fffe04006172}, "other than 7"),
    ("event-vector", {"ENTRY_EVENT": NMI | 3}, "vector 2"),
    ("event-vector", {"ENTRY_EVENT": EXCEPTION | 32}, "at most 31"),
    ("event-vector", {"ENTRY_EVENT": OTHER | 1}, "vector 0"),
    ("event-delivers-error-code", {"ENTRY_EVENT": EXCEPTION | 13}, "this exception has one"),
    ("event-delivers-error-code", {"ENTRY_EVENT": EXCEPTION | ERROR_CODE | 6}, "this event has none"),
    ("event-delivers-error-code", {**REAL, "ENTRY_EVENT": EXCEPTION | ERROR_CODE | 13}, "in real mode"),
    ("event-reserved-bits", {"ENTRY_EVENT": INTERRUPT | 0x1030}, "bits 30:12 zero"),
    ("event-error-code", {"ENTRY_EVENT": EXCEPTION | ERROR_CODE | 14, "ENTRY_EVENT_ERROR": 0x10000}, "bits 31:16 zero"),
    ("event-instruction-length", {"ENTRY_EVENT": SOFTWARE | 0x80}, "1 to 15"),
    ("event-instruction-length", {"ENTRY_EVENT": SOFTWARE | 0x80, "ENTRY_INSN_LENGTH": 16, MISC: 0x7004c1e7}, "0 to 15"),
    ("host-cr0-fixed", {"HOST_CR0": 0x80010013}, "bits 0x20 set"),
    ("host-cr4-fixed", {"HOST_CR4": 0x1426a0 & ~0x2000}, "bits 0x2000 set"),
    ("host-cr3-width", {"HOST_CR3": HIGH}, "beyond the 40"),
    ("host-cet-needs-wp", {**NEWER, "HOST_CR4": 0x8026a0, "HOST_CR0": 0x80000033}, "CR0.WP (bit 16) set"),
    ("host-sysenter", {"HOST_SYSENTER_EIP": ODD}, "a canonical address (48 bits)"),
    ("host-pat", {"HOST_IA32_PAT": 0x0007040600070403}, "wrong in PAT entries 0"),
    ("host-efer", {"HOST_IA32_EFER": 0x900}, "LMA (bit 10)"),
    ("host-efer", {"HOST_IA32_EFER": 0xc00}, "LME (bit 8)"),
    ("host-efer", {"HOST_IA32_EFER": 0x1d00}, "reserved bits 0x1000 clear"),
    ("host-pkrs", {**LOADS, "HOST_IA32_PKRS": 1 << 32}, "bits 63:32 zero"),
    ("host-shadow-stack", {**CET, "HOST_SSP": 0x2001}, "bits 1:0 zero"),
    ("host-selector-bits", {"HOST_DS_SELECTOR": 0x13}, "RPL (bits 1:0)"),
    ("host-selector-null", {"HOST_TR_SELECTOR": 0}, "not 0"),
    ("host-bases", {"HOST_GDTR_BASE": ODD}, "a canonical address"),
    ("host-pae", {"HOST_CR4": 0x302680 | 0x2000}, "PAE (bit 5) set"),
    ("host-rip", {"HOST_RIP": 0x800000000000}, "a canonical address"),
    ("guest-cr0-fixed", {"GUEST_CR0": 0x80050013}, "bits 0x20 set"),
    ("guest-cr0-fixed", {"GUEST_CR0": 0x180050033}, "bits 0x100000000 clear"),
    ("guest-cr0-fixed", {**RESTRICTED, **REAL, "GUEST_CS_RIGHTS": 0x9b, "GUEST_CR0": 0x31}, "bits 0x80000000 set"),
    ("guest-cr0-paging", {**REAL, "GUEST_CR0": 0x80000030}, "PE (bit 0) set"),
    ("guest-cr4-fixed", {"GUEST_CR4": 0x6f0}, "bits 0x2000 set"),
    ("guest-cet-needs-wp", {**CET, "GUEST_CR0": 0x80040033}, "CR0.WP"),
    ("guest-debugctl", {"GUEST_DEBUGCTL": 8}, "bits 5:3"),
    ("guest-long-mode-needs-paging", {"GUEST_CR4": 0x26d0}, "PAE (bit 5) set"),
    ("guest-long-mode-needs-paging", {"GUEST_CR0": 0x50033}, "PG (bit 31) set"),
    ("guest-pcide-needs-long-mode", {**PAE, "GUEST_CR4": 0x226f0}, "PCIDE (bit 17) clear"),
    ("guest-cr3-width", {"GUEST_CR3": HIGH}, "beyond the 40"),
    ("guest-dr7", {"GUEST_DR7": 0x100000400}, "bits 63:32 zero"),
    ("guest-sysenter", {"GUEST_SYSENTER_ESP": ODD}, "a canonical address"),
    ("guest-pat", {"GUEST_IA32_PAT": 0x0207040600070406}, "wrong in PAT entries 7"),
    ("guest-efer", {"GUEST_IA32_EFER": 0x901}, "LMA (bit 10)"),
    ("guest-efer", {"GUEST_IA32_EFER": 0x1d01}, "reserved bits 0x1000 clear"),
    ("guest-efer", {**REAL, "GUEST_IA32_EFER": 0x500}, "LMA (bit 10)"),
    ("guest-pkrs", {**LOADS, "GUEST_IA32_PKRS": 1 << 32}, "bits 63:32 zero"),
    ("guest-shadow-stack", {**CET, "GUEST_S_CET": 0xc00}, "not both set"),
    ("guest-shadow-stack", {**CET, "GUEST_S_CET": 0x40}, "bits 9:6 zero"),
    ("guest-bndcfgs", {**LOADS, "GUEST_IA32_BNDCFGS": 4}, "bits 11:2 zero"),
    ("guest-uinv", {**LOADS, "GUEST_UINV": 256}, "bits 15:8 zero"),
    ("guest-table-bases", {"GUEST_IDTR_BASE": ODD}, "a canonical address"),
    ("guest-table-limits", {"GUEST_GDTR_LIMIT": 0x10000}, "bits 31:16 zero"),
    ("guest-rip", {**PAE, "GUEST_RIP": 0x100000000}, "bits 63:32 zero"),
    ("guest-rip", {"GUEST_RIP": ODD}, "bits 63:48 alike"),
    ("guest-rflags-reserved", {"GUEST_RFLAGS": 0x244}, "bit 1 set"),
    ("guest-rflags-reserved", {"GUEST_RFLAGS": 0x800246 | 8}, "bits 63:22"),
    ("guest-rflags-if", {"GUEST_RFLAGS": 0x46, "ENTRY_EVENT": INTERRUPT | 0x30}, "IF (bit 9) set"),
    ("activity-state", {"GUEST_ACTIVITY": 4}, "3 (wait-for-SIPI)"),
    ("activity-state", {"GUEST_ACTIVITY": 3, MISC: 0x300480e5}, "IA32_VMX_MISC bit 8 is clear"),
    ("activity-hlt-needs-ring-0", {**USER, **HALTED}, "not HLT"),
    ("activity-while-blocked", {**HALTED, "GUEST_INTERRUPTIBILITY": 1}, "active (0)"),
    ("activity-allows-event", {**HALTED, "ENTRY_EVENT": EXCEPTION | 6}, "#DB, #MC"),
    ("activity-allows-event", {"GUEST_ACTIVITY": 2, "ENTRY_EVENT": INTERRUPT | 0x30}, "an NMI or #MC"),
    ("activity-allows-event", {"GUEST_ACTIVITY": 3, "ENTRY_EVENT": NMI | 2}, "no event"),
    ("interruptibility-reserved", {"GUEST_INTERRUPTIBILITY": 0x20}, "bits 31:5 zero"),
    ("interruptibility-sti-and-mov-ss", {"GUEST_INTERRUPTIBILITY": 3}, "not both"),
    ("interruptibility-sti-needs-if", {"GUEST_INTERRUPTIBILITY": 1, "GUEST_RFLAGS": 0x46}, "RFLAGS.IF is clear"),
    ("interruptibility-allows-event", {"GUEST_INTERRUPTIBILITY": 1, "ENTRY_EVENT": INTERRUPT | 0x30}, "bits 1:0 zero"),
    ("interruptibility-allows-event", {"GUEST_INTERRUPTIBILITY": 2, "ENTRY_EVENT": NMI | 2}, "bit 1 zero"),
    ("interruptibility-allows-event", {"GUEST_INTERRUPTIBILITY": 1, "ENTRY_EVENT": NMI | 2}, "bit 0 zero"),
    ("interruptibility-allows-event", {"GUEST_INTERRUPTIBILITY": 8, "ENTRY_EVENT": NMI | 2}, '"virtual NMIs" is set'),
    ("interruptibility-smi", {"GUEST_INTERRUPTIBILITY": 4}, "blocking by SMI (bit 2) clear"),
    ("interruptibility-enclave", {"GUEST_INTERRUPTIBILITY": 0x12}, "enclave"),
    ("pending-debug-reserved", {"GUEST_PENDING_DEBUG": 0x2000}, "bits 10:4, 13, 15"),
    ("pending-debug-single-step", STEP, "BS (bit 14) set"),
    ("pending-debug-single-step", {"GUEST_INTERRUPTIBILITY": 2, "GUEST_PENDING_DEBUG": 0x4000}, "BS (bit 14) clear"),
    ("pending-debug-rtm", {"GUEST_PENDING_DEBUG": 0x10000}, "bit 12 and no other"),
    ("vmcs-link-pointer", {"VMCS_LINK_POINTER": 0x1234}, "all ones"),
    ("guest-pdptes", {**PAE, "GUEST_PDPTE3": 0x12345007}, "bits 2:1, 8:5"),
    ("v86-base", {**V86, "GUEST_FS_BASE": 0x10010}, "the selector times 16"),
    ("v86-limit", {**V86, "GUEST_CS_LIMIT": 0xfffff}, "0xffff"),
    ("v86-rights", {**V86, "GUEST_ES_RIGHTS": 0x93}, "0xf3"),
    ("table-selector-ti", {"GUEST_TR_SELECTOR": 0x44}, "TI (bit 2) clear"),
    ("table-selector-ti", {**LDT, "GUEST_LDTR_SELECTOR": 0x54}, "TI (bit 2) clear"),
    ("segment-base-canonical", {"GUEST_GS_BASE": ODD}, "a canonical address"),
    ("segment-base-32-bits", {"GUEST_DS_BASE": 1 << 32}, "bits 63:32 zero"),
    ("cs-type", {"GUEST_CS_RIGHTS": 0xa09a}, "9, 11, 13 or 15, or 3"),
    ("cs-type", {**RESTRICTED, "GUEST_CS_RIGHTS": 0xa093}, "9, 11, 13 or 15"),
    ("ss-type", {"GUEST_SS_RIGHTS": 0xc091}, "3 or 7"),
    ("data-type", {"GUEST_DS_RIGHTS": 0xc092}, "an accessed type"),
    ("data-type", {"GUEST_ES_RIGHTS": 0xc099}, "a readable type"),
    ("segment-is-code-or-data", {"GUEST_DS_RIGHTS": 0xc083}, "S (bit 4) set"),
    ("cs-dpl", {"GUEST_CS_RIGHTS": 0xa0fb}, "nonconforming"),
    ("cs-dpl", {"GUEST_CS_RIGHTS": 0xa0ff}, "conforming"),
    ("cs-dpl", {**REAL, "GUEST_CS_RIGHTS": 0xf3}, "the type is 3"),
    ("ss-dpl", {**REAL, "GUEST_SS_RIGHTS": 0xf3}, "CR0.PE is clear"),
    ("data-dpl", {**USER, "GUEST_DS_RIGHTS": 0xc093}, "not less than the selector's RPL"),
    ("segment-present", {"GUEST_ES_RIGHTS": 0xc013}, "P (bit 7) set"),
    ("segment-reserved-bits", {"GUEST_SS_RIGHTS": 0xc193}, "bits 11:8"),
    ("segment-reserved-bits", {"GUEST_TR_RIGHTS": 0x2008b}, "31:17"),
    ("cs-default-size", {"GUEST_CS_RIGHTS": 0xe09b}, "D/B (bit 14) clear"),
    ("segment-granularity", {"GUEST_DS_RIGHTS": 0x4093}, "G (bit 15) set"),
    ("segment-granularity", {"GUEST_TR_RIGHTS": 0x808b}, "G (bit 15) clear"),
    ("tr-type", {"GUEST_TR_RIGHTS": 0x83}, "type (bits 3:0) 11: a busy TSS"),
    ("tr-type", {**PAE, "GUEST_TR_RIGHTS": 0x89}, "3 or 11"),
    ("tr-usable", {"GUEST_TR_RIGHTS": 0x1008b}, "unusable bit (16) clear"),
    ("ldtr-type", {**LDT, "GUEST_LDTR_RIGHTS": 0x81}, "type (bits 3:0) 2"),
    ("table-is-system-segment", {"GUEST_TR_RIGHTS": 0x9b}, "S (bit 4) clear"),
]
# Edits that cannot break one rule alone: the manual has others that say the same.
BROKEN_TOGETHER = [
    ({"ENTRY_CONTROLS": 0xdbff}, {"smm-controls-outside-smm"}),
    ({"ENTRY_CONTROLS": 0xdfff, "GUEST_ACTIVITY": 3},
     {"smm-entry-and-dual-monitor", "smm-controls-outside-smm", "interruptibility-smi", "activity-entry-to-smm"}),
    ({"EXIT_CONTROLS": 0x3fedff}, {"host-address-space-size", "host-efer"}),
    ({"GUEST_RFLAGS": 0x20246}, {"guest-rflags-vm", "v86-base", "v86-limit", "v86-rights"}),
    ({**USER, "GUEST_CS_SELECTOR": 0x30}, {"ss-rpl-is-cs-rpl"}),
    ({**USER, "GUEST_SS_SELECTOR": 0x28, "GUEST_CS_SELECTOR": 0x30}, {"ss-dpl"}),
]


def edited(edits, failure="exit reason 0x80000021, qualification 0x0"):
    """The good dump with other values; what it does not hold is added."""
    log = GOOD.read_text(encoding="ascii").splitlines()
    [dump] = dumps(log, {})
    assert not dump.problems
    dump.failure = failure
    for name, value in edits.items():
        if name in fields.ENCODINGS:
            dump.values[fields.ENCODINGS[name]] = value
        else:
            dump.capabilities[name] = value
    return dump


def broken_by(edits):
    failures, skipped = check_all(edited(edits))
    assert not skipped
    return failures


@pytest.mark.parametrize("name", GOOD_EDITS)
def test_good_dump_gives_no_complaint(name):
    assert broken_by(GOOD_EDITS[name]) == []


@pytest.mark.parametrize("rule, edits, wanted", BROKEN, ids=[f"{number}-{row[0]}" for number, row in enumerate(BROKEN)])
def test_broken_dump_names_the_one_rule(rule, edits, wanted):
    failures = broken_by(edits)
    assert {failure.rule.name for failure in failures} == {rule}
    assert any(wanted in failure.wanted for failure in failures), failures


@pytest.mark.parametrize("edits, rules", BROKEN_TOGETHER)
def test_broken_dump_names_all_rules(edits, rules):
    assert {failure.rule.name for failure in broken_by(edits)} == rules


def test_each_rule_is_broken_by_some_dump():
    seen = {row[0] for row in BROKEN}.union(*(rules for _, rules in BROKEN_TOGETHER))
    assert {rule.name for rule in RULES} == seen


def run(log, *arguments):
    return subprocess.run([TOOL, *arguments], input=log, capture_output=True, text=True, check=False)


def log_with(name, value):
    """The good log with another value in one line."""
    text = GOOD.read_text(encoding="ascii")
    line = next(line for line in text.splitlines() if line.startswith(f"vmcs: {name} = "))
    return text.replace(line, f"vmcs: {name} = {value}")


def test_report_names_section_fields_values_and_what_was_wanted():
    result = run(log_with("GUEST_CS_RIGHTS", "0xa09a"), "--header", "/dev/null")
    assert result.returncode == 1
    assert result.stdout == (
        "VM entry failed: exit reason 33: invalid guest state (section 27.3.1)\n"
        "  27.3.1.2 cs-type\n"
        "      GUEST_CS_RIGHTS = 0xa09a  (type 10 DPL 0 S P L G)\n"
        "      wanted: type (bits 3:0) 9, 11, 13 or 15, or 3\n"
        "1 rule broken. The CPU complained of the same kind.\n")


def test_good_log_succeeds_and_says_that_nothing_is_broken():
    result = run(GOOD.read_text(encoding="ascii"), "--header", "/dev/null")
    assert (result.returncode, result.stdout.count("\n")) == (0, 2)
    assert "0 rules broken. The reason is not one that this tool checks." in result.stdout


def test_log_without_a_dump_is_an_error():
    result = run("vmm: all is well\n", "--header", "/dev/null")
    assert (result.returncode, result.stdout) == (2, "") and "no dump" in result.stderr


def test_file_that_cannot_be_read_is_an_error():
    result = run("", "/nonexistent.log")
    assert result.returncode == 2 and "/nonexistent.log: No such file" in result.stderr


def test_every_dump_of_a_log_is_explained_and_the_last_counts():
    bad = log_with("VPID", "0x0")
    result = run(bad + GOOD.read_text(encoding="ascii"), "--header", "/dev/null")
    assert result.returncode == 0 and result.stdout.count("VM entry failed") == 2 and "vpid-is-not-zero" in result.stdout


@pytest.mark.parametrize("failure, text", [
    ("VM-instruction error 7", "complained of the same kind. 1 more would be found later"),
    ("VM-instruction error 8", "None of them is of the kind"),
    ("exit reason 0x80000021, qualification 0x0", "complained of the same kind. 1 more"),
    ("exit reason 0x80000022, qualification 0x3", "nothing that this tool checks"),
    ("it just did", "nothing that this tool checks"),
])
def test_cpus_verdict_is_held_against_what_was_found(failure, text):
    lines, broken = tool.explain(edited({"VPID": 0, "GUEST_ACTIVITY": 4}, failure))
    assert broken == 2
    assert any(text in line for line in lines), lines


@pytest.mark.parametrize("failure, text", [
    ("VM-instruction error 5", "VMRESUME with a VMCS that was not launched"),
    ("VM-instruction error 7", "invalid control fields"),
    ("exit reason 0x80000021, qualification 0x4", "33: invalid guest state (section 27.3.1): the VMCS link pointer"),
    ("exit reason 0x80000022, qualification 0x2", "entry 2 of it"),
    ("partition 1 vCPU 0: exit reason 0x80000029, qualification 0x0", "a machine check"),
])
def test_cpus_verdict_is_put_in_words(failure, text):
    assert text in tool.said(edited({}, failure))


def test_rules_that_lack_a_field_or_a_capability_are_skipped_and_named():
    dump = edited({})
    del dump.values[fields.ENCODINGS["VPID"]]
    dump.capabilities.clear()
    lines, broken = tool.explain(dump)
    assert broken == 0
    assert "not in the dump: VPID; not checked: vpid-is-not-zero" in lines
    assert f"not in the dump: {PIN}; not checked: pin-controls-allowed" in lines
    assert any("52 bits taken" in line for line in lines)


def test_fields_are_read_by_the_names_of_the_header():
    names = fields.of_header("#define FIELDS(X) \\\n    X(MY_VPID, 0x0000) X(GUEST_RIP, 0x681e) VMCS_SEGMENTS(X, LIMIT, 0x4800)\n")
    assert names["MY_VPID"] == 0 and names["GUEST_RIP"] == 0x681e and names["GUEST_TR_LIMIT"] == 0x480e and len(names) == 10
    [dump] = dumps(["x vmcs: entry failed: VM-instruction error 7\r", "x vmcs: MY_VPID = 0x5\r"], names)
    assert dump["VPID"] == 5 and dump.name("VPID") == "MY_VPID"


def test_what_a_dump_says_wrongly_is_told():
    [dump] = dumps(["vmcs: entry failed: it did", "vmcs: NONSENSE = 0x1", "vmcs: VPID = 0x10000", "vmcs: GUEST_CR0 = 0x1",
                    "vmcs: GUEST_CR0 = 0x2"], {})
    assert [problem.split()[0].strip(":") for problem in dump.problems] == ["NONSENSE", "VPID", "GUEST_CR0"]
    assert dump["GUEST_CR0"] == 1


def test_lines_before_a_dump_and_other_lines_are_passed_over():
    assert dumps(["vmcs: VPID = 0x1", "vmcs: "], {}) == []


def test_encodings_are_the_manuals():
    """Some from each row of appendix B: width, type and index of each field stand in its number."""
    known = {"GUEST_TR_SELECTOR": 0x80e, "HOST_TR_SELECTOR": 0xc0c, "EPT_POINTER": 0x201a, "TSC_MULTIPLIER": 0x2032,
             "GUEST_PHYSICAL_ADDRESS": 0x2400, "GUEST_IA32_EFER": 0x2806, "GUEST_PDPTE3": 0x2810, "HOST_IA32_EFER": 0x2c02,
             "PROC2_CONTROLS": 0x401e, "ENTRY_EVENT": 0x4016, "EXIT_INSN_INFO": 0x440e, "GUEST_TR_RIGHTS": 0x4822,
             "GUEST_SYSENTER_CS": 0x482a, "PREEMPTION_TIMER": 0x482e, "CR4_SHADOW": 0x6006, "GUEST_LINEAR_ADDRESS": 0x640a,
             "GUEST_PENDING_DEBUG": 0x6822, "GUEST_SYSENTER_EIP": 0x6826, "HOST_RIP": 0x6c16}
    assert known.items() <= fields.ENCODINGS.items()
    assert len(set(fields.ENCODINGS.values())) == len(fields.ENCODINGS)


def test_names_and_encodings_of_the_vmms_header_are_read_as_the_compiler_does():
    source = "#include \"x86/vmx/vmcs.h\"\n#define SHOW(name, encoding) @name@encoding@\nVMCS_FIELDS(SHOW)\n"
    expanded = subprocess.run(["cc", "-E", "-P", f"-I{TOP}/vmm", f"-I{TOP}/vmm/include", "-x", "c", "-"], input=source,
                              capture_output=True, text=True, check=True).stdout
    compiled = {name.strip(): sum(int(number, 0) for number in re.findall(r"0x[0-9a-f]+|\d+", value))
                for name, value in re.findall(r"@([^@]+)@([^@]+)@", expanded)}
    read = fields.of_header(tool.HEADER.read_text(encoding="utf-8"))
    assert len(compiled) > 100 and read == compiled


def test_every_field_of_the_vmms_header_is_one_of_the_manuals():
    read = fields.of_header(tool.HEADER.read_text(encoding="utf-8"))
    assert not {name for name, encoding in read.items() if encoding not in fields.NAMES}
