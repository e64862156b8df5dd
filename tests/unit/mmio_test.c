/* SPDX-License-Identifier: MIT */
/* Devices in memory: which accesses are carried out, and how registers are filled. */
#include "core/exits.h"
#include "core/interrupt.h"
#include "core/ports.h"
#include "fake_hvm.h"
#include "mullion/machine.h"
#include "unit.h"
#include "x86/guest_walk.h"
#include "x86/passthrough.h"

#include <string.h>

static const char *code; /* what the guest executes */
static size_t code_bytes;
static enum mullion_stop_reason ended;
static uint64_t end_detail;

int guest_decode(const struct vcpu *vcpu, struct insn *insn, uint64_t *linear)
{
    (void)vcpu;
    *linear = 0x1000;
    if (!code)
        return -MULLION_E_BAD_ADDRESS;
    return insn_decode((const uint8_t *)code, code_bytes, INSN_MODE_64, insn) ? -MULLION_E_RANGE : 0;
}

void partition_end(struct vcpu *vcpu, enum mullion_stop_reason reason, uint64_t detail)
{
    (void)vcpu;
    ended = reason;
    end_detail = detail;
}

void interrupt_deliver_message(const struct partition *p, const struct ioapic_message *message)
{
    (void)p;
    (void)message;
}

static uint64_t host_bar_offset, host_bar_value;

uint64_t passthrough_read(struct partition *p, uint64_t offset, unsigned bytes)
{
    (void)p;
    (void)bytes;
    host_bar_offset = offset;
    return 0x8877665544332211;
}

void passthrough_write(struct partition *p, uint64_t offset, unsigned bytes, uint64_t value)
{
    (void)p;
    (void)bytes;
    host_bar_offset = offset;
    host_bar_value = value;
}

static uint64_t port_offset, port_value;
static unsigned port_bytes;

uint64_t ports_read(struct partition *p, uint64_t offset, unsigned bytes)
{
    (void)p;
    port_offset = offset;
    port_bytes = bytes;
    return 0x1122334455667788;
}

void ports_write(struct partition *p, uint64_t offset, unsigned bytes, uint64_t value)
{
    (void)p;
    port_offset = offset;
    port_bytes = bytes;
    port_value = value;
}

static struct partition partition;
static struct vcpu vcpu;

static int fresh(void **state)
{
    (void)state;
    fake_hvm_reset();
    memset(&partition, 0, sizeof(partition));
    memset(&vcpu, 0, sizeof(vcpu));
    vcpu.partition = &partition;
    ioapic_reset(&partition.ioapic);
    pci_bus_reset(&partition.pci);
    ended = MULLION_REASON_NONE;
    return 0;
}

static void access_by(uint64_t address, bool is_write, const char *bytes, size_t count)
{
    code = bytes;
    code_bytes = count;
    vcpu.exit = (struct vcpu_exit){.gpa = address, .is_write = is_write};
    exit_mmio(&vcpu);
}

#define READ(address, literal)  access_by(address, false, literal, sizeof(literal) - 1)
#define WRITE(address, literal) access_by(address, true, literal, sizeof(literal) - 1)

static void ioapic_is_written_and_read(void **state)
{
    (void)state;
    vcpu.gpr[RAX] = 1;
    WRITE(MACHINE_IOAPIC_BASE, "\x89\x03");       /* mov %eax, (%rbx) */
    READ(MACHINE_IOAPIC_BASE + 0x10, "\x8b\x0b"); /* mov (%rbx), %ecx */
    assert_int_equal(vcpu.gpr[RCX], 0x170011);
    assert_int_equal(fake_hvm.skipped, 4);
    assert_int_equal(ended, MULLION_REASON_NONE);
}

