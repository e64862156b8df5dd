/* SPDX-License-Identifier: MIT */
/* The virtual PCI bus by both access mechanisms. */
#include "dev/pci.h"
#include "unit.h"

static struct pci_bus at(uint32_t address)
{
    struct pci_bus bus;
    pci_bus_reset(&bus);
    pci_port_write(&bus, 0xcf8, 4, address);
    return bus;
}

/* arch/x86/pci/direct.c: a byte write at 0xcfb first, which must not touch the address. */
static void linux_finds_mechanism_1(void **state)
{
    (void)state;
    struct pci_bus bus;
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
    assert_int_equal(pci_port_read(&bus, 0xcfe, 1), 0);
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

static void configuration_writes_do_nothing(void **state)
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
    assert_true(pci_ecam_read(&bus, 0, 8) == 0x00081b36);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linux_finds_mechanism_1),
        cmocka_unit_test(the_host_bridge_is_there_in_every_width),
        cmocka_unit_test(absent_functions_read_all_ones),
        cmocka_unit_test(a_disabled_or_crossing_access_reads_all_ones),
        cmocka_unit_test(the_address_keeps_only_existing_bits),
        cmocka_unit_test(configuration_writes_do_nothing),
        cmocka_unit_test(ecam_shows_the_same_bridge),
        cmocka_unit_test(ecam_outside_bus_0_reads_all_ones),
    };
    return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
