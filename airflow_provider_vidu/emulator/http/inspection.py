# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Inspect and control the emulator over HTTP: for tests whose Airflow runs in other processes.

No route needs a key, and no answer contains one. All answers are JSON, except the page of a task. Web pages of other
sites get a 403 (see ``visitors``).

=================================  ========================================================================
route                              what it does
=================================  ========================================================================
``GET /emulator/``                 settings, counts of tasks by state, all routes
``GET /emulator/counters``         requests, submissions, cancels, downloads, leaked keys …
``GET /emulator/ledger``           credits: sums, by task, entry by entry
``GET /emulator/tasks``            all tasks with their states and times; images shortened
``GET /emulator/tasks/{task_id}``  a page that shows one task to a person, with its video
``GET /emulator/faults``           faults still to come
``POST /emulator/faults``          order one: ``{"operation": "submit", "kind": "drop_after_accept", …}``
``DELETE /emulator/faults``        drop the faults still to come
``GET /emulator/quirks``           how this host differs from Vidu's pages
``POST /emulator/quirks``          change some: ``{"has_list": false}``
``POST /emulator/skip``            let time pass: ``{"seconds": 3600}``, real seconds
``POST /emulator/reset``           forget tasks, credits, counters; faults and quirks as at the start
=================================  ========================================================================
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Protocol

from aiohttp import web

from airflow_provider_vidu.emulator.faults import Fault, FaultPlan, Quirks
from airflow_provider_vidu.emulator.http.replies import json_reply
from airflow_provider_vidu.emulator.http.task_page import task_page
from airflow_provider_vidu.emulator.http.visitors import stranger
from airflow_provider_vidu.emulator.machine.clock import Clock
from airflow_provider_vidu.emulator.machine.counters import Counters
from airflow_provider_vidu.emulator.machine.emulated_task import EmulatedTask
from airflow_provider_vidu.emulator.machine.refusals import Refusal
from airflow_provider_vidu.emulator.machine.state import Vidu
from airflow_provider_vidu.emulator.video.first_frames import is_data_uri

Act = Callable[[web.Request], Awaitable[web.Response]]


class Inspected(Protocol):
    """What these routes show and change: the server."""

    url: str
    host: str
    clock: Clock
    vidu: Vidu
    faults: FaultPlan
    quirks: Quirks
    counters: Counters

    def reset(self) -> None: ...

    def video_url(self, task: EmulatedTask, request: web.Request) -> str | None: ...


class Inspection:
    """The routes under ``/emulator/``."""

    def __init__(self, server: Inspected) -> None:
        self._server = server

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes to an application."""
        for method, path, act in (
            ("GET", "/emulator/", self._overview),
            ("GET", "/emulator/counters", self._counters),
            ("GET", "/emulator/ledger", self._ledger),
            ("GET", "/emulator/tasks", self._tasks),
            ("GET", "/emulator/tasks/{task_id}", self._task_page),
            ("GET", "/emulator/faults", self._faults),
            ("POST", "/emulator/faults", self._add_fault),
            ("DELETE", "/emulator/faults", self._clear_faults),
            ("GET", "/emulator/quirks", self._quirks),
            ("POST", "/emulator/quirks", self._change_quirks),
            ("POST", "/emulator/skip", self._skip),
            ("POST", "/emulator/reset", self._reset),
        ):
            router.add_route(method, path, self._guarded(act))

    def _guarded(self, act: Act) -> Act:
        async def answer(request: web.Request) -> web.Response:
            why = stranger(request.headers.get("Host"), request.headers.get("Origin"), self._server.host)
            if why is not None:
                raise Refusal("Forbidden", f"forbidden: {why}")
            return await act(request)

        return answer

    async def _overview(self, request: web.Request) -> web.Response:
        settings = self._server.vidu.settings
        states = Counter(str(task.state) for task in self._server.vidu.tasks())
        keys = 0 if settings.api_keys is None else len(settings.api_keys)
        return json_reply(
            {
                "url": self._server.url,
                "settings": {**vars(settings), "api_keys": keys or "any"},
                "tasks": dict(states),
                "routes": [
                    f"{route.method} {route.resource.canonical}"
                    for route in request.app.router.routes()
                    if route.resource is not None and route.method != "HEAD"
                ],
            }
        )

    async def _counters(self, request: web.Request) -> web.Response:
        return json_reply(self._server.counters.as_json())

    async def _ledger(self, request: web.Request) -> web.Response:
        self._server.vidu.advance()
        return json_reply(self._server.vidu.ledger.as_json())

    async def _tasks(self, request: web.Request) -> web.Response:
        return json_reply([_task(task) for task in self._server.vidu.tasks()])

    async def _task_page(self, request: web.Request) -> web.Response:
        found = self._server.vidu.tasks(task_ids=[request.match_info["task_id"]])
        if not found:
            raise web.HTTPNotFound(text="There is no such task here.")
        page = task_page(found[0], self._server.video_url(found[0], request))
        return web.Response(text=page, content_type="text/html")

    async def _faults(self, request: web.Request) -> web.Response:
        return json_reply(self._server.faults.pending())

    async def _add_fault(self, request: web.Request) -> web.Response:
        fields = await _object(request)
        try:
            self._server.faults.add(fields.pop("operation", ""), Fault(**fields))
        except (TypeError, ValueError) as error:
            raise Refusal("BadRequest", str(error)) from None
        return await self._faults(request)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._server.faults.clear()
        return await self._faults(request)

    async def _quirks(self, request: web.Request) -> web.Response:
        quirks = asdict(self._server.quirks)
        omitted = quirks["list_omits_ids"]
        return json_reply({**quirks, "list_omits_ids": omitted if isinstance(omitted, bool) else sorted(omitted)})

    async def _change_quirks(self, request: web.Request) -> web.Response:
        try:
            self._server.quirks.change(**await _object(request))
        except ValueError as error:
            raise Refusal("BadRequest", str(error)) from None
        return await self._quirks(request)

    async def _skip(self, request: web.Request) -> web.Response:
        seconds = (await _object(request)).get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise Refusal("BadRequest", "seconds must be a number, at least 0")
        try:
            self._server.clock.skip(seconds)
        except ValueError as error:
            raise Refusal("BadRequest", str(error)) from None
        return json_reply({})

    async def _reset(self, request: web.Request) -> web.Response:
        self._server.reset()
        return json_reply({})


def _task(task: EmulatedTask) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "endpoint": task.request.endpoint.name,
        "account": task.account,
        "state": str(task.state),
        "err_code": task.err_code,
        "credits": task.credits,
        "created_at": task.created_at,
        "changes": [{"state": str(state), "at": at} for state, at in task.changes],
        "request": _shown({name: value for name, value in task.fields.items() if name != "callback_url"}),
    }


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shown(field) for name, field in value.items()}
    if isinstance(value, list):
        return list(map(_shown, value))
    return f"{value[:32]}… ({len(value)} characters)" if isinstance(value, str) and is_data_uri(value) else value


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refusal("BadRequest", "the body must be a JSON object")
    return body
