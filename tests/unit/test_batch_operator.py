# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The batch operator over real HTTP: thousands in one task instance, each of them paid for once."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_provider_vidu.api.errors import (
    ViduError,
    ViduStillRunningError,
    ViduTaskFailedError,
    ViduUnavailableError,
)
from airflow_provider_vidu.batch.store import ADOPTED_KEY, HEADER_KEY
from airflow_provider_vidu.client import AsyncViduClient
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator
from airflow_provider_vidu.triggers.task import ViduTaskTrigger

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}


class WorkerDied(BaseException):
    """SIGKILL: nothing may catch it."""


def requests_of(*prompts: str) -> list[dict[str, Any]]:
    return [{**FIELDS, "prompt": prompt} for prompt in prompts]


def numbered(count: int, text: str = "cat") -> list[dict[str, Any]]:
    return requests_of(*(f"{text} {number}" for number in range(count)))


def operator(requests: Any, **settings: Any) -> Img2VideoBatchOperator:
    return Img2VideoBatchOperator(task_id="t", requests=requests, **{"poll_interval": 0.2, **settings})


async def first_event(trigger: ViduTaskTrigger) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")


def drive(made: Img2VideoBatchOperator, context: Any, *, keeps_arguments: bool = True) -> tuple[Any, Counter[str]]:
    """Run a try as Airflow does: execute, wait in a triggerer, resume. Returns the result, and what was called."""
    called: Counter[str] = Counter()
    step, arguments = made.execute, {}
    while True:
        called[step.__name__] += 1
        try:
            return step(context, **arguments), called
        except TaskDeferred as deferred:
            path, kwargs = deferred.trigger.serialize()
            event = None
            if path.endswith("ViduTaskTrigger"):
                event = asyncio.run(first_event(ViduTaskTrigger(**json.loads(json.dumps(kwargs)))))
            travelling = json.loads(json.dumps(deferred.kwargs)) if keeps_arguments else {}
            step, arguments = getattr(made, deferred.method_name), {"event": event, **travelling}


@pytest.fixture(params=[False, True], ids=["in the worker", "deferred"])
def deferrable(request):
    return request.param


def test_every_request_gets_its_video_in_the_order_of_the_requests(vidu_emulator, runtime_context, store, deferrable):
    requests = numbered(25)
    records, called = drive(operator(requests, deferrable=deferrable), runtime_context(store))
    prompts = {task.task_id: task.request.prompt for task in vidu_emulator.tasks}
    assert [prompts[record["task_id"]] for record in records] == [request["prompt"] for request in requests]
    assert {record["state"] for record in records} == {"success"}
    assert all(record["creations"][0]["url"] and record["error"] is None for record in records)
    assert all(record["model"] == "viduq2-turbo" and record["credits"] == 8 for record in records)
    assert vidu_emulator.counters.submissions == 25
    assert called == ({"execute": 1, "execute_complete": 1} if deferrable else {"execute": 1})


def test_a_wrong_request_anywhere_costs_nothing(vidu_emulator, runtime_context, store):
    requests = [*numbered(20), {**FIELDS, "duration": 99}, {**FIELDS, "images": "/no/such/file.png"}]
    with pytest.raises(AirflowFailException) as raised:
        drive(operator(requests), runtime_context(store))
    assert "item 20" in str(raised.value)
    assert "duration" in str(raised.value)
    assert "item 21" in str(raised.value)
    assert vidu_emulator.counters.requests["submit"] == 0
    assert store.writes == []


@pytest.mark.parametrize(
    ("requests", "settings", "told"),
    [
        ([], {}, "empty"),
        ({"images": "a.png"}, {}, "list of dicts"),
        (["a.png"], {}, "item 0: must be a dict"),
        ([{**FIELDS, "promt": "x"}], {}, "promt"),
        ([{**FIELDS, "extra_params": 7}], {}, "extra_params"),
        ("[{]", {}, "no JSON"),
        ("/no/such/requests.jsonl", {}, "does not exist"),
        ([FIELDS], {"defaults": "[1]"}, "defaults"),
        ([FIELDS], {"credit_budget": "much"}, "credit_budget"),
        ([FIELDS], {"manifest_path": "/tmp/folder/"}, "manifest_path"),
        ([FIELDS], {"output_path": "nosuch://bucket/"}, "nosuch"),
        ([{**FIELDS, "output_path": "/tmp/a.mp4"}] * 2, {}, "that of item 0"),
    ],
)
def test_what_is_no_batch_is_told_before_anything_is_sent(
    vidu_emulator, runtime_context, store, requests, settings, told
):
    with pytest.raises(AirflowFailException, match=re.escape(told)):
        drive(operator(requests, **settings), runtime_context(store))
    assert vidu_emulator.counters.requests["submit"] == 0


