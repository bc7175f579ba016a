# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The trigger. It subscribes to its connection's watcher, yields one small event, and never submits."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_vidu.transport import timing

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

    from airflow_provider_vidu.waiting.cancel import CancelReport
    from airflow_provider_vidu.waiting.subscribers import GroupOutcome, Outcome
    from airflow_provider_vidu.waiting.watcher import Watcher

#: Seconds by which Airflow's own trigger timeout is later than our deadline; only a backstop.
BACKSTOP = 600.0

#: Seconds after the defer before which the trigger sends no event. An earlier event can find the deferring worker still
#: running. The executor then reports success for a task that is queued again, which Airflow treats as a failure.
EVENT_HOLD = 6.0

#: Seconds that a kill may take to cancel one Vidu task …
KILL_TIMEOUT = 8.0
#: … or many.
GROUP_KILL_TIMEOUT = 18.0
#: Additional seconds before that to ask Airflow and read the connection. This takes tenths of a second unless the
#: triggerer is overloaded, and then a late cancel is better than none.
KILL_LOOK_UP_TIMEOUT = 30.0

#: More ids than this are packed into one text.
MAX_PLAIN_IDS = 20

# Airflow cancels on_kill after about a second. The cancel at Vidu takes longer, so keep a reference to its task.
_kills: set[asyncio.Task[None]] = set()


