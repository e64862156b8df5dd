# SPDX-License-Identifier: MIT
"""Each row of docs/hostile.md: the hostile guest attacks, the verdict is the promised one, the neighbour notices nothing."""

import re

import pytest
import variants
from console import DETACH, PROMPT, Agent
from emulator import TOP, EmulatorTimeout, Machine
from variants import GUESTS, LINUX, partition

ROW_SECONDS = 180
NEIGHBOUR = "beta"
REASONS = {
    "REQUESTED": r"request|operator",
    "POWER_OFF": r"power",
    "RESET": r"reset|reboot",
    "TRIPLE_FAULT": r"triple fault",
    "MMIO_UNMAPPED": r"outside",
    "MMIO_INSTRUCTION": r"instruction",
    "ALL_HALTED": r"halt|interrupts off",
}
QUIET_COUNTERS = ("refused_hypercalls", "refused_ports", "refused_ipis", "refused_msrs")


def table():
    """{row: (verdict, counter or reason)} of docs/hostile.md; a row that stands twice is an error."""
    rows = {}
    for line in (TOP / "docs" / "hostile.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and cells[0] not in ("row", "---"):
            assert cells[0] not in rows, f"{cells[0]} has two verdicts"
            rows[cells[0]] = cells[2], cells[3]
    return rows


ROWS = table()
STOPPING = [name for name, (verdict, _) in ROWS.items() if verdict == "stopped"]
SURVIVED = [name for name in ROWS if name not in STOPPING]


class Attack:
    """The machine, and what each row has shown."""

    def __init__(self, machine, agent):
        self.machine = machine
        self.agent = agent
        self.verdicts = {}
        self.reasons = {}
        self.before = {}
        self.after = {}


def neighbour_state(agent):
    info = agent.info(NEIGHBOUR)
    counters = agent.counters(NEIGHBOUR)
    return {"state": info["state"], "starts": info["starts"],
            **{name: sum(n for (_, key), (n, _) in counters.items() if key == name) for name in QUIET_COUNTERS}}


def run_survived(attack):
    with attack.agent.attached("hostile") as console:
        console.expect(r"HOSTILE ready")
        mark = attack.machine.mark()
        console.send("all\r")
        console.expect(r"^HOSTILE done all", ROW_SECONDS)
        text = attack.machine.since(mark)
    for name, verdict, detail in re.findall(r"^ROW (\S+) (\S+)(?: (.*))?$", text, re.M):
        if verdict != "start":
            attack.verdicts[name] = verdict, f"{detail}\n" + "\n".join(re.findall(r"^# .*", text, re.M))


def run_stopping(attack, name):
    """Types one row; the partition's end makes the agent say so, or the operator ends it (row hang)."""
    agent, machine = attack.agent, attack.machine
    if agent.info("hostile")["state"] != "running":
        agent.command("start hostile")
    machine.send("attach hostile\r")
    machine.expect(r"attach hostile.*\n", 30)
    machine.send("\r" + name + "\r")
    machine.expect(rf"^ROW {name} start", 60)
    machine.send(DETACH)
    machine.expect(PROMPT, 30)
    if name == "hang":
        agent.command("stop hostile")
    try:
        agent.wait_state("hostile", "stopped", 20)
        attack.reasons[name] = agent.info("hostile")["reason"]
    except EmulatorTimeout as error:
        attack.reasons[name] = f"not stopped: {error}"
        agent.command("stop hostile")


@pytest.fixture(scope="module")
def attack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    text = variants.manifest(
        partition("hostile", [1], memory="64MiB", kernel="hostile.elf", initramfs="", cmdline="console=ttyS0",
                  onReboot="stop", onCrash="stop"),
        partition(NEIGHBOUR, [2, 3], cmdline=f"console=ttyS0 name={NEIGHBOUR}"))
    image = variants.build(folder, text, {**LINUX, "hostile.elf": GUESTS / "hostile.elf"})
    with Machine(image, name="hostile") as machine:
        agent = Agent(machine)
        agent.wait_status()
        with agent.attached(NEIGHBOUR) as shell:
            shell.wake(120)
            shell.run("heartbeat > /tmp/beats & sleep 1")
        attack = Attack(machine, agent)
        attack.before = neighbour_state(agent)
        run_survived(attack)
        attack.totals = {name: agent.total("hostile", name) for name in QUIET_COUNTERS}
        for name in STOPPING:
            run_stopping(attack, name)
        attack.after = neighbour_state(agent)
        yield attack


@pytest.mark.parametrize("row", SURVIVED)
def test_verdict(attack, row):
    assert row in attack.verdicts, "the guest never ran this row"
    verdict, detail = attack.verdicts[row]
    assert verdict == ROWS[row][0], f"{row}: {detail}"


@pytest.mark.parametrize("row", STOPPING)
def test_stopped_with_reason(attack, row):
    assert re.search(REASONS[ROWS[row][1]], attack.reasons[row], re.I), attack.reasons[row]


def test_guest_has_no_row_without_a_verdict(attack):
    undocumented = set(attack.verdicts) - set(ROWS)
    assert undocumented <= {"instructions", "user-instructions"}, undocumented


def test_refusals_are_counted(attack):
    assert attack.totals["refused_msrs"] > 10000
    assert attack.totals["refused_ports"] > 65536
    assert attack.totals["refused_ipis"] > 300
    assert attack.totals["refused_hypercalls"] > 100


def test_neighbour_is_undisturbed(attack, measured):
    assert attack.after == attack.before
    with attack.agent.attached(NEIGHBOUR) as shell:
        shell.wake()
        first = shell.run("tail -1 /tmp/beats")
        second = shell.run("sleep 1; tail -1 /tmp/beats")
    beats = [int(re.search(r"BEAT (\d+)", text)[1]) for text in (first, second)]
    assert beats[1] > beats[0]
    measured(f"neighbour of the hostile guest: {second.strip()}")
