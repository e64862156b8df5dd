# SPDX-License-Identifier: MIT
"""
Each row of docs/hostile.md, on each machine: the hostile guest attacks, the verdict is the promised one, the neighbour
notices nothing.
"""

import re
import time

import pytest
import variants
from bochs import open_machine
from console import Agent
from emulator import BUILD, SLOWNESS, TOP, qemu_major
from variants import GUESTS, LINUX, partition

ROW_SECONDS = 180
BATCH_BYTES = 700  # a line of the guest's console holds 1 KiB, with what the agent sends ahead
WORST_GAP_US = 2_000_000  # four emulated CPUs share two of the machine: beats are late even in peace
NEIGHBOUR = "beta"
MACHINES = ("qemu-svm", "bochs-vmx", "bochs-svm")
REASONS = {
    "REQUESTED": r"request|operator",
    "POWER_OFF": r"power",
    "RESET": r"reset|reboot",
    "TRIPLE_FAULT": r"triple fault",
    "MMIO_UNMAPPED": r"outside",
    "MMIO_INSTRUCTION": r"instruction",
    "ALL_HALTED": r"halt|interrupts off",
    "REFUSED_EXIT": r"partitions are stopped for",
}
ENTRY_FAILED = "the CPU refused the guest's state"
MODES = ("real", "protected16", "protected32", "paged32", "pae", "compat16", "compat32", "long", "v86")
STEPPING = "single-step"
# What an emulator does by itself, against the manual, and the verdict that this gives: none of the VMM's. QEMU lets
# control registers take what a CPU refuses (the next entry fails), or cuts it off; it switches tasks without asking;
# version 10 executes the memory forms of 0F C7 /6 and /7 as nothing.
DEFECTS = {
    "qemu-svm": {
        **dict.fromkeys(("cr0-paging-unprotected", "cr0-not-write-through", "cr3-reserved"), "stopped"),
        "cr0-upper": "accepted",
        **dict.fromkeys(("task-jump", "task-call", "task-gate", "task-interrupt", "task-exception"), "survived"),
    },
    "bochs-vmx": {},
    "bochs-svm": {},
}
QEMU_10_DEFECTS = dict.fromkeys((f"{ring}-{name}" for ring in ("insn", "user")
                                 for name in ("vmxon", "vmclear", "vmptrld", "vmptrst")), "ignored")
# Likewise of instructions: QEMU has no ICEBP, and looks at the ring before it looks whether virtual-8086 mode has SVM.
INSTRUCTION_DEFECTS = {
    "qemu-svm": {"icebp": "#UD", "vmrun": "#GP", "stgi": "#GP"},
    "bochs-vmx": {},
    "bochs-svm": {},
}
# Rows that an emulator does not stand. With SVM, Bochs gives the host the trap of a single-stepped instruction that
# exits, takes an exit from virtual-8086 mode for the host being in it, lets a guest page in real mode, even a 64-bit
# one, and keeps interrupts from a guest that is entered with interrupts off.
NOT_STOOD = {"bochs-svm": {STEPPING, "mode-v86", "cr0-paging-unprotected", "hang"}}
QUIET_COUNTERS = ("refused_hypercalls", "refused_ports", "refused_ipis", "refused_msrs")


def rows_below(header):
    """The rows of the table of docs/hostile.md that has this header, as lists of cells."""
    lines = (TOP / "docs" / "hostile.md").read_text().splitlines()
    start = lines.index(header) + 2
    end = next((i for i in range(start, len(lines)) if not lines[i].startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:end]]


def unique(pairs):
    """A dictionary; a name that stands twice is an error."""
    found = {}
    for name, value in pairs:
        assert name not in found, f"{name} stands twice"
        found[name] = value
    return found


ROWS = unique((row[0], (row[2], row[3])) for row in rows_below("| row | attack | verdict | counter or reason |"))
INSTRUCTIONS = unique((row[0], row[2:]) for row in rows_below(
    "| instruction | what | where | ends with | in virtual-8086 mode |"))
STOPPING = [name for name, (verdict, _) in ROWS.items() if verdict == "stopped"]
SURVIVED = [name for name in ROWS if name not in STOPPING]
GROUPS = {"instructions": "insn-", "user-instructions": "user-"}  # the guest's rows that yield these
TYPED = [*GROUPS, *(name for name in ROWS if not name.startswith(tuple(GROUPS.values())))]


