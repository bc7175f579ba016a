# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Vidu's state machine: accounts, queue, tasks, credits. No I/O, no timers; time comes from an injected clock.

A task's future is decided when it is created and written into a timetable. Time passes only when a caller asks: each
call first plays the timetable up to now, in its own order, so that asking often, once or never in between gives the
same history.

::

    created ── created_seconds ──► processing                    a slot is free
                               └─► queueing ──► processing       first in, first out, when a slot becomes free
    processing ──► success | failed
    created, queueing ──► failed (UserCancelled)                 cancelled, or off-peak and older than 48 hours

An off-peak task queues for ``off_peak_seconds`` before it may have a slot.
"""

from __future__ import annotations

import heapq
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.emulator.machine.emulated_task import Change, EmulatedTask, Inputs
from airflow_provider_vidu.emulator.machine.endpoints import Request
from airflow_provider_vidu.emulator.machine.estimates import price, processing_seconds
from airflow_provider_vidu.emulator.machine.ledger import DEFAULT_ACCOUNT, Ledger
from airflow_provider_vidu.emulator.machine.moments import Snowflakes
from airflow_provider_vidu.emulator.machine.refusals import Refusal
from airflow_provider_vidu.emulator.machine.settings import Settings

#: Vidu cancels and refunds an off-peak task that has not started within this time, in seconds.
OFF_PEAK_LIMIT_SECONDS = 48 * 3600.0

# A task that fails does so half-way.
_SHARE_UNTIL_FAILURE = 0.5


class Vidu:
    """The machine. Every method may be called from any thread."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self._lock = threading.RLock()
        self._chance = random.Random(settings.seed)
        self._ids = Snowflakes(self._chance)
        self._traces = random.Random(f"{settings.seed}:traces")
        self.reset()

    def reset(self) -> None:
        """Forget every task and restore all credits. Ids continue to ascend, so that no id is used twice."""
        with self._lock:
            self.ledger = Ledger(self.settings.credits)
            self._tasks: dict[str, EmulatedTask] = {}
            self._prompts: Counter[tuple[str, str]] = Counter()
            self._timetable: list[tuple[float, int, Callable[[EmulatedTask, float], None], EmulatedTask]] = []
            self._entries = 0
            self._waiting: dict[str, deque[EmulatedTask]] = {}
            self._running: Counter[str] = Counter()
            self._changes: list[Change] = []

    def trace_id(self) -> str:
        """Return a new trace id: 32 hexadecimal digits."""
        return f"{self._traces.getrandbits(128):032x}"

    def account_of(self, api_key: str) -> str:
        """
        Return the account of a key.

        :raises Refusal: ``Unauthorized``: empty, or not one of the accepted keys.
        """
        keys = self.settings.api_keys
        if api_key and keys is None:
            return DEFAULT_ACCOUNT
        if api_key and keys is not None and api_key in keys:
            return keys[api_key] if isinstance(keys, Mapping) else DEFAULT_ACCOUNT
        raise Refusal("Unauthorized")

    def check_balance(self, account: str) -> None:
        """
        Refuse an account without credits. Vidu does so before it checks any field of a submission.

        :raises Refusal: ``CreditInsufficient``.
        """
        with self._lock:
            self.advance()
            if self.ledger.balance(account) <= 0:
                raise Refusal("CreditInsufficient")

    def create(self, api_key: str, request: Request, inputs: Inputs | None = None) -> EmulatedTask:
        """
        Create a task and reserve its price.

        :raises Refusal: ``Unauthorized``, ``CreditInsufficient``, or what the prompt asks for.
        """
        inputs = inputs or Inputs()
        with self._lock:
            account = self.account_of(api_key)
            self.check_balance(account)
            scenario, credits = request.scenario, price(request)
            if self.ledger.balance(account) < credits:
                raise Refusal("CreditInsufficient")
            prompt = (account, request.prompt or "")
            self._prompts[prompt] += 1
            reason = scenario.refusal(self._prompts[prompt])
            if reason:
                raise Refusal(reason)
            now = self.clock()
            # The clock has microseconds at best; the further digits are invented, and never later than now.
            created_ns = int(now * 1e6) * 1000 - self._chance.randrange(1000)
            number = len(self._tasks) + 1
            task = EmulatedTask(
                task_id=self._ids.next(created_ns),
                creation_id=self._ids.next(created_ns),
                number=number,
                account=account,
                api_key=api_key,
                request=request,
                created_ns=created_ns,
                seed=request.seed or self._for_task(number, "seed").randrange(1, 2**31),
                price=credits,
                outcome=inputs.problem or scenario.failure(self._prompts[prompt]) or "",
                processing_seconds=self._processing_seconds(request, number),
                fetched=inputs.fetched,
                source=inputs.source,
                answers_without_creation=scenario.answers_without_creation,
            )
            self._tasks[task.task_id] = task
            self.ledger.reserve(now, account, task.task_id, credits)
            self._enter(task, TaskState.CREATED, now)
            self._plan(now + self.settings.created_seconds / self.settings.speed, self._admit, task)
            return replace(task)

    def cancel(self, account: str, task_id: str) -> None:
        """
        Cancel a task that has not started.

        :raises Refusal: ``TaskNotFound``; ``BadRequest`` once it is processing or finished.
        """
        with self._lock:
            self.advance()
            task = self._owned(account, task_id)
            if task.state not in {TaskState.CREATED, TaskState.QUEUEING}:
                # Vidu's word for a task that has left the queue; for a finished one it is the state.
                state = "scheduled" if task.state is TaskState.PROCESSING else str(task.state)
                raise Refusal("BadRequest", f"task state is {state}, can not cancel")
            self._end(task, "UserCancelled", self.clock())

    def find(self, account: str, task_id: str) -> EmulatedTask:
        """
        Return one task of an account, as it is now.

        :raises Refusal: ``TaskNotFound``: it does not exist, or belongs to another account.
        """
        with self._lock:
            self.advance()
            return replace(self._owned(account, task_id))

    def find_video(self, account: str, creation_id: str) -> EmulatedTask:
        """
        Return the task of an account that has made a video.

        :raises Refusal: ``CreationNotFound``.
        """
        for task in self.tasks(account):
            is_video = task.state is TaskState.SUCCESS and task.request.endpoint.delivers == "video"
            if is_video and task.creation_id == creation_id:
                return task
        raise Refusal("CreationNotFound")

    def tasks(self, account: str | None = None, task_ids: Collection[str] | None = None) -> list[EmulatedTask]:
        """Return the tasks of an account as they are now, oldest first."""
        with self._lock:
            self.advance()
            asked = self._tasks if task_ids is None else sorted(self._tasks.keys() & task_ids, key=int)
            found = (self._tasks[task_id] for task_id in asked)
            return [replace(task) for task in found if account in {None, task.account}]

    def shows_creation(self, task: EmulatedTask) -> bool:
        """Return whether an answer about a task has its creation, and count the answer."""
        if task.state is not TaskState.SUCCESS:
            return False
        with self._lock:
            kept = self._tasks.get(task.task_id, task)
            if kept.answers_without_creation:
                kept.answers_without_creation -= 1
                return False
            return True

    def load(self, account: str) -> tuple[int, int]:
        """Return how many tasks of an account are processing, and how many are created or queueing."""
        with self._lock:
            self.advance()
            states = Counter(task.state for task in self._tasks.values() if task.account == account)
            return states[TaskState.PROCESSING], states[TaskState.CREATED] + states[TaskState.QUEUEING]

    def take_changes(self) -> list[Change]:
        """Return the changes since the last call, oldest first. Only one listener may call it."""
        with self._lock:
            self.advance()
            taken, self._changes = self._changes, []
            return taken

    def next_change(self) -> float | None:
        """Return the time of the next entry in the timetable, in epoch seconds; None = there is none."""
        with self._lock:
            return self._timetable[0][0] if self._timetable else None

    def advance(self, now: float | None = None) -> None:
        """Play the timetable up to a moment, in epoch seconds; None = now."""
        with self._lock:
            moment = self.clock() if now is None else now
            while self._timetable and self._timetable[0][0] <= moment:
                at, _, act, task = heapq.heappop(self._timetable)
                if not task.is_final:
                    act(task, at)

    def _plan(self, at: float, act: Callable[[EmulatedTask, float], None], task: EmulatedTask) -> None:
        self._entries += 1
        heapq.heappush(self._timetable, (at, self._entries, act, task))

    def _admit(self, task: EmulatedTask, at: float) -> None:
        if not task.request.off_peak:
            self._join(task, at)
            return
        self._enter(task, TaskState.QUEUEING, at)
        speed = self.settings.speed
        self._plan(task.created + self.settings.off_peak_seconds / speed, self._join, task)
        self._plan(task.created + OFF_PEAK_LIMIT_SECONDS / speed, self._expire, task)

    def _join(self, task: EmulatedTask, at: float) -> None:
        self._waiting.setdefault(task.account, deque()).append(task)
        self._fill(task.account, at)
        if task.state is TaskState.CREATED:
            self._enter(task, TaskState.QUEUEING, at)

    def _fill(self, account: str, at: float) -> None:
        waiting = self._waiting.get(account, deque())
        while waiting and self._running[account] < self.settings.concurrency:
            task = waiting.popleft()
            if task.is_final:
                continue
            self._running[account] += 1
            self._enter(task, TaskState.PROCESSING, at)
            share = _SHARE_UNTIL_FAILURE if task.outcome else 1.0
            self._plan(at + task.processing_seconds * share, self._finish, task)

    def _finish(self, task: EmulatedTask, at: float) -> None:
        self._end(task, task.outcome, at)
        self._running[task.account] -= 1
        self._fill(task.account, at)

    def _expire(self, task: EmulatedTask, at: float) -> None:
        if task.state is TaskState.QUEUEING:
            self._end(task, "UserCancelled", at)

    def _end(self, task: EmulatedTask, err_code: str, at: float) -> None:
        task.err_code = err_code
        settle = self.ledger.refund if err_code else self.ledger.charge
        settle(at, task.account, task.task_id, task.price)
        self._enter(task, TaskState.FAILED if err_code else TaskState.SUCCESS, at)

    def _enter(self, task: EmulatedTask, state: TaskState, at: float) -> None:
        previous = task.state if task.changes else None
        task.state = state
        task.changes += ((state, at),)
        self._changes.append(Change(at, task.task_id, previous, replace(task)))

    def _owned(self, account: str, task_id: str) -> EmulatedTask:
        task = self._tasks.get(task_id)
        if task is None or task.account != account:
            raise Refusal("TaskNotFound")
        return task

    def _processing_seconds(self, request: Request, number: int) -> float:
        if request.scenario.seconds is not None:
            return request.scenario.seconds
        if self.settings.processing_seconds is not None:
            return self.settings.processing_seconds
        jitter = self._for_task(number, "jitter").uniform(0.9, 1.1)
        return processing_seconds(request, jitter) / self.settings.speed

    def _for_task(self, number: int, what: str) -> random.Random:
        # One generator a task: its numbers do not depend on what happened to others.
        return random.Random(f"{self.settings.seed}:{number}:{what}")
