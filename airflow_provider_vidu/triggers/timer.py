# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The timer of a batch that has left its worker, and whose submitted tasks a kill has to cancel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.triggers.task import BACKSTOP, ViduTaskTrigger


class ViduTimerTrigger(ViduTaskTrigger):
    """
    Waits for a moment, and looks at no task; a kill meanwhile is a :class:`ViduTaskTrigger`'s.

    Airflow's own ``DateTimeTrigger`` would let everything run on that a batch has submitted before Vidu's queue was
    full.

    :param vidu_conn_id: the connection's id; no key travels.
    :param vidu_task_ids: Vidu's ids of what runs meanwhile, any number; or packed ones.
    :param moment: when to end, epoch seconds.
    :param cancel_on_kill: cancel what is unfinished when a user ends the Airflow task for good (Airflow 3.3+).
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
