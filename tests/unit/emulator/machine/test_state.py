# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The emulator's state machine and its neighbours, with an injected clock: no I/O and no waiting."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import datetime, timezone

import pytest

from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.emulator.machine.emulated_task import Change, EmulatedTask, Inputs
from airflow_provider_vidu.emulator.machine.endpoints import Request
from airflow_provider_vidu.emulator.machine.moments import ID_EPOCH_MILLISECONDS, read_rfc3339
from airflow_provider_vidu.emulator.machine.refusals import Refusal
from airflow_provider_vidu.emulator.machine.settings import Settings
from airflow_provider_vidu.emulator.machine.state import OFF_PEAK_LIMIT_SECONDS, Vidu
from airflow_provider_vidu.emulator.machine.submissions import read_submission

START = datetime(2026, 1, 20, 4, 1, 53, 504000, tzinfo=timezone.utc).timestamp()
KEY = "vda_key"


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Bench:
    """A machine, its clock, and short ways to use them."""

    def __init__(self, **settings: object) -> None:
        self.clock = Clock()
        self.vidu = Vidu(Settings(**{"created_seconds": 1.0, "processing_seconds": 10.0, **settings}), self.clock)  # type: ignore[arg-type]

    def submit(self, *, key: str = KEY, problem: str | None = None, **fields: object) -> str:
        return self.vidu.create(key, submission(**fields), Inputs(problem=problem)).task_id

    def at(self, seconds: float) -> Bench:
        self.clock.now = START + seconds
        return self

    def task(self, task_id: str) -> EmulatedTask:
        return self.vidu.tasks(task_ids=[task_id])[0]

    def state(self, task_id: str) -> str:
        return str(self.task(task_id).state)


def submission(**fields: object) -> Request:
    asked = {"model": "viduq3-turbo", "images": ["https://example.com/cat.png"], **fields}
    return read_submission(json.dumps(asked).encode())


# --- states and time -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0, "created"), (0.9, "created"), (1, "processing"), (10.9, "processing"), (11, "success"), (9e6, "success")],
)
def test_single_task_is_created_then_processed_then_succeeds(seconds: float, state: str) -> None:
    bench = Bench()
    task_id = bench.submit()
    assert bench.at(seconds).state(task_id) == state


def test_history_does_not_depend_on_how_often_it_is_read() -> None:
    def history(looks: list[float]) -> list[tuple[float, str, str]]:
        bench = Bench(concurrency=2, processing_seconds=None, seed=7)
        ids = [bench.submit(prompt="[emulator:fail=X]" if n % 3 == 0 else f"{n}", off_peak=n == 4) for n in range(9)]
        for seconds in looks:
            bench.at(seconds).vidu.advance()
        changes = bench.at(10_000).vidu.take_changes()
        return [
            (round(change.at - START, 3), str(ids.index(change.task_id)), str(change.task.state)) for change in changes
        ]

    assert history([]) == history([step * 7.3 for step in range(1000)])


def test_queue_is_first_in_first_out_within_the_limit() -> None:
    bench = Bench(concurrency=2, processing_seconds=None)
    ids = [bench.submit(prompt=f"{n}") for n in range(12)]
    changes = bench.at(1e6).vidu.take_changes()
    running = 0
    for change in changes:
        running += (change.task.state is TaskState.PROCESSING) - (change.previous is TaskState.PROCESSING)
        assert running <= 2
    begun = [change.task_id for change in changes if change.task.state is TaskState.PROCESSING]
    assert begun == ids
    assert all(bench.state(task_id) == "success" for task_id in ids)


def test_beyond_the_limit_a_task_is_queueing_until_a_slot_is_free() -> None:
    bench = Bench(concurrency=1)
    first, second = bench.submit(), bench.submit()
    assert [bench.at(5).state(first), bench.state(second)] == ["processing", "queueing"]
    assert [bench.at(11).state(first), bench.state(second)] == ["success", "processing"]
    assert bench.vidu.load("default") == (1, 0)


def test_without_slots_no_task_starts() -> None:
    bench = Bench(concurrency=0)
    task_id = bench.submit()
    assert bench.at(1e7).state(task_id) == "queueing"
    assert bench.vidu.next_change() is None


def test_the_speed_shrinks_durations_but_not_a_fixed_processing_time() -> None:
    slow = Bench(processing_seconds=None)
    fast = Bench(processing_seconds=None, speed=60)
    fixed = Bench(processing_seconds=10, speed=60)
    durations = []
    for bench in (slow, fast, fixed):
        bench.submit()
        durations.append([change.at - START for change in bench.at(1e6).vidu.take_changes()])
    assert durations[1] == pytest.approx([seconds / 60 for seconds in durations[0]], abs=1e-4)
    assert durations[2] == pytest.approx([0, 1 / 60, 10 + 1 / 60], abs=1e-4)


