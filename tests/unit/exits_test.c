/* SPDX-License-Identifier: MIT */
/* The verdicts themselves: what ends a partition and with which reason, CR4, CR8, XCR0 and HLT rules. */
#include "core/exits.h"
#include "core/hypercall.h"
#include "fake_hvm.h"
#include "unit.h"
#include "x86/asm.h"
#include "x86/cpuid.h"
#include "x86/guest_walk.h"
#include "x86/machine_check.h"
#include "x86/msr.h"

#include <string.h>

#define CODE        0x77
#define LINEAR      0x123456
#define CR4_OFFERED 0x7ffull

static int decode_error;
static struct insn decoded;
static enum mullion_stop_reason ended;
static uint64_t end_detail;
static int faulted; /* vector, -1 = none */
static struct partition partition;
static struct vcpu vcpus[2];

int guest_decode(const struct vcpu *vcpu, struct insn *insn, uint64_t *linear)
{
    (void)vcpu;
    *linear = LINEAR;
    *insn = decoded;
    return decode_error;
}

void partition_end(struct vcpu *vcpu, enum mullion_stop_reason reason, uint64_t detail)
{
    (void)vcpu;
    ended = reason;
    end_detail = detail;
}

void vcpu_fault(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
    (void)vcpu;
    (void)has_error;
    (void)error;
    faulted = vector;
}

struct cpuid_regs cpuid_guest(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
    (void)vcpu;
    return (struct cpuid_regs){leaf, subleaf, 3, 4};
}

uint64_t cpuid_cr4_allowed(void)
{
    return CR4_OFFERED;
}

uint64_t cpuid_xcr0_allowed(void)
{
    return 0xe7;
}

bool msr_read(const struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu;
    *value = 0x1122334455667788;
    return msr == 1;
}

bool msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)vcpu;
    (void)value;
    return msr == 1;
}

void hypercall_handle(struct vcpu *vcpu)
{
    vcpu->gpr[RAX] = 42;
}

void machine_check_survive(void)
{
}

static int fresh(void **state)
{
    (void)state;
    fake_hvm_reset();
    memset(vcpus, 0, sizeof vcpus);
    partition = (struct partition){.vcpu_count = 2, .vcpus = {&vcpus[0], &vcpus[1]}};
    for (size_t i = 0; i < 2; i++) {
        vcpus[i].partition = &partition;
        vcpus[i].activity = VCPU_ACTIVE;
        vcpus[i].exit.code = CODE;
    }
    decode_error = 0;
    decoded = (struct insn){.kind = INSN_MOV_TO_CR, .length = 3, .gpr = RBX, .control = 4};
    ended = MULLION_REASON_NONE;
    faulted = -1;
    fake_hvm.code.long_mode = true;
    return 0;
}

static void what_ends_a_partition_ends_it_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        exit_handler *handler;
        enum mullion_stop_reason reason;
    } verdicts[] = {{exit_refuse, MULLION_REASON_REFUSED_EXIT},
                    {exit_unknown, MULLION_REASON_UNKNOWN_EXIT},
                    {exit_shutdown, MULLION_REASON_TRIPLE_FAULT},
                    {exit_entry_failed, MULLION_REASON_ENTRY_FAILED},
                    {exit_machine_check, MULLION_REASON_MACHINE_CHECK}};
    for (size_t i = 0; i < ARRAY_COUNT(verdicts); i++) {
        verdicts[i].handler(&vcpus[0]);
        assert_int_equal(ended, verdicts[i].reason);
        assert_int_equal(end_detail, verdicts[i].reason == MULLION_REASON_TRIPLE_FAULT ? 0 : CODE);
    }
}

static void an_instruction_that_cannot_be_read_ends_the_partition(void **state)
{
    (void)state;
    decode_error = -MULLION_E_BAD_ADDRESS;
    exit_cpuid(&vcpus[0]);
    assert_int_equal(ended, MULLION_REASON_BAD_PAGE_TABLE);
    assert_int_equal(end_detail, LINEAR);
    decode_error = -MULLION_E_RANGE;
    exit_ignore(&vcpus[0]);
    assert_int_equal(ended, MULLION_REASON_REFUSED_EXIT);
    assert_int_equal(fake_hvm.skipped, 0);
}

static void what_is_ignored_is_for_ring_0(void **state)
{
    (void)state;
    fake_hvm.length = 2;
    exit_ignore(&vcpus[0]);
    assert_int_equal(fake_hvm.skipped, 2);
    assert_int_equal(faulted, -1);
    fake_hvm.code.cpl = 3;
    exit_ignore(&vcpus[0]);
    assert_int_equal(fake_hvm.skipped, 2);
    assert_int_equal(faulted, VECTOR_GP);
}

static void cr4_takes_what_is_offered_and_keeps_machine_checks_on(void **state)
{
    (void)state;
    vcpus[0].exit.control = 4;
    vcpus[0].gpr[RBX] = CR4_PAE;
    exit_cr_write(&vcpus[0]);
    assert_int_equal(faulted, -1);
    assert_int_equal(fake_hvm.registers[HVM_CR4], CR4_PAE | CR4_MCE);
    assert_int_equal(fake_hvm.skipped, 3);
    vcpus[0].gpr[RBX] = CR4_OFFERED + 1;
    exit_cr_write(&vcpus[0]);
    assert_int_equal(faulted, VECTOR_GP);
}

