# SPDX-License-Identifier: MIT
"""
An Ethernet segment in this process: the other end of a port of the box, frame by frame, over QEMU's datagram network.
For what an honest network never does: a DHCP server that lies, a neighbour with our address, silence.
"""

import select
import socket
import struct
import threading

BROADCAST = b"\xff" * 6
OUR_MAC = bytes.fromhex("02aabbccdd01")
ETHERTYPE_ARP, ETHERTYPE_IPV4 = 0x0806, 0x0800
DHCP_MAGIC = 0x63825363
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5


def address(text):
    return socket.inet_aton(text)


class Wire:
    """`arguments` make QEMU's end; frames the box sends are handled by serve()."""

    def __init__(self, device="virtio-net-pci,romfile=", name="wire"):
        self.ours, self.theirs = self._socket(), self._socket()
        here, there = self.ours.getsockname()[1], self.theirs.getsockname()[1]
        self.theirs.close()  # QEMU binds that port
        self.peer = ("127.0.0.1", there)
        self.arguments = ("-netdev", f"dgram,id={name},local.type=inet,local.host=127.0.0.1,local.port={there},"
                                     f"remote.type=inet,remote.host=127.0.0.1,remote.port={here}",
                          "-device", f"{device},netdev={name}")
        self.handlers = []
        self.frames = []
        self.served = None
        self.ended = threading.Event()

    @staticmethod
    def _socket():
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("127.0.0.1", 0))
        one.setblocking(False)
        return one

    def serve(self):
        """Handles frames as they come, on a thread of its own: a neighbour answers at once."""
        self.served = threading.Thread(target=self._serve, daemon=True)
        self.served.start()

    def _serve(self):
        while not self.ended.is_set():
            if select.select([self.ours], [], [], 0.2)[0]:
                self.pump()

    def close(self):
        self.ended.set()
        if self.served:
            self.served.join()
        self.ours.close()

    def send(self, frame):
        self.ours.sendto(frame.ljust(60, b"\0"), self.peer)

    def pump(self):
        """Takes in what has arrived and lets each handler see it. @return the number of frames"""
        count = 0
        while True:
            try:
                frame = self.ours.recv(65536)
            except BlockingIOError:
                return count
            count += 1
            self.frames.append(frame)
            for handler in self.handlers:
                handler(frame)


def ethernet(destination, kind, payload, source=OUR_MAC):
    return destination + source + struct.pack("!H", kind) + payload


class Arp:
    """Answers for the given addresses: a neighbour that has them."""

    def __init__(self, wire, *addresses):
        self.wire, self.addresses = wire, [address(text) for text in addresses]
        self.asked = []
        wire.handlers.append(self.handle)

    def handle(self, frame):
        if len(frame) < 42 or struct.unpack_from("!H", frame, 12)[0] != ETHERTYPE_ARP:
            return
        operation, sender_mac, sender_ip, _, target_ip = struct.unpack_from("!H6s4s6s4s", frame, 20)
        if operation != 1:
            return
        self.asked.append((sender_mac, socket.inet_ntoa(sender_ip), socket.inet_ntoa(target_ip)))
        if target_ip in self.addresses:
            body = struct.pack("!HHBBH6s4s6s4s", 1, ETHERTYPE_IPV4, 6, 4, 2, OUR_MAC, target_ip, sender_mac, sender_ip)
            self.wire.send(ethernet(sender_mac, ETHERTYPE_ARP, body))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def udp_frame(destination, source_ip, target_ip, source_port, target_port, payload):
    udp = struct.pack("!HHHH", source_port, target_port, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, source_ip, target_ip)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return ethernet(destination, ETHERTYPE_IPV4, head + udp)


class DhcpServer:
    """Answers every DISCOVER and REQUEST with what it is told to, true or not. RFC 2131."""

    def __init__(self, wire, offer, server="10.7.0.1", mask="255.255.255.0", router="10.7.0.1", lease=3600, options=b"",
                 damage=None):
        self.wire, self.offer, self.server = wire, address(offer), address(server)
        self.options = b"\x36\x04" + self.server + b"\x33\x04" + struct.pack("!I", lease)
        self.options += (b"\x01\x04" + address(mask) if mask else b"") + (b"\x03\x04" + address(router) if router else b"")
        self.options += options
        self.damage = damage
        self.seen = []
        wire.handlers.append(self.handle)

    def handle(self, frame):
        if len(frame) < 14 + 20 + 8 + 240 or frame[12:14] != b"\x08\0" or frame[23] != 17 or frame[36:38] != b"\0\x43":
            return
        request = frame[42:]
        kind = self._message_type(request[240:])
        self.seen.append(kind)
        answer = {DISCOVER: OFFER, REQUEST: ACK}.get(kind)
        if answer:
            self._reply(request, answer)

    @staticmethod
    def _message_type(options):
        position = 0
        while position + 1 < len(options) and options[position] != 255:
            if options[position] == 53:
                return options[position + 2]
            position += 1 if options[position] == 0 else 2 + options[position + 1]
        return None

    def _reply(self, request, kind):
        head = struct.pack("!BBBB", 2, 1, 6, 0) + request[4:8] + struct.pack("!HH", 0, 0x8000)
        head += b"\0" * 4 + self.offer + self.server + b"\0" * 4 + request[28:44] + b"\0" * 192
        payload = head + struct.pack("!I", DHCP_MAGIC) + bytes((53, 1, kind)) + self.options + b"\xff"
        payload = payload.ljust(300, b"\0")
        payload = self.damage(payload) if self.damage else payload
        self.wire.send(udp_frame(BROADCAST, self.server, address("255.255.255.255"), 67, 68, payload))
