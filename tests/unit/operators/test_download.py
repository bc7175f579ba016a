# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The download operator lands tasks that were submitted elsewhere, submits nothing, and explains its errors."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_vidu.api.errors import ViduStillRunningError
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.operators.download import ViduDownloadOperator
from airflow_provider_vidu.operators.generate import ViduGenerateOperator
from airflow_provider_vidu.operators.img2video import Img2VideoOperator
from airflow_provider_vidu.operators.reference2video import Reference2VideoOperator

pytestmark = pytest.mark.usefixtures("clock")

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}


def made(**settings):
    return ViduDownloadOperator(task_id="t", **settings)


@pytest.fixture
def video(vidu_emulator):
    """A task that has its video."""
    return ViduHook().wait_for_task(ViduHook().submit(FIELDS), poll_interval=0.1)


@pytest.mark.parametrize("given", ["the record", "the id", "the id as a number"])
def test_id_or_record_can_be_landed_repeatedly(video, vidu_emulator, runtime_context, tmp_path, given):
    task = {"the record": video.record(), "the id": video.task_id, "the id as a number": int(video.task_id)}[given]
    for _ in range(2):
        record = made(vidu_task=task, destination=f"{tmp_path}/").execute(runtime_context())
        (file,) = record["files"]
        assert Path(file["path"]).stat().st_size == file["bytes"]
    assert vidu_emulator.counters.submissions == 1


@pytest.mark.parametrize(
    ("endpoint", "fields", "kind", "suffix"),
    [
        ("reference2image", {"model": "viduq2", "prompt": "a cat"}, "image", ".png"),
        ("text2audio", {"model": "audio1.0", "prompt": "rain"}, "audio", ".wav"),
    ],
)
def test_pictures_and_sounds_land_too(vidu_emulator, runtime_context, store, tmp_path, endpoint, fields, kind, suffix):
    generate = ViduGenerateOperator(
        task_id="g", endpoint=endpoint, request=fields, poll_interval=0.1, output_path=f"{tmp_path}/g/"
    )
    made_by_operator = generate.execute(runtime_context(store))
    task_id = made_by_operator["task_id"]
    record = made(vidu_task=made_by_operator, destination=f"{tmp_path}/d/").execute(runtime_context())
    for files, folder in ((made_by_operator["files"], "g"), (record["files"], "d")):
        assert [(file["kind"], file["path"]) for file in files] == [(kind, f"{tmp_path}/{folder}/{task_id}{suffix}")]
    with pytest.raises(AirflowFailException, match=r"could not be landed at .*/a.mp4.*paid for and safe at Vidu"):
        made(vidu_task=task_id, destination=f"{tmp_path}/a.mp4").execute(runtime_context())
    assert not (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize("cover", ["True", "False", True, False, "", None])
def test_a_rendered_switch_means_what_it_says(video, runtime_context, tmp_path, cover):
    operator = made(vidu_task=video.task_id, destination=f"{tmp_path}/", land_cover=cover)
    kinds = [file["kind"] for file in operator.execute(runtime_context())["files"]]
    assert kinds == (["video", "cover"] if cover in {"True", True} else ["video"])


def test_invalid_switch_is_rejected(video, runtime_context, tmp_path):
    with pytest.raises(AirflowFailException, match="land_cover must be true or false"):
        made(vidu_task=video.task_id, destination=f"{tmp_path}/", land_cover="perhaps").execute(runtime_context())


@pytest.mark.vidu_emulator(concurrency=0)
def test_running_task_is_reported_with_advice(vidu_emulator, runtime_context, tmp_path):
    task = ViduHook().submit(FIELDS)
    with pytest.raises(ViduStillRunningError, match=f"Vidu task {task.task_id}.*Put a ViduTaskSensor before"):
        made(vidu_task=task.task_id, destination=f"{tmp_path}/").execute(runtime_context())


def test_failed_task_names_the_task_to_clear(vidu_emulator, runtime_context, tmp_path):
    task = ViduHook().submit({**FIELDS, "prompt": "[emulator:fail=CreationPolicyViolation]"})
    with pytest.raises(Exception, match="content checks"):
        ViduHook().wait_for_task(task, poll_interval=0.1)
    with pytest.raises(AirflowFailException, match="Clear the task that submitted it, not this one"):
        made(vidu_task=task.task_id, destination=f"{tmp_path}/").execute(runtime_context())


def test_records_without_a_video_are_skipped(runtime_context, tmp_path):
    record = {"task_id": None, "error": "credit_budget was reached"}
    with pytest.raises(AirflowSkipException, match="credit_budget was reached"):
        made(vidu_task=record, destination=f"{tmp_path}/").execute(runtime_context())


def test_no_message_contains_a_signed_link(video, vidu_emulator, runtime_context, tmp_path):
    with pytest.raises(AirflowFailException, match="got a list") as raised:
        made(vidu_task=[video.record()], destination=f"{tmp_path}/").execute(runtime_context())
    assert "http" not in str(raised.value)


def test_land_watermarked_without_watermark_is_rejected_at_once(vidu_emulator, runtime_context, store, tmp_path):
    operator = Img2VideoOperator(task_id="t", output_path=f"{tmp_path}/", land_watermarked=True, **FIELDS)
    with pytest.raises(AirflowFailException, match="needs watermark=True"):
        operator.execute(runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


def request_of_drama(**fields):
    subject = {"name": "cat", "images": ["https://example.com/a.png"]}
    return {"model": "viduq3-drama", "prompt": "@cat", "subjects": [subject], "duration": 2, **fields}


def test_model_with_a_watermark_by_default_needs_no_watermark(vidu_emulator, runtime_context, store, tmp_path):
    settings = {"output_path": f"{tmp_path}/", "land_watermarked": True, "poll_interval": 0.1}
    record = Reference2VideoOperator(task_id="t", **settings, **request_of_drama()).execute(runtime_context(store))
    assert [file["kind"] for file in record["files"]] == ["video", "watermarked"]


@pytest.mark.parametrize("watermark", [False, "False"])
def test_copy_without_its_watermark_is_rejected(vidu_emulator, runtime_context, store, tmp_path, watermark):
    operator = Reference2VideoOperator(
        task_id="t", output_path=f"{tmp_path}/", land_watermarked=True, **request_of_drama(watermark=watermark)
    )
    with pytest.raises(AirflowFailException, match="needs watermark=True"):
        operator.execute(runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


@pytest.mark.parametrize(("name", "said"), [("a.wav", "an MP4"), ("a.png", "an MP4")])
def test_name_of_another_kind_costs_nothing(vidu_emulator, runtime_context, store, tmp_path, name, said):
    operator = Img2VideoOperator(task_id="t", output_path=f"{tmp_path}/{name}", **FIELDS)
    with pytest.raises(AirflowFailException, match=f"output_path .*{name} ends in .*{said}"):
        operator.execute(runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


def test_failed_landing_without_durable_is_not_retried(vidu_emulator, runtime_context, tmp_path, monkeypatch):
    """With durable=False a retry would pay for another video."""
    monkeypatch.setattr("airflow_provider_vidu.landing.land.put_file", Mock(side_effect=OSError("the disk is full")))
    operator = Img2VideoOperator(task_id="t", output_path=f"{tmp_path}/", durable=False, poll_interval=0.2, **FIELDS)
    with pytest.raises(AirflowFailException, match=r"disk is full.*ViduHook\(\).download"):
        operator.execute(runtime_context())
