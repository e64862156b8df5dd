/* SPDX-License-Identifier: MIT */
/*
 * What a CPU must be able to do for the VMX back end, and what becomes of what it says: Intel SDM volume 3,
 * appendix A. The CPU is a table of registers, that of an Intel CPU of 2013 unless a test changes it.
 */
#include "core/core.h"

static uint64_t read_register(uint32_t number);
static void write_register(uint32_t number, uint64_t value);

#define rdmsr(number)        read_register(number)
#define wrmsr(number, value) write_register(number, value)
#define cpuid(leaf, subleaf) ((struct cpuid_regs){0, 0, 0, 0}) /* no machine checks: vmx_test has some */
#include "x86/vmx/capabilities.c"                              // NOLINT(bugprone-suspicious-include)

#include "unit.h"

#include <stdio.h>
#include <string.h>

enum {
    FEATURE_CONTROL = 0x3a,
    BASIC = 0x480,
    PLAIN_PROC = 0x482,
    MISC = 0x485,
    CR0_FIXED0 = 0x486,
    CR0_FIXED1 = 0x487
};
enum {
    CR4_FIXED0 = 0x488,
    CR4_FIXED1 = 0x489,
    PROC2 = 0x48b,
    EPT_VPID = 0x48c,
    PIN = 0x48d,
    PROC = 0x48e,
    EXIT = 0x48f
};
enum { ENTRY = 0x490, LOCKED_ON = 5, LOCKED_OFF = 1, OPEN = 0 };

static struct {
    uint32_t number;
    uint64_t value;
} cpu[] = {
    {FEATURE_CONTROL, 0},
    {BASIC, 0},
    {PLAIN_PROC, 0},
    {MISC, 0},
    {CR0_FIXED0, 0},
    {CR0_FIXED1, 0},
    {CR4_FIXED0, 0},
    {CR4_FIXED1, 0},
    {PROC2, 0},
    {EPT_VPID, 0},
    {PIN, 0},
    {PROC, 0},
    {EXIT, 0},
    {ENTRY, 0},
};
static const uint64_t values_of_2013[] = {
    LOCKED_ON,
    0x00da040000000012,
    0xfff9fffe0401e172,
    0x300481e5,
    0x80000021,
    0xffffffff,
    0x2000,
    0x3727ff,
    0x00007cff00000000,
    0x00000f0106734141,
    0x0000007f00000016,
    0xfff9fffe04006172,
    0x007fffff00036dfb,
    0x0000ffff000011fb,
};

static uint64_t *register_at(uint32_t number)
{
    for (size_t i = 0; i < ARRAY_COUNT(cpu); i++) {
        if (cpu[i].number == number)
            return &cpu[i].value;
    }
    fail_msg("MSR 0x%x was asked for", number);
    return NULL;
}

static uint64_t read_register(uint32_t number)
{
    /* Some exist only where another says so; reading one that does not is a fault. */
    if (number == PROC2 || number == EPT_VPID)
        assert_true((*register_at(PLAIN_PROC) >> 63 & 1) != 0);
    if (number == EPT_VPID)
        assert_true((*register_at(PROC2) & (BIT(33) | BIT(37))) != 0);
    if (number >= PIN && number <= ENTRY)
        assert_true((*register_at(BASIC) & BIT(55)) != 0);
    return *register_at(number);
}

static void write_register(uint32_t number, uint64_t value)
{
    assert_int_equal(number, FEATURE_CONTROL); /* the others are read-only */
    assert_false(*register_at(number) & LOCKED_OFF);
    *register_at(number) = value;
}

/* The VMM's own formatter, near enough. */
size_t text_format(char *to, size_t bytes, const char *format, va_list arguments)
{
    return (size_t)vsnprintf(to, bytes, format, arguments);
}

static int fresh(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cpu); i++)
        cpu[i].value = values_of_2013[i];
    return 0;
}

static void clear(uint32_t number, unsigned bit)
{
    *register_at(number) &= ~BIT(bit);
}

/* By the manual: register, bit in it. A control that may be 1 is 32 bits higher than in its field. */
static const struct {
    const char *name;
    uint32_t number;
    unsigned bit;
} needed[] = {
    {"EPT", PROC2, 33},
    {"VPID", PROC2, 37},
    {"WBINVD exiting", PROC2, 38},
    {"unrestricted guest", PROC2, 39},
    {"external-interrupt exiting", PIN, 32},
    {"NMI exiting", PIN, 35},
    {"virtual NMIs", PIN, 37},
    {"interrupt-window exiting", PROC, 34},
    {"HLT exiting", PROC, 39},
    {"MWAIT exiting", PROC, 42},
    {"RDPMC exiting", PROC, 43},
    {"CR8-load exiting", PROC, 51},
    {"TPR shadow", PROC, 53},
    {"NMI-window exiting", PROC, 54},
    {"I/O bitmaps", PROC, 57},
    {"MSR bitmaps", PROC, 60},
    {"MONITOR exiting", PROC, 61},
    {"secondary controls", PROC, 63},
    {"save debug controls", EXIT, 34},
    {"64-bit host", EXIT, 41},
    {"load PAT at exits", EXIT, 51},
    {"save EFER at exits", EXIT, 52},
    {"load EFER at exits", EXIT, 53},
    {"load debug controls", ENTRY, 34},
    {"64-bit guest", ENTRY, 41},
    {"load PAT at entries", ENTRY, 46},
    {"load EFER at entries", ENTRY, 47},
    {"write-back VMCS", BASIC, 51},
    {"write-back VMCS", BASIC, 52},
    {"flexible default settings of controls", BASIC, 55},
    {"store of EFER.LMA at exits", MISC, 5},
    {"EPT of four levels", EPT_VPID, 6},
    {"write-back EPT", EPT_VPID, 14},
    {"EPT pages of 2 MiB", EPT_VPID, 16},
    {"INVEPT", EPT_VPID, 20},
    {"INVEPT of one context", EPT_VPID, 25},
    {"INVVPID", EPT_VPID, 32},
    {"INVVPID of one context", EPT_VPID, 41},
};

