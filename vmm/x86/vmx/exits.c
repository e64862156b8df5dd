/* SPDX-License-Identifier: MIT */
/*
 * The total table of basic exit reasons: Intel SDM volume 3, appendix C. Every reason that the manual defines has a
 * row; one without a row stops the partition, and so does one that the controls do not ask for: the VMCS is not what
 * the VMM wrote.
 */
#include "core/core.h"
#include "x86/vmx/vmx.h"

enum { REASON_EPT_VIOLATION = 48, REASON_LIMIT = 80 };
enum { CONTROL_NUMBER = 0xf, ACCESS_TYPE_SHIFT = 4, ACCESS_TYPES = 3, SOURCE_SHIFT = 8 };
enum { PORT_BYTES = 7, PORT_IN = 1 << 3, PORT_STRING = 1 << 4, PORT_SHIFT = 16 };
enum { EPT_WRITE = 1 << 1, EPT_FETCH = 1 << 2, EPT_LINEAR = 1 << 7, EPT_FINAL = 1 << 8, EPT_UNBLOCKED_NMI = 1 << 12 };

struct exit_row {
    exit_handler *handler;
    enum mullion_exit reason;
    bool instruction; /* the exit is caused by an instruction, whose length the hardware tells */
};

static exit_handler handle_exception, handle_port, handle_cr, handle_ept_violation, handle_entry_failed;
static exit_handler handle_msr_read, handle_msr_write;

/* Verdicts that need no name of a handler of this file. */
#define NEVER     exit_refuse, MULLION_EXIT_UNKNOWN, false
#define UNDEFINED exit_undefined, MULLION_EXIT_VIRT_INSTRUCTION, true

static const struct exit_row rows[REASON_LIMIT] = {
    [0] = {handle_exception, MULLION_EXIT_EXCEPTION, false},            /* exception or NMI */
    [1] = {exit_interrupt, MULLION_EXIT_INTERRUPT, false},              /* external interrupt */
    [2] = {exit_shutdown, MULLION_EXIT_SHUTDOWN, false},                /* triple fault */
    [3] = {exit_interrupt, MULLION_EXIT_INIT, false},                   /* INIT signal */
    [4 ... 6] = {NEVER},                                                /* SIPI, SMI */
    [7 ... 8] = {exit_interrupt, MULLION_EXIT_INTERRUPT_WINDOW, false}, /* interrupt window, NMI window */
    [9] = {exit_refuse, MULLION_EXIT_OTHER_REFLECTED, true},            /* task switch */
    [10] = {exit_cpuid, MULLION_EXIT_CPUID, true},                      /* CPUID */
    [11] = {UNDEFINED},                                                 /* GETSEC */
    [12] = {exit_hlt, MULLION_EXIT_HLT, true},                          /* HLT */
    [13] = {exit_ignore, MULLION_EXIT_CACHE_CONTROL, true},             /* INVD */
    [14] = {NEVER},                                                     /* INVLPG */
    [15] = {exit_protection, MULLION_EXIT_OTHER_REFLECTED, true},       /* RDPMC */
    [16] = {NEVER},                                                     /* RDTSC */
    [17] = {UNDEFINED},                                                 /* RSM */
    [18] = {exit_hypercall, MULLION_EXIT_HYPERCALL, true},              /* VMCALL */
    [19 ... 27] = {UNDEFINED},                                          /* VMCLEAR .. VMXON */
    [28] = {handle_cr, MULLION_EXIT_CR_WRITE, true},                    /* control-register access */
    [29] = {NEVER},                                                     /* MOV DR */
    [30] = {handle_port, MULLION_EXIT_PORT, true},                      /* I/O instruction */
    [31] = {handle_msr_read, MULLION_EXIT_MSR, true},                   /* RDMSR */
    [32] = {handle_msr_write, MULLION_EXIT_MSR, true},                  /* WRMSR */
    [33 ... 34] = {handle_entry_failed, MULLION_EXIT_UNKNOWN, false},   /* entry: guest state, MSR loading */
    [36] = {exit_undefined, MULLION_EXIT_MONITOR, true},                /* MWAIT */
    [37] = {NEVER},                                                     /* monitor trap flag */
    [39] = {exit_undefined, MULLION_EXIT_MONITOR, true},                /* MONITOR */
    [40] = {NEVER},                                                     /* PAUSE */
    [41] = {exit_machine_check, MULLION_EXIT_EXCEPTION, false},         /* entry: machine check */
    [43 ... 47] = {NEVER},                                              /* TPR, APIC access, EOI, GDTR.., LDTR.. */
    [REASON_EPT_VIOLATION] = {handle_ept_violation, MULLION_EXIT_MMIO, false},
    [49] = {NEVER},                                                     /* EPT misconfiguration */
    [50] = {UNDEFINED},                                                 /* INVEPT */
    [51 ... 52] = {NEVER},                                              /* RDTSCP, preemption timer */
    [53] = {UNDEFINED},                                                 /* INVVPID */
    [54] = {exit_ignore, MULLION_EXIT_CACHE_CONTROL, true},             /* WBINVD, WBNOINVD */
    [55] = {exit_xsetbv, MULLION_EXIT_XSETBV, true},                    /* XSETBV */
    [56 ... 58] = {NEVER},                                              /* APIC write, RDRAND, INVPCID */
    [59 ... 60] = {UNDEFINED},                                          /* VMFUNC, ENCLS */
    [61 ... 64] = {NEVER},                                              /* RDSEED, PML full, XSAVES, XRSTORS */
    [65] = {UNDEFINED},                                                 /* PCONFIG */
    [66] = {NEVER},                                                     /* SPP */
    [67 ... 70] = {exit_undefined, MULLION_EXIT_OTHER_REFLECTED, true}, /* UMWAIT, TPAUSE, LOADIWKEY, ENCLV */
    [72 ... 75] = {NEVER},                                              /* ENQCMD, ENQCMDS, bus lock, notify */
    [76 ... 77] = {UNDEFINED},                                          /* SEAMCALL, TDCALL */
    [78 ... 79] = {NEVER},                                              /* RDMSRLIST, WRMSRLIST */
};

