/* SPDX-License-Identifier: MIT */
/* The status block: what an operator sees after boot, and on `status`. */
#ifndef UI_STATUS_H
#define UI_STATUS_H

#include "model/machine.h"

/** Asks the VMM for what changed and prints the block. */
void status_print(struct machine *machine);

/** Writes the CPUs of a partition like "1,3-5"; empty if it never got any. */
void status_cpus(const struct partition *p, char *text, size_t size);

#endif
