/* SPDX-License-Identifier: MIT */
/*
 * PID 1 of the driver VM, and its only process: it gives the kernel's devices to the agent and does what the
 * agent says. It never ends; what it cannot do without, it reports on the console, and powers off.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "buttons.h"
#include "channel.h"
#include "functions.h"
#include "jack.h"
#include "kernel_log.h"
#include "netlink.h"
#include "power.h"
#include "switch.h"
#include "sysfs.h"

enum source {
    SOURCE_CHANNEL,
    SOURCE_LINKS,
    SOURCE_LOG,
    SOURCE_BUTTONS, /* the first of them */
    SOURCE_MAX = SOURCE_BUTTONS + 8,
};

static struct pollfd sources[SOURCE_MAX];
static nfds_t source_count = SOURCE_BUTTONS;

static void mount_all(void)
{
    static const struct {
        const char *type, *where;
    } mounts[] = {{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}};
    for (unsigned i = 0; i < sizeof mounts / sizeof mounts[0]; i++) {
        mkdir(mounts[i].where, 0755);
        if (mount(mounts[i].type, mounts[i].where, mounts[i].type, MS_NOSUID | MS_NOEXEC, NULL) < 0) {
            power_fail(mounts[i].where, -errno);
        }
    }
}

static int need(const char *what, int result)
{
    if (result < 0) {
        power_fail(what, result);
    }
    return result;
}

static void wait_for(enum source source, int fd)
{
    sources[source] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void open_all(void)
{
    need("/sys", sysfs_start("/sys"));
    jack_find_all();
    wait_for(SOURCE_LOG, need("/dev/kmsg", kernel_log_open()));
    wait_for(SOURCE_LINKS, need("netlink", netlink_open()));
    need("bridge", switch_start());
    wait_for(SOURCE_CHANNEL, need("/dev/hvc0, the channel to the agent", channel_open()));
    for (int fd; source_count < SOURCE_MAX && (fd = buttons_open_next()) >= 0;) {
        wait_for(source_count++, fd);
    }
}

static void report_start(void)
{
    struct utsname system;
    uname(&system);
    dprintf(STDERR_FILENO, "driver VM: ready: Linux %s, %u PCI functions, %u network ports\n", system.release,
            functions_count(), switch_nic_count());
}

static void refresh_links(void)
{
    netlink_drain(sources[SOURCE_LINKS].fd);
    if (switch_refresh()) {
        need("channel to the agent", channel_tell_changed(sources[SOURCE_CHANNEL].fd));
    }
}

static void serve_once(void)
{
    if (poll(sources, source_count, -1) < 0 && errno != EINTR) {
        power_fail("poll", -errno);
    }
    if (sources[SOURCE_LOG].revents) {
        kernel_log_read(sources[SOURCE_LOG].fd);
    }
    if (sources[SOURCE_LINKS].revents) {
        refresh_links();
    }
    if (sources[SOURCE_CHANNEL].revents) {
        need("channel to the agent", channel_serve(sources[SOURCE_CHANNEL].fd));
    }
    for (nfds_t i = SOURCE_BUTTONS; i < source_count; i++) {
        if (sources[i].revents && buttons_power_pressed(sources[i].fd)) {
            power_off_soon();
        }
    }
}

int main(void)
{
    if (getpid() != 1) {
        dprintf(STDERR_FILENO, "driver VM: this is an init; it runs as process 1 only\n");
        return 1;
    }
    /* The kernel makes its helpers' orphans our children: ignored, they vanish when they end. */
    signal(SIGCHLD, SIG_IGN);
    mount_all();
    open_all();
    kernel_log_read(sources[SOURCE_LOG].fd);
    switch_refresh();
    report_start();
    while (!power_is_wanted_off()) {
        serve_once();
    }
    dprintf(STDERR_FILENO, "driver VM: powering off\n");
    power_off();
}
