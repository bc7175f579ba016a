# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Stream a signed URL to a local file, from public addresses only, and resume if the host allows it. Send a file to one.

A signed URL must go out byte for byte. ``requests`` and ``urllib3`` re-quote it, which breaks signatures, so the
standard library fetches it. The API key never goes to a storage host; only a content endpoint at the API's own origin
gets it. Addresses are checked when the connection is made, so that neither a redirect nor a name whose address changes
after the check can lead elsewhere.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import io
import os
import re
import socket
import ssl
import string
import sys
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from airflow_provider_vidu.api.account import is_loopback
from airflow_provider_vidu.api.errors import Fate, ViduConfigurationError, ViduLandingError, ViduUnavailableError
from airflow_provider_vidu.api.messages import quoted
from airflow_provider_vidu.api.proxies import port_of, split_login
from airflow_provider_vidu.client import USER_AGENT, proxy_for, proxy_to
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.landing.private_network import is_private_by_itself, is_public, is_public_literal
from airflow_provider_vidu.transport.connecting import connect
from airflow_provider_vidu.transport.exchange import Exchange

if TYPE_CHECKING:
    from airflow_provider_vidu.api.account import Account

#: Maximum redirects of a storage host.
MAX_REDIRECTS = 5
#: Seconds with too few bytes after which a transfer counts as broken.
STALL_TIMEOUT = 60.0
#: Bytes a second below which a transfer counts as broken.
MIN_RATE = 10_000
#: Bytes in a megabyte.
MEGABYTE = 1_000_000
#: Bytes to read at once; a transfer needs a few times as much memory.
CHUNK = 1024 * 1024
#: Bytes after which received data is sent on to the disk.
WRITE_BACK = 8 * 1024 * 1024
#: Bytes from which a file's kind is recognised.
HEAD = 16

_MD5_ETAG = re.compile(r'"([0-9a-fA-F]{32})"')
# Some hosts write an equals sign, as in Range.
_PARTIAL = re.compile(r"bytes[ =](\d+)-(\d+)/(\d+|\*)")
_GZIP = frozenset({"gzip", "x-gzip"})
_GZIP_HEAD = b"\x1f\x8b"
#: Bytes of an error page that are searched for the host's words.
_ERROR_BYTES = 4096
_WORDS = re.compile(
    rb'<(?:Code|Message)>([^<]{1,200})<|"(?:code|error|detail|message|msg|reason)"\s*:\s*"((?:[^"\\]|\\.){1,200})"',
    re.IGNORECASE,
)


class ForbiddenAddressError(OSError):
    """A link of a public API leads to an address of a private network."""


