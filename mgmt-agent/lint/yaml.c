/* SPDX-License-Identifier: MIT */
#include "lint/yaml.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one at hand */
    struct json *json;
    uint32_t offset, characters; /* the same place of the text, in bytes and in characters */
    unsigned depth;
    bool failed;
};

/* The place of a mark in bytes. Marks ascend, so the text is walked through once. */
static uint32_t offset_of(struct reader *r, const yaml_mark_t *mark)
{
    while (r->characters < mark->index && r->offset < r->json->bytes) {
        do {
            r->offset++;
        } while (r->offset < r->json->bytes && ((unsigned char)r->json->text[r->offset] & 0xc0) == 0x80);
        r->characters++;
    }
    return r->offset;
}

__attribute__((format(printf, 4, 5))) static void fail(struct reader *r, uint32_t offset,
                                                       const struct json_node *node, const char *format, ...)
{
    if (r->failed) {
        return;
    }
    r->failed = true;
    va_list arguments;
    va_start(arguments, format);
    json_complain_at(r->json, offset, node, format, arguments);
    va_end(arguments);
}

/* Takes the next event. */
static void next(struct reader *r, const struct json_node *node)
{
    yaml_event_delete(&r->event);
    if (r->failed || yaml_parser_parse(&r->parser, &r->event)) {
        return;
    }
    const yaml_parser_t *p = &r->parser;
    bool is_byte = p->error == YAML_READER_ERROR;
    fail(r, is_byte ? (uint32_t)p->problem_offset : offset_of(r, &p->problem_mark), node,
         "this is no YAML: %s%s%s", p->problem != NULL ? p->problem : "no memory is left",
         p->context != NULL ? ", " : "", p->context != NULL ? p->context : "");
}

/* ---- scalars ----------------------------------------------------------------------------------------------
 */

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcasecmp(text, *words) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_whole(const char *text)
{
    const char *digits = text + (*text == '-' ? 1 : 0);
    size_t length = strlen(digits);
    return length > 0 && length <= 18 && strspn(digits, "0123456789") == length &&
           (digits[0] != '0' || length == 1);
}

/* What one YAML reader takes for a number and another for text: 0x10, 1_000, 1e3, 012, 12:30:45, .inf */
static bool is_ambiguous(const char *text)
{
    static const char *const words[] = {".inf", "-.inf", "+.inf", ".nan", NULL};
    const char *begin = text + (*text == '-' || *text == '+' ? 1 : 0);
    bool digit_first = *begin >= '0' && *begin <= '9';
    bool hex = strncmp(begin, "0x", 2) == 0 || strncmp(begin, "0o", 2) == 0;
    return is_one_of(text, words) || hex || (digit_first && begin[strspn(begin, "0123456789_:.eE+-")] == 0);
}

static void plain(struct reader *r, struct json_node *node, const char *text)
{
    static const char *const switches[] = {"yes", "no", "on", "off", "y", "n", NULL};
    static const char *const odd[] = {"true", "false", "null", NULL};
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        node->type = JSON_BOOLEAN;
        node->boolean = *text == 't';
    } else if (strcmp(text, "null") == 0 || strcmp(text, "~") == 0 || *text == 0) {
        node->type = JSON_NULL;
    } else if (is_whole(text)) {
        node->type = JSON_NUMBER;
        node->is_integer = true;
        node->integer = strtoll(text, NULL, 10);
    } else if (is_one_of(text, switches)) {
        fail(r, node->offset, node,
             "%s without quotes is true or false to some readers of YAML and text to others; write true or "
             "false, or \"%s\" in quotes",
             text, text);
    } else if (is_one_of(text, odd)) {
        fail(r, node->offset, node, "%s; wanted true, false or null in small letters, or quotes around it",
             text);
    } else if (is_ambiguous(text)) {
        fail(r, node->offset, node,
             "%.40s without quotes is a number to some readers of YAML and text to others; write a whole "
             "number in digits, or put it in quotes",
             text);
    } else {
        node->type = JSON_STRING;
        node->string = text;
    }
}

static void scalar(struct reader *r, struct json_node *node)
{
    const char *value = (const char *)r->event.data.scalar.value;
    size_t bytes = r->event.data.scalar.length;
    if (memchr(value, 0, bytes) != NULL) {
        fail(r, node->offset, node, "a zero character in a text; remove it");
        return;
    }
    const char *text = json_string_add(r->json, value, bytes);
    if (text == NULL) {
        fail(r, node->offset, node, "the texts of this file are too long; make it smaller");
    } else if (r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        plain(r, node, text);
    } else {
        node->type = JSON_STRING;
        node->string = text;
    }
}

/* ---- lists and mappings -----------------------------------------------------------------------------------
 */

static void value(struct reader *r, struct json_node *node);

