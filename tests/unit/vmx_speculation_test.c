/* SPDX-License-Identifier: MIT */
/* What is done against an Intel CPU's guesses depends on what the CPU says of itself. */
#include "core/core.h"

#include <string.h>

enum { SPEC_CTRL = 0x48, ARCH_CAPABILITIES = 0x10a, FLUSH_CMD = 0x10b };

static struct {
    uint32_t features; /* CPUID 7 EDX */
    uint64_t capabilities, spec_ctrl;
    unsigned flushes;
} cpu_state;

static uint64_t read_register(uint32_t number);
static void write_register(uint32_t number, uint64_t value);

#define rdmsr(number)        read_register(number)
#define wrmsr(number, value) write_register(number, value)
#define cpuid(leaf, subleaf) ((struct cpuid_regs){.edx = (leaf) == 7 ? cpu_state.features : 0})
#include "x86/vmx/speculation.c" // NOLINT(bugprone-suspicious-include)

#include "unit.h"

static unsigned warnings;

void log_line(const char *format, ...)
{
    warnings += strstr(format, "CVE-2018-12207") != NULL;
}

static uint64_t read_register(uint32_t number)
{
    assert_int_equal(number, ARCH_CAPABILITIES);
    assert_true((cpu_state.features & BIT(29)) != 0); /* else it does not exist */
    return cpu_state.capabilities;
}

static void write_register(uint32_t number, uint64_t value)
{
    cpu_state.flushes += number == FLUSH_CMD && value == 1;
    cpu_state.spec_ctrl = number == SPEC_CTRL ? value : cpu_state.spec_ctrl;
}

static void boot(uint32_t features, uint64_t capabilities)
{
    memset(&cpu_state, 0, sizeof cpu_state);
    warnings = 0;
    cpu_state.features = features;
    cpu_state.capabilities = capabilities;
    vmx_speculation_init();
    vmx_speculation_cpu_enable();
    vmx_clear_buffers();
}

/* RDCL_NO and SKIP_L1DFL_VMENTRY: no need. */
static void the_first_cache_is_flushed_where_the_cpu_needs_it(void **state)
{
    (void)state;
    boot(BIT(28), 0);
    assert_int_equal(cpu_state.flushes, 1);
    boot(BIT(28) | BIT(29) | BIT(10), BIT(1));
    assert_int_equal(cpu_state.flushes, 1);
    boot(BIT(28) | BIT(29), BIT(0));
    assert_int_equal(cpu_state.flushes, 0);
    boot(BIT(28) | BIT(29), BIT(3));
    assert_int_equal(cpu_state.flushes, 0);
    boot(BIT(29), 0);
    assert_int_equal(cpu_state.flushes, 0);
}

static void branch_predictors_are_restricted_where_the_cpu_says_so(void **state)
{
    (void)state;
    boot(BIT(29), BIT(1));
    assert_true(cpu_state.spec_ctrl == BIT(0));
    boot(BIT(29), 0);
    assert_true(cpu_state.spec_ctrl == 0);
}

static void a_cpu_that_page_sizes_can_stop_is_told_of(void **state)
{
    (void)state;
    boot(0, 0);
    assert_int_equal(warnings, 1);
    boot(BIT(29), BIT(6));
    assert_int_equal(warnings, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_cache_is_flushed_where_the_cpu_needs_it),
        cmocka_unit_test(branch_predictors_are_restricted_where_the_cpu_says_so),
        cmocka_unit_test(a_cpu_that_page_sizes_can_stop_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
