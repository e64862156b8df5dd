/* SPDX-License-Identifier: MIT */
/*
 * What is done on an exit, in vendor-neutral words. Each function is a verdict that a row of a back end's
 * total table names; docs/hostile.md lists them from the guest's side.
 */
#pragma once

#include "core/partition.h"

typedef void exit_handler(struct vcpu *vcpu);

/* exit_interrupt: a host interrupt, nothing to do for the guest. exit_cr_write: CR4 and CR8. exit_exception: #DB, #AC
 * are reflected; they are intercepted so that endless delivery leaves the guest each time. */
exit_handler exit_interrupt, exit_cpuid, exit_hlt, exit_port, exit_msr_read, exit_msr_write, exit_mmio, exit_hypercall;
exit_handler exit_cr_write, exit_xsetbv, exit_exception;
exit_handler exit_undefined, exit_protection; /* the guest gets #UD, #GP(0) */
exit_handler exit_ignore;                     /* the instruction is skipped; outside of ring 0: #GP(0) */
/* The partition is stopped: MULLION_REASON_REFUSED_EXIT, _UNKNOWN_EXIT, _TRIPLE_FAULT, _ENTRY_FAILED, _MACHINE_CHECK.
 */
exit_handler exit_refuse, exit_unknown, exit_shutdown, exit_entry_failed, exit_machine_check;

/** Ends the partition if every vCPU sleeps with interrupts off or waits for SIPI: nothing can wake one. */
void exit_end_if_all_asleep(struct vcpu *vcpu);

/** Skips the instruction at RIP, which caused the exit. False if it cannot be read: the partition has been
 * stopped. */
bool exit_skip(struct vcpu *vcpu);
