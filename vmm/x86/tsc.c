/* SPDX-License-Identifier: MIT */
/* ACPI 6.5 section 4.8.3.3 (PM timer, 3.579545 MHz); Intel 8254 data sheet (PIT, 1.193182 MHz); MC146818
 * (RTC). */
#include "core/core.h"

#define CLOCK_LIMIT_TICKS 10000000000ull /* two seconds and more on any CPU */

enum { PM_TIMER_HZ = 3579545, PM_TIMER_MASK = 0xffffff, PIT_HZ = 1193182 };
enum { CALIBRATION_US = 20000, CALIBRATION_ROUNDS = 3, SYNC_ROUNDS = 200, SYNC_DEADLINE_MS = 2000 };

static uint64_t khz, boot_tsc, boot_epoch;
static uint16_t pm_port;

void tsc_note_boot(void) { boot_tsc = rdtsc(); }

uint64_t tsc_at_boot(void) { return boot_tsc; }

uint64_t tsc_boot_epoch(void) { return boot_epoch; }

uint64_t tsc_khz(void) { return khz; }

uint64_t tsc_from_us(uint64_t microseconds) { return mul_div(microseconds, khz, 1000); }

/** Does the ACPI PM timer count? Some firmware leaves it off. */
static bool pm_timer_runs(void) {
    uint32_t first = inl(pm_port);
    for (uint64_t start = rdtsc(); rdtsc() - start < CLOCK_LIMIT_TICKS / 100;) {
        if (inl(pm_port) != first) { return true; }
    }
    return false;
}

static void delay_pm(uint32_t microseconds) {
    uint32_t wanted = (uint32_t)mul_div(microseconds, PM_TIMER_HZ, 1000000);
    uint32_t start = inl(pm_port);
    while (((inl(pm_port) - start) & PM_TIMER_MASK) < wanted) { cpu_pause(); }
}

/** PIT channel 2 in mode 0; its output shows in port 0x61, bit 5. */
static void delay_pit(uint32_t microseconds) {
    uint64_t ticks = mul_div(microseconds, PIT_HZ, 1000000);
    outb(0x61, (uint8_t)((inb(0x61) & 0xfc) | 1));
    outb(0x43, 0xb0);
    outb(0x42, (uint8_t)ticks);
    outb(0x42, (uint8_t)(ticks >> 8));
    for (uint64_t start = rdtsc(); (inb(0x61) & 0x20) == 0;) {
        if (rdtsc() - start > CLOCK_LIMIT_TICKS) {
            log_fatal("no working clock: neither ACPI PM timer nor PIT; the VMM cannot measure the TSC; enable the "
                      "8254 (legacy timer) in the firmware set-up");
        }
    }
}

/** The delay overshoots when something else held the CPU (SMM, an outer hypervisor): the shortest round is
 * the truest. */
static uint64_t measure(void (*delay)(uint32_t)) {
    uint64_t shortest = UINT64_MAX;
    for (int i = 0; i < CALIBRATION_ROUNDS; i++) {
        uint64_t start = rdtsc();
        delay(CALIBRATION_US);
        uint64_t ticks = rdtsc() - start;
        shortest = ticks < shortest ? ticks : shortest;
    }
    return shortest * 1000 / CALIBRATION_US;
}

static uint8_t rtc_read(uint8_t index) {
    outb(0x70, index);
    return inb(0x71);
}

