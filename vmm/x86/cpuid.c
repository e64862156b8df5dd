/* SPDX-License-Identifier: MIT */
#include "core/core.h"

#define ALL            0xffffffffu
#define ANY_SUBLEAF    0xffffffffu
#define LEAF_EXT_MAX   0x80000008u
#define ONE_HYPERVISOR BIT(31)
#define XCR0_OFFERED   0xe7u /* x87, SSE, AVX, AVX-512 */

enum { LEAF_BASIC_MAX = 0xd, LEAF_KVM = 0x40000000, LEAF_KVM_MAX = 0x40000010 };
enum { KVM_CLOCKSOURCE2 = 1 << 3, KVM_CLOCKSOURCE_STABLE = 1 << 24 };
enum { ONE_X2APIC = 1 << 21, ONE_DEADLINE = 1 << 24, ONE_OSXSAVE = 1 << 27, ONE_HTT = 1 << 28 };

/** One row: which bits of the hardware's answer pass for these leaves. */
struct cpuid_row {
    uint32_t first, last, subleaf;
    uint32_t eax, ebx, ecx, edx;
};

/*
 * A leaf without a row is zero. Leaf 1 leaves out: MONITOR, VMX, SMX, EST, TM2, PDCM, PCID, DCA, SDBG (ECX); MCE, MCA,
 * DS, ACPI, TM, PBE, PSN (EDX). Leaf 7 leaves out: TSC_ADJUST, SGX, RDT, MPX, PT, PKU, LA57, CET, speculation controls,
 * which need MSRs or state that are not virtualised yet. Leaf 0xd:1 leaves out XSAVES. 0x80000001 leaves out SVM, OSVW,
 * IBS, SKINIT, WDT, LWP, topology and performance-counter extensions, MONITORX.
 */
static const struct cpuid_row rows[] = {
    {0x00000000, 0x00000000, ANY_SUBLEAF, 0, ALL, ALL, ALL},
    {0x00000001, 0x00000001, ANY_SUBLEAF, ALL, 0x0000ff00, 0x76d83203, 0x078aa97f},
    {0x00000002, 0x00000002, ANY_SUBLEAF, ALL, ALL, ALL, ALL},
    {0x00000007, 0x00000007, 0, 0, 0xf1bf07a9, 0x00405f46, 0x00000010},
    {0x0000000d, 0x0000000d, 0, XCR0_OFFERED, ALL, ALL, 0},
    {0x0000000d, 0x0000000d, 1, 0x7, 0, 0, 0},
    {0x0000000d, 0x0000000d, 2, ALL, ALL, 0, 0},
    {0x0000000d, 0x0000000d, 5, ALL, ALL, 0, 0},
    {0x0000000d, 0x0000000d, 6, ALL, ALL, 0, 0},
    {0x0000000d, 0x0000000d, 7, ALL, ALL, 0, 0},
    {0x80000000, 0x80000000, ANY_SUBLEAF, 0, ALL, ALL, ALL},
    {0x80000001, 0x80000001, ANY_SUBLEAF, ALL, 0, 0x000001f1, 0x2dd2a97f},
    {0x80000002, 0x80000006, ANY_SUBLEAF, ALL, ALL, ALL, ALL},
    {0x80000008, 0x80000008, ANY_SUBLEAF, 0x0000ffff, 0x00000201, 0, 0},
};

static uint64_t cr4_allowed;

static struct cpuid_regs masked(uint32_t leaf, uint32_t subleaf) {
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct cpuid_row *row = &rows[i];
        if (leaf >= row->first && leaf <= row->last && (row->subleaf == ANY_SUBLEAF || row->subleaf == subleaf)) {
            struct cpuid_regs r = cpuid(leaf, subleaf);
            return (struct cpuid_regs){r.eax & row->eax, r.ebx & row->ebx, r.ecx & row->ecx, r.edx & row->edx};
        }
    }
    return (struct cpuid_regs){0, 0, 0, 0};
}

/** What every 64-bit CPU has (VME PVI TSD DE PSE PAE PGE OSFXSR OSXMMEXCPT), and the bits of features that are shown.
 */
#define CR4_ALWAYS 0x6bfull

static uint64_t bit_moved(uint32_t value, unsigned from, unsigned to) { return (uint64_t)(value >> from & 1) << to; }

