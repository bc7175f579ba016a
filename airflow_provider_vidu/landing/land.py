# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Land the files of a task: read a fresh link, stream to a temporary file (``transfer``), check the file, move it to its
destination in one step (``destinations``).

Links expire within 24 hours, a cover's perhaps within one, so each attempt reads a fresh link from the API.
"""

from __future__ import annotations

import errno
import os
import random
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from itertools import product
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
from airflow_provider_vidu.api.registry import MP4, Produces
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.images import local_path
from airflow_provider_vidu.landing.destinations import COVER, VIDEO, WATERMARKED, Wanted
from airflow_provider_vidu.landing.mp4 import BrokenOff, VideoFacts, check_whole, video_facts
from airflow_provider_vidu.landing.publish import hash_file, open_existing, put_file, size_of
from airflow_provider_vidu.landing.transfer import Transfer, probe_link
from airflow_provider_vidu.transport import timing

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient

#: Attempts in a row without progress.
ATTEMPTS = 4
#: Attempts in all.
MAX_ATTEMPTS = 50
#: Maximum seconds between two attempts.
MAX_GAP = 15.0

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")


def land_all(
    client: ViduClient,
    task: ViduTask,
    wanted: Wanted,
    *,
    log: Any,
    read_task: Callable[[], ViduTask] | None = None,
) -> list[dict[str, Any]]:
    """
    Land the video of a task, then its other wanted files. For the parameters see :func:`land`.

    If the task has several videos, each is landed. A cover or watermarked copy that is missing or cannot be landed only
    causes a warning: the video is what was paid for.

    :return: a list of what :func:`land` returns.
    :raises ViduLandingError: the video could not be landed.
    """
    landed = []
    for number, kind in product(range(task.video_count), wanted.kinds):
        if kind != VIDEO and link_of(task, kind, number) is None:
            log.warning("Vidu task %s has no %s to land.", task.task_id, _WORDS[kind])
            continue
        try:
            landed.append(land(client, task, wanted, kind=kind, number=number, log=log, read_task=read_task))
        except ViduLandingError as error:
            # The video is what was paid for: a missing picture must not make it fail.
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
    number: int = 0,
    log: Any,
    read_task: Callable[[], ViduTask] | None = None,
) -> dict[str, Any]:
    """
    Land one file of a task. If the same file, by length and MD5, is already at the destination, fetch nothing.

    :param task: in ``success`` and just queried: its link is used first.
    :param wanted: what and where; a string is a folder or a file name, see ``destinations.Wanted``.
    :param kind: ``video``, ``cover`` or ``watermarked``.
    :param number: of the video among those of the task, from 0.
    :param read_task: reads the task with fresh links; None = from the API.
    :return: ``{"kind", "path", "bytes", "sha256", "duration", "width", "height", "fps"}`` of the landed file. Seconds,
        pixels and frames per second are those in the file, None if it has none.
    :raises ViduLandingError: the file could not be fetched or written; a retry lands it without submitting.
    """
    wanted = Wanted(wanted) if isinstance(wanted, str) else wanted
    target = wanted.path(task, kind, number)
    links = _Links(client, task, kind, number, read_task, wanted.produces)
    try:
        landed = _find_existing(links, target) or _fetch(links, target, log)
    except (ViduConfigurationError, ViduInputError):
        raise
    except Exception as error:
        raise _failure(error, task, target, kind) from error
    existed = landed.pop("existed", False)
    log.info(
        "%s %s (%.1f MB%s).",
        "The same file is already at" if existed else "Landed",
        landed["path"],
        landed["bytes"] / 1e6,
        "".join(_measures(landed)),
    )
    return {"kind": kind, **landed}


def link_of(task: ViduTask, kind: str, number: int = 0) -> str | None:
    """Return the signed link of one of a task's files; ``number`` is that of the video, from 0."""
    name = {VIDEO: "url", COVER: "cover_url", WATERMARKED: "watermarked_url"}[kind]
    # Some hosts put the copies of a single video into creations of their own.
    videos = task.creations if not number and task.video_count == 1 else task.videos[number : number + 1]
    return next((link for creation in videos if (link := getattr(creation, name))), None)


_WORDS = {VIDEO: "video", COVER: "cover picture", WATERMARKED: "watermarked copy"}


