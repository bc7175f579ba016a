# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Both transports against a real server on 127.0.0.1 that misbehaves on request.

Every test runs over ``requests`` and over ``aiohttp``: what one of them does, the other does too.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import inspect
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import traceback
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from airflow_provider_vidu import client as client_module
from airflow_provider_vidu.api import errors, http_messages
from airflow_provider_vidu.api.account import Account, account_from_fields
from airflow_provider_vidu.api.errors import (
    Fate,
    ViduAnswerTooLargeError,
    ViduAuthError,
    ViduConfigurationError,
    ViduError,
    ViduInputError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduRequestError,
    ViduSubmissionInDoubtError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.redaction import redacted
from airflow_provider_vidu.client import GET_ATTEMPTS, AsyncViduClient, ViduClient, proxy_for, proxy_to

KEY = "vda_secret_0123456789"
TASK_ID = "911045603801182208"
RUNNING = {"state": "processing"}
CREATED = {"task_id": TASK_ID, "state": "created"}
WIRE = {"model": "viduq1", "images": ["https://a.example/b.png"]}
#: Seconds that one request may take in the tests of time limits, and how long such a test may take in all.
SHORT, PATIENCE = 0.5, 10.0


# The server


@dataclass
class Received:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """Answers each connection with the next reply of its script, and the last one for ever."""

    tls: ssl.SSLContext | None = None
    address: str = "127.0.0.1"
    received: list[Received] = field(default_factory=list)
    replies: list[Any] = field(default_factory=list)
    #: Set when a client has closed a connection that could have gone on.
    left: threading.Event = field(default_factory=threading.Event)
    #: Seconds between two pieces of a request's body.
    reading_pause: float = 0.0

    def __post_init__(self) -> None:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self._socket = socket.create_server((self.address, 0), family=family, backlog=64)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._open: list[socket.socket] = []
        self._closed = threading.Event()
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def script(self, *replies: Any) -> None:
        self.replies = list(replies)

    def wait(self, seconds: float) -> None:
        if seconds:
            self._closed.wait(seconds)

    def close(self) -> None:
        self._closed.set()
        for one in (self._socket, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with suppress(OSError, ValueError):
            connection = self.tls.wrap_socket(raw, server_side=True) if self.tls else raw
            with connection, connection.makefile("rb") as stream:
                method, target, _ = stream.readline().decode().split(" ", 2)
                headers = {}
                while (line := stream.readline().decode("latin-1").strip()) != "":
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                body, length = b"", int(headers.get("content-length", 0))
                while piece := stream.read(min(65536, length - len(body))):
                    body += piece
                    self.wait(self.reading_pause)
                self.received.append(Received(method, target, headers, body))
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                reply(self, connection)


def answer(status=200, body=b"", **headers):
    """Reply with one whole answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def reply(server, connection):
        named = {"Content-Length": str(len(data)), "Connection": "close", **headers}
        lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in named.items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + data)

    return reply


def silence(server, connection):
    """Accept, read, and never answer: a half-open server."""
    server.wait(30)


def hang_up(server, connection):
    """Read the request and close without a word."""


def reset(server, connection):
    """Read the request and reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def cut_off(server, connection):
    """Promise a longer body than is sent."""
    connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n" + json.dumps(CREATED).encode())


def cut_off_chunked(server, connection):
    connection.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{}")


def no_http(server, connection):
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def drip(server, connection):
    """Send the body byte by byte, each well within the time limit of one read."""
    connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(1500):
        connection.sendall(b" ")
        server.wait(0.02)


def drip_chunked(server, connection):
    connection.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(1500):
        connection.sendall(b"1\r\n \r\n")
        server.wait(0.02)


def dripping(begin, piece=b"x"):
    """Send a beginning, and then one piece after the other, each well within the time limit of one read."""

    def reply(server, connection):
        connection.sendall(begin)
        for _ in range(1500):
            connection.sendall(piece)
            server.wait(0.02)

    return reply


CHUNKED = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "status line": dripping(b"HTTP/1.1 200 "),
    "header line": dripping(b"HTTP/1.1 200 X\r\nX-More: "),
    "header lines": dripping(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n", b"X: y\r\n"),
    "100 Continue": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "header of 100 Continue": dripping(b"HTTP/1.1 100 Continue\r\nX-More: "),
    "102 Processing": dripping(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "body without a length": dripping(
        b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + json.dumps(CREATED).encode(), b" "
    ),
    "chunk size": dripping(CHUNKED + b"2;x="),
    "trailer": dripping(CHUNKED + b"2\r\n{}\r\n0\r\nX-More: "),
}


def endless(server, connection):
    """Send a body without an end as fast as it is taken."""
    connection.sendall(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n")
    for _ in range(4096):
        connection.sendall(bytes(65536))


def echo(status):
    """Reply with the key in the body, as a talkative relay does."""

    def reply(server, connection):
        key = server.received[-1].headers["authorization"]
        refusal = {"reason": f"No {key}", "message": f"invalid token {key}", "metadata": {"trace_id": key}}
        answer(status, refusal)(server, connection)

    return reply


def after_interim(reply, *statuses, pause=0.0):
    """Send interim answers with header fields, as RFC 9110 allows before any final one, and then the reply."""

    def interim(server, connection):
        for status in statuses:
            connection.sendall(f"HTTP/1.1 {status} X\r\nLink: </a.css>; rel=preload\r\nX-Seen: yes\r\n\r\n".encode())
            server.wait(pause)
        reply(server, connection)

    return interim


def tunnel(server, connection):
    """Answer CONNECT, after interim answers, and carry bytes to and fro."""
    host, _, port = server.received[-1].target.partition(":")
    with socket.create_connection((host, int(port))) as other:
        after_interim(lambda *_: connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n"), 102)(server, connection)

        def carry(source, target):
            with suppress(OSError):
                while piece := source.recv(65536):
                    target.sendall(piece)
                target.shutdown(socket.SHUT_WR)

        back = threading.Thread(target=carry, args=(other, connection), daemon=True)
        back.start()
        carry(connection, other)
        back.join(5)


def until_closed(server, connection):
    """Answer, keep the connection open, and note when the other side closes it."""
    data = json.dumps(RUNNING).encode()
    connection.sendall(f"HTTP/1.1 200 X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    if connection.recv(1) == b"":
        server.left.set()


@pytest.fixture
def server():
    one = Server()
    yield one
    one.close()


# The transports


class Transport:
    """One of the two clients behind one blocking interface; what it sleeps is noted instead."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.slept: list[float] = []
        #: The last client, so that it is not the garbage collector that closes it.
        self.client: Any = None

    def call(self, account: Account, method: str, *arguments: Any, **named: Any) -> Any:
        if method == "submit":
            named = {"endpoint": "img2video", **named}
        if self.name == "requests":
            with ViduClient(account, sleep=self.slept.append) as client:
                self.client = client
                made = getattr(client, method)(*arguments, **named)
                return list(made) if inspect.isgenerator(made) else made
        return asyncio.run(self._call(account, method, *arguments, **named))

    async def _call(self, account: Account, method: str, *arguments: Any, **named: Any) -> Any:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            await asyncio.sleep(0)

        async with AsyncViduClient(account, sleep=sleep) as client:
            self.client = client
            made = getattr(client, method)(*arguments, **named)
            return [task async for task in made] if inspect.isasyncgen(made) else await made

    def fails(self, kind: type[ViduError], account: Account, method: str, *arguments: Any, **named: Any) -> Any:
        with pytest.raises(ViduError) as caught:
            self.call(account, method, *arguments, **named)
        error = caught.value
        assert type(error) is kind, error
        for text in (str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))):
            assert KEY not in text
        return error


@pytest.fixture(params=["requests", "aiohttp"])
def transport(request):
    return Transport(request.param)


def account(server=None, **fields):
    return Account(**{"base_url": server.url if server else "", "api_key": KEY, "timeout": 5.0, **fields})


@contextmanager
def within(seconds):
    began = time.monotonic()
    try:
        yield
    finally:
        took = time.monotonic() - began
    assert took < seconds


# What travels


def test_a_submission_travels_once_whole_and_with_the_key(server, transport):
    server.script(answer(200, CREATED))
    wire = {**WIRE, "prompt": "镜头", "images": ["data:image/png;base64," + "A" * 1_200_000]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task = transport.call(account(server), "submit", wire)
    assert (task.task_id, task.state) == (TASK_ID, "created")
    (received,) = server.received
    assert (received.method, received.target) == ("POST", "/ent/v2/img2video")
    assert json.loads(received.body) == wire
    assert received.headers["authorization"] == f"Token {KEY}"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["content-length"] == str(len(received.body))
    assert received.headers["user-agent"].startswith("airflow-provider-vidu/")
    assert "transfer-encoding" not in received.headers


@pytest.mark.parametrize(
    ("method", "arguments", "body", "line"),
    [
        ("get_task", (TASK_ID,), RUNNING, f"GET /ent/v2/tasks/{TASK_ID}/creations"),
        ("get_task", ("a/b ~é%",), RUNNING, "GET /ent/v2/tasks/a%2Fb%20~%C3%A9%25/creations"),
        ("cancel_task", (TASK_ID,), {}, f"POST /ent/v2/tasks/{TASK_ID}/cancel"),
        ("get_credits", (), {"remains": []}, "GET /ent/v2/credits?show_detail=false"),
        (
            "list_tasks",
            (["1", "2"], ["success"], datetime(2026, 1, 20, 4, 0, 30, tzinfo=timezone.utc)),
            {"tasks": [{"id": "1"}]},
            "GET /ent/v2/tasks?task_ids=1&task_ids=2&states=success&created_at.from=2026-01-20T04%3A00%3A30Z"
            "&pager.pagesz=100&paper.pagesz=100",
        ),
    ],
)
def test_a_url_is_kept_byte_for_byte(server, transport, method, arguments, body, line):
    server.script(answer(200, body))
    transport.call(account(server), method, *arguments)
    (received,) = server.received
    assert f"{received.method} {received.target}" == line
    assert received.headers["authorization"] == f"Token {KEY}"


def test_a_list_is_walked_page_by_page(server, transport):
    server.script(
        answer(200, {"tasks": [{"id": "1"}, {"id": "2"}], "next_page_token": "a/b="}),
        answer(200, {"tasks": [{"id": "2"}, {"id": "3"}]}),
    )
    assert [task.task_id for task in transport.call(account(server), "list_tasks")] == ["1", "2", "3"]
    assert "pager.page_token" not in server.received[0].target
    assert server.received[1].target.endswith("&pager.page_token=a%2Fb%3D")


def test_a_compressed_answer_is_read(server, transport):
    server.script(answer(200, gzip.compress(json.dumps({"state": "success"}).encode()), Content_Encoding="gzip"))
    assert transport.call(account(server), "get_task", TASK_ID).succeeded


@pytest.mark.parametrize("body", [b"{}", b"null", b""])
def test_every_form_of_yes_is_a_cancel(server, transport, body):
    server.script(answer(200, body))
    assert transport.call(account(server), "cancel_task", TASK_ID) is None


def test_an_id_with_a_path_is_never_sent(server, transport):
    server.script(answer(200, RUNNING))
    transport.fails(ViduInputError, account(server), "get_task", "..")
    assert not server.received


def test_a_host_may_be_an_ipv6_address(transport):
    try:
        six = Server(address="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    six.script(answer(200, RUNNING))
    assert transport.call(account(six), "get_task", TASK_ID).state == "processing"
    assert six.received[0].headers["host"] == f"[::1]:{six.port}"
    six.close()


# Billing: a POST leaves at most once, and what is not known is said to be in doubt

LOST = {
    "no reply": silence,
    "hang-up": hang_up,
    "reset": reset,
    "cut off": cut_off,
    "cut off, chunked": cut_off_chunked,
    "no HTTP": no_http,
    "slow drip": drip,
    "slow drip, chunked": drip_chunked,
    "HTTP 500": answer(500, b"oops"),
    "HTTP 502": answer(502, b"<html>bad gateway</html>"),
    "HTTP 503": answer(503, b"", Retry_After="1"),
    "HTTP 504": answer(504),
    "HTTP 408": answer(408),
    "HTTP 409": answer(409, {"reason": "Conflict"}),
    "HTTP 499": answer(499, {"reason": "Canceled"}),
    "200 without an id": answer(200, {}),
    "200 without JSON": answer(200, b"OK"),
    "204": answer(204),
    "wrong encoding": answer(200, b"no gzip", Content_Encoding="gzip"),
}


@pytest.mark.parametrize("reply", LOST.values(), ids=LOST)
def test_a_lost_submission_is_in_doubt_and_never_repeated(server, transport, reply):
    server.script(reply)
    with within(PATIENCE):
        error = transport.fails(ViduSubmissionInDoubtError, account(server, timeout=SHORT), "submit", WIRE)
    assert error.fate is Fate.IN_DOUBT
    assert "Nothing was sent" not in str(error)
    assert len(server.received) == 1
    assert transport.slept == []


@pytest.mark.parametrize(
    ("reply", "kind", "fate"),
    [
        (answer(400, {"reason": "FieldInvalid", "message": "invalid field: x"}), ViduRequestError, Fate.PERMANENT),
        (answer(401), ViduAuthError, Fate.PERMANENT),
        (answer(404), ViduNotFoundError, Fate.PERMANENT),
        (answer(429, {"reason": "QuotaExceeded"}, Retry_After="1"), ViduRateLimitError, Fate.RETRYABLE),
    ],
)
def test_a_refused_submission_is_not_repeated_either(server, transport, reply, kind, fate):
    server.script(reply)
    assert transport.fails(kind, account(server), "submit", WIRE).fate is fate
    assert len(server.received) == 1
    assert transport.slept == []


@pytest.mark.parametrize("reply", [silence, hang_up, answer(500), answer(429)])
def test_a_cancel_is_not_repeated_either(server, transport, reply):
    server.script(reply)
    with within(PATIENCE):
        error = transport.fails(
            ViduRateLimitError
            if transport and "429" in repr(inspect.getclosurevars(reply).nonlocals)
            else ViduUnavailableError,
            account(server, timeout=SHORT),
            "cancel_task",
            TASK_ID,
        )
    assert error.task_id == TASK_ID
    assert len(server.received) == 1
    assert transport.slept == []


@pytest.mark.parametrize("statuses", [(102,), (103,), (100, 102, 103, 102), (199,)], ids=str)
@pytest.mark.parametrize("way", ["direct", "proxy"])
def test_interim_answers_are_skipped_and_the_final_one_counts(server, transport, way, statuses):
    server.script(after_interim(answer(200, CREATED), *statuses))
    there = account(server) if way == "direct" else account(base_url="http://vidu.example", proxy=server.url)
    assert transport.call(there, "submit", WIRE).task_id == TASK_ID
    assert len(server.received) == 1


def test_an_interim_answer_before_a_refusal_changes_nothing(server, transport):
    server.script(after_interim(answer(400, {"reason": "FieldInvalid", "message": "no"}), 102, 103))
    assert transport.fails(ViduRequestError, account(server), "submit", WIRE).reason == "FieldInvalid"


def test_interim_answers_alone_leave_the_submission_in_doubt(server, transport):
    server.script(after_interim(hang_up, 102))
    transport.fails(ViduSubmissionInDoubtError, account(server), "submit", WIRE)


def test_interim_answers_without_end_are_left_in_time(server, transport):
    server.script(after_interim(hang_up, *[102] * 1000, pause=0.05))
    with within(PATIENCE):
        transport.fails(ViduSubmissionInDoubtError, account(server, timeout=SHORT), "submit", WIRE)


def test_switching_protocols_leaves_the_submission_in_doubt(server, transport):
    server.script(answer(101))
    error = transport.fails(ViduSubmissionInDoubtError, account(server, timeout=1), "submit", WIRE)
    assert "Nothing" not in str(error)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def unsent(error):
    assert error.fate is Fate.RETRYABLE
    assert "Nothing was sent." in str(error)


def test_a_refused_connection_sent_nothing(transport):
    unsent(transport.fails(ViduUnavailableError, account(base_url=f"http://127.0.0.1:{free_port()}"), "submit", WIRE))


def test_an_unknown_host_sent_nothing(transport, monkeypatch):
    def no_such_name(*arguments, **named):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    unsent(transport.fails(ViduUnavailableError, account(base_url="http://vidu.invalid"), "submit", WIRE))


@pytest.mark.parametrize("base_url", ["http://two words", f"http://{'a' * 64}.example", "http://a..b.example"])
def test_a_host_that_cannot_be_one_sent_nothing(transport, base_url):
    unsent(transport.fails(ViduUnavailableError, account(base_url=base_url), "submit", WIRE))


@contextmanager
def silent_addresses(count):
    """Yield a port at which no connection is ever accepted, at 127.0.0.1 and on."""
    opened = []
    port = 0
    for number in range(1, count + 1):
        full = socket.socket()
        full.bind((f"127.0.0.{number}", port))
        full.listen(0)
        port = full.getsockname()[1]
        opened.append(full)
        for _ in range(3):
            one = socket.socket()
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(full.getsockname())
            opened.append(one)
    try:
        yield port
    finally:
        for one in opened:
            one.close()


def test_a_connection_that_never_comes_about_sent_nothing(transport):
    with silent_addresses(1) as port, within(PATIENCE):
        made = account(base_url=f"http://127.0.0.1:{port}", timeout=SHORT)
        unsent(transport.fails(ViduUnavailableError, made, "submit", WIRE))


def test_many_silent_addresses_are_left_in_time(transport, monkeypatch):
    real = socket.getaddrinfo

    def look_up(host, port, *arguments, **named):
        hosts = [f"127.0.0.{number}" for number in range(1, 9)] if host == "vidu.example" else [host]
        return [entry for one in hosts for entry in real(one, port, *arguments, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with silent_addresses(8) as port, within(6 * SHORT):
        made = account(base_url=f"http://vidu.example:{port}", timeout=SHORT)
        error = transport.fails(ViduUnavailableError, made, "submit", WIRE)
    unsent(error)
    assert "imed out" in str(error) or "imeout" in str(error)


def test_hanging_name_resolution_is_left_in_time(transport, monkeypatch):
    answered = threading.Event()

    def hang(*arguments, **named):
        answered.wait(2 * PATIENCE)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with within(PATIENCE):
            made = account(base_url="http://vidu.example", timeout=SHORT)
            unsent(transport.fails(ViduUnavailableError, made, "submit", WIRE))
    finally:
        answered.set()


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Make a certificate of our own for 127.0.0.1: returns the paths of certificate and key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "certificate.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, private, serialization.NoEncryption()))
    return folder / "certificate.pem", folder / "key.pem"


@pytest.fixture
def tls_server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    one = Server(tls=context)
    yield one
    one.close()


def test_self_signed_certificates_are_refused_before_sending(tls_server, transport):
    tls_server.script(answer(200, CREATED))
    unsent(transport.fails(ViduUnavailableError, account(tls_server), "submit", WIRE))
    assert not tls_server.received


def test_https_to_a_plain_port_sent_nothing(server, transport):
    server.script(answer(200, CREATED))
    url = server.url.replace("http", "https")
    unsent(transport.fails(ViduUnavailableError, account(base_url=url, timeout=1), "submit", WIRE))


@pytest.mark.parametrize("verify", ["bundle", False])
def test_verify_accepts_a_ca_bundle_or_false(tls_server, transport, certificate, verify):
    tls_server.script(answer(200, CREATED))
    made = account(tls_server, verify=str(certificate[0]) if verify == "bundle" else verify)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert transport.call(made, "submit", WIRE).task_id == TASK_ID


def test_a_ca_bundle_that_is_missing_is_a_configuration_error(tls_server, transport):
    tls_server.script(answer(200, CREATED))
    error = transport.fails(ViduConfigurationError, account(tls_server, verify="/no/such/bundle.pem"), "submit", WIRE)
    assert "/no/such/bundle.pem" in str(error)
    assert not tls_server.received


@pytest.mark.parametrize("way", ["direct", "tunnel"])
def test_interim_answers_are_skipped_over_tls_too(tls_server, transport, certificate, proxy, way):
    tls_server.script(after_interim(answer(200, CREATED), 102, 103))
    proxy.script(tunnel)
    made = account(tls_server, verify=str(certificate[0]), proxy=None if way == "direct" else proxy.url)
    assert transport.call(made, "submit", WIRE).task_id == TASK_ID
    assert [received.method for received in proxy.received] == ([] if way == "direct" else ["CONNECT"])


def test_tls_that_breaks_after_the_request_leaves_it_in_doubt(tls_server, transport):
    def garbage(server, connection):
        raw = socket.socket(fileno=connection.detach())
        raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        server.wait(0.1)
        raw.close()

    tls_server.script(garbage)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = account(tls_server, verify=False, timeout=1)
        transport.fails(ViduSubmissionInDoubtError, made, "submit", WIRE)
    assert len(tls_server.received) == 1


# GETs are retried


@pytest.mark.parametrize(
    "fault",
    [
        answer(500),
        answer(502),
        answer(503),
        answer(504),
        answer(429),
        answer(200, b"OK"),
        hang_up,
        reset,
        cut_off,
        no_http,
    ],
    ids=["500", "502", "503", "504", "429", "no JSON", "hang-up", "reset", "cut off", "no HTTP"],
)
def test_a_get_survives_what_passes(server, transport, fault):
    server.script(fault, fault, answer(200, RUNNING))
    assert transport.call(account(server), "get_task", TASK_ID).state == "processing"
    assert len(server.received) == 3
    # aiohttp repeats a GET whose connection was dropped once of its own.
    assert 1 <= len(transport.slept) <= 2
    assert all(0 <= pause <= 8 for pause in transport.slept)


@pytest.mark.parametrize("method", ["get_task", "get_credits", "list_tasks", "list_page"])
def test_a_get_is_not_repeated_for_ever(server, transport, method):
    server.script(answer(503, {"message": "down"}))
    error = transport.fails(ViduUnavailableError, account(server), method, *([TASK_ID] if method == "get_task" else []))
    assert "down" in str(error)
    assert len(server.received) == GET_ATTEMPTS
    assert len(transport.slept) == GET_ATTEMPTS - 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, ViduRequestError), (401, ViduAuthError), (403, ViduAuthError), (404, ViduNotFoundError)],
)
def test_a_get_that_was_refused_is_not_repeated(server, transport, status, kind):
    server.script(answer(status))
    transport.fails(kind, account(server), "get_task", TASK_ID)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("method", "arguments"), [("list_page", ()), ("list_tasks", ()), ("get_credits", ()), ("cancel_task", (TASK_ID,))]
)
def test_a_missing_endpoint_is_not_requested_again(server, transport, method, arguments):
    server.script(answer(200, b"<!doctype html><title>New API</title>", Content_Type="text/html"))
    error = transport.fails(ViduConfigurationError, account(server), method, *arguments)
    assert http_messages.is_missing_endpoint(error)
    assert len(server.received) == 1
    assert transport.slept == []


def test_a_client_remembers_what_its_host_lacks(server):
    server.script(answer(200, b"<html>"), answer(200, b"<html>"), answer(200, RUNNING))
    with ViduClient(account(server)) as client:
        for task_id in ("1", "2", "3"):
            with pytest.raises(
                ViduConfigurationError, match="This host has no cancel: it answered with a web page"
            ) as caught:
                client.cancel_task(task_id)
            assert caught.value.task_id == task_id
            with pytest.raises(ViduConfigurationError, match="task list"):
                client.list_page()
        assert client.get_task(TASK_ID).state == "processing"
    assert [received.method for received in server.received] == ["POST", "GET", "GET"]


def test_a_maintenance_page_is_forgotten_before_a_list_settles(server):
    server.script(answer(200, b"<html>back soon"), answer(200, b"<html>back soon"), answer(200, {"tasks": []}))
    now = [0.0]
    with ViduClient(account(server)) as client:
        client._missing = client_module._MissingEndpoints(client.account, clock=lambda: now[0])
        for now[0], requests in ((0.0, 1), (29.0, 1), (30.0, 2), (59.0, 2)):
            with pytest.raises(ViduConfigurationError, match="task list") as caught:
                client.list_page(retry=False)
            # A look-up still reads that there is no list.
            assert http_messages.is_missing_endpoint(caught.value)
            assert len(server.received) == requests
        now[0] = 60.0
        assert client.list_page(retry=False).tasks == ()


@pytest.mark.parametrize(("base_url", "requests"), [("https://api.vidu.com", 2), ("https://relay.example", 1)])
def test_vidus_own_hosts_lack_nothing(monkeypatch, base_url, requests):
    sent = []
    with ViduClient(Account(base_url=base_url, api_key=KEY)) as client:
        monkeypatch.setattr(client, "_send", lambda request: sent.append(request) or (200, {}, b"<html>back soon"))
        for _ in range(2):
            with pytest.raises(ViduConfigurationError, match="task list"):
                client.list_page(retry=False)
    assert len(sent) == requests


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(server, transport, status):
    server.script(answer(status, Retry_After="7"), answer(status, Retry_After="0"), answer(200, RUNNING))
    transport.call(account(server), "get_task", TASK_ID)
    assert transport.slept == [7, 0]


def test_retry_after_as_a_date_is_honoured(server, transport):
    at = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=20), usegmt=True)
    server.script(answer(429, Retry_After=at), answer(200, RUNNING))
    transport.call(account(server), "get_task", TASK_ID)
    assert 17 < transport.slept[0] <= 20


@pytest.mark.parametrize("asked", ["30", "3600", "inf"])
def test_a_long_retry_after_is_left_to_the_caller(server, transport, asked):
    server.script(answer(429, Retry_After=asked))
    with within(PATIENCE):
        error = transport.fails(ViduRateLimitError, account(server), "get_task", TASK_ID)
    assert str(error.retry_after) == str(float(asked))
    assert len(server.received) == 1
    assert transport.slept == []


def test_a_poller_that_paces_itself_repeats_nothing(server, transport):
    server.script(answer(503))
    transport.fails(ViduUnavailableError, account(server), "get_task", TASK_ID, retry=False)
    assert len(server.received) == 1
    assert transport.slept == []


def test_nothing_is_sent_of_a_submission_whose_time_is_over(server, transport):
    """Frozen between its intent and its POST, a worker may wake up when another try has looked for it in vain."""
    server.script(hang_up)
    with within(PATIENCE):
        error = transport.fails(
            ViduUnavailableError, account(server), "submit", {"model": "m"}, not_after=time.time() - 1
        )
    assert "Nothing was sent" in str(error)
    assert all(not request.body for request in server.received)


def test_parallel_queries_keep_their_own_retries(server):
    server.script(*[answer(503)] * 12, answer(200, RUNNING))

    async def sleep(seconds):
        await asyncio.sleep(0)

    async def query():
        async with AsyncViduClient(account(server), sleep=sleep) as client:
            return await asyncio.gather(*(client.get_task(str(n)) for n in range(1, 13)), return_exceptions=True)

    made = asyncio.run(query())
    seen = {}
    for received in server.received:
        seen[received.target] = seen.get(received.target, 0) + 1
    assert len(seen) == 12
    assert sum(seen.values()) == 24
    for number, one in enumerate(made, 1):
        if isinstance(one, ViduError):
            assert seen[f"/ent/v2/tasks/{number}/creations"] == GET_ATTEMPTS
        else:
            assert one.task_id == str(number)


# Time and size


@pytest.mark.parametrize("reply", [silence, drip, drip_chunked], ids=["half-open", "slow drip", "slow drip, chunked"])
def test_every_query_is_limited_in_time(server, transport, reply, monkeypatch):
    monkeypatch.setattr(client_module, "GET_ATTEMPTS", 2)
    server.script(reply)
    with within(PATIENCE):
        error = transport.fails(ViduUnavailableError, account(server, timeout=SHORT), "get_task", TASK_ID)
    assert error.task_id == TASK_ID
    assert len(server.received) == 2


@pytest.mark.parametrize(
    ("way", "drip"), [*(("direct", name) for name in DRIPS), ("proxy", "status line"), ("proxy", "header lines")]
)
def test_a_dripping_reply_is_left_in_time(server, transport, way, drip):
    server.script(DRIPS[drip])
    there = {"base_url": server.url} if way == "direct" else {"base_url": "http://vidu.example", "proxy": server.url}
    with within(PATIENCE):
        error = transport.fails(ViduSubmissionInDoubtError, account(timeout=SHORT, **there), "submit", WIRE)
        transport.fails(ViduUnavailableError, account(timeout=SHORT, **there), "get_task", TASK_ID, retry=False)
    assert "imeout" in str(error)
    assert len(server.received) == 2


def test_a_dripping_reply_over_tls_is_left_in_time(tls_server, transport, certificate):
    tls_server.script(dripping(b"HTTP/1.1 200 "))
    made = account(tls_server, timeout=SHORT, verify=str(certificate[0]))
    with within(PATIENCE):
        transport.fails(ViduSubmissionInDoubtError, made, "submit", WIRE)


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 Connected\r\nX-More: "])
def test_a_proxy_that_drips_its_tunnel_is_left_in_time(transport, proxy, begin):
    proxy.script(dripping(begin))
    made = account(base_url="https://vidu.example", proxy=proxy.url, timeout=SHORT)
    with within(PATIENCE):
        unsent(transport.fails(ViduUnavailableError, made, "submit", WIRE))


def test_a_dripping_reply_is_abandoned_in_time(server):
    def twice(server, connection):
        data = json.dumps(RUNNING).encode()
        connection.sendall(f"HTTP/1.1 200 X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        connection.recv(65536)
        dripping(b"HTTP/1.1 200 ")(server, connection)

    server.script(twice)
    with ViduClient(account(server, timeout=SHORT)) as client, within(PATIENCE):
        assert client.get_task(TASK_ID).state == "processing"
        with pytest.raises(ViduUnavailableError):
            client.get_task(TASK_ID, retry=False)
    assert len(server.received) == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors")
def test_a_client_leaves_no_descriptor_behind(server):
    server.script(answer(200, RUNNING))
    before = len(os.listdir("/proc/self/fd"))
    with ViduClient(account(server)) as client:
        for _ in range(20):
            client.get_task(TASK_ID)
    # The server's own ends are closed in its threads.
    assert len(os.listdir("/proc/self/fd")) < before + 20


def test_sending_is_bounded_in_time(server, transport):
    server.script(answer(200, CREATED))
    server.reading_pause = 0.03
    with within(PATIENCE):
        made = account(server, timeout=SHORT)
        transport.fails(ViduSubmissionInDoubtError, made, "submit", {"images": ["x" * 12_000_000]})
    with warnings.catch_warnings():
        # What aiohttp had still to write goes with its event loop, which ends here.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_an_answer_may_be_large_but_not_boundless(server, transport, monkeypatch):
    monkeypatch.setattr(http_messages, "MAX_ANSWER_BYTES", 300_000)
    fits = {**RUNNING, "note": "x" * 290_000}
    server.script(answer(200, fits))
    assert transport.call(account(server), "get_task", TASK_ID).state == "processing"
    server.script(answer(200, {**fits, "more": "x" * 20_000}))
    assert "larger than" in str(transport.fails(ViduAnswerTooLargeError, account(server), "get_task", TASK_ID))


def test_an_endless_answer_is_left(server, transport, monkeypatch):
    monkeypatch.setattr(http_messages, "MAX_ANSWER_BYTES", 300_000)
    server.script(endless)
    with within(PATIENCE):
        transport.fails(ViduAnswerTooLargeError, account(server), "get_task", TASK_ID)


def test_an_answer_that_unpacks_beyond_the_limit_is_left(server, transport, monkeypatch):
    monkeypatch.setattr(http_messages, "MAX_ANSWER_BYTES", 300_000)
    server.script(answer(200, gzip.compress(bytes(8_000_000)), Content_Encoding="gzip"))
    transport.fails(ViduAnswerTooLargeError, account(server), "get_task", TASK_ID)


def test_a_large_echoed_image_does_not_cost_the_id(server, transport, monkeypatch):
    monkeypatch.setattr(http_messages, "MAX_ANSWER_BYTES", 1000)
    wire = {"images": ["x" * 50_000]}
    server.script(answer(200, {**CREATED, **wire}))
    assert transport.call(account(server), "submit", wire).task_id == TASK_ID
    server.script(answer(200, {**CREATED, "images": ["x" * 60_000]}))
    transport.fails(ViduSubmissionInDoubtError, account(server), "submit", wire)


# The key


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(("method", "arguments"), [("get_task", (TASK_ID,)), ("submit", (WIRE,)), ("get_credits", ())])
def test_the_key_follows_no_redirect(server, transport, status, method, arguments):
    target = Server()
    target.script(answer(200, CREATED))
    server.script(answer(status, Location=f"{target.url}/elsewhere?key={KEY}"))
    # See Other follows a request that was acted on.
    kind = ViduSubmissionInDoubtError if (method, status) == ("submit", 303) else ViduConfigurationError
    error = transport.fails(kind, account(server), method, *arguments)
    target.close()
    assert f"{target.url}/elsewhere" in str(error)
    assert not target.received
    assert len(server.received) == 1


@pytest.mark.parametrize("status", [200, 401, 400, 500, 302])
@pytest.mark.parametrize(
    ("method", "arguments"), [("get_task", (TASK_ID,)), ("submit", (WIRE,)), ("cancel_task", ("1",))]
)
def test_a_key_repeated_by_the_host_stays_out_of_errors(server, transport, status, method, arguments):
    server.script(echo(status))
    with pytest.raises(ViduError) as caught:
        transport.call(account(server), method, *arguments)
    assert KEY not in "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert KEY not in repr(vars(caught.value))


def _parts(key, length=8):
    return {key[start : start + length] for start in range(len(key) - length + 1)}


def _no_part_is_in(text):
    found = [part for part in _parts(KEY) if part.lower() in " ".join(text.lower().split())]
    assert not found, text


@pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 404, 429, 500, 503])
@pytest.mark.parametrize("split", ["", "\n", "\r\n  ", "%0A"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_cut_quote_has_no_part_of_the_key(status, split, as_json):
    repeated = f"{KEY[:9]}{split}{KEY[9:]}"
    asked = [
        (http_messages.parse_create, ()),
        (http_messages.parse_task, (TASK_ID,)),
        (http_messages.parse_list, ()),
        (http_messages.parse_credits, ()),
        (http_messages.parse_cancel, (TASK_ID,)),
    ]
    for before in (0, 160, 170, 175, 180, 190, 480, 490, 990, 1995):
        text = "word " * (before // 5) + repeated + " end"
        body = json.dumps({"code": 5, "reason": text, "message": text}) if as_json else text
        for parse, more in asked:
            try:
                text = repr(client_module._parse_reply(parse, status, {}, body.encode(), account(), *more))
            except ViduError as error:
                text = f"{error} {error!r} {vars(error)}"
            _no_part_is_in(text)


@pytest.mark.parametrize("method", ["get_task", "list_page"])
@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_task_without_a_video_keeps_no_key(server, transport, method, state):
    row = {"id": TASK_ID, "state": state, "err_code": f"x {KEY}", "note": "y" * 190 + KEY, "payload": "p"}
    server.script(answer(200, row if method == "get_task" else {"tasks": [{"id": "1", "state": "success"}, row]}))
    made = transport.call(account(server), method, *([TASK_ID] if method == "get_task" else []))
    task = made if method == "get_task" else made.tasks[-1]
    assert (task.task_id, task.state, task.payload) == (TASK_ID, state, "p")
    _no_part_is_in(f"{task!r} {task.err_code} {task.unread_reply}")


@pytest.mark.parametrize("name", ["state", "model", "created_at", "resolution", "wm_position"])
@pytest.mark.parametrize("method", ["get_task", "list_page", "submit"])
def test_a_running_task_keeps_no_part_of_the_key(server, transport, method, name):
    row = {"id": TASK_ID, "state": "processing", name: f"x {KEY}"}
    server.script(answer(200, {"tasks": [row]} if method == "list_page" else row))
    made = transport.call(account(server), method, *{"get_task": [TASK_ID], "submit": [WIRE]}.get(method, []))
    task = made.tasks[0] if method == "list_page" else made
    _no_part_is_in(f"{task!r} {vars(task)}")


def test_a_task_keeps_no_escaped_key(server, transport):
    hidden = "\\" * 9 + f"u{ord(KEY[0]):04x}{KEY[1:12]} {KEY[12:]}"
    server.script(answer(200, f'{{"id": "{TASK_ID}", "state": "failed", "fail_reason": "x {hidden}"}}'.encode()))
    _no_part_is_in(str(transport.call(account(server), "get_task", TASK_ID).err_msg))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, KEY[:1] * 1_000_000),
        (500, f"<p>{KEY}</p>\n" * 50_000),
        (200, json.dumps({"id": "1", "state": "failed", "fail_reason": KEY[:1] * 1_000_000})),
        (200, json.dumps({"id": "1", "state": "success", "note": KEY[:1] * 1_000_000})),
    ],
    ids=["HTTP 500", "web page", "failed task", "task without a video"],
)
def test_the_key_is_searched_only_in_quotations(server, transport, monkeypatch, status, body):
    searched = []

    def count(text, secret):
        searched.append(len(text))
        return redacted(text, secret)

    for module in (client_module, errors):
        monkeypatch.setattr(module, "redacted", count)
    server.script(answer(status, body.encode()))
    with suppress(ViduUnavailableError):
        transport.call(account(server), "get_task", TASK_ID, retry=False)
    assert searched
    assert sum(searched) < 20_000


def test_a_key_in_an_id_or_a_link_stays_there(server, transport):
    link = f"https://relay.example/content/{KEY}"
    server.script(answer(200, {"state": "success", "creations": [{"url": link}]}))
    assert transport.call(account(server), "get_task", TASK_ID).video_url == link
    server.script(answer(200, {"task_id": f"task-{KEY}", "state": "created"}))
    assert transport.call(account(server), "submit", WIRE).task_id == f"task-{KEY}"


@pytest.mark.parametrize("scheme", ["Token", "Bearer", ""])
def test_netrc_never_replaces_the_key(server, transport, monkeypatch, tmp_path, scheme):
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login thief password stolen\nmachine 127.0.0.1 login thief password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    server.script(answer(200, RUNNING))
    # The second one is reached through a proxy, where a host that is not loopback trusts its environment.
    near = account(server, auth_scheme=scheme)
    far = account(base_url="http://vidu.example", proxy=server.url, auth_scheme=scheme)
    for made in (near, far):
        transport.call(made, "get_task", TASK_ID)
    for received in server.received:
        assert received.headers["authorization"] == f"{scheme} {KEY}".strip()
        assert "proxy-authorization" not in received.headers
    assert server.received[1].target.startswith("http://vidu.example/")


def test_no_representation_holds_the_key(server):
    for client in (ViduClient(account(server)), AsyncViduClient(account(server))):
        assert KEY not in repr(client)
        assert KEY not in str(client)
        assert KEY not in repr(client.account)


# Proxies


@pytest.fixture
def proxy():
    one = Server()
    one.script(answer(200, RUNNING))
    yield one
    one.close()


@pytest.fixture
def environment(monkeypatch):
    def set_variables(**variables):
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            for spelled in (name, name.upper()):
                monkeypatch.delenv(spelled, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_the_environments_proxy_is_not_asked_for_this_machine(server, transport, proxy, environment, variable):
    if variable == "HTTP_PROXY":
        environment(http_proxy=proxy.url)
    else:
        environment(**{variable: proxy.url})
    server.script(answer(200, RUNNING))
    transport.call(account(server), "get_task", TASK_ID)
    assert not proxy.received
    assert len(server.received) == 1


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
def test_the_environments_proxy_is_used_for_another_machine(transport, proxy, environment, variable):
    environment(**{variable: proxy.url})
    transport.call(account(base_url="http://vidu.example"), "get_task", TASK_ID)
    assert proxy.received[0].target == f"http://vidu.example/ent/v2/tasks/{TASK_ID}/creations"


def test_no_proxy_is_obeyed(server, transport, proxy, environment, monkeypatch):
    environment(http_proxy=proxy.url, no_proxy="vidu.example")
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *arguments, **named: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))],
    )
    server.script(answer(200, RUNNING))
    transport.call(account(base_url=f"http://vidu.example:{server.port}"), "get_task", TASK_ID)
    assert not proxy.received
    assert len(server.received) == 1


def test_the_connections_own_proxy_goes_before_the_environments(server, transport, proxy, environment):
    environment(http_proxy=server.url, all_proxy=server.url)
    transport.call(account(base_url="http://vidu.example", proxy=proxy.url), "get_task", TASK_ID)
    assert len(proxy.received) == 1
    assert not server.received


def test_the_connections_own_proxy_is_used_for_this_machine_too(server, transport, proxy):
    transport.call(account(server, proxy=proxy.url), "get_task", TASK_ID)
    assert proxy.received[0].target == f"{server.url}/ent/v2/tasks/{TASK_ID}/creations"
    assert not server.received


def test_a_proxy_that_is_down_sent_nothing(transport):
    made = account(base_url="http://vidu.example", proxy=f"http://user:hush@127.0.0.1:{free_port()}")
    error = transport.fails(ViduUnavailableError, made, "submit", WIRE)
    unsent(error)
    assert "hush" not in str(error)


@pytest.mark.parametrize("reply", [hang_up, reset, silence])
def test_a_reply_lost_by_the_proxy_leaves_doubt(transport, proxy, reply):
    proxy.script(reply)
    made = account(base_url="http://vidu.example", proxy=proxy.url, timeout=SHORT)
    transport.fails(ViduSubmissionInDoubtError, made, "submit", WIRE)
    assert len(proxy.received) == 1


def test_a_proxy_that_refuses_a_tunnel_sent_nothing(transport, proxy):
    proxy.script(answer(407))
    made = account(base_url="https://vidu.example", proxy=proxy.url, timeout=1)
    unsent(transport.fails(ViduUnavailableError, made, "submit", WIRE))
    assert proxy.received[0].method == "CONNECT"
    assert KEY not in repr(proxy.received)


def test_the_same_proxy_is_chosen_for_both_transports(environment):
    environment(https_proxy="http://corporate.example:3128", no_proxy="direct.example")
    assert proxy_for(Account()) == "http://corporate.example:3128"
    assert proxy_for(Account(proxy="http://own.example")) == "http://own.example"
    assert proxy_for(Account(base_url="https://direct.example")) is None
    assert proxy_for(Account(base_url="http://127.0.0.1:1")) is None
    assert proxy_for(Account(base_url="http://localhost:1", proxy="http://own.example")) == "http://own.example"


@pytest.mark.parametrize("of", ["connection", "environment"])
@pytest.mark.parametrize(
    ("link", "is_direct"),
    [
        ("https://storage.example/v.mp4", True),
        ("https://storage.example:443/v.mp4", True),
        ("https://storage.example:8443/v.mp4", False),
        ("https://cdn.whole.example:8443/v.mp4", True),
        ("https://other.example/v.mp4", False),
        ("http://127.0.0.1:9/v.mp4", True),
    ],
)
def test_no_proxy_applies_to_the_storage_as_well(environment, of, link, is_direct):
    proxy = "http://corporate.example:3128"
    exceptions = "storage.example:443,whole.example"
    if of == "connection":
        environment(no_proxy=exceptions)
        chosen = proxy_to(Account(proxy=proxy), link)
    else:
        environment(https_proxy=proxy, http_proxy=proxy, no_proxy=exceptions)
        chosen = proxy_to(Account(), link)
    assert chosen == (None if is_direct else proxy)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_without_a_scheme_is_used_by_both_transports(transport, proxy, environment, variable):
    environment(**{variable: proxy.url.removeprefix("http://")})
    proxy.script(answer(200, CREATED))
    assert transport.call(account(base_url="http://vidu.example"), "submit", WIRE).task_id == TASK_ID
    assert [received.method for received in proxy.received] == ["POST"]


@pytest.mark.parametrize(
    "no_proxy", ["*", "198.51.100.0/24", "198.51.100.7", "198.51.100.7:{port}", "other.example,198.51.100.7"]
)
def test_no_proxy_means_the_same_to_both_transports(server, transport, proxy, environment, monkeypatch, no_proxy):
    environment(http_proxy=proxy.url, NO_PROXY=no_proxy.format(port=server.port))
    _reach(monkeypatch, server)
    server.script(answer(200, RUNNING))
    transport.call(account(base_url=f"http://198.51.100.7:{server.port}"), "get_task", TASK_ID)
    assert not proxy.received
    assert len(server.received) == 1


@pytest.mark.parametrize("no_proxy", ["idu.example", "vidu.example:1", "10.0.0.0/8", "api.vidu.example"])
def test_no_proxy_of_other_hosts_keeps_the_proxy(transport, proxy, environment, no_proxy):
    environment(http_proxy=proxy.url, no_proxy=no_proxy)
    transport.call(account(base_url="http://vidu.example"), "get_task", TASK_ID)
    assert len(proxy.received) == 1


def _reach(monkeypatch, server):
    """Let every connection to 198.51.100.7, an address for documentation, end at the server."""
    connect = socket.socket.connect

    def redirected(self, address):
        return connect(self, ("127.0.0.1", server.port) if address[0] == "198.51.100.7" else address)

    def sock_connect(self, sock, address):
        sock.setblocking(True)
        redirected(sock, address)
        sock.setblocking(False)
        return asyncio.sleep(0)

    monkeypatch.setattr(socket.socket, "connect", redirected)
    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", sock_connect)


@pytest.mark.parametrize("variable", ["all_proxy", "ALL_PROXY", "http_proxy"])
def test_a_socks_proxy_is_refused_before_anything_is_sent(server, transport, environment, variable):
    environment(**{variable: f"socks5h://user:hush@127.0.0.1:{server.port}"})
    error = transport.fails(ViduConfigurationError, account(base_url="http://vidu.example"), "submit", WIRE)
    assert variable in str(error)
    assert "socks5h" in str(error)
    assert "hush" not in str(error)
    assert not server.received


def test_a_socks_proxy_of_other_hosts_hinders_nothing(server, transport, proxy, environment):
    environment(all_proxy="socks5h://127.0.0.1:9", http_proxy=proxy.url)
    transport.call(account(base_url="http://vidu.example"), "get_task", TASK_ID)
    server.script(answer(200, RUNNING))
    transport.call(account(server), "get_task", TASK_ID)
    assert (len(proxy.received), len(server.received)) == (1, 1)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="refused before Python 3.11")
def test_a_proxy_that_speaks_tls_serves_both_transports(tls_server, transport, certificate):
    tls_server.script(answer(200, CREATED))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    secure = Server(tls=context)
    secure.script(tunnel)
    made = account(tls_server, verify=str(certificate[0]), proxy=secure.url)
    assert transport.call(made, "submit", WIRE).task_id == TASK_ID
    secure.close()
    assert [received.method for received in secure.received] == ["CONNECT"]


def test_both_transports_send_the_same_proxy_password(transport, proxy, environment):
    environment(http_proxy=proxy.url.replace("http://", "us%40er:p%3Aass@"))
    transport.call(account(base_url="http://vidu.example"), "get_task", TASK_ID)
    assert proxy.received[0].headers["proxy-authorization"] == "Basic dXNAZXI6cDphc3M="


@pytest.mark.parametrize(("login", "sent"), [("token", "dG9rZW46"), ("token:", "dG9rZW46"), ("u:%C3%A4", "dTrk")])
def test_a_proxys_login_is_the_same_to_both_transports(transport, proxy, environment, login, sent):
    environment(http_proxy=proxy.url.replace("http://", f"http://{login}@"))
    transport.call(account(base_url="http://vidu.example"), "get_task", TASK_ID)
    assert proxy.received[0].headers["proxy-authorization"] == f"Basic {sent}"


def test_an_unusable_proxy_login_is_refused_before_sending(transport, proxy, environment):
    environment(http_proxy=proxy.url.replace("http://", "http://us%3Aer:hush@"))
    error = transport.fails(ViduConfigurationError, account(base_url="http://vidu.example"), "submit", WIRE)
    assert "hush" not in str(error)
    assert not proxy.received


def test_a_non_ascii_host_is_the_same_everywhere(transport, proxy):
    made = account_from_fields(
        host="http://bücher.example/ü/{x}",
        password=KEY,
        extra={"allow_http": True, "proxy": proxy.url, "task_path": "/ä /{task_id}"},
    )
    transport.call(made, "get_task", TASK_ID)
    assert proxy.received[0].target == f"http://xn--bcher-kva.example/%C3%BC/%7Bx%7D/%C3%A4%20/{TASK_ID}"
    assert proxy.received[0].headers["host"] == "xn--bcher-kva.example"


@pytest.mark.parametrize("verify", [False, "/etc/ssl/relay.pem"])
def test_the_connections_verify_goes_before_the_environments_bundle(monkeypatch, tmp_path, verify):
    import requests

    asked = []

    class Adapter(requests.adapters.HTTPAdapter):
        def send(self, request, **settings):
            asked.append(settings["verify"])
            raise requests.exceptions.ConnectTimeout("noted")

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    with ViduClient(Account(api_key=KEY, verify=verify), sleep=lambda seconds: None) as client:
        client._session.mount("https://", Adapter())
        with pytest.raises(ViduUnavailableError):
            client.get_credits()
    assert set(asked) == {verify}


# Housekeeping


def test_a_closed_client_leaves_no_connection_behind(server, transport):
    server.script(until_closed)
    transport.call(account(server), "get_task", TASK_ID)
    assert server.left.wait(1)


def test_an_async_client_can_be_entered_again(server):
    server.script(answer(200, RUNNING))

    async def query():
        client = AsyncViduClient(account(server))
        sessions = []
        for _ in range(2):
            async with client:
                await client.get_task(TASK_ID)
                sessions.append(client._session)
                await client.get_task(TASK_ID)
                assert client._session is sessions[-1]
            assert client._session is None
        return sessions

    first, second = asyncio.run(query())
    assert first.closed
    assert second.closed
    assert first is not second


def test_a_client_that_was_never_used_opens_and_closes_nothing():
    async def nothing():
        async with AsyncViduClient(Account(api_key=KEY)) as client:
            assert client._session is None

    asyncio.run(nothing())
    with ViduClient(Account(api_key=KEY)):
        pass


def test_a_cancelled_query_stays_cancelled(server):
    server.script(silence)

    async def query():
        async with AsyncViduClient(account(server)) as client:
            await asyncio.wait_for(client.get_task(TASK_ID), 0.1)

    with pytest.raises((asyncio.TimeoutError, TimeoutError)):
        asyncio.run(query())
    assert len(server.received) == 1


def test_both_transports_offer_the_same(transport):
    def offer(kind):
        return {
            name: inspect.signature(getattr(kind, name)).parameters.keys()
            for name, member in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert offer(ViduClient) == offer(AsyncViduClient)
    assert client_module.CONNECT_TIMEOUT <= 10


def test_a_closed_client_opens_no_session(server):
    async def query():
        client = AsyncViduClient(account(server))
        await client.close()
        with pytest.raises(ViduUnavailableError, match="closed"):
            await client.get_task(TASK_ID)
        assert client._session is None

    asyncio.run(query())


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_both_transports_obey_the_environments_ca_bundle(name, transport, monkeypatch, tmp_path):
    for other in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, str(tmp_path / "missing.pem"))
    error = transport.fails(ViduConfigurationError, account(base_url="https://vidu.invalid"), "submit", WIRE)
    assert "missing.pem" in str(error)
    # Not for this machine's own.
    transport.fails(ViduUnavailableError, account(base_url=f"https://127.0.0.1:{free_port()}"), "submit", WIRE)


def test_the_triggerer_trusts_the_authorities_that_the_worker_trusts(tls_server, certificate, monkeypatch):
    monkeypatch.setattr("certifi.where", lambda: str(certificate[0]))
    tls_server.script(answer(200, RUNNING))
    assert Transport("aiohttp").call(account(tls_server), "get_task", TASK_ID).state == "processing"


def test_a_bundle_of_the_connection_goes_before_the_environments(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "environment.pem"))

    async def query():
        made = Account(base_url="https://vidu.invalid", api_key="k", verify=str(tmp_path / "own.pem"))
        async with AsyncViduClient(made) as client:
            await client.get_task(TASK_ID, retry=False)

    with pytest.raises(ViduConfigurationError, match=r"own\.pem"):
        asyncio.run(query())


def test_a_large_answer_is_read_off_the_event_loop(server, monkeypatch):
    threads = []
    real = http_messages.parse_task

    def parse(*arguments):
        threads.append(threading.current_thread() is threading.main_thread())
        return real(*arguments)

    monkeypatch.setattr(http_messages, "parse_task", parse)

    async def query():
        async with AsyncViduClient(account(server)) as client:
            for note in ("x", "x" * 100_000):
                server.script(answer(200, {**RUNNING, "note": note}))
                assert (await client.get_task(TASK_ID)).state == "processing"

    asyncio.run(query())
    assert threads == [True, False]


def test_a_reply_that_would_block_the_loop_is_not_parsed(server):
    rows = [{"id": str(number)} for number in range(90_000)]
    server.script(answer(200, {"state": "success", "creations": rows, "tasks": rows}))
    transport = Transport("aiohttp")
    for method, arguments in (("get_task", (TASK_ID,)), ("list_page", ())):
        error = transport.fails(ViduAnswerTooLargeError, account(server), method, *arguments, retry=False)
        assert "values" in str(error)


@pytest.mark.parametrize(
    "text",
    [",".join(map(str, range(25_000))), '","' * 25_000, '\\",' * 25_000, "\\\\,\\" * 25_000],
    ids=["commas", "quotes", "backslashes and quotes", "backslashes"],
)
def test_commas_inside_of_a_text_are_no_values(server, text):
    server.script(answer(200, {**RUNNING, "payload": text, "note": text}))
    assert Transport("aiohttp").call(account(server), "get_task", TASK_ID, retry=False).payload == text
    rows = [{"id": str(number), "state": "success", "prompt": "a tag, " * 400} for number in range(60)]
    server.script(answer(200, {"tasks": rows}))
    assert len(Transport("aiohttp").call(account(server), "list_page", retry=False).tasks) == 60


@pytest.mark.parametrize("value", ["[]", '"a,b"', '["\\\\"]', '{"a":"\\""}', "1"])
def test_values_are_counted_beside_texts(value):
    for count, is_many in ((20_000, False), (20_002, True), (200_000, True)):
        assert client_module._has_many_values(f"[{','.join([value] * count)}]".encode()) is is_many


@pytest.mark.parametrize("unit", [b",", b'"', b'",', b"\\,", b'\\",', b'"\\",'])
def test_counting_grows_no_faster_than_the_reply(unit):
    def seconds(count):
        def once():
            began = time.thread_time()
            client_module._has_many_values(unit * count)
            return time.thread_time() - began

        return min(once() for _ in range(3))

    # Eight times the reply: quadratic work would be 64 times as much.
    assert seconds(800_000) < 24 * seconds(100_000)


def test_a_created_task_is_read_from_any_reply(server, transport):
    rows = [0] * 90_000
    server.script(answer(200, {**CREATED, "echo": rows}))
    assert transport.call(account(server), "submit", WIRE).task_id == TASK_ID


def test_a_relative_link_leads_to_the_api_host(monkeypatch):
    body = b'{"id": "1", "state": "success", "creations": [{"id": "2", "url": "/files/v.mp4"}]}'
    with ViduClient(Account(base_url="http://127.0.0.1:9", api_key="secret-key")) as client:
        monkeypatch.setattr(client, "_send", lambda request: (200, {}, body))
        assert client.get_task("1").video_url == "http://127.0.0.1:9/files/v.mp4"


def test_a_client_remembers_by_which_address_it_reached_the_api(server):
    server.script(answer(200, RUNNING))
    with ViduClient(account(server)) as client:
        assert client.addresses == set()
        client.get_task(TASK_ID)
        assert client.addresses == {"127.0.0.1"}
