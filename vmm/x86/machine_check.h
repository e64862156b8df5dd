/* SPDX-License-Identifier: MIT */
#ifndef X86_MACHINE_CHECK_H
#define X86_MACHINE_CHECK_H

/** Every CPU at boot: forgets what is left from before a reset. */
void machine_check_init(void);

/** After an intercepted #MC: fatal if the CPU says that its own state is corrupt, else ready for the next one. */
void machine_check_survive(void);

#endif
