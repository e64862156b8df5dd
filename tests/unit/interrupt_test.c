/* SPDX-License-Identifier: MIT */
/* Interrupts between the vCPUs of a partition: who is reached, and that nobody else is. */
#include "core/interrupt.h"
#include "core/partition.h"
#include "dev/msix.h"
#include "unit.h"

#include <string.h>

#define VCPUS   3u
#define VECTOR  0x41u
#define LOGICAL BIT(11)

/* Two partitions; CPU i belongs to vCPU i of the first, then come those of the second. */
static struct partition partitions[2];
static struct vcpu vcpus[2 * VCPUS];
static struct cpu cpus[2 * VCPUS];
static struct {
    unsigned vectors, requests;
    uint64_t bits;
} got[2 * VCPUS];

struct cpu *cpu_at(uint32_t index)
{
    return &cpus[index];
}

uint32_t cpu_count(void)
{
    return 2 * VCPUS;
}

void vcpu_interrupt(struct vcpu *vcpu, uint8_t vector)
{
    assert_int_equal(vector, VECTOR);
    got[vcpu - vcpus].vectors++;
}

void vcpu_request(struct vcpu *vcpu, uint64_t bits)
{
    got[vcpu - vcpus].requests++;
    got[vcpu - vcpus].bits |= bits;
}

static int begin(void **state)
{
    (void)state;
    memset(got, 0, sizeof got);
    memset(vcpus, 0, sizeof vcpus);
    for (uint32_t i = 0; i < 2 * VCPUS; i++) {
        struct partition *p = &partitions[i / VCPUS];
        cpus[i] = (struct cpu){.index = i, .owner = &vcpus[i], .vcpu = &vcpus[i]};
        vcpus[i].partition = p;
        vcpus[i].cpu = &cpus[i];
        vcpus[i].index = i % VCPUS;
        x2apic_reset(&vcpus[i].apic, i % VCPUS, i % VCPUS == 0, 1000000);
        p->vcpus[i % VCPUS] = &vcpus[i];
        p->vcpu_count = VCPUS;
        ioapic_reset(&p->ioapic);
    }
    return 0;
}

static uint64_t icr(uint32_t destination, enum delivery_mode mode, enum icr_shorthand shorthand)
{
    return (uint64_t)destination << 32 | (uint64_t)shorthand << 18 | (uint64_t)mode << 8 | VECTOR;
}

/* Of the first partition, one bit for each vCPU; the second is never reached. */
static void expect(unsigned vectors, unsigned requests)
{
    for (unsigned i = 0; i < 2 * VCPUS; i++) {
        assert_int_equal(got[i].vectors, vectors >> i & 1);
        assert_int_equal(got[i].requests, requests >> i & 1);
    }
    memset(got, 0, sizeof got);
}

static void an_ipi_reaches_whom_it_names(void **state)
{
    (void)state;
    interrupt_send_ipi(&vcpus[0], icr(1, MODE_FIXED, TO_DESTINATION));
    expect(2, 0);
    interrupt_send_ipi(&vcpus[0], icr(6, MODE_FIXED, TO_DESTINATION) | LOGICAL);
    expect(6, 0);
    interrupt_send_ipi(&vcpus[1], icr(0, MODE_FIXED, TO_SELF));
    expect(2, 0);
    interrupt_send_ipi(&vcpus[1], icr(0, MODE_FIXED, TO_ALL));
    expect(7, 0);
    interrupt_send_ipi(&vcpus[1], icr(0, MODE_FIXED, TO_ALL_BUT_SELF));
    expect(5, 0);
    interrupt_send_ipi(&vcpus[0], icr(6, MODE_LOWEST, TO_DESTINATION) | LOGICAL);
    expect(2, 0); /* just one of them */
    assert_int_equal(vcpus[0].counters.refused_ipis, 0);
}

static void commands_become_requests(void **state)
{
    (void)state;
    interrupt_send_ipi(&vcpus[0], icr(1, MODE_NMI, TO_DESTINATION));
    assert_true(got[1].bits == VCPU_REQUEST_NMI);
    expect(0, 2);
    interrupt_send_ipi(&vcpus[0], icr(2, MODE_INIT, TO_DESTINATION));
    assert_true(got[2].bits == VCPU_REQUEST_INIT);
    expect(0, 4);
    interrupt_send_ipi(&vcpus[0], icr(2, MODE_SIPI, TO_DESTINATION));
    assert_true(got[2].bits == VCPU_REQUEST_SIPI);
    assert_int_equal(vcpus[2].sipi_page, VECTOR);
    expect(0, 4);
}

