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
    uint32_t intercept_cr;
    uint32_t intercept_dr;
    uint32_t intercept_exceptions;
    uint32_t intercept_1;
    uint32_t intercept_2;
    uint32_t intercept_3;
    uint8_t reserved_018[36];
    uint16_t pause_filter_threshold;
    uint16_t pause_filter_count;
    uint64_t iopm_base;
    uint64_t msrpm_base;
    uint64_t tsc_offset;
    uint32_t asid;
    uint32_t tlb_control;
    uint64_t vintr;
    uint64_t interrupt_shadow;
    uint64_t exit_code;
    uint64_t exit_info_1;
    uint64_t exit_info_2;
    uint64_t exit_int_info;
    uint64_t nested_enable;
    uint64_t avic_apic_bar;
    uint64_t ghcb;
    uint64_t event_injection;
    uint64_t nested_cr3;
    uint64_t lbr_virtualization;
    uint64_t clean_bits;
    uint64_t next_rip;
    uint8_t fetched_bytes;
    uint8_t guest_instruction[15];
    uint8_t reserved_0e0[800];
    /* save area */
    struct vmcb_segment es;
    struct vmcb_segment cs;
    struct vmcb_segment ss;
    struct vmcb_segment ds;
    struct vmcb_segment fs;
    struct vmcb_segment gs;
    struct vmcb_segment gdtr;
    struct vmcb_segment ldtr;
    struct vmcb_segment idtr;
    struct vmcb_segment tr;
    uint8_t reserved_4a0[43];
    uint8_t cpl;
    uint32_t reserved_4cc;
    uint64_t efer;
    uint8_t reserved_4d8[112];
    uint64_t cr4;
    uint64_t cr3;
    uint64_t cr0;
    uint64_t dr7;
    uint64_t dr6;
    uint64_t rflags;
    uint64_t rip;
    uint8_t reserved_580[88];
    uint64_t rsp;
    uint64_t shadow_stack[3];
    uint64_t rax;
    uint64_t star;
    uint64_t lstar;
    uint64_t cstar;
    uint64_t sfmask;
    uint64_t kernel_gs_base;
    uint64_t sysenter_cs;
    uint64_t sysenter_esp;
    uint64_t sysenter_eip;
    uint64_t cr2;
    uint8_t reserved_648[32];
    uint64_t g_pat;
    uint8_t reserved_670[2448];
};

#define VMCB_ASSERT(field, offset) _Static_assert(offsetof(struct vmcb, field) == (offset), #field " moved")
_Static_assert(offsetof(struct vmcb_segment, selector) == 0 && offsetof(struct vmcb_segment, attributes) == 2,
               "");
_Static_assert(offsetof(struct vmcb_segment, limit) == 4 && offsetof(struct vmcb_segment, base) == 8, "");
VMCB_ASSERT(intercept_cr, 0x000);
VMCB_ASSERT(intercept_dr, 0x004);
VMCB_ASSERT(intercept_exceptions, 0x008);
VMCB_ASSERT(intercept_1, 0x00c);
VMCB_ASSERT(intercept_2, 0x010);
VMCB_ASSERT(intercept_3, 0x014);
VMCB_ASSERT(reserved_018, 0x018);
VMCB_ASSERT(pause_filter_threshold, 0x03c);
VMCB_ASSERT(pause_filter_count, 0x03e);
VMCB_ASSERT(iopm_base, 0x040);
VMCB_ASSERT(msrpm_base, 0x048);
VMCB_ASSERT(tsc_offset, 0x050);
VMCB_ASSERT(asid, 0x058);
VMCB_ASSERT(tlb_control, 0x05c);
VMCB_ASSERT(vintr, 0x060);
VMCB_ASSERT(interrupt_shadow, 0x068);
VMCB_ASSERT(exit_code, 0x070);
VMCB_ASSERT(exit_info_1, 0x078);
VMCB_ASSERT(exit_info_2, 0x080);
VMCB_ASSERT(exit_int_info, 0x088);
VMCB_ASSERT(nested_enable, 0x090);
VMCB_ASSERT(avic_apic_bar, 0x098);
VMCB_ASSERT(ghcb, 0x0a0);
VMCB_ASSERT(event_injection, 0x0a8);
VMCB_ASSERT(nested_cr3, 0x0b0);
VMCB_ASSERT(lbr_virtualization, 0x0b8);
VMCB_ASSERT(clean_bits, 0x0c0);
VMCB_ASSERT(next_rip, 0x0c8);
VMCB_ASSERT(fetched_bytes, 0x0d0);
VMCB_ASSERT(guest_instruction, 0x0d1);
VMCB_ASSERT(reserved_0e0, 0x0e0);
VMCB_ASSERT(es, 0x400);
VMCB_ASSERT(cs, 0x410);
VMCB_ASSERT(ss, 0x420);
VMCB_ASSERT(ds, 0x430);
VMCB_ASSERT(fs, 0x440);
VMCB_ASSERT(gs, 0x450);
VMCB_ASSERT(gdtr, 0x460);
VMCB_ASSERT(ldtr, 0x470);
VMCB_ASSERT(idtr, 0x480);
VMCB_ASSERT(tr, 0x490);
VMCB_ASSERT(reserved_4a0, 0x4a0);
VMCB_ASSERT(cpl, 0x4cb);
VMCB_ASSERT(reserved_4cc, 0x4cc);
VMCB_ASSERT(efer, 0x4d0);
VMCB_ASSERT(reserved_4d8, 0x4d8);
VMCB_ASSERT(cr4, 0x548);
VMCB_ASSERT(cr3, 0x550);
VMCB_ASSERT(cr0, 0x558);
VMCB_ASSERT(dr7, 0x560);
VMCB_ASSERT(dr6, 0x568);
VMCB_ASSERT(rflags, 0x570);
VMCB_ASSERT(rip, 0x578);
VMCB_ASSERT(reserved_580, 0x580);
VMCB_ASSERT(rsp, 0x5d8);
VMCB_ASSERT(shadow_stack, 0x5e0);
VMCB_ASSERT(rax, 0x5f8);
VMCB_ASSERT(star, 0x600);
VMCB_ASSERT(lstar, 0x608);
VMCB_ASSERT(cstar, 0x610);
VMCB_ASSERT(sfmask, 0x618);
VMCB_ASSERT(kernel_gs_base, 0x620);
VMCB_ASSERT(sysenter_cs, 0x628);
VMCB_ASSERT(sysenter_esp, 0x630);
VMCB_ASSERT(sysenter_eip, 0x638);
VMCB_ASSERT(cr2, 0x640);
VMCB_ASSERT(reserved_648, 0x648);
VMCB_ASSERT(g_pat, 0x668);
VMCB_ASSERT(reserved_670, 0x670);
_Static_assert(sizeof(struct vmcb) == 4096, "a VMCB is one page");

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
#define NPF_WRITE BIT(1)
#define NPF_FETCH BIT(4)

#endif
