# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Vidu's endpoints as pure functions: ``prepare_*`` builds a request, ``parse_*`` turns a reply into a model or an error.

Both transports call only these, so that each rule about the API is in one place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from pydantic import ValidationError

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.error_bodies import complaint_of, read_error, says_success, says_task_is_missing
from airflow_provider_vidu.api.errors import (
    ViduAuthError,
    ViduConfigurationError,
    ViduError,
    ViduInputError,
    ViduNotFoundError,
    ViduRequestError,
    ViduSubmissionInDoubtError,
    ViduUnavailableError,
    created_nothing,
    is_inconclusive,
    is_missing_task,
    is_rate_limit,
    request_error,
)
from airflow_provider_vidu.api.images import (
    MAX_BODY_BYTES,
    MEBIBYTE,
    EncodedImage,
    LargeImage,
    pictures_in,
    replace_pictures,
)
from airflow_provider_vidu.api.messages import MAX_QUOTED, SIGNED_LINK, quoted
from airflow_provider_vidu.api.tasks import (
    NEW_TASK,
    Credits,
    TaskState,
    ViduTask,
    layers_of,
    parse_moment,
    raw_state,
    state_word,
)

#: Vidu's largest page of the task list.
MAX_PAGE_SIZE = 100
#: Maximum size of a reply: a list row echoes its ``images``, which may be megabytes of base64.
MAX_ANSWER_BYTES = 8 * MEBIBYTE
#: Maximum empty pages in a row that are followed.
MAX_EMPTY_PAGES = 3

# More bytes than the URI of an upload has, and more than a marker adds to a request.
_URI_BYTES = 512
_MARKER_BYTES = 2048
# Maximum length of a reply that is kept for a person to find a link in.
_MAX_QUOTED_REPLY = 4000
# The query of any other link: of another scheme or none, or escaped once more.
_QUERY = re.compile(
    r"(?:[?#]|%3f|%23|\\u003f)[\w.~%\[\]-]{1,64}(?:=|%3d|\\u003d)(?:[^\s\"'<>\\]|\\(?![\"nrt]))*", re.IGNORECASE
)
_USER = re.compile(r"//[^\s/@\"'<>\\]{1,200}@")

# A list without rows may leave them out; an object with any other field is no list.
_FIELDS_OF_AN_EMPTY_LIST = frozenset({"tasks", "next_page_token", "total"})
# The same of one-hub, if its total is 0.
_FIELDS_OF_AN_EMPTY_PAGE = frozenset({"data", "total", "page", "size"})
# Marks of Cloudflare's own pages. Links to "/cdn-cgi/" are none: it puts them into the pages of others, too.
_OF_CLOUDFLARE = re.compile(rb"cf-error-details|\| Cloudflare</title>|used Cloudflare to restrict access")
# Marks of its challenge, with 403 or 503: the origin has seen nothing.
_CHALLENGE = re.compile(rb"_cf_chl_opt|/orchestrate/chl_page|<title>Just a moment")
# Names that hosts use for the number of all rows, without underscores.
_TOTALS = frozenset({"total", "totalcount", "totalitems", "totalelements", "totalrecords", "totalrows", "totaltasks"})
# The same of pages.
_PAGE_COUNTS = frozenset({"pages", "totalpages", "totalpage", "pagecount", "lastpage"})
# Names of fields about rows that a host has left out.
_MORE = re.compile(r"more|next|cursor|truncated|partial|incomplete")
# Fields of errors of Vidu and relays, whatever their HTTP status.
_FIELDS_OF_AN_ERROR = frozenset({"error", "errors", "reason", "code", "message", "err_code", "detail"})
# Fields of Vidu's reply to a submission, which identify it even without an id.
_FIELDS_OF_A_NEW_TASK = frozenset({"state", "model", "created_at"})
# Maximum number of a relay's envelopes around the id of a created task.
_MOST_NESTED_ID = 4
_SPELLINGS_OF_TASK_ID = ("task_id", "taskId", "taskID")
# Fields, besides the state, that only a reply about a task has.
_FIELDS_OF_A_TASK = frozenset({"progress", "creations", "credits", "fail_reason"})
# Fields that no refusal of a query has.
_FIELDS_OF_A_TASK_ALONE = frozenset({"payload", "creations", "credits"})
# Fields that a reply about a task may have, and an error of the query as well.
_FIELDS_OF_A_FAILURE = _FIELDS_OF_A_TASK | {"err_code", "err_msg", "error", "model", "created_at", "video_url"}


