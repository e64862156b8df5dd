/* SPDX-License-Identifier: MIT */
/* The owner of every frame: nothing changes hands unscrubbed, nothing has two owners. */
#include "core/event.h"
#include "core/frames.h"
#include "core/window.h"
#include "inspect.h"
#include "unit.h"

#include <string.h>

#define FRAMES 64u
#define MIB2   FRAME_BYTES

static struct frame table[FRAMES];
static uint64_t scrubbed; /* bit per frame */
static uint64_t events;

void window_scrub(hpa_t frame)
{
    scrubbed |= BIT(frame.v / FRAME_BYTES);
}

void event_post(uint64_t bits)
{
    events |= bits;
}

/* 64 frames: 0 reserved, 1..31 and 40..63 RAM. */
static int make_frames(void **state)
{
    (void)state;
    memset(table, 0xff, sizeof(table));
    scrubbed = events = 0;
    frames_init(table, FRAMES * FRAME_BYTES);
    frames_add_ram(MIB2, 31 * MIB2);
    frames_add_ram(40 * MIB2, 24 * MIB2);
    return 0;
}

static void scrub_all(void)
{
    while (frames_scrub_step())
        ;
}

static int claim(uint64_t first, uint64_t count, uint32_t partition)
{
    uint64_t failed;
    uint32_t owner;
    return frames_claim(hpa(first * MIB2), count * MIB2, partition, &failed, &owner);
}

static void only_whole_frames_of_ram_count(void **state)
{
    (void)state;
    frames_init(table, FRAMES * FRAME_BYTES);
    frames_add_ram(MIB2 + 1, 3 * MIB2);
    struct mullion_memory_info run = {.index = 1};
    assert_int_equal(frames_info(&run), 0);
    assert_true(run.hpa == 2 * MIB2 && run.bytes == 2 * MIB2);
    assert_int_equal(run.owner, MULLION_OWNER_DIRTY);
}

static void reserving_takes_every_frame_touched(void **state)
{
    (void)state;
    frames_reserve(2 * MIB2 + MIB2 / 2, MIB2, MULLION_OWNER_VMM);
    scrub_all();
    assert_int_equal(claim(2, 1, 1), -MULLION_E_MEMORY_BUSY);
    assert_int_equal(claim(3, 1, 1), -MULLION_E_MEMORY_BUSY);
    assert_int_equal(claim(4, 1, 1), 0);
    assert_int_equal(scrubbed & (BIT(2) | BIT(3)), 0);
}

static void dirty_frames_cannot_be_claimed(void **state)
{
    (void)state;
    assert_int_equal(claim(1, 1, 1), -MULLION_E_MEMORY_DIRTY);
    assert_true(frames_scrub_step());
    assert_int_equal(scrubbed, BIT(1));
    assert_int_equal(claim(1, 1, 1), 0);
    assert_int_equal(claim(2, 1, 1), -MULLION_E_MEMORY_DIRTY);
}

static void a_released_frame_is_scrubbed_before_it_is_free(void **state)
{
    (void)state;
    scrub_all();
    assert_int_equal(claim(5, 3, 1), 0);
    frames_release(hpa(5 * MIB2), 3 * MIB2);
    scrubbed = 0;
    assert_int_equal(claim(5, 1, 2), -MULLION_E_MEMORY_DIRTY);
    scrub_all();
    assert_int_equal(scrubbed, BIT(5) | BIT(6) | BIT(7));
    assert_int_equal(claim(5, 3, 2), 0);
}

static void a_claim_is_all_or_nothing(void **state)
{
    (void)state;
    scrub_all();
    assert_int_equal(claim(10, 1, 7), 0);
    uint64_t failed;
    uint32_t owner;
    assert_int_equal(frames_claim(hpa(8 * MIB2), 4 * MIB2, 2, &failed, &owner), -MULLION_E_MEMORY_BUSY);
    assert_true(failed == 10 * MIB2);
    assert_int_equal(owner, MULLION_OWNER_PARTITION << 16 | 7);
    assert_false(frame_owned_by(table, hpa(8 * MIB2), 2));
    assert_false(frame_owned_by(table, hpa(9 * MIB2), 2));
    assert_int_equal(claim(8, 2, 3), 0);
}

static void what_is_no_ram_is_named_so(void **state)
{
    (void)state;
    scrub_all();
    assert_int_equal(claim(0, 1, 1), -MULLION_E_MEMORY_NOT_RAM);
    assert_int_equal(claim(31, 2, 1), -MULLION_E_MEMORY_NOT_RAM);
    assert_int_equal(claim(63, 2, 1), -MULLION_E_MEMORY_NOT_RAM);
    assert_int_equal(claim(UINT64_MAX / MIB2 - 1, 1, 1), -MULLION_E_MEMORY_NOT_RAM);
}

static void take_gives_the_highest_run_that_fits(void **state)
{
    (void)state;
    assert_true(frames_take(4 * MIB2, UINT64_MAX, MULLION_OWNER_VMM, 0).v == 60 * MIB2);
    assert_true(frames_take(4 * MIB2, 32 * MIB2, MULLION_OWNER_VMM, 0).v == 28 * MIB2);
    assert_true(frames_take(25 * MIB2, UINT64_MAX, MULLION_OWNER_VMM, 0).v == 3 * MIB2);
    assert_true(frames_take(25 * MIB2, UINT64_MAX, MULLION_OWNER_VMM, 0).v == 0);
}

static void runs_cover_everything_once(void **state)
{
    (void)state;
    scrub_all();
    assert_int_equal(claim(3, 2, 1), 0);
    assert_int_equal(claim(5, 2, 2), 0);
    uint64_t next = 0;
    struct mullion_memory_info run = {0};
    for (; frames_info(&run) == 0; run.index++) {
        assert_true(run.hpa == next);
        next += run.bytes;
    }
    assert_true(next == FRAMES * MIB2);
    assert_int_equal(run.index, 7); /* reserved, free, 1, 2, free, hole, free */
    run.index = 1000;
    assert_int_equal(frames_info(&run), -MULLION_E_RANGE);
}

static void ownership_is_by_partition(void **state)
{
    (void)state;
    scrub_all();
    assert_int_equal(claim(3, 1, 1), 0);
    assert_true(frame_owned_by(table, hpa(3 * MIB2 + 12345), 1));
    assert_false(frame_owned_by(table, hpa(3 * MIB2), 2));
    assert_false(frame_owned_by(table, hpa(4 * MIB2), 1));
    assert_false(frame_owned_by(table, hpa(0), 0));
}

static void the_end_of_scrubbing_is_told(void **state)
{
    (void)state;
    scrub_all();
    assert_int_equal(events, MULLION_EVENT_SCRUBBED);
    assert_false(frames_scrub_step());
}

static void releasing_what_is_not_owned_is_an_internal_error(void **state)
{
    (void)state;
    expect_assert_failure(frames_release(hpa(3 * MIB2), MIB2));
}

#define TEST(f) cmocka_unit_test_setup(f, make_frames)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_whole_frames_of_ram_count),
        TEST(reserving_takes_every_frame_touched),
        TEST(dirty_frames_cannot_be_claimed),
        TEST(a_released_frame_is_scrubbed_before_it_is_free),
        TEST(a_claim_is_all_or_nothing),
        TEST(what_is_no_ram_is_named_so),
        TEST(take_gives_the_highest_run_that_fits),
        TEST(runs_cover_everything_once),
        TEST(ownership_is_by_partition),
        TEST(the_end_of_scrubbing_is_told),
        TEST(releasing_what_is_not_owned_is_an_internal_error), /* last: it leaves the lock taken */
    };
    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
