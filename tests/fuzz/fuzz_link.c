/* SPDX-License-Identifier: MIT */
/*
 * A link with two hostile ends: the input says what each writes into its memory and its registers, in
 * whatever order. Memory is checked by tests/unit/fake_link.c (it aborts outside a partition's), the rest by
 * the sanitizers and below.
 */
#include "fake_link.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t left;
};

static uint64_t number(struct input *in, unsigned bytes)
{
    uint64_t value = 0;
    bytes = bytes < in->left ? bytes : (unsigned)in->left;
    memcpy(&value, in->data, bytes);
    in->data += bytes;
    in->left -= bytes;
    return value;
}

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Rings and indirect tables, and now and then something behind them. */
static void write_memory(struct fake_end *e, struct input *in)
{
    uint64_t at = number(in, 2), bytes = number(in, 1) % 40;
    at = at % 0x9000 + (at & 0x8000 ? 0x10000 : 0);
    for (uint64_t i = 0; i < bytes; i++)
        e->partition.ram[at + i] = (uint8_t)number(in, 1);
}

/* A descriptor that may be good, so that the input finds its way in. */
static void post_chain(struct fake_end *e, struct input *in)
{
    unsigned queue = number(in, 1) % 2, count = (unsigned)number(in, 1) % 18;
    bool indirect = count > FAKE_CHAIN_MAX || number(in, 1) % 2;
    uint16_t head = (uint16_t)(number(in, 1) % FAKE_QUEUE_SIZE / FAKE_CHAIN_MAX * FAKE_CHAIN_MAX);
    struct virtqueue_segment segments[18];
    for (unsigned i = 0; i <= count; i++)
        segments[i] =
            (struct virtqueue_segment){number(in, 3) % (FAKE_RAM_BYTES + 256), (uint32_t)number(in, 2)};
    fake_post(e, queue, head, segments, count < 16 ? count + 1 : 16, indirect);
}

static void write_header(struct fake_end *e, struct input *in)
{
    uint64_t at = number(in, 3) % (FAKE_RAM_BYTES - 12);
    for (unsigned i = 0; i < 12; i++)
        e->partition.ram[at + i] = (uint8_t)number(in, 1);
}

static void access_register(struct fake_end *e, struct input *in)
{
    uint64_t offset = number(in, 2) % MACHINE_PORT_MSIX;
    unsigned bytes = 1u << number(in, 1) % 4;
    fake_register(e, offset, bytes);
    fake_set_register(e, offset, bytes, number(in, bytes));
}

static void change_link(struct fake_end *e, struct input *in)
{
    switch (number(in, 1) % 6) {
    case 0:
        link_disconnect(&e->end);
        break;
    case 1:
        link_disconnect(&e->end);
        link_connect(&e->end, &fake_ends[e == fake_ends].end, number(in, 1) % 2);
        break;
    case 2:
        link_acknowledge(&e->end, e->end.virtio.features ^ number(in, 1) % 2);
        break;
    case 3:
        link_halt(&e->end, number(in, 1) % 2);
        break;
    case 4:
        e->runs = number(in, 1) % 2;
        break;
    case 5:
        fake_start(e, VIRTIO_F_VERSION_1 | (e->end.virtio.offered & number(in, 4)));
        break;
    }
}

/* The largest frame comes on top of the budget, a chain of 64 pieces into 128 others. */
static void pump(struct fake_end *e, struct input *in)
{
    struct mullion_port_info info = {.id = 1};
    if (number(in, 1) % 2)
        link_info(&e->end, &info);
    fake_work = (struct fake_work){0};
    link_pump(&e->end);
    require(fake_work.bytes < 2 * (LINK_CALL_BYTES + 0x11000u) + 64 * 1024);
    require(fake_work.reads < 4096);
}

static void step(struct input *in)
{
    uint64_t choice = number(in, 1);
    struct fake_end *e = &fake_ends[choice % 2];
    switch (choice / 2 % 8) {
    case 0:
        write_memory(e, in);
        break;
    case 1:
    case 2:
        post_chain(e, in);
        break;
    case 3:
        write_header(e, in);
        break;
    case 4:
        access_register(e, in);
        break;
    case 5:
        change_link(e, in);
        break;
    case 6:
        fake_now += number(in, 2);
        break;
    default:
        break;
    }
    pump(&fake_ends[choice / 16 % 2], in);
}

static void check_end(const struct fake_end *e)
{
    const struct link_direction *d = &e->end.out;
    require(!d->up || (d->live && e->end.peer && e->end.peer->out.live && e->end.running && !e->end.halted));
    require(d->lock.next == d->lock.owner);
    require(!d->up == !e->end.virtio.link_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint64_t kind = number(&in, 1), features = number(&in, 4);
    fake_link_init(kind % 2 ? MULLION_PORT_NET : MULLION_PORT_CONSOLE);
    link_connect(&fake_ends[0].end, &fake_ends[1].end, false);
    for (unsigned i = 0; i < 2; i++)
        fake_start(&fake_ends[i], VIRTIO_F_VERSION_1 | (features & fake_ends[i].end.virtio.offered));
    while (in.left > 0) {
        step(&in);
        check_end(&fake_ends[0]);
        check_end(&fake_ends[1]);
    }
    fake_link_free();
    return 0;
}
