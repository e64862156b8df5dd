/* SPDX-License-Identifier: MIT */
/*
 * The total exit table, walked: every basic exit reason that the manual defines (Intel SDM volume 3, appendix
 * C) against the verdict that this test states on its own, every other one stops the partition.
 */
#include "core/core.h"

/* The debug status register is the test's. */
static uint64_t dr6;
#define read_dr6()       dr6
#define write_dr6(value) ((void)(dr6 = (value)))
#include "x86/vmx/exits.c" // NOLINT(bugprone-suspicious-include)

#include "fake_hvm.h"
#include "fake_vmcs.h"
#include "unit.h"
#include "verdicts.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define CR4_ALLOWED 0x3706bfull /* PAE, PGE ... : not MCE, not VMXE */

static unsigned dumps, host_nmis;

void vmx_dump(const struct vcpu *vcpu)
{
    (void)vcpu;
    dumps++;
}

uint64_t cpuid_cr4_allowed(void)
{
    return CR4_ALLOWED;
}

/* What no control asks for is stated as "refuse": if it comes, something is wrong. */
static const struct {
    unsigned first, last;
    const char *verdict;
    enum mullion_exit counter;
} manual[] = {
    {0, 0, "exception", MULLION_EXIT_EXCEPTION}, /* #DB here; see below for others */
    {1, 1, "interrupt", MULLION_EXIT_INTERRUPT},
    {2, 2, "shutdown", MULLION_EXIT_SHUTDOWN},
    {3, 3, "interrupt", MULLION_EXIT_INIT},
    {4, 6, "refuse", MULLION_EXIT_UNKNOWN},             /* SIPI, I/O SMI, other SMI */
    {7, 8, "interrupt", MULLION_EXIT_INTERRUPT_WINDOW}, /* for interrupts, for NMIs */
    {9, 9, "refuse", MULLION_EXIT_OTHER_REFLECTED},     /* task switch */
    {10, 10, "cpuid", MULLION_EXIT_CPUID},
    {11, 11, "undefined", MULLION_EXIT_VIRT_INSTRUCTION}, /* GETSEC */
    {12, 12, "hlt", MULLION_EXIT_HLT},
    {13, 13, "ignore", MULLION_EXIT_CACHE_CONTROL},       /* INVD */
    {14, 14, "refuse", MULLION_EXIT_UNKNOWN},             /* INVLPG */
    {15, 15, "protection", MULLION_EXIT_OTHER_REFLECTED}, /* RDPMC */
    {16, 16, "refuse", MULLION_EXIT_UNKNOWN},             /* RDTSC */
    {17, 17, "undefined", MULLION_EXIT_VIRT_INSTRUCTION}, /* RSM */
    {18, 18, "hypercall", MULLION_EXIT_HYPERCALL},        /* VMCALL */
    {19, 27, "undefined", MULLION_EXIT_VIRT_INSTRUCTION}, /* VMCLEAR to VMXON */
    {28, 28, "refuse", MULLION_EXIT_CR_WRITE},            /* a CR3 write here; see below for others */
    {29, 29, "refuse", MULLION_EXIT_UNKNOWN},             /* MOV DR */
    {30, 30, "port", MULLION_EXIT_PORT},                  /* I/O instruction */
    {31, 31, "msr_read", MULLION_EXIT_MSR},               /* RDMSR */
    {32, 32, "msr_write", MULLION_EXIT_MSR},              /* WRMSR */
    {33, 34, "entry_failed", MULLION_EXIT_UNKNOWN},       /* guest state, MSR loading */
    {36, 36, "undefined", MULLION_EXIT_MONITOR},          /* MWAIT */
    {37, 37, "refuse", MULLION_EXIT_UNKNOWN},             /* monitor trap flag */
    {39, 39, "undefined", MULLION_EXIT_MONITOR},          /* MONITOR */
    {40, 40, "refuse", MULLION_EXIT_UNKNOWN},             /* PAUSE */
    {41, 41, "machine_check", MULLION_EXIT_EXCEPTION},    /* during the entry */
    {43, 47, "refuse", MULLION_EXIT_UNKNOWN},             /* TPR, APIC access, EOI, descriptor tables */
    {48, 48, "mmio", MULLION_EXIT_MMIO},                  /* EPT violation */
    {49, 49, "refuse", MULLION_EXIT_UNKNOWN},             /* EPT misconfiguration */
    {50, 50, "undefined", MULLION_EXIT_VIRT_INSTRUCTION}, /* INVEPT */
    {51, 52, "refuse", MULLION_EXIT_UNKNOWN},             /* RDTSCP, preemption timer */
    {53, 53, "undefined", MULLION_EXIT_VIRT_INSTRUCTION}, /* INVVPID */
    {54, 54, "ignore", MULLION_EXIT_CACHE_CONTROL},       /* WBINVD, WBNOINVD */
    {55, 55, "xsetbv", MULLION_EXIT_XSETBV},              /* XSETBV */
    {56, 58, "refuse", MULLION_EXIT_UNKNOWN},             /* APIC write, RDRAND, INVPCID */
    {59, 60, "undefined", MULLION_EXIT_VIRT_INSTRUCTION}, /* VMFUNC, ENCLS */
    {61, 64, "refuse", MULLION_EXIT_UNKNOWN},             /* RDSEED, modification log, XSAVES, XRSTORS */
    {65, 65, "undefined", MULLION_EXIT_VIRT_INSTRUCTION}, /* PCONFIG */
    {66, 66, "refuse", MULLION_EXIT_UNKNOWN},             /* sub-page permissions */
    {67, 70, "undefined", MULLION_EXIT_OTHER_REFLECTED},  /* UMWAIT, TPAUSE, LOADIWKEY, ENCLV */
    {72, 75, "refuse", MULLION_EXIT_UNKNOWN},             /* ENQCMD, ENQCMDS, bus lock, time-out */
    {76, 77, "undefined", MULLION_EXIT_VIRT_INSTRUCTION}, /* SEAMCALL, TDCALL */
    {78, 79, "refuse", MULLION_EXIT_UNKNOWN},             /* RDMSRLIST, WRMSRLIST */
};

