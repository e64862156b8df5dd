/* SPDX-License-Identifier: MIT */
/* Intel Virtual-Machine Extensions: Intel SDM volume 3, part 3 ("Virtual Machine Extensions"). The preemption timer is
 * not used: the VMM's APIC timer, which serves both vendors, ends an entry as well. */
#include "x86/vmx/vmx.h"

#include "core/core.h"

#define PAT_RESET  0x0007040600070406ull
#define DR6_RESET  0xffff0ff0u
#define IA32E_MODE (1u << ENTRY_IA32E)

enum { CR4_VMXE = 1 << 13, DR7_RESET = 0x400 };
enum { IO_BITMAP_PAGES = 2, VIRTUAL_APIC_TPR = 0x80, GUEST_VPID = 1, SINGLE_CONTEXT = 1 };
/* segments: type, S, DPL, P; bit 16: unusable */
enum {
    RIGHTS_CODE64 = 0xa09b,
    RIGHTS_CODE32 = 0xc09b,
    RIGHTS_DATA32 = 0xc093,
    RIGHTS_CODE16 = 0x9b,
    RIGHTS_DATA16 = 0x93
};
enum { RIGHTS_TSS = 0x8b, RIGHTS_UNUSABLE = 1 << 16 };
/* EPT_POINTER: write-back tables of four levels; entries: memory type in bits 5:3 */
enum { EPT_WRITE_BACK = 6, EPT_FOUR_LEVELS = 3 << 3, EPT_TYPE_SHIFT = 3 };

/** A CPU's two pages: the VMXON region, and this. */
struct vmx_cpu {
    const struct vcpu *current; /* whose VMCS is active and current here */
    const struct vcpu *loose;   /* whose loose registers are in the CPU */
};

uint64_t vmx_switch(uint64_t *gpr, bool launched);
extern char vmx_exit[];

static const uint32_t loose_msrs[] = {0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102}; /* STAR ... */
_Static_assert(ARRAY_COUNT(loose_msrs) == ARRAY_COUNT(((struct vmx_loose *)0)->msrs), "one value for each");

static uint8_t *io_bitmaps, *msr_bitmap;

static uint64_t physical(const void *at) { return (uint64_t)(uintptr_t)at; }

static struct vmx_cpu *vmx_cpu(void) { return (struct vmx_cpu *)((uint8_t *)this_cpu()->vendor + PAGE_BYTES); }

/** Clears the read and the write bit of a register; the bitmap's four parts follow the SDM, "MSR-Bitmap Address". */
static void msr_allow(uint32_t msr) {
    uint32_t index = msr & 0x1fff, half = msr >= 0xc0000000 ? 0x400 : 0;
    msr_bitmap[half + index / 8] &= (uint8_t) ~(1u << index % 8);
    msr_bitmap[0x800 + half + index / 8] &= (uint8_t) ~(1u << index % 8);
}

static void vmx_init(void) {
    io_bitmaps = pool_alloc(IO_BITMAP_PAGES + 1);
    ASSERT(io_bitmaps != NULL);
    msr_bitmap = io_bitmaps + IO_BITMAP_PAGES * PAGE_BYTES;
    memset(io_bitmaps, 0xff, (IO_BITMAP_PAGES + 1) * PAGE_BYTES);
    msr_for_each_direct(msr_allow);
    platform.gigabyte_pages = vmx_has_gigabyte_pages();
    vmx_speculation_init();
}

static void vmx_cpu_enable(struct cpu *cpu) {
    bool failed;
    uint32_t revision = vmx_revision();
    cpu->vendor = pool_alloc(2);
    ASSERT(cpu->vendor != NULL);
    vmx_unlock();
    write_cr0(vmx_fixed_cr0(read_cr0()));
    write_cr4(vmx_fixed_cr4(read_cr4() | CR4_VMXE));
    memcpy(cpu->vendor, &revision, sizeof revision);
    __asm__ volatile("vmxon %1" : "=@ccna"(failed) : "m"(cpu->vendor) : "memory");
    ASSERT(!failed);
    vmx_speculation_cpu_enable();
    vmx_localize_machine_checks();
}

