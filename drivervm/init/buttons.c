/* SPDX-License-Identifier: MIT */
#include "buttons.h"

#include <fcntl.h>
#include <linux/input.h>
#include <stdio.h>
#include <unistd.h>

int buttons_open_next(void)
{
    static unsigned next;
    char path[32];
    snprintf(path, sizeof path, "/dev/input/event%u", next++);
    return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

bool buttons_power_pressed(int fd)
{
    bool is_pressed = false;
    struct input_event event;
    while (read(fd, &event, sizeof event) == (ssize_t)sizeof event) {
        is_pressed |= event.type == EV_KEY && event.code == KEY_POWER && event.value == 1;
    }
    return is_pressed;
}
