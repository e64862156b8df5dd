/* SPDX-License-Identifier: MIT */
/* A partition's memory: what ADD_MEMORY accepts, and that no copy leaves the partition. */
#include "core/event.h"
#include "core/frames.h"
#include "core/partition.h"
#include "core/platform.h"
#include "core/pool.h"
#include "core/window.h"
#include "inspect.h"
#include "mullion/machine.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES     40u
#define POOL_BYTES (64 * PAGE_BYTES)
#define MIB2       FRAME_BYTES

struct platform platform = {.window_gpa = BIT(39)};

static struct frame table[FRAMES];
static uint8_t *host_ram; /* FRAMES * FRAME_BYTES, filled with the frame's number */
static void *pool_block;
static struct partition partition;

struct partition *partition_find(uint32_t id)
{
    return id == partition.id ? &partition : NULL;
}

void event_post(uint64_t events)
{
    (void)events;
}

void window_scrub(hpa_t frame)
{
    (void)frame;
}

/* The contract of a window: one frame at a time. */
static uint8_t *in_one_frame(hpa_t at, size_t bytes)
{
    assert_true(at.v + bytes <= FRAMES * FRAME_BYTES);
    assert_true(bytes > 0 && at.v / FRAME_BYTES == (at.v + bytes - 1) / FRAME_BYTES);
    return host_ram + at.v;
}

void window_read(hpa_t from, void *to, size_t bytes)
{
    memcpy(to, in_one_frame(from, bytes), bytes);
}

void window_write(hpa_t to, const void *from, size_t bytes)
{
    memcpy(in_one_frame(to, bytes), from, bytes);
}

void window_copy(hpa_t to, hpa_t from, size_t bytes)
{
    memcpy(in_one_frame(to, bytes), in_one_frame(from, bytes), bytes);
}

void window_close(void)
{
}

static int fresh(void **state)
{
    (void)state;
    host_ram = calloc(FRAMES, FRAME_BYTES);
    pool_block = aligned_alloc(PAGE_BYTES, POOL_BYTES);
    pool_init(pool_block, POOL_BYTES);
    frames_init(table, FRAMES * FRAME_BYTES);
    frames_add_ram(MIB2, (FRAMES - 1) * MIB2);
    while (frames_scrub_step())
        ;
    partition = (struct partition){.id = 5, .state = MULLION_STATE_DEFINED};
    return npt_create(&partition.npt, 32, false);
}

static int drop(void **state)
{
    (void)state;
    free(host_ram);
    free(pool_block);
    return 0;
}

static int add(uint64_t at, uint64_t host, uint64_t bytes)
{
    struct mullion_partition_add_memory request = {.id = 5, .gpa = at, .hpa = host, .bytes = bytes};
    return partition_add_memory(&request);
}

static void what_is_added_is_mapped_and_owned(void **state)
{
    (void)state;
    assert_int_equal(add(4 * MIB2, 8 * MIB2, 2 * MIB2), 0);
    hpa_t to = hpa(0);
    bool writable = false;
    assert_true(npt_translate(&partition.npt, gpa(4 * MIB2 + 5), &to, &writable));
    assert_true(to.v == 8 * MIB2 + 5 && writable);
    assert_true(frame_owned_by(table, hpa(9 * MIB2), 5));
    uint64_t left;
    assert_true(partition_translate(&partition, gpa(5 * MIB2), &to, &left));
    assert_true(to.v == 9 * MIB2 && left == MIB2);
    assert_false(partition_translate(&partition, gpa(4 * MIB2 - 1), &to, &left));
    assert_false(partition_translate(&partition, gpa(6 * MIB2), &to, &left));
}

static void odd_requests_are_refused_with_their_code(void **state)
{
    (void)state;
    assert_int_equal(add(0, MIB2, 0), -MULLION_E_MEMORY_ALIGN);
    assert_int_equal(add(PAGE_BYTES, MIB2, MIB2), -MULLION_E_MEMORY_ALIGN);
    assert_int_equal(add(0, MIB2 + PAGE_BYTES, MIB2), -MULLION_E_MEMORY_ALIGN);
    assert_int_equal(add(0, MIB2, MIB2 / 2), -MULLION_E_MEMORY_ALIGN);
    assert_int_equal(add(0, 0, MIB2), -MULLION_E_MEMORY_NOT_RAM);
    assert_int_equal(add(0, FRAMES * MIB2, MIB2), -MULLION_E_MEMORY_NOT_RAM);
    assert_int_equal(add(0, -MIB2, 2 * MIB2), -MULLION_E_MEMORY_NOT_RAM);
    assert_int_equal(partition.range_count, 0);
}

