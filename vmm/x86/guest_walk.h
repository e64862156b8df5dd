/* SPDX-License-Identifier: MIT */
/* Reading a guest's instruction bytes: segment base, guest page tables, guest memory. AMD64 APM volume 2,
 * chapter 5. */
#pragma once

#include "core/partition.h"
#include "x86/insn.h"

/**
 * Decodes the instruction at the vCPU's RIP. Returns 0; -MULLION_E_BAD_ADDRESS if its bytes cannot be read
 * (*linear tells where); -MULLION_E_RANGE if it is not an instruction that the decoder knows.
 */
int guest_decode(const struct vcpu *vcpu, struct insn *insn, uint64_t *linear);
