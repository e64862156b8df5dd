# SPDX-License-Identifier: MIT
"""
The VMM's exit counters against a witness: the emulator's own log of every #VMEXIT. Each of its CPUs is a thread and
has a log of its own, so that the guest's exits, alone on CPU 1, stand apart from the agent's on CPU 0.
"""

import collections
import re

import variants
from console import Agent
from emulator import Machine
from variants import GUESTS, partition

ROWS = ("cpuid-leaves", "kvmclock-address", "port-straddle", "acpi-other", "mmio-device-walk")
# AMD64 APM volume 2, appendix C: exit code by the counters that it feeds.
CODES = {
    0x72: ("CPUID",),
    0x78: ("HLT",),
    0x7B: ("PORT",),
    0x7C: ("MSR", "X2APIC"),
    0x400: ("MMIO",),
}


def totals(agent):
    """Counts by counter; the partition is paused, so they stand still."""
    found = collections.Counter()
    for (_, name), (count, _) in agent.counters("hostile").items():
        found[name] += count
    return found


def thread_of(machine, cpu):
    return next(one["thread-id"] for one in machine.qmp("query-cpus-fast") if one["cpu-index"] == cpu)


def test_counters_agree_with_the_emulators_trace(tmp_path, measured):
    text = variants.manifest(partition("hostile", [1], memory="64MiB", kernel="hostile.elf", initramfs=""))
    image = variants.build(tmp_path, text, {"hostile.elf": GUESTS / "hostile.elf"})
    with Machine(image, cpus="2", name="trace", extra=("-D", tmp_path / "trace.%d", "-d", "tid")) as machine:
        agent = Agent(machine)
        agent.wait_status()
        agent.command("pause hostile")
        before = totals(agent)
        machine.hmp("log in_asm")
        agent.command("resume hostile")
        with agent.attached("hostile") as console:
            for row in ROWS:
                console.send(row + "\r")
                console.expect(rf"^HOSTILE done {row}", 120)
        agent.command("pause hostile")
        machine.hmp("log none")
        after = totals(agent)
        trace = (tmp_path / f"trace.{thread_of(machine, cpu=1)}").read_text(errors="replace")
    seen = collections.Counter(int(code, 16) for code in re.findall(r"vmexit\(([0-9a-f]{8}),", trace))
    counted = {code: sum(after[name] - before[name] for name in names) for code, names in CODES.items()}
    assert counted == {code: seen[code] for code in CODES}
    assert all(counted.values()), counted
    measured(f"exits in the emulator's trace and in the counters: {sum(counted.values())}, no difference")
