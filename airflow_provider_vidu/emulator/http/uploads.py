# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Vidu's upload tool: an uploaded picture is named in ``images`` by its ``ssupload:`` URI.

A client creates an upload with its key, sends the bytes to the storage without it, and finishes with their ``ETag``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web

from airflow_provider_vidu.emulator.http.replies import json_reply
from airflow_provider_vidu.emulator.machine.moments import rfc3339
from airflow_provider_vidu.emulator.machine.refusals import Refusal, about_fields
from airflow_provider_vidu.emulator.machine.state import Vidu
from airflow_provider_vidu.emulator.storage.host import Storage, storage_error
from airflow_provider_vidu.emulator.storage.signed_links import UPLOAD_LIFETIME, LinkRefused, Signer
from airflow_provider_vidu.emulator.video.first_frames import MAX_IMAGE_BYTES

_URI = "ssupload:?id="


@dataclass
class _Upload:
    account: str
    expires: float
    content: bytes | None = None
    is_finished: bool = False

    @property
    def etag(self) -> str | None:
        return None if self.content is None else hashlib.md5(self.content, usedforsecurity=False).hexdigest()


class Uploads:
    """The three calls of the tool, and the pictures that they leave behind."""

    def __init__(self, vidu: Vidu, signer: Signer, storage: Storage, account_of: Callable[[web.Request], str]) -> None:
        self._vidu = vidu
        self._signer = signer
        self._storage = storage
        self._account_of = account_of
        self._uploads: dict[str, _Upload] = {}

    def clear(self) -> None:
        """Forget every upload."""
        self._uploads.clear()

    def content(self, account: str, uri: str) -> bytes | None:
        """Return the picture of a URI; None if the account has no finished upload of that name."""
        upload = self._uploads.get(uri.strip().removeprefix(_URI))
        is_usable = upload is not None and upload.is_finished and upload.account == account
        return upload.content if upload and is_usable else None

    async def create(self, request: web.Request) -> web.Response:
        """Answer ``POST /tools/v2/files/uploads``."""
        account = self._account_of(request)
        if (await _fields(request)).get("scene") != "vidu":
            raise about_fields("FieldInvalid", "scene", detail="must be vidu")
        upload_id, now = self._vidu.trace_id(), self._vidu.clock()
        expires = now + UPLOAD_LIFETIME / self._signer.speed
        self._uploads[upload_id] = _Upload(account, expires)
        put_url = f"http://{request.host}{self._signer.upload_target(upload_id, now)}"
        return json_reply({"id": upload_id, "put_url": put_url, "expires_at": rfc3339(int(expires * 1e9))})

    async def put(self, request: web.Request) -> web.Response:
        """Answer ``PUT`` of the storage's link."""
        try:
            self._storage.check_no_key(request)
            path = self._signer.check(request.raw_path, self._vidu.clock())
            upload = self._uploads.get(path.rpartition("/")[2])
            if upload is None:
                raise LinkRefused(404, "NoSuchUpload", "The specified upload does not exist.")
            if not request.content_type.startswith("image/"):
                raise LinkRefused(400, "InvalidArgument", "The Content-Type must be that of a picture.")
            content = await request.read()
            if not 0 < len(content) <= MAX_IMAGE_BYTES:
                raise LinkRefused(400, "EntityTooLarge", "The picture is empty, or above 50 MB.")
        except LinkRefused as refused:
            return storage_error(refused)
        upload.content = content
        return web.Response(headers={hdrs.ETAG: f'"{upload.etag}"'})

    async def finish(self, request: web.Request) -> web.Response:
        """Answer ``PUT /tools/v2/files/uploads/{id}/finish``."""
        account, upload_id = self._account_of(request), request.match_info["upload_id"]
        upload = self._uploads.get(upload_id)
        if upload is None or upload.account != account:
            raise Refusal("NotFound")
        if upload.content is None or self._vidu.clock() > upload.expires:
            raise Refusal("BadRequest", "bad request: nothing was uploaded in time")
        if (await _fields(request)).get("etag") != upload.etag:
            raise about_fields("FieldInvalid", "etag", detail="must be that of the upload, without quotes")
        upload.is_finished = True
        return json_reply({"uri": f"{_URI}{upload_id}"})


async def _fields(request: web.Request) -> dict[str, Any]:
    try:
        fields = json.loads(await request.read())
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise Refusal("BadRequest", "bad request: the body is not a JSON object")
    return fields
