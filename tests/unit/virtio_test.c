/* SPDX-License-Identifier: MIT */
/* The registers of a port as its driver sees them: what can be written when, and what PCI shows. */
#include "dev/virtio.h"
#include "unit.h"

#include <string.h>

#define STATUS       0x14
#define QUEUE_SELECT 0x16
#define QUEUE_ENABLE 0x1c

static struct virtio v;

static void init(enum mullion_port_kind kind, uint32_t mtu)
{
    struct mullion_port_create create = {.slot = 9, .kind = kind, .mtu = mtu};
    if (kind == MULLION_PORT_NET)
        memcpy(create.mac, "\x02\x11\x22\x33\x44\x55", 6);
    virtio_init(&v, &create);
}

static int fresh(void **state)
{
    (void)state;
    init(MULLION_PORT_NET, 0);
    return 0;
}

static void offer(uint64_t features)
{
    for (uint32_t half = 0; half < 2; half++) {
        virtio_write(&v, 0x08, 4, half);
        virtio_write(&v, 0x0c, 4, (uint32_t)(features >> 32 * half));
    }
}

static uint64_t offered(void)
{
    virtio_write(&v, 0x00, 4, 0);
    uint64_t low = virtio_read(&v, 0x04, 4);
    virtio_write(&v, 0x00, 4, 1);
    return low | virtio_read(&v, 0x04, 4) << 32;
}

static void features_follow_the_kind_and_the_mtu(void **state)
{
    (void)state;
    uint64_t base = VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC;
    uint64_t net = base | VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MRG_RXBUF |
                   VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_HOST_TSO4 |
                   VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6;
    assert_true(offered() == net);
    init(MULLION_PORT_NET, 9000);
    assert_true(offered() == (net | VIRTIO_NET_F_MTU));
    assert_int_equal(virtio_read(&v, MACHINE_PORT_CONFIG + 10, 2), 9000);
    init(MULLION_PORT_CONSOLE, 0);
    assert_true(offered() == base);
    virtio_write(&v, 0x00, 4, 2);
    assert_int_equal(virtio_read(&v, 0x04, 4), 0);
}

static void features_are_refused_without_version_1_or_beyond_the_offer(void **state)
{
    (void)state;
    static const uint64_t bad[] = {0, VIRTIO_NET_F_MAC, VIRTIO_F_VERSION_1 | 1ull << 33,
                                   VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MTU};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        virtio_reset(&v);
        offer(bad[i]);
        assert_int_equal(virtio_write(&v, STATUS, 1, 15), VIRTIO_NOTHING);
        assert_int_equal(virtio_read(&v, STATUS, 1), 3);
    }
    offer(VIRTIO_F_VERSION_1);
    assert_int_equal(virtio_write(&v, STATUS, 1, 11), VIRTIO_NOTHING);
    assert_int_equal(virtio_read(&v, STATUS, 1), 11);
    offer(VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CSUM); /* too late */
    assert_true(v.features == VIRTIO_F_VERSION_1);
    assert_int_equal(virtio_write(&v, STATUS, 1, 4), VIRTIO_RUNS); /* bits stay until reset */
    assert_int_equal(virtio_read(&v, STATUS, 1), 15);
    assert_int_equal(virtio_write(&v, STATUS, 1, 4), VIRTIO_NOTHING);
    assert_int_equal(virtio_write(&v, STATUS, 1, 0), VIRTIO_RESET);
}

static void driver_ok_needs_features_ok(void **state)
{
    (void)state;
    assert_int_equal(virtio_write(&v, STATUS, 1, 7), VIRTIO_NOTHING);
    assert_int_equal(virtio_read(&v, STATUS, 1), 3);
}