static int vmx_vcpu_create(struct vcpu *vcpu) {
    vcpu->vendor = pool_alloc(3);
    if (vcpu->vendor == NULL) { return -MULLION_E_POOL; }
    uint32_t revision = vmx_revision();
    memcpy(vmcs_page(vcpu), &revision, sizeof revision);
    vmcs_clear(vmcs_page(vcpu));
    return 0;
}

static void save_loose(struct vmx_loose *loose) {
    for (size_t i = 0; i < ARRAY_COUNT(loose_msrs); i++) { loose->msrs[i] = rdmsr(loose_msrs[i]); }
    loose->cr2 = read_cr2();
    loose->dr6 = read_dr6();
}

static void load_loose(const struct vcpu *vcpu) {
    struct vmx_cpu *here = vmx_cpu();
    const struct vmx_loose *loose = &vmx_of(vcpu)->loose;
    if (here->loose == vcpu) { return; }
    if (here->loose != NULL) { save_loose(&vmx_of(here->loose)->loose); }
    for (size_t i = 0; i < ARRAY_COUNT(loose_msrs); i++) { wrmsr(loose_msrs[i], loose->msrs[i]); }
    write_cr2(loose->cr2);
    write_dr6(loose->dr6);
    here->loose = vcpu;
}

static void vmx_vcpu_release(struct vcpu *vcpu) {
    struct vmx_cpu *here = vmx_cpu();
    if (here->loose == vcpu) {
        save_loose(&vmx_of(vcpu)->loose);
        here->loose = NULL;
    }
    if (here->current == vcpu) {
        vmcs_clear(vmcs_page(vcpu));
        vmx_of(vcpu)->launched = false;
        here->current = NULL;
    }
}

static void vmx_vcpu_destroy(struct vcpu *vcpu) {
    vmx_vcpu_release(vcpu); /* of CPU 0; every other CPU has let go of its vCPU by itself */
    pool_free(vcpu->vendor, 3);
}

static void set_controls(const struct vcpu *vcpu) {
    static const struct {
        enum vmcs_field field;
        enum vmx_control_group group;
    } rows[] = {{PIN_CONTROLS, VMX_PIN},
                {PROC_CONTROLS, VMX_PROC},
                {PROC2_CONTROLS, VMX_PROC2},
                {EXIT_CONTROLS, VMX_EXIT},
                {ENTRY_CONTROLS, VMX_ENTRY}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) { vmcs_write(rows[i].field, vmx_controls(rows[i].group)); }
    vmcs_write(EXCEPTION_BITMAP, BIT(VECTOR_DB) | BIT(VECTOR_AC) | BIT(VECTOR_MC));
    vmcs_write(IO_BITMAP_A, physical(io_bitmaps));
    vmcs_write(IO_BITMAP_B, physical(io_bitmaps) + PAGE_BYTES);
    vmcs_write(MSR_BITMAP, physical(msr_bitmap));
    vmcs_write(VIRTUAL_APIC_PAGE, physical(virtual_apic_page(vcpu)));
    vmcs_write(EPT_POINTER, physical(vcpu->partition->npt.root) | EPT_FOUR_LEVELS | EPT_WRITE_BACK);
    vmcs_write(VPID, GUEST_VPID + (uint64_t)vcpu->partition->shares_cpu0);
    if ((vmx_controls(VMX_PROC2) & 1u << PROC2_ENCLS) != 0) { vmcs_write(ENCLS_BITMAP, UINT64_MAX); }
    vmcs_write(CR0_MASK, vmx_cr0_mask());
    vmcs_write(CR4_MASK, ~cpuid_cr4_allowed() | CR4_MCE);
}

