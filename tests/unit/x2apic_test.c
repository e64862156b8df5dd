/* SPDX-License-Identifier: MIT */
/* The emulated x2APIC: registers, priorities, timer arithmetic. */
#include "dev/x2apic.h"
#include "unit.h"

#include <string.h>

#define KHZ 2500000u

#define ID       0x802u
#define VERSION  0x803u
#define TPR      0x808u
#define PPR      0x80au
#define EOI      0x80bu
#define LDR      0x80du
#define SVR      0x80fu
#define ISR      0x810u
#define TMR      0x818u
#define IRR      0x820u
#define ESR      0x828u
#define CMCI     0x82fu
#define ICR      0x830u
#define TIMER    0x832u
#define THERMAL  0x833u
#define PERF     0x834u
#define LINT0    0x835u
#define LINT1    0x836u
#define ERROR    0x837u
#define INITIAL  0x838u
#define CURRENT  0x839u
#define DIVIDE   0x83eu
#define SELF_IPI 0x83fu

#define MASKED     0x10000u
#define PERIODIC   0x20000u
#define DEADLINE   0x40000u
#define DIVIDE_BY1 0xbu

/* An enabled APIC at 2.5 GHz; each test has its own. */
static struct x2apic enabled(void)
{
    struct x2apic apic;
    enum x2apic_effect effect;
    x2apic_reset(&apic, 5, false, KHZ);
    assert_int_equal(x2apic_write(&apic, SVR, 0x1ff, 0, &effect), 0);
    return apic;
}

static uint64_t read_at(const struct x2apic *apic, uint32_t msr, uint64_t now)
{
    uint64_t value = 0;
    assert_int_equal(x2apic_read(apic, msr, now, &value), 0);
    return value;
}

static enum x2apic_effect write_at(struct x2apic *apic, uint32_t msr, uint64_t value, uint64_t now)
{
    enum x2apic_effect effect;
    assert_int_equal(x2apic_write(apic, msr, value, now, &effect), 0);
    return effect;
}

static void refused(uint32_t msr, uint64_t value)
{
    struct x2apic apic = enabled();
    struct x2apic before = apic;
    enum x2apic_effect effect;
    assert_int_equal(x2apic_write(&apic, msr, value, 0, &effect), X2APIC_ERROR);
    assert_memory_equal(&apic, &before, sizeof(apic));
}

/* ---- registers ---- */

static void reset_is_enabled_x2apic_with_all_masked(void **state)
{
    (void)state;
    struct x2apic apic;
    x2apic_reset(&apic, 3, true, KHZ);
    assert_int_equal(read_at(&apic, MSR_APIC_BASE, 0), 0xfee00d00);
    assert_int_equal(read_at(&apic, ID, 0), 3);
    assert_int_equal(read_at(&apic, VERSION, 0), 0x50014);
    assert_int_equal(read_at(&apic, SVR, 0), 0xff);
    for (uint32_t msr = TIMER; msr <= ERROR; msr++)
        assert_int_equal(read_at(&apic, msr, 0), MASKED);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
    x2apic_reset(&apic, 3, false, KHZ);
    assert_int_equal(read_at(&apic, MSR_APIC_BASE, 0), 0xfee00c00);
}

static void only_existing_registers_can_be_read(void **state)
{
    (void)state;
    static const uint8_t readable[] = {0x02, 0x03, 0x08, 0x0a, 0x0d, 0x0f, 0x28, 0x30, 0x32,
                                       0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3e};
    struct x2apic apic = enabled();
    for (uint32_t reg = 0; reg < 0x100; reg++) {
        uint64_t value;
        bool exists = (reg >= 0x10 && reg < 0x28) || memchr(readable, (int)reg, sizeof(readable));
        assert_int_equal(x2apic_read(&apic, 0x800 + reg, 0, &value), exists ? 0 : X2APIC_ERROR);
    }
    uint64_t value;
    assert_int_equal(x2apic_read(&apic, 0x7ff, 0, &value), X2APIC_ERROR);
    assert_int_equal(x2apic_read(&apic, 0x900, 0, &value), X2APIC_ERROR);
}

