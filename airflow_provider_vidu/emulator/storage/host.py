# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The storage host to which signed links lead: files with ranges, and S3's errors.

Vidu's storage is another company's machine. An API key that reaches it has leaked: it is refused and counted.
"""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from aiohttp import hdrs, web

from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.emulator.machine.counters import Counters
from airflow_provider_vidu.emulator.machine.emulated_task import EmulatedTask
from airflow_provider_vidu.emulator.machine.state import Vidu
from airflow_provider_vidu.emulator.storage.creations import Creations, RendererMissing
from airflow_provider_vidu.emulator.storage.signed_links import (
    VIDEO,
    WATERMARKED,
    LinkRefused,
    Signer,
    content_disposition,
    file_of,
)

_CONTENT_TYPES = {"mp4": "video/mp4", "jpeg": "image/jpeg", "png": "image/png", "wav": "audio/wav"}


class Storage:
    """Answers downloads, and counts them and leaked keys."""

    def __init__(self, vidu: Vidu, signer: Signer, creations: Creations, counters: Counters) -> None:
        self._vidu = vidu
        self._signer = signer
        self._creations = creations
        self._counters = counters

    async def download(self, request: web.Request) -> web.Response:
        """Answer ``GET`` and ``HEAD`` of a signed link: the file, the requested range of it (206), or an XML error."""
        try:
            self.check_no_key(request)
            task_id, file = file_of(self._signer.check(request.raw_path, self._vidu.clock()))
            task = self._task(task_id)
            content = await self._creations.file(task, file)
        except LinkRefused as refused:
            return storage_error(refused)
        except RendererMissing as missing:
            return storage_error(LinkRefused(501, "NotImplemented", str(missing)))
        self._counters.downloads += request.method == hdrs.METH_GET
        return _file(request, content, _CONTENT_TYPES[file.rpartition(".")[2]])

    def check_no_key(self, request: web.Request) -> None:
        """
        Count an API key that has reached the storage.

        :raises LinkRefused: there is one.
        """
        if hdrs.AUTHORIZATION in request.headers:
            self._counters.leaked_keys += 1
            raise LinkRefused(
                400,
                "InvalidArgument",
                "Only one auth mechanism allowed: this request carries an Authorization header to the storage "
                "host. An API key must not be sent here.",
            )

    def find_video(self, url: str) -> EmulatedTask | None:
        """Return the task to whose video a link leads; None = it is not a valid link of this storage to a video."""
        try:
            parts = urlsplit(url)
            task_id, file = file_of(self._signer.check(f"{parts.path}?{parts.query}", self._vidu.clock()))
            return self._task(task_id) if file in {VIDEO, WATERMARKED} else None
        except (LinkRefused, ValueError):
            return None

    def _task(self, task_id: str) -> EmulatedTask:
        found = self._vidu.tasks(task_ids=[task_id])
        if not found or found[0].state is not TaskState.SUCCESS:
            raise LinkRefused(404, "NoSuchKey", "The specified key does not exist.")
        return found[0]


def _file(request: web.Request, content: bytes, content_type: str) -> web.Response:
    etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
    headers = {
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.ETAG: etag,
        hdrs.CONTENT_DISPOSITION: content_disposition(request.raw_path),
    }
    size = len(content)
    try:
        asked = request.http_range
        # A changed file is sent whole: a part of it would not match what the client has.
        ranged = asked != slice(None, None, 1) and request.headers.get(hdrs.IF_RANGE, etag) == etag
        start, stop, _ = asked.indices(size) if ranged else (0, size, 1)
        if ranged and start >= stop:
            raise ValueError("empty range")
    except ValueError:
        headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
        return web.Response(status=416, headers=headers)
    if ranged:
        headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{size}"
    return web.Response(
        body=content[start:stop], status=206 if ranged else 200, headers=headers, content_type=content_type
    )


def storage_error(refused: LinkRefused) -> web.Response:
    """Return a refusal as the storage words it: in XML."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{refused.code}</Code><Message>{escape(refused.message)}</Message></Error>"
    )
    return web.Response(text=text, status=refused.status, content_type="application/xml")