class Transfer:
    """
    Fetch one file into a local file, over as many connections as necessary.

    :param account: for its proxy and certificates, and its key for a content endpoint at the API's own origin.
    :param file: open for writing, and empty.
    :param refuse: checks the file's first 16 bytes (fewer if it is shorter). Returns None if they are right, else a
        description of them for the message.
    :param api_addresses: see :func:`open_link`.
    :param to_disk: the file will be synced, so do not leave all of the writing to the end.
    """

    def __init__(
        self,
        account: Account,
        file: IO[bytes],
        refuse: Callable[[bytes], str | None],
        *,
        api_addresses: Collection[str] = (),
        to_disk: bool = False,
    ) -> None:
        self._account = account
        self._api_addresses = api_addresses
        self._file = file
        self._refuse = refuse
        self._to_disk = to_disk
        #: Attempts in a row without progress.
        self.fruitless = 0
        self._furthest = 0
        self.restart()

    def restart(self) -> None:
        """Discard the received bytes, because they are wrong."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self._etag: str | None = None
        self._expected: int | None = None
        self._written_back = 0
        #: Bytes received.
        self.size = 0
        #: The size at the last check of the transfer rate.
        self._passed = 0

    @property
    def sha256(self) -> str:
        """The hash of the received bytes, as hexadecimal digits."""
        return self._digest.hexdigest()

    def receive(self, url: str) -> None:
        """
        Fetch the missing part.

        After a broken transfer the received bytes are kept, and the next attempt requests the rest, if the host has
        identified the file by an ETag.

        :param url: signed; sent byte for byte.
        :raises ViduUnavailableError: refused, cut off, stalled, or another file; another attempt may work.
        :raises ViduLandingError: permanent: the link leads to plain http or into a private network.
        """
        self.fruitless += 1
        exchange = Exchange(STALL_TIMEOUT, self._has_moved)
        self._passed = self.size
        try:
            with exchange:
                self._receive(url, exchange)
        except ViduUnavailableError as error:
            # It may quote a content endpoint, which was sent the key.
            if exchange.is_over:
                least = MIN_RATE * STALL_TIMEOUT / 1000
                raise ViduUnavailableError(
                    f"The storage host sent less than {least:.0f} kB in {STALL_TIMEOUT:.0f} s."
                ) from None
            raise error.without(self._account.api_key) from None
        finally:
            if self.size > self._furthest:
                # Too few bytes do not count as progress.
                self.fruitless = self.fruitless if exchange.is_over else 0
                self._furthest = self.size

    def _has_moved(self) -> bool:
        """Check whether enough bytes have arrived since the last check."""
        before, self._passed = self._passed, self.size
        return self.size - before >= MIN_RATE * STALL_TIMEOUT

    def _receive(self, url: str, exchange: Exchange) -> None:
        headers = {}
        if self.size and self._etag:
            headers = {"Range": f"bytes={self.size}-", "If-Range": self._etag}
        try:
            opened = open_link(self._account, url, headers, self._api_addresses)
        except ViduUnavailableError as error:
            if error.http_status == 416:
                self.restart()
            raise
        with opened as response:
            is_part = response.status == 206
            content_range = response.headers.get("Content-Range", "").strip() if is_part else ""
            part = _PARTIAL.fullmatch(content_range)
            # If a host does not know the file's length, assume that it sends all of it. An MP4 shows what is missing.
            length = None if part is None else int(part[2]) + 1 if part[3] == "*" else int(part[3])
            if self.size == 0:
                # Some hosts answer a request for the whole file with a 206 that contains all of it.
                fits = not content_range or (part is not None and int(part[1]) == 0 and int(part[2]) + 1 == length)
            else:
                # A host may ignore If-Range and send a part of a newer file.
                fits = part is not None and int(part[1]) == self.size and self._is_of(response, length)
            if not fits:
                self.restart()
                if is_part:
                    raise ViduUnavailableError("The storage host sent a different part of the file than requested.")
            encoding = response.headers.get("Content-Encoding", "").strip().lower()
            is_packed = encoding in {*_GZIP, "deflate"}
            expected = length if part else _length(response)
            if is_packed:
                # The host counts compressed bytes.
                expected = None
            read = _decoder(response, encoding)
            self._expected = expected
            self._check_size(expected)
            # A weak ETag does not promise the same bytes (RFC 9110, 13.1.5).
            etag = response.headers.get("ETag", "")
            self._etag = etag if etag.startswith('"') and not is_packed else None
            if self.size == 0:
                head = b""
                while len(head) < HEAD and (chunk := _read(read)):
                    head += chunk
                if wrong := self._refuse(head[:HEAD]):
                    raise ViduUnavailableError(f"The storage host sent {wrong}{_words_of(head)}.")
                self._keep(head)
                self._check_size(None)
            while chunk := _read(read):
                self._keep(chunk)
                self._check_size(None)
        if exchange.is_over:
            # A cut-off connection looks like the end of a file without a known length.
            raise ViduUnavailableError("The transfer was cut off.")
        if expected is not None and self.size != expected:
            arrived = self.size
            if arrived > expected:
                self.restart()
            raise ViduUnavailableError(f"The transfer ended after {arrived} of {expected} bytes.")

    def _check_size(self, expected: int | None) -> None:
        """Reject a file that is too large for a video, or for the disk."""
        size = self.size if expected is None else expected
        if size > self._account.max_file_mb * MEGABYTE:
            raise ViduLandingError(
                f"The file is larger than {self._account.max_file_mb:g} MB ({size / MEGABYTE:.0f} MB or more).",
                fate=Fate.PERMANENT,
                advice=(
                    "Nothing of it was kept. The video that you paid for is still at Vidu. To land it, set max_file_mb "
                    f"in the connection's extra to a larger number, then {clear_this_task()}: this submits nothing."
                ),
            )
        free = None if expected is None else _free_bytes(self._file)
        if free is not None and expected is not None and expected - self.size > free:
            # The same error as when the disk fills up during the transfer.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _is_of(self, response: Any, size: int | None) -> bool:
        return response.headers.get("ETag") == self._etag and size == self._expected

    def is_what_the_host_has(self) -> bool:
        """Check whether the received bytes have the MD5 in the host's ETag. Reads the file once more."""
        md5 = _MD5_ETAG.fullmatch(self._etag or "")
        if md5 is None:
            return False
        self._file.flush()
        self._file.seek(0)
        found = hashlib.md5(usedforsecurity=False)
        while chunk := self._file.read(CHUNK):
            found.update(chunk)
        return found.hexdigest() == md5[1].lower()

    def _keep(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)
        waiting = self.size - self._written_back
        if self._to_disk and waiting >= WRITE_BACK:
            _write_back(self._file, self._written_back, waiting)
            self._written_back = self.size


