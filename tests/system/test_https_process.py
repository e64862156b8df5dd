# SPDX-License-Identifier: MIT
"""The HTTPS server as a process, with AddressSanitizer: its limits of size and time, and what hostile clients get."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import select
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest

from emulator import SCALE

TOP = pathlib.Path(__file__).resolve().parents[2]
SERVER = TOP / "build/agent/https-server"
TOKEN = {"Authorization": "Bearer let-me-in"}
PLACES = 64
HEAD_LIMIT = 8192
BODY_LIMIT = 65536


def tls(version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class Server:
    def __init__(self):
        self.process = subprocess.Popen([SERVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        self.port, self.fingerprint = int(words[1]), words[3]

    def raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20 * SCALE)

    def secure(self, context=None):
        return (context or tls()).wrap_socket(self.raw())

    def connection(self):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20 * SCALE, context=tls())
        connection.connect()
        return connection

    def get(self, path, connection=None, **more):
        connection = connection or self.connection()
        connection.request("GET", path, **more)
        reply = connection.getresponse()
        return reply, reply.read()

    def counters(self):
        return json.loads(self.get("/counters")[1])

    def resident_bytes(self):
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def lives(self):
        assert self.get("/hello")[1] == b"hello\n"
        assert self.process.poll() is None

    def stop(self):
        self.process.terminate()
        errors = self.process.communicate(timeout=20)[1]
        assert "Sanitizer" not in errors and "runtime error" not in errors, errors


@pytest.fixture(scope="module")
def server():
    subprocess.run(["make", "-s", "-C", TOP, "build/agent/https-server"], check=True, stdout=subprocess.DEVNULL)
    one = Server()
    yield one
    one.stop()


def exchange(server, request, seconds=20):
    """Everything the server sends after these bytes, until it closes."""
    with server.secure() as stream:
        stream.settimeout(seconds * SCALE)
        stream.sendall(request)
        return read_all(stream)


def read_all(stream):
    data = b""
    try:
        while piece := stream.recv(65536):
            data += piece
    except (ConnectionResetError, ssl.SSLError):
        pass
    return data


def status_of(data):
    assert data.startswith(b"HTTP/1.1 "), data[:100]
    return int(data.split()[1])


def error_of(data):
    head, body = data.split(b"\r\n\r\n", 1)
    error = json.loads(body)
    assert set(error) == {"code", "message", "remedy"} and all(error.values()), error
    assert b"Content-Type: application/json\r\n" in head
    return error["code"]


def request(method="GET", path="/hello", *fields, body=b"", version="HTTP/1.1"):
    return "\r\n".join([f"{method} {path} {version}", "Host: box", *fields, "", ""]).encode() + body


def test_answers_curl_with_the_certificate_of_its_fingerprint(server):
    address = f"https://127.0.0.1:{server.port}/hello"
    assert subprocess.run(["curl", "-sk", address], capture_output=True, check=True).stdout == b"hello\n"
    with server.secure() as stream:
        import hashlib
        certificate = stream.getpeercert(binary_form=True)
        assert stream.version() == "TLSv1.3"
    assert hashlib.sha256(certificate).hexdigest().upper() == server.fingerprint.replace(":", "")


def test_certificate_names_box_and_address_and_verifies(server, tmp_path):
    with server.secure() as stream:
        pem = ssl.DER_cert_to_PEM_cert(stream.getpeercert(binary_form=True))
    (tmp_path / "box.pem").write_text(pem)
    context = ssl.create_default_context(cafile=str(tmp_path / "box.pem"))
    with socket.create_connection(("127.0.0.1", server.port), timeout=20 * SCALE) as raw:
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as stream:
            names = stream.getpeercert()["subjectAltName"]
    assert ("DNS", "test-box") in names and ("IP Address", "127.0.0.1") in names


def test_tls_1_2_is_refused_with_an_alert(server):
    with pytest.raises(ssl.SSLError, match="(?i)protocol version"):
        server.secure(tls(ssl.TLSVersion.TLSv1_2))
    server.lives()


def test_connection_stays_open_for_the_next_request(server):
    connection = server.connection()
    before = server.counters()["handshakes"]
    for _ in range(50):
        assert server.get("/hello", connection)[1] == b"hello\n"
    assert server.counters()["handshakes"] == before + 1  # that of the second look itself


def test_connection_close_is_echoed_and_honoured(server):
    data = exchange(server, request("GET", "/hello", "Connection: close"))
    assert status_of(data) == 200 and b"Connection: close\r\n" in data and data.endswith(b"hello\n")


def test_http_1_0_ends_the_connection_unless_asked(server):
    data = exchange(server, request(version="HTTP/1.0"))
    assert status_of(data) == 200 and b"Connection: close\r\n" in data
    with server.secure() as stream:
        stream.sendall(request("GET", "/hello", "Connection: keep-alive", version="HTTP/1.0"))
        assert b"Connection: keep-alive\r\n" in stream.recv(65536)
        stream.sendall(request("GET", "/hello", "Connection: close"))
        assert read_all(stream).endswith(b"hello\n")


def test_reply_is_one_tls_record(server):
    with server.secure() as stream:
        stream.sendall(request())
        assert stream.recv(65536).endswith(b"hello\n")


def test_head_has_length_but_no_body(server):
    data = exchange(server, request("HEAD", "/hello", "Connection: close"))
    assert b"Content-Length: 6\r\n" in data and data.endswith(b"\r\n\r\n")


def test_pipelined_requests_are_answered_in_order(server):
    pieces = [request("GET", f"/big?{n}") for n in range(1, 40)]
    data = exchange(server, b"".join(pieces) + request("GET", "/hello", "Connection: close"))
    lengths = [int(line.split()[1]) for line in data.split(b"\r\n") if line.startswith(b"Content-Length")]
    assert lengths == [*range(1, 40), 6]


@pytest.mark.parametrize("bytes_, status", [(HEAD_LIMIT - 200, 200), (HEAD_LIMIT + 1, 431), (10 * HEAD_LIMIT, 431)])
def test_header_above_the_limit_is_431(server, bytes_, status):
    data = exchange(server, request("GET", "/hello", "X: " + "y" * bytes_, "Connection: close"))
    assert status_of(data) == status
    if status == 431:
        assert error_of(data) == "header-too-large"


def test_too_many_fields_are_431(server):
    data = exchange(server, request("GET", "/hello", *[f"X{n}: y" for n in range(100)]))
    assert status_of(data) == 431


def test_endless_request_line_is_414(server):
    data = exchange(server, b"GET /" + b"a" * 20000)
    assert status_of(data) == 414 and error_of(data) == "target-too-long"


@pytest.mark.parametrize("bytes_, status", [(0, 200), (BODY_LIMIT, 200), (BODY_LIMIT + 1, 413), (1 << 40, 413)])
def test_body_above_the_limit_is_413(server, bytes_, status):
    body = b"b" * min(bytes_, 4 << 20)
    data = exchange(server, request("POST", "/echo", f"Content-Length: {bytes_}", "Connection: close", body=body))
    assert status_of(data) == status
    if status == 200:
        assert data.split(b"\r\n\r\n", 1)[1] == body
    else:
        assert error_of(data) == "body-too-large"


def test_expect_100_continue_is_answered_before_the_body(server):
    with server.secure() as stream:
        stream.sendall(request("POST", "/echo", "Expect: 100-continue", "Content-Length: 3"))
        assert stream.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        stream.sendall(b"abc")
        assert stream.recv(65536).endswith(b"\r\n\r\nabc")
    data = exchange(server, request("POST", "/echo", "Expect: 100-continue", f"Content-Length: {BODY_LIMIT + 1}"))
    assert status_of(data) == 413


@pytest.mark.parametrize("fields, status, code", [
    (("Transfer-Encoding: chunked",), 411, "length-required"),
    (("Transfer-Encoding: gzip, chunked",), 501, "coding-not-implemented"),
    (("Transfer-Encoding: chunked", "Content-Length: 3"), 400, "malformed-request"),
    (("Content-Length: 3", "Content-Length: 3"), 400, "bad-length"),
    (("Content-Length: -3",), 400, "bad-length"),
    (("Content-Length: 0x3",), 400, "bad-length"),
    (("Host: another",), 400, "bad-host"),
    (("Expect: cake",), 417, "expectation-failed"),
    ((" folded: line",), 400, "malformed-request"),
])
def test_requests_that_make_no_sense_are_refused(server, fields, status, code):
    data = exchange(server, request("POST", "/echo", *fields, body=b"abc"))
    assert status_of(data) == status and error_of(data) == code and b"Connection: close\r\n" in data


@pytest.mark.parametrize("line, status", [
    ("GET /hello HTTP/1.7", 505), ("GET /hello HTTP/2.0", 400), ("GET /hello", 400), ("GET hello HTTP/1.1", 400),
    ("GET /%zz HTTP/1.1", 400), ("GET /%00 HTTP/1.1", 400), ("GET http://box/hello HTTP/1.1", 200),
    ("GET /%68ello HTTP/1.1", 200), ("G@T /hello HTTP/1.1", 400)])
def test_request_lines(server, line, status):
    data = exchange(server, f"{line}\r\nHost: box\r\nConnection: close\r\n\r\n".encode())
    assert status_of(data) == status


def test_answer_larger_than_memory_allows_is_an_error(server):
    assert status_of(exchange(server, request("GET", "/big?1048576", "Connection: close"))) == 200
    data = exchange(server, request("GET", "/big?1048577", "Connection: close"))
    assert status_of(data) == 500 and error_of(data) == "answer-too-large"


def test_long_poll_holds_nobody_else_up(server):
    with server.secure() as waiting:
        waiting.sendall(request("GET", "/wait?700"))
        begin = time.monotonic()
        server.lives()
        assert not select.select([waiting], [], [], 0)[0], "the waiting request was answered before its time"
        assert waiting.recv(65536).endswith(b"waited\n")
        assert time.monotonic() - begin >= 0.6


def test_long_poll_that_never_ends_is_503(server):
    assert status_of(exchange(server, request("GET", "/wait?99999", "Connection: close"))) == 503


def test_client_that_leaves_a_long_poll_is_forgotten(server):
    with server.secure() as waiting:
        waiting.sendall(request("GET", "/wait?59999"))
        wait_for(lambda: server.counters()["clients"] >= 2, "no waiting client")
    wait_for(lambda: server.counters()["clients"] == 1, "the client that left is still served")


def test_10_mb_of_rubbish_at_the_tls_port(server):
    before = server.resident_bytes()
    with server.raw() as stream:
        try:
            for _ in range(160):
                stream.sendall(os.urandom(65536))
        except OSError:
            pass  # the server has had enough
    with server.raw() as stream:
        try:
            stream.sendall(request())
            read_all(stream)
        except OSError:
            pass
    server.lives()
    assert server.counters()["failures"] >= 2
    assert server.resident_bytes() < before + (4 << 20)


def test_200_half_open_connections_leave_the_service_alive(server):
    hello = b"\x16\x03\x01\x02\x00"  # the beginning of a handshake that never goes on
    trusted = server.connection()
    assert server.get("/secret", trusted, headers=TOKEN)[1] == b"secret\n"
    evicted = server.counters()["evicted"]
    before = server.resident_bytes()
    silent = [server.raw() for _ in range(100)]
    for stream in (begun := [server.raw() for _ in range(100)]):
        try:
            stream.sendall(hello)
        except ConnectionError:
            pass  # it has given way already
    server.lives()
    counters = server.counters()
    assert counters["clients"] <= PLACES and counters["evicted"] - evicted >= 200 - PLACES
    assert server.get("/secret", trusted, headers=TOKEN)[1] == b"secret\n", "a client with the token had to give way"
    print(f"200 half-open connections: {(server.resident_bytes() - before) / PLACES / 1024:.0f} KiB per place")
    for stream in silent + begun:
        stream.close()
    wait_for(lambda: server.counters()["clients"] <= 2, "half-open connections linger")


def test_station_that_connects_in_a_loop_only_competes_with_itself(server):
    """The first client is the oldest, and has said nothing while the others come."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20 * SCALE, source_address=("127.0.0.2", 0)) as raw:
        crowd = [server.raw() for _ in range(3 * PLACES)]
        with tls().wrap_socket(raw) as stream:
            crowd += [server.raw() for _ in range(3 * PLACES)]
            stream.sendall(request("GET", "/hello", "Connection: close"))
            assert read_all(stream).endswith(b"hello\n")
        for other in crowd:
            other.close()
    wait_for(lambda: server.counters()["clients"] == 1, "the crowd is still served")


