/* SPDX-License-Identifier: MIT */
/*
 * One CPU moves frames, and between any two of its steps the driver, or another CPU, acts once: every place
 * is tried. What the CPU has written is seen by others at once, or as late as x86 allows: when the CPU
 * executes a fence or a locked instruction. That is where a missing fence shows, which the thread sanitizer
 * does not know.
 */
#include "dev/link.h"
#include "dev/ram.h"

#include <string.h>

static void fence(void);
static void step(void);
static void store16(const struct partition *p, uint64_t at, uint16_t value);
static uint16_t load16(const struct partition *p, uint64_t at);
static void unlock(struct spinlock *lock);

// NOLINTBEGIN
#define ram_store16                        store16
#define ram_load16                         load16
#define spin_unlock                        unlock
#define spin_lock(lock)                    (fence(), spin_lock(lock))
#define spin_try_lock(lock)                (fence(), spin_try_lock(lock))
#define __atomic_thread_fence(order)       fence()
#define __atomic_store_n(at, value, order) (fence(), __atomic_store_n(at, value, order))
#define __atomic_load_n(at, order)                                                                           \
    ({                                                                                                       \
        __auto_type loaded_ = __atomic_load_n(at, order);                                                    \
        step();                                                                                              \
        loaded_;                                                                                             \
    })
#include "dev/link.c"
#include "dev/virtqueue.c"
#undef ram_store16
#undef ram_load16
#undef spin_unlock
#undef spin_lock
#undef spin_try_lock
#undef __atomic_thread_fence
#undef __atomic_store_n
#undef __atomic_load_n
// NOLINTEND

#include "fake_link.h"
#include "unit.h"

#define HEADER      12u
#define FRAME_AT    0x40000u
#define BUFFER_AT   0x80000u
#define PENDING_MAX 64u
#define FAR_AWAY    0x7000u /* an index that nothing here reaches */

/** A write that others do not see yet: a word of RAM, or the release of a lock. */
struct pending {
    const struct partition *ram;
    uint64_t at;
    uint16_t value;
    struct spinlock *lock;
};

static struct fake_end *const a = &fake_ends[0], *const b = &fake_ends[1];
static struct pending pending[PENDING_MAX];
static unsigned pending_count;
static bool late;               /* writes are seen as late as possible */
static unsigned steps, acts_at; /* the other acts behind this step */
static void (*act)(void);
static bool acting, acted;
static unsigned sent, received;
static uint32_t frame_bytes;
static uint16_t told[2][VIRTIO_QUEUES];

/* ---- the CPU ---- */

static void fence(void)
{
    for (unsigned i = 0; i < pending_count && !acting; i++) {
        if (pending[i].lock)
            spin_unlock(pending[i].lock);
        else
            ram_store16(pending[i].ram, pending[i].at, pending[i].value);
    }
    pending_count = acting ? pending_count : 0;
}

static void step(void)
{
    if (acting || acted || steps++ != acts_at)
        return;
    acting = acted = true;
    act();
    acting = false;
    fence();
}

static void later(struct pending write)
{
    assert_true(pending_count < PENDING_MAX);
    pending[pending_count++] = write;
    if (!late)
        fence();
    step();
}

static void store16(const struct partition *p, uint64_t at, uint16_t value)
{
    if (acting)
        ram_store16(p, at, value);
    else
        later((struct pending){.ram = p, .at = at, .value = value});
}

static uint16_t load16(const struct partition *p, uint64_t at)
{
    uint16_t value = ram_load16(p, at);
    step();
    return value;
}

static void unlock(struct spinlock *lock)
{
    if (acting)
        spin_unlock(lock);
    else
        later((struct pending){.lock = lock});
}

/* ---- drivers ---- */

static void post_frame(void)
{
    int head = fake_free_head(a, VIRTIO_TX);
    struct virtqueue_segment segment = {FRAME_AT + (uint32_t)head * 0x400u, HEADER + frame_bytes};
    memset(a->partition.ram + segment.at, 0, HEADER);
    memset(a->partition.ram + segment.at + HEADER, (int)++sent, frame_bytes);
    fake_post(a, VIRTIO_TX, (uint16_t)head, &segment, 1, false);
}

static void post_buffer(uint32_t bytes)
{
    int head = fake_free_head(b, VIRTIO_RX);
    struct virtqueue_segment segment = {BUFFER_AT + (uint32_t)head * 0x400u, bytes};
    memset(b->partition.ram + segment.at, 0xee, bytes);
    fake_post(b, VIRTIO_RX, (uint16_t)head, &segment, 1, false);
}

