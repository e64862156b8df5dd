/* SPDX-License-Identifier: MIT */
#include "core/core.h"

enum { PM1_SCI_ENABLE = 1 << 0, PM1_BUTTON = 1 << 8, PM1_SLP_TYP = 10, PM1_SLP_ENABLE = 1 << 13, STEP_US = 100000 };

static void wait_step(void) {
    for (uint64_t end = rdtsc() + tsc_from_us(STEP_US); rdtsc() < end;) { console_poll(); }
}

void reset_machine(const struct acpi_info *acpi) {
    for (;;) {
        wait_step(); /* the first one lets the serial ports drain */
        if (acpi->reset_port != 0) { outb(acpi->reset_port, acpi->reset_value); }
        wait_step();
        outb(0xcf9, 0x02);
        outb(0xcf9, 0x06);
        wait_step();
        outb(0x64, 0xfe);
    }
}

void reset_button_enable(const struct acpi_info *acpi) {
    if (acpi->pm1a_status == 0) { return; }
    bool legacy = (inw(acpi->pm1a_control) & PM1_SCI_ENABLE) == 0;
    if (legacy && acpi->smi_command != 0) { outb(acpi->smi_command, acpi->smi_enable); }
    outw(acpi->pm1a_enable, PM1_BUTTON);
}

bool reset_button_pressed(const struct acpi_info *acpi) {
    bool pressed = acpi->pm1a_status != 0 && (inw(acpi->pm1a_status) & PM1_BUTTON) != 0;
    if (pressed) { outw(acpi->pm1a_status, PM1_BUTTON); }
    return pressed;
}

static void sleep_by(uint16_t port, uint32_t type) {
    if (port != 0) { outw(port, (uint16_t)((inw(port) & PM1_SCI_ENABLE) | type << PM1_SLP_TYP | PM1_SLP_ENABLE)); }
}

int reset_power_off(const struct acpi_info *acpi, uint32_t slp_typa, uint32_t slp_typb) {
    wait_step();
    sleep_by(acpi->pm1a_control, slp_typa);
    sleep_by(acpi->pm1b_control, slp_typb);
    wait_step();
    return -MULLION_E_HARDWARE;
}
