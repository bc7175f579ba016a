# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Waiting in a worker, and the last look at a task that has ended: shared by operator, sensor and hook.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import (
    Fate,
    ViduAuthError,
    ViduCreditError,
    ViduError,
    ViduInputError,
    ViduModerationError,
    ViduNoCreationError,
    ViduNotFoundError,
    ViduRequestError,
    ViduStillRunningError,
    ViduTaskFailedError,
    no_creation_error,
    task_error,
)
from airflow_provider_vidu.api.fields import parse_record, require
from airflow_provider_vidu.api.messages import counted
from airflow_provider_vidu.api.tasks import TaskState, ViduTask
from airflow_provider_vidu.compat import clear_this_task, keeping_its_state
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.waiting.schedule import REFUSALS, Hints, Verdict, Wait, is_refusal

if TYPE_CHECKING:
    from airflow_provider_vidu.client import ViduClient

#: A wait in a worker wakes this often to see whether it is to stop, in seconds.
SLICE = 0.5
#: A success without a creation is looked at again this often …
EMPTY_QUERIES = 4
#: … with this many seconds in between.
EMPTY_GAP = 2.0
#: A cancel that Vidu has accepted is looked for in the task this often …
CANCEL_QUERIES = 3
#: … with this many seconds in between.
CANCEL_GAP = 1.0
#: Seconds between the queries of a task that is refused: only a refusal that lasts counts.
REFUSAL_GAP = 3.0
#: A wait says that it still waits at least this often, in seconds.
LOG_EVERY = 60.0


def sleep_in_slices(seconds: float, stop: Callable[[], None]) -> None:
    """
    Sleep, and notice a kill within half a second.

    :param seconds: how long.
    :param stop: called before every slice and at the end; raises to end the sleep.
    """
    end = timing.now() + seconds
    while (left := end - timing.now()) > 0:
        stop()
        timing.sleep(min(SLICE, left))
    stop()


class Progress:
    """
    Tells a wait in the log: a line a state change, and one a minute between.

    :param log: where to.
    :param hints: of the task.
    :param began: epoch seconds; what elapsed times count from where the submission's time is unknown.
    """

    # A triggerer has thousands of them.
    __slots__ = ("_began", "_hints", "_log", "_logged_at", "_processing_since", "_state")

    def __init__(self, log: Any, hints: Hints, began: float) -> None:
        self._log = log
        self._hints = hints
        self._began = began if hints.submitted_at is None else hints.submitted_at
        self._state: str | None = None
        self._processing_since: float | None = None
        self._logged_at = 0.0

    def on_result(self, task: ViduTask, now: float) -> None:
        """
        Note a look.

        :param task: as queried.
        :param now: epoch seconds.
        """
        if task.state == self._state and now - self._logged_at < LOG_EVERY:
            return
        self._state, self._logged_at = task.state, now
        elapsed = now - self._began
        expected = "" if task.is_final else self._expected(task, now)
        self._log.info("Vidu task %s: %s after %.0f s%s.", task.task_id, task.state or "no state", elapsed, expected)

    def _expected(self, task: ViduTask, now: float) -> str:
        typical = self._hints.typical
        if not typical:
            return ""
        if task.state != TaskState.PROCESSING:
            # Vidu tells no place in its queue.
            return f"; {self._hints.model} usually takes about {typical:.0f} s once it is processing"
        if self._processing_since is None:
            self._processing_since = now
        end = self._processing_since + typical
        if end <= now:
            return f"; {self._hints.model} usually takes about {typical:.0f} s, this takes longer"
        return f"; expected at about {datetime.fromtimestamp(end, timezone.utc):%H:%M:%S} UTC"

    def on_error(self, error: ViduError, now: float) -> None:
        """
        Note a look that failed.

        :param error: what came instead of the task.
        :param now: epoch seconds.
        """
        self._log.warning("The Vidu task could not be queried after %.0f s: %s", now - self._began, error)


def elapsed_seconds(task: ViduTask, submitted_at: float | None, now: float) -> float | None:
    """
    Return how long a generation took, from its submission until its end was seen, in seconds.

    :param task: as last seen.
    :param submitted_at: epoch seconds; None or 0 = what the task tells of its creation.
    :param now: epoch seconds.
    :return: None = nobody knows when it began.
    """
    begin = submitted_at or task.created
    return None if begin is None else max(0.0, now - begin)


