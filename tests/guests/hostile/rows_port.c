/* SPDX-License-Identifier: MIT */
/* Ports: all 65,536 in all widths, string instructions, configuration space, and the power registers. */
#include "hostile.h"
#include "lists.h"
#include "mullion/machine.h"

#define PORTS            0x10000u
#define UNEXPECTED_SHOWN 8
#define FLOOD_BYTES      20000u
#define STRING_BYTES     32u

static uint32_t port_in(uint16_t port, unsigned bytes)
{
    if (bytes == 1) {
        return port_in8(port);
    }
    return bytes == 2 ? port_in16(port) : port_in32(port);
}

static void row_port_in(void)
{
    unsigned unexpected = 0;
    for (uint32_t port = 0; port < PORTS; port++) {
        for (unsigned bytes = 1; bytes <= 4; bytes *= 2) {
            if (list_has_port(port, bytes) || port % bytes != 0) {
                continue;
            }
            const uint32_t value = port_in((uint16_t)port, bytes);
            if (value != 0xffffffffu >> (32 - 8 * bytes) && unexpected++ < UNEXPECTED_SHOWN) {
                print("# port %x, %u bytes, reads %x\n", port, bytes, value);
            }
        }
    }
    report(unexpected == 0 ? "ignored" : "answered", "unexpected=%u", unexpected);
}

static void row_port_out(void)
{
    for (uint32_t port = 0; port < PORTS; port++) {
        if (list_has_port(port, 4)) {
            continue;
        }
        port_out8((uint16_t)port, 0xff);
        if (port % 2 == 0) {
            port_out16((uint16_t)port, 0xffff);
        }
        if (port % 4 == 0) {
            port_out32((uint16_t)port, 0xffffffff);
        }
    }
    report("ignored", "ports=%u", PORTS);
}

/* Wide accesses that begin outside a device and end inside, and the other way round. */
static void row_port_straddle(void)
{
    static const uint16_t edges[] = {MACHINE_PORT_UART,          MACHINE_PORT_UART + 8,
                                     MACHINE_PORT_SLEEP_CONTROL, MACHINE_PORT_EVENT + 1,
                                     MACHINE_PORT_PCI_ADDRESS,   0xfffe};
    for (size_t i = 0; i < ARRAY_COUNT(edges); i++) {
        for (unsigned back = 1; back < 4; back++) {
            (void)port_in16((uint16_t)(edges[i] - back));
            (void)port_in32((uint16_t)(edges[i] - back));
        }
    }
    (void)port_in16(0xffff);
    (void)port_in32(0xffff);
    report("ignored", "edges=%lu", ARRAY_COUNT(edges));
}

static void string_in(uint64_t port)
{
    static uint8_t buffer[STRING_BYTES];
    void *to = buffer;
    uint64_t count = STRING_BYTES;
    __asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"((uint16_t)port) : "memory");
}

static void string_out(uint64_t port)
{
    static const char text[STRING_BYTES] = "#string I/O\n";
    const void *from = text;
    uint64_t count = STRING_BYTES;
    __asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"((uint16_t)port) : "memory");
}

static void row_string_in(void)
{
    const int vector = attempt(string_in, 0x80);
    report(vector == VECTOR_GP ? "#GP" : "allowed", "vector=%d", vector);
}

static void row_string_out(void)
{
    const int vector = attempt(string_out, 0x80);
    report(vector == VECTOR_GP ? "#GP" : "allowed", "vector=%d", vector);
}

static uint32_t config_read(uint32_t bdf, uint32_t offset)
{
    port_out32(MACHINE_PORT_PCI_ADDRESS, 0x80000000u | bdf << 8 | offset);
    return port_in32(MACHINE_PORT_PCI_DATA);
}

/* Configuration space holds the host bridge, the port that the manifest gives, and nothing else, on no bus.
 */
static void row_pci_config(void)
{
    unsigned found = 0;
    for (uint32_t bdf = 1; bdf < PORTS; bdf += bdf < 256 ? 1 : 8) {
        found += bdf != RING_SLOT && config_read(bdf, 0) != 0xffffffffu ? 1u : 0u;
    }
    const uint32_t before = config_read(0, 4);
    port_out32(MACHINE_PORT_PCI_DATA, 0xffffffffu);
    const bool changed = config_read(0, 4) != before;
    report(found == 0 && !changed ? "ignored" : "answered", "functions=%u changed=%u", found,
           (unsigned)changed);
}

static void row_uart_flood(void)
{
    const uint8_t lcr = port_in8(MACHINE_PORT_UART + 3);
    for (unsigned i = 0; i < FLOOD_BYTES; i++) {
        port_out8(MACHINE_PORT_UART, 'x');
    }
    for (unsigned i = 0; i < 256; i++) {
        port_out8((uint16_t)(MACHINE_PORT_UART + 1 + i % 7), (uint8_t)i);
    }
    port_out8(MACHINE_PORT_UART + 1, 0);
    port_out8(MACHINE_PORT_UART + 3, lcr & 0x7f);
    port_out8(MACHINE_PORT_UART + 4, 3);
    print("\n");
    report("ignored", "bytes=%u", FLOOD_BYTES);
}

/* Bytes that only look like a sleep or reset command. */
static void row_acpi_other(void)
{
    for (unsigned value = 0; value < 256; value++) {
        const bool sleeps = (value & 0x20) != 0 && (value >> 2 & 7) == MACHINE_SLP_TYP_S5;
        if (!sleeps) {
            port_out8(MACHINE_PORT_SLEEP_CONTROL, (uint8_t)value);
        }
        if (value != MACHINE_RESET_VALUE) {
            port_out8(MACHINE_PORT_RESET, (uint8_t)value);
        }
        port_out8(MACHINE_PORT_SLEEP_STATUS, (uint8_t)value);
        port_out8(MACHINE_PORT_EVENT, (uint8_t)value);
    }
    report("ignored", "values=256");
}

static void row_acpi_sleep(void)
{
    port_out8(MACHINE_PORT_SLEEP_CONTROL, 0x20 | MACHINE_SLP_TYP_S5 << 2);
}

static void row_acpi_reset(void)
{
    port_out8(MACHINE_PORT_RESET, MACHINE_RESET_VALUE);
}

const struct row rows_port[] = {
    {"port-in", row_port_in, false},
    {"port-out", row_port_out, false},
    {"port-straddle", row_port_straddle, false},
    {"string-in", row_string_in, false},
    {"string-out", row_string_out, false},
    {"pci-config", row_pci_config, false},
    {"uart-flood", row_uart_flood, false},
    {"acpi-other", row_acpi_other, false},
    {"acpi-sleep", row_acpi_sleep, true},
    {"acpi-reset", row_acpi_reset, true},
};
const size_t rows_port_count = ARRAY_COUNT(rows_port);
