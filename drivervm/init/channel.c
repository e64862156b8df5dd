/* SPDX-License-Identifier: MIT */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "server.h"

#define DEVICE "/dev/hvc0"

int channel_open(void)
{
    const int fd = open(DEVICE, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios settings;
    if (fd < 0 || tcgetattr(fd, &settings) < 0) {
        return -errno;
    }
    cfmakeraw(&settings);
    return tcsetattr(fd, TCSANOW, &settings) < 0 ? -errno : fd;
}

static int write_all(int fd, const void *data, size_t count)
{
    for (const uint8_t *at = data; count > 0;) {
        const ssize_t written = write(fd, at, count);
        if (written < 0 && errno != EINTR) {
            return -errno;
        }
        at += written > 0 ? written : 0;
        count -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

static int answer_all(int fd, struct frame_reader *reader)
{
    static struct frame request, answer;
    int error = 0;
    while (!error && frame_next(reader, &request)) {
        error = write_all(fd, &answer, server_answer(&request, &answer));
    }
    return error;
}

int channel_serve(int fd)
{
    static struct frame_reader reader;
    uint8_t bytes[256];
    const ssize_t got = read(fd, bytes, sizeof bytes);
    if (got <= 0) {
        return got == 0 ? -EPIPE : errno == EINTR ? 0 : -errno;
    }
    int error = 0;
    for (size_t taken = 0; !error && taken < (size_t)got;) {
        taken += frame_feed(&reader, bytes + taken, (size_t)got - taken);
        error = answer_all(fd, &reader);
    }
    return error;
}

int channel_tell_changed(int fd)
{
    static struct frame frame;
    return write_all(fd, &frame, server_changed(&frame));
}
