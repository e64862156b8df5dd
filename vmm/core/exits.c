/* SPDX-License-Identifier: MIT */
#include "core/core.h"

#define CR4_REGISTER 4u

static uint64_t edx_eax(const struct vcpu *vcpu) { return vcpu->gpr[RDX] << 32 | (uint32_t)vcpu->gpr[RAX]; }

/** The instruction at RIP; false if it cannot be had: the partition has been stopped with the reason. */
static bool decode(struct vcpu *vcpu, struct insn *insn) {
    uint64_t linear;
    int error = guest_decode(vcpu, insn, &linear);
    if (error == -MULLION_E_BAD_ADDRESS) {
        partition_end(vcpu, MULLION_REASON_BAD_PAGE_TABLE, linear);
    } else if (error != 0) {
        partition_end(vcpu, MULLION_REASON_REFUSED_EXIT, vcpu->exit.code);
    }
    return error == 0;
}

bool exit_skip(struct vcpu *vcpu) {
    struct insn insn = {.length = (uint8_t)hvm->known_length(vcpu)};
    if (insn.length == 0 && !decode(vcpu, &insn)) { return false; }
    hvm->skip(vcpu, insn.length);
    return true;
}

void exit_interrupt(struct vcpu *vcpu) {}

void exit_cpuid(struct vcpu *vcpu) {
    if (!exit_skip(vcpu)) { return; }
    struct cpuid_regs regs = cpuid_guest(vcpu, (uint32_t)vcpu->gpr[RAX], (uint32_t)vcpu->gpr[RCX]);
    vcpu->gpr[RAX] = regs.eax;
    vcpu->gpr[RBX] = regs.ebx;
    vcpu->gpr[RCX] = regs.ecx;
    vcpu->gpr[RDX] = regs.edx;
}

static bool asleep_for_good(const struct vcpu *vcpu) {
    bool asleep = vcpu->activity == VCPU_WAIT_SIPI || __atomic_load_n(&vcpu->halted_for_good, __ATOMIC_SEQ_CST);
    return asleep && __atomic_load_n(&vcpu->requests, __ATOMIC_SEQ_CST) == 0;
}

/** Interrupts are off: only an NMI or INIT from another vCPU can wake this one. Is there one left to send it?
 */
void exit_end_if_all_asleep(struct vcpu *vcpu) {
    const struct partition *p = vcpu->partition;
    for (uint32_t i = 0; i < p->vcpu_count; i++) {
        if (!asleep_for_good(p->vcpus[i])) { return; }
    }
    partition_end(vcpu, MULLION_REASON_ALL_HALTED, 0);
}

void exit_hlt(struct vcpu *vcpu) {
    bool interrupts_on = (hvm->read(vcpu, HVM_RFLAGS) & RFLAGS_IF) != 0;
    if (!exit_skip(vcpu) || vcpu->event.kind != EVENT_NONE) { return; } /* a single step ends the sleep at once */
    vcpu->activity = VCPU_HALTED;
    if (!interrupts_on) {
        __atomic_store_n(&vcpu->halted_for_good, true, __ATOMIC_SEQ_CST);
        exit_end_if_all_asleep(vcpu);
    }
}

void exit_msr_read(struct vcpu *vcpu) {
    uint64_t value;
    if (!msr_read(vcpu, (uint32_t)vcpu->gpr[RCX], &value)) {
        vcpu->counters.refused_msrs++;
        vcpu_fault(vcpu, VECTOR_GP, true, 0);
    } else if (exit_skip(vcpu)) {
        vcpu->gpr[RAX] = (uint32_t)value;
        vcpu->gpr[RDX] = value >> 32;
    }
}

void exit_msr_write(struct vcpu *vcpu) {
    if (!msr_write(vcpu, (uint32_t)vcpu->gpr[RCX], edx_eax(vcpu))) {
        vcpu->counters.refused_msrs++;
        vcpu_fault(vcpu, VECTOR_GP, true, 0);
    } else {
        exit_skip(vcpu);
    }
}

void exit_hypercall(struct vcpu *vcpu) {
    if (exit_skip(vcpu)) { hypercall_handle(vcpu); }
}

