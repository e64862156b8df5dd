/* SPDX-License-Identifier: MIT */
/* Sleep, reset and event registers. */
#include "dev/power.h"
#include "mullion/machine.h"
#include "unit.h"

static void only_slp_en_with_s5_powers_off(void **state)
{
    (void)state;
    struct power power;
    power_reset(&power);
    for (unsigned value = 0; value < 256; value++) {
        bool off = (value & 0x20) && ((value >> 2) & 7) == MACHINE_SLP_TYP_S5;
        assert_int_equal(power_write(&power, MACHINE_PORT_SLEEP_CONTROL, (uint8_t)value),
                         off ? POWER_OFF : POWER_NOTHING);
    }
}

static void only_the_reset_value_resets(void **state)
{
    (void)state;
    struct power power;
    power_reset(&power);
    for (unsigned value = 0; value < 256; value++)
        assert_int_equal(power_write(&power, MACHINE_PORT_RESET, (uint8_t)value),
                         value == MACHINE_RESET_VALUE ? POWER_RESET : POWER_NOTHING);
}

/* Linux writes 2, waits, then writes 6 or 14. */
static void cf9_resets_with_both_bits(void **state)
{
    (void)state;
    struct power power;
    power_reset(&power);
    assert_int_equal(power_write(&power, 0xcf9, 0x02), POWER_NOTHING);
    assert_int_equal(power_write(&power, 0xcf9, 0x04), POWER_NOTHING);
    assert_int_equal(power_write(&power, 0xcf9, 0x06), POWER_RESET);
    assert_int_equal(power_write(&power, 0xcf9, 0x0e), POWER_RESET);
}

static void events_are_pending_until_read(void **state)
{
    (void)state;
    struct power power;
    power_reset(&power);
    assert_true(power_raise(&power, MACHINE_EVENT_POWER_BUTTON));
    assert_false(power_raise(&power, MACHINE_EVENT_POWER_BUTTON));
    assert_int_equal(power_read(&power, MACHINE_PORT_EVENT), MACHINE_EVENT_POWER_BUTTON);
    assert_int_equal(power_read(&power, MACHINE_PORT_EVENT), 0);
    assert_true(power_raise(&power, MACHINE_EVENT_POWER_BUTTON));
    power_reset(&power);
    assert_int_equal(power_read(&power, MACHINE_PORT_EVENT), 0);
}

static void writing_the_event_register_does_nothing(void **state)
{
    (void)state;
    struct power power;
    power_reset(&power);
    power_raise(&power, MACHINE_EVENT_POWER_BUTTON);
    assert_int_equal(power_write(&power, MACHINE_PORT_EVENT, 0xff), POWER_NOTHING);
    assert_int_equal(power_read(&power, MACHINE_PORT_EVENT), MACHINE_EVENT_POWER_BUTTON);
}

static void the_status_register_is_always_zero(void **state)
{
    (void)state;
    struct power power;
    power_reset(&power);
    assert_int_equal(power_read(&power, MACHINE_PORT_SLEEP_STATUS), 0);
    assert_int_equal(power_write(&power, MACHINE_PORT_SLEEP_STATUS, 0xff), POWER_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_slp_en_with_s5_powers_off),
        cmocka_unit_test(only_the_reset_value_resets),
        cmocka_unit_test(cf9_resets_with_both_bits),
        cmocka_unit_test(events_are_pending_until_read),
        cmocka_unit_test(writing_the_event_register_does_nothing),
        cmocka_unit_test(the_status_register_is_always_zero),
    };
    return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
