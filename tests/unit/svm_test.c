/* SPDX-License-Identifier: MIT */
/* The SVM back end on a CPU that is a table of registers: what it puts into a VMCB, and when. */
#include "core/core.h"

static uint64_t read_register(uint32_t number);
static void write_register(uint32_t number, uint64_t value);
static struct cpuid_regs read_cpuid(uint32_t leaf);

#define rdmsr(number)        read_register(number)
#define wrmsr(number, value) write_register(number, value)
#define cpuid(leaf, subleaf) read_cpuid(leaf)
#include "unit.h"
#include "x86/svm/svm.c" // NOLINT(bugprone-suspicious-include)

#include <string.h>

#undef skip /* cmocka's, not the back end's */

#define POOL_PAGES 32
#define ROOT       0x7000u
#define VMRUN_BIT  (1u << 0) /* of the fifth word */

static uint8_t pool_block[POOL_PAGES * PAGE_BYTES] __attribute__((aligned(4096)));
static struct partition agent, driver;
static struct cpu cpu;
static struct vcpu agent_vcpu, driver_vcpu;
static uint64_t vm_cr, efer, de_cfg;
static uint32_t svm_features;
static struct vmcb entered; /* as it was at the last entry */
static unsigned entries;

static uint64_t read_register(uint32_t number)
{
    return number == MSR_VM_CR ? vm_cr : number == MSR_EFER ? efer : de_cfg;
}

static void write_register(uint32_t number, uint64_t value)
{
    if (number == MSR_EFER)
        efer = value;
    if (number == MSR_DE_CFG)
        de_cfg = value;
}

static struct cpuid_regs read_cpuid(uint32_t leaf)
{
    return (struct cpuid_regs){.edx = leaf == SVM_LEAF ? svm_features : 0};
}

void svm_switch(uint64_t vmcb, uint64_t *gpr, uint64_t host_vmcb)
{
    (void)gpr;
    (void)host_vmcb;
    memcpy(&entered, (const void *)vmcb, sizeof entered); // NOLINT(performance-no-int-to-ptr)
    entries++;
}

/* ---- what the back end asks of others ---- */

void svm_intercepts(uint32_t words[6])
{
    words[4] = VMRUN_BIT;
}

void svm_handle_exit(struct vcpu *vcpu)
{
    (void)vcpu;
}

void vcpu_fault(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
    vcpu->event = (struct vcpu_event){EVENT_EXCEPTION, vector, has_error, error};
}

/* The edges of the three parts of the map, and registers that are in none. */
static const uint32_t direct[] = {0,          0x174,      0x1fff,     0xc0000000, 0xc0000081,
                                  0xc0001fff, 0xc0010000, 0xc0011fff, 0x2000,     0x4b564d00};

void msr_for_each_direct(void (*each)(uint32_t msr))
{
    for (size_t i = 0; i < ARRAY_COUNT(direct); i++)
        each(direct[i]);
}

/* ---- set-up ---- */

static void make(struct partition *p, struct vcpu *vcpu)
{
    memset(vcpu, 0, sizeof(*vcpu));
    vcpu->partition = p;
    vcpu->cpu = &cpu;
    assert_int_equal(svm_vcpu_create(vcpu), 0);
}

static int begin(void **state)
{
    (void)state;
    pool_init(pool_block, sizeof pool_block);
    vm_cr = efer = de_cfg = 0;
    svm_features = SVM_EDX_NPT;
    entries = 0;
    agent = (struct partition){.npt.root = (uint64_t *)(uintptr_t)ROOT}; // NOLINT(performance-no-int-to-ptr)
    driver = agent;
    driver.shares_cpu0 = true;
    cpu = (struct cpu){.vendor = pool_block};
    make(&agent, &agent_vcpu);
    make(&driver, &driver_vcpu);
    svm_init();
    return 0;
}

static struct vmcb *reset(struct vcpu *vcpu)
{
    const struct hvm_entry entry = {.mode = HVM_ENTRY_PROTECTED32, .rip = 0x1000};
    svm_vcpu_reset(vcpu, &entry);
    return vmcb_of(vcpu);
}

static bool intercepted(const struct vmcb *vmcb, unsigned code)
{
    return (vmcb->intercepts[code / 32] >> code % 32 & 1) != 0;
}

/* ---- tests ---- */

