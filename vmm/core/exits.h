/* SPDX-License-Identifier: MIT */
/*
 * What is done on an exit, in vendor-neutral words. Each function is a verdict that a row of a back end's
 * total table names; docs/hostile.md lists them from the guest's side.
 */
#ifndef CORE_EXITS_H
#define CORE_EXITS_H

#include "core/partition.h"

typedef void exit_handler(struct vcpu *vcpu);

exit_handler exit_interrupt; /* a host interrupt: nothing to do for the guest */
exit_handler exit_cpuid;
exit_handler exit_hlt;
exit_handler exit_port;
exit_handler exit_msr_read;
exit_handler exit_msr_write;
exit_handler exit_mmio;
exit_handler exit_hypercall;
exit_handler exit_cr_write; /* CR4 and CR8 */
exit_handler exit_xsetbv;
exit_handler exit_exception;  /* #DB, #AC: reflected. Intercepted so that endless delivery leaves the guest each time */
exit_handler exit_undefined;  /* the guest gets #UD */
exit_handler exit_protection; /* the guest gets #GP(0) */
exit_handler exit_ignore;     /* the instruction is skipped */
exit_handler exit_refuse;     /* the partition is stopped: MULLION_REASON_REFUSED_EXIT */
exit_handler exit_unknown;    /* the partition is stopped: MULLION_REASON_UNKNOWN_EXIT */
exit_handler exit_shutdown;   /* triple fault */
exit_handler exit_entry_failed;
exit_handler exit_machine_check;

/** Ends the partition if every vCPU sleeps with interrupts off or waits for SIPI: nothing can wake one. */
void exit_end_if_all_asleep(struct vcpu *vcpu);

/** Skips the instruction at RIP, which caused the exit. False if it cannot be read: the partition has been
 * stopped. */
bool exit_skip(struct vcpu *vcpu);

/** Writes a 32-bit half pair EDX:EAX, as RDMSR does. */
void exit_set_edx_eax(struct vcpu *vcpu, uint64_t value);
uint64_t exit_edx_eax(const struct vcpu *vcpu);

#endif
