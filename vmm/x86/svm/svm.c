/* SPDX-License-Identifier: MIT */
/* AMD Secure Virtual Machine: AMD64 APM volume 2, chapter 15. */
#include "x86/svm/svm.h"

#include "core/core.h"

#define MSR_VM_CR       0xc0010114u
#define MSR_DE_CFG      0xc0011029u
#define MSR_VM_HSAVE_PA 0xc0010117u
#define SVM_LEAF        0x8000000au
#define PAT_RESET       0x0007040600070406ull
#define DR6_RESET       0xffff0ff0u

/* GUEST_ASID + 1: the driver VM, on the agent's CPU; a tag changes hands only with a flush */
enum { IOPM_PAGES = 3, MSRPM_PAGES = 2, GUEST_ASID = 1 };
enum { ATTR_CODE64 = 0xa9b, ATTR_CODE32 = 0xc9b, ATTR_DATA32 = 0xc93, ATTR_CODE16 = 0x09b, ATTR_DATA16 = 0x093 };
enum { ATTR_LDT = 0x082, ATTR_TSS = 0x08b, ATTR_LONG = 1 << 9, ATTR_BIG = 1 << 10 };
/* of SVM_LEAF's EDX, of 80000021's EAX, of the MSRs and debug registers that they begin with */
enum { SVM_EDX_NPT = 1 << 0, SVM_EDX_NRIPS = 1 << 3, AUTOMATIC_IBRS = 1 << 8, LFENCE_ALWAYS_SERIALIZES = 1 << 2 };
enum { VM_CR_SVMDIS = 1 << 4, DE_CFG_LFENCE_SERIALIZE = 1 << 1, EFER_AUTOMATIC_IBRS = 1 << 21 };
enum { DR6_SINGLE_STEP = 1 << 14, DR7_RESET = 0x400 };

void svm_switch(uint64_t vmcb, uint64_t *gpr, uint64_t host_vmcb);

static uint8_t *iopm, *msrpm;
static bool has_next_rip;

static uint64_t physical(const void *at) { return (uint64_t)(uintptr_t)at; }

static const char *svm_missing(void) {
    if ((rdmsr(MSR_VM_CR) & VM_CR_SVMDIS) != 0) {
        return "AMD SVM is disabled; the firmware has switched it off (VM_CR.SVMDIS); enable SVM in the "
               "firmware set-up";
    }
    if ((cpuid(SVM_LEAF, 0).edx & SVM_EDX_NPT) == 0) {
        return "no nested paging (NPT); the CPU's SVM lacks it (CPUID 8000000A EDX bit 0); use a CPU that has it";
    }
    return NULL;
}

/** Clears both intercept bits of a register; the map's three parts follow APM section 15.11. */
static void msr_allow(uint32_t msr) {
    static const struct { uint32_t first, offset; } parts[] = {{0, 0}, {0xc0000000, 0x800}, {0xc0010000, 0x1000}};
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (msr >= parts[i].first && msr < parts[i].first + 0x2000) {
            uint32_t index = msr - parts[i].first;
            msrpm[parts[i].offset + index / 4] &= (uint8_t) ~(3u << (index % 4 * 2));
        }
    }
}

static void svm_init(void) {
    iopm = pool_alloc(IOPM_PAGES + MSRPM_PAGES);
    ASSERT(iopm != NULL);
    msrpm = iopm + IOPM_PAGES * PAGE_BYTES;
    memset(iopm, 0xff, (IOPM_PAGES + MSRPM_PAGES) * PAGE_BYTES);
    msr_for_each_direct(msr_allow);
    has_next_rip = (cpuid(SVM_LEAF, 0).edx & SVM_EDX_NRIPS) != 0;
}

/** CPUID 80000021 EAX, 0 on CPUs without that leaf. */
static uint32_t features_80000021(void) {
    return cpuid(0x80000000, 0).eax >= 0x80000021 ? cpuid(0x80000021, 0).eax : 0;
}