static void every_access_but_the_registers_own_reads_zero_and_writes_nothing(void **state)
{
    (void)state;
    static const uint8_t widths[0x38] = {
        [0x00] = 4, [0x04] = 4, [0x08] = 4, [0x0c] = 4, [0x10] = 2, [0x12] = 2, [0x14] = 1,
        [0x15] = 1, [0x16] = 2, [0x18] = 2, [0x1a] = 2, [0x1c] = 2, [0x1e] = 2, [0x20] = 4,
        [0x24] = 4, [0x28] = 4, [0x2c] = 4, [0x30] = 4, [0x34] = 4};
    for (uint64_t offset = 0; offset < MACHINE_PORT_CONFIG; offset++) {
        for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
            if (offset == MACHINE_PORT_ISR || (offset < sizeof(widths) && widths[offset] == bytes))
                continue;
            struct virtio before = v;
            assert_int_equal(virtio_write(&v, offset, bytes, 0x0101010101010101), VIRTIO_NOTHING);
            assert_memory_equal(&v, &before, sizeof(v));
            assert_true(virtio_read(&v, offset, bytes) == 0);
        }
    }
    assert_true(virtio_read(&v, MACHINE_PORT_CONFIG + 12, 8) == 0);
    assert_true(virtio_read(&v, MACHINE_PORT_MSIX - 1, 8) == 0);
}

static void the_device_tells_mac_link_and_pairs(void **state)
{
    (void)state;
    assert_true(virtio_read(&v, MACHINE_PORT_CONFIG, 8) == 0x0000554433221102);
    v.link_up = true;
    assert_int_equal(virtio_read(&v, MACHINE_PORT_CONFIG + 6, 2), 1);
    assert_int_equal(virtio_read(&v, MACHINE_PORT_CONFIG + 8, 2), 1);
    init(MULLION_PORT_CONSOLE, 0);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(virtio_read(&v, MACHINE_PORT_CONFIG + i, 1), 0);
}

static void a_queue_takes_good_sizes_and_aligned_rings_only(void **state)
{
    (void)state;
    assert_int_equal(virtio_read(&v, 0x12, 2), 2);
    for (uint64_t size = 0; size < 0x10000; size = size * 2 + 1) /* 0, 1, 3, 7 ... */
        virtio_write(&v, 0x18, 2, size == 1 ? 0 : size);
    virtio_write(&v, 0x18, 2, 512);
    assert_int_equal(virtio_read(&v, 0x18, 2), VIRTQUEUE_MAX);
    virtio_write(&v, 0x18, 2, 128);
    assert_int_equal(virtio_read(&v, 0x18, 2), 128);
    static const struct {
        uint32_t at[3];
        uint16_t enabled;
    } cases[] = {{{8, 2, 4}, 0}, {{16, 1, 4}, 0}, {{16, 2, 2}, 0}, {{16, 2, 4}, 1}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        for (unsigned ring = 0; ring < 3; ring++)
            virtio_write(&v, 0x20 + 8 * ring, 4, cases[i].at[ring]);
        virtio_write(&v, QUEUE_ENABLE, 2, 1);
        assert_int_equal(virtio_read(&v, QUEUE_ENABLE, 2), cases[i].enabled);
    }
    virtio_write(&v, 0x20, 4, 32); /* enabled: where it lies is settled */
    virtio_write(&v, 0x18, 2, 64);
    virtio_write(&v, QUEUE_ENABLE, 2, 0);
    assert_int_equal(virtio_read(&v, 0x20, 4), 16);
    assert_int_equal(virtio_read(&v, 0x18, 2), 128);
    assert_int_equal(virtio_read(&v, QUEUE_ENABLE, 2), 1);
}

static void a_running_devices_queues_and_vectors_are_fixed(void **state)
{
    (void)state;
    offer(VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX);
    virtio_write(&v, 0x1a, 2, 1);
    assert_int_equal(virtio_write(&v, STATUS, 1, 15), VIRTIO_RUNS);
    assert_true(v.queues[0].event_idx && !v.queues[0].indirect);
    struct virtio before = v;
    for (uint64_t offset = 0x10; offset < 0x38; offset++) {
        if (offset == STATUS || offset == QUEUE_SELECT)
            continue;
        for (unsigned bytes = 1; bytes <= 4; bytes *= 2)
            virtio_write(&v, offset, bytes, 2);
    }
    assert_memory_equal(&v, &before, sizeof(v));
}

