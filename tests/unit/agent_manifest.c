/* SPDX-License-Identifier: MIT */
/* What is read from a manifest, and that an error in one partition does not affect the others. */
#include "agent_test.h"

#include <time.h>

#include "model/manifest.h"
#include "model/manifest_box.h"
#include "model/manifest_later.h"
#include "model/manifest_schema.h"
#include "model/site.h"
#include "os/linux/model.h"

#define HEAD "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Machine\",\"partitions\":[\n"
#define TAIL "\n]}"
#define GOOD "{\"name\":\"good\",\"cpus\":[1],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}"

static struct json json;
static struct problem_list problems;
static struct manifest manifest;
static struct box box;

static void read_text(const char *text)
{
    memset(&problems, 0, sizeof(problems));
    manifest_read(&manifest, &json, text, strlen(text), &problems);
}

/* Against a box with CPUs 0..3 of which 3 did not start, 1 GiB for partitions, images k and i. */
static void fit_text(const char *text)
{
    model_boot(4);
    model_break_cpu(3);
    model_add_module("image k", "k", 1);
    model_add_module("image i", "i", 1);
    read_text(text);
    static struct problem_list none;
    memset(&box, 0, sizeof(box));
    box_read(&box, &none);
    manifest_box_check(&manifest, &json, &box);
}

static void manifest_reads_every_field(void **state)
{
    (void)state;
    read_text(
        HEAD
        "{\"name\":\"a-1\",\"cpus\":[1,2],\"memory\":\"3GiB\",\"boot\":{\"kernel\":\"k\",\"initramfs\":\"i\","
        "\"cmdline\":\"console=ttyS0\"},\"autostart\":false,\"onReboot\":\"stop\",\"onCrash\":"
        "\"restart\"}" TAIL);
    assert_int_equal(problems.count, 0);
    assert_true(manifest.usable);
    const struct partition_spec *spec = &manifest.partitions[0];
    assert_true(spec->valid);
    assert_string_equal(spec->name, "a-1");
    assert_int_equal(spec->cpu_count, 2);
    assert_int_equal(spec->cpus[1], 2);
    assert_true(spec->memory_bytes == 3ull << 30);
    assert_string_equal(spec->kernel, "k");
    assert_string_equal(spec->initramfs, "i");
    assert_string_equal(spec->cmdline, "console=ttyS0");
    assert_false(spec->autostart);
    assert_int_equal(spec->on_reboot, POLICY_STOP);
    assert_int_equal(spec->on_crash, POLICY_RESTART);
}

static void manifest_defaults_are_as_documented(void **state)
{
    (void)state;
    read_text(HEAD GOOD TAIL);
    const struct partition_spec *spec = &manifest.partitions[0];
    assert_true(spec->autostart);
    assert_int_equal(spec->on_reboot, POLICY_RESTART);
    assert_int_equal(spec->on_crash, POLICY_STOP);
    assert_string_equal(spec->initramfs, "");
    assert_string_equal(spec->cmdline, "");
}

static void manifest_with_zero_partitions_is_valid(void **state)
{
    (void)state;
    read_text(HEAD TAIL);
    assert_int_equal(problems.count, 0);
    assert_true(manifest.usable);
    assert_int_equal(manifest.count, 0);
}

/* The texts of errors stand in tests/unit/golden/. */
static void manifest_with_an_error_in_one_partition_keeps_the_others(void **state)
{
    (void)state;
    read_text(HEAD GOOD ",\n{\"name\":\"b\",\"cpus\":[2],\"memory\":64,\"boot\":{\"kernel\":\"k\"}}" TAIL);
    assert_int_equal(problems.count, 1);
    assert_true(manifest.usable);
    assert_true(manifest.partitions[0].valid);
    assert_false(manifest.partitions[1].valid);
    assert_string_equal(manifest.partitions[1].name, "b");
}

/* Whatever the table says is not there yet must not pass for carried out. */
static bool later_agrees(struct json *document, const struct schema_object *object,
                         const struct schema_field *field, const struct json_node *value)
{
    (void)document;
    (void)value;
    bool later = manifest_later(object, field->name, NULL) != NULL;
    if (later != (field->since == NULL)) {
        fail_msg("%s.%s: since and manifest_later disagree", object->name, field->name);
    }
    return !later;
}

