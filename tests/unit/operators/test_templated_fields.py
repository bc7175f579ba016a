# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Templates rendered by Airflow: unset Params and native rendering must not change parameters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from _support.img2video import read_requests
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG, BaseOperator, ObjectStoragePath
from PIL import Image

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.images import load_images
from airflow_provider_vidu.operators.download import ViduDownloadOperator
from airflow_provider_vidu.operators.img2video import Img2VideoOperator
from airflow_provider_vidu.operators.img2video_batch import Img2VideoBatchOperator
from airflow_provider_vidu.sensors.task import ViduTaskSensor
from airflow_provider_vidu.waiting.wait import parse_vidu_task

URL = "https://example.com/a.png"
TEXTS = ["20231023", "007", '{"sku": 5}', "1e5", "123_456", "True", "[1, 2]"]


def rendered(kind, *, native, params=None, **settings):
    with DAG("d", schedule=None, render_template_as_native_obj=native):
        task = kind(task_id="t", **settings)
    task.render_template_fields({"params": params or {}})
    return task


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["prompt", "payload", "voice_id", "model", "file_name", "output_path"])
def test_text_stays_the_text_it_was(name, text, native):
    task = rendered(Img2VideoOperator, native=native, images=URL, **{name: text})
    assert getattr(task, name) == text
    task = rendered(Img2VideoOperator, native=native, params={"x": text}, images=URL, **{name: "{{ params.x }}"})
    assert getattr(task, name) == text


def test_picture_may_have_a_numeric_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (200, 200)).save("20231023", "PNG")
    task = rendered(Img2VideoOperator, native=True, params={"x": "20231023"}, images="{{ params.x }}")
    [image] = load_images(task.images)
    assert image.startswith("data:image/png;base64,")


def test_structures_still_render_natively():
    task = rendered(
        Img2VideoOperator,
        native=True,
        params={"x": {"a": 1}, "i": [URL]},
        images="{{ params.i }}",
        meta_data="{{ params.x }}",
        duration="{{ 2 + 3 }}",
    )
    assert (task.images, task.meta_data, task.duration) == ([URL], {"a": 1}, 5)


@pytest.mark.parametrize("text", TEXTS)
def test_items_of_a_batch_keep_their_texts(text):
    row = {"images": URL, "prompt": text, "payload": "{{ params.x }}", "duration": "{{ 2 + 3 }}"}
    task = rendered(
        Img2VideoBatchOperator, native=True, params={"x": text}, requests=[row], defaults={"voice_id": text}
    )
    [request] = read_requests(task.requests, task.defaults)
    assert [request.fields[name] for name in ("prompt", "payload", "voice_id", "duration")] == [text, text, text, 5]


def test_ids_of_digits_and_underscores_stay_ids():
    assert rendered(ViduTaskSensor, native=True, vidu_task="123_456").vidu_task == "123_456"
    assert rendered(ViduDownloadOperator, native=True, vidu_task="1e5", destination="1").vidu_task == "1e5"


@pytest.mark.parametrize("native", [False, True])
def test_unset_params_count_as_not_given(vidu_emulator, runtime_context, store, native):
    optional = [name for name in Img2VideoOperator.template_fields if name != "images"]
    nothing = dict.fromkeys(optional, "{{ params.x }}")
    task = rendered(
        Img2VideoOperator, native=native, params={"x": None}, images=URL, wait_for_completion=False, **nothing
    )
    task.execute(runtime_context(store))
    [submitted] = vidu_emulator.tasks
    assert not {"None"} & {str(value) for value in submitted.fields.values()}
    assert set(submitted.fields) == {"images", "model", "payload"}
    assert task.output_path is None
    assert task.file_name is None
    assert task.vidu_conn_id == "vidu_default"


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Img2VideoOperator, {"images": URL}),
        (Img2VideoBatchOperator, {"requests": [{"images": URL}]}),
        (ViduTaskSensor, {"vidu_task": "1"}),
        (ViduDownloadOperator, {"vidu_task": "1", "destination": "/tmp/"}),
    ],
)
def test_an_unset_param_names_the_default_connection(kind, settings, native):
    """Triggers and links read it too."""
    task = rendered(kind, native=native, params={"x": None}, vidu_conn_id="{{ params.x }}", **settings)
    assert task.vidu_conn_id == "vidu_default"


def test_unset_params_in_a_batch_count_as_not_given():
    [request] = read_requests([{"images": URL, "prompt": "None", "duration": "None"}], {"voice_id": "None"}, None)
    assert {request.fields[name] for name in ("prompt", "duration", "voice_id")} == {None}


@pytest.mark.parametrize("nothing", [None, "None"])
@pytest.mark.parametrize(
    ("kind", "name", "others"),
    [
        (Img2VideoOperator, "images", {}),
        (Img2VideoBatchOperator, "requests", {}),
        (ViduTaskSensor, "vidu_task", {}),
        (ViduDownloadOperator, "vidu_task", {"destination": "/tmp/"}),
        (ViduDownloadOperator, "destination", {"vidu_task": "1"}),
    ],
)
def test_required_parameter_of_none_is_refused_by_name(
    vidu_emulator, runtime_context, store, kind, name, others, nothing
):
    task = kind(task_id="t", **{name: nothing}, **others)
    with pytest.raises(AirflowFailException, match=f"^{name} is required.*None.*"):
        task.execute(runtime_context(store))
    assert not vidu_emulator.tasks


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Img2VideoOperator, {"images": URL, "output_path": Path("out/{{ ds }}")}),
        (Img2VideoOperator, {"images": Path("{{ params.p }}")}),
        (Img2VideoBatchOperator, {"requests": Path("{{ ds }}.jsonl")}),
        (Img2VideoBatchOperator, {"requests": [], "manifest_path": Path("{% if x %}a{% endif %}")}),
        (Img2VideoBatchOperator, {"requests": [{"images": [Path("{{ ds }}.png")]}]}),
        (Img2VideoBatchOperator, {"requests": [{"images": URL, "output_path": Path("/x/{{ ds }}")}]}),
        (ViduDownloadOperator, {"vidu_task": "1", "destination": Path("{{ ds }}")}),
    ],
)
def test_jinja_in_a_path_is_refused_at_parse_time(kind, settings):
    with pytest.raises(ValueError, match="does not render a Path"):
        kind(task_id="t", **settings)


