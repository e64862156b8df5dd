/* SPDX-License-Identifier: MIT */
#include "core/core.h"

#define ENABLED         BIT(0)
#define FLAG_TSC_STABLE BIT(0)
#define NS_PER_MS       1000000u

/** The multiplier has 32 significant bits, for the least rounding error: 2^31 <= mul < 2^32. */
static void scale(struct pvclock_time_info *info) {
    uint64_t khz = tsc_khz();
    unsigned down = 0;
    while ((khz << info->tsc_shift) <= NS_PER_MS) { info->tsc_shift++; }
    while (khz > (uint64_t)NS_PER_MS << (down + 1)) { down++; }
    info->tsc_to_system_mul = (uint32_t)mul_div(NS_PER_MS, BIT(32 + down), khz << info->tsc_shift);
    info->tsc_shift = (int8_t)(info->tsc_shift - (int)down);
}

bool pvclock_enable(struct vcpu *vcpu, uint64_t value) {
    gpa_t at = gpa(value & ~ENABLED);
    struct pvclock_time_info info = {.version = 2, .tsc_timestamp = tsc_at_boot(), .flags = 0};
    info.flags = tsc_reliable() ? FLAG_TSC_STABLE : 0;
    scale(&info);
    if (at.v % 4 != 0) { return false; }
    if ((value & ENABLED) != 0 && partition_write(vcpu->partition, at, &info, sizeof info) != 0) { return false; }
    vcpu->clock_msr = value;
    return true;
}

bool pvclock_write_wall_clock(struct vcpu *vcpu, uint64_t value) {
    struct pvclock_wall_clock clock = {.version = 2, .seconds = (uint32_t)tsc_boot_epoch(), .nanoseconds = 0};
    if (value % 4 != 0 || partition_write(vcpu->partition, gpa(value), &clock, sizeof clock) != 0) { return false; }
    vcpu->wall_clock_msr = value;
    return true;
}
