/* SPDX-License-Identifier: MIT */
#include "x86/passthrough.h"

int passthrough_assign(struct partition *p, const struct mullion_pci_assign *request) {
    return -MULLION_E_UNKNOWN_CALL;
}
