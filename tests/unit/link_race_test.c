/* SPDX-License-Identifier: MIT */
/*
 * Two CPUs at once, built with the thread sanitizer: each fills its own rings and moves data of both
 * directions, when the device asked to be notified or wants to be called by itself, and only then. An
 * argument says how many frames each side sends (`make soak`: many).
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
static bool cuts; /* a third thread takes the link apart and joins it again, else it asks for the counters */
static uint32_t done_count;

struct cpu {
    struct fake_end *end;
    struct fake_end *peer;
    uint32_t sent, back, received, last; /* last: number of the frame received last */
    uint32_t received_bytes;             /* of the frame that is coming in */
    uint16_t told[VIRTIO_QUEUES]; /* what was available when the device was last notified, or need not be */
    bool wrong, wrong_info;
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

/* Virtio 1.2, section 2.7.10: did the driver pass the index at which the device wants to be notified? */
static bool must_notify(struct cpu *c, unsigned queue)
{
    uint16_t old = c->told[queue], new = c->end->queues[queue].available;
    const uint8_t *at = c->end->partition.ram + FAKE_DEVICE(queue) + 4 + 8 * FAKE_QUEUE_SIZE;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    uint16_t event = __atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_ACQUIRE);
    c->told[queue] = new;
    return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

static void move(struct cpu *c)
{
    bool due = __atomic_load_n(&c->end->end.out.due, __ATOMIC_SEQ_CST) <= link_clock();
    if (must_notify(c, VIRTIO_TX) || due)
        link_pump(&c->end->end);
    if (must_notify(c, VIRTIO_RX))
        link_pump(&c->peer->end);
}

static void *run(void *argument)
{
    struct cpu *c = argument;
    bool counted = false;
    time_t end = time(NULL) + LIMIT_S + frames / 100;
    while (__atomic_load_n(&done_count, __ATOMIC_ACQUIRE) < 2 && time(NULL) < end) {
        fill(c);
        post(c);
        move(c);
        take(c);
        if (!counted && c->back == frames) {
            counted = true;
            __atomic_add_fetch(&done_count, 1, __ATOMIC_RELEASE);
        }
    }
    take(c);
    __atomic_add_fetch(&done_count, 2, __ATOMIC_RELEASE); /* when time is up, the others end, too */
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

static void *ask_for_counters(void *argument)
{
    (void)argument;
    while (__atomic_load_n(&done_count, __ATOMIC_ACQUIRE) < 2) {
        for (unsigned i = 0; i < 2; i++) {
            struct mullion_port_info info = {.slot = i};
            link_info(&cpus[i].end->end, &info);
            cpus[i].wrong_info |= info.frames > frames || info.slot != i;
        }
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
        fake_ends[i].end.patience = UINT64_MAX / 2;
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &cpus[i]), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, cuts ? cut_and_join : ask_for_counters, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 2; i++) {
        const struct mullion_port_info *c = &cpus[i].end->end.out.counters;
        assert_int_equal(cpus[i].back, frames);
        assert_int_equal(c->frames + c->dropped_full, frames);
        assert_int_equal(cpus[!i].received, c->frames);
        assert_true(cuts || c->dropped_full == 0);
        assert_false(cpus[i].wrong || cpus[i].wrong_info);
        assert_int_equal(cpus[i].end->end.out.counters.broken, 0);
    }
    fake_link_free();
}

static void two_cpus_move_every_frame_once_and_in_order_while_a_third_looks_on(void **state)
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
        cmocka_unit_test(two_cpus_move_every_frame_once_and_in_order_while_a_third_looks_on),
        cmocka_unit_test(a_link_can_be_cut_while_both_cpus_move_frames),
    };
    if (argc > 1)
        frames = (uint32_t)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests_name("link race", tests, NULL, NULL);
}
