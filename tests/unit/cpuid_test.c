/* SPDX-License-Identifier: MIT */
/* What a partition sees of the CPU, with a host CPU that has every feature there is. */
#include "core/platform.h"
#include "fake_hvm.h"
#include "unit.h"
#include "x86/asm.h"

#include <string.h>

static struct cpuid_regs host_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)leaf;
    (void)subleaf;
    return (struct cpuid_regs){0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
}

/* The file under test asks the test's CPU. */
#define cpuid(leaf, subleaf) host_cpuid(leaf, subleaf)
#include "x86/cpuid.c"

struct platform platform = {.phys_bits = 40};
#undef cpuid

static bool reliable;

bool tsc_reliable(void)
{
    return reliable;
}

uint64_t tsc_khz(void)
{
    return 2500000;
}

static struct partition partition;
static struct vcpu vcpu;

static int fresh(void **state)
{
    (void)state;
    fake_hvm_reset();
    memset(&partition, 0, sizeof(partition));
    memset(&vcpu, 0, sizeof(vcpu));
    partition.id = 3;
    partition.vcpu_count = 2;
    vcpu.partition = &partition;
    vcpu.index = 1;
    reliable = true;
    return 0;
}

static struct cpuid_regs ask(uint32_t leaf, uint32_t subleaf)
{
    return cpuid_guest(&vcpu, leaf, subleaf);
}

static void leaf_1_hides_what_is_not_virtualised(void **state)
{
    (void)state;
    struct cpuid_regs r = ask(1, 0);
    static const unsigned hidden_ecx[] = {2, 3, 4, 5, 6, 7, 8, 10, 11, 14, 15, 16, 17, 18};
    static const unsigned hidden_edx[] = {7, 14, 18, 20, 21, 22, 29, 30, 31};
    for (size_t i = 0; i < ARRAY_COUNT(hidden_ecx); i++)
        assert_int_equal(r.ecx >> hidden_ecx[i] & 1, 0);
    for (size_t i = 0; i < ARRAY_COUNT(hidden_edx); i++)
        assert_int_equal(r.edx >> hidden_edx[i] & 1, 0);
}

static void leaf_1_offers_hypervisor_x2apic_and_deadline(void **state)
{
    (void)state;
    struct cpuid_regs r = ask(1, 0);
    assert_true(r.ecx & BIT(31));
    assert_true(r.ecx & BIT(21));
    assert_true(r.ecx & BIT(24));
    assert_true(r.edx & BIT(9));
    assert_int_equal(r.ebx >> 24, 1);
    assert_int_equal(r.ebx >> 16 & 0xff, 2);
    assert_true(r.edx & BIT(28));
}

static void osxsave_follows_cr4(void **state)
{
    (void)state;
    assert_false(ask(1, 0).ecx & BIT(27));
    fake_hvm.registers[HVM_CR4] = CR4_OSXSAVE;
    assert_true(ask(1, 0).ecx & BIT(27));
}

static void extended_leaves_hide_svm_and_friends(void **state)
{
    (void)state;
    struct cpuid_regs r = ask(0x80000001, 0);
    static const unsigned hidden_ecx[] = {2,  3,  9,  10, 11, 12, 13, 15, 16, 19,
                                          21, 22, 23, 24, 25, 26, 27, 28, 29};
    for (size_t i = 0; i < ARRAY_COUNT(hidden_ecx); i++)
        assert_int_equal(r.ecx >> hidden_ecx[i] & 1, 0);
    r = ask(0x8000000a, 0);
    assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
}

static void leaf_7_hides_what_needs_state_of_its_own(void **state)
{
    (void)state;
    struct cpuid_regs r = ask(7, 0);
    static const unsigned hidden_ebx[] = {1,  2,  4,  11,
                                          12, 14, 15, 25};      /* TSC_ADJUST SGX HLE RTM RDT MPX RDT PT */
    static const unsigned hidden_ecx[] = {3, 5, 7, 16, 24, 30}; /* PKU WAITPKG CET LA57 BUSLOCK SGX */
    for (size_t i = 0; i < ARRAY_COUNT(hidden_ebx); i++)
        assert_int_equal(r.ebx >> hidden_ebx[i] & 1, 0);
    for (size_t i = 0; i < ARRAY_COUNT(hidden_ecx); i++)
        assert_int_equal(r.ecx >> hidden_ecx[i] & 1, 0);
    assert_int_equal(r.edx >> 26, 0); /* speculation controls */
    r = ask(7, 1);
    assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
}