/* The key at hand; takes the event behind it. */
static void key(struct reader *r, struct json_node *node)
{
    if (r->event.type != YAML_SCALAR_EVENT || r->event.data.scalar.tag != NULL ||
        r->event.data.scalar.anchor != NULL) {
        fail(r, node->offset, node->parent, "a key is a plain word; no list, object, tag or anchor");
        return;
    }
    scalar(r, node);
    if (!r->failed && node->type != JSON_STRING) {
        fail(r, node->offset, node->parent, "a key is text; put it in quotes");
    } else if (!r->failed && strcmp(node->string, "<<") == 0) {
        fail(r, node->offset, node->parent, "no merges (<<) here; write the fields out");
    }
    if (r->failed) {
        return;
    }
    json_key_set(node, node->string);
    next(r, node->parent);
    node->offset = offset_of(r, &r->event.start_mark);
}

static void children(struct reader *r, struct json_node *parent, yaml_event_type_t end)
{
    const struct json_node **link = &parent->child;
    next(r, parent);
    while (!r->failed && r->event.type != end) {
        struct json_node *node = json_node_add(r->json, parent, offset_of(r, &r->event.start_mark));
        if (node == NULL) {
            fail(r, r->offset, parent, "more than %u values; split the file", JSON_MAX_NODES);
            return;
        }
        node->index = parent->child_count++;
        *link = node;
        link = &node->next;
        if (end == YAML_MAPPING_END_EVENT) {
            key(r, node);
        }
        if (!r->failed) {
            value(r, node);
            next(r, parent);
        }
    }
}

static void container(struct reader *r, struct json_node *node, enum json_type type, yaml_event_type_t end)
{
    node->type = type;
    if (++r->depth > JSON_MAX_DEPTH) {
        fail(r, node->offset, node, "nested deeper than %u levels; no manifest needs that", JSON_MAX_DEPTH);
    } else {
        children(r, node, end);
    }
    r->depth--;
}

struct decoration {
    const yaml_char_t *anchor, *tag;
};

static struct decoration decoration_of(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return (struct decoration){event->data.scalar.anchor, event->data.scalar.tag};
    case YAML_SEQUENCE_START_EVENT:
        return (struct decoration){event->data.sequence_start.anchor, event->data.sequence_start.tag};
    case YAML_MAPPING_START_EVENT:
        return (struct decoration){event->data.mapping_start.anchor, event->data.mapping_start.tag};
    default:
        return (struct decoration){NULL, NULL};
    }
}

/* The value at hand, up to its last event. */
static void value(struct reader *r, struct json_node *node)
{
    struct decoration decoration = decoration_of(&r->event);
    if (decoration.anchor != NULL || r->event.type == YAML_ALIAS_EVENT) {
        fail(r, node->offset, node, "no anchors and aliases (&, *) here; write the value out");
    } else if (decoration.tag != NULL) {
        fail(r, node->offset, node, "no tags (!) here; remove it");
    } else if (r->event.type == YAML_SCALAR_EVENT) {
        scalar(r, node);
    } else if (r->event.type == YAML_SEQUENCE_START_EVENT) {
        container(r, node, JSON_ARRAY, YAML_SEQUENCE_END_EVENT);
    } else {
        container(r, node, JSON_OBJECT, YAML_MAPPING_END_EVENT);
    }
}

/* ---- the document -----------------------------------------------------------------------------------------
 */

static const struct json_node *document(struct reader *r)
{
    next(r, NULL); /* the stream begins */
    next(r, NULL);
    if (!r->failed && r->event.type != YAML_DOCUMENT_START_EVENT) {
        fail(r, 0, NULL, "the file is empty; wanted a manifest");
    }
    if (!r->failed && (r->event.data.document_start.version_directive != NULL ||
                       r->event.data.document_start.tag_directives.start !=
                           r->event.data.document_start.tag_directives.end)) {
        fail(r, 0, NULL, "no directives (%%) here; remove them");
    }
    next(r, NULL);
    if (r->failed) {
        return NULL;
    }
    struct json_node *root = json_node_add(r->json, NULL, offset_of(r, &r->event.start_mark));
    value(r, root);
    next(r, NULL); /* the document ends */
    next(r, NULL);
    if (!r->failed && r->event.type != YAML_STREAM_END_EVENT) {
        fail(r, offset_of(r, &r->event.start_mark), NULL,
             "a second document begins here; use a file for each");
    }
    return r->failed ? NULL : root;
}

const struct json_node *yaml_parse(struct json *json, const char *file, const char *text, size_t bytes,
                                   struct problem_list *problems)
{
    struct reader reader = {.json = json};
    if (!json_begin(json, file, text, bytes, problems)) {
        return NULL;
    }
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        fail(&reader, 0, NULL, "the file begins with a byte-order mark; save it as UTF-8 without BOM");
        return NULL;
    }
    if (!yaml_parser_initialize(&reader.parser)) {
        fail(&reader, 0, NULL, "no memory is left to read it");
        return NULL;
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, bytes);
    const struct json_node *root = document(&reader);
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    return root;
}
