# SPDX-License-Identifier: MIT
"""
Each row of docs/hostile.md, on each machine: the hostile guest attacks, the verdict is the promised one, the neighbour
notices nothing.
"""

import re
import time

import pytest
import variants
from bochs import BACK_END, open_machine
from console import Agent
from emulator import BUILD, SCALE, SLOWNESS, TOP, qemu_major
from variants import GUESTS, LINUX, partition

ROW_SECONDS = 180
BATCH_BYTES = 700  # a line of the guest's console holds 1 KiB, with what the agent sends ahead
WORST_GAP_US = 2_000_000  # four emulated CPUs share two of the machine: beats are late even in peace
NEIGHBOUR = "beta"
MACHINES = tuple(BACK_END)
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
}
QEMU_10_FORMS = ("vmxon", "vmclear", "vmptrld", "vmptrst")
QEMU_10_DEFECTS = dict.fromkeys((f"{ring}-{name}" for ring in ("insn", "user") for name in QEMU_10_FORMS), "ignored")
# Likewise of instructions, by mode: QEMU has no ICEBP, and looks at the ring before it looks whether virtual-8086 mode
# has SVM.
INSTRUCTION_DEFECTS = {
    "qemu-svm": {
        **{(mode, "icebp"): "#UD" for mode in MODES},
        **{("v86", name): "#GP" for name in ("vmrun", "vmload", "vmsave", "stgi", "clgi", "invlpga")},
    },
}
QEMU_10_INSTRUCTION_DEFECTS = {(mode, name): "done" for mode in MODES for name in QEMU_10_FORMS}
# Rows that an emulator does not stand. With SVM, Bochs gives the host the trap of a single-stepped instruction that
# exits, takes an exit from virtual-8086 mode for the host being in it, lets a guest page in real mode, even a 64-bit
# one, and keeps interrupts from a guest that is entered with interrupts off.
NOT_STOOD = {"bochs-svm": {STEPPING, "mode-v86", "cr0-paging-unprotected", "hang"}}
OWN_FAULT = re.compile(r"with CPL!=0")  # Bochs notes it of a guest that runs SVM's instructions in ring 3
EXCEPTION_LOOPS = ("db-loop",)
GROWTH_SECONDS = 30
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
        self.is_qemu_10 = kind == "qemu-svm" and qemu_major() >= 10
        self.machine = machine
        self.agent = agent
        self.running = True
        self.verdicts = {}
        self.details = {}
        self.reasons = {}
        self.growth = {}  # of the counter that a row names
        self.unexpected = []  # (rows of a line, why the partition ended at one of them)
        self.instructions = {}  # (mode, stepped): {instruction: how it ended}
        self.listed = set()
        self.totals = {}
        self.before = {}
        self.after = {}

    def defects(self):
        return {**DEFECTS.get(self.kind, {}), **(QEMU_10_DEFECTS if self.is_qemu_10 else {})}

    def instruction_defects(self):
        return {**INSTRUCTION_DEFECTS.get(self.kind, {}), **(QEMU_10_INSTRUCTION_DEFECTS if self.is_qemu_10 else {})}

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


def type_words(machine, name, words):
    """Types words on a hostile guest's console; returns the mark behind which its answers come."""
    machine.send(f"attach {name}\r")
    machine.expect(rf"^attached to {name}.*\n", 30)
    mark = machine.mark()
    machine.send(" ".join(words) + "\r")
    return mark


def ask(machine, agent, name, word):
    """What a hostile guest answers to one word."""
    mark = type_words(machine, name, [word])
    machine.expect(rf"^HOSTILE done {word}", ROW_SECONDS)
    agent.detach()
    return machine.since(mark)


def wait_growth(attack, counter, before):
    """By how much a counter of the hostile guest has grown once it has, or 0; each round is a round trip."""
    deadline = time.monotonic() + GROWTH_SECONDS * SCALE
    while (growth := attack.agent.total("hostile", counter) - before) == 0 and time.monotonic() < deadline:
        pass
    return growth


def run_until_stopped(attack, name):
    """A row that would go on for ever: the operator stops it once it is under way."""
    before = attack.agent.total("hostile", "EXCEPTION") if name in EXCEPTION_LOOPS else 0
    mark = type_words(attack.machine, "hostile", [name])
    attack.machine.expect(rf"^ROW {name} start", 60)
    attack.agent.detach()
    if name in EXCEPTION_LOOPS:
        attack.growth[name] = wait_growth(attack, "EXCEPTION", before)
    attack.agent.command("stop hostile")
    return attack.machine.since(mark)


