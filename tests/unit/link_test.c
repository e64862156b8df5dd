/* SPDX-License-Identifier: MIT */
/* Links: what crosses, what is dropped and counted, what breaks, and when a link is up. */
#include "fake_link.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define BASE (VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC)
#define OFFLOADS                                                                                             \
    (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_GUEST_TSO4 |        \
     VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_MRG_RXBUF)
#define HEADER    12u
#define FRAME_AT  0x40000u
#define BUFFER_AT 0x80000u

struct header {
    uint8_t flags, gso_type;
    uint16_t header_bytes, gso_bytes, csum_start, csum_offset, buffers;
};

static struct fake_end *const a = &fake_ends[0], *const b = &fake_ends[1];

static int drop(void **state)
{
    (void)state;
    fake_link_free();
    return 0;
}

static void net_up(uint64_t features)
{
    fake_link_up(MULLION_PORT_NET, BASE | features);
}

static uint8_t pattern(uint32_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

/* Puts a frame (header and `bytes`) at FRAME_AT of `from` and posts it as segments of `step` bytes. */
static void send_frame(struct fake_end *from, const struct header *header, uint32_t bytes, uint32_t step)
{
    struct virtqueue_segment segments[16];
    unsigned count = 0;
    memcpy(from->partition.ram + FRAME_AT, header, HEADER);
    for (uint32_t i = 0; i < bytes; i++)
        from->partition.ram[FRAME_AT + HEADER + i] = pattern(i);
    for (uint32_t at = 0; at < HEADER + bytes; at += step)
        segments[count++] = (struct virtqueue_segment){
            FRAME_AT + at, HEADER + bytes - at < step ? HEADER + bytes - at : step};
    fake_post(from, VIRTIO_TX, (uint16_t)fake_free_head(from, VIRTIO_TX), segments, count, count > 1);
}

static void send_plain(struct fake_end *from, uint32_t bytes)
{
    const struct header none = {0};
    send_frame(from, &none, bytes, UINT32_MAX);
}

static void post_buffer(struct fake_end *to, uint32_t at, uint32_t bytes)
{
    struct virtqueue_segment segment = {at, bytes};
    fake_post(to, VIRTIO_RX, (uint16_t)fake_free_head(to, VIRTIO_RX), &segment, 1, false);
}

static unsigned returned(struct fake_end *e, unsigned queue)
{
    struct fake_used used;
    unsigned count = 0;
    while (fake_take(e, queue, &used))
        count++;
    return count;
}

/* ---- what crosses ---- */

static void a_frame_crosses_whole_with_a_header_of_its_own(void **state)
{
    (void)state;
    net_up(0);
    const struct header rubbish = {
        .flags = 0xfe, .header_bytes = 9, .gso_bytes = 9, .csum_start = 9, .csum_offset = 9};
    send_frame(a, &rubbish, 100, 7);
    post_buffer(b, BUFFER_AT, 2000);
    link_pump(&a->end);
    struct fake_used used;
    assert_true(fake_take(b, VIRTIO_RX, &used));
    assert_int_equal(used.bytes, HEADER + 100);
    const struct header clean = {.buffers = 1};
    assert_memory_equal(b->partition.ram + BUFFER_AT, &clean, HEADER);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(b->partition.ram[BUFFER_AT + HEADER + i], pattern(i));
    assert_int_equal(b->partition.ram[BUFFER_AT + HEADER + 100], 0);
    assert_true(fake_take(a, VIRTIO_TX, &used) && used.bytes == 0);
    assert_int_equal(a->end.out.counters.frames, 1);
    assert_int_equal(a->end.out.counters.bytes, 100);
}

static void a_large_frame_fills_several_buffers_if_the_driver_can_merge(void **state)
{
    (void)state;
    net_up(VIRTIO_NET_F_MRG_RXBUF);
    send_frame(a, &(struct header){0}, 5000, 1024);
    for (unsigned i = 0; i < 3; i++)
        post_buffer(b, BUFFER_AT + 0x1000 * i, 2000);
    link_pump(&a->end);
    struct fake_used used[3];
    uint32_t seen = 0;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(fake_take(b, VIRTIO_RX, &used[i]));
        for (uint32_t j = i == 0 ? HEADER : 0; j < used[i].bytes; j++)
            assert_int_equal(b->partition.ram[BUFFER_AT + 0x1000 * i + j], pattern(seen++));
    }
    assert_int_equal(seen, 5000);
    assert_int_equal(used[0].bytes + used[1].bytes + used[2].bytes, HEADER + 5000);
    assert_int_equal(((struct header *)(void *)(b->partition.ram + BUFFER_AT))->buffers, 3);
}