def probe_link(account: Account, url: str, api_addresses: Collection[str] = ()) -> tuple[int | None, str | None]:
    """
    Request one byte of a link, and return the file's length and MD5.

    Not by ``HEAD``: a signed link is valid for ``GET`` only.

    :return: the length in bytes and the MD5 as hexadecimal digits; None if the host does not report it. The ETag of an
        object store is the MD5 if the file was uploaded in one piece.
    :raises ViduUnavailableError: see :meth:`Transfer.receive`.
    """
    with (
        Exchange(STALL_TIMEOUT) as exchange,
        open_link(account, url, {"Range": "bytes=0-0"}, api_addresses) as response,
    ):
        if exchange.is_over:
            # Headers that are cut off look complete.
            raise ViduUnavailableError("The storage host could not be reached (timed out).")
        md5 = _MD5_ETAG.fullmatch(response.headers.get("ETag", ""))
        size = _length(response)
        if response.status == 206:
            part = _PARTIAL.fullmatch(response.headers.get("Content-Range", "").strip())
            size = None if part is None or part[3] == "*" else int(part[3])
        return size, md5[1].lower() if md5 else None


def open_link(account: Account, url: str, headers: dict[str, str], api_addresses: Collection[str] = ()) -> Any:
    """
    Open a signed link and follow its redirects. Call this within an :class:`Exchange`.

    :param url: sent byte for byte, as are the redirects.
    :param headers: added to our own.
    :param api_addresses: addresses at which the API was reached. They may be private, since an API in a private network
        has its storage there too. The API's name is not resolved again, because it might now lead elsewhere.
    :return: the answer, with status 200 or 206; close it.
    :raises ViduUnavailableError: refused or unreachable; another attempt may work.
    :raises ViduLandingError: permanent: the link leads to plain http or into a private network.
    """
    allowed = _allowed_addresses(account, api_addresses)
    first = url
    key: dict[str, str] = {}
    for _ in range(MAX_REDIRECTS + 2):
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            # The error's text may quote the link with its signature.
            raise ViduUnavailableError(f"{_which(first, url)} is not a URL.") from None
        if where := _forbidden_place(parts, allowed):
            raise _refused(where, first, url)
        request = _request(url, {"Accept": "*/*", **headers, **key})
        try:
            return _opener(account, url, allowed).open(request, timeout=STALL_TIMEOUT)
        except urllib.error.HTTPError as error:
            with error:
                location = error.headers.get("Location")
                if error.code in {401, 403} and url == first and not key and _is_content_endpoint(account, url):
                    # The key goes only to the API's own host, and follows no redirect.
                    key = {"Authorization": account.authorization}
                    continue
                key = {}
                if error.code not in {301, 302, 303, 307, 308} or not location:
                    words = _words_of(_read_page(error))
                    raise ViduUnavailableError(
                        f"The storage host answered HTTP {error.code} to the signed link{words}.",
                        http_status=error.code,
                    ) from None
            with suppress(ValueError):
                location = urljoin(url, location)
            url = location
        except http.client.InvalidURL:
            # The error's text quotes the link with its signature.
            raise ViduUnavailableError("The storage host redirects to something that is not a URL.") from None
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            # An invalid host name raises a UnicodeError.
            if isinstance(getattr(error, "reason", None), ForbiddenAddressError):
                raise _refused(_private_place(parts), first, url) from None
            raise ViduUnavailableError(f"The storage host could not be reached ({error}).") from error
    raise ViduUnavailableError("The storage host redirects endlessly.")