static void only_existing_registers_can_be_written(void **state)
{
    (void)state;
    static const uint8_t writable[] = {0x08, 0x0b, 0x0f, 0x28, 0x30, 0x32, 0x33,
                                       0x34, 0x35, 0x36, 0x37, 0x38, 0x3e, 0x3f};
    for (uint32_t reg = 0; reg < 0x100; reg++) {
        struct x2apic apic = enabled();
        enum x2apic_effect effect;
        int want = memchr(writable, (int)reg, sizeof(writable)) ? 0 : X2APIC_ERROR;
        assert_int_equal(x2apic_write(&apic, 0x800 + reg, 0, 0, &effect), want);
    }
}

static void reserved_bits_are_refused(void **state)
{
    (void)state;
    refused(TPR, 0x100);
    refused(EOI, 1);
    refused(SVR, 0x1400);
    refused(SVR, 1ull << 32);
    refused(ESR, 1);
    refused(TIMER, 1ull << 32 | MASKED);
    refused(TIMER, 0x60020);
    refused(TIMER, 0x80020);
    refused(TIMER, 0x00120);
    refused(THERMAL, 0x20030);
    refused(PERF, 0x08030);
    refused(ERROR, 0x00430);
    refused(LINT0, 0x20000);
    refused(INITIAL, 1ull << 32);
    refused(DIVIDE, 4);
    refused(DIVIDE, 0x10);
    refused(SELF_IPI, 0x100);
    refused(ICR, 0x2030);
    refused(ICR, 0x10030);
    refused(ICR, 0x100030);
}

static void dangerous_delivery_modes_are_refused(void **state)
{
    (void)state;
    static const uint32_t refused_modes[] = {1, 2, 3, 5, 6};
    for (size_t i = 0; i < ARRAY_COUNT(refused_modes); i++) {
        refused(LINT0, refused_modes[i] << 8 | 0x30);
        refused(LINT1, refused_modes[i] << 8 | MASKED);
        refused(THERMAL, refused_modes[i] << 8);
        refused(PERF, refused_modes[i] << 8);
    }
    refused(THERMAL, 0x700);
    refused(PERF, 0x700);
    refused(ICR, 0x0230); /* SMI */
    refused(ICR, 0x0330); /* reserved */
    refused(ICR, 0x0730); /* ExtINT */
}

static void nmi_in_the_lvt_is_stored_and_never_delivered(void **state)
{
    (void)state;
    struct x2apic apic = enabled();
    write_at(&apic, LINT1, 0x400, 0);
    write_at(&apic, PERF, 0x400, 0);
    assert_int_equal(read_at(&apic, LINT1, 0), 0x400);
    assert_int_equal(read_at(&apic, PERF, 0), 0x400);
    assert_int_equal(x2apic_pending(&apic), -1);
}

static void read_only_lvt_bits_are_ignored(void **state)
{
    (void)state;
    struct x2apic apic = enabled();
    write_at(&apic, LINT0, 0x15730, 0);
    assert_int_equal(read_at(&apic, LINT0, 0), 0x10730);
    write_at(&apic, TIMER, 0x11030, 0);
    assert_int_equal(read_at(&apic, TIMER, 0), 0x10030);
}

static void apic_base_cannot_leave_x2apic_mode_nor_move(void **state)
{
    (void)state;
    refused(MSR_APIC_BASE, 0);
    refused(MSR_APIC_BASE, 0xfee00800);
    refused(MSR_APIC_BASE, 0xfee01c00);
    refused(MSR_APIC_BASE, 0xfee00400);
    struct x2apic apic = enabled();
    assert_int_equal(write_at(&apic, MSR_APIC_BASE, 0xfee00c00, 0), X2APIC_NOTHING);
}

static void ldr_is_cluster_and_bit(void **state)
{
    (void)state;
    struct x2apic apic;
    x2apic_reset(&apic, 0x15, false, KHZ);
    assert_int_equal(read_at(&apic, LDR, 0), 0x10020);
    x2apic_reset(&apic, 0, false, KHZ);
    assert_int_equal(read_at(&apic, LDR, 0), 1);
}

static void destination_matches_physical_logical_and_broadcast(void **state)
{
    (void)state;
    assert_true(x2apic_destination_matches(5, 5, false));
    assert_false(x2apic_destination_matches(5, 4, false));
    assert_true(x2apic_destination_matches(5, 0xffffffff, false));
    assert_true(x2apic_destination_matches(5, 0xffffffff, true));
    assert_true(x2apic_destination_matches(5, 0x20, true));
    assert_true(x2apic_destination_matches(5, 0x21, true));
    assert_false(x2apic_destination_matches(5, 0x10020, true));
    assert_true(x2apic_destination_matches(0x15, 0x10020, true));
    assert_false(x2apic_destination_matches(0x15, 0x20, true));
}

