# SPDX-License-Identifier: MIT
"""What no honest network does: no lease, a DHCP server that lies, a neighbour with our address, a dead cable."""

import json
import struct

import pytest
import variants
from api import wait
from console import Agent
from emulator import Machine
from wire import Arp, DhcpServer, Wire, address

OUR_STATIC = "10.7.0.9"
SITE = {"apiVersion": "mullion/v1", "kind": "Site", "name": "wire"}
STATIC = {"dhcp": False, "address": f"{OUR_STATIC}/24", "gateway": "10.7.0.1"}
FALL_BACK = {"dhcp": True, "address": f"{OUR_STATIC}/24", "gateway": "10.7.0.1"}


class Box:
    """A box with one port on a wire; it has no partition, so that it boots fast."""

    def __init__(self, folder, network, *, prepare=None):
        (folder / "site.json").write_text(json.dumps({**SITE, "network": network}))
        image = variants.build(folder, variants.manifest(), images={}, driver_vm=True, arguments=["--site", folder / "site.json"])
        self.wire = Wire()
        if prepare:
            prepare(self.wire)
        self.wire.serve()
        self.machine = Machine(image, cpus="2", name="wire", extra=self.wire.arguments)
        self.agent = Agent(self.machine)
        self.agent.wait_status()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.machine.__exit__(*error)
        self.wire.close()

    def until(self, condition, what, seconds=90):
        return wait(self.machine, condition, what, seconds)

    def until_problem(self, *words):
        def problem():
            found = [line for line in self.agent.status().problems if all(word in line for word in words)]
            return found and found[0]
        return self.until(problem, f"no problem that names {words}")

    def until_url(self, text):
        return self.until(lambda: text in self.agent.status().fields.get("url", ""), f"the URL is not {text}")


def test_without_a_lease_the_static_address_is_used(tmp_path):
    with Box(tmp_path, FALL_BACK) as box:
        box.until_url(f"https://{OUR_STATIC}/")
        assert box.until_problem("DHCP server")


@pytest.fixture(scope="module")
def waiting(tmp_path_factory):
    """A box that knows no address, on a wire without a DHCP server as yet."""
    with Box(tmp_path_factory.mktemp("wire"), {"dhcp": True}) as box:
        yield box


def test_without_a_lease_and_without_static_address_it_says_so(waiting):
    line = waiting.until_problem("DHCP server")
    assert "address" in line


def test_lease_is_taken_and_announced(waiting):
    DhcpServer(waiting.wire, "10.7.0.77")
    waiting.until_url("https://10.7.0.77/")
    assert waiting.agent.status().problems == []


def cut_options(payload):
    """The options end in the middle of one whose length points behind the packet."""
    return payload[:240] + bytes((53, 1, payload[242], 54, 255)) + b"\1" * 20


LIES = {
    "loopback": {"offer": "127.0.0.5"},
    "multicast": {"offer": "224.0.0.9"},
    "zero": {"offer": "0.0.0.0"},
    "broadcast": {"offer": "10.7.0.255"},
    "mask with holes": {"offer": "10.7.0.50", "mask": "255.0.255.0"},
    "gateway elsewhere": {"offer": "10.7.0.50", "router": "192.168.9.1"},
}


@pytest.mark.parametrize("lie", LIES)
def test_lying_dhcp_server_is_refused_and_named(tmp_path, lie):
    servers = []
    with Box(tmp_path, FALL_BACK, prepare=lambda wire: servers.append(DhcpServer(wire, **LIES[lie]))) as box:
        line = box.until_problem("DHCP")
        assert "10.7.0.1" in line, "the server is not named"
        box.until_url(f"https://{OUR_STATIC}/")


def test_damaged_dhcp_answers_are_survived(tmp_path):
    def prepare(wire):
        DhcpServer(wire, "10.7.0.77", damage=cut_options)
    with Box(tmp_path, FALL_BACK, prepare=prepare) as box:
        box.until_url(f"https://{OUR_STATIC}/")


@pytest.mark.parametrize("network", [STATIC, {"dhcp": True}], ids=["static", "dhcp"])
def test_duplicate_address_is_detected_and_not_used(tmp_path, network):
    taken = OUR_STATIC if network is STATIC else "10.7.0.77"

    def prepare(wire):
        Arp(wire, taken)
        DhcpServer(wire, taken)
    with Box(tmp_path, network, prepare=prepare) as box:
        line = box.until_problem(taken)
        assert "02:aa:bb:cc:dd:01" in line.lower(), "the other owner is not named"
        assert taken not in box.agent.status().fields.get("url", "")


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A box with a static address, on a wire with nobody who means it ill."""
    with Box(tmp_path_factory.mktemp("wire"), STATIC) as box:
        box.until_url(f"https://{OUR_STATIC}/")
        yield box


def test_cable_out_is_told_and_cable_in_is_noticed(honest):
    honest.machine.qmp("set_link", name="wire", up=False)
    honest.until_problem("cable")
    honest.machine.qmp("set_link", name="wire", up=True)
    honest.until(lambda: honest.agent.status().problems == [], "the problem stays")


def test_frames_of_the_box_carry_its_own_addresses(honest):
    arp = [frame for frame in honest.wire.frames if frame[12:14] == b"\x08\x06"]
    assert arp, "no ARP frame came out"
    for frame in arp:
        sender_mac, sender_ip = struct.unpack_from("!6s4s", frame, 22)
        assert frame[6:12] == sender_mac and sender_mac[0] & 1 == 0
        assert sender_ip in (address(OUR_STATIC), address("0.0.0.0"))


def test_another_network_behind_the_cable_is_asked_about_the_address(honest):
    honest.machine.qmp("set_link", name="wire", up=False)
    honest.until_problem("cable")
    Arp(honest.wire, OUR_STATIC)  # from here on that wire is no honest one
    honest.machine.qmp("set_link", name="wire", up=True)
    assert "02:aa:bb:cc:dd:01" in honest.until_problem(OUR_STATIC).lower()
