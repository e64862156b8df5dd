/* SPDX-License-Identifier: MIT */
/*
 * The VMX back end on a CPU that is a table of registers: what it writes into a VMCS, when, and that the
 * manual's rules for entries allow it (tools/vmcs-explain judges). VMX instructions that the back end
 * executes by itself trap to the test.
 */
#include "core/core.h"

#include "unit.h"
#include "vmx_cpu.h"

static struct cpuid_regs read_cpuid(uint32_t leaf, uint32_t subleaf);

#define rdmsr(number)        read_register(number)
#define wrmsr(number, value) write_register(number, value)
#define cpuid(leaf, subleaf) read_cpuid(leaf, subleaf)
#define read_cr0()           cpu_state.cr0
#define read_cr2()           cpu_state.cr2
#define read_cr3()           cpu_state.cr3
#define read_cr4()           cpu_state.cr4
#define read_dr6()           cpu_state.dr6
#define write_cr0(value)     ((void)(cpu_state.cr0 = (value)))
#define write_cr2(value)     ((void)(cpu_state.cr2 = (value)))
#define write_cr4(value)     ((void)(cpu_state.cr4 = (value)))
#define write_dr6(value)     ((void)(cpu_state.dr6 = (value)))
// NOLINTBEGIN(bugprone-suspicious-include)
#define rows needs /* vmx.c has rows too */
#include "x86/vmx/capabilities.c"
#undef rows
#include "x86/vmx/dump.c"
#include "x86/vmx/speculation.c"
#include "x86/vmx/vmx.c"
// NOLINTEND(bugprone-suspicious-include)

#include "fake_vmcs.h"
#include "inspect.h"

#include <asm/prctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#undef skip /* cmocka's, not the back end's */

#define POOL_PAGES  64
#define CR4_ALLOWED 0x3706bfull
#define EXPLAIN     "tools/vmcs-explain --header vmm/x86/vmx/vmcs.h"

struct platform platform;
char vmx_exit[1];

static void *pool_block;
static struct cpu cpu;
static struct partition partition, other_partition;
static struct vcpu vcpu, other;
static struct { /* of the last entry */
    bool launched, refuse, fail_late;
    uint64_t rax;
    const struct fake_vmcs *vmcs;
} entry;
static FILE *log_to;

static struct cpuid_regs read_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    bool widths = leaf == 0x80000008;
    uint32_t edx = leaf == 7 ? cpu_state.leaf_7_edx : leaf == 1 ? cpu_state.leaf_1_edx : 0;
    return (struct cpuid_regs){.eax = widths ? 48 : 0, .edx = edx};
}

void vcpu_fault(struct vcpu *faulting, uint8_t vector, bool has_error, uint32_t error)
{
    faulting->event = (struct vcpu_event){EVENT_EXCEPTION, vector, has_error, error};
}

/* The bitmap's corners, and two between. */
void msr_for_each_direct(void (*f)(uint32_t msr))
{
    f(0);
    f(0x174);
    f(0x1fff);
    f(0xc0000000);
    f(0xc0000102);
    f(0xc0001fff);
}

uint64_t cpuid_cr4_allowed(void)
{
    return CR4_ALLOWED;
}

uint64_t cpu_idt(void)
{
    return 0x1102000;
}

size_t text_format(char *to, size_t bytes, const char *format, va_list arguments)
{
    return (size_t)vsnprintf(to, bytes, format, arguments);
}

void log_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (log_to != NULL) {
        (void)vfprintf(log_to, format, arguments);
        (void)fputc('\n', log_to);
    }
    va_end(arguments);
}

void log_fatal(const char *format, ...)
{
    mock_assert(0, format, __FILE__, __LINE__);
    abort();
}

uint64_t vmx_switch(uint64_t *gpr, bool launched)
{
    entry.launched = launched;
    entry.rax = gpr[RAX];
    struct fake_vmcs *vmcs = fake_vmcs_current();
    entry.vmcs = vmcs;
    assert_true(vmcs->clears > 0 && vmcs->launched == launched); /* else VMLAUNCH, VMRESUME would fail */
    vmcs->launched |= !entry.refuse && !entry.fail_late;
    fake_vmcs_set(EXIT_REASON, entry.fail_late ? VMX_CODE_ENTRY_FAILED | 33 : 10);
    fake_vmcs_set(INSTRUCTION_ERROR, entry.refuse ? 7 : 0);
    return entry.refuse;
}

