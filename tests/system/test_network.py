# SPDX-License-Identifier: MIT
"""The demo as `make run` shows it: the API over HTTPS from outside, the guest's web page, the link between the guests."""

import http.client
import re
import socket
import ssl
import time
import urllib.request

import api as box_api
import pytest
from api import Api, User, tls, wait, wait_api
from console import Agent
from emulator import SCALE, Machine
from variants import DEMO

RUBBISH_BYTES = 10 << 20
HALF_OPEN = 200
CONNECTIONS = 16
MIB = 1 << 20
RAM_LIMIT_MIB = 160


class Demo:
    def __init__(self, machine, user, console, api):
        self.machine, self.user, self.console, self.api = machine, user, console, api


@pytest.fixture(scope="module")
def demo():
    user = User()
    with Machine(DEMO, name="network", extra=user.arguments) as machine:
        console = Agent(machine)
        status = console.wait_status()
        api = wait_api(machine, user, status.fields["token"])
        demo = Demo(machine, user, console, api)
        demo.boot_status = status
        yield demo
        api.close()


def web_page(port):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/", timeout=10 * SCALE) as answer:
        return answer.read().decode()


# ---- what a user gets ----

def test_partitions_are_listed_as_running_with_counters(demo):
    listed = {one["name"]: one for one in demo.api.ok("/api/v1/partitions")["partitions"]}
    assert {"alpha", "beta"} <= set(listed)
    for name in ("alpha", "beta"):
        assert listed[name]["state"] == "running"
        assert sum(demo.api.partition(name)["counters"]["exits"].values()) > 0


def test_fingerprint_and_token_stand_on_the_local_console_only(demo):
    fingerprint = demo.boot_status.fields["fingerprint"].removeprefix("SHA256:").replace(":", "").lower()
    assert fingerprint == demo.api.fingerprint()
    assert len(demo.api.token) >= 22
    for path in ("/api/v1/system", "/api/v1/log", "/api/v1/partitions"):
        assert demo.api.token.encode() not in demo.api.get(path).body


def test_console_log_can_be_read_and_followed(demo):
    first = wait(demo.machine, lambda: "MARK-USERSPACE" in read_console(demo, "alpha")[0], "alpha's console has no mark")
    assert first
    _, end = read_console(demo, "alpha")
    with Api(demo.user.ports["https"], demo.api.token) as follower:
        follower.connection = http.client.HTTPSConnection("127.0.0.1", follower.port, timeout=60 * SCALE, context=tls())
        follower.connection.request("GET", f"/api/v1/partitions/alpha/console?offset={end}&follow=1",
                                    headers={"Authorization": f"Bearer {demo.api.token}"})
        with demo.console.attached("alpha") as shell:
            shell.wake()
        answer = follower.connection.getresponse()
        assert answer.status == 200
        assert len(answer.read()) > 0


def read_console(demo, name, offset=0):
    """All that is held from `offset` on, and the offset behind it."""
    text = ""
    while True:
        part = demo.api.ok(f"/api/v1/partitions/{name}/console?offset={offset}")
        if part["next"] == offset or not part["text"]:
            return text, part["next"]
        text, offset = text + part["text"], part["next"]


def test_partition_stops_starts_pauses_and_resets(demo):
    demo.api.action("beta", "pause")
    demo.api.wait_state(demo.machine, "beta", "paused")
    demo.api.action("beta", "resume")
    demo.api.wait_state(demo.machine, "beta", "running")
    demo.api.action("beta", "stop", {"force": True})
    demo.api.wait_state(demo.machine, "beta", "stopped")
    starts = demo.api.partition("beta")["starts"]
    demo.api.action("beta", "start")
    demo.api.wait_state(demo.machine, "beta", "running")
    demo.api.action("beta", "reset")
    demo.api.wait_state(demo.machine, "beta", "running")
    assert demo.api.partition("beta")["starts"] == starts + 2


def test_stop_presses_the_power_button(demo):
    with demo.console.attached("beta") as shell:
        shell.wake(120)
    demo.api.action("beta", "stop")
    demo.api.wait_state(demo.machine, "beta", "stopped", 60)
    assert "MARK-POWER-BUTTON" in read_console(demo, "beta")[0]
    assert "power" in demo.api.partition("beta")["reason"]["text"].lower()
    demo.api.action("beta", "start")
    with demo.console.attached("beta") as shell:
        shell.wake(120)


def test_guests_page_is_fetched_from_outside(demo):
    page = wait(demo.machine, lambda: web_page(demo.user.ports["web"]), "no page from alpha")
    assert "alpha" in page


def test_guests_ping_each_other_over_the_link(demo):
    with demo.console.attached("beta") as shell:
        shell.wake(120)
        shell.run("while ! grep -q 1 /sys/class/net/eth0/carrier; do usleep 100000; done", 60)
        assert "3 packets received" in shell.run("ping -c 3 -W 10 192.168.77.1", 60)
    ports = demo.api.partition("beta")["ports"]
    assert [one["linkUp"] for one in ports if one["peer"]["partition"] == "alpha"] == [True]