/* ---- vectors ---- */

static void highest_vector_is_delivered_first(void **state)
{
    (void)state;
    struct x2apic apic = enabled();
    x2apic_raise(&apic, 0x31);
    x2apic_raise(&apic, 0xef);
    x2apic_raise(&apic, 0x80);
    assert_int_equal(read_at(&apic, IRR + 1, 0), 0x20000);
    assert_int_equal(x2apic_pending(&apic), 0xef);
    x2apic_accept(&apic, 0xef);
    assert_int_equal(read_at(&apic, ISR + 7, 0), 0x8000);
    assert_int_equal(read_at(&apic, IRR + 7, 0), 0);
    assert_int_equal(x2apic_pending(&apic), -1);
    write_at(&apic, EOI, 0, 0);
    assert_int_equal(x2apic_pending(&apic), 0x80);
}

static void a_vector_of_the_same_class_waits_for_eoi(void **state)
{
    (void)state;
    struct x2apic apic = enabled();
    x2apic_accept(&apic, 0x41);
    x2apic_raise(&apic, 0x4f);
    assert_int_equal(x2apic_pending(&apic), -1);
    x2apic_raise(&apic, 0x50);
    assert_int_equal(x2apic_pending(&apic), 0x50);
    x2apic_accept(&apic, 0x50);
    write_at(&apic, EOI, 0, 0); /* ends 0x50, the highest */
    assert_int_equal(x2apic_pending(&apic), -1);
    write_at(&apic, EOI, 0, 0);
    assert_int_equal(x2apic_pending(&apic), 0x4f);
    x2apic_accept(&apic, 0x4f);
    write_at(&apic, EOI, 0, 0);
    write_at(&apic, EOI, 0, 0); /* one too many does nothing */
    assert_int_equal(x2apic_pending(&apic), -1);
}

static void tpr_holds_back_its_class_and_below(void **state)
{
    (void)state;
    struct x2apic apic = enabled();
    x2apic_raise(&apic, 0x4f);
    write_at(&apic, TPR, 0x40, 0);
    assert_int_equal(x2apic_pending(&apic), -1);
    write_at(&apic, TPR, 0x3f, 0);
    assert_int_equal(x2apic_pending(&apic), 0x4f);
}

static void ppr_is_the_higher_of_tpr_and_in_service(void **state)
{
    (void)state;
    struct x2apic apic = enabled();
    write_at(&apic, TPR, 0x35, 0);
    assert_int_equal(read_at(&apic, PPR, 0), 0x35);
    x2apic_accept(&apic, 0x3a);
    assert_int_equal(read_at(&apic, PPR, 0), 0x35);
    x2apic_accept(&apic, 0x4a);
    assert_int_equal(read_at(&apic, PPR, 0), 0x40);
}

static void illegal_vectors_are_dropped_and_recorded(void **state)
{
    (void)state;
    struct x2apic apic = enabled();
    x2apic_raise(&apic, 15);
    assert_int_equal(x2apic_pending(&apic), -1);
    assert_int_equal(read_at(&apic, IRR, 0), 0);
    assert_int_equal(read_at(&apic, ESR, 0), 0);
    write_at(&apic, ESR, 0, 0);
    assert_int_equal(read_at(&apic, ESR, 0), 0x40);
    write_at(&apic, ESR, 0, 0);
    assert_int_equal(read_at(&apic, ESR, 0), 0);
}

static void an_error_raises_the_error_vector(void **state)
{
    (void)state;
    struct x2apic apic = enabled();
    write_at(&apic, ERROR, 0xfe, 0);
    assert_int_equal(write_at(&apic, ICR, 0x0000000300000005, 0), X2APIC_NOTHING);
    assert_int_equal(x2apic_pending(&apic), 0xfe);
    write_at(&apic, ESR, 0, 0);
    assert_int_equal(read_at(&apic, ESR, 0), 0x20);
}