bool vmx_exit_has_length(uint64_t code)
{
    return code == 10;
}

void vmx_handle_exit(struct vcpu *exited)
{
    (void)exited;
}

static void make_vcpu(struct vcpu *made, struct partition *of, uint64_t *root)
{
    memset(made, 0, sizeof *made);
    made->partition = of;
    made->cpu = &cpu;
    of->npt.root = root;
    assert_int_equal(vmx_ops.vcpu_create(made), 0);
}

static int fresh(void **state)
{
    (void)state;
    pool_block = aligned_alloc(PAGE_BYTES, POOL_PAGES * PAGE_BYTES);
    pool_init(pool_block, POOL_PAGES * PAGE_BYTES);
    fake_vmcs_reset();
    vmx_cpu_reset();
    memset(&cpu, 0, sizeof cpu);
    memset(&entry, 0, sizeof entry);
    cpu_state.cr0 = 0x80010013;
    cpu_state.cr4 = 0x3006a0;
    cpu_state.cr3 = 0x1180000;
    cpu.self = &cpu;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    vmx_cpu_catch();
    vmx_ops.init();
    vmx_ops.cpu_enable(&cpu);
    make_vcpu(&vcpu, &partition, pool_alloc(1));
    make_vcpu(&other, &other_partition, pool_alloc(1));
    other_partition.shares_cpu0 = true;
    return 0;
}

static int done(void **state)
{
    (void)state;
    free(pool_block);
    return 0;
}

static const struct hvm_entry real_entry = {.mode = HVM_ENTRY_REAL, .sipi_page = 0x9a};
static const struct hvm_entry protected_entry = {
    .mode = HVM_ENTRY_PROTECTED32, .rip = 0x100000, .rsp = 0x9000};
static const struct hvm_entry long_entry = {
    .mode = HVM_ENTRY_LONG64, .rip = 0x100200, .rsp = 0x9000, .cr3 = 0x8000};

static void start(struct vcpu *who, const struct hvm_entry *how)
{
    vmx_cpu_catch();
    vmx_ops.vcpu_reset(who, how);
    vmx_ops.run(who);
}

static uint64_t field(enum vmcs_field which)
{
    return vmcs_read(which);
}

/* ---- what the manual's rules say
 * ---------------------------------------------------------------------------- */

/** The VMCS as vmx_dump prints it, given to the tool that knows the rules. */
static int broken_rules(const struct vcpu *whose)
{
    vmx_of(whose)->exit_code = VMX_CODE_ENTRY_FAILED | 33;
    (void)fflush(NULL);
    log_to = popen(EXPLAIN, "w");
    assert_non_null(log_to);
    vmx_dump(whose);
    int status = pclose(log_to);
    log_to = NULL;
    return WEXITSTATUS(status);
}

static void every_way_to_begin_breaks_no_rule(void **state)
{
    (void)state;
    const struct hvm_entry *entries[] = {&real_entry, &protected_entry, &long_entry};
    for (size_t i = 0; i < ARRAY_COUNT(entries); i++) {
        start(&vcpu, entries[i]);
        assert_int_equal(broken_rules(&vcpu), 0);
    }
}

static void every_event_breaks_no_rule(void **state)
{
    (void)state;
    static const struct vcpu_event events[] = {
        {EVENT_INTERRUPT, 0x30, false, 0},
        {EVENT_NMI, 2, false, 0},
        {EVENT_EXCEPTION, 6, false, 0},
        {EVENT_EXCEPTION, 13, true, 0x18},
    };
    const struct hvm_entry *entries[] = {&real_entry, &long_entry};
    for (size_t i = 0; i < ARRAY_COUNT(events) * ARRAY_COUNT(entries); i++) {
        start(&vcpu, entries[i % ARRAY_COUNT(entries)]);
        vmx_ops.write(&vcpu, HVM_RFLAGS, RFLAGS_RESERVED | RFLAGS_IF);
        vcpu.event = events[i / ARRAY_COUNT(entries)];
        vmx_ops.inject(&vcpu);
        assert_int_equal(broken_rules(&vcpu), 0);
    }
}

static void windows_break_no_rule(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    vmx_ops.want_window(&vcpu, true, true);
    assert_int_equal(broken_rules(&vcpu), 0);
}

