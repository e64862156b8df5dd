/* SPDX-License-Identifier: MIT */
/* The virtual PCI bus by both access mechanisms. */
#include "dev/pci.h"
#include "unit.h"

#include <string.h>

static struct pci_bus at(uint32_t address)
{
    struct pci_bus bus = {0};
    pci_bus_reset(&bus);
    pci_port_write(&bus, 0xcf8, 4, address);
    return bus;
}

/* arch/x86/pci/direct.c: a byte write at 0xcfb first, which must not touch the address. */
static void linux_finds_mechanism_1(void **state)
{
    (void)state;
    struct pci_bus bus = {0};
    pci_bus_reset(&bus);
    pci_port_write(&bus, 0xcfb, 1, 1);
    assert_int_equal(pci_port_read(&bus, 0xcf8, 4), 0);
    pci_port_write(&bus, 0xcf8, 4, 0x80000000);
    assert_int_equal(pci_port_read(&bus, 0xcf8, 4), 0x80000000);
    pci_port_write(&bus, 0xcf8, 4, 0x80000008);
    assert_int_equal(pci_port_read(&bus, 0xcfe, 2), 0x0600);
}

static void the_host_bridge_is_there_in_every_width(void **state)
{
    (void)state;
    struct pci_bus bus = at(0x80000000);
    assert_int_equal(pci_port_read(&bus, 0xcfc, 4), 0x00081b36);
    assert_int_equal(pci_port_read(&bus, 0xcfc, 2), 0x1b36);
    assert_int_equal(pci_port_read(&bus, 0xcfe, 2), 0x0008);
    assert_int_equal(pci_port_read(&bus, 0xcfd, 1), 0x1b);
    bus = at(0x8000000c);
    assert_int_equal(pci_port_read(&bus, 0xcfe, 1), 0x80); /* type 0; its device has more functions */
    bus = at(0x800000fc);
    assert_int_equal(pci_port_read(&bus, 0xcfc, 4), 0);
}

static void absent_functions_read_all_ones(void **state)
{
    (void)state;
    for (uint32_t bdf = 1; bdf < 0x10000; bdf++) {
        struct pci_bus bus = at(0x80000000 | bdf << 8);
        assert_int_equal(pci_port_read(&bus, 0xcfc, 4), 0xffffffff);
        assert_int_equal(pci_port_read(&bus, 0xcfd, 1), 0xff);
    }
    struct pci_bus bus = at(0);
    for (uint64_t function = 1; function < 256; function++)
        assert_int_equal(pci_ecam_read(&bus, function << 12, 4), 0xffffffff);
}

static void a_disabled_or_crossing_access_reads_all_ones(void **state)
{
    (void)state;
    struct pci_bus bus = at(0x00000000);
    assert_int_equal(pci_port_read(&bus, 0xcfc, 4), 0xffffffff);
    bus = at(0x80000000);
    assert_int_equal(pci_port_read(&bus, 0xcfd, 4), 0xffffffff);
    assert_int_equal(pci_port_read(&bus, 0xcff, 2), 0xffff);
    assert_int_equal(pci_port_read(&bus, 0xcf8, 1), 0xff);
    assert_int_equal(pci_port_read(&bus, 0xcfa, 2), 0xffff);
}

static void the_address_keeps_only_existing_bits(void **state)
{
    (void)state;
    struct pci_bus bus = at(0xffffffff);
    assert_int_equal(pci_port_read(&bus, 0xcf8, 4), 0x80fffffc);
}

static void the_host_bridge_ignores_writes(void **state)
{
    (void)state;
    struct pci_bus bus = at(0x80000004);
    pci_port_write(&bus, 0xcfc, 4, 0xffffffff);
    assert_int_equal(pci_port_read(&bus, 0xcfc, 4), 0);
}

static void ecam_shows_the_same_bridge(void **state)
{
    (void)state;
    struct pci_bus bus = at(0);
    assert_int_equal(pci_ecam_read(&bus, 0, 4), 0x00081b36);
    assert_true(pci_ecam_read(&bus, 0, 8) == UINT64_MAX); /* across registers */
    assert_int_equal(pci_ecam_read(&bus, 0x0a, 2), 0x0600);
    assert_int_equal(pci_ecam_read(&bus, 0x100, 4), 0); /* no extended capability */
    assert_int_equal(pci_ecam_read(&bus, 0xffc, 4), 0);
}

static void ecam_outside_bus_0_reads_all_ones(void **state)
{
    (void)state;
    struct pci_bus bus = at(0);
    assert_true(pci_ecam_read(&bus, UINT64_MAX, 8) == UINT64_MAX);
    assert_int_equal(pci_ecam_read(&bus, 0x100000, 1), 0xff);
}

/* A function whose registers read as their number, and that notes the writes. */
static struct {
    uint32_t reg, value, lanes;
    unsigned count;
} written;

static uint32_t plugged_read(void *device, uint32_t reg)
{
    return *(uint32_t *)device + reg;
}

static void plugged_write(void *device, uint32_t reg, uint32_t value, uint32_t lanes)
{
    (void)device;
    written.reg = reg;
    written.value = value & lanes;
    written.lanes = lanes;
    written.count++;
}

static const struct pci_function_ops plugged_ops = {plugged_read, plugged_write};
static uint32_t plugged = 0x11223300;

static struct pci_bus plugged_into(unsigned slot, uint32_t address)
{
    struct pci_bus bus = {0};
    bus.slots[slot] = (struct pci_slot){&plugged_ops, &plugged};
    pci_port_write(&bus, 0xcf8, 4, address);
    memset(&written, 0, sizeof(written));
    return bus;
}