/* Takes what has come, which must be all there. */
static void take_frames(void)
{
    struct fake_used used;
    while (fake_take(b, VIRTIO_RX, &used)) {
        const uint8_t *bytes = b->partition.ram + BUFFER_AT + used.head * 0x400u;
        unsigned buffers = bytes[10], total = used.bytes;
        received++;
        assert_int_equal(bytes[HEADER], received);
        for (unsigned i = 1; i < buffers; i++) {
            assert_true(fake_take(b, VIRTIO_RX, &used));
            total += used.bytes;
        }
        assert_int_equal(total, HEADER + frame_bytes);
        const uint8_t *last = b->partition.ram + BUFFER_AT + used.head * 0x400u + used.bytes - 1;
        assert_int_equal(*last, received);
    }
}

/* Virtio 1.2, section 2.7.10: another CPU is notified if the device asked for it. */
static void notify(struct fake_end *e, unsigned queue)
{
    uint16_t old = told[e == b][queue], new = e->queues[queue].available;
    uint16_t event = ram_load16(&e->partition, FAKE_DEVICE(queue) + 4 + 8 * FAKE_QUEUE_SIZE);
    told[e == b][queue] = new;
    if ((uint16_t)(new - event - 1) < (uint16_t)(new - old))
        link_pump(&a->end);
}

static void ask_for_interrupt(struct fake_end *e, unsigned queue, unsigned index)
{
    ram_store16(&e->partition, FAKE_DRIVER(queue) + 4 + 2 * FAKE_QUEUE_SIZE, (uint16_t)index);
}

/* ---- every place for `what`, in the work of one call ---- */

static void set_scene(unsigned place, void (*what)(void), unsigned buffers, uint32_t buffer_bytes)
{
    acting = false;
    acted = true; /* not before the work that the scene is about */
    pending_count = 0;
    fake_link_up(MULLION_PORT_NET, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_NET_F_MRG_RXBUF);
    memset(told, 0, sizeof(told));
    sent = received = steps = 0;
    act = what;
    for (unsigned i = 0; i < 2; i++)
        fake_ends[i].end.patience = UINT64_MAX / 2;
    for (unsigned i = 0; i < buffers; i++)
        post_buffer(buffer_bytes);
    notify(b, VIRTIO_RX);
    link_pump(&a->end); /* both rings are empty, and asked about */
    post_frame();
    told[0][VIRTIO_TX] = a->queues[VIRTIO_TX].available;
    for (unsigned i = 0; i < 2; i++) {
        ask_for_interrupt(a, i, FAR_AWAY);
        ask_for_interrupt(b, i, FAR_AWAY);
        memset(fake_ends[i].interrupts, 0, sizeof(fake_ends[i].interrupts));
    }
    sent = 1;
    acted = false;
    acts_at = place;
    fence();
}

/* Returns whether the other has acted: else there are no more places. */
static bool work(void)
{
    link_pump(&a->end);
    fence();
    bool was = acted;
    acted = true;
    return was;
}

static void everywhere(bool (*scene)(unsigned place), uint32_t bytes)
{
    unsigned places = 0;
    frame_bytes = bytes;
    for (unsigned i = 0; i < 2; i++) {
        late = i;
        for (places = 0; scene(places); places++)
            fake_link_free();
        fake_link_free();
    }
    print_message("%u places\n", places);
    assert_true(places > 1);
}

/* ---- scenes ---- */

static void send_another(void)
{
    post_frame();
    notify(a, VIRTIO_TX);
}

static bool scene_sent(unsigned place)
{
    set_scene(place, send_another, 4, HEADER + 1000);
    bool more = work();
    take_frames();
    assert_int_equal(received, sent);
    return more;
}

static void a_frame_that_is_sent_while_others_move_is_not_forgotten(void **state)
{
    (void)state;
    everywhere(scene_sent, 1000);
}

/* Whoever takes the direction's lock to look at its counters, and so keeps others from their work, wakes
 * somebody. */
static bool scene_looked_at(unsigned place)
{
    struct mullion_port_info info = {0};
    set_scene(place, send_another, 4, HEADER + 1000);
    work();
    unsigned wakes = a->wakes;
    acted = false;
    steps = 0;
    link_info(&a->end, &info);
    fence();
    bool more = acted;
    acted = true;
    if (a->wakes > wakes)
        link_pump(&a->end);
    take_frames();
    assert_int_equal(received, sent);
    return more;
}

static void a_frame_that_is_sent_while_others_look_is_not_forgotten(void **state)
{
    (void)state;
    everywhere(scene_looked_at, 1000);
}

static void post_one(void)
{
    post_buffer(HEADER + 1000);
    notify(b, VIRTIO_RX);
}

static bool scene_posted(unsigned place)
{
    set_scene(place, post_one, 0, 0);
    bool more = work();
    take_frames();
    assert_int_equal(received, more);
    return more;
}

