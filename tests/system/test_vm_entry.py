# SPDX-License-Identifier: MIT
"""
VM entries that fail, for real: a VMM of which the first entries into a guest break one rule each (vmcs_fault.c), on Bochs,
which checks them as the manual says and names what it found in its own log. The VMM's dump goes through
tools/vmcs-explain; its verdict must be the planted rule, and must be about what Bochs complained of.
"""

import dataclasses
import re
import subprocess
import sys
import time

import pytest
import variants
from bochs import BochsMachine
from console import Agent
from emulator import BUILD, SCALE, TOP
from variants import GUESTS, partition

sys.path.insert(0, str(TOP / "tools"))
from vmcs import fields  # noqa: E402

GUEST_STATE, CONTROLS, HOST_STATE = "exit reason 0x80000021", "VM-instruction error 7", "VM-instruction error 8"
# what is planted, in the order of vmcs_fault.c: (class of failure, the rule of vmcs-explain, Bochs' words for it)
FAULTS = {
    "activity": (GUEST_STATE, "activity-state", "guest activity state 7"),
    "code-type": (GUEST_STATE, "cs-type", r"guest CS\.TYPE"),
    "task-register": (GUEST_STATE, "tr-usable", "guest TR invalid"),
    "link-pointer": (GUEST_STATE, "vmcs-link-pointer", "link pointer malformed"),
    "cr4": (GUEST_STATE, "guest-cr4-fixed", "guest invalid CR4"),
    "ept-pointer": (CONTROLS, "ept-pointer", "invalid EPTPTR"),
    "event": (CONTROLS, "event-delivers-error-code", "injected event vector 13 broken error code"),
    "host-tr": (HOST_STATE, "host-selector-null", "invalid host TR selector"),
}


@dataclasses.dataclass
class Outcome:
    """One failed entry: the partition as the agent tells it, the VMM's log, Bochs' own."""
    info: dict
    log: str
    complaints: str


@dataclasses.dataclass
class Run:
    outcomes: dict
    afterwards: str  # what the guest answered when nothing was planted any more
    complaints: list  # all that tests elsewhere require to be none


def stopped(machine, agent):
    """What the agent says of the guest once it has stopped; each round is a round trip."""
    deadline = time.monotonic() + 60 * SCALE
    while (info := agent.info("guest"))["state"] != "stopped":
        assert time.monotonic() < deadline, info
        machine.pump(0.1)
    return info


def fail_once(machine, agent, bochs_log):
    """Starts the guest, whose first entry fails; returns (what was planted, the outcome)."""
    said, logged = machine.mark(), bochs_log.stat().st_size
    agent.command("start guest")
    machine.expect(r"vmcs: end", 60, start=said)
    info = stopped(machine, agent)
    log = machine.since(said)
    complaints = bochs_log.read_bytes()[logged:].decode("utf-8", "replace")
    return re.search(r"planted: (\S+)", log)[1], Outcome(info, log, complaints)


def answer(machine, agent):
    """The hostile guest lists its attacks when asked."""
    agent.command("start guest")
    machine.send("attach guest\r")
    mark = machine.mark()
    machine.send("list\r")
    machine.expect(r"^HOSTILE done list", 60)
    return machine.since(mark)


@pytest.fixture(scope="module")
def run(tmp_path_factory, measured):
    folder = tmp_path_factory.mktemp("vm-entry")
    text = variants.manifest(partition("guest", [1], memory="64MiB", kernel="hostile.elf", initramfs="", autostart=False))
    image = variants.build(folder, text, {"hostile.elf": GUESTS / "hostile.elf"},
                           ["--vmm", BUILD / "vmm-faulty" / "mullion.elf"])
    with BochsMachine(image, name="vm-entry") as machine:
        agent = Agent(machine)
        agent.wait_status()
        outcomes = dict(fail_once(machine, agent, machine.folder / "bochs.log") for _ in FAULTS)
        afterwards = answer(machine, agent)
        measured(f"{len(outcomes)} VM entries that failed on Bochs: {machine.cpu_seconds():.0f} s of CPU time")
        return Run(outcomes, afterwards, machine.complaints())


def explain(log):
    return subprocess.run([TOP / "tools/vmcs-explain"], input=log, capture_output=True, text=True, check=False)


def test_each_planted_fault_stopped_the_partition_with_the_reason(run):
    assert list(run.outcomes) == list(FAULTS)
    assert all("the CPU refused the guest's state" in outcome.info["reason"] for outcome in run.outcomes.values())


@pytest.mark.parametrize("name", FAULTS)
def test_failure_is_told_with_its_class_and_explained_as_bochs_does(run, name):
    kind, rule, words = FAULTS[name]
    outcome = run.outcomes[name]
    assert f"vmcs: entry failed: {kind}" in outcome.log
    explained = explain(outcome.log)
    assert explained.returncode == 1, explained.stdout
    assert re.search(rf"^  27\.\S+ {rule}$", explained.stdout, re.M), explained.stdout
    assert "The CPU complained of the same kind." in explained.stdout
    assert re.search(words, outcome.complaints), outcome.complaints


@pytest.mark.parametrize("name", FAULTS)
def test_refused_entry_is_among_the_complaints_that_other_tests_look_for(run, name):
    assert [line for line in run.complaints if re.search(FAULTS[name][2], line)], run.complaints


def test_dump_holds_the_fields_of_the_header_by_name(run):
    log = run.outcomes["activity"].log
    header = fields.of_header((TOP / "vmm/x86/vmx/vmcs.h").read_text(encoding="utf-8"))
    assert header and not [name for name in header if f"vmcs: {name} = 0x" not in log]
    assert "in the dump" not in explain(log).stdout


def test_guest_starts_once_nothing_is_broken_any_more(run):
    assert re.search(r"^LIST \S+ ", run.afterwards, re.M), run.afterwards
