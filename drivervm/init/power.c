/* SPDX-License-Identifier: MIT */
#include "power.h"

#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

static bool is_wanted_off;

void power_off_soon(void)
{
    is_wanted_off = true;
}

bool power_is_wanted_off(void)
{
    return is_wanted_off;
}

void power_off(void)
{
    sync();
    reboot(RB_POWER_OFF);
    /* A machine that cannot be powered off can be reset; that also ends it for the agent. */
    reboot(RB_AUTOBOOT);
    for (;;) {
        pause();
    }
}

void power_fail(const char *what, int error)
{
    dprintf(STDERR_FILENO, "driver VM: %s: %s; powering off\n", what, strerror(-error));
    power_off();
}
