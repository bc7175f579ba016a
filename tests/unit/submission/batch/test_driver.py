# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The protocol of a batch in virtual time: what was sent is waited out before anything is sent again."""

from __future__ import annotations

import asyncio
import heapq
import logging
from typing import Any
from unittest import mock

import pytest
from _support.img2video import read_requests
from chaos.virtual import Clock, InLine, VirtualLoop, in_line
from chaos.wire import Wire

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.client import AsyncViduClient
from airflow_provider_vidu.emulator.machine.settings import Settings
from airflow_provider_vidu.submission.airflow_try import Policies, Try
from airflow_provider_vidu.submission.batch import requests as batch_requests
from airflow_provider_vidu.submission.batch.driver import BatchSubmission
from airflow_provider_vidu.submission.batch.requests import check_requests

ACCOUNT = Account(base_url="http://127.0.0.1:1", api_key="vda_0123456789", timeout=60.0, settle_seconds=60.0)
GATEWAY_TIMEOUT = (504, {}, b"upstream timed out")


class Stage:
    """A batch of one request, a wire whose replies are scripted, and a clock that jumps."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.wire = Wire(self.clock, Settings(), ACCOUNT.timeout, ACCOUNT.settle_seconds)
        #: What happens to the first submission.
        self.first: Any = None
        self.posts: list[float] = []
        self.queried: list[str] = []

    async def send(self, client: AsyncViduClient, request: Any) -> Any:
        await asyncio.sleep(0)
        if request.url.endswith("/creations"):
            self.queried.append(request.url)
        if request.submits:
            self.posts.append(self.clock())
            if len(self.posts) == 1 and self.first is not None:
                return self.first(request)
        return self.wire.exchange(request, lambda operation: None)

    def submit(self, store: Any) -> BatchSubmission:
        loop = VirtualLoop(self.clock)
        with (
            mock.patch.object(AsyncViduClient, "_send", lambda client, request: self.send(client, request)),
            mock.patch.object(asyncio, "to_thread", in_line),
            mock.patch.object(batch_requests, "ThreadPoolExecutor", InLine),
        ):
            try:
                return loop.run_until_complete(self._submit(store))
            finally:
                loop.close()

    async def _submit(self, store: Any) -> BatchSubmission:
        log = logging.getLogger(__name__)
        asked = read_requests([{"images": "https://x.example/a.png", "model": "viduq2-turbo", "duration": 1}], None)
        client = AsyncViduClient(ACCOUNT)
        batch = BatchSubmission(
            client, Try("d.t of r", 2), store, Policies(), max_in_flight=4, clock=self.clock, log=log
        )
        await batch.submit(check_requests(asked, log))
        return batch


@pytest.fixture
def stage():
    return Stage()


def test_submission_accepted_after_a_gateway_timeout_is_found(stage, store):
    """A gateway that gives up ends nothing behind it: the POST is waited out, not its reply."""

    def late(request):
        _, act = stage.wire._route(request)
        stage.wire.quirks.list_lag_seconds = 40.0
        heapq.heappush(stage.wire._late, (stage.clock() + 50.0, 0, act))
        return GATEWAY_TIMEOUT

    stage.first = late
    batch = stage.submit(store)
    assert len(stage.posts) == 1
    assert len(stage.wire.vidu.tasks()) == 1
    assert batch.items[0].task_id == stage.wire.vidu.tasks()[0].task_id


def test_submission_that_never_arrived_is_resent_after_settling(stage, store):
    stage.first = lambda request: GATEWAY_TIMEOUT
    batch = stage.submit(store)
    assert stage.posts[1] - stage.posts[0] >= ACCOUNT.timeout + ACCOUNT.settle_seconds
    assert batch.items[0].attempt == 2
    assert len(batch.running) == 1


def test_reply_of_vidu_settles_sooner(stage, store):
    stage.first = lambda request: (500, {}, b'{"code": 500, "reason": "InternalServiceFailure", "message": "no"}')
    stage.submit(store)
    assert ACCOUNT.settle_seconds <= stage.posts[1] - stage.posts[0] < ACCOUNT.timeout + ACCOUNT.settle_seconds


def test_gateways_500_is_waited_out(stage, store):
    stage.first = lambda request: (500, {}, b"<html>500 Internal Server Error</html>")
    stage.submit(store)
    assert stage.posts[1] - stage.posts[0] >= ACCOUNT.timeout + ACCOUNT.settle_seconds


def test_look_up_queries_a_payload_once(stage, store):
    """The list shows no payloads; another request's task is in it all the time that the lost one is searched for."""

    def beside(request):
        stage.wire._route(request)[1]()
        return GATEWAY_TIMEOUT

    stage.first = beside
    with mock.patch("airflow_provider_vidu.submission.batch.search.find_marker", return_value=None):
        stage.submit(store)
    assert len(stage.posts) == 2
    assert len(stage.queried) == 1
