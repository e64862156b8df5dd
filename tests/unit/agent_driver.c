/* SPDX-License-Identifier: MIT */
/* The driver VM's life, its links and the choice of the uplink, against the model's driver VM. */
#include "agent_box.h"
#include "model/words.h"
#include "ui/commands.h"

#define ALPHA_NIC  8u /* slots on the partitions */
#define ALPHA_LINK 9u
#define BETA_LINK  8u

static uint32_t id_of(const char *name)
{
    return machine_partition(&machine, name)->id;
}

static void driver_vm_is_made_before_any_partition(void **state)
{
    (void)state;
    box_boot();
    assert_int_equal(machine.driver.id, 1);
    assert_int_equal(machine.driver.phase, DRIVER_UP);
    assert_int_equal(id_of("alpha"), 2);
    assert_string_equal(machine.driver.client.kernel, "6.12-model");
    assert_int_equal(machine.problems.count, 0);
}

static void driver_vm_sees_its_memory_where_devices_see_it(void **state)
{
    (void)state;
    box_boot();
    struct mullion_partition_info info = {.id = machine.driver.id};
    assert_int_equal(os_hypercall(MULLION_CALL_PARTITION_INFO, &info), 0);
    assert_int_equal(info.memory_bytes, DRIVER_MEMORY_BYTES);
    assert_int_equal(info.range_count, 2);
    assert_int_equal(info.ranges[0].gpa, 0);
    assert_int_equal(info.ranges[0].bytes, MULLION_FRAME_BYTES);
    assert_int_equal(info.ranges[1].gpa, info.ranges[1].hpa);
}

/* e820: nothing between 640 KiB and the block is RAM, so nothing there is ever given to a device. */
static void driver_vms_memory_map_names_no_other_ram(void **state)
{
    (void)state;
    box_boot();
    const uint8_t *params = model_memory(machine.driver.id, 0x7000);
    unsigned count = params[0x1e8];
    uint64_t ram = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t base;
        uint64_t bytes;
        uint32_t type;
        memcpy(&base, params + 0x2d0 + 20u * i, 8);
        memcpy(&bytes, params + 0x2d8 + 20u * i, 8);
        memcpy(&type, params + 0x2e0 + 20u * i, 4);
        if (type == 1) {
            assert_true(base + bytes <= 0xa0000 || base == machine.driver.block_base);
            ram += bytes;
        }
    }
    assert_int_equal(ram, 0xa0000 + DRIVER_MEMORY_BYTES - MULLION_FRAME_BYTES);
    assert_true(model_entry(machine.driver.id)->rip >= machine.driver.block_base);
}

static void driver_vm_waits_for_scrubbing_and_partitions_for_it(void **state)
{
    (void)state;
    box_make(BOX_BOTH, BOX_UUID, BOX_SITE);
    model_set_dirty(0, MODEL_FRAMES);
    box_agent_begin();
    assert_int_equal(machine.driver.phase, DRIVER_WAITING);
    assert_int_equal(id_of("alpha"), 0);
    model_scrub();
    box_turns(10);
    assert_int_equal(machine.driver.id, 1);
    assert_int_equal(machine_partition(&machine, "alpha")->phase, PHASE_RUNNING);
}

static void agents_port_is_there_while_the_driver_vm_waits(void **state)
{
    (void)state;
    box_make(BOX_BOTH, BOX_UUID, BOX_SITE);
    model_set_dirty(0, MODEL_FRAMES);
    box_agent_begin();
    assert_int_equal(machine.driver.phase, DRIVER_WAITING);
    assert_true(machine_net_ready(&machine));
    assert_non_null(model_port_mac(MULLION_AGENT_ID, DRIVER_SLOT_AGENT));
    model_scrub();
    box_turns(10);
    model_advance(100);
    box_turns(20);
    assert_int_not_equal(box_port(MULLION_AGENT_ID, DRIVER_SLOT_AGENT).status & MULLION_PORT_CONNECTED, 0);
}

