/* SPDX-License-Identifier: MIT */
/* Two on one CPU: who runs, and until when. */
#include "core/share.h"
#include "unit.h"

#define PERIOD 1000u
#define NEVER  UINT64_MAX

static struct share fresh(void)
{
    return (struct share){.period = PERIOD};
}

/* One CPU on which both want to run when `want` says so; returns the ticks that each got in [from, to). */
struct ticks {
    uint64_t first, second, none;
};

typedef bool wants_at(uint64_t now);

static bool always(uint64_t now)
{
    (void)now;
    return true;
}

static bool never(uint64_t now)
{
    (void)now;
    return false;
}

static bool tenth(uint64_t now)
{
    return now % 100 < 10;
}

static struct ticks simulate(struct share *share, uint64_t from, uint64_t to, wants_at *first,
                             wants_at *second)
{
    struct ticks ticks = {0, 0, 0};
    for (uint64_t now = from; now < to; now++) {
        uint64_t until = NEVER;
        switch (share_choose(share, first(now), second(now), now, &until)) {
        case SHARE_FIRST:
            ticks.first++;
            if (second(now))
                share_charge(share, 1);
            break;
        case SHARE_SECOND:
            ticks.second++;
            break;
        case SHARE_NONE:
            ticks.none++;
            break;
        }
    }
    return ticks;
}

static void who_wants_alone_runs_without_limit(void **state)
{
    (void)state;
    struct share share = fresh();
    uint64_t until = NEVER;
    assert_int_equal(share_choose(&share, true, false, 10, &until), SHARE_FIRST);
    assert_int_equal(share_choose(&share, false, true, 20, &until), SHARE_SECOND);
    assert_int_equal(share_choose(&share, false, false, 30, &until), SHARE_NONE);
    assert_true(until == NEVER);
}

static void the_first_goes_first_for_half_a_period_then_the_second_to_its_end(void **state)
{
    (void)state;
    struct share share = fresh();
    uint64_t until = NEVER;
    assert_int_equal(share_choose(&share, true, true, 5 * PERIOD, &until), SHARE_FIRST);
    assert_int_equal(until, 5 * PERIOD + PERIOD / 2);
    share_charge(&share, PERIOD / 2);
    until = NEVER;
    assert_int_equal(share_choose(&share, true, true, 5 * PERIOD + PERIOD / 2, &until), SHARE_SECOND);
    assert_int_equal(until, 6 * PERIOD);
    until = NEVER;
    assert_int_equal(share_choose(&share, true, true, 6 * PERIOD, &until), SHARE_FIRST);
}

static void an_earlier_end_is_kept(void **state)
{
    (void)state;
    struct share share = fresh();
    uint64_t until = 7;
    share_choose(&share, true, true, 5, &until);
    assert_int_equal(until, 7);
}

static void an_event_for_the_first_preempts_the_second_while_budget_is_left(void **state)
{
    (void)state;
    struct share share = fresh();
    uint64_t until = NEVER;
    assert_int_equal(share_choose(&share, false, true, 100, &until), SHARE_SECOND);
    assert_int_equal(share_choose(&share, true, true, 900, &until), SHARE_FIRST);
    share_charge(&share, PERIOD / 2);
    assert_int_equal(share_choose(&share, false, true, 950, &until), SHARE_SECOND);
    assert_int_equal(share_choose(&share, true, true, 960, &until), SHARE_SECOND);
    assert_int_equal(share_choose(&share, true, true, 1000, &until), SHARE_FIRST);
}

static void two_that_spin_get_half_each_in_every_period(void **state)
{
    (void)state;
    struct share share = fresh();
    for (uint64_t period = 0; period < 20; period++) {
        struct ticks ticks = simulate(&share, period * PERIOD, (period + 1) * PERIOD, always, always);
        assert_int_equal(ticks.first, PERIOD / 2);
        assert_int_equal(ticks.second, PERIOD / 2);
    }
}

