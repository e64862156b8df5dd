/* SPDX-License-Identifier: MIT */
/* A CPU's VMCSs without hardware: each an array of fields, one of them current. What no VMM may do is
 * asserted. */
#ifndef TESTS_UNIT_FAKE_VMCS_H
#define TESTS_UNIT_FAKE_VMCS_H

#include "x86/vmx/vmcs.h"

#define FAKE_VMCS_COUNT  4
#define FAKE_VMCS_FIELDS 0x7000

struct fake_vmcs {
    const void *page; /* NULL: this one is free */
    uint64_t fields[FAKE_VMCS_FIELDS];
    unsigned writes, clears;
    bool launched; /* means something once it was cleared */
};

/** No VMCS at all. */
void fake_vmcs_reset(void);

/** The VMCS that lies in this page, current or not; made if there is none yet. */
struct fake_vmcs *fake_vmcs_of(const void *page);

/** The current one, NULL if there is none. */
struct fake_vmcs *fake_vmcs_current(void);

/** A value that the CPU would have written: read-only fields too. */
void fake_vmcs_set(enum vmcs_field field, uint64_t value);

#endif
