/* SPDX-License-Identifier: MIT */
/* Commands that only show something; each returns 0, or -1 with *failure. */
#ifndef UI_LISTS_H
#define UI_LISTS_H

#include "model/machine.h"

/** One partition: state, reason in words, CPUs, memory ranges, starts. */
int list_info(struct machine *machine, struct partition *p, struct failure *failure);

/** Per vCPU and counter: NAME vcpuN REASON COUNT LONGEST_TICKS. */
int list_counters(struct machine *machine, struct partition *p, struct failure *failure);

/** Per port: "slotN kind net peer NAME slotM status up", and per counter "slotN NAME COUNT". */
int list_ports(struct machine *machine, struct partition *p, struct failure *failure);

/** The VMM's log ring. */
int list_log(struct machine *machine, struct failure *failure);

/** Runs of memory with their owners. */
int list_memory(struct machine *machine, struct failure *failure);

/** CPUs with their owners. */
int list_cpus(struct machine *machine, struct failure *failure);

/** PCI functions. */
int list_pci(struct machine *machine, struct failure *failure);

/** Boot modules. */
int list_modules(struct machine *machine, struct failure *failure);

#endif
