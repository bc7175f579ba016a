# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A small Vidu for batches, written from the API page, and the tries of one task instance in virtual time."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import re
from collections.abc import Callable
from typing import Any
from unittest import mock

from chaos.virtual import Clock, InLine, VirtualLoop, in_line

from _support.img2video import read_requests
from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.client import AsyncViduClient
from airflow_provider_vidu.submission.airflow_try import Policies, Try
from airflow_provider_vidu.submission.batch import requests as batch_requests
from airflow_provider_vidu.submission.batch.driver import BatchSubmission
from airflow_provider_vidu.submission.batch.requests import check_requests

ACCOUNT = Account(base_url="http://127.0.0.1:1", api_key="vda_0123456789", timeout=60.0, settle_seconds=60.0)

# When Airflow is imported first it sets up logging, and a test that is in progress would lose its captured lines.
importlib.import_module("airflow.sdk")

Reply = tuple[int, dict[str, str], bytes]


def reply(status: int, body: Any) -> Reply:
    return status, {}, json.dumps(body).encode()


class Vidu:
    """A Vidu that answers create, query, list and cancel as the API page describes."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.requests: list[str] = []
        #: Returns a reply instead of Vidu's own; None = Vidu replies.
        self.instead: Callable[[str, Any], Reply | None] = lambda operation, request: None

    def answer(self, request: Any) -> Reply:
        path = request.url.partition("?")[0]
        if request.submits:
            operation = "submit"
        elif path.endswith("/cancel"):
            operation = "cancel"
        else:
            operation = "query" if path.endswith("/creations") else "list"
        self.requests.append(operation)
        other = self.instead(operation, request)
        if other is not None:
            return other
        if operation == "submit":
            return reply(200, self.create(request))
        if operation == "list":
            asked = re.findall(r"task_ids=([^&]+)", request.url)
            return reply(200, {"tasks": [self.tasks[one] for one in asked or self.tasks if one in self.tasks]})
        task = self.tasks.get(request.task_id)
        if task is None:
            return reply(404, {"code": 404, "reason": "TaskNotFound", "message": "no such task"})
        if operation == "query":
            return reply(200, task)
        if task["state"] != "created":
            return reply(400, {"code": 400, "reason": "BadRequest", "message": "can not cancel"})
        task.update(state="failed", err_code="UserCancelled")
        return reply(200, {})

    def create(self, request: Any) -> dict[str, Any]:
        """Create the task that a request asks for."""
        asked = json.loads(request.body)
        task_id = str(9000 + len(self.tasks))
        self.tasks[task_id] = {
            "id": task_id,
            "task_id": task_id,
            "state": "created",
            "credits": 8,
            "payload": asked["payload"],
            "images": asked["images"],
            "prompt": asked.get("prompt"),
            "creations": [],
            "created_at": f"2027-01-15T08:{len(self.tasks) % 60:02}:00Z",
        }
        return dict(self.tasks[task_id])

    def end(self, task_id: str, state: str = "success", err_code: str = "") -> None:
        creations = [{"id": "c", "url": f"https://storage.example/{task_id}.mp4"}] if state == "success" else []
        self.tasks[task_id].update(state=state, err_code=err_code, creations=creations)


class Kept:
    """A task state store in memory."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value))


class Stage:
    """
    One task instance, try after try.

    :param store: the task state store; None = there is none.
    """

    def __init__(self, store: Any) -> None:
        self.vidu = Vidu()
        self.store = store
        self.clock = Clock()
        self.tries = 0
        self.max_tries = 2
        self.first_try = 1
        #: Further options of the submission.
        self.options: dict[str, Any] = {}

    def submit(
        self,
        rows: list[dict[str, Any]],
        *,
        clear: bool = False,
        discard: bool = False,
        change: Callable[[Any], Any] = lambda requests: requests,
        **policies: Any,
    ) -> BatchSubmission:
        """
        Run a try until everything is submitted; optionally after a clear, which may discard the store.

        ``change`` changes the checked requests.
        """
        self.tries += 1
        if clear or discard:
            self.max_tries, self.first_try = self.tries + 1, self.tries
        if discard:
            self.store.values.clear()

        async def submit(batch: BatchSubmission, asked: Any) -> None:
            await batch.submit(change(check_requests(asked, logging.getLogger(__name__))))

        return self._run(rows, submit, policies)

    def resume(self, batch: BatchSubmission, act: Callable[[BatchSubmission], Any]) -> None:
        """Continue a try."""

        async def go_on() -> None:
            await act(batch)

        self._live(go_on)

    def _run(self, rows: list[dict[str, Any]], act: Any, policies: dict[str, Any]) -> BatchSubmission:
        made: list[BatchSubmission] = []

        async def live() -> None:
            asked = read_requests(rows, {"model": "viduq2-turbo", "duration": 1})
            parts = ("d", "r", "t", -1, self.max_tries, "start")
            this_try = Try("d.t of r", self.max_tries, self.tries, parts, first_try=self.first_try)
            made.append(
                BatchSubmission(
                    AsyncViduClient(ACCOUNT),
                    this_try,
                    self.store,
                    Policies(**policies),
                    max_in_flight=4,
                    clock=self.clock,
                    log=logging.getLogger(__name__),
                    **self.options,
                )
            )
            await act(made[0], asked)

        self._live(live)
        return made[0]

    def _live(self, live: Callable[[], Any]) -> None:
        async def send(client: AsyncViduClient, request: Any) -> Any:
            await asyncio.sleep(0)
            return self.vidu.answer(request)

        loop = VirtualLoop(self.clock)
        with (
            mock.patch.object(AsyncViduClient, "_send", send),
            mock.patch.object(asyncio, "to_thread", in_line),
            mock.patch.object(batch_requests, "ThreadPoolExecutor", InLine),
        ):
            try:
                loop.run_until_complete(live())
            finally:
                loop.close()
