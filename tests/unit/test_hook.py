# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The hook over real HTTP: connections as users write them, the free connection test, the twins alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_vidu.api.errors import ViduConfigurationError, ViduInputError, ViduRequestError
from airflow_provider_vidu.emulator import ViduEmulator
from airflow_provider_vidu.hooks.vidu import ViduHook

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1, "prompt": "p"}


@pytest.fixture
def connect(monkeypatch):
    def connect(**fields):
        monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", json.dumps({"conn_type": "vidu", **fields}))
        return ViduHook()

    return connect


def test_a_hook_may_be_made_where_no_connection_exists():
    assert ViduHook("nowhere").vidu_conn_id == "nowhere"


def test_the_json_and_the_uri_of_a_connection_mean_the_same(vidu_emulator, monkeypatch):
    by_json = ViduHook().account
    monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", vidu_emulator.connection_uri())
    assert ViduHook().account == by_json


def test_host_and_port_may_stand_apart(connect, vidu_emulator):
    hook = connect(host="127.0.0.1", port=vidu_emulator.port, password="k")
    assert hook.get_credits().total > 0


@pytest.mark.parametrize(
    ("fields", "works", "told"),
    [
        ({"password": "good"}, True, "accepts this key"),
        ({"password": "wrong"}, False, "HTTP 401"),
        ({}, False, "has no API key"),
        ({"password": "good", "host": "http://vidu.example"}, False, "plain http"),
        ({"password": "good", "host": "http://127.0.0.1:9"}, False, "could not be reached"),
        ({"password": "good", "extra": {"credits_path": None}}, True, "does not tell the balance"),
        ({"password": "wrong", "extra": {"credits_path": None}}, False, "HTTP 401"),
        ({"password": "good", "extra": {"api_prefix": "/wrong"}}, False, "check api_prefix"),
        ({"password": "good", "extra": {"proxy": 8080}}, False, "proxy must be a URL"),
        ({"password": "good", "extra": {"proxy": "http://user:sesame@127.0.0.1:x"}}, False, "proxy must be a URL"),
    ],
)
def test_the_connection_test_is_green_or_red_with_a_reason(connect, monkeypatch, fields, works, told):
    monkeypatch.setattr("airflow_provider_vidu.client.GET_SECONDS", 0.1)
    with ViduEmulator(api_keys={"good"}) as vidu:
        ok, text = connect(**{"host": vidu.url, **fields}).test_connection()
    assert (ok, told in text) == (works, True), text
    assert "sesame" not in text
    assert vidu.counters.submissions == 0


def test_a_relay_without_credits_endpoint_passes_the_connection_test(connect):
    with ViduEmulator() as vidu:
        vidu.quirks.has_credits = False
        ok, text = connect(host=vidu.url, password="k").test_connection()
    assert ok, text


def test_a_relay_at_other_paths_works(connect, vidu_emulator):
    hook = connect(
        host=vidu_emulator.url,
        password="k",
        extra={
            "api_prefix": "/elsewhere",
            "create_path": "/ent/v2/{endpoint}",
            "task_path": "/ent/v2/tasks/{task_id}/creations",
            "auth_scheme": "",
        },
    )
    task = hook.submit(FIELDS)
    assert hook.get_task(task.task_id).task_id == task.task_id


def test_it_cancels_what_waits_and_says_why_it_cannot_cancel_the_rest(connect):
    with ViduEmulator(concurrency=1, processing_seconds=60, created_seconds=0) as vidu:
        hook = connect(host=vidu.url, password="k")
        running, waiting = hook.submit(FIELDS).task_id, hook.submit(FIELDS).task_id
        vidu.skip(1)
        hook.cancel_task(waiting)
        assert hook.get_task(waiting).err_code == "UserCancelled"
        with pytest.raises(ViduRequestError, match="can not cancel"):
            hook.cancel_task(running)


def test_a_list_longer_than_a_page_is_walked_to_its_end(vidu_emulator):
    hook = ViduHook()
    submitted = {hook.submit(FIELDS).task_id for _ in range(105)}
    assert {task.task_id for task in hook.list_tasks()} == submitted
    assert len(list(hook.list_tasks(task_ids=sorted(submitted)[:3]))) == 3


def test_a_download_takes_a_task_a_record_an_id_or_a_link(vidu_emulator, tmp_path):
    hook = ViduHook()
    task = hook.wait_for_task(hook.submit(FIELDS))
    for number, source in enumerate([task, task.record(), task.task_id, task.video_url]):
        landed = hook.download(source, f"{tmp_path}/{number}.mp4")
        assert Path(landed["path"]).read_bytes()[4:8] == b"ftyp"
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


