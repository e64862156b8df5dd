# SPDX-License-Identifier: MIT
"""The same box in Bochs: strict about VM entries, with Intel's CPUs too, and what is to be known about its log."""

import functools
import os
import pathlib
import re
import resource
import socket
import subprocess
import tempfile
import time

from emulator import SCALE, TOP, EmulatorDied, Machine, Stream, die_with_parent

LOG_BYTES = 256 << 20
# One instruction is one tick of its clocks, so 50 million of them are one second to the box.
INSTRUCTIONS_PER_SECOND = 50_000_000
MACHINES = {
    "bochs-vmx": "corei7_haswell_4770",
    "bochs-svm": "ryzen",
    "bochs-penryn": "core2_penryn_t9600",  # VMX of 2008: neither EPT nor unrestricted guest
    "bochs-new": "corei7_skylake_x",  # posted interrupts and all that comes before them
}
# The machines that must run the same image alike, and what they run it with.
BACK_END = {"qemu-svm": "SVM", "bochs-vmx": "VMX", "bochs-svm": "SVM"}
if os.environ.get("MULLION_SOAK"):
    BACK_END["bochs-new"] = "VMX"
# What it says about guests that a CPU would not enter, and the panics that end it; it counts some harmless exits too.
COMPLAINT = re.compile(rb"^\d+e\[CPU\d[^]]*\] (?!(?:SVM )?VMEXIT: )(?:.*(?:VM|EPT|SVM).*)|^\d+p.*", re.M)
COMPLAINTS_SHOWN = 40
CONFIGURATION = """\
display_library: nogui
plugin_ctrl: speaker=false
memory: guest={memory}, host={memory}
romimage: file={bios}
vgaromimage: file={vga_bios}
vga: extension=none
cpu: model={model}, count={cpus}, ips={speed}, reset_on_triple_fault=0
clock: sync=none, time0=utc
pci: enabled=1, chipset=i440fx
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path={image}, mode=volatile, journal={folder}/journal
boot: disk
{serials}
log: {folder}/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
"""


def bochs_binary():
    """Path of the pinned Bochs; the first call builds it."""
    found = subprocess.run([TOP / "third_party" / "bochs"], stdout=subprocess.PIPE, text=True, check=True)
    return found.stdout.strip()


@functools.cache
def firmware():
    """Paths of the pinned BIOS and VGA BIOS; the first call may download them."""
    command = [TOP / "third_party" / "fetch", "--unpack", "bochsbios"]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    folder = pathlib.Path(found.stdout.strip()) / "usr" / "share"
    return folder / "bochs" / "BIOS-bochs-latest", folder / "vgabios" / "vgabios.bin"


def limit_log():
    """A log that grows without end ends Bochs, not the disk; and Bochs dies with the test run."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LOG_BYTES, LOG_BYTES))
    die_with_parent()


class BochsMachine(Machine):
    """A box in Bochs: a disk with the image, serial ports, no network. Its time is counted in instructions."""

    program = "Bochs"

    def __init__(self, image, *, kind="bochs-vmx", cpus=2, memory=1024, serials=("com1",), bios=None,
                 name="machine"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"mullion-{name}-"))
        self.started = time.monotonic()
        self.streams, self.sockets, self.listeners = {}, {}, {}
        self.keep_logs = self.expected_end = False
        self.cpu_taken = 0.0
        own_bios, vga_bios = firmware()
        ports = "\n".join(self._serial(port) for port in serials)
        (self.folder / "bochsrc").write_text(CONFIGURATION.format(
            memory=memory, bios=bios or own_bios, vga_bios=vga_bios, model=MACHINES[kind], cpus=cpus,
            speed=INSTRUCTIONS_PER_SECOND, image=pathlib.Path(image).resolve(), folder=self.folder, serials=ports))
        self.command = [bochs_binary(), "-q", "-f", self.folder / "bochsrc"]
        self._start()

    def _serial(self, port):
        listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self.listeners[port] = listener
        self.streams[port] = Stream(self.folder / f"{port}.log")
        return f"{port}: enabled=1, mode=socket-client, dev=127.0.0.1:{listener.getsockname()[1]}"

    def _start(self):
        with open(self.folder / "output", "wb") as output:
            self.process = subprocess.Popen(["nice", *self.command], stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, start_new_session=True, preexec_fn=limit_log,
                                            env={**os.environ, "BXSHARE": str(firmware()[0].parent)})
        for port, listener in self.listeners.items():
            listener.settimeout(20 * SCALE)
            try:
                self.sockets[port] = listener.accept()[0]
            except TimeoutError as error:
                raise EmulatorDied(f"Bochs did not start: {self.emulator_log()}") from error
            self.sockets[port].setblocking(False)
            self.sockets[port].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.close()

    def pump(self, seconds):
        came = super().pump(seconds)
        self._note_cpu()
        return came

    def _note_cpu(self):
        """What it took can be read only while it runs."""
        if self.process.poll() is None:
            self.cpu_taken = self.cpu_seconds()

    def close(self):
        """The minutes that all of them take have a limit: tests/system/run."""
        self._note_cpu()
        super().close()
        if notes := os.environ.get("MULLION_TEST_NOTES"):
            with open(pathlib.Path(notes) / "bochs-seconds", "a", encoding="ascii") as file:
                file.write(f"{self.cpu_taken:.1f} {self.elapsed():.1f}\n")

    def complaints(self):
        """What Bochs had to say about guests: the state that a CPU would refuse to enter, and why it ended itself."""
        path = self.folder / "bochs.log"
        return [line.decode("utf-8", "replace") for line in COMPLAINT.findall(path.read_bytes())] if path.exists() else []

    def emulator_log(self):
        found = self.complaints()
        return "\n".join([f"complaints of Bochs: {len(found)}", *found[-COMPLAINTS_SHOWN:]])


def open_machine(kind, image, *, cpus=2, memory=1024, **more):
    """The box of that kind: "qemu-svm" or one of MACHINES."""
    if kind in MACHINES:
        return BochsMachine(image, kind=kind, cpus=cpus, memory=memory, **more)
    return Machine(image, cpus=str(cpus), memory=f"{memory}M", **more)
