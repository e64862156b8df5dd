# SPDX-License-Identifier: MIT
"""The byte link of a test image: HTTP over the machine's COM2, by the rules of mgmt-agent/serial/byte_link.h."""

import http.client
import io
import time

from emulator import SCALE

PORT = "com2"
DLE = b"\x10"
GRANT, END = b"+", b"."
WINDOW, GRANT_BYTES = 512, 8  # emulators hold back what finds no room
UART_WINDOW = 16
BEGIN_SECONDS = 3  # before another attempt to begin a connection
PUMP_SECONDS = 0.5


class Wire(io.RawIOBase):
    """One connection, with as much of a socket as http.client asks for."""

    number = 0

    def __init__(self, machine, seconds, window=WINDOW):
        super().__init__()
        self.machine, self.stream, self.seconds = machine, machine.streams[PORT], seconds
        self.received = bytearray()
        self.escaped = self.begun = self.ended = False
        self.window = 0
        self._begin(window)

    def _begin(self, window):
        """The box may have to boot first, and whoever was here before may have left anything: so try again."""
        deadline = time.monotonic() + self.seconds
        while not self.begun:
            if time.monotonic() > deadline:
                raise TimeoutError("the byte link does not answer")
            Wire.number = (Wire.number + 1) % 10
            self.window = window
            self.machine.send(b"\n" + DLE + b"%d" % Wire.number, PORT)
            self._wait(lambda: self.begun, BEGIN_SECONDS * SCALE)

    def _wait(self, condition, seconds):
        """@return whether the condition came true in time"""
        deadline = time.monotonic() + seconds
        self._take_in()
        while not condition():
            if PORT not in self.machine.sockets:
                raise ConnectionResetError("the box is off")
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.machine.pump(min(left, PUMP_SECONDS))
            self._take_in()
        return True

    def _take_in(self):
        data = self.stream.data[self.stream.position:]
        self.stream.position += len(data)
        while data:
            if self.escaped:
                self._control(data[:1])
                data = data[1:]
            plain, dle, data = data.partition(DLE)
            self.received += plain
            self.escaped = bool(dle)

    def _control(self, code):
        if code.isdigit():
            self.begun = int(code) == Wire.number
            self.ended = False
            self.received.clear()
        elif code == GRANT:  # one that comes before was for somebody else
            self.window += GRANT_BYTES if self.begun else 0
        elif code == END:
            self.ended = True
        else:
            self.received += code

    def is_over(self):
        """Has the box ended the connection?"""
        self._take_in()
        return self.ended

    # ---- what http.client calls ----

    def sendall(self, data):
        """When the box has ended the connection it hears no more, but what it said can still be read."""
        rest = bytes(data).replace(DLE, DLE + DLE)
        while rest:
            if not self._wait(lambda: self.window > 0 or self.ended, self.seconds):
                raise TimeoutError("the byte link takes no more")
            if self.ended:
                return
            piece, rest = rest[:self.window], rest[self.window:]
            self.machine.send(piece, PORT)
            self.window -= len(piece)

    def readable(self):
        return True

    def readinto(self, buffer):
        if not self._wait(lambda: self.received or self.ended, self.seconds):
            raise TimeoutError("the byte link is silent")
        count = min(len(buffer), len(self.received))
        buffer[:count] = self.received[:count]
        del self.received[:count]
        return count

    def makefile(self, _mode):
        return io.BufferedReader(Share(self))


class Share(io.RawIOBase):
    """What an answer reads; closing it leaves the connection open for the next."""

    def __init__(self, wire):
        super().__init__()
        self.wire = wire

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.wire.readinto(buffer)


class Connection(http.client.HTTPConnection):
    """A client's connection; begun anew when the box has ended it."""

    def __init__(self, machine, seconds):
        super().__init__("mullion")
        self.machine, self.seconds = machine, seconds

    def connect(self):
        self.sock = Wire(self.machine, self.seconds)

    def putrequest(self, method, url, **more):
        """Each byte takes its time on this wire."""
        super().putrequest(method, url, **{**more, "skip_accept_encoding": True})

    def request(self, *arguments, **more):
        if self.sock and self.sock.is_over():
            self.close()
        super().request(*arguments, **more)
