# SPDX-License-Identifier: MIT
"""A VMCS dump as the VMM prints it, found in a console log, and what rules ask of it."""

import re

from vmcs import fields

MARK = re.compile(r"vmcs: (.*)")
FAILED = re.compile(r"entry failed: (.*)")
CAPABILITY = re.compile(r"cap (\w+) = (0x[0-9a-fA-F]+)\s*$")
FIELD = re.compile(r"(\w+) = (0x[0-9a-fA-F]+)\s*$")
ERROR = re.compile(r"VM-instruction error (\d+)")
REASON = re.compile(r"exit reason (0x[0-9a-fA-F]+|\d+)(?:, qualification (0x[0-9a-fA-F]+|\d+))?")

CONTROLS = {  # name: (field, bit), appendix and names of SDM sections 25.6 to 25.8
    "external-interrupt exiting": ("PIN_CONTROLS", 0),
    "NMI exiting": ("PIN_CONTROLS", 3),
    "virtual NMIs": ("PIN_CONTROLS", 5),
    "activate VMX-preemption timer": ("PIN_CONTROLS", 6),
    "process posted interrupts": ("PIN_CONTROLS", 7),
    "activate tertiary controls": ("PROC_CONTROLS", 17),
    "use TPR shadow": ("PROC_CONTROLS", 21),
    "NMI-window exiting": ("PROC_CONTROLS", 22),
    "use I/O bitmaps": ("PROC_CONTROLS", 25),
    "use MSR bitmaps": ("PROC_CONTROLS", 28),
    "activate secondary controls": ("PROC_CONTROLS", 31),
    "virtualize APIC accesses": ("PROC2_CONTROLS", 0),
    "enable EPT": ("PROC2_CONTROLS", 1),
    "virtualize x2APIC mode": ("PROC2_CONTROLS", 4),
    "enable VPID": ("PROC2_CONTROLS", 5),
    "unrestricted guest": ("PROC2_CONTROLS", 7),
    "APIC-register virtualization": ("PROC2_CONTROLS", 8),
    "virtual-interrupt delivery": ("PROC2_CONTROLS", 9),
    "enable VM functions": ("PROC2_CONTROLS", 13),
    "VMCS shadowing": ("PROC2_CONTROLS", 14),
    "enable PML": ("PROC2_CONTROLS", 17),
    "EPT-violation #VE": ("PROC2_CONTROLS", 18),
    "mode-based execute control for EPT": ("PROC2_CONTROLS", 22),
    "sub-page write permissions for EPT": ("PROC2_CONTROLS", 23),
    "Intel PT uses guest physical addresses": ("PROC2_CONTROLS", 24),
    "use TSC scaling": ("PROC2_CONTROLS", 25),
    "host address-space size": ("EXIT_CONTROLS", 9),
    "acknowledge interrupt on exit": ("EXIT_CONTROLS", 15),
    "load IA32_PAT at exit": ("EXIT_CONTROLS", 19),
    "load IA32_EFER at exit": ("EXIT_CONTROLS", 21),
    "save VMX-preemption timer value": ("EXIT_CONTROLS", 22),
    "clear IA32_RTIT_CTL": ("EXIT_CONTROLS", 25),
    "load CET state at exit": ("EXIT_CONTROLS", 28),
    "load PKRS at exit": ("EXIT_CONTROLS", 29),
    "load debug controls": ("ENTRY_CONTROLS", 2),
    "IA-32e mode guest": ("ENTRY_CONTROLS", 9),
    "entry to SMM": ("ENTRY_CONTROLS", 10),
    "deactivate dual-monitor treatment": ("ENTRY_CONTROLS", 11),
    "load IA32_PAT at entry": ("ENTRY_CONTROLS", 14),
    "load IA32_EFER at entry": ("ENTRY_CONTROLS", 15),
    "load IA32_BNDCFGS": ("ENTRY_CONTROLS", 16),
    "load IA32_RTIT_CTL": ("ENTRY_CONTROLS", 18),
    "load UINV": ("ENTRY_CONTROLS", 19),
    "load CET state at entry": ("ENTRY_CONTROLS", 20),
    "load PKRS at entry": ("ENTRY_CONTROLS", 22),
}
CR4_LA57 = 1 << 12