def summary_line(task: ViduTask, seconds: float | None, files: Sequence[Mapping[str, Any]] = ()) -> str:
    """
    Return the last line of a task's log: what was made, how long it took, what it cost, where it stands.

    :param task: in ``success``.
    :param seconds: see :func:`elapsed_seconds`.
    :param files: where it was landed.
    """
    took = "" if seconds is None else f" after {seconds:.0f} s"
    what = f"{task.model}, " if task.model else ""
    cost = "an unknown number of credits" if task.credits is None else counted(task.credits, "credit")
    paths = ", ".join(str(file["path"]) for file in files)
    where = f", at {paths}" if paths else "; not landed here, and its links expire within 24 hours"
    return f"Vidu task {task.task_id} has its video{took}: {what}{cost}{where}."


def hints_of(task: ViduTask, *, submitted_at: float | None = None) -> Hints:
    """
    Return what a task tells about how long it may take.

    :param task: ideally the create answer.
    :param submitted_at: epoch seconds; None = what the task tells of its creation.
    """
    return Hints(
        submitted_at=task.created if submitted_at is None else submitted_at,
        model=task.model,
        duration=task.duration,
        resolution=task.resolution,
        off_peak=bool(task.off_peak),
    )


def parse_vidu_task(given: Any) -> ViduTask:
    """
    Return the task that an operator or a sensor was pointed to.

    :param given: a Vidu task id (a string, or a number as templates in native mode make it), or a task record.
    :raises ViduInputError: neither.
    """
    if isinstance(given, ViduTask):
        return given
    given = parse_record(require("vidu_task", given))
    try:
        return ViduTask.model_validate(dict(given) if isinstance(given, Mapping) else {"task_id": given})
    except ValueError:
        # Its content may be signed links, which stay good for a day.
        shown = repr(given) if isinstance(given, (str, int)) else f"a {type(given).__name__}"
        raise ViduInputError(
            f"vidu_task must be a Vidu task id or a task record, got {shown[:100]}.",
            advice="Pass the submitting task's output; map over several (.expand). Waiting and landing cost nothing.",
        ) from None


def adapt_for_other_task(error: ViduError) -> ViduError:
    """
    Return the error of a remote task as it reads in an Airflow task that did not submit it.

    :param error: of the remote task.
    """
    if isinstance(error, (ViduTaskFailedError, ViduModerationError)):
        # Looking again cannot help: whoever submitted has to submit anew.
        return error.but(fate=Fate.PERMANENT, advice=f"{error.advice} Clear the task that submitted it, not this one.")
    if isinstance(error, ViduNotFoundError):
        # An id that was typed may be no task's at all.
        return error.but(
            advice=(
                f"{ViduNotFoundError.default_advice} If another key or host submitted it, it goes on there and may be "
                "billed; waiting for it costs nothing."
            )
        )
    return error


def wait_for_end(
    client: ViduClient,
    task: ViduTask,
    *,
    hints: Hints,
    end_time: float,
    poll_interval: float | None = None,
    log: Any,
    stop: Callable[[], None] = lambda: None,
) -> ViduTask:
    """
    Wait in this process until a task ends.

    :param client: whom to ask.
    :param task: as last seen.
    :param hints: for the schedule.
    :param end_time: deadline, epoch seconds.
    :param poll_interval: seconds; None = the account's, or else the schedule decides.
    :param log: where progress is told.
    :param stop: called at least every half second; raises to end the wait.
    :return: the ended task, successful or not, as last seen.
    :raises ViduStillRunningError: the deadline has passed.
    :raises ViduError: looking fails in a way that waiting does not mend; the remote task may go on.
    """
    if task.is_final:
        return task
    progress = Progress(log, hints, timing.now())
    if poll_interval is None:
        poll_interval = client.account.poll_interval
    wait = Wait(hints, end_time, poll_interval, timing.now())
    while True:
        while (left := wait.poll_at - timing.now()) > 0:
            stop()
            timing.sleep(min(SLICE, left))
        stop()
        try:
            # One look at a time: a kill must not wait for the retries of an outage.
            task = client.get_task(task.task_id, retry=False).filled_from(task)
        except ViduError as error:
            progress.on_error(error, timing.now())
            verdict = wait.on_error(error, timing.now())
            if verdict is Verdict.GIVEN_UP:
                raise gave_up_error(error, task.task_id) from error
        else:
            progress.on_result(task, timing.now())
            verdict = wait.on_result(task, timing.now())
        if verdict is Verdict.ENDED:
            return task
        if verdict is Verdict.TIMED_OUT:
            raise still_running_error(task)