static void a_vmcs_that_breaks_a_rule_is_found_out(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    vmcs_write(GUEST_ACTIVITY, 7);
    assert_int_equal(broken_rules(&vcpu), 1);
}

/* ---- bitmaps
 * ------------------------------------------------------------------------------------------------ */

static bool msr_exits(uint32_t msr, bool is_write)
{
    const uint8_t *bitmap = (const uint8_t *)field(MSR_BITMAP); // NOLINT(performance-no-int-to-ptr)
    uint32_t index = msr & 0x1fff;
    return (bitmap[(is_write ? 2048u : 0) + (msr >= 0xc0000000 ? 1024u : 0) + index / 8] >> index % 8 & 1) !=
           0;
}

static void direct_msrs_do_not_exit_all_others_do(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    static const uint32_t direct[] = {0, 0x174, 0x1fff, 0xc0000000, 0xc0000102, 0xc0001fff};
    for (uint32_t i = 0; i < 0x4000; i++) {
        uint32_t msr = i < 0x2000 ? i : 0xc0000000 + i - 0x2000;
        bool is_direct = false;
        for (size_t j = 0; j < ARRAY_COUNT(direct); j++)
            is_direct |= direct[j] == msr;
        assert_true(msr_exits(msr, false) != is_direct);
        assert_true(msr_exits(msr, true) != is_direct);
    }
}

static void every_port_exits(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    assert_true(field(IO_BITMAP_B) == field(IO_BITMAP_A) + PAGE_BYTES);
    const uint8_t *bitmap = (const uint8_t *)field(IO_BITMAP_A); // NOLINT(performance-no-int-to-ptr)
    for (size_t i = 0; i < 2 * PAGE_BYTES; i++)
        assert_int_equal(bitmap[i], 0xff);
}

static void the_intercepted_exceptions_are_three(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    assert_true(field(EXCEPTION_BITMAP) == (BIT(1) | BIT(17) | BIT(18)));
    assert_true(field(PAGE_FAULT_MASK) == 0 && field(PAGE_FAULT_MATCH) == 0);
}

/* ---- extended page tables
 * ------------------------------------------------------------------------------------- */

static void the_pointer_names_four_write_back_levels(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    uint64_t root = (uint64_t)(uintptr_t)partition.npt.root;
    assert_true(field(EPT_POINTER) == (root | 3 << 3 | 6));
}

/* bits 0, 1, 2: read, write, execute; 5:3: memory type; 7: large page */
static uint64_t leaf(const uint64_t *table, unsigned levels)
{
    const uint64_t *next = table;
    while (--levels > 0) {
        assert_true((next[0] & 0xfff) == 7);
        next = (const uint64_t *)(next[0] & ~0xfffull); // NOLINT(performance-no-int-to-ptr)
    }
    return next[0];
}

static void entries_have_the_form_of_the_manual(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        unsigned levels;
        uint64_t large;
    } sizes[] = {{PAGE_BYTES, 4, 0}, {0x200000, 3, BIT(7)}, {0x40000000, 2, BIT(7)}};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct npt npt;
        assert_int_equal(npt_create(&npt, 16, true), 0);
        npt.ram = vmx_ops.npt_ram;
        npt.device = vmx_ops.npt_device;
        assert_int_equal(npt_map(&npt, gpa(0), hpa(0x40000000), sizes[i].bytes, true), 0);
        assert_true(leaf(npt.root, sizes[i].levels) == (0x40000000 | 7 | 6 << 3 | sizes[i].large));
        assert_int_equal(npt_map(&npt, gpa(0x8000000000), hpa(0x80000000), sizes[i].bytes, false), 0);
        assert_true(leaf(npt.root + 1, sizes[i].levels) == (0x80000000 | 5 | 6 << 3 | sizes[i].large));
        npt_destroy(&npt);
    }
}

static void device_memory_is_uncached(void **state)
{
    (void)state;
    struct npt npt;
    assert_int_equal(npt_create(&npt, 16, true), 0);
    npt.ram = vmx_ops.npt_ram;
    npt.device = vmx_ops.npt_device;
    assert_int_equal(npt_map_device(&npt, gpa(0), hpa(0xfe000000), PAGE_BYTES), 0);
    assert_true(leaf(npt.root, 4) == (0xfe000000 | 7));
    npt_destroy(&npt);
}

