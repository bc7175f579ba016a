# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The trigger: subscribes to the watcher of its connection and yields one small event. It never submits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

    from airflow_provider_vidu.watcher import Outcome

#: Seconds by which Airflow's own trigger timeout lies behind our deadline: a backstop only.
BACKSTOP = 600.0

#: Seconds after its defer before which no event leaves. An earlier one can meet a worker that has not quite ended:
#: its executor then reports a success of a task that is queued again, which Airflow takes for a failure.
EVENT_HOLD = 6.0

#: Seconds that a kill may take to cancel the remote tasks.
KILL_TIMEOUT = 10.0

# Airflow cancels on_kill itself after about a second; the cancelling at Vidu outlives that, and must stay referenced.
_kills: set[asyncio.Task[None]] = set()


class ViduTaskTrigger(BaseTrigger):
    """
    Waits in the triggerer until remote tasks have ended.

    Its event is one small dict, equal wherever the trigger runs, without URLs and times (Airflow logs events):
    ``{"status": "success" | "failed" | "timeout" | "error", "task_ids": […], "state", "err_code", "message"}``, with
    ``"task_id"`` beside it where it waits for one. The resumed worker re-reads the task: its links are fresh then.

    :param vidu_conn_id: the connection's id; no key travels.
    :param vidu_task_ids: Vidu's ids. (A trigger's own ``task_id`` is Airflow's: it is overwritten.)
    :param end_time: the deadline, epoch seconds: absolute, so that it survives a hand-over to another triggerer.
    :param poll_interval: seconds between looks; None = the schedule decides.
    :param cancel_on_kill: cancel unfinished remote tasks when a user ends the Airflow task for good (Airflow 3.3+).
    :param hints: what is known of the tasks, see ``airflow_provider_vidu.api.schedule.Hints``.
    :param not_before: epoch seconds before which no event is yielded; None = at once.
    """

    def __init__(
        self,
        vidu_conn_id: str,
        vidu_task_ids: Sequence[str],
        end_time: float,
        poll_interval: float | None = None,
        cancel_on_kill: bool = True,
        hints: Mapping[str, Any] | None = None,
        not_before: float | None = None,
    ) -> None:
        super().__init__()
        self.vidu_conn_id = vidu_conn_id
        self.vidu_task_ids = [str(task_id) for task_id in vidu_task_ids]
        self.end_time = end_time
        self.poll_interval = poll_interval
        self.cancel_on_kill = cancel_on_kill
        self.hints = dict(hints or {})
        self.not_before = not_before
        self._yielded = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments; JSON primitives only, since nothing else may cross."""
        return (
            "airflow_provider_vidu.triggers.task.ViduTaskTrigger",
            {
                "vidu_conn_id": self.vidu_conn_id,
                "vidu_task_ids": self.vidu_task_ids,
                "end_time": self.end_time,
                "poll_interval": self.poll_interval,
                "cancel_on_kill": self.cancel_on_kill,
                "hints": self.hints,
                "not_before": self.not_before,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield one event."""
        from airflow_provider_vidu import watcher
        from airflow_provider_vidu.api.schedule import Hints
        from airflow_provider_vidu.hooks.vidu import ViduHook

        hook = ViduHook(self.vidu_conn_id)
        hints = Hints.from_json(self.hints)
        async with watcher.of(self.vidu_conn_id, hook.aget_account) as watching:
            outcomes = await asyncio.gather(
                *(
                    watching.wait(
                        task_id,
                        hints=hints,
                        end_time=self.end_time,
                        poll_interval=self.poll_interval,
                        log=self.log,
                    )
                    for task_id in self.vidu_task_ids
                )
            )
        if self.not_before is not None and self.task_instance is not None:
            # Without a task instance nobody else is there: dag.test() runs the trigger itself.
            await asyncio.sleep(self.not_before - time.time())
        self._yielded = True
        yield TriggerEvent(event_of(outcomes))

    async def on_kill(self) -> None:
        """
        Cancel what is unfinished at Vidu, if a user has ended the Airflow task for good.

        Airflow 3.3.0 to 3.3.2 call this for hand-overs between triggerers too, and after a clear whose next try has
        already re-attached: both show in the state of the Airflow task, and nothing is cancelled then.
        """
        if not self.cancel_on_kill or self._yielded or time.time() >= self.end_time:
            return
        kill = asyncio.get_running_loop().create_task(self._kill())
        _kills.add(kill)
        kill.add_done_callback(_kills.discard)
        await asyncio.shield(kill)

    async def _kill(self) -> None:
        try:
            await asyncio.wait_for(self._cancel_unfinished(), KILL_TIMEOUT)
        except Exception as error:
            self.log.warning("The Vidu tasks %s were not cancelled: %s", self.vidu_task_ids, error)

    async def _cancel_unfinished(self) -> None:
        from airflow_provider_vidu.api.errors import ViduError
        from airflow_provider_vidu.hooks.vidu import ViduHook
        from airflow_provider_vidu.kill_guard import aended_by_user

        if self.task_instance is None or not await aended_by_user(self.task_instance):
            self.log.info("The Airflow task goes on elsewhere: the Vidu tasks %s are left running.", self.vidu_task_ids)
            return
        async with await ViduHook(self.vidu_conn_id).aget_conn() as client:
            for task_id in self.vidu_task_ids:
                try:
                    if (await client.get_task(task_id)).is_final:
                        continue
                    await client.cancel_task(task_id)
                    self.log.info("Cancelled Vidu task %s: its Airflow task was ended by a user.", task_id)
                except ViduError as error:
                    self.log.warning("Vidu task %s was not cancelled and goes on: %s", task_id, error)