static void what_is_missing_is_named(void **state)
{
    (void)state;
    assert_null(svm_missing());
    svm_features = 0;
    assert_non_null(strstr(svm_missing(), "NPT"));
    vm_cr = VM_CR_SVMDIS;
    assert_non_null(strstr(svm_missing(), "firmware"));
}

static void a_fresh_vmcb_confines_its_guest(void **state)
{
    (void)state;
    const struct vmcb *vmcb = reset(&agent_vcpu);
    assert_int_equal(vmcb->intercepts[4], VMRUN_BIT);
    assert_int_equal(vmcb->nested_enable, 1);
    assert_int_equal(vmcb->nested_cr3, ROOT);
    assert_int_equal(vmcb->vintr, VINTR_MASKING); /* the host's IF counts, not the guest's */
    assert_int_equal(vmcb->efer, EFER_SVME);      /* else VMRUN refuses it */
    assert_int_equal(vmcb->lbr_virtualization | vmcb->ghcb | vmcb->avic_apic_bar | vmcb->tsc_offset, 0);
}

static void nothing_of_the_last_guest_is_left_in_a_vmcb(void **state)
{
    (void)state;
    memset(vmcb_of(&agent_vcpu), 0xee, sizeof(struct vmcb));
    const struct vmcb *vmcb = reset(&agent_vcpu);
    assert_int_equal(vmcb->star | vmcb->kernel_gs_base | vmcb->cr2 | vmcb->rax | vmcb->event_injection, 0);
    assert_int_equal(vmcb->intercepts[0] | vmcb->clean_bits | vmcb->cpl | vmcb->interrupt_shadow, 0);
}

static void every_port_is_intercepted(void **state)
{
    (void)state;
    const uint8_t *map = (const uint8_t *)reset(&agent_vcpu)->iopm_base; // NOLINT(performance-no-int-to-ptr)
    for (size_t i = 0; i < (size_t)IOPM_PAGES * PAGE_BYTES; i++)
        assert_int_equal(map[i], 0xff);
}

static bool is_direct(uint32_t msr)
{
    for (size_t i = 0; i < ARRAY_COUNT(direct); i++) {
        if (direct[i] == msr)
            return true;
    }
    return false;
}

/* AMD64 APM volume 2, section 15.11: three parts of 0x800 bytes, two bits for each register. */
static void every_msr_but_those_on_the_list_is_intercepted(void **state)
{
    (void)state;
    static const uint32_t firsts[] = {0, 0xc0000000, 0xc0010000};
    const uint8_t *map = (const uint8_t *)reset(&agent_vcpu)->msrpm_base; // NOLINT(performance-no-int-to-ptr)
    for (uint32_t part = 0; part < ARRAY_COUNT(firsts); part++) {
        for (uint32_t i = 0; i < 0x2000; i++) {
            unsigned bits = map[part * 0x800 + i / 4] >> i % 4 * 2 & 3;
            if (bits != (is_direct(firsts[part] + i) ? 0 : 3))
                fail_msg("MSR 0x%x: intercepts %u", firsts[part] + i, bits);
        }
    }
    for (uint32_t i = 3 * 0x800; i < MSRPM_PAGES * PAGE_BYTES; i++)
        assert_int_equal(map[i], 0xff);
}

static void those_who_share_a_cpu_share_no_translations(void **state)
{
    (void)state;
    uint32_t one = reset(&agent_vcpu)->asid, other = reset(&driver_vcpu)->asid;
    assert_int_not_equal(one, other);
    assert_true(one != 0 && other != 0); /* 0 is the host's */
}

static void translations_are_forgotten_at_the_first_entry_and_on_demand(void **state)
{
    (void)state;
    reset(&agent_vcpu);
    svm_run(&agent_vcpu);
    assert_int_equal(entered.tlb_control, TLB_FLUSH_ALL);
    svm_run(&agent_vcpu);
    assert_int_equal(entered.tlb_control, 0);
    svm_vcpu_flush(&agent_vcpu);
    svm_run(&agent_vcpu);
    assert_int_equal(entered.tlb_control, TLB_FLUSH_ALL);
    assert_int_equal(entries, 3);
}

