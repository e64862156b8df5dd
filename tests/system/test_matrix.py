# SPDX-License-Identifier: MIT
"""The same image on other firmware, another QEMU, and with fewer consoles."""

import re

import pytest
from console import BOOT_SECONDS, Agent, Status
from emulator import Machine, qemu_major
from variants import DEMO


def shells_answer(agent):
    status = agent.wait_status()
    assert status.problems == []
    for name, cpus in (("alpha", "1"), ("beta", "2")):
        with agent.attached(name) as shell:
            shell.wake(120)
            assert shell.run("nproc").strip() == cpus


def test_boots_under_uefi_with_only_com2():
    with Machine(DEMO, firmware="uefi", serials=("com2",), name="uefi-com2") as machine:
        shells_answer(Agent(machine, "com2"))


@pytest.mark.parametrize("version, mode", [("7.2", "xAPIC"), ("10.0", "x2APIC")])
def test_boots_on_qemu_by_version(version, mode):
    assert qemu_major(version) == int(version.partition(".")[0])
    with Machine(DEMO, qemu=version, name=f"qemu{version}") as machine:
        agent = Agent(machine)
        shells_answer(agent)
        log = agent.command("log")
        assert any(f"SVM, {mode} APICs" in line for line in log), log


def test_boots_under_uefi_on_qemu_10():
    with Machine(DEMO, qemu="10.0", firmware="uefi", name="qemu10-uefi") as machine:
        shells_answer(Agent(machine))


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_screen_alone_shows_the_status_block(firmware):
    with Machine(DEMO, firmware=firmware, serials=(), name=f"screen-{firmware}") as machine:
        text = machine.expect_screen("mullion>", BOOT_SECONDS)
        status = Status(re.search(r"^=== Mullion(.*\n)*?===$", text, re.M)[0] + "\n")
        assert status.fields["isolation.dma"] == "none"
        assert {one["state"] for one in status.partitions.values()} == {"running"}
        assert status.problems == []
