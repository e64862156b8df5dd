/* SPDX-License-Identifier: MIT */
/* The virtual machine control block. AMD64 APM volume 2, appendix B; intercept bits: section 15.9 and table
 * B-1. */
#ifndef SVM_VMCB_H
#define SVM_VMCB_H

#include "core/types.h"

/** Segment register in the save area; attributes are bits 55:52 and 47:40 of a descriptor, packed. */
struct vmcb_segment {
    uint16_t selector;
    uint16_t attributes;
    uint32_t limit;
    uint64_t base;
};

struct vmcb {
    /* control area */
    uint32_t intercept_cr, intercept_dr, intercept_exceptions, intercept_1, intercept_2, intercept_3;
    uint8_t reserved_018[36];
    uint16_t pause_filter_threshold, pause_filter_count;
    uint64_t iopm_base, msrpm_base, tsc_offset;
    uint32_t asid, tlb_control;
    uint64_t vintr, interrupt_shadow;
    uint64_t exit_code, exit_info_1, exit_info_2, exit_int_info;
    uint64_t nested_enable, avic_apic_bar, ghcb, event_injection, nested_cr3, lbr_virtualization, clean_bits, next_rip;
    uint8_t fetched_bytes, guest_instruction[15], reserved_0e0[800];
    /* save area */
    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved_4a0[43], cpl;
    uint32_t reserved_4cc;
    uint64_t efer;
    uint8_t reserved_4d8[112];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved_580[88];
    uint64_t rsp, shadow_stack[3], rax, star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved_648[32];
    uint64_t g_pat;
    uint8_t reserved_670[2448];
};

/* intercept_cr: reads in bits 15:0, writes in bits 31:16 */
#define INTERCEPT_CR_WRITE(n) (1u << (16 + (n)))

/* intercept_1 */
#define INTERCEPT_INTR        BIT(0)
#define INTERCEPT_NMI         BIT(1)
#define INTERCEPT_SMI         BIT(2)
#define INTERCEPT_INIT        BIT(3)
#define INTERCEPT_VINTR       BIT(4)
#define INTERCEPT_RDPMC       BIT(15)
#define INTERCEPT_CPUID       BIT(18)
#define INTERCEPT_RSM         BIT(19)
#define INTERCEPT_IRET        BIT(20)
#define INTERCEPT_INVD        BIT(22)
#define INTERCEPT_HLT         BIT(24)
#define INTERCEPT_INVLPGA     BIT(26)
#define INTERCEPT_IOIO        BIT(27)
#define INTERCEPT_MSR         BIT(28)
#define INTERCEPT_FERR_FREEZE BIT(30)
#define INTERCEPT_SHUTDOWN    BIT(31)

/* intercept_2 */
#define INTERCEPT_VMRUN      BIT(0)
#define INTERCEPT_VMMCALL    BIT(1)
#define INTERCEPT_VMLOAD     BIT(2)
#define INTERCEPT_VMSAVE     BIT(3)
#define INTERCEPT_STGI       BIT(4)
#define INTERCEPT_CLGI       BIT(5)
#define INTERCEPT_SKINIT     BIT(6)
#define INTERCEPT_WBINVD     BIT(9)
#define INTERCEPT_MONITOR    BIT(10)
#define INTERCEPT_MWAIT      BIT(11)
#define INTERCEPT_MWAIT_COND BIT(12)
#define INTERCEPT_XSETBV     BIT(13)
#define INTERCEPT_RDPRU      BIT(14)

/* intercept_3 */
#define INTERCEPT_INVLPGB         BIT(0)
#define INTERCEPT_INVLPGB_ILLEGAL BIT(1)
#define INTERCEPT_MCOMMIT         BIT(3)
#define INTERCEPT_TLBSYNC         BIT(4)

/* vintr */
#define VINTR_TPR        0xffull
#define VINTR_IRQ        BIT(8)
#define VINTR_IGNORE_TPR BIT(20)
#define VINTR_MASKING    BIT(24)

#define SHADOW_INTERRUPT BIT(0)
#define TLB_FLUSH_ALL    1u

/* event_injection and exit_int_info */
#define EVENT_TYPE_SHIFT     8
#define EVENT_TYPE_INTERRUPT 0u
#define EVENT_TYPE_NMI       2u
#define EVENT_TYPE_EXCEPTION 3u
#define EVENT_TYPE_SOFTWARE  4u
#define EVENT_ERROR_VALID    BIT(11)
#define EVENT_VALID          BIT(31)

/* exit_info_1 of IOIO */
#define IOIO_IN         BIT(0)
#define IOIO_STRING     BIT(2)
#define IOIO_SIZE_SHIFT 4
#define IOIO_PORT_SHIFT 16

/* exit_info_1 of a nested page fault */
#define NPF_WRITE      BIT(1)
#define NPF_FETCH      BIT(4)
#define NPF_TABLE_WALK BIT(33) /* the guest's own tables lie there */

#endif
