/* SPDX-License-Identifier: MIT */
/* Short forms for the rows of schema tables. */
#ifndef MODEL_SCHEMA_ROWS_H
#define MODEL_SCHEMA_ROWS_H

#include "model/schema.h"

#define FLAG                                                                                                 \
    {                                                                                                        \
        .kind = SCHEMA_BOOLEAN                                                                               \
    }
#define WHOLE(lowest, high)                                                                                  \
    {                                                                                                        \
        .kind = SCHEMA_INTEGER, .least = (lowest), .most = (high)                                            \
    }
#define TEXT(lowest, high)                                                                                   \
    {                                                                                                        \
        .kind = SCHEMA_TEXT, .least = (lowest), .most = (high)                                               \
    }
#define FORM(form, high)                                                                                     \
    {                                                                                                        \
        .kind = SCHEMA_TEXT, .least = 1, .most = (high), .format = &(form)                                   \
    }
#define CHOICE(list)                                                                                         \
    {                                                                                                        \
        .kind = SCHEMA_CHOICE, .words = (list)                                                               \
    }
#define OBJECT(table)                                                                                        \
    {                                                                                                        \
        .kind = SCHEMA_OBJECT, .object = &(table)                                                            \
    }
#define EITHER(forms)                                                                                        \
    {                                                                                                        \
        .kind = SCHEMA_EITHER, .of = (forms), .most = sizeof(forms) / sizeof((forms)[0])                     \
    }
#define LIST(lowest, high, element)                                                                          \
    {                                                                                                        \
        .kind = SCHEMA_LIST, .least = (lowest), .most = (high), .of = &(element)                             \
    }
#define SET(lowest, high, element)                                                                           \
    {                                                                                                        \
        .kind = SCHEMA_LIST, .unique = true, .least = (lowest), .most = (high), .of = &(element)             \
    }
#define FIELDS(rows) .fields = (rows), .field_count = sizeof(rows) / sizeof((rows)[0])

#endif