@dataclass(frozen=True)
class HttpRequest:
    """
    One request, ready to be sent byte for byte.

    :param method: ``GET``, ``POST`` or ``PUT``.
    :param url: complete, with the query.
    :param headers: they include the key; no representation of this object shows it.
    :param body: JSON bytes, or None.
    :param submits: whether it creates something that is billed, so that a lost reply leaves it in doubt.
    :param task_id: the task it is about, for messages.
    :param not_after: epoch seconds after which no more of the body may be sent.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    submits: bool = False
    task_id: str | None = None
    not_after: float = float("inf")


@dataclass(frozen=True)
class Upload:
    """
    A place for a file at Vidu's upload tool.

    :param upload_id: the tool's id.
    :param put_url: where to send the file: a signed link, which must not get the key.
    :param expires_at: epoch seconds; None if the host does not say it.
    """

    upload_id: str
    put_url: str = field(repr=False)
    expires_at: float | None


@dataclass(frozen=True)
class TaskPage:
    """
    One page of the task list.

    :param tasks: the readable rows.
    :param next_page_token: token of the next page; None on the last one.
    :param row_count: rows on the page, including unreadable ones.
    :param total: rows of the whole list, if the host says so.
    :param has_more: whether the host reports rows that no token leads to; None = it does not say.
    """

    tasks: tuple[ViduTask, ...]
    next_page_token: str | None
    row_count: int
    total: int | None = None
    has_more: bool | None = None


class Paging:
    """
    Walks a task list page by page: which page is next, and whether the whole list was read.

    :ivar token: token of the next page; None for the first one.
    :ivar ended: there is no further page to request.
    :ivar complete: the end was really reached, and no page repeated a row of an earlier one.
    :ivar has_moved: a page repeated a row of an earlier one.
    """

    def __init__(self) -> None:
        self.token: str | None = None
        self.ended = False
        self.complete = False
        self.has_moved = False
        self._row_count = 0
        self._empty_pages = 0
        self._seen: set[str] = set()

    def take(self, page: TaskPage) -> list[ViduTask]:
        """Note the page that :attr:`token` led to, and return the tasks that no earlier page had."""
        new: list[ViduTask] = []
        for task in page.tasks:
            if task.task_id not in self._seen:
                new.append(task)
                self._seen.add(task.task_id)
        # A list that repeats itself has moved while it was read, and may have skipped rows as well.
        self.has_moved = self.has_moved or len(new) < len(page.tasks)
        self._row_count += page.row_count
        self._empty_pages = 0 if page.row_count else self._empty_pages + 1
        last = not page.next_page_token
        # A host without tokens shows only its first page.
        is_whole = page.total is None or self._row_count >= page.total
        says_nothing = page.total is None and page.has_more is None and self.token is None
        may_have_more = page.has_more or (says_nothing and _is_full(page.row_count))
        # A filter may leave a page empty; a host that ignores paging repeats its first page forever.
        is_stuck = not new and not 0 < self._empty_pages < MAX_EMPTY_PAGES
        self.ended = last or is_stuck or page.next_page_token == self.token
        self.complete = last and is_whole and not may_have_more and not self.has_moved
        self.token = page.next_page_token
        return new


def prepare_create(account: Account, endpoint: str, wire: Mapping[str, Any]) -> HttpRequest:
    """
    Prepare the call that creates a task, which is billed.

    :param endpoint: the last part of the path, for example ``img2video``.
    :param wire: the request's JSON object.
    :raises ViduInputError: the encoded body is above 20 MB, a value is no JSON, or the relay would call another
        endpoint.
    """
    if "{endpoint}" not in account.create_path and (called := _called_by_images(wire)) != endpoint:
        raise ViduInputError(
            f"endpoint: this connection cannot reach {endpoint}. Its create_path has no {{endpoint}}: the relay goes "
            f"by the number of images and would bill this request as {called}.",
            advice="Nothing was sent to Vidu. Use a connection whose create_path contains {endpoint}.",
        )
    if any(isinstance(picture, LargeImage) for picture in pictures_in(wire)):
        raise RuntimeError("a picture that was not uploaded")
    body = json_body(wire)
    if len(body) > MAX_BODY_BYTES:
        raise _too_large(len(body))
    url = account.base_url + account.create_path.replace("{endpoint}", endpoint)
    return HttpRequest("POST", url, _headers(account, body), body, submits=True)


def _called_by_images(wire: Mapping[str, Any]) -> str:
    """Return the endpoint that a relay calls if it has one path for all (plain new-api)."""
    images = wire.get("images") or ()
    count = 1 if isinstance(images, str) else len(images)
    return ("text2video", "img2video", "start-end2video", "reference2video")[min(count, 3)]


def pictures_to_upload(wire: Mapping[str, Any]) -> list[EncodedImage]:
    """
    Return the pictures of a request that have to be uploaded, the largest ones, so that the rest fits into its body.

    :param wire: the request's JSON object, with or without its marker.
    :raises ViduInputError: the request does not fit anyway, or a value is no JSON.
    """
    pictures = list(pictures_in(wire))
    # Base64 has no characters that JSON would escape.
    rest = len(json_body(replace_pictures(wire, {picture.facts.sha256: "" for picture in pictures})))
    chosen: dict[str, EncodedImage] = {}

    def size() -> int:
        return rest + sum(_URI_BYTES if picture.facts.sha256 in chosen else len(picture) for picture in pictures)

    for picture in sorted(pictures, key=lambda picture: picture.facts.size, reverse=True):
        if isinstance(picture, LargeImage) or size() > MAX_BODY_BYTES - _MARKER_BYTES:
            chosen.setdefault(picture.facts.sha256, picture)
    if size() > MAX_BODY_BYTES:
        raise _too_large(size())
    return list(chosen.values())


def _too_large(size: int) -> ViduInputError:
    return ViduInputError(
        f"images: the request is {size / MEBIBYTE:.1f} MB with the encoded image; Vidu takes at most 20 MB. "
        f"Pass the image as a URL (up to 50 MB), or as a smaller JPEG."
    )


def json_body(wire: Mapping[str, Any]) -> bytes:
    """
    Encode a request's JSON object, whose ``extra_params`` may contain anything.

    :raises ViduInputError: a value that JSON cannot represent, with its field's name.
    """
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
    try:
        return encode(wire).encode()
    except (TypeError, ValueError, RecursionError):
        pass
    for name, value in wire.items():
        try:
            encode(value).encode()
        except (TypeError, ValueError, RecursionError) as error:
            cause = "not UTF-8" if isinstance(error, UnicodeError) else str(error)
            raise ViduInputError(f"{name}: cannot be sent as JSON ({cause}).") from None
    raise ViduInputError("The request cannot be sent as JSON: the names of its fields must be plain text.")


def parse_create(status: int, headers: Mapping[str, str], body: bytes) -> ViduTask:
    """
    Read the reply to a submission.

    :return: the created task.
    :raises ViduSubmissionInDoubtError: 303, 408, 409, 499, 403 with a web page that is no challenge, a 2xx without a
        task id, or a status that is neither 3xx nor 4xx: it may have been created.
    :raises ViduError: any other 3xx or 4xx, or a known refusal at any status: nothing was created; see
        :func:`airflow_provider_vidu.api.errors.created_nothing`.
    """
    if 200 <= status < 300:
        try:
            return ViduTask.model_validate(_created_in(_json(body)), context=NEW_TASK)
        except ValidationError:
            pass
    error, is_definite = _error_of(status, headers, body)
    # A host that reports a missing task has created one, and then queried it.
    is_of_a_task = is_missing_task(error.reason) and is_inconclusive(status)
    if status == 303 or is_of_a_task or not is_definite:
        what = f"The submission was answered with HTTP {status}. {error.message}"
        if status == 303:
            what += " The redirect says that the request was executed: it is not known whether a task was created."
        if 200 <= status < 300:
            what = f"Vidu answered the submission with HTTP {status} but without a task id: {_excerpt(body)}"
            if body.lstrip().startswith(b"<"):
                # A relay's dashboard; but a proxy may send a page after the relay has accepted the request.
                what += ". That is a web page: check api_prefix and create_path."
        doubt = ViduSubmissionInDoubtError(
            what, reason=error.reason, trace_id=error.trace_id, http_status=status if status >= 200 else None
        )
        doubt.is_vidus_own = _is_vidus_own(status, body)
        raise doubt
    if type(error) is ViduNotFoundError:
        raise error.but(
            advice=(
                "Nothing was created. Either this path of the host creates no tasks (check the endpoint's name, "
                "api_prefix and create_path), or the request names something that the host does not know."
            )
        )
    if isinstance(error, ViduUnavailableError):
        by_gateway = f" {error.advice}" if error.advice != error.default_advice else ""
        raise error.but(advice=f"Nothing was created or billed; a retry submits it.{by_gateway}")
    raise error


def _is_vidus_own(status: int, body: bytes) -> bool:
    """Return whether a reply to a submission is Vidu's own, after which the request is no longer in progress."""
    if not (200 <= status < 300 or status in {409, 500}):
        return False
    answer = _json(body)
    return read_error(status, answer).is_vidus or (isinstance(answer, dict) and answer.keys() >= _FIELDS_OF_A_NEW_TASK)


