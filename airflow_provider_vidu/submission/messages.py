# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Builds the error of a try that stops without submitting: which task, is it paid, what to do now.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_vidu.api.errors import (
    ViduError,
    ViduSubmissionInDoubtError,
    ViduUnavailableError,
    task_error,
)
from airflow_provider_vidu.api.messages import some_of
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.submission.record import (
    STORE_KEY,
    Phase,
    SubmissionRecord,
    changed_fields,
)
from airflow_provider_vidu.submission.retry_or_clear import Known, Remote

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.submission.airflow_try import Try


def failure_of(
    known: Known,
    task: ViduTask | None,
    reason: str,
    *,
    this_try: Try,
    key: str | None,
    candidates: Sequence[str] = (),
    has_list: bool = True,
    cause: str = "",
) -> ViduError:
    """
    Return the error of a try that the rules of submission stop.

    :param known: what its decision rested on.
    :param task: the recorded task, where it was queried.
    :param reason: of the decision, one clause.
    :param this_try: the try.
    :param key: of the record in the task state store; None where this Airflow has none.
    :param candidates: ids of tasks that may be the lost submission.
    :param has_list: False = the search has shown that this host has no list.
    :param cause: how the submission that is in doubt was answered, where this try has sent it.
    """
    record = known.record
    task_id = record.task_id if record else None
    if record is None:
        return _discarded(reason, this_try, key, candidates)
    if task is not None and known.remote is Remote.FAILED_PERMANENT:
        return task_error(
            task.task_id, task.err_code, message=task.err_msg, credits=task.credits, trace_id=task.trace_id
        )
    if known.remote is Remote.UNREACHABLE:
        return ViduUnavailableError(
            f"This try was about to submit the request again, but {reason}.",
            task_id=task_id,
            advice="Nothing was submitted. A retry queries the earlier task again.",
        )
    if record.phase is Phase.INTENT:
        error = _in_doubt(record, reason, this_try, key, candidates)
        reply = f" Its reply: {cause}" if cause else ""
        consent = ""
        if not known.has_list:
            consent = (
                " This host has no task list to search: a clear counts as your consent to submit again; "
                "on_unknown='resubmit' submits again without asking."
            )
        elif not has_list:
            consent = (
                " This host has no task list to search. Say so in the connection's extra (list_path: null), and a "
                "clear counts as your consent to submit again; on_unknown='resubmit' submits again without asking."
            )
        return error.but(message=error.message + reply, advice=error.advice + consent)
    changed = changed_fields(record.fingerprint, known.fingerprint)
    if changed and record.account == known.account:
        return ViduError(
            f"The request differs from the one that created Vidu task {task_id}: {', '.join(changed)} changed.",
            task_id=task_id,
            advice=(
                f"This try submitted nothing. To submit the new request, {clear_this_task()} or set "
                "on_input_change='resubmit'. A field that renders differently in every try (a time, a random value) "
                "causes this; so does a second submit_once in one task without a key of its own."
            ),
        )
    return ViduError(
        f"An earlier try submitted a Vidu task, but {reason}.",
        task_id=task_id,
        advice=(
            "It may be billed; this try submitted nothing. Restore the connection that submitted it, or fetch "
            f"its video with ViduHook().download('{task_id}', path). To submit again, set on_unknown='resubmit' and "
            f"{clear_this_task()}. If you adopted the id by hand, it may be the wrong one."
        ),
    )


def _in_doubt(
    record: SubmissionRecord, reason: str, this_try: Try, key: str | None, candidates: Sequence[str]
) -> ViduError:
    listed = f" Vidu tasks that may be the lost one: {some_of(candidates)}." if candidates else ""
    one = candidates[0] if len(candidates) == 1 else "THE-VIDU-TASK-ID"
    if key is None:
        return ViduSubmissionInDoubtError(
            f"This is a retry of {this_try.name}, but {reason}.{listed}",
            advice=(
                "This try submitted nothing. Check the account's tasks. If one belongs to this task instance, fetch "
                f"its video (ViduHook(…).download('{one}', path)) and mark this task as a success; if none does, "
                "clear this task to submit it."
            ),
        )
    return ViduSubmissionInDoubtError(
        f"A submission for {this_try.name} was attempted at {_clock_text(record.attempted_at)}, but {reason}.{listed}",
        advice=f"This try submitted nothing. {_by_hand(this_try, key, one, 'from that minute')}",
    )


def _discarded(reason: str, this_try: Try, key: str | None, candidates: Sequence[str]) -> ViduError:
    listed = f" Vidu tasks that may belong to it: {some_of(candidates)}." if candidates else ""
    one = candidates[0] if len(candidates) == 1 else "THE-VIDU-TASK-ID"
    return ViduSubmissionInDoubtError(
        f"An earlier try of {this_try.name} may have submitted something: {reason}.{listed}",
        advice=(
            "It may be billed; this try submitted nothing. "
            f"{_by_hand(this_try, key or STORE_KEY, one, 'since this Dag run began')} on_unknown='resubmit' submits "
            "without asking. If you set your own payload, put {marker} into it, so that later runs find what they "
            "submitted."
        ),
    )


def _by_hand(this_try: Try, key: str, task_id: str, when: str) -> str:
    return (
        f"Check the account's tasks {when}. If one belongs to this task instance, adopt it: "
        f"{this_try.adopt_by_hand(key, task_id)} ; if none does, record that nothing was created: "
        f"{this_try.nothing_created_by_hand(key)} . Then "
        f"{clear_this_task()}: {this_try.clear_command()} (AIRFLOW_TOKEN is a token for Airflow's API; AIRFLOW_URL, if "
        "a command has it, is Airflow's address)."
    )


def _clock_text(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
