# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""One poller serves every wait of an account: it survives errors and forgets no wait."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from unittest import mock

import pytest
from _support.virtual_time import replaced_by

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.errors import ViduAuthError, ViduConfigurationError, ViduError, ViduUnavailableError
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.transport.timing import Time
from airflow_provider_vidu.waiting import watcher
from airflow_provider_vidu.waiting.bulk_query import BulkQuery
from airflow_provider_vidu.waiting.next_poll import Hints
from airflow_provider_vidu.waiting.watcher import Watcher
from tests.chaos.virtual import Clock, VirtualLoop, in_line

pytestmark = pytest.mark.usefixtures("clock")

LOG = logging.getLogger("test")
FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}
ACCOUNT = Account(base_url="http://127.0.0.1:1", api_key="vda_0123456789")
DOWN = ViduUnavailableError("HTTP 503", http_status=503)


class Virtual:
    """A watcher in virtual time, before a host of a few lines."""

    def __init__(self, monkeypatch):
        self.clock = Clock()
        self.loop = VirtualLoop(self.clock)
        self.ends = {}
        self.error = None
        self.asked = []
        self.look_ups = 0
        self.account = ACCOUNT
        self.seconds = 0.05
        monkeypatch.setattr(asyncio, "to_thread", in_line)
        monkeypatch.setattr(BulkQuery, "get_tasks", self.get_tasks)
        self.watcher = Watcher(self.look_up)

    async def look_up(self):
        self.look_ups += 1
        return self.account

    async def get_tasks(self, task_ids):
        self.asked.append((self.clock.now, list(task_ids)))
        await asyncio.sleep(self.seconds)
        if isinstance(self.error, ViduError):
            return dict.fromkeys(task_ids, self.error)
        if self.error is not None:
            raise self.error
        return {task_id: self.state(task_id) for task_id in task_ids}

    def state(self, task_id):
        return ViduTask(task_id=task_id, state="success" if self.clock.now >= self.ends[task_id] else "processing")

    def task(self, task_id, seconds):
        self.ends[task_id] = self.clock.now + seconds
        return task_id

    def wait(self, task_id, seconds=30.0, timeout=3600.0, **how):
        hints = Hints(submitted_at=self.clock.now, model="viduq2-turbo")
        return self.watcher.wait(
            self.task(task_id, seconds), hints=hints, end_time=self.clock.now + timeout, log=LOG, **how
        )

    def run(self, coroutine):
        try:
            return self.loop.run_until_complete(coroutine)
        finally:
            self.loop.run_until_complete(self.watcher.close())


@pytest.fixture
def virtual(monkeypatch):
    made = Virtual(monkeypatch)
    with replaced_by(Time(made.clock, made.clock.sleep)):
        yield made
    assert asyncio.all_tasks(made.loop) == set()
    made.loop.close()


