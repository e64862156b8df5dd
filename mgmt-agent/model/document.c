/* SPDX-License-Identifier: MIT */
#include "model/document.h"

static void read_head(const struct json *json, const struct json_node *value, void *into, const char *wanted)
{
    const char *const words[] = {wanted, NULL};
    if (schema_choice(json, value, words) < 0) {
        ((struct document *)into)->head_ok = false;
    }
}

void document_read_version(const struct json *json, const struct json_node *value, void *into)
{
    read_head(json, value, into, DOCUMENT_VERSION);
}

void document_read_kind_machine(const struct json *json, const struct json_node *value, void *into)
{
    read_head(json, value, into, "Machine");
}

void document_read_kind_site(const struct json *json, const struct json_node *value, void *into)
{
    read_head(json, value, into, "Site");
}
