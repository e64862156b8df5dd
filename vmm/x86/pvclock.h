/* SPDX-License-Identifier: MIT */
/* The KVM paravirtual clock: the guest's page that turns TSC ticks into nanoseconds. Linux,
 * virt/kvm/x86/msr.rst. */
#pragma once

#include "core/partition.h"

/** struct pvclock_vcpu_time_info: ns = system_time_ns + (((ticks - tsc_timestamp) << tsc_shift) * tsc_to_system_mul >>
 * 32). */
struct pvclock_time_info {
    uint32_t version, pad0; /* version: odd while being written */
    uint64_t tsc_timestamp, system_time_ns;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags, pad[2];
};

/** struct pvclock_wall_clock. */
struct pvclock_wall_clock {
    uint32_t version, seconds, nanoseconds;
};

/** WRMSR of MSR_KVM_SYSTEM_TIME_NEW: fills the page once (the rate never changes). False if the address is
 * not RAM. */
bool pvclock_enable(struct vcpu *vcpu, uint64_t value);

/** WRMSR of MSR_KVM_WALL_CLOCK_NEW: writes the date at boot. False if the address is not RAM. */
bool pvclock_write_wall_clock(struct vcpu *vcpu, uint64_t value);