static void a_queue_that_is_not_there_reads_zero(void **state)
{
    (void)state;
    virtio_write(&v, QUEUE_SELECT, 2, 2);
    virtio_write(&v, 0x20, 4, 0x1000);
    virtio_write(&v, QUEUE_ENABLE, 2, 1);
    for (uint64_t offset = 0x18; offset < 0x20; offset += 2)
        assert_int_equal(virtio_read(&v, offset, 2), 0);
    assert_int_equal(virtio_read(&v, 0x20, 4), 0);
}

static void a_vector_that_is_not_there_becomes_none(void **state)
{
    (void)state;
    assert_int_equal(virtio_read(&v, 0x10, 2), VIRTIO_NO_VECTOR);
    virtio_write(&v, 0x10, 2, 2);
    assert_int_equal(virtio_read(&v, 0x10, 2), 2);
    virtio_write(&v, 0x10, 2, 3);
    assert_int_equal(virtio_read(&v, 0x10, 2), VIRTIO_NO_VECTOR);
    virtio_write(&v, 0x1a, 2, 0xfffe);
    assert_int_equal(virtio_read(&v, 0x1a, 2), VIRTIO_NO_VECTOR);
}

static void reset_brings_everything_back_but_the_offer(void **state)
{
    (void)state;
    struct virtio before = v;
    offer(VIRTIO_F_VERSION_1);
    virtio_write(&v, 0x20, 4, 0x1000);
    virtio_write(&v, STATUS, 1, 15);
    v.needs_reset = true;
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
        v.queues[i].next = v.queues[i].seen = v.queues[i].used = v.queues[i].told = 7;
    assert_int_equal(virtio_read(&v, STATUS, 1), 15 | VIRTIO_STATUS_NEEDS_RESET);
    virtio_reset(&v);
    assert_memory_equal(&v, &before, sizeof(v));
}

static void interrupt_status_is_cleared_by_reading(void **state)
{
    (void)state;
    v.isr = 3;
    assert_int_equal(virtio_read(&v, MACHINE_PORT_ISR, 1), 3);
    assert_int_equal(virtio_read(&v, MACHINE_PORT_ISR, 1), 0);
}

/* ---- configuration space ---- */

static uint8_t config_byte(uint32_t at)
{
    return (uint8_t)(virtio_config_read(&v, at & ~3u) >> 8 * (at & 3));
}

static void capabilities_name_each_structure_once_inside_its_bar(void **state)
{
    (void)state;
    unsigned vendor[6] = {0}, msix = 0;
    for (uint32_t at = config_byte(PCI_CAPABILITIES); at != 0; at = config_byte(at + 1)) {
        if (config_byte(at) == PCI_CAP_MSIX) {
            msix++;
            assert_int_equal(virtio_config_read(&v, at) >> 16, VIRTIO_QUEUES);
            assert_int_equal(virtio_config_read(&v, at + 4), MACHINE_PORT_MSIX | 1);
            continue;
        }
        assert_int_equal(config_byte(at), PCI_CAP_VENDOR);
        assert_true(config_byte(at + 3) >= 1 && config_byte(at + 3) <= 5);
        vendor[config_byte(at + 3)]++;
        uint32_t bar = config_byte(at + 4),
                 size = bar == 0 ? MACHINE_PORT_NOTIFY_BYTES : MACHINE_PORT_BAR_BYTES;
        assert_true(bar < 2);
        assert_true(virtio_config_read(&v, at + 8) + virtio_config_read(&v, at + 12) <= size);
    }
    assert_int_equal(msix, 1);
    for (unsigned type = 1; type <= 5; type++)
        assert_int_equal(vendor[type], 1);
}

