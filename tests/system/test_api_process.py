# SPDX-License-Identifier: MIT
"""The agent as a process, with AddressSanitizer, against the model of the VMM: the API over HTTPS as docs/api.md has it."""

import hashlib
import json
import pathlib
import re
import select
import struct
import subprocess
import time

import pytest

from api import Api, tls
from emulator import SCALE

TOP = pathlib.Path(__file__).resolve().parents[2]
AGENT = TOP / "build/agent/agent-linux"
DOCUMENT = TOP / "docs/api.md"
UUID = "6d756c6c-696f-4e00-8000-00000000d3e0"
DEADLINE_S = 60 * SCALE


def pvh_kernel():
    """An ELF file with one segment at 16 MiB and a PVH note that names its first byte."""
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 0, 2048, 0, 0x1000000, 2048, 8192, 0)
    note = struct.pack("<IIQQQQQQ", 4, 0, 1024, 0, 0, 24, 24, 0)
    text = struct.pack("<IIIIII", 4, 8, 18, 0x006e6558, 0x1000000, 0)
    return (head + load + note).ljust(1024, b"\0") + text.ljust(1024, b"\0") + b"\xab" * 2048


def bzimage():
    """A relocatable bzImage with 4 KiB of kernel."""
    file = bytearray(5 * 512 + 0x1000)
    for at, form, value in ((0x1f1, "B", 4), (0x1f4, "I", 0x100), (0x1fe, "H", 0xaa55), (0x200, "H", 0x6aeb),
                            (0x202, "I", 0x53726448), (0x206, "H", 0x20f), (0x211, "B", 1), (0x22c, "I", 0x7fffffff),
                            (0x230, "I", 0x200000), (0x234, "B", 1), (0x236, "H", 0x3f), (0x238, "I", 2047),
                            (0x258, "Q", 0x1000000), (0x260, "I", 0x800000)):
        struct.pack_into("<" + form, file, at, value)
    return bytes(file)