def test_equal_seeds_and_submissions_give_equal_outcomes() -> None:
    def outcome(seed: int) -> list[tuple[int, float]]:
        bench = Bench(seed=seed, processing_seconds=None)
        for number in range(5):
            bench.submit(prompt=f"{number}")
        return [(task.seed, task.processing_seconds) for task in bench.vidu.tasks()]

    assert outcome(1) == outcome(1) != outcome(2)


@pytest.mark.parametrize("seed", [None, 0])
def test_missing_seed_is_picked(seed: int | None) -> None:
    bench = Bench()
    picked = [bench.task(bench.submit(seed=seed)).seed for _ in range(5)]
    assert len(set(picked)) == 5
    assert all(0 < number < 2**31 for number in picked)
    assert bench.task(bench.submit(seed=12345)).seed == 12345


# --- off-peak and cancelling -----------------------------------------------------------------------------------


def test_off_peak_task_lets_others_pass_and_starts_after_its_wait() -> None:
    bench = Bench(concurrency=1, off_peak_seconds=100)
    off_peak, usual = bench.submit(off_peak=True), bench.submit()
    assert [bench.at(2).state(off_peak), bench.state(usual)] == ["queueing", "processing"]
    assert bench.at(99).state(off_peak) == "queueing"
    assert bench.at(100.5).state(off_peak) == "processing"
    assert bench.at(111).state(off_peak) == "success"


@pytest.mark.parametrize("speed", [1, 50])
def test_off_peak_task_not_started_in_48_hours_is_refunded(speed: float) -> None:
    bench = Bench(concurrency=0, speed=speed)
    task_id = bench.submit(off_peak=True)
    assert bench.at(OFF_PEAK_LIMIT_SECONDS / speed - 1).state(task_id) == "queueing"
    expired = bench.at(OFF_PEAK_LIMIT_SECONDS / speed).task(task_id)
    assert (str(expired.state), expired.err_code, expired.credits) == ("failed", "UserCancelled", 0)
    assert bench.vidu.ledger.balance() == 100_000


def test_off_peak_task_started_in_time_is_not_cancelled() -> None:
    bench = Bench(off_peak_seconds=OFF_PEAK_LIMIT_SECONDS - 5)
    task_id = bench.submit(off_peak=True)
    assert bench.at(OFF_PEAK_LIMIT_SECONDS + 1).state(task_id) == "processing"
    assert bench.at(OFF_PEAK_LIMIT_SECONDS + 10).state(task_id) == "success"


@pytest.mark.parametrize(
    ("fields", "at", "message"),
    [
        ({}, 0.5, None),
        ({"off_peak": True}, 60, None),
        ({}, 1, "task state is scheduled, can not cancel"),
        ({}, 11, "task state is success, can not cancel"),
        ({"prompt": "[emulator:fail=X]"}, 11, "task state is failed, can not cancel"),
    ],
)
def test_only_a_task_that_has_not_started_can_be_cancelled(
    fields: dict[str, object], at: float, message: str | None
) -> None:
    bench = Bench()
    task_id = bench.submit(**fields)
    bench.at(at)
    if message is None:
        bench.vidu.cancel("default", task_id)
        cancelled = bench.at(1e7).task(task_id)
        assert (str(cancelled.state), cancelled.err_code, cancelled.credits) == ("failed", "UserCancelled", 0)
        assert bench.vidu.ledger.of_task(task_id) == {
            "reserved": cancelled.price,
            "charged": 0,
            "refunded": cancelled.price,
        }
        return
    with pytest.raises(Refusal) as refused:
        bench.vidu.cancel("default", task_id)
    assert (refused.value.status, refused.value.reason, refused.value.message) == (400, "BadRequest", message)


def test_a_queueing_task_can_be_cancelled_and_those_behind_it_move_up() -> None:
    bench = Bench(concurrency=1)
    first, second, third = (bench.submit() for _ in range(3))
    bench.at(5).vidu.cancel("default", second)
    assert [bench.at(12).state(task_id) for task_id in (first, second, third)] == ["success", "failed", "processing"]


# --- failures --------------------------------------------------------------------------------------------------


def test_failing_task_frees_its_slot_half_way_and_is_refunded() -> None:
    bench = Bench(concurrency=1)
    failing, next_one = bench.submit(prompt="[emulator:fail=CreationPolicyViolation]"), bench.submit()
    assert bench.at(5.9).state(failing) == "processing"
    failed = bench.at(6).task(failing)
    assert (str(failed.state), failed.err_code, failed.credits) == ("failed", "CreationPolicyViolation", 0)
    assert bench.state(next_one) == "processing"
    assert bench.vidu.ledger.refunded == failed.price


