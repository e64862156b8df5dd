/* SPDX-License-Identifier: MIT */
/* The KVM paravirtual clock: the guest's page that turns TSC ticks into nanoseconds. Linux,
 * virt/kvm/x86/msr.rst. */
#ifndef X86_PVCLOCK_H
#define X86_PVCLOCK_H

#include "core/partition.h"

/** WRMSR of MSR_KVM_SYSTEM_TIME_NEW: fills the page once (the rate never changes). False if the address is
 * not RAM. */
bool pvclock_enable(struct vcpu *vcpu, uint64_t value);

/** WRMSR of MSR_KVM_WALL_CLOCK_NEW: writes the date at boot. False if the address is not RAM. */
bool pvclock_write_wall_clock(struct vcpu *vcpu, uint64_t value);

#endif