static void a_frame_too_large_for_a_buffer_that_cannot_merge_is_dropped_and_the_buffer_stays(void **state)
{
    (void)state;
    net_up(0);
    post_buffer(b, BUFFER_AT, 2000);
    send_plain(a, 5000);
    send_plain(a, 50);
    link_pump(&a->end);
    assert_int_equal(a->end.out.counters.dropped_full, 1);
    assert_int_equal(returned(b, VIRTIO_RX), 1);
    assert_int_equal(returned(a, VIRTIO_TX), 2);
}

static void a_frame_over_more_pieces_than_the_vmm_notes_is_dropped(void **state)
{
    (void)state;
    struct virtqueue_segment pieces[60];
    net_up(OFFLOADS);
    for (uint32_t i = 0; i < ARRAY_COUNT(pieces); i++)
        pieces[i] = (struct virtqueue_segment){BUFFER_AT + 4 * i, 4};
    for (uint16_t head = 0; head < 3 * FAKE_CHAIN_MAX; head += FAKE_CHAIN_MAX)
        fake_post(b, VIRTIO_RX, head, pieces, ARRAY_COUNT(pieces), true);
    send_plain(a, 600);
    link_pump(&a->end);
    assert_int_equal(a->end.out.counters.dropped_full, 1);
    assert_int_equal(returned(b, VIRTIO_RX), 0);
}

static void a_segment_of_64_kib_is_one_frame(void **state)
{
    (void)state;
    net_up(OFFLOADS);
    const struct header tso = {.flags = 1,
                               .gso_type = 1,
                               .header_bytes = 54,
                               .gso_bytes = 1448,
                               .csum_start = 34,
                               .csum_offset = 16};
    send_frame(a, &tso, 65000, 8192);
    for (unsigned i = 0; i < 16; i++)
        post_buffer(b, BUFFER_AT + 0x1200 * i, 4352);
    link_pump(&a->end);
    assert_int_equal(a->end.out.counters.frames, 1);
    assert_int_equal(returned(b, VIRTIO_RX), 15);
    const struct header *got = (void *)(b->partition.ram + BUFFER_AT);
    assert_int_equal(got->gso_type, 1);
    assert_int_equal(got->gso_bytes, 1448);
    assert_int_equal(got->csum_offset, 16);
    assert_int_equal(got->buffers, 15);
}

/* ---- headers ---- */

static void headers_that_make_no_sense_are_dropped_and_counted(void **state)
{
    (void)state;
    static const struct header bad[] = {
        {.flags = 1, .csum_start = 13, .csum_offset = 6}, /* in the MAC header */
        {.flags = 1, .csum_start = 90, .csum_offset = 9}, /* 101 > 100 */
        {.flags = 1, .csum_start = 0xffff, .csum_offset = 0xffff},
        {.gso_type = 1,
         .header_bytes = 54,
         .gso_bytes = 10,
         .csum_start = 34,
         .csum_offset = 16}, /* without checksum */
        {.flags = 1, .gso_type = 1, .header_bytes = 54, .csum_start = 34, .csum_offset = 16}, /* no size */
        {.flags = 1,
         .gso_type = 1,
         .header_bytes = 101,
         .gso_bytes = 10,
         .csum_start = 34,
         .csum_offset = 16},
        {.flags = 1,
         .gso_type = 3,
         .header_bytes = 54,
         .gso_bytes = 10,
         .csum_start = 34,
         .csum_offset = 16}, /* UDP */
        {.flags = 1,
         .gso_type = 0x81,
         .header_bytes = 54,
         .gso_bytes = 10,
         .csum_start = 34,
         .csum_offset = 16}, /* ECN */
    };
    net_up(OFFLOADS);
    post_buffer(b, BUFFER_AT, 2000);
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        send_frame(a, &bad[i], 100, UINT32_MAX);
        link_pump(&a->end);
        assert_int_equal(a->end.out.counters.dropped_invalid, i + 1);
        assert_int_equal(returned(a, VIRTIO_TX), 1);
    }
    send_plain(a, 13);
    send_plain(a, 65536 + 19);
    link_pump(&a->end);
    assert_int_equal(a->end.out.counters.dropped_invalid, ARRAY_COUNT(bad) + 2);
    assert_int_equal(returned(b, VIRTIO_RX), 0);
    assert_int_equal(a->end.out.counters.broken, 0);
}

