# SPDX-License-Identifier: MIT
"""`make run` as a user meets it: on a terminal, without one, once, and when it is killed."""

import hashlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import ssl
import subprocess
import time

import pytest
from emulator import SCALE, TOP, die_with_parent

STATUS_SECONDS = 180 * SCALE


class Run:
    """`make run` with its output, and the emulator that it started."""

    def __init__(self, *variables, terminal=False):
        self.text = ""
        self.master, slave = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            ["make", "-C", TOP, "run", *variables], start_new_session=True, stdout=slave, stderr=slave,
            stdin=slave if terminal else subprocess.DEVNULL, preexec_fn=die_with_parent)
        os.close(slave)
        self.deadline = time.monotonic() + STATUS_SECONDS

    def expect(self, pattern):
        while not (match := re.search(pattern, self.text, re.M)):
            left = self.deadline - time.monotonic()
            assert left > 0 and self.read(left), f"no /{pattern}/ in:\n{self.text[-2000:]}"
        self.text = self.text[match.end():]
        return match

    def read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the terminal's other end is closed
            return False
        self.text += data.decode("utf-8", "replace").replace("\r", "")
        return bool(data)

    def send(self, data):
        os.write(self.master, data)

    def descendants(self):
        """Process ids of everything that `make run` started, itself left out."""
        parents = {}
        for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            parents[int(status.parent.name)] = int(fields[1])
        found = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found - {self.process.pid}

    def wait(self):
        while self.process.poll() is None:
            assert time.monotonic() < self.deadline, self.text[-2000:]
            self.read(0.1)
        return self.process.returncode


@pytest.fixture(name="start")
def fixture_start():
    runs = []

    def start(*arguments, **options):
        runs.append(Run(*arguments, **options))
        return runs[-1]

    yield start
    for run in runs:
        for pid in run.descendants() | {run.process.pid}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        run.process.wait()
        os.close(run.master)


def assert_gone(pids):
    """Waits until none of the processes is left (a zombie that nobody has reaped yet counts as gone)."""
    deadline = time.monotonic() + 20 * SCALE

    def alive(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    while left := [pid for pid in pids if alive(pid)]:
        assert time.monotonic() < deadline, f"still running: {left}"
        select.select([], [], [], 0.05)


def test_run_once_prints_the_status_block_and_succeeds(start):
    run = start("ONCE=1")
    run.expect(r"^=== Mullion \S+ ===$")
    run.expect(r"^ *1 alpha +running")
    run.expect(r"^ *2 beta +running")
    run.expect(r"^===$")
    assert run.wait() == 0


def test_printed_command_lists_the_partitions(start):
    """What `make run` prints, word for word, and the fingerprint beside it."""
    run = start()
    fingerprint = run.expect(r"^fingerprint: +SHA256:([0-9A-F:]+)")[1]
    token = run.expect(r"^token: +(\w+)")[1]
    command = run.expect(r"^run:   (curl -k .*)$")[1]
    assert token in command
    page = run.expect(r"^run: (http://127\.0\.0\.1:\d+/) is a web server")[1]
    port = re.search(r"https://127\.0\.0\.1:(\d+)/", command)[1]
    environment = {name: value for name, value in os.environ.items() if name not in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")}

    def answer(text):
        return subprocess.run(["sh", "-c", text], stdout=subprocess.PIPE, text=True, env=environment, check=False).stdout

    while not (listed := answer(f"{command} -s --noproxy '*' --max-time 10")):
        assert time.monotonic() < run.deadline, "no answer over HTTPS"
    partitions = {one["name"]: one for one in json.loads(listed)["partitions"]}
    assert {name: one["state"] for name, one in partitions.items()} == {"alpha": "running", "beta": "running"}
    assert all(sum(one["counters"]["exits"].values()) > 0 for one in partitions.values())
    shown = ssl.get_server_certificate(("127.0.0.1", int(port)))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest()
    assert digest == fingerprint.replace(":", "").lower()
    while "alpha" not in (text := answer(f"curl -s --noproxy '*' --max-time 10 {page}")):
        assert time.monotonic() < run.deadline, f"no page from alpha: {text}"


def test_run_once_fails_with_a_reason_if_the_block_does_not_come_in_time(start):
    run = start("ONCE=1", "DEADLINE=0.5")
    run.expect(r"no status block within 0 s|no status block within 1 s")
    run.expect("DEADLINE=")
    assert run.wait() != 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_run_without_terminal_leaves_no_process_behind(start, number):
    run = start()
    run.expect(r"^run: running until SIGTERM")
    processes = run.descendants()
    assert any("qemu" in pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8") for pid in processes)
    if number == signal.SIGINT:
        os.killpg(run.process.pid, number)  # Ctrl-C reaches the whole foreground group
    else:
        run.process.send_signal(number)
    run.wait()
    assert_gone(processes)


def test_run_on_a_terminal_attaches_to_a_partition(start):
    run = start(terminal=True)
    run.expect(r"^run: Ctrl-A X ends the machine")
    run.expect(r"^===$")
    run.expect(r"^mullion> $")
    run.send(b"1")
    run.expect(r"# (\x1b\[6n)?$")
    run.send(b"echo answer $((6 * 7))\r")
    run.expect(r"^answer 42$")
    run.send(b"\x1d")
    run.expect(r"^mullion> $")
    processes = run.descendants()
    run.send(b"\x01x")
    assert run.wait() == 0
    assert_gone(processes)
