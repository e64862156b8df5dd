/* SPDX-License-Identifier: MIT */
/* AMD64 APM volume 2, appendix A (MSR cross-reference); Intel SDM volume 4; Linux Documentation/virt/kvm/x86/msr.rst
 * for 0x4b564d00. */
#include "core/core.h"

#define MTRR_DEF_TYPE_BITS 0xcffull
#define NB_CFG_ECS         BIT(46)
#define EFER_GUEST_BITS    (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

/* Intel SDM volume 4, table 2-2: fast strings; no branch trace store, no PEBS */
enum { MISC_ENABLE = 1 << 0 | 1 << 11 | 1 << 12 };
enum { MTRR_CAP_WRITE_COMBINING = 1 << 10, HWCR_TSC_FREQ_SEL = 1 << 24, DE_CFG_LFENCE_SERIALIZE = 1 << 1 };

/*
 * DIRECT                    the guest uses the hardware's register
 * CONSTANT                  reads a value; a write of anything is ignored, as on hardware where the bit has no effect
 * X2APIC_KIND               the emulated local APIC
 * MTRR_TYPE                 kept, without effect: memory types come from the second-level mapping
 * SYSTEM_TIME, WALL_CLOCK   KVM clock
 */
// clang-format off
enum msr_kind {
    MSR_DIRECT, MSR_CONSTANT, MSR_X2APIC_KIND, MSR_EFER_KIND, MSR_PAT_KIND, MSR_MTRR_TYPE, MSR_SYSTEM_TIME,
    MSR_WALL_CLOCK
};
// clang-format on

struct msr_row {
    uint32_t first, last;
    enum msr_kind kind;
    uint64_t value; /* MSR_CONSTANT */
};

/* The reason for each constant row is the guest that reads it without checking. */
static const struct msr_row rows[] = {
    {0x0000001b, 0x0000001b, MSR_X2APIC_KIND, 0},                     /* APIC_BASE */
    {0x0000008b, 0x0000008b, MSR_CONSTANT, 0},                        /* microcode revision */
    {0x000000fe, 0x000000fe, MSR_CONSTANT, MTRR_CAP_WRITE_COMBINING}, /* MTRRcap: no variable, no fixed ranges */
    {0x00000174, 0x00000176, MSR_DIRECT, 0},                          /* SYSENTER_CS, _ESP, _EIP */
    {0x000001a0, 0x000001a0, MSR_CONSTANT, MISC_ENABLE},              /* MISC_ENABLE */
    {0x000001d9, 0x000001d9, MSR_CONSTANT, 0},                        /* DEBUGCTL */
    {0x00000277, 0x00000277, MSR_PAT_KIND, 0},                        /* PAT */
    {0x000002ff, 0x000002ff, MSR_MTRR_TYPE, 0},                       /* MTRRdefType */
    {0x000006e0, 0x000006e0, MSR_X2APIC_KIND, 0},                     /* TSC_DEADLINE */
    {0x00000800, 0x000008ff, MSR_X2APIC_KIND, 0},                     /* x2APIC registers */
    {0x4b564d00, 0x4b564d00, MSR_WALL_CLOCK, 0},
    {0x4b564d01, 0x4b564d01, MSR_SYSTEM_TIME, 0},
    {0xc0000080, 0xc0000080, MSR_EFER_KIND, 0},
    {0xc0000081, 0xc0000084, MSR_DIRECT, 0},                         /* STAR, LSTAR, CSTAR, SFMASK */
    {0xc0000100, 0xc0000103, MSR_DIRECT, 0},                         /* FS_BASE, GS_BASE, KERNEL_GS_BASE, TSC_AUX */
    {0xc0010010, 0xc0010010, MSR_CONSTANT, 0},                       /* SYSCFG: Linux reads it for the MTRRs */
    {0xc0010015, 0xc0010015, MSR_CONSTANT, HWCR_TSC_FREQ_SEL},       /* HWCR: the TSC counts at P0 frequency */
    {0xc001001a, 0xc001001a, MSR_CONSTANT, 0},                       /* TOP_MEM */
    {0xc001001d, 0xc001001d, MSR_CONSTANT, 0},                       /* TOP_MEM2 */
    {0xc001001f, 0xc001001f, MSR_CONSTANT, NB_CFG_ECS},              /* NB_CFG: extended configuration space is on */
    {0xc0010055, 0xc0010055, MSR_CONSTANT, 0},                       /* interrupt pending message: C1E off */
    {0xc0011022, 0xc0011023, MSR_CONSTANT, 0},                       /* data and bus unit configuration */
    {0xc0011029, 0xc0011029, MSR_CONSTANT, DE_CFG_LFENCE_SERIALIZE}, /* DE_CFG: LFENCE serialises */
};

