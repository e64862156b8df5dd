/* SPDX-License-Identifier: MIT */
/* What the files of the SVM back end share. */
#pragma once

#include "core/partition.h"
#include "x86/svm/vmcb.h"

static inline struct vmcb *vmcb_of(const struct vcpu *vcpu) { return vcpu->vendor; }

/** hvm_ops.handle_exit: looks the exit code up in the total table. */
void svm_handle_exit(struct vcpu *vcpu);

/* Exit codes whose intercepts are set on demand. */
enum { SVM_EXIT_VINTR = 0x64, SVM_EXIT_IRET = 0x74 };

/** The intercept words of a fresh VMCB: what the total table has a verdict for, but the two above. */
void svm_intercepts(uint32_t words[6]);

/** Notes where the guest's NMI handler executes IRET, and stops intercepting it. */
void svm_nmi_handler_ends(struct vcpu *vcpu);
