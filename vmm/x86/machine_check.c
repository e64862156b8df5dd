/* SPDX-License-Identifier: MIT */
/* AMD64 APM volume 2, chapter 9: MCG_CAP, MCG_STATUS and the banks' MCi_STATUS. */
#include "x86/machine_check.h"

#include "core/vmm.h"

#define MSR_MCG_CAP    0x179u
#define MSR_MCG_STATUS 0x17au
#define MSR_MC0_STATUS 0x401u
#define STATUS_VALID   BIT(63)
#define STATUS_PCC     BIT(57)

void machine_check_survive(void) {
    uint32_t banks = (uint32_t)(rdmsr(MSR_MCG_CAP) & 0xff);
    for (uint32_t bank = 0; bank < banks; bank++) {
        uint64_t status = rdmsr(MSR_MC0_STATUS + 4 * bank);
        if ((status & STATUS_VALID) != 0 && (status & STATUS_PCC) != 0) {
            log_fatal(
                "machine check with corrupt CPU state: bank %u, status 0x%lx; the hardware has failed; replace it",
                bank, status);
        }
    }
    wrmsr(MSR_MCG_STATUS, 0);
}
