# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
From a fresh URL to a whole file at its destination.

Streams to a local temporary file, checks it, then puts it in one step: an object store sees one upload of a whole
file, a local folder one rename. A file closed after an exception would still be published by fsspec, so nothing is
ever written straight to its destination. The API key never travels to the storage host, and a signed URL goes out
byte for byte: ``requests`` and ``urllib3`` re-quote it, which breaks signatures, so the standard library fetches it.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import ssl
import string
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

import tenacity

from airflow_provider_vidu.api.account import is_loopback
from airflow_provider_vidu.api.errors import (
    ViduConfigurationError,
    ViduError,
    ViduInputError,
    ViduLandingError,
    ViduUnavailableError,
)
from airflow_provider_vidu.client import USER_AGENT, proxy_for
from airflow_provider_vidu.images import local_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_vidu.api.account import Account
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient

#: A download is tried this often; each time the URL is read from the API anew.
ATTEMPTS = 4
#: Redirects that a storage host may make.
MAX_REDIRECTS = 5
#: Seconds without a byte after which a transfer counts as broken.
STALL_TIMEOUT = 60.0

_CHUNK = 1024 * 1024
_VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v"})


def land(
    client: ViduClient,
    task: ViduTask,
    destination: str,
    *,
    log: Any,
    look: Callable[[], ViduTask] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """
    Bring the video of a task to its destination.

    :param client: whom to ask for a fresh URL.
    :param task: in ``success``, just queried: its URL is used first.
    :param destination: a file name, or a folder (ends with a slash, or has no video suffix), in which the
        video is called ``<task id>.mp4``. A local path or any ``ObjectStoragePath`` URL.
    :param log: where the landed file is told.
    :param look: how to read the task's link anew; None = from the API.
    :param sleep: seconds; injected by tests.
    :return: ``{"path", "bytes", "sha256"}`` of the landed file.
    :raises ViduLandingError: it could not be fetched or put; a retry lands it without submitting.
    """
    target = video_path(destination, task.task_id)
    local = local_path(target)
    folder = local.parent if local else None
    current = task

    def fetch() -> dict[str, Any]:
        nonlocal current
        if current.video_url is None:
            current = look() if look else client.get_task(task.task_id)
        url, current = current.video_url, current.model_copy(update={"creations": ()})
        if not url:
            raise ViduUnavailableError("Vidu gives no URL for the video.", task_id=task.task_id)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        # Beside the destination, so that the last step is a rename; the name cannot collide with another try's.
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".vidu-", suffix=".part", delete=False) as file:
            part = Path(file.name)
        try:
            with part.open("wb") as file:
                facts = fetch_video(client.account, url, file)
            check_container(part)
            put_file(part, target, local)
        finally:
            part.unlink(missing_ok=True)
        return {"path": target, **facts}

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ViduUnavailableError),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=1, max=15),
        sleep=sleep,
        reraise=True,
    )
    try:
        landed = retrying(fetch)
    except ViduConfigurationError:
        raise
    except Exception as error:
        cause = error.message if isinstance(error, ViduError) else f"{type(error).__name__}: {error}"
        raise ViduLandingError(
            f"The video could not be landed at {target}: {cause}",
            task_id=task.task_id,
            state=task.state,
            credits=task.credits,
        ) from error
    log.info("Landed %s (%.1f MB).", landed["path"], landed["bytes"] / 1e6)
    return landed


def check_destination(destination: Any) -> None:
    """
    Refuse a destination that cannot be opened, before anything is paid for.

    :param destination: see :func:`land`.
    :raises ViduInputError: not a path or URL, or of a file system that no installed provider brings.
    """
    if not isinstance(destination, (str, os.PathLike)) or not os.fspath(destination).strip():
        raise ViduInputError(f"output_path must be a path or a URL, got {destination!r}.")
    target = video_path(os.fspath(destination), "video")
    if local_path(target) is None:
        from airflow.sdk import ObjectStoragePath

        try:
            _ = ObjectStoragePath(target).fs
        except (ValueError, ImportError) as error:
            raise ViduInputError(
                f"output_path {destination} cannot be opened ({error}). Its file system needs the Airflow provider "
                f"that brings it, with its extra (for s3: apache-airflow-providers-amazon[s3fs])."
            ) from error


def video_path(destination: str, task_id: str) -> str:
    """
    Return the file name for a destination.

    :param destination: see :func:`land`.
    :param task_id: names the file inside a folder.
    """
    text = os.fspath(destination).strip()
    name = text.rstrip("/").rsplit("/", 1)[-1]
    is_folder = text.endswith("/") or Path(name).suffix.lower() not in _VIDEO_SUFFIXES
    return f"{text.rstrip('/')}/{task_id}.mp4" if is_folder else text


