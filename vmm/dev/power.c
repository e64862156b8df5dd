/* SPDX-License-Identifier: MIT */
/* Power and event registers: see power.h. */
#include "dev/power.h"

#include "mullion/machine.h"

#define SLP_EN         0x20
#define SLP_TYP(value) (((value) >> 2) & 7)
#define CF9_HARD_RESET 0x06 /* SYS_RST and RST_CPU; Linux writes SYS_RST alone first */

void power_reset(struct power *power) { __atomic_store_n(&power->events, 0, __ATOMIC_RELAXED); }

uint8_t power_read(struct power *power, uint16_t port) {
    return port == MACHINE_PORT_EVENT ? __atomic_exchange_n(&power->events, 0, __ATOMIC_ACQ_REL) : 0;
}

enum power_effect power_write(struct power *power, uint16_t port, uint8_t value) {
    switch (port) {
    case MACHINE_PORT_SLEEP_CONTROL:
        return (value & SLP_EN) && SLP_TYP(value) == MACHINE_SLP_TYP_S5 ? POWER_OFF : POWER_NOTHING;
    case MACHINE_PORT_RESET: return value == MACHINE_RESET_VALUE ? POWER_RESET : POWER_NOTHING;
    case POWER_PORT_CF9: return (value & CF9_HARD_RESET) == CF9_HARD_RESET ? POWER_RESET : POWER_NOTHING;
    default: return POWER_NOTHING;
    }
}

bool power_raise(struct power *power, uint8_t event) {
    return __atomic_fetch_or(&power->events, event, __ATOMIC_ACQ_REL) == 0;
}