static void idle_time_of_one_goes_to_the_other(void **state)
{
    (void)state;
    struct share share = fresh();
    struct ticks ticks = simulate(&share, 0, 10ull * PERIOD, tenth, always);
    assert_int_equal(ticks.first, PERIOD);
    assert_int_equal(ticks.second, 9 * PERIOD);
    ticks = simulate(&share, 10ull * PERIOD, 20ull * PERIOD, always, tenth);
    assert_true(ticks.first >= 9 * PERIOD);
    assert_int_equal(ticks.first + ticks.second, 10 * PERIOD);
}

static void time_that_nobody_else_wanted_costs_no_budget(void **state)
{
    (void)state;
    struct share share = fresh();
    simulate(&share, 0, 900, always, never);
    struct ticks ticks = simulate(&share, 900, PERIOD, always, always);
    assert_int_equal(ticks.first, 100);
}

static void a_budget_that_was_not_used_is_not_saved(void **state)
{
    (void)state;
    struct share share = fresh();
    simulate(&share, 0, PERIOD, never, always);
    uint64_t until = NEVER;
    share_choose(&share, false, true, 1000ull * PERIOD, &until);
    struct ticks ticks = simulate(&share, 1000ull * PERIOD, 1001ull * PERIOD, always, always);
    assert_int_equal(ticks.first, PERIOD / 2);
}

static void who_overdraws_gets_less_in_the_next_periods(void **state)
{
    (void)state;
    struct share share = fresh();
    uint64_t until = NEVER;
    assert_int_equal(share_choose(&share, true, true, 0, &until), SHARE_FIRST);
    share_charge(&share, PERIOD); /* a long stay in the VMM */
    struct ticks ticks = simulate(&share, PERIOD, 3ull * PERIOD, always, always);
    assert_int_equal(ticks.first, PERIOD / 2); /* with the period before: half of three */
    assert_int_equal(ticks.second, 3 * PERIOD / 2);
}

static void a_call_of_seconds_costs_the_first_one_period_only(void **state)
{
    (void)state;
    struct share share = fresh();
    uint64_t until = NEVER;
    assert_int_equal(share_choose(&share, true, true, 0, &until), SHARE_FIRST);
    share_charge(&share, 999ull * PERIOD); /* waited for a CPU that did not leave its guest */
    share_charge(&share, PERIOD);
    struct ticks ticks = simulate(&share, 1000ull * PERIOD, 1002ull * PERIOD, always, always);
    assert_int_equal(ticks.first, PERIOD);
    assert_int_equal(ticks.second, PERIOD);

    struct share next = fresh();
    share_choose(&next, true, true, 0, &until);
    share_charge(&next, 20ull * PERIOD - 1);
    ticks = simulate(&next, PERIOD, 3ull * PERIOD, always, always);
    assert_int_equal(ticks.first, PERIOD / 2);
}

static void the_counter_of_an_old_machine_is_no_trouble(void **state)
{
    (void)state;
    struct share share = fresh();
    struct ticks ticks = simulate(&share, UINT64_MAX / 2, UINT64_MAX / 2 + 10ull * PERIOD, always, always);
    assert_in_range(ticks.first, 4 * PERIOD, 6 * PERIOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_wants_alone_runs_without_limit),
        cmocka_unit_test(the_first_goes_first_for_half_a_period_then_the_second_to_its_end),
        cmocka_unit_test(an_earlier_end_is_kept),
        cmocka_unit_test(an_event_for_the_first_preempts_the_second_while_budget_is_left),
        cmocka_unit_test(two_that_spin_get_half_each_in_every_period),
        cmocka_unit_test(idle_time_of_one_goes_to_the_other),
        cmocka_unit_test(time_that_nobody_else_wanted_costs_no_budget),
        cmocka_unit_test(a_budget_that_was_not_used_is_not_saved),
        cmocka_unit_test(who_overdraws_gets_less_in_the_next_periods),
        cmocka_unit_test(a_call_of_seconds_costs_the_first_one_period_only),
        cmocka_unit_test(the_counter_of_an_old_machine_is_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
