# SPDX-License-Identifier: MIT
"""Checks on guest segment registers: Intel SDM volume 3, section 27.3.1.2."""

from dataclasses import dataclass

from vmcs.rules import CR0_PE, rule

SECTION = "27.3.1.2"
DATA_SEGMENTS = ("SS", "DS", "ES", "FS", "GS")
CODE_AND_DATA = ("CS",) + DATA_SEGMENTS
TABLES = ("TR", "LDTR")
READ_WRITE_DATA, EXPAND_DOWN = 3, 7  # accessed ones
NONCONFORMING, CONFORMING = (9, 11), (13, 15)
CODE, READABLE, ACCESSED = 8, 2, 1
BUSY_TSS16, BUSY_TSS32, LDT = 3, 11, 2
RIGHTS_8086, LIMIT_8086 = 0xf3, 0xffff


@dataclass
class Segment:
    name: str
    base: int
    limit: int
    rights: int
    selector: int

    @property
    def fields(self):
        return {part: f"GUEST_{self.name}_{part}" for part in ("BASE", "LIMIT", "RIGHTS", "SELECTOR")}

    @property
    def type(self):
        return self.rights & 15

    @property
    def is_code_or_data(self):
        return self.rights >> 4 & 1

    @property
    def dpl(self):
        return self.rights >> 5 & 3

    @property
    def rpl(self):
        return self.selector & 3

    @property
    def usable(self):
        return not self.rights >> 16 & 1


def segment(dump, name):
    return Segment(name, *(dump[f"GUEST_{name}_{part}"] for part in ("BASE", "LIMIT", "RIGHTS", "SELECTOR")))


def checked(dump, names):
    """CS and TR always count, the others while they are usable; virtual-8086 mode has its own checks."""
    if dump.virtual_8086:
        names = [name for name in names if name in TABLES]
    found = [segment(dump, name) for name in names]
    return [one for one in found if one.usable or one.name in ("CS", "TR")]


def describe(rights):
    """Access rights in words."""
    if rights >> 16 & 1:
        return "unusable"
    flags = ((4, "S"), (7, "P"), (12, "AVL"), (13, "L"), (14, "D/B"), (15, "G"))
    return " ".join([f"type {rights & 15}", f"DPL {rights >> 5 & 3}", *(name for bit, name in flags if rights >> bit & 1)])


# ---- virtual-8086 mode ----------------------------------------------------------------------------------------

def segments_8086(dump):
    return [segment(dump, name) for name in CODE_AND_DATA] if dump.virtual_8086 else []


@rule(SECTION)
def v86_base(dump):
    for one in segments_8086(dump):
        if one.base != one.selector << 4:
            yield (one.fields["BASE"], one.fields["SELECTOR"]), "the selector times 16, in virtual-8086 mode"


@rule(SECTION)
def v86_limit(dump):
    for one in segments_8086(dump):
        if one.limit != LIMIT_8086:
            yield (one.fields["LIMIT"],), "0xffff, in virtual-8086 mode"


@rule(SECTION)
def v86_rights(dump):
    for one in segments_8086(dump):
        if one.rights != RIGHTS_8086:
            yield (one.fields["RIGHTS"],), "0xf3, in virtual-8086 mode"


# ---- selectors and bases -----------------------------------------------------------------------------------------

@rule(SECTION)
def table_selector_ti(dump):
    for one in checked(dump, TABLES):
        if one.selector & 4:
            yield (one.fields["SELECTOR"],), "TI (bit 2) clear"


@rule(SECTION)
def ss_rpl_is_cs_rpl(dump):
    if dump.virtual_8086 or dump.on("unrestricted guest"):
        return
    if (dump["GUEST_SS_SELECTOR"] ^ dump["GUEST_CS_SELECTOR"]) & 3:
        yield ("GUEST_SS_SELECTOR", "GUEST_CS_SELECTOR"), "the same RPL (bits 1:0) in both"


@rule(SECTION)
def segment_base_canonical(dump):
    for one in [segment(dump, name) for name in ("TR", "FS", "GS")] + checked(dump, ("LDTR",)):
        if not dump.canonical(one.base):
            yield (one.fields["BASE"],), f"a canonical address ({dump.linear_bits} bits)"


@rule(SECTION)
def segment_base_32_bits(dump):
    for one in checked(dump, ("CS", "SS", "DS", "ES")):
        if one.base >> 32:
            yield (one.fields["BASE"],), "bits 63:32 zero"


# ---- access rights -----------------------------------------------------------------------------------------------

@rule(SECTION)
def cs_type(dump):
    for one in checked(dump, ("CS",)):
        data_too = dump.on("unrestricted guest")
        if one.type not in NONCONFORMING + CONFORMING and not (data_too and one.type == READ_WRITE_DATA):
            yield (one.fields["RIGHTS"],), "type (bits 3:0) 9, 11, 13 or 15" + (", or 3" if data_too else "")


@rule(SECTION)
def ss_type(dump):
    for one in checked(dump, ("SS",)):
        if one.type not in (READ_WRITE_DATA, EXPAND_DOWN):
            yield (one.fields["RIGHTS"],), "type (bits 3:0) 3 or 7"


