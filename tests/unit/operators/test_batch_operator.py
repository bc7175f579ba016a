# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The batch operator over real HTTP: thousands of requests in one task instance, each paid for once."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from _support.batch_drive import WorkerDied, drive, first_event
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_provider_vidu.api.errors import (
    ViduError,
    ViduStillRunningError,
    ViduTaskFailedError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.client import AsyncViduClient
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.execution.batch import BatchExecution
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator
from airflow_provider_vidu.submission import cancel_on_kill
from airflow_provider_vidu.submission.batch import driver as submission
from airflow_provider_vidu.submission.batch import pacing
from airflow_provider_vidu.submission.batch.progress import PROGRESS_KEY
from airflow_provider_vidu.submission.batch.records import shard_from_json
from airflow_provider_vidu.submission.batch.store import ADOPTED_KEY, HEADER_KEY
from airflow_provider_vidu.submission.cancel_on_kill import Standing
from airflow_provider_vidu.triggers.task import event_of_group
from airflow_provider_vidu.triggers.timer import ViduTimerTrigger
from airflow_provider_vidu.waiting import cancel
from airflow_provider_vidu.waiting.bulk_query import BulkQuery
from airflow_provider_vidu.waiting.subscribers import GroupOutcome

pytestmark = pytest.mark.usefixtures("clock")

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}


def requests_of(*prompts: str) -> list[dict[str, Any]]:
    return [{**FIELDS, "prompt": prompt} for prompt in prompts]


def numbered(count: int, text: str = "cat") -> list[dict[str, Any]]:
    return requests_of(*(f"{text} {number}" for number in range(count)))


def operator(requests: Any, **settings: Any) -> Img2VideoBatchOperator:
    return Img2VideoBatchOperator(task_id="t", requests=requests, **{"poll_interval": 0.2, **settings})


@pytest.fixture(params=[False, True], ids=["in the worker", "deferred"])
def deferrable(request):
    return request.param


def test_videos_come_in_the_order_of_the_requests(vidu_emulator, runtime_context, store, deferrable):
    requests = numbered(25)
    records, called = drive(operator(requests, deferrable=deferrable), runtime_context(store))
    prompts = {task.task_id: task.request.prompt for task in vidu_emulator.tasks}
    assert [prompts[record["task_id"]] for record in records] == [request["prompt"] for request in requests]
    assert {record["state"] for record in records} == {"success"}
    assert all(record["creations"][0]["url"] and record["error"] is None for record in records)
    assert all(record["model"] == "viduq2-turbo" and record["credits"] == 8 for record in records)
    assert vidu_emulator.counters.submissions == 25
    assert called == ({"execute": 1, "execute_complete": 1} if deferrable else {"execute": 1})


def test_single_invalid_request_costs_nothing(vidu_emulator, runtime_context, store):
    requests = [*numbered(20), {**FIELDS, "duration": 99}, {**FIELDS, "images": "/no/such/file.png"}]
    with pytest.raises(AirflowFailException) as raised:
        drive(operator(requests), runtime_context(store))
    assert "item 20" in str(raised.value)
    assert "duration" in str(raised.value)
    assert "item 21" in str(raised.value)
    assert ".;" not in str(raised.value)
    assert ".." not in str(raised.value)
    assert vidu_emulator.counters.requests["submit"] == 0
    assert store.writes == []


@pytest.mark.parametrize(
    ("requests", "settings", "message"),
    [
        ([], {}, "empty"),
        ({"images": "a.png"}, {}, "list of dicts"),
        (["a.png"], {}, "item 0: must be a dict"),
        ([{**FIELDS, "promt": "x"}], {}, "promt"),
        ([{**FIELDS, "extra_params": 7}], {}, "extra_params"),
        ("[{]", {}, "neither a JSON array nor a list"),
        ("/no/such/requests.jsonl", {}, "does not exist"),
        ([FIELDS], {"defaults": "[1]"}, "defaults"),
        ([FIELDS], {"credit_budget": "much"}, "credit_budget"),
        ([FIELDS], {"manifest_path": "/tmp/folder/"}, "manifest_path"),
        ([FIELDS], {"output_path": "nosuch://bucket/"}, "nosuch"),
        ([{**FIELDS, "output_path": "/tmp/a.mp4"}] * 2, {}, "of item 0, too"),
    ],
)
def test_invalid_batch_is_rejected_before_anything_is_sent(
    vidu_emulator, runtime_context, store, requests, settings, message
):
    with pytest.raises(AirflowFailException, match=re.escape(message)):
        drive(operator(requests, **settings), runtime_context(store))
    assert vidu_emulator.counters.requests["submit"] == 0


