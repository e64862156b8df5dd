/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/partition.h"

/** Carries out an interrupt command of `from`; counts it as refused if it reaches no vCPU of the partition.
 */
void interrupt_send_ipi(struct vcpu *from, uint64_t icr);

/** Delivers an IO-APIC message to every vCPU that it addresses. */
void interrupt_deliver_message(const struct partition *p, const struct ioapic_message *message);

/** Delivers a message that a device of the partition writes to `address`: as the IO-APIC's, if it means a local APIC.
 */
void interrupt_deliver_msi(const struct partition *p, uint64_t address, uint32_t data);