/* The others have none that the manual gives. */
static const uint16_t with_length[] = {9,  10, 11, 12, 13, 15, 17, 18, 19, 20, 21, 22,
                                       23, 24, 25, 26, 27, 28, 30, 31, 32, 36, 39, 50,
                                       53, 54, 55, 59, 60, 65, 67, 68, 69, 70, 76, 77};

static struct vmx_vcpu vendor;
static struct vcpu vcpu;
static const char page[1];

static void set(enum vmcs_field field, uint64_t value)
{
    fake_vmcs_set(field, value);
}

static int fresh(void **state)
{
    (void)state;
    memset(&vendor, 0, sizeof vendor);
    memset(&vcpu, 0, sizeof vcpu);
    vcpu.vendor = &vendor;
    fake_hvm_reset();
    fake_vmcs_reset();
    vmcs_load(page);
    set(EXIT_EVENT, VMCS_EVENT_VALID | VMCS_EVENT_EXCEPTION << 8 | VECTOR_DB);
    set(EXIT_QUALIFICATION, 3); /* of a control-register access: MOV to CR3 */
    handler = NULL;
    dumps = host_nmis = 0;
    dr6 = 0;
    return 0;
}

static const char *verdict_of(uint64_t code)
{
    handler = NULL;
    vendor.exit_code = code;
    vcpu.event.kind = EVENT_NONE;
    vmx_handle_exit(&vcpu);
    assert_true(vcpu.exit.code == code);
    assert_true((unsigned)vcpu.exit_reason < MULLION_EXIT_COUNT);
    return handler;
}

static bool in_manual(uint16_t reason)
{
    for (size_t i = 0; i < ARRAY_COUNT(manual); i++) {
        if (reason >= manual[i].first && reason <= manual[i].last)
            return true;
    }
    return false;
}

static void every_reason_of_the_manual_has_its_verdict_and_counter(void **state)
{
    unsigned walked = 0;
    for (size_t i = 0; i < ARRAY_COUNT(manual); i++) {
        for (unsigned reason = manual[i].first; reason <= manual[i].last; reason++, walked++) {
            fresh(state);
            if (strcmp(verdict_of(reason), manual[i].verdict) != 0)
                fail_msg("reason %u: %s, not %s", reason, handler, manual[i].verdict);
            if (vcpu.exit_reason != manual[i].counter)
                fail_msg("reason %u: counter %d, not %d", reason, (int)vcpu.exit_reason,
                         (int)manual[i].counter);
        }
    }
    print_message("%u exit reasons walked\n", walked);
}

