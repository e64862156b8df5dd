/* SPDX-License-Identifier: MIT */
/* Floating-point, vector and debug registers: live in the CPU while a partition runs there, cleared between
 * owners. */
#ifndef X86_FPU_H
#define X86_FPU_H

/** Everything that no control block holds to its reset value: x87, SSE, AVX state, XCR0, DR0-3, TSC_AUX. IBPB
 * too. */
void fpu_reset(void);

#endif
