# SPDX-License-Identifier: MIT
"""The agent and the driver VM share CPU 0: neither finds a trace of the other in its registers. The shares of the two
are measured in test_driver_vm.py, who runs next is decided in tests/unit/share_test.c."""

import re
import subprocess

import pytest
import variants
from console import Agent
from emulator import BUILD, Machine
from variants import GUESTS

BUSY_MS = 1500
REPORT = r"^REGISTERS (kept|lost) (.*)\n"


def registers_initramfs(folder):
    """The driver VM's kernel starts `registers` as its only program."""
    entries = folder / "entries"
    entries.write_text("dir /dev 755 0 0\nnod /dev/console 600 0 0 c 5 1\n"
                       f"file /init {GUESTS / 'bin/registers'} 755 0 0\n")
    archive = folder / "registers.cpio"
    archive.write_bytes(subprocess.run([BUILD / "drivervm/gen_init_cpio", entries], check=True,
                                       stdout=subprocess.PIPE).stdout)
    return archive


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    image = variants.build(folder, variants.manifest(), images={}, driver_vm=True,
                           arguments=["--agent", BUILD / "agent/agent-crash.bin",
                                      "--driver-initramfs", registers_initramfs(folder)])
    with Machine(image, cpus="1", name="shared") as machine:
        agent = Agent(machine)
        agent.wait_status()
        yield agent


def reports(agent, count=2):
    """The next whole lines that the driver VM prints."""
    with agent.attached("driver") as shell:
        shell.send("\r")
        return [shell.expect(REPORT, 60) for _ in range(count)]


def assert_kept(agent):
    for report in reports(agent):
        assert report[1] == "kept", report[0]


def test_registers_survive_a_busy_agent(agent, measured):
    assert_kept(agent)
    for _ in range(2):
        agent.command(f"spin {BUSY_MS}")
        agent.status()
        assert_kept(agent)
    rounds = [int(re.match(r"(\d+) rounds AVX", report[2])[1]) for report in reports(agent)]
    assert min(rounds) > 1
    measured(f"registers of the driver VM held {min(rounds)} times a second beside the agent")


def test_registers_survive_the_death_of_the_agent(agent):
    starts = agent.info("driver")["starts"]
    agent.machine.send("crash-agent\r")
    agent.wait_status(60)
    assert_kept(agent)
    assert agent.info("driver")["starts"] == starts
