/* SPDX-License-Identifier: MIT */
/* The plan's logic where the golden file cannot go: order of starting, hash, what is kept, fields of later
 * versions. */
#include "agent_test.h"

#include "model/manifest_schema.h"
#include "model/plan.h"

#define HEAD           "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Machine\",\"partitions\":["
#define BODY           "\"cpus\":1,\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}"
#define P(name)        "{\"name\":\"" name "\"," BODY "}"
#define PX(name, more) "{\"name\":\"" name "\"," BODY "," more "}"
#define TAIL           "]}"

static struct json now_json, json;
static struct problem_list problems;
static struct plan plan;
static uint64_t generation = 1;
static uint64_t running = UINT64_MAX;

/* A document that the schema allows, whatever this version makes of it. */
static const struct json_node *parse(struct json *into, const char *text)
{
    memset(&problems, 0, sizeof(problems));
    const struct json_node *root = json_parse(into, "plan", text, strlen(text), &problems);
    assert_non_null(root);
    schema_check(into, root, &schema_machine);
    if (problems.count > 0) {
        fail_msg("%s", problems.text[0]);
    }
    return root;
}

static void plan_between(const char *before, const char *after)
{
    const struct plan_now now = {generation, before != NULL ? parse(&now_json, before) : NULL, running};
    plan_make(&plan, &now, parse(&json, after));
}

static void expect(unsigned step, enum plan_action action, const char *name)
{
    assert_true(step < plan.count);
    assert_int_equal(plan.steps[step].action, action);
    assert_string_equal(plan.steps[step].name, name);
}

static void first_manifest_is_all_new(void **state)
{
    (void)state;
    plan_between(NULL, HEAD P("a") "," P("b") TAIL);
    assert_int_equal(plan.count, 4);
    expect(0, PLAN_CREATE, "a");
    expect(1, PLAN_CREATE, "b");
    expect(2, PLAN_START, "a");
    expect(3, PLAN_START, "b");
    assert_int_equal(plan.effect, EFFECT_LIVE);
}

static void partitions_start_behind_those_they_wait_for(void **state)
{
    (void)state;
    plan_between(NULL, HEAD PX("a", "\"after\":[\"c\"]") "," P("b") "," PX("c", "\"startOrder\":900") "," PX(
                           "d", "\"startOrder\":1") TAIL);
    expect(4, PLAN_START, "d");
    expect(5, PLAN_START, "b");
    expect(6, PLAN_START, "c");
    expect(7, PLAN_START, "a");
}

static void partitions_go_in_the_opposite_order(void **state)
{
    (void)state;
    plan_between(HEAD PX("a", "\"after\":[\"b\"]") "," P("b") TAIL, HEAD TAIL);
    expect(0, PLAN_DESTROY, "a");
    expect(1, PLAN_DESTROY, "b");
}

static void partitions_in_a_ring_do_not_hang_the_planner(void **state)
{
    unsigned order[MANIFEST_MAX_PARTITIONS];
    (void)state;
    const struct json_node *root =
        parse(&json, HEAD PX("a", "\"after\":[\"b\"]") "," PX("b", "\"after\":[\"a\"]") "," P("c") TAIL);
    assert_int_equal(plan_start_order(root, order), 1);
    assert_int_equal(order[0], 2);
}

static void what_did_not_run_is_not_started_again(void **state)
{
    (void)state;
    running = 0;
    plan_between(HEAD P("a") TAIL, HEAD PX("a", "\"smt\":\"share-cores\"") TAIL);
    running = UINT64_MAX;
    assert_int_equal(plan.count, 2);
    expect(0, PLAN_DESTROY, "a");
    expect(1, PLAN_CREATE, "a");
}

static void what_is_to_stand_still_is_not_started(void **state)
{
    (void)state;
    plan_between(NULL, HEAD PX("a", "\"power\":\"off\"") TAIL);
    assert_int_equal(plan.count, 1);
    plan_between(HEAD P("a") TAIL, HEAD PX("a", "\"power\":\"off\"") TAIL);
    assert_int_equal(plan.count, 2);
    expect(0, PLAN_STOP, "a");
    expect(1, PLAN_CHANGE, "a");
    assert_string_equal(plan.steps[1].reason, "power: \"on\" -> \"off\"");
    plan_between(HEAD PX("a", "\"power\":\"off\"") TAIL, HEAD P("a") TAIL);
    assert_int_equal(plan.count, 2);
    expect(0, PLAN_CHANGE, "a");
    expect(1, PLAN_START, "a");
    assert_int_equal(plan.effect, EFFECT_LIVE);
}

static void changes_of_watchdogs_are_live_and_named(void **state)
{
    (void)state;
    plan_between(HEAD PX("a", "\"watchdog\":{\"timeout\":\"30s\"}") TAIL,
                 HEAD PX("a", "\"watchdog\":{\"timeout\":\"60s\",\"action\":\"restart\"}") TAIL);
    assert_int_equal(plan.count, 1);
    assert_int_equal(plan.effect, EFFECT_LIVE);
    assert_string_equal(plan.steps[0].reason, "watchdog.timeout: \"30s\" -> \"60s\"");
}

