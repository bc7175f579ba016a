# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a submission has to wait out costs no worker for long, no Airflow retry, and ends when the task is killed."""

from __future__ import annotations

import time

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_vidu.api.errors import ViduRateLimitError, ViduSubmissionInDoubtError, ViduUnavailableError
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.operators.img2video import Img2VideoOperator
from airflow_provider_vidu.submission.airflow_try import IN_PLACE_SECONDS, MIN_ABSENCE, Resumed, SubmitLater
from airflow_provider_vidu.waiting.next_poll import MAX_QUEUE_GAP, next_submission

WIRE = {"images": ["https://x.example/a.png"], "model": "viduq3-turbo", "prompt": "p"}
FULL = ViduRateLimitError("QuotaExceeded")
NEVER_ARRIVED = ViduSubmissionInDoubtError("The reply was lost.")
FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1, "prompt": "p"}


@pytest.mark.parametrize(
    ("refusals", "retry_after", "spread", "seconds"),
    [
        (1, None, 0.0, 2),
        (2, None, 0.0, 4),
        (5, None, 0.0, 32),
        (5, None, 1.0, 48),
        (99, None, 0.0, MAX_QUEUE_GAP),
        (1, 7.0, 0.0, 7),
        (1, 7.0, 0.5, 8.75),
        (1, 0.0, 0.0, 0.1),
        (1, 86_400.0, 0.0, MAX_QUEUE_GAP),
    ],
)
def test_when_a_full_queue_is_tried_again(refusals, retry_after, spread, seconds):
    assert next_submission(refusals, retry_after, spread) == pytest.approx(seconds)


def test_short_refusal_is_waited_out_in_place(make, vidu, clock):
    vidu.replies = [ViduRateLimitError("QuotaExceeded", retry_after=5.0)]
    make(may_leave=True).submit(lambda: WIRE)
    assert 5 <= clock.slept <= IN_PLACE_SECONDS


def test_lasting_refusal_leaves_the_worker_and_submits_when_resumed(make, vidu, store, clock):
    vidu.replies = [FULL] * 6
    with pytest.raises(SubmitLater) as left:
        make(may_leave=True).submit(lambda: WIRE)
    assert clock.slept <= IN_PLACE_SECONDS
    assert store.values["vidu_submission"]["phase"] == "new"
    absences, later = [], left.value
    while True:
        absences.append(later.seconds)
        clock.sleep(later.seconds)
        waited = clock.slept
        try:
            task = make(may_leave=True, resumed=later.resumed).submit(lambda: WIRE)
            break
        except SubmitLater as again:
            later = again
            assert clock.slept == waited, "a resumed try does not wait in a worker"
    assert task.task_id in vidu.tasks
    assert len(vidu.tasks) == 1
    assert all(seconds >= MIN_ABSENCE for seconds in absences)
    assert absences == sorted(absences)


@pytest.mark.parametrize("may_leave", [True, False])
def test_host_that_keeps_losing_replies_ends_the_try(make, vidu, clock, may_leave):
    vidu.replies = [NEVER_ARRIVED] * 100

    def come_back_until_it_ends(resumed=None):
        while True:
            try:
                return make(may_leave=may_leave, resumed=resumed).submit(lambda: WIRE)
            except SubmitLater as later:
                resumed = later.resumed
                clock.sleep(later.seconds)

    with pytest.raises(ViduUnavailableError, match="created nothing in 3 attempts"):
        come_back_until_it_ends()
    assert len(vidu.submissions) == 3


def test_timeout_counts_from_the_first_start_over_all_deferrals(make, vidu, clock):
    vidu.replies = [FULL] * 100
    began = clock()
    resumed = Resumed(began - 3600, 9)
    with pytest.raises(ViduRateLimitError):
        make(may_leave=True, resumed=resumed, timeout=3600).submit(lambda: WIRE)
    assert clock() == began


def test_settling_list_is_not_waited_for_in_a_worker(make, vidu, clock):
    vidu.replies = [NEVER_ARRIVED]
    with pytest.raises(SubmitLater) as left:
        make(may_leave=True).submit(lambda: WIRE)
    assert clock.slept == 0
    clock.sleep(left.value.seconds)
    make(may_leave=True, resumed=left.value.resumed).submit(lambda: WIRE)
    assert len(vidu.tasks) == 1


def test_resumed_worker_finds_what_was_accepted(make, vidu, clock):
    vidu.replies, vidu.list_lag = [("accepted", NEVER_ARRIVED)], 45.0
    with pytest.raises(SubmitLater) as left:
        make(may_leave=True).submit(lambda: WIRE)
    clock.sleep(left.value.seconds)
    make(may_leave=True, resumed=left.value.resumed).submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


