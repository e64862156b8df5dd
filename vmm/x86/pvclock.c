/* SPDX-License-Identifier: MIT */
#include "x86/pvclock.h"

#include "core/lib.h"
#include "x86/tsc.h"

#define ENABLED         BIT(0)
#define FLAG_TSC_STABLE BIT(0)
#define NS_PER_MS       1000000u

/** struct pvclock_vcpu_time_info. */
struct time_info {
    uint32_t version; /* odd while being written */
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time_ns;
    uint32_t tsc_to_system_mul; /* ns = ((ticks << shift) * mul) >> 32 */
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad[2];
};

_Static_assert(offsetof(struct time_info, version) == 0 && offsetof(struct time_info, pad0) == 4, "");
_Static_assert(offsetof(struct time_info, tsc_timestamp) == 8 && offsetof(struct time_info, system_time_ns) == 16, "");
_Static_assert(offsetof(struct time_info, tsc_to_system_mul) == 24 && offsetof(struct time_info, tsc_shift) == 28, "");
_Static_assert(offsetof(struct time_info, flags) == 29 && offsetof(struct time_info, pad) == 30, "");
_Static_assert(sizeof(struct time_info) == 32, "");

/** struct pvclock_wall_clock. */
struct wall_clock {
    uint32_t version;
    uint32_t seconds;
    uint32_t nanoseconds;
};

_Static_assert(offsetof(struct wall_clock, version) == 0 && offsetof(struct wall_clock, seconds) == 4, "");
_Static_assert(offsetof(struct wall_clock, nanoseconds) == 8 && sizeof(struct wall_clock) == 12, "");

/** The multiplier has 32 significant bits, for the least rounding error: 2^31 <= mul < 2^32. */
static void scale(struct time_info *info) {
    uint64_t khz = tsc_khz();
    unsigned down = 0;
    while ((khz << info->tsc_shift) <= NS_PER_MS) { info->tsc_shift++; }
    while (khz > (uint64_t)NS_PER_MS << (down + 1)) { down++; }
    info->tsc_to_system_mul = (uint32_t)mul_div(NS_PER_MS, BIT(32 + down), khz << info->tsc_shift);
    info->tsc_shift = (int8_t)(info->tsc_shift - (int)down);
}

bool pvclock_enable(struct vcpu *vcpu, uint64_t value) {
    gpa_t at = gpa(value & ~ENABLED);
    struct time_info info = {.version = 2, .tsc_timestamp = tsc_at_boot(), .flags = 0};
    info.flags = tsc_reliable() ? FLAG_TSC_STABLE : 0;
    scale(&info);
    if (at.v % 4 != 0 || ((value & ENABLED) != 0 && partition_write(vcpu->partition, at, &info, sizeof info) != 0)) {
        return false;
    }
    vcpu->clock_msr = value;
    return true;
}

bool pvclock_write_wall_clock(struct vcpu *vcpu, uint64_t value) {
    struct wall_clock clock = {.version = 2, .seconds = (uint32_t)tsc_boot_epoch(), .nanoseconds = 0};
    if (value % 4 != 0 || partition_write(vcpu->partition, gpa(value), &clock, sizeof clock) != 0) { return false; }
    vcpu->wall_clock_msr = value;
    return true;
}
