/* SPDX-License-Identifier: MIT */
/* The emulated x2APIC: see x2apic.h. */
#include "dev/x2apic.h"

#include "mullion/machine.h"

/* Register numbers: MSR minus MSR_X2APIC_FIRST. */
enum { REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_PPR = 0x0a, REG_EOI = 0x0b, REG_LDR = 0x0d };
enum { REG_SVR = 0x0f, REG_ISR = 0x10, REG_TMR = 0x18, REG_IRR = 0x20, REG_ESR = 0x28, REG_ICR = 0x30 };
enum { REG_LVT = 0x32, REG_INITIAL_COUNT = 0x38, REG_CURRENT_COUNT = 0x39, REG_DIVIDE = 0x3e, REG_SELF_IPI = 0x3f };

/* Indices of apic.lvt; REG_LVT is the timer's, then the others in this order. */
enum { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR };

/* Bits of the registers. ICR_BUSY is read-only, always 0; so are LVT_READ_ONLY, delivery status and remote IRR. */
enum { BASE_BSP = 0x100, BASE_X2APIC = 0x400, BASE_ENABLED = 0x800 };
enum { SVR_RESET = 0xff, SVR_ENABLED = 0x100, ESR_SEND_ILLEGAL = 0x20, ESR_RECEIVE_ILLEGAL = 0x40 };
enum { ICR_BUSY = 0x1000, ICR_LEVEL_ASSERT = 0x4000, ICR_LEVEL_TRIGGER = 0x8000 };
enum { LVT_MODES = 0x700, LVT_READ_ONLY = 0x5000, LVT_MASKED = 0x10000 };

#define BASE_ADDRESS  0xfee00000ull
#define VERSION_VALUE 0x00050014u /* version 0x14, 6 LVT entries, no EOI broadcast suppression */
#define VECTOR_FIRST  16u         /* vectors below are illegal */
#define ICR_MODES     (BIT(MODE_FIXED) | BIT(MODE_LOWEST) | BIT(MODE_NMI) | BIT(MODE_INIT) | BIT(MODE_SIPI))

enum timer_mode { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE, TIMER_RESERVED };

#define BITS_ABOVE(n) (~0ull << (n))

/* Bits that must not be set in a write, per register; 0 = the register cannot be written. */
// clang-format off
static const uint64_t reserved_bits[] = {
    [REG_TPR] = BITS_ABOVE(8), [REG_EOI] = BITS_ABOVE(0), [REG_SVR] = BITS_ABOVE(10), [REG_ESR] = BITS_ABOVE(0),
    [REG_ICR] = BIT(13) | BIT(16) | BIT(17) | 0xfff00000ull,
    [REG_LVT] = ~0x710ffull, [REG_LVT + LVT_THERMAL ... REG_LVT + LVT_PERFORMANCE] = ~0x117ffull,
    [REG_LVT + LVT_LINT0 ... REG_LVT + LVT_LINT1] = ~0x1f7ffull, [REG_LVT + LVT_ERROR] = ~0x110ffull,
    [REG_INITIAL_COUNT] = BITS_ABOVE(32), [REG_DIVIDE] = ~0xbull, [REG_SELF_IPI] = BITS_ABOVE(8),
};
// clang-format on

_Static_assert(MACHINE_APIC_TIMER_KHZ == 1000000u, "the timer's arithmetic takes one count for one nanosecond");

/* A periodic timer fires at most this often, so that a guest cannot keep its CPU in the VMM. */
#define PERIOD_MIN_NS 20000ull
#define NS_PER_MS     1000000ull

static void mask_lvt(struct x2apic *apic) {
    for (size_t i = 0; i < X2APIC_LVT_COUNT; i++) __atomic_fetch_or(&apic->lvt[i], LVT_MASKED, __ATOMIC_ACQ_REL);
}

void x2apic_reset(struct x2apic *apic, uint32_t id, bool bsp, uint32_t tsc_khz) {
    *apic = (struct x2apic){.id = id, .tsc_khz = tsc_khz, .svr = SVR_RESET, .deadline_tsc = X2APIC_NO_DEADLINE};
    apic->apic_base = BASE_ADDRESS | BASE_ENABLED | BASE_X2APIC | (bsp ? BASE_BSP : 0);
    mask_lvt(apic);
}

/* ---- vectors and priorities ---- */