def test_without_store_no_worker_leaves_a_submission_in_doubt(make, vidu, clock):
    """Whoever comes back would not know that there is something to look for."""
    vidu.replies = [NEVER_ARRIVED]
    make(may_leave=True, with_store=False).submit(lambda: WIRE)
    assert clock.slept >= vidu.account.timeout + vidu.account.settle_seconds


def test_without_store_a_late_worker_finds_the_next_trys_submission(make, vidu, clock):
    """Airflow gives up a worker that is frozen, starts the next try, and the first one may wake up beside it."""
    vidu.replies = [FULL]

    def frozen(seconds):
        clock.sleep(seconds)
        if len(vidu.submissions) == 1:
            clock.sleep(400)
            make(try_number=2, with_store=False).submit(lambda: WIRE)

    make(with_store=False, sleep=frozen).submit(lambda: WIRE)
    assert len(vidu.tasks) == 1


def test_sibling_tasks_do_not_resume_together():
    from airflow_provider_vidu.submission.airflow_try import Try

    spreads = [Try(f"d.t[{index}] of r").spread for index in range(100)]
    assert all(0 <= spread < 1 for spread in spreads)
    assert len({round(spread, 1) for spread in spreads}) == 11


def test_nothing_is_sent_once_the_next_try_may_search(make, vidu, store, monkeypatch):
    sent = {}
    real = vidu.submit
    monkeypatch.setattr(vidu, "submit", lambda wire, *, endpoint, not_after: (sent.update(at=not_after), real(wire))[1])
    make().submit(lambda: WIRE)
    assert sent["at"] == store.writes[0]["attempted_at"] + vidu.account.timeout


def operator(**settings):
    return Img2VideoOperator(**{"task_id": "t", **FIELDS, **settings})


def test_operator_defers_on_a_timer_within_one_try(vidu_emulator, runtime_context, store):
    vidu_emulator.faults.add("submit", Fault.rate_limit(reason="QuotaExceeded", retry_after=60))
    made = operator(deferrable=True, prompt="[emulator:seconds=60]")
    with pytest.raises(TaskDeferred) as left:
        made.execute(runtime_context(store))
    path, kwargs = left.value.trigger.serialize()
    assert path.endswith("DateTimeTrigger")
    assert kwargs["moment"].timestamp() - time.time() == pytest.approx(75, abs=16)
    assert left.value.method_name == "execute_again"
    # A triggerer that is down must not make it a wait without end.
    assert left.value.timeout.total_seconds() > 75
    with pytest.raises(TaskDeferred) as waiting:
        operator(deferrable=True, prompt="[emulator:seconds=60]").execute_again(
            runtime_context(store), event=None, **left.value.kwargs
        )
    assert waiting.value.kwargs["task_id"] == vidu_emulator.tasks[0].task_id
    # The deadline still counts from the first begin.
    assert waiting.value.trigger.end_time == pytest.approx(left.value.kwargs["resumed"]["began"] + 24 * 3600)


def test_retry_that_airflow_resumes_runs_from_the_start(vidu_emulator, runtime_context, store):
    """Airflow 3.0 keeps next_method over a retry."""
    with pytest.raises(TaskDeferred) as deferred:
        operator(deferrable=True, prompt="[emulator:fail=InternalServiceFailure:1]").execute(runtime_context(store))
    first = vidu_emulator.tasks[0]
    vidu_emulator.skip(60)
    event = {"status": "failed", "task_id": first.task_id}
    with pytest.raises(TaskDeferred) as again:
        operator(deferrable=True, prompt="[emulator:fail=InternalServiceFailure:1]").execute_complete(
            runtime_context(store, try_number=2), event=event, **deferred.value.kwargs
        )
    assert again.value.kwargs["task_id"] != first.task_id
    assert again.value.kwargs["try_number"] == 2
    assert vidu_emulator.counters.submissions == 2


def test_kill_ends_the_wait_for_a_queue_at_once(vidu_emulator, runtime_context, store):
    vidu_emulator.faults.add("submit", Fault.rate_limit(retry_after=60, times=None))
    made = operator()
    made.on_kill()
    with pytest.raises(ViduUnavailableError, match="told to stop before it had submitted"):
        made.execute(runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


def test_killed_task_that_only_submits_does_not_end_in_success(vidu_emulator, runtime_context, store, monkeypatch):
    from airflow_provider_vidu.api.errors import ViduStillRunningError
    from airflow_provider_vidu.submission import cancel_on_kill

    monkeypatch.setattr(cancel_on_kill, "ended_by_user", lambda instance: False)
    made = operator(wait_for_completion=False)
    made.on_kill()
    with pytest.raises(ViduStillRunningError, match="told to stop"):
        made.execute(runtime_context(store))
    assert store.values["vidu_submission"]["phase"] == "submitted"
