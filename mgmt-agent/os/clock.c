/* SPDX-License-Identifier: MIT */
/* Time from the time-stamp counter; the date from the RTC as the VMM read it at boot. */
#include <errno.h>
#include <time.h>

#include "kernel.h"
#include "os.h"

static uint64_t khz = 1;
static uint64_t boot_tsc;
static uint64_t boot_epoch_s;

void clock_start(const struct mullion_platform_info *info)
{
    khz = info->tsc_khz > 0 ? info->tsc_khz : 1;
    boot_tsc = info->boot_tsc;
    boot_epoch_s = info->boot_epoch_s;
}

long clock_read(long clock, struct timespec *to)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) {
        return -EINVAL;
    }
    uint64_t ticks = os_tsc() - boot_tsc;
    uint64_t ms = ticks / khz;
    uint64_t ns_of_ms = ticks % khz * 1000000 / khz;
    to->tv_sec = (time_t)(ms / 1000 + (clock == CLOCK_REALTIME ? boot_epoch_s : 0));
    to->tv_nsec = (long)(ms % 1000 * 1000000 + ns_of_ms);
    return 0;
}
