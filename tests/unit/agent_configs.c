/* SPDX-License-Identifier: MIT */
/* Every file in configs/ starts on a box, and every example in docs/manifest.md is valid on one that is large
 * enough. */
#include "agent_box.h"

#include <glob.h>

#include "model/manifest.h"
#include "model/manifest_box.h"
#include "model/site.h"
#include "os/linux/model.h"

static struct json json;
static struct manifest manifest;
static struct box box;
static char text[JSON_MAX_BYTES];

static size_t file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t bytes = fread(text, 1, sizeof(text), file);
    fclose(file);
    return bytes;
}

/* The model has 1 GiB; examples are for boxes of any size, so only the rest of the plan counts. */
static void check(const char *what, const char *from, size_t bytes)
{
    static struct problem_list problems;
    memset(&problems, 0, sizeof(problems));
    struct site parsed;
    static const char site[] = "\"Site\"";
    bool is_site = false;
    for (size_t i = 0; i + sizeof(site) - 1 <= bytes; i++) {
        is_site = is_site || memcmp(from + i, site, sizeof(site) - 1) == 0;
    }
    if (is_site) {
        assert_true(site_read(&json, from, bytes, &parsed, &problems));
        return;
    }
    manifest_read(&manifest, &json, from, bytes, &problems);
    for (unsigned i = 0; i < manifest.count; i++) {
        manifest.partitions[i].memory_bytes /= 4;
    }
    manifest_box_check(&manifest, &json, &box);
    if (!manifest.usable || problems.count > 0) {
        fail_msg("%s: %s", what, problems.text[0]);
    }
}

static int prepare(void **state)
{
    static struct problem_list none;
    (void)state;
    model_boot(4);
    model_add_module("image vmlinux", "k", 1);
    model_add_module("image bzImage", "k", 1);
    model_add_module("image initramfs.cpio", "i", 1);
    box_read(&box, &none);
    return 0;
}

static void configs_are_valid(void **state)
{
    glob_t found;
    (void)state;
    assert_int_equal(glob("configs/*.json", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 11);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        check(found.gl_pathv[i], text, file_read(found.gl_pathv[i]));
    }
    globfree(&found);
}

/* The agent boots with the manifest on a model of a box with four CPUs and 1 GiB: all that is to start runs.
 */
static void starts(const char *path)
{
    static uint8_t bzimage[TEST_BZ_BYTES];
    text[file_read(path)] = 0;
    test_bzimage_make(bzimage);
    bzimage[0x234] = 1; /* relocatable */
    box_make(text, BOX_UUID, BOX_SITE);
    model_add_module("image bzImage", bzimage, sizeof(bzimage));
    model_add_module("image initramfs.cpio", "initramfs", 9);
    box_agent_begin();
    box_turns(20);
    assert_true(machine.manifest.usable);
    for (unsigned i = 0; i < machine.partition_count; i++) {
        const struct partition *p = &machine.partitions[i];
        if (p->phase != (p->spec->autostart ? PHASE_RUNNING : PHASE_ABSENT)) {
            fail_msg("%s: %s is %s: %s", path, p->spec->name, machine_phase_name(p->phase), p->trouble.text);
        }
    }
}

static void configs_start_on_a_box(void **state)
{
    glob_t found;
    unsigned count = 0;
    (void)state;
    assert_int_equal(glob("configs/*.json", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (strncmp(found.gl_pathv[i], "configs/site", 12) != 0) {
            starts(found.gl_pathv[i]);
            count++;
        }
    }
    globfree(&found);
    assert_true(count >= 8);
}

static void documented_examples_are_valid(void **state)
{
    static const char fence[] = "```json\n";
    unsigned count = 0;
    (void)state;
    text[file_read("docs/manifest.md")] = 0;
    for (const char *at = strstr(text, fence); at != NULL; at = strstr(at + 1, fence)) {
        const char *begin = at + sizeof(fence) - 1;
        const char *end = strstr(begin, "```");
        assert_non_null(end);
        check("docs/manifest.md", begin, (size_t)(end - begin));
        count++;
    }
    assert_int_equal(count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(configs_are_valid, prepare),
        cmocka_unit_test(configs_start_on_a_box),
        cmocka_unit_test_setup(documented_examples_are_valid, prepare),
    };
    return cmocka_run_group_tests_name("agent_configs", tests, NULL, NULL);
}