static void changes_of_the_boxs_network_can_cut_off(void **state)
{
    (void)state;
    plan_between(HEAD TAIL, HEAD "],\"networks\":[{\"name\":\"lab\",\"type\":\"internal\"}]}");
    assert_int_equal(plan.count, 1);
    expect(0, PLAN_BOX, "networks");
    assert_true(plan.can_cut_off);
    plan_between(HEAD TAIL, HEAD P("a") TAIL);
    assert_false(plan.can_cut_off);
}

static void hash_follows_contents_and_generation_only(void **state)
{
    uint8_t first[PLAN_HASH_BYTES];
    (void)state;
    plan_between(HEAD P("a") TAIL, HEAD P("b") TAIL);
    memcpy(first, plan.hash, sizeof(first));
    plan_between(HEAD P("a") "\n" TAIL, HEAD "\n  " P("b") TAIL "\n");
    assert_memory_equal(plan.hash, first, sizeof(first));
    generation = 2;
    plan_between(HEAD P("a") TAIL, HEAD P("b") TAIL);
    generation = 1;
    assert_memory_not_equal(plan.hash, first, sizeof(first));
    plan_between(HEAD P("c") TAIL, HEAD P("b") TAIL);
    assert_memory_not_equal(plan.hash, first, sizeof(first));
    plan_between(HEAD P("a") TAIL, HEAD P("c") TAIL);
    assert_memory_not_equal(plan.hash, first, sizeof(first));
    plan_between(NULL, HEAD P("b") TAIL);
    assert_memory_not_equal(plan.hash, first, sizeof(first));
}

static void what_stays_keeps_its_place(void **state)
{
    static struct layout layout, kept;
    (void)state;
    const struct json_node *before = parse(&now_json, HEAD P("a") "," P("b") "," P("c") TAIL);
    const struct json_node *after =
        parse(&json,
              HEAD P("c") "," PX("a", "\"onCrash\":\"restart\"") "," PX("b", "\"smt\":\"share-cores\"") TAIL);
    layout.count = 3;
    for (unsigned i = 0; i < 3; i++) {
        layout.parts[i].name[0] = (char)('a' + i);
    }
    plan_keep(&kept, &layout, before, after);
    assert_string_equal(kept.parts[0].name, "a");
    assert_string_equal(kept.parts[1].name, "");
    assert_string_equal(kept.parts[2].name, "c");
}

/* The largest manifests there can be: every partition anew, and all links with them. */
static void plan_of_the_largest_manifests_fits(void **state)
{
    static char texts[2][32768];
    (void)state;
    for (unsigned which = 0; which < 2; which++) {
        size_t used = (size_t)snprintf(texts[which], sizeof(texts[0]), HEAD);
        for (unsigned i = 0; i < MANIFEST_MAX_PARTITIONS; i++) {
            used += (size_t)snprintf(
                texts[which] + used, sizeof(texts[0]) - used,
                "%s{\"name\":\"p%u\",\"cpus\":%u,\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
                i > 0 ? "," : "", i, which + 1);
        }
        used += (size_t)snprintf(texts[which] + used, sizeof(texts[0]) - used, "],\"links\":[");
        for (unsigned i = 0; i < MANIFEST_MAX_LINKS; i++) {
            used += (size_t)snprintf(texts[which] + used, sizeof(texts[0]) - used,
                                     "%s{\"kind\":\"net\",\"between\":[\"p%u\",\"p%u\"]}", i > 0 ? "," : "",
                                     i % 60, i % 60 + 1 + which);
        }
        snprintf(texts[which] + used, sizeof(texts[0]) - used, "]}");
    }
    plan_between(texts[0], texts[1]);
    assert_int_equal(plan.count, 3 * MANIFEST_MAX_PARTITIONS + 2 * MANIFEST_MAX_LINKS);
    assert_true(plan.count < PLAN_MAX_STEPS);
    for (unsigned i = 1; i < plan.count; i++) {
        assert_true(plan.steps[i - 1].action <= plan.steps[i].action);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_manifest_is_all_new),
        cmocka_unit_test(partitions_start_behind_those_they_wait_for),
        cmocka_unit_test(partitions_go_in_the_opposite_order),
        cmocka_unit_test(partitions_in_a_ring_do_not_hang_the_planner),
        cmocka_unit_test(what_did_not_run_is_not_started_again),
        cmocka_unit_test(what_is_to_stand_still_is_not_started),
        cmocka_unit_test(changes_of_watchdogs_are_live_and_named),
        cmocka_unit_test(changes_of_the_boxs_network_can_cut_off),
        cmocka_unit_test(hash_follows_contents_and_generation_only),
        cmocka_unit_test(what_stays_keeps_its_place),
        cmocka_unit_test(plan_of_the_largest_manifests_fits),
    };
    return cmocka_run_group_tests_name("agent_plan", tests, NULL, NULL);
}
