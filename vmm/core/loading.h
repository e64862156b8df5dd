/* SPDX-License-Identifier: MIT */
/* The loading window: one partition's memory, seen by the agent between create (or reset) and start. */
#pragma once

#include "core/partition.h"

/** Maps all memory of `p` at platform.window_gpa + GPA in the agent. -MULLION_E_STATE: not defined, or a
 * window is open. */
int loading_open(struct partition *p);

/** Closes the window if it shows `p`, or whatever it shows if `p` is NULL; -MULLION_E_STATE if it does not. */
int loading_close(struct partition *p);
