/* SPDX-License-Identifier: MIT */
/* Any bytes as YAML: no crash, each refusal has its text, and what is read can be written and read as JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "lint/yaml.h"
#include "model/json_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct json json;
static char canonical[8 * JSON_MAX_BYTES];
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

static bool has_duplicate(void)
{
    for (uint32_t i = 0; i < json.node_count; i++) {
        if (json.nodes[i].duplicate_of != NULL) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct problem_list problems;
    static struct json second;
    memset(&problems, 0, sizeof(problems));
    const struct json_node *root = yaml_parse(&json, "fuzz", (const char *)data, size, &problems);
    if ((root == NULL) != (problems.count > 0)) {
        abort();
    }
    if (root == NULL || has_duplicate()) {
        return 0;
    }
    canonical_bytes = 0;
    json_write(root, keep, NULL);
    if (canonical_bytes > JSON_MAX_BYTES) {
        return 0;
    }
    const struct json_node *again = json_parse(&second, "again", canonical, canonical_bytes, &problems);
    if (again == NULL || !json_equals(root, again)) {
        abort();
    }
    return 0;
}