@pytest.mark.parametrize("settings", [{"on_failure": "x"}, {"max_in_flight": 0}, {"item_retries": -1}])
def test_unknown_setting_value_is_rejected_at_parse_time(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        operator([], **settings)


def test_requests_come_from_a_json_lines_file_with_defaults(vidu_emulator, runtime_context, store, tmp_path):
    lines = [{"prompt": "one\u2028line"}, {"prompt": "two", "duration": None}, {"prompt": "three", "duration": 2}]
    path = tmp_path / "requests.jsonl"
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n\n")
    drive(operator(path.as_uri(), defaults=FIELDS), runtime_context(store))
    asked = {task.request.prompt: task.fields.get("duration") for task in vidu_emulator.tasks}
    assert asked == {"one\u2028line": 1, "two": 5, "three": 2} or asked == {"one\u2028line": 1, "two": None, "three": 2}


def test_equal_requests_get_a_video_each(vidu_emulator, runtime_context, store):
    records, _ = drive(operator(requests_of("twin", "twin", "twin")), runtime_context(store))
    assert len({record["task_id"] for record in records}) == 3


def test_videos_land_at_their_own_paths_and_in_the_manifest(vidu_emulator, runtime_context, store, tmp_path):
    requests = numbered(3)
    requests[1]["output_path"] = f"{tmp_path}/named.mp4"
    manifest = tmp_path / "out" / "manifest.jsonl"
    made = operator(requests, output_path=f"{tmp_path}/videos/", manifest_path=str(manifest))
    records, _ = drive(made, runtime_context(store))
    paths = [Path(record["files"][0]["path"]) for record in records]
    assert paths[1] == tmp_path / "named.mp4"
    assert [path.parent for path in paths[::2]] == [tmp_path / "videos"] * 2
    assert all(path.read_bytes()[4:8] == b"ftyp" for path in paths)
    assert [json.loads(line) for line in manifest.read_text().splitlines()] == records


def test_file_name_may_format_the_index(vidu_emulator, runtime_context, store, tmp_path):
    drive(operator(numbered(3), output_path=f"{tmp_path}/", file_name="{index:05d}"), runtime_context(store))
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["00000.mp4", "00001.mp4", "00002.mp4"]


def test_large_batch_has_links_only_in_the_manifest(vidu_emulator, runtime_context, store, tmp_path, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.submission.batch.results.MAX_WITH_LINKS", 4)
    manifest = tmp_path / "manifest.jsonl"
    records, _ = drive(operator(numbered(5), manifest_path=str(manifest)), runtime_context(store))
    assert all(record["creations"] == [] and record["payload"] is None for record in records)
    assert all(json.loads(line)["creations"][0]["url"] for line in manifest.read_text().splitlines())


# -- nobody pays twice ----------------------------------------------------------------------------------------


def charges(vidu) -> int:
    return sum(1 for task in vidu.tasks if vidu.ledger.of_task(task.task_id)["charged"])


def test_a_worker_killed_midway_resumes_without_paying_twice(vidu_emulator, runtime_context, store, monkeypatch):
    real, sent = AsyncViduClient.submit, []

    async def dies(self, wire, **options):
        sent.append(wire)
        number = len(sent)
        created = await real(self, wire, **options)
        if number == 12:
            raise WorkerDied
        return created

    monkeypatch.setattr(AsyncViduClient, "submit", dies)
    with pytest.raises(WorkerDied):
        drive(operator(numbered(30), max_in_flight=5), runtime_context(store))
    assert 12 <= vidu_emulator.counters.submissions < 30
    records, _ = drive(operator(numbered(30), max_in_flight=5), runtime_context(store, try_number=2))
    assert vidu_emulator.counters.submissions == 30
    assert len({record["task_id"] for record in records}) == 30
    assert charges(vidu_emulator) == 30


@pytest.mark.parametrize("write", range(1, 9))
def test_store_failure_at_any_write_never_pays_twice(vidu_emulator, runtime_context, store, write):
    store.fail_on = {write}
    with suppress(ViduUnavailableError):
        drive(operator(numbered(6), max_in_flight=2), runtime_context(store))
    records, _ = drive(operator(numbered(6), max_in_flight=2), runtime_context(store, try_number=2))
    assert len(records) == 6
    assert vidu_emulator.counters.submissions == 6


def test_intent_is_written_before_each_post(vidu_emulator, runtime_context, store, monkeypatch):
    real = AsyncViduClient.submit

    async def submit_and_check(self, wire, **options):
        marker = wire["payload"].partition(".")[0]
        generation, identity, attempt = marker.rsplit(":", 2)
        assert store.values[HEADER_KEY]["generation"] == generation
        rows = {row[0]: row for row in store.values[f"{HEADER_KEY}_1_0"]["items"]}
        assert rows[identity][1:3] == ["i", int(attempt)]
        return await real(self, wire, **options)

    monkeypatch.setattr(AsyncViduClient, "submit", submit_and_check)
    drive(operator(numbered(8), max_in_flight=3), runtime_context(store))
    assert vidu_emulator.counters.submissions == 8


@pytest.mark.parametrize(
    "fault",
    [
        Fault.drop_after_accept(times=3),
        Fault.drop_before_accept(times=3),
        Fault.fail_after_accept(500, times=3),
        Fault.no_id(times=3),
        Fault.rate_limit(retry_after=0.1, times=3),
        Fault.refuse(400, reason="OperationInProcess", times=3),
    ],
    ids=lambda fault: fault.kind,
)
def test_faults_during_submission_pay_for_nothing_twice(vidu_emulator, runtime_context, store, fault, deferrable):
    vidu_emulator.faults.add("submit", fault)
    records, _ = drive(operator(numbered(12), max_in_flight=4, deferrable=deferrable), runtime_context(store))
    assert all(record["state"] == "success" for record in records)
    assert charges(vidu_emulator) == 12


def test_lost_replies_are_searched_in_one_walk_of_the_list(vidu_emulator, runtime_context, store):
    vidu_emulator.faults.add("submit", Fault.drop_after_accept(times=20))
    drive(operator(numbered(20), max_in_flight=10, deferrable=True), runtime_context(store))
    assert vidu_emulator.counters.submissions == 20
    assert vidu_emulator.counters.requests["list"] < 15


def test_request_in_doubt_is_not_resent_and_others_finish(vidu_emulator, runtime_context, store):
    vidu_emulator.quirks.has_list = False
    vidu_emulator.faults.add("submit", Fault.drop_after_accept())
    made = operator(numbered(4), on_failure="partial")
    records, _ = drive(made, runtime_context(store))
    assert [record["state"] for record in records].count("success") == 3
    (lost,) = [record for record in records if record["error"]]
    assert "avp1:" in lost["error"]
    assert "The reply to the submission" in lost["error"]
    assert vidu_emulator.counters.submissions == 4


def test_resumed_try_pays_for_no_lost_reply_again(vidu_emulator, runtime_context, store):
    """With on_unknown='resubmit' the next try may, but not each part of one that leaves its worker."""
    vidu_emulator.quirks.has_list = False
    vidu_emulator.faults.add("submit", Fault.drop_after_accept())
    settings = {"on_failure": "partial", "on_unknown": "resubmit", "deferrable": True}
    records, _ = drive(operator(numbered(4), **settings), runtime_context(store))
    assert [record["state"] for record in records].count("success") == 3
    assert vidu_emulator.counters.submissions == 4


def test_payload_without_the_marker_is_never_resent(vidu_emulator, runtime_context, store):
    vidu_emulator.faults.add("submit", Fault.drop_after_accept(times=2))
    requests = [{**FIELDS, "payload": "mine"}, {**FIELDS, "payload": "mine, {marker}"}]
    records, _ = drive(operator(requests, on_failure="partial", max_in_flight=1), runtime_context(store))
    assert [record["error"] is None for record in records] == [False, True]
    assert vidu_emulator.counters.submissions == 2


def test_request_in_doubt_can_be_adopted_by_hand(vidu_emulator, runtime_context, store):
    vidu_emulator.quirks.has_list = False
    vidu_emulator.faults.add("submit", Fault.drop_after_accept())
    with pytest.raises(AirflowFailException, match=ADOPTED_KEY) as raised:
        drive(operator(numbered(3)), runtime_context(store))
    named = json.loads(re.search(r"-d '(.*?)' ;", str(raised.value))[1])["value"]
    (marker,) = named
    (lost,) = [task.task_id for task in vidu_emulator.tasks if marker in task.request.payload]
    store.values[ADOPTED_KEY] = {marker: lost}
    records, _ = drive(operator(numbered(3)), runtime_context(store, try_number=2, max_tries=3))
    assert lost in [record["task_id"] for record in records]
    assert vidu_emulator.counters.submissions == 3


def test_request_in_doubt_can_be_declared_uncreated_by_hand(vidu_emulator, runtime_context, store):
    vidu_emulator.quirks.has_list = False
    vidu_emulator.faults.add("submit", Fault.drop_before_accept())
    with pytest.raises(AirflowFailException, match="if there is none, record that nothing was created") as raised:
        drive(operator(numbered(3)), runtime_context(store))
    _, nothing = re.findall(r"-d '(\{\"value\".*?)'", str(raised.value))
    store.values[ADOPTED_KEY] = json.loads(nothing)["value"]
    records, _ = drive(operator(numbered(3)), runtime_context(store, try_number=2, max_tries=3))
    assert [record["state"] for record in records] == ["success"] * 3
    assert charges(vidu_emulator) == 3


def test_grown_or_reordered_list_submits_only_new_requests(vidu_emulator, runtime_context, store):
    first, _ = drive(
        operator([*numbered(5), *requests_of("[emulator:fail=AuditSubmitIllegal]")], on_failure="partial"),
        runtime_context(store),
    )
    wanted = [*numbered(5)[::-1], *requests_of("new")]
    records, _ = drive(operator(wanted), runtime_context(store, try_number=2, max_tries=3))
    assert [record["task_id"] for record in records[:5]] == [record["task_id"] for record in first[:5]][::-1]
    assert vidu_emulator.counters.submissions == 7


def test_file_reordered_while_deferred_keeps_each_requests_video(vidu_emulator, runtime_context, store, tmp_path):
    path = tmp_path / "requests.jsonl"
    requests = numbered(5)
    path.write_text("".join(f"{json.dumps(request)}\n" for request in requests))
    made, context = operator(str(path), deferrable=True), runtime_context(store)
    with pytest.raises(TaskDeferred) as deferred:
        made.execute(context)
    event = asyncio.run(first_event(deferred.value.trigger))
    path.write_text("".join(f"{json.dumps(request)}\n" for request in reversed(requests)))
    records = made.execute_complete(context, event=event, **deferred.value.kwargs)
    prompts = {task.task_id: task.request.prompt for task in vidu_emulator.tasks}
    assert [prompts[record["task_id"]] for record in records] == [f"cat {number}" for number in (4, 3, 2, 1, 0)]
    assert vidu_emulator.counters.submissions == 5


def test_retry_with_fewer_requests_fails_unless_allowed(vidu_emulator, runtime_context, store):
    drive(operator(numbered(3)), runtime_context(store))
    changed = [*numbered(2), *requests_of("another")]
    with pytest.raises(AirflowFailException, match="requests differ from those of the previous try"):
        drive(operator(changed), runtime_context(store, try_number=2))
    assert vidu_emulator.counters.submissions == 3
    drive(operator(changed, on_input_change="resubmit"), runtime_context(store, try_number=2))


def test_only_a_clear_after_delivery_generates_again(vidu_emulator, runtime_context, store):
    first, _ = drive(operator(numbered(3)), runtime_context(store))
    again, _ = drive(operator(numbered(3)), runtime_context(store, try_number=2))
    assert [one["task_id"] for one in again] == [one["task_id"] for one in first]
    cleared, _ = drive(operator(numbered(3)), runtime_context(store, try_number=3, max_tries=4))
    assert {one["task_id"] for one in cleared}.isdisjoint(one["task_id"] for one in first)
    assert vidu_emulator.counters.submissions == 6


def test_missing_image_does_not_stop_a_retry(vidu_emulator, runtime_context, store, tmp_path):
    source = Path(__file__).resolve().parents[3] / "dags_examples" / "images" / "city_dusk.jpg"
    image = tmp_path / "a.jpg"
    image.write_bytes(source.read_bytes())
    requests = [{**FIELDS, "images": str(image), "prompt": "a"}, {**FIELDS, "prompt": "b"}]
    first, _ = drive(operator(requests), runtime_context(store))
    image.unlink()
    again, _ = drive(operator(requests), runtime_context(store, try_number=2))
    assert [one["task_id"] for one in again] == [one["task_id"] for one in first]


def test_a_changed_key_submits_nothing(vidu_emulator, runtime_context, store, monkeypatch):
    drive(operator(numbered(2)), runtime_context(store))
    monkeypatch.setenv(
        "AIRFLOW_CONN_VIDU_DEFAULT", vidu_emulator.connection_json().replace(vidu_emulator.api_key, "vda_another_key")
    )
    with pytest.raises(AirflowFailException, match="host or key has changed"):
        drive(operator(numbered(2)), runtime_context(store, try_number=2))
    assert vidu_emulator.counters.submissions == 2


# -- below Airflow 3.3 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("keeps_arguments", [True, False], ids=["arguments", "dag.test() drops them"])
def test_without_a_store_the_deferral_carries_the_items(vidu_emulator, runtime_context, keeps_arguments):
    records, _ = drive(operator(numbered(5), deferrable=True), runtime_context(), keeps_arguments=keeps_arguments)
    assert [record["state"] for record in records] == ["success"] * 5
    assert vidu_emulator.counters.submissions == 5


def test_without_a_store_a_retry_finds_everything_in_the_list(vidu_emulator, runtime_context, monkeypatch):
    real, sent = AsyncViduClient.submit, []

    async def dies(self, wire, **options):
        sent.append(wire)
        if len(sent) > 6:
            raise WorkerDied
        return await real(self, wire, **options)

    monkeypatch.setattr(AsyncViduClient, "submit", dies)
    with pytest.raises(WorkerDied):
        drive(operator(numbered(10), max_in_flight=2), runtime_context())
    monkeypatch.setattr(AsyncViduClient, "submit", real)
    monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", vidu_emulator.connection_json(timeout=0.5, settle_seconds=0.2))
    records, _ = drive(operator(numbered(10), max_in_flight=2), runtime_context(try_number=2))
    assert [record["state"] for record in records] == ["success"] * 10
    assert vidu_emulator.counters.submissions == 10


# -- failures -------------------------------------------------------------------------------------------------

MIXED = ("good", "[emulator:fail=CreationPolicyViolation]", "good too", "[emulator:TaskPromptPolicyViolation]")


def test_fail_first_lands_every_paid_item(vidu_emulator, runtime_context, store, tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    made = operator(requests_of(*MIXED), output_path=f"{tmp_path}/", manifest_path=str(manifest))
    with pytest.raises(AirflowFailException) as raised:
        drive(made, runtime_context(store))
    assert "2 of 4" in str(raised.value)
    assert "CreationPolicyViolation" in str(raised.value)
    assert len(list(tmp_path.glob("*.mp4"))) == 2
    records = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [record["err_code"] for record in records] == [
        None,
        "CreationPolicyViolation",
        None,
        "TaskPromptPolicyViolation",
    ]


def test_clear_after_a_failure_submits_only_failed_requests(vidu_emulator, runtime_context, store):
    with pytest.raises(AirflowFailException):
        drive(operator(requests_of("good", "[emulator:fail=CreationPolicyViolation:1]")), runtime_context(store))
    with pytest.raises(AirflowFailException):
        drive(
            operator(requests_of("good", "[emulator:fail=CreationPolicyViolation:1]")),
            runtime_context(store, try_number=2),
        )
    assert vidu_emulator.counters.submissions == 2
    records, _ = drive(
        operator(requests_of("good", "[emulator:fail=CreationPolicyViolation:1]")),
        runtime_context(store, try_number=3, max_tries=4),
    )
    assert [record["state"] for record in records] == ["success", "success"]
    assert vidu_emulator.counters.submissions == 3


def test_partial_succeeds_with_the_errors_in_the_records(vidu_emulator, runtime_context, store):
    records, _ = drive(operator(requests_of(*MIXED), on_failure="partial"), runtime_context(store))
    assert [record["error"] is None for record in records] == [True, False, True, False]
    assert records[1]["task_id"]
    assert records[3]["task_id"] is None


def test_skip_skips_only_if_nothing_has_succeeded(vidu_emulator, runtime_context, store):
    records, _ = drive(operator(requests_of(*MIXED), on_failure="skip"), runtime_context(store))
    assert len(records) == 4
    store.values.clear()
    with pytest.raises(AirflowSkipException):
        drive(operator(requests_of(MIXED[1], MIXED[3]), on_failure="skip"), runtime_context(store))


def test_transient_failure_is_retried_within_the_try(vidu_emulator, runtime_context, store, deferrable):
    requests = requests_of("good", "[emulator:fail=InternalServiceFailure:1]")
    records, _ = drive(operator(requests, deferrable=deferrable), runtime_context(store))
    assert [record["state"] for record in records] == ["success", "success"]
    assert vidu_emulator.counters.submissions == 3
    assert charges(vidu_emulator) == 2


def test_item_retries_are_counted(vidu_emulator, runtime_context, store):
    requests = requests_of("good", "[emulator:fail=InternalServiceFailure]")
    with pytest.raises(ViduTaskFailedError, match="InternalServiceFailure"):
        drive(operator(requests, item_retries=2), runtime_context(store))
    assert vidu_emulator.counters.submissions == 4


def test_success_without_a_video_is_queried_again(vidu_emulator, runtime_context, store):
    records, _ = drive(operator(requests_of("[emulator:no-creation:2]", "b")), runtime_context(store))
    assert all(record["creations"] for record in records)


# -- money ----------------------------------------------------------------------------------------------------


@pytest.mark.vidu_emulator(credits=50)
def test_clear_submits_the_rest_after_credits_ran_out(vidu_emulator, runtime_context, store):
    with pytest.raises(AirflowFailException, match="CreditInsufficient") as raised:
        drive(operator(numbered(10)), runtime_context(store))
    assert "4 of 10" in str(raised.value)
    assert charges(vidu_emulator) == 6
    # Not one POST for each item, since the account was empty for all of them.
    assert vidu_emulator.counters.requests["submit"] < 6 + 11


def test_an_execution_timeout_without_time_to_wait_costs_nothing(vidu_emulator, runtime_context, store):
    made = operator(numbered(3), execution_timeout=timedelta(seconds=4))
    with pytest.raises(AirflowFailException, match="leaves no time to wait"):
        drive(made, runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


@pytest.mark.parametrize("status", [403, 429])
def test_a_relays_empty_balance_stops_a_batch_at_once(vidu_emulator, runtime_context, store, status):
    vidu_emulator.faults.add("submit", Fault.refuse(status, reason="insufficient_user_quota", times=None, after=2))
    with pytest.raises(AirflowFailException, match="insufficient_user_quota"):
        drive(operator(numbered(10), max_in_flight=1), runtime_context(store))
    assert charges(vidu_emulator) == 2
    assert vidu_emulator.counters.requests["submit"] == 3


def test_retry_submits_the_rest_once_there_are_credits(vidu_emulator, runtime_context, store):
    vidu_emulator.faults.add("submit", Fault.refuse(400, reason="CreditInsufficient", times=None, after=4))
    with pytest.raises(AirflowFailException, match="CreditInsufficient"):
        drive(operator(numbered(10), max_in_flight=1), runtime_context(store))
    assert vidu_emulator.counters.submissions == 4
    vidu_emulator.faults.clear()
    records, _ = drive(operator(numbered(10), max_in_flight=1), runtime_context(store, try_number=2, max_tries=3))
    assert [record["state"] for record in records] == ["success"] * 10
    assert vidu_emulator.counters.submissions == 10


@pytest.mark.parametrize("model", ["viduq2-turbo", "viduq2-pro-fast"], ids=["a known price", "an unknown price"])
def test_the_budget_is_never_exceeded(vidu_emulator, runtime_context, store, model):
    requests = [{**request, "model": model} for request in numbered(10)]
    records, _ = drive(operator(requests[:1]), runtime_context())
    price = records[0]["credits"]
    before = vidu_emulator.ledger.charged
    budget = 3 * price + price // 2
    with pytest.raises(AirflowFailException, match="credit_budget"):
        drive(operator(requests, credit_budget=budget), runtime_context(store))
    assert vidu_emulator.ledger.charged - before == 3 * price
    raised_budget = operator(requests, credit_budget=str(20 * price))
    drive(raised_budget, runtime_context(store, try_number=2, max_tries=3))
    assert vidu_emulator.ledger.charged - before == 10 * price


@pytest.fixture
def half_credits(monkeypatch):
    """A host that bills fractions of credits, such as 59.5 for a video."""
    submit = AsyncViduClient.submit

    async def halved(self, *arguments, **settings):
        return (await submit(self, *arguments, **settings)).model_copy(update={"credits": 59.5})

    monkeypatch.setattr(AsyncViduClient, "submit", halved)


@pytest.mark.usefixtures("half_credits")
def test_half_credits_count_everywhere(vidu_emulator, runtime_context, store, capsys):
    records, _ = drive(
        operator(numbered(4), credit_budget=179, max_in_flight=1, on_failure="partial"), runtime_context(store)
    )
    assert [record["err_code"] for record in records] == [None, None, None, "CreditBudgetSpent"]
    assert "3 of 4 requests have their video, for 178.5 credits" in capsys.readouterr().out


@pytest.mark.usefixtures("half_credits")
def test_half_a_credit_above_max_credits_is_too_much(vidu_emulator, runtime_context, store):
    with pytest.raises(AirflowFailException, match=r"is 59\.5 credits"):
        drive(operator(numbered(2), max_credits=59, max_in_flight=1), runtime_context(store))


@pytest.mark.parametrize("batch_size", [10, 3])
def test_spent_budget_is_reported_first_and_progress_counts_all_requests(
    vidu_emulator, runtime_context, store, capsys, batch_size
):
    budget = 8 * (batch_size - 1)
    with pytest.raises(AirflowFailException) as raised:
        drive(operator(numbered(batch_size), credit_budget=budget, deferrable=True), runtime_context(store))
    assert str(raised.value).startswith(
        f"1 of {batch_size} requests was not submitted (CreditBudgetSpent, item {batch_size - 1}): "
        "The next submission would exceed "
        f"credit_budget ({budget} of {budget} credits are spent or committed)."
    )
    assert "Raise credit_budget, then clear this task" in str(raised.value)
    assert "Correct" not in str(raised.value)
    said = capsys.readouterr().out
    assert f"Submitted {batch_size - 1} of {batch_size}, {budget} credits committed" in said
    assert f"{batch_size - 1} of {batch_size} requests have their video" in said


@pytest.fixture
def no_answer_tells_credits(monkeypatch):
    """A host whose replies have no price."""
    submit = AsyncViduClient.submit

    async def silent(self, *arguments, **settings):
        return (await submit(self, *arguments, **settings)).model_copy(update={"credits": None})

    monkeypatch.setattr(AsyncViduClient, "submit", silent)


@pytest.mark.usefixtures("no_answer_tells_credits")
def test_budget_is_kept_if_no_reply_names_a_price(vidu_emulator, runtime_context, store):
    for try_number in (1, 2):
        with pytest.raises(AirflowFailException, match="credit_budget"):
            drive(
                operator(numbered(10), credit_budget=28, deferrable=True), runtime_context(store, try_number=try_number)
            )
        assert vidu_emulator.counters.submissions == 3


@pytest.mark.usefixtures("no_answer_tells_credits")
def test_request_without_a_price_is_sent_alone_within_a_budget(vidu_emulator, runtime_context, store, monkeypatch):
    monkeypatch.setattr(
        "airflow_provider_vidu.submission.batch.requests.estimate_credits", lambda *arguments, **facts: None
    )
    with pytest.raises(AirflowFailException, match="gives a price for such a request to model viduq2-turbo"):
        drive(operator(numbered(10), credit_budget=28), runtime_context(store))
    assert vidu_emulator.counters.submissions == 1


def test_budget_counts_an_earlier_tries_requests_in_doubt(vidu_emulator, runtime_context, store):
    vidu_emulator.quirks.has_list = False
    vidu_emulator.faults.add("submit", Fault.drop_after_accept())
    for try_number in (1, 2):
        with pytest.raises(AirflowFailException):
            drive(
                operator(numbered(10), credit_budget=24, max_in_flight=1),
                runtime_context(store, try_number=try_number),
            )
        assert vidu_emulator.counters.submissions == 3


def test_budget_counts_paid_requests_that_were_removed(vidu_emulator, runtime_context, store):
    for try_number in (1, 2, 3):
        # As with a time in the prompt: no try requests what the one before has paid for.
        with pytest.raises(AirflowFailException, match="credit_budget"):
            drive(
                operator(numbered(10, f"cat of try {try_number}"), credit_budget=24, on_input_change="resubmit"),
                runtime_context(store, try_number=try_number),
            )
        assert vidu_emulator.ledger.charged == 24


def test_failed_request_fixed_before_a_clear_costs_no_budget(vidu_emulator, runtime_context, store, capsys):
    bad = requests_of("[emulator:fail=CreationPolicyViolation]")
    drive(operator([*numbered(2), *bad], credit_budget=24, on_failure="partial"), runtime_context(store))
    assert vidu_emulator.ledger.charged == 16
    fixed = [*numbered(2), *requests_of("a kinder cat")]
    records, _ = drive(operator(fixed, credit_budget=24), runtime_context(store, try_number=2, max_tries=3))
    assert [record["state"] for record in records] == ["success"] * 3
    assert vidu_emulator.ledger.charged == 24
    assert "the videos of the others stay at Vidu" not in capsys.readouterr().out


def test_incomplete_batch_that_succeeds_warns(vidu_emulator, runtime_context, store, capsys):
    drive(operator(numbered(4), credit_budget=16, on_failure="partial"), runtime_context(store))
    said = capsys.readouterr().out
    (line,) = [one for one in said.splitlines() if "Raise credit_budget" in one]
    assert "warning" in line.lower()
    assert "no video: CreditBudgetSpent × 2 (items 2-3)" in said


@pytest.mark.parametrize("on_failure", ["fail", "partial"])
def test_log_names_failed_rows_and_their_vidu_tasks(vidu_emulator, runtime_context, store, capsys, caplog, on_failure):
    requests = requests_of("cat", "[emulator:fail=CreationPolicyViolation]", "cat")
    with suppress(AirflowFailException):
        drive(operator(requests, on_failure=on_failure), runtime_context(store))
    (failed,) = [task.task_id for task in vidu_emulator.tasks if task.state == "failed"]
    # Airflow 3.3 writes a task's log to standard output, 3.0 to the loggers.
    lines = [*capsys.readouterr().out.splitlines(), *caplog.text.splitlines()]
    named = [
        line
        for line in lines
        if f"Item 1 (a.png): The video was refused by Vidu's content checks (Vidu task {failed}" in line
    ]
    assert any("warning" in line.lower() for line in named)


def test_unresponsive_host_does_not_get_the_whole_batch(vidu_emulator, runtime_context, store, monkeypatch):
    monkeypatch.setattr(pacing, "next_submission", lambda *arguments: 0.02)
    monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", vidu_emulator.connection_json(timeout=0.3))
    vidu_emulator.faults.add("submit", Fault.refuse(503, times=None))
    with pytest.raises(ViduUnavailableError, match="sent and not answered"):
        drive(operator(numbered(60), max_in_flight=10), runtime_context(store))
    assert vidu_emulator.counters.requests["submit"] < 40
    vidu_emulator.faults.clear()
    records, _ = drive(operator(numbered(60), max_in_flight=10), runtime_context(store, try_number=2))
    assert [record["state"] for record in records] == ["success"] * 60
    assert vidu_emulator.counters.submissions == 60


def test_repeated_lost_replies_end_the_try_even_when_deferrable(vidu_emulator, runtime_context, store, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.submission.airflow_try.IN_PLACE_SECONDS", 0.0)
    monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", vidu_emulator.connection_json(timeout=0.3))
    vidu_emulator.faults.add("submit", Fault.refuse(504, times=None))
    with pytest.raises(ViduTaskFailedError, match="nothing in 3 attempts"):
        drive(operator(numbered(1), deferrable=True), runtime_context(store))
    assert vidu_emulator.counters.requests["submit"] == 3


def test_re_signed_links_submit_nothing_after_the_deadline(vidu_emulator, runtime_context, store):
    def requests(signature):
        prompts = ("good", "[emulator:fail=InternalServiceFailure]")
        link = f"https://example.com/a.png?verify=190000000{signature}-c2lnbmF0dXJl"
        return [{**FIELDS, "images": link, "prompt": one} for one in prompts]

    context = runtime_context(store)
    with pytest.raises(TaskDeferred) as deferred:
        operator(requests(1), item_retries=2, deferrable=True).execute(context)
    asyncio.run(first_event(deferred.value.trigger))
    late = {**deferred.value.kwargs, "event": {"status": "timeout"}}
    late["began"] -= 10**6
    with pytest.raises(ViduTaskFailedError, match="InternalServiceFailure"):
        operator(requests(2), item_retries=2, deferrable=True).execute_complete(context, **late)
    assert vidu_emulator.counters.submissions == 2


def test_pictures_with_different_url_queries_keep_their_own_videos(vidu_emulator, runtime_context, store):
    requests = [{**FIELDS, "images": f"https://example.com/image?id={number}", "prompt": "x"} for number in range(3)]
    drive(operator(requests, on_failure="partial"), runtime_context(store))
    signature = "wsSecret=0123456789abcdef0123456789abcdef&wsTime=6a0b1c2d"
    signed = [{**one, "images": f"{one['images']}&{signature}"} for one in reversed(requests)]
    records, _ = drive(operator(signed), runtime_context(store, try_number=2))
    images = {task.task_id: task.fields["images"][0] for task in vidu_emulator.tasks}
    assert [images[record["task_id"]] for record in records] == [one["images"] for one in reversed(requests)]
    assert vidu_emulator.counters.submissions == 3


def test_batch_ends_if_two_requests_adopted_one_task(vidu_emulator, runtime_context, store):
    vidu_emulator.quirks.has_list = False
    vidu_emulator.faults.add("submit", Fault.drop_after_accept(times=2))
    with pytest.raises(AirflowFailException):
        drive(operator(requests_of("twin", "twin"), max_in_flight=2), runtime_context(store))
    header = store.values[HEADER_KEY]
    items = shard_from_json(store.values[f"{HEADER_KEY}_{header['layout']}_0"])
    one = vidu_emulator.tasks[0].task_id
    store.values[ADOPTED_KEY] = {item.marker(header["generation"]): one for item in items}
    records, _ = drive(operator(requests_of("twin", "twin")), runtime_context(store, try_number=2, max_tries=3))
    assert [record["task_id"] for record in records] == [one, one]


def test_adoption_is_for_one_attempt_and_can_be_corrected(vidu_emulator, runtime_context, store, monkeypatch):
    monkeypatch.setattr(submission, "REFUSAL_GAP", 0)
    vidu_emulator.quirks.has_list = False
    vidu_emulator.faults.add("submit", Fault.drop_after_accept())
    requests = requests_of("a cat")
    with pytest.raises(AirflowFailException):
        drive(operator(requests), runtime_context(store))
    header = store.values[HEADER_KEY]
    (item,) = shard_from_json(store.values[f"{HEADER_KEY}_1_0"])
    marker = item.marker(header["generation"])
    store.values[ADOPTED_KEY] = {marker: "911045603801182208"}
    with pytest.raises(AirflowFailException, match="does not know"):
        drive(operator(requests), runtime_context(store, try_number=2, max_tries=3))
    (task,) = vidu_emulator.tasks
    store.values[ADOPTED_KEY] = {marker: task.task_id}
    records, _ = drive(operator(requests), runtime_context(store, try_number=3, max_tries=4))
    assert [record["task_id"] for record in records] == [task.task_id]
    # Delivered, cleared, and the next generation's reply is lost: the earlier adoption must not count for it.
    vidu_emulator.faults.add("submit", Fault.drop_after_accept())
    with pytest.raises(AirflowFailException, match="adopt it"):
        drive(operator(requests), runtime_context(store, try_number=4, max_tries=9))


def test_missing_file_during_a_wait_is_not_reported_as_unbilled(vidu_emulator, runtime_context, store, tmp_path):
    path = tmp_path / "requests.jsonl"
    path.write_text(json.dumps(requests_of("a cat")[0]))
    made, context = operator(str(path), deferrable=True), runtime_context(store)
    with pytest.raises(TaskDeferred) as deferred:
        made.execute(context)
    event = asyncio.run(first_event(deferred.value.trigger))
    path.unlink()
    with pytest.raises(AirflowFailException, match="keeps running, is billed and is remembered") as raised:
        made.execute_complete(context, event=event, **deferred.value.kwargs)
    assert "nothing is billed" not in str(raised.value)


def test_invalid_input_of_a_later_try_advises_no_costly_clear(vidu_emulator, runtime_context, tmp_path):
    # Below Airflow 3.3 there is no store.
    with pytest.raises(AirflowFailException, match="Do not clear this task") as raised:
        drive(operator(str(tmp_path / "gone.jsonl")), runtime_context(None, try_number=2))
    assert "clear the task" not in str(raised.value)


def test_no_message_advises_a_clear_that_would_pay_again(vidu_emulator, runtime_context):
    # Below Airflow 3.3 there is no store.
    requests = requests_of("good", "[emulator:fail=CreationPolicyViolation]")
    with pytest.raises(AirflowFailException, match="Do not clear this task: a clear would pay for every request again"):
        drive(operator(requests), runtime_context(None))


def test_no_retry_if_it_would_pay_for_everything_again(vidu_emulator, runtime_context, store):
    requests = requests_of("good", "[emulator:fail=InternalServiceFailure]")
    with pytest.raises(AirflowFailException, match="durable=False"):
        drive(operator(requests, durable=False, item_retries=0), runtime_context(store))


def test_rejected_row_names_its_unknown_model(vidu_emulator, runtime_context, store):
    vidu_emulator.faults.add("submit", Fault.refuse(400, reason="FieldInvalid"))
    rows = [{**FIELDS, "model": "viduq2-trubo"}]
    for try_number in (1, 2):
        with pytest.raises(AirflowFailException, match=r"Model 'viduq2-trubo' \(viduq2-turbo\?\) is not in"):
            drive(operator(rows), runtime_context(store, try_number=try_number))


def test_failed_landing_promises_no_retry_that_would_pay_again(vidu_emulator, runtime_context, store, tmp_path):
    vidu_emulator.faults.add("download", Fault.refuse(403, times=None))
    settings = {"durable": False, "output_path": f"{tmp_path}/", "on_failure": "partial"}
    records, _ = drive(operator(numbered(1), **settings), runtime_context(store))
    assert "A retry or clear of this task would pay for every request again" in records[0]["error"]
    assert "submits nothing" not in records[0]["error"]


def test_error_during_submission_says_what_was_paid(vidu_emulator, runtime_context, store):
    vidu_emulator.faults.add("submit", Fault.refuse(401, times=100, after=4))
    with pytest.raises(AirflowFailException, match=r"4 of 10 requests are submitted \(32 credits\) and continue; "):
        drive(operator(numbered(10), max_in_flight=1), runtime_context(store))


@pytest.mark.usefixtures("vidu_emulator")
def test_deferred_wait_counts_all_requests(runtime_context, store):
    deferred = deferred_by(operator(numbered(5), credit_budget=16, deferrable=True), runtime_context(store))
    hints = deferred.trigger.serialize()[1]["hints"]
    assert (hints["batch_size"], hints.get("batch_done", 0)) == (5, 0)


def test_unwritable_manifest_is_reported_and_loses_nothing(vidu_emulator, runtime_context, store, tmp_path):
    (tmp_path / "file").write_text("in the way")
    made = operator(numbered(2), manifest_path=f"{tmp_path}/file/manifest.jsonl")
    with pytest.raises(ViduError, match="it writes the manifest and submits nothing"):
        drive(made, runtime_context(store))
    records, _ = drive(operator(numbered(2)), runtime_context(store, try_number=2))
    assert [record["state"] for record in records] == ["success"] * 2
    assert vidu_emulator.counters.submissions == 2


def test_unreadable_links_lose_no_paid_video(vidu_emulator, runtime_context, store, monkeypatch):
    get_tasks = BulkQuery.get_tasks

    async def without_links(self, task_ids):
        found = await get_tasks(self, task_ids)
        return {
            task_id: task.model_copy(update={"creations": ()}) if isinstance(task, ViduTask) else task
            for task_id, task in found.items()
        }

    async def down(self, task_id, **settings):  # ruff: ignore[unused-async]
        raise ViduUnavailableError("HTTP 503", http_status=503)

    with monkeypatch.context() as outage:
        outage.setattr(submission, "EMPTY_GAP", 0)
        outage.setattr(BulkQuery, "get_tasks", without_links)
        outage.setattr(AsyncViduClient, "get_task", down)
        with pytest.raises(ViduTaskFailedError, match="links cannot be read"):
            drive(operator(numbered(3)), runtime_context(store))
    records, _ = drive(operator(numbered(3)), runtime_context(store, try_number=2, max_tries=3))
    assert [record["state"] for record in records] == ["success"] * 3
    assert vidu_emulator.counters.submissions == 3


def test_simultaneous_failures_count_as_one_outage(vidu_emulator, runtime_context, store, monkeypatch):
    submit, refused = AsyncViduClient.submit, []

    async def blip(self, *arguments, **settings):
        if len(refused) < 10:
            refused.append(1)
            raise ViduUnavailableError("connection refused")
        return await submit(self, *arguments, **settings)

    monkeypatch.setattr(AsyncViduClient, "submit", blip)
    monkeypatch.setattr(pacing, "next_submission", lambda *arguments: 0.1)
    records, _ = drive(operator(numbered(12), max_in_flight=10), runtime_context(store))
    assert [record["state"] for record in records] == ["success"] * 12


@pytest.mark.parametrize("status", ["timeout", "error"])
def test_nothing_is_submitted_after_the_wait_has_ended(vidu_emulator, runtime_context, store, status):
    made = operator(requests_of("good", "[emulator:fail=InternalServiceFailure]"), item_retries=2, deferrable=True)
    context = runtime_context(store)
    with pytest.raises(TaskDeferred) as deferred:
        made.execute(context)
    asyncio.run(first_event(deferred.value.trigger))
    arguments = {**deferred.value.kwargs, "event": {"status": status, "ids": deferred.value.kwargs["ids"]}}
    if status == "timeout":
        arguments["began"] -= 10**6
    with pytest.raises(ViduTaskFailedError, match="InternalServiceFailure"):
        made.execute_complete(context, **arguments)
    assert vidu_emulator.counters.submissions == 2


# -- deadlines, kills -----------------------------------------------------------------------------------------


def test_next_try_re_attaches_after_the_deadline(vidu_emulator, runtime_context, store, deferrable):
    requests = requests_of("a", "[emulator:seconds=6000]")
    with pytest.raises(ViduStillRunningError, match="1 of 2"):
        drive(operator(requests, timeout=1.5, deferrable=deferrable), runtime_context(store))
    vidu_emulator.skip(6000)
    records, _ = drive(operator(requests, deferrable=deferrable), runtime_context(store, try_number=2))
    assert [record["state"] for record in records] == ["success"] * 2
    assert vidu_emulator.counters.submissions == 2
    assert vidu_emulator.counters.requests["cancel"] == 0


@pytest.mark.vidu_emulator(created_seconds=1e6)
def test_cancel_on_timeout_cancels_at_the_deadline(vidu_emulator, runtime_context, store):
    with pytest.raises(ViduStillRunningError, match="3 were cancelled"):
        drive(operator(numbered(3), timeout=1, cancel_on_timeout=True), runtime_context(store))
    assert vidu_emulator.ledger.refunded == 24


@pytest.mark.vidu_emulator(created_seconds=1e6)
def test_retry_resubmits_tasks_cancelled_at_the_deadline(vidu_emulator, runtime_context, store):
    with pytest.raises(ViduStillRunningError, match="a retry submits them again"):
        drive(operator(numbered(3), timeout=1, cancel_on_timeout=True), runtime_context(store))
    with pytest.raises(ViduStillRunningError):
        drive(operator(numbered(3), timeout=1), runtime_context(store, try_number=2))
    assert vidu_emulator.counters.submissions == 6
    assert vidu_emulator.ledger.refunded == 24


@pytest.mark.vidu_emulator(created_seconds=1e6)
def test_accepted_cancel_without_effect_does_not_pay_again(vidu_emulator, runtime_context, store, monkeypatch):
    async def says_yes(self, task_id):  # ruff: ignore[unused-async]
        return None

    monkeypatch.setattr(cancel, "QUERY_GAP", 0)
    monkeypatch.setattr(AsyncViduClient, "cancel_task", says_yes)
    with pytest.raises(ViduStillRunningError, match=r"0 were cancelled.* 3 may go on, and are billed if they succeed"):
        drive(operator(numbered(3), timeout=1, cancel_on_timeout=True), runtime_context(store))
    with pytest.raises(ViduStillRunningError):
        drive(operator(numbered(3), timeout=1), runtime_context(store, try_number=2))
    assert vidu_emulator.counters.submissions == 3


@pytest.mark.vidu_emulator(created_seconds=1e6)
@pytest.mark.parametrize("ended", [True, False], ids=["by a user", "by an eviction"])
def test_kill_during_a_full_queue_cancels_submitted_tasks(vidu_emulator, runtime_context, store, monkeypatch, ended):
    async def ended_by_user(instance):  # ruff: ignore[unused-async]
        return ended

    monkeypatch.setattr("airflow_provider_vidu.submission.airflow_try.IN_PLACE_SECONDS", 0.0)
    monkeypatch.setattr("airflow_provider_vidu.submission.cancel_on_kill.aended_by_user", ended_by_user)
    vidu_emulator.faults.add("submit", Fault.rate_limit(retry_after=60, times=100, after=3))
    with pytest.raises(TaskDeferred) as deferred:
        operator(numbered(6), max_in_flight=1, deferrable=True).execute(runtime_context(store))
    _, kwargs = deferred.value.trigger.serialize()
    timer = ViduTimerTrigger(**json.loads(json.dumps(kwargs)))
    timer.task_instance = runtime_context(store)["ti"]
    asyncio.run(timer.on_kill())
    assert vidu_emulator.counters.cancels_accepted == (3 if ended else 0)


@pytest.mark.vidu_emulator(created_seconds=1e6)
@pytest.mark.parametrize(
    ("standing", "has_list", "ended"),
    [
        (Standing.OVER, True, True),
        (Standing.RUNNING, True, False),
        (Standing.CLEARED, True, False),
        (Standing.CLEARED, False, True),
    ],
    ids=["ended by a user", "evicted", "cleared", "cleared, without a list"],
)
def test_kill_cancels_only_what_no_try_can_want(
    vidu_emulator, runtime_context, store, monkeypatch, standing, has_list, ended
):
    """After a clear that discards the state, a host without a list lets no next try find what this one waits for."""
    monkeypatch.setattr(cancel_on_kill, "get_standing", lambda instance: standing)
    monkeypatch.setattr(cancel_on_kill.compat, "clear_discards_state", lambda: True)
    vidu_emulator.quirks.has_list = has_list
    made = operator(numbered(6))
    seen = []
    real = AsyncViduClient.submit

    async def submit(self, wire, **options):
        seen.append(await real(self, wire, **options))
        if len(seen) == 4:
            made.on_kill()
        return seen[-1]

    monkeypatch.setattr(AsyncViduClient, "submit", submit)
    with pytest.raises(ViduStillRunningError, match="told to stop"):
        drive(made, runtime_context(store))
    assert vidu_emulator.counters.cancels_accepted == (vidu_emulator.counters.submissions if ended else 0)


def test_a_full_queue_leaves_the_worker_and_costs_no_retry(vidu_emulator, runtime_context, store, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.submission.airflow_try.IN_PLACE_SECONDS", 0.0)
    vidu_emulator.faults.add("submit", Fault.rate_limit(retry_after=0.2, times=3, after=2))
    records, called = drive(operator(numbered(6), max_in_flight=1, deferrable=True), runtime_context(store))
    assert called["execute_again"] >= 1
    assert [record["state"] for record in records] == ["success"] * 6
    assert vidu_emulator.counters.submissions == 6


# -- what a deferral carries, what the log says ----------------------------------------------------------------


@pytest.mark.vidu_emulator(processing_seconds=60, concurrency=1000)
def test_thousands_of_items_fit_into_airflows_limits(vidu_emulator, runtime_context, store):
    with pytest.raises(TaskDeferred) as raised:
        operator(numbered(1200), deferrable=True, max_in_flight=50).execute(runtime_context(store))
    assert max(len(json.dumps(value)) for value in store.values.values()) < 64 * 1024
    assert sorted(store.values) == [HEADER_KEY, *(f"{HEADER_KEY}_1_{number}" for number in range(3)), PROGRESS_KEY]
    # One write carries many: fewer than one an item.
    assert len(store.writes) < 1200
    _, kwargs = raised.value.trigger.serialize()
    assert len(json.dumps(kwargs)) < 1200 * 20
    assert vidu_emulator.api_key not in json.dumps(kwargs)


def test_log_reports_totals_instead_of_every_item(vidu_emulator, runtime_context, store, capsys):
    drive(operator(numbered(40)), runtime_context(store))
    output = capsys.readouterr().out
    assert "40 of 40 requests have their video, for 320 credits" in output
    assert len(output.splitlines()) < 40


def test_foreign_record_is_not_treated_as_missing(vidu_emulator, runtime_context, store):
    store.values[HEADER_KEY] = ["?"]
    with pytest.raises(AirflowFailException, match="cannot be used"):
        drive(operator(numbered(2)), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


def test_an_unreadable_store_submits_nothing(vidu_emulator, runtime_context, store):
    store.fail_reads = True
    with pytest.raises(ViduError, match="cannot be read"):
        drive(operator(numbered(2)), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


# -- events of other triggers ----------------------------------------------------------------------------------------


def deferred_by(made: Img2VideoBatchOperator, context: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as deferred:
        made.execute(context)
    return deferred.value


def own_event(deferred: TaskDeferred, **said: Any) -> dict[str, Any]:
    """Return the event of the operator's trigger, with some fields replaced."""
    return {**asyncio.run(first_event(deferred.trigger)), **said}


FOREIGN = [
    {"status": "error", "counts": {"error": 1}, "message": "another batch's", "ids": "0" * 16},
    {"status": "error", "counts": {"error": 1}, "message": "another batch's"},
    {"status": "error", "task_id": "1", "task_ids": ["1"], "state": None, "err_code": None, "message": "another's"},
    {"status": "success", "counts": {"success": 2}, "message": "", "ids": "0" * 16},
]


@pytest.mark.vidu_emulator(created_seconds=1e6)
@pytest.mark.parametrize("event", FOREIGN, ids=["group", "unknown", "single", "success"])
def test_event_of_another_trigger_only_causes_a_query(vidu_emulator, runtime_context, store, event):
    made, context = operator(numbered(2), deferrable=True), runtime_context(store)
    deferred = deferred_by(made, context)
    with pytest.raises(TaskDeferred) as again:
        made.execute_complete(context, event=event, **json.loads(json.dumps(deferred.kwargs)))
    assert again.value.trigger.vidu_task_ids == deferred.trigger.vidu_task_ids
    assert vidu_emulator.counters.submissions == 2


@pytest.mark.vidu_emulator(created_seconds=1e6)
@pytest.mark.parametrize("count", [1, 2])
def test_its_own_triggers_error_ends_the_try(vidu_emulator, runtime_context, store, count):
    made, context = operator(numbered(count), deferrable=True), runtime_context(store)
    deferred = deferred_by(made, context)
    deferred.trigger.end_time = 0
    event = own_event(deferred, status="error", message="refused again and again")
    with pytest.raises(ViduStillRunningError, match="refused again and again"):
        made.execute_complete(context, event=event, **deferred.kwargs)


def test_group_event_is_small_and_independent_of_order():
    ids = [str(911045603801182208 + number) for number in range(10_000)]
    event = event_of_group(GroupOutcome(), ids)
    assert event == event_of_group(GroupOutcome(), ids[::-1])
    assert event != event_of_group(GroupOutcome(), ids[1:])
    assert len(json.dumps(event)) < 200


# -- a wait that ends where nothing can be queried ------------------------------------------------------------


@pytest.mark.parametrize("path", ["resumed", "changed file", "in the worker"])
def test_failed_queries_after_the_wait_end_the_try(vidu_emulator, runtime_context, store, monkeypatch, path):
    monkeypatch.setattr(submission, "OUTAGE_GAP", 0)
    made, context = operator(numbered(3), deferrable=path != "in the worker"), runtime_context(store)
    real, down = BulkQuery.get_tasks, [path != "in the worker"]

    async def get_tasks(self, task_ids):
        if down[0]:
            return {task_id: ViduUnavailableError("HTTP 503", http_status=503) for task_id in task_ids}
        return await real(self, task_ids)

    if path == "in the worker":
        wait_in_worker = BatchExecution._wait_in_worker

        async def wait(self, batch):
            event = await wait_in_worker(self, batch)
            down[0] = True
            return event

        monkeypatch.setattr(BatchExecution, "_wait_in_worker", wait)
        step, arguments = made.execute, {}
    else:
        deferred = deferred_by(made, context)
        step, arguments = made.execute_complete, {**deferred.kwargs, "event": own_event(deferred)}
        if path == "changed file":
            made.requests = numbered(3)[::-1]
    monkeypatch.setattr(BulkQuery, "get_tasks", get_tasks)
    with pytest.raises(ViduUnavailableError, match="3 Vidu tasks"):
        step(context, **arguments)
    down[0] = False
    monkeypatch.undo()
    monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", vidu_emulator.connection_json())
    records, _ = drive(operator(numbered(3)), runtime_context(store, try_number=2))
    assert [record["state"] for record in records] == ["success"] * 3
    assert vidu_emulator.counters.submissions == 3
