/* SPDX-License-Identifier: MIT */
#include "model/schema_pattern.h"

#include <string.h>

/* Places between the characters of the text, a bit each: all ways to read it are followed at once, so none
 * has to be taken back. */
typedef unsigned __int128 places;

#define UNLIMITED 255u

struct matching {
    const char *at; /* in the pattern */
    const char *text;
    unsigned length;
};

static places any_of(struct matching *m, places from);

static bool is_in_set(const char *set, const char *end, char c)
{
    for (; set < end; set++) {
        bool is_range = end - set > 2 && set[1] == '-';
        if (is_range ? c >= set[0] && c <= set[2] : c == *set) {
            return true;
        }
        set += is_range ? 2 : 0;
    }
    return false;
}

/* The places behind one character of the set that begins at m->at (or the single one that stands there). */
static places character(struct matching *m, places from)
{
    bool is_set = *m->at == '[';
    const char *begin = m->at + (is_set || *m->at == '\\' ? 1 : 0);
    const char *end = is_set ? strchr(begin, ']') : begin + 1;
    places to = 0;
    for (unsigned i = 0; i < m->length; i++) {
        if ((from >> i & 1) != 0 && is_in_set(begin, end, m->text[i])) {
            to |= (places)1 << (i + 1);
        }
    }
    m->at = end + (is_set ? 1 : 0);
    return to;
}

static places element(struct matching *m, places from)
{
    if (*m->at != '(') {
        return character(m, from);
    }
    m->at++;
    places to = any_of(m, from);
    m->at++;
    return to;
}

static unsigned number(struct matching *m)
{
    unsigned value = 0;
    for (; *m->at >= '0' && *m->at <= '9'; m->at++) {
        value = value * 10 + (unsigned)(*m->at - '0');
    }
    return value;
}

struct repeat {
    unsigned least, most;
};

static struct repeat repeat_read(struct matching *m)
{
    struct repeat repeat = {1, 1};
    switch (*m->at) {
    case '?':
        repeat = (struct repeat){0, 1};
        break;
    case '*':
        repeat = (struct repeat){0, UNLIMITED};
        break;
    case '+':
        repeat = (struct repeat){1, UNLIMITED};
        break;
    case '{':
        m->at++;
        repeat.least = repeat.most = number(m);
        if (*m->at == ',') {
            m->at++;
            repeat.most = number(m);
        }
        break;
    default:
        return repeat;
    }
    m->at++;
    return repeat;
}

static places repeated(struct matching *m, places from)
{
    const char *begin = m->at;
    element(m, 0);
    struct repeat repeat = repeat_read(m);
    const char *end = m->at;
    places to = repeat.least == 0 ? from : 0;
    for (unsigned i = 1; i <= repeat.most && from != 0; i++) {
        m->at = begin;
        from = element(m, from);
        to |= i >= repeat.least ? from : 0;
    }
    m->at = end;
    return to;
}

static places any_of(struct matching *m, places from)
{
    places to = 0;
    places now = from;
    for (; *m->at != 0 && *m->at != ')';) {
        if (*m->at == '|') {
            m->at++;
            to |= now;
            now = from;
        } else {
            now = repeated(m, now);
        }
    }
    return to | now;
}

bool schema_pattern_covers(const char *pattern, const char *text)
{
    struct matching m = {.at = pattern, .text = text, .length = (unsigned)strnlen(text, 128)};
    return m.length <= SCHEMA_PATTERN_BYTES && (any_of(&m, 1) >> m.length & 1) != 0;
}