static void what_the_receiver_did_not_negotiate_is_dropped_and_counted(void **state)
{
    (void)state;
    static const struct header frames[] = {
        {.flags = 1, .csum_start = 34, .csum_offset = 16},
        {.flags = 1, .gso_type = 1, .header_bytes = 54, .gso_bytes = 10, .csum_start = 34, .csum_offset = 16},
        {.flags = 1, .gso_type = 4, .header_bytes = 74, .gso_bytes = 10, .csum_start = 54, .csum_offset = 16},
    };
    static const uint64_t needed[] = {VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4,
                                      VIRTIO_NET_F_GUEST_TSO6};
    for (size_t i = 0; i < ARRAY_COUNT(frames); i++) {
        for (unsigned has = 0; has < 2; has++) {
            net_up(OFFLOADS & ~(has ? 0 : needed[i]));
            post_buffer(b, BUFFER_AT, 2000);
            send_frame(a, &frames[i], 100, UINT32_MAX);
            link_pump(&a->end);
            assert_int_equal(a->end.out.counters.dropped_features, !has);
            assert_int_equal(returned(b, VIRTIO_RX), has);
            fake_link_free();
        }
    }
    net_up(0);
}

/* One frame must not become ten thousand packets on the other side. */
static void a_segment_is_cut_into_a_bounded_number_of_pieces(void **state)
{
    (void)state;
    net_up(OFFLOADS);
    struct header tso = {
        .flags = 1, .gso_type = 1, .header_bytes = 54, .csum_start = 34, .csum_offset = 16, .gso_bytes = 63};
    for (unsigned i = 0; i < 16; i++)
        post_buffer(b, BUFFER_AT + 0x1200 * i, 4352);
    send_frame(a, &tso, 65000, 8192);
    link_pump(&a->end);
    assert_int_equal(a->end.out.counters.dropped_invalid, 1);
    tso.gso_bytes = 64;
    send_frame(a, &tso, 65000, 8192);
    link_pump(&a->end);
    assert_int_equal(a->end.out.counters.dropped_invalid, 1);
    assert_int_equal(a->end.out.counters.frames, 1);
}

/* ---- back-pressure ---- */

static void a_frame_waits_for_buffers_and_goes_when_one_is_posted(void **state)
{
    (void)state;
    net_up(0);
    unsigned wakes = a->wakes;
    send_plain(a, 100);
    link_pump(&a->end);
    assert_int_equal(returned(a, VIRTIO_TX), 0);
    assert_true(a->end.out.due <= fake_now + FAKE_PATIENCE && a->end.out.due > fake_now);
    assert_int_equal(a->wakes, wakes + 1);
    post_buffer(b, BUFFER_AT, 2000);
    link_pump(&a->end); /* the receiver's notification */
    assert_int_equal(returned(a, VIRTIO_TX), 1);
    assert_int_equal(returned(b, VIRTIO_RX), 1);
    assert_true(a->end.out.due == LINK_NEVER);
}

static void after_the_limit_frames_are_dropped_until_one_gets_through(void **state)
{
    (void)state;
    net_up(0);
    send_plain(a, 100);
    link_pump(&a->end);
    fake_now += FAKE_PATIENCE - 10;
    link_pump(&a->end);
    assert_int_equal(returned(a, VIRTIO_TX), 0);
    fake_now += 10;
    send_plain(a, 100);
    link_pump(&a->end);
    assert_int_equal(returned(a, VIRTIO_TX), 2);
    assert_int_equal(a->end.out.counters.dropped_full, 2);
    post_buffer(b, BUFFER_AT, 2000);
    send_plain(a, 100);
    send_plain(a, 100);
    link_pump(&a->end);
    assert_int_equal(a->end.out.counters.frames, 1);
    assert_int_equal(returned(a, VIRTIO_TX), 1); /* the second waits again */
}