static void a_buffer_that_is_posted_while_a_frame_waits_is_not_overlooked(void **state)
{
    (void)state;
    everywhere(scene_posted, 1000);
}

static unsigned interrupts_before;

static void sleep_receiver(void)
{
    take_frames();
    ask_for_interrupt(b, VIRTIO_RX, b->queues[VIRTIO_RX].used);
    take_frames();
    interrupts_before = b->interrupts[VIRTIO_RX + 1];
}

static bool scene_receiver_sleeps(unsigned place)
{
    set_scene(place, sleep_receiver, 1, HEADER + frame_bytes);
    bool more = work();
    assert_true(!more || received == 1 || b->interrupts[VIRTIO_RX + 1] > interrupts_before);
    return more;
}

static bool sender_has_it;

static void sleep_sender(void)
{
    struct fake_used used;
    sender_has_it = fake_take(a, VIRTIO_TX, &used);
    ask_for_interrupt(a, VIRTIO_TX, a->queues[VIRTIO_TX].used);
    sender_has_it |= fake_take(a, VIRTIO_TX, &used);
    interrupts_before = a->interrupts[VIRTIO_TX + 1];
}

static bool scene_sender_sleeps(unsigned place)
{
    set_scene(place, sleep_sender, 1, HEADER + frame_bytes);
    bool more = work();
    assert_true(!more || sender_has_it || a->interrupts[VIRTIO_TX + 1] > interrupts_before);
    return more;
}

static void a_driver_that_goes_to_sleep_has_all_or_is_interrupted(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1000, LINK_CALL_BYTES}; /* the second ends the call */
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        everywhere(scene_receiver_sleeps, sizes[i]);
        everywhere(scene_sender_sleeps, sizes[i]);
    }
}

static bool scene_in_pieces(unsigned place)
{
    set_scene(place, take_frames, 4, 400);
    bool more = work();
    take_frames();
    assert_int_equal(received, 1);
    return more;
}

static void a_frame_in_several_buffers_comes_at_once_and_whole(void **state)
{
    (void)state;
    everywhere(scene_in_pieces, 1000);
}

/* ---- a driver that changes everything as soon as it was read, but what is asked for again and again ---- */

static void spoil(uint64_t at, uint8_t *bytes, size_t count)
{
    for (unsigned queue = 0; queue < VIRTIO_QUEUES; queue++) {
        uint64_t flags_and_index = FAKE_DRIVER(queue), event = flags_and_index + 4 + 2 * FAKE_QUEUE_SIZE;
        if (at - flags_and_index < 4 || at == event)
            return;
    }
    memset(bytes, 0xee, count);
}

static void post_in_pieces(bool indirect)
{
    struct virtqueue_segment segments[] = {{FRAME_AT, 8}, {FRAME_AT + 8, 500}, {FRAME_AT + 508, 504}};
    const struct net_header header = {.flags = NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
    memcpy(a->partition.ram + FRAME_AT, &header, sizeof header);
    memset(a->partition.ram + FRAME_AT + HEADER, (int)++sent, 1000);
    fake_post(a, VIRTIO_TX, (uint16_t)fake_free_head(a, VIRTIO_TX), segments, 3, indirect);
}

static void what_the_driver_changes_after_it_was_read_has_no_effect(void **state)
{
    (void)state;
    acted = true;
    frame_bytes = 1000;
    fake_link_up(MULLION_PORT_NET, VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_NET_F_MRG_RXBUF |
                                       VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM);
    sent = received = 0;
    for (unsigned i = 0; i < 4; i++) {
        post_in_pieces(i % 2);
        for (unsigned buffer = 0; buffer < 3; buffer++)
            post_buffer(400);
        fake_spoil = spoil;
        link_pump(&a->end);
        fake_spoil = NULL;
        take_frames();
        assert_int_equal(received, i + 1);
        struct fake_used used;
        assert_true(fake_take(a, VIRTIO_TX, &used));
    }
    fake_link_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_that_is_sent_while_others_move_is_not_forgotten),
        cmocka_unit_test(a_frame_that_is_sent_while_others_look_is_not_forgotten),
        cmocka_unit_test(a_buffer_that_is_posted_while_a_frame_waits_is_not_overlooked),
        cmocka_unit_test(a_driver_that_goes_to_sleep_has_all_or_is_interrupted),
        cmocka_unit_test(a_frame_in_several_buffers_comes_at_once_and_whole),
        cmocka_unit_test(what_the_driver_changes_after_it_was_read_has_no_effect),
    };
    return cmocka_run_group_tests_name("link fences", tests, NULL, NULL);
}
