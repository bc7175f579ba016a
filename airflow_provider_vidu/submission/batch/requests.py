# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Reads the requests of a batch from a list or a JSON Lines file, and checks all before the first is paid for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from airflow_provider_vidu.api.catalog import estimate_credits
from airflow_provider_vidu.api.catalog_rows import MODELS_OF
from airflow_provider_vidu.api.defaults import is_yes
from airflow_provider_vidu.api.errors import ViduError, ViduInputError, ViduUnavailableError
from airflow_provider_vidu.api.http_messages import pictures_to_upload
from airflow_provider_vidu.api.images import EncodedImage, ImageFacts
from airflow_provider_vidu.api.messages import MAX_NAMED, some_of
from airflow_provider_vidu.api.origin import Origin, first_source, parse_labels
from airflow_provider_vidu.api.registry import Endpoint, endpoints, known_endpoint, replace_at
from airflow_provider_vidu.api.rendered_fields import as_text, given, parse_structure, without_unset
from airflow_provider_vidu.api.request import describe_unknown_field, nearest_name, shown
from airflow_provider_vidu.api.unchecked import find_endpoint
from airflow_provider_vidu.images import below, path_to_read, wire_of
from airflow_provider_vidu.submission.batch.identity import reading_of, short_hash
from airflow_provider_vidu.submission.batch.records import Reading
from airflow_provider_vidu.submission.record import MARKER_PLACEHOLDER

#: Images that are read and checked at once.
READERS = 8

# Fields that change no price.
_WITHOUT_A_PRICE = frozenset({"prompt", "seed", "payload", "callback_url", "meta_data"})
#: What a request of a batch may hold beside Vidu's own fields.
OWN_FIELDS = frozenset({"extra_params", "output_path", "id", "labels"})
# What json raises for values that are nested too deeply, numbers of thousands of digits, and keys that are no texts.
_NOT_JSON = (TypeError, ValueError, RecursionError)


@dataclass(frozen=True)
class BatchRequest:
    """
    One request of a batch: its fields by their API names, with the defaults filled in.

    ``id`` and ``labels`` are the DAG author's own, ``given`` is a short hash of the request as it was written, and
    ``sources`` are the pictures and videos that it starts from, as written.
    ``reading``, ``picture`` (the facts of its image), ``upload`` (name and size of an image that must be uploaded) and
    ``problem`` (why it cannot be sent) are set by :func:`check_requests`; ``picture`` stays None if Vidu reads the
    image itself.
    """

    number: int
    endpoint: Endpoint = field(repr=False)
    fields: Mapping[str, Any] = field(repr=False)
    extra_params: Mapping[str, Any] | None = field(default=None, repr=False)
    output_path: str | None = None
    id: str | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    given: str = ""
    sources: Sequence[Any] = field(default=(), repr=False)
    reading: Reading | None = None
    picture: ImageFacts | None = None
    upload: str | None = None
    problem: Exception | None = None

    @property
    def all_fields(self) -> dict[str, Any]:
        """The fields as they are sent, with ``extra_params`` merged in last; no image is read."""
        return {**self.fields, **(self.extra_params or {})}

    @property
    def model(self) -> str:
        """The model's name."""
        named = (self.extra_params or {}).get("model") or self.fields.get("model")
        return str(named or self.endpoint.default_model or "")

    @cached_property
    def origin(self) -> Origin:
        """What its record and its messages call it by."""
        prompt = self.all_fields.get("prompt")
        return Origin(
            self.number,
            self.id,
            self.labels,
            first_source(self.sources),
            None if prompt is None else str(prompt),
        )

    @property
    def off_peak(self) -> bool:
        """Whether it is off-peak, which may take 48 hours."""
        return is_yes(self.all_fields.get("off_peak"))

    @property
    def invalidity(self) -> ViduInputError | None:
        """Why it is invalid; None = it is not, as far as it has been checked."""
        return self.problem if isinstance(self.problem, ViduInputError) else None

    @property
    def can_be_found(self) -> bool:
        """Whether its payload has room for the marker by which a lost submission is found."""
        payload = self.all_fields.get("payload")
        return not payload or (isinstance(payload, str) and MARKER_PLACEHOLDER in payload)

    @cached_property
    def price(self) -> tuple[tuple[Any, ...], int | None]:
        """What its price depends on, and the catalogue's estimate of it (None = unknown); no image is read."""
        fields = self.all_fields
        estimate = estimate_credits(fields, endpoint=self.endpoint.name)
        if estimate is None:
            # What its price depends on is unknown, so everything counts that may change what is made.
            ignored = _WITHOUT_A_PRICE | (self.endpoint.media.keys() if self.endpoint.models else frozenset())
            others = {name: value for name, value in fields.items() if name not in ignored}
            return (self.endpoint.name, self.model, json.dumps(others, sort_keys=True, default=str)), None
        kind = (
            self.endpoint.name,
            self.model,
            str(fields.get("duration")),
            str(fields.get("resolution")),
            self.off_peak,
            is_yes(fields.get("is_rec")),
            # Without it, the model decides.
            None if fields.get("audio") is None else is_yes(fields.get("audio")),
        )
        return kind, estimate

    def build_wire(self, log: Any) -> dict[str, Any]:
        """
        Build the request's JSON object; reads the image.

        :raises ViduInputError: a field is outside what Vidu accepts.
        """
        return wire_of(self.fields, self.extra_params, log, self.picture, endpoint=self.endpoint)


