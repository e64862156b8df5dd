/* SPDX-License-Identifier: MIT */
#pragma once

/** Every CPU at boot: forgets what is left from before a reset. */
void machine_check_init(void);

/** After an intercepted #MC: fatal if the CPU says that its own state is corrupt, else ready for the next one. */
void machine_check_survive(void);
