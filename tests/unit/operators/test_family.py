# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Every operator of the family submits to its own endpoint, with the fields of the API, on the same rails."""

from __future__ import annotations

import inspect
import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_provider_vidu.api.registry import known_endpoint
from airflow_provider_vidu.operators.base import ViduSingleOperator
from airflow_provider_vidu.operators.batch import ViduBatchOperator
from airflow_provider_vidu.operators.extend import ExtendVideoOperator
from airflow_provider_vidu.operators.generate import ViduGenerateOperator
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator
from airflow_provider_vidu.operators.reference2video import Reference2VideoOperator
from airflow_provider_vidu.operators.start_end2video import StartEnd2VideoOperator
from airflow_provider_vidu.operators.text2video import Text2VideoOperator
from airflow_provider_vidu.operators.upscale import UpscaleVideoOperator

pytestmark = pytest.mark.usefixtures("clock")

PICTURE = "https://x.example/a.png"
OPERATORS = {
    Img2VideoOperator: {"images": PICTURE},
    Text2VideoOperator: {"prompt": "a lighthouse"},
    StartEnd2VideoOperator: {"images": [PICTURE, PICTURE]},
    Reference2VideoOperator: {"images": [PICTURE], "prompt": "a cat"},
    ExtendVideoOperator: {"video": "https://x.example/v.mp4"},
    UpscaleVideoOperator: {"video": "https://x.example/v.mp4"},
}
#: What renders quickly.
SHORT = {
    Img2VideoOperator: {"duration": 1, "resolution": "540p"},
    Text2VideoOperator: {"duration": 1, "resolution": "540p"},
    StartEnd2VideoOperator: {"duration": 1, "resolution": "540p"},
    Reference2VideoOperator: {"duration": 3, "resolution": "540p"},
    ExtendVideoOperator: {"duration": 1, "resolution": "540p"},
}
GENERIC = {"endpoint": "template", "request": {"template": "hugging", "images": [PICTURE]}}


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.endpoint)
def test_operator_has_every_field_of_its_endpoint(operator):
    source = {"video_creation_id", "video_url"}
    known = known_endpoint(operator.endpoint).parameters
    assert set(operator.request_fields) == (known - source if "video" in known else known)
    assert set(operator.request_fields) <= set(operator.template_fields)
    parameters = inspect.signature(operator.__init__).parameters
    assert set(operator.request_fields) <= set(parameters)
    assert all(f":param {name}:" in operator.__doc__ for name in parameters if name not in {"self", "kwargs"})


@pytest.mark.parametrize(
    ("operator", "fields"),
    [*OPERATORS.items(), (ViduGenerateOperator, GENERIC)],
    ids=lambda one: one.__name__ if isinstance(one, type) else "",
)
def test_each_is_submitted_once_waited_for_and_landed(
    vidu_emulator, runtime_context, store, tmp_path, operator, fields
):
    def run(**instance):
        made = operator(task_id="t", output_path=f"{tmp_path}/", deferrable=True, **SHORT.get(operator, {}), **fields)
        context = runtime_context(store, **instance)
        try:
            return made.execute(context)
        except TaskDeferred as deferred:
            vidu_emulator.skip(1000)
            return made.execute_complete(context, event=None, **json.loads(json.dumps(deferred.kwargs)))

    record = run()
    assert record["state"] == "success"
    (file,) = record["files"]
    assert file["bytes"] > 1000
    assert run(try_number=2)["task_id"] == record["task_id"]
    (task,) = vidu_emulator.tasks
    assert task.request.endpoint.name == (fields.get("endpoint") or operator.endpoint)
    assert task.fields["payload"].startswith("avp1:")


@pytest.mark.parametrize(
    ("operator", "fields", "name"),
    [
        (UpscaleVideoOperator, {"video": "https://x.example/v.mp4"}, "upscale-new"),
        (ViduGenerateOperator, GENERIC, "template"),
        (ViduGenerateOperator, {"endpoint": "text2video", "request": {"prompt": "x", "model": "viduq2"}}, "viduq2"),
        (
            ViduBatchOperator,
            {"requests": [{"endpoint": "upscale-new", "video": "https://x.example/v.mp4"}]},
            "upscale-new",
        ),
        (ViduBatchOperator, {"endpoint": "text2video", "requests": [{"prompt": "x"}]}, "viduq3-turbo"),
    ],
)
def test_a_file_without_a_model_is_named_after_its_endpoint(
    vidu_emulator, runtime_context, store, tmp_path, operator, fields, name
):
    settings = {"output_path": f"{tmp_path}/", "file_name": "{model}/{task_id}"}
    operator(task_id="t", **settings, **fields).execute(runtime_context(store))
    assert [path.parent.name for path in tmp_path.glob("*/*")] == [name]
    operator(task_id="t", **settings, **fields).execute(runtime_context(store, try_number=2))
    assert vidu_emulator.counters.submissions == 1


