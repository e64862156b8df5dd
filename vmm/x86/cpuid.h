/* SPDX-License-Identifier: MIT */
/* What a partition sees of the CPU: an allow-list by table. AMD64 APM volume 3, appendix E; Intel SDM, CPUID.
 */
#pragma once

#include "core/partition.h"

/** The answer to CPUID with EAX = leaf and ECX = subleaf. */
struct cpuid_regs cpuid_guest(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf);

/** Boot, once: works out the two masks below. */
void cpuid_init(void);

/** CR4 bits that a guest may set: those of the features it is shown. */
uint64_t cpuid_cr4_allowed(void);

/** XCR0 bits that a guest may set. */
uint64_t cpuid_xcr0_allowed(void);
