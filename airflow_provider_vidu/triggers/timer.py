# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The timer of a batch that waits off its worker, while a kill must still cancel its submitted tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.triggers.task import BACKSTOP, ViduTaskTrigger


class ViduTimerTrigger(ViduTaskTrigger):
    """
    Wait until a moment without polling any task. A kill is handled as by :class:`ViduTaskTrigger`.

    After a kill, Airflow's own ``DateTimeTrigger`` would leave running what the batch had submitted before Vidu's queue
    was full.

    :param vidu_conn_id: the connection's id; the API key is not serialised.
    :param vidu_task_ids: Vidu's ids of the tasks that run meanwhile, any number; or packed ones.
    :param moment: when to finish, epoch seconds.
    :param cancel_on_kill: cancel unfinished tasks when a user ends the Airflow task for good (Airflow 3.3+).
    """

    def __init__(
        self,
        vidu_conn_id: str,
        vidu_task_ids: Sequence[str] | str,
        moment: float,
        cancel_on_kill: bool = True,
        **unknown: Any,
    ) -> None:
        super().__init__(vidu_conn_id, vidu_task_ids, moment + BACKSTOP, cancel_on_kill=cancel_on_kill, **unknown)
        self.moment = moment

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        return (
            "airflow_provider_vidu.triggers.timer.ViduTimerTrigger",
            {
                "vidu_conn_id": self.vidu_conn_id,
                "vidu_task_ids": self._ids_to_send(),
                "moment": self.moment,
                "cancel_on_kill": self.cancel_on_kill,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield one event: the moment, epoch seconds."""
        await timing.asleep(self.moment - timing.now())
        self._yielded = True
        yield TriggerEvent(self.moment)
