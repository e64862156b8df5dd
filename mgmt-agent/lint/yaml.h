/* SPDX-License-Identifier: MIT */
/*
 * A safe part of YAML, read into the same document as JSON is, with the places of the YAML text: so one check
 * serves both. Only on the operator's machine; a box reads JSON. See docs/manifest.md.
 */
#ifndef LINT_YAML_H
#define LINT_YAML_H

#include "model/json.h"

/** As json_parse, from YAML. */
const struct json_node *yaml_parse(struct json *json, const char *file, const char *text, size_t bytes,
                                   struct problem_list *problems);

#endif