def instructions_of(mode, stepped):
    """{instruction: how it ends} in that mode."""
    where = ("all modes", "64-bit code" if mode == "long" else "all but 64-bit code")
    found = {name: cells[2] if mode == "v86" else cells[1] for name, cells in INSTRUCTIONS.items()
             if cells[0] in where and name.startswith("step-") == stepped}
    return {name: end for name, end in found.items() if end != "-"}


class Attack:
    """The machine, and what each row has shown."""

    def __init__(self, kind, machine, agent):
        self.kind = kind
        self.machine = machine
        self.agent = agent
        self.running = True
        self.verdicts = {}
        self.details = {}
        self.reasons = {}
        self.growth = {}  # of the counter that a row names
        self.instructions = {}  # (mode, stepped): {instruction: how it ended}
        self.listed = set()
        self.totals = {}
        self.before = {}
        self.after = {}

    def defects(self):
        old = self.kind == "qemu-svm" and qemu_major() >= 10
        return {**DEFECTS[self.kind], **(QEMU_10_DEFECTS if old else {})}

    def counts_rows(self):
        """Is each row typed by itself, between two looks at the counters? In Bochs each look takes seconds."""
        return self.kind == "qemu-svm"

    def typed(self):
        return [name for name in TYPED if name not in NOT_STOOD.get(self.kind, ())]


def neighbour_state(agent):
    info = agent.info(NEIGHBOUR)
    counters = agent.counters(NEIGHBOUR)
    return {"state": info["state"], "starts": info["starts"],
            **{name: sum(n for (_, key), (n, _) in counters.items() if key == name) for name in QUIET_COUNTERS}}


def type_rows(attack, names):
    """Types rows on the hostile guest's console; returns what it printed until all were done or the partition ended."""
    machine = attack.machine
    machine.send("attach hostile\r")
    machine.expect(r"^attached to hostile.*\n", 30)
    mark = machine.mark()
    machine.send(" ".join(names) + "\r")
    if ROWS.get(names[0]) == ("stopped", "REQUESTED"):
        machine.expect(rf"^ROW {names[0]} start", 60)
        attack.agent.detach()
        attack.agent.command("stop hostile")
        return machine.since(mark)
    for name in names:
        if not machine.expect(rf"^HOSTILE done {name}\n|^mullion> ", ROW_SECONDS)[0].startswith("HOSTILE"):
            return machine.since(mark)
    attack.agent.detach()
    return machine.since(mark)


def note_instructions(attack, text):
    """What instructions did, of lines `DID mode name=end name=end!fault ...`."""
    for mode, words in re.findall(r"^DID (\S+) (.*)$", text, re.M):
        for name, end in re.findall(r"(\S+?)=(\S+)", words):
            attack.instructions.setdefault((mode, name.startswith("step-")), {})[name] = end


def note(attack, text):
    notes = "; ".join(re.findall(r"^# .*|^HOSTILE un.*", text, re.M))
    for row, verdict, detail in re.findall(r"^ROW (\S+) (\S+)(?: (.*))?$", text, re.M):
        if verdict != "start":
            attack.verdicts[row], attack.details[row] = verdict, f"{detail} {notes}"
    note_instructions(attack, text)
    return notes


def start(attack):
    if not attack.running:
        attack.agent.command("start hostile")
    attack.running = True


def look_at_state(attack):
    """Why the partition has ended, or None."""
    info = attack.agent.info("hostile")
    attack.running = info["state"] == "running"
    return None if attack.running else info["reason"]


def run_row(attack, name):
    """One row by itself, with a look at its counter before and after."""
    counter = ROWS.get(name, ("", ""))[1]
    counted = counter in QUIET_COUNTERS
    start(attack)
    before = attack.agent.total("hostile", counter) if counted else 0
    notes = note(attack, type_rows(attack, [name]))
    if counted:
        attack.growth[name] = attack.agent.total("hostile", counter) - before
    reason = look_at_state(attack)
    attack.reasons[name] = reason or "still running"
    if reason:
        attack.verdicts.setdefault(name, "stopped")
        attack.details.setdefault(name, reason + notes)


