/* SPDX-License-Identifier: MIT */
#include "model/schema_near.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 40u

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned differs(char a, char b)
{
    return tolower((unsigned char)a) != tolower((unsigned char)b) ? 1 : 0;
}

/* Letters to insert, remove, replace or exchange with the next one, to make one word of the other; case does
 * not count. */
static unsigned distance_of(const char *a, const char *b)
{
    unsigned row[3][WORD_MAX + 1];
    size_t length = strlen(b);
    unsigned *before = row[0];
    unsigned *last = row[1];
    unsigned *now = row[2];
    for (unsigned k = 0; k <= length; k++) {
        now[k] = k;
    }
    for (unsigned i = 1; a[i - 1] != 0; i++) {
        unsigned *spare = before;
        before = last;
        last = now;
        now = spare;
        now[0] = i;
        for (unsigned k = 1; k <= length; k++) {
            now[k] = least(least(last[k], now[k - 1]) + 1, last[k - 1] + differs(a[i - 1], b[k - 1]));
            if (i > 1 && k > 1 && !differs(a[i - 1], b[k - 2]) && !differs(a[i - 2], b[k - 1])) {
                now[k] = least(now[k], before[k - 2] + 1);
            }
        }
    }
    return now[length];
}

void schema_near_try(struct schema_near *near, const char *known)
{
    size_t length = strlen(near->word);
    if (length > WORD_MAX || strlen(known) > WORD_MAX) {
        return;
    }
    unsigned limit = length < 3 ? 0 : length < 6 ? 1 : 2;
    unsigned distance = distance_of(near->word, known);
    if (distance <= limit && (near->best == NULL || distance < near->distance)) {
        near->best = known;
        near->distance = distance;
    }
}

const char *schema_near_hint(const struct schema_near *near, char buffer[SCHEMA_NEAR_BYTES],
                             const char *otherwise)
{
    if (near->best == NULL) {
        return otherwise;
    }
    snprintf(buffer, SCHEMA_NEAR_BYTES, "; did you mean \"%s\"?", near->best);
    return buffer;
}
