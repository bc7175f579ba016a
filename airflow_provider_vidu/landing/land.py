# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Land the files of a task: read a fresh link, stream to a temporary file (``transfer``), check the file, move it to the
place that ``destinations`` names, in one step (``publish``).

Links expire within 24 hours, a cover's perhaps within one, so each attempt reads a fresh link from the API.
"""

from __future__ import annotations

import errno
import os
import random
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tenacity

from airflow_provider_vidu.api.errors import (
    Fate,
    ViduConfigurationError,
    ViduError,
    ViduInputError,
    ViduLandingError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.registry import Format
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.images import local_path
from airflow_provider_vidu.landing.destinations import COVER, MAIN, WATERMARKED, Place, Wanted
from airflow_provider_vidu.landing.mp4 import BrokenOff, VideoFacts, check_whole, video_facts
from airflow_provider_vidu.landing.publish import hash_file, open_existing, put_file, size_of
from airflow_provider_vidu.landing.transfer import HEAD, Transfer, probe_link
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

_NOUNS = {"video": "video", "image": "picture", "audio": "sound", None: "file"}
_LINKS = {MAIN: "url", COVER: "cover_url", WATERMARKED: "watermarked_url"}


def land_all(
    client: ViduClient,
    task: ViduTask,
    wanted: Wanted,
    *,
    log: Any,
    read_task: Callable[[], ViduTask] | None = None,
) -> list[dict[str, Any]]:
    """
    Land what a task delivers, then its other wanted files. For the parameters see :func:`land`.

    If the task has several videos, each is landed. A cover or watermarked copy that is missing or cannot be landed only
    causes a warning: the video is what was paid for.

    :return: a list of what :func:`land` returns.
    :raises ViduLandingError: a video could not be landed.
    """
    landed = []
    for number, role in product(range(task.video_count), wanted.roles):
        if role != MAIN and link_of(task, role, number) is None:
            log.warning("Vidu task %s has no %s to land.", task.task_id, _noun(role))
            continue
        try:
            landed.append(land(client, task, wanted, role=role, number=number, log=log, read_task=read_task))
        except ViduLandingError as error:
            # The video is what was paid for: a missing picture must not make it fail.
            if role == MAIN:
                raise
            log.warning("%s", error.message)
    return landed


def land(
    client: ViduClient,
    task: ViduTask,
    wanted: Wanted | str,
    *,
    role: str = MAIN,
    number: int = 0,
    log: Any,
    read_task: Callable[[], ViduTask] | None = None,
) -> dict[str, Any]:
    """
    Land one file of a task. If the same file, by length and MD5, is already at the destination, fetch nothing.

    :param task: in ``success`` and just queried: its link is used first.
    :param wanted: what and where; a string is a folder or a file name, see ``destinations.Wanted``.
    :param role: ``main``, ``cover`` or ``watermarked``.
    :param number: of the main file among those of the task, from 0.
    :param read_task: reads the task with fresh links; None = from the API.
    :return: ``{"kind", "path", "bytes", "sha256", "duration", "width", "height", "fps"}`` of the landed file. The kind
        of the main file is what it is (``video``, ``image``, ``audio``), that of another file its role. Seconds, pixels
        and frames per second are those in the file, None if it has none.
    :raises ViduLandingError: the file could not be fetched or written; a retry lands it without submitting.
    """
    wanted = Wanted(wanted) if isinstance(wanted, str) else wanted
    place = wanted.place(task, role, number)
    links = _Links(client, task, role, number, read_task)
    try:
        landed = _find_existing(links, place) or _fetch(links, place, log)
    except (ViduConfigurationError, ViduInputError):
        raise
    except Exception as error:
        raise _failure(error, task, place, role) from error
    existed = landed.pop("existed", False)
    log.info(
        "%s %s (%.1f MB%s).",
        "The same file is already at" if existed else "Landed",
        landed["path"],
        landed["bytes"] / 1e6,
        "".join(_measures(landed)),
    )
    return landed if role == MAIN else {**landed, "kind": role}


def link_of(task: ViduTask, role: str, number: int = 0) -> str | None:
    """Return the signed link of one of a task's files; ``number`` is that of the video, from 0."""
    # Some hosts put the copies of a single video into creations of their own.
    videos = task.creations if not number and task.video_count == 1 else task.videos[number : number + 1]
    return next((link for creation in videos if (link := getattr(creation, _LINKS[role]))), None)


