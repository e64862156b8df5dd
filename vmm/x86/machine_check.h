/* SPDX-License-Identifier: MIT */
#ifndef X86_MACHINE_CHECK_H
#define X86_MACHINE_CHECK_H

/** After an intercepted #MC: fatal if the CPU says that its own state is corrupt (PCC), else ready for the next one. */
void machine_check_survive(void);

#endif
