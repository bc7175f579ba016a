# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What Vidu answers: tasks, creations, credits.

Tolerant on purpose: unknown fields are ignored, missing ones are None, and the spellings of the relays that copy
this API are read too (``task_id`` for ``id``, ``status`` for ``state``, ``video_url`` for a creation's ``url``,
their words for the five states). A task that has been paid for must never be lost to a field of another shape.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator


class TaskState(str, Enum):
    """The five states of Vidu's page. A cancelled task is ``failed`` with err_code ``UserCancelled``."""

    CREATED = "created"
    QUEUEING = "queueing"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILED = "failed"

    def __str__(self) -> str:
        return self.value


FINAL_STATES = frozenset({TaskState.SUCCESS, TaskState.FAILED})

# Words that relays use for the same states.
_RELAY_STATES = {
    "submitted": TaskState.CREATED,
    "not_start": TaskState.CREATED,
    "pending": TaskState.QUEUEING,
    "queued": TaskState.QUEUEING,
    "queuing": TaskState.QUEUEING,
    "running": TaskState.PROCESSING,
    "in_progress": TaskState.PROCESSING,
    "completed": TaskState.SUCCESS,
    "succeeded": TaskState.SUCCESS,
    "failure": TaskState.FAILED,
    "cancelled": TaskState.FAILED,
    "canceled": TaskState.FAILED,
}


def _text(value: Any) -> Any:
    # Ids are 18 digits: relays send them as numbers as well, and as text they survive every JSON reader.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _or_none(value: Any, read: Any) -> Any:
    # A field of another shape costs that field, never the task.
    try:
        return read(value)
    except ValueError:
        return None


class Creation(BaseModel):
    """
    One rendered video of a task. Its URLs are signed and die within 24 hours, the cover's perhaps within one.

    :param id: Vidu's id of the creation.
    :param url: the video.
    :param cover_url: a still picture.
    :param watermarked_url: the watermarked copy; None where none was asked for.
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
        return value or None


class ViduTask(BaseModel):
    """
    A remote task, as the create, query or list answer tells it.

    :param task_id: Vidu's id, a decimal string of 18 digits. Read from ``task_id`` or ``id``.
    :param state: one of :class:`TaskState`, or a word of Vidu's that this release does not know; None where the
        answer has none (a list row may).
    :param model: what renders it; the query does not answer it.
    :param credits: the price; authoritative in the create answer.
    :param err_code: why it failed; None where it did not.
    :param payload: the echo of the request's; None where the answer has no such field.
    :param created_at: RFC 3339, UTC. Some relays send Unix seconds or milliseconds.
    :param duration: seconds; the create answer and list rows have it.
    :param resolution: for example ``720p``.
    :param off_peak: whether it may take 48 hours.
    :param creations: the videos of a task in ``success``.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    task_id: str = Field(validation_alias=AliasChoices("task_id", "id"), min_length=1)
    state: str | None = Field(default=None, validation_alias=AliasChoices("state", "status"))
    model: str | None = None
    credits: int | None = None
    err_code: str | None = None
    payload: str | None = Field(default=None, repr=False)
    created_at: str | None = None
    duration: float | None = Field(default=None, allow_inf_nan=False)
    resolution: str | None = None
    off_peak: bool | None = None
    wm_position: str | int | None = None
    creations: tuple[Creation, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _relay_spellings(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        body = dict(body)
        for name in ("task_id", "state"):
            if not body.get(name):
                body.pop(name, None)
        told = body.get("creations") or body.get("video_url") or []
        rows = told if isinstance(told, (list, tuple)) else [told]
        named = [{"url": row} if isinstance(row, str) else row for row in rows]
        body["creations"] = [row for row in named if isinstance(row, (dict, Creation))]
        return body

    _id_as_text = field_validator("task_id", mode="before")(_text)

    @field_validator("state", mode="before")
    @classmethod
    def _known_word(cls, value: Any) -> Any:
        if not isinstance(value, str) or not value:
            return None
        word = value.strip().lower()
        return str(_RELAY_STATES.get(word, word))

    @field_validator("err_code", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return str(value) if value else None

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

    _unreadable_is_none = field_validator(
        "credits", "duration", "off_peak", "model", "resolution", "wm_position", mode="wrap"
    )(_or_none)

    @property
    def is_final(self) -> bool:
        """Whether Vidu will not change this task any more."""
        return self.state in FINAL_STATES

    @property
    def succeeded(self) -> bool:
        """Whether the task is in ``success`` (with or without a creation)."""
        return self.state == TaskState.SUCCESS

    @property
    def failed(self) -> bool:
        """Whether the task has ended without a video, unbilled."""
        return self.is_final and not self.succeeded

    @property
    def created(self) -> float | None:
        """When the task was created, epoch seconds, cut to whole ones; None where nobody told."""
        try:
            # Whole seconds: up to nine fractional digits and the Z are more than Python 3.10 reads.
            return datetime.fromisoformat((self.created_at or "")[:19]).replace(tzinfo=timezone.utc).timestamp()
        except ValueError:
            return None

    @property
    def video_url(self) -> str | None:
        """The URL of the first creation that has one."""
        return next((creation.url for creation in self.creations if creation.url), None)

    def filled_from(self, earlier: ViduTask | None) -> ViduTask:
        """
        Return this task with what it does not tell taken from an earlier answer about it.

        :param earlier: usually the create answer: the query has neither ``model`` nor ``created_at``.
        """
        if earlier is None or earlier.task_id != self.task_id:
            return self
        kept = ("model", "credits", "created_at", "payload", "duration", "resolution", "off_peak")
        missing = {name: getattr(earlier, name) for name in kept if getattr(self, name) is None}
        return self.model_copy(update=missing)

    def record(self, files: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """
        Return the task record: the one JSON shape of operators, sensor and batch.

        :param files: what was landed, see ``airflow_provider_vidu.landing``.
        :return: ``{task_id, state, model, credits, err_code, payload, created_at, creations, files}``; what no
            answer told is None.
        """
        names = ("task_id", "state", "model", "credits", "err_code", "payload", "created_at")
        record: dict[str, Any] = {name: getattr(self, name) for name in names}
        record["creations"] = [creation.model_dump() for creation in self.creations]
        record["files"] = files or []
        return record


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
    credit_remain: int = 0
    concurrency_limit: int | None = None
    current_concurrency: int | None = None
    queue_count: int | None = None


class Credits(BaseModel):
    """
    An account's balance. Vidu's table calls the rows ``remaining_credits``, its example ``remains``: both are read.

    ``general_remains`` and ``exclusive_remains``, seen in live answers, are the same balance told again and are
    not added.

    :param rows: the balance, a row a kind.
    :param queue_count: tasks waiting, where it is told beside the rows.
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
    def total(self) -> int:
        """Credits left over all rows."""
        return sum(row.credit_remain for row in self.rows)

    @property
    def concurrency_limit(self) -> int | None:
        """Tasks that Vidu runs at once for this account: the largest of the rows."""
        return max((row.concurrency_limit for row in self.rows if row.concurrency_limit is not None), default=None)

    @property
    def queued(self) -> int | None:
        """Tasks waiting in the account's queue, where told."""
        told = [row.queue_count for row in self.rows if row.queue_count is not None]
        return self.queue_count if self.queue_count is not None else max(told, default=None)