static bool write_cr4_register(struct vcpu *vcpu, uint64_t value) {
    bool drops_pae = (value & CR4_PAE) == 0 && (hvm->read(vcpu, HVM_EFER) & EFER_LMA) != 0;
    if ((value & ~(cpuid_cr4_allowed() | CR4_MCE)) != 0 || drops_pae) { return false; }
    hvm->write(vcpu, HVM_CR4, value | CR4_MCE); /* without it a machine check would be a triple fault */
    hvm->vcpu_flush(vcpu);
    return true;
}

/** CR8 holds bits 7:4 of the task priority. */
static bool write_cr8_register(struct vcpu *vcpu, uint64_t value) {
    if (value > 15) { return false; }
    vcpu->apic.tpr = (uint32_t)value << 4;
    return true;
}

void exit_cr_write(struct vcpu *vcpu) {
    struct insn insn;
    if (!decode(vcpu, &insn)) { return; }
    /* another vCPU may have changed the code meanwhile: let the guest run what is there now */
    if (insn.kind != INSN_MOV_TO_CR || insn.control != vcpu->exit.control) { return; }
    uint64_t value = insn.gpr == RSP ? hvm->read(vcpu, HVM_RSP) : vcpu->gpr[insn.gpr];
    value = hvm->code(vcpu).long_mode ? value : (uint32_t)value;
    bool (*write)(struct vcpu *, uint64_t) = insn.control == CR4_REGISTER ? write_cr4_register : write_cr8_register;
    if (hvm->code(vcpu).cpl == 0 && write(vcpu, value)) {
        hvm->skip(vcpu, insn.length);
    } else {
        vcpu_fault(vcpu, VECTOR_GP, true, 0);
    }
}

/** XCR0 rules of AMD64 APM volume 2, section 11.5.2: x87 always, AVX needs SSE, the three AVX-512 bits
 * together. */
static bool xcr0_is_valid(uint64_t value) {
    uint64_t avx512 = value & 0xe0;
    return (value & ~cpuid_xcr0_allowed()) == 0 && (value & 1) != 0 && ((value & 4) == 0 || (value & 2) != 0) &&
           (avx512 == 0 || (avx512 == 0xe0 && (value & 4) != 0));
}

void exit_xsetbv(struct vcpu *vcpu) {
    uint64_t value = edx_eax(vcpu);
    if ((hvm->read(vcpu, HVM_CR4) & CR4_OSXSAVE) == 0) {
        vcpu_fault(vcpu, VECTOR_UD, false, 0);
    } else if (hvm->code(vcpu).cpl != 0 || (uint32_t)vcpu->gpr[RCX] != 0 || !xcr0_is_valid(value)) {
        vcpu_fault(vcpu, VECTOR_GP, true, 0);
    } else if (exit_skip(vcpu)) {
        xsetbv(value);
    }
}

void exit_exception(struct vcpu *vcpu) { vcpu_fault(vcpu, vcpu->exit.vector, vcpu->exit.vector == VECTOR_AC, 0); }

void exit_undefined(struct vcpu *vcpu) { vcpu_fault(vcpu, VECTOR_UD, false, 0); }

void exit_protection(struct vcpu *vcpu) { vcpu_fault(vcpu, VECTOR_GP, true, 0); }

void exit_ignore(struct vcpu *vcpu) {
    if (hvm->code(vcpu).cpl == 0) {
        exit_skip(vcpu);
    } else { /* not every CPU looks at the ring before the intercept */
        exit_protection(vcpu);
    }
}

void exit_refuse(struct vcpu *vcpu) { partition_end(vcpu, MULLION_REASON_REFUSED_EXIT, vcpu->exit.code); }

void exit_unknown(struct vcpu *vcpu) { partition_end(vcpu, MULLION_REASON_UNKNOWN_EXIT, vcpu->exit.code); }

void exit_shutdown(struct vcpu *vcpu) { partition_end(vcpu, MULLION_REASON_TRIPLE_FAULT, 0); }

void exit_entry_failed(struct vcpu *vcpu) { partition_end(vcpu, MULLION_REASON_ENTRY_FAILED, vcpu->exit.code); }

void exit_machine_check(struct vcpu *vcpu) {
    machine_check_survive();
    partition_end(vcpu, MULLION_REASON_MACHINE_CHECK, vcpu->exit.code);
}
