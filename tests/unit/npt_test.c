/* SPDX-License-Identifier: MIT */
/* Nested page tables: page sizes, budgets, and that nothing but what was mapped is mapped. */
#include "core/pool.h"
#include "inspect.h"
#include "mullion/abi.h"
#include "unit.h"
#include "x86/npt.h"

#include <stdlib.h>
#include <string.h>

#define POOL_BYTES (256 * PAGE_BYTES)
#define LIMIT      200u
#define MIB        0x100000ull
#define GIB        0x40000000ull

static void *pool_block;
static uint64_t free_before;

static int make_pool(void **state)
{
    (void)state;
    pool_block = aligned_alloc(PAGE_BYTES, POOL_BYTES);
    pool_init(pool_block, POOL_BYTES);
    free_before = pool_free_pages();
    return 0;
}

/* Every test ends with all tables given back. */
static int check_pool(void **state)
{
    (void)state;
    int leaked = pool_free_pages() != free_before;
    free(pool_block);
    return leaked;
}

static struct npt create(bool gigabyte_pages)
{
    struct npt npt;
    assert_int_equal(npt_create(&npt, LIMIT, gigabyte_pages), 0);
    return npt;
}

static void mapped(const struct npt *npt, uint64_t at, uint64_t to, bool writable)
{
    hpa_t found = hpa(0);
    bool can_write = false;
    assert_true(npt_translate(npt, gpa(at), &found, &can_write));
    assert_true(found.v == to);
    assert_int_equal(can_write, writable);
}

static void unmapped(const struct npt *npt, uint64_t at)
{
    hpa_t found;
    bool can_write;
    assert_false(npt_translate(npt, gpa(at), &found, &can_write));
}

static void an_empty_space_maps_nothing(void **state)
{
    (void)state;
    struct npt npt = create(true);
    unmapped(&npt, 0);
    unmapped(&npt, BIT(48) - 1);
    assert_int_equal(npt.pages, 1);
    npt_destroy(&npt);
    assert_int_equal(npt.pages, 0);
}

static void gigabyte_pages_are_used_where_alignment_allows(void **state)
{
    (void)state;
    struct npt npt = create(true);
    assert_int_equal(npt_map(&npt, gpa(GIB), hpa(4 * GIB), 2 * GIB, true), 0);
    assert_int_equal(npt.pages, 2);
    mapped(&npt, GIB, 4 * GIB, true);
    mapped(&npt, 3 * GIB - 1, 6 * GIB - 1, true);
    unmapped(&npt, GIB - 1);
    unmapped(&npt, 3 * GIB);
    npt_destroy(&npt);
}

static void without_gigabyte_pages_two_megabyte_pages_are_used(void **state)
{
    (void)state;
    struct npt npt = create(false);
    assert_int_equal(npt_map(&npt, gpa(0), hpa(4 * GIB), 2 * GIB, true), 0);
    assert_int_equal(npt.pages, 4);
    mapped(&npt, 2 * GIB - 1, 6 * GIB - 1, true);
    npt_destroy(&npt);
}

static void a_range_grows_pages_with_its_alignment(void **state)
{
    (void)state;
    struct npt npt = create(true);
    uint64_t start = GIB - 2 * MIB - PAGE_BYTES;
    uint64_t bytes = PAGE_BYTES + 2 * MIB + GIB + 2 * MIB + PAGE_BYTES;
    assert_int_equal(npt_map(&npt, gpa(start), hpa(8 * GIB + start), bytes, true), 0);
    assert_int_equal(npt.pages, 1 + 1 + 2 + 2); /* PML4, PDPT, two PDs, two PTs */
    for (uint64_t at = start; at < start + bytes; at += MIB / 2)
        mapped(&npt, at, 8 * GIB + at, true);
    unmapped(&npt, start - 1);
    unmapped(&npt, start + bytes);
    npt_destroy(&npt);
}

static void a_target_out_of_step_needs_small_pages(void **state)
{
    (void)state;
    struct npt npt = create(true);
    assert_int_equal(npt_map(&npt, gpa(2 * MIB), hpa(GIB + PAGE_BYTES), 2 * MIB, true), 0);
    assert_int_equal(npt.pages, 4);
    mapped(&npt, 2 * MIB + 0x1234, GIB + PAGE_BYTES + 0x1234, true);
    npt_destroy(&npt);
}

static void read_only_is_read_only_at_every_size(void **state)
{
    (void)state;
    struct npt npt = create(true);
    assert_int_equal(npt_map(&npt, gpa(GIB), hpa(GIB), GIB, false), 0);
    assert_int_equal(npt_map(&npt, gpa(2 * MIB), hpa(2 * MIB), 2 * MIB, false), 0);
    assert_int_equal(npt_map(&npt, gpa(0), hpa(0), PAGE_BYTES, false), 0);
    assert_int_equal(npt_map(&npt, gpa(PAGE_BYTES), hpa(PAGE_BYTES), PAGE_BYTES, true), 0);
    mapped(&npt, GIB, GIB, false);
    mapped(&npt, 2 * MIB, 2 * MIB, false);
    mapped(&npt, 0, 0, false);
    mapped(&npt, PAGE_BYTES, PAGE_BYTES, true);
    npt_destroy(&npt);
}

