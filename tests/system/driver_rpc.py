# SPDX-License-Identifier: MIT
"""The agent's side of mullion/driver_rpc.h, for tests that talk to the driver VM over a socket."""

import select
import struct
import time
import typing
import zlib

MAGIC = 0x4C4C554D
VERSION = 1
MAX_BYTES = 512
HEADER = struct.Struct("<IBBHIHHI")

HELLO, FUNCTION, NIC, SET_UPLINK, SET_JACK, POWER_OFF, CHANGED = range(1, 8)
OK, E_VERSION, E_TYPE, E_SIZE, E_RANGE, E_NO_PORT, E_KERNEL = range(7)


class Header(typing.NamedTuple):
    magic: int
    version: int
    type: int
    bytes: int
    sequence: int
    status: int
    detail: int
    crc32: int


class Function(typing.NamedTuple):
    slot: int
    vendor: int
    device: int
    class_code: int
    driver: str
    reason: str


class Nic(typing.NamedTuple):
    slot: int
    in_bridge: int
    carrier: int
    speed_mbps: int
    mac: str
    driver: str
    name: str
    received_frames: int
    received_bytes: int
    sent_frames: int
    sent_bytes: int
    dropped: int


class RpcError(Exception):
    """The driver VM answered with a status other than OK."""

    def __init__(self, status, detail):
        super().__init__(f"status {status}, errno {detail}")
        self.status = status
        self.detail = detail


def frame(kind, sequence, payload=b"", version=VERSION):
    head = Header(MAGIC, version, kind, len(payload), sequence, 0, 0, 0)
    crc = zlib.crc32(HEADER.pack(*head) + payload)
    return HEADER.pack(*head._replace(crc32=crc)) + payload


def text(raw):
    return raw.split(b"\0", 1)[0].decode()


class Client:
    """Requests over a connected socket; frames that come unasked are counted in `changes`."""

    def __init__(self, connection, deadline_s=60):
        self.connection = connection
        self.deadline_s = deadline_s
        self.buffer = b""
        self.sequence = 0
        self.changes = 0

    def _receive(self, deadline):
        while True:
            whole = self._take()
            if whole:
                return whole
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.connection], [], [], left)[0]:
                raise TimeoutError(f"no frame from the driver VM; {len(self.buffer)} bytes wait")
            data = self.connection.recv(65536)
            if not data:
                raise ConnectionError("the driver VM's channel was closed")
            self.buffer += data

    def _take(self):
        while True:
            start = self.buffer.find(struct.pack("<I", MAGIC))
            if start < 0:
                self.buffer = self.buffer[-3:]
                return None
            self.buffer = self.buffer[start:]
            if len(self.buffer) < HEADER.size:
                return None
            head = Header(*HEADER.unpack_from(self.buffer))
            end = HEADER.size + head.bytes
            if head.bytes <= MAX_BYTES and len(self.buffer) < end:
                return None
            payload = self.buffer[HEADER.size:end]
            if head.bytes <= MAX_BYTES and zlib.crc32(HEADER.pack(*head._replace(crc32=0)) + payload) == head.crc32:
                self.buffer = self.buffer[end:]
                return head, payload
            self.buffer = self.buffer[1:]

    def answer(self, sequence):
        """(header, payload) of the answer with this number."""
        deadline = time.monotonic() + self.deadline_s
        while True:
            head, payload = self._receive(deadline)
            if head.type == CHANGED:
                self.changes += 1
            elif head.sequence == sequence:
                return head, payload

    def wait_for_change(self):
        """Waits until the driver VM says that ports have changed."""
        deadline = time.monotonic() + self.deadline_s
        seen, self.changes = self.changes, 0
        while not seen:
            seen = self._receive(deadline)[0].type == CHANGED

    def call(self, kind, payload=b""):
        self.sequence += 1
        self.connection.sendall(frame(kind, self.sequence, payload))
        head, answer = self.answer(self.sequence)
        if head.status != OK:
            raise RpcError(head.status, head.detail)
        return answer

    def hello(self):
        """(functions, NICs, kernel)"""
        functions, nics, kernel = struct.unpack("<II64s", self.call(HELLO))
        return functions, nics, text(kernel)

    def functions(self):
        rows = []
        for index in range(self.hello()[0]):
            slot, vendor, device, code, driver, reason = struct.unpack(
                "<IHHI32s128s", self.call(FUNCTION, struct.pack("<I", index)))
            rows.append(Function(slot, vendor, device, code, text(driver), text(reason)))
        return rows

    def nics(self):
        rows = []
        for index in range(self.hello()[1]):
            slot, bridged, carrier, speed, mac, driver, name, *counters = struct.unpack(
                "<IIII6s2x32s16s5Q", self.call(NIC, struct.pack("<I", index)))
            rows.append(Nic(slot, bridged, carrier, speed, mac.hex(":"), text(driver), text(name), *counters))
        return rows

    def set_uplink(self, slot, mac=bytes(6)):
        self.call(SET_UPLINK, struct.pack("<II6s2x", slot, 0, mac))

    def set_jack(self, slot, in_bridge, features):
        self.call(SET_JACK, struct.pack("<IIQ", slot, in_bridge, features))

    def power_off(self):
        self.call(POWER_OFF)
