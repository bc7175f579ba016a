# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Every way of submitting posts a request to its own endpoint's path, and never to another one."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_vidu.api.errors import ViduError, ViduInputError
from airflow_provider_vidu.api.img2video import Img2VideoRequest
from airflow_provider_vidu.client import AsyncViduClient, ViduClient
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.operators.base import ViduSingleOperator, with_shared_settings
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator

FRAMES = "start-end2video"
FIELDS = {
    "img2video": {"images": "https://x.example/a.png", "prompt": "p"},
    FRAMES: {"images": ["https://x.example/a.png", "https://x.example/b.png"], "prompt": "p"},
}


@with_shared_settings
class FramesOperator(ViduSingleOperator):
    """
    Generates a video from two frames. As long as an operator of another endpoint has to be.

    :param images: two.
    :param prompt: what happens between them.
    :param model: see the catalogue.
    :return: the task record.
    """

    request_fields = ("images", "prompt", "model")
    template_fields: Sequence[str] = (*request_fields, *ViduSingleOperator.template_fields)
    endpoint = FRAMES

    def __init__(self, *, images: Sequence[str], prompt: str, model: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.images = images
        self.prompt = prompt
        self.model = model
        self._check_policies()


class FramesBatchOperator(Img2VideoBatchOperator):
    endpoint = FRAMES


SINGLE = {"img2video": Img2VideoOperator, FRAMES: FramesOperator}
BATCH = {"img2video": Img2VideoBatchOperator, FRAMES: FramesBatchOperator}


class Vidu:
    """A small Vidu that replies as the API page says, and records what was posted where."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, Any]] = []
        self.tasks: dict[str, Any] = {}

    def answer(self, request: Any) -> tuple[int, dict[str, str], bytes]:
        path = request.url.partition("?")[0].rpartition("/ent/v2")[2]
        if request.submits:
            asked = json.loads(request.body)
            self.posted.append((path, asked))
            task_id = str(9000 + len(self.posted))
            row = {"id": task_id, "task_id": task_id, "state": "created", "credits": 8, "payload": asked.get("payload")}
            self.tasks[task_id] = {**row, "created_at": "2099-01-15T08:00:00Z", "creations": []}
            return self._reply(200, self.tasks[task_id])
        if path == "/tasks":
            return self._reply(200, {"tasks": list(self.tasks.values())})
        task_id = path.split("/")[2]
        if path.endswith("/cancel"):
            self.tasks[task_id].update(state="failed", err_code="UserCancelled")
            return self._reply(200, {})
        return self._reply(200, self.tasks[task_id])

    def _reply(self, status: int, body: Any) -> tuple[int, dict[str, str], bytes]:
        return status, {}, json.dumps(body).encode()


@pytest.fixture
def vidu(monkeypatch):
    made = Vidu()

    async def send(client, request):
        await asyncio.sleep(0)
        return made.answer(request)

    monkeypatch.setattr(ViduClient, "_send", lambda client, request: made.answer(request))
    monkeypatch.setattr(AsyncViduClient, "_send", send)
    connection = {"conn_type": "vidu", "host": "http://127.0.0.1:1", "password": "vda_0123456789"}
    monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", json.dumps(connection))
    return made


def by_submit(endpoint, fields, context):
    ViduHook().submit(fields, endpoint=endpoint)


def by_asubmit(endpoint, fields, context):
    asyncio.run(ViduHook().asubmit(fields, endpoint=endpoint))


def by_submit_once(endpoint, fields, context):
    ViduHook().submit_once(context, fields, endpoint=endpoint, sleep=lambda seconds: None)


def by_asubmit_once(endpoint, fields, context):
    asyncio.run(ViduHook().asubmit_once(context, fields, endpoint=endpoint))


def by_operator(endpoint, fields, context):
    SINGLE[endpoint](task_id="t", wait_for_completion=False, **fields).execute(context)


def by_deferrable_operator(endpoint, fields, context):
    with suppress(TaskDeferred):
        SINGLE[endpoint](task_id="t", deferrable=True, **fields).execute(context)


def by_batch(endpoint, fields, context):
    with suppress(TaskDeferred):
        rows = [{**fields, "prompt": f"{fields.get('prompt')} {number}"} for number in range(3)]
        BATCH[endpoint](task_id="t", deferrable=True, requests=rows).execute(context)


@pytest.mark.parametrize("way", ["single", "batch"])
@pytest.mark.parametrize("endpoint", FIELDS)
def test_a_wait_in_the_triggerer_knows_the_endpoint(vidu, runtime_context, store, way, endpoint):
    operator = (
        SINGLE[endpoint](task_id="t", deferrable=True, **FIELDS[endpoint])
        if way == "single"
        else BATCH[endpoint](task_id="t", deferrable=True, requests=[FIELDS[endpoint]])
    )
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(runtime_context(store))
    assert deferred.value.trigger.serialize()[1]["hints"]["endpoint"] == endpoint


UNPROTECTED = [by_submit, by_asubmit]
PROTECTED = [by_submit_once, by_asubmit_once, by_operator, by_deferrable_operator, by_batch]
ENDPOINTS = pytest.mark.parametrize("endpoint", FIELDS)


@ENDPOINTS
@pytest.mark.parametrize("way", UNPROTECTED + PROTECTED)
def test_a_request_is_posted_to_its_own_path(vidu, runtime_context, store, way, endpoint):
    way(endpoint, FIELDS[endpoint], runtime_context(store))
    assert {path for path, _ in vidu.posted} == {f"/{endpoint}"}
    assert len(vidu.posted) == (3 if way is by_batch else 1)


@ENDPOINTS
@pytest.mark.parametrize("way", PROTECTED)
@pytest.mark.parametrize("later", [{"try_number": 2}, {"try_number": 2, "max_tries": 3}], ids=["retry", "clear"])
def test_a_later_try_posts_to_no_other_path(vidu, runtime_context, store, way, endpoint, later):
    way(endpoint, FIELDS[endpoint], runtime_context(store))
    first = len(vidu.posted)
    way(endpoint, FIELDS[endpoint], runtime_context(store, **later))
    assert {path for path, _ in vidu.posted} == {f"/{endpoint}"}
    is_cleared = "max_tries" in later and way is not by_batch
    assert len(vidu.posted) == first + is_cleared


@ENDPOINTS
@pytest.mark.parametrize("way", [by_submit_once, by_operator])
def test_a_retry_as_another_endpoint_is_another_request(vidu, runtime_context, store, way, endpoint):
    (other,) = FIELDS.keys() - {endpoint}
    way(endpoint, FIELDS[endpoint], runtime_context(store))
    with pytest.raises((AirflowFailException, ViduError), match="endpoint"):
        way(other, FIELDS[other], runtime_context(store, try_number=2))
    assert [path for path, _ in vidu.posted] == [f"/{endpoint}"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(FIELDS)), st.sampled_from(PROTECTED), st.text()), max_size=5))
def test_no_mixture_of_requests_reaches_a_wrong_path(vidu, runtime_context, steps):
    """The number of images distinguishes them: one for img2video, two for the other endpoint."""

    class Store(dict):
        set = dict.__setitem__

    vidu.posted.clear()
    for number, (endpoint, way, text) in enumerate(steps):
        fields = {**FIELDS[endpoint], "prompt": f"p{text}"}
        with suppress(AirflowFailException, ViduError):
            way(endpoint, fields, runtime_context(Store(), run_id=f"r{number}"))
    for path, asked in vidu.posted:
        assert len(asked["images"]) == (1 if path == "/img2video" else 2), path
    assert {path for path, _ in vidu.posted} <= {f"/{endpoint}" for endpoint in FIELDS}


def test_below_the_hook_an_endpoint_has_no_default():
    from airflow_provider_vidu.images import wire_of
    from airflow_provider_vidu.submission.batch.requests import read_requests
    from airflow_provider_vidu.submission.driver import Submission

    for function in (ViduClient.submit, AsyncViduClient.submit, wire_of, read_requests, Submission.__init__):
        parameter = inspect.signature(function).parameters["endpoint"]
        assert (parameter.kind, parameter.default) == (parameter.KEYWORD_ONLY, parameter.empty), function


def test_a_request_that_was_built_for_another_endpoint_is_refused(vidu, runtime_context, store):
    request = Img2VideoRequest(images=["https://x.example/a.png"])
    with pytest.raises(ViduInputError, match="Img2VideoRequest is not a request for start-end2video"):
        ViduHook().submit(request, endpoint=FRAMES)
    with pytest.raises(AirflowFailException, match="does not know 'img2vide'"):
        ViduHook().submit_once(runtime_context(store), request, endpoint="img2vide")
    assert not vidu.posted


def test_local_pictures_are_read_wherever_an_endpoint_takes_them(vidu, tmp_path):
    from PIL import Image

    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    ViduHook().submit({"images": [str(path), "https://x.example/b.png"]}, endpoint=FRAMES)
    subject = {"name": "a", "images": str(path)}
    ViduHook().submit({"prompt": "@a", "subjects": [subject]}, endpoint="reference2video")
    ViduHook().submit({"video_creation_id": "9", "images": str(path)}, endpoint="extend")
    (_, frames), (_, reference), (_, extend) = vidu.posted
    picture = frames["images"][0]
    assert picture.startswith("data:image/png;base64,")
    assert frames["images"][1] == "https://x.example/b.png"
    assert reference["subjects"] == [{"name": "a", "images": [picture]}]
    assert extend["images"] == [picture]
