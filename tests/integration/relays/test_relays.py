# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Every family of relays with the settings of docs/relays.md: what it supports works, what it lacks is reported."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from _support.relay_operators import FIELDS, ROUTED, is_the_video, mixed_batch, operator
from _support.relay_stand_ins import FAMILIES, VidusPaths, serving
from airflow.providers.common.compat.sdk import AirflowFailException
from PIL import Image

from airflow_provider_vidu.api.errors import ViduConfigurationError, ViduNotFoundError
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator
from airflow_provider_vidu.sensors.task import ViduTaskSensor


@pytest.mark.parametrize(("family", "endpoint"), ROUTED)
def test_one_video_lands_and_is_billed_once(relay, endpoint, task_instance, deferrable, tmp_path):
    record = task_instance.run(operator(endpoint, deferrable=deferrable, output_path=f"{tmp_path}/"))
    (job,) = relay.billed
    assert job.endpoint == endpoint
    assert record["state"] == "success"
    assert record["task_id"] == job.task_id
    assert is_the_video(record["files"][0], relay)


def test_a_retry_after_success_bills_nothing(relay, task_instance, tmp_path):
    first, second = (task_instance.run(operator(output_path=f"{tmp_path}/")) for _ in range(2))
    assert first["task_id"] == second["task_id"]
    assert len(relay.billed) == 1


@pytest.mark.parametrize("settings", [{}, {"deferrable": True}], ids=["poke", "deferred"])
def test_sensor_waits_for_another_tasks_submission(relay, task_instance, settings):
    task_id = ViduHook().submit({**FIELDS, "prompt": "p"}).task_id
    sensor = ViduTaskSensor(task_id="s", vidu_task=task_id, poke_interval=0.1, timeout=20, **settings)
    record = task_instance.run(sensor)
    assert record["task_id"] == task_id
    assert record["creations"][0]["url"].startswith(relay.url)
    assert len(relay.billed) == 1


def test_a_batch_lands_every_video_in_order(relay, task_instance, deferrable, tmp_path):
    requests = [{"prompt": f"cat {number}"} for number in range(3)]
    records = task_instance.run(
        Img2VideoBatchOperator(
            task_id="t",
            requests=requests,
            defaults=FIELDS,
            deferrable=deferrable,
            output_path=f"{tmp_path}/",
            poll_interval=0.1,
            timeout=15,
        )
    )
    prompts = {job.task_id: job.asked["prompt"] for job in relay.billed}
    assert [prompts[record["task_id"]] for record in records] == ["cat 0", "cat 1", "cat 2"]
    assert all(is_the_video(record["files"][0], relay) for record in records)
    assert len(relay.billed) == 3


@pytest.mark.parametrize("family", [name for name, endpoint in ROUTED if endpoint == "text2video"])
def test_a_mixed_batch_lands_every_video_in_order(relay, task_instance, tmp_path):
    rows = [("text2video", "a cat"), ("img2video", "a cat"), ("text2video", "a dog")]
    records = task_instance.run(mixed_batch(*rows, output_path=f"{tmp_path}/"))
    billed = {job.task_id: (job.endpoint, job.asked["prompt"]) for job in relay.billed}
    assert [billed[record["task_id"]] for record in records] == rows
    assert all(is_the_video(record["files"][0], relay) for record in records)
    assert len(relay.billed) == 3


def test_failed_task_names_its_reason_and_spends_no_retry(relay, task_instance, deferrable):
    relay.fails_with = "CreationPolicyViolation"
    with pytest.raises(AirflowFailException, match="CreationPolicyViolation"):
        task_instance.run(operator(deferrable=deferrable))
    assert len(relay.billed) == 1


def test_connection_test_accepts_the_key(relay):
    works, text = ViduHook().test_connection()
    assert works, text
    assert "accepts this key" in text
    assert relay.billed == []


def test_connection_test_refuses_another_key(relay, connect):
    connect(relay, key="sk-relay-another-0123456789")
    works, text = ViduHook().test_connection()
    assert not works
    assert "refuses this key" in text
    assert "another-0123456789" not in text
    assert "auth_scheme" in text