static void set_host(const struct cpu *cpu) {
    vmcs_write(HOST_CR0, read_cr0());
    vmcs_write(HOST_CR3, read_cr3());
    vmcs_write(HOST_CR4, read_cr4());
    vmcs_write(HOST_CS_SELECTOR, SELECTOR_CODE);
    vmcs_write(HOST_SS_SELECTOR, SELECTOR_DATA);
    vmcs_write(HOST_TR_SELECTOR, SELECTOR_TSS);
    vmcs_write(HOST_GS_BASE, physical(cpu));
    vmcs_write(HOST_TR_BASE, physical(cpu->tss));
    vmcs_write(HOST_GDTR_BASE, physical(cpu->gdt));
    vmcs_write(HOST_IDTR_BASE, cpu_idt());
    vmcs_write(HOST_IA32_PAT, rdmsr(MSR_PAT));
    vmcs_write(HOST_IA32_EFER, rdmsr(MSR_EFER));
    vmcs_write(HOST_RIP, physical(vmx_exit));
}

/* Fields of one segment register, as GUEST_ES_ plus twice the register's number. */
enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

static void set_segment(unsigned segment, uint16_t selector, uint32_t rights, uint32_t limit, uint64_t base) {
    vmcs_write(GUEST_ES_SELECTOR + 2 * segment, selector);
    vmcs_write(GUEST_ES_RIGHTS + 2 * segment, rights);
    vmcs_write(GUEST_ES_LIMIT + 2 * segment, limit);
    vmcs_write(GUEST_ES_BASE + 2 * segment, base);
}

static void set_segments(uint16_t code, uint32_t code_rights, uint16_t data, uint32_t data_rights, uint32_t limit) {
    for (unsigned segment = ES; segment <= GS; segment++) { set_segment(segment, data, data_rights, limit, 0); }
    set_segment(CS, code, code_rights, limit, 0);
    set_segment(LDTR, 0, RIGHTS_UNUSABLE, 0, 0);
    set_segment(TR, 0, RIGHTS_TSS, 0xffff, 0);
    vmcs_write(GUEST_GDTR_LIMIT, 0xffff);
    vmcs_write(GUEST_IDTR_LIMIT, 0xffff);
}

static void set_guest_controls(uint64_t cr0, uint64_t cr4, uint64_t efer) {
    vmcs_write(GUEST_CR0, vmx_fixed_cr0(cr0));
    vmcs_write(CR0_SHADOW, cr0);
    vmcs_write(GUEST_CR4, vmx_fixed_cr4(cr4));
    vmcs_write(CR4_SHADOW, cr4);
    vmcs_write(GUEST_IA32_EFER, efer);
    uint64_t controls = vmcs_read(ENTRY_CONTROLS) & ~(uint64_t)IA32E_MODE;
    vmcs_write(ENTRY_CONTROLS, controls | ((efer & EFER_LMA) != 0 ? IA32E_MODE : 0));
}

static void set_guest(const struct hvm_entry *entry) {
    vmcs_write(GUEST_RIP, entry->rip);
    vmcs_write(GUEST_RSP, entry->rsp);
    vmcs_write(GUEST_RFLAGS, RFLAGS_RESERVED);
    vmcs_write(GUEST_DR7, DR7_RESET);
    vmcs_write(GUEST_IA32_PAT, PAT_RESET);
    vmcs_write(VMCS_LINK_POINTER, UINT64_MAX);
    switch (entry->mode) {
    case HVM_ENTRY_REAL:
        set_segments((uint16_t)(entry->sipi_page << 8), RIGHTS_CODE16, 0, RIGHTS_DATA16, 0xffff);
        vmcs_write(GUEST_CS_BASE, (uint64_t)entry->sipi_page << 12);
        set_guest_controls(CR0_ET, CR4_MCE, 0);
        break;
    case HVM_ENTRY_PROTECTED32:
        set_segments(0x8, RIGHTS_CODE32, 0x10, RIGHTS_DATA32, UINT32_MAX);
        set_guest_controls(CR0_ET | CR0_PE, CR4_MCE, 0);
        break;
    case HVM_ENTRY_LONG64: /* selectors as the Linux 64-bit boot protocol wants them */
        set_segments(0x10, RIGHTS_CODE64, 0x18, RIGHTS_DATA32, UINT32_MAX);
        vmcs_write(GUEST_CR3, entry->cr3);
        set_guest_controls(CR0_ET | CR0_PE | CR0_PG, CR4_MCE | CR4_PAE, EFER_LME | EFER_LMA);
        break;
    }
}