static void a_32_bit_load_clears_the_upper_half_and_smaller_ones_do_not(void **state)
{
    (void)state;
    vcpu.gpr[RCX] = UINT64_MAX;
    READ(MACHINE_ECAM_BASE, "\x8b\x0b");
    assert_true(vcpu.gpr[RCX] == 0x00081b36);
    vcpu.gpr[RCX] = UINT64_MAX;
    READ(MACHINE_ECAM_BASE, "\x66\x8b\x0b");
    assert_true(vcpu.gpr[RCX] == 0xffffffffffff1b36);
    vcpu.gpr[RCX] = UINT64_MAX;
    READ(MACHINE_ECAM_BASE, "\x8a\x0b");
    assert_true(vcpu.gpr[RCX] == 0xffffffffffffff36);
    vcpu.gpr[RCX] = UINT64_MAX;
    READ(MACHINE_ECAM_BASE, "\x8a\x2b"); /* CH */
    assert_true(vcpu.gpr[RCX] == 0xffffffffffff36ff);
}

static void extending_loads_extend(void **state)
{
    (void)state;
    READ(MACHINE_ECAM_BASE + 0x8000, "\x48\x0f\xbf\x0b"); /* movswq: absent function reads ones */
    assert_true(vcpu.gpr[RCX] == UINT64_MAX);
    READ(MACHINE_ECAM_BASE + 0x8000, "\x0f\xb7\x0b");
    assert_true(vcpu.gpr[RCX] == 0xffff);
    vcpu.gpr[RCX] = 0;
    READ(MACHINE_ECAM_BASE + 0x8000, "\x0f\xbe\x0b"); /* movsbl: 32-bit register */
    assert_true(vcpu.gpr[RCX] == 0xffffffff);
}

static void rsp_is_the_back_ends(void **state)
{
    (void)state;
    READ(MACHINE_ECAM_BASE, "\x8b\x23"); /* mov (%rbx), %esp */
    assert_true(fake_hvm.registers[HVM_RSP] == 0x00081b36);
    fake_hvm.registers[HVM_RSP] = 5;
    WRITE(MACHINE_IOAPIC_BASE, "\x89\x23");
    assert_int_equal(partition.ioapic.select, 5);
}

static void an_immediate_is_stored(void **state)
{
    (void)state;
    WRITE(MACHINE_IOAPIC_BASE, "\xc7\x03\x12\x00\x00\x00");
    assert_int_equal(partition.ioapic.select, 0x12);
}

static void narrow_writes_do_not_reach_the_ioapic(void **state)
{
    (void)state;
    WRITE(MACHINE_IOAPIC_BASE, "\xc6\x03\x12");
    assert_int_equal(partition.ioapic.select, 0);
    assert_int_equal(ended, MULLION_REASON_NONE);
}

static void addresses_without_a_device_stop_the_partition(void **state)
{
    (void)state;
    static const uint64_t holes[] = {MACHINE_LOW_RAM_END,
                                     MACHINE_ECAM_BASE - 1,
                                     MACHINE_PORT_BAR_BASE + MACHINE_SLOTS * MACHINE_PORT_BAR_BYTES,
                                     MACHINE_HOST_BAR_BASE - 1,
                                     MACHINE_IOAPIC_BASE + MACHINE_IOAPIC_BYTES,
                                     0xfee00000,
                                     0xffffffff,
                                     1ull << 40,
                                     UINT64_MAX};
    for (size_t i = 0; i < ARRAY_COUNT(holes); i++) {
        ended = MULLION_REASON_NONE;
        READ(holes[i], "\x8b\x0b");
        assert_int_equal(ended, MULLION_REASON_MMIO_UNMAPPED);
        assert_true(end_detail == holes[i]);
    }
    assert_int_equal(fake_hvm.skipped, 0);
}

static void executing_from_a_device_stops_the_partition(void **state)
{
    (void)state;
    code = "\x8b\x0b";
    code_bytes = 2;
    vcpu.exit = (struct vcpu_exit){.gpa = MACHINE_IOAPIC_BASE, .is_fetch = true};
    exit_mmio(&vcpu);
    assert_int_equal(ended, MULLION_REASON_MMIO_UNMAPPED);
}

