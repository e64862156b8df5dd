/* SPDX-License-Identifier: MIT */
#include "model/manifest_later.h"

#include <string.h>

#include "model/manifest_schema.h"

struct later {
    const struct schema_object *object;
    const char *field, *word; /* as manifest_later() takes them */
    const char *what;
};

static const struct later rows[] = {
    {&schema_machine, "site", NULL, "read the site configuration from a manifest"},
    {&schema_machine, "networks", NULL, "build networks besides \"uplink\""},
    {&schema_selection, "site", NULL, "read the site configuration from a manifest"},
    {&schema_selection, "networks", NULL, "build networks besides \"uplink\""},
    {&schema_match, "serial", NULL, "know the box's serial number"},
    {&schema_match, "mac", NULL, "know the box's ports when it reads the manifest"},
    {&schema_partition, "cpus", "{}", "share a CPU by time slots"},
    {&schema_partition, "smt", NULL, "know which CPUs share a core"},
    {&schema_partition, "numa", NULL, "know which memory is near which CPU"},
    {&schema_partition, "disks", NULL, "give partitions disks"},
    {&schema_partition, "devices", NULL, "give partitions devices of the box"},
    {&schema_partition, "console", NULL, "read the guest's console"},
    {&schema_partition, "watchdog", NULL, "watch over guests"},
    {&schema_partition, "power", NULL, "apply a manifest to a running box"},
    {&schema_partition, "startOrder", NULL, "start partitions in an order of their own"},
    {&schema_partition, "after", NULL, "wait for one partition before it starts another"},
    {&schema_partition, "onPowerOff", NULL, "start a partition again whose guest has powered off"},
    {&schema_partition, "drift", NULL, "apply a manifest to a running box"},
    {&schema_boot, "firmware", NULL, "boot by firmware"},
    {&schema_nic, "vlan", NULL, "put ports into VLANs"},
    {&schema_nic, "trunk", NULL, "put ports into VLANs"},
    {&schema_nic, "rateMbps", NULL, "limit a port's rate"},
    {&schema_management, "vlan", NULL, "manage the box in a VLAN"},
    {&schema_management, "dns", NULL, "ask name servers"},
    {&schema_management, "ntp", NULL, "ask time servers"},
    {&schema_site, "admin", NULL, "take over an administrator's credentials"},
};

static bool is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

const char *manifest_later(const struct schema_object *object, const char *field, const char *word)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].object == object && strcmp(rows[i].field, field) == 0 && is_same(rows[i].word, word)) {
            return rows[i].what;
        }
    }
    return NULL;
}

static bool refuse(struct json *json, const struct schema_object *object, const struct schema_field *field,
                   const struct json_node *value)
{
    const char *what = manifest_later(object, field->name, NULL);
    if (what != NULL) {
        json_complain_key(json, value, "this version does not yet %s; remove \"%s\"", what, field->name);
        return false;
    }
    const char *word = value->type == JSON_OBJECT ? "{}" : value->type == JSON_STRING ? value->string : NULL;
    what = word != NULL ? manifest_later(object, field->name, word) : NULL;
    if (what != NULL) {
        json_complain(json, value, "this version does not yet %s; write it in another form", what);
    }
    return what == NULL;
}

void manifest_later_check(struct json *json, const struct json_node *root, const struct schema_object *object)
{
    schema_visit(json, root, object, refuse);
}
