/* SPDX-License-Identifier: MIT */
/* The calls on ports: what is refused, and that nothing of a partition stays linked when it goes. */
#include "core/ports.c" // NOLINT(bugprone-suspicious-include)
#include "fake_box.h"
#include "mullion/machine.h"
#include "unit.h"

#include <string.h>

#define CALL(number, request) box_call(number, &(request), sizeof(request))

static int64_t create(const char *name, uint32_t cpu)
{
    struct mullion_partition_create request = {.vcpu_count = 1, .cpus = {cpu}};
    memcpy(request.name, name, strlen(name));
    return CALL(MULLION_CALL_PARTITION_CREATE, request);
}

static int64_t plug(uint32_t id, uint32_t slot, enum mullion_port_kind kind)
{
    struct mullion_port_create request = {.id = id, .slot = slot, .kind = kind};
    return CALL(MULLION_CALL_PORT_CREATE, request);
}

static int64_t join(uint32_t id, uint32_t slot, uint32_t peer, uint32_t peer_slot)
{
    struct mullion_port_connect request = {.id = id, .slot = slot, .peer = peer, .peer_slot = peer_slot};
    return CALL(MULLION_CALL_PORT_CONNECT, request);
}

static int64_t part(uint32_t id, uint32_t slot)
{
    struct mullion_port_connect request = {.id = id, .slot = slot};
    return CALL(MULLION_CALL_PORT_DISCONNECT, request);
}

static struct mullion_port_info told_of(uint32_t id, uint32_t slot)
{
    struct mullion_port_info info = {.id = id, .slot = slot};
    assert_int_equal(CALL(MULLION_CALL_PORT_INFO, info), 0);
    return info;
}

/* Partitions 1 and 2, with two ports for networks in slots 8 and 9 each, and one for a console in slot 10. */
static int fresh(void **state)
{
    (void)state;
    box_start();
    free_ports = NULL; /* those of the box before are gone with its memory */
    if (create("one", 1) != 0 || create("two", 2) != 0)
        return -1;
    for (uint32_t id = 1; id <= 2; id++) {
        if (plug(id, 8, MULLION_PORT_NET) != 0 || plug(id, 9, MULLION_PORT_NET) != 0 ||
            plug(id, 10, MULLION_PORT_CONSOLE) != 0)
            return -1;
    }
    return 0;
}

static int finish(void **state)
{
    (void)state;
    box_stop();
    return 0;
}

static void run(uint32_t id, uint64_t host)
{
    struct mullion_partition_add_memory memory = {.id = id, .hpa = host, .bytes = FRAME_BYTES};
    struct mullion_partition_start start = {.id = id, .rip = 0x1000};
    assert_int_equal(CALL(MULLION_CALL_PARTITION_ADD_MEMORY, memory), 0);
    assert_int_equal(CALL(MULLION_CALL_PARTITION_START, start), 0);
}

static void odd_ports_are_refused_with_their_code(void **state)
{
    (void)state;
    static const struct {
        struct mullion_port_create request;
        int error;
    } rows[] = {
        {{.id = 9, .slot = 11, .kind = MULLION_PORT_NET}, MULLION_E_NO_PARTITION},
        {{.id = 1, .slot = 0, .kind = MULLION_PORT_NET}, MULLION_E_RANGE},
        {{.id = 1, .slot = MACHINE_SLOTS, .kind = MULLION_PORT_NET}, MULLION_E_RANGE},
        {{.id = 1, .slot = UINT32_MAX, .kind = MULLION_PORT_NET}, MULLION_E_RANGE},
        {{.id = 1, .slot = 11, .kind = 0}, MULLION_E_RANGE},
        {{.id = 1, .slot = 11, .kind = MULLION_PORT_CONSOLE + 1}, MULLION_E_RANGE},
        {{.id = 1, .slot = 11, .kind = MULLION_PORT_NET, .mtu = 67}, MULLION_E_RANGE},
        {{.id = 1, .slot = 11, .kind = MULLION_PORT_NET, .mtu = 65536}, MULLION_E_RANGE},
        {{.id = 1, .slot = 11, .kind = MULLION_PORT_NET, .zero = {0, 1}}, MULLION_E_NOT_ZERO},
        {{.id = 1, .slot = 11, .kind = MULLION_PORT_CONSOLE, .mtu = 1500}, MULLION_E_NOT_ZERO},
        {{.id = 1, .slot = 11, .kind = MULLION_PORT_CONSOLE, .mac = {2}}, MULLION_E_NOT_ZERO},
        {{.id = 1, .slot = 8, .kind = MULLION_PORT_NET}, MULLION_E_SLOT_BUSY},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct mullion_port_create request = rows[i].request;
        assert_int_equal(CALL(MULLION_CALL_PORT_CREATE, request), -rows[i].error);
    }
}

static void a_port_is_plugged_in_before_the_start_only_but_for_the_agents(void **state)
{
    (void)state;
    run(1, 8 * FRAME_BYTES);
    assert_int_equal(plug(1, 11, MULLION_PORT_NET), -MULLION_E_STATE);
    assert_int_equal(plug(MULLION_AGENT_ID, 11, MULLION_PORT_NET), 0);
}

