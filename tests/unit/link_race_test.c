/* SPDX-License-Identifier: MIT */
/*
 * Two CPUs at once, built with the thread sanitizer: each fills its own rings and moves data of both
 * directions. An argument says how many frames each side sends (`make soak`: many).
 */
#include "fake_link.h"
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FEATURES   (VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_NET_F_MRG_RXBUF)
#define HEADER     12u
#define FRAME      1000u
#define BUFFER     600u /* a frame takes two */
#define SLOT_BYTES 0x1000u
#define FRAMES     0x40000u
#define BUFFERS    0x80000u
#define LIMIT_S    100

static uint32_t frames = 5000;
static bool cuts; /* a third thread takes the link apart and joins it again */
static uint32_t done_count;

struct cpu {
    struct fake_end *end;
    struct fake_end *peer;
    uint32_t sent, back, received, last; /* last: number of the frame received last */
    uint32_t received_bytes;             /* of the frame that is coming in */
    bool wrong;
};

static struct cpu cpus[2];

static void fill(struct cpu *c)
{
    int head = fake_free_head(c->end, VIRTIO_TX);
    if (head < 0 || c->sent == frames)
        return;
    uint32_t at = FRAMES + (uint32_t)head * SLOT_BYTES / FAKE_CHAIN_MAX, number = ++c->sent;
    uint8_t *frame = c->end->partition.ram + at;
    memset(frame, 0, HEADER);
    memset(frame + HEADER, (int)(number & 0xff), FRAME);
    memcpy(frame + HEADER, &number, sizeof(number));
    const struct virtqueue_segment segments[] = {{at, 100}, {at + 100, HEADER + FRAME - 100}};
    fake_post(c->end, VIRTIO_TX, (uint16_t)head, segments, 2, number % 2);
}

static void post(struct cpu *c)
{
    for (int head; (head = fake_free_head(c->end, VIRTIO_RX)) >= 0;) {
        const struct virtqueue_segment segment = {BUFFERS + (uint32_t)head * SLOT_BYTES / FAKE_CHAIN_MAX,
                                                  BUFFER};
        fake_post(c->end, VIRTIO_RX, (uint16_t)head, &segment, 1, false);
    }
}

/* Frames come whole, in order, with the bytes that were sent. */
static void take_one(struct cpu *c, struct fake_used used)
{
    const uint8_t *bytes = c->end->partition.ram + BUFFERS + used.head * SLOT_BYTES / FAKE_CHAIN_MAX;
    uint32_t skip = 0;
    if (c->received_bytes == 0) {
        uint32_t number;
        memcpy(&number, bytes + HEADER, sizeof(number));
        c->wrong |= number <= c->last || (!cuts && number != c->last + 1);
        c->last = number;
        skip = HEADER + sizeof(number);
    }
    for (uint32_t i = skip; i < used.bytes; i++)
        c->wrong |= bytes[i] != (c->last & 0xff);
    c->received_bytes += used.bytes;
    if (c->received_bytes >= HEADER + FRAME) {
        c->wrong |= c->received_bytes != HEADER + FRAME;
        c->received_bytes = 0;
        c->received++;
    }
}

static void take(struct cpu *c)
{
    struct fake_used used;
    while (fake_take(c->end, VIRTIO_RX, &used))
        take_one(c, used);
    while (fake_take(c->end, VIRTIO_TX, &used))
        c->back++;
}

static void *run(void *argument)
{
    struct cpu *c = argument;
    bool counted = false;
    time_t end = time(NULL) + LIMIT_S + frames / 100;
    while (__atomic_load_n(&done_count, __ATOMIC_ACQUIRE) < 2 && time(NULL) < end) {
        fill(c);
        post(c);
        link_pump(&c->end->end, NULL);
        link_pump(&c->peer->end, &c->end->end);
        take(c);
        if (!counted && c->back == frames) {
            counted = true;
            __atomic_add_fetch(&done_count, 1, __ATOMIC_RELEASE);
        }
    }
    take(c);
    return NULL;
}

static void *cut_and_join(void *argument)
{
    (void)argument;
    while (__atomic_load_n(&done_count, __ATOMIC_ACQUIRE) < 2) {
        link_disconnect(&cpus[0].end->end);
        sched_yield();
        link_connect(&cpus[0].end->end, &cpus[1].end->end, false);
        for (unsigned i = 0; i < 100; i++)
            sched_yield();
    }
    return NULL;
}

static void race(bool with_cuts)
{
    pthread_t threads[3];
    cuts = with_cuts;
    done_count = 0;
    fake_link_up(MULLION_PORT_NET, FEATURES);
    for (unsigned i = 0; i < 2; i++) {
        cpus[i] = (struct cpu){.end = &fake_ends[i], .peer = &fake_ends[!i]};
        fake_ends[i].end.patience = UINT64_MAX;
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &cpus[i]), 0);
    if (cuts)
        assert_int_equal(pthread_create(&threads[2], NULL, cut_and_join, NULL), 0);
    for (unsigned i = 0; i < (cuts ? 3u : 2u); i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 2; i++) {
        const struct mullion_port_info *c = &cpus[i].end->end.out.counters;
        assert_int_equal(cpus[i].back, frames);
        assert_int_equal(c->frames + c->dropped_full, frames);
        assert_int_equal(cpus[!i].received, c->frames);
        assert_true(cuts || c->dropped_full == 0);
        assert_false(cpus[i].wrong);
        assert_int_equal(cpus[i].end->end.out.counters.broken, 0);
    }
    fake_link_free();
}

static void two_cpus_move_every_frame_once_and_in_order(void **state)
{
    (void)state;
    race(false);
}

static void a_link_can_be_cut_while_both_cpus_move_frames(void **state)
{
    (void)state;
    race(true);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_cpus_move_every_frame_once_and_in_order),
        cmocka_unit_test(a_link_can_be_cut_while_both_cpus_move_frames),
    };
    if (argc > 1)
        frames = (uint32_t)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests_name("link race", tests, NULL, NULL);
}