static void every_other_reason_stops_the_partition(void **state)
{
    (void)state;
    for (uint32_t reason = 0; reason <= UINT16_MAX; reason++) {
        if (in_manual((uint16_t)reason))
            continue;
        assert_string_equal(verdict_of(reason), "unknown");
        assert_int_equal(vcpu.exit_reason, MULLION_EXIT_UNKNOWN);
    }
}

static void bits_beside_the_basic_reason_change_no_verdict(void **state)
{
    (void)state;
    assert_string_equal(verdict_of(BIT(27) | 10), "cpuid"); /* the exit happened in enclave mode */
    assert_string_equal(verdict_of(VMX_CODE_ENTRY_FAILED | 33), "entry_failed");
}

static void an_entry_that_fails_is_dumped_whatever_the_way(void **state)
{
    (void)state;
    assert_string_equal(verdict_of(VMX_CODE_ENTRY_FAILED | 33), "entry_failed");
    assert_int_equal(dumps, 1);
    assert_string_equal(verdict_of(VMX_CODE_ENTRY_FAILED | 34), "entry_failed");
    assert_int_equal(dumps, 2);
    for (unsigned error = 1; error < 32; error++) {
        assert_string_equal(verdict_of(VMX_CODE_NOT_ENTERED | error), "entry_failed");
        assert_int_equal(dumps, 2 + error);
    }
    assert_string_equal(verdict_of(10), "cpuid");
    assert_int_equal(dumps, 33);
}

static void an_entry_that_failed_leaves_no_event_behind(void **state)
{
    (void)state;
    set(IDT_EVENT, VMCS_EVENT_VALID | 0x45); /* of the exit before */
    verdict_of(VMX_CODE_ENTRY_FAILED | 33);
    assert_int_equal(vcpu.event.kind, EVENT_NONE);
    verdict_of(VMX_CODE_NOT_ENTERED | 7);
    assert_int_equal(vcpu.event.kind, EVENT_NONE);
}

static void lengths_are_known_where_the_manual_says_so(void **state)
{
    (void)state;
    for (uint16_t reason = 0; reason < 128; reason++) {
        bool known = false;
        for (size_t i = 0; i < ARRAY_COUNT(with_length); i++)
            known |= with_length[i] == reason;
        if (vmx_exit_has_length(reason) != known)
            fail_msg("reason %u: length %s", reason, known ? "not known" : "known");
    }
    assert_false(vmx_exit_has_length(VMX_CODE_NOT_ENTERED | 10));
}

static void port_exits_are_taken_apart(void **state)
{
    (void)state;
    set(EXIT_QUALIFICATION, 0x03f80000 | BIT(3)); /* IN AL, DX */
    assert_string_equal(verdict_of(30), "port");
    assert_int_equal(vcpu.exit.port, 0x3f8);
    assert_int_equal(vcpu.exit.port_bytes, 1);
    assert_true(vcpu.exit.port_in);
    assert_false(vcpu.exit.port_string);
    set(EXIT_QUALIFICATION, 0xffff0000 | BIT(4) | BIT(5) | 3); /* REP OUTSL */
    verdict_of(30);
    assert_int_equal(vcpu.exit.port, 0xffff);
    assert_int_equal(vcpu.exit.port_bytes, 4);
    assert_false(vcpu.exit.port_in);
    assert_true(vcpu.exit.port_string);
    set(EXIT_QUALIFICATION, 0x00800000 | BIT(6) | 1); /* OUT imm8, AX */
    verdict_of(30);
    assert_int_equal(vcpu.exit.port, 0x80);
    assert_int_equal(vcpu.exit.port_bytes, 2);
    assert_false(vcpu.exit.port_string);
}