def test_unfetchable_image_fails_the_task_later_at_no_cost() -> None:
    bench = Bench()
    task_id = bench.submit(problem="ImageDownloadFailure")
    assert bench.state(task_id) == "created"
    assert bench.at(100).task(task_id).err_code == "ImageDownloadFailure"
    assert bench.vidu.ledger.charged == 0


@pytest.mark.parametrize(
    ("prompt", "outcomes"),
    [
        ("fine", ["", ""]),
        ("[emulator:fail=CreationPolicyViolation]", ["CreationPolicyViolation", "CreationPolicyViolation"]),
        ("[emulator:fail=InternalServiceFailure:1]", ["InternalServiceFailure", ""]),
        ("a [emulator:fail=NewCode:2] b", ["NewCode", "NewCode", ""]),
        ("[emulator:AuditSubmitIllegal]", ["400 AuditSubmitIllegal", "400 AuditSubmitIllegal"]),
        ("[emulator:TooManyRequests:1]", ["429 TooManyRequests", ""]),
        ("[emulator:InternalServiceFailure:1]", ["500 InternalServiceFailure", ""]),
        ("[emulator:QuotaExceeded:1] [emulator:fail=X:2]", ["429 QuotaExceeded", "X", ""]),
        ("[emulator:fail]", ["400 BadRequest"]),
        ("[emulator:AuditSubmitIlegal]", ["400 BadRequest"]),
        ("[emulator:no-creation:0]", ["400 BadRequest"]),
        ("[emulator:no-creation:many]", ["400 BadRequest"]),
        ("[emulator:seconds=soon]", ["400 BadRequest"]),
    ],
)
def test_switches_in_the_prompt_decide_the_outcome_of_each_submission(prompt: str, outcomes: list[str]) -> None:
    bench = Bench()
    seen = []
    for _ in outcomes:
        try:
            task_id = bench.submit(prompt=prompt)
        except Refusal as refusal:
            seen.append(f"{refusal.status} {refusal.reason}")
        else:
            bench.clock.now += 100
            seen.append(bench.task(task_id).err_code)
    assert seen == outcomes


def test_each_prompt_has_its_own_count() -> None:
    bench = Bench()
    ids = [bench.submit(prompt=f"[emulator:fail=X:1] {name}") for name in ("a", "b", "a")]
    assert [bench.at(100).task(task_id).err_code for task_id in ids] == ["X", "X", ""]


def test_the_processing_time_of_one_task_can_be_set() -> None:
    bench = Bench(speed=60)
    slow = bench.submit(prompt="[emulator:seconds=500.5]")
    assert bench.at(500).state(slow) == "processing"
    assert bench.at(501).state(slow) == "success"


def test_processing_can_be_shown_as_another_word() -> None:
    bench = Bench()
    task_id = bench.submit(prompt="[emulator:state=reviewing]")
    assert [bench.at(seconds).task(task_id).shown_state for seconds in (0, 5, 11)] == [
        "created",
        "reviewing",
        "success",
    ]


@pytest.mark.parametrize(
    ("prompt", "hidden"), [("", 0), ("[emulator:no-creation]", 1), ("[emulator:no-creation:3]", 3)]
)
def test_a_creation_can_be_missing_from_the_first_answers_of_success(prompt: str, hidden: int) -> None:
    bench = Bench()
    task_id = bench.submit(prompt=prompt)
    assert not bench.vidu.shows_creation(bench.task(task_id))
    bench.at(100)
    shown = [bench.vidu.shows_creation(bench.task(task_id)) for _ in range(5)]
    assert shown == [False] * hidden + [True] * (5 - hidden)


# --- credits ---------------------------------------------------------------------------------------------------


def test_credits_are_reserved_at_create_and_charged_at_success() -> None:
    bench = Bench()
    task_id = bench.submit(duration=5, resolution="720p")
    expected, ledger = 60, bench.vidu.ledger
    assert (ledger.balance(), ledger.reserved, ledger.charged) == (100_000 - expected, expected, 0)
    bench.at(100).vidu.advance()
    assert (ledger.balance(), ledger.reserved, ledger.charged) == (100_000 - expected, 0, expected)
    assert [entry.kind for entry in ledger.entries] == ["reserved", "charged"]
    assert ledger.of_task(task_id) == {"reserved": expected, "charged": expected, "refunded": 0}