static void instructions_that_do_not_fit_the_access_stop_the_partition(void **state)
{
    (void)state;
    READ(MACHINE_IOAPIC_BASE, "\x01\x0b"); /* add */
    assert_int_equal(ended, MULLION_REASON_MMIO_INSTRUCTION);
    ended = MULLION_REASON_NONE;
    READ(MACHINE_IOAPIC_BASE, "\x89\x0b"); /* a store, but the CPU says it was a read */
    assert_int_equal(ended, MULLION_REASON_MMIO_INSTRUCTION);
    ended = MULLION_REASON_NONE;
    READ(MACHINE_IOAPIC_BASE + MACHINE_IOAPIC_BYTES - 2, "\x8b\x0b"); /* across the end */
    assert_int_equal(ended, MULLION_REASON_MMIO_INSTRUCTION);
    assert_int_equal(fake_hvm.skipped, 0);
}

static void code_that_cannot_be_read_stops_the_partition(void **state)
{
    (void)state;
    access_by(MACHINE_IOAPIC_BASE, false, NULL, 0);
    assert_int_equal(ended, MULLION_REASON_BAD_PAGE_TABLE);
    assert_int_equal(end_detail, 0x1000);
}

static void what_is_not_mapped_of_host_bars_is_passed_on(void **state)
{
    (void)state;
    READ(MACHINE_HOST_BAR_BASE + 0x2008, "\x48\x8b\x0b"); /* mov (%rbx), %rcx */
    assert_true(vcpu.gpr[RCX] == 0x8877665544332211);
    assert_int_equal(host_bar_offset, 0x2008);
    vcpu.gpr[RAX] = 0x1234;
    WRITE(MACHINE_PCI_MMIO_END - 4, "\x89\x03");
    assert_int_equal(host_bar_value, 0x1234);
    assert_int_equal(host_bar_offset, MACHINE_PCI_MMIO_END - 4 - MACHINE_HOST_BAR_BASE);
    assert_int_equal(ended, MULLION_REASON_NONE);
}

static void a_ports_registers_are_accessed_in_their_width(void **state)
{
    (void)state;
    READ(MACHINE_PORT_BAR_BASE + 8 * MACHINE_PORT_BAR_BYTES + 0x14, "\x8a\x0b"); /* mov (%rbx), %cl */
    assert_int_equal((uint8_t)vcpu.gpr[RCX], 0x88);
    assert_int_equal(port_offset, 8 * MACHINE_PORT_BAR_BYTES + 0x14);
    assert_int_equal(port_bytes, 1);
    vcpu.gpr[RAX] = 0x12345678;
    WRITE(MACHINE_PORT_BAR_BASE + MACHINE_SLOTS * MACHINE_PORT_BAR_BYTES - 2, "\x66\x89\x03");
    assert_int_equal(port_value, 0x5678);
    assert_int_equal(port_bytes, 2);
    assert_int_equal(ended, MULLION_REASON_NONE);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ioapic_is_written_and_read),
        TEST(what_is_not_mapped_of_host_bars_is_passed_on),
        TEST(a_ports_registers_are_accessed_in_their_width),
        TEST(a_32_bit_load_clears_the_upper_half_and_smaller_ones_do_not),
        TEST(extending_loads_extend),
        TEST(rsp_is_the_back_ends),
        TEST(an_immediate_is_stored),
        TEST(narrow_writes_do_not_reach_the_ioapic),
        TEST(addresses_without_a_device_stop_the_partition),
        TEST(executing_from_a_device_stops_the_partition),
        TEST(instructions_that_do_not_fit_the_access_stop_the_partition),
        TEST(code_that_cannot_be_read_stops_the_partition),
    };
    return cmocka_run_group_tests_name("mmio", tests, NULL, NULL);
}
