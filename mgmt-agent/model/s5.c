/* SPDX-License-Identifier: MIT */
#include "model/s5.h"

#include <string.h>

#define AML_ZERO        0x00u
#define AML_ONE         0x01u
#define AML_NAME        0x08u
#define AML_BYTE_PREFIX 0x0au
#define AML_WORD_PREFIX 0x0bu
#define AML_PACKAGE     0x12u
#define AML_ROOT        0x5cu
#define SLP_TYP_MAX     7u

/* A place in the table; `left` bytes may be read. */
struct cursor {
    const uint8_t *at;
    size_t left;
};

/* The next byte, or -1 at the end. */
static int next(struct cursor *c)
{
    if (c->left == 0) {
        return -1;
    }
    c->left--;
    return *c->at++;
}

/* A constant integer, or -1. */
static int constant(struct cursor *c)
{
    int op = next(c);
    if (op == (int)AML_ZERO || op == (int)AML_ONE) {
        return op;
    }
    if (op == (int)AML_BYTE_PREFIX) {
        return next(c);
    }
    if (op == (int)AML_WORD_PREFIX) {
        int low = next(c);
        int high = next(c);
        return low < 0 || high < 0 ? -1 : low | high << 8;
    }
    return -1;
}

/* After the name: PackageOp PkgLength NumElements elements. */
static bool package_read(struct cursor c, struct s5_values *values)
{
    if (next(&c) != (int)AML_PACKAGE) {
        return false;
    }
    int lead = next(&c);
    for (int i = 0; lead >= 0 && i < lead >> 6; i++) {
        next(&c);
    }
    if (lead < 0 || next(&c) < 1) {
        return false;
    }
    int typa = constant(&c);
    int typb = constant(&c);
    if (typa < 0 || typa > (int)SLP_TYP_MAX) {
        return false;
    }
    values->typa = (uint8_t)typa;
    values->typb = typb >= 0 && typb <= (int)SLP_TYP_MAX ? (uint8_t)typb : (uint8_t)typa;
    return true;
}

static bool named_here(const uint8_t *dsdt, size_t at)
{
    return (at >= 1 && dsdt[at - 1] == AML_NAME) ||
           (at >= 2 && dsdt[at - 1] == AML_ROOT && dsdt[at - 2] == AML_NAME);
}

bool s5_find(const uint8_t *dsdt, size_t bytes, struct s5_values *values)
{
    static const char name[4] = {'_', 'S', '5', '_'};
    for (size_t at = 1; at + sizeof(name) <= bytes; at++) {
        struct cursor rest = {dsdt + at + sizeof(name), bytes - at - sizeof(name)};
        if (memcmp(dsdt + at, name, sizeof(name)) == 0 && named_here(dsdt, at) &&
            package_read(rest, values)) {
            return true;
        }
    }
    return false;
}