static void nothing_waits_for_a_partition_that_does_not_run(void **state)
{
    (void)state;
    net_up(0);
    b->runs = false;
    send_plain(a, 100);
    link_pump(&a->end);
    assert_int_equal(a->end.out.counters.dropped_full, 1);
    post_buffer(b, BUFFER_AT, 2000);
    send_plain(a, 100);
    link_pump(&a->end);
    assert_int_equal(a->end.out.counters.frames, 1); /* what has a buffer is delivered all the same */
}

static void frames_into_a_lowered_link_are_consumed_and_counted(void **state)
{
    (void)state;
    net_up(0);
    link_disconnect(&a->end);
    send_plain(a, 100);
    link_pump(&a->end);
    assert_int_equal(returned(a, VIRTIO_TX), 1);
    assert_int_equal(a->end.out.counters.dropped_full, 1);
}

/* ---- console ---- */

static void bytes_spread_over_buffers_as_they_come(void **state)
{
    (void)state;
    fake_link_up(MULLION_PORT_CONSOLE, BASE);
    for (uint32_t i = 0; i < 100; i++)
        a->partition.ram[FRAME_AT + i] = pattern(i);
    fake_post(a, VIRTIO_TX, 0, (struct virtqueue_segment[]){{FRAME_AT, 60}, {FRAME_AT + 60, 40}}, 2, false);
    fake_post(a, VIRTIO_TX, 4, (struct virtqueue_segment[]){{FRAME_AT, 0}}, 1, false);
    fake_post(a, VIRTIO_TX, 8, (struct virtqueue_segment[]){{FRAME_AT, 5}}, 1, false);
    uint32_t seen = 0;
    for (unsigned turn = 0; turn < 8; turn++) {
        struct fake_used used;
        fake_now += FAKE_PATIENCE / 2;
        post_buffer(b, BUFFER_AT, 30);
        link_pump(&a->end);
        if (fake_take(b, VIRTIO_RX, &used)) {
            for (uint32_t i = 0; i < used.bytes; i++, seen++)
                assert_int_equal(b->partition.ram[BUFFER_AT + i], pattern(seen % 100));
        }
    }
    assert_int_equal(seen, 105);
    assert_int_equal(returned(a, VIRTIO_TX), 3);
    assert_int_equal(a->end.out.counters.frames, 3);
    assert_int_equal(a->end.out.counters.dropped_full, 0);
}

static void post_bytes(uint16_t head, uint32_t bytes)
{
    fake_post(a, VIRTIO_TX, head, (struct virtqueue_segment[]){{FRAME_AT, bytes}}, 1, false);
}

/* Linux waits for its console with interrupts off: a neighbour that does not read must not hold it for long.
 */
static void a_console_that_nobody_reads_or_that_is_not_linked_holds_nobody_up(void **state)
{
    (void)state;
    fake_link_up(MULLION_PORT_CONSOLE, BASE);
    post_bytes(0, 60);
    post_buffer(b, BUFFER_AT, 50);
    link_pump(&a->end);
    assert_int_equal(returned(a, VIRTIO_TX), 0); /* ten bytes are left */
    assert_true(a->end.out.due != LINK_NEVER);
    fake_now += FAKE_PATIENCE;
    link_pump(&a->end);
    assert_int_equal(returned(a, VIRTIO_TX), 1);
    assert_int_equal(a->end.out.counters.dropped_full, 1);
    post_bytes(0, 8);
    post_buffer(b, BUFFER_AT, 50);
    link_pump(&a->end); /* begins at the chain's beginning */
    assert_int_equal(a->end.out.counters.bytes, 58);
    b->runs = false;
    post_bytes(4, 8);
    link_pump(&a->end);
    link_disconnect(&a->end);
    post_bytes(8, 8);
    link_pump(&a->end);
    assert_int_equal(a->end.out.counters.dropped_full, 3);
    assert_int_equal(returned(a, VIRTIO_TX), 3);
}

/* ---- bounded work ---- */

static void one_call_moves_at_most_64_kib_and_finishes_the_frame(void **state)
{
    (void)state;
    net_up(OFFLOADS);
    for (unsigned i = 0; i < 4; i++)
        send_frame(a, &(struct header){0}, 30000, 4096);
    for (unsigned i = 0; i < 16; i++)
        post_buffer(b, BUFFER_AT + 0x2000 * i, 0x2000);
    link_pump(&a->end);
    assert_int_equal(a->end.out.counters.frames, 3); /* two are not yet 64 KiB */
    uint64_t start = fake_now;
    assert_true(a->end.out.due >= start && a->end.out.due != LINK_NEVER); /* the rest, after a pause */
    link_pump(&a->end);
    assert_int_equal(a->end.out.counters.frames, 4);
}

