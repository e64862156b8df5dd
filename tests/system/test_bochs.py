# SPDX-License-Identifier: MIT
"""
The demo image, unmodified, on every machine: AMD's and Intel's CPUs, QEMU and Bochs. Most of what
a machine is held to are test_demo's own tests. Bochs has no network card and no MSI, so the driver VM has no uplink.
"""

import pytest
import test_demo
import variants
from bochs import BACK_END, open_machine
from console import Agent
from variants import DEMO, GUESTS, partition

BOOT_SECONDS = 240
GUEST_BOOT_SECONDS = 240
LINK_MIB = 4
PORT = 5001
# Tests of the demo that hold here too, in the order in which they run: what ends a guest comes last.
FROM_DEMO = (
    "test_vmm_and_agent_hold_at_most_48_mib",
    "test_guest_runs_stock_kernel_with_all_its_cpus",
    "test_guest_command_line_holds_only_console_and_arguments",
    "test_guest_log_has_no_complaint_about_the_machine",
    "test_guest_shell_has_job_control",
    "test_digit_key_attaches_at_once",
    "test_unknown_names_and_commands_are_explained",
    "test_pause_stops_and_resume_continues_the_same_guest",
    "test_guest_reboot_starts_it_again",
    "test_power_button_shuts_the_guest_down",
)
# Machines in the order of their turns; each test has the first few of them, VMX always.
MACHINES = sorted(BACK_END, key=["bochs-vmx", "bochs-svm", "qemu-svm", "bochs-new"].index)
ON_ALL = (
    "test_one_image_brings_a_stock_kernel_to_userspace",
    "test_link_carries_every_byte",
    "test_emulator_has_refused_no_entry",
)
ON_BOTH_VENDORS = (
    "test_guest_runs_stock_kernel_with_all_its_cpus",
    "test_guest_log_has_no_complaint_about_the_machine",
    "test_pause_stops_and_resume_continues_the_same_guest",
    "test_shutdown_powers_the_box_off",
)


def pytest_generate_tests(metafunc):
    if "agent" in metafunc.fixturenames:
        name = metafunc.function.__name__
        count = len(MACHINES) if name in ON_ALL else 2 if name in ON_BOTH_VENDORS else 1
        metafunc.parametrize("agent", MACHINES[:count], indirect=True, scope="module")


@pytest.fixture(scope="module")
def costs(measured):
    """{machine: {what: number}} of a boot to userspace; printed side by side at the end."""
    found = {}
    yield found
    reasons = sorted({key for one in found.values() for key in one}, key=lambda key: (key.isupper(), key))
    measured(f"{'stock kernel to userspace':26}" + "".join(f"{kind:>12}" for kind in found))
    for key in reasons:
        measured(f"{key:26}" + "".join(f"{one.get(key, 0):12}" for one in found.values()))


@pytest.fixture(scope="module")
def agent(request, costs):
    with open_machine(request.param, DEMO, cpus=4, name=request.param) as machine:
        agent = Agent(machine)
        agent.kind = request.param
        agent.boot_status = agent.wait_status(BOOT_SECONDS)
        before = machine.cpu_seconds()
        with agent.attached("alpha") as shell:
            shell.expect(r"^MARK-USERSPACE", GUEST_BOOT_SECONDS)
        costs[request.param] = {"CPU s to status block": round(before), "CPU s to userspace": round(machine.cpu_seconds())}
        for (_, key), (count, _) in agent.counters("alpha").items():
            if key.isupper() and count:
                costs[request.param][key] = count
        with agent.attached("beta") as shell:
            shell.wake(GUEST_BOOT_SECONDS)
        yield agent


def test_one_image_brings_a_stock_kernel_to_userspace(agent, costs):
    assert agent.boot_status.fields["back end"] == BACK_END[agent.kind]
    assert {name: one["state"] for name, one in agent.boot_status.partitions.items()} == {"alpha": "running", "beta": "running"}
    with agent.attached("alpha") as shell:
        shell.wake()
        assert "Debian" in shell.run("cat /proc/version")
    assert {"CPUID", "PORT", "MSR", "INTERRUPT"} <= set(costs[agent.kind]), "exits have one name on all machines"


def test_link_carries_every_byte(agent):
    with agent.attached("beta") as shell:
        shell.wake()
        shell.run(f"netbench serve {PORT} > /tmp/served & :")
    with agent.attached("alpha") as shell:
        shell.wake()
        assert "3 packets received" in shell.run("ping -c 3 -W 10 192.168.77.2", 120)
        result = shell.run(f"netbench send 192.168.77.2 {PORT} {LINK_MIB}", 240)
    assert f"server got {LINK_MIB << 20}, wrong chunks 0" in result


globals().update({name: getattr(test_demo, name) for name in FROM_DEMO})


def test_emulator_has_refused_no_entry(agent):
    if agent.machine.program == "Bochs":
        assert agent.machine.complaints() == []


test_shutdown_powers_the_box_off = test_demo.test_shutdown_powers_the_box_off


def test_compressed_kernel_unpacks_itself_on_vmx(tmp_path, measured):
    text = variants.manifest(partition("stock", [1], kernel="bzImage"))
    files = {name: GUESTS / name for name in ("bzImage", "initramfs.cpio")}
    with open_machine("bochs-vmx", variants.build(tmp_path, text, files), name="bzimage") as machine:
        agent = Agent(machine)
        agent.wait_status(BOOT_SECONDS)
        with agent.attached("stock") as shell:
            shell.expect(r"^MARK-USERSPACE", GUEST_BOOT_SECONDS)
        measured(f"bzImage to userspace on bochs-vmx: {machine.cpu_seconds():.0f} CPU s")