static void functions_rest_between_assignment_and_start(void **state)
{
    (void)state;
    box_make(BOX_BOTH, BOX_UUID, BOX_SITE);
    memset(&machine, 0, sizeof(machine));
    console_start(1000000);
    machine_read(&machine, box_announce);
    machine_bring_up(&machine);
    machine_tick(&machine);
    assert_int_equal(machine.driver.phase, DRIVER_QUIET);
    assert_true(machine_is_settling(&machine)); /* the first status block waits for it */
    model_advance(100);
    machine_tick(&machine);
    assert_int_equal(machine.driver.phase, DRIVER_BOOTING);
}

static void network_functions_are_assigned_and_no_others(void **state)
{
    (void)state;
    box_make(BOX_BOTH, BOX_UUID, BOX_SITE);
    model_add_pci(0x20, 0x8086, 0x2922, 0x010601, MULLION_PCI_USABLE);
    model_add_pci(0x28, 0x8086, 0x10d3, 0x020000, MULLION_PCI_NO_MSIX);
    box_agent_begin();
    assert_int_equal(machine.driver.function_count, 1);
    assert_int_equal(machine.driver.functions[0].bdf, 0x18);
    assert_int_equal(machine.driver.functions[0].slot, DRIVER_SLOT_FUNCTIONS);
}

static void pci_functions_are_listed_with_what_drives_them(void **state)
{
    (void)state;
    box_boot();
    model_add_pci(0x28, 0x10ec, 0x8139, 0x020000, MULLION_PCI_NO_MSIX);
    machine.box.platform.pci_count = 2;
    model_output();
    command_run(&machine, "pci");
    const char *output = model_output();
    assert_non_null(strstr(output, "0000:00:03.0 1af4:1041 class 020000 owner driver, driver virtio-pci\n"));
    assert_non_null(strstr(output, "0000:00:05.0 10ec:8139 class 020000 it has no MSI-X"));
}

static void link_rises_after_the_driver_vm_has_acknowledged(void **state)
{
    (void)state;
    box_boot();
    box_driver_probes();
    box_turns(5);
    model_driver()->silent = true;
    model_port_driver(id_of("alpha"), ALPHA_NIC, VIRTIO_FEATURES | 1);
    box_turns(5);
    assert_false(box_link_is_up(id_of("alpha"), ALPHA_NIC));
    model_driver()->silent = false;
    box_turns(5);
    assert_true(box_link_is_up(id_of("alpha"), ALPHA_NIC));
    assert_int_equal(model_driver()->jack_features[DRIVER_SLOT_JACKS], VIRTIO_FEATURES | 1);
}

static void link_that_the_driver_vm_refuses_is_a_problem(void **state)
{
    (void)state;
    box_boot();
    box_driver_probes();
    model_driver()->refuses_jacks = true;
    model_port_driver(id_of("alpha"), ALPHA_NIC, VIRTIO_FEATURES);
    box_turns(5);
    assert_non_null(
        strstr(machine.driver.jack_trouble, "partition \"alpha\": its network port in slot 8 has no link"));
    model_driver()->refuses_jacks = false;
    model_advance(11000); /* told again with the next heartbeat */
    box_turns(10);
    assert_string_equal(machine.driver.jack_trouble, "");
    assert_true(box_link_is_up(id_of("alpha"), ALPHA_NIC));
}

static void guest_that_resets_its_nic_is_linked_again(void **state)
{
    (void)state;
    box_boot();
    box_driver_probes();
    model_port_driver(id_of("alpha"), ALPHA_NIC, VIRTIO_FEATURES);
    box_turns(5);
    model_port_driver(id_of("alpha"), ALPHA_NIC, 0);
    box_turns(5);
    assert_false(box_link_is_up(id_of("alpha"), ALPHA_NIC));
    model_port_driver(id_of("alpha"), ALPHA_NIC, VIRTIO_FEATURES | 8);
    box_turns(5);
    assert_true(box_link_is_up(id_of("alpha"), ALPHA_NIC));
}

static void direct_link_needs_no_driver_vm(void **state)
{
    (void)state;
    box_boot();
    model_port_driver(id_of("alpha"), ALPHA_LINK, VIRTIO_FEATURES);
    assert_false(box_link_is_up(id_of("alpha"), ALPHA_LINK));
    model_port_driver(id_of("beta"), BETA_LINK, VIRTIO_FEATURES);
    assert_true(box_link_is_up(id_of("alpha"), ALPHA_LINK));
    assert_int_equal(box_port(id_of("alpha"), ALPHA_LINK).peer, id_of("beta"));
}