class ViduTaskTrigger(BaseTrigger):
    """
    Wait in the triggerer until Vidu tasks have finished.

    The event is one small dict, without URLs and times because Airflow logs events, and the same wherever the trigger
    runs:
    ``{"status": "success" | "failed" | "timeout" | "error", "task_id", "task_ids": […], "state", "err_code",
    "message"}`` for one task. The resumed worker queries the task again to get fresh links. For several tasks the event
    is ``{"status": the worst, "counts": {"success", "failed", "timeout", "error"}, "message": the first error's text,
    "ids": a digest of their ids}``. They share one wait, without a coroutine or a log line for each.

    :param vidu_conn_id: the connection's id; the API key is not serialised.
    :param vidu_task_ids: Vidu's ids, any number; or what
        :func:`~airflow_provider_vidu.triggers.task_ids.packed` made of them. (Airflow
        overwrites a trigger's own ``task_id``.)
    :param end_time: the deadline, epoch seconds; absolute, so that it survives a hand-over to another triggerer.
    :param poll_interval: seconds between polls; None = the schedule decides.
    :param cancel_on_kill: cancel unfinished Vidu tasks when a user ends the Airflow task for good (Airflow 3.3+).
    :param hints: facts about the tasks for the schedule, see ``airflow_provider_vidu.waiting.next_poll.Hints``.
    :param not_before: epoch seconds before which no event is yielded; None = at once.
    :param end_task: finish the Airflow task from here when its only Vidu task has succeeded, with the task record as
        XCom, instead of resuming on a worker. Everything else resumes on a worker.
    :param known: the task record so far, for that XCom: only the create answer has the model. None = push no XCom.
    """

    def __init__(
        self,
        vidu_conn_id: str,
        vidu_task_ids: Sequence[str] | str,
        end_time: float,
        poll_interval: float | None = None,
        cancel_on_kill: bool = True,
        hints: Mapping[str, Any] | None = None,
        not_before: float | None = None,
        end_task: bool = False,
        known: Mapping[str, Any] | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()
        if unknown:
            # Raising an exception here would cost the Airflow task a retry.
            self.log.info("Another release deferred this task; ignored arguments: %s.", ", ".join(sorted(unknown)))
        self.vidu_conn_id = vidu_conn_id
        self.vidu_task_ids = _ids(vidu_task_ids)
        self.end_time = end_time
        self.poll_interval = poll_interval
        self.cancel_on_kill = cancel_on_kill
        self.hints = dict(hints or {})
        self.not_before = not_before
        self.end_task = end_task
        self.known = None if known is None else dict(known)
        self._yielded = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments, as JSON primitives only."""
        return (
            "airflow_provider_vidu.triggers.task.ViduTaskTrigger",
            {
                "vidu_conn_id": self.vidu_conn_id,
                "vidu_task_ids": self._ids_to_send(),
                "end_time": self.end_time,
                "poll_interval": self.poll_interval,
                "cancel_on_kill": self.cancel_on_kill,
                "hints": self.hints,
                "not_before": self.not_before,
                "end_task": self.end_task,
                "known": self.known,
            },
        )

    def _ids_to_send(self) -> list[str] | str:
        from airflow_provider_vidu.triggers.task_ids import packed

        return packed(self.vidu_task_ids) if len(self.vidu_task_ids) > MAX_PLAIN_IDS else self.vidu_task_ids

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield one event."""
        from airflow_provider_vidu.hooks.vidu import ViduHook
        from airflow_provider_vidu.waiting import watcher

        # Keep local variables few: a thousand of these coroutines may wait at once.
        async with watcher.join(self.vidu_conn_id, ViduHook(self.vidu_conn_id).aget_account) as watching:
            if len(self.vidu_task_ids) == 1:
                outcome = await watching.wait(self.vidu_task_ids[0], **self._how())
                payload = event_of(outcome)
                ending = await self._ending(watching, outcome) if self.end_task else None
            else:
                waited = await watching.wait_for_all(self.vidu_task_ids, **self._how())
                payload, ending = event_of_group(waited, self.vidu_task_ids), None
        # An ending is not held back: Airflow sets the task to success directly. The executor's late report of the
        # worker that deferred only harms a task that is scheduled, queued or running again
        # (SchedulerJobRunner.process_executor_events, ``ti_queued``).
        if ending is None and self.not_before is not None and self.task_instance is not None:
            # Without a task instance there is no other worker: dag.test() runs the trigger itself.
            await timing.asleep(self.not_before - timing.now())
        self._yielded = True
        yield TriggerEvent(payload) if ending is None else ending

    def _how(self) -> dict[str, Any]:
        from airflow_provider_vidu.waiting.next_poll import Hints

        hints = Hints.from_json(self.hints)
        return {"hints": hints, "end_time": self.end_time, "poll_interval": self.poll_interval, "log": self.log}

    async def _ending(self, watching: Watcher, outcome: Outcome) -> TriggerEvent | None:
        """Return the event that finishes the Airflow task if the Vidu task has its video; None = a worker decides."""
        from airflow_provider_vidu import compat
        from airflow_provider_vidu.api.errors import ViduError
        from airflow_provider_vidu.api.tasks import ViduTask
        from airflow_provider_vidu.links.task import links_of

        success_event = compat.task_success_event()
        task = outcome.task
        if success_event is None or outcome.status != "success" or task is None or self.task_instance is None:
            return None
        if self.known is not None and not compat.takes_xcoms_of_triggers():
            return None
        try:
            if not task.video_url:
                # A list row may have no links.
                task = (await watching.get_task(task.task_id)).filled_from(task)
            earlier = ViduTask.from_record(self.known) if self.known else None
        except (ViduError, ValueError) as error:
            self.log.warning(
                "Vidu task %s: a worker will fetch the result instead of the triggerer: %s", outcome.task_id, error
            )
            return None
        if not (task.succeeded and task.video_url):
            return None
        try:
            if self.known is not None:
                await compat.push_from_trigger(self.task_instance, "return_value", task.filled_from(earlier).record())
        except Exception as error:
            self.log.warning(
                "Vidu task %s: a worker will push the record instead of the triggerer: %r", outcome.task_id, error
            )
            return None
        event: TriggerEvent = success_event(xcoms=links_of(task, await watching.task_page(task.task_id)))
        return event

    async def on_kill(self) -> None:
        """
        Cancel unfinished Vidu tasks, if a user has ended the Airflow task for good.

        Airflow 3.3.0 to 3.3.2 also call this for hand-overs between triggerers, and after a clear whose next try has
        already re-attached. The state of the Airflow task shows both, and then nothing is cancelled. After a clear that
        discards the task's state (3.4+), on a host without a task list, the next try cannot find the Vidu tasks, so
        they are cancelled here.
        """
        if not self.cancel_on_kill or self._yielded or timing.now() >= self.end_time:
            return
        kill = asyncio.get_running_loop().create_task(self._kill())
        _kills.add(kill)
        kill.add_done_callback(_kills.discard)
        await asyncio.shield(kill)

    async def _kill(self) -> None:
        try:
            await asyncio.wait_for(self._cancel_unfinished(), KILL_LOOK_UP_TIMEOUT + self._kill_timeout)
        except Exception as error:
            self.log.warning("The cancel failed for %s: %s", self._named, str(error) or type(error).__name__)

    async def _cancel_unfinished(self) -> None:
        from airflow_provider_vidu import compat
        from airflow_provider_vidu.hooks.vidu import ViduHook
        from airflow_provider_vidu.submission.cancel_on_kill import aended_by_user, ais_forgotten
        from airflow_provider_vidu.waiting.cancel import cancel_unfinished

        instance = self.task_instance
        is_over = instance is not None and await aended_by_user(instance)
        if is_over or (instance is not None and compat.clear_discards_state()):
            async with await ViduHook(self.vidu_conn_id).aget_conn() as client:
                if is_over or await ais_forgotten(instance, client, self.vidu_task_ids):
                    report = await cancel_unfinished(
                        client, self.vidu_task_ids, seconds=self._kill_timeout, log=self.log
                    )
                    self._report(report, is_over=is_over)
                    return
        self.log.info("The Airflow task continues elsewhere: %s left running.", self._named)

    def _report(self, report: CancelReport, *, is_over: bool) -> None:
        if is_over:
            report.log_to(self.log, f"A user has ended the Airflow task. {self._named}")
            return
        report.log_to(self.log, f"A clear has discarded the Airflow task's state. {self._named}")
        for task_id in (*report.refused, *report.unreachable):
            self.log.error(
                "Vidu task %s (%s credits) was not cancelled and is billed when it succeeds, but no try waits for it "
                "any more. The clear discarded the task's state, and this host has no task list to find it in. To get "
                "the video, call ViduHook(%r).download(%r, path).",
                task_id,
                report.credits.get(task_id, "unknown"),
                self.vidu_conn_id,
                task_id,
            )

    @property
    def _kill_timeout(self) -> float:
        return KILL_TIMEOUT if len(self.vidu_task_ids) == 1 else GROUP_KILL_TIMEOUT

    @property
    def _named(self) -> str:
        if len(self.vidu_task_ids) == 1:
            return f"Vidu task {self.vidu_task_ids[0]}"
        return f"{len(self.vidu_task_ids)} Vidu tasks"


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
    end_task: bool = False,
) -> NoReturn:
    """
    Defer an operator or sensor until a Vidu task has finished; it resumes in ``execute_complete``.

    For the other parameters see :class:`ViduTaskTrigger`.

    :param known: the task record so far, passed on without links and files: it has fields that only the create answer
        contains.
    :param try_number: the deferring try, if the resumed method has to check that it is still the same.
    """
    now = timing.now()
    known = {**known, "creations": [], "files": []}
    operator.defer(
        trigger=ViduTaskTrigger(
            vidu_conn_id=vidu_conn_id,
            vidu_task_ids=[task_id],
            end_time=end_time,
            poll_interval=poll_interval,
            cancel_on_kill=cancel_on_kill,
            hints=hints,
            not_before=now + EVENT_HOLD,
            end_task=end_task,
            known=known if end_task and getattr(operator, "do_xcom_push", True) else None,
        ),
        method_name="execute_complete",
        kwargs={
            "task_id": task_id,
            "known": known,
            "hints": dict(hints),
            "end_time": end_time,
            **({} if try_number is None else {"try_number": try_number}),
        },
        timeout=timedelta(seconds=max(0.0, end_time - now) + BACKSTOP),
    )
    raise AssertionError("defer always raises")


