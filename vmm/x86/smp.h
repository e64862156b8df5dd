/* SPDX-License-Identifier: MIT */
/* Starting the application processors, waking CPUs and stopping them. Intel MultiProcessor 1.4, section B.4.
 */
#pragma once

#include "x86/cpu.h"

/** Fields at the end of the trampoline in boot.S; entry and selector are a far pointer. */
struct smp_ap_fields {
    uint32_t entry;
    uint16_t selector, pad;
    uint32_t cr3, pad2;
    uint64_t stack, cpu;
};

/** Starts every CPU that the MADT names usable, one after the other; a CPU that does not come is logged. */
void smp_start_all(uint64_t trampoline_page);

/** Entry of an application processor in C; called by the trampoline. */
void cpu_main_ap(struct cpu *cpu);

/** Makes `cpu` leave its guest or its idle wait soon. */
void smp_kick(const struct cpu *cpu);

/** Fatal path: stops all other CPUs. */
void smp_halt_others(void);

/** NMI handler: stops this CPU if smp_halt_others() said so. */
void smp_halt_if_told(void);
