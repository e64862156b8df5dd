# SPDX-License-Identifier: MIT
"""The demo image on the distribution's own QEMU: what a user gets, and what an operator can do."""

import re

import pytest
from console import Agent, Shell
from emulator import Machine
from variants import DEMO

FORBIDDEN_WORDS = ("nox2apic", "noapic", "tsc=", "lpj=", "clocksource=", "pci=", "acpi=", "nokaslr", "mitigations=")
FORBIDDEN_LINES = r"unchecked MSR access|Firmware Bug|x2apic disabled"


@pytest.fixture(scope="module")
def agent():
    with Machine(DEMO, name="demo") as machine:
        agent = Agent(machine)
        agent.boot_status = agent.wait_status()
        for name in ("alpha", "beta"):
            with agent.attached(name) as shell:
                shell.wake(120)
        yield agent


def test_status_block_shows_box_and_partitions(agent, measured):
    status = agent.boot_status
    assert re.match(r"\d+\.\d+ s", status.fields["boot time"])
    assert status.fields["cpus"] == "4 (1 agent, 3 in partitions, 0 free)"
    assert re.match(r"\d+ MiB \(\d+ MiB free, VMM \d+ MiB, agent \d+ MiB\)", status.fields["memory"])
    assert status.fields["back end"] == "SVM"
    assert status.fields["isolation.dma"] == "none"
    assert status.problems == []
    assert {name: one["cpus"] for name, one in status.partitions.items()} == {"alpha": "1", "beta": "2-3"}
    assert all(one["state"] == "running" for one in status.partitions.values())
    measured(f"boot time as the agent counts it: {status.fields['boot time']}")


def test_vmm_and_agent_hold_at_most_48_mib(agent, measured):
    vmm, own = map(int, re.search(r"VMM (\d+) MiB, agent (\d+) MiB", agent.boot_status.fields["memory"]).groups())
    measured(f"RAM: VMM {vmm} MiB, agent {own} MiB")
    assert vmm + own <= 48


@pytest.mark.parametrize("name, cpus", [("alpha", "1"), ("beta", "2")])
def test_guest_runs_stock_kernel_with_all_its_cpus(agent, name, cpus):
    with agent.attached(name) as shell:
        shell.wake()
        assert re.search(r"Debian", shell.run("cat /proc/version"))
        assert shell.run("nproc").strip() == cpus
        assert "x2apic" in shell.run("grep -m1 -o x2apic /proc/cpuinfo")


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_guest_command_line_holds_only_console_and_arguments(agent, name):
    with agent.attached(name) as shell:
        shell.wake()
        words = shell.run("cat /proc/cmdline").split()
    assert words[0] == "console=ttyS0"
    assert not [word for word in words for forbidden in FORBIDDEN_WORDS if word.startswith(forbidden)]
    assert all(re.match(r"(name|run|net|web|serve)=", word) for word in words[1:])


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_guest_log_has_no_complaint_about_the_machine(agent, name):
    with agent.attached(name) as shell:
        shell.wake()
        assert shell.run(f"dmesg | grep -cE '{FORBIDDEN_LINES}' || true").strip() == "0"
        assert "kvm-clock" in shell.run("cat /sys/devices/system/clocksource/clocksource0/available_clocksource")


def test_guest_shell_has_job_control(agent):
    with agent.attached("alpha") as shell:
        shell.wake()
        shell.send("sh -c 'echo SLE''EPS; exec sleep 1000'\r")
        shell.expect(r"SLEEPS\n")  # from here on it is not the shell that the key ends
        shell.send(b"\x03")
        shell.expect(Shell.PROMPT)
        assert "1" in shell.run("sleep 1000 & jobs | wc -l; kill %1")


def test_digit_key_attaches_at_once(agent):
    agent.machine.send("2")
    shell = Shell(agent.machine, agent.port)
    shell.wake()
    assert shell.run("nproc").strip() == "2"
    agent.detach()


