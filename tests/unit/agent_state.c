/* SPDX-License-Identifier: MIT */
/* The state area survives a death at any byte of a write; the search for \_S5_ survives any table. */
#include "agent_test.h"
#include "model/s5.h"
#include "store/state.h"

static uint8_t area[STATE_AREA_BYTES];
static struct agent_state loaded;

static struct agent_state example(uint64_t boot_ms)
{
    struct agent_state state = {.boot_ms = boot_ms, .count = 2};
    strcpy(state.partitions[0].name, "alpha");
    state.partitions[0].id = 3;
    state.partitions[0].desired = DESIRED_RUNNING;
    strcpy(state.partitions[1].name, "beta");
    return state;
}

static int clear(void **state)
{
    (void)state;
    memset(area, 0, sizeof(area));
    return 0;
}

static void state_area_never_written_is_not_valid(void **state)
{
    (void)state;
    assert_false(state_load(area, &loaded));
    assert_int_equal(loaded.count, 0);
}

static void state_keeps_token_identity_and_seed(void **state)
{
    struct agent_state saved = example(1);
    (void)state;
    memset(saved.token, 'a', sizeof(saved.token) - 1);
    memset(saved.identity, 0x5a, sizeof(saved.identity));
    saved.identity_bytes = sizeof(saved.identity);
    saved.seed[15] = 7;
    state_save(area, &saved);
    assert_true(state_load(area, &loaded));
    assert_memory_equal(&loaded, &saved, sizeof(saved));
}

static void state_with_a_token_without_end_is_not_valid(void **state)
{
    struct agent_state saved = example(1);
    (void)state;
    memset(saved.token, 'a', sizeof(saved.token));
    state_save(area, &saved);
    assert_false(state_load(area, &loaded));
    saved = example(1);
    saved.identity_bytes = STATE_IDENTITY_BYTES + 1;
    state_save(area, &saved);
    assert_false(state_load(area, &loaded));
}

static void state_newest_copy_counts(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 5; i++) {
        struct agent_state saved = example(i);
        state_save(area, &saved);
        assert_true(state_load(area, &loaded));
        assert_memory_equal(&loaded, &saved, sizeof(saved));
    }
}

/* Each prefix of the second write is tried: the first record must come back until the last byte is there. */
static void state_torn_write_loses_nothing_acknowledged(void **state)
{
    (void)state;
    struct agent_state first = example(1);
    struct agent_state second = example(2);
    state_save(area, &first);
    static uint8_t before[STATE_AREA_BYTES];
    static uint8_t after[STATE_AREA_BYTES];
    memcpy(before, area, sizeof(area));
    state_save(area, &second);
    memcpy(after, area, sizeof(area));
    size_t begin = 0;
    size_t end = sizeof(area);
    while (before[begin] == after[begin]) {
        begin++;
    }
    while (before[end - 1] == after[end - 1]) {
        end--;
    }
    for (size_t torn = begin; torn < end; torn++) {
        memcpy(area, before, sizeof(area));
        memcpy(area + begin, after + begin, torn - begin);
        assert_true(state_load(area, &loaded));
        assert_int_equal(loaded.boot_ms, 1);
    }
    memcpy(area, after, sizeof(area));
    assert_true(state_load(area, &loaded));
    assert_int_equal(loaded.boot_ms, 2);
}

static void state_damaged_copy_gives_the_older_one(void **state)
{
    (void)state;
    struct agent_state first = example(1);
    struct agent_state second = example(2);
    state_save(area, &first);
    state_save(area, &second);
    area[STATE_AREA_BYTES / 2 + 20] ^= 1;
    assert_true(state_load(area, &loaded));
    assert_int_equal(loaded.boot_ms, 1);
    area[20] ^= 1;
    assert_false(state_load(area, &loaded));
}