static void narrow_reads_see_their_lanes_of_a_register(void **state)
{
    (void)state;
    struct pci_bus bus = plugged_into(9, 0x80000940);
    assert_int_equal(pci_port_read(&bus, 0xcfc, 4), 0x11223340);
    assert_int_equal(pci_port_read(&bus, 0xcfe, 2), 0x1122);
    assert_int_equal(pci_port_read(&bus, 0xcff, 1), 0x11);
    assert_int_equal(pci_ecam_read(&bus, 0x9041, 1), 0x33);
    assert_true(pci_ecam_read(&bus, 0x9040, 8) == UINT64_MAX);
    assert_true(pci_ecam_read(&bus, 0x9042, 4) == UINT32_MAX);
}

static void narrow_writes_name_their_lanes_of_a_register(void **state)
{
    (void)state;
    struct pci_bus bus = plugged_into(9, 0x80000940);
    pci_port_write(&bus, 0xcfe, 1, 0xab);
    assert_int_equal(written.reg, 0x40);
    assert_int_equal(written.value, 0xab0000);
    assert_int_equal(written.lanes, 0xff0000);
    pci_ecam_write(&bus, 0x9fec, 2, 0x1234);
    assert_int_equal(written.reg, 0xfec);
    assert_int_equal(written.value, 0x1234);
    assert_int_equal(written.lanes, 0xffff);
    assert_int_equal(written.count, 2);
    pci_ecam_write(&bus, 0x9043, 1, 0x11);
    assert_int_equal(written.lanes, 0xff000000);
}

static void nothing_is_written_outside_a_function(void **state)
{
    (void)state;
    struct pci_bus bus = plugged_into(9, 0x00000940);
    pci_port_write(&bus, 0xcfc, 4, 1); /* disabled */
    pci_port_write(&bus, 0xcf8, 4, 0x80000940);
    pci_port_write(&bus, 0xcff, 2, 1);
    pci_ecam_write(&bus, 0x8040, 4, 1);
    pci_ecam_write(&bus, 0x9040, 8, 1); /* across registers */
    pci_ecam_write(&bus, 0x9042, 4, 1);
    pci_ecam_write(&bus, (uint64_t)MACHINE_SLOTS << 12, 4, 1);
    pci_ecam_write(&bus, UINT64_MAX, 8, 1);
    assert_int_equal(written.count, 0);
}

static void the_first_function_of_a_device_says_that_there_may_be_more(void **state)
{
    (void)state;
    struct pci_bus bus = plugged_into(8, 0x8000080c);
    plugged = 0;
    assert_int_equal(pci_port_read(&bus, 0xcfe, 1), 0x80);
    bus = plugged_into(9, 0x8000090c);
    assert_int_equal(pci_port_read(&bus, 0xcfe, 1), 0);
    plugged = 0x11223300;
}

static void a_bar_tells_its_size_until_the_next_write(void **state)
{
    (void)state;
    struct pci_bar bar = {.value = 0xe1000008, .size = 0x20000};
    pci_bar_write(&bar, 0xffffffff, 0xffffffff);
    assert_int_equal(pci_bar_read(&bar), 0xfffe0008);
    pci_bar_write(&bar, 0xd0000000, 0xffffffff);
    assert_int_equal(pci_bar_read(&bar), 0xe1000008);
    pci_bar_write(&bar, 0xfffffff0, 0xffffffff);
    assert_int_equal(pci_bar_read(&bar), 0xfffe0008);
    pci_bar_write(&bar, 0, 0xff);
    assert_int_equal(pci_bar_read(&bar), 0xe1000008);
    pci_bar_write(&bar, 0xffffffff, 0xffff);
    assert_int_equal(pci_bar_read(&bar), 0xe1000008);
}

static void an_io_bar_keeps_its_type_while_sized(void **state)
{
    (void)state;
    struct pci_bar bar = {.value = 0x1021, .size = 32};
    pci_bar_write(&bar, 0xffffffff, 0xffffffff);
    assert_int_equal(pci_bar_read(&bar), 0xffffffe1);
}

static void an_absent_bar_stays_zero(void **state)
{
    (void)state;
    struct pci_bar bar = {0};
    pci_bar_write(&bar, 0xffffffff, 0xffffffff);
    assert_int_equal(pci_bar_read(&bar), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linux_finds_mechanism_1),
        cmocka_unit_test(the_host_bridge_is_there_in_every_width),
        cmocka_unit_test(absent_functions_read_all_ones),
        cmocka_unit_test(a_disabled_or_crossing_access_reads_all_ones),
        cmocka_unit_test(the_address_keeps_only_existing_bits),
        cmocka_unit_test(the_host_bridge_ignores_writes),
        cmocka_unit_test(ecam_shows_the_same_bridge),
        cmocka_unit_test(ecam_outside_bus_0_reads_all_ones),
        cmocka_unit_test(narrow_reads_see_their_lanes_of_a_register),
        cmocka_unit_test(narrow_writes_name_their_lanes_of_a_register),
        cmocka_unit_test(nothing_is_written_outside_a_function),
        cmocka_unit_test(the_first_function_of_a_device_says_that_there_may_be_more),
        cmocka_unit_test(a_bar_tells_its_size_until_the_next_write),
        cmocka_unit_test(an_io_bar_keeps_its_type_while_sized),
        cmocka_unit_test(an_absent_bar_stays_zero),
    };
    return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
