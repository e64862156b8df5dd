/* SPDX-License-Identifier: MIT */
#include "http/parse.h"

#include <picohttpparser.h>
#include <string.h>
#include <strings.h>

#include "http/error.h"

#define MAX_FIELDS     64u
#define COUNT(a)       (sizeof(a) / sizeof((a)[0]))
#define TOKEN_TEXT_MAX 256u

/* What the fields of a head add up to. */
struct fields {
    unsigned hosts, lengths, codings, authorizations;
    bool chunked, close, keep_alive, expects_other;
};

static bool text_is(const char *text, size_t bytes, const char *word)
{
    return bytes == strlen(word) && strncasecmp(text, word, bytes) == 0;
}

/* RFC 9110, 5.6.2 */
static bool is_token(const char *text, size_t bytes)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < bytes; i++) {
        char lower = (char)(text[i] | 0x20);
        bool plain = (text[i] >= '0' && text[i] <= '9') || (lower >= 'a' && lower <= 'z');
        if (!plain && (text[i] == 0 || strchr(others, text[i]) == NULL)) {
            return false;
        }
    }
    return bytes > 0;
}

static enum http_method method_of(const char *text, size_t bytes)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {{"GET", HTTP_GET},
                   {"HEAD", HTTP_HEAD},
                   {"POST", HTTP_POST},
                   {"PUT", HTTP_PUT},
                   {"DELETE", HTTP_DELETE}};
    for (size_t i = 0; i < COUNT(methods); i++) {
        if (bytes == strlen(methods[i].name) && memcmp(text, methods[i].name, bytes) == 0) {
            return methods[i].method;
        }
    }
    return HTTP_OTHER;
}

/* The elements of a comma-separated list, one per call; *rest is used up. */
static struct parse_span next_element(const char *text, struct parse_span *rest)
{
    struct parse_span element = {rest->at, 0};
    while (rest->bytes > 0 && text[rest->at] != ',') {
        rest->at++, rest->bytes--, element.bytes++;
    }
    if (rest->bytes > 0) {
        rest->at++, rest->bytes--;
    }
    while (element.bytes > 0 && (text[element.at] == ' ' || text[element.at] == '\t')) {
        element.at++, element.bytes--;
    }
    while (element.bytes > 0 && strchr(" \t", text[element.at + element.bytes - 1]) != NULL) {
        element.bytes--;
    }
    return element;
}

static void read_connection(const struct phr_header *field, struct fields *fields)
{
    struct parse_span rest = {0, field->value_len};
    while (rest.bytes > 0) {
        struct parse_span element = next_element(field->value, &rest);
        fields->close = fields->close || text_is(field->value + element.at, element.bytes, "close");
        fields->keep_alive =
            fields->keep_alive || text_is(field->value + element.at, element.bytes, "keep-alive");
    }
}

static bool read_length(const struct phr_header *field, size_t *length)
{
    *length = 0;
    for (size_t i = 0; i < field->value_len; i++) {
        char c = field->value[i];
        if (c < '0' || c > '9') {
            return false;
        }
        if (*length <= PARSE_BODY_MAX) { /* larger is too large, however large */
            *length = *length * 10 + (size_t)(c - '0');
        }
    }
    return field->value_len > 0;
}

static void read_bearer(const char *buffer, const struct phr_header *field, struct parse_head *head)
{
    static const char scheme[] = "Bearer ";
    size_t skip = sizeof(scheme) - 1;
    if (field->value_len <= skip || strncasecmp(field->value, scheme, skip) != 0) {
        return;
    }
    while (skip < field->value_len && field->value[skip] == ' ') {
        skip++;
    }
    size_t bytes = field->value_len - skip;
    if (bytes <= TOKEN_TEXT_MAX && memchr(field->value + skip, 0, bytes) == NULL) {
        head->bearer = (struct parse_span){(size_t)(field->value + skip - buffer), bytes};
    }
}

/* The parser leaves white space at the end of a value to us (RFC 9112, 5.1). */
static struct phr_header trimmed(struct phr_header field)
{
    while (field.value_len > 0 && strchr(" \t", field.value[field.value_len - 1]) != NULL) {
        field.value_len--;
    }
    return field;
}

