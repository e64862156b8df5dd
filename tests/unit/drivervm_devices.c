/* SPDX-License-Identifier: MIT */
/* What is read from /sys and from the kernel's log, with a folder in the place of /sys. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivervm_test.h"
#include "init/functions.h"
#include "init/jack.h"
#include "init/kernel_log.h"
#include "init/sysfs.h"
#include "net/ports.h"

static char root[] = "/tmp/mullion-sysfs-XXXXXX";

static void make_folders(char *path)
{
    for (char *slash = path + sizeof root; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
}

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    make_folders(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void put_link(const char *name, const char *target)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    make_folders(path);
    assert_int_equal(symlink(target, path), 0);
}

static void put_function(const char *address, const char *vendor, const char *device)
{
    char name[128];
    snprintf(name, sizeof name, "bus/pci/devices/%s/vendor", address);
    put(name, vendor);
    snprintf(name, sizeof name, "bus/pci/devices/%s/device", address);
    put(name, device);
    snprintf(name, sizeof name, "bus/pci/devices/%s/class", address);
    put(name, "0x020000\n");
    snprintf(name, sizeof name, "bus/pci/devices/%s/subsystem_vendor", address);
    put(name, "0x1af4\n");
    snprintf(name, sizeof name, "bus/pci/devices/%s/subsystem_device", address);
    put(name, "0x0040\n");
}

static void put_interface(const char *name, const char *path, const char *index, const char *mac)
{
    char link[160], target[192], attribute[192];
    snprintf(target, sizeof target, "../../devices/%s/net/%s", path, name);
    snprintf(link, sizeof link, "class/net/%s", name);
    put_link(link, target);
    snprintf(attribute, sizeof attribute, "devices/%s/net/%s/ifindex", path, name);
    put(attribute, index);
    snprintf(attribute, sizeof attribute, "devices/%s/net/%s/address", path, name);
    put(attribute, mac);
}

static int setup(void **state)
{
    (void)state;
    memcpy(root + sizeof root - 7, "XXXXXX", 6);
    if (!mkdtemp(root)) {
        return -1;
    }
    put_function("0000:00:00.0", "0x8086\n", "0x29c0\n");
    put_function("0000:00:03.0", "0x8086\n", "0x10d3\n");
    put_function("0000:00:03.1", "0x8086\n", "0x10d3\n");
    put_function("0000:00:04.0", "0x1af4\n", "0x1041\n");
    put_function("0000:00:1f.7", "0x15ad\n", "0x07b0\n");
    put_function("0000:02:00.0", "0x15ad\n", "0x07b0\n");
    put_link("bus/pci/devices/0000:00:03.0/driver", "../../../bus/pci/drivers/e1000e");
    put_interface("eth2", "pci0000:00/0000:00:03.0", "2\n", "52:54:00:00:00:01\n");
    put_interface("eth0", "pci0000:00/0000:00:03.0", "5\n", "52:54:00:00:00:02\n");
    put_interface("eth1", "pci0000:00/0000:00:04.0/virtio1", "3\n", "52:54:00:00:00:03\n");
    put_interface("br0", "virtual", "4\n", "02:00:00:00:00:00\n");
    put("devices/pci0000:00/0000:00:03.0/net/eth2/carrier", "1\n");
    put("devices/pci0000:00/0000:00:03.0/net/eth2/flags", "0x1003\n");
    put("devices/pci0000:00/0000:00:03.0/net/eth2/speed", "-1\n");
    put("devices/pci0000:00/0000:00:03.0/net/eth2/statistics/tx_bytes", "18446744073709551615\n");
    put_link("devices/pci0000:00/0000:00:03.0/net/eth2/master", "../../../../virtual/net/br0");
    const int error = sysfs_start(root);
    jack_find_all();
    return error;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void slot_is_device_times_8_plus_function_on_bus_0(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        int slot;
    } cases[] = {{"0000:00:00.0", 0},
                 {"0000:00:03.1", 25},
                 {"0000:00:1f.7", 255},
                 {"0000:00:20.0", -1},
                 {"0000:01:03.0", -1},
                 {"0001:00:03.0", -1},
                 {"0000:00:03.8", -1},
                 {"0000:00:03.0 ", -1},
                 {"0000:00:03.00", -1},
                 {"pci0000:00", -1},
                 {"", -1},
                 {"0000:00:3.0", -1},
                 {"virtio1", -1},
                 {"0000:00:03.", -1}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(sysfs_slot(cases[i].address), cases[i].slot);
    }
}

static void number_that_is_none_is_the_default(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "\n", "-1\n", "x\n", "12x\n", " 1\n", "99999999999999999999999\n"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put("number", bad[i]);
        assert_int_equal(sysfs_number("number", 77), 77);
    }
    assert_int_equal(sysfs_number("there is none", 77), 77);
}

static void functions_come_by_slot_without_jacks_and_host_bridge(void **state)
{
    (void)state;
    static const uint32_t slots[] = {24, 25, 255};
    assert_int_equal(functions_count(), 3);
    for (uint32_t i = 0; i < 3; i++) {
        struct rpc_function function = {0};
        assert_true(functions_describe(i, &function));
        assert_int_equal(function.slot, slots[i]);
        assert_int_equal(function.class_code, 0x020000);
        assert_string_equal(function.driver, i == 0 ? "e1000e" : "");
        assert_string_equal(function.reason, i == 0 ? "" : "no driver");
    }
    struct rpc_function none = {0};
    assert_false(functions_describe(3, &none));
    assert_false(functions_describe(0xffffffff, &none));
}

static const char *reason_of(uint32_t index)
{
    static struct rpc_function function;
    function = (struct rpc_function){0};
    assert_true(functions_describe(index, &function));
    return function.reason;
}

static void failed_probe_is_told_with_its_errno(void **state)
{
    (void)state;
    kernel_log_note("3,412,1830123,-;e1000e 0000:00:03.1: probe with driver e1000e failed with error -5\n"
                    " SUBSYSTEM=pci\n DEVICE=+pci:0000:00:03.1\n");
    assert_string_equal(reason_of(1), "driver e1000e: error -5");
}

static void missing_firmware_is_told_before_the_failed_probe(void **state)
{
    (void)state;
    kernel_log_note(
        "4,500,1,-;bnx2x 0000:00:1f.7: Direct firmware load for bnx2x/bnx2x-e2.fw failed with error -2\n");
    kernel_log_note("3,501,1,-;bnx2x 0000:00:1f.7: probe with driver bnx2x failed with error -2\n");
    assert_string_equal(reason_of(2), "driver bnx2x: firmware file bnx2x/bnx2x-e2.fw: error -2");
}

static void other_log_records_say_nothing(void **state)
{
    (void)state;
    static const char *const records[] = {"",
                                          ";",
                                          "6,1,1,-",
                                          "6,1,1,-;",
                                          "6,1,1,-;one two: three",
                                          "6,1,1,-;e1000e 0000:00:00.0",
                                          "6,1,1,-; : ",
                                          "6,1,1,-;e1000e 0000:00:00.0: MAC: 3",
                                          "6,1,1,-;x 0000:00:00.0: probe with driver failed with error -5",
                                          "3,1,1,-;x 0000:09:00.0: probe with driver x failed with error -5"};
    for (unsigned i = 0; i < sizeof records / sizeof records[0]; i++) {
        kernel_log_note(records[i]);
    }
    assert_string_equal(kernel_log_reason(0), "");
}

static void long_names_in_the_log_are_cut(void **state)
{
    (void)state;
    char record[1024];
    memset(record, 'a', sizeof record);
    static const char start[] = "3,1,1,-;";
    memcpy(record, start, sizeof start - 1);
    record[sizeof record - 1] = '\0';
    kernel_log_note(record);
    snprintf(record, sizeof record, "3,1,1,-;drv 0000:00:00.0: probe with driver %0150d failed with error -5",
             1);
    kernel_log_note(record);
    snprintf(record, sizeof record,
             "3,1,1,-;%090d 0000:00:00.0: Direct firmware load for %060d failed with error -2", 1, 1);
    kernel_log_note(record);
    assert_true(strlen(kernel_log_reason(0)) < 128);
    assert_string_equal(kernel_log_reason(256), "");
}

static void ports_are_told_from_jacks_and_from_the_bridge(void **state)
{
    (void)state;
    static struct port ports[PORTS_MAX];
    assert_int_equal(ports_list(PORT_JACK, ports), 1);
    assert_string_equal(ports[0].name, "eth1");
    assert_int_equal(ports[0].slot, 32);
    assert_int_equal(ports_list(PORT_NIC, ports), 2);
    assert_string_equal(ports[0].name, "eth2");
    assert_string_equal(ports[1].name, "eth0");
    assert_true(ports[0].is_up && ports[0].has_carrier && ports[0].in_bridge);
    assert_false(ports[1].is_up || ports[1].has_carrier || ports[1].in_bridge);
}

static void virtio_card_of_the_box_is_a_nic(void **state)
{
    (void)state;
    static struct port ports[PORTS_MAX];
    put("bus/pci/devices/0000:00:04.0/subsystem_device", "0x1100\n");
    jack_find_all();
    assert_int_equal(ports_list(PORT_JACK, ports), 0);
    assert_int_equal(ports_list(PORT_NIC, ports), 3);
    assert_int_equal(functions_count(), 4);
}

static void port_is_found_by_slot_and_mac(void **state)
{
    (void)state;
    static const uint8_t any[6], second[6] = {0x52, 0x54, 0, 0, 0, 2}, other[6] = {0x52, 0x54, 0, 0, 0, 9};
    struct port port;
    assert_true(ports_find(PORT_NIC, 24, any, &port));
    assert_int_equal(port.index, 2);
    assert_true(ports_find(PORT_NIC, 24, second, &port));
    assert_int_equal(port.index, 5);
    assert_false(ports_find(PORT_NIC, 24, other, &port));
    assert_false(ports_find(PORT_NIC, 32, any, &port));
    assert_true(ports_find(PORT_JACK, 32, any, &port));
}

static void unknown_speed_is_0_and_counters_keep_64_bits(void **state)
{
    (void)state;
    static const uint8_t any[6];
    struct port port;
    struct rpc_nic nic = {0};
    assert_true(ports_find(PORT_NIC, 24, any, &port));
    ports_describe(&port, &nic);
    assert_int_equal(nic.speed_mbps, 0);
    assert_true(nic.sent_bytes == UINT64_MAX);
    assert_int_equal(nic.in_bridge, 1);
    assert_int_equal(nic.mac[5], 1);
}

#define WITH_SYSFS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slot_is_device_times_8_plus_function_on_bus_0),
        WITH_SYSFS(number_that_is_none_is_the_default),
        WITH_SYSFS(functions_come_by_slot_without_jacks_and_host_bridge),
        WITH_SYSFS(failed_probe_is_told_with_its_errno),
        WITH_SYSFS(missing_firmware_is_told_before_the_failed_probe),
        WITH_SYSFS(other_log_records_say_nothing),
        WITH_SYSFS(long_names_in_the_log_are_cut),
        WITH_SYSFS(ports_are_told_from_jacks_and_from_the_bridge),
        WITH_SYSFS(virtio_card_of_the_box_is_a_nic),
        WITH_SYSFS(port_is_found_by_slot_and_mac),
        WITH_SYSFS(unknown_speed_is_0_and_counters_keep_64_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
