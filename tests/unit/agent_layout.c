/* SPDX-License-Identifier: MIT */
/* Which CPUs and memory a manifest's partitions get on a box with two NUMA nodes of two cores with two
 * threads. */
#include "agent_test.h"

#include "model/manifest_claims.h"
#include "model/manifest_layout.h"

#define MIB        (UINT64_C(1) << 20)
#define GIB        (UINT64_C(1) << 30)
#define CPUS       8u
#define NODE0_BASE (16 * MIB)
#define NODE1_BASE (4 * GIB)

static struct json json;
static struct problem_list problems;
static struct manifest manifest;
static struct facts facts;
static struct layout layout;

/* CPU n and n + 4 are threads of core n; cores 0 and 1 are in node 0. */
static void box_make(void)
{
    static const struct facts none;
    facts = none;
    facts.cpu_count = CPUS;
    for (unsigned i = 0; i < CPUS; i++) {
        facts.cpus[i] = (struct facts_cpu){true, (uint16_t)(i % 4), (uint16_t)(i % 4 / 2)};
    }
    facts_add_memory(&facts, NODE0_BASE, 512 * MIB, 0);
    facts_add_memory(&facts, NODE1_BASE, 2 * GIB, 1);
    facts.images[facts.image_count++].name = "k";
}

struct wish {
    const char *name, *cpus, *memory;
};

static void manifest_make(const struct wish *wishes, unsigned count)
{
    static char text[8192];
    size_t used = (size_t)snprintf(text, sizeof(text),
                                   "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Machine\",\"partitions\":[");
    for (unsigned i = 0; i < count; i++) {
        used +=
            (size_t)snprintf(text + used, sizeof(text) - used,
                             "%s{\"name\":\"%s\",\"cpus\":%s,\"memory\":\"%s\",\"boot\":{\"kernel\":\"k\"}}",
                             i > 0 ? "," : "", wishes[i].name, wishes[i].cpus, wishes[i].memory);
    }
    snprintf(text + used, sizeof(text) - used, "]}");
    memset(&problems, 0, sizeof(problems));
    manifest_read(&manifest, &json, text, strlen(text), &problems);
    assert_int_equal(problems.count, 0);
}

static void lay_out(const struct wish *wishes, unsigned count)
{
    box_make();
    manifest_make(wishes, count);
    layout_check(&layout, &manifest, &json, &facts);
}

static void expect_cpus(unsigned part, unsigned count, const uint32_t *cpus)
{
    assert_int_equal(layout.parts[part].cpu_count, count);
    assert_memory_equal(layout.parts[part].cpus, cpus, count * sizeof(cpus[0]));
}

#define EXPECT_CPUS(part, ...)                                                                               \
    expect_cpus(part, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t),                            \
                (const uint32_t[]){__VA_ARGS__})

static void count_takes_the_threads_of_one_core(void **state)
{
    static const struct wish wishes[] = {{"a", "2", "64MiB"}, {"b", "4", "64MiB"}};
    (void)state;
    lay_out(wishes, 2);
    assert_int_equal(problems.count, 0);
    EXPECT_CPUS(0, 1, 5);
    EXPECT_CPUS(1, 2, 6, 3, 7);
}

static void count_of_one_leaves_the_other_thread_idle(void **state)
{
    static const struct wish wishes[] = {
        {"a", "1", "64MiB"}, {"b", "1", "64MiB"}, {"c", "1", "64MiB"}, {"d", "1", "64MiB"}};
    (void)state;
    lay_out(wishes, 4);
    EXPECT_CPUS(0, 1);
    EXPECT_CPUS(1, 2);
    EXPECT_CPUS(2, 3);
    assert_int_equal(problems.count, 1);
    assert_false(manifest.partitions[3].valid);
}

