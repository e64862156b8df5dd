# SPDX-License-Identifier: MIT
"""The driver VM dies, spins, is missing, or has nothing to drive; and the agent dies beside it."""

import re
import time

import pytest
import variants
from api import AGENT, User, wait, wait_api
from console import Agent
from emulator import BUILD, SLOWNESS, Machine
from variants import GUESTS, partition

PEER = "10.0.2.2"
SHARE = 0.40
SPIN_MS = 3000
ESTABLISHED = "01"
API_BACK_SECONDS = 3.0
STREAM_MIB = 96
SITE_STATIC = variants.TOP / "configs" / "site-demo.json"


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """The demo, with an agent that can be told to crash or to spin."""
    folder = tmp_path_factory.mktemp("driver")
    image = variants.build(folder, (variants.TOP / "configs/demo.json").read_text(), driver_vm=True,
                           arguments=["--agent", BUILD / "agent/agent-crash.bin", "--site", SITE_STATIC])
    user = User()
    with Machine(image, name="driver", extra=user.arguments) as machine:
        console = Agent(machine)
        console.boot_status = console.wait_status()
        console.user = user
        console.api = wait_api(machine, user, console.boot_status.fields["token"])
        yield console
        console.api.close()


def driver_starts(box):
    return int(box.info("driver")["starts"])


def jack_is_up(box, name="alpha"):
    ports = box.api.partition(name)["ports"]
    return all(one["linkUp"] for one in ports)


def test_killed_driver_vm_comes_back_and_tcp_survives(box, measured):
    machine = box.machine
    wait(machine, lambda: jack_is_up(box), "alpha's links are not up")
    peer = Peer()
    try:
        with box.attached("alpha") as shell:
            shell.wake(120)
            shell.begin(f"netbench send {PEER} {peer.port} {STREAM_MIB}")
        peer.wait_connected(machine)
        starts = driver_starts(box)
        begun = time.monotonic()
        box.command("stop driver")
        wait(machine, lambda: driver_starts(box) > starts and box.info("driver")["state"] == "running",
             "the agent does not restart the driver VM")
        wait_api(machine, box.user, box.api.token).close()
        measured(f"driver VM killed: the API answers again after {time.monotonic() - begun:.1f} s")
        wait(machine, lambda: jack_is_up(box), "alpha's links do not rise again")
        with box.attached("alpha") as shell:
            result = shell.ended(240)
        assert "wrong chunks 0" in result
        measured(f"stream through the death of the driver VM: {result}")
    finally:
        peer.close()


class Peer:
    """netbench on this machine, where the guest's user network ends."""

    def __init__(self):
        import subprocess
        from api import free_port
        from emulator import die_with_parent
        self.port = free_port()
        self.process = subprocess.Popen([GUESTS / "bin/netbench", "serve", str(self.port)], preexec_fn=die_with_parent,
                                        stdout=subprocess.PIPE, text=True)
        assert "serving" in self.process.stdout.readline()

    def wait_connected(self, machine):
        """Until a connection to the server exists."""
        def connected():
            with open("/proc/net/tcp", encoding="ascii") as table:
                rows = [line.split() for line in table]
            return any(row[1].endswith(f":{self.port:04X}") and row[3] == ESTABLISHED for row in rows)
        wait(machine, connected, "the guest does not connect")

    def close(self):
        self.process.kill()
        self.process.wait()


def test_restarted_agent_keeps_token_and_certificate(box, measured):
    token, fingerprint = box.api.token, box.api.fingerprint()
    ticks = box.total("alpha", "guest_ticks")
    starts = {name: box.info(name)["starts"] for name in ("alpha", "beta", "driver")}
    begun = time.monotonic()
    box.machine.send("crash-agent\r")
    status = box.wait_status(60)
    api = wait_api(box.machine, box.user, token)
    took = time.monotonic() - begun
    measured(f"agent crashed: the API answers again after {took:.2f} s of wall time")
    assert status.fields["token"] == token
    assert api.fingerprint() == fingerprint
    assert {name: box.info(name)["starts"] for name in starts} == starts
    assert box.total("alpha", "guest_ticks") > ticks
    assert api.partition("alpha")["state"] == "running"
    assert took < API_BACK_SECONDS * max(SLOWNESS, 1) + 2  # the crash itself waits 100 ms; the rest is emulation
    box.api.close()
    box.api = api