/** The VMCS is filled anew: every field that can be written is, so that none keeps what another guest left. */
static void fill(const struct vcpu *vcpu) {
#define FIELD(name, encoding) name,
    static const enum vmcs_field writable[] = {VMCS_CONTROL_FIELDS(FIELD) VMCS_HOST_FIELDS(FIELD)
                                                   VMCS_GUEST_FIELDS(FIELD)};
#undef FIELD
    for (size_t i = 0; i < ARRAY_COUNT(writable); i++) { vmcs_write(writable[i], 0); }
    set_controls(vcpu);
    set_host(vcpu->cpu);
    set_guest(&vmx_of(vcpu)->entry);
}

/** Makes the vCPU's VMCS current on this CPU, the only one that it ever runs on. */
static void use(const struct vcpu *vcpu) {
    struct vmx_cpu *here = vmx_cpu();
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    bool reset = vmx->reset_wanted;
    if (here->current == vcpu && !reset) { return; }
    ASSERT(vcpu->cpu == this_cpu() && (here->current == NULL || here->current == vcpu));
    if (reset) {
        vmcs_clear(vmcs_page(vcpu));
        vmx->launched = vmx->reset_wanted = false;
    }
    vmcs_load(vmcs_page(vcpu));
    here->current = vcpu;
    if (reset) { fill(vcpu); }
}

/** Perhaps on another CPU, which cannot reach the VMCS: the vCPU's own does it before it looks at anything else. */
static void vmx_vcpu_reset(struct vcpu *vcpu, const struct hvm_entry *entry) {
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    bool runs_here = vmx_cpu()->loose == vcpu;
    vmx->entry = *entry;
    vmx->reset_wanted = vmx->flush = true;
    if (runs_here) { vmx_cpu()->loose = NULL; }
    vmx->loose = (struct vmx_loose){.dr6 = DR6_RESET};
}

static void vmx_vcpu_flush(struct vcpu *vcpu) { vmx_of(vcpu)->flush = true; }

/** INVEPT and INVVPID of one context: nothing of this guest's translations is left on the CPU. */
static void invalidate(struct vcpu *vcpu) {
    const uint64_t ept[2] = {vmcs_read(EPT_POINTER), 0}, vpid[2] = {vmcs_read(VPID), 0};
    bool ept_failed, vpid_failed;
    __asm__ volatile("invept %1, %2" : "=@ccna"(ept_failed) : "m"(ept), "r"((uint64_t)SINGLE_CONTEXT) : "memory");
    __asm__ volatile("invvpid %1, %2" : "=@ccna"(vpid_failed) : "m"(vpid), "r"((uint64_t)SINGLE_CONTEXT) : "memory");
    ASSERT(!ept_failed && !vpid_failed);
    vmx_of(vcpu)->flush = false;
}