@rule(SECTION)
def data_type(dump):
    for one in checked(dump, ("DS", "ES", "FS", "GS")):
        if not one.type & ACCESSED:
            yield (one.fields["RIGHTS"],), "an accessed type (bit 0 set)"
        if one.type & CODE and not one.type & READABLE:
            yield (one.fields["RIGHTS"],), "a readable type (bit 1 set), since it is code (bit 3)"


@rule(SECTION)
def segment_is_code_or_data(dump):
    for one in checked(dump, CODE_AND_DATA):
        if not one.is_code_or_data:
            yield (one.fields["RIGHTS"],), "S (bit 4) set"


@rule(SECTION)
def cs_dpl(dump):
    for one in checked(dump, ("CS",)):
        stack = dump["GUEST_SS_RIGHTS"] >> 5 & 3
        names = (one.fields["RIGHTS"], "GUEST_SS_RIGHTS")
        if one.type == READ_WRITE_DATA and one.dpl:
            yield names[:1], "DPL (bits 6:5) 0, since the type is 3"
        if one.type in NONCONFORMING and one.dpl != stack:
            yield names, "DPL (bits 6:5) as that of SS: the code is nonconforming"
        if one.type in CONFORMING and one.dpl > stack:
            yield names, "DPL (bits 6:5) at most that of SS: the code is conforming"


@rule(SECTION)
def ss_dpl(dump):
    """This one holds for an unusable SS too: its DPL is the CPL."""
    if dump.virtual_8086:
        return
    one, code = segment(dump, "SS"), dump["GUEST_CS_RIGHTS"] & 15
    if not dump.on("unrestricted guest") and one.dpl != one.rpl:
        yield (one.fields["RIGHTS"], one.fields["SELECTOR"]), "DPL (bits 6:5) as the selector's RPL"
    if one.dpl and (code == READ_WRITE_DATA or not dump["GUEST_CR0"] & CR0_PE):
        names = (one.fields["RIGHTS"], "GUEST_CS_RIGHTS", "GUEST_CR0")
        yield names, "DPL (bits 6:5) 0, since CS has type 3 or CR0.PE is clear"


@rule(SECTION)
def data_dpl(dump):
    if dump.on("unrestricted guest"):
        return
    for one in checked(dump, ("DS", "ES", "FS", "GS")):
        if one.type < CONFORMING[0] - 1 and one.dpl < one.rpl:
            yield (one.fields["RIGHTS"], one.fields["SELECTOR"]), "DPL (bits 6:5) not less than the selector's RPL"


@rule(SECTION)
def segment_present(dump):
    for one in checked(dump, CODE_AND_DATA + TABLES):
        if not one.rights >> 7 & 1:
            yield (one.fields["RIGHTS"],), "P (bit 7) set"


@rule(SECTION)
def segment_reserved_bits(dump):
    for one in checked(dump, CODE_AND_DATA + TABLES):
        if one.rights & 0xf00 or one.rights >> 17:
            yield (one.fields["RIGHTS"],), "bits 11:8 and 31:17 zero"


@rule(SECTION)
def cs_default_size(dump):
    for one in checked(dump, ("CS",)):
        if dump.on("IA-32e mode guest") and one.rights >> 13 & 1 and one.rights >> 14 & 1:
            yield (one.fields["RIGHTS"],), "D/B (bit 14) clear, since L (bit 13) is set"


@rule(SECTION)
def segment_granularity(dump):
    for one in checked(dump, CODE_AND_DATA + TABLES):
        in_pages = one.rights >> 15 & 1
        if in_pages and one.limit & 0xfff != 0xfff:
            yield (one.fields["RIGHTS"], one.fields["LIMIT"]), "G (bit 15) clear, since limit bits 11:0 are not all set"
        if not in_pages and one.limit >> 20:
            yield (one.fields["RIGHTS"], one.fields["LIMIT"]), "G (bit 15) set, since limit bits 31:20 are not all zero"


# ---- task register and local descriptor table ----------------------------------------------------------------------

@rule(SECTION)
def tr_type(dump):
    wanted = (BUSY_TSS32,) if dump.on("IA-32e mode guest") else (BUSY_TSS16, BUSY_TSS32)
    if dump["GUEST_TR_RIGHTS"] & 15 not in wanted:
        yield ("GUEST_TR_RIGHTS",), f"type (bits 3:0) {' or '.join(map(str, wanted))}: a busy TSS"


@rule(SECTION)
def tr_usable(dump):
    if dump["GUEST_TR_RIGHTS"] >> 16 & 1:
        yield ("GUEST_TR_RIGHTS",), "the unusable bit (16) clear"


@rule(SECTION)
def ldtr_type(dump):
    for one in checked(dump, ("LDTR",)):
        if one.type != LDT:
            yield (one.fields["RIGHTS"],), "type (bits 3:0) 2, or the unusable bit (16) set"


@rule(SECTION)
def table_is_system_segment(dump):
    for one in checked(dump, TABLES):
        if one.is_code_or_data:
            yield (one.fields["RIGHTS"],), "S (bit 4) clear"
