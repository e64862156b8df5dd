/* SPDX-License-Identifier: MIT */
/* Manifest and plan: each mistake has one exact text, and the other partitions are not affected. */
#include "agent_test.h"

#include <time.h>

#include "model/manifest.h"
#include "model/plan.h"
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
static void plan_text(const char *text)
{
    model_boot(4);
    model_break_cpu(3);
    model_add_module("image k", "k", 1);
    model_add_module("image i", "i", 1);
    read_text(text);
    static struct problem_list none;
    memset(&box, 0, sizeof(box));
    box_read(&box, &none);
    plan_check(&manifest, &json, &box);
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

/* Each is the second partition of a manifest whose first one is good. */
static void manifest_names_each_schema_error(void **state)
{
    static const struct {
        const char *partition, *problem;
    } cases[] = {
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"},\"disk\":1}",
         "manifest:3:63: /partitions/1/disk: unknown field; known here: name, cpus, memory, boot, autostart, "
         "onReboot, onCrash, nics; correct the name or remove it"},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"},\"name\":\"b\"}",
         "manifest:3:63: /partitions/1/name: this key stands twice in the object (first in line 3); remove "
         "one of them"},
        {"{\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:1: /partitions/1: field \"name\" is missing; wanted a string, for example \"alpha\"; "
         "add it"},
        {"{\"name\":\"B b\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:9: /partitions/1/name: \"B b\" is no partition name; wanted letters a-z, digits and "
         "'-', not beginning with '-'"},
        {"{\"name\":\"abcdefghijabcdefghijabcdefghij12\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{"
         "\"kernel\":\"k\"}}",
         "manifest:3:9: /partitions/1/name: this text has 32 bytes; wanted 1 to 31"},
        {"{\"name\":\"good\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:9: /partitions/1/name: partition 1 has the name \"good\" too; give this one another "
         "name"},
        {"{\"name\":7,\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:9: /partitions/1/name: this is a number; wanted a string, for example \"alpha\""},
        {"{\"name\":\"b\",\"cpus\":[0],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:21: /partitions/1/cpus/0: CPU 0 belongs to the agent; wanted a CPU from 1; name another "
         "one"},
        {"{\"name\":\"b\",\"cpus\":[2,2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:23: /partitions/1/cpus/1: CPU 2 stands twice in this list; remove one"},
        {"{\"name\":\"b\",\"cpus\":[-1],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:21: /partitions/1/cpus/0: this is no CPU number; wanted a whole number from 1"},
        {"{\"name\":\"b\",\"cpus\":[],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:20: /partitions/1/cpus: the list names 0 CPUs; wanted 1 to 16"},
        {"{\"name\":\"b\",\"cpus\":0,\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:20: /partitions/1/cpus: this is no count of CPUs; wanted a whole number from 1 to 16"},
        {"{\"name\":\"b\",\"cpus\":\"2\",\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:20: /partitions/1/cpus: this is a string; wanted a list of CPUs like [1, 2] or a count "
         "like 2"},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"64MB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:33: /partitions/1/memory: \"64MB\" is no memory size; wanted a whole number and the "
         "unit MiB or GiB, for example \"256MiB\""},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"63MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:33: /partitions/1/memory: \"63MiB\" is no multiple of 2 MiB, the unit in which memory "
         "is divided; take \"64MiB\""},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\",\"cmdline\":\"a\\nb\"}"
         "}",
         "manifest:3:72: /partitions/1/boot/cmdline: this text holds the control character 0x0a; remove it"},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\",\"cmdline\":"
         "\"a\xc2\x9b\"}"
         "}",
         "manifest:3:72: /partitions/1/boot/cmdline: this text holds the control character 0x9b; remove it"},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"8MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:33: /partitions/1/memory: \"8MiB\" is too little for a kernel; wanted at least 16 MiB"},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":64,\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:33: /partitions/1/memory: this is a number; wanted a string with its unit, for example "
         "\"256MiB\""},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{}}",
         "manifest:3:48: /partitions/1/boot: field \"kernel\" is missing; wanted the name of an image, for "
         "example \"vmlinux\"; add it"},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"},\"autostart\":"
         "\"yes\"}",
         "manifest:3:75: /partitions/1/autostart: this is a string; wanted true or false"},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"},\"onCrash\":"
         "\"reboot\"}",
         "manifest:3:73: /partitions/1/onCrash: \"reboot\" is not known here; wanted \"stop\" or "
         "\"restart\""},
        {"42", "manifest:3:1: /partitions/1: this is a number; wanted an object {...}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[1024];
        snprintf(text, sizeof(text), HEAD GOOD ",\n%s" TAIL, cases[i].partition);
        read_text(text);
        assert_int_equal(problems.count, 1);
        assert_string_equal(problems.text[0], cases[i].problem);
        assert_true(manifest.usable);
        assert_true(manifest.partitions[0].valid);
        assert_false(manifest.partitions[1].valid);
    }
}

