/* SPDX-License-Identifier: MIT */
/* The virtual machine control block. AMD64 APM volume 2, appendix B; intercept bits: section 15.9 and table
 * B-1. */
#pragma once

#include "core/types.h"

/** Segment register in the save area; attributes are bits 55:52 and 47:40 of a descriptor, packed. */
struct vmcb_segment {
    uint16_t selector, attributes;
    uint32_t limit;
    uint64_t base;
};

struct vmcb {
    /* control area */
    uint32_t intercepts[6]; /* one bit per exit code 0x00..0xbf, in order */
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

/* vintr */
#define VINTR_TPR        0xffull
#define VINTR_IRQ        BIT(8)
#define VINTR_IGNORE_TPR BIT(20)
#define VINTR_MASKING    BIT(24)

#define SHADOW_INTERRUPT BIT(0)
#define TLB_FLUSH_ALL    1u

/* event_injection and exit_int_info */
enum { EVENT_TYPE_SHIFT = 8 };
enum { EVENT_TYPE_INTERRUPT = 0, EVENT_TYPE_NMI = 2, EVENT_TYPE_EXCEPTION = 3, EVENT_TYPE_SOFTWARE = 4 };
#define EVENT_ERROR_VALID BIT(11)
#define EVENT_VALID       BIT(31)

/* exit_info_1 of IOIO */
enum { IOIO_IN = 1, IOIO_STRING = 4, IOIO_SIZE_SHIFT = 4, IOIO_PORT_SHIFT = 16 };

/* exit_info_1 of a nested page fault */
enum { NPF_WRITE = 1 << 1, NPF_FETCH = 1 << 4 };
#define NPF_TABLE_WALK BIT(33) /* the guest's own tables lie there */
