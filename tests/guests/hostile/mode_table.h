/* SPDX-License-Identifier: MIT */
/* What a row of mode_cases.S says, for assembly and C. */
#ifndef MODE_TABLE_H
#define MODE_TABLE_H

/* How the code ends: a vector, and: */
#define END_VECTOR 0x0ff
#define END_BEHIND 0x100  /* the saved RIP is that of the next instruction */
#define END_ERROR  0x200  /* with an error code of 0, in a mode that has them */
#define RING0      0x400  /* #GP in virtual-8086 mode */
#define RESUME     0x800  /* the #GP handler returns */
#define TIMER      0x1000 /* the timer is armed before */
#define STEPPED    0x2000 /* DR6.BS is set afterwards */
#define XSAVE      0x4000 /* #UD where the CPU has no XSAVE */
#define CALL_OWN   0x8000 /* the hypercall instruction of the CPU's vendor takes the place of the code */
#define CALL_OTHER 0x10000

#define END_DONE         (VECTOR_END | END_BEHIND)
#define END_GP           (13 | END_ERROR | RING0)
#define END_UD           6
#define END_STEP         (1 | END_BEHIND | STEPPED)
#define END_TRAP(vector) ((vector) | END_BEHIND)
#define END_TIMER        (0x40 | END_BEHIND | RING0 | TIMER)

/* Registers that the instruction changes, and to what. */
#define CHECK_SAME   0
#define CHECK_CPUID  1 /* EAX to EDX as in long mode */
#define CHECK_MSR    2 /* EDX:EAX likewise */
#define CHECK_TSC    3 /* EDX:EAX and ECX: anything */
#define CHECK_CALL   4 /* RAX: the error of a partition that is not the agent */
#define CHECK_BACK   5 /* EDX reads what EAX wrote */
#define CHECK_EAX    6 /* EAX: the set-up's own affair */
#define CHECK_LOAD8  7 /* AL, AX, EAX, AH: the row's value */
#define CHECK_LOAD16 8
#define CHECK_LOAD32 9
#define CHECK_LOADH  10
#define CHECK_STORE  11 /* the IO-APIC's select register: the row's value */
#define CHECK_KIND   0xff
#define MMIO         0x100 /* not in virtual-8086 mode: no device lies below 1 MiB */
#define ECAM         0x200 /* the value is the host bridge's identity */

#endif
