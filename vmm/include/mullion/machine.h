/* SPDX-License-Identifier: MIT */
/*
 * The one machine model: where a partition finds its devices. The VMM emulates these; the agent describes
 * them to the guest in ACPI. Every partition sees the same places.
 */
#pragma once

/* Guest-physical memory map. RAM lies in [0, LOW_RAM_END) and from HIGH_RAM_BASE up; nothing else is RAM. */
#define MACHINE_LOW_RAM_END    0xc0000000ull
#define MACHINE_HIGH_RAM_BASE  0x100000000ull
#define MACHINE_ECAM_BASE      0xe0000000ull /* PCI Express ECAM, segment 0, bus 0 only */
#define MACHINE_ECAM_BYTES     0x100000ull
#define MACHINE_PCI_MMIO_BASE  0xe0100000ull /* window for BARs */
#define MACHINE_PCI_MMIO_END   0xfec00000ull
#define MACHINE_PORT_BAR_BASE  0xe0100000ull /* the virtio device in slot s: + s * MACHINE_PORT_BAR_BYTES */
#define MACHINE_PORT_BAR_BYTES 0x2000ull
#define MACHINE_HOST_BAR_BASE  0xe1000000ull /* from here to PCI_MMIO_END: BARs of the box's own functions */
#define MACHINE_IOAPIC_BASE    0xfec00000ull
#define MACHINE_IOAPIC_BYTES   0x1000ull
#define MACHINE_IOAPIC_ID      0

/* I/O ports. */
#define MACHINE_PORT_UART          0x3f8 /* 16550, 8 ports */
#define MACHINE_PORT_SLEEP_CONTROL 0x600 /* ACPI sleep control register, byte: SLP_EN (bit 5) | SLP_TYP (bits 4:2) */
#define MACHINE_PORT_SLEEP_STATUS  0x601 /* ACPI sleep status register, byte: WAK_STS (bit 7), reads 0 */
#define MACHINE_PORT_RESET         0x602 /* write MACHINE_RESET_VALUE: reset */
#define MACHINE_RESET_VALUE        0x01
#define MACHINE_PORT_EVENT         0x604 /* generic event device, byte: pending MACHINE_EVENT_ bits, cleared by read */
#define MACHINE_PORT_PCI_ADDRESS   0xcf8
#define MACHINE_PORT_PCI_DATA      0xcfc
#define MACHINE_PCI_IO_BASE        0x1000 /* window for I/O BARs */
#define MACHINE_PORT_NOTIFY        0x1000 /* notification of the virtio device in slot s: + s * MACHINE_PORT_NOTIFY_BYTES */
#define MACHINE_PORT_NOTIFY_BYTES  32
#define MACHINE_PCI_IO_END         0x10000
#define MACHINE_SLP_TYP_S5         5
#define MACHINE_EVENT_POWER_BUTTON 0x01

/* A slot is device << 3 | function on bus 0. Slot 0 is the host bridge. BARs are where the VMM put them and stay there:
 * a write changes nothing but the answer to sizing. A virtio device has two: BAR 0 is the port of notifications,
 * BAR 1 holds the other structures at these offsets. */
#define MACHINE_SLOTS       64
#define MACHINE_PORT_COMMON 0x0
#define MACHINE_PORT_ISR    0x100
#define MACHINE_PORT_CONFIG 0x200
#define MACHINE_PORT_MSIX   0x1000 /* table */
#define MACHINE_PORT_PBA    0x1800

/* Global system interrupts (IO-APIC pins), all edge-triggered, active high. */
#define MACHINE_GSI_UART  4
#define MACHINE_GSI_EVENT 9

/* The emulated local APIC timer counts at this rate before the divider. */
#define MACHINE_APIC_TIMER_KHZ 1000000u
