/* SPDX-License-Identifier: MIT */
/*
 * The total table of exit codes: AMD64 APM volume 2, appendix C. Every code that the manual defines has a
 * row; a code without one stops the partition. The intercepts follow from the table, so that none is set without
 * a verdict. An exit that is not intercepted stops the partition too: the control block is not what the VMM wrote.
 */
#include "core/core.h"
#include "x86/svm/svm.h"

enum { CODE_CR_WRITE = 0x10, CODE_EXCEPTION = 0x40, CODE_LIMIT = 0x410 };
#define CODE_LAST_REFUSAL 0xfffffffcu /* -1 INVALID, -2 BUSY, -3 IDLE_REQUIRED, -4 INVALID_PMC */

struct exit_row {
    exit_handler *handler;
    enum mullion_exit reason;
    bool clear; /* the intercept is clear in a fresh VMCB: never set, or on demand */
};

static exit_handler handle_port, handle_msr, handle_npf, handle_cr_write, handle_exception;

/* Verdicts that need no name of a handler of this file. */
#define NOT_INTERCEPTED exit_refuse, MULLION_EXIT_UNKNOWN, true
#define UNDEFINED       exit_undefined, MULLION_EXIT_VIRT_INSTRUCTION, false

static const struct exit_row rows[CODE_LIMIT] = {
    [0x00 ... 0x13] = {NOT_INTERCEPTED},                            /* CR_READ, CR_WRITE */
    [0x14] = {handle_cr_write, MULLION_EXIT_CR_WRITE, false},       /* CR4_WRITE */
    [0x15 ... 0x17] = {NOT_INTERCEPTED},                            /* CR_WRITE */
    [0x18] = {handle_cr_write, MULLION_EXIT_CR_WRITE, false},       /* CR8_WRITE */
    [0x19 ... 0x40] = {NOT_INTERCEPTED},                            /* CR_WRITE, DR_READ, DR_WRITE, EXCP_DE */
    [0x41] = {handle_exception, MULLION_EXIT_EXCEPTION, false},     /* EXCP_DB */
    [0x42 ... 0x50] = {NOT_INTERCEPTED},                            /* EXCP */
    [0x51] = {handle_exception, MULLION_EXIT_EXCEPTION, false},     /* EXCP_AC */
    [0x52] = {exit_machine_check, MULLION_EXIT_EXCEPTION, false},   /* EXCP_MC */
    [0x53 ... 0x5f] = {NOT_INTERCEPTED},                            /* EXCP */
    [0x60] = {exit_interrupt, MULLION_EXIT_INTERRUPT, false},       /* INTR */
    [0x61 ... 0x62] = {exit_interrupt, MULLION_EXIT_NMI, false},    /* NMI, SMI */
    [0x63] = {exit_interrupt, MULLION_EXIT_INIT, false},            /* INIT */
    [0x64] = {exit_interrupt, MULLION_EXIT_INTERRUPT_WINDOW, true}, /* VINTR */
    [0x65 ... 0x6e] = {NOT_INTERCEPTED}, /* CR0_SEL_WRITE, DESCRIPTOR_READ, DESCRIPTOR_WRITE, RDTSC */
    [0x6f] = {exit_protection, MULLION_EXIT_OTHER_REFLECTED, false},         /* RDPMC */
    [0x70 ... 0x71] = {NOT_INTERCEPTED},                                     /* PUSHF, POPF */
    [0x72] = {exit_cpuid, MULLION_EXIT_CPUID, false},                        /* CPUID */
    [0x73] = {UNDEFINED},                                                    /* RSM */
    [0x74] = {svm_nmi_handler_ends, MULLION_EXIT_INTERRUPT_WINDOW, true},    /* IRET */
    [0x75] = {NOT_INTERCEPTED},                                              /* SWINT */
    [0x76] = {exit_ignore, MULLION_EXIT_CACHE_CONTROL, false},               /* INVD */
    [0x77] = {NOT_INTERCEPTED},                                              /* PAUSE */
    [0x78] = {exit_hlt, MULLION_EXIT_HLT, false},                            /* HLT */
    [0x79] = {NOT_INTERCEPTED},                                              /* INVLPG */
    [0x7a] = {UNDEFINED},                                                    /* INVLPGA */
    [0x7b] = {handle_port, MULLION_EXIT_PORT, false},                        /* IOIO */
    [0x7c] = {handle_msr, MULLION_EXIT_MSR, false},                          /* MSR */
    [0x7d] = {exit_refuse, MULLION_EXIT_OTHER_REFLECTED, false},             /* TASK_SWITCH */
    [0x7e] = {exit_refuse, MULLION_EXIT_OTHER_REFLECTED, false},             /* FERR_FREEZE */
    [0x7f] = {exit_shutdown, MULLION_EXIT_SHUTDOWN, false},                  /* SHUTDOWN */
    [0x80] = {UNDEFINED},                                                    /* VMRUN */
    [0x81] = {exit_hypercall, MULLION_EXIT_HYPERCALL, false},                /* VMMCALL */
    [0x82 ... 0x86] = {UNDEFINED},                                           /* VMLOAD, VMSAVE, STGI, CLGI, SKINIT */
    [0x87 ... 0x88] = {NOT_INTERCEPTED},                                     /* RDTSCP, ICEBP */
    [0x89] = {exit_ignore, MULLION_EXIT_CACHE_CONTROL, false},               /* WBINVD */
    [0x8a ... 0x8c] = {exit_undefined, MULLION_EXIT_MONITOR, false},         /* MONITOR, MWAIT, MWAIT_CONDITIONAL */
    [0x8d] = {exit_xsetbv, MULLION_EXIT_XSETBV, false},                      /* XSETBV */
    [0x8e] = {exit_undefined, MULLION_EXIT_OTHER_REFLECTED, false},          /* RDPRU */
    [0x8f ... 0x9f] = {NOT_INTERCEPTED},                                     /* EFER_WRITE_TRAP, CR_WRITE_TRAP */
    [0xa0 ... 0xa1] = {exit_undefined, MULLION_EXIT_OTHER_REFLECTED, false}, /* INVLPGB, INVLPGB_ILLEGAL */
    [0xa2] = {NOT_INTERCEPTED},                                              /* INVPCID */
    [0xa3 ... 0xa4] = {exit_undefined, MULLION_EXIT_OTHER_REFLECTED, false}, /* MCOMMIT, TLBSYNC */
    [0xa5 ... 0xa6] = {NOT_INTERCEPTED},                                     /* BUSLOCK, IDLE_HLT */
    [0x400] = {handle_npf, MULLION_EXIT_MMIO, false},                        /* NPF */
    [0x401 ... 0x403] = {NOT_INTERCEPTED}, /* AVIC_INCOMPLETE_IPI, AVIC_NOACCEL, VMGEXIT */
};

