/* SPDX-License-Identifier: MIT */
/* Which ports are in the bridge, with a kernel of the test's own: two NICs, a jack. */
#include <errno.h>

#include "drivervm_test.h"
#include "net/netlink.h"
#include "net/offload.h"
#include "net/ports.h"
#include "net/switch.h"

#include "init/sysfs.h"

#define BRIDGE_INDEX 9u

static struct port ports[3];
static uint64_t offloads;
static int refusal;          /* what the kernel answers to the interface below */
static unsigned refused;     /* an interface's index */
static unsigned most_in_use; /* NICs in the bridge at once */

static unsigned bridged_nics(void)
{
    return ports[0].in_bridge + ports[1].in_bridge;
}

static int answer(unsigned interface)
{
    return interface == refused ? refusal : 0;
}

int netlink_add_bridge(const char *name, const uint8_t mac[6])
{
    assert_string_equal(name, "br0");
    assert_int_equal(mac[0] & 3, 2);
    return 0;
}

uint64_t sysfs_number(const char *path, uint64_t otherwise)
{
    (void)otherwise;
    assert_string_equal(path, "class/net/br0/ifindex");
    return BRIDGE_INDEX;
}

int netlink_set_up(unsigned interface, bool up)
{
    if (interface != BRIDGE_INDEX && !answer(interface)) {
        ports[interface - 1].is_up = up;
    }
    return answer(interface);
}

int netlink_set_master(unsigned interface, unsigned bridge)
{
    assert_true(bridge == 0 || bridge == BRIDGE_INDEX);
    if (!answer(interface)) {
        ports[interface - 1].in_bridge = bridge != 0;
    }
    most_in_use = bridged_nics() > most_in_use ? bridged_nics() : most_in_use;
    return answer(interface);
}

int offload_set(const char *interface, uint64_t features)
{
    assert_string_equal(interface, "jack");
    offloads = features;
    return 0;
}

size_t ports_list(enum port_kind kind, struct port found[PORTS_MAX])
{
    size_t count = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (ports[i].kind == kind) {
            found[count++] = ports[i];
        }
    }
    return count;
}

bool ports_find(enum port_kind kind, uint32_t slot, const uint8_t mac[6], struct port *port)
{
    (void)mac;
    for (unsigned i = 0; i < 3; i++) {
        if (ports[i].kind == kind && ports[i].slot == slot) {
            *port = ports[i];
            return true;
        }
    }
    return false;
}

void ports_describe(const struct port *port, struct rpc_nic *nic)
{
    nic->slot = port->slot;
}

static const uint8_t any[6];

static int setup(void **state)
{
    (void)state;
    ports[0] = (struct port){.name = "a", .index = 1, .slot = 8, .kind = PORT_NIC};
    ports[1] = (struct port){.name = "b", .index = 2, .slot = 16, .kind = PORT_NIC};
    ports[2] = (struct port){.name = "jack", .index = 3, .slot = 24, .kind = PORT_JACK};
    refused = 0;
    most_in_use = 0;
    return switch_start();
}

static void nics_come_up_outside_of_the_bridge_and_jacks_stay_down(void **state)
{
    (void)state;
    switch_refresh();
    assert_true(ports[0].is_up && ports[1].is_up);
    assert_false(ports[2].is_up);
    assert_int_equal(bridged_nics(), 0);
}

static void change_is_one_of_carrier_or_list(void **state)
{
    (void)state;
    switch_refresh();
    assert_false(switch_refresh());
    ports[0].has_carrier = true;
    assert_true(switch_refresh());
    assert_false(switch_refresh());
    ports[0].in_bridge = true;
    assert_false(switch_refresh());
    ports[1].index = 4;
    assert_true(switch_refresh());
}

static void uplink_is_one_at_any_time(void **state)
{
    (void)state;
    assert_int_equal(switch_set_uplink(8, any), 0);
    assert_true(ports[0].in_bridge);
    assert_int_equal(switch_set_uplink(16, any), 0);
    assert_true(ports[1].in_bridge && !ports[0].in_bridge);
    assert_int_equal(switch_set_uplink(0, any), 0);
    assert_int_equal(bridged_nics(), 0);
    assert_int_equal(most_in_use, 1);
}

static void uplink_stays_out_while_the_old_one_cannot_leave(void **state)
{
    (void)state;
    assert_int_equal(switch_set_uplink(8, any), 0);
    refused = 1;
    refusal = -EBUSY;
    assert_int_equal(switch_set_uplink(16, any), -EBUSY);
    assert_int_equal(most_in_use, 1);
}

static void uplink_is_never_a_jack_nor_nothing(void **state)
{
    (void)state;
    assert_int_equal(switch_set_uplink(8, any), 0);
    assert_int_equal(switch_set_uplink(24, any), -SWITCH_NO_PORT);
    assert_int_equal(switch_set_uplink(0xffffffff, any), -SWITCH_NO_PORT);
    assert_true(ports[0].in_bridge);
}

static void jack_is_plugged_in_with_its_features_and_pulled_out(void **state)
{
    (void)state;
    assert_int_equal(switch_set_jack(24, true, 0x82), 0);
    assert_true(ports[2].is_up && ports[2].in_bridge);
    assert_true(offloads == 0x82);
    assert_int_equal(switch_set_jack(24, true, 0x2), 0);
    assert_true(offloads == 0x2);
    assert_int_equal(switch_set_jack(24, false, 0), 0);
    assert_false(ports[2].is_up || ports[2].in_bridge);
    assert_int_equal(switch_set_jack(8, true, 0), -SWITCH_NO_PORT);
}

static void nic_past_the_last_is_none(void **state)
{
    (void)state;
    struct rpc_nic nic = {0};
    assert_int_equal(switch_nic_count(), 2);
    assert_true(switch_describe_nic(1, &nic));
    assert_int_equal(nic.slot, 16);
    assert_false(switch_describe_nic(2, &nic));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nics_come_up_outside_of_the_bridge_and_jacks_stay_down, setup),
        cmocka_unit_test_setup(change_is_one_of_carrier_or_list, setup),
        cmocka_unit_test_setup(uplink_is_one_at_any_time, setup),
        cmocka_unit_test_setup(uplink_stays_out_while_the_old_one_cannot_leave, setup),
        cmocka_unit_test_setup(uplink_is_never_a_jack_nor_nothing, setup),
        cmocka_unit_test_setup(jack_is_plugged_in_with_its_features_and_pulled_out, setup),
        cmocka_unit_test_setup(nic_past_the_last_is_none, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