static void one_call_reads_a_bounded_number_of_descriptors(void **state)
{
    (void)state;
    net_up(0);
    a->runs = b->runs = false;
    for (unsigned round = 0; round < 20; round++) {
        while (fake_free_head(a, VIRTIO_TX) >= 0)
            send_frame(a, &(struct header){0}, 100, 8);
        fake_work = (struct fake_work){0};
        link_pump(&a->end);
        assert_true(fake_work.reads < 4 * LINK_CALL_DESCRIPTORS);
        returned(a, VIRTIO_TX);
    }
}

/* ---- broken rings ---- */

static void loop(struct fake_end *e, unsigned queue, unsigned flags)
{
    fake_descriptor(e, FAKE_TABLE(queue), FRAME_AT, 100, FLAG_NEXT | flags, 4);
    fake_descriptor(e, FAKE_TABLE(queue) + 64, FRAME_AT, 100, FLAG_NEXT | flags, 0);
    fake_make_available(e, queue, 0);
}

static void index_jump(struct fake_end *e, unsigned queue, unsigned flags)
{
    (void)flags;
    e->queues[queue].available += FAKE_QUEUE_SIZE;
    fake_make_available(e, queue, 0);
}

static void head_outside(struct fake_end *e, unsigned queue, unsigned flags)
{
    (void)flags;
    fake_make_available(e, queue, FAKE_QUEUE_SIZE);
}

static void next_outside(struct fake_end *e, unsigned queue, unsigned flags)
{
    fake_descriptor(e, FAKE_TABLE(queue), FRAME_AT, 100, FLAG_NEXT | flags, FAKE_QUEUE_SIZE);
    fake_make_available(e, queue, 0);
}

static void memory_outside(struct fake_end *e, unsigned queue, unsigned flags)
{
    fake_descriptor(e, FAKE_TABLE(queue), FAKE_RAM_BYTES - 99, 100, flags, 0);
    fake_make_available(e, queue, 0);
}

static void memory_around_the_end(struct fake_end *e, unsigned queue, unsigned flags)
{
    fake_descriptor(e, FAKE_TABLE(queue), UINT64_MAX - 10, 100, flags, 0);
    fake_make_available(e, queue, 0);
}

static void wrong_direction(struct fake_end *e, unsigned queue, unsigned flags)
{
    fake_descriptor(e, FAKE_TABLE(queue), FRAME_AT, 100, flags ^ FLAG_WRITE, 0);
    fake_make_available(e, queue, 0);
}

static void indirect_table(struct fake_end *e, unsigned queue, uint64_t at, uint32_t bytes, unsigned flags)
{
    fake_descriptor(e, FAKE_TABLE(queue), at, bytes, FLAG_INDIRECT | flags, 1);
    fake_make_available(e, queue, 0);
}

static void indirect_odd_size(struct fake_end *e, unsigned queue, unsigned flags)
{
    (void)flags;
    indirect_table(e, queue, FAKE_INDIRECT(0), 24, 0);
}

static void indirect_empty(struct fake_end *e, unsigned queue, unsigned flags)
{
    (void)flags;
    indirect_table(e, queue, FAKE_INDIRECT(0), 0, 0);
}

static void indirect_longer_than_the_queue(struct fake_end *e, unsigned queue, unsigned flags)
{
    (void)flags;
    indirect_table(e, queue, FAKE_INDIRECT(0), 16 * (FAKE_QUEUE_SIZE + 1), 0);
}

static void indirect_that_goes_on(struct fake_end *e, unsigned queue, unsigned flags)
{
    fake_descriptor(e, FAKE_INDIRECT(0), FRAME_AT, 100, flags, 0);
    indirect_table(e, queue, FAKE_INDIRECT(0), 16, FLAG_NEXT);
}

static void indirect_outside(struct fake_end *e, unsigned queue, unsigned flags)
{
    (void)flags;
    indirect_table(e, queue, FAKE_RAM_BYTES - 16, 32, 0);
}

