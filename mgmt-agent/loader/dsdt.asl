// SPDX-License-Identifier: MIT
// The machine model of every partition (mullion/machine.h) as a guest sees it. Preprocessed by the C compiler.
#include "mullion/machine.h"

DefinitionBlock ("dsdt.aml", "DSDT", 2, "MULLN ", "MULLION ", 1)
{
    // Sleep type of S5: what the guest writes to the sleep control register.
    Name (\_S5, Package () { MACHINE_SLP_TYP_S5, 0, 0, 0 })

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_SEG, 0)
            Name (_BBN, 0)
            // Cache-coherent: no driver has to flush for DMA.
            Name (_CCA, 1)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0, 0, 1)
                IO (Decode16, MACHINE_PORT_PCI_ADDRESS, MACHINE_PORT_PCI_ADDRESS, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0,
                        MACHINE_PCI_IO_BASE, VALUE (MACHINE_PCI_IO_END - 1), 0, VALUE (MACHINE_PCI_IO_END - MACHINE_PCI_IO_BASE))
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite, 0,
                             MACHINE_PCI_MMIO_BASE, VALUE (MACHINE_PCI_MMIO_END - 1), 0,
                             VALUE (MACHINE_PCI_MMIO_END - MACHINE_PCI_MMIO_BASE))
            })
        }

        // Keeps the ECAM range for the MCFG table.
        Device (ECAM)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, MACHINE_ECAM_BASE, MACHINE_ECAM_BYTES)
            })
        }

        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_STA, 0x0f)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, MACHINE_PORT_UART, MACHINE_PORT_UART, 1, 8)
                IRQ (Edge, ActiveHigh, Exclusive) { MACHINE_GSI_UART }
            })
        }

        Device (PWRB)
        {
            Name (_HID, EisaId ("PNP0C0C"))
            Name (_UID, 1)
        }

        // Generic event device: reading the port tells which events are pending and clears them.
        Device (GED)
        {
            Name (_HID, "ACPI0013")
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate ()
            {
                Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { MACHINE_GSI_EVENT }
            })
            OperationRegion (EVRG, SystemIO, MACHINE_PORT_EVENT, 1)
            Field (EVRG, ByteAcc, NoLock, Preserve) { EVNT, 8 }
            Method (_EVT, 1, Serialized)
            {
                Local0 = EVNT
                If (Local0 & MACHINE_EVENT_POWER_BUTTON)
                {
                    Notify (PWRB, 0x80)
                }
            }
        }
    }
}