static const struct msr_row *row_of(uint32_t msr) {
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (msr >= rows[i].first && msr <= rows[i].last) { return &rows[i]; }
    }
    return NULL;
}

void msr_for_each_direct(void (*each)(uint32_t msr)) {
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        for (uint32_t msr = rows[i].first; rows[i].kind == MSR_DIRECT && msr <= rows[i].last; msr++) { each(msr); }
    }
}

bool msr_read(const struct vcpu *vcpu, uint32_t msr, uint64_t *value) {
    const struct msr_row *row = row_of(msr);
    if (row == NULL) { return false; }
    switch (row->kind) {
    case MSR_DIRECT: /* only when a back end cannot give it directly */ return false;
    case MSR_CONSTANT: *value = row->value; return true;
    case MSR_X2APIC_KIND: return x2apic_read(&vcpu->apic, msr, rdtsc(), value) == 0;
    case MSR_EFER_KIND: *value = hvm->read(vcpu, HVM_EFER) & EFER_GUEST_BITS; return true;
    case MSR_PAT_KIND: *value = hvm->read(vcpu, HVM_PAT); return true;
    case MSR_MTRR_TYPE: *value = vcpu->mtrr_def_type; return true;
    case MSR_SYSTEM_TIME: *value = vcpu->clock_msr; return true;
    case MSR_WALL_CLOCK: *value = vcpu->wall_clock_msr; return true;
    }
    return false;
}

static bool write_x2apic(struct vcpu *vcpu, uint32_t msr, uint64_t value) {
    enum x2apic_effect effect;
    if (x2apic_write(&vcpu->apic, msr, value, rdtsc(), &effect) != 0) { return false; }
    if (effect == X2APIC_SEND_IPI) { interrupt_send_ipi(vcpu, vcpu->apic.icr); }
    return true;
}

/** LMA is the CPU's; LME cannot change while paging is on. */
static bool write_efer(struct vcpu *vcpu, uint64_t value) {
    uint64_t now = hvm->read(vcpu, HVM_EFER);
    bool lme_changes = ((value ^ now) & EFER_LME) != 0, paging = (hvm->read(vcpu, HVM_CR0) & CR0_PG) != 0;
    if ((value & ~EFER_GUEST_BITS) != 0 || (lme_changes && paging)) { return false; }
    hvm->write(vcpu, HVM_EFER, (value & ~EFER_LMA) | (now & EFER_LMA));
    hvm->vcpu_flush(vcpu);
    return true;
}

static bool pat_is_valid(uint64_t value) {
    for (unsigned i = 0; i < 8; i++) {
        uint8_t type = (uint8_t)(value >> (8 * i));
        if (type > 7 || type == 2 || type == 3) { return false; }
    }
    return true;
}

bool msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value) {
    const struct msr_row *row = row_of(msr);
    if (row == NULL) { return false; }
    switch (row->kind) {
    case MSR_DIRECT: return false;
    case MSR_CONSTANT: return true;
    case MSR_X2APIC_KIND: return write_x2apic(vcpu, msr, value);
    case MSR_EFER_KIND: return write_efer(vcpu, value);
    case MSR_PAT_KIND:
        if (!pat_is_valid(value)) { return false; }
        hvm->write(vcpu, HVM_PAT, value);
        return true;
    case MSR_MTRR_TYPE:
        if ((value & ~MTRR_DEF_TYPE_BITS) != 0) { return false; }
        vcpu->mtrr_def_type = value;
        return true;
    case MSR_SYSTEM_TIME: return pvclock_enable(vcpu, value);
    case MSR_WALL_CLOCK: return pvclock_write_wall_clock(vcpu, value);
    }
    return false;
}