class Absent(Exception):
    """A rule asked for something that the dump does not hold."""


class Dump:
    """One failed entry. Fields are asked for by the names of fields.py, whatever the VMM's header calls them."""

    def __init__(self, failure, names):
        self.failure = failure  # the text after "entry failed: "
        self.header = {encoding: name for name, encoding in names.items()}
        self.encodings = {**fields.ENCODINGS, **names}
        self.values = {}  # by encoding
        self.capabilities = {}  # by name of the MSR; "MAXPHYADDR"
        self.problems = []

    def take(self, text):
        """One line behind the mark."""
        if match := CAPABILITY.match(text):
            self.capabilities[match.group(1)] = int(match.group(2), 16)
        elif match := FIELD.match(text):
            self.take_field(match.group(1), int(match.group(2), 16))

    def take_field(self, name, value):
        encoding = self.encodings.get(name)
        if encoding is None:
            self.problems.append(f"{name}: no such field in the header; not looked at")
        elif value >> fields.bits(encoding):
            self.problems.append(f"{name} = {value:#x}: the field has {fields.bits(encoding)} bits")
        elif self.values.setdefault(encoding, value) != value:
            self.problems.append(f"{name}: stands twice, with different values; the first counts")

    def name(self, field):
        """What the VMM calls a field."""
        return self.header.get(fields.ENCODINGS[field], field)

    def __getitem__(self, field):
        try:
            return self.values[fields.ENCODINGS[field]]
        except KeyError:
            raise Absent(self.name(field)) from None

    def capability(self, name):
        try:
            return self.capabilities[name]
        except KeyError:
            raise Absent(name) from None

    def on(self, control):
        """Is a control of CONTROLS set, and the group that it belongs to active?"""
        field, bit = CONTROLS[control]
        if field == "PROC2_CONTROLS" and not self.on("activate secondary controls"):
            return False
        return self[field] >> bit & 1 == 1

    @property
    def injects(self):
        return self["ENTRY_EVENT"] >> 31 == 1

    @property
    def event_type(self):
        return self["ENTRY_EVENT"] >> 8 & 7

    @property
    def virtual_8086(self):
        return self["GUEST_RFLAGS"] >> 17 & 1 == 1

    @property
    def linear_bits(self):
        """A CPU that offers CR4.LA57 checks addresses by its 57 bits, whatever mode it is in."""
        return 57 if self.capabilities.get("IA32_VMX_CR4_FIXED1", 0) & CR4_LA57 else 48

    @property
    def physical_bits(self):
        return self.capabilities.get("MAXPHYADDR", 52)

    def canonical(self, address):
        return address >> self.linear_bits - 1 in (0, (1 << 65 - self.linear_bits) - 1)

    def physical(self, address):
        return address >> self.physical_bits == 0

    @property
    def verdict(self):
        """What the CPU said: ("error", number), ("reason", basic number) or None."""
        if match := ERROR.search(self.failure):
            return "error", int(match.group(1))
        if match := REASON.search(self.failure):
            return "reason", int(match.group(1), 0) & 0xffff
        return None

    @property
    def qualification(self):
        match = REASON.search(self.failure)
        return int(match.group(2), 0) if match and match.group(2) else 0


def dumps(lines, names):
    """The dumps in a log, in its order."""
    found = []
    for line in lines:
        mark = MARK.search(line)
        if not mark:
            continue
        text = mark.group(1).strip()
        if match := FAILED.match(text):
            found.append(Dump(match.group(1), names))
        elif found:
            found[-1].take(text)
    return found