static void indirect_in_indirect(struct fake_end *e, unsigned queue, unsigned flags)
{
    fake_descriptor(e, FAKE_INDIRECT(0), FAKE_INDIRECT(0) + 16, 16, FLAG_INDIRECT, 0);
    fake_descriptor(e, FAKE_INDIRECT(0) + 16, FRAME_AT, 100, flags, 0); /* else good */
    indirect_table(e, queue, FAKE_INDIRECT(0), 16, 0);
}

static void indirect_next_outside(struct fake_end *e, unsigned queue, unsigned flags)
{
    fake_descriptor(e, FAKE_INDIRECT(0), FRAME_AT, 100, FLAG_NEXT | flags, 1);
    indirect_table(e, queue, FAKE_INDIRECT(0), 16, 0);
}

static void (*const ways[])(struct fake_end *, unsigned, unsigned) = {
    loop,
    index_jump,
    head_outside,
    next_outside,
    memory_outside,
    memory_around_the_end,
    wrong_direction,
    indirect_odd_size,
    indirect_empty,
    indirect_longer_than_the_queue,
    indirect_that_goes_on,
    indirect_outside,
    indirect_in_indirect,
    indirect_next_outside,
};

/* The offender is told to reset and lowered; the neighbour sees a lowered link and nothing else. */
static void check_broken(struct fake_end *offender, struct fake_end *neighbour)
{
    assert_int_equal(fake_register(offender, 0x14, 1), 15 | VIRTIO_STATUS_NEEDS_RESET);
    assert_int_equal(offender->end.out.counters.broken, 1);
    assert_true(offender->interrupts[0] >= 1);
    assert_false(offender->end.out.up || offender->end.out.live || neighbour->end.out.up);
    assert_true(neighbour->end.out.live);
    assert_int_equal(neighbour->end.out.counters.broken, 0);
    assert_int_equal(fake_register(neighbour, 0x14, 1), 15);
    assert_int_equal(fake_register(neighbour, MACHINE_PORT_CONFIG + 6, 2), 0);
    assert_int_equal(neighbour->interrupts[0], 2); /* up, down */
    fake_work = (struct fake_work){0};
    link_pump(&offender->end); /* nobody looks at its rings any more */
    assert_int_equal(fake_work.reads, 0);
}

static void a_broken_ring_takes_its_own_device_down_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(ways); i++) {
        for (unsigned queue = 0; queue < 2; queue++) {
            net_up(0);
            struct fake_end *offender = queue == VIRTIO_TX ? a : b, *neighbour = queue == VIRTIO_TX ? b : a;
            if (queue == VIRTIO_RX)
                send_plain(a, 100);
            ways[i](offender, queue, queue == VIRTIO_RX ? FLAG_WRITE : 0);
            link_pump(&a->end);
            check_broken(offender, neighbour);
            assert_true(fake_start(offender, BASE)); /* a reset heals it */
            assert_true(offender->end.out.up && neighbour->end.out.up);
            fake_link_free();
        }
    }
    net_up(0);
}

static void indirect_descriptors_must_be_negotiated(void **state)
{
    (void)state;
    fake_link_up(MULLION_PORT_NET, VIRTIO_F_VERSION_1);
    send_frame(a, &(struct header){0}, 100, 64);
    link_pump(&a->end);
    check_broken(a, b);
}

static void rings_outside_memory_never_run(void **state)
{
    (void)state;
    static const uint32_t offsets[] = {0x20, 0x28, 0x30};
    for (size_t i = 0; i < ARRAY_COUNT(offsets); i++) {
        fake_link_init(MULLION_PORT_NET);
        fake_set_register(a, 0x08, 4, 1);
        fake_set_register(a, 0x0c, 4, 1);
        fake_set_register(a, 0x14, 1, 11);
        for (unsigned queue = 0; queue < 2; queue++) {
            fake_set_register(a, 0x16, 2, queue);
            fake_set_register(a, offsets[i], 4, queue ? FAKE_RAM_BYTES - 16 : FAKE_TABLE(0));
            fake_set_register(a, 0x1c, 2, 1);
        }
        assert_int_equal(fake_set_register(a, 0x14, 1, 15), VIRTIO_RUNS);
        assert_int_equal(fake_register(a, 0x14, 1), 15 | VIRTIO_STATUS_NEEDS_RESET);
        assert_false(a->end.running);
        fake_link_free();
    }
    net_up(0);
}

/* ---- interrupts and notifications ---- */