class _Links:
    """The links of one file. Each is used once: after a broken transfer it may have expired."""

    def __init__(
        self,
        client: ViduClient,
        task: ViduTask,
        kind: str,
        number: int,
        read_task: Callable[[], ViduTask] | None,
        produces: Produces,
    ) -> None:
        self.account = client.account
        #: Filled in by the calls that read the links.
        self.api_addresses = client.addresses
        self.kind = kind
        self._number = number
        self.produces = produces
        self._read_task = read_task or (lambda: client.get_task(task.task_id))
        self._task = task
        # A client that has not called the API yet does not know the API's address; reading the task shows it.
        self._first: ViduTask | None = task if client.addresses or client.account.is_loopback else None

    def fresh(self) -> str:
        """Return the link to use now."""
        self._task, self._first = self._first or self._read_task(), None
        link = link_of(self._task, self.kind, self._number)
        if not link:
            raise ViduUnavailableError(f"Vidu returned no link to the {_WORDS[self.kind]}.", task_id=self._task.task_id)
        return link

    def reuse(self) -> None:
        """Use the last link once more, after a probe of it."""
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
            facts = _read_facts(file, size, links)
    except Exception:
        # A file that cannot be read is replaced, as is any file that is not known to be the same.
        return None
    return {"path": target, "bytes": size, "sha256": found.sha256, **facts, "existed": True}


def _fetch(links: _Links, target: str, log: Any) -> dict[str, Any]:
    local = local_path(target)
    folder = local.parent if local else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    # For a local destination the file is beside it, so that the last step is a rename, under a name that no other try
    # has. For an object store it has the destination's suffix, from which the store guesses the media type.
    suffix = ".part" if local is not None else Path(target).suffix
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".vidu-", suffix=suffix, delete=False) as file:
        part = Path(file.name)
    try:
        with part.open("w+b") as file:
            transfer = Transfer(
                links.account,
                file,
                _wrong_kind(links.kind, links.produces),
                api_addresses=links.api_addresses,
                to_disk=local is not None,
            )
            _receive(transfer, links, file, log)
            facts = _read_facts(file, transfer.size, links)
            file.flush()
            if local is not None:
                # Otherwise a power cut after the rename could leave an empty file at the destination.
                os.fsync(file.fileno())
        put_file(part, target, local)
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:
            # An upload to an object store can fill the worker's own disk for temporary files: name that folder.
            error.filename = str(part.parent)
        raise
    finally:
        part.unlink(missing_ok=True)
    return {"path": target, "bytes": transfer.size, "sha256": transfer.sha256, **facts}


def _receive(transfer: Transfer, links: _Links, file: Any, log: Any) -> None:
    def attempt() -> None:
        transfer.receive(links.fresh())
        if links.kind == COVER or links.produces is not MP4:
            return
        file.flush()
        try:
            check_whole(file, transfer.size)
        except BrokenOff as error:
            if transfer.is_what_the_host_has():
                # Length and MD5 are right, so a newer encoder may have written boxes that are unknown here.
                log.warning("%s It is landed anyway: the storage host has the same bytes.", error)
                return
            # It is unknown which bytes are wrong, so fetching the rest would not fix it.
            transfer.restart()
            raise ViduUnavailableError(str(error)) from None

    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ViduUnavailableError),
        stop=lambda state: transfer.fruitless >= ATTEMPTS or state.attempt_number >= MAX_ATTEMPTS,
        wait=lambda state: random.uniform(0, min(MAX_GAP, 2.0**transfer.fruitless)),  # ruff: ignore[suspicious-non-cryptographic-random-usage]
        sleep=timing.sleep,
        reraise=True,
    )(attempt)


def _wrong_kind(kind: str, produces: Produces) -> Callable[[bytes], str | None]:
    def wrong(head: bytes) -> str | None:
        if kind == COVER:
            return None if head.startswith(_PICTURES) else f"something that is not a picture ({head[:8]!r})"
        return None if produces.matches_start(head) else f"something that is not {produces.name} ({head[:8]!r})"

    return wrong


def _read_facts(file: Any, size: int, links: _Links) -> dict[str, Any]:
    if links.kind != COVER and links.produces is MP4:
        return asdict(video_facts(file, size))
    from PIL import Image

    try:
        file.seek(0)
        with Image.open(file) as picture:
            return asdict(VideoFacts(width=picture.width, height=picture.height))
    except Exception:
        # Pillow raises errors of many kinds. A picture that Pillow cannot read is still landed.
        return asdict(VideoFacts())


def _measures(landed: dict[str, Any]) -> list[str]:
    measures = []
    if landed["duration"]:
        measures.append(f", {landed['duration']:.1f} s")
    if landed["width"]:
        measures.append(f", {landed['width']}x{landed['height']}")
    return measures


def _advice_about(error: Exception) -> str | None:
    """Return what to do if the destination failed; None = the download failed."""
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
