/* SPDX-License-Identifier: MIT */
/* A back end without hardware: registers are an array, and what the VMM asks for is written down. */
#ifndef TESTS_UNIT_FAKE_HVM_H
#define TESTS_UNIT_FAKE_HVM_H

#include "x86/hvm.h"

#define FAKE_REGISTERS (HVM_CS_BASE + 1)

struct fake_hvm {
    uint64_t registers[FAKE_REGISTERS];
    struct hvm_code code;
    unsigned length; /* what the "hardware" says of the instruction, 0 = nothing */
    unsigned skipped;
    unsigned flushes;
    bool refuse_create;     /* vcpu_create fails */
    struct hvm_entry entry; /* of the last vcpu_reset */
};

extern struct fake_hvm fake_hvm;

/** Everything zero. */
void fake_hvm_reset(void);

#endif