static void an_event_is_delivered_once(void **state)
{
    (void)state;
    reset(&agent_vcpu);
    agent_vcpu.event = (struct vcpu_event){EVENT_EXCEPTION, VECTOR_GP, true, 0x18};
    svm_inject(&agent_vcpu);
    svm_run(&agent_vcpu);
    assert_int_equal(entered.event_injection, 0x1800000000ull | EVENT_VALID | EVENT_ERROR_VALID |
                                                  EVENT_TYPE_EXCEPTION << EVENT_TYPE_SHIFT | VECTOR_GP);
    svm_run(&agent_vcpu);
    assert_int_equal(entered.event_injection, 0);
}

static void an_nmi_blocks_the_next_until_its_handler_has_ended(void **state)
{
    (void)state;
    struct vmcb *vmcb = reset(&agent_vcpu);
    assert_false(svm_nmi_blocked(&agent_vcpu));
    agent_vcpu.event = (struct vcpu_event){EVENT_NMI, 2, false, 0};
    svm_inject(&agent_vcpu);
    assert_true(svm_nmi_blocked(&agent_vcpu));
    assert_true(intercepted(vmcb, SVM_EXIT_IRET));
    svm_want_window(&agent_vcpu, false, true);
    assert_false(intercepted(vmcb, SVM_EXIT_VINTR)); /* it would be at once, and again and again */
    vmcb->rip = 0x2000;
    svm_nmi_handler_ends(&agent_vcpu);
    assert_true(svm_nmi_blocked(&agent_vcpu)); /* IRET is about to be executed */
    assert_false(intercepted(vmcb, SVM_EXIT_IRET));
    vmcb->rip = 0x3000;
    assert_false(svm_nmi_blocked(&agent_vcpu));
}

static void a_guest_cannot_be_given_efer_without_svme(void **state)
{
    (void)state;
    reset(&agent_vcpu);
    svm_write(&agent_vcpu, HVM_EFER, EFER_NXE);
    assert_int_equal(vmcb_of(&agent_vcpu)->efer, EFER_NXE | EFER_SVME);
}

static void a_length_that_no_instruction_has_is_not_believed(void **state)
{
    (void)state;
    struct vmcb *vmcb = reset(&agent_vcpu);
    vmcb->rip = 0x1000;
    agent_vcpu.exit.next_rip = 0x1002;
    assert_int_equal(svm_known_length(&agent_vcpu), 2);
    agent_vcpu.exit.next_rip = 0x1010;
    assert_int_equal(svm_known_length(&agent_vcpu), 0);
    agent_vcpu.exit.next_rip = 0xfff;
    assert_int_equal(svm_known_length(&agent_vcpu), 0);
    agent_vcpu.exit.next_rip = 0;
    vmcb->next_rip = 0x1003; /* the CPU does not save it */
    assert_int_equal(svm_known_length(&agent_vcpu), 0);
}

static void skipping_wraps_where_the_code_does(void **state)
{
    (void)state;
    static const struct {
        uint16_t attributes;
        uint64_t efer, from, to;
    } rows[] = {{ATTR_CODE16, 0, 0xfffe, 0},
                {ATTR_CODE32, 0, 0xfffffffe, 0},
                {ATTR_CODE32, EFER_LMA, 0xfffffffe, 0}, /* compatibility mode */
                {ATTR_CODE64, EFER_LMA, 0xfffffffe, 0x100000000}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct vmcb *vmcb = reset(&agent_vcpu);
        vmcb->cs.attributes = rows[i].attributes;
        vmcb->efer |= rows[i].efer;
        vmcb->rip = rows[i].from;
        vmcb->interrupt_shadow = SHADOW_INTERRUPT;
        svm_skip(&agent_vcpu, 2);
        assert_int_equal(vmcb->rip, rows[i].to);
        assert_false(svm_in_shadow(&agent_vcpu));
    }
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_missing_is_named),
        TEST(a_fresh_vmcb_confines_its_guest),
        TEST(nothing_of_the_last_guest_is_left_in_a_vmcb),
        TEST(every_port_is_intercepted),
        TEST(every_msr_but_those_on_the_list_is_intercepted),
        TEST(those_who_share_a_cpu_share_no_translations),
        TEST(translations_are_forgotten_at_the_first_entry_and_on_demand),
        TEST(an_event_is_delivered_once),
        TEST(an_nmi_blocks_the_next_until_its_handler_has_ended),
        TEST(a_guest_cannot_be_given_efer_without_svme),
        TEST(a_length_that_no_instruction_has_is_not_believed),
        TEST(skipping_wraps_where_the_code_does),
    };
    return cmocka_run_group_tests_name("SVM", tests, NULL, NULL);
}
