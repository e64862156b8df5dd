/* SPDX-License-Identifier: MIT */
/* How to switch the box off: the \_S5_ package in the firmware's DSDT. */
#ifndef MODEL_S5_H
#define MODEL_S5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** SLP_TYP values for the PM1a and PM1b control registers. */
struct s5_values {
    uint8_t typa, typb;
};

/**
 * Looks for Name (\_S5_, Package {a, b, ...}) with constant elements (ACPI 6.4, 7.4.2.6 and 20.2) without
 * interpreting AML. The bytes are not trusted.
 * @return false if there is none, or its values do not fit the register's three bits
 */
bool s5_find(const uint8_t *dsdt, size_t bytes, struct s5_values *values);

#endif