static void devices_and_the_window_are_no_place_for_ram(void **state)
{
    (void)state;
    assert_int_equal(add(MACHINE_LOW_RAM_END, MIB2, MIB2), -MULLION_E_GPA_OVERLAP);
    assert_int_equal(add(MACHINE_LOW_RAM_END - MIB2, MIB2, 2 * MIB2), -MULLION_E_GPA_OVERLAP);
    assert_int_equal(add(MACHINE_ECAM_BASE, MIB2, MIB2), -MULLION_E_GPA_OVERLAP);
    assert_int_equal(add(MACHINE_HIGH_RAM_BASE - MIB2, MIB2, 2 * MIB2), -MULLION_E_GPA_OVERLAP);
    assert_int_equal(add(platform.window_gpa, MIB2, MIB2), -MULLION_E_GPA_OVERLAP);
    assert_int_equal(add(platform.window_gpa - MIB2, MIB2, 2 * MIB2), -MULLION_E_GPA_OVERLAP);
    assert_int_equal(add(-MIB2, MIB2, MIB2), -MULLION_E_GPA_OVERLAP);
    assert_int_equal(add(-MIB2, MIB2, 2 * MIB2), -MULLION_E_GPA_OVERLAP);
    assert_int_equal(add(MACHINE_LOW_RAM_END - MIB2, MIB2, MIB2), 0);
    assert_int_equal(add(MACHINE_HIGH_RAM_BASE, 2 * MIB2, MIB2), 0);
    assert_int_equal(add(platform.window_gpa - MIB2, 3 * MIB2, MIB2), 0);
}

static void overlaps_are_refused_on_both_sides(void **state)
{
    (void)state;
    assert_int_equal(add(4 * MIB2, 4 * MIB2, 2 * MIB2), 0);
    assert_int_equal(add(5 * MIB2, 10 * MIB2, MIB2), -MULLION_E_GPA_OVERLAP);
    assert_int_equal(add(3 * MIB2, 10 * MIB2, 2 * MIB2), -MULLION_E_GPA_OVERLAP);
    assert_int_equal(add(3 * MIB2, 10 * MIB2, 8 * MIB2), -MULLION_E_GPA_OVERLAP);
    assert_int_equal(add(8 * MIB2, 5 * MIB2, MIB2), -MULLION_E_MEMORY_BUSY);
    assert_int_equal(add(6 * MIB2, 10 * MIB2, MIB2), 0);
}

static void memory_comes_only_before_the_first_start(void **state)
{
    (void)state;
    partition.state = MULLION_STATE_RUNNING;
    assert_int_equal(add(0, MIB2, MIB2), -MULLION_E_STATE);
    partition.state = MULLION_STATE_DEFINED;
    partition.start_count = 1;
    assert_int_equal(add(0, MIB2, MIB2), -MULLION_E_STATE);
}

static void there_are_no_more_than_16_ranges(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < MULLION_MAX_RANGES; i++)
        assert_int_equal(add(2 * i * MIB2, (i + 1) * MIB2, MIB2), 0);
    assert_int_equal(add(100 * MIB2, 20 * MIB2, MIB2), -MULLION_E_RANGE_LIMIT);
}

static void a_full_pool_gives_the_frames_back(void **state)
{
    (void)state;
    while (pool_alloc(1))
        ;
    assert_int_equal(add(0, MIB2, MIB2), -MULLION_E_POOL);
    assert_false(frame_owned_by(table, hpa(MIB2), 5));
    assert_int_equal(partition.range_count, 0);
}

static void copies_cross_frames_and_ranges(void **state)
{
    (void)state;
    assert_int_equal(add(0, 8 * MIB2, 2 * MIB2), 0);
    assert_int_equal(add(2 * MIB2, 20 * MIB2, MIB2), 0);
    char text[] = "across", back[sizeof(text)];
    for (uint64_t border = MIB2; border <= 2 * MIB2; border += MIB2) {
        assert_int_equal(partition_write(&partition, gpa(border - 3), text, sizeof(text)), 0);
        memset(back, 0, sizeof(back));
        assert_int_equal(partition_read(&partition, gpa(border - 3), back, sizeof(back)), 0);
        assert_string_equal(back, text);
    }
    assert_memory_equal(host_ram + 20 * MIB2, "oss", 3);
}

static void no_copy_leaves_the_partition(void **state)
{
    (void)state;
    assert_int_equal(add(2 * MIB2, 8 * MIB2, MIB2), 0);
    uint8_t bytes[16];
    memset(bytes, 0xa5, sizeof(bytes));
    static const uint64_t bad[] = {0,        2 * MIB2 - 1, 2 * MIB2 - 16, 3 * MIB2 - 15,
                                   3 * MIB2, UINT64_MAX,   -16ull};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(partition_read(&partition, gpa(bad[i]), bytes, sizeof(bytes)),
                         -MULLION_E_BAD_ADDRESS);
        assert_int_equal(partition_write(&partition, gpa(bad[i]), bytes, sizeof(bytes)),
                         -MULLION_E_BAD_ADDRESS);
    }
    for (size_t i = 0; i < MIB2; i++) /* a refused write has written nothing */
        assert_int_equal(host_ram[8 * MIB2 + i], 0);
    assert_int_equal(partition_write(&partition, gpa(3 * MIB2 - 16), bytes, sizeof(bytes)), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_added_is_mapped_and_owned),
        TEST(odd_requests_are_refused_with_their_code),
        TEST(devices_and_the_window_are_no_place_for_ram),
        TEST(overlaps_are_refused_on_both_sides),
        TEST(memory_comes_only_before_the_first_start),
        TEST(there_are_no_more_than_16_ranges),
        TEST(a_full_pool_gives_the_frames_back),
        TEST(copies_cross_frames_and_ranges),
        TEST(no_copy_leaves_the_partition),
    };
    return cmocka_run_group_tests_name("partition memory", tests, NULL, NULL);
}