static const struct exit_row entry_failed = {exit_entry_failed, MULLION_EXIT_UNKNOWN, true};
static const struct exit_row undefined_code = {exit_unknown, MULLION_EXIT_UNKNOWN, true};

static const struct exit_row *row_of(uint64_t code) {
    if (code < CODE_LIMIT && rows[code].handler != NULL) { return &rows[code]; }
    uint32_t low = (uint32_t)code; /* QEMU's TCG reports these in 32 bits */
    bool negative = code == low || code == (uint64_t)(int64_t)(int32_t)low;
    return negative && low >= CODE_LAST_REFUSAL ? &entry_failed : &undefined_code;
}

void svm_intercepts(uint32_t words[6]) {
    for (unsigned code = 0; code < 6 * 32; code++) {
        bool set = rows[code].handler != NULL && !rows[code].clear;
        words[code / 32] |= set ? 1u << code % 32 : 0;
    }
}

static void handle_port(struct vcpu *vcpu) {
    const struct vmcb *vmcb = vmcb_of(vcpu);
    vcpu->exit.port = (uint16_t)(vmcb->exit_info_1 >> IOIO_PORT_SHIFT);
    vcpu->exit.port_bytes = (uint8_t)(vmcb->exit_info_1 >> IOIO_SIZE_SHIFT & 7);
    vcpu->exit.port_in = (vmcb->exit_info_1 & IOIO_IN) != 0;
    vcpu->exit.port_string = (vmcb->exit_info_1 & IOIO_STRING) != 0;
    vcpu->exit.next_rip = vmcb->exit_info_2;
    exit_port(vcpu);
}

static void handle_msr(struct vcpu *vcpu) {
    uint32_t msr = (uint32_t)vcpu->gpr[RCX];
    if (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST) { vcpu->exit_reason = MULLION_EXIT_X2APIC; }
    (vmcb_of(vcpu)->exit_info_1 != 0 ? exit_msr_write : exit_msr_read)(vcpu);
}

static void handle_npf(struct vcpu *vcpu) {
    const struct vmcb *vmcb = vmcb_of(vcpu);
    vcpu->exit.gpa = vmcb->exit_info_2;
    vcpu->exit.is_write = (vmcb->exit_info_1 & NPF_WRITE) != 0;
    vcpu->exit.is_fetch = (vmcb->exit_info_1 & (NPF_FETCH | NPF_TABLE_WALK)) != 0 || vcpu->event.kind != EVENT_NONE;
    exit_mmio(vcpu);
}

static void handle_cr_write(struct vcpu *vcpu) {
    vcpu->exit.control = (uint8_t)(vcpu->exit.code - CODE_CR_WRITE);
    exit_cr_write(vcpu);
}

static void handle_exception(struct vcpu *vcpu) {
    vcpu->exit.vector = (uint8_t)(vcpu->exit.code - CODE_EXCEPTION);
    exit_exception(vcpu);
}

/** An event whose delivery the exit cut short is delivered again; a software interrupt is executed again. */
static void requeue_event(struct vcpu *vcpu) {
    uint64_t info = vmcb_of(vcpu)->exit_int_info;
    unsigned type = (unsigned)(info >> EVENT_TYPE_SHIFT & 7);
    bool breakpoint = type == EVENT_TYPE_EXCEPTION && ((uint8_t)info == 3 || (uint8_t)info == 4); /* INT3, INTO */
    if ((info & EVENT_VALID) == 0 || type == EVENT_TYPE_SOFTWARE || breakpoint) { return; }
    vcpu->event.kind = type == EVENT_TYPE_NMI         ? EVENT_NMI
                       : type == EVENT_TYPE_EXCEPTION ? EVENT_EXCEPTION
                                                      : EVENT_INTERRUPT;
    vcpu->event.vector = (uint8_t)info;
    vcpu->event.has_error = (info & EVENT_ERROR_VALID) != 0;
    vcpu->event.error = (uint32_t)(info >> 32);
}

void svm_handle_exit(struct vcpu *vcpu) {
    const struct vmcb *vmcb = vmcb_of(vcpu);
    const struct exit_row *row = row_of(vmcb->exit_code);
    vcpu->exit = (struct vcpu_exit){.code = vmcb->exit_code};
    vcpu->exit_reason = row->reason;
    requeue_event(vcpu);
    row->handler(vcpu);
}