def test_silent_clients_give_way_before_one_that_speaks(server):
    with server.raw() as raw:
        raw.sendall(b"\x16")
        wait_for(lambda: server.counters()["clients"] == 2, "the first byte was not taken")
        crowd = [server.raw() for _ in range(2 * PLACES)]
        assert not select.select([raw], [], [], 0.2)[0], "it had to give way"
        for other in crowd:
            other.close()
    wait_for(lambda: server.counters()["clients"] == 1, "the crowd is still served")


def test_only_quick_groups_are_agreed_upon(server):
    for group, works in (("X25519", True), ("P-256", True), ("P-384", False), ("P-521", False)):
        tried = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-groups", group],
                               stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20 * SCALE)
        assert ("Cipher is TLS" in tried.stdout) == works, (group, tried.stdout)


def test_64_handshakes_at_once_are_done_one_step_at_a_time(server):
    """What a turn costs does not grow with the clients that want to shake hands."""
    def longest_us(clients):
        streams = [server.raw() for _ in range(clients)]
        halves = []
        for _ in streams:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            session = tls().wrap_bio(incoming, outgoing)
            with contextlib.suppress(ssl.SSLWantReadError):
                session.do_handshake()
            halves.append(outgoing.read())
        server.counters()
        os.kill(server.process.pid, signal.SIGSTOP)  # so that all arrive in one turn
        for stream, hello in zip(streams, halves):
            stream.sendall(hello)
        os.kill(server.process.pid, signal.SIGCONT)
        for stream in streams:
            assert stream.recv(1) == b"\x16"
        longest = server.counters()["longest_turn_us"]
        for stream in streams:
            stream.close()
        wait_for(lambda: server.counters()["clients"] == 1, "still served")
        return longest

    one, many = longest_us(1), longest_us(PLACES - 4)
    print(f"longest turn: {one} us for one handshake, {many} us for {PLACES - 4} at once")
    assert many < 8 * one