async def test_the_async_twins_do_the_same(vidu_emulator, tmp_path):
    hook = ViduHook()
    task = await hook.asubmit(FIELDS)
    assert (await hook.aget_task(task.task_id)).task_id == task.task_id
    assert [found.task_id async for found in hook.alist_tasks()] == [task.task_id]
    assert (await hook.aget_credits()).total == hook.get_credits().total
    with pytest.raises(ViduInputError):
        await hook.asubmit({**FIELDS, "duration": 99})
    other = await hook.asubmit({**FIELDS, "off_peak": True})
    await hook.acancel_task(other.task_id)
    assert hook.get_task(other.task_id).err_code == "UserCancelled"
    assert (await hook.adownload(hook.wait_for_task(task), f"{tmp_path}/"))["bytes"] > 1000


def test_submit_once_submits_once_for_a_retry_and_again_for_a_clear_after_delivery(
    vidu_emulator, runtime_context, store, tmp_path
):
    hook = ViduHook()
    first = hook.submit_once(runtime_context(store), FIELDS)
    assert hook.submit_once(runtime_context(store, try_number=2), FIELDS).task_id == first.task_id
    hook.download(hook.wait_for_task(first), f"{tmp_path}/")
    assert hook.submit_once(runtime_context(store, try_number=3, max_tries=4), FIELDS).task_id != first.task_id
    assert vidu_emulator.counters.submissions == 2


def test_submit_once_hands_out_a_paid_video_that_was_never_delivered_even_after_a_clear(
    vidu_emulator, runtime_context, store
):
    hook = ViduHook()
    first = hook.submit_once(runtime_context(store), FIELDS)
    hook.wait_for_task(first)
    again = ViduHook().submit_once(runtime_context(store, try_number=2, max_tries=4), FIELDS)
    assert again.task_id == first.task_id
    assert vidu_emulator.counters.submissions == 1


async def test_the_async_twin_of_submit_once_protects_alike(vidu_emulator, runtime_context, store):
    first = await ViduHook().asubmit_once(runtime_context(store), FIELDS)
    assert (await ViduHook().asubmit_once(runtime_context(store, try_number=2), FIELDS)).task_id == first.task_id
    assert vidu_emulator.counters.submissions == 1


def test_two_submissions_of_one_task_need_two_keys_and_the_error_says_what_differs(
    vidu_emulator, runtime_context, store
):
    from airflow.providers.common.compat.sdk import AirflowFailException

    hook, context = ViduHook(), runtime_context(store)
    hook.submit_once(context, FIELDS)
    with pytest.raises(AirflowFailException, match="prompt changed"):
        hook.submit_once(context, {**FIELDS, "prompt": "another"})
    hook.submit_once(context, {**FIELDS, "prompt": "another"}, key="vidu_submission_2")
    assert vidu_emulator.counters.submissions == 2


def test_extra_params_are_merged_last_and_unchecked(vidu_emulator):
    ViduHook().submit(FIELDS, extra_params={"duration": 2, "new_field": {"a": 1}})
    (task,) = vidu_emulator.tasks
    assert task.request.duration == 2


@pytest.mark.parametrize("extra", [{"timeout": "soon"}, {"timeout": 0}, {"create_path": None}, {"settle_seconds": -1}])
def test_a_setting_that_cannot_work_is_named(connect, extra):
    with pytest.raises(ViduConfigurationError, match=next(iter(extra))):
        _ = connect(password="k", extra=extra).account


def test_a_missing_connection_is_said_to_be_missing():
    with pytest.raises(ViduConfigurationError, match="airflow connections add nowhere"):
        _ = ViduHook("nowhere").account


def test_a_link_is_tried_again_as_a_link(vidu_emulator, tmp_path):
    from airflow_provider_vidu.emulator import Fault

    hook = ViduHook()
    task = hook.wait_for_task(hook.submit(FIELDS))
    vidu_emulator.faults.add("download", Fault.refuse(503))
    assert hook.download(task.video_url, f"{tmp_path}/x.mp4")["bytes"] > 1000


def test_a_key_that_a_host_repeats_is_not_even_half_quoted(connect, monkeypatch):
    import http.server
    import threading

    key = "vda_0123456789abcdefghijklmnopqrstuvwxyz"

    class Echo(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"<html>" + b"x" * 170 + self.headers["Authorization"].encode() + b"</html>"
            self.send_response(401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    _, text = connect(host="127.0.0.1", port=server.server_address[1], password=key).test_connection()
    server.shutdown()
    server.server_close()
    assert "401" in text
    assert key[:12] not in text
