/* SPDX-License-Identifier: MIT */
/* Registers that stay in the CPU, on this host's own: what is saved and loaded really moves. Instructions
 * that are the kernel's trap, and are executed by the test. */
#include "core/core.h"

static struct cpuid_regs read_cpuid(uint32_t leaf, uint32_t subleaf);

#define cpuid(leaf, subleaf) read_cpuid(leaf, subleaf)
#include "x86/fpu.c" // NOLINT(bugprone-suspicious-include)
#undef cpuid
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { WRITE_DEBUG = 0x23, READ_DEBUG = 0x21, XSETBV = 0x01, WRMSR = 0x30, RDMSR = 0x32 };

/* The kernel's registers, and what was done to them: behind the compiler's back. */
static volatile uint64_t debug[4], tsc_aux, xcr0_wanted[4];
static volatile unsigned xcr0_writes, predictor_barriers;
static bool has_ibpb_bit, has_intel_ibpb_bit;

/* In the order of the instruction encoding. */
static const int registers[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* ---- the CPU ---- */

static struct cpuid_regs read_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    if (leaf == 0x80000001)
        r.edx |= CPUID_RDTSCP;
    if (leaf == 7)
        r.edx = has_intel_ibpb_bit ? r.edx | CPUID_IBRS_IBPB : r.edx & ~(uint32_t)CPUID_IBRS_IBPB;
    if (leaf == 0x80000008)
        r.ebx = has_ibpb_bit ? r.ebx | CPUID_IBPB : r.ebx & ~(uint32_t)CPUID_IBPB;
    return r;
}

static void access_msr(greg_t *values, bool write)
{
    uint64_t value = (uint64_t)values[REG_RDX] << 32 | (uint32_t)values[REG_RAX];
    if (write && values[REG_RCX] == MSR_TSC_AUX) {
        tsc_aux = value;
    } else if (write && values[REG_RCX] == MSR_PRED_CMD && value == PRED_CMD_IBPB) {
        predictor_barriers = predictor_barriers + 1;
    } else if (!write && values[REG_RCX] == MSR_TSC_AUX) {
        values[REG_RAX] = (uint32_t)tsc_aux;
        values[REG_RDX] = (greg_t)(tsc_aux >> 32);
    } else {
        abort();
    }
}

/* Executes one instruction of the kernel's. */
static void on_protection(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    greg_t *values = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)values[REG_RIP]; // NOLINT(performance-no-int-to-ptr)
    unsigned high = (*at & 0xf0) == 0x40 ? *at++ & 1 : 0; /* REX.B */
    if (*at++ != 0x0f)
        abort();
    uint8_t opcode = *at++;
    greg_t *operand = &values[registers[(*at & 7) + high * 8]];
    volatile uint64_t *which = &debug[*at >> 3 & 3];
    switch (opcode) {
    case READ_DEBUG:
        *operand = (greg_t)*which;
        at++;
        break;
    case WRITE_DEBUG:
        *which = (uint64_t)*operand;
        at++;
        break;
    case XSETBV:
        xcr0_wanted[xcr0_writes % ARRAY_COUNT(xcr0_wanted)] = (uint32_t)values[REG_RAX];
        xcr0_writes = xcr0_writes + 1;
        at++;
        break;
    case RDMSR:
    case WRMSR:
        access_msr(values, opcode == WRMSR);
        break;
    default:
        abort();
    }
    values[REG_RIP] = (greg_t)(uintptr_t)at;
}

uint64_t cpuid_xcr0_allowed(void)
{
    return 3; /* x87, SSE */
}

/* ---- what a guest leaves behind ---- */

static void load_xmm(uint64_t value)
{
    __asm__ volatile("movq %0, %%xmm7" : : "r"(value));
}

static uint64_t xmm(void)
{
    uint64_t value;
    __asm__ volatile("movq %%xmm7, %0" : "=r"(value));
    return value;
}

static struct fpu_state one, other;

static int begin(void **state)
{
    (void)state;
    debug[0] = debug[1] = debug[2] = debug[3] = tsc_aux = 0;
    xcr0_writes = predictor_barriers = 0;
    one = other = fpu_initial;
    has_ibpb_bit = true;
    has_intel_ibpb_bit = false;
    fpu_init();
    return 0;
}

/* In each test: cmocka puts handlers of its own there before. */
static void catch_protection(void)
{
    struct sigaction action = {.sa_sigaction = on_protection, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
}

static void vector_registers_go_with_their_vcpu(void **state)
{
    (void)state;
    catch_protection();
    load_xmm(0x1111);
    fpu_save(&one);
    fpu_load(&other);
    assert_int_equal(xmm(), 0); /* initial, not the other's */
    load_xmm(0x2222);
    fpu_save(&other);
    fpu_load(&one);
    assert_int_equal(xmm(), 0x1111);
    fpu_load(&other);
    assert_int_equal(xmm(), 0x2222);
}

static void debug_registers_go_with_their_vcpu(void **state)
{
    (void)state;
    catch_protection();
    for (uint64_t i = 0; i < 4; i++)
        debug[i] = 0x1000 + i;
    fpu_save(&one);
    fpu_load(&other);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(debug[i], 0);
    fpu_load(&one);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(debug[i], 0x1000 + i);
}

static void tsc_aux_goes_with_its_vcpu(void **state)
{
    (void)state;
    catch_protection();
    tsc_aux = 0x12345678;
    fpu_save(&one);
    fpu_load(&other);
    assert_int_equal(tsc_aux, 0);
    fpu_load(&one);
    assert_int_equal(tsc_aux, 0x12345678);
}

/* The host's XCR0 has more than 3: what a guest has switched off or on is put aside, then put back. */
static void components_that_are_switched_off_are_moved_too(void **state)
{
    (void)state;
    catch_protection();
    uint64_t host = xgetbv();
    if (components == 0)
        skip();
    if (host == components)
        host = 0; /* nothing to switch */
    fpu_save(&one);
    assert_int_equal(xcr0_writes, host != 0);
    assert_true(host == 0 || xcr0_wanted[0] == components);
    xcr0_writes = 0;
    one.xcr0 = 1; /* the guest had SSE off */
    fpu_load(&one);
    assert_int_equal(xcr0_wanted[xcr0_writes - 1], 1);
    assert_int_equal(xcr0_writes, host != 0 ? 2 : 1);
}

static void predictors_forget_where_the_cpu_can(void **state)
{
    (void)state;
    catch_protection();
    fpu_load(&one);
    assert_int_equal(predictor_barriers, 1);
    has_ibpb_bit = false;
    fpu_init();
    fpu_load(&one);
    assert_int_equal(predictor_barriers, 1);
    has_intel_ibpb_bit = true;
    fpu_init();
    fpu_load(&one);
    assert_int_equal(predictor_barriers, 2);
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vector_registers_go_with_their_vcpu), TEST(debug_registers_go_with_their_vcpu),
        TEST(tsc_aux_goes_with_its_vcpu),          TEST(components_that_are_switched_off_are_moved_too),
        TEST(predictors_forget_where_the_cpu_can),
    };
    return cmocka_run_group_tests_name("FPU", tests, NULL, NULL);
}