static void vmx_run(struct vcpu *vcpu) {
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    use(vcpu);
    load_loose(vcpu);
    if (vmx->flush) { invalidate(vcpu); }
    virtual_apic_page(vcpu)[VIRTUAL_APIC_TPR] = (uint8_t)vcpu->apic.tpr;
    vmx_clear_buffers();
    bool refused = vmx_switch(vcpu->gpr, vmx->launched) != 0;
    vmx->exit_code = refused ? VMX_CODE_NOT_ENTERED | vmcs_read(INSTRUCTION_ERROR) : vmcs_read(EXIT_REASON);
    vmx->launched |= (vmx->exit_code & (VMX_CODE_NOT_ENTERED | VMX_CODE_ENTRY_FAILED)) == 0;
}

static const enum vmcs_field registers[] = {
    [HVM_RIP] = GUEST_RIP,        [HVM_RSP] = GUEST_RSP,      [HVM_RFLAGS] = GUEST_RFLAGS,
    [HVM_CR0] = GUEST_CR0,        [HVM_CR3] = GUEST_CR3,      [HVM_CR4] = GUEST_CR4,
    [HVM_EFER] = GUEST_IA32_EFER, [HVM_PAT] = GUEST_IA32_PAT, [HVM_CS_BASE] = GUEST_CS_BASE,
};

/** What the guest sees: of bits that are not its own, the shadow. */
static uint64_t with_shadow(uint64_t value, enum vmcs_field mask_field, enum vmcs_field shadow_field) {
    uint64_t mask = vmcs_read(mask_field);
    return (value & ~mask) | (vmcs_read(shadow_field) & mask);
}

static uint64_t vmx_read(const struct vcpu *vcpu, enum hvm_register r) {
    use(vcpu);
    uint64_t value = vmcs_read(registers[r]);
    value = r == HVM_CR0 ? with_shadow(value, CR0_MASK, CR0_SHADOW) : value;
    return r == HVM_CR4 ? with_shadow(value, CR4_MASK, CR4_SHADOW) : value;
}

static void vmx_write(struct vcpu *vcpu, enum hvm_register r, uint64_t value) {
    ASSERT(r != HVM_CR0 && r != HVM_CR4); /* the CPU lets the guest write them: exits.c, handle_cr */
    use(vcpu);
    vmcs_write(registers[r], value);
}

static struct hvm_code vmx_code(const struct vcpu *vcpu) {
    use(vcpu);
    uint64_t rights = vmcs_read(GUEST_CS_RIGHTS), stack_rights = vmcs_read(GUEST_SS_RIGHTS);
    bool long_mode = (vmcs_read(GUEST_IA32_EFER) & EFER_LMA) != 0 && (rights & RIGHTS_LONG) != 0;
    return (struct hvm_code){long_mode, (rights & RIGHTS_BIG) != 0, (uint8_t)(stack_rights >> RIGHTS_DPL_SHIFT & 3)};
}

static unsigned vmx_known_length(const struct vcpu *vcpu) {
    return vmx_exit_has_length(vcpu->exit.code) ? (unsigned)vmcs_read(EXIT_INSN_LENGTH) : 0;
}

