/* SPDX-License-Identifier: MIT */
/*
 * The total exit table, walked: every code that the manual defines (AMD64 APM volume 2, appendix C) against
 * the verdict that this test states on its own, every other code stops the partition.
 */
#include "core/exits.h"
#include "unit.h"
#include "verdicts.h"
#include "x86/svm/svm.h"

#include <string.h>

void svm_nmi_handler_ends(struct vcpu *vcpu)
{
    (void)vcpu;
    handler = "nmi_unblock";
}

/* The manual's codes that are not intercepted are stated as "refuse": if one comes, something is wrong. */
static const struct {
    uint64_t first, last;
    const char *verdict;
} manual[] = {
    {0x00, 0x13, "refuse"},        /* reads of CR0..15, writes of CR0..3 */
    {0x14, 0x14, "cr_write"},      /* CR4 */
    {0x15, 0x17, "refuse"},        /* writes of CR5..7 */
    {0x18, 0x18, "cr_write"},      /* CR8 */
    {0x19, 0x40, "refuse"},        /* writes of CR9..15, DR reads and writes, #DE */
    {0x41, 0x41, "exception"},     /* #DB */
    {0x42, 0x50, "refuse"},        /* exceptions 2..16 */
    {0x51, 0x51, "exception"},     /* #AC */
    {0x52, 0x52, "machine_check"}, /* #MC */
    {0x53, 0x5f, "refuse"},        /* exceptions 19..31 */
    {0x60, 0x64, "interrupt"},     /* INTR, NMI, SMI, INIT, VINTR */
    {0x65, 0x6e, "refuse"},        /* selective CR0 write, descriptor tables, RDTSC */
    {0x6f, 0x6f, "protection"},    /* RDPMC */
    {0x70, 0x71, "refuse"},        /* PUSHF, POPF */
    {0x72, 0x72, "cpuid"},
    {0x73, 0x73, "undefined"}, /* RSM */
    {0x74, 0x74, "nmi_unblock"},
    {0x75, 0x75, "refuse"}, /* INTn */
    {0x76, 0x76, "ignore"}, /* INVD */
    {0x77, 0x77, "refuse"}, /* PAUSE */
    {0x78, 0x78, "hlt"},
    {0x79, 0x79, "refuse"},    /* INVLPG */
    {0x7a, 0x7a, "undefined"}, /* INVLPGA */
    {0x7b, 0x7b, "port"},
    {0x7c, 0x7c, "msr_read"},
    {0x7d, 0x7e, "refuse"}, /* task switch, FERR freeze */
    {0x7f, 0x7f, "shutdown"},
    {0x80, 0x80, "undefined"}, /* VMRUN */
    {0x81, 0x81, "hypercall"},
    {0x82, 0x86, "undefined"}, /* VMLOAD, VMSAVE, STGI, CLGI, SKINIT */
    {0x87, 0x88, "refuse"},    /* RDTSCP, ICEBP */
    {0x89, 0x89, "ignore"},    /* WBINVD */
    {0x8a, 0x8c, "undefined"}, /* MONITOR, MWAIT */
    {0x8d, 0x8d, "xsetbv"},
    {0x8e, 0x8e, "undefined"}, /* RDPRU */
    {0x8f, 0x9f, "refuse"},    /* EFER and CR write traps */
    {0xa0, 0xa1, "undefined"}, /* INVLPGB */
    {0xa2, 0xa2, "refuse"},    /* INVPCID */
    {0xa3, 0xa4, "undefined"}, /* MCOMMIT, TLBSYNC */
    {0xa5, 0xa6, "refuse"},    /* bus lock, idle HLT */
    {0x400, 0x400, "mmio"},
    {0x401, 0x403, "refuse"},                        /* AVIC, VMGEXIT */
    {UINT32_MAX - 3ull, UINT32_MAX, "entry_failed"}, /* QEMU writes 32 bits */
    {UINT64_MAX - 3, UINT64_MAX, "entry_failed"},
};

static struct vmcb vmcb;
static struct vcpu vcpu;