@pytest.fixture(scope="module")
def spinning(tmp_path_factory):
    """A driver VM that is no Linux: the hostile guest, which hangs with interrupts off when told to. It cannot be moved;
    without other guests' images the driver VM's memory begins below it."""
    folder = tmp_path_factory.mktemp("spin")
    image = variants.build(folder, variants.manifest(), images={}, driver_vm=True,
                           arguments=["--agent", BUILD / "agent/agent-crash.bin", "--driver-kernel", GUESTS / "hostile.elf"])
    with Machine(image, cpus="1", name="spin") as machine:
        agent = Agent(machine)
        agent.wait_status()
        yield agent


def turns(agent):
    text = "\n".join(agent.command(f"spin {SPIN_MS}", 120))
    return int(re.search(r"spun (\d+) turns", text)[1])


def hang(agent):
    agent.machine.send("attach driver\r")
    agent.machine.expect(r"^attached to driver.*\n", 30)
    agent.machine.send("hang\r")
    agent.machine.expect(r"^ROW hang start", 60)
    agent.detach()


@pytest.mark.alone
def test_neither_spinning_half_of_cpu_0_starves_the_other(spinning, measured):
    idle = turns(spinning)
    hang(spinning)
    before = spinning.total("driver", "guest_ticks")
    busy = turns(spinning)
    shared = spinning.total("driver", "guest_ticks") - before
    khz = float(re.search(r"TSC (\d+) kHz", spinning.machine.streams["com1"].text())[1])
    driver_share = shared / (khz * SPIN_MS)
    measured(f"CPU 0: agent beside a spinning driver VM {busy / idle:.0%} of its idle rate; driver VM beside a spinning "
             f"agent at least {driver_share:.0%} of the time")
    assert busy >= SHARE * idle
    assert driver_share >= SHARE


# ---- nothing to drive ----

def boot(tmp_path, *extra, site=None, driver_vm=True):
    """A box with one partition, whose guest is small and waits."""
    text = variants.manifest(partition("alpha", [1], memory="64MiB", kernel="hostile.elf", initramfs=""))
    image = variants.build(tmp_path, text, {"hostile.elf": GUESTS / "hostile.elf"},
                           arguments=["--site", site] if site else [], driver_vm=driver_vm)
    return Machine(image, cpus="2", name="nic", extra=extra)


def test_box_without_network_port_says_so_and_runs_its_partitions(tmp_path):
    with boot(tmp_path, "-nic", "none") as machine:
        agent = Agent(machine)
        agent.wait_status()
        status = wait(machine, lambda: (s := agent.status()).problems and s, "no problem is reported")
        assert any("network port" in line for line in status.problems), status.problems
        assert status.partitions["alpha"]["state"] == "running"


def test_image_without_driver_vm_says_so_and_runs_its_partitions(tmp_path):
    with boot(tmp_path, driver_vm=False) as machine:
        agent = Agent(machine)
        status = agent.wait_status()
        assert status.fields["driver VM"] == "missing"
        assert status.partitions["alpha"]["state"] == "running"


@pytest.mark.parametrize("device, reason", [("vmxnet3", "no driver"), ("rtl8139", "MSI-X")])
def test_network_function_without_driver_is_named_with_the_reason(tmp_path, device, reason):
    with boot(tmp_path, "-device", f"{device},netdev=n", "-netdev", "user,id=n") as machine:
        agent = Agent(machine)
        agent.wait_status()
        lines = wait(machine, lambda: [line for line in agent.command("pci") if reason in line],
                     f"`pci` does not say {reason}")
        assert re.search(r"[0-9a-f]{4}:[0-9a-f]{4}", lines[0])


@pytest.mark.parametrize("device", ["e1000e", "virtio-net-pci,romfile="])
def test_api_answers_over_each_network_card(tmp_path, device):
    user = User(device, forwards={"https": (AGENT, 443)})
    with boot(tmp_path, *user.arguments, site=SITE_STATIC) as machine:
        agent = Agent(machine)
        status = agent.wait_status()
        api = wait_api(machine, user, status.fields["token"])
        assert api.ok("/api/v1/hardware")["nics"][0]["carrier"]
        api.close()


def test_dhcp_lease_is_used_and_shown(tmp_path, measured):
    user = User(forwards={"https": ("10.0.2.15", 443)}, options=",dhcpstart=10.0.2.15")
    with boot(tmp_path, *user.arguments) as machine:
        agent = Agent(machine)
        status = agent.wait_status()
        api = wait_api(machine, user, status.fields["token"])
        network = api.ok("/api/v1/system")["network"]
        assert network["source"] == "dhcp" and network["address"].startswith("10.0.2.15")
        assert "https://10.0.2.15/" in agent.status().fields["url"]
        api.close()