static void cr4_cannot_drop_pae_in_long_mode_nor_be_written_by_user_code(void **state)
{
    (void)state;
    vcpus[0].exit.control = 4;
    fake_hvm.registers[HVM_EFER] = EFER_LMA;
    exit_cr_write(&vcpus[0]);
    assert_int_equal(faulted, VECTOR_GP);
    faulted = -1;
    vcpus[0].gpr[RBX] = CR4_PAE;
    fake_hvm.code.cpl = 3;
    exit_cr_write(&vcpus[0]);
    assert_int_equal(faulted, VECTOR_GP);
}

static void cr8_is_the_task_priority(void **state)
{
    (void)state;
    decoded.control = vcpus[0].exit.control = 8;
    vcpus[0].gpr[RBX] = 15;
    exit_cr_write(&vcpus[0]);
    assert_int_equal(vcpus[0].apic.tpr, 0xf0);
    vcpus[0].gpr[RBX] = 16;
    exit_cr_write(&vcpus[0]);
    assert_int_equal(faulted, VECTOR_GP);
}

static void code_that_changed_meanwhile_is_run_again(void **state)
{
    (void)state;
    vcpus[0].exit.control = 8; /* the bytes say CR4 now */
    exit_cr_write(&vcpus[0]);
    assert_int_equal(fake_hvm.skipped, 0);
    assert_int_equal(faulted, -1);
}

static void xcr0_refuses_what_the_manual_refuses(void **state)
{
    (void)state;
    static const uint64_t bad[] = {0, 2, 5, 0x1 << 9 | 1, 0x21, 0x63, 0xe3};
    exit_xsetbv(&vcpus[0]);
    assert_int_equal(faulted, VECTOR_UD); /* CR4.OSXSAVE is clear */
    fake_hvm.registers[HVM_CR4] = CR4_OSXSAVE;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        faulted = -1;
        vcpus[0].gpr[RAX] = bad[i];
        exit_xsetbv(&vcpus[0]);
        assert_int_equal(faulted, VECTOR_GP);
    }
}

static void xcr0_is_for_ring_0_and_alone(void **state)
{
    (void)state;
    fake_hvm.registers[HVM_CR4] = CR4_OSXSAVE;
    vcpus[0].gpr[RAX] = 1;
    fake_hvm.code.cpl = 3;
    exit_xsetbv(&vcpus[0]);
    assert_int_equal(faulted, VECTOR_GP);
    faulted = -1;
    fake_hvm.code.cpl = 0;
    vcpus[0].gpr[RCX] = 1; /* no other extended control register is offered */
    exit_xsetbv(&vcpus[0]);
    assert_int_equal(faulted, VECTOR_GP);
}

static void msrs_outside_the_list_are_refused_and_counted(void **state)
{
    (void)state;
    exit_msr_read(&vcpus[0]);
    exit_msr_write(&vcpus[0]);
    assert_int_equal(faulted, VECTOR_GP);
    assert_int_equal(vcpus[0].counters.refused_msrs, 2);
    vcpus[0].gpr[RCX] = 1;
    exit_msr_read(&vcpus[0]);
    assert_int_equal(vcpus[0].gpr[RAX], 0x55667788);
    assert_int_equal(vcpus[0].gpr[RDX], 0x11223344);
}

static void halting_for_good_ends_the_partition_with_the_last_vcpu(void **state)
{
    (void)state;
    exit_hlt(&vcpus[0]);
    assert_int_equal(ended, MULLION_REASON_NONE); /* vCPU 1 could still send an NMI */
    vcpus[1].activity = VCPU_WAIT_SIPI;
    vcpus[1].requests = VCPU_REQUEST_SIPI;
    exit_hlt(&vcpus[0]);
    assert_int_equal(ended, MULLION_REASON_NONE); /* it is about to start */
    vcpus[1].requests = 0;
    exit_hlt(&vcpus[0]);
    assert_int_equal(ended, MULLION_REASON_ALL_HALTED);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_ends_a_partition_ends_it_with_its_reason),
        TEST(an_instruction_that_cannot_be_read_ends_the_partition),
        TEST(what_is_ignored_is_for_ring_0),
        TEST(cr4_takes_what_is_offered_and_keeps_machine_checks_on),
        TEST(cr4_cannot_drop_pae_in_long_mode_nor_be_written_by_user_code),
        TEST(cr8_is_the_task_priority),
        TEST(code_that_changed_meanwhile_is_run_again),
        TEST(xcr0_refuses_what_the_manual_refuses),
        TEST(xcr0_is_for_ring_0_and_alone),
        TEST(msrs_outside_the_list_are_refused_and_counted),
        TEST(halting_for_good_ends_the_partition_with_the_last_vcpu),
    };
    return cmocka_run_group_tests_name("exits", tests, NULL, NULL);
}
