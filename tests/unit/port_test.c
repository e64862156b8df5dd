/* SPDX-License-Identifier: MIT */
/* I/O ports of a partition: the allow-list, widths, and what lies behind it. */
#include "core/event.h"
#include "core/exits.h"
#include "core/ports.h"
#include "mullion/machine.h"
#include "unit.h"

#include <string.h>

static unsigned skipped, faults, pins[IOAPIC_PINS];
static uint8_t fault_vector;
static enum mullion_stop_reason ended;
static bool can_skip;

bool exit_skip(struct vcpu *vcpu)
{
    (void)vcpu;
    skipped += can_skip;
    return can_skip;
}

void vcpu_fault(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
    (void)vcpu;
    (void)has_error;
    (void)error;
    faults++;
    fault_vector = vector;
}

void partition_end(struct vcpu *vcpu, enum mullion_stop_reason reason, uint64_t detail)
{
    (void)vcpu;
    (void)detail;
    ended = reason;
}

void partition_interrupt_pin(struct partition *p, unsigned pin)
{
    (void)p;
    pins[pin]++;
}

static struct {
    uint64_t offset;
    uint32_t queue;
    unsigned count;
} notified;

void ports_notify(struct partition *p, uint64_t offset, uint32_t queue)
{
    (void)p;
    notified.offset = offset;
    notified.queue = queue;
    notified.count++;
}

void event_post_console(uint32_t partition)
{
    (void)partition;
}

static struct partition partition;
static struct vcpu vcpu;

static int fresh(void **state)
{
    (void)state;
    memset(&partition, 0, sizeof(partition));
    memset(&vcpu, 0, sizeof(vcpu));
    memset(pins, 0, sizeof(pins));
    vcpu.partition = &partition;
    uart_reset(&partition.uart);
    pci_bus_reset(&partition.pci);
    power_reset(&partition.power);
    skipped = faults = 0;
    notified.count = 0;
    ended = MULLION_REASON_NONE;
    can_skip = true;
    return 0;
}

static uint64_t in(uint16_t port, unsigned bytes)
{
    vcpu.gpr[RAX] = 0x1122334455667788;
    vcpu.exit = (struct vcpu_exit){.port = port, .port_bytes = (uint8_t)bytes, .port_in = true};
    exit_port(&vcpu);
    return vcpu.gpr[RAX];
}

static void out(uint16_t port, unsigned bytes, uint64_t value)
{
    vcpu.gpr[RAX] = value;
    vcpu.exit = (struct vcpu_exit){.port = port, .port_bytes = (uint8_t)bytes};
    exit_port(&vcpu);
}

static bool on_the_list(unsigned port)
{
    return (port >= 0x3f8 && port <= 0x3ff) || (port >= 0x600 && port <= 0x604) ||
           (port >= 0xcf8 && port <= 0xcff) || (port >= 0x1000 && port <= 0x17ff);
}

static void every_other_port_reads_ones_and_takes_nothing(void **state)
{
    (void)state;
    static struct partition before;
    before = partition;
    for (unsigned port = 0; port < 0x10000; port++) {
        if (on_the_list(port))
            continue;
        if ((uint8_t)in((uint16_t)port, 1) != 0xff)
            fail_msg("port 0x%x answers", port);
        out((uint16_t)port, 1, 0xa5);
    }
    assert_memory_equal(&before, &partition, sizeof(partition));
    assert_int_equal(ended, MULLION_REASON_NONE);
    assert_int_equal(faults, 0);
    assert_int_equal(vcpu.counters.refused_ports, skipped);
}

static void accesses_across_a_devices_edge_are_refused(void **state)
{
    (void)state;
    assert_int_equal((uint32_t)in(0x3f7, 4), 0xffffffff);
    assert_int_equal((uint16_t)in(0x3ff, 2), 0xffff);
    assert_int_equal((uint32_t)in(0xcfd, 4), 0xffffffff);
    assert_int_equal((uint32_t)in(0xfffe, 4), 0xffffffff);
    assert_int_equal(vcpu.counters.refused_ports, 4);
}