def _noun(role: str, place: Place | None = None) -> str:
    if role == MAIN:
        return _NOUNS[place.kind if place else None]
    return {COVER: "cover picture", WATERMARKED: "watermarked copy"}[role]


class _Links:
    """The links of one file. Each is used once: after a broken transfer it may have expired."""

    def __init__(
        self,
        client: ViduClient,
        task: ViduTask,
        role: str,
        number: int,
        read_task: Callable[[], ViduTask] | None,
    ) -> None:
        self.account = client.account
        #: Filled in by the calls that read the links.
        self.api_addresses = client.addresses
        self._role = role
        self._number = number
        self._read_task = read_task or (lambda: client.get_task(task.task_id))
        self._task = task
        # A client that has not called the API yet does not know the API's address; reading the task shows it.
        self._first: ViduTask | None = task if client.addresses or client.account.is_loopback else None

    def fresh(self) -> str:
        """Return the link to use now."""
        self._task, self._first = self._first or self._read_task(), None
        link = link_of(self._task, self._role, self._number)
        if not link:
            raise ViduUnavailableError(f"Vidu returned no link to the {_noun(self._role)}.", task_id=self._task.task_id)
        return link

    def reuse(self) -> None:
        """Use the last link once more, after a probe of it."""
        self._first = self._task


def _find_existing(links: _Links, place: Place) -> dict[str, Any] | None:
    sizes = {path: size for path in place.paths if (size := size_of(path))}
    if not sizes:
        return None
    try:
        expected, md5 = probe_link(links.account, links.fresh(), links.api_addresses)
    except ViduUnavailableError:
        return None
    links.reuse()
    if md5 is None:
        return None
    same = (_read_existing(path, size, md5, place) for path, size in sizes.items() if size == expected)
    return next((facts for facts in same if facts is not None), None)


def _read_existing(path: str, size: int, md5: str, place: Place) -> dict[str, Any] | None:
    try:
        with open_existing(path) as file:
            hashes = hash_file(file)
            found = _format_of(file, place)
            if (hashes.size, hashes.md5) != (size, md5) or found is None or place.path(found) != path:
                return None
            return _facts(path, hashes.sha256, file, size, found, existed=True)
    except Exception:
        # A file that cannot be read is replaced, as is any file that is not known to be the same.
        return None


def _fetch(links: _Links, place: Place, log: Any) -> dict[str, Any]:
    local = local_path(place.stem)
    folder = local.parent if local else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    # For a local destination the file is beside it, so that the last step is a rename, under a name that no other try
    # has.
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".vidu-", suffix=".part", delete=False) as file:
        part = Path(file.name)
    try:
        with part.open("w+b") as file:
            transfer = Transfer(
                links.account,
                file,
                partial(_refuse, place),
                api_addresses=links.api_addresses,
                to_disk=local is not None,
            )
            found = _receive(transfer, links, place, file, log)
            path = place.path(found)
            facts = _facts(path, transfer.sha256, file, transfer.size, found)
            file.flush()
            if local is not None:
                # Otherwise a power cut after the rename could leave an empty file at the destination.
                os.fsync(file.fileno())
        if Path(path).suffix.lower() not in found.suffixes:
            log.warning("The name %s does not fit its content, which is that of a %s file.", path, found.suffixes[0])
        if local is None:
            # See put_file.
            part = part.rename(part.with_suffix(found.suffixes[0]))
        put_file(part, path, local_path(path))
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:
            # An upload to an object store can fill the worker's own disk for temporary files: name that folder.
            error.filename = str(part.parent)
        raise
    finally:
        part.unlink(missing_ok=True)
    return facts