static void partition_made_anew_is_linked_again(void **state)
{
    struct failure failure;
    (void)state;
    box_boot();
    struct partition *beta = machine_partition(&machine, "beta");
    assert_int_equal(partition_destroy(&machine, beta, &failure), 0);
    assert_int_equal(box_port(id_of("alpha"), ALPHA_LINK).status & MULLION_PORT_CONNECTED, 0);
    model_scrub();
    assert_int_equal(partition_start(&machine, beta, &failure), 0);
    assert_int_not_equal(box_port(id_of("alpha"), ALPHA_LINK).status & MULLION_PORT_CONNECTED, 0);
}

static void dead_driver_vm_is_restarted_and_links_rise_again(void **state)
{
    (void)state;
    box_boot();
    box_driver_probes();
    model_port_driver(id_of("alpha"), ALPHA_NIC, VIRTIO_FEATURES);
    box_turns(5);
    assert_true(box_link_is_up(id_of("alpha"), ALPHA_NIC));
    model_end_partition(machine.driver.id, MULLION_REASON_TRIPLE_FAULT, 0);
    box_turns(2);
    assert_int_equal(machine.driver.phase, DRIVER_DOWN);
    assert_non_null(strstr(machine.driver.trouble, "triple fault"));
    assert_false(box_link_is_up(id_of("alpha"), ALPHA_NIC));
    model_advance(300);
    box_turns(2);
    assert_int_equal(machine.driver.phase, DRIVER_QUIET); /* its devices come to rest */
    model_advance(100);
    box_driver_probes();
    box_turns(20);
    assert_int_equal(machine.driver.phase, DRIVER_UP);
    assert_int_equal(machine.driver.starts, 2);
    assert_true(box_link_is_up(id_of("alpha"), ALPHA_NIC));
    assert_string_equal(machine.driver.trouble, "");
}

static void silent_driver_vm_is_restarted(void **state)
{
    (void)state;
    box_boot();
    model_driver()->silent = true;
    model_advance(20000); /* the next heartbeat is due */
    box_turns(2);
    model_advance(15000);
    box_turns(2);
    assert_int_equal(machine.driver.phase, DRIVER_UP); /* patience */
    model_advance(10000);
    box_turns(2);
    assert_int_equal(machine.driver.phase, DRIVER_DOWN);
    assert_non_null(strstr(announced, "it does not answer any more"));
}

static void crash_loop_of_the_driver_vm_ends_in_a_problem(void **state)
{
    (void)state;
    box_boot();
    for (unsigned i = 0; i < 100 && machine.driver.phase != DRIVER_FAILED; i++) {
        if (driver_is_alive(&machine.driver)) {
            model_end_partition(machine.driver.id, MULLION_REASON_TRIPLE_FAULT, 0);
        }
        box_turns(2);
        model_advance(5000);
    }
    assert_int_equal(machine.driver.phase, DRIVER_FAILED);
    assert_non_null(strstr(machine.driver.trouble, "died 9 times in a row"));
    assert_int_equal(machine_partition(&machine, "alpha")->phase, PHASE_RUNNING);
}

static void driver_vm_that_never_comes_up_is_given_up(void **state)
{
    (void)state;
    box_make(BOX_BOTH, "uuid=none", BOX_SITE);
    model_driver()->silent = true;
    box_agent_begin();
    for (unsigned i = 0; i < 400 && machine.driver.phase != DRIVER_FAILED; i++) {
        box_turns(2);
        model_advance(5000);
    }
    assert_int_equal(machine.driver.phase, DRIVER_FAILED);
    box_turns(2);
    struct mullion_partition_info info = {.id = machine.driver.id};
    assert_int_equal(os_hypercall(MULLION_CALL_PARTITION_INFO, &info), 0);
    assert_int_equal(info.state, MULLION_STATE_STOPPED);                          /* its devices are quiet */
    assert_int_equal(machine_partition(&machine, "alpha")->phase, PHASE_RUNNING); /* it waits no more */
}

