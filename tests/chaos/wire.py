# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The emulated Vidu behind a connection that fails on demand, in virtual time and without sockets.

Replaces the clients' own ``_send``: everything above it (what is sent, what an answer means, what is retried) is the
real code.
"""

from __future__ import annotations

import heapq
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from airflow_provider_vidu.api.errors import ViduError, ViduSubmissionInDoubtError, ViduUnavailableError
from airflow_provider_vidu.api.http_messages import HttpRequest
from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.emulator.faults import (
    BROKEN_JSON,
    DROP_AFTER_ACCEPT,
    DROP_BEFORE_ACCEPT,
    FAIL_AFTER_ACCEPT,
    HALF_REPLY,
    HANG,
    HANG_BEFORE_ACCEPT,
    NO_ID,
    REFUSE,
    Fault,
    Quirks,
)
from airflow_provider_vidu.emulator.http.task_list import page_of, read_list_query
from airflow_provider_vidu.emulator.machine import answers
from airflow_provider_vidu.emulator.machine.emulated_task import EmulatedTask
from airflow_provider_vidu.emulator.machine.endpoints import ENDPOINTS
from airflow_provider_vidu.emulator.machine.refusals import Refusal, reason_of
from airflow_provider_vidu.emulator.machine.settings import Settings
from airflow_provider_vidu.emulator.machine.state import Vidu
from airflow_provider_vidu.emulator.machine.submissions import read_submission

from .virtual import Clock

Answer = tuple[int, dict[str, str], bytes]

_CREATE = re.compile(rf"/ent/v2/({'|'.join(map(re.escape, ENDPOINTS))})$")
_QUERY = re.compile(r"/ent/v2/tasks/(\d+)/creations$")
_CANCEL = re.compile(r"/ent/v2/tasks/(\d+)/cancel$")


class Wire:
    """
    One account at Vidu, and the connection to it.

    A client gives up a request after ``timeout`` seconds, what Vidu accepts shows in its list within
    ``settle_seconds``, and each request takes ``latency`` seconds.
    """

    def __init__(
        self, clock: Clock, settings: Settings, timeout: float, settle_seconds: float, latency: float = 0.1
    ) -> None:
        self.clock = clock
        self.vidu = Vidu(settings, clock)
        self.quirks = Quirks()
        self.timeout = timeout
        self.settle_seconds = settle_seconds
        self.latency = latency
        self.requests: Counter[str] = Counter()
        #: The endpoint to whose path each submission was sent, and its prompt; those that were lost, too.
        self.posted: Counter[tuple[str, str]] = Counter()
        self._late: list[tuple[float, int, Callable[[], Any]]] = []

    def exchange(self, request: HttpRequest, fault_for: Callable[[str], Fault | None]) -> Answer:
        """
        Send a request and return the answer; ``fault_for`` returns its fault, or raises, as a kill does.

        :raises ViduError: as a transport raises it.
        """
        operation, act = self._route(request)
        fault = fault_for(operation)
        self.requests[operation] += 1
        self.settle()
        if self.clock() > request.not_after:
            raise ViduUnavailableError("sending took too long. Nothing was sent.")
        if operation == "submit":
            self.posted[urlsplit(request.url).path.rpartition("/ent/v2/")[2], _prompt_in(request)] += 1
        self.clock.now += self.latency
        return self._answer(request, act, fault)

    def settle(self) -> None:
        """Deliver requests that have been under way until now."""
        now = self.clock.now
        while self._late and self._late[0][0] <= now:
            at, _, act = heapq.heappop(self._late)
            self.clock.now = at
            self._perform(act)
        self.clock.now = now

    def _answer(self, request: HttpRequest, act: Callable[[], Any], fault: Fault | None) -> Answer:
        if fault is None:
            return self._perform(act)
        kind = fault.kind
        patience = min(self.timeout, request.not_after - self.clock())
        if kind == DROP_BEFORE_ACCEPT:
            raise self._lost(request)
        if kind == REFUSE:
            return self._error(fault)
        if kind == HANG_BEFORE_ACCEPT:
            if fault.seconds < patience:
                self.clock.now += fault.seconds
                return self._perform(act)
            # Later than this is not promised: docs/reliability.md.
            latest = request.not_after + self.settle_seconds - self.quirks.list_lag_seconds - 1.0
            heapq.heappush(self._late, (min(self.clock() + fault.seconds, latest), len(self._late), act))
            self.clock.now += patience
            raise self._lost(request)
        status, headers, body = self._perform(act)
        if kind == HANG:
            self.clock.now += min(fault.seconds, patience)
            if fault.seconds >= patience:
                raise self._lost(request)
        if kind in {DROP_AFTER_ACCEPT, HALF_REPLY}:
            raise self._lost(request)
        if kind == FAIL_AFTER_ACCEPT:
            return self._error(fault)
        if kind == NO_ID and status == 200:
            return 200, {}, b'{"state": "created"}'
        if kind == BROKEN_JSON:
            return status, headers, body[: max(1, len(body) // 2)]
        return status, headers, body

    def _lost(self, request: HttpRequest) -> ViduError:
        if request.submits:
            return ViduSubmissionInDoubtError("The reply to the submission was lost.")
        return ViduUnavailableError("could not be reached", task_id=request.task_id)

    def _error(self, fault: Fault) -> Answer:
        status = fault.status or 500
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        if fault.location is not None:
            headers["Location"] = fault.location
        refusal = Refusal(fault.reason or reason_of(status), status=status)
        return status, headers, json.dumps(refusal.body("0" * 32)).encode()

    def _perform(self, act: Callable[[], Any]) -> Answer:
        try:
            return 200, {}, json.dumps(act()).encode()
        except Refusal as refusal:
            return refusal.status, {}, json.dumps(refusal.body("0" * 32)).encode()

    def _route(self, request: HttpRequest) -> tuple[str, Callable[[], Any]]:
        parts = urlsplit(request.url)
        key = request.headers["Authorization"].split()[-1]
        account = self.vidu.account_of(key)
        if request.method == "POST" and (match := _CREATE.search(parts.path)):
            return "submit", lambda: self._create(key, request, match.group(1))
        if match := _QUERY.search(parts.path):
            return "poll", lambda: self._query(account, match.group(1))
        if match := _CANCEL.search(parts.path):
            return "cancel", lambda: self.vidu.cancel(account, match.group(1)) or {}
        if parts.path == "/ent/v2/tasks":
            return "list", lambda: self._list(account, parts.query)
        raise AssertionError(f"nothing answers {request.method} {parts.path}")

    def _create(self, key: str, request: HttpRequest, endpoint: str) -> dict[str, Any]:
        return answers.create_answer(self.vidu.create(key, read_submission(request.body or b"", endpoint)))

    def _query(self, account: str, task_id: str) -> dict[str, Any]:
        task = self.vidu.find(account, task_id)
        return answers.query_answer(task, _creations(task) if self.vidu.shows_creation(task) else [])

    def _list(self, account: str, query_text: str) -> dict[str, Any]:
        if not self.quirks.has_list:
            raise Refusal("NotFound")
        now = self.clock()
        query = read_list_query(parse_qsl(query_text), now)
        rows, token = page_of(self.vidu.tasks(account, query.task_ids or None), query, self.quirks, now)
        listed = [answers.list_row(task, _creations(task), self.quirks) for task in rows]
        return {"tasks": listed, "next_page_token": token}


def _prompt_in(request: HttpRequest) -> str:
    return str(json.loads(request.body or b"{}").get("prompt"))


def _creations(task: EmulatedTask) -> list[dict[str, Any]]:
    if task.state is not TaskState.SUCCESS:
        return []
    return [answers.creation_answer(task, {"url": f"http://127.0.0.1/storage/{task.task_id}.mp4"})]
