/* SPDX-License-Identifier: MIT */
/* A CPU with VMX that is a table of registers. The VMX instructions that trap on the host write down what was
 * asked for, and succeed. */
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

struct cpu_state {
    uint64_t cr0, cr2, cr3, cr4, dr6;
    uint32_t leaf_1_edx, leaf_7_edx; /* of CPUID */
    unsigned l1d_flushes;            /* writes of IA32_FLUSH_CMD */
};

extern struct cpu_state cpu_state;

/** Model-specific registers, those of a CPU of 2013 at first; one that is new is 0. */
uint64_t *register_at(uint32_t number);
uint64_t read_register(uint32_t number);
void write_register(uint32_t number, uint64_t value);

/** As after power-up. */
void vmx_cpu_reset(void);

/** From now on VMXON, INVEPT and INVVPID do not end the program; cmocka undoes that before each test and
 * fixture. */
void vmx_cpu_catch(void);

#endif
