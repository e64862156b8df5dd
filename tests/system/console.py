# SPDX-License-Identifier: MIT
"""The agent's console as an operator uses it: commands, the status block, attaching to partitions."""

import contextlib
import re

PROMPT = r"^mullion> "
DETACH = b"\x1d"
COMMAND_SECONDS = 30
BOOT_SECONDS = 120
STATUS_KEYS = ("boot time", "cpus", "memory", "back end", "isolation.dma")


class CommandError(AssertionError):
    """The agent answered `error: ...`."""


class Status:
    """A parsed status block."""

    def __init__(self, text):
        self.text = text
        self.version = re.search(r"^=== Mullion (\S+) ===", text, re.M)[1]
        self.fields = dict(re.findall(r"^([a-z][A-Za-z .]*):[ \t]*(.*)$", text, re.M))
        self.partitions = {}
        for match in re.finditer(r"^ +(\d+) (\S+) +(\w+) +cpus ([\d,-]+) +(\d+) MiB(?: +\[(.*)\])?", text, re.M):
            self.partitions[match[2]] = {"key": match[1], "state": match[3], "cpus": match[4], "mib": int(match[5]),
                                         "last": match[6]}
        found = re.search(r"^problems:[ \t]*(.*(?:\n(?!===).*)*)", text, re.M)
        self.problems = [] if found[1].strip() == "none" else [line.strip() for line in found[1].splitlines()
                                                               if line.strip()]


class Agent:
    """Speaks with the agent over one serial port of a machine."""

    def __init__(self, machine, port="com1"):
        self.machine = machine
        self.port = port

    def wait_status(self, seconds=BOOT_SECONDS):
        """
        Waits for the status block that the agent prints by itself after boot, and for the prompt. On a slow machine it
        may say that partitions wait for scrubbed memory: then what holds is what is said when they do no longer.
        """
        start = self.machine.streams[self.port].position
        match = self.machine.expect(r"^=== Mullion \S+ ===\n(?:.*\n)*?===\n", seconds, self.port, start)
        self.machine.expect(PROMPT, COMMAND_SECONDS, self.port)
        status = Status(match[0])
        for name, partition in status.partitions.items():
            if partition["last"] == "waiting for scrub":
                self.wait_state(name, "running", seconds)
                status = self.status()
        return status

    def command(self, text, seconds=COMMAND_SECONDS):
        """Runs a command; returns its lines without the closing `ok`. Raises CommandError on `error:`."""
        self.machine.send(text + "\r", self.port)
        self.machine.expect(re.escape(text) + r".*\n", seconds, self.port)
        match = self.machine.expect(r"((?:.*\n)*?)(ok|error: .*)\n(?:.*\n)*?mullion> ", seconds, self.port)
        if match[2] != "ok":
            raise CommandError(match[2])
        return match[1].splitlines()

    def error(self, text):
        """Runs a command that is expected to fail; returns the text behind `error: `."""
        try:
            self.command(text)
        except CommandError as error:
            return str(error).removeprefix("error: ")
        raise AssertionError(f"`{text}` was expected to fail")

    def status(self):
        return Status("\n".join(self.command("status")) + "\n")

    def info(self, name):
        """`info NAME` as a dictionary of its `key: value` lines."""
        lines = self.command(f"info {name}")
        return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines) if value}

    def counters(self, name):
        """{(vcpu, counter): (count, longest ticks)}"""
        found = {}
        for line in self.command(f"counters {name}"):
            match = re.match(r"(\S+) vcpu(\d+) (\S+) (\d+)(?: (\d+))?$", line.strip())
            if match:
                found[int(match[2]), match[3]] = int(match[4]), int(match[5] or 0)
        return found

    def total(self, name, counter):
        return sum(count for (_, key), (count, _) in self.counters(name).items() if key == counter)

    def wait_state(self, name, state, seconds=60):
        """Asks until the partition has the state; each round is a round trip to the agent, not a sleep."""
        import time
        from emulator import SCALE, EmulatorTimeout
        deadline = time.monotonic() + seconds * SCALE
        while True:
            now = self.status().partitions[name]["state"]
            if now == state:
                return
            if time.monotonic() > deadline:
                raise EmulatorTimeout(f"{name} is {now}, not {state}, after {seconds * SCALE:.0f} s")
            self.machine.pump(0.2)

    @contextlib.contextmanager
    def attached(self, name):
        """The partition's console, as a Shell; detaches at the end."""
        self.machine.send(f"attach {name}\r", self.port)
        self.machine.expect(rf"^attached to {name}.*\n", COMMAND_SECONDS, self.port)
        self.at_prompt = False
        try:
            yield Shell(self.machine, self.port)
        finally:
            if not self.at_prompt:
                self.detach()

    def detach(self):
        """Back to the agent; at its own prompt the key does nothing, so this is safe after an automatic detach."""
        self.machine.send(DETACH + b"\r", self.port)
        self.machine.expect(PROMPT, COMMAND_SECONDS, self.port)
        self.at_prompt = True

    def wait_ended(self, name, seconds=60):
        """The attached partition ends by itself; the agent says so and detaches."""
        self.machine.expect(rf"^it does not run any more; detached from {name}\n{PROMPT[1:]}", seconds, self.port)
        self.at_prompt = True


class Shell:
    """A Linux guest's shell behind an attached console."""

    PROMPT = r"^\S*:\S*# "

    def __init__(self, machine, port):
        self.machine = machine
        self.port = port

    def expect(self, pattern, seconds=60):
        return self.machine.expect(pattern, seconds, self.port)

    def send(self, text):
        self.machine.send(text, self.port)

    def wake(self, seconds=60):
        """Makes the shell print a prompt."""
        self.send("\r")
        self.expect(self.PROMPT, seconds)

    def run(self, command, seconds=60):
        """Runs a command and returns what it printed."""
        self.send(f"echo 'B''EGIN'; {command}; echo 'D''ONE' $?\r")  # as typed, a terminal's lines wrap anywhere
        match = self.expect(r"BEGIN\n((?:.*\n)*?)DONE (\d+)(?=[\n\[])", seconds)  # the kernel may speak at any time
        self.expect(self.PROMPT, seconds)
        assert match[2] == "0", f"`{command}` ended with {match[2]}:\n{match[1]}"
        return match[1]

    def begin(self, command):
        """Runs a command behind the shell's back; ended() tells what came of it."""
        self.run(f"rm -f /tmp/out /tmp/done; ( ({command}) > /tmp/out 2>&1; echo $? > /tmp/done ) & :")

    def ended(self, seconds=60):
        """Waits for the end of what begin() began; returns what it printed."""
        text = self.run("while [ ! -s /tmp/done ]; do usleep 100000; done; cat /tmp/out /tmp/done", seconds)
        output, _, code = text.rstrip("\n").rpartition("\n")
        assert code == "0", f"it ended with {code}:\n{output}"
        return output