def send_file(
    account: Account,
    url: str,
    content: bytes,
    media_type: str,
    *,
    api_addresses: Collection[str] = (),
    stop: Callable[[], None] = lambda: None,
) -> str:
    """
    Send a file to a signed link, without the API key. No redirect is followed.

    :param url: sent byte for byte.
    :param api_addresses: see :func:`open_link`.
    :param stop: called before each piece; raises to end the transfer.
    :return: the file's ETag, without quotes.
    :raises ViduUnavailableError: refused, cut off or stalled; another attempt may work.
    :raises ViduConfigurationError: the link leads to plain http or into a private network.
    """
    allowed = _allowed_addresses(account, api_addresses)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ViduUnavailableError("The link for an upload is not a URL.") from None
    if where := _forbidden_place(parts, allowed):
        raise _refused_upload(where)
    sending = _Sending(content, stop)
    request = _request(url, {"Content-Type": media_type, "Content-Length": str(len(content))}, sending)
    exchange = Exchange(STALL_TIMEOUT, sending.has_moved)
    try:
        with exchange, _opener(account, url, allowed).open(request, timeout=STALL_TIMEOUT) as response:
            etag: str = response.headers.get("ETag", "")
    except urllib.error.HTTPError as error:
        with error:
            words = _words_of(_read_page(error))
        raise ViduUnavailableError(f"The storage host answered HTTP {error.code} to an upload{words}.") from None
    except http.client.InvalidURL:
        # The error's text quotes the link with its signature.
        raise ViduUnavailableError("The link for an upload is not a URL.") from None
    except (OSError, UnicodeError, http.client.HTTPException) as error:
        if isinstance(getattr(error, "reason", None), ForbiddenAddressError):
            raise _refused_upload(_private_place(parts)) from None
        cause = exchange.timeout() if exchange.is_over else error
        raise ViduUnavailableError(f"The storage host could not be reached for an upload ({cause}).") from error
    # The tool wants the text inside the quotes.
    etag = etag.strip().removeprefix("W/").strip('"')
    if exchange.is_over or not etag:
        raise ViduUnavailableError("The storage host did not confirm an upload with an ETag.")
    return etag


def _refused_upload(where: str) -> ViduConfigurationError:
    return ViduConfigurationError(
        f"The link for an upload leads to {where}.",
        advice="Nothing was sent there, and nothing is billed. Find out who operates the connection's host.",
    )


class _Sending(io.BytesIO):
    """A file on its way to a storage host, which can be stopped."""

    def __init__(self, content: bytes, stop: Callable[[], None]) -> None:
        super().__init__(content)
        self._stop = stop
        self._passed = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._stop()
        return super().read(size)

    def has_moved(self) -> bool:
        before, self._passed = self._passed, self.tell()
        return self._passed - before >= MIN_RATE * STALL_TIMEOUT


