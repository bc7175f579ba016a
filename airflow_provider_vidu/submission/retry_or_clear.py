# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The rules of durable submission, pure: what is recorded of a submission, and what each try does about it.

Vidu's API has no idempotency key. Instead each task instance keeps a record in Airflow's task state store: an
intent before the POST, the id right after it, "returned" at the end. :func:`decide` reads that record and returns
the next step; ``submission.driver`` carries it out for one item, ``submission.batch`` for many.

A user's clear sets ``max_tries`` of the task instance again and a plain retry does not (Airflow,
``clear_task_instances``): a record with another ``max_tries`` than the running try's was cleared in between. From
Airflow 3.4 on a clear may also discard the record: a missing one then means "search the account", not "submit".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from airflow_provider_vidu.api.errors import Fate, task_error
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.submission.record import MARKER_PREFIX, Phase, SubmissionRecord, changed_fields

#: A try submits again after a search that came back empty, but not for ever.
MAX_ATTEMPTS = 3


class ClearMeans(Enum):
    """What a user wants who clears a task."""

    #: Another generation, in place of what still runs.
    ANEW = "another one"
    #: Only what is missing, while running tasks are waited for. A batch uses this.
    REST = "the rest"


class Remote(str, Enum):
    """The state of the recorded task at Vidu, as the decision needs it."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED_RETRYABLE = "failed, retryable"
    FAILED_PERMANENT = "failed, permanent"
    MISSING = "missing"
    UNREACHABLE = "unreachable"


def remote_of(task: ViduTask) -> Remote:
    """
    Classify a task as the decision needs it; a state this release does not know counts as running.

    :param task: as just queried.
    """
    if not task.is_final:
        return Remote.RUNNING
    if task.succeeded:
        return Remote.SUCCESS
    retryable = task_error(task.task_id, task.err_code).fate is Fate.RETRYABLE
    return Remote.FAILED_RETRYABLE if retryable else Remote.FAILED_PERMANENT


class LookUp(str, Enum):
    """What a search of the account's list has shown that did not find the submission."""

    ABSENT = "absent"
    UNKNOWN = "unknown"


class Action(str, Enum):
    """The next step of a try."""

    #: Submit, with a new intent and a new marker.
    SUBMIT = "submit"
    #: Search the account's list for the intent's marker.
    LOOK_UP = "look up"
    #: Search the account's list for any task of this task instance: its record is gone.
    RECALL = "recall"
    #: Query the recorded task.
    READ = "read"
    #: Try to cancel the recorded task.
    CANCEL = "cancel"
    #: Wait on for the recorded task, or return its result.
    ATTACH = "attach"
    #: Stop here.
    FAIL = "fail"


@dataclass(frozen=True)
class Known:
    """
    All that a decision rests on; what is None has not been found out yet.

    :param record: of the store; None = no earlier try came as far as an intent.
    :param max_tries: of the running try.
    :param clear_is_noted: a try has noted a clear since the record's last attempt.
    :param clear_means: what a clear of this task asks for.
    :param attempts_left: False = what fails within this try is not submitted again by it.
    :param try_number: of the running try.
    :param first_try: number of the first try since the task was last cleared, by ``max_tries`` and ``retries``.
    :param may_be_discarded: a clear may have discarded the record: a missing one proves nothing.
    :param account: identity of the running try's host and key.
    :param fingerprint: of the running try's request; None = it cannot be built (its image is gone).
    :param remote: state of the recorded task.
    :param look_up: what the search showed (a found one has become the record's id).
    :param cancelled: whether Vidu accepted our cancel.
    :param has_list: whether this host has a task list.
    :param in_this_try: the running try itself has put the submission in doubt: it sends again only what the list
        shows to be absent, whatever ``on_unknown`` says.
    :param on_unknown: ``fail`` or ``resubmit``.
    :param on_input_change: ``fail`` or ``resubmit``.
    """

    record: SubmissionRecord | None
    max_tries: int
    account: str
    clear_is_noted: bool = False
    clear_means: ClearMeans = ClearMeans.ANEW
    attempts_left: bool = True
    try_number: int = 1
    first_try: int = 1
    may_be_discarded: bool = False
    fingerprint: Mapping[str, str] | None = None
    remote: Remote | None = None
    look_up: LookUp | None = None
    cancelled: bool | None = None
    has_list: bool = True
    in_this_try: bool = False
    on_unknown: str = "fail"
    on_input_change: str = "fail"

    @property
    def is_cleared(self) -> bool:
        """Whether the task was cleared since the record was written."""
        record = self.record
        return record is not None and (
            self.clear_is_noted
            or was_cleared(record.max_tries, record.try_number, self.max_tries, self.try_number, self.first_try)
        )


