/* SPDX-License-Identifier: MIT */
/* The MSR allow-list. */
#include "core/interrupt.h"
#include "fake_hvm.h"
#include "unit.h"
#include "x86/asm.h"
#include "x86/msr.h"
#include "x86/pvclock.h"

#include <string.h>

static uint64_t sent_icr;
static uint64_t clock_written, wall_clock_written;

void interrupt_send_ipi(struct vcpu *from, uint64_t icr)
{
    (void)from;
    sent_icr = icr;
}

bool pvclock_enable(struct vcpu *vcpu, uint64_t value)
{
    vcpu->clock_msr = clock_written = value;
    return true;
}

bool pvclock_write_wall_clock(struct vcpu *vcpu, uint64_t value)
{
    vcpu->wall_clock_msr = wall_clock_written = value;
    return true;
}

static struct partition partition;
static struct vcpu vcpu;

static int fresh(void **state)
{
    (void)state;
    fake_hvm_reset();
    memset(&vcpu, 0, sizeof(vcpu));
    vcpu.partition = &partition;
    x2apic_reset(&vcpu.apic, 0, true, 2500000);
    sent_icr = clock_written = wall_clock_written = 0;
    return 0;
}

static unsigned direct_count;
static bool direct[0x2000];

/* Which registers guests use without an exit. */
static void note_direct(uint32_t msr)
{
    static const uint32_t allowed[] = {0x174,      0x175,      0x176,      0xc0000081, 0xc0000082, 0xc0000083,
                                       0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103};
    bool found = false;
    for (size_t i = 0; i < ARRAY_COUNT(allowed); i++)
        found |= allowed[i] == msr;
    assert_true(found);
    direct[msr & 0x1fff] = true;
    direct_count++;
}

static void only_harmless_registers_are_direct(void **state)
{
    (void)state;
    direct_count = 0;
    msr_for_each_direct(note_direct);
    assert_int_equal(direct_count, 11);
    assert_false(direct[MSR_EFER & 0x1fff]);
}

static bool listed(uint32_t msr)
{
    static const struct {
        uint32_t first, last;
    } list[] = {
        {0x1b, 0x1b},
        {0x8b, 0x8b},
        {0xfe, 0xfe},
        {0x1a0, 0x1a0},
        {0x1d9, 0x1d9},
        {0x277, 0x277},
        {0x2ff, 0x2ff},
        {0x6e0, 0x6e0},
        {0x800, 0x8ff},
        {0xc0000080, 0xc0000080},
        {0xc0010010, 0xc0010010},
        {0xc0010015, 0xc0010015},
        {0xc001001a, 0xc001001a},
        {0xc001001d, 0xc001001d},
        {0xc001001f, 0xc001001f},
        {0xc0010055, 0xc0010055},
        {0xc0011022, 0xc0011023},
        {0xc0011029, 0xc0011029},
        {0x4b564d00, 0x4b564d01},
    };
    for (size_t i = 0; i < ARRAY_COUNT(list); i++) {
        if (msr >= list[i].first && msr <= list[i].last)
            return true;
    }
    return false;
}

static void refuse_range(uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t value;
        uint32_t msr = first + i;
        if (listed(msr))
            continue;
        if (msr_read(&vcpu, msr, &value) || msr_write(&vcpu, msr, 0))
            fail_msg("MSR 0x%x is not refused", msr);
    }
}

static void every_register_off_the_list_is_refused(void **state)
{
    (void)state;
    refuse_range(0, 0x2000);
    refuse_range(0xc0000000, 0x2000);
    refuse_range(0xc0010000, 0x2000);
    refuse_range(0x4b564c00, 0x400);
    refuse_range(0x40000000, 0x400); /* Hyper-V's */
    refuse_range(0xfffffc00, 0x400);
}

static void constants_read_the_same_after_a_write(void **state)
{
    (void)state;
    static const uint32_t constants[] = {0x8b,       0xfe,       0x1a0,      0x1d9,
                                         0xc0010010, 0xc0010015, 0xc0010055, 0xc0011029};
    for (size_t i = 0; i < ARRAY_COUNT(constants); i++) {
        uint64_t before, after;
        assert_true(msr_read(&vcpu, constants[i], &before));
        msr_write(&vcpu, constants[i], UINT64_MAX);
        assert_true(msr_read(&vcpu, constants[i], &after));
        assert_true(before == after);
    }
}

