# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Signed links to the files of a task, in the form of Vidu's storage: an S3 query signature that expires.

The signature covers path and query exactly as they are in the link. A client that re-quotes the link gets a 403 here,
as was observed with Vidu's storage. Every answer has newly signed links.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import parse_qs, quote

from airflow_provider_vidu.emulator.machine.emulated_task import EmulatedTask

VIDEO = "video.mp4"
COVER = "cover.jpeg"
WATERMARKED = "watermarked.mp4"
IMAGE = "image.png"
AUDIO = "audio.wav"

#: Observed lifetimes of Vidu's links, in seconds: the cover's expires earlier.
LIFETIMES = {VIDEO: 86_400, COVER: 3_600, WATERMARKED: 86_400, IMAGE: 86_400, AUDIO: 86_400}

#: Where uploads go, and how long their links live; Vidu's answer says when, no page how long.
UPLOADS = "/storage/uploads"
UPLOAD_LIFETIME = 3_600

_PREFIX = "/storage/infer/tasks"
_PATH = re.compile(rf"{_PREFIX}/\d\d/\d{{4}}/\d\d/(\d+)/creation-01/({'|'.join(LIFETIMES)})", re.ASCII)
_SIGNATURE = "&X-Amz-Signature="
_DATE = "%Y%m%dT%H%M%SZ"


class LinkRefused(Exception):
    """What the storage answers instead of a file, in S3's words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Signer:
    """
    Signs links and checks them.

    :param secret: of the storage; unrelated to an API key.
    :param speed: divides the lifetimes.
    """

    secret: bytes
    speed: float = 1.0

    def target(self, task: EmulatedTask, file: str, now: float, *, lower_case: bool = False) -> str:
        """Return path and query of a fresh link."""
        created = datetime.fromtimestamp(task.created, timezone.utc)
        name = f"general-{task.number}-{created:%Y-%m-%dT%H:%M:%SZ}{file[file.rindex('.') :]}"
        query = {
            **self._terms(now, LIFETIMES[file]),
            "response-content-disposition": f'attachment; filename="{name}"',
            "x-id": f"{task.creation_id}~1",
        }
        path = f"{_PREFIX}/{created:%y/%m%d/%H}/{task.task_id}/creation-01/{file}"
        return self._signed(path, query, lower_case=lower_case)

    def upload_target(self, upload_id: str, now: float) -> str:
        """Return path and query of a link to which a file may be uploaded."""
        return self._signed(f"{UPLOADS}/{upload_id}", self._terms(now, UPLOAD_LIFETIME))

    def check(self, target: str, now: float) -> str:
        """
        Return the path of a valid link, whose path and query are as they came over the wire.

        :raises LinkRefused: changed, expired, or not a link.
        """
        signed, mark, signature = target.rpartition(_SIGNATURE)
        if not mark or not hmac.compare_digest(self._sign(signed).encode(), _bytes(signature)):
            raise LinkRefused(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. The link must be "
                "sent exactly as it was received.",
            )
        path, _, query = signed.partition("?")
        signature_facts = parse_qs(query)
        signed_at = datetime.strptime(signature_facts["X-Amz-Date"][0], _DATE).replace(tzinfo=timezone.utc)
        if now > signed_at.timestamp() + int(signature_facts["X-Amz-Expires"][0]):
            raise LinkRefused(403, "AccessDenied", "Request has expired")
        return path

    def _terms(self, now: float, lifetime: int) -> dict[str, str]:
        signed_at = datetime.fromtimestamp(now, timezone.utc)
        return {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"emulator/{signed_at:%Y%m%d}/local/s3/aws4_request",
            "X-Amz-Date": f"{signed_at:{_DATE}}",
            "X-Amz-Expires": str(max(1, int(lifetime / self.speed))),
            "X-Amz-SignedHeaders": "host",
        }

    def _signed(self, path: str, query: dict[str, str], *, lower_case: bool = False) -> str:
        escaped = "&".join(f"{field}={quote(value, safe='~')}" for field, value in query.items())
        if lower_case:
            escaped = re.sub(r"%[0-9A-F]{2}", lambda escape: escape.group().lower(), escaped)
        return f"{path}?{escaped}{_SIGNATURE}{self._sign(f'{path}?{escaped}')}"

    def _sign(self, target: str) -> str:
        return hmac.new(self.secret, _bytes(target), hashlib.sha256).hexdigest()


def file_of(path: str) -> tuple[str, str]:
    """
    Return the task id and the file to which the path of a checked link leads.

    :raises LinkRefused: it leads to none.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise LinkRefused(404, "NoSuchKey", "The specified key does not exist.")
    return match.group(1), match.group(2)


def content_disposition(target: str) -> str:
    """Return the ``Content-Disposition`` that a checked link requests."""
    return parse_qs(target.partition("?")[2])["response-content-disposition"][0]


def _bytes(text: str) -> bytes:
    # Bytes that are not text arrive as lone surrogates.
    return text.encode("utf-8", "surrogateescape")
