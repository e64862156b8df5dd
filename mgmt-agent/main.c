/* SPDX-License-Identifier: MIT */
/* The agent: reads box and manifest, brings up the partitions, then serves the console and what partitions
 * do. */
#include <stddef.h>

#include "api/api.h"
#include "http/server.h"
#include "model/machine.h"
#include "model/network.h"
#include "net/net.h"
#include "os/os.h"
#include "serial/byte_link.h"
#include "tls/identity.h"
#include "tls/tls.h"
#include "ui/attach.h"
#include "ui/commands.h"
#include "ui/console.h"
#include "ui/status.h"

#define RETRY_MS         10u    /* for a guest, or a wire, that does not take what there is for it */
#define NETWORK_RETRY_MS 1000u  /* for a network port that is not there yet */
#define NETWORK_TRIES    10u    /* then that is a problem, though there are more */
#define PATIENCE_MS      30000u /* then the status block is shown although the box has not settled */

static struct machine machine;
static struct {
    bool settled; /* it runs, or never will */
    unsigned tries;
    uint64_t retry_tsc;
} network;

/* The first status block ends the boot; in an agent that was restarted the boot time is remembered. */
static void boot_done(void)
{
    if (machine.boot_ms == 0) {
        machine.boot_ms = box_ms(&machine.box, machine.box.platform.boot_tsc, os_tsc());
        machine.boot_ms = machine.boot_ms > 0 ? machine.boot_ms : 1;
        machine_save(&machine);
    }
    status_print(&machine);
    console_prompt();
}

static void announce(const char *line)
{
    if (attach_partition() != NULL) {
        console_print("\n%s\n", line);
    } else {
        console_announce(line);
    }
}

static void typed_at_prompt(char c)
{
    switch (console_type(c)) {
    case CONSOLE_LINE:
        command_run(&machine, console_line());
        break;
    case CONSOLE_DIGIT:
        command_attach_number(&machine, (unsigned)(console_line()[0] - '0'));
        break;
    case CONSOLE_NOTHING:
        return;
    }
    console_clear();
    if (attach_partition() == NULL) {
        console_prompt();
    }
}

static void detach(const char *why)
{
    attach_end(why);
    console_clear();
    console_prompt();
}

static void input(void)
{
    char data[128];
    size_t bytes = console_read(data, sizeof(data));
    for (size_t i = 0; i < bytes; i++) {
        if (attach_partition() == NULL) {
            typed_at_prompt(data[i]);
        } else if (!attach_type(&data[i], 1)) {
            detach("detached");
        }
    }
}

static void attached_partition_check(void)
{
    const struct partition *p = attach_partition();
    if (p != NULL && p->phase != PHASE_RUNNING && p->phase != PHASE_PAUSED) {
        detach("it does not run any more; detached");
    }
}

static uint64_t ticks_of(uint64_t ms)
{
    return ms > UINT64_MAX / machine.box.platform.tsc_khz ? UINT64_MAX : ms * machine.box.platform.tsc_khz;
}

static void client_accept(struct stream *stream)
{
    server_accept(stream, machine_ms(&machine));
}

static void byte_client_accept(struct stream *stream)
{
    server_accept_plain(stream, machine_ms(&machine));
}

/* The key that clients know, from the state area, or a new one. It names the host name, which can stand in a
 * certificate whatever the site is called. */
static void identity_take(const struct net_config *config)
{
    if (tls_identity_use(machine.identity, machine.identity_bytes) == 0) {
        return;
    }
    size_t bytes = 0;
    if (tls_identity_make(config->host_name, config->has_address ? config->address : NULL, machine.identity,
                          &bytes) != 0) {
        problem_add(&machine.problems, "%s", tls_identity_problem());
        return;
    }
    machine.identity_bytes = (uint32_t)bytes;
    machine_save(&machine);
    tls_identity_use(machine.identity, bytes);
}

/* Once the box knows what it is called. */
static void identity_start(void)
{
    static bool started;
    struct net_config config;
    if (started || machine.seed_kind == IDENTITY_NONE) {
        return;
    }
    started = true;
    machine_net_config(&machine, &config);
    identity_take(&config);
    tls_identity_fingerprint(machine.fingerprint);
}

/* The port may come later than the agent: with the driver VM. */
static void network_start(void)
{
    struct net_config config;
    uint64_t now = os_tsc();
    if (network.settled || now < network.retry_tsc || !machine_net_ready(&machine)) {
        return;
    }
    machine_net_config(&machine, &config);
    int error = net_start(&config, machine.box.platform.tsc_khz, client_accept);
    network.settled = error != -MULLION_E_NO_PORT;
    network.retry_tsc = now + ticks_of(NETWORK_RETRY_MS);
    if (error != 0 && (network.settled || ++network.tries == NETWORK_TRIES)) {
        problem_add(&machine.problems, "network: the agent's port cannot be used (error %d): report this",
                    -error);
    }
}

static void network_serve(void)
{
    identity_start();
    network_start();
    net_poll(!client_uplink_is_cut(&machine.driver.client));
    machine_net_changed(&machine, net_status());
    tls_turn();
    server_turn(machine_ms(&machine));
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When the next turn of the loop is due if nothing happens. */
static uint64_t next_turn(void)
{
    uint64_t server_ms = server_deadline();
    uint64_t server_tsc =
        server_ms == CONNECTION_NEVER ? UINT64_MAX : machine.box.platform.boot_tsc + ticks_of(server_ms);
    uint64_t network_tsc = network.settled || !machine_net_ready(&machine) ? UINT64_MAX : network.retry_tsc;
    return earlier(earlier(machine_deadline(&machine), network_tsc), earlier(net_deadline(), server_tsc));
}

static void handle(const struct mullion_event_wait *event)
{
    attach_pump();
    machine_event(&machine, event);
    machine_tick(&machine);
    if ((event->events & MULLION_EVENT_BYTE_LINK) != 0) {
        byte_link_receive();
    }
    network_serve();
    attached_partition_check();
    if ((event->events & MULLION_EVENT_HOST_INPUT) != 0) {
        input();
    }
}

int main(void)
{
    struct mullion_platform_info platform = {.abi_version = 0};
    os_hypercall(MULLION_CALL_PLATFORM_INFO, &platform);
    console_start(platform.tsc_khz);
    machine_read(&machine, announce);
    machine_bring_up(&machine);
    server_start(tls_open, api_handle, &machine);
    byte_link_start(byte_client_accept);
    network_serve();
    uint64_t patience = os_tsc() + PATIENCE_MS * platform.tsc_khz;
    for (bool booted = false;;) {
        if (!booted && (!machine_is_settling(&machine) || os_tsc() >= patience)) {
            booted = true;
            boot_done();
        }
        uint64_t deadline = booted ? UINT64_MAX : patience;
        bool guest_waits = attach_pump();
        if (byte_link_send() || guest_waits) {
            deadline = os_tsc() + RETRY_MS * platform.tsc_khz;
        }
        deadline = earlier(deadline, next_turn());
        struct mullion_event_wait event;
        console_wait(deadline, &event);
        handle(&event);
    }
}
