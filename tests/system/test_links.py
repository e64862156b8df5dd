# SPDX-License-Identifier: MIT
"""Links between partitions: every byte right, whatever one end does to the other."""

import os
import re
import time

import pytest
import variants
from api import wait
from console import Agent
from emulator import Machine
from variants import GUESTS, LINUX, partition

pytestmark = pytest.mark.alone
STREAM_MIB = int(os.environ.get("MULLION_LINK_MIB", "1024"))
PAUSES = 100
PORT = 5001
ONE, TWO = "192.168.77.1", "192.168.77.2"
CARRIER = "while [ \"$(cat /sys/class/net/eth0/carrier)\" != 1 ]; do usleep 100000; done"


def linux(name, cpus, address, more=""):
    return partition(name, cpus, cmdline=f"console=ttyS0 name={name} net=eth0,{address}/24 {more}".strip())


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("links")
    text = variants.manifest(linux("one", [1], ONE), linux("two", [2], TWO, f"serve={PORT}"),
                             links=[("net", "one", "two"), ("console", "one", "two")])
    with Machine(variants.build(folder, text), cpus="3", name="links") as machine:
        agent = Agent(machine)
        agent.wait_status()
        for name in ("one", "two"):
            with agent.attached(name) as shell:
                shell.wake(120)
        with agent.attached("one") as shell:
            shell.run(CARRIER)
        yield agent


def test_guests_ping_each_other(pair):
    with pair.attached("one") as shell:
        assert "5 packets received" in shell.run(f"ping -c 5 -W 10 {TWO}", 60)


def test_ping_pong_and_rate(pair, measured):
    with pair.attached("one") as shell:
        measured("link between two guests: " + shell.run(f"netbench ping {TWO} {PORT} 500", 120).strip())
        measured("link between two guests: " + shell.run(f"netbench send {TWO} {PORT} 64", 120).strip())
    before = port_counters(pair)
    with pair.attached("one") as shell:
        shell.run(f"netbench send {TWO} {PORT} 64", 120)
    after = port_counters(pair)
    frames = after["frames"] - before["frames"]
    exits = after["notifications"] - before["notifications"]
    measured(f"link, 64 MiB: {frames} frames, {exits / frames:.2f} notifications, "
             f"{(after['copies'] - before['copies']) / frames:.2f} copies and "
             f"{(after['interrupts'] - before['interrupts']) / frames:.2f} interrupts per frame")


def port_counters(agent, name="one", slot=8):
    """`ports NAME` prints `slotS key value` per counter."""
    found = {}
    for line in agent.command(f"ports {name}"):
        match = re.match(rf"slot{slot} (\w+) (\d+)$", line.strip())
        if match:
            found[match[1]] = int(match[2])
    return found


def test_stream_survives_a_hundred_pauses_of_the_receiver(pair, measured):
    """One end is paused and resumed all the time; TCP mends what was dropped, and no byte is wrong."""
    begun = time.monotonic()
    with pair.attached("one") as shell:
        shell.begin(f"netbench send {TWO} {PORT} {STREAM_MIB}")
    sent = port_counters(pair)["bytes"]
    for _ in range(PAUSES):
        pair.command("pause two")
        pair.command("resume two")
        sent = wait(pair.machine, lambda was=sent: (now := port_counters(pair)["bytes"]) > was and now, "the stream stands still")
    with pair.attached("one") as shell:
        result = shell.ended(900 * max(1, STREAM_MIB // 1024))
    assert f"server got {STREAM_MIB << 20}, wrong chunks 0" in result
    measured(f"link, {PAUSES} pauses: {result} ({time.monotonic() - begun:.0f} s)")


def test_console_link_carries_bytes_in_order(pair):
    """hvc0 of one guest is wired to hvc0 of the other."""
    with pair.attached("two") as shell:
        shell.run("rm -f /tmp/sum; sh -c 'exec </dev/hvc0; stty raw -echo; touch /tmp/ready; head -c 200000 | md5sum > /tmp/sum.new; "
                  "mv /tmp/sum.new /tmp/sum' & while [ ! -e /tmp/ready ]; do usleep 10000; done")
    with pair.attached("one") as shell:
        sent = shell.run("head -c 200000 /dev/urandom > /tmp/data; sh -c 'exec >/dev/hvc0; stty raw -echo <&1; cat /tmp/data'; "
                         "md5sum < /tmp/data", 120)
    with pair.attached("two") as shell:
        got = shell.run("while [ ! -e /tmp/sum ]; do usleep 10000; done; cat /tmp/sum", 120)
    assert got.split()[0] == sent.split()[0]


def test_reset_of_one_end_lowers_the_link_and_raises_it_again(pair):
    pair.command("reset two")
    with pair.attached("one") as shell:
        shell.run("while [ \"$(cat /sys/class/net/eth0/carrier)\" != 0 ]; do usleep 50000; done", 60)
        shell.run(CARRIER, 120)
    with pair.attached("two") as shell:
        shell.wake(120)
        assert "3 packets received" in shell.run(f"ping -c 3 -W 10 {ONE}", 60)


def test_stopped_end_costs_the_other_nothing_but_the_link(pair):
    pair.command("stop two")
    with pair.attached("one") as shell:
        shell.wake()
        assert "100% packet loss" in shell.run(f"ping -c 2 -W 1 {TWO} || true", 60)
    pair.command("start two")
    with pair.attached("one") as shell:
        shell.run(CARRIER, 120)


def test_hostile_end_is_told_to_reset_and_the_neighbour_serves_on(tmp_path, measured):
    """Corrupt rings: DEVICE_NEEDS_RESET, link down, counted; a second link of the neighbour carries on."""
    text = variants.manifest(
        partition("hostile", [1], memory="64MiB", kernel="hostile.elf", initramfs="", cmdline="console=ttyS0"),
        partition("server", [2], cmdline=f"console=ttyS0 name=server net=eth0,192.168.76.2/24 net=eth1,{TWO}/24 serve={PORT}"),
        linux("client", [3], ONE),
        links=[("net", "hostile", "server"), ("net", "server", "client")])
    image = variants.build(tmp_path, text, {**LINUX, "hostile.elf": GUESTS / "hostile.elf"})
    with Machine(image, name="rings") as machine:
        agent = Agent(machine)
        agent.wait_status()
        for name in ("server", "client"):
            with agent.attached(name) as shell:
                shell.wake(120)
        with agent.attached("client") as shell:
            shell.run(CARRIER)
            shell.begin(f"netbench send {TWO} {PORT} 64")
        broken = {}
        for row in ("ring-head", "ring-address", "ring-loop", "ring-direction", "ring-nested", "ring-jump"):
            before = port_counters(agent, "hostile").get("broken", 0)
            machine.send("attach hostile\r")
            machine.expect(r"^attached to hostile.*\n", 30)
            machine.send(row + "\r")
            verdict = machine.expect(rf"^ROW {row} (?!start)(\S+) works again=(\d)", 60)
            agent.detach()
            assert verdict.groups() == ("needs-reset", "1"), row
            broken[row] = port_counters(agent, "hostile")["broken"] - before
        assert set(broken.values()) == {1}, broken
        with agent.attached("client") as shell:
            measured(f"beside corrupt rings: {shell.ended(300)}")
