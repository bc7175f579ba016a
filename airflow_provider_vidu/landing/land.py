# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
From a fresh URL to a whole file at its destination.

Streams to a local temporary file (``transfer``), checks it, then puts it in one step (``destinations``). The link is
read from the API just before, and again for every further attempt: it dies within 24 hours, a cover's perhaps within
one.
"""

from __future__ import annotations

import errno
import os
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tenacity

from airflow_provider_vidu.api.errors import (
    ViduConfigurationError,
    ViduError,
    ViduInputError,
    ViduLandingError,
    ViduUnavailableError,
)
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.images import local_path
from airflow_provider_vidu.landing.destinations import (
    COVER,
    VIDEO,
    WATERMARKED,
    Wanted,
    hash_file,
    open_existing,
    put_file,
    size_of,
)
from airflow_provider_vidu.landing.mp4 import BrokenOff, VideoFacts, check_whole, is_mp4, video_facts
from airflow_provider_vidu.landing.transfer import Transfer, probe_link

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient

#: A download that brings nothing new is tried this often; each time the URL is read from the API anew …
ATTEMPTS = 4
#: … and one that does, this often.
MAX_ATTEMPTS = 50
#: Seconds between two attempts at the most.
MAX_GAP = 15.0

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")


def land_all(
    client: ViduClient,
    task: ViduTask,
    wanted: Wanted,
    *,
    log: Any,
    read_task: Callable[[], ViduTask] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[dict[str, Any]]:
    """
    Bring the files of a task to their destinations: the video, then what else is wanted of it.

    :param client: see :func:`land`.
    :param task: see :func:`land`.
    :param wanted: what, and where to. A cover or a watermarked copy that the task does not have, or that cannot be
        landed, is warned of: the video is what was paid for.
    :param log: see :func:`land`.
    :param read_task: see :func:`land`.
    :param sleep: see :func:`land`.
    :return: a list of what :func:`land` returns.
    :raises ViduLandingError: see :func:`land`.
    """
    landed = []
    for kind in wanted.kinds:
        if kind != VIDEO and link_of(task, kind) is None:
            log.warning("Vidu task %s has no %s: none is landed.", task.task_id, _WORDS[kind])
            continue
        try:
            landed.append(land(client, task, wanted, kind=kind, log=log, read_task=read_task, sleep=sleep))
        except ViduLandingError as error:
            # The video is what was paid for: it must not fail, and be forgotten, for want of a picture.
            if kind == VIDEO:
                raise
            log.warning("%s", error.message)
    return landed


def land(
    client: ViduClient,
    task: ViduTask,
    wanted: Wanted | str,
    *,
    kind: str = VIDEO,
    log: Any,
    read_task: Callable[[], ViduTask] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """
    Bring one file of a task to its destination.

    Where the same bytes stand already, by length and MD5, nothing is fetched.

    :param client: whom to ask for a fresh URL.
    :param task: in ``success``, just queried: its URL is used first.
    :param wanted: where to; a mere destination is a folder or a file name, see ``destinations.Wanted``.
    :param kind: ``video``, ``cover`` or ``watermarked``.
    :param log: where the landed file is told.
    :param read_task: how to read the task's link anew; None = from the API.
    :param sleep: seconds; injected by tests.
    :return: ``{"kind", "path", "bytes", "sha256", "duration", "width", "height", "fps"}`` of the landed file; seconds,
        pixels and frames a second as the file tells them, None where it does not.
    :raises ViduLandingError: it could not be fetched or put; a retry lands it without submitting.
    """
    wanted = Wanted(wanted) if isinstance(wanted, str) else wanted
    target = wanted.path(task, kind)
    links = _Links(client, task, kind, read_task)
    try:
        landed = _find_existing(links, target) or _fetch(links, target, sleep, log)
    except (ViduConfigurationError, ViduInputError):
        raise
    except Exception as error:
        raise _failure(error, task, target, kind) from error
    existed = landed.pop("existed", False)
    log.info(
        "%s %s (%.1f MB%s).",
        "The same file stands already at" if existed else "Landed",
        landed["path"],
        landed["bytes"] / 1e6,
        "".join(_measures(landed)),
    )
    return {"kind": kind, **landed}


def link_of(task: ViduTask, kind: str) -> str | None:
    """
    Return the signed link of one of a task's files.

    :param task: as queried.
    :param kind: ``video``, ``cover`` or ``watermarked``.
    """
    if kind == VIDEO:
        return task.video_url
    name = {COVER: "cover_url", WATERMARKED: "watermarked_url"}[kind]
    return next((link for creation in task.creations if (link := getattr(creation, name))), None)


_WORDS = {VIDEO: "video", COVER: "cover picture", WATERMARKED: "watermarked copy"}


class _Links:
    """The links of one file, each used once: what broke off may have expired."""

    def __init__(self, client: ViduClient, task: ViduTask, kind: str, read_task: Callable[[], ViduTask] | None) -> None:
        self.account = client.account
        #: Filled by the calls that read the links.
        self.api_addresses = client.addresses
        self.kind = kind
        self._read_task = read_task or (lambda: client.get_task(task.task_id))
        self._task = task
        # Where this client has not called the API, it does not know yet by which address that is reached.
        self._first: ViduTask | None = task if client.addresses or client.account.is_loopback else None

    def fresh(self) -> str:
        """Return the link to use now."""
        self._task, self._first = self._first or self._read_task(), None
        link = link_of(self._task, self.kind)
        if not link:
            raise ViduUnavailableError(f"Vidu gives no URL for the {_WORDS[self.kind]}.", task_id=self._task.task_id)
        return link

    def reuse(self) -> None:
        """Use the last link once more: it was only asked what it leads to."""
        self._first = self._task


def _find_existing(links: _Links, target: str) -> dict[str, Any] | None:
    size = size_of(target)
    if not size:
        return None
    try:
        expected, md5 = probe_link(links.account, links.fresh(), links.api_addresses)
    except ViduUnavailableError:
        return None
    links.reuse()
    if md5 is None or expected != size:
        return None
    try:
        with open_existing(target) as file:
            found = hash_file(file)
            if (found.size, found.md5) != (size, md5):
                return None
            facts = _read_facts(file, size, links.kind)
    except Exception:
        # It may be seen and not be read: then it is replaced, as whatever is not known to be the same.
        return None
    return {"path": target, "bytes": size, "sha256": found.sha256, **facts, "existed": True}


def _fetch(links: _Links, target: str, sleep: Callable[[float], None], log: Any) -> dict[str, Any]:
    local = local_path(target)
    folder = local.parent if local else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    # Beside the destination, so that the last step is a rename; the name cannot collide with another try's. Elsewhere
    # it ends as the destination does: object stores tell the media type by that.
    suffix = ".part" if local is not None else Path(target).suffix
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".vidu-", suffix=suffix, delete=False) as file:
        part = Path(file.name)
    try:
        with part.open("w+b") as file:
            transfer = Transfer(
                links.account,
                file,
                _wrong_kind(links.kind),
                api_addresses=links.api_addresses,
                to_disk=local is not None,
            )
            _receive(transfer, links, file, sleep, log)
            facts = _read_facts(file, transfer.size, links.kind)
            file.flush()
            if local is not None:
                # After a rename, a power cut must not leave an empty file at the destination.
                os.fsync(file.fileno())
        put_file(part, target, local)
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:
            # On the way to an object store it is the worker's own disk for temporary files, which nobody would guess.
            error.filename = str(part.parent)
        raise
    finally:
        part.unlink(missing_ok=True)
    return {"path": target, "bytes": transfer.size, "sha256": transfer.sha256, **facts}


def _receive(transfer: Transfer, links: _Links, file: Any, sleep: Callable[[float], None], log: Any) -> None:
    def attempt() -> None:
        transfer.receive(links.fresh())
        if links.kind == COVER:
            return
        file.flush()
        try:
            check_whole(file, transfer.size)
        except BrokenOff as error:
            if transfer.is_what_the_host_has():
                # By length and MD5 this is the file; who knows what a newer encoder writes.
                log.warning("%s Yet it is what the storage host has, byte for byte: it is landed.", error)
                return
            # What is wrong about it cannot be known: the rest of it would not mend it.
            transfer.restart()
            raise ViduUnavailableError(str(error)) from None

    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ViduUnavailableError),
        stop=lambda state: transfer.fruitless >= ATTEMPTS or state.attempt_number >= MAX_ATTEMPTS,
        wait=lambda state: random.uniform(0, min(MAX_GAP, 2.0**transfer.fruitless)),  # ruff: ignore[suspicious-non-cryptographic-random-usage]
        sleep=sleep,
        reraise=True,
    )(attempt)


def _wrong_kind(kind: str) -> Callable[[bytes], str | None]:
    def wrong(head: bytes) -> str | None:
        if kind == COVER:
            return None if head.startswith(_PICTURES) else f"something that is not a picture ({head[:8]!r})"
        return None if is_mp4(head) else f"something that is not an MP4 ({head[:8]!r})"

    return wrong


def _read_facts(file: Any, size: int, kind: str) -> dict[str, Any]:
    if kind != COVER:
        return asdict(video_facts(file, size))
    from PIL import Image

    try:
        file.seek(0)
        with Image.open(file) as picture:
            return asdict(VideoFacts(width=picture.width, height=picture.height))
    except Exception:
        # Pillow's errors are of many kinds; a picture that only it cannot read is landed all the same.
        return asdict(VideoFacts())


def _measures(landed: dict[str, Any]) -> list[str]:
    told = []
    if landed["duration"]:
        told.append(f", {landed['duration']:.1f} s")
    if landed["width"]:
        told.append(f", {landed['width']}x{landed['height']}")
    return told


def _advice_about(error: Exception) -> str | None:
    """Return what to do about a destination that fails; None = it is the download that fails."""
    if isinstance(error, ViduError):
        return None
    is_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    fix = "Free space there" if is_full else "Correct the path or its permissions"
    return (
        f"The video is safe at Vidu. {fix}, then retry or, from Airflow 3.3 on, {clear_this_task()}: it lands the "
        "video and submits nothing."
    )


def _failure(error: Exception, task: ViduTask, target: str, kind: str) -> ViduLandingError:
    cause = error.message if isinstance(error, ViduError) else f"{type(error).__name__}: {error}"
    return ViduLandingError(
        f"The {_WORDS[kind]} could not be landed at {target}: {cause}",
        fate=error.fate if isinstance(error, ViduLandingError) else None,
        advice=error.advice if isinstance(error, ViduLandingError) else _advice_about(error),
        task_id=task.task_id,
        state=task.state,
        credits=task.credits,
    )
