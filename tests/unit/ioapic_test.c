/* SPDX-License-Identifier: MIT */
/* The emulated IO-APIC: register file and edges. */
#include "dev/ioapic.h"
#include "unit.h"

#define SELECT 0x00
#define WINDOW 0x10

static struct ioapic fresh(void)
{
    struct ioapic ioapic;
    ioapic_reset(&ioapic);
    return ioapic;
}

static uint32_t get(struct ioapic *ioapic, uint32_t reg)
{
    struct ioapic_message message;
    assert_false(ioapic_write(ioapic, SELECT, reg, &message));
    assert_int_equal(ioapic_read(ioapic, SELECT), reg);
    return ioapic_read(ioapic, WINDOW);
}

static bool put(struct ioapic *ioapic, uint32_t reg, uint32_t value, struct ioapic_message *message)
{
    assert_false(ioapic_write(ioapic, SELECT, reg, message));
    return ioapic_write(ioapic, WINDOW, value, message);
}

/* Pin 4: `low` and `high` half of its entry. Nothing may be sent by it. */
static void set_pin_4(struct ioapic *ioapic, uint32_t low, uint32_t high)
{
    struct ioapic_message message;
    assert_false(put(ioapic, 0x19, high, &message));
    assert_false(put(ioapic, 0x18, low, &message));
}

static void all_pins_are_masked_after_reset(void **state)
{
    (void)state;
    struct ioapic ioapic = fresh();
    for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++) {
        assert_int_equal(get(&ioapic, 0x10 + 2 * pin), 0x10000);
        assert_int_equal(get(&ioapic, 0x11 + 2 * pin), 0);
    }
    assert_int_equal(get(&ioapic, 1), 0x170011);
}

static void only_fields_that_exist_are_kept(void **state)
{
    (void)state;
    struct ioapic ioapic = fresh();
    struct ioapic_message message;
    put(&ioapic, 0x18, 0xffffffff, &message);
    put(&ioapic, 0x19, 0xffffffff, &message);
    assert_int_equal(get(&ioapic, 0x18), 0x1afff);
    assert_int_equal(get(&ioapic, 0x19), 0xff000000);
    put(&ioapic, 0, 0xffffffff, &message);
    assert_int_equal(get(&ioapic, 0), 0x0f000000);
    put(&ioapic, 1, 0xffffffff, &message);
    assert_int_equal(get(&ioapic, 1), 0x170011);
}

static void registers_and_offsets_that_do_not_exist_read_zero(void **state)
{
    (void)state;
    struct ioapic ioapic = fresh();
    struct ioapic_message message;
    for (uint32_t reg = 3; reg < 0x100; reg++) {
        if (reg >= 0x10 && reg < 0x10 + 2 * IOAPIC_PINS)
            continue;
        assert_false(put(&ioapic, reg, 0xffffffff, &message));
        assert_int_equal(get(&ioapic, reg), 0);
    }
    assert_false(ioapic_write(&ioapic, 0x20, 0xffffffff, &message));
    assert_int_equal(ioapic_read(&ioapic, 0x20), 0);
    assert_int_equal(ioapic_read(&ioapic, UINT64_MAX), 0);
}

static void select_is_eight_bits(void **state)
{
    (void)state;
    struct ioapic ioapic = fresh();
    struct ioapic_message message;
    ioapic_write(&ioapic, SELECT, 0xffffff01, &message);
    assert_int_equal(ioapic_read(&ioapic, SELECT), 1);
}

static void an_edge_is_sent_as_the_entry_says(void **state)
{
    (void)state;
    struct ioapic ioapic = fresh();
    struct ioapic_message message;
    set_pin_4(&ioapic, 0x0131, 0x03000000); /* lowest priority, physical */
    assert_true(ioapic_edge(&ioapic, 4, &message));
    assert_int_equal(message.vector, 0x31);
    assert_int_equal(message.destination, 3);
    assert_false(message.logical);
    set_pin_4(&ioapic, 0x0831, 0xff000000);
    assert_true(ioapic_edge(&ioapic, 4, &message));
    assert_int_equal(message.destination, 0xff);
    assert_true(message.logical);
}

static void physical_broadcast_is_widened(void **state)
{
    (void)state;
    struct ioapic ioapic = fresh();
    struct ioapic_message message;
    set_pin_4(&ioapic, 0x31, 0xff000000);
    assert_true(ioapic_edge(&ioapic, 4, &message));
    assert_int_equal(message.destination, 0xffffffff);
}

static void a_masked_edge_is_sent_once_at_unmask(void **state)
{
    (void)state;
    struct ioapic ioapic = fresh();
    struct ioapic_message message;
    assert_false(ioapic_edge(&ioapic, 4, &message));
    assert_false(ioapic_edge(&ioapic, 4, &message));
    assert_false(put(&ioapic, 0x19, 0x01000000, &message));
    assert_true(put(&ioapic, 0x18, 0x31, &message));
    assert_int_equal(message.vector, 0x31);
    assert_int_equal(message.destination, 1);
    assert_false(put(&ioapic, 0x18, 0x31, &message));
    assert_false(put(&ioapic, 0x18, 0x10031, &message));
    assert_false(put(&ioapic, 0x18, 0x31, &message));
}

static void other_pins_stay_silent(void **state)
{
    (void)state;
    struct ioapic ioapic = fresh();
    struct ioapic_message message;
    assert_false(ioapic_edge(&ioapic, 9, &message));
    set_pin_4(&ioapic, 0x31, 0);
    assert_false(ioapic_edge(&ioapic, 9, &message));
    assert_false(ioapic_edge(&ioapic, IOAPIC_PINS, &message));
    assert_false(ioapic_edge(&ioapic, 0xffffffff, &message));
}

static void other_delivery_modes_are_stored_and_never_sent(void **state)
{
    (void)state;
    for (uint32_t mode = 2; mode < 8; mode++) {
        struct ioapic ioapic = fresh();
        struct ioapic_message message;
        set_pin_4(&ioapic, mode << 8 | 0x31, 0);
        assert_false(ioapic_edge(&ioapic, 4, &message));
        assert_int_equal(get(&ioapic, 0x18), mode << 8 | 0x31);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pins_are_masked_after_reset),
        cmocka_unit_test(only_fields_that_exist_are_kept),
        cmocka_unit_test(registers_and_offsets_that_do_not_exist_read_zero),
        cmocka_unit_test(select_is_eight_bits),
        cmocka_unit_test(an_edge_is_sent_as_the_entry_says),
        cmocka_unit_test(physical_broadcast_is_widened),
        cmocka_unit_test(a_masked_edge_is_sent_once_at_unmask),
        cmocka_unit_test(other_pins_stay_silent),
        cmocka_unit_test(other_delivery_modes_are_stored_and_never_sent),
    };
    return cmocka_run_group_tests_name("ioapic", tests, NULL, NULL);
}