static uint16_t *word(struct fake_end *e, uint64_t at)
{
    return (uint16_t *)(void *)(e->partition.ram + at);
}

static void interrupts_follow_the_drivers_wish(void **state)
{
    (void)state;
    net_up(0);
    *word(b, FAKE_DRIVER(VIRTIO_RX)) = 1; /* no interrupt, please */
    for (unsigned i = 0; i < 2; i++) {
        post_buffer(b, BUFFER_AT, 2000);
        send_plain(a, 100);
        link_pump(&a->end);
        assert_int_equal(a->interrupts[2], i + 1);
        assert_int_equal(b->interrupts[1], 0);
    }
    link_pump(&a->end);
    assert_int_equal(a->interrupts[2], 2);
}

static void event_indices_suppress_on_both_sides(void **state)
{
    (void)state;
    net_up(VIRTIO_F_EVENT_IDX);
    for (unsigned i = 0; i < 4; i++)
        post_buffer(b, BUFFER_AT + 0x1000 * i, 2000);
    *word(b, FAKE_DRIVER(VIRTIO_RX) + 4 + 2 * FAKE_QUEUE_SIZE) = 2; /* wake me at the third */
    for (unsigned i = 0; i < 4; i++) {
        send_plain(a, 100);
        link_pump(&a->end);
        assert_int_equal(b->interrupts[1], i >= 2);
        assert_int_equal(*word(a, FAKE_DEVICE(VIRTIO_TX) + 4 + 8 * FAKE_QUEUE_SIZE),
                         i + 1); /* notify at the next */
    }
    assert_int_equal(*word(b, FAKE_DEVICE(VIRTIO_RX) + 4 + 8 * FAKE_QUEUE_SIZE),
                     0); /* buffers: nobody waits */
    send_plain(a, 100);
    link_pump(&a->end);
    assert_int_equal(*word(b, FAKE_DEVICE(VIRTIO_RX) + 4 + 8 * FAKE_QUEUE_SIZE), 4);
}

static void the_holder_of_a_direction_does_the_losers_work(void **state)
{
    (void)state;
    net_up(0);
    post_buffer(b, BUFFER_AT, 2000);
    send_plain(a, 100);
    spin_lock(&a->end.out.lock);
    link_pump(&a->end); /* returns at once */
    assert_true(a->end.out.again);
    spin_unlock(&a->end.out.lock);
    assert_int_equal(returned(b, VIRTIO_RX), 0);
    link_pump(&a->end);
    assert_int_equal(returned(b, VIRTIO_RX), 1);
    assert_false(a->end.out.again);
}

static void who_only_looked_at_a_direction_wakes_it_for_the_losers_work(void **state)
{
    (void)state;
    net_up(0);
    link_pump(&a->end);
    assert_true(a->end.out.due == LINK_NEVER);
    struct mullion_port_info info = {.id = 7, .slot = 8};
    unsigned wakes = a->wakes;
    link_info(&a->end, &info);
    assert_int_equal(a->wakes, wakes); /* nobody came meanwhile */
    a->end.out.again = true;           /* as a loser leaves it */
    link_info(&a->end, &info);
    assert_int_equal(a->wakes, wakes + 1);
    assert_int_equal(a->end.out.due, 0);
    assert_int_equal(info.id, 7);
    assert_int_equal(info.slot, 8);
    assert_int_equal(info.status, MULLION_PORT_CONNECTED | MULLION_PORT_DRIVER_OK | MULLION_PORT_LINK_UP);
    link_pump(&a->end);
    a->end.out.again = true;
    link_acknowledge(&b->end, 0); /* changes nothing here, but had the lock */
    assert_int_equal(a->end.out.due, 0);
}

/* ---- up and down ---- */

static void a_link_is_up_while_both_drivers_run(void **state)
{
    (void)state;
    fake_link_init(MULLION_PORT_NET);
    assert_true(fake_start(a, BASE));
    link_connect(&a->end, &b->end, false);
    assert_false(a->end.out.up);
    assert_true(fake_start(b, BASE));
    assert_true(a->end.out.up && b->end.out.up);
    assert_int_equal(fake_register(a, MACHINE_PORT_CONFIG + 6, 2), 1);
    uint64_t generation = fake_register(a, 0x15, 1);
    fake_set_register(b, 0x14, 1, 0);
    assert_false(a->end.out.up || b->end.out.up);
    assert_int_equal(fake_register(a, MACHINE_PORT_CONFIG + 6, 2), 0);
    assert_int_not_equal(fake_register(a, 0x15, 1), generation);
    assert_int_equal(a->interrupts[0], 2);
    assert_int_equal(fake_register(b, 0x14, 1), 0);
}