static void object_agrees(const struct schema_object *object);

static void value_agrees(const struct schema_value *value)
{
    if (value->kind == SCHEMA_OBJECT) {
        object_agrees(value->object);
    } else if (value->kind == SCHEMA_LIST) {
        value_agrees(value->of);
    }
}

/* Default and example of each field are what the field allows. */
static void example_agrees(const struct schema_object *object, const struct schema_field *field,
                           const char *text)
{
    memset(&problems, 0, sizeof(problems));
    const struct json_node *node = json_parse(&json, field->name, text, strlen(text), &problems);
    assert_non_null(node);
    schema_check_value(&json, node, &field->value);
    if (problems.count > 0) {
        fail_msg("%s.%s: %s", object->name, field->name, problems.text[0]);
    }
}

static void object_agrees(const struct schema_object *object)
{
    for (unsigned i = 0; i < object->field_count; i++) {
        const struct schema_field *field = &object->fields[i];
        example_agrees(object, field, field->example);
        if (field->otherwise != NULL) {
            assert_false(field->required);
            example_agrees(object, field, field->otherwise);
        }
        assert_true(strlen(field->text) > 0);
        if (later_agrees(&json, object, field, NULL)) {
            value_agrees(&field->value);
        }
    }
}

static void schema_tables_agree_with_themselves(void **state)
{
    (void)state;
    object_agrees(&schema_machine);
    object_agrees(&schema_site);
}

/* Each of 15000 unknown fields would cost a pass over the text: on a slow box that is minutes. */
static void manifest_full_of_errors_is_read_in_bounded_time(void **state)
{
    static char text[JSON_MAX_BYTES];
    (void)state;
    size_t used =
        (size_t)snprintf(text, sizeof(text), "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Machine\",");
    for (unsigned i = 0; i < 15000; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "\"a\":      1,\n");
    }
    snprintf(text + used, sizeof(text) - used, "\"b\":1}");
    clock_t begin = clock();
    read_text(text);
    assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
    assert_int_equal(problems.count, PROBLEM_LIMIT - PROBLEM_KEPT);
    assert_int_equal(problems.count + problems.dropped, 15002); /* a, its copies, b, a missing field */
}

static void expect_read_soon(const char *text)
{
    clock_t begin = clock();
    read_text(text);
    assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
}

/* Names and addresses are compared each with each: lists that are too long are not compared at all, and those
 * of a document not once more for each box of a rack. */
static void manifest_full_of_names_is_read_in_bounded_time(void **state)
{
    static char text[JSON_MAX_BYTES];
    (void)state;
    size_t used = (size_t)snprintf(text, sizeof(text), HEAD);
    for (unsigned i = 0; i < 7000; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s{\"name\":\"p%u\",\"nics\":[]}",
                                 i > 0 ? "," : "", i);
    }
    snprintf(text + used, sizeof(text) - used, TAIL);
    expect_read_soon(text);
    used = (size_t)snprintf(text, sizeof(text), HEAD);
    for (unsigned i = 0; i < 504; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used,
                                 "%s{\"network\":\"uplink\",\"mac\":\"02:00:00:00:%02x:%02x\"}%s",
                                 i % 8 > 0 ? ","
                                 : i > 0   ? ",{\"nics\":["
                                           : "{\"nics\":[",
                                 i / 256, i % 256, i % 8 == 7 ? "]}" : "");
    }
    used += (size_t)snprintf(text + used, sizeof(text) - used, "],\"machines\":[");
    for (unsigned i = 0; i < 1000; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s{\"match\":{\"serial\":\"%u\"}}",
                                 i > 0 ? "," : "", i);
    }
    snprintf(text + used, sizeof(text) - used, "]}");
    expect_read_soon(text);
}

static void manifest_reports_all_errors_at_once(void **state)
{
    (void)state;
    read_text(HEAD "{\"name\":\"A\",\"cpus\":0,\"memory\":\"1\",\"boot\":{},\"x\":1}" TAIL);
    assert_int_equal(problems.count, 5);
}

