# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""No generation costs more than its author allows; what is paid all the same is never thrown away."""

from __future__ import annotations

import json
from unittest.mock import Mock

import pytest
from _support.batch_drive import WorkerDied, drive
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_vidu.api.catalog import MODELS, estimate_credits
from airflow_provider_vidu.api.errors import (
    ViduCreditError,
    ViduCreditLimitError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.img2video import ENDPOINT, Img2VideoRequest
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator
from airflow_provider_vidu.submission.batch import driver as batch_submission
from airflow_provider_vidu.submission.credit_limits import CreditLimits

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}
#: The catalogue does not know its price; the local Vidu asks 24 credits for two seconds.
UNKNOWN = {"images": "https://example.com/a.png", "model": "viduq2-pro-fast", "duration": 2}


def single(**settings):
    return Img2VideoOperator(task_id="t", **{**FIELDS, "poll_interval": 0.2, **settings})


def batch(requests, **settings):
    return Img2VideoBatchOperator(task_id="t", requests=requests, **{"poll_interval": 0.2, **settings})


# -- the decisions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "credits"),
    [
        ({}, 60),
        ({"model": "viduq1"}, 80),
        ({"model": "viduq1", "off_peak": True}, 40),
        ({"model": "viduq1", "off_peak": "True"}, 40),
        ({"model": "viduq1", "off_peak": "", "is_rec": "yes"}, 90),
        ({"model": "viduq3-pro", "duration": "10", "resolution": "540p"}, 100),
        ({"model": "viduq3-pro", "duration": "", "resolution": ""}, 125),
        ({"model": "viduq4-preview"}, None),
        ({"model": "viduq2-pro-fast"}, None),
        ({"model": "viduq9"}, None),
        ({"model": "viduq3-pro", "duration": "ten"}, None),
        ({"model": "viduq3-pro", "duration": 99}, None),
        ({"model": "viduq3-pro", "resolution": "8k"}, None),
    ],
)
def test_estimate_is_unknown_rather_than_guessed(fields, credits):
    assert estimate_credits(fields) == credits


@pytest.mark.parametrize("model", MODELS)
def test_request_and_its_fields_are_estimated_alike(model):
    fields = {"images": ["https://example.com/a.png"], "model": model}
    assert estimate_credits(Img2VideoRequest(**fields)) == estimate_credits(fields)


@pytest.mark.parametrize(
    ("max_credits", "fields", "refused"),
    [
        (None, {"model": "viduq1"}, False),
        (80, {"model": "viduq1"}, False),
        (79, {"model": "viduq1"}, True),
        (0, {"model": "viduq1"}, True),
        (1, UNKNOWN, False),
    ],
)
def test_estimate_above_the_limit_is_not_sent(max_credits, fields, refused):
    limits = CreditLimits(max_credits)
    if not refused:
        limits.check_estimate(fields, ENDPOINT)
        return
    with pytest.raises(ViduCreditLimitError, match="nothing is billed"):
        limits.check_estimate(fields, ENDPOINT)


@pytest.mark.parametrize(
    ("min_remaining", "remaining", "estimate", "refused"),
    [
        (None, 0, 80, False),
        (0, 80, 80, False),
        (0, 79, 80, True),
        (500, 580, 80, False),
        (500, 579, 80, True),
        (500, 500, None, False),
        (500, 499, None, True),
    ],
)
def test_balance_stays_above_min_remaining(min_remaining, remaining, estimate, refused):
    limits = CreditLimits(None, min_remaining)
    if not refused:
        limits.check_balance(remaining, estimate)
        return
    with pytest.raises(ViduCreditError, match=f"has {remaining} credits left"):
        limits.check_balance(remaining, estimate)


def test_one_credit_is_not_called_credits():
    with pytest.raises(ViduCreditError, match=r"has 1 credit left, this needs about 1 of them"):
        CreditLimits(None, 1).check_balance(1, 1)


