/* SPDX-License-Identifier: MIT */
/* AMD64 APM volume 2, chapter 9: MCG_CAP, MCG_STATUS and the banks' MCi_STATUS. */
#include "core/core.h"

/* BANKS_MAX: of the legacy range of registers */
enum { MSR_MCG_CAP = 0x179, MSR_MCG_STATUS = 0x17a, MSR_MC0_STATUS = 0x401, BANKS_MAX = 32, CPUID_MCA = 1 << 14 };

#define STATUS_VALID   BIT(63)
#define STATUS_CORRUPT (BIT(62) | BIT(57)) /* overflow: an error was lost; PCC: processor context corrupt */

static void clear_banks(bool check) {
    uint64_t banks = rdmsr(MSR_MCG_CAP) & 0xff;
    for (uint32_t bank = 0; bank < banks && bank < BANKS_MAX; bank++) {
        uint64_t status = rdmsr(MSR_MC0_STATUS + 4 * bank);
        if (check && (status & STATUS_VALID) != 0 && (status & STATUS_CORRUPT) != 0) {
            log_fatal(
                "machine check: bank %u, status 0x%lx: the CPU's state is corrupt; the hardware has failed; replace it",
                bank, status);
        }
        wrmsr(MSR_MC0_STATUS + 4 * bank, 0);
    }
    wrmsr(MSR_MCG_STATUS, 0);
}

void machine_check_init(void) {
    if ((cpuid(1, 0).edx & CPUID_MCA) != 0) { clear_banks(false); }
}

void machine_check_survive(void) { clear_banks(true); }