def read_requests(
    requests: Any,
    defaults: Any,
    output_path: str | None = None,
    *,
    endpoint: Endpoint | None,
    may_differ: bool = False,
    labels_from_rest: bool = False,
) -> list[BatchRequest]:
    """
    Read the requests, each with the defaults filled in; None in a request removes a default.

    ``requests`` is a list of dicts, a JSON text of one, or the path or ``ObjectStoragePath`` URL of a file with a JSON
    array or with one JSON object a line. Relative paths of files to read are relative to that file. With
    ``may_differ`` a request may name an ``endpoint`` of its own. With ``labels_from_rest`` unknown fields are labels.

    :return: the requests in their order, not checked yet; one that cannot be read has a ``problem``.
    :raises ViduInputError: it is no list, or it is empty.
    :raises ViduUnavailableError: the file's store cannot be read now.
    """
    rows, folder = _rows(requests)
    common = _json(defaults, "defaults") if isinstance(defaults, str) else defaults or {}
    if not isinstance(common, Mapping):
        raise ViduInputError(f"defaults must be a dict of fields, got {shown(common)}.")
    if not rows:
        raise ViduInputError("requests: the batch is empty.")
    common_labels = parse_labels(common.get("labels"))
    read: list[BatchRequest] = []
    of: dict[str, int] = {}
    for number, row in enumerate(rows):
        request = BatchRequest(number, endpoint or known_endpoint(next(iter(MODELS_OF))), {})
        try:
            if not isinstance(row, Mapping):
                raise ViduInputError(f"must be a dict of fields, got {shown(row)}")
            request = replace(request, id=_id_in(row))
            to = endpoint_of_row({**common, **row}, endpoint, may_differ=may_differ)
            if to is None:
                raise ViduInputError("endpoint: is required, since the operator names none for all requests.")
            own = _with_files_below(folder, row, to)
            # Separately, since an unset Param in a row removes the default, as None does.
            merged = {**to.request.meant(common), **to.request.meant(own)}
            if may_differ:
                merged.pop("endpoint", None)
            # Of an invalid one, too: its record names its picture.
            request = replace(request, endpoint=to, fields=merged, sources=to.sources({**common, **own}))
            if row.get("labels") is not None:
                merged["labels"] = {**common_labels, **parse_labels(row["labels"])}
            request = _with_own_fields(request, row, common, labels_from_rest=labels_from_rest)
            if request.id is not None and of.setdefault(request.id, number) != number:
                raise ViduInputError(f"id: {request.id!r} is that of item {of[request.id]}, too")
        except ViduInputError as error:
            request = replace(request, problem=error)
        except _NOT_JSON as error:
            request = _unreadable(request, error)
        try:
            request = replace(request, given=_hash_given(request))
        except _NOT_JSON as error:
            request = _unreadable(request, error)
        read.append(replace(request, output_path=request.output_path or output_path))
    return read


