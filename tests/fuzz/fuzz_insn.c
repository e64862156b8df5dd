/* SPDX-License-Identifier: MIT */
/* The decoder on any bytes: a length within what it was given, no read past the end, an empty result on
 * error. */
#include "x86/insn.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct insn *insn, int result, size_t count)
{
    if (result != 0) {
        if (insn->kind != INSN_UNKNOWN || insn->length != 0)
            abort();
        return;
    }
    if (insn->kind == INSN_UNKNOWN || insn->length == 0 || insn->length > INSN_MAX_BYTES ||
        insn->length > count || insn->gpr > 15 || insn->control > 15)
        abort();
    bool mov = insn->kind == INSN_MOV_STORE || insn->kind == INSN_MOV_LOAD;
    if (mov && (insn->access_bytes & (insn->access_bytes - 1) || insn->access_bytes - 1 > 7))
        abort();
}

/* What lies behind the instruction must not change it, and one byte less must not be enough. */
static void check_stability(const uint8_t *bytes, enum insn_mode mode, const struct insn *first)
{
    struct insn again;
    uint8_t *copy = malloc(first->length);
    memcpy(copy, bytes, first->length);
    if (insn_decode(copy, first->length, mode, &again) != 0 || again.kind != first->kind ||
        again.length != first->length)
        abort();
    if (insn_decode(copy, first->length - 1u, mode, &again) == 0)
        abort();
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (enum insn_mode mode = INSN_MODE_16; mode <= INSN_MODE_64; mode++) {
        struct insn insn;
        memset(&insn, 0xa5, sizeof(insn));
        int result = insn_decode(data, size, mode, &insn);
        check(&insn, result, size);
        if (result == 0)
            check_stability(data, mode, &insn);
    }
    return 0;
}