static jmp_buf death;

/* An agent that dies after its hypercall number `call`, if it makes so many. */
static void agent_that_dies(unsigned call)
{
    if (setjmp(death) == 0) {
        model_die_at(call, true, &death);
        box_agent_begin();
        box_turns(20);
        model_die_at(0, false, NULL);
    }
    model_restart_agent();
}

static void agents_that_die_starting_the_driver_vm_leave_it_whole_or_alone(void **state)
{
    unsigned given_up = 0;
    (void)state;
    for (unsigned call = 1; call < 200; call++) {
        box_make(BOX_BOTH, BOX_UUID, BOX_SITE);
        agent_that_dies(call);
        agent_that_dies(call);
        box_agent_begin();
        model_scrub();
        for (unsigned i = 0; i < 5; i++) {
            box_turns(20);
            model_advance(300);
        }
        assert_true(machine.driver.phase == DRIVER_UP || machine.driver.phase == DRIVER_FAILED);
        if (machine.driver.phase == DRIVER_UP) {
            assert_int_equal(machine.driver.function_count, 1);
        } else {
            assert_non_null(strstr(machine.driver.trouble, "the agent died 2 times"));
            given_up++;
        }
    }
    assert_true(given_up > 0);
}

static void restarted_agent_finds_the_driver_vm(void **state)
{
    char token[STATE_TOKEN_BYTES];
    (void)state;
    box_boot();
    box_driver_probes();
    model_port_driver(id_of("alpha"), ALPHA_NIC, VIRTIO_FEATURES);
    box_turns(5);
    memcpy(token, machine.token, sizeof(token));
    uint64_t block = machine.driver.block_base;
    model_restart_agent();
    box_agent_begin();
    box_turns(20);
    assert_int_equal(machine.driver.phase, DRIVER_UP);
    assert_int_equal(machine.driver.starts, 0);
    assert_int_equal(machine.driver.block_base, block);
    assert_int_equal(machine.driver.function_count, 1);
    assert_true(box_link_is_up(id_of("alpha"), ALPHA_NIC));
    assert_int_equal(machine.driver.client.jacks[DRIVER_SLOT_JACKS].state, JACK_LINKED);
    assert_string_equal(machine.token, token);
}

static void mac_addresses_derive_from_uuid_and_name(void **state)
{
    uint8_t first[6];
    (void)state;
    box_boot();
    memcpy(first, model_port_mac(id_of("alpha"), ALPHA_NIC), sizeof(first));
    assert_int_equal(first[0], 2);
    assert_memory_not_equal(first, model_port_mac(id_of("alpha"), ALPHA_LINK), sizeof(first));
    assert_memory_not_equal(first, model_port_mac(id_of("beta"), BETA_LINK), sizeof(first));
    box_boot();
    assert_memory_equal(first, model_port_mac(id_of("alpha"), ALPHA_NIC), sizeof(first));
    box_make(BOX_BOTH, "uuid=12345678-1234-5678-9abc-def012345679", BOX_SITE);
    box_agent_begin();
    box_turns(20);
    assert_memory_not_equal(first, model_port_mac(id_of("alpha"), ALPHA_NIC), sizeof(first));
}

static void blank_uuid_falls_back_to_the_ports_mac(void **state)
{
    (void)state;
    box_make(BOX_BOTH, "uuid=ffffffff-ffff-ffff-ffff-ffffffffffff", BOX_SITE);
    box_agent_begin();
    assert_false(machine_net_ready(&machine));
    assert_int_equal(machine_partition(&machine, "alpha")->phase, PHASE_WAITING);
    box_turns(20);
    assert_int_equal(machine.seed_kind, IDENTITY_NIC);
    assert_int_equal(machine_partition(&machine, "alpha")->phase, PHASE_RUNNING);
    assert_non_null(model_port_mac(MULLION_AGENT_ID, DRIVER_SLOT_AGENT));
}

/* ---- the uplink
 * -------------------------------------------------------------------------------------------------- */

