/* SPDX-License-Identifier: MIT */
/* The agent's calls: ABI in mullion/abi.h. */
#pragma once

#include "core/partition.h"

/** Carries out the call in RAX (VMMCALL or VMCALL has been skipped) and puts the result into RAX. */
void hypercall_handle(struct vcpu *vcpu);

/** A vCPU that waits in EVENT_WAIT: true if it has been answered now. */
bool hypercall_event_wait_done(struct vcpu *vcpu);

/** Would it return? */
bool hypercall_event_wait_over(const struct vcpu *vcpu);