def cancel_and_verify(
    client: ViduClient, task_id: str, log: Any, *, sleep: Callable[[float], None] = timing.sleep
) -> bool:
    """
    Cancel a task, and tell whether it will be neither rendered nor billed.

    The task itself is queried, whatever the answer to the cancel was: another one is submitted in place of what was
    cancelled. One look counts only if it shows the cancel; any other failure has to show twice in a row.

    :param client: where.
    :param task_id: Vidu's id.
    :param log: where to tell what came of it.
    :param sleep: seconds; it may raise, to end the try.
    """
    why = "Vidu has said yes, and the task does not show it"
    queries = CANCEL_QUERIES
    try:
        client.cancel_task(task_id)
    except ViduError as error:
        why, queries = str(error), 1
    has_failed = False
    query = 0
    while query < queries or has_failed:
        if query:
            sleep(CANCEL_GAP)
        query += 1
        try:
            task = client.get_task(task_id, retry=queries == 1)
        except ViduError as error:
            has_failed, why = False, f"{why}; {error.message}"
            continue
        if task.failed and (has_failed or task.err_code == "UserCancelled"):
            log.info("Vidu task %s has been cancelled and is not billed.", task_id)
            return True
        has_failed = task.failed
        if task.succeeded:
            why = "it has succeeded before"
            break
    log.info("Vidu task %s was not cancelled and goes on: %s", task_id, why)
    return False


def query_paid_task(client: ViduClient, task_id: str, *, sleep: Callable[[float], None] = timing.sleep) -> ViduTask:
    """
    Query a task that was submitted, and repeat the query where it is refused: one refusal alone is no verdict.

    :param client: whom to ask.
    :param task_id: Vidu's id.
    :param sleep: seconds; it may raise, to end the try.
    :raises ViduRequestError: refused again and again; its text says what that means for a task that was paid for.
    :raises ViduError: see :meth:`ViduClient.get_task`.
    """
    for attempt in range(1, REFUSALS + 1):
        try:
            return client.get_task(task_id)
        except ViduError as error:
            if not is_refusal(error):
                raise
            if attempt == REFUSALS:
                raise _refused_query(error, task_id) from error
        sleep(REFUSAL_GAP)
    raise AssertionError("the last refusal raises")


def fetch_finished(client: ViduClient, task: ViduTask, *, sleep: Callable[[float], None] = timing.sleep) -> ViduTask:
    """
    Take the last look at an ended task: its links are signed anew, and a success without a video gets a second chance.

    :param client: whom to ask.
    :param task: as last seen; what only an earlier answer told is kept.
    :param sleep: seconds; it may raise, to end the try.
    :return: the task in ``success``, with at least one creation that has a URL.
    :raises ViduTaskFailedError: it failed; ViduModerationError where Vidu's content checks refused it.
    :raises ViduNoCreationError: ``success`` without a link to a video, even when queried again.
    :raises ViduStillRunningError: it has not ended after all.
    """
    for query in range(EMPTY_QUERIES):
        if query:
            sleep(EMPTY_GAP)
        task = query_paid_task(client, task.task_id, sleep=sleep).filled_from(task)
        if not task.is_final:
            raise still_running_error(task)
        if not task.succeeded:
            raise task_error(
                task.task_id, task.err_code, message=task.err_msg, credits=task.credits, trace_id=task.trace_id
            )
        if task.video_url:
            return task
    error = no_creation_error(task.task_id, task.unread_reply, state=task.state, credits=task.credits)
    raise error.without(client.account.api_key)


