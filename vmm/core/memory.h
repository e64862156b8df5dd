/* SPDX-License-Identifier: MIT */
/* Dividing the RAM at boot: the VMM's pool, the modules, and frames for partitions. */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

/** Needs platform.boot and the CPUs of the MADT. Fatal if there is too little memory. */
void memory_init(void);

#endif