def test_wrong_token_earns_no_trust(server):
    before = server.counters()
    connection = server.connection()
    reply, body = server.get("/secret", connection, headers={"Authorization": "Bearer wrong"})
    assert reply.status == 401 and reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert json.loads(body)["code"] == "unauthorized" and connection.sock, "it is to stay open"
    crowd = []
    for _ in range(PLACES):  # one more than there are other places; each is answered, so that none is silent
        crowd.append(server.connection())
        assert server.get("/hello", crowd[-1])[1] == b"hello\n"
    with pytest.raises((OSError, http.client.HTTPException)):
        server.get("/secret", connection, headers={"Authorization": "Bearer wrong"})
    for newer in crowd:
        newer.close()
    wait_for(lambda: server.counters()["clients"] == 1, "the crowd is still served")
    after = server.counters()
    assert after["unauthorized"] == before["unauthorized"] + 1
    assert after["evicted"] > before["evicted"] and after["timeouts"] == before["timeouts"]


def test_16_connections_at_once(server):
    connections = [server.connection() for _ in range(16)]
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda c: [server.get("/big?4000", c) for _ in range(20)], connections))
    print(f"16 connections: 320 requests of 4 kB in {time.monotonic() - begin:.2f} s")
    assert server.counters()["clients"] >= 16


