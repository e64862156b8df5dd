/* SPDX-License-Identifier: MIT */
/* The virtual-machine control structure. Intel SDM volume 3, chapter "Virtual-Machine Control Structures" (fields and
 * their bits), appendix B (encodings), appendix C (exit reasons). */
#pragma once

#include "core/types.h"

/* Every field that the VMM writes, reads or reports: X(name, encoding). */
// clang-format off
#define VMCS_SEGMENTS(X, suffix, encoding)                                                                             \
    X(GUEST_ES_##suffix, (encoding)) X(GUEST_CS_##suffix, (encoding) + 2) X(GUEST_SS_##suffix, (encoding) + 4)         \
    X(GUEST_DS_##suffix, (encoding) + 6) X(GUEST_FS_##suffix, (encoding) + 8) X(GUEST_GS_##suffix, (encoding) + 10)    \
    X(GUEST_LDTR_##suffix, (encoding) + 12) X(GUEST_TR_##suffix, (encoding) + 14)

#define VMCS_CONTROL_FIELDS(X)                                                                                         \
    X(PIN_CONTROLS, 0x4000) X(PROC_CONTROLS, 0x4002) X(PROC2_CONTROLS, 0x401e) X(EXIT_CONTROLS, 0x400c)                \
    X(ENTRY_CONTROLS, 0x4012) X(EXCEPTION_BITMAP, 0x4004) X(PAGE_FAULT_MASK, 0x4006) X(PAGE_FAULT_MATCH, 0x4008)       \
    X(CR3_TARGET_COUNT, 0x400a) X(EXIT_MSR_STORE_COUNT, 0x400e) X(EXIT_MSR_LOAD_COUNT, 0x4010)                         \
    X(ENTRY_MSR_LOAD_COUNT, 0x4014) X(ENTRY_EVENT, 0x4016) X(ENTRY_EVENT_ERROR, 0x4018)                                \
    X(ENTRY_INSN_LENGTH, 0x401a) X(TPR_THRESHOLD, 0x401c) X(IO_BITMAP_A, 0x2000) X(IO_BITMAP_B, 0x2002)                \
    X(MSR_BITMAP, 0x2004) X(TSC_OFFSET, 0x2010) X(VIRTUAL_APIC_PAGE, 0x2012) X(EPT_POINTER, 0x201a) X(VPID, 0x0000)    \
    X(CR0_MASK, 0x6000) X(CR4_MASK, 0x6002) X(CR0_SHADOW, 0x6004) X(CR4_SHADOW, 0x6006)

#define VMCS_HOST_FIELDS(X)                                                                                            \
    X(HOST_ES_SELECTOR, 0x0c00) X(HOST_CS_SELECTOR, 0x0c02) X(HOST_SS_SELECTOR, 0x0c04) X(HOST_DS_SELECTOR, 0x0c06)    \
    X(HOST_FS_SELECTOR, 0x0c08) X(HOST_GS_SELECTOR, 0x0c0a) X(HOST_TR_SELECTOR, 0x0c0c) X(HOST_IA32_PAT, 0x2c00)       \
    X(HOST_IA32_EFER, 0x2c02) X(HOST_SYSENTER_CS, 0x4c00) X(HOST_CR0, 0x6c00) X(HOST_CR3, 0x6c02)                      \
    X(HOST_CR4, 0x6c04) X(HOST_FS_BASE, 0x6c06) X(HOST_GS_BASE, 0x6c08) X(HOST_TR_BASE, 0x6c0a)                        \
    X(HOST_GDTR_BASE, 0x6c0c) X(HOST_IDTR_BASE, 0x6c0e) X(HOST_SYSENTER_ESP, 0x6c10) X(HOST_SYSENTER_EIP, 0x6c12)      \
    X(HOST_RSP, 0x6c14) X(HOST_RIP, 0x6c16)

#define VMCS_GUEST_FIELDS(X)                                                                                           \
    VMCS_SEGMENTS(X, SELECTOR, 0x0800) VMCS_SEGMENTS(X, LIMIT, 0x4800) VMCS_SEGMENTS(X, RIGHTS, 0x4814)                \
    VMCS_SEGMENTS(X, BASE, 0x6806) X(GUEST_GDTR_LIMIT, 0x4810) X(GUEST_IDTR_LIMIT, 0x4812) X(GUEST_GDTR_BASE, 0x6816)  \
    X(GUEST_IDTR_BASE, 0x6818) X(GUEST_CR0, 0x6800) X(GUEST_CR3, 0x6802) X(GUEST_CR4, 0x6804) X(GUEST_DR7, 0x681a)     \
    X(GUEST_RSP, 0x681c) X(GUEST_RIP, 0x681e) X(GUEST_RFLAGS, 0x6820) X(GUEST_PENDING_DEBUG, 0x6822)                   \
    X(GUEST_SYSENTER_CS, 0x482a) X(GUEST_SYSENTER_ESP, 0x6824) X(GUEST_SYSENTER_EIP, 0x6826)                           \
    X(GUEST_INTERRUPTIBILITY, 0x4824) X(GUEST_ACTIVITY, 0x4826) X(GUEST_DEBUGCTL, 0x2802) X(GUEST_IA32_PAT, 0x2804)    \
    X(GUEST_IA32_EFER, 0x2806) X(GUEST_PDPTE0, 0x280a) X(GUEST_PDPTE1, 0x280c) X(GUEST_PDPTE2, 0x280e)                 \
    X(GUEST_PDPTE3, 0x2810) X(VMCS_LINK_POINTER, 0x2800)

#define VMCS_EXIT_FIELDS(X)                                                                                            \
    X(INSTRUCTION_ERROR, 0x4400) X(EXIT_REASON, 0x4402) X(EXIT_EVENT, 0x4404) X(EXIT_EVENT_ERROR, 0x4406)              \
    X(IDT_EVENT, 0x4408) X(IDT_EVENT_ERROR, 0x440a) X(EXIT_INSN_LENGTH, 0x440c) X(EXIT_QUALIFICATION, 0x6400)          \
    X(GUEST_PHYSICAL_ADDRESS, 0x2400)

#define VMCS_FIELDS(X) VMCS_CONTROL_FIELDS(X) VMCS_HOST_FIELDS(X) VMCS_GUEST_FIELDS(X) VMCS_EXIT_FIELDS(X)

/* ENCLS_BITMAP is there only where PROC2_ENCLS is. */
#define VMCS_ENUMERATOR(name, encoding) name = (encoding),
enum vmcs_field { VMCS_FIELDS(VMCS_ENUMERATOR) ENCLS_BITMAP = 0x202e };
#undef VMCS_ENUMERATOR

/* PIN_CONTROLS, PROC_CONTROLS, PROC2_CONTROLS, EXIT_CONTROLS, ENTRY_CONTROLS: bit numbers. */
enum { PIN_EXTERNAL_INTERRUPT = 0, PIN_NMI = 3, PIN_VIRTUAL_NMI = 5 };
enum {
    PROC_INTERRUPT_WINDOW = 2, PROC_HLT = 7, PROC_MWAIT = 10, PROC_RDPMC = 11, PROC_CR3_LOAD = 15, PROC_CR3_STORE = 16,
    PROC_CR8_LOAD = 19, PROC_TPR_SHADOW = 21, PROC_NMI_WINDOW = 22, PROC_IO_BITMAPS = 25, PROC_MSR_BITMAPS = 28,
    PROC_MONITOR = 29, PROC_SECONDARY = 31
};
enum {
    PROC2_EPT = 1, PROC2_RDTSCP = 3, PROC2_VPID = 5, PROC2_WBINVD = 6, PROC2_UNRESTRICTED = 7, PROC2_INVPCID = 12,
    PROC2_ENCLS = 15
};
enum { EXIT_SAVE_DEBUG = 2, EXIT_HOST_64 = 9, EXIT_LOAD_PAT = 19, EXIT_SAVE_EFER = 20, EXIT_LOAD_EFER = 21 };
enum { ENTRY_LOAD_DEBUG = 2, ENTRY_IA32E = 9, ENTRY_LOAD_PAT = 14, ENTRY_LOAD_EFER = 15 };
// clang-format on

/* GUEST_INTERRUPTIBILITY, GUEST_PENDING_DEBUG */
enum { BLOCKED_BY_STI = 1 << 0, BLOCKED_BY_MOV_SS = 1 << 1, BLOCKED_BY_NMI = 1 << 3, PENDING_SINGLE_STEP = 1 << 14 };
enum { PENDING_BREAKPOINT = 1 << 12 };

/* ENTRY_EVENT, EXIT_EVENT, IDT_EVENT; VMCS_EVENT_UNBLOCKED_NMI: of EXIT_EVENT, an IRET had just ended the blocking */
enum { VMCS_EVENT_TYPE_SHIFT = 8, VMCS_EVENT_ERROR_VALID = 1 << 11, VMCS_EVENT_UNBLOCKED_NMI = 1 << 12 };
enum { VMCS_EVENT_INTERRUPT = 0, VMCS_EVENT_NMI = 2, VMCS_EVENT_EXCEPTION = 3, VMCS_EVENT_ICEBP = 5 };
#define VMCS_EVENT_VALID BIT(31)

/* GUEST_.._RIGHTS */
enum { RIGHTS_DPL_SHIFT = 5, RIGHTS_LONG = 1 << 13, RIGHTS_BIG = 1 << 14 };

/** Reads and writes a field of the VMCS that is current on this CPU. */
uint64_t vmcs_read(enum vmcs_field field);
void vmcs_write(enum vmcs_field field, uint64_t value);

/** VMCLEAR: the region at `page` holds all of the VMCS again, which is then active on no CPU. */
void vmcs_clear(const void *page);

/** VMPTRLD: makes the VMCS current on this CPU. */
void vmcs_load(const void *page);