def _unreadable(request: BatchRequest, error: Exception) -> BatchRequest:
    """Return a request without the fields that no record could hold."""
    problem = ViduInputError(f"cannot be written as JSON ({error})")
    return replace(request, fields={}, extra_params=None, problem=problem)


def _with_own_fields(
    request: BatchRequest, row: Mapping[str, Any], common: Mapping[str, Any], *, labels_from_rest: bool
) -> BatchRequest:
    """
    Return a request with what is never sent set apart from its fields, and with its problem if a field is unknown.

    :raises ViduInputError: the labels are of the wrong kind.
    """
    fields = dict(request.fields)
    known = OWN_FIELDS | request.endpoint.parameters
    unknown = set() if request.endpoint.takes_any_field else {str(name) for name in fields.keys() - known}
    # None in a request also removes a default that its endpoint does not have.
    removed = {name for name in unknown if name in common and fields[name] in (None, "")}
    fields = {name: value for name, value in fields.items() if name not in removed}
    unknown -= removed
    rest = {name for name in unknown if labels_from_rest and _may_be_label(name, known)}
    problems = [
        _describe_unknown(name, request.endpoint, is_default=name in common and name not in row)
        for name in sorted(unknown - rest)
    ]
    labels = {**parse_labels({name: fields.pop(name) for name in rest}), **parse_labels(fields.pop("labels", None))}
    extra = fields.pop("extra_params", None)
    if extra is not None and not isinstance(extra, Mapping):
        problems.append(f"extra_params must be a dict, got {shown(extra)}")
        extra = None
    own_id = fields.pop("id", None)
    if own_id is not None and _id_in({"id": own_id}) is None:
        problems.append(f"id: must be a text or a whole number, got {shown(own_id)}")
    output_path = as_text(fields.pop("output_path", None))
    if output_path is not None and not isinstance(output_path, str):
        problems.append(f"output_path must be a path or a URL, got {shown(output_path)}")
        output_path = None
    return replace(
        request,
        id=_id_in({"id": own_id}),
        labels=labels,
        output_path=output_path,
        fields=fields,
        extra_params=without_unset(extra) or None,
        problem=ViduInputError(". ".join(problems)) if problems else None,
    )


def _id_in(row: Any) -> str | None:
    """Return the DAG author's id of a request, if its row has a valid one."""
    value = row.get("id") if isinstance(row, Mapping) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    is_text = isinstance(value, str) and value.encode(errors="replace").decode() == value
    return (value.strip() or None) if is_text and isinstance(value, str) else None


def _may_be_label(name: str, known: Iterable[str]) -> bool:
    # A typo, or a field of another endpoint, must not become a label: the video would be paid for without it.
    return not nearest_name(name, known) and not any(name in endpoint.parameters for endpoint in endpoints())


def _describe_unknown(name: str, endpoint: Endpoint, *, is_default: bool) -> str:
    if name == "endpoint":
        return "endpoint: ViduBatchOperator takes requests of several endpoints, this operator does not"
    known = OWN_FIELDS | endpoint.parameters
    hint = (
        "" if nearest_name(name, known) else "; a newer field goes into extra_params, a column of your own into labels"
    )
    if is_default:
        hint = "; it comes from defaults, and None in this request removes it"
    return f"{name}: {describe_unknown_field(name, endpoint.request.kind, known, hint)}"


def endpoint_of_row(row: Mapping[str, Any], default: Endpoint | None, *, may_differ: bool) -> Endpoint | None:
    """
    Return the endpoint of a request, by its row; None = it names none, and there is no default.

    :raises ViduInputError: this release has none of that name.
    """
    name = given(row.get("endpoint")) if may_differ else None
    if name is None or name == "":
        return default
    return find_endpoint(name.strip() if isinstance(name, str) else name)