static void a_software_disabled_apic_takes_and_delivers_nothing(void **state)
{
    (void)state;
    struct x2apic apic = enabled();
    write_at(&apic, TIMER, 0x30, 0);
    write_at(&apic, LINT0, 0x700, 0);
    x2apic_raise(&apic, 0x40);
    write_at(&apic, SVR, 0xff, 0);
    assert_int_equal(read_at(&apic, TIMER, 0), MASKED | 0x30);
    assert_int_equal(read_at(&apic, LINT0, 0), MASKED | 0x700);
    assert_int_equal(x2apic_pending(&apic), -1);
    x2apic_raise(&apic, 0x50);
    write_at(&apic, TIMER, 0x31, 0);
    assert_int_equal(read_at(&apic, TIMER, 0), MASKED | 0x31);
    write_at(&apic, SVR, 0x1ff, 0);
    assert_int_equal(x2apic_pending(&apic), 0x40);
}

/* ---- interrupt commands ---- */

static void icr_writes_ask_for_an_ipi_and_read_back(void **state)
{
    (void)state;
    static const uint64_t commands[] = {
        0x00000002000000fd,                            /* fixed, physical */
        0x00000003000008fd,                            /* fixed, logical */
        0x00000000000c40fd,                            /* all but self */
        0x00000000000840fd,                            /* all */
        0x0000000100000400,                            /* NMI */
        0x0000000100004500,        0x000000010000c500, /* INIT */
        0x0000000100000600 | 0x9a,                     /* SIPI */
    };
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        struct x2apic apic = enabled();
        assert_int_equal(write_at(&apic, ICR, commands[i], 0), X2APIC_SEND_IPI);
        assert_true(read_at(&apic, ICR, 0) == commands[i]);
        assert_int_equal(x2apic_pending(&apic), -1);
    }
}

static void init_deassert_does_nothing(void **state)
{
    (void)state;
    struct x2apic apic = enabled();
    assert_int_equal(write_at(&apic, ICR, 0x0000000100008500, 0), X2APIC_NOTHING);
}

static void self_ipis_are_applied_at_once(void **state)
{
    (void)state;
    struct x2apic apic = enabled();
    assert_int_equal(write_at(&apic, SELF_IPI, 0xf6, 0), X2APIC_NOTHING);
    assert_int_equal(x2apic_pending(&apic), 0xf6);
    assert_int_equal(write_at(&apic, ICR, 0x400f7 | 0x4000, 0), X2APIC_NOTHING);
    assert_int_equal(x2apic_pending(&apic), 0xf7);
}

/* ---- timer ---- */

/* A timer unmasked in `mode` with vector 0x30, divided by one. */
static struct x2apic with_timer(uint32_t mode, uint32_t khz)
{
    struct x2apic apic;
    x2apic_reset(&apic, 0, true, khz);
    write_at(&apic, SVR, 0x1ff, 0);
    write_at(&apic, DIVIDE, DIVIDE_BY1, 0);
    write_at(&apic, TIMER, mode | 0x30, 0);
    return apic;
}

static void one_shot_counts_nanoseconds_and_fires_once(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(0, KHZ);
    assert_int_equal(write_at(&apic, INITIAL, 1000, 100), X2APIC_TIMER_CHANGED);
    assert_int_equal(x2apic_timer_deadline(&apic), 100 + 2500);
    assert_int_equal(read_at(&apic, CURRENT, 100), 1000);
    assert_int_equal(read_at(&apic, CURRENT, 100 + 1250), 500);
    assert_int_equal(read_at(&apic, CURRENT, 100 + 2499), 1);
    assert_int_equal(read_at(&apic, CURRENT, 100 + 2500), 0);
    x2apic_timer_poll(&apic, 100 + 2499);
    assert_int_equal(x2apic_pending(&apic), -1);
    x2apic_timer_poll(&apic, 100 + 2500);
    assert_int_equal(x2apic_pending(&apic), 0x30);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
    assert_int_equal(read_at(&apic, CURRENT, 5000), 0);
    assert_int_equal(read_at(&apic, INITIAL, 5000), 1000);
}

static void count_zero_stops_the_timer(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(PERIODIC, KHZ);
    write_at(&apic, INITIAL, 1000000, 0);
    write_at(&apic, INITIAL, 0, 10);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
    assert_int_equal(read_at(&apic, CURRENT, 20), 0);
}