def event_of(outcome: Outcome) -> dict[str, Any]:
    """Return the event of a wait for one task."""
    task = outcome.task
    return {
        "status": outcome.status,
        "task_id": outcome.task_id,
        "task_ids": [outcome.task_id],
        "state": outcome.state,
        "err_code": task.err_code if task else None,
        "message": str(outcome.error) if outcome.error else "",
    }


def event_of_group(outcome: GroupOutcome, task_ids: Iterable[str] = ()) -> dict[str, Any]:
    """
    Return the event of a wait for several tasks.

    :param task_ids: Vidu's ids. The event has a digest of them, by which the resumed worker recognises its own event.
    """
    return {
        "status": outcome.status,
        "counts": dict(outcome.counts),
        "message": outcome.message,
        "ids": digest_of_ids(task_ids),
    }


def digest_of_ids(task_ids: Iterable[str]) -> str:
    """
    Return 16 hexadecimal digits that identify a set of tasks, in any order.

    :param task_ids: Vidu's ids, any number.
    """
    return hashlib.sha256(json.dumps(sorted({str(task_id) for task_id in task_ids})).encode()).hexdigest()[:16]


def _ids(given: Sequence[str] | str) -> list[str]:
    from airflow_provider_vidu.triggers.task_ids import unpacked

    return unpacked(given) if isinstance(given, str) else [str(task_id) for task_id in given]