def test_object_storage_paths_are_taken_everywhere(tmp_path, runtime_context, store, vidu_emulator):
    place = ObjectStoragePath(f"file://{tmp_path}")
    (tmp_path / "r.jsonl").write_text('{"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}')
    records = rendered(
        Img2VideoBatchOperator,
        native=False,
        requests=place / "r.jsonl",
        output_path=place / "videos",
        manifest_path=place / "m.jsonl",
    ).execute(runtime_context(store))
    assert records[0]["files"]
    assert (tmp_path / "m.jsonl").exists()
    made = rendered(ViduDownloadOperator, native=False, vidu_task=records[0], destination=place / "again/")
    made.execute(runtime_context(store))
    assert list((tmp_path / "again").glob("*.mp4"))


def test_an_unset_extra_parameter_is_not_sent(vidu_emulator, runtime_context, store):
    extra = {"payload": "{{ params.x }}", "seed": 7}
    task = rendered(Img2VideoOperator, native=False, params={"x": None}, images=URL, extra_params=extra)
    task.wait_for_completion = False
    task.execute(runtime_context(store))
    [submitted] = vidu_emulator.tasks
    assert submitted.fields["payload"].startswith("avp1:")


def test_list_rendered_to_text_is_a_list_again():
    assert load_images(f"['{URL}']") == [URL]


@pytest.mark.parametrize("value", [1, 0])
def test_numbers_of_a_configuration_are_switches(value):
    assert bool(Img2VideoOperator(task_id="t", images=URL, deferrable=value).deferrable) is bool(value)


@pytest.mark.parametrize("value", ["false", "{{ params.w }}", 2, None])
@pytest.mark.parametrize(
    ("kind", "name", "settings"),
    [
        *(
            (Img2VideoOperator, name, {"images": URL})
            for name in ("wait_for_completion", "deferrable", "durable", "cancel_on_kill", "cancel_on_timeout")
        ),
        (Img2VideoBatchOperator, "deferrable", {"requests": []}),
        (ViduTaskSensor, "deferrable", {"vidu_task": "1"}),
        (ViduTaskSensor, "soft_fail", {"vidu_task": "1"}),
        (ViduTaskSensor, "never_fail", {"vidu_task": "1"}),
        (ViduTaskSensor, "end_from_trigger", {"vidu_task": "1", "deferrable": True}),
    ],
)
def test_text_for_a_switch_is_refused_at_parse_time(kind, name, settings, value):
    with pytest.raises(ValueError, match=f"{name} must be True or False"):
        kind(task_id="t", **settings, **{name: value})


RECORD = {
    "task_id": " 902581991298326528 ",
    "state": "created",
    "creations": [{"id": "1", "url": "https://s/?sig=secret"}],
}


@pytest.mark.parametrize(
    "text",
    [
        str(RECORD),
        json.dumps(RECORD),
        json.dumps(json.dumps(RECORD)),
        " 902581991298326528\n",
        "\ufeff902581991298326528\u200b",
    ],
)
def test_record_in_a_text_is_parsed(text):
    assert parse_vidu_task(text).task_id == "902581991298326528"


@pytest.mark.parametrize(
    "text",
    [
        str([RECORD]),
        str(RECORD)[:-5],
        "https://s/?sig=secret",
        "{}",
        " ",
        '{"creations": [{"url": "https://s/?sig=secret"}]}',
        '{"task_id": " ", "url": "secret"}',
    ],
)
def test_other_text_is_refused_without_quoting_it(text):
    with pytest.raises(ViduInputError, match="vidu_task") as raised:
        parse_vidu_task(text)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("images", [[URL, None], [URL, "None"], [None, URL]])
def test_none_beside_an_image_is_named(images):
    with pytest.raises(ViduInputError, match=r"images: 1 of 2 is None.*Param or XCom"):
        load_images(images)


@pytest.mark.parametrize(
    ("operator", "mapped"),
    [
        (Img2VideoOperator, {"images": ["a.png"]}),
        (Img2VideoBatchOperator, {"requests": [[{"images": "a.png"}]]}),
        (ViduDownloadOperator, {"vidu_task": ["1"], "destination": ["x/"]}),
        (ViduTaskSensor, {"vidu_task": ["1"]}),
    ],
)
def test_mapped_tasks_keep_airflows_defaults(operator, mapped):
    with DAG("mapped", schedule=None):
        plain = BaseOperator.partial(task_id="plain").expand(doc=["a"])
        task = operator.partial(task_id="t").expand(**mapped)
    for name in ("inlets", "outlets", "retries", "pool_slots", "on_success_callback"):
        assert getattr(task, name) == getattr(plain, name), name
