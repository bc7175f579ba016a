# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Waits for a task in a worker and fetches the result of one that has finished: shared by operator, sensor and hook."""

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
    ViduNotFoundError,
    ViduRequestError,
    ViduStillRunningError,
    ViduTaskFailedError,
    no_creation_error,
    task_error,
)
from airflow_provider_vidu.api.messages import counted
from airflow_provider_vidu.api.rendered_fields import parse_record, require
from airflow_provider_vidu.api.tasks import TaskState, ViduTask
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.waiting.next_poll import (
    REFUSALS,
    Hints,
    Verdict,
    Wait,
    is_refusal,
)

if TYPE_CHECKING:
    from airflow_provider_vidu.client import ViduClient

#: Seconds between two checks whether a wait in a worker must stop.
SLICE = 0.5
#: Queries of a success without a creation before it counts as an error.
EMPTY_QUERIES = 4
#: Seconds between those queries.
EMPTY_GAP = 2.0
#: Seconds between repeated queries of a task after a refusal: only a refusal that lasts counts.
REFUSAL_GAP = 3.0
#: A wait writes a log line at least this often, in seconds.
LOG_EVERY = 60.0


def sleep_in_slices(seconds: float, stop: Callable[[], None]) -> None:
    """
    Sleep, but notice a kill within half a second.

    :param stop: called before every slice and at the end; raises to end the sleep.
    """
    end = timing.now() + seconds
    while (left := end - timing.now()) > 0:
        stop()
        timing.sleep(min(SLICE, left))
    stop()


class Progress:
    """
    Logs the progress of a wait: one line for each state change, and one a minute in between.

    :param began: epoch seconds; elapsed times count from it if the time of submission is unknown.
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
        """Log the state of the task if it has changed, or if a minute has passed."""
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
            # Vidu does not report the position in its queue.
            return f"; {self._hints.model} usually takes about {typical:.0f} s once it is processing"
        if self._processing_since is None:
            self._processing_since = now
        end = self._processing_since + typical
        if end <= now:
            return f"; {self._hints.model} usually takes about {typical:.0f} s, this takes longer"
        return f"; expected at about {datetime.fromtimestamp(end, timezone.utc):%H:%M:%S} UTC"

    def on_error(self, error: ViduError, now: float) -> None:
        """Log a query that failed."""
        self._log.warning("Could not query the Vidu task after %.0f s: %s", now - self._began, error)


def elapsed_seconds(task: ViduTask, submitted_at: float | None, now: float) -> float | None:
    """
    Return the seconds from the submission of a task until now.

    :param submitted_at: epoch seconds; None or 0 = the task's own ``created_at``.
    :return: None if the start is unknown.
    """
    start = submitted_at or task.created
    return None if start is None else max(0.0, now - start)


def summary_line(task: ViduTask, seconds: float | None, files: Sequence[Mapping[str, Any]] = ()) -> str:
    """
    Return the last line of a task's log: what was made, how long it took, what it cost, where it is.

    :param task: in ``success``.
    :param seconds: see :func:`elapsed_seconds`.
    :param files: the landed files.
    """
    took = "" if seconds is None else f" after {seconds:.0f} s"
    what = f"{task.model}, " if task.model else ""
    cost = "an unknown number of credits" if task.credits is None else counted(task.credits, "credit")
    paths = ", ".join(str(file["path"]) for file in files)
    where = f", at {paths}" if paths else "; not landed here, and its links expire within 24 hours"
    noun = {"image": "picture", "audio": "sound"}.get(files[0]["kind"] if files else "", "video")
    return f"Vidu task {task.task_id} has its {noun}{took}: {what}{cost}{where}."


def hints_of(task: ViduTask, *, submitted_at: float | None = None, endpoint: str | None = None) -> Hints:
    """
    Return what a task says about how long it may take.

    :param task: ideally the reply to its creation.
    :param submitted_at: epoch seconds; None = the task's own ``created_at``.
    :param endpoint: the last part of the path on which it was created; None = unknown.
    """
    return Hints(
        submitted_at=task.created if submitted_at is None else submitted_at,
        model=task.model,
        duration=task.duration,
        resolution=task.resolution,
        off_peak=bool(task.off_peak),
        endpoint=endpoint,
    )


def parse_vidu_task(given: Any) -> ViduTask:
    """
    Parse the ``vidu_task`` parameter of an operator or a sensor.

    :param given: a Vidu task id (a string, or a number from a template in native mode), or a task record.
    :raises ViduInputError: it is neither.
    """
    if isinstance(given, ViduTask):
        return given
    given = parse_record(require("vidu_task", given))
    try:
        return ViduTask.from_record(given if isinstance(given, Mapping) else {"task_id": given})
    except ValueError:
        # Its content may include signed links, which stay valid for a day.
        shown = repr(given) if isinstance(given, (str, int)) else f"a {type(given).__name__}"
        raise ViduInputError(
            f"vidu_task must be a Vidu task id or a task record, got {shown[:100]}.",
            advice="Pass the submitting task's output; map over several (.expand). Waiting and landing are free.",
        ) from None


def adapt_for_other_task(error: ViduError) -> ViduError:
    """Adapt the error of a Vidu task to an Airflow task that did not submit it: its fate and its advice."""
    if isinstance(error, (ViduTaskFailedError, ViduModerationError)):
        # Another query cannot help: the Airflow task that submitted it must submit again.
        return error.but(fate=Fate.PERMANENT, advice=f"{error.advice} Clear the task that submitted it, not this one.")
    if isinstance(error, ViduNotFoundError):
        # A typed id may not belong to any task.
        return error.but(
            advice=(
                f"{ViduNotFoundError.default_advice} If another key or host submitted it, it continues there and may "
                "be billed; waiting for it costs nothing."
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
    Wait in this process until a task finishes.

    :param task: as last seen.
    :param end_time: deadline, epoch seconds.
    :param poll_interval: seconds; None = the account's, or else the schedule decides.
    :param log: receives the progress lines.
    :param stop: called at least every half second; raises to end the wait.
    :return: the finished task, successful or not, as last seen.
    :raises ViduStillRunningError: the deadline has passed.
    :raises ViduError: queries fail in a way that waiting does not fix; the remote task may continue.
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
            # No retries here: a kill must not wait for those of an outage.
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


def query_paid_task(client: ViduClient, task_id: str, *, sleep: Callable[[float], None] = timing.sleep) -> ViduTask:
    """
    Query a submitted task, and repeat a query that is refused: a single refusal is no verdict.

    :param sleep: takes seconds; it may raise, to end the try.
    :raises ViduRequestError: refused again and again; its text says what that means for a paid task.
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
    Fetch a finished task with freshly signed links; a success without a video is queried again.

    :param task: as last seen; fields that only an earlier reply had are kept.
    :param sleep: takes seconds; it may raise, to end the try.
    :return: the task in ``success``, with at least one creation that has a URL.
    :raises ViduTaskFailedError: it failed; ViduModerationError if Vidu's content checks refused it.
    :raises ViduNoCreationError: ``success`` without a link to a video, even after further queries.
    :raises ViduStillRunningError: it has not finished after all.
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


