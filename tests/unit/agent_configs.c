/* SPDX-License-Identifier: MIT */
/* Every file in configs/ and every example in docs/manifest.md is valid on a box that is large enough. */
#include "agent_test.h"

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
        cmocka_unit_test_setup(documented_examples_are_valid, prepare),
    };
    return cmocka_run_group_tests_name("agent_configs", tests, NULL, NULL);
}
