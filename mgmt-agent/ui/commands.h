/* SPDX-License-Identifier: MIT */
/* The commands of the host console. */
#ifndef UI_COMMANDS_H
#define UI_COMMANDS_H

#include "model/machine.h"

/** Carries out one line and prints what it has to say, then "ok" or "error: what: why: remedy". */
void command_run(struct machine *machine, const char *line);

/** Attaches to the partition with this number in the status block; complains if there is none. */
void command_attach_number(struct machine *machine, unsigned number);

#endif