/** Guests are told in DE_CFG that LFENCE serialises: make it so where it is a choice (family 10h and later). */
static void serialize_lfence(void) {
    uint32_t eax = cpuid(1, 0).eax;
    uint32_t family = (eax >> 8 & 15) + (eax >> 20 & 255);
    if (family >= 0x10 && family != 0x11 && (features_80000021() & LFENCE_ALWAYS_SERIALIZES) == 0) {
        wrmsr(MSR_DE_CFG, rdmsr(MSR_DE_CFG) | DE_CFG_LFENCE_SERIALIZE);
    }
}

/** The CPU's two pages: where VMRUN keeps the host, and a VMCB for VMSAVE of the rest. */
static void svm_cpu_enable(struct cpu *cpu) {
    uint8_t *pages = pool_alloc(2);
    ASSERT(pages != NULL);
    cpu->vendor = pages + PAGE_BYTES;
    uint64_t barriers = (features_80000021() & AUTOMATIC_IBRS) != 0 ? EFER_AUTOMATIC_IBRS : 0;
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME | barriers);
    serialize_lfence();
    wrmsr(MSR_VM_HSAVE_PA, physical(pages));
    __asm__ volatile("vmsave %0" : : "a"(cpu->vendor) : "memory");
}

static int svm_vcpu_create(struct vcpu *vcpu) {
    vcpu->vendor = pool_alloc(1);
    return vcpu->vendor != NULL ? 0 : -MULLION_E_POOL;
}

static void svm_vcpu_destroy(struct vcpu *vcpu) { pool_free(vcpu->vendor, 1); }

static void set_controls(struct vmcb *vmcb, const struct vcpu *vcpu) {
    svm_intercepts(vmcb->intercepts);
    vmcb->iopm_base = physical(iopm);
    vmcb->msrpm_base = physical(msrpm);
    vmcb->asid = GUEST_ASID + vcpu->partition->shares_cpu0;
    vmcb->tlb_control = TLB_FLUSH_ALL;
    vmcb->vintr = VINTR_MASKING;
    vmcb->nested_enable = 1;
    vmcb->nested_cr3 = physical(vcpu->partition->npt.root);
}

static void set_segments(struct vmcb *vmcb, uint16_t code_selector, uint16_t code_attr, uint16_t data_selector,
                         uint16_t data_attr, uint32_t limit) {
    struct vmcb_segment data = {data_selector, data_attr, limit, 0};
    vmcb->cs = (struct vmcb_segment){code_selector, code_attr, limit, 0};
    vmcb->ds = vmcb->es = vmcb->ss = vmcb->fs = vmcb->gs = data;
    vmcb->gdtr = vmcb->idtr = (struct vmcb_segment){0, 0, 0xffff, 0};
    vmcb->ldtr = (struct vmcb_segment){0, ATTR_LDT, 0xffff, 0};
    vmcb->tr = (struct vmcb_segment){0, ATTR_TSS, 0xffff, 0};
}

static void svm_vcpu_reset(struct vcpu *vcpu, const struct hvm_entry *entry) {
    struct vmcb *vmcb = vmcb_of(vcpu);
    memset(vmcb, 0, sizeof *vmcb);
    set_controls(vmcb, vcpu);
    vmcb->efer = EFER_SVME;
    vmcb->cr0 = CR0_ET;
    vmcb->cr4 = CR4_MCE;
    vmcb->rflags = RFLAGS_RESERVED;
    vmcb->dr6 = DR6_RESET;
    vmcb->dr7 = DR7_RESET;
    vmcb->g_pat = PAT_RESET;
    vmcb->rip = entry->rip;
    vmcb->rsp = entry->rsp;
    vcpu->nmi_blocked = false;
    switch (entry->mode) {
    case HVM_ENTRY_REAL:
        set_segments(vmcb, (uint16_t)(entry->sipi_page << 8), ATTR_CODE16, 0, ATTR_DATA16, 0xffff);
        vmcb->cs.base = (uint64_t)entry->sipi_page << 12;
        break;
    case HVM_ENTRY_PROTECTED32:
        set_segments(vmcb, 0x8, ATTR_CODE32, 0x10, ATTR_DATA32, UINT32_MAX);
        vmcb->cr0 |= CR0_PE;
        break;
    case HVM_ENTRY_LONG64: /* selectors as the Linux 64-bit boot protocol wants them */
        set_segments(vmcb, 0x10, ATTR_CODE64, 0x18, ATTR_DATA32, UINT32_MAX);
        vmcb->cr0 |= CR0_PE | CR0_PG;
        vmcb->cr4 |= CR4_PAE;
        vmcb->cr3 = entry->cr3;
        vmcb->efer |= EFER_LME | EFER_LMA;
        break;
    }
}