static void every_leaf_off_the_list_reads_zero(void **state)
{
    (void)state;
    static const uint32_t known[] = {0, 1, 2, 6, 7, 0xb, 0xd};
    for (uint32_t leaf = 0; leaf < 0x100; leaf++) {
        bool listed = false;
        for (size_t i = 0; i < ARRAY_COUNT(known); i++)
            listed |= known[i] == leaf;
        struct cpuid_regs r = ask(leaf, 0);
        assert_true(listed || (r.eax | r.ebx | r.ecx | r.edx) == 0);
    }
    static const uint32_t others[] = {0x80000009, 0x8000000a, 0x8000001e, 0x80000fff, 0x20000000, 0x8fffffff,
                                      0xc0000000, 0xffffffff, 0x40000002, 0x400000ff, 0x40000200, 0x4fffffff};
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        struct cpuid_regs r = ask(others[i], 0);
        assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
    }
}

static void maximum_leaves_are_ours(void **state)
{
    (void)state;
    assert_int_equal(ask(0, 0).eax, 0xd);
    assert_int_equal(ask(0x80000000, 0).eax, 0x80000008);
    assert_int_equal(ask(0x40000000, 0).eax, 0x40000010);
}

static void the_kvm_leaves_say_clock_and_rates(void **state)
{
    (void)state;
    struct cpuid_regs r = ask(0x40000000, 0);
    assert_memory_equal(&r.ebx, "KVMKVMKVM\0\0\0", 12);
    r = ask(0x40000001, 0);
    assert_int_equal(r.eax, BIT(3) | BIT(24));
    r = ask(0x40000010, 0);
    assert_int_equal(r.eax, 2500000);
    assert_int_equal(r.ebx, 1000000);
    reliable = false;
    assert_int_equal(ask(0x40000001, 0).eax, BIT(3));
    assert_int_equal(ask(0x80000007, 0).edx, 0);
}

static void only_the_agent_is_called_agent(void **state)
{
    (void)state;
    struct cpuid_regs r = ask(MULLION_CPUID_LEAF, 0);
    assert_int_equal(r.eax, 0);
    assert_memory_equal(&r.ebx, "MullionVMM\0\0", 12);
    partition.id = MULLION_AGENT_ID;
    assert_int_equal(ask(MULLION_CPUID_LEAF, 0).eax, 1);
}

static void topology_is_one_core_per_vcpu(void **state)
{
    (void)state;
    partition.vcpu_count = 3;
    struct cpuid_regs smt = ask(0xb, 0);
    struct cpuid_regs core = ask(0xb, 1);
    struct cpuid_regs end = ask(0xb, 2);
    assert_int_equal(smt.eax, 0);
    assert_int_equal(smt.ebx, 1);
    assert_int_equal(smt.ecx, 0x100);
    assert_int_equal(core.eax, 2);
    assert_int_equal(core.ebx, 3);
    assert_int_equal(core.ecx, 0x201);
    assert_int_equal(end.ecx, 2);
    assert_int_equal(end.ebx, 0);
    assert_int_equal(core.edx, 1);
    assert_int_equal(ask(0x80000008, 0).ecx & 0xff, 2);
}

static void xsave_offers_no_supervisor_state(void **state)
{
    (void)state;
    assert_int_equal(ask(0xd, 0).eax, 0xe7);
    assert_int_equal(ask(0xd, 0).edx, 0);
    assert_int_equal(ask(0xd, 1).eax & 8, 0); /* XSAVES */
    assert_int_equal(ask(0xd, 1).ecx, 0);
    assert_int_equal(ask(0xd, 9).eax, 0); /* PKRU */
    assert_int_equal(cpuid_xcr0_allowed(), 0xe7);
}

/* VMXE, SMXE, PCIDE, LA57, PKE, CET, PKS and MCE stay out. */
static void cr4_allows_just_the_features_shown(void **state)
{
    (void)state;
    cpuid_init();
    uint64_t allowed = cpuid_cr4_allowed();
    static const unsigned refused[] = {12, 13, 14, 15, 17, 19, 22, 23, 24, 25, 31, 32, 63};
    static const unsigned wanted[] = {4, 5, 7, 9, 10, 18, 20, 21};
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++)
        assert_false(allowed >> refused[i] & 1);
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
        assert_true(allowed >> wanted[i] & 1);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(leaf_1_hides_what_is_not_virtualised),
        TEST(leaf_1_offers_hypervisor_x2apic_and_deadline),
        TEST(osxsave_follows_cr4),
        TEST(extended_leaves_hide_svm_and_friends),
        TEST(leaf_7_hides_what_needs_state_of_its_own),
        TEST(every_leaf_off_the_list_reads_zero),
        TEST(maximum_leaves_are_ours),
        TEST(the_kvm_leaves_say_clock_and_rates),
        TEST(only_the_agent_is_called_agent),
        TEST(topology_is_one_core_per_vcpu),
        TEST(xsave_offers_no_supervisor_state),
        TEST(cr4_allows_just_the_features_shown),
    };
    return cmocka_run_group_tests_name("cpuid", tests, NULL, NULL);
}
