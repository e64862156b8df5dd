/* SPDX-License-Identifier: MIT */
/*
 * heartbeat [BEATS]: one line `BEAT n worst_gap_us=G` per 100 ms of this guest's own time, for ever or BEATS
 * times. A system test runs it in one partition while it attacks from another.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PERIOD_US 100000L

static long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static void sleep_us(long us)
{
    const struct timespec pause = {us / 1000000L, us % 1000000L * 1000};
    nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
    const long beats = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    long last = now_us();
    long worst = 0;
    for (long beat = 1; beats == 0 || beat <= beats; beat++) {
        sleep_us(PERIOD_US);
        const long now = now_us();
        worst = now - last > worst ? now - last : worst;
        last = now;
        printf("BEAT %ld worst_gap_us=%ld\n", beat, worst);
        fflush(stdout);
    }
    return 0;
}
