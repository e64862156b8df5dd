/* SPDX-License-Identifier: MIT */
/* The VMX instructions that trap on the host, executed: they write down what was asked for, and succeed. */
#ifndef TESTS_UNIT_VMX_CPU_H
#define TESTS_UNIT_VMX_CPU_H

#include <stdint.h>

struct vmx_cpu_calls {
    unsigned vmxon, invept, invvpid;
    uint64_t vmxon_region;
    uint64_t invept_type, invept_pointer;
    uint64_t invvpid_type, invvpid_tag; /* of the last one */
};

extern struct vmx_cpu_calls vmx_cpu_calls;

void vmx_cpu_reset(void);

/** From now on VMXON, INVEPT and INVVPID do not end the program; cmocka undoes that before each test and
 * fixture. */
void vmx_cpu_catch(void);

#endif