static void state_with_impossible_contents_is_not_valid(void **state)
{
    (void)state;
    struct agent_state bad = example(1);
    bad.count = MULLION_MAX_PARTITIONS + 1;
    state_save(area, &bad);
    assert_false(state_load(area, &loaded));
    bad = example(1);
    memset(bad.partitions[0].name, 'x', sizeof(bad.partitions[0].name));
    state_save(area, &bad);
    assert_false(state_load(area, &loaded));
}

/* ---- \_S5_
 * ------------------------------------------------------------------------------------------------- */

static void s5_forms_that_firmware_uses(void **state)
{
    static const struct {
        uint8_t aml[24];
        size_t bytes;
        uint8_t typa, typb;
    } cases[] = {
        {{0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0, 0, 0, 0}, 12, 0, 0},
        {{0x08, 0x5c, '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, 5, 0x0a, 7, 0, 0}, 15, 5, 7},
        {{0x08, '_', 'S', '5', '_', 0x12, 0x07, 0x02, 0x01, 0x0a, 0x03}, 11, 1, 3},
        {{0x08, '_', 'S', '5', '_', 0x12, 0x40, 0x01, 0x04, 0x0b, 0x06, 0x00, 0x00}, 13, 6, 0},
        {{0x08, '_', 'S', '5', '_', 0x12, 0x04, 0x01, 0x0a, 0x05}, 10, 5, 5},
        {{'_', 'S', '5', '_', 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 5, 0, 0}, 16, 5, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct s5_values values;
        assert_true(s5_find(cases[i].aml, cases[i].bytes, &values));
        assert_int_equal(values.typa, cases[i].typa);
        assert_int_equal(values.typb, cases[i].typb);
    }
}

static void s5_refuses_what_is_no_sleep_package(void **state)
{
    static const struct {
        uint8_t aml[16];
        size_t bytes;
    } cases[] = {
        {{0x08, '_', 'S', '4', '_', 0x12, 0x06, 0x04, 0, 0, 0, 0}, 12},
        {{0x14, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0, 0, 0, 0}, 12}, /* a method's name */
        {{0x08, '_', 'S', '5', '_', 0x0a, 0x05}, 7},
        {{0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x00, 0, 0}, 10},
        {{0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 8, 0, 0}, 12}, /* does not fit three bits */
        {{0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x70, 0, 0, 0}, 12},
    };
    struct s5_values values;
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(s5_find(cases[i].aml, cases[i].bytes, &values));
    }
    assert_false(s5_find(NULL, 0, &values));
}

static void s5_reads_no_byte_past_the_table(void **state)
{
    static const uint8_t aml[] = {0x08, '_',  'S',  '5',  '_',  0x12, 0xc6, 0x01,
                                  0x02, 0x03, 0x04, 0x0b, 0x05, 0x00, 0x0a, 5};
    (void)state;
    for (size_t bytes = 0; bytes <= sizeof(aml); bytes++) {
        uint8_t *exact = malloc(bytes + (bytes == 0));
        struct s5_values values;
        memcpy(exact, aml, bytes);
        assert_int_equal(s5_find(exact, bytes, &values), bytes >= 14);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(state_area_never_written_is_not_valid, clear),
        cmocka_unit_test_setup(state_keeps_token_identity_and_seed, clear),
        cmocka_unit_test_setup(state_with_a_token_without_end_is_not_valid, clear),
        cmocka_unit_test_setup(state_newest_copy_counts, clear),
        cmocka_unit_test_setup(state_torn_write_loses_nothing_acknowledged, clear),
        cmocka_unit_test_setup(state_damaged_copy_gives_the_older_one, clear),
        cmocka_unit_test_setup(state_with_impossible_contents_is_not_valid, clear),
        cmocka_unit_test(s5_forms_that_firmware_uses),
        cmocka_unit_test(s5_refuses_what_is_no_sleep_package),
        cmocka_unit_test(s5_reads_no_byte_past_the_table),
    };
    return cmocka_run_group_tests_name("agent_state", tests, NULL, NULL);
}