class Process:
    """agent-linux with the demo's manifest and a made-up driver VM; its console is a pipe."""

    def __init__(self, folder):
        files = {"vmlinux": pvh_kernel(), "initramfs.cpio": b"initramfs", "bzImage": bzimage()}
        for name, content in files.items():
            (folder / name).write_bytes(content)
        self.process = subprocess.Popen(
            [AGENT, "-l", "0", f"manifest={TOP / 'configs/demo.json'}", f"site uuid={UUID}={TOP / 'configs/site-demo.json'}",
             f"image vmlinux={folder / 'vmlinux'}", f"image initramfs.cpio={folder / 'initramfs.cpio'}",
             f"driver kernel={folder / 'bzImage'}", f"driver initramfs={folder / 'initramfs.cpio'}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.text = self.read_until("\n===\n")
        self.fields = dict(re.findall(r"^([a-zA-Z. ]+):\s+(\S.*)$", self.text, re.MULTILINE))
        self.api = Api(int(re.search(r":(\d+)/", self.fields["url"]).group(1)), self.fields["token"])

    def read_until(self, mark):
        text = ""
        deadline = time.monotonic() + DEADLINE_S
        while mark not in text:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {mark!r} within {DEADLINE_S} s:\n{text}"
            piece = self.process.stdout.read1(65536)
            assert piece, f"the agent ended:\n{text}{self.process.stderr.read().decode()}"
            text += piece.decode()
        return text

    def type(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def end(self):
        self.api.close()
        alive = self.process.poll() is None
        self.process.kill()
        _, errors = self.process.communicate()
        assert alive, f"the agent ended by itself:\n{errors.decode()}"
        assert b"ERROR: AddressSanitizer" not in errors and b"runtime error" not in errors, errors.decode()


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    process = Process(tmp_path_factory.mktemp("agent"))
    yield process
    process.end()


def test_status_block_shows_url_fingerprint_and_token(agent):
    assert agent.fields["driver VM"] == "running"
    assert re.fullmatch(r"[0-9a-f]{32}", agent.fields["token"])
    shown = agent.fields["fingerprint"].removeprefix("SHA256:").replace(":", "").lower()
    assert shown == agent.api.fingerprint()


def test_every_path_of_the_document_answers(agent):
    """What docs/api.md describes exists; the members of its example are there."""
    text = DOCUMENT.read_text()
    paths = re.findall(r"^## GET (/\S*)$", text, re.MULTILINE)
    assert len(paths) == 7
    for path in paths:
        assert agent.api.get(path.replace("{name}", "alpha")).status == 200, path


def test_members_of_the_documents_examples_are_there(agent):
    system = agent.api.ok("/api/v1/system")
    assert system["site"] == "demo" and system["backEnd"] == "model"
    assert system["isolation"]["dma"] == "none" and system["isolation"]["text"]
    assert system["driverVm"]["state"] == "running" and system["driverVm"]["uplink"]["mac"] == "52:54:00:12:34:00"
    assert system["memory"]["driverBytes"] == 96 << 20
    assert system["http"]["requests"] > 0
    assert system["problems"] == []


def test_partitions_are_listed_as_running(agent):
    listed = agent.api.ok("/api/v1/partitions")["partitions"]
    assert [(one["name"], one["state"]) for one in listed] == [("alpha", "running"), ("beta", "running")]


def test_ports_lead_where_the_manifest_says(agent):
    ports = agent.api.partition("alpha")["ports"]
    assert [(one["slot"], one["kind"], one["peer"]) for one in ports] == [
        (8, "net", {"partition": "driver", "slot": 10}), (9, "net", {"partition": "beta", "slot": 8})]


def test_actions_change_the_state(agent):
    agent.api.action("beta", "pause")
    assert agent.api.partition("beta")["state"] == "paused"
    agent.api.action("beta", "resume")
    agent.api.action("beta", "stop", {"force": True})
    stopped = agent.api.partition("beta")
    assert (stopped["state"], stopped["reason"]["code"]) == ("stopped", "requested")
    agent.api.action("beta", "start")
    assert agent.api.partition("beta")["state"] == "running"
    assert agent.api.partition("beta")["starts"] == 2


def test_graceful_stop_is_accepted_and_shown(agent):
    reply = agent.api.post("/api/v1/partitions/beta/actions/stop")
    assert (reply.status, reply.json["forcedAfterMs"]) == (202, 30000)
    assert agent.api.partition("beta")["stopping"]
    agent.api.action("beta", "stop", {"force": True})
    agent.api.action("beta", "start")


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/api/v1/nothing", 404), ("GET", "/api/v1/partitions/nobody", 404), ("DELETE", "/api/v1/partitions/alpha", 405),
    ("POST", "/api/v1/partitions/alpha/actions/resume", 409), ("POST", "/api/v1/actions/poweroff", 409),
    ("GET", "/api/v1/partitions/alpha/console?offset=x", 400), ("GET", "/api/v1/system?x=1", 400)])
def test_errors_have_code_message_and_remedy(agent, method, path, status):
    reply = agent.api.request(method, path)
    assert reply.status == status
    assert all(reply.json[member] for member in ("code", "message", "remedy"))


def test_without_token_everything_is_401(agent):
    for path in ("/api/v1/system", "/api/v1/nothing", "/x"):
        with Api(agent.api.port) as stranger:
            reply = stranger.get(path, token="")
        assert reply.status == 401
        assert "Bearer" in reply.headers["WWW-Authenticate"]


def test_console_commands_and_api_agree(agent):
    agent.type("pause beta")
    agent.read_until("ok\n")
    assert agent.api.partition("beta")["state"] == "paused"
    agent.api.action("beta", "resume")
    agent.type("info beta")
    assert "state:    running" in agent.read_until("ok\n")


def test_certificate_names_the_host(agent):
    import socket
    with socket.create_connection(("127.0.0.1", agent.api.port), timeout=DEADLINE_S) as raw:
        with tls().wrap_socket(raw) as secure:
            certificate = secure.getpeercert(binary_form=True)
    assert b"demo" in certificate
    assert hashlib.sha256(certificate).hexdigest() == agent.api.fingerprint()


def test_many_requests_in_a_row_are_answered(agent, measured):
    begun = time.monotonic()
    for _ in range(200):
        assert json.loads(agent.api.get("/api/v1/partitions").body)["partitions"]
    measured(f"API: {(time.monotonic() - begun) / 200 * 1e3:.2f} ms per keep-alive request of the list (process build, sanitizers on)")


def test_reboot_ends_everything(tmp_path):
    """The process ends where the box would be reset."""
    process = Process(tmp_path)
    assert process.api.post("/api/v1/actions/reboot").status == 202
    process.type("stop alpha")
    process.type("stop beta")
    process.process.wait(DEADLINE_S)
    process.api.close()
    assert process.process.returncode == 0