/* Other CPUs set IRR bits, hence the atomic accesses to everything that x2apic_raise() touches. */
static uint32_t load(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

static void set_irr(struct x2apic *apic, uint8_t vector) {
    __atomic_fetch_or(&apic->irr[vector / 32], 1u << (vector % 32), __ATOMIC_ACQ_REL);
}

static int highest(const uint32_t words[8]) {
    for (int i = 7; i >= 0; i--) {
        uint32_t word = load(&words[i]);
        if (word) return 32 * i + 31 - __builtin_clz(word);
    }
    return -1;
}

/* Records an error and sends the error interrupt (SDM volume 3, "Error Handling"). */
static void record_error(struct x2apic *apic, uint32_t error) {
    __atomic_fetch_or(&apic->esr_pending, error, __ATOMIC_ACQ_REL);
    uint32_t lvt = load(&apic->lvt[LVT_ERROR]);
    uint8_t vector = (uint8_t)lvt;
    if (!(lvt & LVT_MASKED) && vector >= VECTOR_FIRST) set_irr(apic, vector);
}

static bool is_legal(struct x2apic *apic, uint8_t vector, uint32_t error) {
    if (vector < VECTOR_FIRST) record_error(apic, error);
    return vector >= VECTOR_FIRST;
}

void x2apic_raise(struct x2apic *apic, uint8_t vector) {
    if ((load(&apic->svr) & SVR_ENABLED) && is_legal(apic, vector, ESR_RECEIVE_ILLEGAL)) set_irr(apic, vector);
}

/* The processor priority: the higher class of TPR and of the highest vector in service. */
static uint32_t processor_priority(const struct x2apic *apic) {
    int vector = highest(apic->isr);
    uint32_t in_service = vector < 0 ? 0 : (uint32_t)vector & 0xf0;
    return (apic->tpr & 0xf0) >= in_service ? apic->tpr : in_service;
}

int x2apic_pending(const struct x2apic *apic) {
    int vector = highest(apic->irr);
    if (vector < 0 || !(apic->svr & SVR_ENABLED)) return -1;
    return ((uint32_t)vector & 0xf0) > (processor_priority(apic) & 0xf0) ? vector : -1;
}

void x2apic_accept(struct x2apic *apic, uint8_t vector) {
    uint32_t bit = 1u << (vector % 32);
    __atomic_fetch_and(&apic->irr[vector / 32], ~bit, __ATOMIC_ACQ_REL);
    apic->isr[vector / 32] |= bit;
}

static void end_of_interrupt(struct x2apic *apic) {
    int vector = highest(apic->isr);
    if (vector >= 0) apic->isr[vector / 32] &= ~(1u << (vector % 32));
}

/* ---- timer ---- */

static enum timer_mode timer_mode(const struct x2apic *apic) {
    return (enum timer_mode)((apic->lvt[LVT_TIMER] >> 17) & 3);
}

/* Bits 3, 1, 0 of the divide register: 0 = by 2 ... 6 = by 128, 7 = by 1. */
static uint64_t timer_divisor(const struct x2apic *apic) {
    uint32_t code = (apic->timer_divide & 3) | ((apic->timer_divide & 8) >> 1);
    return 1ull << ((code + 1) & 7);
}

/* value * to / from, rounded up, so that the count is not 0 before the interrupt. Below 2^52 for the longest count
 * (2^39 ns) at any rate: split so that no product overflows. */
static uint64_t scale(uint64_t value, uint64_t to, uint64_t from) {
    return value / from * to + (value % from * to + from - 1) / from;
}

static uint64_t ticks_from_ns(const struct x2apic *apic, uint64_t ns) { return scale(ns, apic->tsc_khz, NS_PER_MS); }

/* A deadline past the end of TSC time never comes. */
static uint64_t deadline_after(uint64_t from, uint64_t ticks) {
    uint64_t deadline;
    return __builtin_add_overflow(from, ticks, &deadline) ? X2APIC_NO_DEADLINE : deadline;
}

static uint64_t period_ticks(const struct x2apic *apic) {
    uint64_t ns = apic->timer_initial * timer_divisor(apic);
    return ticks_from_ns(apic, ns < PERIOD_MIN_NS ? PERIOD_MIN_NS : ns);
}

static uint32_t current_count(const struct x2apic *apic, uint64_t now) {
    if (timer_mode(apic) == TIMER_TSC_DEADLINE || apic->deadline_tsc == X2APIC_NO_DEADLINE || apic->deadline_tsc <= now)
        return 0;
    uint64_t left = apic->deadline_tsc - now, divisor = timer_divisor(apic);
    if (left >= ticks_from_ns(apic, apic->timer_initial * divisor)) return apic->timer_initial;
    return (uint32_t)((scale(left, NS_PER_MS, apic->tsc_khz) + divisor - 1) / divisor);
}

static void start_count(struct x2apic *apic, uint32_t count, uint64_t now) {
    uint64_t ticks = ticks_from_ns(apic, count * timer_divisor(apic));
    if (timer_mode(apic) == TIMER_PERIODIC && ticks < period_ticks(apic)) ticks = period_ticks(apic);
    apic->deadline_tsc = count ? deadline_after(now, ticks) : X2APIC_NO_DEADLINE;
}

uint64_t x2apic_timer_deadline(const struct x2apic *apic) {
    return apic->lvt[LVT_TIMER] & LVT_MASKED ? X2APIC_NO_DEADLINE : apic->deadline_tsc;
}

/* While masked the timer runs on silently: what expires then is lost, as in hardware. */
void x2apic_timer_poll(struct x2apic *apic, uint64_t now) {
    uint64_t deadline = apic->deadline_tsc;
    if (deadline == X2APIC_NO_DEADLINE || now < deadline) return;
    apic->deadline_tsc = X2APIC_NO_DEADLINE;
    if (timer_mode(apic) == TIMER_PERIODIC) {
        uint64_t period = period_ticks(apic), late = now - deadline;
        apic->deadline_tsc = deadline_after(now, period - late % period);
    }
    if (!(apic->lvt[LVT_TIMER] & LVT_MASKED)) x2apic_raise(apic, (uint8_t)apic->lvt[LVT_TIMER]);
}

/* The new divisor applies to what is left of the count. */
static void write_divide(struct x2apic *apic, uint32_t value, uint64_t now) {
    uint32_t left = current_count(apic, now);
    apic->timer_divide = value;
    if (left) start_count(apic, left, now);
}

static void write_initial_count(struct x2apic *apic, uint32_t value, uint64_t now) {
    if (timer_mode(apic) == TIMER_TSC_DEADLINE) return;
    apic->timer_initial = value;
    start_count(apic, value, now);
}

static uint64_t read_tsc_deadline(const struct x2apic *apic, uint64_t now) {
    if (timer_mode(apic) != TIMER_TSC_DEADLINE || apic->deadline_tsc == X2APIC_NO_DEADLINE) return 0;
    return apic->deadline_tsc > now ? apic->deadline_tsc : 0;
}

/* 0 disarms. The largest value is our "not armed", so it becomes the largest but one: the same eternity. */
static int write_tsc_deadline(struct x2apic *apic, uint64_t value, uint64_t now) {
    x2apic_timer_poll(apic, now);
    if (value == X2APIC_NO_DEADLINE) value--;
    if (timer_mode(apic) == TIMER_TSC_DEADLINE) apic->deadline_tsc = value ? value : X2APIC_NO_DEADLINE;
    return 0;
}

/* ---- local vector table ---- */

/* NMI and, at the pins, ExtINT are stored. A software-disabled APIC keeps every entry masked. */
static int write_lvt(struct x2apic *apic, uint32_t entry, uint32_t value) {
    bool pin = entry == LVT_LINT0 || entry == LVT_LINT1;
    uint32_t mode = (value & LVT_MODES) >> 8;
    if (mode != MODE_FIXED && mode != MODE_NMI && !(pin && mode == MODE_EXTINT)) return X2APIC_ERROR;
    value |= apic->svr & SVR_ENABLED ? 0 : LVT_MASKED;
    __atomic_store_n(&apic->lvt[entry], value & ~(uint32_t)LVT_READ_ONLY, __ATOMIC_RELEASE);
    return 0;
}

/* Into or out of TSC-deadline mode the timer stops (SDM volume 3, "TSC-Deadline Mode"). */
static int write_lvt_timer(struct x2apic *apic, uint32_t value) {
    enum timer_mode before = timer_mode(apic);
    if (((value >> 17) & 3) == TIMER_RESERVED || write_lvt(apic, LVT_TIMER, value)) return X2APIC_ERROR;
    enum timer_mode after = timer_mode(apic);
    if (before != after && (before == TIMER_TSC_DEADLINE || after == TIMER_TSC_DEADLINE)) {
        apic->timer_initial = 0;
        apic->deadline_tsc = X2APIC_NO_DEADLINE;
    }
    return 0;
}

static void write_svr(struct x2apic *apic, uint32_t value) {
    __atomic_store_n(&apic->svr, value, __ATOMIC_RELEASE);
    if (!(value & SVR_ENABLED)) mask_lvt(apic);
}

/* ---- interrupt command ---- */

static void send_to_self(struct x2apic *apic, uint8_t vector) {
    if (is_legal(apic, vector, ESR_SEND_ILLEGAL)) x2apic_raise(apic, vector);
}

static int write_icr(struct x2apic *apic, uint64_t value, enum x2apic_effect *effect) {
    value &= ~(uint64_t)ICR_BUSY;
    uint64_t mode = ICR_MODE(value);
    bool vectored = mode == MODE_FIXED || mode == MODE_LOWEST;
    if (!(ICR_MODES & BIT(mode))) return X2APIC_ERROR;
    apic->icr = value;
    if (vectored && ((uint8_t)value < VECTOR_FIRST || ICR_SHORTHAND(value) == TO_SELF))
        send_to_self(apic, (uint8_t)value);
    else if (mode != MODE_INIT || !(value & ICR_LEVEL_TRIGGER) || (value & ICR_LEVEL_ASSERT))
        *effect = X2APIC_SEND_IPI; /* all but INIT de-assert, which does nothing since the Pentium 4 */
    return 0;
}

/* ---- register file ---- */

#define NO_REGISTER UINT64_MAX /* no register reads like this */

static uint64_t read_register(const struct x2apic *apic, uint32_t reg, uint64_t now) {
    if (reg >= REG_ISR && reg < REG_TMR) return apic->isr[reg - REG_ISR];
    if (reg >= REG_TMR && reg < REG_IRR) return 0; /* no pin is level-triggered */
    if (reg >= REG_IRR && reg < REG_ESR) return load(&apic->irr[reg - REG_IRR]);
    if (reg >= REG_LVT && reg < REG_INITIAL_COUNT) return apic->lvt[reg - REG_LVT];
    switch (reg) {
    case REG_ID: return apic->id;
    case REG_VERSION: return VERSION_VALUE;
    case REG_TPR: return apic->tpr;
    case REG_PPR: return processor_priority(apic);
    case REG_LDR: return (apic->id & ~0xfu) << 12 | 1u << (apic->id & 0xf);
    case REG_SVR: return apic->svr;
    case REG_ESR: return apic->esr;
    case REG_ICR: return apic->icr;
    case REG_INITIAL_COUNT: return apic->timer_initial;
    case REG_CURRENT_COUNT: return current_count(apic, now);
    case REG_DIVIDE: return apic->timer_divide;
    default: return NO_REGISTER;
    }
}

int x2apic_read(const struct x2apic *apic, uint32_t msr, uint64_t now, uint64_t *value) {
    switch (msr) {
    case MSR_APIC_BASE: *value = apic->apic_base; break;
    case MSR_TSC_DEADLINE: *value = read_tsc_deadline(apic, now); break;
    default: *value = msr < MSR_X2APIC_FIRST ? NO_REGISTER : read_register(apic, msr - MSR_X2APIC_FIRST, now); break;
    }
    return *value == NO_REGISTER ? X2APIC_ERROR : 0;
}

/* `value` has no reserved bit set. */
static int write_register(struct x2apic *apic, uint32_t reg, uint64_t value, uint64_t now, enum x2apic_effect *effect) {
    uint32_t word = (uint32_t)value;
    switch (reg) {
    case REG_TPR: apic->tpr = word; return 0;
    case REG_EOI: end_of_interrupt(apic); return 0;
    case REG_ESR: apic->esr = __atomic_exchange_n(&apic->esr_pending, 0, __ATOMIC_ACQ_REL); return 0;
    case REG_SELF_IPI: send_to_self(apic, (uint8_t)value); return 0;
    case REG_ICR: return write_icr(apic, value, effect);
    default: break;
    }
    *effect = X2APIC_TIMER_CHANGED;
    x2apic_timer_poll(apic, now); /* what was due before the write has happened before it */
    switch (reg) {
    case REG_SVR: write_svr(apic, word); return 0;
    case REG_LVT: return write_lvt_timer(apic, word);
    case REG_INITIAL_COUNT: write_initial_count(apic, word, now); return 0;
    case REG_DIVIDE: write_divide(apic, word, now); return 0;
    default: return write_lvt(apic, reg - REG_LVT, word);
    }
}

int x2apic_write(struct x2apic *apic, uint32_t msr, uint64_t value, uint64_t now, enum x2apic_effect *effect) {
    *effect = msr == MSR_TSC_DEADLINE ? X2APIC_TIMER_CHANGED : X2APIC_NOTHING;
    if (msr == MSR_APIC_BASE) return value == apic->apic_base ? 0 : X2APIC_ERROR;
    if (msr == MSR_TSC_DEADLINE) return write_tsc_deadline(apic, value, now);
    uint32_t reg = msr - MSR_X2APIC_FIRST;
    bool exists = msr >= MSR_X2APIC_FIRST && reg < ARRAY_COUNT(reserved_bits) && reserved_bits[reg] != 0;
    return exists && !(value & reserved_bits[reg]) ? write_register(apic, reg, value, now, effect) : X2APIC_ERROR;
}

bool x2apic_destination_matches(uint32_t id, uint32_t dest, bool logical) {
    if (dest == 0xffffffffu) return true;
    if (!logical) return dest == id;
    return dest >> 16 == id >> 4 && (dest & 1u << (id & 0xf));
}
