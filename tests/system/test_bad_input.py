# SPDX-License-Identifier: MIT
"""Input that is wrong in part: the rest comes up, and each fault is named with place, reason and remedy."""

import re

import pytest
import variants
from console import Agent
from emulator import Machine
from variants import GUESTS, LINUX, partition


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """One machine whose manifest has many faults, and one healthy partition that runs the package's bzImage."""
    folder = tmp_path_factory.mktemp("faulty")
    damaged = folder / "truncated-elf"
    kernel = (GUESTS / "vmlinux").read_bytes()
    damaged.write_bytes(kernel[:1 << 20])
    text = variants.manifest(
        partition("healthy", [1], kernel="bzImage", cmdline="console=ttyS0 name=healthy"),
        partition("debian13", [4], kernel="bzImage-6.12", cmdline="console=ttyS0 name=debian13"),
        partition("unknown-field", [6], colour="blue"),
        partition("lost-module", [2], kernel="nowhere"),
        partition("damaged", [3], kernel="truncated-elf", initramfs=""),
        partition("many-cpus", 9),
        partition("no-such-cpu", [9]),
        partition("much-memory", [7], memory="64GiB"),
        partition("claimed-twice", [1]),
    )
    images = {**LINUX, "bzImage": GUESTS / "bzImage", "bzImage-6.12": GUESTS / "bzImage-6.12", "truncated-elf": damaged}
    image = variants.build(folder, text, images)
    with Machine(image, cpus="8", name="faulty") as machine:
        agent = Agent(machine)
        agent.boot_status = agent.wait_status()
        agent.manifest_lines = text.splitlines()
        yield agent


def problem(agent, name, *words):
    """The one problem about partition `name`: it holds the words and, for a fault of the manifest, line and column."""
    index = next(i for i, line in enumerate(agent.manifest_lines) if f'"name": "{name}"' in line)
    following = [i for i, line in enumerate(agent.manifest_lines) if '"name": "' in line and i > index]
    last = following[0] - 1 if following else len(agent.manifest_lines)
    found = []
    for text in agent.boot_status.problems:
        place = re.search(r"manifest:(\d+):(\d+)", text)
        if index - 1 <= int(place[1]) - 1 < last if place else name in text:
            found.append(text)
    assert len(found) == 1, f"wanted one problem about {name}, have {found} of {agent.boot_status.problems}"
    for word in words:
        assert re.search(word, found[0], re.I), f"/{word}/ is not in: {found[0]}"
    return found[0]


def test_unknown_field_is_named_with_line_and_column(faulty):
    assert re.search(r"manifest:\d+:\d+", problem(faulty, "unknown-field", "colour"))


def test_missing_module_is_named(faulty):
    problem(faulty, "lost-module", "nowhere", "copy")


def test_damaged_guest_kernel_is_named(faulty):
    problem(faulty, "damaged", r"truncated-elf", r"segment 0 of the kernel lies outside its file", r"damaged or cut short, replace it")


def test_more_cpus_than_there_are(faulty):
    problem(faulty, "many-cpus", r"wanted 9 CPUs", r"free")


def test_cpu_that_does_not_exist(faulty):
    problem(faulty, "no-such-cpu", r"CPU 9 does not exist")


def test_more_memory_than_there_is(faulty):
    problem(faulty, "much-memory", r"wanted 65536 MiB", r"MiB are free")


def test_cpu_claimed_by_two_partitions(faulty):
    problem(faulty, "claimed-twice", r"CPU 1", "healthy")


def test_the_rest_comes_up_and_boots_the_packages_bzimage(faulty):
    assert faulty.boot_status.partitions["healthy"]["state"] == "running"
    with faulty.attached("healthy") as shell:
        shell.wake(240)
        assert shell.run("nproc").strip() == "1"


def test_debian_13_kernel_runs_as_well(faulty):
    """The other stock kernel, as its package has it (bzImage, zstd). On one CPU: emulators before QEMU 8.1 can run
    stale code while another CPU patches it, and this kernel patches itself often enough to die of that."""
    with faulty.attached("debian13") as shell:
        shell.wake(240)
        assert "Debian 6.12" in shell.run("cat /proc/version")
        assert shell.run("dmesg | grep -cE 'unchecked MSR access|Firmware Bug|x2apic disabled' || true").strip() == "0"
        shell.send("reboot\r")
        shell.expect(r"MARK-USERSPACE", 120)
        shell.wake(60)
        shell.send("poweroff\r")
        faulty.wait_ended("debian13")


def test_syntax_error_is_named_with_its_place(tmp_path):
    text = variants.manifest(partition("alpha", [1])).replace('"cpus": [', '"cpus": [,', 1)
    line = next(i for i, one in enumerate(text.splitlines(), 1) if "[," in one)
    image = variants.build(tmp_path, text, images={})
    with Machine(image, name="syntax") as machine:
        agent = Agent(machine)
        status = agent.wait_status()
        assert any(re.search(rf"manifest:{line}:\d+", one) for one in status.problems), status.problems
        assert status.partitions == {}
        assert agent.command("help")


def test_cpus_that_do_not_start_are_named_and_nobody_gets_them(tmp_path):
    text = variants.manifest(partition("alpha", [1], cmdline="console=ttyS0 name=alpha"), partition("orphan", [4]))
    image = variants.build(tmp_path, text)
    with Machine(image, cpus="4,maxcpus=6", name="lost-cpus") as machine:
        agent = Agent(machine)
        agent.boot_status = status = agent.wait_status()
        agent.manifest_lines = text.splitlines()
        assert status.fields["cpus"] == "6 (1 agent, 1 in partitions, 2 free, 2 not started)"
        for cpu in (4, 5):
            about = [one for one in status.problems if one.startswith(f"CPU {cpu} ")]
            assert len(about) == 1, status.problems
            assert "it did not start: no partition can have it: check it in the firmware setup" in about[0]
        problem(agent, "orphan", r"CPU 4 did not start when the box booted", r"name another CPU")
        assert status.partitions["alpha"]["state"] == "running"