def test_every_credit_is_accounted_for() -> None:
    bench = Bench(concurrency=2, processing_seconds=None, speed=20, credits=1500)
    chance = random.Random(3)
    prices, refused = Counter[str](), 0
    for step in range(200):
        bench.at(step)
        try:
            task_id = bench.submit(
                prompt="[emulator:fail=X]" if chance.random() < 0.2 else f"{step}",
                duration=chance.randint(1, 16),
                off_peak=chance.random() < 0.2,
            )
            prices[task_id] = bench.task(task_id).price
            if chance.random() < 0.3:
                bench.vidu.cancel("default", task_id)
        except Refusal as refusal:
            refused += refusal.reason == "CreditInsufficient"
    ledger = bench.at(1e6).vidu.ledger
    bench.vidu.advance()
    assert refused > 0
    assert ledger.reserved == 0
    assert ledger.charged + ledger.refunded == sum(prices.values())
    assert ledger.balance() == 1500 - ledger.charged >= 0
    for task in bench.vidu.tasks():
        paid = task.price if task.state is TaskState.SUCCESS else 0
        assert ledger.of_task(task.task_id) == {"reserved": task.price, "charged": paid, "refunded": task.price - paid}


def test_task_above_the_balance_is_not_created() -> None:
    bench = Bench(credits=59)
    with pytest.raises(Refusal, match="CreditInsufficient") as refused:
        bench.submit(duration=5, resolution="720p")
    assert refused.value.status == 400
    assert bench.vidu.tasks() == []
    assert bench.submit(duration=4, resolution="720p")


# --- accounts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api_keys", "key", "account"),
    [
        (None, "anything", "default"),
        (None, "", None),
        ({"a", "b"}, "a", "default"),
        ({"a", "b"}, "c", None),
        (["a"], "", None),
        ({"a": "alice", "b": "bob"}, "b", "bob"),
    ],
)
def test_a_key_belongs_to_an_account_or_is_unauthorized(api_keys: object, key: str, account: str | None) -> None:
    vidu = Bench(api_keys=api_keys).vidu
    if account is not None:
        assert vidu.account_of(key) == account
        return
    with pytest.raises(Refusal) as refused:
        vidu.account_of(key)
    assert (refused.value.status, refused.value.reason) == (401, "Unauthorized")


def test_accounts_share_neither_tasks_nor_slots_nor_credits() -> None:
    bench = Bench(api_keys={"a": "alice", "b": "bob"}, concurrency=1)
    hers, his = bench.submit(key="a"), bench.submit(key="b")
    assert [bench.at(5).state(hers), bench.state(his)] == ["processing", "processing"]
    with pytest.raises(Refusal, match="TaskNotFound"):
        bench.vidu.find("bob", hers)
    assert [task.task_id for task in bench.vidu.tasks("bob")] == [his]
    assert bench.vidu.ledger.balance("bob") == 100_000 - bench.task(his).price
    assert bench.vidu.ledger.balance("carol") == 100_000


@pytest.mark.parametrize(
    "settings",
    [{"speed": 0}, {"concurrency": -1}, {"processing_seconds": -1}, {"api_keys": []}, {"api_keys": "one key"}],
)
def test_invalid_settings_are_rejected(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        Bench(**settings)


def test_reset_forgets_everything_but_never_repeats_an_id() -> None:
    bench = Bench()
    before = bench.submit(prompt="[emulator:fail=X:1]")
    bench.vidu.reset()
    assert bench.vidu.tasks() == []
    assert bench.vidu.take_changes() == []
    assert bench.vidu.ledger.balance() == 100_000
    again = bench.submit(prompt="[emulator:fail=X:1]")
    assert int(again) > int(before)
    assert bench.at(100).task(again).err_code == "X"


# --- ids and times ---------------------------------------------------------------------------------------------


def test_id_contains_the_time_of_creation_like_vidus() -> None:
    # Ids with a known time of creation.
    for task_id, moment in {
        911045603801182208: "2026-01-20T04:01:53.504Z",
        947407951520337920: "2026-04-30T12:12:52Z",
        900539403250700288: "2025-12-22T04:14:00Z",
    }.items():
        assert ((task_id >> 22) + ID_EPOCH_MILLISECONDS) / 1000 == pytest.approx(read_rfc3339(moment), abs=1)
    bench = Bench()
    task = bench.task(bench.submit())
    assert ((int(task.task_id) >> 22) + ID_EPOCH_MILLISECONDS) / 1000 == pytest.approx(START, abs=0.002)
    assert len(task.task_id) == 18


def test_created_at_has_nine_digits_and_agrees_with_the_id() -> None:
    bench = Bench()
    task = bench.task(bench.submit())
    assert task.created_at.startswith("2026-01-20T04:01:53.50")
    assert len(task.created_at) == len("2026-01-20T04:01:53.504648743Z")
    assert read_rfc3339(task.created_at) == pytest.approx(START, abs=1e-5)
    assert task.created <= START


def test_changes_are_reported_once_in_order() -> None:
    bench = Bench()
    bench.submit()
    changes: list[Change] = bench.at(100).vidu.take_changes()
    assert [(change.previous, change.task.state) for change in changes] == [
        (None, TaskState.CREATED),
        (TaskState.CREATED, TaskState.PROCESSING),
        (TaskState.PROCESSING, TaskState.SUCCESS),
    ]
    assert bench.vidu.take_changes() == []