static void msr_exits_tell_the_apic(void **state)
{
    (void)state;
    vcpu.gpr[RCX] = 0xc0000080;
    assert_string_equal(verdict_of(31), "msr_read");
    assert_int_equal(vcpu.exit_reason, MULLION_EXIT_MSR);
    vcpu.gpr[RCX] = 0xdeadbeef00000830; /* only ECX counts */
    assert_string_equal(verdict_of(32), "msr_write");
    assert_int_equal(vcpu.exit_reason, MULLION_EXIT_X2APIC);
    assert_string_equal(verdict_of(31), "msr_read");
    assert_int_equal(vcpu.exit_reason, MULLION_EXIT_X2APIC);
    vcpu.gpr[RCX] = 0x900;
    verdict_of(31);
    assert_int_equal(vcpu.exit_reason, MULLION_EXIT_MSR);
}

/* bits 0 to 2: read, write, fetch; bit 7: there is a linear address; bit 8: it is the address of its
 * translation */
static void ept_violations_tell_address_and_access(void **state)
{
    (void)state;
    set(GUEST_PHYSICAL_ADDRESS, 0xfec00010);
    set(EXIT_QUALIFICATION, BIT(1) | BIT(7) | BIT(8));
    assert_string_equal(verdict_of(48), "mmio");
    assert_true(vcpu.exit.gpa == 0xfec00010);
    assert_true(vcpu.exit.is_write);
    assert_false(vcpu.exit.is_fetch);
    set(EXIT_QUALIFICATION, BIT(0) | BIT(7) | BIT(8));
    verdict_of(48);
    assert_false(vcpu.exit.is_write);
    assert_false(vcpu.exit.is_fetch);
    set(EXIT_QUALIFICATION, BIT(2) | BIT(7) | BIT(8));
    verdict_of(48);
    assert_true(vcpu.exit.is_fetch);
}

static void what_is_no_data_access_counts_as_a_fetch(void **state)
{
    (void)state;
    set(EXIT_QUALIFICATION, BIT(0) | BIT(7)); /* a walk of the guest's page tables */
    verdict_of(48);
    assert_true(vcpu.exit.is_fetch);
    set(EXIT_QUALIFICATION, BIT(0)); /* loading of PDPTEs */
    verdict_of(48);
    assert_true(vcpu.exit.is_fetch);
    set(EXIT_QUALIFICATION, BIT(1) | BIT(7) | BIT(8));
    set(IDT_EVENT, VMCS_EVENT_VALID | 0x45); /* the push on the stack that delivers an interrupt */
    verdict_of(48);
    assert_true(vcpu.exit.is_fetch);
}

/* bits 3:0: register, 5:4: 0 is MOV to it, 11:8: general register */
static uint64_t mov_to_cr(unsigned control, enum gpr source)
{
    return control | (uint64_t)source << 8;
}

static const char *cr_write(unsigned control, uint64_t value)
{
    set(EXIT_QUALIFICATION, mov_to_cr(control, R9));
    vcpu.gpr[R9] = value;
    fake_hvm.code.long_mode = true;
    const char *verdict = verdict_of(28);
    return verdict;
}

static void a_valid_write_changes_the_shadow_and_is_executed_again(void **state)
{
    (void)state;
    assert_null(cr_write(0, CR0_PE | CR0_CD | CR0_NW));
    assert_true(vmcs_read(CR0_SHADOW) == (CR0_PE | CR0_CD | CR0_NW));
    assert_null(cr_write(4, CR4_PAE | CR4_MCE));
    assert_true(vmcs_read(CR4_SHADOW) == (CR4_PAE | CR4_MCE));
    assert_int_equal(fake_hvm.skipped, 0);
}

static void an_invalid_write_gets_a_protection_fault_and_changes_nothing(void **state)
{
    (void)state;
    static const uint64_t bad_cr0[] = {BIT(31), BIT(29), BIT(32) | CR0_PE, BIT(63)};
    for (size_t i = 0; i < ARRAY_COUNT(bad_cr0); i++)
        assert_string_equal(cr_write(0, bad_cr0[i]), "protection");
    for (unsigned bit = 0; bit < 64; bit++) {
        bool allowed = (CR4_ALLOWED >> bit & 1) != 0 || bit == 6;
        if (!allowed)
            assert_string_equal(cr_write(4, BIT(bit)), "protection");
    }
    assert_int_equal(fake_vmcs_current()->writes, 0);
}

static void the_upper_half_counts_in_64_bit_code_only(void **state)
{
    (void)state;
    set(EXIT_QUALIFICATION, mov_to_cr(4, RBX));
    vcpu.gpr[RBX] = BIT(40) | CR4_PAE;
    assert_null(verdict_of(28));
    assert_true(vmcs_read(CR4_SHADOW) == CR4_PAE);
    fake_hvm.code.long_mode = true;
    assert_string_equal(verdict_of(28), "protection");
}

