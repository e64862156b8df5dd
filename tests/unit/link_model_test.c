/* SPDX-License-Identifier: MIT */
/* Random operations on a net link, held against a list of what was sent: no byte outside a posted buffer
 * changes, no frame is lost but by a counted drop, none comes twice or out of order, and each call's work is
 * bounded. */
#include "fake_link.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define FEATURES                                                                                             \
    (VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM |             \
     VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_GUEST_TSO4)
#define SEEDS          12u
#define STEPS          4000u
#define COMPARE_ONE_IN 32u /* whole memories are large */
#define HEADER         12u
#define SLOT_BYTES     0x4000u /* of a chain's memory: tx 16 slots from FRAMES, rx from BUFFERS */
#define FRAMES         0x40000u
#define BUFFERS        0x80000u
#define SENT_MAX       65536u

/** A frame on its way: what was sent in which chain. */
struct sent {
    uint32_t bytes;
    bool over; /* the sender has its chain back */
    uint8_t header[HEADER], start[64];
};

struct side {
    struct fake_end *end;
    struct sent *sent; /* by number */
    uint32_t sent_count, over_count, next_expected, received;
    uint32_t number_of[FAKE_QUEUE_SIZE]; /* tx head -> frame */
    uint32_t room_of[FAKE_QUEUE_SIZE];   /* rx head -> bytes */
    uint8_t *shadow;                     /* its memory as it must be */
};

static struct side sides[2];
static uint32_t random_state;
static bool mergeable;

static uint32_t rnd(uint32_t below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % below;
}

/* ---- what drivers do ---- */

static void fill_frame(uint8_t *at, uint32_t number, uint32_t bytes)
{
    memset(at, 0, HEADER);
    if (rnd(4) == 0) { /* a checksum to fill in, sometimes where none can be */
        at[0] = 1;
        at[6] = (uint8_t)rnd(100);
        at[8] = (uint8_t)rnd(20);
    }
    if (rnd(16) == 0)
        at[1] = (uint8_t)rnd(256);
    memcpy(at + HEADER, &number, sizeof(number));
    for (uint32_t i = sizeof(number); i < bytes; i++)
        at[HEADER + i] = (uint8_t)(number * 31 + i);
}

static void send(struct side *s)
{
    int head = fake_free_head(s->end, VIRTIO_TX);
    if (head < 0 || s->sent_count == SENT_MAX)
        return;
    uint32_t bytes = rnd(20) == 0 ? rnd(30) : 14 + rnd(rnd(3) == 0 ? 15000 : 1500);
    uint32_t at = FRAMES + (uint32_t)head / FAKE_CHAIN_MAX * SLOT_BYTES;
    uint8_t frame[SLOT_BYTES];
    fill_frame(frame, s->sent_count, bytes);
    memcpy(s->end->partition.ram + at, frame, HEADER + bytes);
    memcpy(s->shadow + at, frame, HEADER + bytes);
    struct virtqueue_segment segments[FAKE_CHAIN_MAX];
    uint32_t left = HEADER + bytes;
    unsigned count = 0;
    while (left > 0) {
        uint32_t part = count + 1 == FAKE_CHAIN_MAX ? left : rnd(left + 1);
        segments[count++] = (struct virtqueue_segment){at, part};
        at += part;
        left -= part;
    }
    struct sent *sent = &s->sent[s->sent_count];
    *sent = (struct sent){.bytes = bytes};
    memcpy(sent->header, frame, HEADER);
    s->number_of[head] = s->sent_count++;
    fake_post(s->end, VIRTIO_TX, (uint16_t)head, segments, count, rnd(2));
}

static void post(struct side *s)
{
    int head = fake_free_head(s->end, VIRTIO_RX);
    if (head < 0)
        return;
    uint32_t at = BUFFERS + (uint32_t)head / FAKE_CHAIN_MAX * SLOT_BYTES,
             bytes = rnd(8) == 0 ? rnd(40) : 1500 + rnd(10000);
    uint32_t first = rnd(bytes + 1);
    struct virtqueue_segment segments[] = {{at, first}, {at + first, bytes - first}};
    s->room_of[head] = bytes;
    fake_post(s->end, VIRTIO_RX, (uint16_t)head, segments, 2, rnd(2));
}

/* ---- what must hold ---- */

static void copy_ring(struct side *s, unsigned queue)
{
    memcpy(s->shadow + FAKE_DEVICE(queue), s->end->partition.ram + FAKE_DEVICE(queue), 0x1000);
}

static void copy_drivers_part(struct side *s)
{
    for (unsigned queue = 0; queue < VIRTIO_QUEUES; queue++) {
        memcpy(s->shadow + FAKE_TABLE(queue), s->end->partition.ram + FAKE_TABLE(queue), 0x2000);
        memcpy(s->shadow + FAKE_INDIRECT(queue), s->end->partition.ram + FAKE_INDIRECT(queue), 0x4000);
    }
}

static void take_sent_back(struct side *s)
{
    struct fake_used used;
    while (fake_take(s->end, VIRTIO_TX, &used)) {
        struct sent *sent = &s->sent[s->number_of[used.head]];
        assert_int_equal(used.bytes, 0);
        assert_false(sent->over);
        sent->over = true;
        s->over_count++;
    }
}

