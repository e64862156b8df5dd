/* SPDX-License-Identifier: MIT */
/* Registers that no control block holds, and that the VMM does not use: they stay in the CPU until another vCPU runs
 * there. */
#pragma once

#include "core/types.h"

struct fpu_state {
    uint32_t xsave[1024] __attribute__((aligned(64))); /* x87, SSE, AVX, AVX-512: standard format, or FXSAVE's */
    uint64_t xcr0, tsc_aux, debug[4];
};

/** The state of a vCPU that has not run. */
extern const struct fpu_state fpu_initial;

/** Boot: what this CPU has. */
void fpu_init(void);

void fpu_save(struct fpu_state *state);

/** IBPB too: the predictors learned nothing from whose registers were here. */
void fpu_load(const struct fpu_state *state);