def fetch_result(client: ViduClient, task: ViduTask, event: Mapping[str, Any]) -> ViduTask:
    """
    Fetch the result after a trigger's event. The event is a hint: a query of the task decides.

    :param task: as known when the wait began.
    :return: see :func:`fetch_finished`.
    :raises ViduError: see :func:`fetch_finished`; the trigger's error if it gave up and the task has not finished.
    """
    try:
        return fetch_finished(client, task)
    except ViduStillRunningError as error:
        if event.get("status") != "error":
            raise
        raise ViduStillRunningError(
            str(event.get("message") or "The trigger stopped waiting."),
            task_id=task.task_id,
            state=error.state,
            advice="",
        ) from error


class Next(str, Enum):
    """What a resumed worker does about a task that has not finished, or cannot be queried."""

    #: The trigger gave up: its queries failed, not the task and not the time.
    GIVE_UP = "give up"
    #: Go on waiting in the triggerer.
    WAIT_ON = "wait on"
    #: The deadline has passed.
    DEADLINE = "deadline"


def decide_after_resume(event: Mapping[str, Any], task_id: str, end_time: float | None, now: float) -> Next:
    """
    Decide what to do after an event if the task has not finished. Shared by operator and sensor.

    The event may belong to another task (SQLite reuses trigger ids), and Vidu may be unreachable for the very last
    query: neither is a deadline.

    :param task_id: the Vidu task that the resumed Airflow task waits for.
    :param end_time: its deadline, epoch seconds; None = not known (dag.test() drops it).
    """
    status = event.get("status") if event.get("task_id") in {None, task_id} else None
    if status == "error":
        return Next.GIVE_UP
    if status != "timeout" and end_time is not None and now < end_time:
        return Next.WAIT_ON
    return Next.DEADLINE


def still_running_error(task: ViduTask) -> ViduStillRunningError:
    """Return the error of a wait whose deadline has passed."""
    return ViduStillRunningError(
        "The wait has reached its deadline and the task has not finished.",
        task_id=task.task_id,
        state=task.state,
        credits=task.credits,
    )


def gave_up_error(error: ViduError, task_id: str) -> ViduError:
    """
    Return the error of a wait that cannot query any more; it keeps the task id and says where the money is.

    :param error: of the last query.
    """
    return _of_a_paid_task(type(error), "Cannot keep waiting for the task.", error, task_id)


def _refused_query(error: ViduError, task_id: str) -> ViduError:
    # The reason of a refused query, such as moderation, says nothing about the task; a relay with an empty account
    # says nothing else.
    kind = type(error) if isinstance(error, (ViduAuthError, ViduCreditError, ViduNotFoundError)) else ViduRequestError
    return _of_a_paid_task(kind, f"The query of the task was refused {REFUSALS} times in a row.", error, task_id)


def _of_a_paid_task(kind: type[ViduError], what: str, error: ViduError, task_id: str) -> ViduError:
    fate = (
        "The task was submitted and may be billed; it continues at Vidu and nothing is lost. Fix the cause, then retry "
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