void cpuid_init(void) {
    struct cpuid_regs one = masked(1, 0), seven = masked(7, 0);
    cr4_allowed = CR4_ALWAYS | bit_moved(one.ecx, 26, 18) /* XSAVE: OSXSAVE */ |
                  bit_moved(seven.ecx, 2, 11) /* UMIP */ | bit_moved(seven.ebx, 0, 16) /* FSGSBASE */ |
                  bit_moved(seven.ebx, 7, 20) /* SMEP */ | bit_moved(seven.ebx, 20, 21) /* SMAP */;
}

uint64_t cpuid_cr4_allowed(void) { return cr4_allowed; }

uint64_t cpuid_xcr0_allowed(void) { return masked(0xd, 0).eax; }

static void leaf_1(const struct vcpu *vcpu, struct cpuid_regs *r) {
    uint32_t count = vcpu->partition->vcpu_count;
    r->ebx |= vcpu->index << 24 | count << 16;
    r->ecx |= ONE_X2APIC | ONE_DEADLINE | ONE_HYPERVISOR;
    r->ecx |= (hvm->read(vcpu, HVM_CR4) & CR4_OSXSAVE) != 0 ? ONE_OSXSAVE : 0;
    r->edx |= BIT(9) | BIT(12) | BIT(16); /* APIC, MTRR, PAT: emulated */
    r->edx |= count > 1 ? ONE_HTT : 0;
}

/** Topology: every vCPU is a core of its own in one package. */
static struct cpuid_regs leaf_b(const struct vcpu *vcpu, uint32_t subleaf) {
    uint32_t count = vcpu->partition->vcpu_count, bits = 0;
    while ((1u << bits) < count) { bits++; }
    switch (subleaf) {
    case 0: /* SMT */ return (struct cpuid_regs){0, 1, 1 << 8, vcpu->index};
    case 1: /* core */ return (struct cpuid_regs){bits, count, 2 << 8 | 1, vcpu->index};
    default: return (struct cpuid_regs){0, 0, subleaf & 0xff, vcpu->index};
    }
}

static struct cpuid_regs hypervisor_leaf(const struct vcpu *vcpu, uint32_t leaf) {
    uint32_t clock = (uint32_t)(KVM_CLOCKSOURCE2 | (tsc_reliable() ? KVM_CLOCKSOURCE_STABLE : 0));
    bool agent = vcpu->partition->id == MULLION_AGENT_ID;
    switch (leaf) {
    case LEAF_KVM: return (struct cpuid_regs){LEAF_KVM_MAX, read32("KVMK"), read32("VMKV"), read32("M\0\0")};
    case LEAF_KVM + 1: return (struct cpuid_regs){clock, 0, 0, 0};
    case LEAF_KVM_MAX: return (struct cpuid_regs){(uint32_t)tsc_khz(), MACHINE_APIC_TIMER_KHZ, 0, 0};
    case MULLION_CPUID_LEAF: return (struct cpuid_regs){agent, read32("Mull"), read32("ionV"), read32("MM\0")};
    default: return (struct cpuid_regs){0, 0, 0, 0}; /* reserved leaves of the hypervisor range */
    }
}

struct cpuid_regs cpuid_guest(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf) {
    if (leaf >> 28 == 4) { return hypervisor_leaf(vcpu, leaf); }
    struct cpuid_regs r = masked(leaf, subleaf);
    switch (leaf) {
    case 0: r.eax = LEAF_BASIC_MAX; break;
    case 1: leaf_1(vcpu, &r); break;
    case 6: /* ARAT: the emulated timer never stops */ r.eax = BIT(2); break;
    case 0xb: return leaf_b(vcpu, subleaf);
    case 0xd: r.ecx = subleaf == 0 ? r.ecx : 0; break;
    case 0x80000000: r.eax = LEAF_EXT_MAX; break;
    case 0x80000007: r.edx = tsc_reliable() ? BIT(8) : 0; break;
    case 0x80000008:
        r.eax = (r.eax & 0xff00) | platform.phys_bits;
        r.ecx = vcpu->partition->vcpu_count - 1;
        break;
    default: break; /* the table's mask is the whole answer */
    }
    return r;
}