static const struct exit_row undefined_reason = {exit_unknown, MULLION_EXIT_UNKNOWN, false};
static const struct exit_row entry_failed = {handle_entry_failed, MULLION_EXIT_UNKNOWN, false};

static const struct exit_row *row_of(uint64_t code) {
    if ((code & VMX_CODE_NOT_ENTERED) != 0) { return &entry_failed; }
    uint16_t reason = (uint16_t)code;
    bool known = reason < REASON_LIMIT && rows[reason].handler != NULL;
    return known ? &rows[reason] : &undefined_reason;
}

bool vmx_exit_has_length(uint64_t code) { return row_of(code)->instruction; }

static void handle_entry_failed(struct vcpu *vcpu) {
    vmx_dump(vcpu);
    exit_entry_failed(vcpu);
}

/** An IRET that was about to end the blocking of NMIs faulted or will be executed again: they are blocked as before. */
static void block_nmis_again(bool unblocked) {
    bool delivering = (vmcs_read(IDT_EVENT) & VMCS_EVENT_VALID) != 0;
    if (!unblocked || delivering) { return; }
    vmcs_write(GUEST_INTERRUPTIBILITY, vmcs_read(GUEST_INTERRUPTIBILITY) | BLOCKED_BY_NMI);
}

/** What delivery of #DB would have done, had it not been intercepted: SDM, "Architectural State Before a VM Exit". */
static void complete_debug_exception(const struct vcpu *vcpu, uint64_t event) {
    uint64_t state = vmcs_read(GUEST_INTERRUPTIBILITY);
    write_dr6((read_dr6() & ~(uint64_t)DR6_BREAKPOINTS) | vmcs_read(EXIT_QUALIFICATION));
    vmcs_write(GUEST_DR7, vmcs_read(GUEST_DR7) & ~(uint64_t)DR7_GENERAL_DETECT);
    vmcs_write(GUEST_INTERRUPTIBILITY, state & ~(uint64_t)(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
    if ((event >> VMCS_EVENT_TYPE_SHIFT & 7) == VMCS_EVENT_ICEBP) { /* a trap, not a fault */
        uint64_t next = vmcs_read(GUEST_RIP) + vmcs_read(EXIT_INSN_LENGTH);
        vmcs_write(GUEST_RIP, hvm->code(vcpu).long_mode ? next : (uint32_t)next);
    }
}

static void handle_exception(struct vcpu *vcpu) {
    uint64_t event = vmcs_read(EXIT_EVENT);
    vcpu->exit.vector = (uint8_t)event;
    block_nmis_again((event & VMCS_EVENT_UNBLOCKED_NMI) != 0);
    switch (vcpu->exit.vector) {
    case VECTOR_NMI: /* the host's; its handler's IRET lets the next one through */
        vcpu->exit_reason = MULLION_EXIT_NMI;
        __asm__ volatile("int $2");
        break;
    case VECTOR_DB:
        complete_debug_exception(vcpu, event);
        exit_exception(vcpu);
        break;
    case VECTOR_AC: exit_exception(vcpu); break;
    case VECTOR_MC: exit_machine_check(vcpu); break;
    default: exit_refuse(vcpu); break; /* not in EXCEPTION_BITMAP */
    }
}

static void handle_port(struct vcpu *vcpu) {
    uint64_t access = vmcs_read(EXIT_QUALIFICATION);
    vcpu->exit.port = (uint16_t)(access >> PORT_SHIFT);
    vcpu->exit.port_bytes = (uint8_t)((access & PORT_BYTES) + 1);
    vcpu->exit.port_in = (access & PORT_IN) != 0;
    vcpu->exit.port_string = (access & PORT_STRING) != 0;
    exit_port(vcpu);
}

static void note_x2apic(struct vcpu *vcpu) {
    uint32_t msr = (uint32_t)vcpu->gpr[RCX];
    if (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST) { vcpu->exit_reason = MULLION_EXIT_X2APIC; }
}

static void handle_msr_read(struct vcpu *vcpu) {
    note_x2apic(vcpu);
    exit_msr_read(vcpu);
}

static void handle_msr_write(struct vcpu *vcpu) {
    note_x2apic(vcpu);
    exit_msr_write(vcpu);
}

static void handle_ept_violation(struct vcpu *vcpu) {
    uint64_t access = vmcs_read(EXIT_QUALIFICATION);
    bool plain =
        (access & (EPT_LINEAR | EPT_FINAL)) == (EPT_LINEAR | EPT_FINAL); /* else a walk of the guest's tables */
    block_nmis_again((access & EPT_UNBLOCKED_NMI) != 0);
    vcpu->exit.gpa = vmcs_read(GUEST_PHYSICAL_ADDRESS);
    vcpu->exit.is_write = (access & EPT_WRITE) != 0;
    vcpu->exit.is_fetch = (access & EPT_FETCH) != 0 || !plain || vcpu->event.kind != EVENT_NONE;
    exit_mmio(vcpu);
}

static bool cr0_is_valid(uint64_t value) {
    bool paging = (value & CR0_PG) != 0, protection = (value & CR0_PE) != 0;
    bool not_through = (value & CR0_NW) != 0, disabled = (value & CR0_CD) != 0;
    return value <= UINT32_MAX && (!paging || protection) && (!not_through || disabled);
}

/** A write that changes bits the guest sees as a shadow. With the shadow changed the instruction is executed again: now
 * it changes nothing but what is the guest's own, and the CPU checks and does that part itself. If the CPU refuses it,
 * the shadow stays changed: the guest gets #GP, and reads another NE, NW or CD than before. */
static bool change_shadow(uint64_t number, uint64_t value) {
    bool valid = number == 0 ? cr0_is_valid(value) : (value & ~(cpuid_cr4_allowed() | CR4_MCE)) == 0;
    if (valid) { vmcs_write(number == 0 ? CR0_SHADOW : CR4_SHADOW, value); }
    return valid;
}

static void handle_cr(struct vcpu *vcpu) {
    uint64_t access = vmcs_read(EXIT_QUALIFICATION);
    uint64_t number = access & CONTROL_NUMBER, source = access >> SOURCE_SHIFT & (GPR_COUNT - 1);
    uint64_t value = source == RSP ? vmcs_read(GUEST_RSP) : vcpu->gpr[source];
    value = hvm->code(vcpu).long_mode ? value : (uint32_t)value;
    vcpu->exit.control = (uint8_t)number;
    if ((access >> ACCESS_TYPE_SHIFT & ACCESS_TYPES) != 0 || (number != 0 && number != 4 && number != 8)) {
        exit_refuse(vcpu);
    } else if (number == 8) {
        exit_cr_write(vcpu);
    } else if (!change_shadow(number, value)) {
        exit_protection(vcpu);
    }
}

/** An event whose delivery the exit cut short is delivered again; a software interrupt is executed again. */
static void requeue_event(struct vcpu *vcpu) {
    uint64_t event = vmcs_read(IDT_EVENT);
    unsigned type = (unsigned)(event >> VMCS_EVENT_TYPE_SHIFT & 7);
    if ((event & VMCS_EVENT_VALID) == 0) { return; }
    switch (type) {
    case VMCS_EVENT_INTERRUPT: vcpu->event.kind = EVENT_INTERRUPT; break;
    case VMCS_EVENT_NMI: vcpu->event.kind = EVENT_NMI; break;
    case VMCS_EVENT_EXCEPTION: vcpu->event.kind = EVENT_EXCEPTION; break;
    default: return; /* INT n, INT1, INT3, INTO */
    }
    vcpu->event.vector = (uint8_t)event;
    vcpu->event.has_error = (event & VMCS_EVENT_ERROR_VALID) != 0;
    vcpu->event.error = vcpu->event.has_error ? (uint32_t)vmcs_read(IDT_EVENT_ERROR) : 0;
}

void vmx_handle_exit(struct vcpu *vcpu) {
    vcpu->exit = (struct vcpu_exit){.code = vmx_of(vcpu)->exit_code};
    const struct exit_row *row = row_of(vcpu->exit.code);
    vcpu->exit_reason = row->reason;
    if ((vcpu->exit.code & (VMX_CODE_NOT_ENTERED | VMX_CODE_ENTRY_FAILED)) == 0) { requeue_event(vcpu); }
    row->handler(vcpu);
}
