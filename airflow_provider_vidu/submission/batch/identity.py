# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Says whether two requests are the same, in three readings if only the URL of a picture is known.

The query of a URL may distinguish pictures (``…/image?id=7``), or sign a link to the same picture in every rendering.
Only a complete signature of a known scheme counts as one: a lone ``token``, ``sign`` or ``v`` may be a picture's name.
``matching.match`` handles what neither rule decides, and never guesses.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from airflow_provider_vidu.api.images import without_query
from airflow_provider_vidu.api.registry import Endpoint
from airflow_provider_vidu.submission.batch.records import (
    BARE_DIGITS,
    EXACT_DIGITS,
    MAX_PARAMETERS,
    Reading,
)
from airflow_provider_vidu.submission.record import fingerprint

Pairs = list[tuple[str, str]]

# An unescaped plus sign in a link is decoded as a space.
_BASE64 = r"[\w +/=~-]{20,}"
_HEX = r"(?i)[0-9a-f]{16,}"
_MD5 = r"(?i)[0-9a-f]{32}"
_EPOCH = r"\d{10}"
_MOMENT = r"\d{8}T\d{6}Z"
_ANY = r".+"


def _version_4(vendor: str, algorithm: str, *also: str) -> tuple[dict[str, str], frozenset[str]]:
    names = ("expires", "signedheaders", "security-token", *also)
    required = {"algorithm": algorithm, "credential": _ANY, "date": _MOMENT, "signature": _HEX}
    return (
        {f"x-{vendor}-{name}": shape for name, shape in required.items()},
        frozenset(f"x-{vendor}-{name}" for name in names),
    )


_AZURE = frozenset(
    {"st", "se", "sp", "spr", "sip", "sr", "srt", "ss", "si", "sdd", "ses", "saoid", "suoid", "scid"}
    | {"skoid", "sktid", "skt", "ske", "sks", "skv", "skdutid", "sduoid"}
)

# What all of a scheme's links have, each parameter with the shape of its value; and what they may have. Names in lower
# case. A parameter that changes the picture (x-oss-process, versionId) belongs to no scheme.
_SCHEMES: Sequence[tuple[Mapping[str, str], frozenset[str]]] = [
    # Amazon S3 and compatible stores
    _version_4("amz", r"AWS4-.+", "content-sha256", "user-agent", "region-set", "s3session-token", "checksum-mode"),
    (
        {"awsaccesskeyid": r"\w{8,}", "signature": _BASE64, "expires": _EPOCH},
        frozenset({"x-amz-security-token", "x-obs-security-token"}),
    ),
    # Google Cloud Storage, Cloud CDN
    _version_4("goog", r"GOOG4-.+"),
    ({"googleaccessid": _ANY, "signature": _BASE64, "expires": _EPOCH}, frozenset()),
    ({"keyname": _ANY, "signature": _BASE64, "expires": _EPOCH}, frozenset({"urlprefix"})),
    # Alibaba Cloud OSS
    (
        {
            "x-oss-signature-version": r"OSS4-.+",
            "x-oss-credential": _ANY,
            "x-oss-date": _MOMENT,
            "x-oss-signature": _HEX,
        },
        frozenset({"x-oss-expires", "x-oss-security-token", "x-oss-additional-headers"}),
    ),
    (
        {"x-oss-signature-version": r"OSS2", "x-oss-access-key-id": _ANY, "x-oss-signature": _BASE64},
        frozenset({"x-oss-expires", "x-oss-security-token", "x-oss-additional-headers"}),
    ),
    ({"ossaccesskeyid": _ANY, "signature": _BASE64, "expires": _EPOCH}, frozenset({"security-token"})),
    # Volcengine TOS, Huawei OBS, Tencent COS
    _version_4("tos", r"TOS4-.+", "policy"),
    ({"accesskeyid": r"\w{8,}", "signature": _BASE64, "expires": _EPOCH}, frozenset({"x-obs-security-token"})),
    (
        {
            "q-sign-algorithm": r"sha\d+",
            "q-ak": _ANY,
            "q-sign-time": r"\d{10};\d{10}",
            "q-key-time": r"\d{10};\d{10}",
            "q-signature": _HEX,
        },
        frozenset({"q-header-list", "q-url-param-list", "x-cos-security-token"}),
    ),
    # Azure's shared access signatures, with an expiry of their own or of a stored policy
    ({"sig": r"[\w +/=-]{40,}", "sv": r"20\d\d-\d\d-\d\d", "se": r"\d{4}-\d\d-\d\d.*"}, _AZURE),
    ({"sig": r"[\w +/=-]{40,}", "sv": r"20\d\d-\d\d-\d\d", "si": _ANY}, _AZURE),
    # CloudFront
    ({"key-pair-id": r"[A-Z0-9]{8,}", "signature": _BASE64, "expires": _EPOCH}, frozenset({"hash-algorithm"})),
    ({"key-pair-id": r"[A-Z0-9]{8,}", "signature": _BASE64, "policy": _BASE64}, frozenset({"hash-algorithm"})),
    # Akamai, Cloudflare
    *(({name: r".*hmac=(?i:[0-9a-f]{8,}).*"}, frozenset[str]()) for name in ("hdnts", "hdnea", "hdntl", "__token__")),
    ({"verify": r"\d{10}-.+"}, frozenset()),
    # Qiniu, Wangsu
    ({"e": _EPOCH, "token": r"[\w-]+:[\w=+/ -]+"}, frozenset()),
    ({"wssecret": _MD5, "wstime": r"(?i)[0-9a-f]{8}|\d{10}"}, frozenset()),
    # The CDNs of Alibaba and Tencent
    ({"auth_key": r"\d{10}-[\w-]+"}, frozenset()),
    ({"sign": r"\d{10}-\w+-\w+-(?i:[0-9a-f]{32})"}, frozenset()),
    ({"sign": _MD5, "t": r"(?i)\d{10}|[0-9a-f]{8}"}, frozenset()),
]
_COMPILED = [
    ({name: re.compile(shape) for name, shape in required.items()}, also | required.keys())
    for required, also in _SCHEMES
]


