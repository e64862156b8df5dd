/* SPDX-License-Identifier: MIT */
/* What is wrong and what to do about it: the texts that an operator reads under `problems:`. */
#ifndef MODEL_PROBLEM_H
#define MODEL_PROBLEM_H

#include <stdarg.h>
#include <stdbool.h>

#define PROBLEM_LIMIT 48u
#define PROBLEM_BYTES 400u
#define PROBLEM_KEPT  8u /* places that errors in files leave free for what is wrong with the box */

/** A list of texts; what does not fit is counted. Zero-initialise it. */
struct problem_list {
    unsigned count;
    unsigned dropped;
    char text[PROBLEM_LIMIT][PROBLEM_BYTES];
};

/** @return how many texts were added, those that did not fit included */
unsigned problem_count(const struct problem_list *list);

/** @return whether further errors in files are only counted */
bool problem_is_full(const struct problem_list *list);

/** Adds a text of the form "what: why: remedy"; a longer one is cut. */
__attribute__((format(printf, 2, 3))) void problem_add(struct problem_list *list, const char *format, ...);

/** As problem_add, with the text preceded by `prefix`. */
void problem_add_v(struct problem_list *list, const char *prefix, const char *format, va_list arguments);

#endif