static void threads_of_a_core_are_shared_only_if_both_say_so(void **state)
{
    static const struct wish wishes[] = {{"a", "[1]", "64MiB"}, {"b", "[5]", "64MiB"}};
    (void)state;
    for (unsigned who = 0; who < 4; who++) {
        box_make();
        manifest_make(wishes, 2);
        manifest.partitions[0].share_cores = (who & 1) != 0;
        manifest.partitions[1].share_cores = (who & 2) != 0;
        layout_check(&layout, &manifest, &json, &facts);
        assert_int_equal(problems.count, who == 3 ? 0 : 1);
    }
}

static void named_cpus_are_left_alone_by_counts(void **state)
{
    static const struct wish wishes[] = {{"a", "1", "64MiB"}, {"b", "[1]", "64MiB"}};
    (void)state;
    lay_out(wishes, 2);
    assert_int_equal(problems.count, 0);
    EXPECT_CPUS(0, 2);
    EXPECT_CPUS(1, 1);
}

static void memory_is_of_the_node_of_the_cpus(void **state)
{
    static const struct wish wishes[] = {{"a", "[2]", "64MiB"}, {"b", "[1]", "64MiB"}, {"c", "[3]", "64MiB"}};
    (void)state;
    lay_out(wishes, 3);
    assert_int_equal(problems.count, 0);
    assert_true(layout.parts[0].memory.ranges[0].hpa == NODE1_BASE);
    assert_true(layout.parts[1].memory.ranges[0].hpa == NODE0_BASE);
    assert_true(layout.parts[2].memory.ranges[0].hpa == NODE1_BASE + 64 * MIB);
}

static void count_goes_to_the_node_that_has_the_memory(void **state)
{
    static const struct wish wishes[] = {{"a", "1", "1GiB"}, {"b", "1", "256MiB"}};
    (void)state;
    lay_out(wishes, 2);
    assert_int_equal(problems.count, 0);
    EXPECT_CPUS(0, 2);
    assert_true(layout.parts[0].memory.ranges[0].hpa == NODE1_BASE);
    EXPECT_CPUS(1, 1);
    assert_true(layout.parts[1].memory.ranges[0].hpa == NODE0_BASE);
}

static void memory_of_another_node_is_taken_if_the_manifest_says_so(void **state)
{
    static const struct wish wishes[] = {{"a", "[1]", "1GiB"}};
    (void)state;
    lay_out(wishes, 1);
    assert_int_equal(problems.count, 1);
    box_make();
    manifest_make(wishes, 1);
    manifest.partitions[0].any_node = true;
    layout_check(&layout, &manifest, &json, &facts);
    assert_int_equal(problems.count, 0);
    assert_true(layout.parts[0].memory.ranges[0].hpa == NODE1_BASE);
}

static void what_is_kept_does_not_move(void **state)
{
    static const struct wish before[] = {{"a", "1", "64MiB"}, {"b", "1", "64MiB"}};
    static const struct wish after[] = {{"new", "1", "64MiB"}, {"b", "1", "64MiB"}};
    static struct layout kept;
    (void)state;
    lay_out(before, 2);
    kept = layout;
    kept.parts[0].name[0] = 0; /* a goes */
    manifest_make(after, 2);
    layout_make(&layout, &manifest, &json, &facts, &kept);
    assert_int_equal(problems.count, 0);
    EXPECT_CPUS(0, 1);
    EXPECT_CPUS(1, 2);
    assert_true(layout.parts[0].memory.ranges[0].hpa == NODE0_BASE);
    assert_true(layout.parts[1].memory.ranges[0].hpa == NODE1_BASE);
}