/** Days from 1970-01-01; the year is counted from March, so that the leap day is its last. */
static uint64_t days_since_1970(uint64_t year, uint64_t month, uint64_t day) {
    year -= month <= 2;
    uint64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

static void read_rtc(void) {
    enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, FIELDS };
    static const uint8_t registers[FIELDS] = {0, 2, 4, 7, 8, 9};
    uint64_t field[FIELDS];
    for (unsigned polls = 0; (rtc_read(10) & 0x80) != 0 && polls < 100000; polls++) {}
    uint8_t mode = rtc_read(11);
    bool bcd = (mode & 4) == 0, afternoon = (mode & 2) == 0 && (rtc_read(registers[HOUR]) & 0x80) != 0;
    for (size_t i = 0; i < FIELDS; i++) {
        uint32_t raw = rtc_read(registers[i]) & (i == HOUR ? 0x7fu : 0xffu);
        field[i] = bcd ? (raw >> 4) * 10 + (raw & 15) : raw;
    }
    field[HOUR] = (mode & 2) != 0 ? field[HOUR] : field[HOUR] % 12 + (afternoon ? 12 : 0);
    if (field[HOUR] > 23 || field[DAY] - 1 > 30 || field[MONTH] - 1 > 11) {
        log_line("the RTC shows no sane date; the time of day starts at 1970; set the clock in the firmware set-up");
        return;
    }
    uint64_t days = days_since_1970(2000 + field[YEAR], field[MONTH], field[DAY]);
    boot_epoch = ((days * 24 + field[HOUR]) * 60 + field[MINUTE]) * 60 + field[SECOND];
    boot_epoch -= (rdtsc() - boot_tsc) / (khz * 1000);
}

void tsc_init(uint16_t pm_timer_port) {
    pm_port = pm_timer_port;
    bool use_pm = pm_port != 0 && pm_timer_runs();
    void (*delay)(uint32_t) = use_pm ? delay_pm : delay_pit;
    khz = measure(delay);
    apic_timer_calibrate(delay, CALIBRATION_US, khz);
    log_line("TSC %lu kHz, APIC timer %lu kHz, measured against the %s", khz, apic_timer_khz(),
             use_pm ? "ACPI PM timer" : "PIT");
    if (khz == 0 || apic_timer_khz() == 0) {
        log_fatal("the TSC or the APIC timer stands still; the VMM needs both; report the CPU model");
    }
    read_rtc();
}

void tsc_arm_timer(uint64_t deadline) {
    struct cpu *cpu = this_cpu();
    if (deadline == cpu->timer_deadline) { return; } /* trap_handle() forgets it when the timer has fired */
    cpu->timer_deadline = deadline;
    uint64_t now = rdtsc(), ahead = deadline > now ? deadline - now : 0;
    ahead = ahead > khz * 1000 ? khz * 1000 : ahead; /* at most a second: the caller looks again */
    apic_timer_arm(deadline == TSC_NEVER ? 0 : ahead * apic_timer_khz() / khz + 1);
}

/*
 * The two CPUs pass a token to and fro; each writes its TSC and the other checks that its own is not behind.
 * With unsynchronised counters one of the two directions shows time running backwards.
 */
static struct {
    uint32_t turn;
    uint64_t stamp;
    bool backwards;
} sync;

static bool sync_wait(uint32_t turn) {
    for (uint64_t start = rdtsc(); __atomic_load_n(&sync.turn, __ATOMIC_ACQUIRE) != turn;) {
        if (rdtsc() - start > SYNC_DEADLINE_MS * khz) {
            sync.backwards = true;
            return false;
        }
        cpu_pause();
    }
    return true;
}

static void sync_pass(uint32_t first) {
    for (uint32_t round = first; round < SYNC_ROUNDS; round += 2) {
        if (!sync_wait(round)) { return; }
        uint64_t now = rdtsc();
        sync.backwards |= now < sync.stamp;
        sync.stamp = now;
        __atomic_store_n(&sync.turn, round + 1, __ATOMIC_RELEASE);
    }
}

void tsc_check_boot_side(void) {
    sync.stamp = 0;
    sync_pass(0);
    if (!sync_wait(SYNC_ROUNDS)) { log_line("TSC check: a CPU did not answer"); }
    __atomic_store_n(&sync.turn, 0, __ATOMIC_RELEASE);
}

void tsc_check_other_side(void) { sync_pass(1); }

bool tsc_reliable(void) { return !sync.backwards; }
