# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""When to poll next, and what ends a wait: pure functions, so a thousand hours pass in a second here."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_vidu.api.catalog import MODELS
from airflow_provider_vidu.api.errors import (
    ViduAuthError,
    ViduConfigurationError,
    ViduCreditError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduRequestError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.tasks import TaskState, ViduTask
from airflow_provider_vidu.waiting.next_poll import (
    MAX_OUTAGE_GAP,
    MIN_POLL_INTERVAL,
    NOT_FOUND_GRACE,
    REFUSALS,
    Hints,
    Patience,
    Verdict,
    Wait,
    default_timeout,
    next_poll,
)

FAST = settings(max_examples=60, deadline=None, database=None)
NOW = 1_800_000_000.0

HINTS = st.builds(
    Hints,
    submitted_at=st.none() | st.floats(NOW - 1e6, NOW + 1e6),
    model=st.none() | st.sampled_from([*MODELS, "viduq9"]),
    duration=st.none() | st.floats(1, 16),
    resolution=st.none() | st.sampled_from(["360p", "720p", "1080p"]),
    off_peak=st.booleans(),
    endpoint=st.sampled_from(["img2video", "reference2video", "template"]),
)
INTERVALS = st.none() | st.floats(0, 3600)


def task(state):
    return ViduTask(task_id="1", state=state)


@FAST
@given(HINTS, INTERVALS)
def test_the_next_poll_is_after_now_and_never_far(hints, poll_interval):
    gap = next_poll(NOW, hints, poll_interval) - NOW
    assert gap > 0
    if poll_interval is not None:
        assert gap == pytest.approx(max(MIN_POLL_INTERVAL, poll_interval))
    else:
        longest = 600 if hints.off_peak else 60
        assert gap <= max(longest, hints.earliest)


@pytest.mark.parametrize("ahead", [1, 60, 3600, 86400 * 365])
def test_a_clock_behind_vidus_does_not_stop_polling(ahead):
    hints = Hints(submitted_at=NOW + ahead, model="viduq3-pro")
    assert next_poll(NOW, hints) <= NOW + MODELS["viduq3-pro"].earliest


@pytest.mark.parametrize("model", [*MODELS, None, "viduq9"])
def test_nothing_is_asked_before_the_earliest_plausible_end(model):
    hints = Hints(submitted_at=NOW, model=model)
    assert next_poll(NOW, hints) == NOW + hints.earliest
    assert hints.earliest >= 10


def test_a_fixed_interval_applies_from_the_start():
    assert next_poll(NOW, Hints(submitted_at=NOW, model="viduq3-pro"), 2) == NOW + 2


@pytest.mark.parametrize(
    ("age", "off_peak", "gap"),
    [
        (30, False, 3),
        (60, False, 3),
        (200, False, 10),
        (1200, False, 60),
        (86400, False, 60),
        (60, True, 10),
        (2000, True, 100),
        (86400, True, 600),
    ],
)
def test_the_gap_is_a_twentieth_of_the_wait_within_bounds(age, off_peak, gap):
    hints = Hints(submitted_at=NOW - age, model="viduq3-turbo", off_peak=off_peak)
    assert next_poll(NOW, hints) == pytest.approx(NOW + gap)


def test_a_task_of_unknown_age_is_polled_soon():
    assert next_poll(NOW, Hints()) == NOW + 3
    assert next_poll(NOW, Hints(off_peak=True)) == NOW + 10


def test_a_day_of_waiting_asks_less_than_two_thousand_times():
    now, hints, polls = NOW, Hints(submitted_at=NOW, model="viduq3-turbo"), 0
    while now < NOW + 86400:
        now, polls = next_poll(now, hints), polls + 1
    assert polls < 2000


@FAST
@given(st.floats(15, 3600))
def test_an_end_is_noticed_within_a_twentieth_of_the_wait(ends_after):
    now, hints = NOW, Hints(submitted_at=NOW, model="viduq3-turbo")
    while now < NOW + ends_after:
        now = next_poll(now, hints)
    assert now - NOW - ends_after <= max(3, ends_after / 20 + 0.01)


@FAST
@given(HINTS)
def test_hints_survive_the_journey_as_json(hints):
    assert Hints.from_json(json.loads(json.dumps(hints.to_json()))) == hints


def test_hints_of_a_newer_release_are_read():
    assert Hints.from_json({"model": "viduq1", "mood": "good"}) == Hints(model="viduq1")
    assert Hints.from_json(None) == Hints()


def test_off_peak_and_unknown_models_have_no_typical_time():
    assert Hints(model="viduq1").typical == MODELS["viduq1"].typical
    assert Hints(model="viduq1", off_peak=True).typical is None
    assert Hints(model="viduq9").typical is None


@pytest.mark.parametrize(
    ("endpoint", "model", "earliest", "typical"),
    [
        ("reference2video", "viduq3-drama", 15, 180),
        ("img2video", "viduq3-drama", 10, None),
        ("reference2video", "viduq3-pro", 10, None),
        ("extend", "viduq2-turbo", 10, 45),
        ("upscale-new", None, 10, None),
        ("template", None, 10, None),
        # A sensor does not know the endpoint.
        (None, "viduq3-drama", 15, 180),
        (None, "viduq3-pro", MODELS["viduq3-pro"].earliest, MODELS["viduq3-pro"].typical),
        (None, None, 10, None),
    ],
)
def test_times_are_of_the_models_endpoint(endpoint, model, earliest, typical):
    hints = Hints(model=model, endpoint=endpoint)
    assert (hints.earliest, hints.typical) == (earliest, typical)
    assert Hints.from_json(json.loads(json.dumps(hints.to_json()))) == hints


def test_off_peak_is_waited_for_longer_than_vidus_48_hours():
    assert default_timeout(off_peak=False) == 24 * 3600
    assert default_timeout(off_peak=True) == 49 * 3600


OUTAGES = [ViduUnavailableError("502"), ViduRateLimitError("429"), ViduUnavailableError("x", retry_after=5)]


@pytest.mark.parametrize("error", OUTAGES, ids=str)
def test_an_outage_never_ends_a_wait_before_its_deadline(error):
    wait = Wait(Hints(submitted_at=NOW), NOW + 86400, None, NOW)
    now, polls = NOW, 0
    while (verdict := wait.on_error(error, now)) is Verdict.WAIT:
        assert now < wait.poll_at <= now + MAX_OUTAGE_GAP + 1
        now, polls = wait.poll_at, polls + 1
    assert verdict is Verdict.TIMED_OUT
    assert now == NOW + 86400
    assert polls >= 86400 / (MAX_OUTAGE_GAP + 1)


def test_an_outage_is_asked_ever_less_often_until_a_minute():
    patience, hints = Patience(), Hints(submitted_at=NOW - 30)
    gaps = [patience.on_error(ViduUnavailableError("502"), NOW, hints) - NOW for _ in range(8)]
    assert gaps == sorted(gaps)
    assert gaps[0] == 3
    assert gaps[-1] == MAX_OUTAGE_GAP


@pytest.mark.parametrize(
    ("asked", "gap"), [(0, 3), (7, 7), (40, 40), (3600, MAX_OUTAGE_GAP), (float("inf"), MAX_OUTAGE_GAP)]
)
def test_the_servers_own_wish_counts_up_to_a_minute(asked, gap):
    error = ViduRateLimitError("429", retry_after=asked)
    assert Patience().on_error(error, NOW, Hints(submitted_at=NOW - 30)) == NOW + gap


@pytest.mark.parametrize(
    "error", [ViduAuthError("401"), ViduNotFoundError("404"), ViduRequestError("400"), ViduCreditError("402")], ids=str
)
def test_three_refusals_in_a_row_end_a_wait(error):
    wait = Wait(Hints(submitted_at=NOW - 3600), NOW + 3600, None, NOW)
    verdicts = [wait.on_error(error, NOW + second) for second in range(REFUSALS)]
    assert verdicts == [Verdict.WAIT] * (REFUSALS - 1) + [Verdict.GIVEN_UP]


def test_a_reply_between_refusals_resets_the_count():
    wait = Wait(Hints(submitted_at=NOW - 3600), NOW + 3600, None, NOW)
    for second in range(REFUSALS * 3):
        assert wait.on_error(ViduAuthError("401"), NOW + second) is Verdict.WAIT
        assert wait.on_result(task("processing"), NOW + second) is Verdict.WAIT


def test_a_task_that_is_not_visible_yet_is_waited_for():
    hints = Hints(submitted_at=NOW)
    patience = Patience()
    for second in range(int(NOT_FOUND_GRACE)):
        assert patience.on_error(ViduNotFoundError("404"), NOW + second, hints) is not None
    assert patience.refusals == 0


def test_a_redirect_ends_the_wait_at_once():
    wait = Wait(Hints(submitted_at=NOW), NOW + 3600, None, NOW)
    assert wait.on_error(ViduConfigurationError("302"), NOW + 1) is Verdict.GIVEN_UP


@pytest.mark.parametrize("state", ["created", "queueing", "processing", "state-of-tomorrow", None])
def test_an_unfinished_or_unknown_state_is_waited_out(state):
    wait = Wait(Hints(submitted_at=NOW), NOW + 100, None, NOW)
    assert wait.on_result(task(state), NOW + 50) is Verdict.WAIT
    assert wait.on_result(task(state), NOW + 100) is Verdict.TIMED_OUT


@pytest.mark.parametrize("state", [TaskState.SUCCESS, TaskState.FAILED])
def test_an_end_seen_at_the_very_deadline_still_counts(state):
    wait = Wait(Hints(submitted_at=NOW), NOW + 100, None, NOW)
    assert wait.on_result(task(state), NOW + 100) is Verdict.ENDED


def test_a_passed_deadline_gets_one_poll_now():
    assert Wait(Hints(), NOW - 5, None, NOW).poll_at == NOW


@FAST
@given(HINTS, INTERVALS, st.floats(0, 1e5))
def test_no_poll_is_planned_after_the_deadline(hints, poll_interval, timeout):
    wait = Wait(hints, NOW + timeout, poll_interval, NOW)
    assert NOW <= wait.poll_at <= NOW + timeout
    wait.on_result(task("processing"), NOW)
    assert wait.poll_at <= NOW + timeout
