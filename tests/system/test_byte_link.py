# SPDX-License-Identifier: MIT
"""A test image without any network: the API over COM2."""

import http.client
import time

import pytest
from api import Api, wait_api
from bochs import BochsMachine
from byte_link import DLE, PORT, UART_WINDOW, Wire
from console import Agent
from emulator import SCALE, Machine
from variants import build, manifest, partition

REQUESTS = 1000
REQUESTS_SECONDS = 20
REQUESTS_AT_LEAST = 40  # on a host that has other things to do
BODY_BYTES = 70000
BOCHS_REQUESTS = 10
RUBBISH = bytes(range(256)) * 16


@pytest.fixture(scope="module", name="box")
def fixture_box(tmp_path_factory):
    folder = tmp_path_factory.mktemp("byte-link")
    image = build(folder, manifest(partition("alpha", [1]), partition("beta", [2])), byte_link=True)
    with Machine(image, name="byte-link", serials=("com1", "com2"), extra=("-nic", "none"), memory="1G", cpus="3") as machine:
        machine.agent = Agent(machine)
        machine.status = machine.agent.wait_status()
        with wait_api(machine, token=machine.status.fields["token"]) as machine.api:
            yield machine


def test_console_and_byte_link_are_apart(box):
    assert "test image" in box.status.fields["byte link"]
    assert b"=== Mullion" not in box.streams[PORT].data
    assert box.agent.info("alpha")["state"] == "running"


def test_partitions_are_listed_with_counters(box):
    listed = {one["name"]: one for one in box.api.ok("/api/v1/partitions")["partitions"]}
    assert {"alpha", "beta"} == set(listed)
    assert sum(box.api.partition("alpha")["counters"]["exits"].values()) > 0


def read_console(api, name):
    """All of a partition's console that is held."""
    text, offset = "", 0
    while True:
        part = api.ok(f"/api/v1/partitions/{name}/console?offset={offset}")
        if not part["text"]:
            return text
        text, offset = text + part["text"], part["next"]


def test_console_log_is_the_one_that_the_console_shows(box):
    with box.agent.attached("beta") as shell:
        shell.wake(120)
        shell.run("echo MARK-$((40+2))")
    assert "MARK-USERSPACE" in read_console(box.api, "beta")
    assert "\r\nMARK-42\r\n" in read_console(box.api, "beta")


def test_partition_stops_starts_pauses_and_resets(box):
    for action, body, state in (("pause", None, "paused"), ("resume", None, "running"),
                                ("stop", {"force": True}, "stopped"), ("start", None, "running"),
                                ("reset", None, "running")):
        box.api.action("beta", action, body)
        box.api.wait_state(box, "beta", state)


def test_wrong_token_is_refused_and_the_right_one_still_serves(box):
    assert box.api.get("/api/v1/system", token="0" * 32).status == 401
    with Api(box) as stranger:
        assert stranger.get("/api/v1/system").status == 401
    assert box.api.ok("/api/v1/system")


def test_rubbish_is_answered_and_does_not_outlive_its_connection(box):
    wire = Wire(box, 20 * SCALE)
    wire.sendall(RUBBISH)
    answer = http.client.HTTPResponse(wire)
    answer.begin()
    assert answer.status == 400
    assert answer.headers["Connection"] == "close"
    assert wire.is_over()
    box.api.close()
    assert box.api.ok("/api/v1/system")


def test_client_on_a_wire_that_holds_nothing_back_is_served_too(box):
    wire = Wire(box, 20 * SCALE, UART_WINDOW)
    wire.sendall(f"GET /api/v1/system HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {box.api.token}\r\n\r\n".encode())
    answer = http.client.HTTPResponse(wire)
    answer.begin()
    assert answer.status == 200
    assert 0 <= wire.window <= UART_WINDOW


def test_rubbish_by_someone_who_knows_no_rules_is_survived(box):
    """More than the FIFO holds, without waiting for grants, with escapes in it."""
    for _ in range(2):
        box.send(RUBBISH + DLE, PORT)
    box.api.close()
    assert box.api.ok("/api/v1/system")


def test_oversized_requests_are_refused_by_size(box):
    assert box.api.post("/api/v1/partitions/alpha/actions/start", "x" * BODY_BYTES).status == 413
    assert box.api.get("/" + "x" * 9000).status == 414
    assert box.api.get("/", headers={f"X-{i}": "y" * 100 for i in range(90)}).status == 431
    assert box.api.ok("/api/v1/system")


def test_client_that_goes_away_within_an_answer_leaves_no_trace(box):
    wire = Wire(box, 20 * SCALE)
    wire.sendall(f"GET /api/v1/log HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {box.api.token}\r\n\r\n".encode())
    box.api.close()
    assert box.api.ok("/api/v1/partitions")["partitions"]


def test_many_requests_on_one_connection(box, measured):
    box.api.ok("/api/v1/system")
    connection = box.api.connection.sock
    before, start, count = len(box.streams[PORT].data), time.monotonic(), 0
    while count < REQUESTS and time.monotonic() - start < REQUESTS_SECONDS:
        assert box.api.partition("alpha")["name"] == "alpha"
        count += 1
    seconds = time.monotonic() - start
    received = len(box.streams[PORT].data) - before
    assert box.api.connection.sock is connection
    assert count >= REQUESTS_AT_LEAST
    measured(f"byte link: {count} requests in {seconds:.1f} s on one connection, {1000 * seconds / count:.1f} ms each, "
             f"{received / seconds / 1000:.1f} kB/s received")


def uptime_seconds(api):
    return api.ok("/api/v1/system")["uptimeMs"] / 1000


def test_bochs_has_the_api_at_com2(tmp_path, measured):
    """It times each byte by the line's speed, in the time that it emulates."""
    image = build(tmp_path, manifest(partition("alpha", [1], memory="64MiB", autostart=False)), byte_link=True)
    with BochsMachine(image, kind="bochs-svm", serials=("com1", "com2"), memory=512, name="byte-link") as machine:
        token = Agent(machine).wait_status().fields["token"]
        with wait_api(machine, token=token) as api:
            assert api.get("/api/v1/system", token="0" * 32).status == 401
            before, start = len(machine.streams[PORT].data), uptime_seconds(api)
            for _ in range(BOCHS_REQUESTS):
                assert api.partition("alpha")["name"] == "alpha"
            seconds = uptime_seconds(api) - start
            received = len(machine.streams[PORT].data) - before
            assert seconds < 2 * BOCHS_REQUESTS
            measured(f"byte link in Bochs: {1000 * seconds / BOCHS_REQUESTS:.0f} ms of emulated time per request, "
                     f"{received / seconds / 1000:.1f} kB/s received")