/* Schedules of time slots are a later version's; the layout knows that such partitions may have one CPU. */
static void time_slots_share_a_cpu_that_counts_leave_alone(void **state)
{
    static const struct wish wishes[] = {{"a", "[1]", "64MiB"}, {"b", "[2]", "64MiB"}, {"c", "1", "64MiB"}};
    (void)state;
    box_make();
    manifest_make(wishes, 3);
    for (unsigned i = 0; i < 2; i++) {
        manifest.partitions[i].cpus_listed = false;
        manifest.partitions[i].has_slots = true;
        manifest.partitions[i].cpus[0] = 1;
    }
    struct claims claims;
    claims_begin(&claims, &manifest, &facts);
    claims_take(&claims, &manifest.partitions[0], manifest.partitions[0].cpus, 1);
    assert_false(claims_is_taken(&claims, &manifest.partitions[1], 1));
    assert_true(claims_is_taken(&claims, &manifest.partitions[2], 1));
    claims_take(&claims, &manifest.partitions[1], manifest.partitions[1].cpus, 1);
    assert_false(claims_is_free(&claims, &manifest.partitions[2], 1));
    assert_false(claims_is_free(&claims, &manifest.partitions[2], 5));
    assert_true(claims_is_free(&claims, &manifest.partitions[2], 2));
}

static bool overlap(const struct layout_part *a, const struct layout_part *b)
{
    for (unsigned i = 0; i < a->memory.count; i++) {
        for (unsigned k = 0; k < b->memory.count; k++) {
            if (a->memory.ranges[i].hpa < b->memory.ranges[k].hpa + b->memory.ranges[k].bytes &&
                b->memory.ranges[k].hpa < a->memory.ranges[i].hpa + a->memory.ranges[i].bytes) {
                return true;
            }
        }
    }
    for (unsigned i = 0; i < a->cpu_count; i++) {
        for (unsigned k = 0; k < b->cpu_count; k++) {
            if (facts.cpus[a->cpus[i]].core == facts.cpus[b->cpus[k]].core) {
                return true;
            }
        }
    }
    return false;
}

/* Random wishes: whoever gets something shares no frame and no core with anybody, and a second time it is the
 * same. */
static void layouts_never_overlap_and_repeat(void **state)
{
    static const char *const cpus[] = {"1", "2", "3", "[1]", "[2,6]", "[3]", "[5]", "[7]"};
    static const char *const memory[] = {"16MiB", "64MiB", "256MiB", "512MiB", "1GiB"};
    static const char *const names[] = {"a", "b", "c", "d"};
    static struct layout first;
    (void)state;
    srand(1);
    for (unsigned round = 0; round < 2000; round++) {
        struct wish wishes[4];
        for (unsigned i = 0; i < 4; i++) {
            wishes[i] = (struct wish){names[i], cpus[(unsigned)rand() % COUNT(cpus)],
                                      memory[(unsigned)rand() % COUNT(memory)]};
        }
        lay_out(wishes, 4);
        first = layout;
        lay_out(wishes, 4);
        assert_memory_equal(&first, &layout, sizeof(layout));
        for (unsigned i = 0; i < 16; i++) {
            const struct layout_part *a = &layout.parts[i / 4];
            const struct layout_part *b = &layout.parts[i % 4];
            assert_false(a < b && overlap(a, b));
            assert_true(manifest.partitions[i / 4].valid == (a->name[0] != 0));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(count_takes_the_threads_of_one_core),
        cmocka_unit_test(count_of_one_leaves_the_other_thread_idle),
        cmocka_unit_test(threads_of_a_core_are_shared_only_if_both_say_so),
        cmocka_unit_test(named_cpus_are_left_alone_by_counts),
        cmocka_unit_test(memory_is_of_the_node_of_the_cpus),
        cmocka_unit_test(count_goes_to_the_node_that_has_the_memory),
        cmocka_unit_test(memory_of_another_node_is_taken_if_the_manifest_says_so),
        cmocka_unit_test(what_is_kept_does_not_move),
        cmocka_unit_test(time_slots_share_a_cpu_that_counts_leave_alone),
        cmocka_unit_test(layouts_never_overlap_and_repeat),
    };
    return cmocka_run_group_tests_name("agent_layout", tests, NULL, NULL);
}
