/* SPDX-License-Identifier: MIT */
/*
 * The emulated local APIC of one vCPU, always in x2APIC mode: registers, priorities, and the timer.
 * Pure logic: time comes in as TSC ticks, effects go out as values. Source: AMD64 APM volume 2, chapter 16;
 * Intel SDM volume 3, section "Extended xAPIC (x2APIC)" and "TSC-Deadline Mode".
 */
#pragma once

#include "core/types.h"

#define X2APIC_NO_DEADLINE UINT64_MAX

enum { X2APIC_LVT_COUNT = 6, X2APIC_ERROR = -1 /* the access gets #GP(0) */ };
enum { MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC_FIRST = 0x800, MSR_X2APIC_LAST = 0x8ff };

/* Interrupt command register, AMD64 APM volume 2, section 16.5. */
#define ICR_MODE(icr)      ((unsigned)((icr) >> 8 & 7))
#define ICR_SHORTHAND(icr) ((unsigned)((icr) >> 18 & 3))
enum delivery_mode { MODE_FIXED, MODE_LOWEST, MODE_SMI, MODE_RESERVED, MODE_NMI, MODE_INIT, MODE_SIPI, MODE_EXTINT };
enum icr_shorthand { TO_DESTINATION, TO_SELF, TO_ALL, TO_ALL_BUT_SELF };

/** What the caller must do after a write: `icr` holds the command; ask x2apic_timer_deadline() again. */
enum x2apic_effect { X2APIC_NOTHING, X2APIC_SEND_IPI, X2APIC_TIMER_CHANGED };

/** One emulated local APIC. `irr` is set by other CPUs (atomically); all else belongs to the vCPU's own CPU.
 */
struct x2apic {
    uint32_t id, tsc_khz;
    uint64_t apic_base, icr; /* apic_base, the MSR: enabled, x2APIC, BSP */
    uint32_t irr[8], isr[8];
    uint32_t tpr, svr, esr, esr_pending;
    uint32_t lvt[X2APIC_LVT_COUNT];       /* timer, thermal, performance, LINT0, LINT1, error */
    uint32_t timer_divide, timer_initial; /* the divide configuration and initial count registers */
    uint64_t deadline_tsc;                /* when the timer fires next; X2APIC_NO_DEADLINE = not armed */
};

/** Power-up state: enabled in x2APIC mode, software-disabled (SVR = 0xff), all LVT masked. `bsp` sets
 * APIC_BASE.BSP. */
void x2apic_reset(struct x2apic *apic, uint32_t id, bool bsp, uint32_t tsc_khz);

/**
 * RDMSR of MSR_APIC_BASE, MSR_TSC_DEADLINE or an x2APIC register at TSC time `now`.
 * Returns 0 with *value, or X2APIC_ERROR for a register that does not exist or cannot be read.
 */
int x2apic_read(const struct x2apic *apic, uint32_t msr, uint64_t now, uint64_t *value);

/**
 * WRMSR. Returns 0 with *effect, or X2APIC_ERROR: no such register, reserved bits set, read-only, an
 * APIC_BASE that would leave x2APIC mode or move the base, or an ICR or LVT delivery mode of SMI, INIT (LVT),
 * reserved. NMI in LVT LINT is stored (Linux writes it) and never delivered, since no pin is wired. A self
 * IPI is applied here; every other ICR write returns X2APIC_SEND_IPI.
 */
int x2apic_write(struct x2apic *apic, uint32_t msr, uint64_t value, uint64_t now, enum x2apic_effect *effect);

/** Makes `vector` pending; callable from any CPU. Vectors below 16 are dropped and recorded in the ESR. */
void x2apic_raise(struct x2apic *apic, uint8_t vector);

/** The vector that would be delivered now (above PPR, APIC software-enabled), or -1. */
int x2apic_pending(const struct x2apic *apic);

/** Moves `vector` from IRR to ISR: it has been delivered. */
void x2apic_accept(struct x2apic *apic, uint8_t vector);

/** TSC value at which x2apic_timer_poll() wants to be called, or X2APIC_NO_DEADLINE. */
uint64_t x2apic_timer_deadline(const struct x2apic *apic);

/** Raises the timer vector if its time has come; a periodic timer is armed again on its own grid. */
void x2apic_timer_poll(struct x2apic *apic, uint64_t now);

/** Does logical (cluster) or physical destination `dest` address the APIC with identifier `id`? Broadcast
 * included. */
bool x2apic_destination_matches(uint32_t id, uint32_t dest, bool logical);