static void divisors_are_those_of_the_manual(void **state)
{
    (void)state;
    static const struct {
        uint32_t code, divisor;
    } rows[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct x2apic apic = with_timer(0, KHZ);
        write_at(&apic, DIVIDE, rows[i].code, 0);
        write_at(&apic, INITIAL, 1000, 0);
        assert_int_equal(x2apic_timer_deadline(&apic), 2500 * rows[i].divisor);
        assert_int_equal(read_at(&apic, CURRENT, 0), 1000);
        assert_int_equal(read_at(&apic, CURRENT, 1250 * rows[i].divisor), 500);
    }
}

static void a_new_divisor_applies_to_the_rest_of_the_count(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(0, KHZ);
    write_at(&apic, INITIAL, 1000, 0);
    write_at(&apic, DIVIDE, 0, 1250); /* 500 left, now by 2 */
    assert_int_equal(read_at(&apic, CURRENT, 1250), 500);
    assert_int_equal(x2apic_timer_deadline(&apic), 1250 + 2500);
}

static void periodic_fires_on_its_own_grid(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(PERIODIC, KHZ);
    write_at(&apic, INITIAL, 1000000, 0); /* 1 ms = 2,500,000 ticks */
    x2apic_timer_poll(&apic, 2500007);
    assert_int_equal(x2apic_pending(&apic), 0x30);
    assert_int_equal(x2apic_timer_deadline(&apic), 5000000);
    x2apic_timer_poll(&apic, 5000000);
    assert_int_equal(x2apic_timer_deadline(&apic), 7500000);
    assert_int_equal(read_at(&apic, CURRENT, 6250000), 500000);
}

static void missed_periods_are_one_interrupt(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(PERIODIC, KHZ);
    write_at(&apic, INITIAL, 1000000, 0);
    x2apic_timer_poll(&apic, 2500000ull * 1000 + 1);
    assert_int_equal(x2apic_pending(&apic), 0x30);
    assert_int_equal(x2apic_timer_deadline(&apic), 2500000ull * 1001);
}

static void a_short_period_is_stretched_to_20_us(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(PERIODIC, KHZ);
    write_at(&apic, INITIAL, 1, 0);
    assert_int_equal(x2apic_timer_deadline(&apic), 50000);
    x2apic_timer_poll(&apic, 50000);
    assert_int_equal(x2apic_timer_deadline(&apic), 100000);
    assert_int_equal(read_at(&apic, CURRENT, 99000), 1);
}

static void a_masked_expiry_is_lost(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(0, KHZ);
    write_at(&apic, INITIAL, 1000, 0);
    write_at(&apic, TIMER, MASKED | 0x30, 10);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
    assert_int_equal(read_at(&apic, CURRENT, 1250), 500);
    write_at(&apic, TIMER, 0x30, 3000);
    assert_int_equal(x2apic_pending(&apic), -1);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
}

static void unmasking_before_expiry_keeps_the_deadline(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(MASKED, KHZ);
    write_at(&apic, INITIAL, 1000, 0);
    write_at(&apic, TIMER, 0x30, 1000);
    assert_int_equal(x2apic_timer_deadline(&apic), 2500);
}

static void an_expiry_before_a_write_is_not_lost(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(0, KHZ);
    write_at(&apic, INITIAL, 1000, 0);
    write_at(&apic, INITIAL, 1000, 2600);
    assert_int_equal(x2apic_pending(&apic), 0x30);
    assert_int_equal(x2apic_timer_deadline(&apic), 5100);
}

static void tsc_deadline_fires_once_and_reads_zero_after(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(DEADLINE, KHZ);
    assert_int_equal(write_at(&apic, MSR_TSC_DEADLINE, 1000, 10), X2APIC_TIMER_CHANGED);
    assert_int_equal(read_at(&apic, MSR_TSC_DEADLINE, 20), 1000);
    assert_int_equal(x2apic_timer_deadline(&apic), 1000);
    x2apic_timer_poll(&apic, 1000);
    assert_int_equal(x2apic_pending(&apic), 0x30);
    assert_int_equal(read_at(&apic, MSR_TSC_DEADLINE, 1001), 0);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
}