static void the_stack_pointer_can_be_the_source(void **state)
{
    (void)state;
    set(EXIT_QUALIFICATION, mov_to_cr(4, RSP));
    set(GUEST_RSP, CR4_PAE);
    vcpu.gpr[RSP] = BIT(13);
    assert_null(verdict_of(28));
    assert_true(vmcs_read(CR4_SHADOW) == CR4_PAE);
}

static void cr8_is_the_apics(void **state)
{
    (void)state;
    assert_string_equal(cr_write(8, 3), "cr_write");
    assert_int_equal(vcpu.exit.control, 8);
}

static void other_accesses_to_control_registers_are_refused(void **state)
{
    (void)state;
    for (unsigned type = 1; type < 4; type++) { /* MOV from it, CLTS, LMSW */
        set(EXIT_QUALIFICATION, (uint64_t)type << 4);
        assert_string_equal(verdict_of(28), "refuse");
    }
    for (unsigned control = 1; control < 16; control++) {
        if (control != 4 && control != 8)
            assert_string_equal(cr_write(control, 0), "refuse");
    }
}

static const char *exception(unsigned type, unsigned vector)
{
    set(EXIT_EVENT, VMCS_EVENT_VALID | (uint64_t)type << 8 | vector);
    return verdict_of(0);
}

static void exceptions_have_verdicts_of_their_own(void **state)
{
    (void)state;
    assert_string_equal(exception(3, 1), "exception");
    assert_int_equal(vcpu.exit.vector, 1);
    assert_string_equal(exception(3, 17), "exception");
    assert_int_equal(vcpu.exit.vector, 17);
    assert_string_equal(exception(3, 18), "machine_check");
    for (unsigned vector = 0; vector < 32; vector++) {
        if (vector != 1 && vector != 2 && vector != 17 && vector != 18)
            assert_string_equal(exception(3, vector), "refuse");
    }
}

static void on_host_nmi(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)registers[REG_RIP]; // NOLINT(performance-no-int-to-ptr)
    if (code[0] != 0xcd || code[1] != 2) /* not INT 2, which only the VMM's ring may execute */
        abort();
    registers[REG_RIP] += 2;
    host_nmis++;
}

static void an_nmi_is_the_hosts_and_counts_as_one(void **state)
{
    (void)state;
    struct sigaction action = {.sa_sigaction = on_host_nmi, .sa_flags = SA_SIGINFO}, before;
    assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
    const char *verdict = exception(2, 2);
    sigaction(SIGSEGV, &before, NULL);
    assert_null(verdict);
    assert_int_equal(host_nmis, 1);
    assert_int_equal(vcpu.exit_reason, MULLION_EXIT_NMI);
}

static void a_debug_exception_is_completed_before_it_is_reflected(void **state)
{
    (void)state;
    dr6 = 0xffff0ff0 | BIT(3);
    set(EXIT_QUALIFICATION, BIT(14) | BIT(1)); /* single step, breakpoint 1 */
    set(GUEST_DR7, 0x400 | BIT(13));
    set(GUEST_INTERRUPTIBILITY, BLOCKED_BY_MOV_SS | BLOCKED_BY_NMI);
    exception(3, 1);
    assert_true(dr6 == (0xffff0ff0 | BIT(14) | BIT(1)));
    assert_true(vmcs_read(GUEST_DR7) == 0x400);
    assert_true(vmcs_read(GUEST_INTERRUPTIBILITY) == BLOCKED_BY_NMI);
}

static void int1_is_a_trap_and_a_breakpoint_none(void **state)
{
    (void)state;
    set(EXIT_INSN_LENGTH, 1);
    set(GUEST_RIP, 0x1000);
    exception(3, 1);
    assert_true(vmcs_read(GUEST_RIP) == 0x1000);
    exception(5, 1);
    assert_true(vmcs_read(GUEST_RIP) == 0x1001);
}