static void a_link_that_wants_it_rises_only_with_the_acknowledged_features(void **state)
{
    (void)state;
    fake_link_init(MULLION_PORT_NET);
    assert_true(fake_start(a, BASE) && fake_start(b, BASE | OFFLOADS));
    link_connect(&a->end, &b->end, true);
    assert_false(a->end.out.up);
    link_acknowledge(&a->end, BASE | OFFLOADS);
    assert_false(a->end.out.up);
    link_acknowledge(&a->end, BASE);
    assert_true(a->end.out.up && b->end.out.up);
    assert_true(fake_start(a, BASE | OFFLOADS)); /* negotiates anew, something else */
    assert_false(a->end.out.up || b->end.out.up);
    assert_true(fake_start(a, BASE));
    assert_true(a->end.out.up);
    link_disconnect(&a->end);
    link_connect(&a->end, &b->end, true); /* what was acknowledged before does not count */
    assert_false(a->end.out.up);
}

static void a_driver_that_starts_anew_has_acknowledged_nothing(void **state)
{
    (void)state;
    fake_link_init(MULLION_PORT_NET);
    assert_true(fake_start(a, BASE) && fake_start(b, BASE));
    link_connect(&a->end, &b->end, true);
    link_acknowledge(&a->end, BASE);
    assert_true(a->end.out.up);
    assert_true(fake_start(b, BASE));
    assert_false(a->end.out.up);
    link_acknowledge(&a->end, BASE);
    assert_true(a->end.out.up);
}

static void an_ended_partitions_links_are_down_and_its_rings_left_alone(void **state)
{
    (void)state;
    net_up(0);
    send_plain(a, 100);
    link_halt(&a->end, true);
    assert_false(a->end.out.up || b->end.out.up);
    fake_work = (struct fake_work){0};
    link_pump(&a->end);
    assert_int_equal(fake_work.reads, 0);
    link_reset(&a->end);
    link_halt(&a->end, false);
    assert_true(fake_start(a, BASE));
    assert_true(a->end.out.up);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, NULL, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_crosses_whole_with_a_header_of_its_own),
        TEST(a_large_frame_fills_several_buffers_if_the_driver_can_merge),
        TEST(a_frame_too_large_for_a_buffer_that_cannot_merge_is_dropped_and_the_buffer_stays),
        TEST(a_frame_over_more_pieces_than_the_vmm_notes_is_dropped),
        TEST(a_segment_of_64_kib_is_one_frame),
        TEST(headers_that_make_no_sense_are_dropped_and_counted),
        TEST(a_segment_is_cut_into_a_bounded_number_of_pieces),
        TEST(what_the_receiver_did_not_negotiate_is_dropped_and_counted),
        TEST(a_frame_waits_for_buffers_and_goes_when_one_is_posted),
        TEST(after_the_limit_frames_are_dropped_until_one_gets_through),
        TEST(nothing_waits_for_a_partition_that_does_not_run),
        TEST(frames_into_a_lowered_link_are_consumed_and_counted),
        TEST(bytes_spread_over_buffers_as_they_come),
        TEST(a_console_that_nobody_reads_or_that_is_not_linked_holds_nobody_up),
        TEST(one_call_moves_at_most_64_kib_and_finishes_the_frame),
        TEST(one_call_reads_a_bounded_number_of_descriptors),
        TEST(a_broken_ring_takes_its_own_device_down_only),
        TEST(indirect_descriptors_must_be_negotiated),
        TEST(rings_outside_memory_never_run),
        TEST(interrupts_follow_the_drivers_wish),
        TEST(event_indices_suppress_on_both_sides),
        TEST(the_holder_of_a_direction_does_the_losers_work),
        TEST(who_only_looked_at_a_direction_wakes_it_for_the_losers_work),
        TEST(a_link_is_up_while_both_drivers_run),
        TEST(a_link_that_wants_it_rises_only_with_the_acknowledged_features),
        TEST(a_driver_that_starts_anew_has_acknowledged_nothing),
        TEST(an_ended_partitions_links_are_down_and_its_rings_left_alone),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