static void bars_stay_where_they_are_and_tell_their_size(void **state)
{
    (void)state;
    uint32_t notify = virtio_config_read(&v, PCI_BAR), memory = virtio_config_read(&v, PCI_BAR + 4);
    assert_int_equal(notify, (MACHINE_PORT_NOTIFY + 9 * MACHINE_PORT_NOTIFY_BYTES) | 1);
    assert_int_equal(memory, MACHINE_PORT_BAR_BASE + 9 * MACHINE_PORT_BAR_BYTES);
    for (uint32_t reg = PCI_BAR; reg < PCI_BAR + 24; reg += 4)
        virtio_config_write(&v, reg, UINT32_MAX, UINT32_MAX);
    assert_int_equal(virtio_config_read(&v, PCI_BAR) & ~3u, (uint32_t)-MACHINE_PORT_NOTIFY_BYTES);
    assert_int_equal(virtio_config_read(&v, PCI_BAR + 4), (uint32_t)-MACHINE_PORT_BAR_BYTES);
    assert_int_equal(virtio_config_read(&v, PCI_BAR + 8), 0);
    virtio_config_write(&v, PCI_BAR, 0x2001, UINT32_MAX);
    virtio_config_write(&v, PCI_BAR + 4, 0x90000000, UINT32_MAX);
    assert_int_equal(virtio_config_read(&v, PCI_BAR), notify);
    assert_int_equal(virtio_config_read(&v, PCI_BAR + 4), memory);
}

static void nothing_else_of_configuration_space_can_be_written(void **state)
{
    (void)state;
    for (uint32_t reg = 0; reg < 4096; reg += 4) {
        if (reg == PCI_BAR || reg == PCI_BAR + 4)
            continue;
        uint32_t before = virtio_config_read(&v, reg), writable = 0;
        virtio_config_write(&v, reg, ~before, UINT32_MAX);
        writable = reg == PCI_COMMAND ? 7 : 0;
        if ((before & 0xff) == PCI_CAP_MSIX && reg > 0x40)
            writable = 0xc0000000;
        assert_int_equal(virtio_config_read(&v, reg) ^ before, writable);
    }
}

static void kinds_differ_in_identity_and_class(void **state)
{
    (void)state;
    assert_int_equal(virtio_config_read(&v, PCI_ID), 0x10411af4);
    assert_int_equal(virtio_config_read(&v, PCI_CLASS), 0x02000001);
    init(MULLION_PORT_CONSOLE, 0);
    assert_int_equal(virtio_config_read(&v, PCI_ID), 0x10431af4);
    assert_int_equal(virtio_config_read(&v, PCI_CLASS), 0x07800001);
    assert_int_equal(virtio_config_read(&v, PCI_INTERRUPT), 0);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(features_follow_the_kind_and_the_mtu),
        TEST(features_are_refused_without_version_1_or_beyond_the_offer),
        TEST(driver_ok_needs_features_ok),
        TEST(every_access_but_the_registers_own_reads_zero_and_writes_nothing),
        TEST(the_device_tells_mac_link_and_pairs),
        TEST(a_queue_takes_good_sizes_and_aligned_rings_only),
        TEST(a_running_devices_queues_and_vectors_are_fixed),
        TEST(a_queue_that_is_not_there_reads_zero),
        TEST(a_vector_that_is_not_there_becomes_none),
        TEST(reset_brings_everything_back_but_the_offer),
        TEST(interrupt_status_is_cleared_by_reading),
        TEST(capabilities_name_each_structure_once_inside_its_bar),
        TEST(bars_stay_where_they_are_and_tell_their_size),
        TEST(nothing_else_of_configuration_space_can_be_written),
        TEST(kinds_differ_in_identity_and_class),
    };
    return cmocka_run_group_tests_name("virtio", tests, NULL, NULL);
}