def _created_in(answer: Any) -> Any:
    """
    Return the object with the task's id in the reply to a submission; None if the id may be that of the request.

    ``task_id`` counts anywhere, if there is only one. In an error, ``id`` is that of the request.
    """
    if isinstance(answer, dict) and answer.get("task_id"):
        return answer
    found = _with_task_id(answer)
    if found:
        return found[0] if len({one["task_id"] for one in found}) == 1 else None
    if not isinstance(answer, dict):
        return None
    inner = answer.get("data")
    created = inner if isinstance(inner, dict) and inner.get("id") else answer
    layers = [answer, created]
    state = state_word(raw_state(created))
    if state == TaskState.FAILED or any(says_success(layer) is False for layer in layers):
        return None
    is_said_to_be_fine = state is not None or any(map(says_success, layers))
    return created if is_said_to_be_fine or not any(map(complaint_of, layers)) else None


def _with_task_id(answer: Any) -> list[dict[str, Any]]:
    found = []
    pending = [(answer, _MOST_NESTED_ID)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, dict):
            task_id = next((value[name] for name in _SPELLINGS_OF_TASK_ID if value.get(name)), None)
            if isinstance(task_id, (str, int)) and not isinstance(task_id, bool):
                found.append({**value, "task_id": str(task_id)})
        if depth and isinstance(value, (dict, list)):
            pending += [(inner, depth - 1) for inner in (value.values() if isinstance(value, dict) else value)]
    return found


