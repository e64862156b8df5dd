/* SPDX-License-Identifier: MIT */
/*
 * The total table of exit codes: AMD64 APM volume 2, appendix C. Every code that the manual defines has a
 * row; a code without one stops the partition. A row whose intercept the VMM never sets also stops it: seeing
 * the exit means that the control block is not what the VMM wrote.
 */
#include "core/exits.h"
#include "x86/asm.h"
#include "x86/msr.h"
#include "x86/svm/svm.h"

#define CODE_LIMIT        0x410u
#define CODE_CR_WRITE     0x10u
#define CODE_EXCEPTION    0x40u
#define CODE_LAST_REFUSAL 0xfffffffcu /* -1 INVALID, -2 BUSY, -3 IDLE_REQUIRED, -4 INVALID_PMC */

struct exit_row {
    const char *name;
    enum mullion_exit reason;
    exit_handler *handler;
};

static exit_handler handle_port, handle_msr, handle_npf, handle_cr_write, handle_iret, handle_exception;

#define NOT_INTERCEPTED(name)                                                                                          \
    { name, MULLION_EXIT_UNKNOWN, exit_refuse }
#define UNDEFINED(name)                                                                                                \
    { name, MULLION_EXIT_VIRT_INSTRUCTION, exit_undefined }

static const struct exit_row rows[CODE_LIMIT] = {
    [0x00 ... 0x0f] = NOT_INTERCEPTED("CR_READ"),
    [0x10 ... 0x13] = NOT_INTERCEPTED("CR_WRITE"),
    [0x14] = {"CR4_WRITE", MULLION_EXIT_CR_WRITE, handle_cr_write},
    [0x15 ... 0x17] = NOT_INTERCEPTED("CR_WRITE"),
    [0x18] = {"CR8_WRITE", MULLION_EXIT_CR_WRITE, handle_cr_write},
    [0x19 ... 0x1f] = NOT_INTERCEPTED("CR_WRITE"),
    [0x20 ... 0x2f] = NOT_INTERCEPTED("DR_READ"),
    [0x30 ... 0x3f] = NOT_INTERCEPTED("DR_WRITE"),
    [0x40] = NOT_INTERCEPTED("EXCP_DE"),
    [0x41] = {"EXCP_DB", MULLION_EXIT_EXCEPTION, handle_exception},
    [0x42 ... 0x50] = NOT_INTERCEPTED("EXCP"),
    [0x51] = {"EXCP_AC", MULLION_EXIT_EXCEPTION, handle_exception},
    [0x52] = {"EXCP_MC", MULLION_EXIT_EXCEPTION, exit_machine_check},
    [0x53 ... 0x5f] = NOT_INTERCEPTED("EXCP"),
    [0x60] = {"INTR", MULLION_EXIT_INTERRUPT, exit_interrupt},
    [0x61] = {"NMI", MULLION_EXIT_NMI, exit_interrupt},
    [0x62] = {"SMI", MULLION_EXIT_NMI, exit_interrupt},
    [0x63] = {"INIT", MULLION_EXIT_INIT, exit_interrupt},
    [0x64] = {"VINTR", MULLION_EXIT_INTERRUPT_WINDOW, exit_interrupt},
    [0x65] = NOT_INTERCEPTED("CR0_SEL_WRITE"),
    [0x66 ... 0x69] = NOT_INTERCEPTED("DESCRIPTOR_READ"),
    [0x6a ... 0x6d] = NOT_INTERCEPTED("DESCRIPTOR_WRITE"),
    [0x6e] = NOT_INTERCEPTED("RDTSC"),
    [0x6f] = {"RDPMC", MULLION_EXIT_OTHER_REFLECTED, exit_protection},
    [0x70] = NOT_INTERCEPTED("PUSHF"),
    [0x71] = NOT_INTERCEPTED("POPF"),
    [0x72] = {"CPUID", MULLION_EXIT_CPUID, exit_cpuid},
    [0x73] = UNDEFINED("RSM"),
    [0x74] = {"IRET", MULLION_EXIT_INTERRUPT_WINDOW, handle_iret},
    [0x75] = NOT_INTERCEPTED("SWINT"),
    [0x76] = {"INVD", MULLION_EXIT_CACHE_CONTROL, exit_ignore},
    [0x77] = NOT_INTERCEPTED("PAUSE"),
    [0x78] = {"HLT", MULLION_EXIT_HLT, exit_hlt},
    [0x79] = NOT_INTERCEPTED("INVLPG"),
    [0x7a] = UNDEFINED("INVLPGA"),
    [0x7b] = {"IOIO", MULLION_EXIT_PORT, handle_port},
    [0x7c] = {"MSR", MULLION_EXIT_MSR, handle_msr},
    [0x7d] = NOT_INTERCEPTED("TASK_SWITCH"),
    [0x7e] = {"FERR_FREEZE", MULLION_EXIT_OTHER_REFLECTED, exit_refuse},
    [0x7f] = {"SHUTDOWN", MULLION_EXIT_SHUTDOWN, exit_shutdown},
    [0x80] = UNDEFINED("VMRUN"),
    [0x81] = {"VMMCALL", MULLION_EXIT_HYPERCALL, exit_hypercall},
    [0x82] = UNDEFINED("VMLOAD"),
    [0x83] = UNDEFINED("VMSAVE"),
    [0x84] = UNDEFINED("STGI"),
    [0x85] = UNDEFINED("CLGI"),
    [0x86] = UNDEFINED("SKINIT"),
    [0x87] = NOT_INTERCEPTED("RDTSCP"),
    [0x88] = NOT_INTERCEPTED("ICEBP"),
    [0x89] = {"WBINVD", MULLION_EXIT_CACHE_CONTROL, exit_ignore},
    [0x8a] = {"MONITOR", MULLION_EXIT_MONITOR, exit_undefined},
    [0x8b] = {"MWAIT", MULLION_EXIT_MONITOR, exit_undefined},
    [0x8c] = {"MWAIT_CONDITIONAL", MULLION_EXIT_MONITOR, exit_undefined},
    [0x8d] = {"XSETBV", MULLION_EXIT_XSETBV, exit_xsetbv},
    [0x8e] = {"RDPRU", MULLION_EXIT_OTHER_REFLECTED, exit_undefined},
    [0x8f] = NOT_INTERCEPTED("EFER_WRITE_TRAP"),
    [0x90 ... 0x9f] = NOT_INTERCEPTED("CR_WRITE_TRAP"),
    [0xa0] = {"INVLPGB", MULLION_EXIT_OTHER_REFLECTED, exit_undefined},
    [0xa1] = {"INVLPGB_ILLEGAL", MULLION_EXIT_OTHER_REFLECTED, exit_undefined},
    [0xa2] = NOT_INTERCEPTED("INVPCID"),
    [0xa3] = {"MCOMMIT", MULLION_EXIT_OTHER_REFLECTED, exit_undefined},
    [0xa4] = {"TLBSYNC", MULLION_EXIT_OTHER_REFLECTED, exit_undefined},
    [0xa5] = NOT_INTERCEPTED("BUSLOCK"),
    [0xa6] = NOT_INTERCEPTED("IDLE_HLT"),
    [0x400] = {"NPF", MULLION_EXIT_MMIO, handle_npf},
    [0x401] = NOT_INTERCEPTED("AVIC_INCOMPLETE_IPI"),
    [0x402] = NOT_INTERCEPTED("AVIC_NOACCEL"),
    [0x403] = NOT_INTERCEPTED("VMGEXIT"),
};

static const struct exit_row entry_failed = {"INVALID", MULLION_EXIT_UNKNOWN, exit_entry_failed};
static const struct exit_row undefined_code = {NULL, MULLION_EXIT_UNKNOWN, exit_unknown};

static const struct exit_row *row_of(uint64_t code) {
    if (code < CODE_LIMIT && rows[code].name != NULL) { return &rows[code]; }
    uint32_t low = (uint32_t)code; /* QEMU's TCG reports these in 32 bits */
    bool negative = code == low || code == (uint64_t)(int64_t)(int32_t)low;
    return negative && low >= CODE_LAST_REFUSAL ? &entry_failed : &undefined_code;
}

const char *svm_exit_name(uint64_t code) { return row_of(code)->name; }

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

static void handle_iret(struct vcpu *vcpu) { svm_nmi_handler_ends(vcpu); }

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
