/* SPDX-License-Identifier: MIT */
#include "kernel_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sysfs.h"

#define SLOTS        256u
#define RECORD_BYTES 2048u /* longer ones the kernel cuts */

static char reasons[SLOTS][128];

/* A message of dev_err() and its kin: "DRIVER 0000:00:03.0: TEXT". Cuts the message into its parts. */
static int split(char *message, const char **driver, const char **text)
{
    char *address = strchr(message, ' ');
    char *end = address ? strstr(address, ": ") : NULL;
    if (!end) {
        return -1;
    }
    *address++ = '\0';
    *end = '\0';
    *driver = message;
    *text = end + 2;
    return sysfs_slot(address);
}

/* The two messages of Linux 6.12 that name a cause (drivers/base/dd.c, firmware_loader/main.c). A probe that
 * ends in ENODEV or ENXIO leaves none: for Linux the driver then does not fit the device. */
static void keep(char *reason, size_t bytes, const char *driver, const char *text)
{
    char name[64];
    int error;
    if (sscanf(text, "Direct firmware load for %63s failed with error %d", name, &error) == 2) {
        snprintf(reason, bytes, "driver %.31s: firmware file %s: error %d", driver, name, error);
    } else if (sscanf(text, "probe with driver %31s failed with error %d", name, &error) == 2) {
        /* A missing firmware file is why the probe failed: that says more. */
        if (!strstr(reason, "firmware file")) {
            snprintf(reason, bytes, "driver %.31s: error %d", name, error);
        }
    }
}

void kernel_log_note(const char *record)
{
    const char *start = strchr(record, ';');
    if (!start) {
        return;
    }
    char message[256];
    snprintf(message, sizeof message, "%.*s", (int)strcspn(start + 1, "\n"), start + 1);
    const char *driver, *text;
    const int slot = split(message, &driver, &text);
    if (slot >= 0) {
        keep(reasons[slot], sizeof reasons[slot], driver, text);
    }
}

int kernel_log_open(void)
{
    const int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void kernel_log_read(int fd)
{
    char record[RECORD_BYTES + 1];
    for (;;) {
        const ssize_t got = read(fd, record, RECORD_BYTES);
        if (got > 0) {
            record[got] = '\0';
            kernel_log_note(record);
        } else if (got == 0 || (errno != EINTR && errno != EPIPE && errno != EINVAL)) {
            return; /* EPIPE: records were overwritten; EINVAL: one was too long */
        }
    }
}

const char *kernel_log_reason(unsigned slot)
{
    return slot < SLOTS ? reasons[slot] : "";
}