static void vmx_skip(struct vcpu *vcpu, unsigned length) {
    struct hvm_code code = vmx_code(vcpu);
    uint64_t next = vmcs_read(GUEST_RIP) + length, flags = vmcs_read(GUEST_RFLAGS);
    uint64_t state = vmcs_read(GUEST_INTERRUPTIBILITY);
    vmcs_write(GUEST_RIP, code.long_mode ? next : code.big ? (uint32_t)next : (uint16_t)next);
    vmcs_write(GUEST_INTERRUPTIBILITY, state & ~(uint64_t)(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
    vmcs_write(GUEST_RFLAGS, flags & ~RFLAGS_RF);
    bool steps = (flags & RFLAGS_TF) != 0; /* the skipped instruction counts as a step */
    uint64_t pending = vmcs_read(GUEST_PENDING_DEBUG) | (steps ? PENDING_SINGLE_STEP : 0);
    if ((pending & (PENDING_SINGLE_STEP | PENDING_BREAKPOINT)) == 0) { return; }
    /* not left pending: the next entry may deliver an interrupt, and then it would be lost */
    vmcs_write(GUEST_PENDING_DEBUG, 0);
    write_dr6(read_dr6() | (pending & (PENDING_SINGLE_STEP | DR6_BREAKPOINTS)));
    vmcs_write(GUEST_DR7, vmcs_read(GUEST_DR7) & ~(uint64_t)DR7_GENERAL_DETECT);
    vcpu_fault(vcpu, VECTOR_DB, false, 0);
}

static bool vmx_in_shadow(const struct vcpu *vcpu) {
    use(vcpu);
    return (vmcs_read(GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)) != 0;
}

static bool vmx_nmi_blocked(const struct vcpu *vcpu) {
    use(vcpu);
    return (vmcs_read(GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI) != 0;
}

static void vmx_want_window(struct vcpu *vcpu, bool interrupt, bool nmi) {
    use(vcpu);
    uint64_t now = vmcs_read(PROC_CONTROLS);
    uint64_t wanted = now & ~(BIT(PROC_INTERRUPT_WINDOW) | BIT(PROC_NMI_WINDOW));
    wanted |= (interrupt ? BIT(PROC_INTERRUPT_WINDOW) : 0) | (nmi ? BIT(PROC_NMI_WINDOW) : 0);
    if (wanted != now) { vmcs_write(PROC_CONTROLS, wanted); }
    uint64_t state = vmcs_read(GUEST_INTERRUPTIBILITY);
    if (nmi && (state & BLOCKED_BY_STI) != 0) { /* some CPUs exit in STI's shadow too, for ever: MOV SS's is the same */
        vmcs_write(GUEST_INTERRUPTIBILITY, (state & ~(uint64_t)BLOCKED_BY_STI) | BLOCKED_BY_MOV_SS);
    }
}

static void vmx_inject(struct vcpu *vcpu) {
    const struct vcpu_event *event = &vcpu->event;
    uint64_t type = event->kind == EVENT_EXCEPTION ? VMCS_EVENT_EXCEPTION
                    : event->kind == EVENT_NMI     ? VMCS_EVENT_NMI
                                                   : VMCS_EVENT_INTERRUPT;
    bool error = event->has_error && (vmx_read(vcpu, HVM_CR0) & CR0_PE) != 0; /* real mode has no error codes */
    uint64_t state = vmcs_read(GUEST_INTERRUPTIBILITY);
    if (event->kind == EVENT_NMI) { vmcs_write(GUEST_INTERRUPTIBILITY, state & ~(uint64_t)BLOCKED_BY_NMI); }
    vmcs_write(ENTRY_EVENT_ERROR, error ? event->error : 0);
    vmcs_write(ENTRY_EVENT, event->vector | type << VMCS_EVENT_TYPE_SHIFT | VMCS_EVENT_VALID |
                                (error ? (uint64_t)VMCS_EVENT_ERROR_VALID : 0));
}

// clang-format off
const struct hvm_ops vmx_ops = {
    .name = "VMX", .hypercall = MULLION_VMCALL,
    .npt_ram = EPT_WRITE_BACK << EPT_TYPE_SHIFT, .npt_device = 0, /* uncached */
    .missing = vmx_missing, .init = vmx_init, .cpu_enable = vmx_cpu_enable,
    .vcpu_create = vmx_vcpu_create, .vcpu_destroy = vmx_vcpu_destroy, .vcpu_reset = vmx_vcpu_reset,
    .vcpu_release = vmx_vcpu_release, .vcpu_flush = vmx_vcpu_flush, .run = vmx_run, .handle_exit = vmx_handle_exit,
    .read = vmx_read, .write = vmx_write, .code = vmx_code, .known_length = vmx_known_length, .skip = vmx_skip,
    .in_shadow = vmx_in_shadow, .nmi_blocked = vmx_nmi_blocked, .want_window = vmx_want_window,
    .inject = vmx_inject,
};
// clang-format on
