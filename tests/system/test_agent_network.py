# SPDX-License-Identifier: MIT
"""The agent's own TCP/IP as a process, with AddressSanitizer: the test is the wire, and every other station on it."""

import concurrent.futures
import contextlib
import re
import select
import socket
import ssl
import struct
import subprocess
import time

import pytest

from emulator import SCALE
from test_https_process import Server, TOP, exchange, read_all, request, status_of, tls

PROGRAM = TOP / "build/agent/https-wire"
OURS = bytes.fromhex("525400123456")
SERVER_MAC = bytes.fromhex("525400aaaaaa")
RIVAL = bytes.fromhex("525400bbbbbb")
SERVER, ADDRESS, STATIC, GATEWAY = "10.0.2.2", "10.0.2.15", "10.0.2.77", "10.0.2.2"
FALLBACK = ("dhcp", f"{STATIC}/24", GATEWAY)
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5


def ip(text):
    return socket.inet_aton(text)


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    total = (total & 0xffff) + (total >> 16)
    return 0xffff - (total + (total >> 16) & 0xffff)


def arp(operation, sender_mac, sender, target, target_mac=bytes(6)):
    return (b"\xff" * 6 + sender_mac + b"\x08\x06" + struct.pack(">HHBBH", 1, 0x800, 6, 4, operation) + sender_mac +
            ip(sender) + target_mac + ip(target)).ljust(60, b"\0")


def ipv4(protocol, source, target, payload, mac=SERVER_MAC, fragment=0):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, fragment, 64, protocol, 0, ip(source), ip(target))
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return OURS + mac + b"\x08\x00" + head + payload