@pytest.mark.parametrize("settings", [{"on_failure": "x"}, {"max_in_flight": 0}, {"item_retries": -1}])
def test_a_setting_that_does_not_exist_is_refused_at_parse_time(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        operator([], **settings)


def test_requests_come_from_a_json_lines_file_with_defaults(vidu_emulator, runtime_context, store, tmp_path):
    lines = [{"prompt": "one\u2028line"}, {"prompt": "two", "duration": None}, {"prompt": "three", "duration": 2}]
    path = tmp_path / "requests.jsonl"
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n\n")
    drive(operator(path.as_uri(), defaults=FIELDS), runtime_context(store))
    asked = {task.request.prompt: task.fields.get("duration") for task in vidu_emulator.tasks}
    assert asked == {"one\u2028line": 1, "two": 5, "three": 2} or asked == {"one\u2028line": 1, "two": None, "three": 2}


def test_equal_requests_are_as_many_videos(vidu_emulator, runtime_context, store):
    records, _ = drive(operator(requests_of("twin", "twin", "twin")), runtime_context(store))
    assert len({record["task_id"] for record in records}) == 3


def test_each_video_lands_where_its_request_says_and_the_manifest_has_it_all(
    vidu_emulator, runtime_context, store, tmp_path
):
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


def test_beyond_a_few_hundred_the_xcom_has_no_links_and_the_manifest_has_them(
    vidu_emulator, runtime_context, store, tmp_path, monkeypatch
):
    monkeypatch.setattr("airflow_provider_vidu.batch.results.MAX_WITH_LINKS", 4)
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
def test_a_store_that_dies_at_any_write_never_pays_twice(vidu_emulator, runtime_context, store, write):
    store.fail_on = {write}
    with suppress(ViduUnavailableError):
        drive(operator(numbered(6), max_in_flight=2), runtime_context(store))
    records, _ = drive(operator(numbered(6), max_in_flight=2), runtime_context(store, try_number=2))
    assert len(records) == 6
    assert vidu_emulator.counters.submissions == 6


def test_no_post_leaves_before_its_intent_stands(vidu_emulator, runtime_context, store, monkeypatch):
    real = AsyncViduClient.submit

    async def looks(self, wire, **options):
        marker = wire["payload"].partition(".")[0]
        generation, identity, attempt = marker.rsplit(":", 2)
        assert store.values[HEADER_KEY]["generation"] == generation
        rows = {row[0]: row for row in store.values[f"{HEADER_KEY}_1_0"]["items"]}
        assert rows[identity][1:3] == ["i", int(attempt)]
        return await real(self, wire, **options)

    monkeypatch.setattr(AsyncViduClient, "submit", looks)
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
def test_faults_in_the_middle_pay_for_nothing_twice(vidu_emulator, runtime_context, store, fault, deferrable):
    vidu_emulator.faults.add("submit", fault)
    records, _ = drive(operator(numbered(12), max_in_flight=4, deferrable=deferrable), runtime_context(store))
    assert all(record["state"] == "success" for record in records)
    assert charges(vidu_emulator) == 12


def test_lost_replies_are_searched_in_one_walk_of_the_list(vidu_emulator, runtime_context, store):
    vidu_emulator.faults.add("submit", Fault.drop_after_accept(times=20))
    drive(operator(numbered(20), max_in_flight=10, deferrable=True), runtime_context(store))
    assert vidu_emulator.counters.submissions == 20
    assert vidu_emulator.counters.requests["list"] < 15


def test_where_nobody_can_tell_nothing_is_sent_again_and_the_rest_is_done(vidu_emulator, runtime_context, store):
    vidu_emulator.quirks.has_list = False
    vidu_emulator.faults.add("submit", Fault.drop_after_accept())
    made = operator(numbered(4), on_failure="partial")
    records, _ = drive(made, runtime_context(store))
    assert [record["state"] for record in records].count("success") == 3
    (lost,) = [record for record in records if record["error"]]
    assert "avp1:" in lost["error"]
    assert vidu_emulator.counters.submissions == 4


def test_a_payload_without_a_place_for_the_marker_is_never_sent_again(vidu_emulator, runtime_context, store):
    vidu_emulator.faults.add("submit", Fault.drop_after_accept(times=2))
    requests = [{**FIELDS, "payload": "mine"}, {**FIELDS, "payload": "mine, {marker}"}]
    records, _ = drive(operator(requests, on_failure="partial", max_in_flight=1), runtime_context(store))
    assert [record["error"] is None for record in records] == [False, True]
    assert vidu_emulator.counters.submissions == 2


def test_a_person_adopts_what_nobody_can_tell(vidu_emulator, runtime_context, store):
    vidu_emulator.quirks.has_list = False
    vidu_emulator.faults.add("submit", Fault.drop_after_accept())
    with pytest.raises(AirflowFailException, match=ADOPTED_KEY) as raised:
        drive(operator(numbered(3)), runtime_context(store))
    named = json.loads(re.search(r"-d '(.*?)' ;", str(raised.value))[1])["value"]
    (identity,) = named
    (lost,) = [task.task_id for task in vidu_emulator.tasks if identity in task.request.payload]
    store.values[ADOPTED_KEY] = {identity: lost}
    records, _ = drive(operator(numbered(3)), runtime_context(store, try_number=2, max_tries=3))
    assert lost in [record["task_id"] for record in records]
    assert vidu_emulator.counters.submissions == 3


def test_a_list_that_has_grown_or_was_reordered_submits_what_is_new_only(vidu_emulator, runtime_context, store):
    first, _ = drive(
        operator([*numbered(5), *requests_of("[emulator:fail=AuditSubmitIllegal]")], on_failure="partial"),
        runtime_context(store),
    )
    wanted = [*numbered(5)[::-1], *requests_of("new")]
    records, _ = drive(operator(wanted), runtime_context(store, try_number=2, max_tries=3))
    assert [record["task_id"] for record in records[:5]] == [record["task_id"] for record in first[:5]][::-1]
    assert vidu_emulator.counters.submissions == 7


def test_a_plain_retry_that_asks_for_less_fails_unless_it_may(vidu_emulator, runtime_context, store):
    drive(operator(numbered(3)), runtime_context(store))
    changed = [*numbered(2), *requests_of("another")]
    with pytest.raises(AirflowFailException, match="something else"):
        drive(operator(changed), runtime_context(store, try_number=2))
    assert vidu_emulator.counters.submissions == 3
    drive(operator(changed, on_input_change="resubmit"), runtime_context(store, try_number=2))


def test_a_clear_after_a_whole_delivery_is_a_new_generation_and_a_retry_is_not(vidu_emulator, runtime_context, store):
    first, _ = drive(operator(numbered(3)), runtime_context(store))
    again, _ = drive(operator(numbered(3)), runtime_context(store, try_number=2))
    assert [one["task_id"] for one in again] == [one["task_id"] for one in first]
    cleared, _ = drive(operator(numbered(3)), runtime_context(store, try_number=3, max_tries=4))
    assert {one["task_id"] for one in cleared}.isdisjoint(one["task_id"] for one in first)
    assert vidu_emulator.counters.submissions == 6


def test_an_image_that_has_gone_does_not_stop_a_retry(vidu_emulator, runtime_context, store, tmp_path):
    source = Path(__file__).resolve().parents[2] / "dags_examples" / "images" / "city_dusk.jpg"
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
def test_without_a_store_a_deferral_carries_what_is_known(vidu_emulator, runtime_context, keeps_arguments):
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


def test_fail_waits_for_every_paid_item_and_lands_it_first(vidu_emulator, runtime_context, store, tmp_path):
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


def test_a_clear_after_a_failure_submits_the_failed_ones_only(vidu_emulator, runtime_context, store):
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


def test_skip_skips_only_where_nothing_has_succeeded(vidu_emulator, runtime_context, store):
    records, _ = drive(operator(requests_of(*MIXED), on_failure="skip"), runtime_context(store))
    assert len(records) == 4
    store.values.clear()
    with pytest.raises(AirflowSkipException):
        drive(operator(requests_of(MIXED[1], MIXED[3]), on_failure="skip"), runtime_context(store))


def test_an_item_that_failed_for_a_passing_reason_is_tried_again_within_the_try(
    vidu_emulator, runtime_context, store, deferrable
):
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


def test_a_success_without_a_video_is_looked_at_again(vidu_emulator, runtime_context, store):
    records, _ = drive(operator(requests_of("[emulator:no-creation:2]", "b")), runtime_context(store))
    assert all(record["creations"] for record in records)


# -- money ----------------------------------------------------------------------------------------------------


@pytest.mark.vidu_emulator(credits=50)
def test_too_few_credits_midway_finish_what_is_paid_and_the_clear_does_the_rest(vidu_emulator, runtime_context, store):
    with pytest.raises(AirflowFailException, match="CreditInsufficient") as raised:
        drive(operator(numbered(10)), runtime_context(store))
    assert "4 of 10" in str(raised.value)
    assert charges(vidu_emulator) == 6
    # Not one POST an item: the account was empty for all of them.
    assert vidu_emulator.counters.requests["submit"] < 6 + 11


def test_the_rest_is_submitted_once_there_are_credits_again(vidu_emulator, runtime_context, store):
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


# -- deadlines, kills -----------------------------------------------------------------------------------------


def test_at_the_deadline_the_tasks_are_left_and_the_next_try_re_attaches(
    vidu_emulator, runtime_context, store, deferrable
):
    requests = requests_of("a", "[emulator:seconds=60]")
    with pytest.raises(ViduStillRunningError, match="1 of 2"):
        drive(operator(requests, timeout=1.5, deferrable=deferrable), runtime_context(store))
    vidu_emulator.skip(60)
    records, _ = drive(operator(requests, deferrable=deferrable), runtime_context(store, try_number=2))
    assert [record["state"] for record in records] == ["success"] * 2
    assert vidu_emulator.counters.submissions == 2
    assert vidu_emulator.counters.requests["cancel"] == 0


@pytest.mark.vidu_emulator(created_seconds=1e6)
def test_at_the_deadline_it_cancels_what_it_is_told_to(vidu_emulator, runtime_context, store):
    with pytest.raises(ViduStillRunningError, match="3 were cancelled"):
        drive(operator(numbered(3), timeout=1, cancel_on_timeout=True), runtime_context(store))
    assert vidu_emulator.ledger.refunded == 24


@pytest.mark.vidu_emulator(created_seconds=1e6)
@pytest.mark.parametrize("ended", [True, False], ids=["by a user", "by an eviction"])
def test_a_kill_cancels_what_a_user_has_ended_and_nothing_else(
    vidu_emulator, runtime_context, store, monkeypatch, ended
):
    monkeypatch.setattr("airflow_provider_vidu.kill_guard.ended_by_user", lambda instance: ended)
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
    monkeypatch.setattr("airflow_provider_vidu.batch.submission.IN_PLACE_SECONDS", 0.0)
    vidu_emulator.faults.add("submit", Fault.rate_limit(retry_after=0.2, times=3, after=2))
    records, called = drive(operator(numbered(6), max_in_flight=1, deferrable=True), runtime_context(store))
    assert called["execute_again"] >= 1
    assert [record["state"] for record in records] == ["success"] * 6
    assert vidu_emulator.counters.submissions == 6


# -- what travels, what is told -------------------------------------------------------------------------------


@pytest.mark.vidu_emulator(processing_seconds=60, concurrency=1000)
def test_thousands_of_items_fit_what_airflow_keeps(vidu_emulator, runtime_context, store):
    with pytest.raises(TaskDeferred) as raised:
        operator(numbered(1200), deferrable=True, max_in_flight=50).execute(runtime_context(store))
    assert max(len(json.dumps(value)) for value in store.values.values()) < 64 * 1024
    assert sorted(store.values) == [HEADER_KEY, *(f"{HEADER_KEY}_1_{number}" for number in range(3))]
    # One write carries many: fewer than one an item.
    assert len(store.writes) < 1200
    _, kwargs = raised.value.trigger.serialize()
    assert len(json.dumps(kwargs)) < 1200 * 20
    assert vidu_emulator.api_key not in json.dumps(kwargs)


def test_the_log_tells_the_sum_and_not_a_line_an_item(vidu_emulator, runtime_context, store, capsys):
    drive(operator(numbered(40)), runtime_context(store))
    told = capsys.readouterr().out
    assert "40 of 40 requests have their video, for 320 credits" in told
    assert len(told.splitlines()) < 40


def test_a_record_of_a_stranger_is_not_taken_for_none(vidu_emulator, runtime_context, store):
    store.values[HEADER_KEY] = ["?"]
    with pytest.raises(AirflowFailException, match="cannot be used"):
        drive(operator(numbered(2)), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


def test_an_unreadable_store_submits_nothing(vidu_emulator, runtime_context, store):
    store.fail_reads = True
    with pytest.raises(ViduError, match="cannot be read"):
        drive(operator(numbered(2)), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0