def batches(names):
    line = []
    for name in names:
        if line and len(" ".join([*line, name])) > BATCH_BYTES:
            yield line
            line = []
        line.append(name)
    if line:
        yield line


def shown(attack, name):
    """Has the row shown a verdict? A group has when all its rows have."""
    rows = [row for row in ROWS if row.startswith(GROUPS[name])] if name in GROUPS else [name]
    return all(row in attack.verdicts for row in rows)


def run_all(attack):
    """Rows that share a line first; one that ends the partition leaves the rest of its line to be run singly."""
    single = {name for name in attack.typed() if name in STOPPING or name in attack.defects()}
    if attack.counts_rows():
        single |= {name for name, (_, counter) in ROWS.items() if counter in QUIET_COUNTERS}
    for names in batches([name for name in attack.typed() if name not in single]):
        start(attack)
        note(attack, type_rows(attack, names))
        look_at_state(attack)
    for name in attack.typed():
        if name in single or not shown(attack, name):
            run_row(attack, name)


def listed_rows(machine, agent):
    """The rows that the guest says it has."""
    machine.send("attach hostile\r")
    machine.expect(r"^attached to hostile.*\n", 30)
    mark = machine.mark()
    machine.send("list\r")
    machine.expect(r"^HOSTILE done list", 60)
    agent.detach()
    return set(re.findall(r"^LIST (\S+) ", machine.since(mark), re.M))


def build_image(folder, kind):
    """In Bochs the neighbour is a second hostile guest, which starts at once and does nothing."""
    linux = kind == "qemu-svm"
    hostile = {"memory": "64MiB", "kernel": "hostile.elf", "initramfs": "", "onReboot": "stop", "onCrash": "stop"}
    neighbour = partition(NEIGHBOUR, [2, 3], cmdline=f"console=ttyS0 name={NEIGHBOUR}") if linux else partition(
        NEIGHBOUR, [2], **hostile)
    text = variants.manifest(partition("hostile", [1], **hostile), neighbour, links=[("net", "hostile", NEIGHBOUR)])
    return variants.build(folder, text, {**(LINUX if linux else {}), "hostile.elf": GUESTS / "hostile.elf"})


@pytest.fixture(scope="module", params=MACHINES)
def attack(request, tmp_path_factory, measured):
    kind = request.param
    image = build_image(tmp_path_factory.mktemp("hostile"), kind)
    with open_machine(kind, image, cpus=4 if kind == "qemu-svm" else 3, memory=2048 if kind == "qemu-svm" else 1024,
                      name="hostile") as machine:
        agent = Agent(machine)
        agent.wait_status()
        if kind == "qemu-svm":
            with agent.attached(NEIGHBOUR) as shell:
                shell.wake(120)
                shell.run("heartbeat > /tmp/beats & sleep 1")
        attack = Attack(kind, machine, agent)
        attack.before = neighbour_state(agent)
        attack.listed = listed_rows(machine, agent)
        started = time.monotonic()
        run_all(attack)
        measured(f"hostile guest on {kind}: {len(attack.typed())} rows in {time.monotonic() - started:.0f} s, "
                 f"{started - machine.started:.0f} s after the start")
        attack.totals = {name: agent.total("hostile", name) for name in QUIET_COUNTERS}
        attack.after = neighbour_state(agent)
        everything[kind] = attack
        yield attack


everything = {}


def skip_if_not_stood(attack, row):
    if row in NOT_STOOD.get(attack.kind, ()):
        pytest.skip("this emulator does not stand it, see NOT_STOOD")


def verdict_of(attack, row):
    """The verdict, and why: a mode's is what its instructions did, as far as the emulator can show them."""
    verdict, detail = attack.verdicts.get(row, "not run"), attack.details.get(row, "")
    if attack.defects().get(row) == verdict and (verdict != "stopped" or ENTRY_FAILED in attack.reasons[row]):
        return ROWS[row][0], "as far as this emulator can show it"
    if verdict == "wrong" and not wrong_instructions(attack, row):
        return "exact", "but for what this emulator does wrong"
    return verdict, detail