def test_video_is_a_record_an_id_or_a_link(vidu_emulator, runtime_context, store):
    record = Img2VideoOperator(task_id="a", images=PICTURE).execute(runtime_context(store))
    creation = record["creations"][0]
    for number, video in enumerate([record, json.dumps(record), creation["id"], creation["url"]]):
        longer = ExtendVideoOperator(task_id=f"e{number}", video=video)
        longer.execute(runtime_context(None))
    sent = [task.fields for task in vidu_emulator.tasks if task.request.endpoint.name == "extend"]
    assert [fields.get("video_creation_id") for fields in sent] == [creation["id"]] * 3 + [None]
    assert sent[3]["video_url"] == creation["url"]


def test_a_video_by_its_record_is_named_by_the_file_that_was_landed(vidu_emulator, runtime_context, store, tmp_path):
    # What is extended lasts four seconds or more.
    fields = {"images": PICTURE, "duration": 4, "resolution": "540p", "output_path": f"{tmp_path}/mug.mp4"}
    record = Img2VideoOperator(task_id="a", **fields).execute(runtime_context(store))
    longer = ExtendVideoOperator(task_id="e", video=json.dumps(record), **SHORT[ExtendVideoOperator])
    assert longer.execute(runtime_context(None))["image"] == f"{tmp_path}/mug.mp4"
    rows = [{"endpoint": "upscale-new", "video": record}]
    batch = ViduBatchOperator(task_id="b", requests=rows, output_path=f"{tmp_path}/", file_name="{image}-large")
    [large] = batch.execute(runtime_context(None))
    assert large["image"] == f"{tmp_path}/mug.mp4"
    assert [file["path"] for file in large["files"]] == [f"{tmp_path}/mug-large.mp4"]


@pytest.mark.parametrize("files", [7, {"a": 1}, [{"kind": "video", "path": 5}], [{"kind": "video"}], ["a"]])
def test_odd_files_of_a_record_do_not_matter(files):
    record = {"state": "success", "creations": [{"id": "1"}], "files": files}
    assert known_endpoint("extend").request.landed_sources({"video": record}) == []


def test_log_calls_a_picture_a_picture(vidu_emulator, runtime_context, store, tmp_path, capsys, caplog):
    request = {"prompt": "a mug", "model": "viduq2"}
    made = ViduGenerateOperator(task_id="t", endpoint="reference2image", request=request, output_path=f"{tmp_path}/")
    made.execute(runtime_context(store))
    assert "has its picture" in capsys.readouterr().out + caplog.text