static void a_deadline_in_the_past_fires_at_the_next_poll(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(DEADLINE, KHZ);
    write_at(&apic, MSR_TSC_DEADLINE, 1, 5000);
    assert_int_equal(x2apic_pending(&apic), -1);
    x2apic_timer_poll(&apic, 5000);
    assert_int_equal(x2apic_pending(&apic), 0x30);
}

static void tsc_deadline_zero_disarms(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(DEADLINE, KHZ);
    write_at(&apic, MSR_TSC_DEADLINE, 1000, 0);
    write_at(&apic, MSR_TSC_DEADLINE, 0, 1);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
    x2apic_timer_poll(&apic, 2000);
    assert_int_equal(x2apic_pending(&apic), -1);
}

static void tsc_deadline_is_dead_in_other_modes(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(0, KHZ);
    write_at(&apic, MSR_TSC_DEADLINE, 1000, 0);
    assert_int_equal(read_at(&apic, MSR_TSC_DEADLINE, 0), 0);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
    write_at(&apic, INITIAL, 1000, 0);
    assert_int_equal(read_at(&apic, MSR_TSC_DEADLINE, 0), 0);
}

static void counts_are_dead_in_tsc_deadline_mode(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(DEADLINE, KHZ);
    write_at(&apic, INITIAL, 1000, 0);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
    assert_int_equal(read_at(&apic, INITIAL, 0), 0);
    write_at(&apic, MSR_TSC_DEADLINE, 1000, 0);
    assert_int_equal(read_at(&apic, CURRENT, 500), 0);
    write_at(&apic, DIVIDE, 3, 500);
    assert_int_equal(x2apic_timer_deadline(&apic), 1000);
}

static void switching_to_or_from_tsc_deadline_disarms(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(0, KHZ);
    write_at(&apic, INITIAL, 1000, 0);
    write_at(&apic, TIMER, DEADLINE | 0x30, 10);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
    write_at(&apic, MSR_TSC_DEADLINE, 1000, 10);
    write_at(&apic, TIMER, PERIODIC | 0x30, 20);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
}

static void one_shot_and_periodic_switch_without_a_stop(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(0, KHZ);
    write_at(&apic, INITIAL, 1000000, 0);
    write_at(&apic, TIMER, PERIODIC | 0x30, 10);
    assert_int_equal(x2apic_timer_deadline(&apic), 2500000);
    x2apic_timer_poll(&apic, 2500000);
    assert_int_equal(x2apic_timer_deadline(&apic), 5000000);
}

static void the_longest_count_is_exact_at_any_rate(void **state)
{
    (void)state;
    static const uint32_t rates[] = {1, 999, 1000000, KHZ, 3699999, 0xffffffff};
    for (size_t i = 0; i < ARRAY_COUNT(rates); i++) {
        struct x2apic apic = with_timer(0, rates[i]);
        write_at(&apic, DIVIDE, 0xa, 0); /* by 128 */
        write_at(&apic, INITIAL, 0xffffffff, 0);
        __extension__ unsigned __int128 exact = (unsigned __int128)0xffffffff * 128 * rates[i];
        uint64_t ticks = (uint64_t)((exact + 999999) / 1000000);
        assert_true(x2apic_timer_deadline(&apic) == ticks);
        assert_int_equal(read_at(&apic, CURRENT, 0), 0xffffffff);
        assert_int_equal(read_at(&apic, CURRENT, ticks), 0);
        uint64_t half = read_at(&apic, CURRENT, ticks / 2);
        assert_in_range(half, 0x7fff0000, 0x80010000);
    }
}

static void the_count_never_rises(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(0, 3699999);
    write_at(&apic, INITIAL, 5000, 77);
    uint64_t last = 5000;
    for (uint64_t now = 77; now <= x2apic_timer_deadline(&apic); now++) {
        uint64_t count = read_at(&apic, CURRENT, now);
        assert_true(count <= last);
        last = count;
    }
    assert_int_equal(last, 0);
}

static void the_end_of_tsc_time_is_never_reached(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(0, KHZ);
    write_at(&apic, INITIAL, 1000, UINT64_MAX - 10);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
    apic = with_timer(PERIODIC, KHZ);
    write_at(&apic, INITIAL, 100000, UINT64_MAX - 300000);
    x2apic_timer_poll(&apic, UINT64_MAX - 10);
    assert_int_equal(x2apic_pending(&apic), 0x30);
    assert_true(x2apic_timer_deadline(&apic) == X2APIC_NO_DEADLINE);
    apic = with_timer(DEADLINE, KHZ);
    write_at(&apic, MSR_TSC_DEADLINE, UINT64_MAX, 0);
    assert_true(x2apic_timer_deadline(&apic) >= UINT64_MAX - 1);
    x2apic_timer_poll(&apic, UINT64_MAX - 2);
    assert_int_equal(x2apic_pending(&apic), -1);
}