/* @return false if the field's value makes no sense */
static bool read_field(const char *buffer, const struct phr_header *field, struct parse_head *head,
                       struct fields *fields)
{
    if (field->name == NULL || field->name_len == 0) {
        return false; /* a folded line, RFC 9112, 5.2 */
    }
    if (text_is(field->name, field->name_len, "Host")) {
        fields->hosts++;
    } else if (text_is(field->name, field->name_len, "Content-Length")) {
        fields->lengths++;
        return read_length(field, &head->body_bytes);
    } else if (text_is(field->name, field->name_len, "Transfer-Encoding")) {
        fields->codings++;
        fields->chunked = text_is(field->value, field->value_len, "chunked");
    } else if (text_is(field->name, field->name_len, "Connection")) {
        read_connection(field, fields);
    } else if (text_is(field->name, field->name_len, "Expect")) {
        head->expects_continue = text_is(field->value, field->value_len, "100-continue");
        fields->expects_other = fields->expects_other || !head->expects_continue;
    } else if (text_is(field->name, field->name_len, "Authorization")) {
        fields->authorizations++;
        read_bearer(buffer, field, head);
    }
    return true;
}

/* What the fields together forbid. */
static enum parse_result judge(const struct parse_head *head, const struct fields *fields)
{
    if (fields->codings > 0) {
        return fields->lengths > 0 || head->http_1_0 ? PARSE_MALFORMED /* RFC 9112, 6.1: request smuggling */
               : fields->codings == 1 && fields->chunked ? PARSE_CHUNKED
                                                         : PARSE_CODING;
    }
    if (fields->hosts > 1 || (fields->hosts == 0 && !head->http_1_0)) {
        return PARSE_HOST;
    }
    if (fields->lengths > 1 || fields->authorizations > 1) {
        return fields->lengths > 1 ? PARSE_LENGTH : PARSE_MALFORMED;
    }
    if (head->body_bytes > PARSE_BODY_MAX) {
        return PARSE_LONG_BODY;
    }
    return fields->expects_other ? PARSE_EXPECTATION : PARSE_OK;
}

/* origin-form, or absolute-form of which scheme and authority are left out. */
static enum parse_result read_target(const char *buffer, const char *target, size_t bytes,
                                     struct parse_head *head)
{
    const char *path = target;
    const char *end = target + bytes;
    const char *authority = bytes > 8 && strncasecmp(target, "https://", 8) == 0  ? target + 8
                            : bytes > 7 && strncasecmp(target, "http://", 7) == 0 ? target + 7
                                                                                  : NULL;
    if (authority != NULL) {
        path = memchr(authority, '/', (size_t)(end - authority));
    }
    if (path == NULL || *path != '/') {
        return PARSE_TARGET;
    }
    const char *question = memchr(path, '?', (size_t)(end - path));
    const char *path_end = question != NULL ? question : end;
    head->path = (struct parse_span){(size_t)(path - buffer), (size_t)(path_end - path)};
    if (question != NULL) {
        head->query = (struct parse_span){(size_t)(question + 1 - buffer), (size_t)(end - question - 1)};
    }
    return PARSE_OK;
}

static enum parse_result incomplete(const char *buffer, size_t bytes)
{
    if (bytes < PARSE_HEAD_MAX) {
        return PARSE_MORE;
    }
    return memchr(buffer, '\n', bytes) == NULL ? PARSE_LONG_TARGET : PARSE_LONG_HEAD;
}

