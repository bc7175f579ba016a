# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Triggerers that die, freeze, hand over, and have to kill their triggers."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.triggers import task as trigger_module
from airflow_provider_vidu.triggers.task import ViduTaskTrigger

from . import accidents
from .worker import Broken

if TYPE_CHECKING:
    from .world import World


class Triggerers:
    """The triggerers of a run."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def wait(self) -> None:
        assert self.world.deferral is not None
        if self.world.deferral["trigger"] is None:
            await asyncio.sleep(max(0.0, self.world.deferral["until"] - self.world.clock()))
            if not self.world.calm and self.world.chance.happens(0.05):
                self.world.clear("a user clears it while it waits to submit")
                return
            self.world.state, self.world.event = "scheduled", None
            return
        trigger = self._trigger()
        running = asyncio.ensure_future(_first_event(trigger))
        others: list[asyncio.Future[Any]] = []
        try:
            while True:
                happens = not self.world.calm and self.world.chance.happens(accidents.INCIDENT)
                stretch = self.world.chance.between(0, 60) if happens else None
                done, _ = await asyncio.wait({running}, timeout=stretch)
                if done:
                    self.world.state, self.world.event = "scheduled", json.loads(json.dumps(running.result()))
                    return
                trigger, running, ended = await self._incident(trigger, running, others)
                if ended:
                    return
        finally:
            for task in (running, *others):
                task.cancel()
            await asyncio.gather(running, *others, return_exceptions=True)

    async def _incident(
        self, trigger: ViduTaskTrigger, running: asyncio.Future[Any], others: list[asyncio.Future[Any]]
    ) -> tuple[ViduTaskTrigger, asyncio.Future[Any], bool]:
        kind = self.world.chance.one_of(
            ["death", "hand-over", "freeze", "user", "user", "clear", "clear", "stale event"]
        )
        if kind == "death":
            self.world.note("triggerer death", "the triggerer dies; another takes over")
            running.cancel()
            await asyncio.sleep(30)
        elif kind == "hand-over":
            self.world.note("hand-over", "the triggerer stops; another takes over")
            running.cancel()
        elif kind == "freeze":
            # Airflow 3.3.0 to 3.3.2: the one that wakes up calls on_kill on triggers that the other one runs by now.
            self.world.note(
                "triggerer freeze", "the triggerer freezes; another takes over; it wakes up and kills its triggers"
            )
            others.append(running)
            successor = self._trigger()
            going = asyncio.ensure_future(_first_event(successor))
            await asyncio.sleep(1)
            running.cancel()
            await self.kill(trigger)
            return successor, going, False
        elif kind == "user":
            running.cancel()
            self.world.user_ends_it()
            self.world.run_exists = not self.world.chance.happens(0.1)
            await self.kill(trigger)
            self.world.run_exists = True
            return trigger, running, True
        elif kind == "clear":
            running.cancel()
            trigger.task_instance = self.world.instance()
            first = self.world.chance.happens(0.5)
            self.world.clear("a user clears the deferred task")
            if first:
                await self.kill(trigger)
            elif self.world.has_store:
                # The new try starts before the old trigger is killed.
                self.world.late_kill = trigger
            return trigger, running, True
        else:
            self.world.note("stale event", "an event of another task's trigger arrives")
            running.cancel()
            self.world.state = "scheduled"
            self.world.event = {"status": self.world.chance.one_of(["success", "failed", "error"]), "task_id": "4711"}
            return trigger, running, True
        trigger = self._trigger()
        return trigger, asyncio.ensure_future(_first_event(trigger)), False

    def _trigger(self) -> ViduTaskTrigger:
        assert self.world.deferral is not None
        module, _, name = self.world.deferral["path"].rpartition(".")
        trigger: ViduTaskTrigger = getattr(import_module(module), name)(**self.world.deferral["trigger"])
        trigger.task_instance = self.world.instance()
        return trigger

    async def kill(self, trigger: ViduTaskTrigger) -> None:
        if not self.world.has_store:
            # Airflow below 3.3 does not call it.
            return
        killing = asyncio.ensure_future(trigger.on_kill())
        # Airflow cancels on_kill after about a second.
        await asyncio.wait({killing}, timeout=1.0)
        killing.cancel()
        await asyncio.gather(killing, *trigger_module._kills, return_exceptions=True)


async def _first_event(trigger: ViduTaskTrigger) -> Any:
    async for event in trigger.run():
        return event.payload
    raise Broken("the trigger ended without an event")
