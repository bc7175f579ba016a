# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The requests of a batch: read from a list or a JSON Lines file, and all checked before the first one is paid for."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.catalog import MODELS, estimate_credits
from airflow_provider_vidu.api.defaults import DEFAULT_MODEL, REQUEST_FIELDS
from airflow_provider_vidu.api.endpoints import prepare_create
from airflow_provider_vidu.api.errors import ViduError, ViduInputError
from airflow_provider_vidu.api.img2video import ENDPOINT
from airflow_provider_vidu.batch.records import identities
from airflow_provider_vidu.images import local_path, wire_of
from airflow_provider_vidu.landing import check_destination
from airflow_provider_vidu.submission_rules import MARKER_PLACEHOLDER, fingerprint

#: Images that are read at once for being checked.
READERS = 8
#: Requests that an error names.
MAX_NAMED = 20

#: A log for what is told in sums.
SILENT = logging.Logger("silent", logging.CRITICAL + 1)

#: What a request of a batch may hold beside Vidu's own fields.
OWN_FIELDS = frozenset({"extra_params", "output_path"})


@dataclass(frozen=True)
class BatchRequest:
    """
    One request of a batch.

    :param number: its place, from 0.
    :param fields: by their API names, as the author gave them, defaults filled in.
    :param extra_params: merged in last, unchecked.
    :param output_path: where its video is landed; None = nowhere.
    :param fingerprint: hash of its content; None = not checked yet.
    :param problem: why it cannot be built.
    """

    number: int
    fields: Mapping[str, Any] = field(repr=False)
    extra_params: Mapping[str, Any] | None = field(default=None, repr=False)
    output_path: str | None = None
    fingerprint: str | None = None
    problem: Exception | None = None

    @property
    def model(self) -> str:
        """The model's name."""
        return str((self.extra_params or {}).get("model") or self.fields.get("model") or DEFAULT_MODEL)

    @property
    def off_peak(self) -> bool:
        """Whether it may take 48 hours."""
        told = (self.extra_params or {}).get("off_peak", self.fields.get("off_peak"))
        return told is True or str(told).strip().lower() in {"true", "1", "yes", "on"}

    @property
    def can_be_found(self) -> bool:
        """Whether its payload has a place for the marker by which a lost submission is found again."""
        payload = (self.extra_params or {}).get("payload", self.fields.get("payload"))
        return not payload or MARKER_PLACEHOLDER in str(payload)

    def wire(self, log: Any) -> dict[str, Any]:
        """
        Build the request's JSON object; reads the image.

        :param log: where to warn of what has no effect.
        :raises ViduInputError: a field is outside what Vidu accepts.
        """
        return wire_of(self.fields, self.extra_params, log)


def read_requests(given: Any, defaults: Any, output_path: str | None = None) -> list[BatchRequest]:
    """
    Read the requests, each with the defaults filled in.

    :param given: a list of dicts; a JSON text of one; or the path or ``ObjectStoragePath`` URL of a JSON Lines file,
        one dict a line. Beside Vidu's fields a request may have ``extra_params`` and an ``output_path`` of its own.
    :param defaults: fields for all; a request's own win, and None in a request takes the default away.
    :param output_path: for requests without one of their own.
    :raises ViduInputError: no list of dicts, an empty one, or unknown names in it.
    """
    rows = _rows(given)
    common = _json(defaults, "defaults") if isinstance(defaults, str) else defaults or {}
    if not isinstance(common, Mapping):
        raise ViduInputError(f"defaults must be a dict of fields, got {type(common).__name__}.")
    if not rows:
        raise ViduInputError("requests: the batch is empty.")
    requests, problems = [], []
    known = OWN_FIELDS | set(REQUEST_FIELDS)
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            problems.append(f"item {number}: must be a dict of fields, got {type(row).__name__}")
            continue
        merged = {**common, **row}
        if unknown := sorted(str(name) for name in merged.keys() - known):
            problems.append(f"item {number}: no such field: {', '.join(unknown)} (extra_params takes what is newer)")
            continue
        extra = merged.pop("extra_params", None)
        own_path = merged.pop("output_path", None)
        if extra is not None and not isinstance(extra, Mapping):
            problems.append(f"item {number}: extra_params must be a dict, got {type(extra).__name__}")
            continue
        requests.append(BatchRequest(number, merged, extra or None, own_path or output_path))
    _raise_for(problems)
    return requests


def check_requests(
    requests: Sequence[BatchRequest], account: Account, log: Any, stop: Callable[[], None] = lambda: None
) -> list[BatchRequest]:
    """
    Check every request as far as it can be known, images and destinations included; nothing is sent.

    :param requests: as read.
    :param account: whose limits hold for the encoded request.
    :param log: where to warn of what has no effect: each warning once, with its count.
    :param stop: called between requests; raises to end it.
    :return: the same requests, each checked or with its problem.
    """
    warnings = _Counted()

    def check(request: BatchRequest) -> BatchRequest:
        try:
            wire = request.wire(warnings)
            prepare_create(account, ENDPOINT, wire)
        except (ViduError, OSError) as error:
            return replace(request, problem=error)
        return replace(request, fingerprint=fingerprint_of(wire))

    done = []
    with ThreadPoolExecutor(READERS, thread_name_prefix="vidu-images") as pool:
        try:
            for request in pool.map(check, requests):
                stop()
                done.append(request)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for text, count in warnings.counts.most_common(MAX_NAMED):
        log.warning("%s%s", text, f" ({count} requests)" if count > 1 else "")
    return done


