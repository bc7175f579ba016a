# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The models of Vidu's replies: tasks, creations, credits.

Tolerant on purpose: unknown fields are ignored, missing ones are None, and the variants of relays that copy this API
are read, too: ``task_id`` for ``id``, ``status`` for ``state``, their words for the five states, their envelopes, and
the places where they put the video's link. A paid task must never be lost because of an unexpected field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from enum import Enum
from typing import Any
from urllib.parse import urljoin

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)

from airflow_provider_vidu.api.error_bodies import read_task_failure
from airflow_provider_vidu.api.errors import ONLY_REFUSALS
from airflow_provider_vidu.api.messages import one_line, printable, quoted
from airflow_provider_vidu.api.origin import NAMES, Origin


class TaskState(str, Enum):
    """The five states of Vidu's page. A cancelled task is ``failed`` with err_code ``UserCancelled``."""

    CREATED = "created"
    QUEUEING = "queueing"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILED = "failed"

    def __str__(self) -> str:
        return self.value


_KNOWN_STATES = frozenset(state.value for state in TaskState)
FINAL_STATES = frozenset({TaskState.SUCCESS, TaskState.FAILED})

#: pydantic's context for the reply to a submission, in which no link can be the video yet.
NEW_TASK = {"is_new": True}

# Words of relays for the same states.
_RELAY_STATES = {
    "submitted": TaskState.CREATED,
    "not_start": TaskState.CREATED,
    "not_started": TaskState.CREATED,
    "pending": TaskState.QUEUEING,
    "queued": TaskState.QUEUEING,
    "queuing": TaskState.QUEUEING,
    "running": TaskState.PROCESSING,
    "in_progress": TaskState.PROCESSING,
    "inprogress": TaskState.PROCESSING,
    # With a link beside them, unknown words would count as a success.
    "accepted": TaskState.CREATED,
    "scheduled": TaskState.QUEUEING,
    "waiting": TaskState.QUEUEING,
    "generating": TaskState.PROCESSING,
    "rendering": TaskState.PROCESSING,
    "completed": TaskState.SUCCESS,
    "complete": TaskState.SUCCESS,
    "succeeded": TaskState.SUCCESS,
    "successful": TaskState.SUCCESS,
    "succeed": TaskState.SUCCESS,
    "done": TaskState.SUCCESS,
    "finished": TaskState.SUCCESS,
    "failure": TaskState.FAILED,
    "fail": TaskState.FAILED,
    "error": TaskState.FAILED,
    "timeout": TaskState.FAILED,
    "timed_out": TaskState.FAILED,
    "expired": TaskState.FAILED,
    "rejected": TaskState.FAILED,
    "aborted": TaskState.FAILED,
    "terminated": TaskState.FAILED,
    "cancel": TaskState.FAILED,
    "cancelled": TaskState.FAILED,
    "canceled": TaskState.FAILED,
}
# Other words for a task that is not finished, whatever is beside them.
_GOES_ON = re.compile(r"ing$|^(?:in|not)_")
# Error codes that no further attempt fixes.
_CODES_OF_AN_END = ONLY_REFUSALS | {"UserCancelled"}

# Maximum layers of a reply: {"code", "data": {"status", "result_url", "data": Vidu's own reply}}.
_MOST_LAYERS = 3
# Fields besides Vidu's creations into which relays put the link of a success; older new-api used fail_reason.
_LINK_FIELDS = (
    "result_url",
    "video_url",
    "url",
    "video",
    "output",
    "outputs",
    "metadata",
    "task_result",
    "fail_reason",
)
# Those whose name says that it is a video; a link in another may lead to a page about the task.
_VIDEO_FIELDS = frozenset({"result_url", "video_url", "video"})
# The link fields of an object in one of them.
_INNER_LINK_FIELDS = ("url", "video_url", "video", "videos")
# Names of fields that repeat the request.
_INPUT_NAME = re.compile(r"image|img|frame|input|request|wm_", re.IGNORECASE)
_VIDEO = re.compile(r"\.(mp4|m4v|mov|webm|mkv)$", re.IGNORECASE)
_LINK = re.compile(r"https?://[^\s/?#]\S*", re.IGNORECASE)
# A path at the API's own host; only that of a video may contain blanks.
_RELATIVE = re.compile(r"/[^/\s](?:\S*|[\S ]*\.(?:mp4|m4v|mov|webm|mkv))", re.IGNORECASE)
_MOMENT = TypeAdapter(datetime)
# A time with an offset that pydantic does not read: hours only, after a blank, or followed by the zone's name.
_OFFSET = re.compile(r"(.*:\d\d(?:[.,]\d+)?)\s*(?:([+-]\d\d):?(\d\d)?(?:\s+\w+)?|UTC|GMT|Z)", re.IGNORECASE)
_PICTURE = re.compile(r"\.(png|jpe?g|webp|gif|bmp|avif|heic)$", re.IGNORECASE)


