/* SPDX-License-Identifier: MIT */
/* The model's host console, its log, and waiting. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/linux/model_internal.h"
#include "os/os.h"

#define CONSOLE_BYTES 65536u
#define TICKS_PER_MS  1000000u

static struct {
    char output[CONSOLE_BYTES], returned[CONSOLE_BYTES];
    size_t used;
    char typed[1024];
    size_t typed_used;
    bool terminal, input_ended, stuck;
    int watched; /* descriptor, 0: none */
} host;

/* The byte link, if the box has one. */
static struct {
    bool present;
    size_t room, left; /* bytes that it takes between two EVENT_WAIT; left: now */
    char to_agent[4096], from_agent[CONSOLE_BYTES];
    size_t to_agent_used, from_agent_used;
    uint64_t offset; /* of to_agent[0] */
} wire;

void console_boot(void)
{
    memset(&host, 0, sizeof(host));
    memset(&wire, 0, sizeof(wire));
}

char *model_buffer(const struct mullion_buffer *buffer)
{
    return (char *)(uintptr_t)buffer->gpa; // NOLINT(performance-no-int-to-ptr): addresses are pointers here
}

bool model_has_terminal(void)
{
    return host.terminal;
}

void model_stick_console(bool stuck)
{
    host.stuck = stuck;
}

void model_type(const char *text)
{
    size_t bytes = strlen(text);
    memcpy(host.typed + host.typed_used, text, bytes);
    host.typed_used += bytes;
    model_events()->events |= MULLION_EVENT_HOST_INPUT;
}

const char *model_output(void)
{
    memcpy(host.returned, host.output, host.used);
    host.returned[host.used] = 0;
    host.used = 0;
    return host.returned;
}

void model_use_terminal(void)
{
    host.terminal = true;
}

void model_watch(int descriptor)
{
    host.watched = descriptor;
}

void model_add_byte_link(size_t room)
{
    wire.present = true;
    wire.room = wire.left = room;
}

void model_wire_send(const void *data, size_t bytes)
{
    memcpy(wire.to_agent + wire.to_agent_used, data, bytes);
    wire.to_agent_used += bytes;
    model_events()->events |= MULLION_EVENT_BYTE_LINK;
}

void model_wire_lose(void)
{
    wire.offset++;
}

size_t model_wire_take(void *to, size_t bytes)
{
    size_t moved = bytes < wire.from_agent_used ? bytes : wire.from_agent_used;
    memcpy(to, wire.from_agent, moved);
    wire.from_agent_used -= moved;
    memmove(wire.from_agent, wire.from_agent + moved, wire.from_agent_used);
    return moved;
}

static int wire_read(struct mullion_buffer *buffer)
{
    size_t moved = buffer->bytes < wire.to_agent_used ? buffer->bytes : wire.to_agent_used;
    memcpy(model_buffer(buffer), wire.to_agent, moved);
    wire.to_agent_used -= moved;
    memmove(wire.to_agent, wire.to_agent + moved, wire.to_agent_used);
    buffer->offset = wire.offset;
    buffer->bytes = (uint32_t)moved;
    wire.offset += moved;
    return 0;
}

static int wire_write(struct mullion_buffer *buffer)
{
    size_t room = sizeof(wire.from_agent) - wire.from_agent_used;
    room = room < wire.left ? room : wire.left;
    size_t moved = buffer->bytes < room ? buffer->bytes : room;
    memcpy(wire.from_agent + wire.from_agent_used, model_buffer(buffer), moved);
    wire.from_agent_used += moved;
    wire.left -= moved;
    buffer->bytes = (uint32_t)moved;
    return 0;
}

int call_host_read(void *request)
{
    struct mullion_buffer *buffer = request;
    if (buffer->id == MULLION_HOST_BYTE_LINK) {
        return wire.present ? wire_read(buffer) : -MULLION_E_HARDWARE;
    }
    if (host.terminal) {
        ssize_t got = read(STDIN_FILENO, model_buffer(buffer), buffer->bytes);
        if (got <= 0 && host.watched == 0) {
            exit(0);
        }
        host.input_ended = got <= 0;
        buffer->bytes = got > 0 ? (uint32_t)got : 0;
        return 0;
    }
    size_t moved = buffer->bytes < host.typed_used ? buffer->bytes : host.typed_used;
    memcpy(model_buffer(buffer), host.typed, moved);
    host.typed_used -= moved;
    memmove(host.typed, host.typed + moved, host.typed_used);
    buffer->bytes = (uint32_t)moved;
    return 0;
}

int call_host_write(void *request)
{
    struct mullion_buffer *buffer = request;
    if (buffer->id == MULLION_HOST_BYTE_LINK) {
        return wire.present ? wire_write(buffer) : -MULLION_E_HARDWARE;
    }
    if (host.terminal) {
        fwrite(model_buffer(buffer), 1, buffer->bytes, stdout);
        fflush(stdout);
        return 0;
    }
    size_t room = sizeof(host.output) - 1 - host.used;
    room = host.stuck ? 0 : room;
    size_t moved = buffer->bytes < room ? buffer->bytes : room;
    memcpy(host.output + host.used, model_buffer(buffer), moved);
    host.used += moved;
    buffer->bytes = (uint32_t)moved;
    return 0;
}

static bool any_event(void)
{
    const struct mullion_event_wait *events = model_events();
    return (events->events | events->state_mask | events->console_mask | events->port_mask) != 0;
}

/* Milliseconds to the deadline, rounded up, for poll(). */
static int poll_ms(uint64_t deadline_tsc)
{
    uint64_t now = os_tsc();
    if (deadline_tsc == UINT64_MAX) {
        return -1;
    }
    uint64_t ms = deadline_tsc > now ? (deadline_tsc - now) / TICKS_PER_MS + 1 : 0;
    return ms < 60000 ? (int)ms : 60000;
}

static void wait_really(uint64_t deadline_tsc)
{
    struct pollfd fds[2] = {{.fd = host.input_ended ? -1 : STDIN_FILENO, .events = POLLIN},
                            {.fd = host.watched > 0 ? host.watched : -1, .events = POLLIN}};
    if (poll(fds, 2, poll_ms(deadline_tsc)) > 0) {
        model_events()->events |= fds[0].revents != 0 ? MULLION_EVENT_HOST_INPUT : 0;
        model_events()->events |= fds[1].revents != 0 ? MULLION_EVENT_PORT : 0;
    }
}

/* Tests never sleep: without an event the deadline has passed at once. */
int call_wait(void *request)
{
    struct mullion_event_wait *wait = request;
    wire.left = wire.room;
    if (host.terminal && !any_event()) {
        wait_really(wait->deadline_tsc);
    }
    model_events()->events |= any_event() ? 0 : MULLION_EVENT_TIMEOUT;
    *wait = *model_events();
    *model_events() = (struct mullion_event_wait){.events = 0};
    return 0;
}

int call_log(void *request)
{
    static const char log[] = "vmm: this is the model's log\n";
    struct mullion_buffer *buffer = request;
    uint64_t left = buffer->offset < sizeof(log) - 1 ? sizeof(log) - 1 - buffer->offset : 0;
    buffer->bytes = left < buffer->bytes ? (uint32_t)left : buffer->bytes;
    memcpy(model_buffer(buffer), log + (left > 0 ? buffer->offset : 0), buffer->bytes);
    return 0;
}