static void efer_hides_svm_and_refuses_it(void **state)
{
    (void)state;
    uint64_t value;
    fake_hvm.registers[HVM_EFER] = EFER_SVME | EFER_NXE;
    assert_true(msr_read(&vcpu, MSR_EFER, &value));
    assert_int_equal(value, EFER_NXE);
    assert_false(msr_write(&vcpu, MSR_EFER, EFER_SVME));
    for (unsigned bit = 0; bit < 64; bit++) {
        bool allowed = BIT(bit) & (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
        assert_int_equal(msr_write(&vcpu, MSR_EFER, BIT(bit)), allowed);
    }
}

static void efer_lma_is_the_cpus_and_lme_is_fixed_under_paging(void **state)
{
    (void)state;
    assert_true(msr_write(&vcpu, MSR_EFER, EFER_LMA));
    assert_int_equal(fake_hvm.registers[HVM_EFER] & EFER_LMA, 0);
    fake_hvm.registers[HVM_EFER] = EFER_LME | EFER_LMA;
    fake_hvm.registers[HVM_CR0] = CR0_PG;
    assert_false(msr_write(&vcpu, MSR_EFER, EFER_LMA));
    assert_true(msr_write(&vcpu, MSR_EFER, EFER_LME | EFER_LMA | EFER_SCE));
    assert_int_equal(fake_hvm.registers[HVM_EFER], EFER_LME | EFER_LMA | EFER_SCE);
    assert_true(fake_hvm.flushes > 0);
}

static void pat_takes_only_memory_types_that_exist(void **state)
{
    (void)state;
    assert_true(msr_write(&vcpu, MSR_PAT, 0x0007040600070406));
    assert_true(fake_hvm.registers[HVM_PAT] == 0x0007040600070406);
    for (unsigned type = 0; type < 256; type++) {
        bool exists = type == 0 || type == 1 || (type >= 4 && type <= 7);
        assert_int_equal(msr_write(&vcpu, MSR_PAT, (uint64_t)type << 56), exists);
    }
}

static void the_apic_is_reached_and_its_commands_are_sent(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(msr_read(&vcpu, 0x803, &value));
    assert_int_equal(value, 0x50014);
    assert_false(msr_read(&vcpu, 0x80b, &value));
    assert_false(msr_write(&vcpu, 0x802, 0));
    assert_true(msr_write(&vcpu, 0x830, 0x1000000fd));
    assert_true(sent_icr == 0x1000000fd);
    assert_false(msr_write(&vcpu, MSR_APIC_BASE, 0xfee00800));
}

static void mtrr_type_keeps_only_its_bits(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(msr_write(&vcpu, 0x2ff, 0xc06));
    assert_true(msr_read(&vcpu, 0x2ff, &value));
    assert_int_equal(value, 0xc06);
    assert_false(msr_write(&vcpu, 0x2ff, 0x1000));
}

static void clock_registers_reach_the_clock(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(msr_write(&vcpu, 0x4b564d01, 0x1001));
    assert_true(msr_write(&vcpu, 0x4b564d00, 0x2000));
    assert_int_equal(clock_written, 0x1001);
    assert_int_equal(wall_clock_written, 0x2000);
    assert_true(msr_read(&vcpu, 0x4b564d01, &value));
    assert_int_equal(value, 0x1001);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_harmless_registers_are_direct),
        TEST(every_register_off_the_list_is_refused),
        TEST(constants_read_the_same_after_a_write),
        TEST(efer_hides_svm_and_refuses_it),
        TEST(efer_lma_is_the_cpus_and_lme_is_fixed_under_paging),
        TEST(pat_takes_only_memory_types_that_exist),
        TEST(the_apic_is_reached_and_its_commands_are_sent),
        TEST(mtrr_type_keeps_only_its_bits),
        TEST(clock_registers_reach_the_clock),
    };
    return cmocka_run_group_tests_name("msr", tests, NULL, NULL);
}
