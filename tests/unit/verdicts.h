/* SPDX-License-Identifier: MIT */
/* In place of core/exits.c: each verdict only notes that it was called. Include it once in a program. */
#ifndef TESTS_UNIT_VERDICTS_H
#define TESTS_UNIT_VERDICTS_H

#include "core/exits.h"

static const char *handler; /* the verdict that was called last */

#define VERDICT(name)                                                                                        \
    void exit_##name(struct vcpu *vcpu)                                                                      \
    {                                                                                                        \
        (void)vcpu;                                                                                          \
        handler = #name;                                                                                     \
    }

VERDICT(interrupt)
VERDICT(cpuid)
VERDICT(hlt)
VERDICT(port)
VERDICT(msr_read)
VERDICT(msr_write)
VERDICT(mmio)
VERDICT(hypercall)
VERDICT(cr_write)
VERDICT(xsetbv)
VERDICT(exception)
VERDICT(undefined)
VERDICT(protection)
VERDICT(ignore)
VERDICT(refuse)
VERDICT(unknown)
VERDICT(shutdown)
VERDICT(entry_failed)
VERDICT(machine_check)

#endif
