/* SPDX-License-Identifier: MIT */
/* What the files of the unikernel share with each other; nothing above os/ includes this. */
#ifndef OS_KERNEL_H
#define OS_KERNEL_H

#include <stdint.h>
#include <time.h>

#include "mullion/abi.h"

#define KERNEL_IMAGE_END 0xc00000ull  /* image and .bss lie below, the heap above; agent.ld checks it */
#define KERNEL_RAM_BYTES 0x2000000ull /* start.c checks that the VMM gave as much */

/** What the CPU pushed for an exception, above the stub's vector (AMD64 APM vol. 2, 8.9). */
struct trap_frame {
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/** Builds the page tables with protection and switches to them. */
void paging_start(void);

/** Loads GDT, TSS and IDT, with an own stack for every exception. */
void trap_start(void);

/** Reports an exception to the VMM and ends the agent. */
_Noreturn void trap_report(const struct trap_frame *frame);

/** Takes the instruction that the VMM wants to be called by. */
void hypercall_start(enum mullion_hypercall_instruction instruction);

/** Sets the clock by what the VMM says about the box. */
void clock_start(const struct mullion_platform_info *info);

/** Answers clock_gettime. */
long clock_read(long clock, struct timespec *to);

/** First C code; enters musl, which calls main. */
_Noreturn void kernel_start(uint32_t abi_version, enum mullion_hypercall_instruction instruction);

/** Answers a system call of musl; see musl/syscall_arch.h. */
long os_syscall(long number, long a1, long a2, long a3, long a4, long a5, long a6);

#endif
