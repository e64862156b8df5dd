/* SPDX-License-Identifier: MIT */
#include "lint/box.h"

#include <string.h>

#include "model/manifest.h"
#include "model/manifest_formats.h"
#include "model/manifest_schema.h"
#include "model/schema_rows.h"

#define CORE_MAX    65534
#define ADDRESS_MAX (INT64_C(1) << 52)

static const struct schema_word kinds[] = {{"Box", "what a box has"}, {NULL, NULL}};

static const struct schema_field cpu_fields[] = {
    {.name = "cpu",
     .required = true,
     .value = WHOLE(0, FACTS_MAX_CPUS - 1),
     .example = "1",
     .text = "its number; they count up from 0, which is the agent's",
     .since = "0.1"},
    {.name = "core",
     .value = WHOLE(0, CORE_MAX),
     .example = "1",
     .text = "CPUs with the same number are threads of one core",
     .since = "0.1"},
    {.name = "node",
     .value = WHOLE(0, FACTS_MAX_NODES - 1),
     .example = "0",
     .text = "its NUMA node",
     .since = "0.1"},
    {.name = "started",
     .value = FLAG,
     .otherwise = "true",
     .example = "false",
     .text = "whether it works",
     .since = "0.1"},
};
static const struct schema_object schema_cpu = {"Cpu", "A CPU.", FIELDS(cpu_fields), NULL};
static const struct schema_value cpu_value = OBJECT(schema_cpu);

static const struct schema_field memory_fields[] = {
    {.name = "at",
     .required = true,
     .value = WHOLE(0, ADDRESS_MAX),
     .example = "16777216",
     .text = "address",
     .since = "0.1"},
    {.name = "bytes",
     .required = true,
     .value = WHOLE(1, ADDRESS_MAX),
     .unit = "bytes",
     .example = "1073741824",
     .text = "size",
     .since = "0.1"},
    {.name = "node",
     .value = WHOLE(0, FACTS_MAX_NODES - 1),
     .example = "0",
     .text = "its NUMA node",
     .since = "0.1"},
};
static const struct schema_object schema_memory = {"Memory", "Memory that partitions can have.",
                                                   FIELDS(memory_fields), NULL};
static const struct schema_value memory_value = OBJECT(schema_memory);

static const struct schema_field image_fields[] = {
    {.name = "name",
     .required = true,
     .value = TEXT(1, MANIFEST_IMAGE_BYTES - 1),
     .example = "\"vmlinux\"",
     .text = "the file's name",
     .since = "0.1"},
    {.name = "sha256",
     .value = FORM(format_sha256, 64),
     .example = "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
     .text = "its sum",
     .since = "0.1"},
};
static const struct schema_object schema_file = {"File", "A file in `images/`.", FIELDS(image_fields), NULL};
static const struct schema_value image_value = OBJECT(schema_file);

static const struct schema_field box_fields[] = {
    {.name = "apiVersion",
     .required = true,
     .value = CHOICE(schema_versions),
     .example = "\"" MANIFEST_VERSION "\"",
     .text = "version of this format",
     .since = "0.1"},
    {.name = "kind",
     .required = true,
     .value = CHOICE(kinds),
     .example = "\"Box\"",
     .text = "what this is",
     .since = "0.1"},
    {.name = "uuid",
     .value = FORM(format_uuid, 36),
     .example = "\"564d1a2b-0000-1111-2222-333344445555\"",
     .text = "its UUID, if it has one",
     .since = "0.1"},
    {.name = "cpus",
     .required = true,
     .value = LIST(1, FACTS_MAX_CPUS, cpu_value),
     .example = "[{\"cpu\": 0}, {\"cpu\": 1}]",
     .text = "its CPUs",
     .since = "0.1"},
    {.name = "memory",
     .required = true,
     .value = LIST(1, FACTS_MAX_RUNS, memory_value),
     .example = "[{\"at\": 16777216, \"bytes\": 1073741824}]",
     .text = "its memory, ascending",
     .since = "0.1"},
    {.name = "images",
     .required = true,
     .value = LIST(0, FACTS_MAX_IMAGES, image_value),
     .example = "[{\"name\": \"vmlinux\"}]",
     .text = "the files in `images/` on its boot medium",
     .since = "0.1"},
};

static void check_box(struct json *json, const struct json_node *box)
{
    int64_t end = 0;
    for (const struct json_node *at = json_member(box, "cpus")->child; at != NULL; at = at->next) {
        if (json_member(at, "cpu")->integer != at->index) {
            json_complain(json, at, "CPUs stand in the order of their numbers from 0; wanted CPU %u here",
                          at->index);
        }
    }
    for (const struct json_node *at = json_member(box, "memory")->child; at != NULL; at = at->next) {
        int64_t begin = json_member(at, "at")->integer;
        int64_t bytes = json_member(at, "bytes")->integer;
        if (begin < end) {
            json_complain(json, at, "memory stands in the order of its addresses, and nothing twice");
        }
        if (((uint64_t)begin | (uint64_t)bytes) % MULLION_FRAME_BYTES != 0) {
            json_complain(json, at, "memory is divided in units of 2 MiB; round address and size");
        }
        end = begin + bytes;
    }
}

const struct schema_object schema_box = {"Box", "What a box has.", FIELDS(box_fields), check_box};

static uint16_t number_of(const struct json_node *object, const char *name)
{
    const struct json_node *member = json_member(object, name);
    return member != NULL ? (uint16_t)member->integer : FACTS_UNKNOWN;
}

bool box_take(struct facts *facts, struct manifest_self *self, struct json *json,
              const struct json_node *root)
{
    *facts = (struct facts){0};
    if (!manifest_head_check(json, root, &schema_box)) {
        return false;
    }
    schema_check(json, root, &schema_box);
    if (root->faulty) {
        return false;
    }
    const struct json_node *uuid = json_member(root, "uuid");
    self->has_uuid = uuid != NULL && address_read_uuid(uuid->string, self->uuid);
    for (const struct json_node *at = json_member(root, "cpus")->child; at != NULL; at = at->next) {
        facts->cpus[facts->cpu_count++] = (struct facts_cpu){schema_flag(&schema_cpu, at, "started"),
                                                             number_of(at, "core"), number_of(at, "node")};
    }
    for (const struct json_node *at = json_member(root, "memory")->child; at != NULL; at = at->next) {
        facts_add_memory(facts, (uint64_t)json_member(at, "at")->integer,
                         (uint64_t)json_member(at, "bytes")->integer, number_of(at, "node"));
    }
    for (const struct json_node *at = json_member(root, "images")->child; at != NULL; at = at->next) {
        const struct json_node *sum = json_member(at, "sha256");
        facts->images[facts->image_count++] = (struct facts_image){
            .name = json_member(at, "name")->string, .sha256 = sum != NULL ? sum->string : NULL};
    }
    return true;
}