@pytest.mark.parametrize(
    ("video", "said"),
    [
        ({"task_id": "7", "state": "processing", "creations": []}, "has no video"),
        ({"task_id": "7", "state": "failed", "creations": []}, "has failed"),
        ([{"task_id": "7"}], "expand"),
        ("/data/run.mp4", "the path of a file"),
        ("", "video: is required"),
        ("None", "video: is required"),
        (None, "video: is required"),
    ],
)
def test_a_video_that_is_none_is_refused_before_anything_is_sent(vidu_emulator, runtime_context, store, video, said):
    with pytest.raises(AirflowFailException, match=said):
        UpscaleVideoOperator(task_id="t", video=video).execute(runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


FAILED = {"task_id": "7", "state": "failed", "creations": [], "error": "It failed (Vidu task 7)."}


@pytest.mark.parametrize("video", [FAILED, json.dumps(FAILED)], ids=["record", "text"])
def test_a_batchs_item_without_a_video_is_skipped(vidu_emulator, runtime_context, store, video):
    """A task that is mapped over a batch's records must go on with the others."""
    generic = ViduGenerateOperator(task_id="g", endpoint="extend", request={"video": video})
    for operator in (ExtendVideoOperator(task_id="e", video=video), generic):
        with pytest.raises(
            AirflowSkipException, match=r"There is no video to start from: It failed \(Vidu task 7\)\.$"
        ):
            operator.execute(runtime_context(store))
    with pytest.raises(AirflowFailException, match="item 0: There is no video to start from: It failed"):
        ViduBatchOperator(task_id="b", requests=[{"endpoint": "extend", "video": video}]).execute(
            runtime_context(store)
        )
    assert vidu_emulator.counters.submissions == 0


def test_a_paid_video_is_delivered_although_its_source_has_failed_since(vidu_emulator, runtime_context, store):
    paid = ExtendVideoOperator(task_id="e", video="https://x.example/v.mp4").execute(runtime_context(store))
    again = ExtendVideoOperator(task_id="e", video=FAILED).execute(runtime_context(store, try_number=2))
    assert again["task_id"] == paid["task_id"]


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [("audio-tts", "creates no task"), ("../credits", "endpoint"), ("img2vide", r"img2video\?")],
)
def test_what_is_no_task_endpoint_is_refused(vidu_emulator, runtime_context, store, endpoint, said):
    with pytest.raises(AirflowFailException, match=said):
        ViduGenerateOperator(task_id="t", endpoint=endpoint, request={"x": 1}).execute(runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


def test_generic_operator_checks_what_it_knows(vidu_emulator, runtime_context, store):
    with pytest.raises(AirflowFailException, match="duration of viduq3-turbo"):
        ViduGenerateOperator(task_id="t", endpoint="text2video", request='{"prompt": "x", "duration": 99}').execute(
            runtime_context(store)
        )
    assert vidu_emulator.counters.submissions == 0


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ("[1]", r"a string with a JSON object, got '\[1\]'"),
        ([{"prompt": "x"}], r"a string with a JSON object, got a list. Map over several requests with .expand"),
        ("", r"a string with a JSON object, got ''"),
        ("{'prompt': <Thing>}", r"a string with a JSON object, got \"{'prompt': <Thing>}\""),
        (None, "a string with a JSON object, got None"),
    ],
)
def test_a_request_that_is_no_dict_is_shown(vidu_emulator, runtime_context, store, request_, said):
    with pytest.raises(AirflowFailException, match=rf"request must be a dict of fields, or {said}"):
        ViduGenerateOperator(task_id="t", endpoint="template", request=request_).execute(runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


@pytest.mark.parametrize("written", ['{"prompt": "x", "audio": false}', " {'prompt': 'x', 'audio': False}\n"])
def test_a_request_may_be_the_text_of_a_dict(vidu_emulator, runtime_context, store, written):
    ViduGenerateOperator(task_id="t", endpoint="text2video", request=written).execute(runtime_context(store))
    (task,) = vidu_emulator.tasks
    assert (task.fields["prompt"], task.fields["audio"]) == ("x", False)


MIXED = [
    {"prompt": "a lighthouse"},
    {"endpoint": "img2video", "images": PICTURE, "prompt": "a lighthouse"},
    {"endpoint": "start-end2video", "images": [PICTURE, PICTURE]},
    {"endpoint": "upscale-new", "video": "https://x.example/v.mp4"},
    {"endpoint": "template", "template": "hugging", "images": [PICTURE]},
]


def test_batch_sends_each_request_to_its_own_endpoint(vidu_emulator, runtime_context, store, tmp_path):
    def run(rows, **instance):
        made = ViduBatchOperator(task_id="t", endpoint="text2video", requests=rows, output_path=f"{tmp_path}/")
        return made.execute(runtime_context(store, **instance))

    records = run(MIXED)
    by_id = {task.task_id: task.request.endpoint.name for task in vidu_emulator.tasks}
    endpoints = [row.get("endpoint", "text2video") for row in MIXED]
    assert [by_id[record["task_id"]] for record in records] == endpoints
    assert all(record["files"] for record in records)
    again = run(MIXED[::-1], try_number=2)
    assert [record["task_id"] for record in again] == [record["task_id"] for record in records][::-1]


def test_image_requests_are_the_same_in_both_batch_operators(vidu_emulator, runtime_context, store):
    rows = [{"images": PICTURE, "prompt": "a lighthouse"}, {"images": PICTURE, "prompt": "a kite"}]
    records = Img2VideoBatchOperator(task_id="t", requests=rows).execute(runtime_context(store))
    named = [{"endpoint": "img2video", **row} for row in rows]
    again = ViduBatchOperator(task_id="t", endpoint="text2video", requests=named).execute(
        runtime_context(store, try_number=2)
    )
    assert [record["task_id"] for record in again] == [record["task_id"] for record in records]
    assert vidu_emulator.counters.submissions == 2


def test_budget_learns_no_price_from_another_resolution(vidu_emulator, runtime_context, store):
    """No price list has upscale: the first of each kind goes alone, and a spent budget then stops the rest."""
    rows = [{"endpoint": "upscale-new", "video": "https://x.example/v.mp4"}]
    rows += [{**rows[0], "upscale_resolution": "8K"}] * 3
    batch = ViduBatchOperator(task_id="t", requests=rows, credit_budget=100, on_failure="partial")
    records = batch.execute(runtime_context(store))
    assert [record["error"] is None for record in records] == [True, True, False, False]
    assert vidu_emulator.counters.submissions == 2


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"prompt": "x"}], "item 0: endpoint: is required"),
        ([{"endpoint": "img2vide", "prompt": "x"}], r"img2video\?"),
        (
            [{"endpoint": "text2video", "prompt": "x", "images": PICTURE}],
            "images: is not a field of Vidu's text-to-video request",
        ),
        ([{"endpoint": "extend", "video": []}], "item 0: video"),
    ],
)
def test_batch_names_the_item_whose_endpoint_is_wrong(vidu_emulator, runtime_context, store, rows, said):
    with pytest.raises(AirflowFailException, match=said):
        ViduBatchOperator(task_id="t", requests=rows).execute(runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


def test_image_batch_takes_no_other_endpoint(vidu_emulator, runtime_context, store):
    with pytest.raises(TypeError):
        Img2VideoBatchOperator(task_id="t", requests=[], endpoint="text2video")
    with pytest.raises(AirflowFailException, match="endpoint: ViduBatchOperator takes"):
        Img2VideoBatchOperator(task_id="t", requests=[{"endpoint": "text2video", "images": PICTURE}]).execute(
            runtime_context(store)
        )
    assert not issubclass(ViduBatchOperator, ViduSingleOperator)