def was_cleared(noted_max_tries: int, noted_try: int, max_tries: int, try_number: int, first_try: int) -> bool:
    """
    Say whether a task instance was cleared since something was noted.

    A clear sets ``max_tries`` to the try's number plus ``retries``. Where ``retries`` was lowered before it, the sum
    may be the old one: then the first try since the clear, as Airflow counts it, is later than the one that noted.
    """
    return noted_max_tries != max_tries or 0 < noted_try < first_try <= try_number


@dataclass(frozen=True)
class Decision:
    """
    What to do next, and why, for the log.

    :param action: the step.
    :param reason: one clause.
    """

    action: Action
    reason: str


def decide(known: Known) -> Decision:
    """
    Return the next step of a try. Call it again with what that step has found, until it submits, attaches or fails.

    :param known: all that is known so far.
    """
    record = known.record
    if record is None:
        return _decide_without_record(known)
    if record.phase is Phase.NEW:
        return Decision(Action.SUBMIT, "the earlier attempt created nothing")
    cleared = known.is_cleared
    if record.phase is Phase.REFUSED:
        if cleared:
            return Decision(Action.SUBMIT, "Vidu refused it, and the task was cleared to run again")
        return Decision(Action.FAIL, "Vidu refused it, and would refuse it again")
    if record.phase is Phase.INTENT:
        return _decide_intent(known, record, cleared=cleared)
    if cleared and record.phase is Phase.RETURNED and known.may_be_discarded:
        return Decision(
            Action.SUBMIT, "nothing shows that the earlier video is missing, and a clear asks for another one"
        )
    if cleared and record.phase is Phase.RETURNED:
        return Decision(Action.SUBMIT, "the earlier video was delivered, and the task has been cleared to run again")
    if record.account not in {"", known.account}:
        if cleared and known.on_unknown == "resubmit":
            return Decision(Action.SUBMIT, "the connection's host or key has changed, and on_unknown is resubmit")
        return Decision(Action.FAIL, "the connection's host or key has changed since it was submitted")
    has_own_marker = (record.marker or "").startswith(MARKER_PREFIX)
    if known.remote is Remote.MISSING and known.look_up is None and has_own_marker:
        return Decision(Action.LOOK_UP, "Vidu does not know the recorded id, which may be a gateway's request id")
    if changed_fields(record.fingerprint, known.fingerprint):
        return _decide_changed(known, cleared=cleared)
    return _decide_submitted(known, record, cleared=cleared)


def _decide_without_record(known: Known) -> Decision:
    if not known.may_be_discarded:
        return Decision(Action.SUBMIT, "no earlier try has submitted")
    if known.look_up is None:
        return Decision(Action.RECALL, "a clear may have discarded the record of an earlier try")
    if known.look_up is LookUp.ABSENT:
        return Decision(Action.SUBMIT, "the account's list shows no task of this task instance")
    if known.on_unknown == "resubmit":
        return Decision(Action.SUBMIT, "what an earlier try submitted is unknown, and on_unknown is resubmit")
    if not known.has_list:
        return Decision(Action.SUBMIT, "this host has no list to search, and the task has been cleared to run again")
    return Decision(
        Action.FAIL, "a clear may have discarded the record of an earlier try, and the list gives no clear answer"
    )


