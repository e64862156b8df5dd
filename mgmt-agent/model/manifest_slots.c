/* SPDX-License-Identifier: MIT */
#include "model/manifest_slots.h"

#include <inttypes.h>

#include "model/manifest_formats.h"
#include "model/manifest_schema.h"

static bool has(const struct json_node *object, const char *name, enum json_type type)
{
    const struct json_node *member = json_member(object, name);
    return member != NULL && member->type == type;
}

/* A partition's time slots, NULL if it has none or wrong ones. */
static const struct json_node *slots_of(const struct json_node *partition)
{
    const struct json_node *cpus = partition->type == JSON_OBJECT ? schema_get(partition, "cpus") : NULL;
    bool whole = cpus != NULL && cpus->type == JSON_OBJECT && has(cpus, "cpu", JSON_NUMBER) &&
                 has(cpus, "frame", JSON_STRING) && has(cpus, "slots", JSON_ARRAY);
    return whole ? cpus : NULL;
}

static uint64_t time_of(const struct json_node *object, const char *name)
{
    const struct json_node *time = json_member(object, name);
    return time != NULL ? format_duration_us(time->string) : 0;
}

static const char *name_of(const struct json_node *partition)
{
    const struct json_node *name = schema_get(partition, "name");
    return name != NULL && name->type == JSON_STRING ? name->string : "?";
}

static void check_slot(struct json *json, const struct json_node *slot, const struct json_node *partition)
{
    uint64_t begin = time_of(slot, "at");
    uint64_t end = begin + time_of(slot, "for");
    for (const struct json_node *at = json_member(slots_of(partition), "slots")->child; at != NULL;
         at = at->next) {
        uint64_t other_begin = time_of(at, "at");
        uint64_t other_end = other_begin + time_of(at, "for");
        if (begin < other_end && other_begin < end) {
            json_complain(json, slot,
                          "this slot is from %" PRIu64 " to %" PRIu64
                          " us, one of partition \"%s\" from %" PRIu64 " to %" PRIu64
                          " us; only one can have the CPU at a time; move or shorten one of them",
                          begin, end, name_of(partition), other_begin, other_end);
            return;
        }
    }
}

/* Compares with a partition further up on the same CPU. */
static void check_pair(struct json *json, const struct json_node *cpus, const struct json_node *partition)
{
    uint64_t frame = time_of(cpus, "frame");
    uint64_t other = time_of(slots_of(partition), "frame");
    if (frame != other) {
        json_complain(json, json_member(cpus, "frame"),
                      "the frame is %" PRIu64 " us, that of partition \"%s\" on the same CPU %" PRIu64
                      " us; all who share a CPU have the same; correct one of them",
                      frame, name_of(partition), other);
        return;
    }
    for (const struct json_node *at = json_member(cpus, "slots")->child; at != NULL; at = at->next) {
        check_slot(json, at, partition);
    }
}

void manifest_slots_check(struct json *json, const struct json_node *partitions)
{
    for (const struct json_node *at = partitions->child; at != NULL; at = at->next) {
        const struct json_node *cpus = slots_of(at);
        for (const struct json_node *up = partitions->child; cpus != NULL && up != at; up = up->next) {
            const struct json_node *other = slots_of(up);
            if (other != NULL && json_member(other, "cpu")->integer == json_member(cpus, "cpu")->integer) {
                check_pair(json, cpus, up);
            }
        }
    }
}
