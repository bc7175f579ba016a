# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A signed link goes out unchanged, without the key, and only to addresses that a storage host may have."""

from __future__ import annotations

import gzip
import http.server
import io
import socket
import socketserver
import ssl
import tempfile
import threading
import zlib
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
import trustme
from _support.storage_host import MP4, serving

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.errors import (
    Fate,
    ViduConfigurationError,
    ViduError,
    ViduLandingError,
    ViduUnavailableError,
)
from airflow_provider_vidu.landing import transfer
from airflow_provider_vidu.landing.private_network import is_public
from airflow_provider_vidu.landing.transfer import Transfer, probe_link, send_file
from airflow_provider_vidu.landing.transfer import open_link as open_link_in_exchange
from airflow_provider_vidu.transport.exchange import Exchange

LOCAL = Account(base_url="http://127.0.0.1:9", api_key="secret-key")
PUBLIC = Account(base_url="https://api.vidu.example", api_key="secret-key")


@pytest.fixture
def storage():
    with serving() as host:
        yield host


@pytest.fixture
def names(monkeypatch):
    """A name service: other names do not exist."""
    table: dict[str, list[str]] = {"api.vidu.example": ["93.184.215.14"]}
    real = socket.getaddrinfo

    def look_up(host, port, *arguments, **named):
        if host in table:
            return [entry for address in table[host] for entry in real(address, port, *arguments, **named)]
        if host.replace(".", "").isdecimal():
            return real(host, port, *arguments, **named)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return table


@pytest.fixture
def tried(monkeypatch):
    """The addresses of all connection attempts; none succeeds."""
    tried = []

    def connect(address, *arguments, **named):
        tried.append(address)
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "create_connection", connect)
    return tried


def open_link(*arguments):
    with Exchange(60):
        return open_link_in_exchange(*arguments)