/* ---- entries
 * ---------------------------------------------------------------------------------------------------- */

static void the_cpu_is_switched_on_with_the_bits_that_vmx_fixes(void **state)
{
    (void)state;
    assert_int_equal(vmx_cpu_calls.vmxon, 1);
    assert_true(vmx_cpu_calls.vmxon_region == (uint64_t)(uintptr_t)cpu.vendor);
    assert_int_equal(*(uint32_t *)cpu.vendor, 0x12);
    assert_true(cpu_state.cr0 == 0x80010033);
    assert_true((cpu_state.cr4 & BIT(13)) != 0);
}

static void the_first_entry_launches_later_ones_resume(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    assert_false(entry.launched);
    vmx_ops.run(&vcpu);
    assert_true(entry.launched);
    assert_true(vmx_of(&vcpu)->exit_code == 10);
}

static void a_refused_entry_tells_its_error_and_launches_again(void **state)
{
    (void)state;
    entry.refuse = true;
    start(&vcpu, &long_entry);
    assert_true(vmx_of(&vcpu)->exit_code == (VMX_CODE_NOT_ENTERED | 7));
    entry.refuse = false;
    vmx_ops.run(&vcpu);
    assert_false(entry.launched);
}

static void an_entry_that_fails_on_the_guests_state_launches_again(void **state)
{
    (void)state;
    entry.fail_late = true;
    start(&vcpu, &long_entry);
    assert_true(vmx_of(&vcpu)->exit_code == (VMX_CODE_ENTRY_FAILED | 33));
    vmx_ops.run(&vcpu);
    assert_false(entry.launched);
}

static void a_vcpu_that_starts_anew_is_launched_again(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    vmx_ops.run(&vcpu);
    start(&vcpu, &long_entry);
    assert_false(entry.launched);
    assert_int_equal(*(uint32_t *)vmcs_page(&vcpu), 0x12);
}

static void a_vcpu_that_was_let_go_launches_again(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    vmx_ops.vcpu_release(&vcpu);
    assert_null(fake_vmcs_current());
    vmx_ops.run(&vcpu);
    assert_false(entry.launched);
    assert_true(entry.vmcs == fake_vmcs_of(vmcs_page(&vcpu)));
}

static void a_reset_from_elsewhere_waits_for_the_vcpus_own_cpu(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    unsigned writes = fake_vmcs_of(vmcs_page(&vcpu))->writes;
    vmx_ops.vcpu_reset(&vcpu, &real_entry);
    assert_int_equal(fake_vmcs_of(vmcs_page(&vcpu))->writes, writes);
    assert_true(vmx_ops.read(&vcpu, HVM_CS_BASE) == 0x9a000);
    assert_true(vmx_ops.read(&vcpu, HVM_RIP) == 0);
}

static void a_reset_leaves_nothing_of_the_guest_before(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    static const enum vmcs_field left[] = {
        GUEST_DEBUGCTL,         GUEST_SYSENTER_EIP,  GUEST_GS_BASE, GUEST_IDTR_BASE,
        GUEST_INTERRUPTIBILITY, GUEST_PENDING_DEBUG, GUEST_CR3,     ENTRY_EVENT};
    for (size_t i = 0; i < ARRAY_COUNT(left); i++)
        vmcs_write(left[i], 5);
    vmx_ops.want_window(&vcpu, true, true);
    start(&vcpu, &protected_entry);
    for (size_t i = 0; i < ARRAY_COUNT(left); i++)
        assert_true(field(left[i]) == 0);
    assert_true((field(PROC_CONTROLS) & (BIT(2) | BIT(22))) == 0);
    assert_true((field(ENTRY_CONTROLS) & BIT(9)) == 0);
}

static void each_vcpu_of_a_shared_cpu_has_a_tag_of_its_own(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    uint64_t tag = field(VPID);
    vmx_ops.vcpu_release(&vcpu);
    start(&other, &long_entry);
    assert_true(tag != 0 && field(VPID) != 0 && field(VPID) != tag);
}