def test_system_tells_isolation_and_memory(demo, measured):
    system = demo.api.ok("/api/v1/system")
    assert system["isolation"]["dma"] == "none"
    held = {name: system["memory"][name] // MIB for name in ("vmmBytes", "agentBytes", "driverBytes")}
    measured(f"RAM: {held} MiB, in all {sum(held.values())} MiB")
    assert held["driverBytes"] > 0
    assert sum(held.values()) <= RAM_LIMIT_MIB


def test_hardware_names_functions_owners_and_ports(demo):
    hardware = demo.api.ok("/api/v1/hardware")
    nics = [one for one in hardware["functions"] if one["vendor"] == "1af4"]
    assert nics and nics[0]["owner"] == "driver" and nics[0]["driver"] == "virtio-pci"
    assert [one["carrier"] for one in hardware["nics"]] == [True]
    assert all(one["reason"] for one in hardware["functions"] if not one["driver"])


def test_log_is_read_from_an_offset(demo):
    log = demo.api.ok("/api/v1/log")
    assert "starting the agent" in log["text"]
    assert demo.api.ok(f"/api/v1/log?offset={log['next']}")["text"] == ""


# ---- bad input ----

@pytest.mark.parametrize("token", ["", "wrong", "x" * 43])
def test_wrong_token_is_refused(demo, token):
    with Api(demo.user.ports["https"]) as stranger:
        reply = stranger.get("/api/v1/partitions", token=token)
    assert reply.status == 401
    assert "Bearer" in reply.headers["WWW-Authenticate"]
    assert set(reply.json) >= {"code", "message", "remedy"}


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v2/system", "/api/v1/partitions/nobody",
                                  "/api/v1/partitions/alpha/actions/explode", "/api/v1/partitions//console"])
def test_unknown_url_is_404(demo, path):
    reply = demo.api.request("POST" if "actions" in path else "GET", path)
    assert reply.status == 404
    assert reply.json["message"] and reply.json["remedy"]


def test_wrong_method_is_405_with_allow(demo):
    reply = demo.api.request("DELETE", "/api/v1/partitions/alpha")
    assert reply.status == 405
    assert "GET" in reply.headers["Allow"]
    assert "POST" in demo.api.get("/api/v1/partitions/alpha/actions/stop").headers["Allow"]


def test_action_in_the_wrong_state_is_409(demo):
    reply = demo.api.post("/api/v1/partitions/alpha/actions/resume")
    assert reply.status == 409
    assert "alpha" in reply.json["message"] and reply.json["remedy"]


def test_large_body_is_413_and_large_header_431(demo):
    with Api(demo.user.ports["https"], demo.api.token) as one:
        assert one.post("/api/v1/partitions/alpha/actions/stop", "x" * (1 << 17)).status == 413
    with Api(demo.user.ports["https"], demo.api.token) as one:
        assert one.get("/api/v1/system", headers={"X-Filler": "y" * 20000}).status == 431


def test_old_tls_is_refused(demo):
    old = tls()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", demo.user.ports["https"]), timeout=20 * SCALE) as raw:
        with pytest.raises(ssl.SSLError):
            old.wrap_socket(raw)


def refused(demo):
    """What the service says about connections that it turned away."""
    return sum(demo.api.ok("/api/v1/system")["http"]["refused"].values())


def test_rubbish_at_the_tls_port_is_survived_and_counted(demo):
    before = refused(demo)
    with socket.create_connection(("127.0.0.1", demo.user.ports["https"]), timeout=60 * SCALE) as raw:
        sent = 0
        try:
            while sent < RUBBISH_BYTES:
                sent += raw.send(bytes((sent >> 16) % 251 for _ in range(64)) * 1024)
        except OSError:
            pass  # the box has hung up, as it should
    assert refused(demo) > before


def test_half_open_connections_leave_the_service_alive(demo, measured):
    half = []
    try:
        for _ in range(HALF_OPEN):
            half.append(socket.create_connection(("127.0.0.1", demo.user.ports["https"]), timeout=20 * SCALE))
        begun = time.monotonic()
        with Api(demo.user.ports["https"], demo.api.token) as one:
            assert one.get("/api/v1/system").status == 200
        measured(f"with {HALF_OPEN} half-open connections a new one is answered in {time.monotonic() - begun:.2f} s")
    finally:
        for one in half:
            one.close()
    assert wait(demo.machine, lambda: refused(demo) > 0, "evicted connections are not counted")


def test_sixteen_connections_at_once(demo, measured):
    clients = [Api(demo.user.ports["https"], demo.api.token) for _ in range(CONNECTIONS)]
    try:
        begun = time.monotonic()
        assert all(one.get("/").status == 200 for one in clients)
        handshakes = time.monotonic() - begun
        begun = time.monotonic()
        assert all(one.get("/api/v1/system").status == 200 for one in clients)
        requests = time.monotonic() - begun
    finally:
        for one in clients:
            one.close()
    measured(f"{CONNECTIONS} connections: handshake and request {handshakes / CONNECTIONS * 1e3:.0f} ms each, "
             f"keep-alive request {requests / CONNECTIONS * 1e3:.1f} ms each")
    assert box_api.AGENT


def test_no_problem_was_reported(demo):
    assert demo.console.status().problems == []
    assert re.match(r"https://10\.0\.2\.15", demo.console.status().fields["url"])  # at boot it may not be known yet