/* Each of 15000 unknown fields would cost a pass over the text: on a slow box that is minutes. */
static void manifest_full_of_errors_is_read_in_bounded_time(void **state)
{
    static char text[JSON_MAX_BYTES];
    (void)state;
    size_t used = (size_t)snprintf(text, sizeof(text), "{");
    for (unsigned i = 0; i < 15000; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "\"a\":      1,\n");
    }
    snprintf(text + used, sizeof(text) - used, "\"b\":1}");
    clock_t begin = clock();
    read_text(text);
    assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
    assert_int_equal(problems.count, PROBLEM_LIMIT);
    assert_int_equal(problems.count + problems.dropped, 15004); /* a, its copies, b, three missing fields */
}

static void manifest_reports_all_errors_at_once(void **state)
{
    (void)state;
    read_text(HEAD "{\"name\":\"A\",\"cpus\":0,\"memory\":\"1\",\"boot\":{},\"x\":1}" TAIL);
    assert_int_equal(problems.count, 5);
}

static void manifest_that_cannot_be_used_says_so(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"{", "manifest:1:2: /: found the end of the text; wanted a key in double quotes"},
        {"[]", "manifest:1:1: /: this is an array; wanted an object {...}"},
        {"{\"kind\":\"Machine\",\"partitions\":[]}",
         "manifest:1:1: /: field \"apiVersion\" is missing; wanted \"mullion/v1\"; add it"},
        {"{\"apiVersion\":\"mullion/v2\",\"kind\":\"Machine\",\"partitions\":[]}",
         "manifest:1:15: /apiVersion: \"mullion/v2\" is not known here; wanted \"mullion/v1\""},
        {"{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"partitions\":[]}",
         "manifest:1:35: /kind: \"Site\" is not known here; wanted \"Machine\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        read_text(cases[i].text);
        assert_false(manifest.usable);
        assert_int_equal(problems.count, 1);
        assert_string_equal(problems.text[0], cases[i].problem);
    }
}

static void plan_names_what_the_box_does_not_have(void **state)
{
    static const struct {
        const char *partition, *problem;
    } cases[] = {
        {"{\"name\":\"b\",\"cpus\":[1],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:21: /partitions/1/cpus/0: CPU 1 is claimed by partition \"good\" already; a CPU belongs "
         "to one partition; name another"},
        {"{\"name\":\"b\",\"cpus\":[2,9],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:23: /partitions/1/cpus/1: CPU 9 does not exist; this box has the CPUs 0 to 3; name one "
         "of 1 to 3"},
        {"{\"name\":\"b\",\"cpus\":[3],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:21: /partitions/1/cpus/0: CPU 3 did not start when the box booted; name another CPU, or "
         "check it in the firmware setup"},
        {"{\"name\":\"b\",\"cpus\":2,\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:20: /partitions/1/cpus: 2 CPUs wanted, 1 left (CPU 0 is the agent's); give this "
         "partition or another fewer"},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"1GiB\",\"boot\":{\"kernel\":\"k\"}}",
         "manifest:3:33: /partitions/1/memory: 1024 MiB wanted, 960 MiB left of the 1024 MiB for partitions; "
         "give this partition or another less"},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"x\"}}",
         "manifest:3:58: /partitions/1/boot/kernel: the boot medium holds no image \"x\"; copy the file to "
         "images/x on it"},
        {"{\"name\":\"b\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\",\"initramfs\":\"y\"}}",
         "manifest:3:74: /partitions/1/boot/initramfs: the boot medium holds no image \"y\"; copy the file "
         "to images/y on it"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[1024];
        snprintf(text, sizeof(text), HEAD GOOD ",\n%s" TAIL, cases[i].partition);
        plan_text(text);
        assert_int_equal(problems.count, 1);
        assert_string_equal(problems.text[0], cases[i].problem);
        assert_true(manifest.partitions[0].valid);
        assert_false(manifest.partitions[1].valid);
    }
}

static void plan_counts_take_the_lowest_cpus_that_nobody_names(void **state)
{
    (void)state;
    plan_text(HEAD
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
    assert_string_equal(problems.text[0], "site:1:53: /x: unknown field; known here: apiVersion, kind, name, "
                                          "network; correct the name or remove it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_reads_every_field),
        cmocka_unit_test(manifest_defaults_are_as_documented),
        cmocka_unit_test(manifest_with_zero_partitions_is_valid),
        cmocka_unit_test(manifest_names_each_schema_error),
        cmocka_unit_test(manifest_full_of_errors_is_read_in_bounded_time),
        cmocka_unit_test(manifest_reports_all_errors_at_once),
        cmocka_unit_test(manifest_that_cannot_be_used_says_so),
        cmocka_unit_test(plan_names_what_the_box_does_not_have),
        cmocka_unit_test(plan_counts_take_the_lowest_cpus_that_nobody_names),
        cmocka_unit_test(site_is_read_strictly),
    };
    return cmocka_run_group_tests_name("agent_manifest", tests, NULL, NULL);
}