static void a_link_joins_two_free_ports_of_one_kind(void **state)
{
    (void)state;
    assert_int_equal(join(1, 8, 2, 10), -MULLION_E_PORT_KIND);
    assert_int_equal(join(1, 8, 1, 8), -MULLION_E_PORT_KIND);
    assert_int_equal(join(1, 8, 2, 11), -MULLION_E_NO_PORT);
    assert_int_equal(join(1, MACHINE_SLOTS, 2, 8), -MULLION_E_NO_PORT);
    assert_int_equal(join(1, 8, 2, UINT32_MAX), -MULLION_E_NO_PORT);
    assert_int_equal(join(1, 8, 9, 8), -MULLION_E_NO_PARTITION);
    assert_int_equal(join(1, 8, 2, 8), 0);
    assert_int_equal(join(1, 8, 2, 9), -MULLION_E_SLOT_BUSY);
    assert_int_equal(join(1, 9, 2, 8), -MULLION_E_SLOT_BUSY);
    assert_int_equal(join(1, 9, 2, 9), 0);
    assert_int_equal(join(1, 10, 2, 10), 0);
    struct mullion_port_info info = told_of(1, 8);
    assert_int_equal(info.peer, 2);
    assert_int_equal(info.peer_slot, 8);
    assert_int_equal(info.status, MULLION_PORT_CONNECTED);
}

static void odd_links_are_refused_with_their_code(void **state)
{
    (void)state;
    struct mullion_port_connect request = {.id = 1, .slot = 8, .peer = 2, .peer_slot = 8, .zero = 1};
    assert_int_equal(CALL(MULLION_CALL_PORT_CONNECT, request), -MULLION_E_NOT_ZERO);
    request.zero = 0;
    request.flags = MULLION_LINK_ACKNOWLEDGED << 1;
    assert_int_equal(CALL(MULLION_CALL_PORT_CONNECT, request), -MULLION_E_RANGE);
    assert_int_equal(CALL(MULLION_CALL_PORT_DISCONNECT, request), -MULLION_E_NOT_ZERO);
    assert_int_equal(part(1, 8), -MULLION_E_STATE);
    struct mullion_port_acknowledge acknowledge = {.id = 1, .slot = 8};
    assert_int_equal(CALL(MULLION_CALL_PORT_ACKNOWLEDGE, acknowledge), -MULLION_E_STATE);
}

static void a_port_that_was_let_go_can_be_linked_anew(void **state)
{
    (void)state;
    assert_int_equal(join(1, 8, 2, 8), 0);
    assert_int_equal(part(2, 8), 0);
    assert_int_equal(told_of(1, 8).status, 0);
    assert_int_equal(part(1, 8), -MULLION_E_STATE);
    assert_int_equal(join(1, 8, 2, 9), 0);
}

static void a_destroyed_partition_is_nobodys_peer(void **state)
{
    (void)state;
    struct mullion_partition_ref ref = {.id = 2};
    assert_int_equal(join(1, 8, 2, 8), 0);
    assert_int_equal(CALL(MULLION_CALL_PARTITION_DESTROY, ref), 0);
    struct mullion_port_info info = told_of(1, 8);
    assert_int_equal(info.status, 0);
    assert_int_equal(info.peer | info.peer_slot, 0);
    assert_int_equal(create("three", 2), 0); /* takes the number, and the memory of the ports */
    assert_int_equal(plug(2, 9, MULLION_PORT_NET), 0);
    assert_int_equal(told_of(1, 8).status, 0);
    assert_int_equal(told_of(2, 9).status, 0);
    assert_int_equal(join(1, 8, 2, 9), 0);
}

/* What a guest writes to the notification ports reaches its own queues. */
static void a_notification_of_no_queue_or_no_port_is_ignored(void **state)
{
    (void)state;
    struct partition *p = partition_find(1);
    const struct partition before = *p;
    static const struct {
        uint64_t slot;
        uint32_t queue;
    } rows[] = {{8, 2},         {8, 3}, {8, 64}, {8, UINT32_MAX}, {7, 0}, {0, 0}, {MACHINE_SLOTS, 0},
                {1ull << 32, 0}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        ports_notify(p, rows[i].slot * MACHINE_PORT_NOTIFY_BYTES, rows[i].queue);
    ports_notify(p, 8 * MACHINE_PORT_NOTIFY_BYTES + 1, 0);
    assert_memory_equal(p, &before, sizeof before);
    ports_notify(p, 8 * MACHINE_PORT_NOTIFY_BYTES, 1);
    assert_true(p->ports_notified[1] == BIT(8));
}

static void registers_of_no_port_read_ones(void **state)
{
    (void)state;
    struct partition *p = partition_find(1);
    assert_true(ports_read(p, 7 * MACHINE_PORT_BAR_BYTES, 4) == UINT64_MAX);
    assert_true(ports_read(p, MACHINE_SLOTS * MACHINE_PORT_BAR_BYTES, 4) == UINT64_MAX);
    ports_write(p, 7 * MACHINE_PORT_BAR_BYTES, 4, 1);
    assert_true(ports_read(p, 8 * MACHINE_PORT_BAR_BYTES, 4) == 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(odd_ports_are_refused_with_their_code),
        TEST(a_port_is_plugged_in_before_the_start_only_but_for_the_agents),
        TEST(a_link_joins_two_free_ports_of_one_kind),
        TEST(odd_links_are_refused_with_their_code),
        TEST(a_port_that_was_let_go_can_be_linked_anew),
        TEST(a_destroyed_partition_is_nobodys_peer),
        TEST(a_notification_of_no_queue_or_no_port_is_ignored),
        TEST(registers_of_no_port_read_ones),
    };
    return cmocka_run_group_tests_name("port calls", tests, NULL, NULL);
}