@pytest.mark.parametrize(("credits", "exceeded"), [(None, False), (60, False), (61, True)])
def test_vidus_price_decides(credits, exceeded):
    assert CreditLimits(60).is_exceeded_by(ViduTask(task_id="1", credits=credits)) is exceeded
    assert not CreditLimits().is_exceeded_by(ViduTask(task_id="1", credits=credits))


# -- one generation ----------------------------------------------------------------------------------------------


def test_generation_over_the_limit_is_not_submitted(vidu_emulator, runtime_context, store):
    with pytest.raises(AirflowFailException, match=r"about 8 credits .* max_credits is 7"):
        drive(single(max_credits=7), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0
    record, _ = drive(single(max_credits="8"), runtime_context(store))
    assert record["credits"] == 8


@pytest.mark.vidu_emulator(concurrency=0)
def test_task_over_the_limit_is_cancelled_at_once(vidu_emulator, runtime_context, store):
    with pytest.raises(AirflowFailException, match=r"is 24 credits.* cancelled at once and is not billed"):
        drive(single(**UNKNOWN, max_credits=23), runtime_context(store))
    (task,) = vidu_emulator.tasks
    assert task.err_code == "UserCancelled"
    assert vidu_emulator.ledger.charged == 0


@pytest.mark.vidu_emulator(concurrency=0)
def test_clear_with_a_higher_limit_submits_again(vidu_emulator, runtime_context, store):
    with pytest.raises(AirflowFailException, match="is 24 credits"):
        drive(single(**UNKNOWN, max_credits=23), runtime_context(store))
    made = single(**UNKNOWN, max_credits=24, wait_for_completion=False)
    record, _ = drive(made, runtime_context(store, try_number=2, max_tries=3))
    assert [task.task_id for task in vidu_emulator.tasks if task.err_code != "UserCancelled"] == [record["task_id"]]


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
def test_uncancelled_task_is_kept_landed_and_warned_about(
    vidu_emulator, runtime_context, store, deferrable, tmp_path, capsys
):
    vidu_emulator.quirks.has_cancel = False
    made = single(**UNKNOWN, max_credits=23, deferrable=deferrable, output_path=f"{tmp_path}/")
    record, _ = drive(made, runtime_context(store))
    assert (record["state"], record["credits"]) == ("success", 24)
    assert (tmp_path / f"{record['task_id']}.mp4").exists()
    assert "more than max_credits (23)" in capsys.readouterr().out.replace("\n", " ")
    assert vidu_emulator.counters.submissions == 1


@pytest.mark.vidu_emulator(concurrency=0)
def test_next_try_cancels_what_a_dead_worker_did_not(vidu_emulator, runtime_context, store):
    drive(single(**UNKNOWN, wait_for_completion=False, durable=True), runtime_context(store))
    record = store.get("vidu_submission")
    store.set("vidu_submission", {**record, "phase": "submitted"})
    with pytest.raises(AirflowFailException, match="is 24 credits"):
        drive(single(**UNKNOWN, max_credits=23), runtime_context(store, try_number=2))
    assert vidu_emulator.counters.submissions == 1
    assert vidu_emulator.tasks[0].err_code == "UserCancelled"


def test_lowered_limit_keeps_finished_videos(vidu_emulator, runtime_context, store):
    submitted, _ = drive(single(wait_for_completion=False), runtime_context(store))
    ViduHook().wait_for_task(submitted["task_id"], poll_interval=0.1)
    store.set("vidu_submission", {**store.get("vidu_submission"), "phase": "submitted"})
    record, _ = drive(single(max_credits=1), runtime_context(store, try_number=2))
    assert record["state"] == "success"
    assert vidu_emulator.counters.submissions == 1


@pytest.mark.vidu_emulator(credits=100)
def test_nothing_is_sent_if_the_balance_would_run_low(vidu_emulator, runtime_context, store):
    with pytest.raises(AirflowFailException, match=r"100 credits left.*about 8.*min_remaining_credits is 93"):
        drive(single(min_remaining_credits="93"), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0
    drive(single(min_remaining_credits=92), runtime_context(store))
    assert vidu_emulator.counters.submissions == 1


def test_re_attaching_needs_no_balance(vidu_emulator, runtime_context, store):
    drive(single(wait_for_completion=False), runtime_context(store))
    store.set("vidu_submission", {**store.get("vidu_submission"), "phase": "submitted"})
    record, _ = drive(single(min_remaining_credits=10**9), runtime_context(store, try_number=2))
    assert record["state"] == "success"


def test_host_without_a_balance_is_rejected_before_anything_is_sent(vidu_emulator, runtime_context, store):
    vidu_emulator.quirks.has_credits = False
    with pytest.raises(AirflowFailException, match=r"does not report the balance.*nothing is billed"):
        drive(single(min_remaining_credits=1), runtime_context(store))
    with pytest.raises(AirflowFailException, match="does not report the balance"):
        drive(batch([FIELDS], min_remaining_credits=1), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


def test_balance_that_cannot_be_read_now_costs_a_retry(vidu_emulator, runtime_context, store):
    vidu_emulator.faults.add("credits", Fault.refuse(503, times=None))
    with pytest.raises(ViduUnavailableError, match="Cannot read the balance for min_remaining_credits"):
        drive(single(min_remaining_credits=1), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


@pytest.mark.parametrize("value", [-1, "many", 1.5j, [1], 60.9, True, float("inf")])
@pytest.mark.parametrize("name", ["max_credits", "min_remaining_credits"])
def test_invalid_limit_is_rejected(vidu_emulator, runtime_context, store, name, value):
    with pytest.raises(AirflowFailException, match=f"{name} must be a whole number"):
        drive(single(**{name: value}), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


# -- many --------------------------------------------------------------------------------------------------------


def test_one_request_over_the_limit_stops_the_whole_batch(vidu_emulator, runtime_context, store):
    requests = [FIELDS, {**FIELDS, "duration": 5, "prompt": "longer"}]
    with pytest.raises(AirflowFailException, match=r"Item 1 \(.*\): .* max_credits is 10"):
        drive(batch(requests, max_credits=10), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


@pytest.mark.vidu_emulator(concurrency=0)
@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
def test_batch_over_the_limit_stops_and_cancels(vidu_emulator, runtime_context, store, deferrable):
    requests = [{**UNKNOWN, "prompt": str(number)} for number in range(30)]
    made = batch(requests, max_credits=23, max_in_flight=3, deferrable=deferrable)
    with pytest.raises(AirflowFailException, match="is 24 credits") as raised:
        drive(made, runtime_context(store))
    assert ".." not in str(raised.value)
    assert 1 <= vidu_emulator.counters.submissions <= 6
    assert {task.err_code for task in vidu_emulator.tasks} == {"UserCancelled"}
    assert vidu_emulator.ledger.charged == 0


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
@pytest.mark.vidu_emulator(concurrency=1)
def test_deferred_batch_remembers_a_price_over_the_limit(vidu_emulator, runtime_context, store, deferrable):
    """Vidu takes one at once, so that this one cannot be cancelled."""
    requests = [{**UNKNOWN, "prompt": str(number)} for number in range(12)]
    made = batch(requests, max_credits=23, max_in_flight=3, deferrable=deferrable, on_failure="partial")
    records, _ = drive(made, runtime_context(store))
    submitted = vidu_emulator.counters.submissions
    assert submitted <= 6
    paid = [record for record in records if record["error"] is None]
    assert vidu_emulator.ledger.charged == 24 * len(paid)
    # A plain retry goes on as little.
    drive(made, runtime_context(store, try_number=2))
    assert vidu_emulator.counters.submissions == submitted


@pytest.mark.vidu_emulator(concurrency=0)
def test_lost_batch_task_over_the_limit_is_cancelled(vidu_emulator, runtime_context, store, monkeypatch):
    settles = vidu_emulator.connection_json(timeout=0.5, settle_seconds=0.2)
    monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", settles)
    vidu_emulator.faults.add("submit", Fault.drop_after_accept())
    with pytest.raises(AirflowFailException, match="is 24 credits"):
        drive(batch([UNKNOWN], max_credits=23), runtime_context(store))
    assert [task.err_code for task in vidu_emulator.tasks] == ["UserCancelled"]


@pytest.mark.vidu_emulator(concurrency=0)
def test_batch_whose_worker_died_before_cancelling_submits_no_more(vidu_emulator, runtime_context, store, monkeypatch):
    requests = [{**UNKNOWN, "prompt": str(number)} for number in range(9)]

    with monkeypatch.context() as patch:
        patch.setattr(batch_submission, "cancel_over_limit", Mock(side_effect=WorkerDied))
        with pytest.raises(WorkerDied):
            drive(batch(requests, max_credits=23, max_in_flight=2), runtime_context(store))
    submitted = vidu_emulator.counters.submissions
    with pytest.raises(AirflowFailException, match="is 24 credits"):
        drive(batch(requests, max_credits=23), runtime_context(store, try_number=2))
    assert vidu_emulator.counters.submissions == submitted
    assert {task.err_code for task in vidu_emulator.tasks} == {"UserCancelled"}


@pytest.mark.vidu_emulator(credits=1000)
def test_without_store_no_message_advises_a_clear_that_pays_again(vidu_emulator, runtime_context):
    requests = [{**FIELDS, "prompt": str(number)} for number in range(6)]
    drive(batch(requests[:3]), runtime_context())
    context = runtime_context(try_number=2)
    with pytest.raises(AirflowFailException) as raised:
        drive(batch(requests, min_remaining_credits=10**6, on_input_change="resubmit"), context)
    assert "then clear this task" not in str(raised.value)


@pytest.mark.vidu_emulator(concurrency=0)
def test_clear_cancels_nothing_it_cannot_replace(vidu_emulator, runtime_context, store):
    drive(single(wait_for_completion=False), runtime_context(store))
    store.set("vidu_submission", {**store.get("vidu_submission"), "phase": "submitted"})
    for limits in ({"min_remaining_credits": 10**9}, {"max_credits": 1}):
        with pytest.raises(AirflowFailException):
            drive(single(**limits), runtime_context(store, try_number=2, max_tries=3))
    assert [task.err_code for task in vidu_emulator.tasks] == [""]


def test_taskflow_has_the_same_limits(vidu_emulator, runtime_context, store):
    for limits in ({"max_credits": 7}, {"min_remaining_credits": 10**9}):
        with pytest.raises(AirflowFailException):
            ViduHook().submit_once(runtime_context(store), FIELDS, **limits)
    assert vidu_emulator.counters.submissions == 0


def test_batch_keeps_and_lands_what_vidu_does_not_cancel(vidu_emulator, runtime_context, store, tmp_path):
    vidu_emulator.quirks.has_cancel = False
    requests = [{**UNKNOWN, "prompt": str(number)} for number in range(9)]
    manifest = tmp_path / "manifest.jsonl"
    made = batch(
        requests,
        max_credits=23,
        max_in_flight=1,
        output_path=f"{tmp_path}/",
        manifest_path=str(manifest),
        on_failure="partial",
    )
    drive(made, runtime_context(store))
    records = [json.loads(line) for line in manifest.read_text().splitlines()]
    paid = [record for record in records if record["error"] is None]
    assert len(paid) == vidu_emulator.counters.submissions < 9
    assert len(list(tmp_path.glob("*.mp4"))) == len(paid)
    # A higher limit, and a clear: the rest only.
    drive(
        batch(requests, max_credits=24, output_path=f"{tmp_path}/"), runtime_context(store, try_number=2, max_tries=3)
    )
    assert vidu_emulator.counters.submissions == 9


@pytest.mark.vidu_emulator(credits=100)
def test_batch_checks_the_balance_against_all_estimates(vidu_emulator, runtime_context, store):
    requests = [{**FIELDS, "prompt": str(number)} for number in range(10)]
    with pytest.raises(AirflowFailException, match=r"about 80 of them, and min_remaining_credits is 21"):
        drive(batch(requests, min_remaining_credits=21), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0
    drive(batch(requests, min_remaining_credits=20), runtime_context(store))
    assert vidu_emulator.counters.submissions == 10