def test_a_thousand_waits_share_a_look_up_and_their_requests(virtual):
    async def all_of_them():
        return await asyncio.gather(*(virtual.wait(str(number), 20) for number in range(1000)))

    outcomes = virtual.run(all_of_them())
    assert {outcome.status for outcome in outcomes} == {"success"}
    assert virtual.look_ups == 1
    assert sum(-(-len(ids) // 100) for _, ids in virtual.asked) <= 70


def test_an_earlier_wait_wakes_the_poller(virtual):
    async def both():
        slow = asyncio.ensure_future(virtual.wait("slow", 5000, poll_interval=600.0, timeout=9000))
        await asyncio.sleep(60)
        began = virtual.clock.now
        await virtual.wait("quick", 20)
        took = virtual.clock.now - began
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        return took

    assert virtual.run(both()) <= 23


@pytest.mark.parametrize("after", [0, 0.01, 5, 10.02, 13])
def test_a_cancelled_wait_leaves_the_others_alone(after, virtual):
    async def two():
        leaves, stays = (asyncio.ensure_future(virtual.wait(name)) for name in ("leaves", "stays"))
        await asyncio.sleep(after)
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        outcome = await stays
        return outcome, [ids for at, ids in virtual.asked][-1]

    outcome, last = virtual.run(two())
    assert outcome.status == "success"
    assert last == ["stays"]


@pytest.mark.parametrize("steps", range(14))
def test_everything_ends_when_all_are_cancelled_after_any_step(steps, virtual):
    async def cancelled():
        async with watcher.join("c", virtual.look_up) as watching:
            virtual.watcher = watching
            waits = [asyncio.ensure_future(virtual.wait(str(number))) for number in range(3)]
            group = asyncio.ensure_future(
                watching.wait_for_all(["1", "2"], hints=Hints(), end_time=virtual.clock.now + 100, log=LOG)
            )
            for _ in range(steps):
                await asyncio.sleep(0)
            for wait in (*waits, group):
                wait.cancel()
            results = await asyncio.gather(*waits, group, return_exceptions=True)
            assert len(watching._plan) == 0
        return results

    assert all(isinstance(result, asyncio.CancelledError) for result in virtual.run(cancelled()))
    assert not watcher._watchers.get(virtual.loop)


def test_a_bug_in_the_poller_reaches_every_wait(virtual):
    virtual.error = KeyError("a bug")

    async def all_of_them():
        group = virtual.watcher.wait_for_all(["7", "8"], hints=Hints(), end_time=virtual.clock.now + 100, log=LOG)
        return await asyncio.gather(*(virtual.wait(str(number)) for number in range(5)), group, return_exceptions=True)

    assert [type(error) for error in virtual.run(all_of_them())] == [KeyError] * 6

    async def late():
        await virtual.wait("9")

    with pytest.raises(KeyError):
        virtual.run(late())


def test_a_swallowed_cancellation_still_ends_the_poller(virtual, monkeypatch):
    # As asyncio.wait_for does before Python 3.12, where the answer has just come.
    async def stubborn(query, task_ids):
        virtual.asked.append(task_ids)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(5)
        return {task_id: virtual.state(task_id) for task_id in task_ids}

    async def closed():
        waiting = asyncio.ensure_future(virtual.wait("1", seconds=1e6, timeout=1e7))
        await asyncio.sleep(12)
        assert virtual.asked
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(virtual.watcher.close(), 1000)

    monkeypatch.setattr(BulkQuery, "get_tasks", stubborn)
    virtual.run(closed())


def test_a_log_that_fails_ends_its_own_wait_only(virtual):
    class Full:
        def info(self, *arguments):
            raise OSError(28, "No space left on device")

        warning = info

    async def two():
        full = virtual.watcher.wait(
            virtual.task("full", 30), hints=Hints(), end_time=virtual.clock.now + 100, log=Full()
        )
        return await asyncio.gather(full, virtual.wait("other"), return_exceptions=True)

    failed, other = virtual.run(two())
    assert isinstance(failed, OSError)
    assert other.status == "success"


def test_the_connections_interval_applies_after_a_failed_look_up(virtual):
    async def down_first():  # ruff: ignore[unused-async]
        if not virtual.look_ups:
            virtual.look_ups += 1
            raise ViduUnavailableError("the API server restarts")
        return replace(ACCOUNT, poll_interval=1.0)

    virtual.watcher._look_up = down_first

    async def later():
        await virtual.wait("first", 20)
        before = len(virtual.asked)
        await virtual.wait("second", 5)
        return len(virtual.asked) - before

    assert virtual.run(later()) >= 5


def test_an_outage_is_probed_ends_no_wait_and_recovers_promptly(virtual):
    async def through():
        waits = [asyncio.ensure_future(virtual.wait(str(number), 60)) for number in range(500)]
        await asyncio.sleep(30)
        virtual.error, before = DOWN, len(virtual.asked)
        await asyncio.sleep(300)
        asked = virtual.asked[before:]
        virtual.error, over = None, virtual.clock.now
        outcomes = await asyncio.gather(*waits)
        return asked, outcomes, virtual.clock.now - over

    asked, outcomes, took = virtual.run(through())
    assert len(asked) <= 24
    assert all(len(ids) <= 100 for _, ids in asked[1:])
    assert {outcome.status for outcome in outcomes} == {"success"}
    assert took <= 40


def test_in_an_outage_every_wait_ends_at_its_own_deadline(virtual):
    virtual.error = DOWN

    async def until_the_end():
        began = virtual.clock.now
        waits = [virtual.wait(str(number), timeout=100 + number) for number in range(50)]

        async def ended(wait):
            return (await wait).timed_out, virtual.clock.now - began

        return await asyncio.gather(*map(ended, waits))

    for number, (timed_out, at) in enumerate(virtual.run(until_the_end())):
        assert timed_out
        assert at == pytest.approx(100 + number, abs=0.5)


def test_a_rotated_key_is_read_from_the_connection(virtual):
    class OldKey:
        """Refused until the connection has been read again."""

        def __get__(self, instance, owner):
            return ViduAuthError("401", http_status=401) if instance.look_ups < 2 else None

    virtual.__class__ = type("Rotated", (Virtual,), {"error": OldKey()})
    del virtual.__dict__["error"]

    async def rotated():
        return await asyncio.gather(*(virtual.wait(str(number)) for number in range(300)))

    assert {outcome.status for outcome in virtual.run(rotated())} == {"success"}
    assert virtual.look_ups == 2


def test_a_refused_key_ends_the_waits_with_advice(virtual):
    virtual.error = ViduAuthError("Vidu answered: no", http_status=401)

    async def refused():
        return await asyncio.gather(*(virtual.wait(str(number)) for number in range(30)))

    outcomes = virtual.run(refused())
    assert {outcome.status for outcome in outcomes} == {"error"}
    assert "re-attaches" in str(outcomes[0].error)
    assert len(virtual.asked) == 3


@pytest.mark.parametrize(
    ("trouble", "status"), [(ViduConfigurationError("no key"), "error"), (RuntimeError("Airflow is down"), "timeout")]
)
def test_a_connection_that_cannot_be_read(trouble, status, virtual):
    virtual.watcher._look_up = mock.AsyncMock(side_effect=trouble)

    async def one():
        return await virtual.wait("1", timeout=120)

    assert virtual.run(one()).status == status


def test_the_accounts_interval_holds_where_the_trigger_has_none(virtual):
    virtual.account = replace(ACCOUNT, poll_interval=1.0)

    async def one():
        return await virtual.wait("1", 3)

    virtual.run(one())
    assert len(virtual.asked) == 3


def test_a_group_is_one_wait_with_few_lines(virtual, caplog):
    ids = [virtual.task(str(number), 60 + number) for number in range(200)]

    async def group():
        hints = Hints(submitted_at=virtual.clock.now, model="viduq2-turbo")
        return await virtual.watcher.wait_for_all(
            [*ids, ids[0]], hints=hints, end_time=virtual.clock.now + 200, log=LOG
        )

    with caplog.at_level(logging.INFO):
        outcome = virtual.run(group())
    assert (outcome.status, outcome.counts) == ("timeout", {"success": 141, "failed": 0, "timeout": 59, "error": 0})
    lines = [record.message for record in caplog.records if "Vidu tasks succeeded" in record.message]
    assert 4 <= len(lines) <= 6
    assert lines[0].startswith("0 of 200 Vidu tasks succeeded")
    assert lines[-1].startswith("141 of 200 Vidu tasks succeeded, 59 given up")
    assert len(caplog.records) == len(lines)


def test_failed_tasks_count_no_credits_in_the_log(virtual, caplog):
    def state(task_id):
        ended = virtual.clock.now >= virtual.ends[task_id]
        return ViduTask(
            task_id=task_id, state=("failed" if task_id == "bad" else "success") if ended else "processing", credits=8
        )

    virtual.state = state
    caplog.set_level(logging.INFO)
    task_ids = [virtual.task(task_id, 30) for task_id in ("good", "bad")]
    end_time = virtual.clock.now + 3600
    virtual.run(virtual.watcher.wait_for_all(task_ids, hints=Hints(), end_time=end_time, log=LOG))
    assert "1 of 2 Vidu tasks succeeded, 1 failed, 8 credits spent" in caplog.text


def test_an_empty_group_has_ended(virtual):
    async def group():
        return await virtual.watcher.wait_for_all([], hints=Hints(), end_time=virtual.clock.now + 1, log=LOG)

    assert virtual.run(group()).status == "success"


def size_of(coroutines):
    """Return the bytes that as many asyncio tasks take while all of them wait."""

    async def held():
        tracemalloc.start()
        try:
            tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
            await asyncio.sleep(30)
            size = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return size

    return held()


@pytest.mark.parametrize("together", [True, False], ids=["one trigger for all", "a trigger each"])
def test_a_wait_costs_less_than_three_kilobytes(together, virtual):
    async def idle():
        # What Airflow's own asyncio task and coroutine of a trigger cost.
        await asyncio.sleep(3600)

    async def each(task_id, how):
        async with watcher.join("c", virtual.look_up) as watching:
            await watching.wait(task_id, hints=Hints(), **how)

    async def measured():
        async with watcher.join("c", virtual.look_up) as watching:
            await watching._start_poller()
            task_ids = [virtual.task(str(number), 100) for number in range(5000)]
            how = {"end_time": virtual.clock.now + 3600, "log": LOG}
            if together:
                size = await size_of([watching.wait_for_all(task_ids, hints=Hints(), **how)])
            else:
                size = await size_of(each(task_id, how) for task_id in task_ids)
                size -= await size_of(idle() for _ in task_ids)
            assert virtual.asked
            return size / 5000

    assert virtual.run(measured()) < 3000


# -- over real HTTP -------------------------------------------------------------------------------------------


def waits(watching, task_ids, timeout=30.0):
    return asyncio.gather(
        *(watching.wait(task_id, hints=Hints(), end_time=timing.now() + timeout, log=LOG) for task_id in task_ids)
    )


def submit(count, prompt="a wait", conn_id="vidu_default"):
    hook = ViduHook(conn_id)
    return [hook.submit({**FIELDS, "prompt": prompt}).task_id for _ in range(count)]


async def test_fifty_waits_are_a_few_requests(vidu_emulator):
    task_ids = submit(50)
    async with watcher.join("vidu_default", ViduHook().aget_account) as watching:
        outcomes = await waits(watching, task_ids)
    assert {outcome.status for outcome in outcomes} == {"success"}
    assert vidu_emulator.counters.requests["poll"] == 0


@pytest.mark.parametrize("quirk", [{"has_list": False}, {"list_omits_ids": True}], ids=str)
async def test_waits_work_without_a_complete_list(quirk, vidu_emulator):
    task_ids = submit(12)
    vidu_emulator.quirks.change(**quirk)
    async with watcher.join("vidu_default", ViduHook().aget_account) as watching:
        outcomes = await waits(watching, task_ids)
    assert {outcome.status for outcome in outcomes} == {"success"}


async def test_a_storm_of_429_passes(vidu_emulator):
    task_ids = submit(5)
    vidu_emulator.faults.add("list", Fault.rate_limit(retry_after=0, times=2))
    async with watcher.join("vidu_default", ViduHook().aget_account) as watching:
        outcomes = await waits(watching, task_ids)
    assert {outcome.status for outcome in outcomes} == {"success"}


async def test_two_accounts_have_a_poller_each(vidu_emulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", vidu_emulator.connection_json())
    async with (
        watcher.join("vidu_default", ViduHook().aget_account) as one,
        watcher.join("other", ViduHook("other").aget_account) as two,
        watcher.join("other", ViduHook("other").aget_account) as again,
    ):
        assert one is not two
        assert two is again
        await asyncio.gather(waits(one, submit(1)), waits(two, submit(1, conn_id="other")))


def test_every_event_loop_has_its_own(vidu_emulator):
    task_ids = submit(2)

    async def one(task_id):
        async with watcher.join("vidu_default", ViduHook().aget_account) as watching:
            return await waits(watching, [task_id])

    for task_id in task_ids:
        assert asyncio.run(one(task_id))[0].status == "success"


async def test_a_wait_speaks_in_its_own_triggers_log(vidu_emulator):
    from contextvars import ContextVar

    trigger, spoken = ContextVar("trigger", default="none"), set()

    class Log:
        def info(self, *arguments):
            spoken.add(trigger.get())

        warning = info

    async def one(name, task_id):
        trigger.set(name)
        async with watcher.join("vidu_default", ViduHook().aget_account) as watching:
            await watching.wait(task_id, hints=Hints(), end_time=timing.now() + 30, log=Log())

    first, second = submit(2)
    await asyncio.gather(one("first", first), one("second", second))
    assert spoken == {"first", "second"}


async def test_hanging_name_resolution_delays_no_other_account(vidu_emulator, monkeypatch):
    """One account's DNS hangs; the executor that everything else shares has a single thread here, and stays free."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    hangs, release = asyncio.Event(), threading.Event()
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        if host == "hanging.example":
            loop.call_soon_threadsafe(hangs.set)
            release.wait(60)
            raise socket.gaierror("no answer")
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def wait(conn_id, base_url, task_id):
        async def look_up():  # ruff: ignore[unused-async]
            return replace(ViduHook().get_conn().account, base_url=base_url)

        async with watcher.join(conn_id, look_up) as watching:
            return await watching.wait(task_id, hints=Hints(), end_time=timing.now() + 60, poll_interval=0.2, log=LOG)

    bad = asyncio.create_task(wait("bad", "http://hanging.example", "1"))
    try:
        await hangs.wait()
        task_id = await asyncio.wait_for(asyncio.to_thread(lambda: ViduHook().submit(FIELDS).task_id), 20)
        # A name, so that this account has to look up one, too.
        good = vidu_emulator.url.replace("127.0.0.1", "localhost")
        assert (await asyncio.wait_for(wait("good", good, task_id), 20)).status == "success"
        assert not bad.done()
    finally:
        release.set()
        bad.cancel()
        await asyncio.gather(bad, return_exceptions=True)
