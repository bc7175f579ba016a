# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What is recorded of a submission: how far it got, for which request, and the marker that finds it at Vidu."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import Enum
from typing import Any

from airflow_provider_vidu.api.registry import Endpoint
from airflow_provider_vidu.api.tasks import ViduTask

#: The key of the record in the task state store.
STORE_KEY = "vidu_submission"
#: What every marker begins with, in the ``payload`` of a task at Vidu.
MARKER_PREFIX = "avp1:"
#: Marks the place for the marker in a user's payload.
MARKER_PLACEHOLDER = "{marker}"
# What may differ between two renderings of the same request.
_NOT_IN_FINGERPRINT = frozenset({"payload", "callback_url"})


class Phase(str, Enum):
    """How far a submission got."""

    #: It was not sent, or nothing that counts was created by it: to be submitted.
    NEW = "new"
    #: About to be sent: it may or may not have been.
    INTENT = "intent"
    #: Created, its id is known.
    SUBMITTED = "submitted"
    #: Vidu refused it, and would refuse it again.
    REFUSED = "refused"
    #: Its result was returned by ``execute``.
    RETURNED = "returned"


@dataclass(frozen=True)
class SubmissionRecord:
    """
    What is remembered of a task instance's submission, as JSON in the task state store.

    :param phase: how far it got.
    :param max_tries: of the task instance when it was written: distinguishes a retry from a clear.
    :param try_number: of the try that wrote it; 0 = unknown. Shows a clear that left ``max_tries`` as it was, since
        ``retries`` was lowered in the meantime.
    :param account: identity of host and key; empty in a record written by hand: the present one.
    :param fingerprint: a short hash by field of what was asked for, so that a changed field can be named.
    :param attempted_at: when the POST was (about to be) sent, epoch seconds.
    :param marker: in the task's payload at Vidu; None if the user's payload has no place for it.
    :param task_id: Vidu's id, once known.
    :param keep_running: no clear cancels the task: an earlier try left it running at its deadline, or a person adopted
        it.
    :param ended_at: when the POST's reply came, epoch seconds; None if none came.
    :param answer: fields that only the create answer has (model, credits, created_at …).
    :param search_from: where a look-up begins to search, epoch seconds; None = at the attempt.
    :param not_after: until when the POST could be under way, epoch seconds; None = for the account's timeout.
    """

    phase: Phase
    max_tries: int
    account: str
    fingerprint: Mapping[str, str]
    attempted_at: float
    marker: str | None = None
    task_id: str | None = None
    keep_running: bool = False
    ended_at: float | None = None
    answer: Mapping[str, Any] | None = None
    search_from: float | None = None
    not_after: float | None = None
    try_number: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON primitives."""
        return {**asdict(self), "phase": self.phase.value}

    @classmethod
    def from_json(cls, value: Any) -> SubmissionRecord | None:
        """
        Read a record back, passing over what a newer release put in.

        A record with nothing but ``task_id`` was written by a person: an id adopts a task that no search could
        identify, null says that nothing was created.

        :param value: of the store.
        :return: None if there is no record.
        :raises ValueError: there is one that cannot be read; it must not be taken for none.
        """
        if value is None:
            return None
        if isinstance(value, Mapping) and set(value) == {"task_id"}:
            by_hand = cls(phase=Phase.NEW, max_tries=0, account="", fingerprint={}, attempted_at=0.0)
            if value["task_id"] is None:
                return by_hand
            if _is_id(value["task_id"]):
                # A person who adopts a task wants its video: the clear that follows must not cancel it.
                return replace(by_hand, phase=Phase.SUBMITTED, task_id=str(value["task_id"]), keep_running=True)
        names = {field.name for field in fields(cls)}
        try:
            known = {name: item for name, item in value.items() if name in names}
            record = cls(**{**known, "phase": Phase(known["phase"])})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the record {STORE_KEY!r} in the task state store cannot be read: {error!r}") from error
        if record.phase is Phase.INTENT and record.task_id:
            # A person has filled the id in, where it is seen to be missing.
            return replace(record, phase=Phase.SUBMITTED, keep_running=True)
        return record

    def with_task(self, task: ViduTask) -> SubmissionRecord:
        """
        Return the record once Vidu's id is known.

        :param task: the create answer, or the row that a look-up found.
        """
        kept = ("model", "credits", "created_at", "duration", "resolution", "off_peak")
        answer = {name: value for name in kept if (value := getattr(task, name)) is not None}
        return replace(self, phase=Phase.SUBMITTED, task_id=task.task_id, answer=answer)

    @classmethod
    def of_found(cls, task: ViduTask, account: str, *, is_delivered: bool | None) -> SubmissionRecord:
        """
        Return a record in place of a discarded one, from a task that the account's list shows as this instance's own.

        It counts as cleared. A success that is not known to be missing counts as returned: the clear
        asked for a new generation.
        """
        returned = task.succeeded and is_delivered is not False
        record = cls(
            phase=Phase.SUBMITTED,
            max_tries=-1,
            account=account,
            fingerprint={},
            attempted_at=task.created or 0.0,
            marker=task.payload,
        ).with_task(task)
        return replace(record, phase=Phase.RETURNED) if returned else record

    def as_task(self) -> ViduTask:
        """Return the task as the create answer described it."""
        return ViduTask.model_validate({**(self.answer or {}), "task_id": self.task_id})


def fingerprint(wire: Mapping[str, Any], endpoint: Endpoint) -> dict[str, str]:
    """
    Return what makes a request the same request, a short hash a field; payload and callback_url do not count.

    :param wire: the request's JSON object, ``extra_params`` included.
    """
    identity = endpoint.identity({name: value for name, value in wire.items() if name not in _NOT_IN_FINGERPRINT})
    return {name: _short_hash(json.dumps(value, sort_keys=True)) for name, value in sorted(identity.items())}


def changed_fields(earlier: Mapping[str, str], now: Mapping[str, str] | None) -> list[str]:
    """
    Name the fields in which two requests differ.

    :param earlier: the record's fingerprint; an empty one (no store on this Airflow) compares equal to all.
    :param now: of the running try; None (it cannot be built) compares equal to all.
    """
    if now is None or not earlier:
        return []
    return sorted(name for name in {*earlier, *now} if earlier.get(name) != now.get(name))


def with_marker(wire: Mapping[str, Any], marker: str) -> tuple[dict[str, Any], str | None]:
    """
    Put the marker into a request.

    :param wire: the request's JSON object.
    :param marker: the submission's marker.
    :return: the request to send, and the marker where it travels: a payload of the user's without
        ``{marker}`` is left alone, and its submission cannot be found again.
    """
    payload = wire.get("payload")
    if not payload:
        return {**wire, "payload": marker}, marker
    if isinstance(payload, str) and MARKER_PLACEHOLDER in payload:
        return {**wire, "payload": payload.replace(MARKER_PLACEHOLDER, marker)}, marker
    return dict(wire), None


def derived_marker(*parts: object) -> str:
    """
    Return a marker that a later try computes again, for Airflow below 3.3, where nothing outlives a try.

    :param parts: dag id, run id, task id, map index, max_tries, the Dag run's start, the record's key.
    """
    return MARKER_PREFIX + hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:32]


def _is_id(value: Any) -> bool:
    # Vidu's are numbers, a relay's may be words.
    return isinstance(value, (str, int)) and bool(str(value)) and not any(map(str.isspace, str(value)))


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
