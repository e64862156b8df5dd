/* SPDX-License-Identifier: MIT */
/* The VMM's own driver of the local APICs, in xAPIC or x2APIC mode. AMD64 APM volume 2, chapter 16. */
#pragma once

#include "core/types.h"

/** Boot CPU: masks every pin of the box's IO-APICs; no device interrupt has a place to go yet. */
void apic_mask_ioapics(const uint32_t *addresses, uint32_t count);

/** Boot CPU: chooses x2APIC where the CPU has it, else maps the xAPIC page. */
void apic_init(void);

/** Every CPU: enables its local APIC, all local interrupt sources masked but the timer. */
void apic_enable(void);

bool apic_is_x2apic(void);
uint32_t apic_read_id(void);
void apic_eoi(void);

/** Sends a fixed interrupt (with its vector), an NMI, INIT or SIPI (with its page) to one CPU. */
enum apic_command { APIC_FIXED = 0x4000, APIC_NMI = 0x4400, APIC_INIT = 0x4500, APIC_SIPI = 0x4600 };
void apic_send(uint32_t apic_id, enum apic_command command, uint8_t vector_or_page);

/** Measures the timer's rate against the TSC (`tsc_khz`) over one `delay` of some `microseconds`. */
void apic_timer_calibrate(void (*delay)(uint32_t microseconds), uint32_t microseconds, uint64_t tsc_khz);
uint64_t apic_timer_khz(void);

/** One VECTOR_TIMER interrupt after `ticks` timer ticks (saturates at 32 bits); 0 stops the timer. */
void apic_timer_arm(uint64_t ticks);