def test_client_that_does_not_read_is_waited_for_without_holding_others_up(server):
    with server.raw() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with tls().wrap_socket(raw) as slow:
            slow.sendall(request("GET", "/big?200000", "Connection: close"))
            server.lives()
            assert len(read_all(slow).split(b"\r\n\r\n", 1)[1]) == 200000


def test_reset_in_the_middle_of_anything(server):
    for cut in (0, 1, 5, 40):
        stream = server.secure()
        stream.sendall(request("POST", "/echo", "Content-Length: 100")[:-1 - cut])
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()
    server.lives()


def test_slow_request_is_timed_out_with_408(server):
    with server.secure() as stream:
        stream.settimeout(30 * SCALE)
        stream.sendall(b"GET /hello HTTP/1.1\r\n")
        begin = time.monotonic()
        assert status_of(read_all(stream)) == 408
        assert 8 < time.monotonic() - begin < 25 * SCALE


def test_handshake_and_keep_alive_times(server):
    begin = time.monotonic()
    for _ in range(50):
        server.secure().close()
    handshake = (time.monotonic() - begin) / 50
    connection = server.connection()
    begin = time.monotonic()
    for _ in range(300):
        server.get("/hello", connection)
    print(f"handshake {handshake * 1000:.2f} ms, keep-alive request {(time.monotonic() - begin) / 300 * 1000:.3f} ms "
          f"(with AddressSanitizer, client included)")


def wait_for(condition, what, seconds=20):
    deadline = time.monotonic() + seconds * SCALE
    while not condition():
        assert time.monotonic() < deadline, what
