# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Decides when to poll a Vidu task again, and when to stop: pure functions of what was seen and of the time.

Sensor, operator and triggerer all use them, so that they wait alike. Times are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.catalog import find_model
from airflow_provider_vidu.api.defaults import DEFAULT_OFF_PEAK_TIMEOUT, DEFAULT_TIMEOUT
from airflow_provider_vidu.api.errors import (
    ViduError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduRequestError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.tasks import TaskState

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask

#: States in which nothing is rendered yet.
QUEUED_STATES = frozenset({TaskState.CREATED, TaskState.QUEUEING})

#: The shortest time between two polls that a user may ask for, in seconds.
MIN_POLL_INTERVAL = 0.1

#: A task that is not found this many seconds after its submission does not exist.
NOT_FOUND_GRACE = 120.0
#: Refusals (400, 401, 403, 404) in a row that end a wait: a single one can be a hiccup of a gateway.
REFUSALS = 3
#: Maximum seconds between polls during an outage.
MAX_OUTAGE_GAP = 60.0
#: Maximum seconds between two submissions to a full queue (429).
MAX_QUEUE_GAP = 300.0

#: Seconds between two list polls of a task that may finish at any time: one request covers a hundred tasks.
LISTED_GAP = 2.0
#: The same while many of our tasks are queued behind it: the whole queue takes long, and each poll is a request.
LISTED_GAP_IN_QUEUE = 4.5
#: From this number of our tasks on, Vidu's queue counts as long.
LONG_QUEUE = 50
#: Queued tasks for each second of that gap.
_QUEUED_A_SECOND = 20
#: Seconds between two list polls of a task that is not next in the queue.
QUEUED_GAP = 60.0
#: Seconds between two single queries at a host without a list, as a plain poller makes them.
_POLLER_GAP = 5.0
#: The same while the wait has polled less often than a plain poller would have.
_SOONER_GAP = 3.3
#: Maximum seconds between two probes of a host that is down while many waits depend on it.
MAX_PROBE_GAP = 15.0

# The time of the fastest known model: no video of an unknown model has been seen.
_EARLIEST_UNKNOWN = 10.0


@dataclass(frozen=True, slots=True)
class Hints:
    """
    What is known about a task when its wait starts; travels with a trigger as plain JSON.

    :param submitted_at: epoch seconds; None = unknown (a sensor with a bare id).
    :param endpoint: the last part of the create path; None = unknown (a sensor): then the first that has the model.
    :param duration: seconds of video.
    :param resolution: for example ``720p``.
    :param off_peak: whether it may take 48 hours.
    :param batch_size: requests of the batch that the task belongs to; None = no batch.
    :param batch_done: those of them that had their video before this wait.
    """

    submitted_at: float | None = None
    model: str | None = None
    duration: float | None = None
    resolution: str | None = None
    off_peak: bool = False
    batch_size: int | None = None
    batch_done: int = 0
    endpoint: str | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Hints:
        """Read the result of :meth:`to_json`, or None; fields of a newer release are ignored."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: item for name, item in (value or {}).items() if name in names})

    def to_json(self) -> dict[str, Any]:
        """Return the known fields as JSON primitives."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}

    @property
    def earliest(self) -> float:
        """Seconds after submission before which no video of this kind has been seen."""
        model = find_model(self.endpoint, self.model)
        return model.earliest if model else _EARLIEST_UNKNOWN

    @property
    def typical(self) -> float | None:
        """Seconds that a video of this kind usually takes; None for an unknown model and for off-peak."""
        model = find_model(self.endpoint, self.model)
        return model.typical if model and not self.off_peak else None


def default_timeout(*, off_peak: bool) -> float:
    """Return the seconds to wait if the DAG author sets no timeout; off-peak may take 48 hours."""
    return DEFAULT_OFF_PEAK_TIMEOUT if off_peak else DEFAULT_TIMEOUT


def next_poll(now: float, hints: Hints, poll_interval: float | None = None) -> float:
    """
    Return when to poll a running task again.

    There is no poll before the earliest plausible finish; then the gap is a twentieth of the wait so far, between 3
    seconds and a minute (off-peak: 10 seconds and ten minutes), so that detection is never later than that twentieth.
    A gap that grows exponentially would be short while nothing can finish and long when it does.

    :param poll_interval: seconds between polls, fixed by the user; None = the rule above.
    :return: epoch seconds, after ``now``.
    """
    if poll_interval is not None:
        return now + max(MIN_POLL_INTERVAL, poll_interval)
    least, most = (10.0, 600.0) if hints.off_peak else (3.0, 60.0)
    # A task of unknown age may be about to finish.
    age = 0.0 if hints.submitted_at is None else max(0.0, now - hints.submitted_at)
    poll = now + min(max(age / 20, least), most)
    if hints.submitted_at is not None:
        # A submission in the future means a wrong clock, and is no reason not to poll.
        poll = max(poll, min(hints.submitted_at, now) + hints.earliest)
    return poll


def listed_gap(queued: int) -> float:
    """
    Return the seconds between list polls of tasks that may finish at any time.

    :param queued: the number of our tasks in Vidu's queue.
    """
    return min(max(LISTED_GAP, queued / _QUEUED_A_SECOND), LISTED_GAP_IN_QUEUE)


def single_gap(age: float, earliest: float, waited: float, polls: int, queued: int = 0) -> float:
    """
    Return the seconds between single queries, for one of many tasks whose host has no list.

    The polls saved before the earliest plausible finish are spent right after it, when most tasks finish: a poll comes
    sooner as long as a plain poller, which polls at once and then every five seconds, would have polled at least as
    often by then. A wait whose task was already running when it started has saved nothing and spends nothing.

    :param age: seconds since the task was last known not to be processing.
    :param earliest: minimum seconds that such a video takes.
    :param waited: seconds since the wait started.
    :param polls: the number of polls so far.
    :param queued: the number of our tasks in Vidu's queue: polling them once a minute saves far more than that.
    """
    if queued >= LONG_QUEUE:
        return LISTED_GAP
    if age < 3 * earliest and polls <= waited // _POLLER_GAP + 1:
        return _SOONER_GAP
    return min(max(_POLLER_GAP, age / 20), 60.0)


def next_poll_of_many(
    now: float,
    hints: Hints,
    poll_interval: float | None = None,
    *,
    state: str | None = None,
    queued_at: float | None = None,
    is_next: bool = True,
    queued: int = 0,
    listed: bool = True,
    waited: float = 0.0,
    polls: int = 0,
) -> float:
    """
    Return when to poll a running task again that shares its poller with many others.

    There is no poll before the earliest plausible finish, counted from when the task was last known not to be
    processing; then the gap is constant. A task that is next in the queue is polled when it could have finished, the
    others once a minute; off-peak follows :func:`next_poll`, between ten seconds and ten minutes.

    :param poll_interval: seconds between polls, fixed by the user; None = the rule above.
    :param state: as last seen; None = not yet seen.
    :param queued_at: when it was last seen in the queue, epoch seconds; None = never.
    :param is_next: whether it is among the oldest in the queue.
    :param queued: see :func:`listed_gap`.
    :param listed: whether the task list is polled, a hundred tasks at once; else this task is queried alone.
    :param waited: see :func:`single_gap`.
    :param polls: see :func:`single_gap`.
    :return: epoch seconds, after ``now``.
    """
    if poll_interval is not None:
        return now + max(MIN_POLL_INTERVAL, poll_interval)
    is_queued = state in QUEUED_STATES
    if hints.off_peak:
        return now + 10.0 if state == TaskState.PROCESSING else next_poll(now, hints)
    if is_queued and not is_next:
        return now + QUEUED_GAP
    waited_until = hints.submitted_at if queued_at is None else queued_at
    age = 0.0 if waited_until is None else max(0.0, now - waited_until)
    gap = listed_gap(queued) if listed else single_gap(age, hints.earliest, waited, polls, queued)
    poll = now + gap
    if waited_until is not None:
        poll = max(poll, min(waited_until, now) + hints.earliest)
    return poll


def next_submission(refusals: int, retry_after: float | None = None, spread: float = 0.0) -> float:
    """
    Return the seconds to wait before submitting again after a 429.

    The delay is what the server asks for, within limits, or else doubles each time. A quota can be exhausted as long
    as the queue behind it lasts, and a thousand tasks may wait for the same one: up to a half is added, so that they
    do not come back together.

    :param refusals: the number of 429s so far, this one included.
    :param retry_after: seconds that the reply asked for; None = it did not.
    :param spread: 0 to 1, specific to the task.
    """
    doubled = 2.0 ** min(refusals, 10)
    asked = doubled if retry_after is None else max(retry_after, doubled / 20)
    return min(asked * (1 + spread / 2), MAX_QUEUE_GAP)


def is_refusal(error: ViduError) -> bool:
    """
    Return whether the query of a task was refused: a 4xx that is no rate limit.

    A single one says nothing about a paid task, see :data:`REFUSALS`.
    """
    return isinstance(error, ViduRequestError) and not isinstance(error, ViduRateLimitError)


class Patience:
    """
    Tolerates the errors of one wait: outages until the deadline, refusals only a few times.

    An outage (5xx, 429, a broken body, a dropped connection) never ends a wait before its deadline: the remote
    task continues regardless. A refusal (400, 401, 403, 404) may be a hiccup, but only a few times in a row.
    """

    __slots__ = ("outages", "refusals")

    def __init__(self) -> None:
        self.outages = 0
        self.refusals = 0

    def on_answer(self) -> None:
        """Note a poll that was answered."""
        self.outages = self.refusals = 0

    def on_error(self, error: ViduError, now: float, hints: Hints, poll_interval: float | None = None) -> float | None:
        """
        Note a poll that failed.

        :param poll_interval: as in :func:`next_poll`.
        :return: when to poll again (epoch seconds), or None: give up with this error.
        """
        gap = next_poll(now, hints, poll_interval) - now
        if isinstance(error, (ViduUnavailableError, ViduRateLimitError)):
            self.outages += 1
            # What the server asks for, or twice as long each time.
            backoff = error.retry_after if error.retry_after is not None else gap * 2.0 ** min(self.outages - 1, 6)
            return now + min(max(gap, backoff), max(MAX_OUTAGE_GAP, gap))
        if isinstance(error, ViduNotFoundError):
            age = 0.0 if hints.submitted_at is None else now - hints.submitted_at
            if hints.submitted_at is not None and age < NOT_FOUND_GRACE:
                return now + gap
        elif not is_refusal(error):
            return None
        self.refusals += 1
        return None if self.refusals >= REFUSALS else now + min(gap, 5.0)


class Verdict(str, Enum):
    """What a wait does after a poll."""

    #: Poll again at :attr:`Wait.poll_at`.
    WAIT = "wait"
    #: The remote task has finished, with or without a video.
    ENDED = "ended"
    #: The deadline has passed; this poll was the last one.
    TIMED_OUT = "timed out"
    #: The polls fail in a way that waiting does not fix.
    GIVEN_UP = "given up"


class Wait:
    """
    One wait for one remote task: takes the result of each poll and decides when to poll again.

    It does no I/O and reads no clock: the blocking wait and the triggerer's both drive it, so that they cannot drift.

    :param end_time: the deadline, epoch seconds; it gets one last poll.
    :param poll_interval: seconds between polls, fixed by the user; None = the schedule decides.
    """

    # A triggerer has thousands of them.
    __slots__ = ("_patience", "end_time", "hints", "poll_at", "poll_interval")

    def __init__(self, hints: Hints, end_time: float, poll_interval: float | None, now: float) -> None:
        self.hints = hints
        self.end_time = end_time
        self.poll_interval = poll_interval
        self.poll_at = min(next_poll(now, hints, poll_interval), max(end_time, now))
        self._patience = Patience()

    def on_result(self, task: ViduTask, now: float, poll_at: float | None = None) -> Verdict:
        """
        Note the result of a poll. A state that this release does not know counts as running.

        :param poll_at: when to poll again, if the caller plans many waits together; None = :func:`next_poll` decides.
        """
        self._patience.on_answer()
        if task.is_final:
            return Verdict.ENDED
        return self._again(next_poll(now, self.hints, self.poll_interval) if poll_at is None else poll_at, now)

    def on_error(self, error: ViduError, now: float) -> Verdict:
        """Note a poll that failed."""
        again = self._patience.on_error(error, now, self.hints, self.poll_interval)
        return Verdict.GIVEN_UP if again is None else self._again(again, now)

    def _again(self, poll_at: float, now: float) -> Verdict:
        self.poll_at = min(poll_at, self.end_time)
        return Verdict.TIMED_OUT if now >= self.end_time else Verdict.WAIT