/* "what; reason; remedy" */
static void assert_is_complaint(const char *text)
{
    assert_non_null(text);
    const char *reason = strstr(text, "; ");
    assert_non_null(reason);
    assert_non_null(strstr(reason + 2, "; "));
    assert_null(strchr(text, '\n'));
}

static void a_cpu_of_2013_lacks_nothing(void **state)
{
    (void)state;
    assert_null(vmx_missing());
}

static void each_thing_that_is_missing_is_named_with_register_and_bit(void **state)
{
    for (size_t i = 0; i < ARRAY_COUNT(needed); i++) {
        char name[64], place[64];
        fresh(state);
        clear(needed[i].number, needed[i].bit);
        const char *text = vmx_missing();
        assert_is_complaint(text);
        (void)snprintf(name, sizeof name, "\"%s\"", needed[i].name);
        (void)snprintf(place, sizeof place, "; bit %u of MSR 0x%x is clear; ", needed[i].bit,
                       needed[i].number);
        if (strstr(text, name) == NULL || strstr(text, place) == NULL)
            fail_msg("%s, %s: %s", name, place, text);
    }
}

static void nothing_else_is_demanded(void **state)
{
    for (size_t i = 0; i < ARRAY_COUNT(cpu); i++) {
        bool controls = (cpu[i].number >= PROC2 && cpu[i].number != EPT_VPID) || cpu[i].number == PLAIN_PROC;
        for (unsigned bit = controls ? 32 : 0; bit < 64; bit++) {
            fresh(state);
            bool is_needed = cpu[i].number == PLAIN_PROC && bit == 63;
            for (size_t row = 0; row < ARRAY_COUNT(needed); row++)
                is_needed |= needed[row].number == cpu[i].number && needed[row].bit == bit;
            if (is_needed || cpu[i].number == FEATURE_CONTROL)
                continue;
            clear(cpu[i].number, bit);
            if (vmx_missing() != NULL)
                fail_msg("MSR 0x%x bit %u: %s", cpu[i].number, bit, vmx_missing());
        }
    }
}

static void firmware_that_locked_vmx_off_is_told_what_to_change(void **state)
{
    (void)state;
    *register_at(FEATURE_CONTROL) = LOCKED_OFF;
    const char *text = vmx_missing();
    assert_is_complaint(text);
    assert_non_null(strstr(text, "bit 2 of MSR 0x3a"));
    assert_non_null(strstr(text, "IA32_FEATURE_CONTROL"));
    assert_non_null(strstr(text, "firmware set-up"));
}

static void vmx_that_firmware_left_open_is_switched_on_and_locked(void **state)
{
    (void)state;
    *register_at(FEATURE_CONTROL) = OPEN;
    assert_null(vmx_missing());
    vmx_unlock();
    assert_int_equal(*register_at(FEATURE_CONTROL), LOCKED_ON);
    vmx_unlock(); /* the second time it is locked: a write would be a fault */
}

static void a_cpu_without_secondary_controls_is_told_so_without_a_fault(void **state)
{
    (void)state;
    clear(PLAIN_PROC, 63);
    const char *text = vmx_missing();
    assert_is_complaint(text);
    assert_non_null(strstr(text, "EPT"));
    assert_non_null(strstr(text, "unrestricted guest"));
    assert_non_null(strstr(text, "bit 63 of MSR 0x482"));
}

static void an_exit_that_cannot_be_switched_off_is_told(void **state)
{
    (void)state;
    *register_at(PROC) |= BIT(9); /* INVLPG exiting: has no verdict */
    const char *text = vmx_missing();
    assert_is_complaint(text);
    assert_non_null(strstr(text, "bit 9 of MSR 0x48e"));
    fresh(state);
    *register_at(PROC) |= BIT(7); /* HLT exiting is wanted anyway */
    assert_null(vmx_missing());
}