def check_destinations(requests: Iterable[BatchRequest]) -> None:
    """
    Refuse destinations that cannot be opened, or that two videos would share.

    :param requests: as read.
    :raises ViduInputError: with the items' numbers.
    """
    problems = []
    seen: dict[str, int] = {}
    for destination in {request.output_path for request in requests if request.output_path is not None}:
        check_destination(destination)
    for request in requests:
        path = request.output_path
        if path is None or not str(path).lower().endswith((".mp4", ".mov", ".m4v")):
            continue
        if path in seen:
            problems.append(f"item {request.number}: output_path {path} is that of item {seen[path]}, too")
        seen.setdefault(path, request.number)
    _raise_for(problems)


def problems_of(requests: Iterable[BatchRequest]) -> None:
    """
    Raise what is wrong with the requests, all of it at once.

    :param requests: as checked.
    :raises ViduInputError: with the items' numbers; a problem that may pass by itself (a store that is down) as it is.
    """
    bad = [request for request in requests if request.problem is not None]
    passing = next((request.problem for request in bad if not isinstance(request.problem, ViduInputError)), None)
    if passing is not None:
        raise passing
    _raise_for([f"item {request.number}: {getattr(request.problem, 'message', request.problem)}" for request in bad])


def names_of(requests: Sequence[BatchRequest]) -> list[str | None]:
    """
    Return the identities of checked requests, None for those that cannot be built now.

    :param requests: as checked.
    """
    named = iter(identities(request.fingerprint for request in requests if request.fingerprint))
    return [next(named) if request.fingerprint else None for request in requests]


def fingerprint_of(wire: Mapping[str, Any]) -> str:
    """
    Return a hash of what makes a request the same request: 16 hexadecimal digits.

    :param wire: the request's JSON object.
    """
    return hashlib.sha256(json.dumps(fingerprint(wire), sort_keys=True).encode()).hexdigest()[:16]


def price_of(wire: Mapping[str, Any]) -> tuple[tuple[Any, ...], int | None]:
    """
    Return what the price of a request depends on, and the catalogue's estimate of it; None = it does not know.

    :param wire: the request's JSON object.
    """
    facts = {name: wire.get(name) for name in ("model", "duration", "resolution", "off_peak", "is_rec")}
    known = MODELS.get(str(facts["model"]))
    try:
        estimate = estimate_credits(
            str(facts["model"]),
            None if facts["duration"] is None else int(facts["duration"]),
            facts["resolution"],
            off_peak=bool(facts["off_peak"]),
            is_rec=bool(facts["is_rec"]),
        )
    except (TypeError, ValueError):
        estimate = None
    return tuple(map(str, facts.values())), estimate if known else None


def _rows(given: Any) -> list[Any]:
    if isinstance(given, str) or hasattr(given, "__fspath__") or hasattr(given, "storage_options"):
        text = str(given).strip()
        if text.startswith("["):
            return _rows(_json(text, "requests"))
        return _lines(text)
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise ViduInputError(f"requests must be a list of dicts, or the path of a JSON Lines file, got {given!r:.200}.")
    return list(given)


def _lines(path: str) -> list[Any]:
    if not path:
        raise ViduInputError("requests: empty after rendering: check its template.")
    source: Any = local_path(path)
    try:
        if source is None:
            from airflow.sdk import ObjectStoragePath

            source = ObjectStoragePath(path)
        text = source.read_bytes().decode()
    except FileNotFoundError:
        raise ViduInputError(f"requests: {path} does not exist, seen from the machine that runs the task.") from None
    except (IsADirectoryError, PermissionError, UnicodeDecodeError, ImportError, ValueError) as error:
        raise ViduInputError(f"requests: {path} cannot be read as a JSON Lines file ({error}).") from error
    rows, problems = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                problems.append(f"line {number} of {path}: {error}")
    _raise_for(problems)
    return rows


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text or "null") or {}
    except ValueError as error:
        raise ViduInputError(f"{name}: is no JSON ({error}).") from None


def _raise_for(problems: Sequence[str]) -> None:
    if problems:
        more = f" … and {len(problems) - MAX_NAMED} more" if len(problems) > MAX_NAMED else ""
        raise ViduInputError(f"{len(problems)} of the batch's requests: {'; '.join(problems[:MAX_NAMED])}{more}.")


class _Counted:
    """A log for warnings that counts instead of writing."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def warning(self, text: str, *arguments: Any) -> None:
        self.counts[text % arguments] += 1
