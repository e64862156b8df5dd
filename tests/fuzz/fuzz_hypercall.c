/* SPDX-License-Identifier: MIT */
/*
 * A confused or hostile agent: any sequence of calls with any requests, and guests that end by themselves.
 * After each step the box's invariants must hold: one owner per frame and CPU, nothing visible that is not
 * being loaded.
 */
#include "core/log.h"
#include "fake_box.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void log_line(const char *format, ...)
{
    (void)format;
}

void log_fatal(const char *format, ...)
{
    fprintf(stderr, "fatal: %s\n", format);
    abort();
}

struct input {
    const uint8_t *bytes;
    size_t left;
};

static uint8_t next(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->bytes++;
}

/* A frame's address mostly, sometimes anything. */
static uint64_t next_address(struct input *in)
{
    uint8_t byte = next(in);
    if (byte < 0xf0)
        return byte % 40 * FRAME_BYTES;
    uint64_t value = byte == 0xf0 ? BOX_WINDOW_GPA : 0;
    for (unsigned i = 0; i < 8u * (byte & 1); i++)
        value = value << 8 | next(in);
    return value;
}

static void create(struct input *in)
{
    struct mullion_partition_create request = {.name = {(char)('a' + next(in) % 8)},
                                               .vcpu_count = next(in) % 4};
    for (uint32_t i = 0; i < request.vcpu_count; i++)
        request.cpus[i] = next(in) % 8;
    (void)box_call(MULLION_CALL_PARTITION_CREATE, &request, sizeof(request));
}

static void add_memory(struct input *in)
{
    struct mullion_partition_add_memory request = {.id = next(in) % 8};
    request.gpa = next_address(in);
    request.hpa = next_address(in);
    request.bytes = next_address(in);
    (void)box_call(MULLION_CALL_PARTITION_ADD_MEMORY, &request, sizeof(request));
}

static void start(struct input *in)
{
    struct mullion_partition_start request = {.id = next(in) % 8, .mode = next(in) % 3};
    request.rip = next(in);
    request.cr3 = next(in) * 256ull;
    (void)box_call(MULLION_CALL_PARTITION_START, &request, sizeof(request));
}

static void end_guest(struct input *in)
{
    struct partition *p = partition_find(1 + next(in) % 7);
    if (p && p->state == MULLION_STATE_RUNNING)
        partition_end(p->vcpus[0], (enum mullion_stop_reason)(next(in) % MULLION_REASON_COUNT), 0);
}

/* Any call but those that end the box, with any bytes. */
static void raw(struct input *in)
{
    uint64_t number = next(in) % (MULLION_CALL_COUNT + 2);
    uint8_t request[600];
    for (size_t i = 0; i < sizeof(request); i++)
        request[i] = i < 64 ? next(in) : 0;
    if (number == MULLION_CALL_HOST_RESET || number == MULLION_CALL_AGENT_EXIT)
        return;
    int64_t result = box_call(number, request, sizeof(request));
    if (result > 0 || result <= -MULLION_E_COUNT)
        abort();
}

static void step(struct input *in)
{
    uint8_t what = next(in) % 16;
    struct mullion_partition_ref ref = {.id = next(in) % 8};
    switch (what) {
    case 0:
    case 1:
        create(in);
        return;
    case 2:
    case 3:
        add_memory(in);
        return;
    case 4:
        start(in);
        return;
    case 5:
        end_guest(in);
        return;
    case 6:
        box_scrub();
        return;
    case 7:
        raw(in);
        return;
    default: /* WINDOW_OPEN, WINDOW_CLOSE, STOP, PAUSE, RESUME, RESET, DESTROY, POWER_BUTTON */
        (void)box_call(MULLION_CALL_WINDOW_OPEN + what - 8u + (what >= 10), &ref, sizeof(ref));
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    box_start();
    for (unsigned steps = 0; in.left > 0 && steps < 100; steps++) {
        step(&in);
        const char *broken = box_broken_invariant();
        if (broken) {
            fprintf(stderr, "after step %u: %s\n", steps, broken);
            abort();
        }
    }
    box_stop();
    return 0;
}
