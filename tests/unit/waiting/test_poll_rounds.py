# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A thousand waits cost what few do: 100 minutes of them in virtual time, and their requests counted."""

from __future__ import annotations

import random
from itertools import pairwise
from statistics import median

import pytest

from airflow_provider_vidu.api.errors import (
    ViduAuthError,
    ViduCreditError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.waiting.next_poll import Hints, Verdict
from airflow_provider_vidu.waiting.poll_rounds import MAX_PAGES, MAX_SINGLES, PollPlan

NOW = 1_800_000_000.0
DOWN = ViduUnavailableError("HTTP 503", http_status=503)


class Host:
    """Vidu as a plan sees it: tasks that begin and end at known times, and requests counted."""

    def __init__(self, *, has_list=True):
        self.now = NOW
        self.requests = 0
        self.asked = []
        self.tasks = {}
        self.error = None
        self.has_list = has_list
        self.plan = PollPlan(lambda task_id: has_list, lambda: 100 if has_list else 1)
        self.woken = {}
        self.verdicts = {}

    def add(self, task_id, begins, ends, *, hints=None, timeout=86_400.0, poll_interval=None):
        self.tasks[task_id] = (self.now + begins, self.now + ends)
        hints = hints or Hints(submitted_at=self.now, model="viduq3-turbo")
        self.plan.add(task_id, hints, self.now + timeout, poll_interval, self.now, task_id)

    def query(self, task_id):
        begins, ends = self.tasks[task_id]
        state = "queueing" if self.now < begins else "processing" if self.now < ends else "success"
        return ViduTask(task_id=task_id, state=state)

    def step(self):
        self.now = max(self.now, self.plan.wake_at())
        ids = self.plan.take(self.now)
        results = {}
        if ids:
            cost = -(-len(ids) // 100) if self.has_list else len(ids)
            self.requests += 1 if self.error else cost
            self.asked.append((self.now, ids))
            results = {task_id: self.error or self.query(task_id) for task_id in ids}
            self.plan.on_results(results, self.now)
        for verdicts in (self.plan.verdicts(results, self.now), self.plan.expire(self.now)):
            for entry, _, verdict in verdicts:
                if verdict is not Verdict.WAIT:
                    self.woken[entry.subscriber] = self.now
                    self.verdicts[entry.subscriber] = verdict

    def run(self, until=float("inf")):
        while len(self.plan) and self.plan.wake_at() < until:
            self.step()
        self.now = max(self.now, until if len(self.plan) else self.now)

    @property
    def delays(self):
        return sorted(at - self.tasks[task_id][1] for task_id, at in self.woken.items())


def naive(durations, gap=5.0):
    """Requests and delays of a poller for each task, like other providers: one poll at once, then one per gap."""
    polls = [-(-duration // gap) for duration in durations]
    delays = sorted(poll * gap - duration for poll, duration in zip(polls, durations, strict=True))
    return sum(polls) + len(polls), delays


def p99(delays):
    return delays[int(len(delays) * 0.99)]


def test_a_thousand_short_waits_beat_pollers_thirtyfold():
    chance = random.Random(1)
    host = Host()
    durations = [chance.uniform(17, 23) for _ in range(1000)]
    for number, duration in enumerate(durations):
        host.add(str(number), 1, duration)
    host.run()
    requests, delays = naive(durations)
    assert host.requests <= min(133, requests / 30)
    assert median(host.delays) < median(delays)
    assert p99(host.delays) < p99(delays)
    assert min(host.delays) >= 0


@pytest.mark.parametrize("together", [True, False], ids=["five together", "one by one"])
def test_a_long_queue_costs_at_most_1500_requests(together):
    host = Host()
    for number in range(1000):
        begins = 30 * (number // 5) + (0 if together else 6 * (number % 5))
        host.add(f"{number:04}", begins, begins + 30)
    host.run()
    assert len(host.woken) == 1000
    assert host.requests <= 1500
    assert median(host.delays) <= 3
    assert p99(host.delays) <= 6


@pytest.mark.parametrize("typical", [20.0, 45.0, 90.0, 180.0, 600.0])
@pytest.mark.parametrize("model", ["viduq3-turbo", "viduq2-turbo"])
def test_without_a_list_waits_poll_no_more_than_pollers(typical, model):
    chance = random.Random(1)
    host = Host(has_list=False)
    durations = [chance.uniform(0.85, 1.15) * typical for _ in range(1000)]
    for number, duration in enumerate(durations):
        # Submitted one after another: all at once, ten at a time would be the limit, and not the schedule.
        host.run(until=NOW + number / 10)
        host.now = NOW + number / 10
        host.add(str(number), 1, duration, hints=Hints(submitted_at=host.now, model=model))
    host.run()
    requests, delays = naive(durations)
    assert len(host.woken) == 1000
    assert host.requests <= requests
    assert max(len(ids) for _, ids in host.asked) <= MAX_SINGLES
    if typical < 30:
        assert median(host.delays) < median(delays)
        assert p99(host.delays) < p99(delays)


def test_without_a_list_late_waits_poll_no_more_than_pollers():
    host = Host(has_list=False)
    durations = [number + 0.5 for number in range(60)]
    for number, duration in enumerate(durations):
        # A sensor whose task has been processing for a while when it begins.
        host.add(str(number), -15, duration, hints=Hints(submitted_at=NOW - 15, model="viduq3-turbo"))
    host.run()
    assert host.requests <= naive(durations)[0]


def test_without_a_list_a_long_queue_costs_few_requests():
    host = Host(has_list=False)
    ends = [30.0 * (number // 5) + 30 for number in range(1000)]
    for number, end in enumerate(ends):
        host.add(f"{number:04}", end - 30, end)
    host.run()
    assert len(host.woken) == 1000
    assert host.requests < naive(ends)[0] / 5
    assert median(host.delays) < 4
    assert p99(host.delays) <= 7


def test_every_queued_task_is_polled_once_a_minute():
    host = Host()
    for number in range(1000):
        host.add(str(number), 3600, 3700)
    host.run(until=NOW + 600)
    seen = dict.fromkeys(host.tasks, NOW)
    longest = 0.0
    for at, ids in host.asked:
        for task_id in ids:
            longest, seen[task_id] = max(longest, at - seen[task_id]), at
    assert longest <= 66
    assert min(seen.values()) >= NOW + 600 - 66


def test_a_hundred_off_peak_tasks_never_starve_a_fresh_one():
    host = Host()
    old = Hints(submitted_at=NOW - 40 * 3600, model="viduq3-turbo", off_peak=True)
    for number in range(150):
        host.add(f"off-peak {number}", 7200, 7300, hints=old)
    host.run(until=NOW + 300)
    before = host.requests
    host.add("fresh", 5, 40)
    host.add("later", 75, 90)
    host.run(until=host.now + 110)
    for name in ("fresh", "later"):
        assert host.woken[name] - host.tasks[name][1] <= 3
    assert host.requests - before < 60


def test_off_peak_tasks_are_polled_every_ten_minutes():
    host = Host()
    host.add("1", 7200, 7300, hints=Hints(submitted_at=NOW - 40 * 3600, off_peak=True))
    host.run(until=NOW + 3600)
    assert 5 <= host.requests <= 8


def test_a_user_who_fixes_the_interval_is_obeyed():
    host = Host()
    host.add("1", 0, 1000, poll_interval=20.0)
    host.run(until=NOW + 200)
    assert [at - NOW for at, _ in host.asked] == [20.0 * (number + 1) for number in range(9)]
    fast = Host()
    fast.add("1", 0, 5, poll_interval=0.5)
    fast.run()
    assert fast.woken["1"] == NOW + 5


def test_more_than_fit_into_a_round_are_asked_in_turn():
    host = Host()
    for number in range(5000):
        host.add(str(number), 0, 100)
    host.run(until=NOW + 60)
    assert max(len(ids) for _, ids in host.asked) == MAX_PAGES * 100
    assert {task_id for _, ids in host.asked for task_id in ids} == set(host.tasks)


def test_an_outage_costs_one_probe_at_a_time():
    host = Host()
    for number in range(1000):
        host.add(str(number), 0, 1000)
    host.run(until=NOW + 60)
    host.error, began, before = DOWN, host.now, host.requests
    host.run(until=began + 300)
    assert host.requests - before <= 24
    rounds = [at for at, _ in host.asked if at >= began]
    assert rounds[1] - rounds[0] >= 2
    assert all(len(ids) <= 100 for at, ids in host.asked if at > rounds[0])
    assert max(later - earlier for earlier, later in pairwise(rounds)) <= 15.1
    host.error = None
    over = host.now
    host.run(until=over + 40)
    assert {task_id for at, ids in host.asked if at >= over for task_id in ids} == set(host.tasks)


def test_one_failing_task_is_no_outage():
    host = Host(has_list=False)
    for number in range(20):
        host.add(str(number), 0, 100)
    real = host.query
    host.query = lambda task_id: DOWN if task_id == "0" else real(task_id)
    host.run(until=NOW + 120)
    assert set(host.woken) == set(host.tasks) - {"0"}
    assert max(host.delays) <= 10


@pytest.mark.parametrize("has_list", [True, False])
def test_an_outage_ends_no_wait_before_its_deadline(has_list):
    host = Host(has_list=has_list)
    host.error = DOWN
    for number in range(300):
        host.add(str(number), 0, 10, timeout=100 + number)
    host.run()
    assert set(host.verdicts.values()) == {Verdict.TIMED_OUT}
    for number in range(300):
        assert 0 <= host.woken[str(number)] - (NOW + 100 + number) <= 0.5
    assert host.requests <= 60


def test_retry_after_holds_the_whole_account_and_it_recovers():
    host = Host()
    for number in range(200):
        host.add(str(number), 0, 1000)
    host.run(until=NOW + 60)
    host.error = ViduRateLimitError("429", retry_after=30)
    at = host.now
    host.step()
    assert host.plan.wake_at() - host.now >= 30
    host.error = None
    host.run(until=at + 200)
    rounds = [moment for moment, _ in host.asked][-3:]
    assert rounds[-1] - rounds[-2] == pytest.approx(2, abs=0.1)


def test_repeated_429s_slow_down_and_recover():
    host = Host()
    host.add("1", 0, 10_000)
    host.error = ViduRateLimitError("429")
    host.run(until=NOW + 200)
    assert host.requests <= 14
    assert host.plan.pace.slowdown > 4
    host.error = None
    host.run(until=host.now + 200)
    assert host.plan.pace.slowdown == 1


@pytest.mark.parametrize("error", [ViduAuthError("401"), ViduCreditError("empty"), ViduNotFoundError("404")], ids=str)
def test_three_refusals_end_each_wait(error):
    host = Host()
    host.error = error
    for number in range(250):
        host.add(str(number), 0, 100, hints=Hints(submitted_at=NOW - 600))
    host.run()
    assert set(host.verdicts.values()) == {Verdict.GIVEN_UP}
    assert host.now - NOW <= 60


def test_two_waits_for_one_task_share_one_poll():
    host = Host()
    for name in ("first", "second"):
        host.tasks["1"] = (NOW, NOW + 30)
        host.plan.add("1", Hints(submitted_at=NOW), NOW + 100, None, NOW, name)
    host.tasks |= {"first": host.tasks["1"], "second": host.tasks["1"]}
    host.run()
    assert set(host.woken) == {"first", "second"}
    assert all(ids == ["1"] for _, ids in host.asked)


def test_finished_waits_leave_memory_before_their_deadline():
    plan = PollPlan(lambda task_id: True, lambda: 100)
    for number in range(5000):
        plan.remove(plan.add(str(number), Hints(), NOW + 86_400, None, NOW))
    assert len(plan) == 0
    assert len(plan._ends) + len(plan._polls) <= 300
    assert plan.wake_at() == float("inf")