static int fresh(void **state)
{
    (void)state;
    memset(&vmcb, 0, sizeof(vmcb));
    memset(&vcpu, 0, sizeof(vcpu));
    vcpu.vendor = &vmcb;
    handler = NULL;
    return 0;
}

static const char *verdict_of(uint64_t code)
{
    handler = NULL;
    vmcb.exit_code = code;
    svm_handle_exit(&vcpu);
    assert_non_null(handler);
    assert_true(vcpu.exit.code == code);
    assert_true((unsigned)vcpu.exit_reason < MULLION_EXIT_COUNT);
    return handler;
}

static const char *expected(uint64_t code)
{
    for (size_t i = 0; i < ARRAY_COUNT(manual); i++) {
        if (code >= manual[i].first && code <= manual[i].last)
            return manual[i].verdict;
    }
    return "unknown";
}

static void every_code_of_the_manual_has_its_verdict(void **state)
{
    (void)state;
    unsigned walked = 0;
    for (size_t i = 0; i < ARRAY_COUNT(manual); i++) {
        for (uint64_t code = manual[i].first;; code++) {
            if (strcmp(verdict_of(code), manual[i].verdict) != 0)
                fail_msg("code 0x%lx: %s, not %s", code, handler, manual[i].verdict);
            walked++;
            if (code == manual[i].last)
                break;
        }
    }
    print_message("%u exit codes walked\n", walked);
}

static void every_other_code_stops_the_partition(void **state)
{
    (void)state;
    for (uint64_t code = 0; code < 0x3000; code++)
        assert_string_equal(verdict_of(code), expected(code));
    for (unsigned bit = 12; bit < 64; bit++)
        assert_string_equal(verdict_of(BIT(bit) | 0x72), "unknown");
    assert_string_equal(verdict_of(UINT64_MAX - 4), "unknown");
    assert_string_equal(verdict_of(UINT32_MAX - 4ull), "unknown");
    assert_string_equal(verdict_of(0x1ffffffffull), "unknown");
    assert_string_equal(verdict_of(0xa7), "unknown");
    assert_string_equal(verdict_of(0x404), "unknown");
}

/* Bits by the manual's table B-1, written down here a second time. */
static void the_intercepts_follow_from_the_table(void **state)
{
    (void)state;
    static const uint32_t expected[6] = {
        BIT(16 + 4) | BIT(16 + 8),  /* writes of CR4 and CR8 */
        0,                          /* debug registers */
        BIT(1) | BIT(17) | BIT(18), /* #DB, #AC, #MC */
        0xf | BIT(15) | BIT(18) | BIT(19) | BIT(22) | BIT(24) | BIT(26) | BIT(27) | BIT(28) | BIT(29) |
            BIT(30) | BIT(31), /* INTR NMI SMI INIT RDPMC CPUID RSM INVD HLT INVLPGA IOIO MSR TASK_SWITCH FERR
                                  SHUTDOWN */
        0x7f | 0x7e00,         /* VMRUN..SKINIT, WBINVD..RDPRU */
        BIT(0) | BIT(1) | BIT(3) | BIT(4), /* INVLPGB, its illegal form, MCOMMIT, TLBSYNC */
    };
    uint32_t words[6] = {0};
    svm_intercepts(words);
    assert_memory_equal(words, expected, sizeof expected);
}

static void an_undefined_code_counts_as_unknown(void **state)
{
    (void)state;
    verdict_of(0x200);
    assert_int_equal(vcpu.exit_reason, MULLION_EXIT_UNKNOWN);
    verdict_of(0x72);
    assert_int_equal(vcpu.exit_reason, MULLION_EXIT_CPUID);
}