static void manifest_that_cannot_be_used_says_so(void **state)
{
    static const char *const cases[] = {
        "{",
        "[]",
        "{\"kind\":\"Machine\",\"partitions\":[]}",
        "{\"apiVersion\":\"mullion/v2\",\"kind\":\"Machine\",\"partitions\":[]}",
        "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"partitions\":[]}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        read_text(cases[i]);
        assert_false(manifest.usable);
        assert_int_equal(problems.count, 1);
    }
}

/* The texts stand in tests/unit/golden/feasibility.cases; here the facts come from the VMM. */
static void box_refuses_what_it_does_not_have(void **state)
{
    static const char *const cases[] = {
        "{\"name\":\"b\",\"cpus\":[1],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
        "{\"name\":\"b\",\"cpus\":[2,9],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
        "{\"name\":\"b\",\"cpus\":[3],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
        "{\"name\":\"b\",\"cpus\":2,\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
        "{\"name\":\"b\",\"cpus\":[2],\"memory\":\"1GiB\",\"boot\":{\"kernel\":\"k\"}}",
        "{\"name\":\"b\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"x\"}}",
        "{\"name\":\"b\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\",\"initramfs\":\"y\"}}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[1024];
        snprintf(text, sizeof(text), HEAD GOOD ",\n%s" TAIL, cases[i]);
        fit_text(text);
        assert_int_equal(problems.count, 1);
        assert_true(manifest.partitions[0].valid);
        assert_false(manifest.partitions[1].valid);
    }
}

/* The model's file "k" holds the letter k. */
static void image_with_other_contents_starts_nothing(void **state)
{
    static const char *const sums[] = {"8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a",
                                       "8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7b"};
    (void)state;
    for (size_t i = 0; i < COUNT(sums); i++) {
        char text[1024];
        snprintf(text, sizeof(text), HEAD GOOD "],\"images\":[{\"name\":\"k\",\"sha256\":\"%s\"}]}", sums[i]);
        fit_text(text);
        assert_int_equal(problems.count, i == 0 ? 0 : 2);
        assert_true(manifest.partitions[0].valid == (i == 0));
    }
}

static void counts_take_the_lowest_cpus_that_nobody_names(void **state)
{
    (void)state;
    fit_text(HEAD
             "{\"name\":\"b\",\"cpus\":1,\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}},\n" GOOD TAIL);
    assert_int_equal(problems.count, 0);
    assert_int_equal(manifest.partitions[0].cpus[0], 2);
}

static void site_is_read_strictly(void **state)
{
    struct site site;
    static const char good[] = "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"name\":\"rack-7\"}";
    static const char bad[] = "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"name\":\"r\",\"x\":1}";
    (void)state;
    memset(&problems, 0, sizeof(problems));
    assert_true(site_read(&json, good, strlen(good), &site, &problems));
    assert_string_equal(site.name, "rack-7");
    assert_false(site_read(&json, bad, strlen(bad), &site, &problems));
    assert_string_equal(site.name, "r");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_reads_every_field),
        cmocka_unit_test(manifest_defaults_are_as_documented),
        cmocka_unit_test(manifest_with_zero_partitions_is_valid),
        cmocka_unit_test(manifest_with_an_error_in_one_partition_keeps_the_others),
        cmocka_unit_test(schema_tables_agree_with_themselves),
        cmocka_unit_test(manifest_full_of_errors_is_read_in_bounded_time),
        cmocka_unit_test(manifest_full_of_names_is_read_in_bounded_time),
        cmocka_unit_test(manifest_reports_all_errors_at_once),
        cmocka_unit_test(manifest_that_cannot_be_used_says_so),
        cmocka_unit_test(box_refuses_what_it_does_not_have),
        cmocka_unit_test(image_with_other_contents_starts_nothing),
        cmocka_unit_test(counts_take_the_lowest_cpus_that_nobody_names),
        cmocka_unit_test(site_is_read_strictly),
    };
    return cmocka_run_group_tests_name("agent_manifest", tests, NULL, NULL);
}