def type_rows(attack, names):
    """Types rows on the hostile guest's console; returns what it printed until all were done or the partition ended."""
    if ROWS.get(names[0]) == ("stopped", "REQUESTED"):
        return run_until_stopped(attack, names[0])
    machine = attack.machine
    mark = type_words(machine, "hostile", names)
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
        if reason := look_at_state(attack):
            attack.unexpected.append((names, reason))
    for name in attack.typed():
        if name in single or not shown(attack, name):
            run_row(attack, name)


def listed_rows(machine, agent):
    """The rows that the guest says it has."""
    return set(re.findall(r"^LIST (\S+) ", ask(machine, agent, "hostile", "list"), re.M))


def build_image(folder, kind):
    """In Bochs the neighbour is a second hostile guest, which starts at once and attacks nobody."""
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
        else:
            ask(machine, agent, NEIGHBOUR, "keep")
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
    wrong, defects = {}, attack.instruction_defects()
    for mode in MODES if stepped else [row.removeprefix("mode-")]:
        ended = attack.instructions.get((mode, stepped), {})
        for name, end in instructions_of(mode, stepped).items():
            defect = defects.get((mode, name))
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
    if row in attack.defects() and attack.defects()[row] == attack.verdicts.get(row):
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


@pytest.mark.parametrize("row", EXCEPTION_LOOPS)
def test_endless_exception_was_delivered(attack, row):
    assert attack.growth[row] > 0


def test_no_row_ends_the_partition_behind_another(attack):
    assert attack.unexpected == []


def test_emulator_has_refused_no_entry(attack):
    if attack.machine.program == "Bochs":
        assert [line for line in attack.machine.complaints() if not OWN_FAULT.search(line)] == []


def test_refusals_are_counted(attack):
    assert attack.totals["refused_msrs"] > 10000
    assert attack.totals["refused_ports"] > 65536
    assert attack.totals["refused_ipis"] > 300
    assert attack.totals["refused_hypercalls"] > 100


def test_neighbour_is_undisturbed(attack, measured):
    assert attack.after == attack.before
    if attack.kind != "qemu-svm":
        answer = ask(attack.machine, attack.agent, NEIGHBOUR, "kept")
        assert re.search(r"^KEPT wrong=0\r?$", answer, re.M), answer
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


def cell(attack, row):
    """What stands in the table of verdicts for a row on one machine."""
    promised, raw = ROWS[row][0], attack.verdicts.get(row, "not run")
    if raw == promised or row in NOT_STOOD.get(attack.kind, ()):
        return raw
    return f"{raw} (excused)" if verdict_of(attack, row)[0] == promised else f"{raw} (wrong)"


def side_by_side():
    """A line per row, a column per machine that ran."""
    kinds = [kind for kind in MACHINES if kind in everything]
    yield f"{'row':28} {'promised':12}" + "".join(f" {kind:18}" for kind in kinds)
    for row, (promised, _) in ROWS.items():
        yield f"{row:28} {promised:12}" + "".join(f" {cell(everything[kind], row):18}" for kind in kinds)


def codes_of_stop(attack, row):
    """The codes of docs/hostile.md that the reason of a stop may stand for."""
    return frozenset(code for code, words in REASONS.items() if re.search(words, attack.reasons.get(row, ""), re.I))


def test_document_names_what_is_not_shown():
    documented = {(row, kind) for row, kind, _ in rows_below("| row | not shown on | because it |")}
    assert documented == {(row, kind) for table in (DEFECTS, NOT_STOOD) for kind, rows in table.items() for row in rows}


def test_machines_agree_on_every_verdict(request, measured):
    """The last test of the file: the others have run the machines."""
    planned = {item.callspec.params["attack"] for item in request.session.items
               if item.path == request.node.path and "attack" in item.fixturenames}
    assert set(everything) == planned
    lines = list(side_by_side())
    (BUILD / "hostile-verdicts.txt").write_text("\n".join(lines) + "\n")
    measured("verdicts of docs/hostile.md (excused: the emulator's own, see DEFECTS)\n" + "\n".join(lines))
    for row in ROWS:
        shows = [attack for attack in everything.values() if row not in NOT_STOOD.get(attack.kind, ())]
        verdicts = {verdict_of(attack, row)[0] for attack in shows}
        assert len(verdicts) <= 1, (row, verdicts)
        codes = {codes_of_stop(attack, row) for attack in shows if row in STOPPING and row not in attack.defects()}
        assert len(codes) <= 1, (row, codes)
