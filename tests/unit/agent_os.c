/* SPDX-License-Identifier: MIT */
/* The unikernel's pages for malloc, and its end of a ring whose other end answers nonsense. */
#include <sys/mman.h>

#include "agent_test.h"
#include "os/heap.h"
#include "os/kernel.h"
#include "os/virtio.h"

#define HEAP_BYTES (KERNEL_RAM_BYTES - KERNEL_IMAGE_END)
#define BUFFER     64u

/* ---- pages ---- */

static int map_heap(void **state)
{
    (void)state;
    void *at = (void *)(uintptr_t)KERNEL_IMAGE_END; // NOLINT(performance-no-int-to-ptr)
    return mmap(at, HEAP_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) == at
               ? 0
               : -1;
}

static void pages_come_zeroed_and_apart(void **state)
{
    (void)state;
    uint8_t *a = heap_take(1);
    uint8_t *b = heap_take(HEAP_PAGE_BYTES + 1);
    assert_non_null(a);
    assert_non_null(b);
    assert_true(b >= a + HEAP_PAGE_BYTES || a >= b + 2 * HEAP_PAGE_BYTES);
    memset(a, 0xee, HEAP_PAGE_BYTES);
    heap_give(a, 1);
    uint8_t *again = heap_take(HEAP_PAGE_BYTES);
    assert_ptr_equal(again, a);
    for (unsigned i = 0; i < HEAP_PAGE_BYTES; i++) {
        assert_int_equal(again[i], 0);
    }
    heap_give(again, 1);
    heap_give(b, HEAP_PAGE_BYTES + 1);
}

static void heap_ends_where_ram_ends_and_is_whole_again(void **state)
{
    (void)state;
    assert_null(heap_take(HEAP_BYTES + 1));
    assert_null(heap_take(SIZE_MAX));
    assert_null(heap_take(0));
    void *all = heap_take(HEAP_BYTES);
    assert_non_null(all);
    assert_null(heap_take(1));
    heap_give(all, HEAP_BYTES);
    uint8_t *first = heap_take(3 * HEAP_PAGE_BYTES);
    heap_give(first + HEAP_PAGE_BYTES, HEAP_PAGE_BYTES);
    assert_ptr_equal(heap_take(1), first + HEAP_PAGE_BYTES);
    heap_give(first, 3 * HEAP_PAGE_BYTES);
    assert_non_null(all = heap_take(HEAP_BYTES));
    heap_give(all, HEAP_BYTES);
}

static void giving_what_is_not_of_the_heap_changes_nothing(void **state)
{
    (void)state;
    uint8_t *page = heap_take(1);
    heap_give(page + 1, 1);
    heap_give(page, HEAP_BYTES + HEAP_PAGE_BYTES);
    heap_give(NULL, HEAP_PAGE_BYTES);
    assert_ptr_not_equal(heap_take(1), page);
    heap_give(page, 2 * HEAP_PAGE_BYTES);
}

/* ---- rings ---- */

static uint8_t buffers[VIRTIO_QUEUES][VIRTIO_RING * BUFFER];
static struct virtio_port port;
static uint16_t id;
static uint32_t bytes;

static int open_port(void **state)
{
    (void)state;
    memset(&port, 0, sizeof(port));
    port = (struct virtio_port){.buffer_bytes = BUFFER, .buffers = {buffers[0], buffers[1]}};
    virtio_lend(&port, VIRTIO_QUEUE_IN, 5, BUFFER);
    virtio_lend(&port, VIRTIO_QUEUE_IN, 6, BUFFER);
    return 0;
}

/* What the device does. */
static void give_back(uint32_t which, uint32_t written)
{
    struct virtio_used *used = &port.queues[VIRTIO_QUEUE_IN].used;
    used->ring[used->index % VIRTIO_RING] = (struct virtio_used_element){which, written};
    used->index++;
}

static void lent_buffers_are_described_and_come_back_in_the_devices_order(void **state)
{
    (void)state;
    const struct virtio_queue *queue = &port.queues[VIRTIO_QUEUE_IN];
    assert_int_equal(queue->available.index, 2);
    assert_int_equal(queue->available.ring[1], 6);
    assert_int_equal(queue->descriptors[6].gpa, (uintptr_t)buffers[0] + 6 * BUFFER);
    assert_int_equal(queue->descriptors[6].flags, 2);
    assert_false(virtio_take(&port, VIRTIO_QUEUE_IN, &id, &bytes));
    give_back(6, 10);
    give_back(5, BUFFER);
    assert_true(virtio_take(&port, VIRTIO_QUEUE_IN, &id, &bytes));
    assert_int_equal(id, 6);
    assert_int_equal(bytes, 10);
    assert_true(virtio_take(&port, VIRTIO_QUEUE_IN, &id, &bytes));
    assert_int_equal(id, 5);
    assert_false(virtio_take(&port, VIRTIO_QUEUE_IN, &id, &bytes));
    assert_false(port.broken);
}

static void nonsense_from_the_device_closes_the_port(void **state)
{
    (void)state;
    static const struct virtio_used_element answers[] = {
        {VIRTIO_RING, 1}, {UINT32_MAX, 1}, {7, 1}, {5, BUFFER + 1}, {5, UINT32_MAX}};
    for (size_t i = 0; i < COUNT(answers); i++) {
        open_port(state);
        give_back(answers[i].id, answers[i].bytes);
        assert_false(virtio_take(&port, VIRTIO_QUEUE_IN, &id, &bytes));
        assert_true(port.broken);
    }
}

static void buffer_given_back_twice_closes_the_port(void **state)
{
    (void)state;
    give_back(5, 1);
    give_back(5, 1);
    assert_true(virtio_take(&port, VIRTIO_QUEUE_IN, &id, &bytes));
    assert_false(virtio_take(&port, VIRTIO_QUEUE_IN, &id, &bytes));
    assert_true(port.broken);
}

static void device_that_runs_ahead_gives_no_more_than_was_lent(void **state)
{
    (void)state;
    port.queues[VIRTIO_QUEUE_IN].used.index = 0x8000;
    unsigned taken = 0;
    while (virtio_take(&port, VIRTIO_QUEUE_IN, &id, &bytes)) {
        taken++;
    }
    assert_int_equal(taken, 0); /* element 0 names buffer 0, which was not lent */
    assert_true(port.broken);
}

static void indices_wrap(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 0x20010; i++) {
        give_back(5, 1);
        assert_true(virtio_take(&port, VIRTIO_QUEUE_IN, &id, &bytes));
        virtio_lend(&port, VIRTIO_QUEUE_IN, 5, BUFFER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_come_zeroed_and_apart),
        cmocka_unit_test(heap_ends_where_ram_ends_and_is_whole_again),
        cmocka_unit_test(giving_what_is_not_of_the_heap_changes_nothing),
        cmocka_unit_test_setup(lent_buffers_are_described_and_come_back_in_the_devices_order, open_port),
        cmocka_unit_test_setup(nonsense_from_the_device_closes_the_port, open_port),
        cmocka_unit_test_setup(buffer_given_back_twice_closes_the_port, open_port),
        cmocka_unit_test_setup(device_that_runs_ahead_gives_no_more_than_was_lent, open_port),
        cmocka_unit_test_setup(indices_wrap, open_port),
    };
    return cmocka_run_group_tests(tests, map_heap, NULL);
}
