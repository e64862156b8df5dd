# SPDX-License-Identifier: MIT
"""What a rule is, and running all of them over a dump.

A rule is a function that takes a Dump and yields (fields, wanted) for each way in which it is broken. Its name is the
function's; its section one of the Intel SDM, volume 3, chapter 27 "VM Entries".
"""

from dataclasses import dataclass
from typing import Callable

from vmcs.dump import Absent, CONTROLS

VALID_MEMORY_TYPES = (0, 1, 4, 5, 6, 7)
EFER_LME, EFER_LMA, EFER_DEFINED = 1 << 8, 1 << 10, 0xd01  # SCE, LME, LMA, NXE
CR0_PE, CR0_WP, CR0_NW, CR0_CD, CR0_PG = 1, 1 << 16, 1 << 29, 1 << 30, 1 << 31
CR4_PAE, CR4_PCIDE, CR4_CET = 1 << 5, 1 << 17, 1 << 23
STI_BLOCKING, MOV_SS_BLOCKING, SMI_BLOCKING, NMI_BLOCKING = 1, 2, 4, 8
ALL_ONES = 0xffffffffffffffff

RULES = []


@dataclass(frozen=True)
class Rule:
    section: str
    name: str
    check: Callable


@dataclass(frozen=True)
class Failure:
    rule: Rule
    fields: tuple
    wanted: str


def add(section, name, check):
    assert name not in {rule.name for rule in RULES}, f"two rules {name}"
    RULES.append(Rule(section, name, check))


def rule(section):
    """Decorator: the function is a rule of that section."""
    def register(check):
        add(section, check.__name__.replace("_", "-"), check)
        return check
    return register


def check_all(dump):
    """(failures, {what is absent: names of the rules that could not be judged})."""
    failures, skipped = [], {}
    for one in RULES:
        try:
            for names, wanted in one.check(dump):
                failures.append(Failure(one, tuple(dict.fromkeys(names)), wanted))
        except Absent as absent:
            skipped.setdefault(str(absent), []).append(one.name)
    return failures, skipped


# ---- kinds of rules that come more than once ------------------------------------------------------------------

def field_of(control):
    return CONTROLS[control][0]


def needs(section, name, control, *wanted, unless=False):
    """`control` may be set only if each control in `wanted` is set (unless=True: clear)."""
    def check(dump):
        if not dump.on(control):
            return
        for other in wanted:
            if dump.on(other) is unless:
                state = "clear" if unless else "set"
                yield (field_of(control), field_of(other)), f'"{other}" {state}, since "{control}" is set'
    add(section, name, check)


def aligned(section, name, control, *names, low_bits=12):
    """Physical addresses that are used while `control` is set."""
    def check(dump):
        if dump.on(control):
            yield from broken_addresses(dump, names, low_bits, f'"{control}" is set')
    add(section, name, check)


def broken_addresses(dump, names, low_bits, why):
    for name in names:
        if dump[name] & (1 << low_bits) - 1:
            yield (name,), f"bits {low_bits - 1}:0 zero, since {why}"
        if not dump.physical(dump[name]):
            yield (name,), f"no bit beyond the {dump.physical_bits} of a physical address, since {why}"


def canonical(section, name, *names):
    def check(dump):
        for field in names:
            if not dump.canonical(dump[field]):
                yield (field,), f"a canonical address ({dump.linear_bits} bits)"
    add(section, name, check)


def fixed_bits(dump, field, register, ignored=0):
    """What IA32_VMX_CR0_FIXED0 and its like demand of a control register."""
    lower, upper = f"IA32_VMX_{register}_FIXED0", f"IA32_VMX_{register}_FIXED1"
    ones, zeros = dump.capability(lower), ~dump.capability(upper)
    value = dump[field]
    if missing := ones & ~value & ~ignored & ALL_ONES:
        yield (field,), f"bits {missing:#x} set ({lower})"
    if surplus := zeros & value & ~ignored & ALL_ONES:
        yield (field,), f"bits {surplus:#x} clear ({upper})"


def memory_types(section, name, control, field):
    def check(dump):
        if dump.on(control):
            types = dump[field].to_bytes(8, "little")
            wrong = [str(index) for index, kind in enumerate(types) if kind not in VALID_MEMORY_TYPES]
            if wrong:
                yield (field,), f"memory types 0, 1, 4, 5, 6 or 7; wrong in PAT entries {', '.join(wrong)}"
    add(section, name, check)


def efer(section, name, control, field, long_mode):
    """IA32_EFER that is loaded: reserved bits, and LMA as the control `long_mode` says."""
    def check(dump):
        if not dump.on(control):
            return
        if surplus := dump[field] & ~EFER_DEFINED:
            yield (field,), f"reserved bits {surplus:#x} clear"
        lma = bool(dump[field] & EFER_LMA)
        if lma != dump.on(long_mode):
            yield (field, field_of(long_mode)), f'LMA (bit 10) as "{long_mode}" says: {int(not lma)}'
        paging = field == "HOST_IA32_EFER" or dump["GUEST_CR0"] & CR0_PG
        if paging and bool(dump[field] & EFER_LME) != dump.on(long_mode):
            yield (field, field_of(long_mode)), f'LME (bit 8) as "{long_mode}" says: {int(dump.on(long_mode))}'
    add(section, name, check)


def upper_half_zero(section, name, control, field):
    def check(dump):
        if dump.on(control) and dump[field] >> 32:
            yield (field,), f'bits 63:32 zero, since "{control}" is set'
    add(section, name, check)


def shadow_stack(section, name, control, long_mode, s_cet, ssp, table):
    """CET state that is loaded."""
    def check(dump):
        if not dump.on(control):
            return
        for field in (s_cet, table):
            if not dump.canonical(dump[field]):
                yield (field,), f"a canonical address ({dump.linear_bits} bits)"
        if dump[s_cet] & 0x3c0:
            yield (s_cet,), "bits 9:6 zero"
        if dump[s_cet] & 0xc00 == 0xc00:
            yield (s_cet,), "SUPPRESS (bit 10) and TRACKER (bit 11) not both set"
        if dump[ssp] & 3:
            yield (ssp,), "bits 1:0 zero"
        for field in (s_cet, ssp):
            if dump[field] >> 32 and not dump.on(long_mode):
                yield (field, field_of(long_mode)), f'bits 63:32 zero, since "{long_mode}" is clear'
    add(section, name, check)


def cet_needs_write_protection(section, name, side):
    def check(dump):
        if dump[f"{side}_CR4"] & CR4_CET and not dump[f"{side}_CR0"] & CR0_WP:
            yield (f"{side}_CR4", f"{side}_CR0"), "CR0.WP (bit 16) set, since CR4.CET (bit 23) is set"
    add(section, name, check)
