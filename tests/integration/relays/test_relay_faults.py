# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The faults of relays: a lost reply is never billed twice; a refusal bills nothing and is classified correctly."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import Any

import pytest
from _support.relay_operators import FIELDS, NOT_ROUTED, ROUTED, is_the_video, mixed_batch, operator
from _support.relay_stand_ins import CLOUDFLARE, CUT, FAMILIES, LATE, NO_CHANNEL, SATURATED, Fault, no_money
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_vidu.api.errors import Fate, ViduAuthError, ViduCreditError, ViduError, ViduModerationError
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator


def submit() -> Any:
    return ViduHook().submit({**FIELDS, "prompt": "p"})


NO_LIST = [name for name, family in FAMILIES.items() if not family.has_list]
# What a relay does not route: it knows no such path, or it has one path and guesses the endpoint from the images.
LACKED = [case for case in NOT_ROUTED if "create_path" not in FAMILIES[case[0]].extra]
GUESSED = [case for case in NOT_ROUTED if case not in LACKED]


def fails(task_instance: Any, made: Any) -> Exception:
    with pytest.raises((AirflowException, ViduError)) as raised:
        task_instance.run(made)
    return raised.value


@pytest.mark.parametrize("lost", [LATE, CUT], ids=["524", "cut"])
@pytest.mark.parametrize(("family", "endpoint"), ROUTED)
def test_a_lost_reply_is_never_billed_twice(relay, endpoint, task_instance, deferrable, lost, tmp_path):
    relay.faults = [lost]
    if relay.has_list:
        record = task_instance.run(operator(endpoint, deferrable=deferrable, output_path=f"{tmp_path}/"))
        assert record["task_id"] == relay.billed[0].task_id
        assert is_the_video(record["files"][0], relay)
    else:
        for _ in range(2):
            error = fails(task_instance, operator(endpoint, deferrable=deferrable))
            assert isinstance(error, AirflowFailException)
            assert "This try submitted nothing" in str(error)
    assert [job.endpoint for job in relay.billed] == [endpoint]


@pytest.mark.parametrize(("family", "endpoint"), [case for case in ROUTED if case[0] in NO_LIST])
def test_after_a_lost_reply_only_a_clear_submits_again(relay, endpoint, task_instance):
    relay.faults = [LATE]
    fails(task_instance, operator(endpoint))
    task_instance.clear()
    assert task_instance.run(operator(endpoint))["state"] == "success"
    assert [job.endpoint for job in relay.billed] == [endpoint] * 2


@pytest.mark.parametrize(("family", "endpoint"), LACKED)
def test_an_endpoint_that_the_relay_lacks_bills_nothing(relay, endpoint, task_instance):
    errors = [fails(task_instance, operator(endpoint)) for _ in range(2)]
    assert all(isinstance(error, AirflowFailException) for error in errors)
    assert "api_prefix and create_path" in str(errors[0])
    assert relay.billed == []
    assert type(task_instance)().run(operator())["state"] == "success"


@pytest.mark.parametrize(("family", "endpoint"), NOT_ROUTED)
def test_a_mixed_batch_makes_what_the_relay_has(relay, endpoint, task_instance):
    rows = [(endpoint, "a cat"), ("img2video", "a cat")]
    (lacking, made), (again, _) = (task_instance.run(mixed_batch(*rows, on_failure="partial")) for _ in range(2))
    assert "create_path" in lacking["error"]
    assert made["state"] == "success"
    assert again["error"]
    assert [job.endpoint for job in relay.billed] == ["img2video"]


@pytest.mark.parametrize(("family", "endpoint"), GUESSED)
def test_no_request_is_billed_as_one_of_another_endpoint(relay, endpoint, task_instance):
    for _ in range(2):
        error = fails(task_instance, operator(endpoint))
        assert isinstance(error, AirflowFailException)
        assert "would bill this request as text2video" in str(error)
    assert relay.requests == []


@pytest.mark.parametrize("family", NO_LIST)
def test_a_lost_reply_fails_safe_without_any_null(relay, connect, task_instance):
    connect(relay, list_path="tasks", cancel_path="tasks/{task_id}/cancel", credits_path="credits", timeout=2)
    relay.faults = [LATE]
    for _ in range(2):
        assert isinstance(fails(task_instance, operator()), AirflowFailException)
    assert len(relay.billed) == 1