def fetch_video(account: Account, url: str, file: IO[bytes]) -> dict[str, Any]:
    """
    Stream a video into a file and check that it arrived whole.

    :param account: its proxy and certificates are used; its key is not.
    :param url: signed; sent byte for byte.
    :param file: open for writing; must be flushed to disk by this function's end.
    :return: ``{"bytes", "sha256"}``.
    :raises ViduUnavailableError: refused, cut off, stalled, or not a video.
    :raises ViduConfigurationError: a link or redirect to plain http.
    """
    digest = hashlib.sha256()
    size = 0
    head = b""
    try:
        response = _open(account, url)
    except urllib.error.HTTPError as error:
        error.close()
        raise ViduUnavailableError(
            f"The storage host answered HTTP {error.code} to the signed link.", http_status=error.code
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise ViduUnavailableError(f"The storage host could not be reached ({error}).") from error
    with response:
        expected = response.headers.get("Content-Length")
        while chunk := _read(response):
            head = head or chunk[:12]
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    file.flush()
    os.fsync(file.fileno())
    if expected is not None and size != int(expected):
        raise ViduUnavailableError(f"The transfer ended after {size} of {expected} bytes.")
    # ISO base media: every MP4 begins with its ftyp box.
    if head[4:8] != b"ftyp":
        raise ViduUnavailableError(f"The storage host answered something that is not an MP4 ({head[:8]!r}).")
    return {"bytes": size, "sha256": digest.hexdigest()}


def check_container(path: Path) -> None:
    """
    Check that an MP4 is whole, by the sizes that its outermost boxes tell.

    A host may announce the length of what it has cut off, or none: then the transfer itself looks well.

    :param path: a local file that begins with ``ftyp``.
    :raises ViduUnavailableError: a box reaches beyond the file's end.
    """
    size = path.stat().st_size
    offset = 0
    with path.open("rb") as file:
        while offset < size:
            file.seek(offset)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if len(header) < 8:
                length = size
            elif length == 1:
                length = int.from_bytes(header[8:16], "big")
            elif length == 0:
                # ISO 14496-12: the last box may go on to the file's end.
                return
            if length < 8 or offset + length > size:
                raise ViduUnavailableError(f"The MP4 breaks off within its {size} bytes.")
            offset += length


def _read(response: Any) -> bytes:
    # Apart from the writing: a full disk is no broken transfer, and trying again would not mend it.
    try:
        chunk: bytes = response.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise ViduUnavailableError(f"The transfer broke off ({type(error).__name__}: {error}).") from error
    return chunk


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any, **named: Any) -> None:
        return None


def _open(account: Account, url: str) -> Any:
    for _ in range(MAX_REDIRECTS + 1):
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise ViduConfigurationError(
                f"The video's link leads to {parts.scheme}://{parts.netloc}, which is not https."
            )
        # Everything that a request line can carry goes out as it is.
        target = quote(url, safe=string.punctuation) if not url.isascii() or " " in url else url
        request = urllib.request.Request(target, headers={"User-Agent": USER_AGENT, "Accept": "*/*"})
        try:
            return _opener(account, parts.hostname or "").open(request, timeout=STALL_TIMEOUT)
        except urllib.error.HTTPError as error:
            location = error.headers.get("Location")
            if error.code not in {301, 302, 303, 307, 308} or not location:
                raise
            error.close()
            url = urljoin(url, location)
    raise ViduUnavailableError("The storage host redirects without end.")


def _opener(account: Account, host: str) -> urllib.request.OpenerDirector:
    proxies = urllib.request.getproxies()
    proxy = proxy_for(account)
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        proxies = {}
    elif proxy:
        proxies = {"http": proxy, "https": proxy}
    return urllib.request.build_opener(
        _NoRedirect, urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=_tls(account))
    )


def _tls(account: Account) -> ssl.SSLContext:
    import certifi

    if isinstance(account.verify, str):
        return ssl.create_default_context(cafile=account.verify)
    context = ssl.create_default_context(cafile=certifi.where())
    if not account.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def put_file(part: Path, target: str, local: Path | None) -> None:
    """
    Put a whole local file at its destination in one step.

    :param part: the file; a rename takes it away.
    :param target: the destination.
    :param local: the same as a local path, on the file's own disk; None = an object store.
    """
    if local is not None:
        # mkstemp makes private files; a landed one is to be as readable as any file of this process.
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)
        os.replace(part, local)
        return
    from airflow.sdk import ObjectStoragePath

    remote = ObjectStoragePath(target)
    put = getattr(remote.fs, "put_file", None)
    if put is not None:
        put(str(part), remote.path)
        return
    with part.open("rb") as source, remote.fs.open(remote.path, "wb") as sink:
        shutil.copyfileobj(source, sink, _CHUNK)
