/* SPDX-License-Identifier: MIT */
/* The host console attached to a partition's serial console. */
#ifndef UI_ATTACH_H
#define UI_ATTACH_H

#include <stdbool.h>

#include "model/machine.h"

#define ATTACH_DETACH_KEY 0x1d /* Ctrl-] */

/**
 * Attaches; the guest's unfinished line (its prompt) is shown at once. Of a partition that does not run,
 * shows the console's last 16 KiB and does not attach.
 * @return 0, or -1 with *failure if it does not exist
 */
int attach_begin(struct partition *p, struct failure *failure);

/** Back to the prompt, with a line that says why; before it, all that a guest that has ended left unread. */
void attach_end(const char *why);

/** @return the attached partition, NULL if there is none */
struct partition *attach_partition(void);

/** Passes typed bytes on. @return false if the detach key was among them (what follows it is dropped) */
bool attach_type(const char *data, size_t bytes);

/** Moves what waits in both directions. @return true if more waits: call again soon */
bool attach_pump(void);

/** The last line of a partition's console with something on it, without control characters. */
void attach_last_line(const struct partition *p, char *line, size_t size);

#endif