static void boot_with_nics(unsigned count, unsigned carriers, const char *site)
{
    box_make(BOX_BOTH, BOX_UUID, site);
    model_driver()->nic_count = count;
    model_driver()->carrier_mask = carriers;
    box_agent_begin();
    box_turns(40);
}

static void uplink_is_the_first_port_with_carrier(void **state)
{
    (void)state;
    boot_with_nics(3, 6, BOX_SITE);
    assert_int_equal(model_driver()->uplink_slot, DRIVER_SLOT_FUNCTIONS + 1);
}

static void uplink_moves_on_without_a_lease(void **state)
{
    (void)state;
    boot_with_nics(3, 6, BOX_SITE);
    model_advance(21000);
    box_turns(40);
    assert_int_equal(model_driver()->uplink_slot, DRIVER_SLOT_FUNCTIONS + 2);
    machine.has_lease = true;
    model_advance(60000);
    box_turns(40);
    assert_int_equal(model_driver()->uplink_slot, DRIVER_SLOT_FUNCTIONS + 2);
}

static void uplink_stays_with_a_static_address(void **state)
{
    (void)state;
    boot_with_nics(3, 6,
                   "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"name\":\"box\",\"network\":"
                   "{\"address\":\"10.0.2.15/24\",\"gateway\":\"10.0.2.2\"}}");
    model_advance(60000);
    box_turns(40);
    assert_int_equal(model_driver()->uplink_slot, DRIVER_SLOT_FUNCTIONS + 1);
}

static void uplink_with_a_fallback_settles_and_waits_for_nothing(void **state)
{
    (void)state;
    boot_with_nics(1, 1,
                   "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"name\":\"box\",\"network\":"
                   "{\"dhcp\":true,\"address\":\"10.0.2.15/24\"}}");
    for (unsigned i = 0; i < 30; i++) {
        model_advance(5000);
        box_turns(6); /* checks that nothing is due for ever */
    }
    assert_int_equal(model_driver()->uplink_slot, DRIVER_SLOT_FUNCTIONS);
}

static void uplink_named_by_mac_is_taken(void **state)
{
    (void)state;
    boot_with_nics(3, 3,
                   "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"name\":\"box\",\"network\":"
                   "{\"uplink\":\"52:54:00:12:34:02\"}}");
    assert_int_equal(model_driver()->uplink_slot, DRIVER_SLOT_FUNCTIONS + 2);
}

static void uplink_named_by_pci_address_is_taken(void **state)
{
    (void)state;
    boot_with_nics(3, 6,
                   "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"name\":\"box\",\"network\":"
                   "{\"uplink\":\"0000:00:03.0\"}}");
    assert_int_equal(model_driver()->uplink_slot, DRIVER_SLOT_FUNCTIONS);
}

static void lack_of_an_uplink_is_a_problem(void **state)
{
    (void)state;
    boot_with_nics(2, 0, BOX_SITE);
    assert_string_equal(machine.driver.uplink_trouble,
                        "uplink: no network port has a link: the box cannot be reached: "
                        "plug in a cable, check the switch");
    model_driver()->carrier_mask = 2;
    model_advance(11000);
    box_turns(40);
    assert_string_equal(machine.driver.uplink_trouble, "");
    assert_int_equal(model_driver()->uplink_slot, DRIVER_SLOT_FUNCTIONS + 1);
    boot_with_nics(2, 3,
                   "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"name\":\"box\",\"network\":"
                   "{\"uplink\":\"0000:07:00.0\"}}");
    assert_non_null(strstr(machine.driver.uplink_trouble, "no network port is 0000:07:00.0"));
    assert_int_equal(model_driver()->uplink_slot, 0);
    boot_with_nics(0, 0, BOX_SITE);
    assert_non_null(strstr(machine.driver.uplink_trouble, "the driver VM has no network port"));
}

static void a_cable_that_is_out_is_known(void **state)
{
    (void)state;
    boot_with_nics(1, 1, BOX_SITE);
    assert_false(client_uplink_is_cut(&machine.driver.client));
    model_driver()->carrier_mask = 0;
    model_advance(11000);
    box_turns(40);
    assert_true(client_uplink_is_cut(&machine.driver.client));
    model_driver()->carrier_mask = 1;
    model_advance(11000);
    box_turns(40);
    assert_false(client_uplink_is_cut(&machine.driver.client));
}