static void unmap_leaves_the_neighbours_and_frees_tables(void **state)
{
    (void)state;
    struct npt npt = create(true);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(npt_map(&npt, gpa(i * PAGE_BYTES), hpa(GIB + i * PAGE_BYTES), PAGE_BYTES, true), 0);
    npt_unmap(&npt, gpa(PAGE_BYTES), PAGE_BYTES);
    mapped(&npt, 0, GIB, true);
    unmapped(&npt, PAGE_BYTES);
    mapped(&npt, 2 * PAGE_BYTES, GIB + 2 * PAGE_BYTES, true);
    npt_unmap(&npt, gpa(0), 3 * PAGE_BYTES);
    assert_int_equal(npt.pages, 1);
    npt_destroy(&npt);
}

static void unmapping_what_is_not_mapped_does_nothing(void **state)
{
    (void)state;
    struct npt npt = create(true);
    assert_int_equal(npt_map(&npt, gpa(GIB), hpa(GIB), GIB, true), 0);
    npt_unmap(&npt, gpa(0), GIB);
    npt_unmap(&npt, gpa(2 * GIB), 100 * GIB);
    mapped(&npt, GIB, GIB, true);
    mapped(&npt, 2 * GIB - 1, 2 * GIB - 1, true);
    npt_destroy(&npt);
}

static void the_page_limit_refuses_and_leaves_nothing_behind(void **state)
{
    (void)state;
    struct npt npt;
    assert_int_equal(npt_create(&npt, 4, false), 0);
    assert_int_equal(npt_map(&npt, gpa(0), hpa(0), GIB, true), 0);
    assert_int_equal(npt_map(&npt, gpa(4 * GIB), hpa(0), 4 * GIB, true), -MULLION_E_POOL);
    unmapped(&npt, 4 * GIB);
    mapped(&npt, 0, 0, true);
    assert_int_equal(npt.pages, 3);
    npt_destroy(&npt);
}

static void an_empty_pool_refuses(void **state)
{
    (void)state;
    struct npt npt;
    void *all = pool_alloc(pool_free_pages());
    assert_int_equal(npt_create(&npt, LIMIT, false), -MULLION_E_POOL);
    npt_destroy(&npt);
    pool_free(all, free_before);
}

static uint64_t random_below(uint64_t limit)
{
    static uint64_t seed = 0x9e3779b97f4a7c15ull;
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 33) % limit;
}

#define MODEL_PAGES 4096u /* 16 MiB */
#define MODEL_BASE  (GIB - 8 * MIB)

/* Model: host page + 1 per guest page, 0 = unmapped. */
static void random_maps_and_unmaps_agree_with_a_model(void **state)
{
    (void)state;
    static uint64_t model[MODEL_PAGES];
    struct npt npt = create(true);
    for (unsigned step = 0; step < 400; step++) {
        uint64_t first = random_below(8) * 512 + random_below(2) * random_below(512);
        uint64_t count = 1 + random_below(2) * random_below(1536);
        count = first + count > MODEL_PAGES ? MODEL_PAGES - first : count;
        uint64_t host = random_below(2) ? first : first + 1 + random_below(512);
        npt_unmap(&npt, gpa(0), 2 * GIB);
        assert_int_equal(npt.pages, 1);
        memset(model, 0, sizeof(model));
        for (uint64_t i = 0; i < count; i++)
            model[first + i] = host + i + 1;
        assert_int_equal(npt_map(&npt, gpa(MODEL_BASE + first * PAGE_BYTES),
                                 hpa(MODEL_BASE + host * PAGE_BYTES), count * PAGE_BYTES, true),
                         0);
        for (uint64_t i = 0; i < MODEL_PAGES; i += 1 + random_below(5)) {
            if (model[i])
                mapped(&npt, MODEL_BASE + i * PAGE_BYTES, MODEL_BASE + (model[i] - 1) * PAGE_BYTES, true);
            else
                unmapped(&npt, MODEL_BASE + i * PAGE_BYTES);
        }
    }
    npt_destroy(&npt);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_pool, check_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_space_maps_nothing),
        TEST(gigabyte_pages_are_used_where_alignment_allows),
        TEST(without_gigabyte_pages_two_megabyte_pages_are_used),
        TEST(a_range_grows_pages_with_its_alignment),
        TEST(a_target_out_of_step_needs_small_pages),
        TEST(read_only_is_read_only_at_every_size),
        TEST(unmap_leaves_the_neighbours_and_frees_tables),
        TEST(unmapping_what_is_not_mapped_does_nothing),
        TEST(the_page_limit_refuses_and_leaves_nothing_behind),
        TEST(an_empty_pool_refuses),
        TEST(random_maps_and_unmaps_agree_with_a_model),
    };
    return cmocka_run_group_tests_name("npt", tests, NULL, NULL);
}