def wait_in_triggerer(
    operator: BaseOperator,
    task_id: str,
    *,
    vidu_conn_id: str,
    end_time: float,
    poll_interval: float | None,
    cancel_on_kill: bool,
    hints: Mapping[str, Any],
    known: Mapping[str, Any],
    try_number: int | None = None,
) -> NoReturn:
    """
    Defer an operator or sensor until a remote task has ended; it resumes in ``execute_complete``.

    :param operator: which one defers.
    :param task_id: Vidu's id.
    :param vidu_conn_id: the connection's id.
    :param end_time: the deadline, epoch seconds.
    :param poll_interval: seconds; None = the schedule decides.
    :param cancel_on_kill: see :class:`ViduTaskTrigger`.
    :param hints: for the schedule.
    :param known: the task record so far. A task that waits has no links yet; what only the create answer told must
        survive, and travels in the arguments.
    :param try_number: of the try that defers, where its resumption must know that it is still that one.
    """
    now = time.time()
    operator.defer(
        trigger=ViduTaskTrigger(
            vidu_conn_id=vidu_conn_id,
            vidu_task_ids=[task_id],
            end_time=end_time,
            poll_interval=poll_interval,
            cancel_on_kill=cancel_on_kill,
            hints=hints,
            not_before=now + EVENT_HOLD,
        ),
        method_name="execute_complete",
        kwargs={
            "task_id": task_id,
            "known": {**known, "creations": [], "files": []},
            "hints": dict(hints),
            "end_time": end_time,
            **({} if try_number is None else {"try_number": try_number}),
        },
        timeout=timedelta(seconds=max(0.0, end_time - now) + BACKSTOP),
    )
    raise AssertionError("defer always raises")


def event_of(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """
    Return the event of waits that have ended; the worst of them gives its status.

    :param outcomes: one a task.
    """
    worst = max(outcomes, key=_badness)
    task = worst.task
    event = {
        "status": ("success", "failed", "timeout", "error")[_badness(worst)],
        "task_ids": [outcome.task_id for outcome in outcomes],
        "state": task.state if task else None,
        "err_code": task.err_code if task else None,
        "message": str(worst.error) if worst.error else "",
    }
    return {"task_id": worst.task_id, **event} if len(outcomes) == 1 else event


def _badness(outcome: Outcome) -> int:
    if outcome.error is not None:
        return 3
    if outcome.timed_out:
        return 2
    return 0 if outcome.task is not None and outcome.task.succeeded else 1
