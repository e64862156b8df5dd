# SPDX-License-Identifier: MIT
"""What goes wrong inside the box, on every machine: a guest, the agent; driven over the console and over the API at COM2."""

import pytest
import variants
from api import wait_api
from bochs import BACK_END, open_machine
from console import Agent
from emulator import BUILD
from variants import GUESTS, partition

CRASHES = 2
API_SECONDS = 180


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """An agent that can be told to crash, and two small guests that do as they are told."""
    guest = {"memory": "64MiB", "kernel": "hostile.elf", "initramfs": "", "onCrash": "stop"}
    return variants.build(
        tmp_path_factory.mktemp("faults"), variants.manifest(partition("wild", [1], **guest), partition("quiet", [2], **guest)),
        {"hostile.elf": GUESTS / "hostile.elf"}, ["--agent", BUILD / "agent" / "agent-crash.bin"], byte_link=True)


@pytest.fixture(scope="module", params=list(BACK_END))
def agent(request, image):
    with open_machine(request.param, image, cpus=3, memory=512, serials=("com1", "com2"), name="faults") as machine:
        agent = Agent(machine)
        agent.kind = request.param
        agent.boot_status = agent.wait_status()
        with wait_api(machine, token=agent.boot_status.fields["token"], seconds=API_SECONDS) as agent.api:
            yield agent


def answers(agent, name):
    """Does the guest still list what it can do?"""
    agent.machine.send(f"attach {name}\r")
    agent.machine.expect(r"^attached to .*\n", 30)
    agent.machine.send("list\r")
    agent.machine.expect(r"^HOSTILE done list", 60)
    agent.detach()
    return True


def test_api_at_com2_names_the_back_end(agent):
    system = agent.api.ok("/api/v1/system")
    assert system["backEnd"] == BACK_END[agent.kind]
    assert system["problems"] == []
    assert system["byteLink"] is True


def test_exits_are_counted_under_one_set_of_names(agent):
    assert answers(agent, "quiet")
    exits = agent.api.partition("quiet")["counters"]["exits"]
    assert exits["PORT"] > 100
    assert exits["UNKNOWN"] == 0
    assert {"CPUID", "HLT", "MMIO", "SHUTDOWN", "VIRT_INSTRUCTION"} <= set(exits)


def test_triple_fault_stops_the_guest_and_nothing_else(agent):
    agent.machine.send("attach wild\r")
    agent.machine.expect(r"^attached to wild.*\n", 30)
    agent.machine.send("triple-fault\r")
    agent.wait_ended("wild")
    assert agent.api.partition("wild")["reason"]["code"] == "triple-fault"
    assert answers(agent, "quiet")


def test_stopped_guest_starts_again_over_the_api(agent):
    agent.api.action("wild", "start")
    assert answers(agent, "wild")
    agent.api.action("wild", "pause")
    assert agent.api.partition("wild")["state"] == "paused"
    agent.api.action("wild", "resume")
    agent.api.action("wild", "stop", {"force": True})
    assert agent.api.partition("wild")["reason"]["code"] == "requested"


def test_agent_that_dies_comes_back_and_guests_run_on(agent):
    starts = agent.info("quiet")["starts"]
    for _ in range(CRASHES):
        agent.machine.send("crash-agent\r")
        assert agent.wait_status(120).partitions["quiet"]["state"] == "running"
        assert answers(agent, "quiet")
    assert agent.info("quiet")["starts"] == starts


def test_box_restarts_and_has_refused_no_entry(agent):
    agent.machine.send("reboot\r")
    agent.machine.expect(r"^vmm: Mullion", 120)
    agent.wait_status()
    if agent.machine.program == "Bochs":
        assert agent.machine.complaints() == []
