/* SPDX-License-Identifier: MIT */
#include "model/problem.h"

#include <stdio.h>
#include <string.h>

unsigned problem_count(const struct problem_list *list)
{
    return list->count + list->dropped;
}

bool problem_is_full(const struct problem_list *list)
{
    return list->count >= PROBLEM_LIMIT - PROBLEM_KEPT;
}

/* Names come from files: nothing in them may move the cursor or begin a line. Unicode's C1 does so, too. */
static void defuse(char *text)
{
    for (; *text != 0; text++) {
        bool is_c1 = (unsigned char)text[0] == 0xc2 && ((unsigned char)text[1] & 0xe0) == 0x80;
        if (is_c1) {
            text[1] = '?';
        }
        *text = is_c1 || (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;
    }
}

void problem_add_v(struct problem_list *list, const char *prefix, const char *format, va_list arguments)
{
    if (list->count == PROBLEM_LIMIT) {
        list->dropped++;
        return;
    }
    char *text = list->text[list->count++];
    size_t used = strnlen(prefix, PROBLEM_BYTES - 1);
    memcpy(text, prefix, used);
    vsnprintf(text + used, PROBLEM_BYTES - used, format, arguments);
    defuse(text);
}

void problem_add(struct problem_list *list, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    problem_add_v(list, "", format, arguments);
    va_end(arguments);
}