@contextmanager
def secured(storage):
    """The storage host over TLS, with a certificate of its own authority; yields its URL and the CA bundle."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("storage.example", "127.0.0.1").configure_cert(context)
    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), storage.RequestHandlerClass)
    host.answer, host.targets, host.headers = storage.answer, storage.targets, storage.headers
    host.cuts, host.file, host.sent = [], None, 0
    host.socket = context.wrap_socket(host.socket, server_side=True)
    host.handle_error = lambda *arguments: None
    threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        with tempfile.NamedTemporaryFile(suffix=".pem") as bundle:
            authority.cert_pem.write_to_path(bundle.name)
            yield f"https://127.0.0.1:{host.server_address[1]}", bundle.name
    finally:
        host.shutdown()
        host.server_close()


def received(url, account=LOCAL):
    file = io.BytesIO()
    Transfer(account, file, lambda head: None).receive(url)
    return file.getvalue()


@pytest.mark.parametrize(
    "target",
    [
        "/a%2Fb/v.mp4?X-Amz-Signature=ab%2fcd&f=attachment%3B%20filename%3D%22x.mp4%22",
        "/~x;y='z'/v.mp4?a=%7e%7E&b=c+d&e=%E4%BD%A0",
        "/v.mp4?q=a|b^c&r=[1]&s={2}",
    ],
)
def test_signed_link_goes_out_byte_for_byte(storage, target):
    assert received(storage.url + target) == MP4
    assert storage.targets == [target]


def test_redirect_goes_out_byte_for_byte(storage):
    target = "/real/%7e.mp4?sig=%2f"
    storage.answers = [(302, {"Location": storage.url + target}, b""), (200, {}, MP4)]
    received(f"{storage.url}/first")
    assert storage.targets == ["/first", target]


def test_key_never_reaches_the_storage_host(storage):
    received(storage.url)
    assert "secret-key" not in str(storage.headers)
    assert not [name for name in storage.headers[0] if name.lower() == "authorization"]


def test_endless_redirects_end(storage):
    storage.answers = [(302, {"Location": f"{storage.url}/again"}, b"")]
    with pytest.raises(ViduUnavailableError, match="endlessly"):
        received(f"{storage.url}/first")


@contextmanager
def dripping(before: bytes):
    """A host that sends something, and then a byte now and then; yields its URL. A waiting client must not hang."""
    ended = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            self.request.sendall(before)
            with suppress(OSError):
                for _ in range(250):
                    if ended.wait(0.02):
                        break
                    self.request.sendall(b"1")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v.mp4"
        finally:
            ended.set()
            server.shutdown()


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ",
    ],
    ids=["status", "header", "body", "body-without-length", "chunk-size", "redirect"],
)
def test_dripping_link_is_given_up(monkeypatch, before):
    monkeypatch.setattr(transfer, "STALL_TIMEOUT", 0.3)
    got = Transfer(LOCAL, io.BytesIO(), lambda head: None)
    with dripping(before) as url:
        with pytest.raises(ViduUnavailableError, match="less than 3 kB in 0 s"):
            got.receive(url)
        # What drips is no progress: after a few attempts it is over.
        assert got.fruitless == 1


def test_restarted_transfer_does_not_count_as_dripping(monkeypatch, storage):
    """Without an ETag the rest cannot be requested, and the new bytes count from the start."""
    monkeypatch.setattr(transfer, "MIN_RATE", 1)
    got = Transfer(LOCAL, io.BytesIO(), lambda head: None)
    got.receive(storage.url)
    assert got._has_moved()
    got.restart()
    got._keep(MP4[:-1])
    assert got._has_moved()


def test_probe_of_a_dripping_host_ends(monkeypatch):
    monkeypatch.setattr(transfer, "STALL_TIMEOUT", 0.3)
    with dripping(b"HTTP/1.1 200 OK\r\nX: ") as url, pytest.raises(ViduUnavailableError):
        probe_link(LOCAL, url)


@pytest.mark.parametrize("encoding", ["", "identity", "none", "utf-8", "binary", "aws-chunked"])
def test_uploader_values_in_content_encoding_are_ignored(storage, encoding):
    storage.answers = [(200, {"Content-Encoding": encoding}, MP4)]
    assert received(storage.url) == MP4


def test_compressed_file_is_unpacked(storage):
    packed = gzip.compress(MP4 * 50)
    storage.answers = [(200, {"Content-Encoding": "gzip", "ETag": '"a"'}, packed)]
    assert received(storage.url) == MP4 * 50


def _raw_deflate(text):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("deflate", zlib.compress(MP4 * 50)),
        ("Deflate", _raw_deflate(MP4 * 50)),
        ("gzip", gzip.compress(MP4 * 20) + gzip.compress(MP4 * 30)),
        (
            "gzip",
            b"".join(gzip.compress(MP4[start : start + 1]) for start in range(len(MP4))) + gzip.compress(MP4 * 49),
        ),
        ("gzip", gzip.compress(MP4 * 50) + b"\0\0"),
        ("gzip", gzip.compress(MP4 * 50) + b"\n"),
    ],
    ids=["zlib", "raw", "two members", "many members", "padding", "a line break"],
)
def test_every_form_of_compression_is_unpacked(storage, encoding, packed, monkeypatch):
    for chunk in (transfer.CHUNK, 7):
        monkeypatch.setattr(transfer, "CHUNK", chunk)
        storage.answers = [(200, {"Content-Encoding": encoding}, packed)]
        assert received(storage.url) == MP4 * 50


@pytest.mark.parametrize("packed", [gzip.compress(MP4) + gzip.compress(MP4)[:-9], gzip.compress(MP4) + b"\x1f\x8b"])
def test_truncated_second_gzip_member_fails(storage, packed):
    storage.answers = [(200, {"Content-Encoding": "gzip"}, packed)]
    with pytest.raises(ViduUnavailableError, match="broke off"):
        received(storage.url)


def test_truncated_compressed_file_is_fetched_again(storage):
    packed = gzip.compress(MP4)
    storage.answers = [
        (200, {"Content-Encoding": "gzip"}, packed[:-20]),
        (200, {"Content-Encoding": "gzip"}, packed),
    ]
    file = io.BytesIO()
    transfer_ = Transfer(LOCAL, file, lambda head: None)
    with pytest.raises(ViduUnavailableError, match="broke off"):
        transfer_.receive(storage.url)
    transfer_.receive(storage.url)
    assert file.getvalue() == MP4
    assert "Range" not in storage.headers[1]


def test_small_reply_that_unpacks_to_a_huge_file_is_rejected(storage):
    storage.answers = [(200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(20_000_000)))]
    with pytest.raises(ViduLandingError, match="larger than 5 MB"):
        received(storage.url, replace(LOCAL, max_file_mb=5))


def test_part_that_is_the_whole_file_is_accepted(storage):
    storage.answers = [(206, {"Content-Range": f"bytes 0-{len(MP4) - 1}/{len(MP4)}"}, MP4)]
    assert received(storage.url) == MP4


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": f"bytes 0-{len(MP4) - 1}/*"},
        {"Content-Range": f"bytes=0-{len(MP4) - 1}/{len(MP4)}"},
        {"Content-Range": f" bytes 0-{len(MP4) - 1}/{len(MP4)} "},
        {},
    ],
)
def test_part_of_unknown_total_is_accepted(storage, headers):
    storage.answers = [(206, headers, MP4)]
    assert received(storage.url) == MP4


@pytest.mark.parametrize("content_range", [f"bytes 0-{len(MP4)}/*", f"bytes=0-{len(MP4) + 5}/{len(MP4) + 6}"])
def test_part_of_unknown_total_must_have_its_length(storage, content_range):
    storage.answers = [(206, {"Content-Range": content_range}, MP4)]
    with pytest.raises(ViduUnavailableError, match=f"after {len(MP4)} of"):
        received(storage.url)


@pytest.mark.parametrize(("etag", "kept"), [('"a"', True), ('"b"', False)])
def test_rest_of_unknown_length_must_be_of_the_same_file(storage, etag, kept):
    storage.answers = [
        (200, {"ETag": '"a"', "Content-Length": str(len(MP4))}, MP4[:500]),
        (206, {"ETag": etag, "Content-Range": f"bytes 500-{len(MP4) - 1}/*"}, MP4[500:]),
    ]
    file = io.BytesIO()
    transfer_ = Transfer(LOCAL, file, lambda head: None)
    with pytest.raises(ViduUnavailableError, match="after 500"):
        transfer_.receive(storage.url)
    if kept:
        transfer_.receive(storage.url)
        assert file.getvalue() == MP4
    else:
        with pytest.raises(ViduUnavailableError, match="different part"):
            transfer_.receive(storage.url)


def test_unrequested_part_is_rejected(storage):
    storage.answers = [(206, {"Content-Range": f"bytes 0-99/{len(MP4)}"}, MP4[:100])]
    with pytest.raises(ViduUnavailableError, match="different part"):
        received(storage.url)


def test_error_of_the_store_is_quoted(storage):
    body = (
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Request has expired</Message><K>k</K></Error>"
    )
    storage.answers = [(200, {}, body)]
    file = io.BytesIO()
    with pytest.raises(ViduUnavailableError, match="not a video: AccessDenied: Request has expired"):
        Transfer(LOCAL, file, lambda head: "what is not a video").receive(storage.url)


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            b"<Error><Code>AccessDenied</Code><Message>It has expired</Message><X>s</X></Error>",
            "AccessDenied: It has expired",
        ),
        (
            b'{"statusCode": "400", "error": "InvalidJWT", "message": "jwt \\"x\\" expired", "sig": "hush"}',
            "InvalidJWT: jwt",
        ),
        (
            b'\n{"error":{"code":"no","message":"gone, see https://s.example/v?sig=hush"}} ' + b" " * 9999,
            "no: gone, see",
        ),
    ],
    ids=["XML", "JSON", "JSON in JSON"],
)
def test_error_of_the_store_is_quoted_at_any_status(storage, status, body, words):
    storage.answers = [(status, {}, body)]
    with pytest.raises(ViduUnavailableError, match=f": {words}") as caught:
        Transfer(LOCAL, io.BytesIO(), lambda head: "what is not a video").receive(storage.url)
    assert "hush" not in str(caught.value)


def test_truncated_error_page_hides_no_status(storage):
    storage.answers = [(403, {"Content-Length": "900"}, b"<Error><Code>AccessDenied</Code>")]
    with pytest.raises(ViduUnavailableError, match="HTTP 403"):
        received(storage.url)


@pytest.mark.parametrize("form", ["secret-key", "SECRET-\nKEY", "secret&#45;key"])
def test_key_in_a_content_endpoints_reply_is_not_quoted(storage, form):
    body = f"<Error><Code>AccessDenied</Code><Message>{form} is wrong</Message></Error>".encode()
    account = replace(LOCAL, base_url=storage.url)
    for answer in ((200, {}, body), (403, {}, body), (302, {"Location": f"ftp://x.example/{form}"}, b"")):
        storage.answers = [(401, {}, body), answer]
        with pytest.raises(ViduError) as caught:
            Transfer(account, io.BytesIO(), lambda head: f"what is not a video ({head[:8]!r})").receive(
                f"{storage.url}/c/7"
            )
        assert storage.headers[-1]["Authorization"] == "Token secret-key"
        assert "secret" not in str(caught.value).lower()


@pytest.mark.parametrize(
    "link",
    [
        "https://storage.example:99999/v.mp4?sig=hush",
        "https://storage.example:x/v.mp4?sig=hush",
        "https://[::1/v.mp4?sig=hush",
        "https://exa℀mple/v.mp4?sig=hush",
        f"https://{'a' * 64}.example/v.mp4?sig=hush",
        "https:///v.mp4?sig=hush",
    ],
)
@pytest.mark.parametrize("is_redirect", [False, True])
def test_invalid_link_is_an_error_of_the_host(storage, link, is_redirect):
    if is_redirect:
        storage.answers = [(302, {"Location": link.encode().decode("latin-1")}, b"")]
    with pytest.raises(ViduUnavailableError) as caught:
        open_link(LOCAL, storage.url if is_redirect else link, {})
    assert "hush" not in str(caught.value)


def test_content_endpoint_of_the_api_gets_the_key_on_401_or_403(storage):
    storage.answers = [(401, {}, b""), (200, {}, MP4)]
    assert received(f"{storage.url}/content/7", replace(LOCAL, base_url=storage.url)) == MP4
    assert [headers.get("Authorization") for headers in storage.headers] == [None, "Token secret-key"]


def test_link_with_a_query_never_gets_the_key(storage):
    """The query may be a signature; then a 403 means that it has expired."""
    storage.answers = [(403, {}, b"")]
    with pytest.raises(ViduUnavailableError, match="HTTP 403"):
        received(f"{storage.url}/v.mp4?sig=x", replace(LOCAL, base_url=storage.url))
    assert len(storage.targets) == 1
    assert "secret-key" not in str(storage.headers)


def test_no_other_host_and_no_redirect_gets_the_key(storage):
    with serving() as other:
        other.answers = [(401, {}, b"")]
        with pytest.raises(ViduUnavailableError):
            received(f"{other.url}/v.mp4", replace(LOCAL, base_url=storage.url))
        assert "secret-key" not in str(other.headers)
        storage.answers = [(403, {}, b""), (302, {"Location": f"{other.url}/v.mp4"}, b"")]
        with pytest.raises(ViduUnavailableError):
            received(f"{storage.url}/content/7", replace(LOCAL, base_url=storage.url))
        assert "secret-key" not in str(other.headers)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "9000"}])
def test_file_larger_than_any_video_is_rejected(storage, headers):
    account = replace(LOCAL, max_file_mb=0.005)
    storage.answers = [(200, headers, MP4[:9000])]
    with pytest.raises(ViduLandingError, match="max_file_mb") as refused:
        received(storage.url, account)
    assert refused.value.fate is Fate.PERMANENT


def test_file_larger_than_the_disk_is_not_started(storage, monkeypatch, tmp_path):
    monkeypatch.setattr(transfer, "_free_bytes", lambda file: 1000)
    with (tmp_path / "part").open("w+b") as file, pytest.raises(OSError, match="No space left"):
        Transfer(LOCAL, file, lambda head: None).receive(storage.url)


def test_probe_fetches_one_byte(storage):
    storage.file, storage.etag = MP4, '"0123456789abcdef0123456789ABCDEF"'
    assert probe_link(LOCAL, storage.url) == (len(MP4), "0123456789abcdef0123456789abcdef")
    assert [headers["Range"] for headers in storage.headers] == ["bytes=0-0"]


@pytest.mark.parametrize("headers", [{}, {"Content-Range": "bytes 0-0/*"}, {"Content-Range": "items 0-0/7"}])
def test_length_of_the_probe_is_not_that_of_the_file(storage, headers):
    storage.answers = [(206, headers, b"x")]
    assert probe_link(LOCAL, storage.url) == (None, None)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.215.14", True),
    ],
)
def test_public_addresses(address, public):
    assert is_public(address) is public


@pytest.mark.parametrize(
    "link",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/v.mp4",
        "https://10.0.0.8/v.mp4",
        "https://127.0.0.1/v.mp4",
        "https://internal.example/v.mp4",
        "https://mixed-up.example/v.mp4",
    ],
)
def test_public_api_cannot_lead_into_a_private_network(names, monkeypatch, link):
    names["internal.example"] = ["192.168.0.7"]
    names["mixed-up.example"] = ["10.0.0.1", "127.0.0.1"]
    monkeypatch.setattr(socket, "create_connection", lambda *arguments, **named: pytest.fail("connected"))
    with pytest.raises(ViduLandingError, match="private network") as refused:
        open_link(PUBLIC, link, {})
    assert refused.value.fate is Fate.PERMANENT


def test_redirect_cannot_lead_into_a_private_network(names, storage, monkeypatch):
    """The first hop is a public name, which this test's name service sends to the local host."""
    storage.answers = [(302, {"Location": "https://169.254.169.254/v.mp4"}, b"")]
    with secured(storage) as (url, bundle):
        port = url.rpartition(":")[2]
        names["storage.example"] = ["93.184.215.14"]
        real = socket.create_connection
        monkeypatch.setattr(socket, "create_connection", lambda address, *a, **n: real(("127.0.0.1", address[1]), *a))
        account = Account(base_url="https://api.vidu.example", api_key="k", verify=bundle)
        with pytest.raises(ViduLandingError, match=r"A redirect of the video's link leads to 169\.254"):
            open_link(account, f"https://storage.example:{port}/v.mp4", {})
    assert len(storage.targets) == 1


