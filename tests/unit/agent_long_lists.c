/* SPDX-License-Identifier: MIT */
/* A list that is longer than it may be, anywhere in a document and ending in anything, is refused; nothing
 * behind its limit is ever used. The lists are those of the tables. */
#include "agent_test.h"

#include "model/manifest.h"
#include "model/manifest_box.h"
#include "model/manifest_schema.h"
#include "model/site.h"
#include "os/linux/model.h"

#define PATH_MAX_STEPS 6u
#define MANY           3000u

struct path {
    const struct schema_object *root;
    const struct schema_field *steps[PATH_MAX_STEPS];
    bool is_list[PATH_MAX_STEPS];
    unsigned count;
};

static struct json json;
static struct problem_list problems;
static struct manifest manifest;
static struct box box;
static char text[JSON_MAX_BYTES];
static size_t used;
static unsigned tried;

static void put(const char *part)
{
    used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", part);
    assert_true(used < sizeof(text));
}

/* What is between the brackets of a list's example; it never fits the test's box. */
static void put_elements(const struct schema_field *field)
{
    char elements[1024];
    size_t length = strlen(field->example);
    bool is_list = field->example[0] == '[';
    snprintf(elements, sizeof(elements), "%.*s", (int)(is_list ? length - 2 : 1),
             is_list ? field->example + 1 : "1");
    char *uuid = strstr(elements, "333344445555");
    if (uuid != NULL) {
        *uuid = '4';
    }
    put(elements);
}

static void put_many(const struct schema_field *field, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        put_elements(field);
        put(",");
    }
}

static const struct schema_object *object_of(const struct schema_value *value)
{
    const struct schema_value *form = schema_form(value, JSON_OBJECT);
    return form != NULL ? form->object : NULL;
}

static const struct schema_value *list_of(const struct schema_field *field)
{
    return schema_form(&field->value, JSON_ARRAY);
}

/* How the list that is too long ends. */
static void put_end(unsigned end)
{
    static const char *const ends[] = {"null", "true", "5", "\"x\"", "[]", "{}"};
    put(end < COUNT(ends) ? ends[end] : "[0");
    for (unsigned i = 0; end >= COUNT(ends) && i < MANY; i++) {
        put(end == COUNT(ends) ? ",1094795585" : i == 0 ? "],7" : ",7");
    }
    put(end == COUNT(ends) ? "]" : "");
}

#define END_COUNT 8u

/* `full`: the step of the path that stands behind the limit of its list. */
static void put_object(const struct path *path, unsigned at, const struct schema_object *object, unsigned end,
                       unsigned full)
{
    const struct schema_field *step = path->steps[at];
    put("{");
    for (unsigned i = 0; i < object->field_count; i++) {
        const struct schema_field *field = &object->fields[i];
        if (field->required && field != step) {
            put("\"");
            put(field->name);
            put("\":");
            put(field->example);
            put(",");
        }
    }
    put("\"");
    put(step->name);
    put(path->is_list[at] ? "\":[" : "\":");
    if (at + 1 == path->count) {
        put_many(step, list_of(step)->most);
        put_end(end);
    } else {
        if (path->is_list[at] && at == full) {
            put_many(step, list_of(step)->most);
        }
        const struct schema_value *value = path->is_list[at] ? list_of(step)->of : &step->value;
        put_object(path, at + 1, object_of(value), end, full);
    }
    put(path->is_list[at] ? "]}" : "}");
}

static void try_text(const struct schema_object *root)
{
    static const struct manifest_self self = {
        true, {0x56, 0x4d, 0x1a, 0x2b, 0, 0, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, 0x55}};
    struct site site;
    memset(&problems, 0, sizeof(problems));
    const struct json_node *document = json_parse(&json, "long", text, used, &problems);
    assert_non_null(document);
    if (root == &schema_site) {
        site_take(&site, &json, document);
    } else {
        manifest_take(&manifest, &json, document, &self);
        manifest_box_check(&manifest, &json, &box);
    }
    if (problems.count == 0) {
        fail_msg("accepted: %.400s", text);
    }
    tried++;
}

static void try_list(const struct path *path)
{
    for (unsigned variant = 0; variant < path->count * END_COUNT; variant++) {
        used = 0;
        put_object(path, 0, path->root, variant % END_COUNT, variant / END_COUNT);
        try_text(path->root);
    }
}

static void try_object(const struct path *above, const struct schema_object *object)
{
    for (unsigned i = 0; i < object->field_count; i++) {
        const struct schema_field *field = &object->fields[i];
        const struct schema_value *list = list_of(field);
        struct path path = *above;
        assert_true(path.count < PATH_MAX_STEPS);
        path.steps[path.count++] = field;
        if (object_of(&field->value) != NULL) {
            try_object(&path, object_of(&field->value));
        }
        path.is_list[path.count - 1] = true;
        if (list != NULL) {
            try_list(&path);
        }
        if (list != NULL && object_of(list->of) != NULL) {
            try_object(&path, object_of(list->of));
        }
    }
}

static void list_that_is_too_long_is_refused_whatever_it_ends_in(void **state)
{
    static struct problem_list none;
    (void)state;
    model_boot(4);
    model_add_module("image vmlinux", "k", 1);
    box_read(&box, &none);
    try_object(&(struct path){.root = &schema_machine}, &schema_machine);
    try_object(&(struct path){.root = &schema_site}, &schema_site);
    assert_true(tried > 300);
}

/* As a file can make them: all that is within the limits is right. */
static void machine_behind_the_last_one_is_never_chosen(void **state)
{
    static const struct manifest_self self = {true, {0x56}};
    (void)state;
    used = 0;
    put("{\"apiVersion\":\"mullion/v1\",\"kind\":\"Machine\",\"partitions\":[],\"machines\":[");
    for (unsigned i = 0; i < MANIFEST_MAX_MACHINES; i++) {
        put("{\"match\":{\"uuid\":\"00000000-0000-0000-0000-000000000001\"}},");
    }
    put("{\"match\":{\"uuid\":\"56000000-0000-0000-0000-000000000000\"},\"partitions\":[{\"name\":\"x\","
        "\"cpus\":[1],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"vmlinux\"}}]}]}");
    memset(&problems, 0, sizeof(problems));
    manifest_take(&manifest, &json, json_parse(&json, "long", text, used, &problems), &self);
    assert_int_equal(problems.count, 1);
    assert_int_equal(manifest.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_that_is_too_long_is_refused_whatever_it_ends_in),
        cmocka_unit_test(machine_behind_the_last_one_is_never_chosen),
    };
    return cmocka_run_group_tests_name("agent_long_lists", tests, NULL, NULL);
}
