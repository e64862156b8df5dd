/* SPDX-License-Identifier: MIT */
/* A document as canonical text: one line, no spaces, members in their order, the same for every layout. */
#ifndef MODEL_JSON_WRITE_H
#define MODEL_JSON_WRITE_H

#include "model/json.h"

/** Takes the next part of the text. */
typedef void json_sink(void *to, const char *text, size_t bytes);

/** Writes a value whose numbers are whole. */
void json_write(const struct json_node *node, json_sink *put, void *to);

/** Whether two values mean the same: members may stand in another order. */
bool json_equals(const struct json_node *a, const struct json_node *b);

#endif
