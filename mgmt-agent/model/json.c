/* SPDX-License-Identifier: MIT */
#include "model/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct parser {
    struct json *json;
    uint32_t at;
    unsigned depth;
    bool failed;
};

static const char *const type_names[JSON_TYPE_COUNT] = {
    [JSON_NULL] = "null",       [JSON_BOOLEAN] = "true or false", [JSON_NUMBER] = "a number",
    [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",        [JSON_OBJECT] = "an object",
};

const char *json_type_name(enum json_type type)
{
    return (unsigned)type < JSON_TYPE_COUNT ? type_names[type] : "nothing";
}

/* ---- where a thing stands ---------------------------------------------------------------------------------
 */

/* Columns count characters, as editors do: continuation bytes of UTF-8 do not count. */
struct json_place json_place(const struct json *json, uint32_t offset)
{
    struct json_place place = {1, 1};
    for (uint32_t i = 0; i < offset && i < json->bytes; i++) {
        if (json->text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (((unsigned char)json->text[i] & 0xc0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

#define POINTER_CUT "..."

/* Prepends, so the path is written from its end backwards; RFC 6901 writes "~" as "~0" and "/" as "~1".
 * Returns NULL if that leaves no room for POINTER_CUT. */
static char *pointer_prepend(const char *begin, char *at, const char *part)
{
    size_t length = strlen(part);
    if ((size_t)(at - begin) < 2 * length + sizeof(POINTER_CUT)) {
        return NULL;
    }
    for (const char *from = part + length; from > part;) {
        char c = *--from;
        *--at = c == '~' ? '0' : c == '/' ? '1' : c;
        if (c == '~' || c == '/') {
            *--at = '~';
        }
    }
    *--at = '/';
    return at;
}

const char *json_pointer(const struct json_node *node, char buffer[JSON_POINTER_BYTES])
{
    char *at = buffer + JSON_POINTER_BYTES - 1;
    *at = 0;
    for (; node != NULL && node->parent != NULL; node = node->parent) {
        char index[12];
        snprintf(index, sizeof(index), "%" PRIu32, node->index);
        char *longer = pointer_prepend(buffer, at, node->key != NULL ? node->key : index);
        if (longer == NULL) {
            at -= sizeof(POINTER_CUT) - 1;
            memcpy(at, POINTER_CUT, sizeof(POINTER_CUT) - 1);
            break;
        }
        at = longer;
    }
    if (*at == 0) {
        *--at = '/';
    }
    return at;
}

void json_complain_at(struct json *json, uint32_t offset, const struct json_node *node, const char *format,
                      va_list arguments)
{
    char buffer[JSON_POINTER_BYTES];
    char prefix[PROBLEM_BYTES];
    for (const struct json_node *at = node; at != NULL; at = at->parent) {
        json->nodes[at - json->nodes].faulty = true;
    }
    if (problem_is_full(json->problems)) {
        json->problems
            ->dropped++; /* nobody reads where it stands, and to find that costs a pass over the text */
        return;
    }
    struct json_place place = json_place(json, offset);
    snprintf(prefix, sizeof(prefix), "%s:%u:%u: %s: ", json->file, place.line, place.column,
             json_pointer(node, buffer));
    problem_add_v(json->problems, prefix, format, arguments);
}

void json_complain(struct json *json, const struct json_node *node, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_complain_at(json, node->offset, node, format, arguments);
    va_end(arguments);
}

void json_complain_key(struct json *json, const struct json_node *node, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_complain_at(json, node->key_offset, node, format, arguments);
    va_end(arguments);
}

void json_complain_duplicate(struct json *json, const struct json_node *node)
{
    unsigned first =
        problem_is_full(json->problems) ? 0 : json_place(json, node->duplicate_of->key_offset).line;
    json_complain_key(json, node,
                      "this key stands twice in the object (first in line %u); remove one of them", first);
}

/* A syntax error: the first one ends parsing. */
__attribute__((format(printf, 3, 4))) static void fail(struct parser *p, const struct json_node *inside,
                                                       const char *format, ...)
{
    if (p->failed) {
        return;
    }
    p->failed = true;
    va_list arguments;
    va_start(arguments, format);
    json_complain_at(p->json, p->at, inside, format, arguments);
    va_end(arguments);
}

/* ---- characters -------------------------------------------------------------------------------------------
 */

/* The byte at the current place, or -1 at the end. */
static int peek(const struct parser *p)
{
    return p->at < p->json->bytes ? (unsigned char)p->json->text[p->at] : -1;
}

static bool accept(struct parser *p, char c)
{
    if (peek(p) != (unsigned char)c) {
        return false;
    }
    p->at++;
    return true;
}

static void skip_space(struct parser *p)
{
    while (peek(p) == ' ' || peek(p) == '\t' || peek(p) == '\n' || peek(p) == '\r') {
        p->at++;
    }
}

/* What stands at the current place, for a complaint. */
static const char *found(const struct parser *p, char buffer[16])
{
    int c = peek(p);
    if (c < 0) {
        return "the end of the text";
    }
    snprintf(buffer, 16, c > ' ' && c < 127 ? "'%c'" : "byte 0x%02x", c);
    return buffer;
}

/* Length of the well-formed UTF-8 sequence at `s` (Unicode 15, table 3-7), 0 if there is none. */
static unsigned utf8_length(const unsigned char *s, size_t left)
{
    static const struct {
        unsigned char first_low, first_high, second_low, second_high, length;
    } forms[] = {
        {0x00, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (s[0] < forms[i].first_low || s[0] > forms[i].first_high) {
            continue;
        }
        if (forms[i].length > left) {
            return 0;
        }
        if (forms[i].length > 1 && (s[1] < forms[i].second_low || s[1] > forms[i].second_high)) {
            return 0;
        }
        for (unsigned k = 2; k < forms[i].length; k++) {
            if ((s[k] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return forms[i].length;
    }
    return 0;
}

/* ---- strings ----------------------------------------------------------------------------------------------
 */

static void put(struct parser *p, unsigned byte)
{
    p->json->strings[p->json->string_used++] = (char)byte;
}

static void put_code_point(struct parser *p, uint32_t c)
{
    if (c < 0x80) {
        put(p, c);
    } else if (c < 0x800) {
        put(p, 0xc0 | c >> 6);
        put(p, 0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        put(p, 0xe0 | c >> 12);
        put(p, 0x80 | (c >> 6 & 0x3f));
        put(p, 0x80 | (c & 0x3f));
    } else {
        put(p, 0xf0 | c >> 18);
        put(p, 0x80 | (c >> 12 & 0x3f));
        put(p, 0x80 | (c >> 6 & 0x3f));
        put(p, 0x80 | (c & 0x3f));
    }
}

/* Four hexadecimal digits, or -1. */
static int32_t hex4(struct parser *p)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(p);
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
        p->at++;
    }
    return value;
}

/* After "\u": one UTF-16 unit or a surrogate pair. */
static void unicode_escape(struct parser *p, const struct json_node *node)
{
    int32_t c = hex4(p);
    if (c >= 0xd800 && c <= 0xdbff) {
        int32_t low = accept(p, '\\') && accept(p, 'u') ? hex4(p) : -1;
        c = low >= 0xdc00 && low <= 0xdfff ? 0x10000 + (c - 0xd800) * 0x400 + (low - 0xdc00) : -1;
    } else if (c >= 0xdc00 && c <= 0xdfff) {
        c = -1;
    }
    if (c <= 0) {
        fail(p, node,
             "\\u escape is no character; wanted four hexadecimal digits (a surrogate pair above ffff), not "
             "0000");
        return;
    }
    put_code_point(p, (uint32_t)c);
}

static void escape(struct parser *p, const struct json_node *node)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (accept(p, 'u')) {
        unicode_escape(p, node);
        return;
    }
    int c = peek(p);
    const char *hit = c > 0 ? strchr(from, c) : NULL;
    if (hit == NULL) {
        char buffer[16];
        fail(p, node,
             "backslash before %s; JSON knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u; write \\\\ for a "
             "backslash",
             found(p, buffer));
        return;
    }
    put(p, (unsigned char)to[hit - from]);
    p->at++;
}

static void plain(struct parser *p, const struct json_node *node)
{
    const unsigned char *s = (const unsigned char *)p->json->text + p->at;
    unsigned length = utf8_length(s, p->json->bytes - p->at);
    if (*s < 0x20) {
        fail(p, node,
             "control character 0x%02x in a string; close the string with '\"' or write the escape \\u%04x",
             *s, *s);
    } else if (length == 0) {
        fail(p, node, "byte 0x%02x is not UTF-8; save the file as UTF-8", *s);
    }
    for (unsigned i = 0; i < length; i++) {
        put(p, s[i]);
    }
    p->at += length;
}

/* A string at '"', decoded; "" after an error. */
static const char *string_read(struct parser *p, const struct json_node *node)
{
    uint32_t begin = p->json->string_used;
    p->at++;
    while (!p->failed && !accept(p, '"')) {
        if (peek(p) < 0) {
            fail(p, node, "the string does not end; wanted '\"'");
        } else if (accept(p, '\\')) {
            escape(p, node);
        } else {
            plain(p, node);
        }
    }
    put(p, 0);
    return p->json->strings + begin;
}

/* ---- values -----------------------------------------------------------------------------------------------
 */

static uint32_t digits(struct parser *p)
{
    uint32_t begin = p->at;
    while (peek(p) >= '0' && peek(p) <= '9') {
        p->at++;
    }
    return p->at - begin;
}

static void integer_value(struct parser *p, struct json_node *node)
{
    const char *s = p->json->text + node->offset;
    bool negative = *s == '-';
    uint32_t length = p->at - node->offset - (negative ? 1 : 0);
    node->is_integer = length <= 18;
    for (uint32_t i = 0; node->is_integer && i < length; i++) {
        node->integer = node->integer * 10 + (s[i + (negative ? 1 : 0)] - '0');
    }
    node->integer = negative ? -node->integer : node->integer;
}

static void number_read(struct parser *p, struct json_node *node)
{
    node->type = JSON_NUMBER;
    accept(p, '-');
    bool zero = peek(p) == '0';
    uint32_t whole = digits(p);
    if (whole == 0 || (zero && whole > 1)) {
        fail(p, node, "this is no number; wanted digits without a leading zero");
        return;
    }
    if (peek(p) != '.' && peek(p) != 'e' && peek(p) != 'E') {
        integer_value(p, node);
        return;
    }
    if (accept(p, '.') && digits(p) == 0) {
        fail(p, node, "no digit after the decimal point");
    }
    if (accept(p, 'e') || accept(p, 'E')) {
        if (!accept(p, '+')) {
            accept(p, '-');
        }
        if (digits(p) == 0) {
            fail(p, node, "no digit in the exponent");
        }
    }
}

static bool word_read(struct parser *p, const char *word)
{
    size_t length = strlen(word);
    if (p->json->bytes - p->at < length || memcmp(p->json->text + p->at, word, length) != 0) {
        return false;
    }
    p->at += (uint32_t)length;
    return true;
}

static struct json_node *node_new(struct parser *p, const struct json_node *parent)
{
    struct json_node *node = json_node_add(p->json, parent, p->at);
    if (node == NULL) {
        fail(p, parent, "more than %u values; split the file", JSON_MAX_NODES);
    }
    return node;
}

static void value_read(struct parser *p, struct json_node *node);

static void key_read(struct parser *p, struct json_node *parent, struct json_node *node)
{
    char buffer[16];
    if (peek(p) != '"') {
        fail(p, parent, "found %s; wanted a key in double quotes%s", found(p, buffer),
             peek(p) == '}' ? "; remove the comma before it" : "");
        return;
    }
    const char *key = string_read(p, parent);
    skip_space(p);
    if (!accept(p, ':')) {
        fail(p, parent, "found %s after the key \"%.40s\"; wanted ':'", found(p, buffer), key);
        return;
    }
    skip_space(p);
    node->offset = p->at;
    json_key_set(node, key);
}

/* Members or elements after the opening bracket, up to and including `close`. */
static void children_read(struct parser *p, struct json_node *parent, char close)
{
    const struct json_node **link = &parent->child;
    skip_space(p);
    if (accept(p, close)) {
        return;
    }
    while (!p->failed) {
        skip_space(p);
        struct json_node *node = node_new(p, parent);
        if (node == NULL) {
            return;
        }
        node->index = parent->child_count++;
        *link = node;
        link = &node->next;
        if (close == '}') {
            key_read(p, parent, node);
        }
        value_read(p, node);
        skip_space(p);
        if (p->failed || accept(p, close)) {
            return;
        }
        if (!accept(p, ',')) {
            char buffer[16];
            fail(p, parent, "found %s; wanted ',' or '%c'", found(p, buffer), close);
        }
    }
}

static void container_read(struct parser *p, struct json_node *node, enum json_type type, char close)
{
    node->type = type;
    p->at++;
    if (++p->depth > JSON_MAX_DEPTH) {
        fail(p, node, "nested deeper than %u levels; no manifest needs that", JSON_MAX_DEPTH);
    } else {
        children_read(p, node, close);
    }
    p->depth--;
}

static void scalar_read(struct parser *p, struct json_node *node)
{
    char buffer[16];
    if (word_read(p, "true")) {
        node->type = JSON_BOOLEAN;
        node->boolean = true;
    } else if (word_read(p, "false")) {
        node->type = JSON_BOOLEAN;
    } else if (word_read(p, "null")) {
        node->type = JSON_NULL;
    } else {
        fail(p, node, "found %s; wanted a value: object, array, \"string\", number, true, false or null%s",
             found(p, buffer), peek(p) == ']' ? "; remove the comma before it" : "");
    }
}

static void value_read(struct parser *p, struct json_node *node)
{
    if (p->failed) {
        return;
    }
    int c = peek(p);
    if (c == '{') {
        container_read(p, node, JSON_OBJECT, '}');
    } else if (c == '[') {
        container_read(p, node, JSON_ARRAY, ']');
    } else if (c == '"') {
        node->type = JSON_STRING;
        node->string = string_read(p, node);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        number_read(p, node);
    } else {
        scalar_read(p, node);
    }
}

const struct json_node *json_member(const struct json_node *object, const char *key)
{
    for (const struct json_node *at = object->child; at != NULL; at = at->next) {
        if (at->key != NULL && strcmp(at->key, key) == 0) {
            return at;
        }
    }
    return NULL;
}

const struct json_node *json_element(const struct json_node *array, uint32_t index)
{
    const struct json_node *at = array->child;
    for (; at != NULL && index > 0; index--) {
        at = at->next;
    }
    return at;
}

struct json_node *json_node_add(struct json *json, const struct json_node *parent, uint32_t offset)
{
    if (json->node_count == JSON_MAX_NODES) {
        return NULL;
    }
    struct json_node *node = &json->nodes[json->node_count++];
    *node = (struct json_node){.parent = parent, .offset = offset, .key_offset = offset};
    return node;
}

const char *json_string_add(struct json *json, const char *text, size_t bytes)
{
    char *to = json->strings + json->string_used;
    if (bytes >= sizeof(json->strings) - json->string_used) {
        return NULL;
    }
    memcpy(to, text, bytes);
    to[bytes] = 0;
    json->string_used += (uint32_t)bytes + 1;
    return to;
}

void json_list_cut(struct json *json, const struct json_node *list, uint32_t count)
{
    struct json_node *cut = &json->nodes[list - json->nodes];
    const struct json_node *last = NULL;
    const struct json_node *at = cut->child;
    for (uint32_t i = 0; i < count && at != NULL; i++) {
        last = at;
        at = at->next;
    }
    if (last == NULL) {
        cut->child = NULL;
    } else {
        json->nodes[last - json->nodes].next = NULL;
    }
    cut->child_count = count < cut->child_count ? count : cut->child_count;
}

void json_key_set(struct json_node *node, const char *key)
{
    node->key = key;
    const struct json_node *first = json_member(node->parent, key);
    node->duplicate_of = first != node ? first : NULL;
}

bool json_begin(struct json *json, const char *file, const char *text, size_t bytes,
                struct problem_list *problems)
{
    json->file = file;
    json->text = text;
    json->bytes = bytes <= JSON_MAX_BYTES ? (uint32_t)bytes : 0;
    json->problems = problems;
    json->node_count = json->string_used = 0;
    if (bytes > JSON_MAX_BYTES) {
        problem_add(problems, "%s:1:1: /: the file has %zu bytes; at most %u are read; make it smaller", file,
                    bytes, JSON_MAX_BYTES);
    }
    return bytes <= JSON_MAX_BYTES;
}

static void document_read(struct parser *p, struct json_node *root)
{
    if (word_read(p, "\xef\xbb\xbf")) {
        p->at = 0;
        fail(p, NULL, "the file begins with a byte-order mark; save it as UTF-8 without BOM");
        return;
    }
    skip_space(p);
    root->offset = root->key_offset = p->at;
    value_read(p, root);
    skip_space(p);
    if (!p->failed && peek(p) >= 0) {
        char buffer[16];
        fail(p, NULL, "found %s after the end of the value; remove it", found(p, buffer));
    }
}

const struct json_node *json_parse(struct json *json, const char *file, const char *text, size_t bytes,
                                   struct problem_list *problems)
{
    if (!json_begin(json, file, text, bytes, problems)) {
        return NULL;
    }
    struct parser parser = {.json = json};
    struct json_node *root = node_new(&parser, NULL);
    document_read(&parser, root);
    return parser.failed ? NULL : root;
}