@pytest.mark.parametrize("family", ["one-hub"])
def test_incomplete_list_never_proves_absence(relay, task_instance, tmp_path):
    def others_come_too(relay: Any) -> Any:
        for number in range(12):
            relay.create({**FIELDS, "prompt": f"another's {number}"}, "img2video")
        return LATE.answer(relay)

    relay.faults = [Fault(others_come_too, accepts=True)]
    for _ in range(2):
        with suppress(AirflowException, ViduError):
            task_instance.run(operator(output_path=f"{tmp_path}/"))
    assert [job.asked["prompt"] for job in relay.billed].count("p") == 1


@pytest.mark.parametrize("family", ["new-api", "one-hub", "seed"])
def test_a_lost_reply_in_a_batch_is_never_billed_twice(relay, task_instance, tmp_path):
    relay.faults = [LATE]
    made = {
        "task_id": "t",
        "requests": [{"prompt": "a cat"}, {"prompt": "a dog"}],
        "defaults": FIELDS,
        "on_failure": "partial",
        "poll_interval": 0.1,
        "timeout": 15,
        "max_in_flight": 1,
        "output_path": f"{tmp_path}/",
    }
    for _ in range(2):
        records = task_instance.run(Img2VideoBatchOperator(**made))
        assert len(records) == 2
        assert sum(record["state"] == "success" for record in records) == (2 if relay.has_list else 1)
    assert len(relay.billed) == 2


@pytest.mark.parametrize("status", [402, 403, 429])
def test_an_empty_balance_is_permanent_with_the_hosts_words(relay, task_instance, status):
    relay.faults = [no_money(status)] * 2
    with pytest.raises(ViduCreditError, match="用户额度不足"):
        submit()
    error = fails(task_instance, operator())
    assert isinstance(error, AirflowFailException)
    assert "用户额度不足" in str(error)
    assert relay.billed == []


def test_no_channel_bills_nothing_and_a_retry_submits(relay, task_instance):
    relay.faults = [NO_CHANNEL]
    error = fails(task_instance, operator())
    assert not isinstance(error, AirflowFailException)
    assert "无可用渠道" in str(error)
    assert task_instance.run(operator())["state"] == "success"
    assert len(relay.billed) == 1


def test_a_saturated_relay_is_waited_for(relay, task_instance):
    with_hint = dataclasses.replace(SATURATED, answer=lambda relay: _soon(SATURATED.answer(relay)))
    relay.faults = [with_hint] * 2
    assert task_instance.run(operator())["state"] == "success"
    assert len(relay.billed) == 1


def _soon(answer: Any) -> Any:
    status, headers, body = answer
    return status, {**headers, "Retry-After": "0"}, body


def test_cloudflare_challenge_says_nothing_about_the_key(relay, task_instance):
    relay.faults = [CLOUDFLARE] * 2
    with pytest.raises(ViduError) as raised:
        submit()
    assert not isinstance(raised.value, ViduAuthError)
    error = fails(task_instance, operator())
    assert not isinstance(error, AirflowFailException)
    assert "API key" not in str(error)
    assert task_instance.run(operator())["state"] == "success"
    assert len(relay.billed) == 1


@pytest.mark.parametrize("family", ["one-hub"])
@pytest.mark.parametrize(
    ("status", "reason", "kind", "fate"),
    [
        (400, "CreditInsufficient", ViduCreditError, Fate.PERMANENT),
        (400, "AuditSubmitIllegal", ViduModerationError, Fate.PERMANENT),
        (400, "FieldInvalid", ViduError, Fate.PERMANENT),
        (400, "OperationInProcess", ViduError, Fate.RETRYABLE),
        (429, "QuotaExceeded", ViduError, Fate.RETRYABLE),
    ],
)
def test_refusal_inside_a_500_is_classified_by_its_reason(relay, status, reason, kind, fate):
    relay.faults = [Fault(lambda relay: relay.refused(status, reason, "as Vidu says"))]
    with pytest.raises(kind) as raised:
        submit()
    assert (raised.value.reason, raised.value.fate) == (reason, fate)
    assert "as Vidu says" in str(raised.value)
    assert relay.billed == []


@pytest.mark.parametrize("family", ["one-hub"])
def test_a_refusal_inside_a_500_leaves_no_task_stuck(relay, task_instance):
    relay.faults = [Fault(lambda relay: relay.refused(400, "FieldInvalid", "model is not supported"))]
    error = fails(task_instance, operator())
    assert isinstance(error, AirflowFailException)
    assert "model is not supported" in str(error)
    assert task_instance.run(operator())["state"] == "success"
    assert len(relay.billed) == 1
