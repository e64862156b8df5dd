# SPDX-License-Identifier: MIT
"""Checks on the host-state area: Intel SDM volume 3, sections 27.2.2 to 27.2.4. A broken one is VM-instruction error 8.

The VMM enters guests from 64-bit mode only, so its address-space size is not a choice.
"""

from vmcs.fields import HOST_SELECTORS
from vmcs.rules import (CR4_PAE, canonical, cet_needs_write_protection, efer, fixed_bits, memory_types, rule,
                        shadow_stack, upper_half_zero)

REGISTERS, SEGMENTS, ADDRESS_SIZE = "27.2.2", "27.2.3", "27.2.4"


@rule(REGISTERS)
def host_cr0_fixed(dump):
    yield from fixed_bits(dump, "HOST_CR0", "CR0")


@rule(REGISTERS)
def host_cr4_fixed(dump):
    yield from fixed_bits(dump, "HOST_CR4", "CR4")


@rule(REGISTERS)
def host_cr3_width(dump):
    if not dump.physical(dump["HOST_CR3"]):
        yield ("HOST_CR3",), f"no bit beyond the {dump.physical_bits} of a physical address"


cet_needs_write_protection(REGISTERS, "host-cet-needs-wp", "HOST")
canonical(REGISTERS, "host-sysenter", "HOST_SYSENTER_ESP", "HOST_SYSENTER_EIP")
memory_types(REGISTERS, "host-pat", "load IA32_PAT at exit", "HOST_IA32_PAT")
efer(REGISTERS, "host-efer", "load IA32_EFER at exit", "HOST_IA32_EFER", "host address-space size")
upper_half_zero(REGISTERS, "host-pkrs", "load PKRS at exit", "HOST_IA32_PKRS")
shadow_stack(REGISTERS, "host-shadow-stack", "load CET state at exit", "host address-space size", "HOST_S_CET",
             "HOST_SSP", "HOST_INTERRUPT_SSP_TABLE")


@rule(SEGMENTS)
def host_selector_bits(dump):
    for name in HOST_SELECTORS:
        if dump[f"HOST_{name}_SELECTOR"] & 7:
            yield (f"HOST_{name}_SELECTOR",), "RPL (bits 1:0) and TI (bit 2) zero"


@rule(SEGMENTS)
def host_selector_null(dump):
    for name in ("CS", "TR"):
        if dump[f"HOST_{name}_SELECTOR"] == 0:
            yield (f"HOST_{name}_SELECTOR",), "not 0"
    if dump["HOST_SS_SELECTOR"] == 0 and not dump.on("host address-space size"):
        yield ("HOST_SS_SELECTOR", "EXIT_CONTROLS"), 'not 0, since "host address-space size" is clear'


canonical(SEGMENTS, "host-bases", "HOST_FS_BASE", "HOST_GS_BASE", "HOST_GDTR_BASE", "HOST_IDTR_BASE", "HOST_TR_BASE")


@rule(ADDRESS_SIZE)
def host_address_space_size(dump):
    if not dump.on("host address-space size"):
        yield ("EXIT_CONTROLS",), '"host address-space size" (bit 9) set: the VMM enters from 64-bit mode'


@rule(ADDRESS_SIZE)
def host_pae(dump):
    if dump.on("host address-space size") and not dump["HOST_CR4"] & CR4_PAE:
        yield ("HOST_CR4",), 'PAE (bit 5) set, since "host address-space size" is set'


@rule(ADDRESS_SIZE)
def host_rip(dump):
    if dump.on("host address-space size") and not dump.canonical(dump["HOST_RIP"]):
        yield ("HOST_RIP",), f"a canonical address ({dump.linear_bits} bits)"