/* Whoever mistypes a VLAN wants the box to be managed there and nowhere else. */
static void box_is_not_managed_where_its_site_leaves_that_open(void **state)
{
#define SITE_NETWORK(field)                                                                                  \
    "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"name\":\"box\",\"network\":" field "}"
    static const struct {
        const char *site;
        bool is_closed;
    } cases[] = {
        {SITE_NETWORK("{}"), false},
        {SITE_NETWORK("{\"uplink\":\"0000:00:03.0\"}"), false},
        {SITE_NETWORK("{\"address\":\"192.0.2.0/24\"}"), false},
        {SITE_NETWORK("{\"vlan\":10}"), true},
        {SITE_NETWORK("{\"uplink\":\"eth0\"}"), true},
        {SITE_NETWORK("{\"uplnik\":\"0000:00:03.0\"}"), true},
        {SITE_NETWORK("{\"uplink\":\"0000:00:03.0\",\"uplink\":\"0000:00:04.0\"}"), true},
        {SITE_NETWORK("[]"), true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        box_make(BOX_BOTH, BOX_UUID, cases[i].site);
        box_agent_begin();
        box_turns(20);
        assert_int_equal(machine_net_ready(&machine), !cases[i].is_closed);
        const char *last =
            machine.problems.count > 0 ? machine.problems.text[machine.problems.count - 1] : "";
        assert_int_equal(strstr(last, "not reached over the network") != NULL, cases[i].is_closed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(driver_vm_is_made_before_any_partition),
        cmocka_unit_test(driver_vm_sees_its_memory_where_devices_see_it),
        cmocka_unit_test(driver_vms_memory_map_names_no_other_ram),
        cmocka_unit_test(driver_vm_waits_for_scrubbing_and_partitions_for_it),
        cmocka_unit_test(agents_port_is_there_while_the_driver_vm_waits),
        cmocka_unit_test(functions_rest_between_assignment_and_start),
        cmocka_unit_test(driver_vm_that_never_comes_up_is_given_up),
        cmocka_unit_test(agents_that_die_starting_the_driver_vm_leave_it_whole_or_alone),
        cmocka_unit_test(network_functions_are_assigned_and_no_others),
        cmocka_unit_test(pci_functions_are_listed_with_what_drives_them),
        cmocka_unit_test(link_rises_after_the_driver_vm_has_acknowledged),
        cmocka_unit_test(link_that_the_driver_vm_refuses_is_a_problem),
        cmocka_unit_test(guest_that_resets_its_nic_is_linked_again),
        cmocka_unit_test(direct_link_needs_no_driver_vm),
        cmocka_unit_test(partition_made_anew_is_linked_again),
        cmocka_unit_test(dead_driver_vm_is_restarted_and_links_rise_again),
        cmocka_unit_test(silent_driver_vm_is_restarted),
        cmocka_unit_test(crash_loop_of_the_driver_vm_ends_in_a_problem),
        cmocka_unit_test(restarted_agent_finds_the_driver_vm),
        cmocka_unit_test(mac_addresses_derive_from_uuid_and_name),
        cmocka_unit_test(blank_uuid_falls_back_to_the_ports_mac),
        cmocka_unit_test(uplink_is_the_first_port_with_carrier),
        cmocka_unit_test(a_cable_that_is_out_is_known),
        cmocka_unit_test(uplink_moves_on_without_a_lease),
        cmocka_unit_test(uplink_stays_with_a_static_address),
        cmocka_unit_test(uplink_with_a_fallback_settles_and_waits_for_nothing),
        cmocka_unit_test(uplink_named_by_mac_is_taken),
        cmocka_unit_test(uplink_named_by_pci_address_is_taken),
        cmocka_unit_test(lack_of_an_uplink_is_a_problem),
        cmocka_unit_test(box_is_not_managed_where_its_site_leaves_that_open),
    };
    return cmocka_run_group_tests_name("agent_driver", tests, NULL, NULL);
}