/** VMRUN leaves nothing of a guest in the CPU: svm_switch puts all of it into the VMCB. */
static void svm_vcpu_release(struct vcpu *vcpu) {}

static void svm_vcpu_flush(struct vcpu *vcpu) { vmcb_of(vcpu)->tlb_control = TLB_FLUSH_ALL; }

static void svm_run(struct vcpu *vcpu) {
    struct vmcb *vmcb = vmcb_of(vcpu);
    vmcb->rax = vcpu->gpr[RAX];
    vmcb->vintr = (vmcb->vintr & ~VINTR_TPR) | vcpu->apic.tpr >> 4;
    svm_switch(physical(vmcb), vcpu->gpr, physical(vcpu->cpu->vendor));
    vcpu->gpr[RAX] = vmcb->rax;
    vmcb->tlb_control = 0;
    vmcb->event_injection = 0;
}

/** Where a register lies in the VMCB. */
static uint64_t *field(const struct vcpu *vcpu, enum hvm_register r) {
#define AT(name) offsetof(struct vmcb, name)
    static const uint16_t offsets[] = {[HVM_RIP] = AT(rip),   [HVM_RSP] = AT(rsp),   [HVM_RFLAGS] = AT(rflags),
                                       [HVM_CR0] = AT(cr0),   [HVM_CR3] = AT(cr3),   [HVM_CR4] = AT(cr4),
                                       [HVM_EFER] = AT(efer), [HVM_PAT] = AT(g_pat), [HVM_CS_BASE] = AT(cs.base)};
#undef AT
    return (uint64_t *)((uint8_t *)vmcb_of(vcpu) + offsets[r]);
}

static uint64_t svm_read(const struct vcpu *vcpu, enum hvm_register r) { return *field(vcpu, r); }

static void svm_write(struct vcpu *vcpu, enum hvm_register r, uint64_t value) {
    *field(vcpu, r) = r == HVM_EFER ? value | EFER_SVME : value;
}

static struct hvm_code svm_code(const struct vcpu *vcpu) {
    const struct vmcb *vmcb = vmcb_of(vcpu);
    bool long_mode = (vmcb->efer & EFER_LMA) != 0 && (vmcb->cs.attributes & ATTR_LONG) != 0;
    return (struct hvm_code){long_mode, (vmcb->cs.attributes & ATTR_BIG) != 0, vmcb->cpl};
}

static unsigned svm_known_length(const struct vcpu *vcpu) {
    const struct vmcb *vmcb = vmcb_of(vcpu);
    uint64_t next = vcpu->exit.next_rip != 0 ? vcpu->exit.next_rip : has_next_rip ? vmcb->next_rip : 0;
    return next > vmcb->rip && next - vmcb->rip <= INSN_MAX_BYTES ? (unsigned)(next - vmcb->rip) : 0;
}