def test_connection_test_needs_no_null_for_missing_endpoints(relay, connect):
    connect(relay, cancel_path="tasks/{task_id}/cancel", list_path="tasks", credits_path="credits")
    works, text = ViduHook().test_connection()
    assert works, text


def test_an_unknown_id_is_not_found(relay):
    with pytest.raises(ViduNotFoundError):
        ViduHook().get_task("911045603801189999")


def test_a_cancel_cancels_or_says_that_the_task_goes_on(relay, connect):
    hook = ViduHook()
    task_id = hook.submit({**FIELDS, "prompt": "p"}).task_id
    if relay.has_cancel:
        hook.cancel_task(task_id)
        assert relay.billed[0].cancelled
        return
    with pytest.raises(ViduConfigurationError, match=r"has no cancel.*The task continues"):
        hook.cancel_task(task_id)


def test_a_waiting_list_needs_no_list(relay, connect, task_instance, tmp_path):
    # The triggerer notices that a host has no list.
    connect(relay, list_path="tasks")
    record = task_instance.run(operator(deferrable=True, output_path=f"{tmp_path}/"))
    assert is_the_video(record["files"][0], relay)
    assert len(relay.billed) == 1


@pytest.mark.parametrize("family", ["new-api", "new-api-openai"])
def test_new_api_takes_resolution_and_payload_from_metadata_only(relay, task_instance):
    metadata = {"metadata": {"resolution": "720p", "payload": "order 7"}}
    for settings in ({"payload": "order 7"}, {"extra_params": metadata}):
        type(task_instance)().run(operator(wait_for_completion=False, **settings))
    made = [(job.asked["resolution"], job.asked.get("payload")) for job in relay.billed]
    assert made == [("1080p", None), ("720p", "order 7")]


def test_min_remaining_credits_needs_a_balance(relay, task_instance):
    with pytest.raises(AirflowFailException, match="min_remaining_credits"):
        task_instance.run(operator(min_remaining_credits=1))
    assert relay.billed == []


@pytest.mark.parametrize(("family", "price"), [("new-api", 8), ("new-api-openai", None), ("octopusx", None)])
def test_price_is_taken_from_the_query(relay, task_instance, price):
    assert task_instance.run(operator())["credits"] == price


def test_picture_that_needs_the_upload_tool_is_refused_unbilled(relay, task_instance, tmp_path):
    cat = tmp_path / "cat.png"
    Image.new("RGB", (64, 36)).save(cat)
    cat.write_bytes(cat.read_bytes() + os.urandom(16_000_000))
    with pytest.raises(AirflowFailException, match=r"cat\.png .* has no upload tool\. Pass it as a URL"):
        task_instance.run(operator(images=str(cat)))
    assert relay.billed == []


def test_documented_settings_are_the_tested_ones():
    page = (Path(__file__).resolve().parents[3] / "docs" / "relays.md").read_text()
    written = [json.loads(block) for block in re.findall(r"```json\n(.+?)```", page, re.DOTALL)]
    extras = [connection["extra"] for connection in written]
    assert [family.extra for family in FAMILIES.values()] == extras


def test_a_wrong_prefix_bills_nothing_and_names_the_setting(video, connect, task_instance):
    with serving(VidusPaths, video) as relay:
        connect(relay, api_prefix="/vidu/ent/v2")
        with pytest.raises(AirflowFailException, match="api_prefix"):
            task_instance.run(operator())
        assert relay.billed == []


def test_the_fixture_and_a_relay_pass_the_connections_test_together(relay, vidu_emulator):
    for conn_id, host in (("vidu_default", vidu_emulator.url), ("vidu_relay", relay.url)):
        works, text = ViduHook(conn_id).test_connection()
        assert works, text
        assert text.startswith(f"{host} accepts this key")


@pytest.mark.parametrize("family", ["new-api", "seed"])
def test_fixture_and_relay_give_the_same_record(relay, task_instance, vidu_emulator, tmp_path):
    ours, theirs = (
        type(task_instance)().run(operator(vidu_conn_id=conn_id, output_path=f"{tmp_path}/"))
        for conn_id in ("vidu_default", "vidu_relay")
    )
    assert set(ours) == set(theirs)
    assert set(ours["creations"][0]) == set(theirs["creations"][0])
    assert (vidu_emulator.counters.submissions, len(relay.billed)) == (1, 1)