/* The frame begins in `first`; each byte that was written goes into the shadow. */
static void check_frame(struct side *from, struct side *to, struct fake_used used)
{
    uint8_t frame[SLOT_BYTES * 2];
    uint32_t bytes = 0, buffers = 1;
    for (uint32_t i = 0; i < buffers; i++) {
        if (i > 0)
            assert_true(fake_take(to->end, VIRTIO_RX, &used));
        uint32_t at = BUFFERS + used.head / FAKE_CHAIN_MAX * SLOT_BYTES;
        assert_true(used.bytes <= to->room_of[used.head] && bytes + used.bytes <= sizeof(frame));
        memcpy(frame + bytes, to->end->partition.ram + at, used.bytes);
        memcpy(to->shadow + at, frame + bytes, used.bytes);
        bytes += used.bytes;
        if (bytes >= HEADER)
            buffers = (uint32_t)frame[10] | (uint32_t)frame[11] << 8;
        else
            buffers = i + 2; /* not all of the header yet */
    }
    uint32_t number;
    memcpy(&number, frame + HEADER, sizeof(number));
    assert_true(number >= from->next_expected && number < from->sent_count);
    from->next_expected = number + 1;
    from->received++;
    const struct sent *sent = &from->sent[number];
    assert_true(sent->over && bytes == HEADER + sent->bytes);
    for (uint32_t i = sizeof(number); i < sent->bytes; i++)
        assert_int_equal(frame[HEADER + i], (uint8_t)(number * 31 + i));
    assert_int_equal(frame[0], sent->header[0]);
    assert_int_equal(frame[6], frame[0] ? sent->header[6] : 0);
    assert_true(mergeable || buffers == 1);
}

static void check_all(void)
{
    for (unsigned i = 0; i < 2; i++) {
        take_sent_back(&sides[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        struct side *from = &sides[i], *to = &sides[!i];
        const struct mullion_port_info *c = &from->end->end.out.counters;
        struct fake_used used;
        while (fake_take(to->end, VIRTIO_RX, &used))
            check_frame(from, to, used);
        assert_int_equal(c->frames, from->received);
        assert_int_equal(from->over_count,
                         from->received + c->dropped_full + c->dropped_features + c->dropped_invalid);
        copy_ring(to, VIRTIO_RX);
        copy_ring(from, VIRTIO_TX);
    }
    for (unsigned i = 0; i < 2 && rnd(COMPARE_ONE_IN) == 0; i++)
        assert_memory_equal(sides[i].end->partition.ram, sides[i].shadow, FAKE_RAM_BYTES);
}

static void pump(struct side *s)
{
    fake_work = (struct fake_work){0};
    link_pump(&s->end->end);
    /* a frame beyond the budget, and that for both memories; rings: some words per descriptor */
    assert_true(fake_work.bytes <= 2 * (LINK_CALL_BYTES + 2 * SLOT_BYTES) + 64 * LINK_CALL_DESCRIPTORS);
    assert_true(fake_work.reads <= 16 * LINK_CALL_DESCRIPTORS);
}

static void step(void)
{
    struct side *s = &sides[rnd(2)];
    switch (rnd(10)) {
    case 0:
    case 1:
    case 2:
        send(s);
        break;
    case 3:
    case 4:
    case 5:
        post(s);
        break;
    case 6:
        fake_now += rnd(FAKE_PATIENCE / 4);
        break;
    case 7:
        s->end->runs = rnd(16) != 0;
        break;
    default:
        break;
    }
    copy_drivers_part(s);
    pump(&sides[rnd(2)]);
    check_all();
}

static void set_up(uint32_t seed)
{
    random_state = seed * 2654435761u;
    mergeable = seed % 2;
    fake_link_up(MULLION_PORT_NET, FEATURES | (mergeable ? VIRTIO_NET_F_MRG_RXBUF : 0) |
                                       (seed % 4 < 2 ? VIRTIO_F_EVENT_IDX : 0));
    for (unsigned i = 0; i < 2; i++) {
        sides[i] = (struct side){.end = &fake_ends[i],
                                 .sent = calloc(SENT_MAX, sizeof(struct sent)),
                                 .shadow = malloc(FAKE_RAM_BYTES)};
        memcpy(sides[i].shadow, fake_ends[i].partition.ram, FAKE_RAM_BYTES);
    }
}

static void whatever_happens_frames_are_delivered_once_or_counted(void **state)
{
    (void)state;
    uint64_t frames = 0, drops = 0;
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        set_up(seed);
        for (unsigned i = 0; i < STEPS; i++)
            step();
        for (unsigned i = 0; i < 2; i++) {
            frames += sides[i].received;
            drops += sides[i].over_count - sides[i].received;
            free(sides[i].sent);
            free(sides[i].shadow);
        }
        fake_link_free();
    }
    print_message("%lu frames delivered, %lu dropped and counted\n", frames, drops);
    assert_true(frames > 100 * SEEDS && drops > 10 * SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_frames_are_delivered_once_or_counted)};
    return cmocka_run_group_tests_name("link model", tests, NULL, NULL);
}