def check_requests(
    requests: Sequence[BatchRequest], log: Any, stop: Callable[[], None] = lambda: None
) -> list[BatchRequest]:
    """
    Check every request and its image, without sending anything; log each warning once, with its count.

    ``stop`` is called between requests and raises to end the check.

    :return: the same requests, each with its reading or its problem.
    """
    warnings = _CountingLog()

    def check(request: BatchRequest) -> BatchRequest:
        if request.problem is not None:
            return request
        try:
            wire = request.build_wire(warnings)
            uploads = pictures_to_upload(wire)
        except ViduError as error:
            return replace(request, problem=error)
        except _NOT_JSON as error:
            return replace(request, problem=ViduInputError(f"cannot be checked ({error!r:.200})"))
        except Exception as error:
            # Each store has its own exceptions, and what they report may pass.
            return replace(request, problem=error)
        # extra_params may hold anything.
        image = next(iter(wire.get("images") or ()), None)
        picture = image.facts if isinstance(image, EncodedImage) else None
        upload = uploads[0].label if uploads else None
        return replace(request, reading=reading_of(wire, request.endpoint), picture=picture, upload=upload)

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


def raise_problems(requests: Iterable[BatchRequest]) -> None:
    """
    Raise one error for all problems of checked requests.

    :raises ViduInputError: with the items' numbers.
    :raises ViduUnavailableError: a picture cannot be read now (its store is down).
    """
    bad = [request for request in requests if request.problem is not None]
    passing = next((request.problem for request in bad if not isinstance(request.problem, ViduInputError)), None)
    if passing is not None:
        raise ViduUnavailableError(
            f"A picture cannot be read now ({getattr(passing, 'message', passing)}).",
            advice="This try has sent nothing; a retry reads it again.",
        ) from passing
    named: dict[str, list[str]] = {}
    for request in bad:
        named.setdefault(str(getattr(request.problem, "message", request.problem)), []).append(request.origin.name)
    _raise_if_any([f"{some_of(names)}: {text}" for text, names in named.items()], len(bad))


def _hash_given(request: BatchRequest) -> str:
    """Return a short hash of a request as it was given; no image is read."""
    return short_hash([_as_given(request)])[:8]


def digest_requests(requests: Iterable[BatchRequest]) -> str:
    """
    Return a hash of the requests as they were given, with their endpoints, in their order; no image is read.

    It is stored: an image-to-video request counts as before there were other endpoints.
    """
    return short_hash([_as_given(request) for request in requests])


def _as_given(request: BatchRequest) -> tuple[Any, ...]:
    given = (request.fields, request.extra_params)
    return given if request.endpoint.is_unnamed else (*given, request.endpoint.name)


def _rows(requests: Any) -> tuple[list[Any], str | None]:
    """Return the rows, and the folder of the file that they are from."""
    if isinstance(requests, str) or hasattr(requests, "__fspath__") or hasattr(requests, "storage_options"):
        text = str(requests).lstrip("\ufeff").strip()
        if text.startswith("["):
            return _rows_of_text(text), None
        return _rows_of_file(text)
    if isinstance(requests, Mapping) or not isinstance(requests, Iterable):
        raise ViduInputError(
            f"requests must be a list of dicts, or the path of a JSON Lines file, got {requests!r:.200}."
        )
    return list(requests), None


def _rows_of_text(text: str) -> list[Any]:
    rows = parse_structure(text)
    if isinstance(rows, (list, tuple)):
        return list(rows)
    raise ViduInputError(
        f"requests: neither a JSON array nor a list: {text!r:.60}. In a template, end the expression with | tojson."
    )


def _rows_of_file(path: str) -> tuple[list[Any], str]:
    text, folder = _text_and_folder(path)
    return (_array(text, path) if text.lstrip().startswith("[") else _lines(text, path)), folder


def _with_files_below(folder: str | None, row: Mapping[str, Any], endpoint: Endpoint) -> Mapping[str, Any]:
    if folder is None:
        return row
    for path, media in endpoint.media.items():
        if media.is_read:
            row = replace_at(row, path, partial(_below, folder))
    return row