static void translations_are_dropped_when_asked_for_and_only_then(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    assert_int_equal(vmx_cpu_calls.invept, 1); /* a vCPU that starts finds none */
    vmx_ops.run(&vcpu);
    assert_int_equal(vmx_cpu_calls.invept, 1);
    vmx_ops.vcpu_flush(&vcpu);
    vmx_ops.run(&vcpu);
    assert_int_equal(vmx_cpu_calls.invept, 2);
    assert_int_equal(vmx_cpu_calls.invvpid, 2);
    assert_true(vmx_cpu_calls.invept_type == 1 && vmx_cpu_calls.invept_pointer == field(EPT_POINTER));
    assert_true(vmx_cpu_calls.invvpid_type == 1 && vmx_cpu_calls.invvpid_tag == field(VPID));
}

static void registers_outside_of_the_vmcs_follow_their_vcpu(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    write_register(0xc0000082, 0x1234);
    write_register(0xc0000102, 0x5678);
    cpu_state.cr2 = 0x9abc;
    cpu_state.dr6 = 0xffff0ff1;
    vmx_ops.vcpu_release(&vcpu);
    start(&other, &long_entry);
    assert_true(read_register(0xc0000082) == 0 && read_register(0xc0000102) == 0);
    assert_true(cpu_state.cr2 == 0 && cpu_state.dr6 == 0xffff0ff0);
    vmx_ops.vcpu_release(&other);
    vmx_ops.run(&vcpu);
    assert_true(read_register(0xc0000082) == 0x1234 && read_register(0xc0000102) == 0x5678);
    assert_true(cpu_state.cr2 == 0x9abc && cpu_state.dr6 == 0xffff0ff1);
}

static void buffers_are_cleared_before_each_entry(void **state)
{
    (void)state;
    cpu_state.leaf_7_edx = BIT(28);
    vmx_ops.init();
    start(&vcpu, &long_entry);
    unsigned before = cpu_state.l1d_flushes;
    vmx_ops.run(&vcpu);
    assert_int_equal(cpu_state.l1d_flushes, before + 1);
}

static void machine_checks_stay_on_their_cpu_where_that_is_allowed(void **state)
{
    (void)state;
    static const struct {
        uint64_t offered, allowed, expected;
    } rows[] = {{0, BIT(20), 0}, {BIT(27), 0, 0}, {BIT(27), BIT(20), 1}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        cpu_state.leaf_1_edx = BIT(14);
        *register_at(0x179) = rows[i].offered;
        *register_at(0x3a) = 5 | rows[i].allowed;
        *register_at(0x4d0) = 0;
        vmx_cpu_catch();
        vmx_ops.cpu_enable(&cpu);
        assert_true(read_register(0x4d0) == rows[i].expected);
    }
    *register_at(0x3a) = 0;
    vmx_cpu_catch();
    vmx_ops.cpu_enable(&cpu);
    assert_true(read_register(0x3a) == (BIT(20) | 5));
}

static void the_tpr_is_where_cr8_reads_find_it(void **state)
{
    (void)state;
    vcpu.apic.tpr = 0x50;
    start(&vcpu, &long_entry);
    const uint8_t *page = (const uint8_t *)field(VIRTUAL_APIC_PAGE); // NOLINT(performance-no-int-to-ptr)
    assert_int_equal(page[0x80], 0x50);
}

/* ---- what verdicts ask for
 * ---------------------------------------------------------------------------------------- */

static void fixed_bits_are_seen_as_the_guest_wrote_them(void **state)
{
    (void)state;
    start(&vcpu, &protected_entry);
    assert_true(vmx_ops.read(&vcpu, HVM_CR0) == (CR0_PE | CR0_ET));
    assert_true(field(GUEST_CR0) == (CR0_PE | CR0_ET | BIT(5)));
    assert_true((vmx_ops.read(&vcpu, HVM_CR4) & BIT(13)) == 0 && (field(GUEST_CR4) & BIT(13)) != 0);
}

static void long_mode_entry_is_in_64_bit_code(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    struct hvm_code code = vmx_ops.code(&vcpu);
    assert_true(code.long_mode && code.cpl == 0);
    assert_true((field(ENTRY_CONTROLS) & BIT(9)) != 0);
    assert_true(field(GUEST_CR3) == 0x8000);
    start(&vcpu, &protected_entry);
    code = vmx_ops.code(&vcpu);
    assert_true(!code.long_mode && code.big);
    start(&vcpu, &real_entry);
    assert_false(vmx_ops.code(&vcpu).big);
}