def signature_of(pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Return the names of the parameters that only sign a link, in lower case."""
    values: dict[str, str] = {}
    times: Counter[str] = Counter()
    for name, value in pairs:
        values[name.lower()] = value
        times[name.lower()] += 1
    found: set[str] = set()
    for required, names in _COMPILED:
        # A scheme has each of its parameters once: if there are two, one may belong to the picture.
        if all(times[name] == 1 and shape.fullmatch(values[name]) for name, shape in required.items()):
            found |= {name for name in names if times[name] == 1}
    return found


def reading_of(wire: Mapping[str, Any], endpoint: Endpoint) -> Reading:
    """
    Return what makes a request the same request; ``wire`` includes ``extra_params``.

    Bytes count by their content. Every URL counts without its fragment, and its query in three ways: whole, without a
    signature, not at all.
    """
    content = fingerprint({name: _bare(value) for name, value in wire.items()}, endpoint)
    queries = [
        # By name alone, since the order of a name's values may matter. Some encodings are not UTF-8.
        sorted(
            parse_qsl(urlsplit(url).query, keep_blank_values=True, errors="surrogateescape"), key=lambda pair: pair[0]
        )
        for name in sorted(content)
        for url in _urls(wire.get(name))
    ]
    kept = [_unsigned(query) for query in queries]
    identity, exact, bare = (_hash(content, each) for each in (kept, queries, []))
    parameters = [pair for query in kept for pair in query][:MAX_PARAMETERS]
    marks = "".join(_mark(name) + _mark(value) for name, value in parameters)
    is_plain = exact == identity == bare
    return Reading(
        identity,
        "" if is_plain else exact[:EXACT_DIGITS] + bare[:BARE_DIGITS] + marks,
        # A parameter without a value may be a secret itself.
        tuple(name[:40] if value else "one without a name" for name, value in parameters),
    )


def _unsigned(query: Pairs) -> Pairs:
    signed = signature_of(query)
    return [(name, value) for name, value in query if name.lower() not in signed]


def _bare(value: Any) -> Any:
    if isinstance(value, str):
        return without_query(value) if _is_url(value) else value
    if isinstance(value, Mapping):
        return {name: _bare(item) for name, item in value.items()}
    return [_bare(item) for item in value] if isinstance(value, (list, tuple)) else value


def _urls(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if _is_url(value):
            yield value
    elif isinstance(value, Mapping):
        for name in sorted(value, key=str):
            yield from _urls(value[name])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _urls(item)


def _is_url(text: str) -> bool:
    # A prompt may begin with a link and continue.
    if not text[:8].lower().startswith(("http://", "https://")) or any(map(str.isspace, text)):
        return False
    try:
        urlsplit(text)
    except ValueError:
        return False
    return True


def _hash(content: Mapping[str, str], queries: Sequence[Pairs]) -> str:
    # Without a query, all readings are one.
    return short_hash([content, queries] if any(queries) else content)


def _mark(text: str) -> str:
    return short_hash(text)[:2]


def short_hash(value: Any) -> str:
    """Return 16 hexadecimal digits of the hash of a value: JSON primitives; anything else counts as its text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