def layers_of(reply: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a reply and the replies that it wraps as ``data``, the innermost last."""
    layers = [reply]
    while len(layers) < _MOST_LAYERS:
        inner = layers[-1].get("data")
        if isinstance(inner, str):
            # Vidu's own reply as text.
            try:
                inner = json.loads(inner)
            except (ValueError, RecursionError):
                break
        if not isinstance(inner, Mapping):
            break
        layers.append(inner)
    return layers


def _state_of(layers: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the task's state. The outermost one is only that of the request if there is another inside."""
    states = [state_word(raw_state(layer)) for layer in layers]
    inner = [state for state in states[1:] if state] or states[:1]
    # Vidu's own reply inside an envelope may be older than the envelope's state.
    return next((state for state in reversed(inner) if state in FINAL_STATES), inner[-1])


def raw_state(layer: Mapping[str, Any]) -> Any:
    """Return the state of a task as a layer of the reply spells it, under any of its names."""
    return layer.get("state") or layer.get("status") or layer.get("task_status")


def state_word(value: Any) -> str | None:
    """
    Return Vidu's word for a host's :func:`raw_state`.

    :return: the host's own word if this release does not know it; None if the value is not a word.
    """
    if not isinstance(value, str) or not value:
        return None
    word = re.sub(r"[\s-]+", "_", one_line(value).lower())
    word = re.sub(r"^task_(?:status_)?", "", word)
    return str(_RELAY_STATES.get(word, word)) or None


def _is_known(state: str | None) -> bool:
    return state in _KNOWN_STATES


def _creations_of(layers: Sequence[Mapping[str, Any]], state: str | None) -> list[Any]:
    """
    Return Vidu's creations, and the link that a relay puts elsewhere if none of them has one.

    In an unknown state, only a link that is clearly a video's counts.
    """
    inmost_first = list(reversed(layers))
    found = [_rows(layer.get("creations")) for layer in inmost_first]
    for rows in found:
        if any(_has_link(row) for row in rows):
            return rows
    rows = next((rows for rows in found if rows), [])
    if state == TaskState.SUCCESS or not _is_known(state):
        inputs = _input_links(layers)
        for layer in inmost_first:
            for name in _LINK_FIELDS:
                for link in _links(layer.get(name), may_be_relative=name in _VIDEO_FIELDS):
                    plain = _without_query(link)
                    is_video = state == TaskState.SUCCESS or name in _VIDEO_FIELDS or _VIDEO.search(plain)
                    if is_video and plain not in inputs and not _PICTURE.search(plain):
                        return [*rows, {"url": link}]
    return rows


def _input_links(layers: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the request's links that a reply repeats, without their queries: none of them is the video."""
    found = set()
    pending: list[tuple[Any, bool]] = [(layer, False) for layer in layers]
    while pending:
        value, is_input = pending.pop()
        if isinstance(value, Mapping):
            pending += [(inner, is_input or bool(_INPUT_NAME.search(str(name)))) for name, inner in value.items()]
        elif isinstance(value, list):
            pending += [(inner, is_input) for inner in value]
        elif is_input and (_is_link(value) or _is_relative(value)):
            found.add(_without_query(value))
    return found


def _rows(value: Any) -> list[Any]:
    rows = value if isinstance(value, (list, tuple)) else [value]
    named = [{"url": row} if isinstance(row, str) and row else row for row in rows]
    return [row for row in named if isinstance(row, (dict, Creation))]


def _has_link(row: Any) -> bool:
    if isinstance(row, Creation):
        return row.url is not None
    links = (row.get("url"), row.get("video_url"))
    return any(_is_link(link) or _is_relative(link) for link in links)


def _is_link(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    link = value.strip()
    return _LINK.fullmatch(link) is not None and printable(link) == link


def _is_relative(value: Any) -> bool:
    """Return whether it is a path at the API's own host, which some relays send."""
    return isinstance(value, str) and _RELATIVE.fullmatch(value.strip()) is not None and printable(value) == value


def _links(value: Any, depth: int = 3, *, may_be_relative: bool) -> list[str]:
    if isinstance(value, str):
        return [value.strip()] if _is_link(value) or (may_be_relative and _is_relative(value)) else []
    if isinstance(value, Mapping):
        value = [value.get(name) for name in _INNER_LINK_FIELDS]
    if not isinstance(value, list) or not depth:
        return []
    return [link for one in value for link in _links(one, depth - 1, may_be_relative=may_be_relative)]


def _why(body: Mapping[str, Any]) -> dict[str, str | None]:
    failure = read_task_failure(body)
    return {"err_code": failure.reason, "err_msg": failure.words or None}


def parse_moment(time: Any) -> float | None:
    """Return a time of a reply in whole epoch seconds, in UTC if it has no offset; None if it cannot be read."""
    try:
        # Python 3.10 reads neither a Z nor nine fractional digits.
        moment = _MOMENT.validate_python(_with_whole_offset(time) if isinstance(time, str) else time)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return float(moment.timestamp() // 1)
    except (ValueError, OverflowError):
        return None


def _with_whole_offset(time: str) -> str:
    found = _OFFSET.fullmatch(time)
    return f"{found[1]}{found[2] or '+00'}:{found[3] or '00'}" if found else time


def _without_query(link: str) -> str:
    return re.split(r"[?#]", link, maxsplit=1)[0]


def _text(value: Any) -> Any:
    # Ids have 18 digits and some relays send them as numbers: as text they survive every JSON reader.
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    # Messages print it.
    return one_line(text) if isinstance(text, str) else text


def _one_line(value: Any) -> Any:
    return one_line(value) if isinstance(value, str) else value


def _or_none(value: Any, read: Any) -> Any:
    # An unreadable field costs that field, never the task.
    try:
        return read(value)
    except ValueError:
        return None


class Creation(BaseModel):
    """
    One rendered video of a task. Its URLs are signed and expire within 24 hours, the cover's perhaps within one.

    :param id: Vidu's id of the creation.
    :param url: the video.
    :param cover_url: a still picture.
    :param watermarked_url: the watermarked copy; None if none was requested.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str | None = None
    url: str | None = Field(default=None, validation_alias=AliasChoices("url", "video_url"), repr=False)
    cover_url: str | None = Field(default=None, repr=False)
    watermarked_url: str | None = Field(default=None, repr=False)

    _unreadable_is_none = field_validator("id", "url", "cover_url", "watermarked_url", mode="wrap")(_or_none)
    _id_as_text = field_validator("id", mode="before")(_text)

    @field_validator("url", "cover_url", "watermarked_url", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        if not (_is_link(value) or _is_relative(value)):
            return None
        # The link was escaped for a web page; no query has a parameter named "amp;…".
        return str(value).strip().replace("&amp;", "&").replace(" ", "%20")

    @property
    def links(self) -> tuple[str | None, ...]:
        """The three links, None for each that is missing."""
        return self.url, self.cover_url, self.watermarked_url

    def at(self, base_url: str) -> Creation:
        """See :meth:`ViduTask.at`."""
        names = ("url", "cover_url", "watermarked_url")
        whole = {name: link and urljoin(base_url, link) for name, link in zip(names, self.links, strict=True)}
        return self.model_copy(update=whole)


def parse_amount(value: Any) -> int | float | None:
    """
    Parse an amount of credits; some hosts bill half a credit.

    :return: an integer if it is one; None = it is no amount.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, int):
        return value
    try:
        number = float(value)
        return int(number) if number == int(number) else number
    except (ValueError, OverflowError):
        return None


class ViduTask(BaseModel):
    """
    A remote task, as in the reply to a submission or a query, or in a row of the list.

    :param task_id: Vidu's id, a decimal string of 18 digits. Read from ``task_id`` or ``id``.
    :param state: one of :class:`TaskState`, or a word that this release does not know; None if the reply has none
        (a list row may not).
    :param model: the model that renders it; the reply to a query does not have it.
    :param credits: the price; authoritative in the reply to the submission.
    :param err_code: why it failed; None if it did not, or if no reply has a code.
    :param err_msg: why it failed, in the host's words.
    :param payload: the request's payload; None if the reply does not have it.
    :param created_at: RFC 3339 as the host sends it, UTC if it has no offset. Some relays send Unix seconds or
        milliseconds; those are converted.
    :param duration: seconds; in the reply to the submission and in list rows.
    :param resolution: for example ``720p``.
    :param off_peak: whether it may take 48 hours.
    :param creations: the videos of a task in ``success``.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    task_id: str = Field(validation_alias=AliasChoices("task_id", "id"), min_length=1)
    state: str | None = Field(default=None, validation_alias=AliasChoices("state", "status"))
    model: str | None = None
    credits: int | float | None = None
    err_code: str | None = None
    err_msg: str | None = Field(default=None, repr=False)
    payload: str | None = Field(default=None, repr=False)
    created_at: str | None = None
    duration: float | None = Field(default=None, allow_inf_nan=False)
    resolution: str | None = None
    off_peak: bool | None = None
    wm_position: str | int | None = None
    creations: tuple[Creation, ...] = ()

    _origin: Origin = PrivateAttr(default=Origin())
    _unread_reply: str | None = PrivateAttr(default=None)
    _trace_id: str | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _relay_spellings(cls, body: Any, info: ValidationInfo) -> Any:
        if not isinstance(body, dict):
            return body
        layers = layers_of(body)
        if len(layers) == 1:
            body = dict(body)
        else:
            ids = {name: body[name] for name in ("task_id", "id") if name in body}
            known = {name: value for layer in layers for name, value in layer.items() if value not in (None, "")}
            known.pop("task_id", None)
            known.pop("id", None)
            body = {**known, **ids}
        state = _state_of(layers)
        is_new = bool(info.context and info.context.get("is_new"))
        creations = [] if is_new and not _is_known(state) else _creations_of(layers, state)
        if not _is_known(state) and not _GOES_ON.search(state or ""):
            if any(_has_link(row) for row in creations):
                state = TaskState.SUCCESS.value
            elif state and not is_new and str(body.get("err_code")) in _CODES_OF_AN_END:
                state = TaskState.FAILED.value
        why = _why(body) if state == TaskState.FAILED else {"err_msg": None}
        body.update(why, state=state, creations=creations)
        if not body.get("task_id"):
            body.pop("task_id", None)
        return body

    _id_as_text = field_validator("task_id", mode="before")(_text)

    _as_one_line = field_validator("model", "resolution", "created_at", "wm_position", mode="before")(_one_line)

    @field_validator("credits", mode="before")
    @classmethod
    def _credits_as_figure(cls, value: Any) -> Any:
        return parse_amount(value)

    @field_validator("err_code", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return quoted(str(value)) or None if value else None

    @field_validator("payload", mode="before")
    @classmethod
    def _payload_as_text(cls, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    @field_validator("created_at", mode="before")
    @classmethod
    def _time_as_text(cls, value: Any) -> Any:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return value if value and isinstance(value, str) else None
        try:
            seconds = value / 1000 if value > 10**11 else value
            return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")
        except (ValueError, OverflowError, OSError):
            return None

    _unreadable_is_none = field_validator("duration", "off_peak", "model", "resolution", "wm_position", mode="wrap")(
        _or_none
    )

    @property
    def is_final(self) -> bool:
        """Whether the task has finished: Vidu will not change it any more."""
        return self.state in FINAL_STATES

    @property
    def succeeded(self) -> bool:
        """Whether the task is in ``success`` (with or without a creation)."""
        return self.state == TaskState.SUCCESS

    @property
    def failed(self) -> bool:
        """Whether the task has finished without a video, unbilled."""
        return self.is_final and not self.succeeded

    @property
    def created(self) -> float | None:
        """When the task was created, in whole epoch seconds; UTC if it has no offset."""
        return parse_moment(self.created_at)

    @property
    def video_url(self) -> str | None:
        """The URL of the first creation that has one."""
        return next((creation.url for creation in self.creations if creation.url), None)

    @property
    def videos(self) -> tuple[Creation, ...]:
        """The creations that have a link to a video; a task of most endpoints has one."""
        return tuple(creation for creation in self.creations if creation.url)

    @property
    def results(self) -> tuple[Creation, ...]:
        """The creations that count, in the same order everywhere: :attr:`videos`, or all if none has a link."""
        return self.videos or self.creations

    @property
    def video_count(self) -> int:
        """The number of its videos; 1 if no link is known yet."""
        return max(1, len(self.videos))

    @property
    def is_unexplained(self) -> bool:
        """Whether it has failed and the reply has no reason; rows of Vidu's list have none, the query does."""
        return self.failed and self.err_code is None

    @property
    def unread_reply(self) -> str | None:
        """An excerpt of the reply to a query, if it is a ``success`` without a link to a video in any known place."""
        return self._unread_reply

    @property
    def trace_id(self) -> str | None:
        """The trace id of the reply with the failure, for Vidu's support."""
        return self._trace_id

    @property
    def origin(self) -> Origin:
        """What it was made from, as far as this task is from a record, or known to the one who submitted it."""
        return self._origin

    def with_origin(self, origin: Origin) -> ViduTask:
        """Return this task with its :attr:`origin`."""
        named = self.model_copy()
        named._origin = origin
        return named

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ViduTask:
        """
        Read a task from its record, or from a host's row.

        :raises ValueError: it has no id.
        """
        # In a record "id" is the DAG author's own.
        own = NAMES if record.get("task_id") else ()
        task = cls.model_validate({name: value for name, value in record.items() if name not in own})
        return task.with_origin(Origin.from_record(record)) if own else task

    def with_trace_id(self, trace_id: str | None) -> ViduTask:
        """Return this task with its :attr:`trace_id`."""
        traced = self.model_copy()
        traced._trace_id = trace_id
        return traced

    def at(self, base_url: str) -> ViduTask:
        """Return this task with its relative links made absolute, from the host's base URL."""
        if not any(link and link.startswith("/") for one in self.creations for link in one.links):
            return self
        return self.model_copy(update={"creations": tuple(one.at(base_url) for one in self.creations)})

    def with_unread_reply(self, reply: str) -> ViduTask:
        """
        Return this task with its :attr:`unread_reply`.

        :param reply: without signatures and images.
        """
        quoting = self.model_copy()
        quoting._unread_reply = reply
        return quoting

    def filled_from(self, earlier: ViduTask | None) -> ViduTask:
        """
        Return this task with its missing fields taken from an earlier reply about it.

        :param earlier: usually the reply to the submission: the query has neither ``model`` nor ``created_at``.
        """
        if earlier is None or earlier.task_id != self.task_id:
            return self
        kept = ("model", "credits", "created_at", "payload", "duration", "resolution", "off_peak")
        missing = {name: getattr(earlier, name) for name in kept if getattr(self, name) is None}
        filled = self.model_copy(update=missing)
        return filled if filled.origin != Origin() else filled.with_origin(earlier.origin)

    def record(self, files: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """
        Return the task record: the one JSON shape of operators, sensor and batch.

        :param files: the landed files, see ``airflow_provider_vidu.landing.land``.
        :return: ``{task_id, state, model, credits, err_code, payload, created_at, creations, files}``, and ``index``,
            ``id``, ``labels``, ``image`` and ``prompt`` of its :class:`Origin`; fields that no reply had are None.
        """
        names = ("task_id", "state", "model", "credits", "err_code", "payload", "created_at")
        record: dict[str, Any] = {name: getattr(self, name) for name in names}
        record["creations"] = [creation.model_dump() for creation in self.creations]
        record["files"] = files or []
        return {**record, **self.origin.as_record()}


class CreditRow(BaseModel):
    """
    One line of an account's balance.

    :param type: ``test``, ``metered`` or ``concurrent``.
    :param credit_remain: credits left.
    :param concurrency_limit: tasks that Vidu runs at once for this account.
    :param current_concurrency: tasks running now.
    :param queue_count: tasks waiting.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: str | None = None
    credit_remain: int | float = 0
    concurrency_limit: int | None = None
    current_concurrency: int | None = None
    queue_count: int | None = None

    @field_validator("credit_remain", mode="before")
    @classmethod
    def _credits_as_figure(cls, value: Any) -> Any:
        number = parse_amount(value)
        return value if number is None else number


class Credits(BaseModel):
    """
    An account's balance. Vidu's table calls the rows ``remaining_credits``, its example ``remains``: both are read.

    ``general_remains`` and ``exclusive_remains``, seen in live replies, repeat the same balance and are not added.

    :param rows: the balance, one row for each kind.
    :param queue_count: tasks waiting, if the reply has it beside the rows.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    rows: tuple[CreditRow, ...] = Field(
        default=(), validation_alias=AliasChoices("remains", "remaining_credits", "rows")
    )
    queue_count: int | None = None

    @field_validator("rows", mode="before")
    @classmethod
    def _plain_number_as_row(cls, value: Any) -> Any:
        return [{"credit_remain": value}] if isinstance(value, (int, float)) else value or []

    @property
    def total(self) -> int | float:
        """The sum of the credits left in all rows."""
        return sum(row.credit_remain for row in self.rows)

    @property
    def concurrency_limit(self) -> int | None:
        """Tasks that Vidu runs at once for this account: the largest of the rows."""
        return max((row.concurrency_limit for row in self.rows if row.concurrency_limit is not None), default=None)

    @property
    def queued(self) -> int | None:
        """Tasks waiting in the account's queue; None if the reply does not say."""
        counts = [row.queue_count for row in self.rows if row.queue_count is not None]
        return self.queue_count if self.queue_count is not None else max(counts, default=None)