def test_name_with_private_addresses_uses_its_public_address(names, tried):
    names["storage.example"] = ["10.0.0.1", "93.184.215.14"]
    with pytest.raises(ViduUnavailableError, match="unreachable"):
        open_link(PUBLIC, "https://storage.example/v.mp4", {})
    assert tried == [("93.184.215.14", 443)]


def test_private_connection_may_have_private_storage(names, tried):
    with pytest.raises(ViduUnavailableError, match="unreachable"):
        open_link(Account(base_url="https://10.0.0.2", api_key="k"), "https://10.0.0.8/v.mp4", {})
    assert tried == [("10.0.0.8", 443)]


@pytest.mark.parametrize("link", ["https://10.0.0.2/v.mp4", "https://vidu.internal/v.mp4"])
def test_address_of_the_api_may_serve_the_video(names, tried, link):
    names["vidu.internal"] = ["10.0.0.2"]
    account = Account(base_url="https://vidu.internal", api_key="k")
    with pytest.raises(ViduUnavailableError, match="unreachable"):
        open_link(account, link, {}, {"10.0.0.2"})
    assert tried == [("10.0.0.2", 443)]


@pytest.mark.parametrize(
    "link", ["https://127.0.0.1/v.mp4", "https://10.0.0.8/v.mp4", "https://api.vidu.example/v.mp4"]
)
def test_changed_address_opens_no_private_network(names, monkeypatch, link):
    """The API was called at a public address; when the video is fetched, its name leads to this machine."""
    names["api.vidu.example"] = ["127.0.0.1"]
    monkeypatch.setattr(socket, "create_connection", lambda *arguments, **named: pytest.fail("connected"))
    with pytest.raises(ViduLandingError, match="private network"):
        open_link(PUBLIC, link, {}, {"93.184.215.14"})