static void port_exits_are_taken_apart(void **state)
{
    (void)state;
    vmcb.exit_info_1 = 0x03f80000 | 0x10 | 1; /* IN AL */
    vmcb.exit_info_2 = 0x1234;
    verdict_of(0x7b);
    assert_int_equal(vcpu.exit.port, 0x3f8);
    assert_int_equal(vcpu.exit.port_bytes, 1);
    assert_true(vcpu.exit.port_in);
    assert_false(vcpu.exit.port_string);
    assert_int_equal(vcpu.exit.next_rip, 0x1234);
    vmcb.exit_info_1 = 0xffff0000u | 0x40 | 4; /* OUTSL */
    verdict_of(0x7b);
    assert_int_equal(vcpu.exit.port, 0xffff);
    assert_int_equal(vcpu.exit.port_bytes, 4);
    assert_false(vcpu.exit.port_in);
    assert_true(vcpu.exit.port_string);
}

static void msr_exits_tell_reads_writes_and_the_apic(void **state)
{
    (void)state;
    vcpu.gpr[RCX] = 0xc0000080;
    assert_string_equal(verdict_of(0x7c), "msr_read");
    assert_int_equal(vcpu.exit_reason, MULLION_EXIT_MSR);
    vmcb.exit_info_1 = 1;
    vcpu.gpr[RCX] = 0xdeadbeef00000830; /* only ECX counts */
    assert_string_equal(verdict_of(0x7c), "msr_write");
    assert_int_equal(vcpu.exit_reason, MULLION_EXIT_X2APIC);
}

static void page_faults_tell_address_and_access(void **state)
{
    (void)state;
    vmcb.exit_info_1 = 0x2;
    vmcb.exit_info_2 = 0xfec00010;
    verdict_of(0x400);
    assert_true(vcpu.exit.gpa == 0xfec00010);
    assert_true(vcpu.exit.is_write);
    assert_false(vcpu.exit.is_fetch);
    vmcb.exit_info_1 = 0x10;
    verdict_of(0x400);
    assert_false(vcpu.exit.is_write);
    assert_true(vcpu.exit.is_fetch);
}

static void control_registers_and_exceptions_are_numbered(void **state)
{
    (void)state;
    verdict_of(0x18);
    assert_int_equal(vcpu.exit.control, 8);
    verdict_of(0x14);
    assert_int_equal(vcpu.exit.control, 4);
    verdict_of(0x51);
    assert_int_equal(vcpu.exit.vector, VECTOR_AC);
}

static void an_event_cut_short_is_delivered_again(void **state)
{
    (void)state;
    vmcb.exit_int_info = BIT(31) | 0x45; /* external interrupt */
    verdict_of(0x400);
    assert_int_equal(vcpu.event.kind, EVENT_INTERRUPT);
    assert_int_equal(vcpu.event.vector, 0x45);
    vmcb.exit_int_info = 0x1234ull << 32 | BIT(31) | BIT(11) | 3 << 8 | 14; /* #PF with its error code */
    verdict_of(0x400);
    assert_int_equal(vcpu.event.kind, EVENT_EXCEPTION);
    assert_true(vcpu.event.has_error);
    assert_int_equal(vcpu.event.error, 0x1234);
    vmcb.exit_int_info = BIT(31) | 2 << 8 | 2;
    verdict_of(0x400);
    assert_int_equal(vcpu.event.kind, EVENT_NMI);
}

static void a_software_interrupt_is_executed_again_instead(void **state)
{
    (void)state;
    vmcb.exit_int_info = BIT(31) | 4 << 8 | 0x80;
    verdict_of(0x400);
    assert_int_equal(vcpu.event.kind, EVENT_NONE);
    vmcb.exit_int_info = 0x45; /* not valid */
    verdict_of(0x400);
    assert_int_equal(vcpu.event.kind, EVENT_NONE);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_code_of_the_manual_has_its_verdict),
        TEST(every_other_code_stops_the_partition),
        TEST(an_undefined_code_counts_as_unknown),
        TEST(the_intercepts_follow_from_the_table),
        TEST(port_exits_are_taken_apart),
        TEST(msr_exits_tell_reads_writes_and_the_apic),
        TEST(page_faults_tell_address_and_access),
        TEST(control_registers_and_exceptions_are_numbered),
        TEST(an_event_cut_short_is_delivered_again),
        TEST(a_software_interrupt_is_executed_again_instead),
    };
    return cmocka_run_group_tests_name("svm exits", tests, NULL, NULL);
}