class Wire:
    """One agent and the only wire it has."""

    def __init__(self, *config):
        self.near, self.far = socket_pair()
        self.process = subprocess.Popen([PROGRAM, str(self.near), *config], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.text = ""
        self.started = time.monotonic()
        self.answers = []  # functions from a received frame to frames, or None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        errors = self.process.communicate(timeout=20)[1]
        self.far.close()
        assert "Sanitizer" not in errors and "runtime error" not in errors, errors

    def send(self, frame):
        self.far.sendto(frame, ("127.0.0.1", self.near))

    def run(self, until, seconds=20, pause=1):
        """Serves the wire until the condition holds; asks about it after each frame, and after a pause."""
        deadline = time.monotonic() + seconds * SCALE
        while not (value := until()):
            assert time.monotonic() < deadline, f"not in time; the agent said:\n{self.text}"
            ready = select.select([self.far, self.process.stdout], [], [], pause)[0]
            if self.far in ready:
                frame = self.far.recv(2000)
                for answer in self.answers:
                    for reply in answer(frame) or ():
                        self.send(reply)
            if self.process.stdout in ready:
                self.text += self.process.stdout.readline()
        return value

    def status(self):
        lines = re.findall(r"^network (.*)$", self.text, re.M)
        return lines[-1] if lines else ""

    def wait(self, *words, seconds=20):
        return self.run(lambda: all(word in self.status() for word in words) and self.status(), seconds)


def socket_pair():
    """A free port P and a socket on P + 1."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
            near.bind(("127.0.0.1", 0))
            port = near.getsockname()[1]
        far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            far.bind(("127.0.0.1", port + 1))
            return port, far
        except OSError:
            far.close()
    raise AssertionError("no two free ports in a row")


def dhcp_request(frame):
    """(type, BOOTP message) of a client's DHCP frame, else (0, b"")."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[36:38] != b"\x00\x43":
        return 0, b""
    message = frame[42:]
    return message[message.index(b"\x35\x01", 240) + 2], message


def dhcp_reply(message, kind, address=ADDRESS, mask="255.255.255.0", router=GATEWAY, lease=3600, extra=b"", fragment=0):
    options = b"\x35\x01" + bytes([kind]) + b"\x36\x04" + ip(SERVER)
    options += b"\x33\x04" + struct.pack(">I", lease) if lease is not None else b""
    options += b"\x01\x04" + ip(mask) if mask else b""
    options += b"\x03\x04" + ip(router) if router else b""
    body = bytes([2]) + message[1:16] + ip(address) + ip(SERVER) + bytes(4) + message[28:44] + bytes(192)
    payload = body + bytes.fromhex("63825363") + options + extra + b"\xff"
    udp = struct.pack(">HHHH", 67, 68, 8 + len(payload), 0) + payload
    return ipv4(17, SERVER, "255.255.255.255", udp, fragment=fragment)


def dhcp_server(**lie):
    def answer(frame):
        kind, message = dhcp_request(frame)
        reply = {DISCOVER: OFFER, REQUEST: ACK}.get(kind)
        return [dhcp_reply(message, reply, **lie)] if reply else None
    return answer


def owner_of(address, mac=RIVAL):
    """A station that answers every question for an address."""
    def answer(frame):
        asked = frame[12:14] == b"\x08\x06" and frame[21] == 1 and frame[38:42] == ip(address)
        return [arp(2, mac, address, "0.0.0.0", OURS)] if asked else None
    return answer


@pytest.fixture(scope="module", autouse=True)
def program():
    subprocess.run(["make", "-s", "-C", TOP, "build/agent/https-wire"], check=True, stdout=subprocess.DEVNULL)


def test_lease_is_taken_after_asking_whether_the_address_is_free():
    with Wire("dhcp") as wire:
        probes = []
        wire.answers = [dhcp_server(), lambda frame: probes.append(time.monotonic()) if frame[38:42] == ip(ADDRESS) and
                        frame[12:14] == b"\x08\x06" and frame[28:32] == bytes(4) else None]
        wire.run(lambda: wire.status())
        line = wire.wait("source=dhcp", f"address={ADDRESS}/24", f"gateway={GATEWAY}")
        assert "problem=" in line and line.endswith("problem=")
        assert len(probes) == 3
        print(f"lease {time.monotonic() - wire.started:.2f} s after the start of the process")


def test_lease_names_the_box_to_the_server():
    with Wire("dhcp") as wire:
        seen = []
        wire.answers = [lambda frame: seen.append(frame) if dhcp_request(frame)[0] else None, dhcp_server()]
        wire.wait("source=dhcp")
        assert any(b"test-box" in frame for frame in seen)


LIES = {
    "mask-with-a-hole": ({"mask": "255.0.255.0"}, "mask makes no sense"),
    "mask-of-nothing": ({"mask": "0.0.0.0"}, "mask makes no sense"),
    "mask-of-all": ({"mask": "255.255.255.255"}, "mask makes no sense"),
    "no-mask": ({"mask": None}, "no subnet mask"),
    "gateway-outside": ({"router": "10.0.3.1"}, "gateway lies outside"),
    "gateway-is-address": ({"router": ADDRESS}, "gateway has the same address"),
    "gateway-is-broadcast": ({"router": "10.0.2.255"}, "gateway lies outside"),
    "no-address": ({"address": "0.0.0.0"}, "none that a station can have"),
    "multicast": ({"address": "224.0.0.5"}, "none that a station can have"),
    "loopback": ({"address": "127.0.0.1"}, "none that a station can have"),
    "everybody": ({"address": "255.255.255.255"}, "none that a station can have"),
    "network": ({"address": "10.0.2.0"}, "the network's own"),
    "broadcast": ({"address": "10.0.2.255"}, "the network's own"),
    "short-lease": ({"lease": 5}, "shorter than a minute"),
    "mask-twice": ({"extra": b"\x01\x04\xff\xff\xff\x00"}, "twice"),
    "cut-off": ({"extra": b"\x0c\xfa"}, "cut off"),
    "odd-gateways": ({"router": None, "extra": b"\x03\x03abc"}, "list of gateways is malformed"),
}


@pytest.fixture(scope="module")
def lied_to(program):
    """An agent for each lie. They are told at once, because each agent waits three seconds for a better offer."""
    with contextlib.ExitStack() as agents, concurrent.futures.ThreadPoolExecutor(len(LIES)) as pool:
        said = {}
        for name, (lie, why) in LIES.items():
            wire = agents.enter_context(Wire(*FALLBACK))
            wire.answers = [dhcp_server(**lie)]
            wire.run(lambda wire=wire: wire.text)  # it has its port: the next one is given another
            said[name] = pool.submit(wire.wait, "source=static", f"address={STATIC}/24", why)
        yield said


@pytest.mark.parametrize("lie", LIES)
def test_server_that_lies_is_named_and_the_static_address_used(lied_to, lie):
    line = lied_to[lie].result()
    assert f"DHCP server {SERVER}" in line and "refused" in line


def test_lease_in_fragments_is_not_looked_at():
    with Wire(*FALLBACK) as wire:
        wire.answers = [dhcp_server(fragment=0x2000)]
        wire.wait("source=static", "no DHCP server has answered")


def test_no_server_means_the_static_address_and_a_lease_later_takes_over():
    with Wire(*FALLBACK) as wire:
        wire.wait("source=static", f"address={STATIC}/24", "no DHCP server has answered within 3 s")
        wire.answers = [dhcp_server()]
        assert wire.wait("source=dhcp", f"address={ADDRESS}/24", seconds=40).endswith("problem=")


def test_no_server_and_no_static_address_is_a_problem():
    with Wire("dhcp") as wire:
        wire.wait("source=none", "the box has no IPv4 address")


def test_offered_address_of_another_station_is_not_used():
    with Wire(*FALLBACK) as wire:
        wire.answers = [dhcp_server(), owner_of(ADDRESS)]
        line = wire.wait("duplicate address", ADDRESS, "52:54:00:bb:bb:bb")
        assert f"address={ADDRESS}" not in line
        wire.wait("source=static", f"address={STATIC}/24")
        assert f"address={ADDRESS}" not in wire.text


def test_static_address_of_another_station_is_not_used_until_it_is_free():
    with Wire(f"{STATIC}/24", GATEWAY) as wire:
        wire.answers = [owner_of(STATIC)]
        wire.wait("source=none", "duplicate address", STATIC)
        assert "source=static" not in wire.text
        wire.answers = []
        wire.wait("source=static", f"address={STATIC}/24", seconds=30)


def test_address_in_use_is_defended_and_the_rival_named():
    with Wire(f"{STATIC}/24", GATEWAY) as wire:
        wire.wait("source=static")
        heard = []
        wire.answers = [lambda frame: heard.append(frame) if frame[12:14] == b"\x08\x06" else None]
        wire.send(arp(2, RIVAL, STATIC, "10.0.2.1"))
        line = wire.wait("duplicate address", "52:54:00:bb:bb:bb")
        assert "source=static" in line
        wire.run(lambda: any(frame[28:32] == ip(STATIC) and frame[38:42] == ip(STATIC) for frame in heard))


def test_ipv6_address_of_another_station_is_given_up_and_named():
    def neighbour(frame):
        """Answers lwIP's own question for the link-local address: RFC 4862, 5.4."""
        if frame[12:14] != b"\x86\xdd" or frame[54] != 135:
            return None
        everybody = socket.inet_pton(socket.AF_INET6, "ff02::1")
        answer = struct.pack(">BBHI", 136, 0, 0, 0x20000000) + frame[62:78] + b"\x02\x01" + RIVAL
        pseudo = frame[62:78] + everybody + struct.pack(">II", len(answer), 58)
        answer = answer[:2] + struct.pack(">H", checksum(pseudo + answer)) + answer[4:]
        head = struct.pack(">IHBB", 0x60000000, len(answer), 58, 255) + frame[62:78] + everybody
        return [b"\x33\x33\0\0\0\1" + RIVAL + b"\x86\xdd" + head + answer]

    with Wire(f"{STATIC}/24", GATEWAY) as wire:
        wire.answers = [neighbour]
        line = wire.wait("source=static", "duplicate address: fe80::5054:ff:fe12:3456")
        assert "ipv6= " in line


def test_link_lost_and_found_asks_anew():
    with Wire("dhcp") as wire:
        requests = []
        wire.answers = [dhcp_server(), lambda frame: requests.append(1) if dhcp_request(frame)[0] == REQUEST else None]
        wire.wait("source=dhcp")
        wire.send(b"0")
        wire.wait("link=0")
        count = len(requests)
        wire.send(b"1")
        wire.wait("link=1", "source=dhcp")
        wire.run(lambda: len(requests) > count)


def test_moved_to_a_wire_where_the_static_address_is_taken():
    with Wire(f"{STATIC}/24", GATEWAY) as wire:
        wire.wait("source=static")
        wire.send(b"0")
        wire.wait("link=0", "source=none")
        wire.answers = [owner_of(STATIC)]
        wire.send(b"1")
        wire.wait("link=1", "source=none", "duplicate address")


def test_pings_are_answered():
    with Wire(f"{STATIC}/24", GATEWAY) as wire:
        wire.wait("source=static")
        echo = struct.pack(">BBHHH", 8, 0, 0, 7, 1) + b"mullion"
        echo = echo[:2] + struct.pack(">H", checksum(echo)) + echo[4:]
        replies = []
        wire.answers = [owner_of(SERVER, SERVER_MAC), lambda frame: replies.append(frame) if b"mullion" in frame else None]
        wire.send(arp(1, SERVER_MAC, SERVER, STATIC))
        wire.send(ipv4(1, SERVER, STATIC, echo))
        frame = wire.run(lambda: replies and replies[0])
        assert frame[34] == 0 and frame[30:34] == ip(SERVER)


def test_rubbish_frames_do_not_hurt():
    import random
    random.seed(3)
    with Wire("dhcp") as wire:
        seen = []
        wire.answers = [lambda frame: seen.append(frame) if len(seen) < 50 else None, dhcp_server()]
        wire.wait("source=dhcp")
        samples = seen + [arp(2, RIVAL, "10.0.2.1", ADDRESS), ipv4(6, SERVER, ADDRESS, bytes(40))]
        alive = []
        wire.answers = [lambda frame: alive.append(frame) if frame[12:14] == b"\x08\x06" and frame[21] == 2 else None]
        for n in range(5000):
            if n % 100 == 0:  # no faster than it is read
                alive.clear()
                wire.send(arp(1, SERVER_MAC, SERVER, ADDRESS))
                wire.run(lambda: alive)
            frame = bytearray(random.choice(samples))
            for _ in range(random.randrange(1, 6)):
                frame[random.randrange(len(frame))] = random.randrange(256)
            wire.send(bytes(frame[:random.randrange(2, len(frame) + 1)]))
        wire.run(lambda: "link=0" in wire.status() or wire.send(b"0"))


SYN, RST, ACKED = 2, 4, 16


def segment(port, flags, sequence, acknowledge=0, payload=b"", window=8000):
    """A TCP segment from our port to the agent's 443."""
    head = struct.pack(">HHIIBBHHH", port, 443, sequence, acknowledge, 0x50, flags, window, 0, 0)
    pseudo = ip(SERVER) + ip(STATIC) + struct.pack(">HH", 6, len(head) + len(payload))
    head = head[:16] + struct.pack(">H", checksum(pseudo + head + payload)) + head[18:]
    return ipv4(6, SERVER, STATIC, head + payload)


def caller(begun, finish):
    """Remembers the ports that were answered; `finish`: completes the handshake and begins one of TLS."""
    def answer(frame):
        if frame[12:14] != b"\x08\x00" or frame[23] != 6 or frame[47] & (SYN | ACKED) != SYN | ACKED:
            return None
        port, = struct.unpack(">H", frame[36:38])
        theirs, = struct.unpack(">I", frame[38:42])
        begun[port] = theirs
        return [segment(port, ACKED, 101, theirs + 1, b"\x16\x03\x01\x02\x00")] if finish else None
    return answer


@pytest.mark.parametrize("finish", [False, True], ids=["syn-only", "no-hello"])
def test_400_half_open_connections_keep_no_other_out(finish):
    with Wire(f"{STATIC}/24", GATEWAY) as wire:
        wire.wait("source=static")
        begun = {}
        wire.answers = [owner_of(SERVER, SERVER_MAC), caller(begun, finish)]
        for port in range(2000, 2400):
            wire.run(lambda: port in begun or wire.send(segment(port, SYN, 100)))
        wire.answers[1] = caller(late := {}, True)
        wire.run(lambda: 3000 in late or wire.send(segment(3000, SYN, 100)), seconds=4)
        numbers = list(begun.values())
        assert len({b - a for a, b in zip(numbers, numbers[1:])}) == len(numbers) - 1, "sequence numbers can be guessed"


class Caller:
    """A station's own TCP, as much as a test needs: it takes segments in order and acknowledges as it pleases."""

    def __init__(self, wire, port):
        self.wire, self.port, self.sent, self.got, self.window = wire, port, 101, 0, 8000
        self.data, self.reset, self.acknowledged = b"", False, 0
        wire.answers = [owner_of(SERVER, SERVER_MAC), self.hear]
        wire.run(lambda: self.got or wire.send(segment(port, SYN, 100)))

    def hear(self, frame):
        if frame[12:14] != b"\x08\x00" or frame[23] != 6 or frame[36:38] != struct.pack(">H", self.port):
            return None
        sequence, self.acknowledged = struct.unpack(">II", frame[38:46])
        payload = frame[34 + (frame[46] >> 4) * 4:14 + struct.unpack(">H", frame[16:18])[0]]
        self.reset = self.reset or bool(frame[47] & RST)
        if frame[47] & SYN:
            self.got = sequence + 1
        elif sequence == self.got:
            self.data += payload
            self.got += len(payload)
        return [self.segment()] if payload or frame[47] & SYN else None

    def segment(self, payload=b""):
        return segment(self.port, ACKED, self.sent, self.got, payload, self.window)

    def say(self, data, step=1400):
        for at in range(0, len(data), step):
            piece = data[at:at + step]
            self.wire.send(self.segment(piece))
            self.sent += len(piece)

    def secure(self):
        """Shakes hands; returns what turns text into records."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = tls().wrap_bio(incoming, outgoing)

        def shake():
            incoming.write(self.data)
            self.data = b""
            try:
                session.do_handshake()
            except ssl.SSLWantReadError:
                return False
            finally:
                self.say(outgoing.read())
            return True

        self.wire.run(shake)
        return lambda text: session.write(text) and outgoing.read()


def test_client_that_reads_nothing_and_sends_crumbs_starves_nobody_and_is_let_go():
    with Wire(f"{STATIC}/24", GATEWAY) as wire:
        wire.wait("source=static")
        one = Caller(wire, 2000)
        records = one.secure()
        one.window = 0
        one.say(records(request("GET", "/big?4000") * 35))
        replies = []
        wire.answers.append(lambda frame: replies.append(1) if frame[12:14] == b"\x08\x06" and frame[21] == 2 else None)
        crumbs = b"\x17\x03\x03\x40\x00" + bytes(995)  # the beginning of a record that would be good
        for at in range(0, len(crumbs), 10):
            one.say(crumbs[at:at + 10], step=1)
            replies.clear()
            wire.send(arp(1, SERVER_MAC, SERVER, STATIC))
            wire.run(lambda: replies, seconds=3)
        begin = time.monotonic()
        wire.run(lambda: one.reset, seconds=15)
        print(f"let go after {time.monotonic() - begin:.1f} s")


def test_flood_of_half_open_connections_leaves_room_for_a_client():
    with Wire(f"{STATIC}/24", GATEWAY) as wire:
        wire.wait("source=static")
        wire.answers = [owner_of(SERVER, SERVER_MAC)]
        for port in range(10000, 11000):
            wire.send(segment(port, SYN, 100))
            if port % 50 == 49:
                pinged = []
                wire.answers[1:] = [lambda frame: pinged.append(1) if frame[12:14] == b"\x08\x06" and frame[21] == 2 else None]
                wire.send(arp(1, SERVER_MAC, SERVER, STATIC))
                wire.run(lambda: pinged, seconds=5)
        assert Caller(wire, 2000).secure()


@pytest.mark.parametrize("config", [(f"{STATIC}/24", GATEWAY), FALLBACK], ids=["no-dhcp", "fallback"])
def test_offers_that_nobody_asked_for_do_not_keep_an_address_away(config):
    with Wire(*config) as wire:
        message = bytes([1, 1, 6, 0]) + b"\x0b\xad\xf0\x0d" + bytes(20) + OURS + bytes(10)
        wire.wait("link=1")
        asked = []
        wire.answers = [lambda frame: asked.append(frame[38:42]) if frame[12:14] == b"\x08\x06" else None]
        sent = []

        def forge():
            now = time.monotonic()
            if not sent or now > sent[-1] + 0.1:
                sent.append(now)
                wire.send(dhcp_reply(message, OFFER, address=f"10.0.2.{100 + len(sent) % 100}"))
            return "source=static" in wire.status()

        wire.run(forge, seconds=12, pause=0.05)
        assert set(asked) <= {ip(STATIC)}, "it asked about addresses of the forger's choice"
        sent_before = len(sent)
        wire.answers = [lambda frame: asked.append(b"defended") if frame[28:32] == ip(STATIC) and
                        frame[38:42] == ip(STATIC) else None]
        wire.run(lambda: forge() and len(sent) > sent_before + 5, pause=0.05)
        wire.send(arp(2, RIVAL, STATIC, "10.0.2.1"))
        wire.run(lambda: b"defended" in asked)


def test_rogue_that_answers_each_question_with_another_address_does_not_block_the_static_one():
    with Wire(*FALLBACK) as wire:
        last = []
        wire.answers = [lambda frame: last.append(dhcp_request(frame)[1]) if dhcp_request(frame)[0] == DISCOVER else None]
        sent = []

        def forge():
            now = time.monotonic()
            if last and (not sent or now > sent[-1] + 0.1):
                sent.append(now)
                wire.send(dhcp_reply(last[-1], OFFER, address=f"10.0.2.{100 + len(sent) % 100}"))
            return "source=static" in wire.status()

        wire.run(forge, seconds=20, pause=0.05)


class Outside(Server):
    """The agent behind QEMU's user network, without a machine: its own TCP/IP, and a real one against it."""

    def __init__(self):
        near, far = socket_pair()
        far.close()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none", "-monitor", "none",
             "-netdev", f"user,id=u,hostfwd=tcp:127.0.0.1:{self.port}-{ADDRESS}:443",
             "-netdev", "hubport,id=a,hubid=0,netdev=u",
             "-netdev", f"socket,id=s,udp=127.0.0.1:{near},localaddr=127.0.0.1:{near + 1}",
             "-netdev", "hubport,id=b,hubid=0,netdev=s"], stderr=subprocess.DEVNULL)
        self.process = subprocess.Popen([PROGRAM, str(near), "dhcp"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        for line in self.process.stdout:
            if "source=dhcp" in line:
                break

    def stop(self):
        self.qemu.terminate()
        self.qemu.wait(timeout=20)
        super().stop()


@pytest.fixture(scope="module")
def outside(program):
    one = Outside()
    yield one
    one.stop()


def test_https_over_the_agents_own_tcp(outside):
    outside.lives()
    connection = outside.connection()
    begin = time.monotonic()
    reply, body = outside.get("/big?1000000", connection)
    assert reply.status == 200 and len(body) == 1000000
    print(f"1 MB in {time.monotonic() - begin:.3f} s through user network and lwIP")
    begin = time.monotonic()
    for _ in range(100):
        outside.get("/hello", connection)
    print(f"keep-alive request {(time.monotonic() - begin) * 10:.2f} ms")


def test_body_at_the_limit_and_above_it_over_the_agents_own_tcp(outside):
    body = b"b" * 65536
    data = exchange(outside, request("POST", "/echo", "Content-Length: 65536", "Connection: close", body=body))
    assert status_of(data) == 200 and data.endswith(body)
    data = exchange(outside, request("POST", "/echo", "Content-Length: 1000000", body=b"b" * 1000000))
    assert status_of(data) == 413


def test_16_connections_over_the_agents_own_tcp(outside):
    streams = [outside.secure() for _ in range(16)]
    for stream in streams:
        stream.sendall(request("GET", "/big?30000", "Connection: close"))
    assert all(len(read_all(stream)) > 30000 for stream in streams)


def test_rubbish_over_the_agents_own_tcp(outside):
    with outside.raw() as stream:
        try:
            for _ in range(160):
                stream.sendall(bytes(65536))
        except OSError:
            pass
    outside.lives()


def test_tls_1_2_is_refused_over_the_agents_own_tcp(outside):
    with pytest.raises(ssl.SSLError, match="(?i)protocol version"):
        outside.secure(tls(ssl.TLSVersion.TLSv1_2))
