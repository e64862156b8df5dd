/* SPDX-License-Identifier: MIT */
/* What the files of the VMX back end share. */
#pragma once

#include "x86/hvm.h"
#include "x86/vmx/vmcs.h"

/** Registers of the guest that neither the VMCS holds nor the VMM uses: they stay in the CPU until another vCPU's VMCS
 * becomes current there. */
struct vmx_loose {
    uint64_t msrs[5]; /* vmx.c: loose_msrs */
    uint64_t cr2, dr6;
};

/** A vCPU as this back end keeps it: the first of three pages. */
struct vmx_vcpu {
    struct hvm_entry entry; /* what the VMCS is to be filled from */
    bool reset_wanted;      /* on its own CPU, before anything else is done with the VMCS */
    bool launched, flush;
    uint64_t exit_code; /* EXIT_REASON, or VMX_CODE_NOT_ENTERED */
    struct vmx_loose loose;
};

/** The other two pages. */
static inline struct vmx_vcpu *vmx_of(const struct vcpu *vcpu) { return vcpu->vendor; }
static inline uint8_t *vmcs_page(const struct vcpu *vcpu) { return (uint8_t *)vcpu->vendor + PAGE_BYTES; }
static inline uint8_t *virtual_apic_page(const struct vcpu *vcpu) { return (uint8_t *)vcpu->vendor + 2 * PAGE_BYTES; }

enum { VECTOR_NMI = 2, VECTOR_MC = 18, DR6_BREAKPOINTS = 0xf, DR7_GENERAL_DETECT = 1 << 13 };

/* Of exit.code: an exit that was a failed entry; not an exit: VMLAUNCH or VMRESUME failed with the error in bits 7:0.
 */
#define VMX_CODE_ENTRY_FAILED BIT(31)
#define VMX_CODE_NOT_ENTERED  BIT(32)

/* ---- capabilities.c ---- */

enum vmx_control_group {
    VMX_PIN,
    VMX_PROC,
    VMX_PROC2,
    VMX_EXIT,
    VMX_ENTRY,
    VMX_BASIC,
    VMX_MISC,
    VMX_EPT_VPID,
    VMX_GROUP_COUNT
};

/** hvm_ops.missing. */
const char *vmx_missing(void);

/** Value of a control field: all that the back end needs, what the CPU wants set, and optional ones that it has. */
uint32_t vmx_controls(enum vmx_control_group group);

/** Does the EPT of this CPU have 1 GiB pages? */
bool vmx_has_gigabyte_pages(void);

/** IA32_VMX_BASIC, bits 30:0. */
uint32_t vmx_revision(void);

/** A CR0 or CR4 with the bits that VMX operation fixes. Of CR0, PE and PG are the guest's: unrestricted guest. */
uint64_t vmx_fixed_cr0(uint64_t value);
uint64_t vmx_fixed_cr4(uint64_t value);

/** The CR0 bits that a guest sees only as a shadow: what VMX fixes, and CD and NW, which would act on the whole CPU. */
uint64_t vmx_cr0_mask(void);

/** Switches VMX on in IA32_FEATURE_CONTROL if the firmware left that open. */
void vmx_unlock(void);

/** A machine check is told to the CPU that it concerns, not to all of them, where CPU and firmware allow that. */
void vmx_localize_machine_checks(void);

/* ---- exits.c ---- */

/** hvm_ops.handle_exit: looks the exit reason up in the total table. */
void vmx_handle_exit(struct vcpu *vcpu);

/** Is the length of the instruction that caused exit `code` known? */
bool vmx_exit_has_length(uint64_t code);

/* ---- speculation.c ---- */

void vmx_speculation_init(void);

/** On each CPU. */
void vmx_speculation_cpu_enable(void);

/** Before each entry: what the VMM or another guest has left in buffers and in the first cache is not for this guest.
 */
void vmx_clear_buffers(void);

/* ---- dump.c ---- */

/** Writes the current VMCS to the log, a line for each field, for tools/vmcs-explain. */
void vmx_dump(const struct vcpu *vcpu);
