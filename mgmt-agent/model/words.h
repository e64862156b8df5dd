/* SPDX-License-Identifier: MIT */
/* The VMM's codes in words, with what to do about them. */
#ifndef MODEL_WORDS_H
#define MODEL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "mullion/abi.h"

/** @return "why: remedy" for a MULLION_E_ code, given positive or negative */
const char *words_error(long code);

/** @return the name of an exit reason as counters print it, for example "CPUID" */
const char *words_exit(unsigned exit_reason);

/** @return what `info` ended for: "powered off by its guest", "triple fault ... (vCPU 0, RIP 0x...)" */
const char *words_reason(const struct mullion_partition_info *info, char *buffer, size_t size);

/** @return the reason in one word for programs: "power-off" ... */
const char *words_reason_code(unsigned reason);

/** @return what to do about a partition that ended for this reason */
const char *words_remedy(unsigned reason);

/** @return whether a partition that ended for this reason has crashed (and did not end by wish) */
bool words_is_crash(unsigned reason);

/** @return "free", "owned" ... */
const char *words_cpu_state(unsigned state);

/** @return "free", "waiting for scrubbing" ... */
const char *words_owner(unsigned owner);

/** @return why a PCI function can or cannot be given away; enum mullion_pci_use */
const char *words_pci_use(unsigned use);

/** @return "net" or "console" */
const char *words_port_kind(unsigned kind);

/** @return what enum mullion_dma_isolation means */
const char *words_dma(unsigned isolation);

#endif
