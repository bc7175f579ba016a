# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Every way of submitting posts a request to its own endpoint's path, and never to another one."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from _support.family import OPERATORS, operator_of
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_vidu.api.errors import ViduError, ViduInputError, ViduSubmissionInDoubtError
from airflow_provider_vidu.api.img2video import Img2VideoRequest
from airflow_provider_vidu.api.registry import endpoints
from airflow_provider_vidu.client import AsyncViduClient, ViduClient
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.operators.batch import ViduBatchOperator
from airflow_provider_vidu.operators.generate import ViduGenerateOperator
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator
from airflow_provider_vidu.submission.batch.store import ADOPTED_KEY
from airflow_provider_vidu.submission.record import STORE_KEY
from airflow_provider_vidu.transport import timing

pytestmark = pytest.mark.usefixtures("clock")

PICTURE, LAST = "https://x.example/a.png", "https://x.example/b.png"
VIDEO = "https://x.example/v.mp4"

# The same fields are valid for start-end2video and reference2video: only the endpoint distinguishes these requests.
FIELDS: dict[str, dict[str, Any]] = {
    "img2video": {"images": PICTURE, "prompt": "p"},
    "text2video": {"prompt": "p"},
    "start-end2video": {"images": [PICTURE, LAST], "prompt": "p"},
    "reference2video": {"images": [PICTURE, LAST], "prompt": "p"},
    "extend": {"video": VIDEO, "prompt": "p"},
    "upscale-new": {"video": VIDEO},
    "template": {"template": "hugging", "images": [PICTURE, LAST], "prompt": "p"},
}


def request_of(endpoint: str) -> dict[str, Any]:
    """Return a request whose payload names its endpoint, to compare with the path that it reaches."""
    return {**FIELDS[endpoint], "payload": f"{endpoint} {{marker}}"}


