# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Waiting in a worker: outages are survived, deadlines are kept, and the last query decides."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest

from airflow_provider_vidu.api.errors import (
    ViduAuthError,
    ViduConfigurationError,
    ViduCreditError,
    ViduModerationError,
    ViduNoCreationError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduRequestError,
    ViduStillRunningError,
    ViduTaskFailedError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.http_messages import parse_task
from airflow_provider_vidu.waiting.next_poll import Hints
from airflow_provider_vidu.waiting.wait import (
    Next,
    adapt_for_other_task,
    decide_after_resume,
    fetch_finished,
    fetch_result,
    hints_of,
    wait_for_end,
)

LOG = logging.getLogger("test")


@pytest.fixture
def task(vidu):
    return vidu.submit({"payload": "x"})


@pytest.fixture
def wait(vidu, clock, task):
    def wait(timeout=3600.0, **options):
        return wait_for_end(
            vidu,
            task,
            hints=Hints(submitted_at=clock(), model="viduq3-turbo"),
            end_time=clock() + timeout,
            log=LOG,
            **options,
        )

    return wait


def script(vidu, *steps):
    """Make the n-th query raise, or return a state."""
    real = vidu.get_task
    steps = list(steps)

    def get_task(task_id, *, retry=True):
        step = steps.pop(0) if steps else "success"
        if isinstance(step, Exception):
            raise step
        if step != "as it is":
            vidu.finish(task_id) if step == "success" else vidu.tasks[task_id].update(state=step)
        return real(task_id)

    vidu.get_task = get_task
    return steps


def test_an_outage_never_ends_a_wait_before_its_deadline(vidu, wait):
    script(vidu, *[ViduUnavailableError("HTTP 503")] * 40, "success")
    assert wait(timeout=86400).succeeded


def test_an_unknown_state_is_waited_out(vidu, wait):
    script(vidu, "reviewing", "moderating", None, "success")
    assert wait().succeeded


def test_three_refusals_raise_an_error_with_the_task(vidu, wait, task):
    script(vidu, ViduAuthError("401", http_status=401), ViduAuthError("401", http_status=401), "success")
    assert wait().succeeded
    script(vidu, *[ViduAuthError("401", http_status=401)] * 3)
    with pytest.raises(ViduAuthError, match="Cannot keep waiting for the task") as raised:
        wait()
    assert raised.value.task_id == task.task_id
    assert "re-attaches" in str(raised.value)


def test_a_new_task_may_not_be_found_at_first(vidu, wait):
    script(vidu, *[ViduNotFoundError("404", http_status=404)] * 10, "success")
    assert wait(poll_interval=5.0).succeeded


def test_a_wrong_configuration_ends_the_wait_at_once(vidu, wait):
    script(vidu, ViduConfigurationError("redirects"))
    with pytest.raises(ViduConfigurationError):
        wait()


def test_the_deadline_gets_one_last_query(vidu, wait, clock):
    began = clock()
    left = script(vidu, *["processing"] * 1000)
    with pytest.raises(ViduStillRunningError, match="left running"):
        wait(timeout=100)
    assert clock() - began == pytest.approx(100, abs=0.6)
    assert len(left) < 1000


def test_a_stop_is_noticed_within_half_a_second(wait, clock):
    began = clock()

    class Stopped(Exception):
        pass

    def stop():
        if clock() - began > 5:
            raise Stopped

    with pytest.raises(Stopped):
        wait(stop=stop)
    assert clock() - began < 6


def test_a_state_change_is_one_line_in_the_log(vidu, wait, caplog):
    script(vidu, "queueing", "queueing", "processing", "processing", "processing", "success")
    with caplog.at_level(logging.INFO):
        wait()
    lines = [record.message for record in caplog.records]
    assert [line.split(": ")[1].split(" ")[0] for line in lines] == ["queueing", "processing", "success"]


def test_a_success_without_a_creation_is_queried_again(vidu, task, clock):
    vidu.tasks[task.task_id].update(state="success", creations=[])
    with pytest.raises(ViduNoCreationError, match="Check the task at the host") as raised:
        fetch_finished(vidu, task)
    assert clock.slept == 6
    assert "submit" not in str(raised.value)


def test_a_success_without_a_link_shows_the_reply(vidu, task, clock, monkeypatch):
    reply = f"film: https://cdn.example/film, key: {vidu.account.api_key}-0123456789"
    vidu.account = replace(vidu.account, api_key=f"{vidu.account.api_key}-0123456789")
    vidu.tasks[task.task_id].update(state="success", creations=[])
    real = vidu.get_task
    monkeypatch.setattr(
        vidu, "get_task", lambda *arguments, **named: real(*arguments, **named).with_unread_reply(reply)
    )
    with pytest.raises(ViduNoCreationError, match=r"https://cdn\.example/film, key: \*\*\*"):
        fetch_finished(vidu, task)


@pytest.mark.parametrize(
    ("err_code", "error"),
    [("CreationPolicyViolation", ViduModerationError), ("InternalServiceFailure", ViduTaskFailedError)],
)
def test_a_failed_task_is_an_error_with_its_code(vidu, task, err_code, error):
    vidu.finish(task.task_id, "failed", err_code=err_code)
    with pytest.raises(error, match=err_code):
        fetch_finished(vidu, task)


REFUSALS = [
    ViduRequestError("Vidu answered: bad request", http_status=400),
    ViduAuthError("Vidu answered: no", http_status=401),
    ViduAuthError("Vidu answered: no", http_status=403),
    ViduNotFoundError("Vidu answered: no such task", http_status=404),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda error: str(error.http_status))
@pytest.mark.parametrize("take", ["fetch_finished", "fetch_result"])
def test_three_refusals_of_a_finished_task_are_an_error(vidu, task, clock, refusal, take):
    def result():
        if take == "fetch_finished":
            return fetch_finished(vidu, task)
        return fetch_result(vidu, task, {"status": "success"})

    script(vidu, refusal, refusal, "success")
    assert result().succeeded
    assert clock.slept >= 2
    script(vidu, refusal, refusal, refusal, "success")
    with pytest.raises(type(refusal)) as raised:
        result()
    text = str(raised.value)
    assert "The task was submitted and may be billed" in text
    assert "Nothing was created" not in text
    assert raised.value.task_id == task.task_id
    assert raised.value.http_status == refusal.http_status


def test_an_id_that_no_task_submitted_is_not_called_submitted():
    error = adapt_for_other_task(
        ViduNotFoundError("The query was refused.", advice="The task was submitted.", task_id="123")
    )
    assert "was submitted" not in error.advice
    assert "Check the task id" in error.advice


@pytest.mark.parametrize(
    "error", [ViduUnavailableError("503"), ViduRateLimitError("429"), ViduConfigurationError("302")]
)
def test_other_errors_are_raised_unchanged(vidu, task, clock, error):
    script(vidu, error)
    with pytest.raises(type(error)) as raised:
        fetch_finished(vidu, task)
    assert raised.value is error
    assert clock.slept == 0


def test_fields_of_the_create_reply_survive_the_wait(vidu, wait, task):
    vidu.finish(task.task_id)
    assert wait().model == task.model == "viduq3-turbo"


def test_a_stale_success_event_never_delivers_a_running_task(vidu, task):
    with pytest.raises(ViduStillRunningError):
        fetch_result(vidu, task, {"status": "success"})


def test_a_trigger_that_gave_up_says_why(vidu, task):
    with pytest.raises(ViduStillRunningError, match="401"):
        fetch_result(vidu, task, {"status": "error", "message": "Vidu answered 401"})
    vidu.finish(task.task_id)
    assert fetch_result(vidu, task, {"status": "error", "message": "Vidu answered 401"}).succeeded


def test_the_age_of_a_task_is_read_from_its_creation(task):
    dated = task.model_copy(update={"created_at": "2026-01-20T04:01:53.504648743Z"})
    assert hints_of(dated).submitted_at == pytest.approx(1768881713)
    assert hints_of(dated.model_copy(update={"created_at": "yesterday"})).submitted_at is None


@pytest.mark.parametrize(
    ("event", "now", "then"),
    [
        ({"status": "success", "task_id": "1"}, 50, Next.WAIT_ON),
        ({"status": "success"}, 50, Next.WAIT_ON),
        ({}, 50, Next.WAIT_ON),
        ({"status": "timeout", "task_id": "1"}, 50, Next.DEADLINE),
        ({"status": "timeout", "task_id": "another"}, 50, Next.WAIT_ON),
        ({"status": "error", "task_id": "1"}, 50, Next.GIVE_UP),
        ({"status": "error", "task_id": "another"}, 50, Next.WAIT_ON),
        ({"status": "success", "task_id": "1"}, 100, Next.DEADLINE),
        ({"status": "error", "task_id": "1"}, 150, Next.GIVE_UP),
    ],
)
def test_a_resumed_worker_decides_about_an_unfinished_task(event, now, then):
    assert decide_after_resume(event, "1", 100.0, now) is then
    assert decide_after_resume(event, "1", None, now) is not Next.WAIT_ON


def test_an_empty_account_never_denies_the_bill(vidu, task, wait):
    """A relay may refuse queries, too, once the balance is gone."""
    script(vidu, *[ViduCreditError("Vidu answered: 用户额度不足", http_status=429)] * 20)
    for read in (wait, lambda: fetch_finished(vidu, task)):
        with pytest.raises(ViduCreditError, match="用户额度不足") as raised:
            read()
        assert "may be billed" in str(raised.value)
        assert "Nothing was created" not in str(raised.value)
        assert raised.value.task_id == task.task_id


@pytest.mark.parametrize("fields", [{"fail_reason": "the upstream is on fire"}, {"error": {"message": "on fire"}}])
def test_a_failed_task_says_why_wherever_the_host_puts_it(vidu, task, fields):
    vidu.finish(task.task_id, "failed", **fields)
    with pytest.raises(ViduTaskFailedError, match="on fire"):
        fetch_finished(vidu, task)


def test_a_failed_task_has_its_trace_id():
    reply = (200, {"X-MD-Trace-ID": "trace-7"}, b'{"id": "1", "state": "failed", "err_code": "AuditSubmitIllegal"}')
    task = parse_task(*reply, "1")
    client = SimpleNamespace(get_task=lambda task_id, **options: task)
    with pytest.raises(ViduModerationError) as raised:
        fetch_finished(client, task)
    assert raised.value.trace_id == "trace-7"
    assert "trace id trace-7" in str(raised.value)