def _allowed_addresses(account: Account, api_addresses: Collection[str]) -> Collection[str] | None:
    """Return the private addresses that a link may lead to; None = all, as the API itself is in a private network."""
    if is_private_by_itself(urlsplit(account.base_url).hostname or ""):
        return None
    # With a proxy, these are the proxy's addresses.
    return frozenset() if proxy_for(account) else frozenset(api_addresses)


def _forbidden_place(parts: SplitResult, allowed: Collection[str] | None) -> str | None:
    """Describe where a link leads, if it must not be opened."""
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host) and allowed is None):
        return f"{parts.scheme}://{parts.netloc}, which is not https"
    is_forbidden = allowed is not None and host not in allowed and not is_public_literal(host)
    return _private_place(parts) if is_forbidden else None


def _private_place(parts: SplitResult) -> str:
    return f"{parts.hostname}, an address of a private network"


def _request(url: str, headers: Mapping[str, str], content: IO[bytes] | None = None) -> urllib.request.Request:
    # Everything that is legal in a request line goes out unchanged.
    target = quote(url, safe=string.punctuation) if not url.isascii() or " " in url else url
    method = "GET" if content is None else "PUT"
    return urllib.request.Request(target, content, {"User-Agent": USER_AGENT, **headers}, method=method)


def _refused(where: str, first: str, url: str) -> ViduLandingError:
    return ViduLandingError(
        f"{_which(first, url)} leads to {where}.",
        fate=Fate.PERMANENT,
        advice=(
            "Nothing was fetched from there. The video is paid for and safe at Vidu. Find out who operates the "
            "connection's host (a relay, a proxy?). Then fetch the video with ViduHook().download('THE-VIDU-TASK-ID', "
            f"path) or, from Airflow 3.3 on, {clear_this_task()}: it lands the video and submits nothing."
        ),
    )


def _which(first: str, url: str) -> str:
    return "The video's link" if url == first else "A redirect of the video's link"


def _is_content_endpoint(account: Account, url: str) -> bool:
    """Check whether a link has the API's own scheme, host and port, and no query that could be a signature."""
    ours, theirs = urlsplit(account.base_url), urlsplit(url)
    try:
        origins = {(one.scheme, one.hostname, port_of(one)) for one in (ours, theirs)}
        return not theirs.query and len(origins) == 1
    except ValueError:
        return False


def _connect_allowed(
    allowed: Collection[str] | None, address: tuple[str, int], timeout: float, source_address: tuple[str, int] | None
) -> socket.socket:
    """Connect to a public or allowed address; None allows all."""

    def select(found: Sequence[str]) -> Sequence[str]:
        if allowed is None:
            return found
        chosen = [one for one in found if one in allowed or is_public(one)]
        if not chosen:
            raise ForbiddenAddressError(f"{address[0]} has no public address")
        return chosen

    return connect(address, timeout, source_address, select=select)


