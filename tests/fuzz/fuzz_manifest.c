/* SPDX-License-Identifier: MIT */
/* Any bytes as manifest and as site configuration: no crash, and every refusal has its text. */
#include <stdlib.h>
#include <string.h>

#include "model/json_write.h"
#include "model/manifest.h"
#include "model/manifest_box.h"
#include "model/plan.h"
#include "model/site.h"
#include "os/linux/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct json json;
static struct manifest manifest;
static struct box box;

static void box_prepare(void)
{
    static struct problem_list none;
    model_boot(8);
    model_break_cpu(7);
    model_add_module("image vmlinux", "k", 1);
    model_add_module("image initramfs.cpio", "i", 1);
    box_read(&box, &none);
}

/* A partition is valid with everything it needs, or there is a problem that says why not. */
static void check(const struct problem_list *problems)
{
    for (unsigned i = 0; i < manifest.count; i++) {
        const struct partition_spec *spec = &manifest.partitions[i];
        if (!spec->valid && problems->count == 0) {
            abort();
        }
        if (spec->valid &&
            (spec->name[0] == 0 || spec->cpu_count == 0 || spec->memory_bytes == 0 || spec->kernel[0] == 0)) {
            abort();
        }
    }
    if (!manifest.usable && problems->count == 0) {
        abort();
    }
}

static char canonical[2 * JSON_MAX_BYTES];
static size_t canonical_bytes;

static void keep(void *to, const char *text, size_t bytes)
{
    (void)to;
    if (canonical_bytes + bytes > sizeof(canonical)) {
        abort();
    }
    memcpy(canonical + canonical_bytes, text, bytes);
    canonical_bytes += bytes;
}

/* Steps are ordered and within bounds; from a manifest to itself there are none. */
static void check_plan(const struct json_node *before, const struct json_node *after, bool is_same)
{
    static struct plan plan;
    const struct plan_now now = {.root = before, .running = UINT64_MAX};
    plan_make(&plan, &now, after);
    if (plan.count >= PLAN_MAX_STEPS || (is_same && plan.count > 0)) {
        abort();
    }
    for (unsigned i = 1; i < plan.count; i++) {
        if (plan.steps[i - 1].action > plan.steps[i].action) {
            abort();
        }
    }
}

/* To and from a manifest of which parts are the same in many others. */
static void check_plans(const struct json_node *root)
{
    static const char text[] =
        "{\"apiVersion\":\"mullion/"
        "v1\",\"kind\":\"Machine\",\"partitions\":[{\"name\":\"alpha\",\"cpus\":[1],"
        "\"memory\":\"256MiB\",\"boot\":{\"kernel\":\"vmlinux\"},\"nics\":[{\"network\":\"uplink\"}]},"
        "{\"name\":\"beta\",\"cpus\":2,\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"vmlinux\"}}],"
        "\"links\":[{\"kind\":\"net\",\"between\":[\"alpha\",\"beta\"]}]}";
    static struct json other_json;
    static struct manifest other;
    static struct problem_list none;
    if (other.root == NULL) {
        manifest_read(&other, &other_json, text, sizeof(text) - 1, &none);
    }
    check_plan(other.root, root, false);
    check_plan(root, other.root, false);
}

/* What was accepted means the same when it was written in canonical form and read again. */
static void check_canonical(void)
{
    static struct json second;
    static struct manifest again;
    static struct problem_list problems;
    memset(&problems, 0, sizeof(problems));
    canonical_bytes = 0;
    json_write(manifest.root, keep, NULL);
    manifest_read(&again, &second, canonical, canonical_bytes, &problems);
    if (problems.count > 0 || !json_equals(manifest.root, again.root) || again.count != manifest.count ||
        again.link_count != manifest.link_count) {
        abort();
    }
    check_plan(manifest.root, again.root, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct manifest_self self = {
        true, {0x56, 0x4d, 0x1a, 0x2b, 0, 0, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, 0x55}};
    static struct problem_list problems;
    if (box.cpu_count == 0) {
        box_prepare();
    }
    memset(&problems, 0, sizeof(problems));
    manifest_take(&manifest, &json, json_parse(&json, "fuzz", (const char *)data, size, &problems),
                  size % 2 == 0 ? &self : NULL);
    if (problems.count == 0) {
        check_canonical();
        check_plans(manifest.root);
    }
    manifest_box_check(&manifest, &json, &box);
    check(&problems);
    struct site site;
    memset(&problems, 0, sizeof(problems));
    if (!site_read(&json, (const char *)data, size, &site, &problems) && problems.count == 0) {
        abort();
    }
    return 0;
}