static void svm_skip(struct vcpu *vcpu, unsigned length) {
    struct vmcb *vmcb = vmcb_of(vcpu);
    struct hvm_code code = svm_code(vcpu);
    uint64_t next = vmcb->rip + length;
    vmcb->rip = code.long_mode ? next : code.big ? (uint32_t)next : (uint16_t)next;
    vmcb->interrupt_shadow &= ~SHADOW_INTERRUPT;
    vmcb->rflags &= ~RFLAGS_RF;
    if ((vmcb->rflags & RFLAGS_TF) != 0) { /* the guest single-steps: the skipped instruction counts as one */
        vmcb->dr6 |= DR6_SINGLE_STEP;
        vcpu_fault(vcpu, VECTOR_DB, false, 0);
    }
}

static bool svm_in_shadow(const struct vcpu *vcpu) { return (vmcb_of(vcpu)->interrupt_shadow & SHADOW_INTERRUPT) != 0; }

static void set_intercept(struct vmcb *vmcb, unsigned code, bool on) {
    uint32_t bit = 1u << code % 32;
    vmcb->intercepts[code / 32] = on ? vmcb->intercepts[code / 32] | bit : vmcb->intercepts[code / 32] & ~bit;
}

/** Blocked from the delivery of an NMI until the handler has executed the IRET that was intercepted. */
static bool svm_nmi_blocked(const struct vcpu *vcpu) {
    return vcpu->nmi_blocked && (vcpu->nmi_iret_rip == 0 || vcpu->nmi_iret_rip == vmcb_of(vcpu)->rip);
}

/** A virtual interrupt that is intercepted the moment it could be taken; no vector is ever delivered that way. For an
 * NMI that is blocked the exit is the handler's IRET. */
static void svm_want_window(struct vcpu *vcpu, bool interrupt, bool nmi) {
    struct vmcb *vmcb = vmcb_of(vcpu);
    bool wanted = interrupt || (nmi && !svm_nmi_blocked(vcpu));
    vmcb->vintr = (vmcb->vintr & ~(VINTR_IRQ | VINTR_IGNORE_TPR)) | (wanted ? VINTR_IRQ | VINTR_IGNORE_TPR : 0);
    set_intercept(vmcb, SVM_EXIT_VINTR, wanted);
}

static void svm_inject(struct vcpu *vcpu) {
    struct vmcb *vmcb = vmcb_of(vcpu);
    const struct vcpu_event *event = &vcpu->event;
    uint64_t type = event->kind == EVENT_EXCEPTION ? EVENT_TYPE_EXCEPTION
                    : event->kind == EVENT_NMI     ? EVENT_TYPE_NMI
                                                   : EVENT_TYPE_INTERRUPT;
    vmcb->event_injection = event->vector | type << EVENT_TYPE_SHIFT | EVENT_VALID |
                            (event->has_error ? EVENT_ERROR_VALID : 0) | (uint64_t)event->error << 32;
    if (event->kind == EVENT_NMI) {
        vcpu->nmi_blocked = true;
        vcpu->nmi_iret_rip = 0;
        set_intercept(vmcb, SVM_EXIT_IRET, true);
    }
}

void svm_nmi_handler_ends(struct vcpu *vcpu) {
    vcpu->nmi_iret_rip = vmcb_of(vcpu)->rip;
    set_intercept(vmcb_of(vcpu), SVM_EXIT_IRET, false);
}

// clang-format off
const struct hvm_ops svm_ops = {
    .name = "SVM", .hypercall = MULLION_VMMCALL, .missing = svm_missing, .init = svm_init, .cpu_enable = svm_cpu_enable,
    .vcpu_create = svm_vcpu_create, .vcpu_destroy = svm_vcpu_destroy, .vcpu_reset = svm_vcpu_reset,
    .vcpu_release = svm_vcpu_release, .vcpu_flush = svm_vcpu_flush, .run = svm_run, .handle_exit = svm_handle_exit,
    .read = svm_read, .write = svm_write, .code = svm_code, .known_length = svm_known_length, .skip = svm_skip,
    .in_shadow = svm_in_shadow, .nmi_blocked = svm_nmi_blocked, .want_window = svm_want_window, .inject = svm_inject,
};
// clang-format on
