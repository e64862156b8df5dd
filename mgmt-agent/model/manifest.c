/* SPDX-License-Identifier: MIT */
#include "model/manifest.h"

#include <inttypes.h>
#include <string.h>

#include "model/document.h"
#include "model/manifest_links.h"
#include "model/schema.h"

#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))
#define MAX_CPU_INDEX 65535

/* ---- fields of a partition --------------------------------------------------------------------------------
 */

static bool name_allowed(const char *name)
{
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0 && name[0] != '-';
}

static void read_name(const struct json *json, const struct json_node *value, void *into)
{
    struct partition_spec *spec = into;
    if (!schema_string(json, value, spec->name, sizeof(spec->name), "a string, for example \"alpha\"")) {
        return;
    }
    if (!name_allowed(spec->name)) {
        json_complain(
            json, value,
            "\"%s\" is no partition name; wanted letters a-z, digits and '-', not beginning with '-'",
            spec->name);
        spec->name[0] = 0;
    }
}

static bool cpu_listed_before(const struct json_node *value)
{
    for (const struct json_node *at = value->parent->child; at != value; at = at->next) {
        if (at->type == JSON_NUMBER && at->is_integer && at->integer == value->integer) {
            return true;
        }
    }
    return false;
}

static void read_cpu(const struct json *json, const struct json_node *value, struct partition_spec *spec)
{
    if (!schema_type(json, value, JSON_NUMBER, "a CPU number, for example 1")) {
        return;
    }
    if (!value->is_integer || value->integer < 0 || value->integer > MAX_CPU_INDEX) {
        json_complain(json, value, "this is no CPU number; wanted a whole number from 1");
    } else if (value->integer == 0) {
        json_complain(json, value, "CPU 0 belongs to the agent; wanted a CPU from 1; name another one");
    } else if (cpu_listed_before(value)) {
        json_complain(json, value, "CPU %" PRId64 " stands twice in this list; remove one", value->integer);
    } else if (spec->cpu_count < MULLION_MAX_VCPUS) {
        spec->cpus[spec->cpu_count++] = (uint32_t)value->integer;
    }
}

static void read_cpu_list(const struct json *json, const struct json_node *value, struct partition_spec *spec)
{
    spec->cpus_listed = true;
    if (value->child_count < 1 || value->child_count > MULLION_MAX_VCPUS) {
        json_complain(json, value, "the list names %" PRIu32 " CPUs; wanted 1 to %u", value->child_count,
                      MULLION_MAX_VCPUS);
        return;
    }
    for (const struct json_node *at = value->child; at != NULL; at = at->next) {
        read_cpu(json, at, spec);
    }
}

static void read_cpus(const struct json *json, const struct json_node *value, void *into)
{
    struct partition_spec *spec = into;
    spec->cpus_node = value;
    if (value->type == JSON_ARRAY) {
        read_cpu_list(json, value, spec);
    } else if (schema_type(json, value, JSON_NUMBER, "a list of CPUs like [1, 2] or a count like 2")) {
        if (!value->is_integer || value->integer < 1 || value->integer > MULLION_MAX_VCPUS) {
            json_complain(json, value, "this is no count of CPUs; wanted a whole number from 1 to %u",
                          MULLION_MAX_VCPUS);
            return;
        }
        spec->cpu_count = (uint32_t)value->integer;
    }
}

uint64_t manifest_memory_size(const char *text)
{
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {{"MiB", 20}, {"GiB", 30}};
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 7 || text[0] == '0') {
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    for (size_t i = 0; i < COUNT(units); i++) {
        if (strcmp(text + digits, units[i].name) == 0) {
            return value << units[i].shift;
        }
    }
    return 0;
}

static void read_memory(const struct json *json, const struct json_node *value, void *into)
{
    struct partition_spec *spec = into;
    spec->memory_node = value;
    if (!schema_type(json, value, JSON_STRING, "a string with its unit, for example \"256MiB\"")) {
        return;
    }
    uint64_t bytes = manifest_memory_size(value->string);
    if (bytes == 0) {
        json_complain(json, value,
                      "\"%.40s\" is no memory size; wanted a whole number and the unit MiB or GiB, for "
                      "example \"256MiB\"",
                      value->string);
    } else if (bytes < MANIFEST_MEMORY_MIN) {
        json_complain(json, value, "\"%s\" is too little for a kernel; wanted at least 16 MiB",
                      value->string);
    } else if (bytes % MANIFEST_MEMORY_UNIT != 0) {
        json_complain(json, value,
                      "\"%s\" is no multiple of 2 MiB, the unit in which memory is divided; take \"%" PRIu64
                      "MiB\"",
                      value->string, (bytes + MANIFEST_MEMORY_UNIT - 1) / MANIFEST_MEMORY_UNIT * 2);
    } else {
        spec->memory_bytes = bytes;
    }
}

static void read_kernel(const struct json *json, const struct json_node *value, void *into)
{
    struct partition_spec *spec = into;
    spec->kernel_node = value;
    schema_string(json, value, spec->kernel, sizeof(spec->kernel),
                  "the name of an image, for example \"vmlinux\"");
}

static void read_initramfs(const struct json *json, const struct json_node *value, void *into)
{
    struct partition_spec *spec = into;
    spec->initramfs_node = value;
    schema_string(json, value, spec->initramfs, sizeof(spec->initramfs),
                  "the name of an image, for example \"initramfs.cpio\"");
}

