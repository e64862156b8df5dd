# SPDX-License-Identifier: MIT
"""What the VMM makes of the box itself: consoles, PCI functions, restart."""

import re

import pytest
from console import Agent
from emulator import BUILD, Machine

COMMAND_REGISTER = 4
BUS_MASTER = 1 << 2


@pytest.fixture(scope="module")
def agent():
    extra = ["-device", "e1000e", "-device", "ich9-ahci"]
    with Machine(BUILD / "mullion.img", serials=("com1", "com2"), extra=extra, name="box") as machine:
        agent = Agent(machine)
        agent.boot_status = agent.wait_status()
        yield agent


def config_read(machine, bdf, offset):
    """Reads configuration space through the ECAM window of the q35 machine, behind the VMM's back."""
    bus, device, function = bdf >> 8, bdf >> 3 & 31, bdf & 7
    address = 0xB0000000 + (bus << 20 | device << 15 | function << 12 | offset)
    return int(machine.hmp(f"xp /1xw {address:#x}").split(":")[1].strip(), 16)


def test_pci_functions_are_found_and_may_not_master_the_bus(agent):
    """But for those of the driver VM, and bridges, which only forward."""
    lines = agent.command("pci")
    found = [re.search(r"([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])", line) for line in lines]
    functions = [int(one[1], 16) << 8 | int(one[2], 16) << 3 | int(one[3]) for one in found if one]
    assert any("8086:10d3" in line for line in lines), lines
    assert len(functions) >= 6
    kept_still = [bdf for bdf, line in zip(functions, (line for line, one in zip(lines, found) if one))
                  if "owner driver" not in line and "class 0604" not in line]
    assert len(kept_still) >= 4, lines
    for bdf in kept_still:
        assert not config_read(agent.machine, bdf, COMMAND_REGISTER) & BUS_MASTER, f"{bdf:#x} may master the bus"


def test_product_image_holds_no_guests(agent):
    assert agent.boot_status.partitions == {}
    modules = agent.command("modules")
    assert any(line.startswith("manifest ") for line in modules), modules
    assert not [line for line in modules if line.startswith("image ")], modules


def test_both_serial_ports_show_and_take_the_same_console(agent):
    other = Agent(agent.machine, "com2")
    other.wait_status()
    assert other.command("help") == agent.command("help")


def test_reboot_restarts_the_box(agent):
    mark = agent.machine.mark()
    agent.machine.send("reboot\r")
    agent.machine.expect(r"^vmm: Mullion", 60)
    agent.wait_status()
    assert agent.machine.since(mark).count("=== Mullion") == 1