class Vidu:
    """A small Vidu that replies as the API page says, and records what was posted where."""

    def __init__(self) -> None:
        #: The last part of the path, and the payload.
        self.posted: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.tasks: dict[str, Any] = {}
        #: What happens to the next submissions: ``none``, ``dropped`` before Vidu accepts it, or the reply is ``lost``.
        self.accidents: list[str] = []

    def posts(self) -> Counter[str]:
        """Count the submissions of each endpoint, after a check of their paths."""
        assert [path for path, _ in self.posted] == [payload.partition(" ")[0] for _, payload in self.posted]
        return Counter(path for path, _ in self.posted)

    def fail(self, err_code: str) -> None:
        """Let every task fail."""
        for task in self.tasks.values():
            task.update(state="failed", err_code=err_code)

    def answer(self, request: Any) -> tuple[int, dict[str, str], bytes]:
        path = request.url.partition("?")[0].rpartition("/ent/v2/")[2]
        if request.submits:
            return self._create(path, json.loads(request.body))
        if path == "tasks":
            return self._reply({"tasks": list(self.tasks.values())})
        task_id = path.split("/")[1]
        if path.endswith("/cancel"):
            self.tasks[task_id].update(state="failed", err_code="UserCancelled")
            return self._reply({})
        return self._reply(self.tasks[task_id])

    def _create(self, path: str, asked: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        accident = self.accidents.pop(0) if self.accidents else None
        self.posted.append((path, asked["payload"]))
        self.bodies.append(asked)
        task_id = str(9000 + len(self.posted))
        if accident != "dropped":
            row = {"id": task_id, "task_id": task_id, "state": "created", "credits": 8, "payload": asked["payload"]}
            self.tasks[task_id] = {**row, "created_at": "2099-01-15T08:00:00Z", "creations": []}
        if accident in {"dropped", "lost"}:
            raise ViduSubmissionInDoubtError("The reply to the submission was lost.")
        return self._reply(self.tasks[task_id])

    def _reply(self, body: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps(body).encode()


@pytest.fixture
def connect(monkeypatch):
    def connect(**extra):
        connection = {"conn_type": "vidu", "host": "http://127.0.0.1:1", "password": "vda_0123456789", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", json.dumps(connection))

    return connect


@pytest.fixture
def vidu(monkeypatch, connect):
    made = Vidu()

    async def send(client, request):
        await asyncio.sleep(0)
        return made.answer(request)

    monkeypatch.setattr(ViduClient, "_send", lambda client, request: made.answer(request))
    monkeypatch.setattr(AsyncViduClient, "_send", send)
    connect()
    return made


def by_submit(endpoint, context):
    ViduHook().submit(request_of(endpoint), endpoint=endpoint)


def by_asubmit(endpoint, context):
    asyncio.run(ViduHook().asubmit(request_of(endpoint), endpoint=endpoint))


def by_submit_once(endpoint, context):
    ViduHook().submit_once(context, request_of(endpoint), endpoint=endpoint)


def by_asubmit_once(endpoint, context):
    asyncio.run(ViduHook().asubmit_once(context, request_of(endpoint), endpoint=endpoint))


def run_try(make, context):
    """Run a try until it has submitted, with a new operator each time that it comes back to a worker."""
    step, arguments = "execute", {}
    while True:
        try:
            return getattr(make(), step)(context, **arguments)
        except TaskDeferred as deferred:
            if deferred.method_name != "execute_again":
                return None
            moment = deferred.trigger.moment
            timing.sleep((moment if isinstance(moment, float) else moment.timestamp()) - timing.now())
            step, arguments = deferred.method_name, json.loads(json.dumps(deferred.kwargs))


def by_operator(endpoint, context):
    operator_of(endpoint, request_of(endpoint), task_id="t", wait_for_completion=False).execute(context)


def by_deferrable_operator(endpoint, context):
    run_try(lambda: operator_of(endpoint, request_of(endpoint), task_id="t", deferrable=True), context)


def by_generate_operator(endpoint, context):
    made = ViduGenerateOperator(task_id="t", endpoint=endpoint, request=request_of(endpoint), wait_for_completion=False)
    made.execute(context)


def by_batch(endpoint, context):
    rows = [request_of(endpoint)]
    run_try(lambda: ViduBatchOperator(task_id="t", endpoint=endpoint, requests=rows, deferrable=True), context)


def by_image_batch(endpoint, context):
    run_try(lambda: Img2VideoBatchOperator(task_id="t", requests=[request_of(endpoint)], deferrable=True), context)


def by_mixed_batch(endpoint, context):
    """Submit a request to each endpoint; the one that names none is image to video."""
    rows = [{**request_of(name), **({} if name == "img2video" else {"endpoint": name})} for name in FIELDS]
    run_try(lambda: ViduBatchOperator(task_id="t", endpoint="img2video", requests=rows, deferrable=True), context)


UNPROTECTED = [by_submit, by_asubmit]
OF_ONE = [by_submit_once, by_asubmit_once, by_operator, by_deferrable_operator, by_generate_operator]
PROTECTED = [*((way, name) for way in (*OF_ONE, by_batch) for name in FIELDS), (by_image_batch, "img2video")]
PROTECTED.append((by_mixed_batch, "all"))


def each_way(cases: list[tuple[Callable[..., None], str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("way", "endpoint"), cases, ids=[f"{way.__name__}-{name}" for way, name in cases])


def each_once(endpoint: str) -> Counter[str]:
    """Return the submissions of one run."""
    return Counter(list(FIELDS) if endpoint == "all" else [endpoint])


def test_every_endpoint_of_this_release_is_here():
    known = [endpoint.name for endpoint in endpoints()]
    assert [*FIELDS] == [*known, "template"]
    assert [*OPERATORS] == known


@each_way([(way, name) for way in UNPROTECTED for name in FIELDS] + PROTECTED)
def test_a_request_is_posted_to_its_own_path(vidu, runtime_context, store, way, endpoint):
    way(endpoint, runtime_context(store))
    assert vidu.posts() == each_once(endpoint)


@each_way(PROTECTED)
def test_a_retry_posts_again_only_to_its_own_path(vidu, runtime_context, store, way, endpoint):
    way(endpoint, runtime_context(store))
    way(endpoint, runtime_context(store, try_number=2))
    assert vidu.posts() == each_once(endpoint)
    vidu.fail("InternalServiceFailure")
    way(endpoint, runtime_context(store, try_number=3, max_tries=2))
    assert vidu.posts() == each_once(endpoint) + each_once(endpoint)


@each_way(PROTECTED)
def test_a_clear_posts_again_only_to_its_own_path(vidu, runtime_context, store, way, endpoint):
    way(endpoint, runtime_context(store))
    first = each_once(endpoint)
    way(endpoint, runtime_context(store, try_number=2, max_tries=3))
    # The clear of a batch cancels nothing.
    cleared = first + first if way in OF_ONE else first
    assert vidu.posts() == cleared
    vidu.fail("CreationPolicyViolation")
    way(endpoint, runtime_context(store, try_number=3, max_tries=4))
    assert vidu.posts() == cleared + first


@pytest.mark.parametrize("has_store", [True, False], ids=["store", "no store"])
@each_way(PROTECTED)
def test_a_lost_submission_is_posted_again_only_to_its_own_path(vidu, runtime_context, store, way, endpoint, has_store):
    first = each_once(endpoint)
    vidu.accidents = ["dropped"] * len(first)
    way(endpoint, runtime_context(store if has_store else None))
    assert vidu.posts() == first + first
    vidu.fail("InternalServiceFailure")
    vidu.accidents = ["lost"] * len(first)
    way(endpoint, runtime_context(store if has_store else None, try_number=2))
    assert vidu.posts() == first + first + first


@each_way(PROTECTED)
def test_after_an_adoption_by_hand_the_path_is_its_own(vidu, connect, runtime_context, store, way, endpoint):
    connect(list_path=None, settle_seconds=0)
    first = each_once(endpoint)
    vidu.accidents = ["lost"] * len(first)
    with pytest.raises((AirflowFailException, ViduError)):
        way(endpoint, runtime_context(store))
    ids = {task["payload"].partition(" ")[2]: task_id for task_id, task in vidu.tasks.items()}
    if way in OF_ONE:
        (task_id,) = ids.values()
        store.values[STORE_KEY] = {"task_id": task_id}
    else:
        store.values[ADOPTED_KEY] = ids
    way(endpoint, runtime_context(store, try_number=2, max_tries=3))
    assert vidu.posts() == first
    vidu.fail("CreationPolicyViolation")
    way(endpoint, runtime_context(store, try_number=3, max_tries=4))
    assert vidu.posts() == first + first


@pytest.mark.parametrize("way", [by_submit_once, by_operator, by_generate_operator])
@pytest.mark.parametrize(("endpoint", "other"), pairwise([*FIELDS, "img2video"]))
def test_a_retry_as_another_endpoint_is_another_request(vidu, runtime_context, store, way, endpoint, other):
    way(endpoint, runtime_context(store))
    with pytest.raises((AirflowFailException, ViduError), match="endpoint"):
        way(other, runtime_context(store, try_number=2))
    assert vidu.posts() == {endpoint: 1}


@pytest.mark.parametrize("endpoint", FIELDS)
@pytest.mark.parametrize("way", ["single", "batch"])
def test_a_wait_in_the_triggerer_knows_the_endpoint(vidu, runtime_context, store, way, endpoint):
    fields = request_of(endpoint)
    operator = (
        operator_of(endpoint, fields, task_id="t", deferrable=True)
        if way == "single"
        else ViduBatchOperator(task_id="t", deferrable=True, requests=[{**fields, "endpoint": endpoint}])
    )
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(runtime_context(store))
    assert deferred.value.trigger.serialize()[1]["hints"]["endpoint"] == endpoint


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(PROTECTED), st.lists(st.sampled_from(["none", "dropped", "lost"]), max_size=3)),
        max_size=5,
    )
)
def test_no_mixture_of_requests_reaches_a_wrong_path(vidu, runtime_context, steps):
    class Store(dict):
        set = dict.__setitem__

    vidu.posted.clear()
    for number, ((way, endpoint), accidents) in enumerate(steps):
        vidu.accidents = [*accidents]
        with suppress(AirflowFailException, ViduError):
            way(endpoint, runtime_context(Store(), run_id=f"r{number}"))
    assert vidu.posts().keys() >= {endpoint for (_, endpoint), _ in steps if endpoint != "all"}


def test_below_the_hook_an_endpoint_has_no_default():
    from airflow_provider_vidu.images import wire_of
    from airflow_provider_vidu.submission.batch.requests import read_requests
    from airflow_provider_vidu.submission.driver import Submission

    for function in (ViduClient.submit, AsyncViduClient.submit, wire_of, read_requests, Submission.__init__):
        parameter = inspect.signature(function).parameters["endpoint"]
        assert (parameter.kind, parameter.default) == (parameter.KEYWORD_ONLY, parameter.empty), function


def test_a_request_that_was_built_for_another_endpoint_is_refused(vidu, runtime_context, store):
    request = Img2VideoRequest(images=[PICTURE])
    with pytest.raises(ViduInputError, match="Img2VideoRequest is not a request for start-end2video"):
        ViduHook().submit(request, endpoint="start-end2video")
    with pytest.raises(AirflowFailException, match="does not know 'img2vide'"):
        ViduHook().submit_once(runtime_context(store), request, endpoint="img2vide")
    assert not vidu.posted


def test_local_pictures_are_read_wherever_an_endpoint_takes_them(vidu, tmp_path):
    from PIL import Image

    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)

    def sent(endpoint, **fields):
        ViduHook().submit({"payload": "p", **fields}, endpoint=endpoint)
        return vidu.bodies[-1]

    frames = sent("start-end2video", images=[str(path), LAST])["images"]
    assert frames[0].startswith("data:image/png;base64,")
    assert frames[1] == LAST
    subject = {"name": "a", "images": str(path)}
    assert sent("reference2video", prompt="@a", subjects=[subject])["subjects"] == [{"name": "a", "images": frames[:1]}]
    assert sent("extend", video_creation_id="9", images=str(path))["images"] == frames[:1]
    assert sent("template", template="hugging", images=[str(path)])["images"] == frames[:1]