def prepare_task(account: Account, task_id: str) -> HttpRequest:
    """Prepare the query of one task."""
    return HttpRequest("GET", _task_url(account, account.task_path, task_id), _headers(account), task_id=task_id)


def parse_task(status: int, headers: Mapping[str, str], body: bytes, task_id: str) -> ViduTask:
    """
    Read the reply to a query.

    :param task_id: the requested id: Vidu's own reply does not always repeat it.
    :return: the task, with the requested id (relays reply with ids of their own).
    :raises ViduError: what the reply says instead.
    """
    answer = _answer(status, headers, body, task_id)
    if not isinstance(answer, dict):
        raise ViduUnavailableError(f"Vidu answered a query with {_excerpt(body)}.", task_id=task_id)
    try:
        task = ViduTask.model_validate({**answer, "task_id": task_id})
    except ValidationError as error:
        raise ViduUnavailableError(
            f"Vidu's reply to a query cannot be read ({error.error_count()} fields).", task_id=task_id
        ) from None
    if not _is_of_a_task(task, layers_of(answer), task_id):
        refusal, is_known = _error_of(status, headers, body, task_id)
        if is_known:
            raise refusal
        # A gateway's error in a 200 says nothing about the task: neither that it runs nor that it failed, unbilled.
        raise ViduUnavailableError(
            f"Vidu answered a query with {_excerpt(body)}.",
            task_id=task_id,
            trace_id=_trace_id(headers),
            http_status=status,
        )
    if task.failed:
        return task.with_trace_id(_trace_id(headers))
    # The video exists: keep the reply, so that a person can find its link.
    return task.with_unread_reply(_unsigned(answer)) if task.succeeded and not task.video_url else task


def _is_of_a_task(task: ViduTask, layers: Sequence[Mapping[str, Any]], task_id: str) -> bool:
    """Return whether a reply is about the task: a failure may be the query's own, and leads to another submission."""
    names = {name for layer in layers for name in layer}
    if not task.failed:
        return task.state is not None or not names & _FIELDS_OF_AN_ERROR
    is_named = any(str(layer.get(name)) == task_id for layer in layers for name in ("id", "task_id"))
    if is_rate_limit(task.err_code):
        # A query may be refused for a rate limit, too.
        return bool(names & _FIELDS_OF_A_TASK_ALONE) or (is_named and bool(names & _FIELDS_OF_A_FAILURE))
    if is_named:
        return True
    envelope = layers[0]
    is_inside = any(map(raw_state, layers[1:]))
    if is_inside and says_success(envelope) is False:
        return False
    if says_success(envelope) or names & _FIELDS_OF_A_TASK:
        return True
    # The name is Vidu's own; gateways use "status".
    is_vidus = any(layer.get("state") for layer in layers)
    complains = any(says_success(layer) is False or complaint_of(layer) for layer in layers)
    return (is_vidus and "err_code" in names) or ((is_vidus or is_inside) and not complains)