def _receive(transfer: Transfer, links: _Links, place: Place, file: Any, log: Any) -> Format:
    def attempt() -> Format:
        transfer.receive(links.fresh())
        file.flush()
        found = _format_of(file, place)
        if found is None:
            raise AssertionError("the transfer keeps no other file")
        if found.kind != "video":
            return found
        try:
            check_whole(file, transfer.size)
        except BrokenOff as error:
            if transfer.is_what_the_host_has():
                # Length and MD5 are right, so a newer encoder may have written boxes that are unknown here.
                log.warning("%s It is landed anyway: the storage host has the same bytes.", error)
                return found
            # It is unknown which bytes are wrong, so fetching the rest would not fix it.
            transfer.restart()
            raise ViduUnavailableError(str(error)) from None
        return found

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ViduUnavailableError),
        stop=lambda state: transfer.fruitless >= ATTEMPTS or state.attempt_number >= MAX_ATTEMPTS,
        wait=lambda state: random.uniform(0, min(MAX_GAP, 2.0**transfer.fruitless)),  # ruff: ignore[suspicious-non-cryptographic-random-usage]
        sleep=timing.sleep,
        reraise=True,
    )
    return retrying(attempt)


def _refuse(place: Place, head: bytes) -> str | None:
    found = place.produces.format_of(head)
    if found is None:
        return f"something that is not {place.produces.name} ({head[:8]!r})"
    if found in place.formats:
        return None
    noun = _NOUNS[found.kind]
    raise ViduLandingError(
        f"it is a {noun}, and the name is that of a {_NOUNS[place.kind]}.",
        fate=Fate.PERMANENT,
        advice=(
            f"Nothing was written. The {noun} is paid for and safe at Vidu. Correct the destination: a folder, or a "
            f"name that ends in {found.suffixes[0]}. Then fetch it with ViduHook().download('THE-VIDU-TASK-ID', path) "
            f"or, from Airflow 3.3 on, {clear_this_task()}: it lands the {noun} and submits nothing."
        ),
    )


def _format_of(file: Any, place: Place) -> Format | None:
    file.seek(0)
    return place.produces.format_of(file.read(HEAD))


def _facts(path: str, sha256: str, file: Any, size: int, found: Format, **more: bool) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "path": path,
        "bytes": size,
        "sha256": sha256,
        **asdict(video_facts(file, size) if found.kind == "video" else _picture_facts(file)),
        **more,
    }


def _picture_facts(file: Any) -> VideoFacts:
    from PIL import Image

    try:
        file.seek(0)
        with Image.open(file) as picture:
            return VideoFacts(width=picture.width, height=picture.height)
    except Exception:
        # Pillow raises errors of many kinds. What it cannot read, such as a sound, is still landed.
        return VideoFacts()


def _measures(landed: dict[str, Any]) -> list[str]:
    measures = []
    if landed["duration"]:
        measures.append(f", {landed['duration']:.1f} s")
    if landed["width"]:
        measures.append(f", {landed['width']}x{landed['height']}")
    return measures


def _advice_about(error: Exception, noun: str) -> str:
    """Return what to do if the download or the destination failed."""
    if isinstance(error, ViduLandingError):
        return error.advice
    if isinstance(error, ViduError):
        return ViduLandingError.default_advice.replace("The video", f"The {noun}")
    is_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    fix = "Free space there" if is_full else "Correct the path or its permissions"
    return (
        f"The {noun} is safe at Vidu. {fix}, then retry or, from Airflow 3.3 on, {clear_this_task()}: it lands the "
        f"{noun} and submits nothing."
    )


def _failure(error: Exception, task: ViduTask, place: Place, role: str) -> ViduLandingError:
    cause = error.message if isinstance(error, ViduError) else f"{type(error).__name__}: {error}"
    noun = _noun(role, place)
    return ViduLandingError(
        f"The {noun} could not be landed at {place}: {cause}",
        fate=error.fate if isinstance(error, ViduLandingError) else None,
        advice=_advice_about(error, noun),
        task_id=task.task_id,
        state=task.state,
        credits=task.credits,
    )
