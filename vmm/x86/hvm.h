/* SPDX-License-Identifier: MIT */
/*
 * The border between the VMM and a vendor's virtualisation extension. One back end is chosen at boot; nothing
 * outside its folder knows which.
 */
#pragma once

#include "core/partition.h"

/** Guest registers that live in the back end's control block. */
enum hvm_register { HVM_RIP, HVM_RSP, HVM_RFLAGS, HVM_CR0, HVM_CR3, HVM_CR4, HVM_EFER, HVM_PAT, HVM_CS_BASE };

/** Where a vCPU begins: a loader's entry, or real mode after SIPI. */
struct hvm_entry {
    enum { HVM_ENTRY_PROTECTED32, HVM_ENTRY_LONG64, HVM_ENTRY_REAL } mode;
    uint64_t rip, rsp, cr3; /* cr3: HVM_ENTRY_LONG64 */
    uint8_t sipi_page;      /* HVM_ENTRY_REAL: CS = page << 8 */
};

/** What code the CPU runs: size of operands and privilege. */
struct hvm_code {
    bool long_mode, big; /* 64-bit code segment; 32-bit default size */
    uint8_t cpl;
};

struct hvm_ops {
    const char *name; /* "SVM", "VMX" */
    enum mullion_hypercall_instruction hypercall;

    /** Memory types in the entries of nested tables (npt.h): partitions' RAM, and device memory. */
    uint64_t npt_ram, npt_device;

    /** NULL if this CPU has all that is needed, else "what is missing; reason; remedy". */
    const char *(*missing)(void);
    /** Boot, once: tables shared by all CPUs, after the pool exists. */
    void (*init)(void);
    /** Every CPU: switches the extension on. */
    void (*cpu_enable)(struct cpu *cpu);

    /** Makes and frees the control block. vcpu_create returns 0 or -MULLION_E_POOL. CPU 0 only, as vcpu_reset often is:
     * these must not count on the control block's being within reach. All that follow run on the vCPU's own CPU. */
    int (*vcpu_create)(struct vcpu *vcpu);
    void (*vcpu_destroy)(struct vcpu *vcpu);
    /** All registers to the state that `entry` asks for; general registers are the caller's. */
    void (*vcpu_reset)(struct vcpu *vcpu, const struct hvm_entry *entry);
    /** Another vCPU, or none, is to run here: nothing of this one may stay in the CPU, as CPU 0 may free it now. */
    void (*vcpu_release)(struct vcpu *vcpu);
    /** Second-level mappings changed: forget cached translations before the next entry. */
    void (*vcpu_flush)(struct vcpu *vcpu);

    /** Enters the guest; returns after one exit. fpu.h says what the caller has put into the CPU. What else a back end
     * leaves in the CPU from one entry to the next (a VMCS) stays until vcpu_release. */
    void (*run)(struct vcpu *vcpu);
    /** Fills vcpu->exit, vcpu->exit_reason and calls the handler that the back end's total table names. */
    void (*handle_exit)(struct vcpu *vcpu);

    uint64_t (*read)(const struct vcpu *vcpu, enum hvm_register r);
    void (*write)(struct vcpu *vcpu, enum hvm_register r, uint64_t value);
    struct hvm_code (*code)(const struct vcpu *vcpu);
    /** Length of the instruction that caused the exit if the hardware told it, else 0. */
    unsigned (*known_length)(const struct vcpu *vcpu);
    /** Moves RIP past an instruction of `length` bytes and ends an interrupt shadow. */
    void (*skip)(struct vcpu *vcpu, unsigned length);

    /** Does the last instruction (STI, MOV SS) keep interrupts and NMIs from being delivered at the next entry? */
    bool (*in_shadow)(const struct vcpu *vcpu);
    /** Does an NMI handler of the guest run, so that no NMI can be delivered at the next entry? */
    bool (*nmi_blocked)(const struct vcpu *vcpu);
    /** Asks for an exit as soon as an external interrupt, or an NMI, can be delivered. */
    void (*want_window)(struct vcpu *vcpu, bool interrupt, bool nmi);
    /** Delivers vcpu->event at the next entry. */
    void (*inject)(struct vcpu *vcpu);
};

/** The back end in use. */
extern const struct hvm_ops *hvm;

extern const struct hvm_ops svm_ops, vmx_ops;

/** Chooses the back end; fatal if this CPU has none that serves. */
void hvm_choose(void);