static void a_tsc_that_steps_back_does_no_harm(void **state)
{
    (void)state;
    struct x2apic apic = with_timer(PERIODIC, KHZ);
    write_at(&apic, INITIAL, 1000000, UINT64_MAX / 2);
    assert_int_equal(read_at(&apic, CURRENT, 0), 1000000);
    x2apic_timer_poll(&apic, 0);
    assert_int_equal(x2apic_pending(&apic), -1);
}

static const struct CMUnitTest register_tests[] = {
    cmocka_unit_test(reset_is_enabled_x2apic_with_all_masked),
    cmocka_unit_test(only_existing_registers_can_be_read),
    cmocka_unit_test(only_existing_registers_can_be_written),
    cmocka_unit_test(reserved_bits_are_refused),
    cmocka_unit_test(dangerous_delivery_modes_are_refused),
    cmocka_unit_test(nmi_in_the_lvt_is_stored_and_never_delivered),
    cmocka_unit_test(read_only_lvt_bits_are_ignored),
    cmocka_unit_test(apic_base_cannot_leave_x2apic_mode_nor_move),
    cmocka_unit_test(ldr_is_cluster_and_bit),
    cmocka_unit_test(destination_matches_physical_logical_and_broadcast),
    cmocka_unit_test(highest_vector_is_delivered_first),
    cmocka_unit_test(a_vector_of_the_same_class_waits_for_eoi),
    cmocka_unit_test(tpr_holds_back_its_class_and_below),
    cmocka_unit_test(ppr_is_the_higher_of_tpr_and_in_service),
    cmocka_unit_test(illegal_vectors_are_dropped_and_recorded),
    cmocka_unit_test(an_error_raises_the_error_vector),
    cmocka_unit_test(a_software_disabled_apic_takes_and_delivers_nothing),
    cmocka_unit_test(icr_writes_ask_for_an_ipi_and_read_back),
    cmocka_unit_test(init_deassert_does_nothing),
    cmocka_unit_test(self_ipis_are_applied_at_once),
};

static const struct CMUnitTest timer_tests[] = {
    cmocka_unit_test(one_shot_counts_nanoseconds_and_fires_once),
    cmocka_unit_test(count_zero_stops_the_timer),
    cmocka_unit_test(divisors_are_those_of_the_manual),
    cmocka_unit_test(a_new_divisor_applies_to_the_rest_of_the_count),
    cmocka_unit_test(periodic_fires_on_its_own_grid),
    cmocka_unit_test(missed_periods_are_one_interrupt),
    cmocka_unit_test(a_short_period_is_stretched_to_20_us),
    cmocka_unit_test(a_masked_expiry_is_lost),
    cmocka_unit_test(unmasking_before_expiry_keeps_the_deadline),
    cmocka_unit_test(an_expiry_before_a_write_is_not_lost),
    cmocka_unit_test(tsc_deadline_fires_once_and_reads_zero_after),
    cmocka_unit_test(a_deadline_in_the_past_fires_at_the_next_poll),
    cmocka_unit_test(tsc_deadline_zero_disarms),
    cmocka_unit_test(tsc_deadline_is_dead_in_other_modes),
    cmocka_unit_test(counts_are_dead_in_tsc_deadline_mode),
    cmocka_unit_test(switching_to_or_from_tsc_deadline_disarms),
    cmocka_unit_test(one_shot_and_periodic_switch_without_a_stop),
    cmocka_unit_test(the_longest_count_is_exact_at_any_rate),
    cmocka_unit_test(the_count_never_rises),
    cmocka_unit_test(the_end_of_tsc_time_is_never_reached),
    cmocka_unit_test(a_tsc_that_steps_back_does_no_harm),
};

int main(void)
{
    int failed = cmocka_run_group_tests_name("x2apic registers", register_tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("x2apic timer", timer_tests, NULL, NULL);
}