static void the_cpus_word_on_a_length_is_taken_where_it_counts(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    fake_vmcs_set(EXIT_INSN_LENGTH, 3);
    vcpu.exit.code = 10;
    assert_int_equal(vmx_ops.known_length(&vcpu), 3);
    vcpu.exit.code = 1;
    assert_int_equal(vmx_ops.known_length(&vcpu), 0);
}

static void skipping_moves_rip_by_the_code_size(void **state)
{
    (void)state;
    static const struct {
        const struct hvm_entry *entry;
        uint64_t rip, after;
    } rows[] = {
        {&long_entry, 0xffffffff, 0x100000001}, {&protected_entry, 0xffffffff, 1}, {&real_entry, 0xffff, 1}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        start(&vcpu, rows[i].entry);
        vmx_ops.write(&vcpu, HVM_RIP, rows[i].rip);
        vmx_ops.skip(&vcpu, 2);
        assert_true(vmx_ops.read(&vcpu, HVM_RIP) == rows[i].after);
    }
}

static void skipping_ends_shadows_and_counts_as_a_step(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    vmcs_write(GUEST_INTERRUPTIBILITY, BLOCKED_BY_STI | BLOCKED_BY_NMI);
    assert_true(vmx_ops.in_shadow(&vcpu) && vmx_ops.nmi_blocked(&vcpu));
    vmx_ops.write(&vcpu, HVM_RFLAGS, RFLAGS_RESERVED | RFLAGS_IF | RFLAGS_RF);
    vmx_ops.skip(&vcpu, 1);
    assert_true(!vmx_ops.in_shadow(&vcpu) && vmx_ops.nmi_blocked(&vcpu));
    assert_true(vmx_ops.read(&vcpu, HVM_RFLAGS) == (RFLAGS_RESERVED | RFLAGS_IF));
    assert_true(field(GUEST_PENDING_DEBUG) == 0);
    vmx_ops.write(&vcpu, HVM_RFLAGS, RFLAGS_RESERVED | RFLAGS_TF);
    vmx_ops.skip(&vcpu, 1);
    assert_true(field(GUEST_PENDING_DEBUG) == 0); /* an interrupt of the same entry would lose it there */
    assert_true(cpu_state.dr6 == (DR6_RESET | BIT(14)));
    assert_int_equal(vcpu.event.kind, EVENT_EXCEPTION);
    assert_int_equal(vcpu.event.vector, VECTOR_DB);
}

static void a_data_breakpoint_before_a_skipped_instruction_is_delivered(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    vmcs_write(GUEST_INTERRUPTIBILITY, BLOCKED_BY_MOV_SS);
    vmcs_write(GUEST_PENDING_DEBUG, BIT(12) | 2);
    vmcs_write(GUEST_DR7, 0x2400);
    vmx_ops.skip(&vcpu, 1);
    assert_true(cpu_state.dr6 == (DR6_RESET | 2) && field(GUEST_DR7) == 0x400);
    assert_int_equal(vcpu.event.vector, VECTOR_DB);
}

/* A CPU may exit for the NMI window in STI's shadow, where no NMI is delivered: for ever. */
static void an_nmi_waits_out_the_shadow_of_sti(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    vmcs_write(GUEST_INTERRUPTIBILITY, BLOCKED_BY_STI);
    vmx_ops.want_window(&vcpu, true, false);
    assert_true(field(GUEST_INTERRUPTIBILITY) == BLOCKED_BY_STI);
    vmx_ops.want_window(&vcpu, false, true);
    assert_true(field(GUEST_INTERRUPTIBILITY) == BLOCKED_BY_MOV_SS);
}

static void windows_are_asked_for_one_by_one(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    static const uint64_t bits[] = {0, BIT(2), BIT(22), BIT(2) | BIT(22)};
    for (unsigned i = 0; i < 8; i++) {
        vmx_ops.want_window(&vcpu, (i & 1) != 0, (i & 2) != 0);
        assert_true((field(PROC_CONTROLS) & (BIT(2) | BIT(22))) == bits[i & 3]);
    }
    unsigned writes = fake_vmcs_current()->writes;
    vmx_ops.want_window(&vcpu, true, true);
    assert_int_equal(fake_vmcs_current()->writes, writes);
}