def _below(folder: str, files: Any) -> Any:
    return [below(folder, one) for one in files] if isinstance(files, list) else below(folder, files)


def _text_and_folder(path: str) -> tuple[str, str]:
    if not path:
        raise ViduInputError("requests: empty after rendering: check its template.")
    try:
        source = path_to_read(path)
        # Editors on Windows may begin a file with a byte order mark.
        text: str = source.read_bytes().decode("utf-8-sig")
        return text, str(source.absolute() if isinstance(source, Path) else source).rpartition("/")[0]
    except FileNotFoundError:
        raise ViduInputError(f"requests: {path} does not exist on the machine that runs the task.") from None
    except UnicodeDecodeError as error:
        raise ViduInputError(f"requests: {path} is not UTF-8 text ({error}).") from None
    except (IsADirectoryError, PermissionError, ImportError, ValueError) as error:
        raise ViduInputError(f"requests: {path} cannot be read as a JSON Lines file ({error}).") from error
    except Exception as error:
        # Each store has its own exceptions.
        raise ViduUnavailableError(
            f"requests: {path} cannot be read now ({error}).",
            advice="Nothing was sent to Vidu just now; a retry reads it again.",
        ) from error


def _array(text: str, path: str) -> list[Any]:
    try:
        rows: list[Any] = _parsed(text)
    except json.JSONDecodeError as error:
        raise ViduInputError(
            f"requests: {path} starts with a bracket and is not a JSON array ({_where(error)})."
        ) from None
    return rows


def _lines(text: str, path: str) -> list[Any]:
    rows, problems = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(_parsed(line))
            except json.JSONDecodeError as error:
                problems.append(f"{path}, {_where(error, number)}")
    _reject_one_object(text, path)
    if problems and not rows and "," in text.partition("\n")[0] and not text.lstrip().startswith(("{", "[")):
        raise ViduInputError(
            f"requests: {path} seems to be a CSV file. Pass its rows as a list of dicts, for instance from a task that "
            "returns list(csv.DictReader(file)); labels_from='rest' makes columns of your own labels."
        )
    if problems and _has_object_over_lines(text):
        raise ViduInputError(
            f"requests: {path} has an object over several lines. Write one JSON object a line, or a JSON array."
        )
    _raise_if_any(problems)
    return rows


def _where(error: json.JSONDecodeError, line: int | None = None) -> str:
    return f"line {line or error.lineno}, column {error.colno}: {error.msg}"


def _reject_one_object(text: str, path: str) -> None:
    """Reject a file that is a single object, over several lines or around the list of requests."""
    try:
        whole = _parsed(text)
    except ValueError:
        return
    if not isinstance(whole, dict):
        return
    known = OWN_FIELDS.union(*(endpoint.parameters for endpoint in endpoints()))
    lists = (value for name, value in whole.items() if name not in known and isinstance(value, list))
    if "\n" in text.strip() or any(isinstance(row, dict) for rows in lists for row in rows):
        raise ViduInputError(
            f"requests: {path} is one JSON object ({some_of(whole)}). Write one JSON object a line, or a "
            "JSON array of requests."
        )


def _has_object_over_lines(text: str) -> bool:
    text = text.strip()
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return text.partition("\n")[0].strip() == "{"
    return "\n" in text[:end]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits.
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise json.JSONDecodeError(why, "", 0) from None


def _json(text: str, name: str) -> Any:
    try:
        return _parsed(text or "null") or {}
    except ValueError as error:
        raise ViduInputError(f"{name}: is not JSON ({error}).") from None


def _raise_if_any(problems: Sequence[str], count: int | None = None) -> None:
    if problems:
        problems = [problem.rstrip(".") for problem in problems]
        more = [f"… and {len(problems) - MAX_NAMED} more"] if len(problems) > MAX_NAMED else []
        named = "\n".join([*problems[:MAX_NAMED], *more])
        raise ViduInputError(f"{count or len(problems)} of the batch's requests cannot be sent.\n{named}")


class _CountingLog:
    """A log that counts warnings instead of writing them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def warning(self, text: str, *arguments: Any) -> None:
        self.counts[text % arguments] += 1