def _decide_intent(known: Known, record: SubmissionRecord, *, cleared: bool) -> Decision:
    if record.account not in {"", known.account}:
        # Its list is another account's, and nothing found or missing in it would mean anything.
        if known.on_unknown == "resubmit":
            return Decision(Action.SUBMIT, "the connection's host or key has changed, and on_unknown is resubmit")
        return Decision(
            Action.FAIL,
            "the connection's host or key has changed, so it is unknown whether the earlier attempt was accepted",
        )
    look_up = known.look_up
    if look_up is None:
        return Decision(Action.LOOK_UP, "an earlier attempt may have been accepted")
    if look_up is LookUp.ABSENT:
        return Decision(Action.SUBMIT, "the account's list shows that the earlier attempt created nothing")
    if known.in_this_try:
        return Decision(Action.FAIL, "it is unknown whether the attempt of this try was accepted")
    if known.on_unknown == "resubmit":
        return Decision(
            Action.SUBMIT, "it is unknown whether the earlier attempt was accepted, and on_unknown is resubmit"
        )
    if cleared and not known.has_list:
        return Decision(Action.SUBMIT, "this host has no list to search, and the task has been cleared to run again")
    return Decision(Action.FAIL, "it is unknown whether the earlier attempt was accepted")


def _decide_changed(known: Known, *, cleared: bool) -> Decision:
    if not cleared and known.on_input_change != "resubmit":
        return Decision(Action.FAIL, "the request has changed since it was submitted")
    if known.remote is None:
        return Decision(Action.READ, "the request has changed since it was submitted")
    if known.remote is Remote.UNREACHABLE:
        return Decision(Action.FAIL, "the earlier task cannot be queried now")
    if known.remote is Remote.RUNNING and known.cancelled is None:
        return Decision(Action.CANCEL, "the request has changed since it was submitted")
    return Decision(Action.SUBMIT, "the request has changed since it was submitted")


def _decide_submitted(known: Known, record: SubmissionRecord, *, cleared: bool) -> Decision:
    remote = known.remote
    if remote is None:
        return Decision(Action.READ, "its state decides what this try does")
    if remote is Remote.MISSING:
        if cleared and known.on_unknown == "resubmit":
            return Decision(Action.SUBMIT, "Vidu does not know the earlier task, and on_unknown is resubmit")
        return Decision(Action.FAIL, "Vidu does not know the earlier task")
    if remote is Remote.SUCCESS:
        return Decision(Action.ATTACH, "the earlier task has succeeded and its video is paid for")
    if remote in {Remote.FAILED_RETRYABLE, Remote.FAILED_PERMANENT} and not known.attempts_left:
        return Decision(Action.FAIL, "the task failed, and this try does not submit it again")
    if remote is Remote.FAILED_RETRYABLE:
        return Decision(Action.SUBMIT, "the earlier task has failed and was not billed")
    if remote is Remote.FAILED_PERMANENT:
        if cleared:
            return Decision(Action.SUBMIT, "the earlier task has failed, and this one has been cleared to run again")
        return Decision(Action.FAIL, "the earlier task has failed, and the same input would fail again")
    if not cleared or known.clear_means is ClearMeans.REST:
        return Decision(Action.ATTACH, "the earlier task is still running")
    if record.keep_running:
        return Decision(Action.ATTACH, "the earlier try left the task running, or it was adopted")
    if remote is Remote.UNREACHABLE:
        return Decision(Action.FAIL, "the earlier task cannot be queried now")
    if known.cancelled is None:
        return Decision(Action.CANCEL, "the task has been cleared to run again")
    if known.cancelled:
        return Decision(Action.SUBMIT, "the earlier task has been cancelled")
    return Decision(Action.ATTACH, "Vidu did not cancel the earlier task")


def lost_post_ended(now: float, not_after: float, *, is_vidus_own: bool) -> float:
    """
    Return when a POST has ended whose reply leaves it in doubt: the list counts from then on.

    :param now: when the reply came, or its loss was seen, epoch seconds.
    :param not_after: until when the POST can be under way.
    :param is_vidus_own: Vidu itself has replied; a gateway may have sent on what Vidu gets later.
    """
    return now if is_vidus_own else max(now, not_after)