static void read_cmdline(const struct json *json, const struct json_node *value, void *into)
{
    struct partition_spec *spec = into;
    if (value->type == JSON_STRING && value->string[0] == 0) {
        return;
    }
    schema_string(json, value, spec->cmdline, sizeof(spec->cmdline),
                  "a string, for example \"console=ttyS0\"");
}

static void read_boot(const struct json *json, const struct json_node *value, void *into)
{
    static const struct schema_field fields[] = {
        {"kernel", true, read_kernel, "the name of an image, for example \"vmlinux\""},
        {"initramfs", false, read_initramfs, NULL},
        {"cmdline", false, read_cmdline, NULL},
    };
    schema_read(json, value, fields, COUNT(fields), into);
}

static void read_autostart(const struct json *json, const struct json_node *value, void *into)
{
    struct partition_spec *spec = into;
    if (schema_type(json, value, JSON_BOOLEAN, "true or false")) {
        spec->autostart = value->boolean;
    }
}

static enum manifest_policy read_policy(const struct json *json, const struct json_node *value)
{
    static const char *const words[] = {[POLICY_STOP] = "stop", [POLICY_RESTART] = "restart", NULL};
    return schema_choice(json, value, words) == POLICY_RESTART ? POLICY_RESTART : POLICY_STOP;
}

static void read_on_reboot(const struct json *json, const struct json_node *value, void *into)
{
    ((struct partition_spec *)into)->on_reboot = read_policy(json, value);
}

static void read_on_crash(const struct json *json, const struct json_node *value, void *into)
{
    ((struct partition_spec *)into)->on_crash = read_policy(json, value);
}

static void partition_read(const struct json *json, const struct json_node *value,
                           struct partition_spec *spec)
{
    static const struct schema_field fields[] = {
        {"name", true, read_name, "a string, for example \"alpha\""},
        {"cpus", true, read_cpus, "a list of CPUs like [1, 2] or a count like 2"},
        {"memory", true, read_memory, "a string, for example \"256MiB\""},
        {"boot", true, read_boot, "an object with \"kernel\""},
        {"autostart", false, read_autostart, NULL},
        {"onReboot", false, read_on_reboot, NULL},
        {"onCrash", false, read_on_crash, NULL},
        {"nics", false, manifest_read_nics, NULL},
    };
    *spec = (struct partition_spec){.autostart = true, .on_reboot = POLICY_RESTART, .node = value};
    spec->valid = schema_read(json, value, fields, COUNT(fields), spec) && spec->name[0] != 0;
}

/* ---- the document -----------------------------------------------------------------------------------------
 */

static void name_check(const struct json *json, struct manifest *manifest, struct partition_spec *spec)
{
    for (unsigned i = 0; spec->name[0] != 0 && &manifest->partitions[i] != spec; i++) {
        if (strcmp(manifest->partitions[i].name, spec->name) == 0) {
            const struct json_node *name = json_member(spec->node, "name");
            json_complain(json, name, "partition %u has the name \"%s\" too; give this one another name",
                          i + 1, spec->name);
            spec->valid = false;
        }
    }
}

static void read_partitions(const struct json *json, const struct json_node *value, void *into)
{
    struct manifest *manifest = ((struct document *)into)->target;
    if (!schema_type(json, value, JSON_ARRAY, "a list of partitions [...]")) {
        return;
    }
    if (value->child_count > MANIFEST_MAX_PARTITIONS) {
        json_complain(json, value, "%" PRIu32 " partitions; a machine has at most %u; the rest is ignored",
                      value->child_count, MANIFEST_MAX_PARTITIONS);
    }
    manifest->count = 0;
    for (const struct json_node *at = value->child; at != NULL && manifest->count < MANIFEST_MAX_PARTITIONS;
         at = at->next) {
        struct partition_spec *spec = &manifest->partitions[manifest->count++];
        partition_read(json, at, spec);
        name_check(json, manifest, spec);
    }
}

static void read_links(const struct json *json, const struct json_node *value, void *into)
{
    (void)into; /* they name partitions, which may stand behind them: read when all are known */
    schema_type(json, value, JSON_ARRAY, "a list of links [...]");
}

void manifest_read(struct manifest *manifest, struct json *json, const char *text, size_t bytes,
                   struct problem_list *problems)
{
    static const struct schema_field fields[] = {
        {"apiVersion", true, document_read_version, "\"" DOCUMENT_VERSION "\""},
        {"kind", true, document_read_kind_machine, "\"Machine\""},
        {"partitions", true, read_partitions, "a list, which may be empty: []"},
        {"links", false, read_links, NULL},
    };
    manifest->usable = false;
    manifest->count = 0;
    manifest->link_count = 0;
    const struct json_node *root = json_parse(json, "manifest", text, bytes, problems);
    if (root == NULL) {
        return;
    }
    struct document document = {.head_ok = true, .target = manifest};
    schema_read(json, root, fields, COUNT(fields), &document);
    manifest->usable = root->type == JSON_OBJECT && document.head_ok &&
                       json_member(root, "apiVersion") != NULL && json_member(root, "kind") != NULL;
    if (root->type == JSON_OBJECT) {
        manifest_links_read(manifest, json, json_member(root, "links"));
        manifest_macs_check(manifest, json);
    }
}
