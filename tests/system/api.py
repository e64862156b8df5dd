# SPDX-License-Identifier: MIT
"""The box from outside: QEMU's user network with forwarded ports, and a client of the API, over HTTPS or a byte link."""

import http.client
import json
import os
import socket
import ssl
import time

import byte_link
from emulator import SCALE, EmulatorDied, EmulatorTimeout, Machine

for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
    os.environ.pop(variable, None)

AGENT = "10.0.2.15"
WEB_SERVER = "10.0.2.16"
ROOT_PORT = ("-device", "pcie-root-port,id=slot1,chassis=1")
UUID = "12345678-1234-5678-9abc-def012345678"


class User:
    """A QEMU user network with one port of the box on it; `forwards` maps a name to (address, port) inside."""

    def __init__(self, device="virtio-net-pci,bus=slot1,romfile=", forwards=None, options="", name="net", uuid=UUID):
        self.ports = {}
        arguments = [] if "bus=slot1" not in device else list(ROOT_PORT)
        netdev = f"user,id={name}{options}"
        for key, (address, port) in (forwards or {"https": (AGENT, 443), "web": (WEB_SERVER, 80)}).items():
            self.ports[key] = free_port()
            netdev += f",hostfwd=tcp:127.0.0.1:{self.ports[key]}-{address}:{port}"
        arguments += ["-netdev", netdev, "-device", f"{device},netdev={name}", *(("-uuid", uuid) if uuid else ())]
        self.arguments = tuple(arguments)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tls():
    """TLS 1.3; the certificate is the box's own, so it is compared by fingerprint where that matters."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Api:
    """
    One keep-alive connection to the box; reopened when the box has closed it. `where` is the port at which its HTTPS
    can be reached, or a Machine whose COM2 is a byte link.
    """

    def __init__(self, where, token=None, seconds=20):
        self.port, self.token, self.seconds = where, token, seconds
        self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def _connection(self):
        if isinstance(self.port, Machine):
            return byte_link.Connection(self.port, self.seconds * SCALE)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=self.seconds * SCALE, context=tls())

    def request(self, method, path, body=None, headers=None, token=None):
        """@return a Reply; raises OSError or http.client.HTTPException if there is none"""
        token = self.token if token is None else token
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers["Content-Type"] = "application/json"
        if not self.connection:
            self.connection = self._connection()
        try:
            self.connection.request(method, path, body=body, headers=headers)
            answer = self.connection.getresponse()
            reply = Reply(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.will_close:
            self.close()
        return reply

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.request("POST", path, body, **more)

    def ok(self, path):
        reply = self.get(path)
        assert reply.status == 200, f"GET {path}: {reply.status} {reply.body.decode()}"
        return reply.json

    def action(self, name, action, body=None):
        reply = self.post(f"/api/v1/partitions/{name}/actions/{action}", body)
        assert reply.status in (200, 202), f"{action} {name}: {reply.status} {reply.body.decode()}"
        return reply.json

    def partition(self, name):
        return self.ok(f"/api/v1/partitions/{name}")

    def wait_state(self, machine, name, state, seconds=60):
        return wait(machine, lambda: self.partition(name)["state"] == state, f"{name} is not {state}", seconds)

    def fingerprint(self):
        """SHA-256 of the certificate as the box sends it, in the form of the status block."""
        import hashlib
        with socket.create_connection(("127.0.0.1", self.port), timeout=self.seconds * SCALE) as raw:
            with tls().wrap_socket(raw) as secure:
                digest = hashlib.sha256(secure.getpeercert(binary_form=True)).hexdigest()
        return digest


def wait(machine, condition, what, seconds=60):
    """Asks again whenever the box has said something, at least a few times a second, until the deadline."""
    deadline = time.monotonic() + seconds * SCALE
    while True:
        error = None
        try:
            value = condition()
            if value:
                return value
        except (OSError, http.client.HTTPException) as failure:
            error = failure
        if machine.process.poll() is not None:
            raise EmulatorDied(f"{what}: {machine.program} ended\n{machine.tail()}")
        if time.monotonic() > deadline:
            machine.keep_logs = True
            raise EmulatorTimeout(f"{what} within {seconds * SCALE:.0f} s ({error})\n{machine.tail()}\nlogs: {machine.folder}")
        machine.pump(0.2)


def wait_api(machine, user=None, token=None, seconds=120):
    """A client, as soon as the box answers over HTTPS, or without a network over its byte link."""
    api = Api(user.ports["https"] if user else machine, token, seconds=10)
    wait(machine, lambda: api.get("/").status == 200, "no answer", seconds)
    api.seconds = 20
    return api