def test_hanging_name_resolution_times_out(monkeypatch):
    answered = threading.Event()

    def hang(*arguments, **named):
        answered.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with Exchange(0.05), pytest.raises(ViduUnavailableError, match="timed out"):
            open_link_in_exchange(PUBLIC, "https://storage.example/v.mp4", {})
    finally:
        answered.set()


def test_proxy_without_a_scheme_reaches_the_storage(names, tried, monkeypatch):
    monkeypatch.setenv("https_proxy", "10.0.0.9:3128")
    with pytest.raises(ViduUnavailableError, match="unreachable"):
        open_link(PUBLIC, "https://storage.example/v.mp4", {})
    assert tried == [("10.0.0.9", 3128)]


def test_no_proxy_applies_to_the_storage(names, tried, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://10.0.0.9:3128")
    monkeypatch.setenv("no_proxy", "93.184.0.0/16")
    with pytest.raises(ViduUnavailableError, match="unreachable"):
        open_link(PUBLIC, "https://93.184.215.14/v.mp4", {})
    assert tried == [("93.184.215.14", 443)]


def test_private_proxy_is_used_and_resolves_names(names, tried):
    account = Account(base_url="https://api.vidu.example", api_key="k", proxy="http://10.0.0.9:3128")
    with pytest.raises(ViduUnavailableError, match="unreachable"):
        open_link(account, "https://only-the-proxy-knows.example/v.mp4", {})
    assert tried == [("10.0.0.9", 3128)]
    # What carried the API's calls was the proxy: its address is none of the API's.
    for address in ("10.0.0.8", "10.0.0.9"):
        with pytest.raises(ViduLandingError, match="private network"):
            open_link(account, f"https://{address}/v.mp4", {}, {"10.0.0.9"})


@pytest.mark.parametrize(
    ("login", "sent"), [("token:", "dG9rZW46"), ("us%40er:p%3Aass", "dXNAZXI6cDphc3M="), ("u:%C3%A4", "dTrk")]
)
def test_proxy_gets_the_same_login_as_from_the_client(monkeypatch, login, sent):
    heard = []

    class Proxy(socketserver.StreamRequestHandler):
        def handle(self):
            while line := self.rfile.readline().strip():
                heard.append(line.decode())
            self.wfile.write(b"HTTP/1.1 407 Not You\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.handle_request, daemon=True).start()
        account = replace(PUBLIC, proxy=f"http://{login}@127.0.0.1:{proxy.server_address[1]}")
        with pytest.raises(ViduUnavailableError, match="407"):
            open_link(account, "https://storage.example/v.mp4", {})
    assert heard[0].startswith("CONNECT storage.example:443 ")
    assert f"Proxy-Authorization: Basic {sent}" in heard


@pytest.mark.parametrize("link", ["http://storage.example/v.mp4", "http://127.0.0.1/v.mp4", "ftp://x.example/v.mp4"])
def test_plain_http_is_only_for_a_local_vidu(names, link):
    with pytest.raises(ViduLandingError, match="not https"):
        open_link(PUBLIC, link, {})


def test_self_signed_certificate_is_rejected(names, storage, monkeypatch):
    with secured(storage) as (url, _), pytest.raises(ViduUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        open_link(LOCAL, url, {})
    assert storage.targets == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("::127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b:1::808:808", False),
        ("2002:7f00:1::", False),
        ("2002:808:808::1", True),
        ("2001:0:808:808::80ff:fffe", False),
        ("fec0::1", False),
        ("ff0e::1", False),
        ("192.0.0.192", False),
        ("192.88.99.1", True),
        ("224.0.0.1", False),
        ("233.252.0.1", False),
        ("240.0.0.1", False),
        ("::", False),
        ("2606:4700::1111", True),
        ("3fff::1", False),
        ("3fff:1000::1", True),
        ("2606:4700::5efe:7f00:1", False),
        ("2606:4700::200:5efe:a00:1", False),
        ("2606:4700::5efe:808:808", True),
    ],
)
def test_only_globally_routable_addresses_are_public(address, public):
    assert is_public(address) is public


@pytest.mark.parametrize(("etag", "expected"), [('"ab"', "ab"), ('W/"ab"', "ab"), ("ab", "ab"), (' "a-2" ', "a-2")])
def test_file_is_sent_byte_for_byte_and_without_the_key(storage, etag, expected):
    storage.answers = [(200, {"ETag": etag}, b"")]
    target = "/a%2fb/~x?X-Amz-Signature=ab%2Fcd&q=[1]"
    content = bytes(range(256)) * 1000
    assert send_file(LOCAL, storage.url + target, content, "image/png") == expected
    assert (storage.targets, storage.received) == ([target], [content])
    (headers,) = storage.headers
    assert (headers["Content-Type"], headers["Content-Length"]) == ("image/png", "256000")
    assert "secret-key" not in str(headers)
    assert "Authorization" not in headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_file_follows_no_redirect(storage, status):
    storage.answers = [(status, {"Location": f"{storage.url}/elsewhere"}, b""), (200, {"ETag": '"ab"'}, b"")]
    with pytest.raises(ViduUnavailableError, match=f"HTTP {status} to an upload"):
        send_file(LOCAL, f"{storage.url}/first", b"x", "image/png")
    assert storage.targets == ["/first"]


@pytest.mark.parametrize("status", [401, 403])
def test_file_never_takes_the_key_along(storage, status):
    storage.answers = [(status, {}, b"<Error><Code>AccessDenied</Code></Error>")]
    with pytest.raises(ViduUnavailableError, match=f"HTTP {status} to an upload: AccessDenied"):
        send_file(replace(LOCAL, base_url=storage.url), f"{storage.url}/c/7", b"x", "image/png")
    assert len(storage.headers) == 1
    assert "secret-key" not in str(storage.headers)


@pytest.mark.parametrize(
    "link",
    [
        "https://10.0.0.5/v",
        "https://[::1]/v",
        "https://169.254.169.254/v",
        "https://internal.example/v",
        "http://storage.example/v",
        "http://127.0.0.1/v",
        "ftp://storage.example/v",
    ],
)
def test_file_is_not_sent_into_a_private_network(names, tried, link):
    names.update({"internal.example": ["10.0.0.5"], "storage.example": ["93.184.216.34"]})
    with pytest.raises(ViduConfigurationError, match=r"private network|not https") as caught:
        send_file(PUBLIC, f"{link}?sig=hush", b"x", "image/png")
    assert not tried
    assert "hush" not in str(caught.value)


def test_file_may_be_sent_to_an_address_of_the_api(names, tried):
    with pytest.raises(ViduUnavailableError):
        send_file(PUBLIC, "https://10.0.0.2/v", b"x", "image/png", api_addresses={"10.0.0.2"})
    assert tried == [("10.0.0.2", 443)]


@pytest.mark.parametrize("link", ["https://[::1/v?sig=hush", "https://a.example:x/v?sig=hush", "https://a b/?sig=hush"])
def test_link_for_an_upload_that_is_no_url_is_not_quoted(names, link):
    with pytest.raises(ViduUnavailableError) as caught:
        send_file(PUBLIC, link, b"x", "image/png")
    assert "hush" not in str(caught.value)


def test_upload_without_an_etag_is_not_confirmed(storage):
    storage.answers = [(200, {}, b"")]
    with pytest.raises(ViduUnavailableError, match="ETag"):
        send_file(LOCAL, storage.url, b"x", "image/png")


def test_host_that_takes_no_bytes_is_given_up(monkeypatch):
    monkeypatch.setattr(transfer, "STALL_TIMEOUT", 0.3)
    with dripping(b"") as url, pytest.raises(ViduUnavailableError, match="timed out after"):
        send_file(LOCAL, url, b"x", "image/png")