enum parse_result parse_head(const char *buffer, size_t bytes, struct parse_head *head)
{
    struct phr_header list[MAX_FIELDS];
    size_t count = COUNT(list);
    const char *method;
    const char *target;
    size_t method_bytes;
    size_t target_bytes;
    int minor;
    size_t looked_at = bytes < PARSE_HEAD_MAX ? bytes : PARSE_HEAD_MAX;
    *head = (struct parse_head){.method = HTTP_OTHER};
    int used = phr_parse_request(buffer, looked_at, &method, &method_bytes, &target, &target_bytes, &minor,
                                 list, &count, 0);
    if (used == -2) {
        return incomplete(buffer, looked_at);
    }
    if (used <= 0) {
        return count == COUNT(list) ? PARSE_LONG_HEAD : PARSE_MALFORMED;
    }
    if (minor > 1) {
        return PARSE_VERSION;
    }
    if (!is_token(method, method_bytes)) {
        return PARSE_MALFORMED;
    }
    struct fields fields = {.hosts = 0};
    head->head_bytes = (size_t)used;
    head->http_1_0 = minor == 0;
    head->method = method_of(method, method_bytes);
    for (size_t i = 0; i < count; i++) {
        struct phr_header field = trimmed(list[i]);
        if (!read_field(buffer, &field, head, &fields)) {
            return fields.lengths > 0 ? PARSE_LENGTH : PARSE_MALFORMED;
        }
    }
    head->keep_alive = head->http_1_0 ? fields.keep_alive && !fields.close : !fields.close;
    enum parse_result result = judge(head, &fields);
    return result == PARSE_OK ? read_target(buffer, target, target_bytes, head) : result;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes in place; the result is never longer. */
static bool decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != 0; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = hex_digit(from[1]);
        int low = high >= 0 ? hex_digit(from[2]) : -1;
        if (low < 0 || high + low == 0) {
            return false;
        }
        *to++ = (char)(high << 4 | low);
        from += 2;
    }
    *to = 0;
    return true;
}

/* Every span is followed by a byte of the head that has been read: a space, "?" or the end of a line. */
static char *terminate(char *buffer, struct parse_span span)
{
    static char empty[1];
    if (span.bytes == 0) {
        return empty;
    }
    buffer[span.at + span.bytes] = 0;
    return buffer + span.at;
}

bool parse_finish(char *buffer, const struct parse_head *head, struct http_request *request)
{
    char *path = terminate(buffer, head->path);
    *request = (struct http_request){
        .method = head->method,
        .path = path,
        .query = terminate(buffer, head->query),
        .bearer = terminate(buffer, head->bearer),
        .body = buffer + head->head_bytes,
        .body_bytes = head->body_bytes,
    };
    return decode(path);
}

static const struct {
    unsigned status;
    const char *code, *message, *remedy;
} refusals[PARSE_RESULT_COUNT] = {
    [PARSE_MALFORMED] = {400, "malformed-request", "the request is not HTTP/1.1 (RFC 9112)",
                         "send a well-formed request"},
    [PARSE_HOST] = {400, "bad-host", "the request has no Host field, or several",
                    "send exactly one Host field"},
    [PARSE_TARGET] = {400, "bad-target", "the request's target is no path, or has a bad percent escape",
                      "ask for a path, for example /api/v1/system"},
    [PARSE_LONG_TARGET] = {414, "target-too-long", "the request's first line is longer than 8192 bytes",
                           "send a shorter URL"},
    [PARSE_LONG_HEAD] = {431, "header-too-large",
                         "the request's header is larger than 8192 bytes or has more than 64 fields",
                         "send fewer or shorter fields"},
    [PARSE_LENGTH] = {400, "bad-length", "Content-Length is no decimal number, or is there twice",
                      "send exactly one Content-Length"},
    [PARSE_LONG_BODY] = {413, "body-too-large", "the request's body is larger than 65536 bytes",
                         "send a smaller body"},
    [PARSE_CHUNKED] = {411, "length-required", "Transfer-Encoding: chunked is not taken in requests",
                       "send the body with a Content-Length"},
    [PARSE_CODING] = {501, "coding-not-implemented",
                      "Transfer-Encoding names a coding that this server does not know",
                      "send the body as it is, with a Content-Length"},
    [PARSE_EXPECTATION] = {417, "expectation-failed", "Expect names something other than 100-continue",
                           "leave the Expect field out"},
    [PARSE_VERSION] = {505, "version-not-supported", "the request's version is neither HTTP/1.0 nor HTTP/1.1",
                       "use HTTP/1.1"},
};

const char *parse_code(enum parse_result result)
{
    return refusals[result].code;
}

void parse_refuse(enum parse_result result, struct http_response *response)
{
    http_error(response, refusals[result].status, refusals[result].code, refusals[result].remedy, "%s",
               refusals[result].message);
}
