/* SPDX-License-Identifier: MIT */
/* Model-specific registers of a partition: an allow-list by table. A register outside it gets #GP. */
#pragma once

#include "core/partition.h"

/** RDMSR. False: the register is not on the list, or its read is refused. */
bool msr_read(const struct vcpu *vcpu, uint32_t msr, uint64_t *value);

/** WRMSR. False: not on the list, or a value that is refused. */
bool msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/** Calls `each` for every register that guests use directly, without an exit. */
void msr_for_each_direct(void (*each)(uint32_t msr));