/* What the fields hold on that CPU; written down here a second time. */
static void controls_are_what_is_needed_and_what_the_cpu_wants_set(void **state)
{
    (void)state;
    assert_int_equal(vmx_controls(VMX_PIN), 0x16 | BIT(0) | BIT(3) | BIT(5));
    assert_int_equal(vmx_controls(VMX_PROC), 0x04006172u | BIT(7) | BIT(10) | BIT(11) | BIT(19) | BIT(21) |
                                                 BIT(25) | BIT(28) | BIT(29) | BIT(31));
    assert_int_equal(vmx_controls(VMX_PROC2), BIT(1) | BIT(3) | BIT(5) | BIT(6) | BIT(7) | BIT(12));
    assert_int_equal(vmx_controls(VMX_EXIT), 0x36dfb | BIT(2) | BIT(9) | BIT(19) | BIT(20) | BIT(21));
    assert_int_equal(vmx_controls(VMX_ENTRY), 0x11fb | BIT(2) | BIT(14) | BIT(15));
}

static void windows_and_long_mode_are_not_asked_for_at_first(void **state)
{
    (void)state;
    assert_false(vmx_controls(VMX_PROC) & (BIT(2) | BIT(22)));
    assert_false(vmx_controls(VMX_ENTRY) & BIT(9));
}

static void what_is_optional_is_used_where_it_is_there(void **state)
{
    (void)state;
    clear(PROC2, 32 + 3);
    clear(PROC2, 32 + 12);
    assert_null(vmx_missing());
    assert_int_equal(vmx_controls(VMX_PROC2), BIT(1) | BIT(5) | BIT(6) | BIT(7));
}

static void every_control_is_one_that_the_cpu_allows(void **state)
{
    (void)state;
    static const struct {
        enum vmx_control_group group;
        uint32_t number;
    } groups_of_cpu[] = {
        {VMX_PIN, PIN}, {VMX_PROC, PROC}, {VMX_PROC2, PROC2}, {VMX_EXIT, EXIT}, {VMX_ENTRY, ENTRY}};
    for (size_t i = 0; i < ARRAY_COUNT(groups_of_cpu); i++) {
        uint64_t allowed = *register_at(groups_of_cpu[i].number);
        uint32_t controls = vmx_controls(groups_of_cpu[i].group);
        assert_int_equal(controls & (uint32_t)allowed, (uint32_t)allowed);
        assert_int_equal(controls & ~(uint32_t)(allowed >> 32), 0);
    }
}

static void large_pages_follow_the_cpu(void **state)
{
    (void)state;
    clear(EPT_VPID, 17);
    assert_false(vmx_has_gigabyte_pages());
    *register_at(EPT_VPID) |= BIT(17);
    assert_true(vmx_has_gigabyte_pages());
}

static void the_revision_has_31_bits(void **state)
{
    (void)state;
    assert_int_equal(vmx_revision(), 0x12);
    *register_at(BASIC) |= BIT(31);
    assert_int_equal(vmx_revision(), 0x12);
}

static void cr0_gets_what_vmx_fixes_but_keeps_the_guests_paging(void **state)
{
    (void)state;
    assert_true(vmx_fixed_cr0(0) == BIT(5)); /* NE; PE and PG are the guest's */
    assert_true(vmx_fixed_cr0(BIT(0) | BIT(31)) == (BIT(0) | BIT(5) | BIT(31)));
    assert_true(vmx_fixed_cr0(BIT(29) | BIT(30) | BIT(40)) ==
                BIT(5)); /* never NW, CD, bits that do not exist */
    uint64_t mask = vmx_cr0_mask();
    assert_true((mask & (BIT(5) | BIT(29) | BIT(30) | BIT(32) | BIT(63))) ==
                (BIT(5) | BIT(29) | BIT(30) | BIT(32) | BIT(63)));
    assert_true((mask & (BIT(0) | BIT(1) | BIT(3) | BIT(16) | BIT(31))) == 0);
}

static void cr4_gets_what_vmx_fixes(void **state)
{
    (void)state;
    assert_true(vmx_fixed_cr4(BIT(5)) == (BIT(5) | BIT(13)));
    assert_true(vmx_fixed_cr4(BIT(11)) == BIT(13)); /* a bit that must be 0 */
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cpu_of_2013_lacks_nothing),
        TEST(each_thing_that_is_missing_is_named_with_register_and_bit),
        TEST(nothing_else_is_demanded),
        TEST(firmware_that_locked_vmx_off_is_told_what_to_change),
        TEST(vmx_that_firmware_left_open_is_switched_on_and_locked),
        TEST(a_cpu_without_secondary_controls_is_told_so_without_a_fault),
        TEST(an_exit_that_cannot_be_switched_off_is_told),
        TEST(controls_are_what_is_needed_and_what_the_cpu_wants_set),
        TEST(windows_and_long_mode_are_not_asked_for_at_first),
        TEST(what_is_optional_is_used_where_it_is_there),
        TEST(every_control_is_one_that_the_cpu_allows),
        TEST(large_pages_follow_the_cpu),
        TEST(the_revision_has_31_bits),
        TEST(cr0_gets_what_vmx_fixes_but_keeps_the_guests_paging),
        TEST(cr4_gets_what_vmx_fixes),
    };
    return cmocka_run_group_tests_name("vmx capabilities", tests, NULL, NULL);
}