static void an_iret_that_faulted_blocks_nmis_again(void **state)
{
    (void)state;
    set(EXIT_EVENT, VMCS_EVENT_VALID | VMCS_EVENT_UNBLOCKED_NMI | 3 << 8 | 17);
    verdict_of(0);
    assert_true(vmcs_read(GUEST_INTERRUPTIBILITY) == BLOCKED_BY_NMI);
    set(GUEST_INTERRUPTIBILITY, 0);
    set(EXIT_QUALIFICATION, BIT(0) | BIT(7) | BIT(8) | BIT(12));
    verdict_of(48);
    assert_true(vmcs_read(GUEST_INTERRUPTIBILITY) == BLOCKED_BY_NMI);
    set(GUEST_INTERRUPTIBILITY, 0);
    set(IDT_EVENT, VMCS_EVENT_VALID | 2 << 8 | 2); /* then the bit means nothing */
    verdict_of(48);
    assert_true(vmcs_read(GUEST_INTERRUPTIBILITY) == 0);
}

static void an_event_cut_short_is_delivered_again(void **state)
{
    (void)state;
    set(IDT_EVENT, VMCS_EVENT_VALID | 0x45); /* external interrupt */
    verdict_of(10);
    assert_int_equal(vcpu.event.kind, EVENT_INTERRUPT);
    assert_int_equal(vcpu.event.vector, 0x45);
    assert_false(vcpu.event.has_error);
    set(IDT_EVENT, VMCS_EVENT_VALID | BIT(11) | 3 << 8 | 14); /* #PF with its error code */
    set(IDT_EVENT_ERROR, 0x1234);
    verdict_of(10);
    assert_int_equal(vcpu.event.kind, EVENT_EXCEPTION);
    assert_int_equal(vcpu.event.vector, 14);
    assert_true(vcpu.event.has_error);
    assert_int_equal(vcpu.event.error, 0x1234);
    set(IDT_EVENT, VMCS_EVENT_VALID | 3 << 8 | 6); /* #UD: what is left of an error code does not count */
    verdict_of(10);
    assert_false(vcpu.event.has_error);
    assert_int_equal(vcpu.event.error, 0);
    set(IDT_EVENT, VMCS_EVENT_VALID | 2 << 8 | 2);
    verdict_of(10);
    assert_int_equal(vcpu.event.kind, EVENT_NMI);
}

static void a_software_event_is_executed_again_instead(void **state)
{
    (void)state;
    for (unsigned type = 4; type < 7; type++) { /* INT n, INT1, INT3 and INTO */
        set(IDT_EVENT, VMCS_EVENT_VALID | (uint64_t)type << 8 | 3);
        verdict_of(10);
        assert_int_equal(vcpu.event.kind, EVENT_NONE);
    }
    set(IDT_EVENT, 0x45); /* not valid */
    verdict_of(10);
    assert_int_equal(vcpu.event.kind, EVENT_NONE);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_reason_of_the_manual_has_its_verdict_and_counter),
        TEST(every_other_reason_stops_the_partition),
        TEST(bits_beside_the_basic_reason_change_no_verdict),
        TEST(an_entry_that_fails_is_dumped_whatever_the_way),
        TEST(an_entry_that_failed_leaves_no_event_behind),
        TEST(lengths_are_known_where_the_manual_says_so),
        TEST(port_exits_are_taken_apart),
        TEST(msr_exits_tell_the_apic),
        TEST(ept_violations_tell_address_and_access),
        TEST(what_is_no_data_access_counts_as_a_fetch),
        TEST(a_valid_write_changes_the_shadow_and_is_executed_again),
        TEST(an_invalid_write_gets_a_protection_fault_and_changes_nothing),
        TEST(the_upper_half_counts_in_64_bit_code_only),
        TEST(the_stack_pointer_can_be_the_source),
        TEST(cr8_is_the_apics),
        TEST(other_accesses_to_control_registers_are_refused),
        TEST(exceptions_have_verdicts_of_their_own),
        TEST(an_nmi_is_the_hosts_and_counts_as_one),
        TEST(a_debug_exception_is_completed_before_it_is_reflected),
        TEST(int1_is_a_trap_and_a_breakpoint_none),
        TEST(an_iret_that_faulted_blocks_nmis_again),
        TEST(an_event_cut_short_is_delivered_again),
        TEST(a_software_event_is_executed_again_instead),
    };
    return cmocka_run_group_tests_name("vmx exits", tests, NULL, NULL);
}