def prepare_list(
    account: Account,
    *,
    task_ids: Sequence[str] = (),
    states: Sequence[str] = (),
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    page_size: int = MAX_PAGE_SIZE,
    page_token: str | None = None,
) -> HttpRequest:
    """
    Prepare one page of the task list.

    Vidu's page spells the page size ``paper.pagesz``, clients in the wild send ``pager.pagesz``: both are sent.

    :param task_ids: only these, at most 100.
    :param states: only tasks in these states; empty = all.
    :param created_after: Vidu's default window is the last seven days.
    :param created_before: see ``created_after``.
    :param page_size: rows per page, 1 to 100.
    :param page_token: from the previous page.
    :raises ViduConfigurationError: this host has no list.
    """
    if account.list_path is None:
        raise ViduConfigurationError("This host has no task list.", advice="The connection has list_path: null.")
    query: list[tuple[str, str]] = [("states", state) for state in states]
    query += [
        (name, moment.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"))
        for name, moment in (("created_at.from", created_after), ("created_at.to", created_before))
        if moment is not None
    ]
    query += [("pager.pagesz", str(page_size)), ("paper.pagesz", str(page_size))]
    if page_token:
        query.append(("pager.page_token", page_token))
    # A request has a hundred ids, nearly always numbers: quoting each of their characters would cost the most here.
    ids = "".join(f"task_ids={one if one.isascii() and one.isalnum() else quote(one, safe='')}&" for one in task_ids)
    return HttpRequest("GET", f"{account.base_url}{account.list_path}?{ids}{urlencode(query)}", _headers(account))


def parse_list(status: int, headers: Mapping[str, str], body: bytes) -> TaskPage:
    """
    Read one page of the task list.

    :return: the page; rows that cannot be read are counted and left out: a list reply is a hint.
    :raises ViduConfigurationError: a web page; this host has no list.
    :raises ViduUnavailableError: no list, a part of one, or an error. An object with any field that is not a list's
        own is no list: read as an empty one, it would say that a submission is absent.
    :raises ViduError: what the reply says instead.
    """
    _refuse_web_page(status, headers, body, "task list")
    answer = _answer(status, headers, body)
    rows: Any = answer
    envelopes: list[Mapping[str, Any]] = []
    if isinstance(answer, dict):
        inner = answer.get("data")
        holder = inner if isinstance(inner, dict) and "tasks" not in answer else answer
        rows = holder.get("tasks", inner if isinstance(inner, list) else None)
        envelopes = [answer] if holder is answer else [answer, holder]
    says = _paging_of(envelopes, len(rows) if isinstance(rows, list) else 0)
    if rows is None and isinstance(answer, dict):
        fields = set(answer)
        if not fields - _FIELDS_OF_AN_EMPTY_LIST or (says.total == 0 and not fields - _FIELDS_OF_AN_EMPTY_PAGE):
            rows = []
    is_error = any(says_success(one) is False or state_word(one.get("status")) == TaskState.FAILED for one in envelopes)
    complains = not is_error and any(says_success(one) is None and complaint_of(one) for one in envelopes)
    if status == 206 or is_error or not isinstance(rows, list) or (complains and not rows):
        raise ViduUnavailableError(
            f"Vidu answered the task list with {_excerpt(body)}.", http_status=status, trace_id=_trace_id(headers)
        )
    # A message beside the rows may say that some are missing.
    return replace(says, tasks=tuple(_parse_rows(rows)), has_more=complains or says.has_more)


def _paging_of(envelopes: Sequence[Mapping[str, Any]], row_count: int) -> TaskPage:
    """Return what a list says about its other pages, as a page without rows."""
    said = [pair for one in envelopes for pair in _plain_fields(one)]
    numbers = [(name, number) for name, value in said if (number := _whole_number(value)) is not None]
    # A count may be the page's own.
    totals = [number for name, number in numbers if name in _TOTALS or (name == "count" and number > row_count)]
    tokens = [value for name, value in said if name == "nextpagetoken"]
    more = [_is_yes(value) for name, value in said if _MORE.search(name) and name != "nextpagetoken"]
    more += [number > 1 for name, number in numbers if name in _PAGE_COUNTS]
    return TaskPage(
        (),
        next((str(token) for token in tokens if token), None),
        row_count,
        max(totals, default=None),
        any(more) if more or tokens else None,
    )


def _plain_fields(envelope: Mapping[str, Any], depth: int = 2) -> Iterable[tuple[str, Any]]:
    for name, value in envelope.items():
        if isinstance(value, Mapping):
            # Such as "pagination"; the caller handles the inner envelope.
            if depth and name != "data":
                yield from _plain_fields(value, depth - 1)
        elif not isinstance(value, list):
            yield re.sub(r"[^a-z]", "", str(name).lower()), value


def _is_yes(value: Any) -> bool:
    return bool(value) and str(value).strip().lower() not in {"false", "no", "0", "null", "none"}


def _is_full(row_count: int) -> bool:
    # A page has ten rows or a multiple of ten.
    return row_count > 0 and row_count % 10 == 0


def prepare_cancel(account: Account, task_id: str) -> HttpRequest:
    """
    Prepare the cancel of a task. Vidu's page wants the id in the body, too.

    :raises ViduConfigurationError: this host has no cancel.
    """
    if account.cancel_path is None:
        raise ViduConfigurationError("This host has no cancel endpoint.", task_id=task_id, advice="The task continues.")
    body = json.dumps({"id": task_id}).encode()
    return HttpRequest(
        "POST",
        _task_url(account, account.cancel_path, task_id),
        _headers(account, body),
        body,
        task_id=task_id,
    )


def parse_cancel(status: int, headers: Mapping[str, str], body: bytes, task_id: str) -> None:
    """
    Read the reply to a cancel: ``{}``, ``null``, an empty body and the task itself all mean that it was accepted.

    :raises ViduRequestError: refused; Vidu refuses once a task is scheduled.
    :raises ViduConfigurationError: a web page; this host has no cancel.
    :raises ViduUnavailableError: a 2xx that says something else, because gateways wrap errors: query the task.
    """
    if not 200 <= status < 300:
        error = parse_error(status, headers, body, task_id)
        if type(error) is ViduRequestError:
            raise error.but(advice="The task continues and is billed if it succeeds.")
        raise error
    _refuse_web_page(status, headers, body, "cancel", task_id=task_id, advice="The task continues.")
    answer = _json(body)
    is_yes = body.strip() in {b"", b"null"} or (isinstance(answer, dict) and not set(answer) & _FIELDS_OF_AN_ERROR)
    if not is_yes:
        raise ViduUnavailableError(
            f"Vidu answered the cancel with {_excerpt(body)}.", task_id=task_id, http_status=status
        )


def prepare_credits(account: Account) -> HttpRequest:
    """
    Prepare the query of the balance: free, and the cheapest check of a key.

    :raises ViduConfigurationError: this host does not report it.
    """
    if account.credits_path is None:
        raise ViduConfigurationError("This host does not report the balance.", advice="")
    return HttpRequest("GET", f"{account.base_url}{account.credits_path}?show_detail=false", _headers(account))


def parse_credits(status: int, headers: Mapping[str, str], body: bytes) -> Credits:
    """
    Read the balance.

    :raises ViduConfigurationError: a web page; this host does not report the balance.
    :raises ViduError: what the reply says instead.
    """
    _refuse_web_page(status, headers, body, "balance query")
    answer = _answer(status, headers, body)
    try:
        return Credits.model_validate(answer)
    except ValidationError:
        raise ViduUnavailableError(f"Vidu's reply to the balance query cannot be read: {_excerpt(body)}.") from None


def prepare_upload(account: Account) -> HttpRequest:
    """Prepare the request for a place at the upload tool; it is not billed."""
    body = b'{"scene":"vidu"}'
    return HttpRequest("POST", f"{account.base_url}{account.uploads_path}", _headers(account, body), body)


def parse_upload(status: int, headers: Mapping[str, str], body: bytes) -> Upload:
    """
    Read where to send a file.

    :raises ViduConfigurationError: a web page; this host has no upload tool.
    :raises ViduError: what the reply says instead.
    """
    _refuse_web_page(status, headers, body, "upload tool")
    answer = _answer(status, headers, body)
    upload_id, put_url = (answer.get("id"), answer.get("put_url")) if isinstance(answer, dict) else (None, None)
    # An id of dots would lead to another path of the host.
    if not isinstance(upload_id, str) or not upload_id.strip(".") or not isinstance(put_url, str) or not put_url:
        raise ViduUnavailableError(f"Vidu answered the request for an upload with {_excerpt(body)}.")
    return Upload(upload_id, put_url, parse_moment(answer.get("expires_at")))


def prepare_finish(account: Account, upload_id: str, etag: str) -> HttpRequest:
    """
    Prepare the request that finishes an upload.

    :param etag: of the storage host's reply, without quotes.
    """
    body = json.dumps({"etag": etag}).encode()
    url = f"{account.base_url}{account.uploads_path}/{quote(upload_id, safe='')}/finish"
    return HttpRequest("PUT", url, _headers(account, body), body)


def parse_finish(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """
    Read the URI by which a request names an uploaded file.

    :raises ViduUnavailableError: there is none, or Vidu does not know the upload; another upload may work.
    :raises ViduError: what the reply says instead.
    """
    try:
        answer = _answer(status, headers, body)
    except ViduNotFoundError as error:
        raise ViduUnavailableError(f"Vidu does not know the upload: {error.message}") from None
    uri = answer.get("uri") if isinstance(answer, dict) else None
    if not isinstance(uri, str) or not uri.lower().startswith("ssupload:") or len(uri) > _URI_BYTES:
        raise ViduUnavailableError(f"Vidu finished an upload with {_excerpt(body)}.")
    return uri


def parse_error(status: int, headers: Mapping[str, str], body: bytes, task_id: str | None = None) -> ViduError:
    """
    Turn any reply that is not a 2xx into an error.

    Reads the bodies of Vidu and of relays, see :mod:`airflow_provider_vidu.api.error_bodies`, and the headers
    ``Retry-After``, ``Location`` and ``X-MD-Trace-ID``.
    """
    return _error_of(status, headers, body, task_id)[0]


def _error_of(
    status: int, headers: Mapping[str, str], body: bytes, task_id: str | None = None
) -> tuple[ViduError, bool]:
    """Return an error, and whether this reply to a submission would show that nothing was created."""
    if 300 <= status < 400:
        location = quoted(_without_query(_header(headers, "location") or "?"))
        error: ViduError = ViduConfigurationError(
            f"The host redirects (HTTP {status} to {location}). The API key is not sent to the target.",
            advice="In the connection, enter the host that it redirects to. Nothing was created.",
            http_status=status,
            task_id=task_id,
        )
        return error, True
    if _is_challenge(status, headers, body):
        error = ViduUnavailableError(
            f"A gateway refused this machine, and the API has seen nothing of this request: {_excerpt(body)}",
            advice="It says nothing about the key. Try again; if it persists, ask the host to allow this address.",
            http_status=status,
            task_id=task_id,
        )
        return error, True
    if status == 403 and _is_web_page(headers, body):
        # A filtering proxy may have let the request through and block the reply.
        error = ViduUnavailableError(
            f"A gateway answered with a web page: {_excerpt(body)}",
            advice="It says nothing about the key. Try again; if it persists, ask the operator of the proxy or host.",
            http_status=status,
            task_id=task_id,
        )
        return error, False
    failure = read_error(status, _json(body))
    if task_id is not None and says_task_is_missing(failure):
        is_in_a_success = 200 <= status < 300
        failure = replace(failure, reason="task_not_found", vidu_status=404 if is_in_a_success else failure.vidu_status)
    error = request_error(
        status,
        failure.reason,
        failure.words or _excerpt(body),
        vidu_status=failure.vidu_status,
        trace_id=failure.trace_id or _trace_id(headers),
        retry_after=retry_after(headers),
        task_id=task_id,
    )
    return error, created_nothing(status, failure.reason, failure.vidu_status)


def with_advice_for(error: ViduError, account: Account) -> ViduError:
    """Return an error with advice for a relay, if it is about a refused key and the host is not Vidu's own."""
    if isinstance(error, ViduAuthError) and not account.is_vidus:
        host = urlsplit(account.base_url).hostname
        scheme = f"after {account.auth_scheme!r}" if account.auth_scheme else "alone"
        return error.but(
            advice=(
                f"Check the API key (the connection's password), and that {host} has issued it. It was sent {scheme} "
                "in the Authorization header: auth_scheme in the connection's extra changes that."
            )
        )
    return error


def is_missing_endpoint(error: ViduError) -> bool:
    """
    Return whether an error of the list or the balance means that this host has no such endpoint.

    Relays answer 404, 405 or 501 on paths that they do not route, or a web page with 200.
    """
    return isinstance(error, ViduNotFoundError) or error.http_status in {405, 501} or is_web_page(error)


def is_web_page(error: ViduError) -> bool:
    """
    Return whether a host has answered with a web page instead of JSON.

    new-api, one-api and one-hub send their dashboard, with HTTP 200, for every path that they do not route.
    """
    return isinstance(error, ViduConfigurationError) and 200 <= (error.http_status or 0) < 300


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """
    Read ``Retry-After``: seconds, or a date.

    :param headers: of the reply, in any case.
    :param now: the time to count from; None = the clock's.
    :return: seconds, at least 0; None if it is missing or cannot be read.
    """
    text = _header(headers, "retry-after")
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    moment = parse_http_date(text)
    return None if moment is None else max(0.0, (moment - (now or datetime.now(timezone.utc))).total_seconds())


def parse_http_date(text: str) -> datetime | None:
    """Return the moment of an HTTP date; None if it cannot be read."""
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)


def _headers(account: Account, body: bytes | None = None) -> dict[str, str]:
    headers = {"Authorization": account.authorization, "Accept": "application/json"}
    return headers if body is None else {**headers, "Content-Type": "application/json"}


def _task_url(account: Account, path: str, task_id: str) -> str:
    # An id from outside must not lead to another path of the host: HTTP libraries resolve dots.
    if not task_id.strip("."):
        raise ViduInputError(f"{task_id!r} is not a task id.")
    return account.base_url + path.replace("{task_id}", quote(task_id, safe=""))


def _answer(status: int, headers: Mapping[str, str], body: bytes, task_id: str | None = None) -> Any:
    if not 200 <= status < 300:
        raise parse_error(status, headers, body, task_id)
    answer = _json(body)
    if answer is None:
        raise ViduUnavailableError(
            f"Vidu answered HTTP {status} with something that is not JSON: {_excerpt(body)}",
            task_id=task_id,
            trace_id=_trace_id(headers),
            http_status=status,
        )
    return answer


def _refuse_web_page(
    status: int, headers: Mapping[str, str], body: bytes, what: str, *, task_id: str | None = None, advice: str = ""
) -> None:
    if 200 <= status < 300 and _is_web_page(headers, body):
        raise ViduConfigurationError(
            f"This host has no {what}: it answered with a web page.",
            advice=advice,
            http_status=status,
            task_id=task_id,
        )


def _is_web_page(headers: Mapping[str, str], body: bytes) -> bool:
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not text or text == b"null" or _json(body) is not None:
        return False
    content_type = _header(headers, "content-type") or ""
    return text.startswith(b"<") or content_type.strip().lower().startswith("text/html")


def _is_challenge(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Return whether Cloudflare wants a browser, or bans a client by its address or its name."""
    # Its name in the header "server" is no mark: replies that it relays have it, too.
    if status not in {403, 503}:
        return False
    is_page = _is_web_page(headers, body)
    if _header(headers, "cf-mitigated") is not None or (is_page and _CHALLENGE.search(body) is not None):
        return True
    # With 503, these marks may come from a worker or an origin that has seen the request.
    if status == 503:
        return False
    if re.fullmatch(rb"\s*error code: 1\d{3}\s*", body) or (is_page and _OF_CLOUDFLARE.search(body)):
        return True
    answer = _json(body)
    return isinstance(answer, dict) and answer.get("cloudflare_error") is True


def _parse_rows(rows: Iterable[Any]) -> Iterable[ViduTask]:
    for row in rows:
        try:
            yield ViduTask.model_validate(row)
        except ValidationError:
            continue


def _whole_number(value: Any) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return int(value) if is_number or (isinstance(value, str) and value.isdecimal() and len(value) < 20) else None


def _json(body: bytes | str) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None


def _excerpt(body: bytes) -> str:
    text = quoted(body[:MAX_QUOTED].decode("utf-8", "replace"), 200)
    return repr(text) if text else "an empty body"


def _unsigned(reply: Any) -> str:
    """Quote a reply without images, and without the signatures that let any reader use its links."""

    def shortened(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: shortened(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [shortened(inner) for inner in value]
        if not isinstance(value, str):
            return value
        inner = _json(value) if value.lstrip().startswith(("{", "[")) else None
        if isinstance(inner, (dict, list)):
            return shortened(inner)
        text = value[:_MAX_QUOTED_REPLY].replace("\\/", "/")
        # A prompt may have thousands of characters, and the link may come after it.
        return quoted(_USER.sub("//", _QUERY.sub("", SIGNED_LINK.sub(r"\1", text))), 200)

    try:
        text = json.dumps(shortened(reply), ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""
    return quoted(text, _MAX_QUOTED_REPLY)


def _trace_id(headers: Mapping[str, str]) -> str | None:
    return quoted(_header(headers, "x-md-trace-id") or "") or None


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)


def _without_query(url: str) -> str:
    return url.partition("?")[0]
