/* SPDX-License-Identifier: MIT */
/* The VMM's page pool. */
#include "core/pool.h"
#include "inspect.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define PAGES 64u

static uint8_t *block;

static int make_pool(void **state)
{
    (void)state;
    block = aligned_alloc(PAGE_BYTES, PAGES * PAGE_BYTES);
    memset(block, 0xa5, PAGES * PAGE_BYTES);
    pool_init(block, PAGES * PAGE_BYTES);
    return 0;
}

static int drop_pool(void **state)
{
    (void)state;
    free(block);
    return 0;
}

static void the_bitmap_takes_one_page_of_a_small_pool(void **state)
{
    (void)state;
    assert_int_equal(pool_free_pages(), PAGES - 1);
    assert_int_equal(pool_bytes(), PAGES * PAGE_BYTES);
    assert_true(pool_start().v == (uint64_t)(uintptr_t)block);
}

static void pages_come_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    uint8_t *a = pool_alloc(3);
    uint8_t *b = pool_alloc(2);
    assert_int_equal((uintptr_t)a % PAGE_BYTES, 0);
    assert_true(a + 3 * PAGE_BYTES <= b || b + 2 * PAGE_BYTES <= a);
    for (size_t i = 0; i < 3 * PAGE_BYTES; i++)
        assert_int_equal(a[i], 0);
    assert_int_equal(pool_free_pages(), PAGES - 6);
}

static void a_freed_page_comes_back_zeroed(void **state)
{
    (void)state;
    uint8_t *page = pool_alloc(PAGES - 1);
    memset(page, 0xff, (PAGES - 1) * PAGE_BYTES);
    pool_free(page, PAGES - 1);
    assert_ptr_equal(pool_alloc(PAGES - 1), page);
    for (size_t i = 0; i < (PAGES - 1) * PAGE_BYTES; i++)
        assert_int_equal(page[i], 0);
}

static void too_much_is_refused_and_costs_nothing(void **state)
{
    (void)state;
    assert_null(pool_alloc(PAGES));
    assert_null(pool_alloc(1000000));
    assert_int_equal(pool_free_pages(), PAGES - 1);
    assert_non_null(pool_alloc(PAGES - 1));
    assert_null(pool_alloc(1));
}

static void a_hole_too_small_is_passed_over(void **state)
{
    (void)state;
    uint8_t *a = pool_alloc(2);
    uint8_t *b = pool_alloc(2);
    pool_free(a, 2);
    uint8_t *c = pool_alloc(3);
    assert_true(c >= b + 2 * PAGE_BYTES);
    assert_ptr_equal(pool_alloc(2), a);
}

static void freeing_twice_is_an_internal_error(void **state)
{
    (void)state;
    uint8_t *page = pool_alloc(1);
    pool_free(page, 1);
    expect_assert_failure(pool_free(page, 1));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_pool, drop_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_bitmap_takes_one_page_of_a_small_pool),
        TEST(pages_come_zeroed_aligned_and_apart),
        TEST(a_freed_page_comes_back_zeroed),
        TEST(too_much_is_refused_and_costs_nothing),
        TEST(a_hole_too_small_is_passed_over),
        TEST(freeing_twice_is_an_internal_error), /* last: it leaves the pool's lock taken */
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
