/* SPDX-License-Identifier: MIT */
/* The KVM clock's page: the guest's arithmetic on it must give true nanoseconds. */
#include "core/lib.h"
#include "unit.h"
#include "x86/pvclock.h"
#include "x86/tsc.h"

#include <string.h>

static uint64_t khz;
static bool reliable;
static uint8_t ram[4096];

uint64_t tsc_khz(void)
{
    return khz;
}

uint64_t tsc_at_boot(void)
{
    return 1000;
}

uint64_t tsc_boot_epoch(void)
{
    return 1700000000;
}

bool tsc_reliable(void)
{
    return reliable;
}

uint64_t mul_div(uint64_t a, uint64_t b, uint64_t divisor)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)(product / divisor);
}

int partition_write(const struct partition *p, gpa_t to, const void *from, size_t bytes)
{
    (void)p;
    if (to.v > sizeof(ram) || bytes > sizeof(ram) - to.v)
        return -MULLION_E_BAD_ADDRESS;
    memcpy(ram + to.v, from, bytes);
    return 0;
}

static struct vcpu vcpu;

static int fresh(void **state)
{
    (void)state;
    memset(ram, 0xa5, sizeof(ram));
    memset(&vcpu, 0, sizeof(vcpu));
    khz = 2500000;
    reliable = true;
    return 0;
}

/* As Linux' pvclock_scale_delta() does. */
static uint64_t guest_ns(uint64_t tsc)
{
    uint64_t stamp, base;
    uint32_t multiplier;
    memcpy(&stamp, ram + 8, 8);
    memcpy(&base, ram + 16, 8);
    memcpy(&multiplier, ram + 24, 4);
    int8_t shift = (int8_t)ram[28];
    uint64_t delta = tsc - stamp;
    delta = shift < 0 ? delta >> -shift : delta << shift;
    __extension__ unsigned __int128 product = (unsigned __int128)delta * multiplier;
    return base + (uint64_t)(product >> 32);
}

static void the_clock_runs_true_at_every_rate(void **state)
{
    (void)state;
    static const uint64_t rates[] = {100000,  999999,  1000000, 1000001, 1999999, 2000000,
                                     2000001, 2500000, 2899999, 3699999, 4000001, 5700000};
    for (size_t i = 0; i < ARRAY_COUNT(rates); i++) {
        khz = rates[i];
        assert_true(pvclock_enable(&vcpu, 0x100 | 1));
        memmove(ram, ram + 0x100, 32);
        uint64_t second = guest_ns(1000 + khz * 1000);
        uint64_t hour = guest_ns(1000 + khz * 3600000);
        assert_in_range(second, 1000000000 - 1000, 1000000000 + 1000); /* 1 ppm */
        assert_true(hour > 3600000000000 - 3600000 && hour < 3600000000000 + 3600000);
    }
}

static void the_version_is_even_and_stable_follows_the_tsc(void **state)
{
    (void)state;
    assert_true(pvclock_enable(&vcpu, 1));
    assert_int_equal(ram[0] & 1, 0);
    assert_int_equal(ram[29], 1);
    reliable = false;
    assert_true(pvclock_enable(&vcpu, 1));
    assert_int_equal(ram[29], 0);
    assert_int_equal(ram[32], 0xa5);
}

static void a_page_outside_ram_or_misaligned_is_refused(void **state)
{
    (void)state;
    assert_false(pvclock_enable(&vcpu, 4096 | 1));
    assert_false(pvclock_enable(&vcpu, (4096 - 28) | 1));
    assert_false(pvclock_enable(&vcpu, 0x102 | 1));
    assert_false(pvclock_write_wall_clock(&vcpu, 4096));
    assert_false(pvclock_write_wall_clock(&vcpu, 2));
    assert_int_equal(vcpu.clock_msr, 0);
    assert_int_equal(vcpu.wall_clock_msr, 0);
}

static void disabling_writes_nothing(void **state)
{
    (void)state;
    assert_true(pvclock_enable(&vcpu, 0x100));
    assert_int_equal(ram[0x100], 0xa5);
    assert_int_equal(vcpu.clock_msr, 0x100);
}

static void the_wall_clock_is_the_date_at_boot(void **state)
{
    (void)state;
    assert_true(pvclock_write_wall_clock(&vcpu, 0x40));
    uint32_t words[3];
    memcpy(words, ram + 0x40, sizeof(words));
    assert_int_equal(words[0] & 1, 0);
    assert_int_equal(words[1], 1700000000);
    assert_int_equal(words[2], 0);
    assert_int_equal(vcpu.wall_clock_msr, 0x40);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_clock_runs_true_at_every_rate),
        TEST(the_version_is_even_and_stable_follows_the_tsc),
        TEST(a_page_outside_ram_or_misaligned_is_refused),
        TEST(disabling_writes_nothing),
        TEST(the_wall_clock_is_the_date_at_boot),
    };
    return cmocka_run_group_tests_name("pvclock", tests, NULL, NULL);
}
