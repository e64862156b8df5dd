/* SPDX-License-Identifier: MIT */
/* What the files of the SVM back end share. */
#ifndef SVM_SVM_H
#define SVM_SVM_H

#include "core/partition.h"
#include "x86/svm/vmcb.h"

static inline struct vmcb *vmcb_of(const struct vcpu *vcpu) { return vcpu->vendor; }

/** hvm_ops.handle_exit: looks the exit code up in the total table. */
void svm_handle_exit(struct vcpu *vcpu);

/** The manual's name of an exit code; NULL if the manual does not define it. */
const char *svm_exit_name(uint64_t code);

/** Notes where the guest's NMI handler executes IRET, and stops intercepting it. */
void svm_nmi_handler_ends(struct vcpu *vcpu);

#endif
