# SPDX-License-Identifier: MIT
"""Intel boxes that cannot run guests: one line names what is missing, where that stands, and what to do about it."""

import re

import pytest
import variants
from bochs import BochsMachine, firmware

# How the BIOS sets IA32_FEATURE_CONTROL, on each CPU: RDMSR, OR of the lock and of VMX, WRMSR.
BIOS_ALLOWS_VMX = re.compile(rb"(\xb9\x3a\0\0\0\x0f\x32\x66?\x83\xc8)\x05(?=\x0f\x30)")


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return variants.build(tmp_path_factory.mktemp("bare"), variants.manifest(), images={})


@pytest.fixture(scope="module")
def locking_bios(tmp_path_factory):
    """A BIOS whose switch for VT-x is off: it locks the MSR without the bit that allows VMX."""
    code, places = BIOS_ALLOWS_VMX.subn(lambda found: found[1] + b"\x01", firmware()[0].read_bytes())
    assert places == 2, "the pinned BIOS (bochsbios) sets IA32_FEATURE_CONTROL in another way; find out how"
    code = code[:-1] + bytes([(code[-1] - sum(code)) % 256])
    path = tmp_path_factory.mktemp("bios") / "locking"
    path.write_bytes(code)
    return path


def refusal(image, **box):
    """The line with which the box stops; nothing may come before it that a CPU would refuse."""
    with BochsMachine(image, cpus=1, memory=256, name="refusal", **box) as machine:
        text = machine.expect(r"^vmm: FATAL: .*\n", 60)[0]
        machine.expect(r"^vmm: stopped", 20)
        assert machine.complaints() == []
    assert text.count(";") >= 2, f"wanted what; reason; remedy: {text}"
    return text


def test_vmx_locked_off_by_the_firmware_is_named(image, locking_bios):
    text = refusal(image, kind="bochs-vmx", bios=locking_bios)
    assert re.search(r"disabled.*bit 2 of MSR 0x3a.*VT-x.*firmware", text), text


def test_cpu_without_ept_is_named(image):
    text = refusal(image, kind="bochs-penryn")
    assert re.search(r"EPT.*bit \d+ of MSR 0x48[2b].*is clear.*use a CPU", text), text