/* The numbers of CPUs of the box, of another partition's vCPUs among them, mean nothing to a guest. */
static void a_destination_outside_the_partition_reaches_nobody(void **state)
{
    (void)state;
    static const enum delivery_mode modes[] = {MODE_FIXED, MODE_LOWEST, MODE_NMI, MODE_INIT, MODE_SIPI};
    unsigned refused = 0;
    for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
        for (uint32_t destination = VCPUS; destination < 4 * VCPUS; destination++, refused++) {
            interrupt_send_ipi(&vcpus[0], icr(destination, modes[i], TO_DESTINATION));
            expect(0, 0);
        }
    }
    assert_int_equal(vcpus[0].counters.refused_ipis, refused);
}

static void modes_that_would_reach_the_box_reach_nobody(void **state)
{
    (void)state;
    static const enum delivery_mode modes[] = {MODE_SMI, MODE_RESERVED, MODE_EXTINT};
    for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
        interrupt_send_ipi(&vcpus[0], icr(1, modes[i], TO_DESTINATION));
        interrupt_send_ipi(&vcpus[0], icr(1, modes[i], TO_ALL));
        expect(0, 0);
        interrupt_deliver_msi(&partitions[0], MSI_ADDRESS | 1 << 12, (uint32_t)modes[i] << 8 | VECTOR);
        expect(0, 0);
    }
    assert_int_equal(vcpus[0].counters.refused_ipis, 2 * ARRAY_COUNT(modes));
}

static void a_message_reaches_whom_it_names(void **state)
{
    (void)state;
    interrupt_deliver_msi(&partitions[0], MSI_ADDRESS | 2 << 12, VECTOR);
    expect(4, 0);
    interrupt_deliver_msi(&partitions[0], MSI_ADDRESS | 5 << 12 | BIT(2), VECTOR);
    expect(5, 0);
    interrupt_deliver_msi(&partitions[0], MSI_ADDRESS | 0xff << 12, VECTOR);
    expect(7, 0);
    interrupt_deliver_msi(&partitions[0], MSI_ADDRESS | VCPUS << 12, VECTOR);
    expect(0, 0);
}

/* Elsewhere a message is a write to memory, of which a device of the VMM's makes none. */
static void a_message_to_another_address_is_none(void **state)
{
    (void)state;
    interrupt_deliver_msi(&partitions[0], 0, VECTOR);
    interrupt_deliver_msi(&partitions[0], MSI_ADDRESS + BIT(20), VECTOR);
    interrupt_deliver_msi(&partitions[0], MSI_ADDRESS | BIT(32), VECTOR);
    expect(0, 0);
}

static void a_pin_is_sent_once_its_entry_lets_it_through(void **state)
{
    (void)state;
    struct ioapic_message message;
    partition_interrupt_pin(&partitions[0], 4);
    expect(0, 0); /* masked */
    ioapic_write(&partitions[0].ioapic, 0, 0x10 + 2 * 4 + 1, &message);
    ioapic_write(&partitions[0].ioapic, 0x10, 1u << 24, &message);
    ioapic_write(&partitions[0].ioapic, 0, 0x10 + 2 * 4, &message);
    assert_true(ioapic_write(&partitions[0].ioapic, 0x10, VECTOR, &message));
    interrupt_deliver_message(&partitions[0], &message);
    expect(2, 0);
    partition_interrupt_pin(&partitions[0], 4);
    expect(2, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_ipi_reaches_whom_it_names),
        TEST(commands_become_requests),
        TEST(a_destination_outside_the_partition_reaches_nobody),
        TEST(modes_that_would_reach_the_box_reach_nobody),
        TEST(a_message_reaches_whom_it_names),
        TEST(a_message_to_another_address_is_none),
        TEST(a_pin_is_sent_once_its_entry_lets_it_through),
    };
    return cmocka_run_group_tests_name("interrupt", tests, NULL, NULL);
}
