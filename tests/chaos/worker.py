# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A worker process that dies, freezes and loses its state store at random."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import accidents

if TYPE_CHECKING:
    from .world import World


class WorkerDied(BaseException):
    """SIGKILL: nothing may catch it."""


class Broken(AssertionError):
    """A promise was broken."""


class Worker:
    """One process that runs a try, and what it can reach."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dead = False
        #: Airflow has started another try; the ids of this one are gone.
        self.superseded = False
        self.stopping_since: float | None = None
        self.operator: Any = None

    def step(self, what: str) -> None:
        """Pass a point at which a process can die, or freeze and wake up too late."""
        world = self.world
        if self.dead:
            raise WorkerDied
        if world.calm:
            return
        if world.chance.happens(accidents.DEATH):
            self.die(what)
        if world.has_store and not world.nested and world.chance.happens(accidents.FREEZE):
            world.freeze(self, what)

    def die(self, what: str) -> None:
        self.world.note("death", f"the worker dies at: {what}")
        self.dead = True
        raise WorkerDied

    def get(self, key: str) -> Any:
        self.step("reading the store")
        self._may_fail("read")
        # Airflow's answer to a task instance that it no longer knows.
        return None if self.superseded else json.loads(json.dumps(self.world.store.get(key)))

    def set(self, key: str, value: Any, retention: Any = None) -> None:
        self.step("writing the store")
        self._may_fail("written")
        if self.superseded:
            raise RuntimeError("404: task instance not found")
        self.world.store[key] = json.loads(json.dumps(value))
        self.world.note("", f"store: {self.world.describe_write(key, value)}")
        self._may_fail("reported as written, though it is")
        self.step("having written the store")

    def _may_fail(self, what: str) -> None:
        if not self.world.calm and self.world.chance.happens(accidents.STORE_FAILURE):
            self.world.note("store failure", f"the store cannot be {what}")
            raise RuntimeError("the state store is down")