def explain_clear(error: ViduNoCreationError, *, remembered: bool) -> ViduNoCreationError:
    """
    Return the error of a success without a video as it reads in the Airflow task that submitted it.

    :param error: of :func:`fetch_finished`.
    :param remembered: whether a record of the submission outlives this try, so that a clear finds the same task.
    """
    if remembered:
        then = (
            f"A retry of this Airflow task, or a clear{keeping_its_state()}, queries the same Vidu task again and "
            "submits nothing."
        )
    else:
        then = "Do not clear this Airflow task before that: it has no record of the submission and would pay again."
    return error.but(advice=f"{error.advice} {then}")


def fetch_result(client: ViduClient, task: ViduTask, event: Mapping[str, Any]) -> ViduTask:
    """
    Take the result after a trigger's event. The event is a hint: the task's own answer decides.

    :param client: whom to ask.
    :param task: as known when the wait began.
    :param event: of the trigger.
    :return: see :func:`fetch_finished`.
    :raises ViduError: see :func:`fetch_finished`; what made the trigger give up, where the task has not ended.
    """
    try:
        return fetch_finished(client, task)
    except ViduStillRunningError as error:
        if event.get("status") != "error":
            raise
        raise ViduStillRunningError(
            str(event.get("message") or "The wait was given up."), task_id=task.task_id, state=error.state, advice=""
        ) from error


class Next(str, Enum):
    """What a resumed worker does about a task that has not ended, or cannot be looked at."""

    #: The trigger gave up: its looks failed, not the task and not the time.
    GIVE_UP = "give up"
    #: Go on waiting in the triggerer.
    WAIT_ON = "wait on"
    #: The deadline has passed.
    DEADLINE = "deadline"


def decide_after_resume(event: Mapping[str, Any], task_id: str, end_time: float | None, now: float) -> Next:
    """
    Decide what an event means whose task has not ended. Shared by operator and sensor.

    An event may be another task's (SQLite reuses trigger ids), and Vidu may be out of reach at the very last look:
    neither is a deadline.

    :param event: of the trigger.
    :param task_id: whom the resumed task waits for.
    :param end_time: its deadline, epoch seconds; None = not known (dag.test() drops it).
    :param now: epoch seconds.
    """
    status = event.get("status") if event.get("task_id") in {None, task_id} else None
    if status == "error":
        return Next.GIVE_UP
    if status != "timeout" and end_time is not None and now < end_time:
        return Next.WAIT_ON
    return Next.DEADLINE


def still_running_error(task: ViduTask) -> ViduStillRunningError:
    """
    Return the error of a wait whose deadline has passed.

    :param task: as last seen.
    """
    return ViduStillRunningError(
        "The wait has reached its deadline and the task has not ended.",
        task_id=task.task_id,
        state=task.state,
        credits=task.credits,
    )


def gave_up_error(error: ViduError, task_id: str) -> ViduError:
    """
    Return the error of a wait that cannot look any more; it keeps the task id and says where the money is.

    :param error: of the last look.
    :param task_id: whom it was about.
    """
    return _of_a_paid_task(type(error), "Cannot keep waiting for the task.", error, task_id)


def _refused_query(error: ViduError, task_id: str) -> ViduError:
    # A reason of the query is none of the task's, such as moderation; an empty account is the relay's whole answer.
    kind = type(error) if isinstance(error, (ViduAuthError, ViduCreditError, ViduNotFoundError)) else ViduRequestError
    return _of_a_paid_task(kind, f"The query of the task was refused {REFUSALS} times in a row.", error, task_id)


def _of_a_paid_task(kind: type[ViduError], what: str, error: ViduError, task_id: str) -> ViduError:
    fate = (
        "The task was submitted and may be billed; it goes on at Vidu and nothing is lost. Fix the cause, then retry "
        f"or, from Airflow 3.3 on, {clear_this_task()}: it re-attaches and submits nothing."
    )
    has_advice = isinstance(error, (ViduAuthError, ViduNotFoundError))
    return kind(
        f"{what} {error.message}",
        fate=error.fate,
        advice=f"{error.advice} {fate}" if has_advice else fate,
        task_id=task_id,
        reason=error.reason,
        trace_id=error.trace_id,
        http_status=error.http_status,
    )