static void an_nmi_is_injected_though_the_one_before_is_being_handled(void **state)
{
    (void)state;
    start(&vcpu, &long_entry);
    vmcs_write(GUEST_INTERRUPTIBILITY, BLOCKED_BY_NMI);
    vcpu.event = (struct vcpu_event){EVENT_NMI, 2, false,
                                     0}; /* its delivery was cut short: it is the one that blocks */
    vmx_ops.inject(&vcpu);
    assert_false(vmx_ops.nmi_blocked(&vcpu));
    assert_true(field(ENTRY_EVENT) == (BIT(31) | 2 << 8 | 2));
}

static void an_error_code_is_delivered_but_in_real_mode(void **state)
{
    (void)state;
    vcpu.event = (struct vcpu_event){EVENT_EXCEPTION, 13, true, 0x18};
    start(&vcpu, &long_entry);
    vmx_ops.inject(&vcpu);
    assert_true(field(ENTRY_EVENT) == (BIT(31) | BIT(11) | 3 << 8 | 13));
    assert_true(field(ENTRY_EVENT_ERROR) == 0x18);
    start(&vcpu, &real_entry);
    vmx_ops.inject(&vcpu);
    assert_true(field(ENTRY_EVENT) == (BIT(31) | 3 << 8 | 13));
}

static void a_pool_that_is_empty_is_told(void **state)
{
    (void)state;
    while (pool_alloc(1) != NULL) {
    }
    struct vcpu third = {.partition = &partition, .cpu = &cpu};
    assert_int_equal(vmx_ops.vcpu_create(&third), -MULLION_E_POOL);
}

static void a_destroyed_vcpu_gives_its_pages_back(void **state)
{
    (void)state;
    uint64_t before = pool_free_pages();
    struct vcpu third = {.partition = &partition, .cpu = &cpu};
    assert_int_equal(vmx_ops.vcpu_create(&third), 0);
    start(&third, &long_entry);
    vmx_ops.vcpu_destroy(&third);
    assert_null(fake_vmcs_current());
    assert_true(pool_free_pages() == before);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_way_to_begin_breaks_no_rule),
        TEST(every_event_breaks_no_rule),
        TEST(windows_break_no_rule),
        TEST(a_vmcs_that_breaks_a_rule_is_found_out),
        TEST(direct_msrs_do_not_exit_all_others_do),
        TEST(every_port_exits),
        TEST(the_intercepted_exceptions_are_three),
        TEST(the_pointer_names_four_write_back_levels),
        TEST(entries_have_the_form_of_the_manual),
        TEST(device_memory_is_uncached),
        TEST(the_cpu_is_switched_on_with_the_bits_that_vmx_fixes),
        TEST(the_first_entry_launches_later_ones_resume),
        TEST(a_refused_entry_tells_its_error_and_launches_again),
        TEST(an_entry_that_fails_on_the_guests_state_launches_again),
        TEST(a_vcpu_that_starts_anew_is_launched_again),
        TEST(a_vcpu_that_was_let_go_launches_again),
        TEST(a_reset_from_elsewhere_waits_for_the_vcpus_own_cpu),
        TEST(a_reset_leaves_nothing_of_the_guest_before),
        TEST(each_vcpu_of_a_shared_cpu_has_a_tag_of_its_own),
        TEST(translations_are_dropped_when_asked_for_and_only_then),
        TEST(registers_outside_of_the_vmcs_follow_their_vcpu),
        TEST(buffers_are_cleared_before_each_entry),
        TEST(machine_checks_stay_on_their_cpu_where_that_is_allowed),
        TEST(the_tpr_is_where_cr8_reads_find_it),
        TEST(fixed_bits_are_seen_as_the_guest_wrote_them),
        TEST(long_mode_entry_is_in_64_bit_code),
        TEST(the_cpus_word_on_a_length_is_taken_where_it_counts),
        TEST(skipping_moves_rip_by_the_code_size),
        TEST(skipping_ends_shadows_and_counts_as_a_step),
        TEST(a_data_breakpoint_before_a_skipped_instruction_is_delivered),
        TEST(an_nmi_waits_out_the_shadow_of_sti),
        TEST(windows_are_asked_for_one_by_one),
        TEST(an_nmi_is_injected_though_the_one_before_is_being_handled),
        TEST(an_error_code_is_delivered_but_in_real_mode),
        TEST(a_pool_that_is_empty_is_told),
        TEST(a_destroyed_vcpu_gives_its_pages_back),
    };
    return cmocka_run_group_tests_name("vmx", tests, NULL, NULL);
}