def test_pause_stops_and_resume_continues_the_same_guest(agent):
    with agent.attached("alpha") as shell:
        shell.wake()
        shell.run("while :; do :; done & echo busy")
        before = float(shell.run("cut -d' ' -f1 /proc/uptime"))
    running = agent.total("alpha", "guest_ticks")
    assert agent.total("alpha", "guest_ticks") > running, "a busy guest's ticks must grow"
    agent.command("pause alpha")
    assert agent.status().partitions["alpha"]["state"] == "paused"
    ticks = agent.total("alpha", "guest_ticks")
    agent.status()
    assert agent.total("alpha", "guest_ticks") == ticks
    agent.command("resume alpha")
    with agent.attached("alpha") as shell:
        shell.wake()
        assert float(shell.run("cut -d' ' -f1 /proc/uptime")) > before
        shell.run("kill $!")


def test_guest_poweroff_ends_the_partition(agent):
    with agent.attached("alpha") as shell:
        shell.wake()
        shell.send("poweroff\r")
        shell.expect(r"reboot: Power down", 60)
        agent.wait_ended("alpha")
    assert agent.info("alpha")["reason"] == "powered off by its guest"
    agent.command("start alpha")
    with agent.attached("alpha") as shell:
        shell.expect(r"MARK-USERSPACE", 120)
        shell.wake()


def test_guest_reboot_starts_it_again(agent):
    starts = int(agent.info("alpha")["starts"])
    with agent.attached("alpha") as shell:
        shell.wake()
        shell.send("reboot\r")
        shell.expect(r"reboot: machine restart", 60)
        shell.expect(r"MARK-USERSPACE", 120)
        shell.wake()
    assert int(agent.info("alpha")["starts"]) == starts + 1


def test_power_button_shuts_the_guest_down(agent):
    agent.command("poweroff beta")
    agent.wait_state("beta", "stopped", 60)
    assert agent.info("beta")["reason"] == "powered off by its guest"


def test_stop_names_the_operator_and_leaves_the_neighbour_alone(agent):
    agent.command("start beta")
    agent.wait_state("beta", "running")  # its memory may have to be scrubbed first
    with agent.attached("beta") as shell:
        shell.expect(r"MARK-USERSPACE", 120)
        shell.wake()
    starts = agent.info("alpha")["starts"]
    agent.command("stop beta")
    assert agent.status().partitions["beta"]["state"] == "stopped"
    assert agent.info("beta")["reason"] == "stopped by the operator"
    assert agent.status().partitions["alpha"]["state"] == "running"
    assert agent.info("alpha")["starts"] == starts


def test_reset_gives_a_fresh_guest(agent):
    agent.command("reset beta")
    with agent.attached("beta") as shell:
        shell.expect(r"MARK-USERSPACE", 120)


def test_destroy_frees_cpus_and_memory_for_a_new_start(agent):
    def free_mib():
        return int(re.search(r"(\d+) MiB free", agent.status().fields["memory"])[1])

    before = agent.status().partitions["beta"]
    assert before["state"] == "running"
    free = free_mib()
    agent.command("destroy beta")
    assert "2 free" in agent.status().fields["cpus"]
    assert re.search(r"no partition|not|unknown", agent.error("pause beta"))
    assert free_mib() >= free + before["mib"]
    agent.command("start beta")
    agent.wait_state("beta", "running")  # its memory may have to be scrubbed first
    with agent.attached("beta") as shell:
        shell.expect(r"MARK-USERSPACE", 120)
        shell.wake()
    assert free_mib() <= free + 1


def test_unknown_names_and_commands_are_explained(agent):
    for command in ("start nobody", "frobnicate", "attach"):
        assert agent.error(command).count(":") >= 1
    assert "Invalid argument" not in agent.machine.streams["com1"].text()


def test_shutdown_powers_the_box_off(agent):
    agent.machine.send("shutdown\r")
    agent.machine.wait_end(60)