static void a_notification_reaches_its_slot_and_reads_as_ones(void **state)
{
    (void)state;
    out(MACHINE_PORT_NOTIFY + 63 * MACHINE_PORT_NOTIFY_BYTES, 2, 0x30001);
    assert_int_equal(notified.count, 1);
    assert_int_equal(notified.offset, 63 * MACHINE_PORT_NOTIFY_BYTES);
    assert_int_equal(notified.queue, 1);
    assert_int_equal((uint16_t)in(MACHINE_PORT_NOTIFY, 2), 0xffff);
    out(MACHINE_PORT_NOTIFY + 64 * MACHINE_PORT_NOTIFY_BYTES - 1, 2, 1);
    assert_int_equal(notified.count, 1);
    assert_int_equal(vcpu.counters.refused_ports, 1);
}

static void in_writes_only_its_width(void **state)
{
    (void)state;
    assert_true(in(0x80, 1) == 0x11223344556677ff);
    assert_true(in(0x80, 2) == 0x112233445566ffff);
    assert_true(in(0x80, 4) == 0x00000000ffffffff);
}

static void out_takes_only_its_width(void **state)
{
    (void)state;
    out(0x3f8, 1, 0xffffffffffffff41);
    assert_int_equal(partition.uart.output[0], 0x41);
    out(MACHINE_PORT_PCI_ADDRESS, 4, 0xffffffff80000000);
    assert_int_equal(partition.pci.address, 0x80000000);
    assert_int_equal((uint32_t)in(MACHINE_PORT_PCI_DATA, 4), 0x00081b36);
}

static void string_forms_get_a_protection_fault(void **state)
{
    (void)state;
    vcpu.exit = (struct vcpu_exit){.port = 0x3f8, .port_bytes = 1, .port_string = true};
    exit_port(&vcpu);
    assert_int_equal(faults, 1);
    assert_int_equal(fault_vector, VECTOR_GP);
    assert_int_equal(skipped, 0);
    assert_int_equal(partition.uart.output_next, 0);
    assert_int_equal(vcpu.counters.refused_ports, 1);
}

static void an_instruction_that_cannot_be_skipped_has_no_effect(void **state)
{
    (void)state;
    can_skip = false;
    out(0x3f8, 1, 'x');
    assert_int_equal(partition.uart.output_next, 0);
    assert_true(in(0x80, 1) == 0x1122334455667788);
}

static void the_uarts_edges_reach_its_pin(void **state)
{
    (void)state;
    out(0x3fc, 1, 0x08); /* OUT2 */
    out(0x3f9, 1, 0x02); /* THRE interrupt */
    assert_int_equal(pins[MACHINE_GSI_UART], 1);
    in(0x3fa, 1);
    out(0x3f8, 1, 'x');
    assert_int_equal(pins[MACHINE_GSI_UART], 2);
}

static void sleep_and_reset_end_the_partition(void **state)
{
    (void)state;
    out(MACHINE_PORT_SLEEP_CONTROL, 1, 0x20 | MACHINE_SLP_TYP_S5 << 2);
    assert_int_equal(ended, MULLION_REASON_POWER_OFF);
    out(MACHINE_PORT_RESET, 1, MACHINE_RESET_VALUE);
    assert_int_equal(ended, MULLION_REASON_RESET);
    ended = MULLION_REASON_NONE;
    out(0xcf9, 1, 0x02);
    assert_int_equal(ended, MULLION_REASON_NONE);
    out(0xcf9, 1, 0x06);
    assert_int_equal(ended, MULLION_REASON_RESET);
}

static void a_wide_write_over_cf9_is_the_pci_address(void **state)
{
    (void)state;
    out(0xcf8, 4, 0x80000600); /* bits 15:8 would be a reset */
    assert_int_equal(ended, MULLION_REASON_NONE);
    assert_int_equal(partition.pci.address, 0x80000600);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_other_port_reads_ones_and_takes_nothing),
        TEST(accesses_across_a_devices_edge_are_refused),
        TEST(a_notification_reaches_its_slot_and_reads_as_ones),
        TEST(in_writes_only_its_width),
        TEST(out_takes_only_its_width),
        TEST(string_forms_get_a_protection_fault),
        TEST(an_instruction_that_cannot_be_skipped_has_no_effect),
        TEST(the_uarts_edges_reach_its_pin),
        TEST(sleep_and_reset_end_the_partition),
        TEST(a_wide_write_over_cf9_is_the_pci_address),
    };
    return cmocka_run_group_tests_name("port", tests, NULL, NULL);
}