class _Handler(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Open connections only to allowed addresses, and let their exchange cut them off."""

    def __init__(self, allowed: Collection[str] | None, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._tls = context
        self._connect = partial(_connect_allowed, allowed)

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection_class(http.client.HTTPConnection), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection_class(http.client.HTTPSConnection), request, context=self._tls)

    def _connection_class(self, kind: type[http.client.HTTPConnection]) -> Any:
        def make(*arguments: Any, **named: Any) -> http.client.HTTPConnection:
            connection = kind(*arguments, **named)
            connection._create_connection = self._connect  # type: ignore[attr-defined]
            return connection

        return make


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def http_error_302(self, *arguments: Any, **named: Any) -> None:
        return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _opener(account: Account, url: str, allowed: Collection[str] | None) -> urllib.request.OpenerDirector:
    proxy = proxy_to(account, url)
    # A proxy may be in a private network, and it resolves names itself.
    handler = _Handler(None if proxy else allowed, _tls(account.verify))
    bare, login = split_login(proxy) if proxy else (None, None)
    proxies = {"http": bare, "https": bare} if bare else {}
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler(proxies), handler)
    # urllib ignores a user without a password, and encodes non-ASCII characters differently from the client.
    opener.addheaders = [("Proxy-Authorization", login)] if login else []
    return opener


@lru_cache
def _tls(verify: bool | str) -> ssl.SSLContext:
    # Reading the certificates takes about 20 ms, which a batch would spend on each of thousands of files.
    import certifi

    if isinstance(verify, str):
        return ssl.create_default_context(cafile=verify)
    context = ssl.create_default_context(cafile=certifi.where())
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _write_back(file: IO[bytes], start: int, length: int) -> None:
    # If fsync has to write a whole gigabyte at the end, this takes a third of the download time. POSIX_FADV_DONTNEED
    # makes Linux start writing without waiting. Elsewhere the writing is left to the end.
    if sys.platform == "linux":
        with suppress(OSError):
            os.posix_fadvise(file.fileno(), start, length, os.POSIX_FADV_DONTNEED)


def _free_bytes(file: IO[bytes]) -> int | None:
    try:
        disk = os.fstatvfs(file.fileno())
    except (OSError, AttributeError):
        return None
    return disk.f_bavail * disk.f_frsize


def _length(response: Any) -> int | None:
    value = response.headers.get("Content-Length")
    return int(value) if value and value.isdecimal() else None


def _decoder(response: Any, encoding: str) -> Callable[[], bytes]:
    """Return a function that reads a body in pieces. A host may compress without being asked to."""

    def read() -> bytes:
        piece: bytes = response.read1(CHUNK)
        return piece

    if encoding not in {*_GZIP, "deflate"}:
        # Stores keep what an uploader wrote into this header (utf-8, aws-chunked): ignore it, the first bytes decide.
        return read
    unpacked: Any = None

    def unpack() -> bytes:
        nonlocal unpacked
        while True:
            if unpacked is None or unpacked.eof:
                packed = unpacked.unused_data if unpacked else b""
                while len(packed) < 2 and (more := read()):
                    packed += more
                # Several gzip files in a row are one file. Anything else after the end is ignored.
                if unpacked and (encoding not in _GZIP or not packed.startswith(_GZIP_HEAD)):
                    return b""
                unpacked = zlib.decompressobj(_window_bits(encoding, packed))
            else:
                packed = unpacked.unconsumed_tail or read()
            piece: bytes = unpacked.decompress(packed, CHUNK)
            if piece:
                return piece
            if not packed and not unpacked.eof:
                raise EOFError("the compressed body ended early")

    return unpack


def _window_bits(encoding: str, head: bytes) -> int:
    """Return the format of a compressed body, for zlib."""
    if encoding in _GZIP:
        return 16 + zlib.MAX_WBITS
    # "deflate" means zlib's format in the RFC, but some hosts leave out its head.
    has_head = len(head) > 1 and head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS


def _read_page(error: urllib.error.HTTPError) -> bytes:
    with suppress(OSError, http.client.HTTPException):
        return error.read(_ERROR_BYTES)
    return b""


def _words_of(head: bytes) -> str:
    """Quote the XML or JSON error that a storage host sends instead of a file, without signatures."""
    words = [(xml or json).decode("utf-8", "replace") for xml, json in _WORDS.findall(head)]
    return f": {quoted(': '.join(words))}" if words else ""


def _read(read: Callable[[], bytes]) -> bytes:
    # Separate from writing: a full disk is not a broken transfer, and another attempt would not fix it.
    try:
        return read()
    except (OSError, EOFError, zlib.error, http.client.HTTPException) as error:
        raise ViduUnavailableError(f"The transfer broke off ({type(error).__name__}: {error}).") from error
