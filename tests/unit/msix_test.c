/* SPDX-License-Identifier: MIT */
/* The MSI-X table that a partition sees. */
#include "dev/msix.h"
#include "unit.h"

static struct msix fresh(uint16_t count)
{
    struct msix msix;
    msix_reset(&msix, count);
    return msix;
}

static void after_reset_it_is_off_and_every_entry_masked(void **state)
{
    (void)state;
    struct msix msix = fresh(3);
    assert_int_equal(msix_control(&msix), 2);
    for (uint64_t entry = 0; entry < 3; entry++) {
        assert_true(msix_table_read(&msix, entry * 16, 8) == 0);
        assert_true(msix_table_read(&msix, entry * 16 + 8, 8) == BIT(32));
    }
}

static void only_enable_and_mask_of_the_control_can_be_written(void **state)
{
    (void)state;
    struct msix msix = fresh(16);
    msix_set_control(&msix, 0xffff);
    assert_int_equal(msix_control(&msix), 0xc00f);
    msix_set_control(&msix, 0x3fff);
    assert_int_equal(msix_control(&msix), 0x000f);
}

static void entries_are_written_by_halves_and_whole(void **state)
{
    (void)state;
    struct msix msix = fresh(2);
    msix_table_write(&msix, 16, 8, 0x12345678fee01000);
    msix_table_write(&msix, 24, 4, 0x41);
    assert_int_equal(msix_table_read(&msix, 20, 4), 0x12345678);
    assert_int_equal(msix_table_read(&msix, 28, 4), 1); /* still masked */
    msix_table_write(&msix, 28, 4, 0xfffffffe);
    assert_true(msix_table_read(&msix, 24, 8) == 0x41);
    msix_table_write(&msix, 20, 4, 0);
    assert_true(msix_table_read(&msix, 16, 8) == 0xfee01000);
    msix_table_write(&msix, 24, 8, 0x100000042);
    assert_int_equal(msix_table_read(&msix, 24, 4), 0x42);
    assert_int_equal(msix_table_read(&msix, 28, 4), 1);
    assert_true(msix_table_read(&msix, 0, 8) == 0);
}

static void accesses_of_other_shapes_or_beyond_the_table_do_nothing(void **state)
{
    (void)state;
    struct msix msix = fresh(2);
    const struct msix before = msix;
    static const struct {
        uint64_t offset;
        unsigned bytes;
    } odd[] = {{0, 1}, {0, 2}, {2, 4}, {4, 8}, {32, 4}, {32, 8}, {UINT64_MAX - 7, 8}, {1ull << 36, 4}};
    for (size_t i = 0; i < ARRAY_COUNT(odd); i++) {
        msix_table_write(&msix, odd[i].offset, odd[i].bytes, UINT64_MAX);
        assert_true(msix_table_read(&msix, odd[i].offset, odd[i].bytes) == 0);
    }
    assert_memory_equal(&msix, &before, sizeof(msix));
}

static struct msix with_entry_1_unmasked(uint16_t control)
{
    struct msix msix = fresh(2);
    msix_table_write(&msix, 28, 4, 0);
    msix_set_control(&msix, control);
    return msix;
}

static void an_unmasked_entry_goes_out_at_once(void **state)
{
    (void)state;
    struct msix msix = with_entry_1_unmasked(0x8000);
    assert_true(msix_raise(&msix, 1));
    assert_true(msix_pending(&msix) == 0);
    assert_int_equal(msix_unmasked(&msix), -1);
}

static void a_masked_entry_stays_pending_until_it_is_unmasked(void **state)
{
    (void)state;
    struct msix msix = with_entry_1_unmasked(0x8000);
    assert_false(msix_raise(&msix, 0));
    assert_false(msix_raise(&msix, 0));
    assert_true(msix_pending(&msix) == 1);
    assert_int_equal(msix_unmasked(&msix), -1);
    msix_table_write(&msix, 12, 4, 0);
    assert_int_equal(msix_unmasked(&msix), 0);
    assert_int_equal(msix_unmasked(&msix), -1);
    assert_true(msix_pending(&msix) == 0);
}

static void the_mask_of_the_function_masks_every_entry(void **state)
{
    (void)state;
    struct msix msix = with_entry_1_unmasked(0xc000);
    assert_false(msix_raise(&msix, 1));
    assert_true(msix_pending(&msix) == 2);
    assert_int_equal(msix_unmasked(&msix), -1);
    msix_set_control(&msix, 0x8000);
    assert_int_equal(msix_unmasked(&msix), 1);
}

static void nothing_is_raised_or_kept_while_off_or_beyond_the_table(void **state)
{
    (void)state;
    struct msix msix = with_entry_1_unmasked(0);
    assert_false(msix_raise(&msix, 1));
    msix_set_control(&msix, 0x8000);
    assert_false(msix_raise(&msix, 2));
    assert_false(msix_raise(&msix, 0xffff)); /* a driver's "no vector" */
    assert_true(msix_pending(&msix) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_reset_it_is_off_and_every_entry_masked),
        cmocka_unit_test(only_enable_and_mask_of_the_control_can_be_written),
        cmocka_unit_test(entries_are_written_by_halves_and_whole),
        cmocka_unit_test(accesses_of_other_shapes_or_beyond_the_table_do_nothing),
        cmocka_unit_test(an_unmasked_entry_goes_out_at_once),
        cmocka_unit_test(a_masked_entry_stays_pending_until_it_is_unmasked),
        cmocka_unit_test(the_mask_of_the_function_masks_every_entry),
        cmocka_unit_test(nothing_is_raised_or_kept_while_off_or_beyond_the_table),
    };
    return cmocka_run_group_tests_name("msix", tests, NULL, NULL);
}
