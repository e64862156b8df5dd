# SPDX-License-Identifier: MIT
"""One emulated box: QEMU with its serial ports and its monitor on unix sockets, and waits that have deadlines."""

import ctypes
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = TOP / "build"
SLOWNESS = float(os.environ.get("MULLION_TEST_SCALE", "1"))
SCALE = SLOWNESS * int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # for deadlines: others want the CPUs too
VGA_TEXT_HEIGHT = 400
PR_SET_PDEATHSIG = 1
# A box has a network card, and QEMU's own network behind it; a test that wants none says -nic none.
CARD = ["-device", "pcie-root-port,id=slot1,chassis=1", "-netdev", "user,id=net", "-device",
        "virtio-net-pci,bus=slot1,netdev=net,romfile="]
OVMF = ("/usr/share/ovmf/OVMF.fd", "/usr/share/qemu/OVMF.fd", "/usr/share/OVMF/OVMF.fd")


class EmulatorTimeout(AssertionError):
    """Something that was waited for did not come in time."""


class EmulatorDied(AssertionError):
    """QEMU ended although nobody asked it to."""


def qemu_binary(version):
    """Path of QEMU: "host" is the distribution's own, "10.0" the pinned one that emulates x2APIC."""
    if version == "host":
        return os.environ.get("MULLION_QEMU", "qemu-system-x86_64")
    major = version.partition(".")[0]
    found = subprocess.run([TOP / "third_party" / "qemu", major], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def qemu_major(version="host"):
    """The major version of that QEMU, a number."""
    text = subprocess.run([qemu_binary(version), "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"version (\d+)", text)[1])


def ovmf():
    return next(path for path in OVMF if os.path.exists(path))


def die_with_parent():
    """No emulator outlives the test run, however that one ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Stream:
    """What came over one socket so far; waits search in it from a position on."""

    def __init__(self, log):
        self.data = bytearray()
        self.position = 0
        self.log = open(log, "wb", buffering=0)

    def feed(self, chunk):
        self.data += chunk
        self.log.write(chunk)

    def text(self, start=0):
        return clean(self.data[start:])


def clean(data):
    """Bytes of a terminal as text: no carriage returns, no escape sequences."""
    text = data.decode("utf-8", "replace").replace("\r", "")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


class Machine:
    """A running box. Use as a context manager, or call close()."""

    program = "QEMU"

    def __init__(self, image, *, qemu="host", cpus="4", memory="2G", cpu="max", firmware="bios", serials=("com1",),
                 accel=("-accel", "tcg,thread=multi"), extra=(), snapshot=True, name="machine"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"mullion-{name}-"))
        self.started = time.monotonic()
        self.streams = {}
        self.sockets = {}
        self.listeners = {}
        self.keep_logs = False
        self.expected_end = False
        arguments = [qemu_binary(qemu), "-nodefaults", "-no-user-config", "-display", "none", "-M", "q35",
                     *accel, "-cpu", cpu, "-smp", cpus, "-m", memory, "-vga", "std",
                     "-device", "qemu-xhci", "-drive",
                     f"if=none,id=stick,format=raw,file={image},snapshot={'on' if snapshot else 'off'}",
                     "-device", "usb-storage,drive=stick,bootindex=0"]
        if not {"-netdev", "-nic"} & set(extra):
            arguments += CARD
        if firmware == "uefi":
            arguments += ["-bios", ovmf()]
        arguments += self._port("monitor", "chardev") + ["-mon", "chardev=monitor,mode=control"]
        for port in ("com1", "com2"):
            if port in serials:
                arguments += self._port(port, "chardev") + ["-device", f"isa-serial,chardev={port},"
                                                            f"iobase={'0x3f8' if port == 'com1' else '0x2f8'},"
                                                            f"irq={4 if port == 'com1' else 3}"]
        self.command = [*arguments, *extra]
        self._start()

    def _port(self, name, kind):
        path = self.folder / name
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(1)
        self.listeners[name] = listener
        self.streams[name] = Stream(self.folder / f"{name}.log")
        return [f"-{kind}", f"socket,id={name},path={path}"]

    def _start(self):
        (self.folder / "command").write_text(" ".join(map(str, self.command)) + "\n")
        with open(self.folder / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(["nice", *self.command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, preexec_fn=die_with_parent)
        for name, listener in self.listeners.items():
            listener.settimeout(20 * SCALE)
            try:
                self.sockets[name] = listener.accept()[0]
            except TimeoutError as error:
                raise EmulatorDied(f"QEMU did not start: {self.emulator_log()}") from error
            self.sockets[name].setblocking(False)
            listener.close()
        self.qmp("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.keep_logs = self.keep_logs or kind is not None
        self.close()

    def close(self):
        """Ends QEMU; the folder with the logs goes too, unless a test failed."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for one in [*self.sockets.values(), *self.listeners.values(), *(s.log for s in self.streams.values())]:
            one.close()
        if not self.keep_logs:
            shutil.rmtree(self.folder, ignore_errors=True)

    def emulator_log(self):
        """What the emulator itself had to say."""
        path = self.folder / "qemu.log"
        return path.read_text() if path.exists() else ""

    def cpu_seconds(self):
        """Time of the host's CPUs that the emulator took so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def elapsed(self):
        return time.monotonic() - self.started

    def pump(self, seconds):
        """Takes in what arrives, for at most `seconds`; returns as soon as something came."""
        names = {sock: name for name, sock in self.sockets.items()}
        ready, _, _ = select.select(list(names), [], [], max(0.0, seconds))
        for sock in ready:
            try:
                chunk = sock.recv(65536)
            except ConnectionResetError:
                chunk = b""
            if chunk:
                self.streams[names[sock]].feed(chunk)
            else:
                sock.close()
                del self.sockets[names[sock]]
        return bool(ready)

    def expect(self, pattern, seconds, port="com1", start=None):
        """
        Waits until `pattern` (multi-line regular expression) matches what came over `port` since the last match;
        returns the match. The position moves behind it.
        """
        stream = self.streams[port]
        if start is not None:
            stream.position = start
        deadline = time.monotonic() + seconds * SCALE
        while True:
            match = re.search(pattern, clean(stream.data[stream.position:]), re.M)
            if match:
                self._move_behind(stream, match)
                return match
            left = deadline - time.monotonic()
            if left <= 0:
                self.keep_logs = True
                raise EmulatorTimeout(f"no /{pattern}/ on {port} within {seconds * SCALE:.0f} s; the last lines were:\n"
                                      f"{self.tail(port)}\nlogs: {self.folder}")
            if port not in self.sockets and not self.expected_end:
                self.keep_logs = True
                raise EmulatorDied(f"{self.program} ended while waiting for /{pattern}/; the last lines were:\n"
                                   f"{self.tail(port)}\n{self.emulator_log()}\nlogs: {self.folder}")
            if port not in self.sockets:
                raise EmulatorTimeout(f"the box is off and /{pattern}/ never came:\n{self.tail(port)}")
            self.pump(min(left, 1.0))

    @staticmethod
    def _move_behind(stream, match):
        """Matches are found in cleaned text; finds the raw position by counting cleaned characters."""
        low, high = stream.position, len(stream.data)
        while low < high:
            middle = (low + high) // 2
            if len(clean(stream.data[stream.position:middle])) < match.end():
                low = middle + 1
            else:
                high = middle
        stream.position = low

    def tail(self, port="com1", lines=25):
        return "\n".join(self.streams[port].text().splitlines()[-lines:])

    def mark(self, port="com1"):
        """The position from which later output can be looked at with since()."""
        self.pump(0)
        return len(self.streams[port].data)

    def since(self, mark, port="com1"):
        return self.streams[port].text(mark)

    def send(self, data, port="com1"):
        sock = self.sockets[port]
        sock.setblocking(True)
        sock.sendall(data if isinstance(data, bytes) else data.encode())
        sock.setblocking(False)

    def wait_end(self, seconds):
        """Waits until QEMU ends by itself (guest power-off)."""
        self.expected_end = True
        try:
            self.process.wait(seconds * SCALE)
        except subprocess.TimeoutExpired as error:
            self.keep_logs = True
            raise EmulatorTimeout(f"the box is still on after {seconds * SCALE:.0f} s") from error
        while self.sockets and self.pump(0.1):
            pass

    # ---- the monitor ----

    def qmp(self, command, seconds=20, **arguments):
        """Runs one QMP command and returns its result; events are skipped."""
        stream = self.streams["monitor"]
        self.send(json.dumps({"execute": command, "arguments": arguments}) + "\n", "monitor")
        deadline = time.monotonic() + seconds * SCALE
        while True:
            line, separator, _ = stream.data[stream.position:].partition(b"\n")
            if separator:
                stream.position += len(line) + 1
                answer = json.loads(line)
                if "return" in answer or "error" in answer:
                    if "error" in answer:
                        raise AssertionError(f"QMP {command}: {answer['error']}")
                    return answer["return"]
                continue
            if time.monotonic() > deadline or "monitor" not in self.sockets:
                self.keep_logs = True
                raise EmulatorTimeout(f"QMP {command}: no answer; logs: {self.folder}")
            self.pump(0.5)

    def hmp(self, line):
        return self.qmp("human-monitor-command", **{"command-line": line})

    def screen_text(self):
        """The text on the screen: read from VGA memory in text mode, from the pixels in graphics mode."""
        from screen import text_of
        path = self.folder / "screen.ppm"
        self.qmp("screendump", filename=str(path))
        data = path.read_bytes()
        header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
        if header and int(header[2]) != VGA_TEXT_HEIGHT:
            return text_of(int(header[1]), int(header[2]), data[header.end():])
        return self._vga_text()

    def expect_screen(self, text, seconds):
        """Looks at the screen until `text` stands on it; returns all of it. The screen announces nothing."""
        deadline = time.monotonic() + seconds * SCALE
        while True:
            shown = self.screen_text()
            if text in shown:
                return shown
            if time.monotonic() > deadline:
                self.keep_logs = True
                raise EmulatorTimeout(f"`{text}` is not on the screen after {seconds * SCALE:.0f} s:\n{shown}\n"
                                      f"logs: {self.folder}")
            self.pump(0.5)

    def _vga_text(self):
        cells = []
        for line in self.hmp("xp /4000xb 0xb8000").splitlines():
            cells += [int(value, 16) for value in line.split(":")[1].split()]
        characters = "".join(chr(code) if 32 <= code < 127 else " " for code in cells[0:4000:2])
        return "\n".join(characters[row * 80:row * 80 + 80].rstrip() for row in range(25))
