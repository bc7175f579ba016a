# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The signature of Vidu's callbacks: made by the emulator, verified by their receivers.

Vidu signs method, path, query, date and the listed headers with the API key that created the task, in the format
of APISIX's hmac-auth. The body is not signed: a verified callback is a hint to query the task, not its content.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timezone

from airflow_provider_vidu.api.http_messages import parse_http_date

ACCESS_KEY = "vidu"
ALGORITHM = "hmac-sha256"
#: How far the Date header may be from our clock, in seconds. Vidu documents none; five minutes is customary.
TOLERANCE_SECONDS = 300.0

#: The headers that must be signed: without them a recorded callback could be replayed forever.
_SIGNED = ("Date", "x-request-nonce")


def sign(
    key: str,
    *,
    path: str,
    query: str,
    date: str,
    signed_headers: Mapping[str, str],
    method: str = "POST",
    access_key: str = ACCESS_KEY,
) -> str:
    """
    Return the signature of one call.

    :param key: the API key.
    :param path: of the callback URL, as Vidu received it; empty counts as ``/``.
    :param query: the raw query, in its own order; empty if there is none.
    :param date: the Date header's value.
    :param signed_headers: names and values, the names as in ``X-HMAC-SIGNED-HEADERS`` and in that order.
    :param access_key: always ``vidu`` from Vidu.
    :return: base64 of the HMAC-SHA256.
    """
    lines = [method.upper(), path or "/", query, access_key, date]
    lines += [f"{name}:{value}" for name, value in signed_headers.items()]
    message = "".join(f"{line}\n" for line in lines)
    return base64.b64encode(hmac.new(key.encode(), _bytes(message), hashlib.sha256).digest()).decode()


def callback_headers(key: str, *, path: str, query: str, date: str, nonce: str) -> dict[str, str]:
    """
    Return the headers that Vidu sends with a callback.

    :param key: the API key that created the task.
    :param path: of the callback URL.
    :param query: of the callback URL, raw.
    :param date: GMT, as HTTP writes it.
    :param nonce: random.
    """
    signed = {"Date": date, "x-request-nonce": nonce}
    return {
        **signed,
        "X-HMAC-SIGNED-HEADERS": ";".join(signed),
        "X-HMAC-SIGNATURE": sign(key, path=path, query=query, date=date, signed_headers=signed),
        "X-HMAC-ALGORITHM": ALGORITHM,
        "X-HMAC-ACCESS-KEY": ACCESS_KEY,
    }


def verify(
    key: str,
    *,
    path: str,
    query: str,
    headers: Mapping[str, str],
    method: str = "POST",
    now: datetime | None = None,
    tolerance: float = TOLERANCE_SECONDS,
) -> bool:
    """
    Return whether a callback was recently signed with this key.

    Behind a relay it never is: the relay's own key signs.

    :param key: the API key that created the task.
    :param path: of the public URL that Vidu received, not of a proxied route.
    :param query: raw, of the same URL.
    :param headers: the call's headers, in any case.
    :param now: the time to compare Date with; None = the clock's.
    :param tolerance: seconds that Date may be in the past or the future.
    :return: False if anything is missing, stale or wrong, without a reason.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    names = [name for name in lower.get("x-hmac-signed-headers", "").split(";") if name]
    if not key or {name.lower() for name in _SIGNED} - {name.lower() for name in names}:
        return False
    if lower.get("x-hmac-algorithm", ALGORITHM) != ALGORITHM:
        return False
    date = lower.get("date", "")
    moment = parse_http_date(date)
    if moment is None or abs((moment - (now or datetime.now(timezone.utc))).total_seconds()) > tolerance:
        return False
    expected = sign(
        key,
        path=path,
        query=query,
        date=date,
        signed_headers={name: lower.get(name.lower(), "") for name in names},
        method=method,
        access_key=lower.get("x-hmac-access-key", ACCESS_KEY),
    )
    return hmac.compare_digest(expected.encode(), _bytes(lower.get("x-hmac-signature", "")))


def _bytes(text: str) -> bytes:
    # Web servers represent bytes that are no text as lone surrogates, which a plain encode rejects.
    return text.encode("utf-8", "surrogatepass")