def wrong_instructions(attack, row):
    """Instructions that did not end as they should, but for the emulator's own defects."""
    stepped = row == STEPPING
    wrong = {}
    for mode in MODES if stepped else [row.removeprefix("mode-")]:
        ended = attack.instructions.get((mode, stepped), {})
        for name, end in instructions_of(mode, stepped).items():
            defect = INSTRUCTION_DEFECTS[attack.kind].get(name)
            if ended.get(name) not in (end, f"{defect}!vector"):
                wrong[mode, name] = ended.get(name, "not run")
        unknown = set(ended) - set(instructions_of(mode, stepped))
        wrong.update({(mode, name): "not in docs/hostile.md" for name in unknown})
    return wrong


@pytest.mark.parametrize("row", SURVIVED)
def test_verdict(attack, row):
    skip_if_not_stood(attack, row)
    verdict, detail = verdict_of(attack, row)
    assert verdict == ROWS[row][0], detail


@pytest.mark.parametrize("row", STOPPING)
def test_stopped_with_reason(attack, row):
    skip_if_not_stood(attack, row)
    if attack.defects().get(row) == attack.verdicts.get(row):
        pytest.xfail("a defect of this emulator, see DEFECTS")
    assert re.search(REASONS[ROWS[row][1]], attack.reasons[row], re.I), attack.reasons[row]


@pytest.mark.parametrize("row", [*(f"mode-{mode}" for mode in MODES), STEPPING])
def test_each_instruction_ends_as_documented(attack, row):
    skip_if_not_stood(attack, row)
    assert wrong_instructions(attack, row) == {}, attack.details.get(row)


def test_guest_has_no_row_without_a_verdict(attack):
    undocumented = set(attack.verdicts) - set(ROWS)
    assert undocumented == set(), undocumented
    assert attack.listed == set(TYPED)


@pytest.mark.parametrize("row", [name for name, (_, counter) in ROWS.items() if counter in QUIET_COUNTERS])
def test_named_counter_grows(attack, row):
    if not attack.counts_rows():
        pytest.skip("rows share a line here; the totals are compared")
    assert attack.growth[row] > 0


def test_refusals_are_counted(attack):
    assert attack.totals["refused_msrs"] > 10000
    assert attack.totals["refused_ports"] > 65536
    assert attack.totals["refused_ipis"] > 300
    assert attack.totals["refused_hypercalls"] > 100


def test_neighbour_is_undisturbed(attack, measured):
    assert attack.after == attack.before
    if attack.kind != "qemu-svm":
        return
    with attack.agent.attached(NEIGHBOUR) as shell:
        shell.wake()
        first = shell.run("tail -1 /tmp/beats")
        second = shell.run("sleep 1; tail -1 /tmp/beats")
    beats = [int(re.search(r"BEAT (\d+)", text)[1]) for text in (first, second)]
    assert beats[1] > beats[0]
    gap = int(re.search(r"worst_gap_us=(\d+)", second)[1])
    assert gap < WORST_GAP_US * SLOWNESS, "a beat of the neighbour came late while the hostile guest attacked"
    measured(f"neighbour of the hostile guest: {second.strip()}")


def side_by_side():
    """A line per row, a column per machine that ran; a verdict that is the emulator's own has a star."""
    kinds = [kind for kind in MACHINES if kind in everything]
    yield f"{'row':28} {'promised':12}" + "".join(f" {kind:12}" for kind in kinds)
    for row, (promised, _) in ROWS.items():
        cells = []
        for kind in kinds:
            raw = everything[kind].verdicts.get(row, "not run")
            cells.append(raw + ("*" if raw not in (promised, "not run") else ""))
        yield f"{row:28} {promised:12}" + "".join(f" {cell:12}" for cell in cells)


def test_machines_agree_on_every_verdict(measured):
    """The last test of the file: the others have run the machines."""
    lines = list(side_by_side())
    (BUILD / "hostile-verdicts.txt").write_text("\n".join(lines) + "\n")
    measured("verdicts of docs/hostile.md (* the emulator's own, see DEFECTS)\n" + "\n".join(lines))
    for row in ROWS:
        verdicts = {verdict_of(attack, row)[0] for attack in everything.values()
                    if row not in NOT_STOOD.get(attack.kind, ())}
        assert len(verdicts) == 1, (row, verdicts)
