/* SPDX-License-Identifier: MIT */
/*
 * Patterns of texts, as JSON Schema writes them: the part of ECMA-262's regular expressions that both can
 * read. Characters, `\` before one that means something else, sets [a-z0-9-], groups (a|b), and behind one of
 * these ? * + {3} {1,4}. A pattern always covers the whole text.
 */
#ifndef MODEL_SCHEMA_PATTERN_H
#define MODEL_SCHEMA_PATTERN_H

#include <stdbool.h>

#define SCHEMA_PATTERN_BYTES 127u /* of a text; a longer one matches nothing */

/** @return whether the pattern covers the text. Takes time in proportion to both. */
bool schema_pattern_covers(const char *pattern, const char *text);

#endif
