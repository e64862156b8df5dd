/* SPDX-License-Identifier: MIT */
/* Time: the TSC, its rate, the one-shot host timer in TSC ticks, and the date at boot. */
#pragma once

#include "x86/asm.h"

#define TSC_NEVER UINT64_MAX

/** Measures TSC and APIC timer against the ACPI PM timer (`pm_timer_port`, 0 if none) or else the PIT. */
void tsc_init(uint16_t pm_timer_port);

uint64_t tsc_khz(void);

/** Seconds since 1970 by the RTC at boot, 0 if it gave no sane date; and the TSC at that moment. */
uint64_t tsc_boot_epoch(void);
uint64_t tsc_at_boot(void);

/** Remembers the TSC of the VMM's first instruction. */
void tsc_note_boot(void);

uint64_t tsc_from_us(uint64_t microseconds);

/** Arms this CPU's timer interrupt for TSC value `deadline` (TSC_NEVER: stops it). */
void tsc_arm_timer(uint64_t deadline);

/** Each application processor meets the boot CPU once: are the TSCs in step? Both sides call it at the same
 * time. */
void tsc_check_boot_side(void);
void tsc_check_other_side(void);
bool tsc_reliable(void);
