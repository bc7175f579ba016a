# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Uploads the pictures that a request has no room for, right before it is sent.

A request keeps its pictures until then: what it is about, and so what a retry compares, is their content. An upload is
used again by the same process for the same content and account, until it expires.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_vidu.api import http_messages
from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.errors import ViduError, ViduInputError, ViduUnavailableError
from airflow_provider_vidu.api.http_messages import Upload, pictures_to_upload
from airflow_provider_vidu.api.images import EncodedImage, replace_pictures
from airflow_provider_vidu.client import ViduClient
from airflow_provider_vidu.landing.transfer import send_file
from airflow_provider_vidu.transport import timing

#: Seconds before its expiry in which an upload is not used any more: Vidu reads it some time after the submission. Half
#: of its life if that is shorter.
MARGIN = 300.0
#: Seconds for which an upload is used if the host does not say when it expires, or if one of the clocks is wrong.
UNKNOWN_LIFE = 60.0


@dataclass(frozen=True)
class _Uploaded:
    uri: str
    use_until: float


class _UploadClient(ViduClient):
    """A client for the upload tool. It blocks, as sending a file does, so that event loops use it in a thread."""

    def check_tool(self, label: str) -> None:
        self._retrying(lambda: self._begin(label))

    def upload(self, picture: EncodedImage, stop: Callable[[], None]) -> tuple[Upload, str]:
        """Upload a picture, and start over if that fails; nothing of it is billed."""
        content = picture.read()

        def upload() -> tuple[Upload, str]:
            place = self._begin(picture.label)
            etag = send_file(
                self.account,
                place.put_url,
                content,
                picture.facts.media_type,
                api_addresses=self.addresses,
                stop=stop,
            )
            finish = http_messages.prepare_finish(self.account, place.upload_id, etag)
            return place, self._ask(finish, http_messages.parse_finish)

        try:
            return self._retrying(upload)
        except ViduUnavailableError as error:
            raise error.but(
                message=f"images: {picture.label} cannot be uploaded now. {error.message}",
                advice="Its request was not submitted. A retry uploads the picture again.",
            ) from error.__cause__

    def _begin(self, label: str) -> Upload:
        try:
            return self._ask(http_messages.prepare_upload(self.account), http_messages.parse_upload)
        except ViduError as error:
            if not http_messages.is_missing_endpoint(error):
                raise
            raise ViduInputError(
                f"images: {label} does not fit into the request, which may have 20 MB, and "
                f"{urlsplit(self.account.base_url).hostname} has no upload tool. Pass it as a URL (up to 50 MB), or as "
                "a smaller JPEG."
            ) from error


# By the account's identity and the picture's SHA-256.
_uploads: dict[tuple[str, str], _Uploaded] = {}
_locks: dict[tuple[str, str], threading.Lock] = {}


def with_uploads(
    account: Account, wire: Mapping[str, Any], log: Any, stop: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """
    Return a request as it is sent, after its largest pictures have been uploaded if it has no room for them.

    It blocks for the time of the uploads.

    :param stop: called again and again meanwhile; raises to give up.
    :raises ViduInputError: this host has no upload tool, the request does not fit in any case, or a file has changed.
    :raises ViduError: an upload has failed.
    """
    pictures = pictures_to_upload(wire)
    uris = {picture.facts.sha256: _upload(account, picture, log, stop) for picture in pictures}
    return dict(replace_pictures(wire, uris))


def with_known_uploads(account: Account, wire: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a request as it is sent; None = a picture has to be uploaded first."""
    uris = {}
    for picture in pictures_to_upload(wire):
        if (uri := _known_uri(account, picture)) is None:
            return None
        uris[picture.facts.sha256] = uri
    return dict(replace_pictures(wire, uris))


def check_tool(account: Account, label: str) -> None:
    """
    Check that a host has the upload tool, without uploading anything.

    :param label: name and size of a picture that needs it, for the message.
    :raises ViduInputError: it does not.
    :raises ViduError: Vidu cannot be reached, or refuses the key.
    """
    with closing(_UploadClient(account)) as client:
        client.check_tool(label)


def _upload(account: Account, picture: EncodedImage, log: Any, stop: Callable[[], None]) -> str:
    # Of several requests with the same picture, one uploads it and the others wait.
    with _locks.setdefault(_key(account, picture), threading.Lock()):
        known = _known_uri(account, picture)
        if known is not None:
            return known
        stop()
        log.info("Uploading %s, which does not fit into the request.", picture.label)
        with closing(_UploadClient(account)) as client:
            place, uri = client.upload(picture, stop)
        _uploads[_key(account, picture)] = _Uploaded(uri, use_until(place.expires_at, timing.now()))
        return uri


def _known_uri(account: Account, picture: EncodedImage) -> str | None:
    known = _uploads.get(_key(account, picture))
    return known.uri if known is not None and timing.now() < known.use_until else None


def _key(account: Account, picture: EncodedImage) -> tuple[str, str]:
    return account.identity, picture.facts.sha256


def use_until(expires_at: float | None, now: float) -> float:
    """Return until when an upload may be used, in epoch seconds like its expiry."""
    life = (expires_at or now) - now
    return now + (life - min(MARGIN, life / 2) if life > 0 else UNKNOWN_LIFE)
