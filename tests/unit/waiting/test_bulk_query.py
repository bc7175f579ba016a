# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A hundred tasks are one request, and whatever the list does, every id has an answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from airflow_provider_vidu.api import http_messages
from airflow_provider_vidu.api.errors import (
    ViduAuthError,
    ViduConfigurationError,
    ViduCreditError,
    ViduError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduRequestError,
    ViduUnavailableError,
)
from airflow_provider_vidu.client import AsyncViduClient
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.waiting.bulk_query import MAX_FAILURES, MAX_PARALLEL, MAX_PARALLEL_PAGES, BulkQuery

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}

pytestmark = pytest.mark.vidu_emulator(concurrency=2, speed=200, seed=1, credits=10**6)


@pytest.fixture
def submit(vidu_emulator):
    def submit(count):
        hook = ViduHook()
        return [hook.submit({**FIELDS, "prompt": "[emulator:seconds=600]"}).task_id for _ in range(count)]

    return submit


@pytest.fixture
def query(vidu_emulator):
    """Ask as often as there are arguments, with one client."""

    async def query(*asked, **account):
        answers = []
        async with AsyncViduClient(replace(ViduHook().account, **account)) as client:
            for task_ids in asked:
                answers.append(await BulkQuery(client).get_tasks(task_ids))
        return answers

    return query


def asked(vidu_emulator):
    return vidu_emulator.counters.requests["list"], vidu_emulator.counters.requests["poll"]


async def test_two_hundred_and_fifty_tasks_are_three_requests(submit, query, vidu_emulator):
    task_ids = submit(250)
    (answer,) = await query([*task_ids, task_ids[0]])
    assert list(answer) == task_ids
    assert {task.task_id for task in answer.values()} == set(task_ids)
    assert asked(vidu_emulator) == (3, 0)


async def test_nothing_asked_is_nothing_sent(query, vidu_emulator):
    assert await query([]) == [{}]
    assert asked(vidu_emulator) == (0, 0)


@pytest.mark.parametrize("how", ["the connection says so", "404"])
async def test_a_host_without_a_list_is_detected_once(how, submit, query, vidu_emulator):
    task_ids = submit(5)
    if how == "404":
        vidu_emulator.quirks.has_list = False
    answers = await query(task_ids, task_ids, **({} if how == "404" else {"list_path": None}))
    assert [list(answer) for answer in answers] == [task_ids, task_ids]
    assert all(task.state for answer in answers for task in answer.values())
    assert asked(vidu_emulator) == (1 if how == "404" else 0, 10)


@pytest.mark.parametrize("status", [405, 501])
async def test_other_words_for_no_list_are_understood(status, submit, query, vidu_emulator):
    vidu_emulator.faults.add("list", Fault.refuse(status, times=None))
    (answer, _) = await query(*[submit(3)] * 2)
    assert not any(isinstance(task, ViduError) for task in answer.values())
    assert asked(vidu_emulator) == (1, 6)


async def test_omitted_ids_are_queried_singly_in_the_same_call(submit, query, vidu_emulator):
    task_ids = submit(10)
    vidu_emulator.quirks.list_omits_ids = task_ids[:2]
    answers = await query(*[task_ids] * 6)
    assert all(task.state for answer in answers for task in answer.values())
    # After three times the list is not asked for those two any more, and still for the others.
    assert asked(vidu_emulator) == (6, 12)


async def test_a_host_that_keeps_omitting_counts_as_having_no_list(submit, query, vidu_emulator):
    task_ids = submit(4)
    vidu_emulator.quirks.list_omits_ids = True
    answers = await query(*[task_ids] * 8)
    assert all(task.state for answer in answers for task in answer.values())
    assert asked(vidu_emulator) == (3, 32)


@pytest.fixture
def submit_failing(vidu_emulator):
    """Submit tasks that have failed by now, and as many that have succeeded."""

    def submit_failing(count):
        prompts = ["[emulator:fail=InternalServiceFailure]", "a cat"] * count
        task_ids = [ViduHook().submit({**FIELDS, "prompt": prompt}).task_id for prompt in prompts]
        vidu_emulator.skip(600)
        return task_ids

    return submit_failing


async def test_a_failure_without_a_reason_is_queried(submit_failing, query, vidu_emulator):
    task_ids = submit_failing(2)
    (answer,) = await query(task_ids)
    assert list(answer) == task_ids
    assert [answer[task_id].err_code for task_id in task_ids] == ["InternalServiceFailure", None] * 2
    assert {task.model for task in answer.values()} == {"viduq2-turbo"}
    assert asked(vidu_emulator) == (1, 2)


async def test_a_reason_in_the_row_is_not_queried(submit_failing, query, vidu_emulator):
    vidu_emulator.quirks.list_without_err_code = False
    task_ids = submit_failing(1)
    (answer,) = await query(task_ids)
    assert answer[task_ids[0]].err_code == "InternalServiceFailure"
    assert asked(vidu_emulator) == (1, 0)


async def test_a_list_without_reasons_goes_on_being_asked(submit_failing, query, vidu_emulator):
    task_ids = submit_failing(1)[:1]
    for answer in await query(*[task_ids] * 6):
        assert answer[task_ids[0]].err_code == "InternalServiceFailure"
    assert asked(vidu_emulator) == (6, 6)


@pytest.mark.parametrize(
    ("fault", "answered"),
    [
        (Fault.refuse(503), ViduUnavailableError),
        (Fault.rate_limit(), ViduRateLimitError),
        (Fault.refuse(404), None),
    ],
    ids=["outage", "429", "404"],
)
async def test_a_failure_waits_until_its_reason_is_known(fault, answered, submit_failing, query, vidu_emulator):
    (failing, _) = submit_failing(1)
    vidu_emulator.faults.add("poll", replace(fault, times=None))
    ((answer,),) = [list(one.values()) for one in await query([failing])]
    if answered is None:
        # The query does not know the task: the row is all that there is.
        assert (answer.state, answer.err_code) == ("failed", None)
    else:
        assert isinstance(answer, answered)


async def test_an_unknown_id_is_not_found_and_no_list_fault(submit, query, vidu_emulator):
    task_ids = [*submit(1), "902581991298326528"]
    for answer in await query(*[task_ids] * 5):
        assert isinstance(answer[task_ids[1]], ViduNotFoundError)
    assert asked(vidu_emulator) == (5, 5)


class Client(AsyncViduClient):
    """A client with answers of its own, that counts what is under way."""

    def __init__(self, account, pages, single=None):
        super().__init__(account)
        self.pages, self.single = pages, single
        self.listed, self.queried = [], []
        self.under_way = self.most = 0

    async def list_page(self, *, retry=True, task_ids=(), page_token=None, **query):
        self.listed.append(list(task_ids))
        assert not retry
        return await self._told(lambda: self.pages(list(task_ids), page_token))

    async def get_task(self, task_id, *, retry=True):
        self.queried.append(task_id)
        assert not retry
        return await self._told(lambda: self.single(task_id))

    async def _told(self, answer):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        # Others get their turn before this one is answered.
        for _ in range(20):
            await asyncio.sleep(0)
        self.under_way -= 1
        reply = answer()
        if isinstance(reply, Exception):
            raise reply
        return reply


@pytest.fixture
def client(vidu_emulator):
    return lambda pages, single=None: Client(ViduHook().account, pages, single)


def row(task_id, state="processing"):
    return http_messages.ViduTask(task_id=task_id, state=state)


def page(rows, token=None):
    return http_messages.TaskPage(tuple(rows), token, len(rows))


@pytest.mark.parametrize(
    "error",
    [ViduUnavailableError("502"), ViduRateLimitError("429"), ViduAuthError("401"), ViduCreditError("empty")],
    ids=str,
)
@pytest.mark.parametrize("paced", [True, False])
async def test_an_outage_of_the_list_is_not_multiplied(error, client, paced):
    task_ids = [str(number) for number in range(2000)]
    made = client(lambda ids, token: error, lambda task_id: error)
    answer = await BulkQuery(made, paced=paced).get_tasks(task_ids)
    assert set(answer.values()) == {error}
    assert list(answer) == task_ids
    assert len(made.listed) <= MAX_PARALLEL_PAGES
    assert len(made.queried) <= (0 if paced else 1)


async def test_an_outage_of_single_queries_is_not_multiplied(client):
    made = client(lambda ids, token: ViduNotFoundError("404"), lambda task_id: ViduUnavailableError("502"))
    answer = await BulkQuery(made).get_tasks([str(number) for number in range(500)])
    assert len(answer) == 500
    assert len(made.queried) <= MAX_PARALLEL + MAX_FAILURES


async def test_an_outage_of_only_the_list_stops_no_wait(client):
    made = client(lambda ids, token: ViduUnavailableError("502"), row)
    answers = [await BulkQuery(made, paced=True).get_tasks(["1", "2"]) for _ in range(4)]
    assert [isinstance(answer["1"], ViduError) for answer in answers] == [True, True, True, False]
    assert [isinstance(answer["2"], ViduError) for answer in answers] == [True, True, True, False]


async def test_a_host_that_comes_back_gets_no_thousand_queries(client):
    down = True
    made = client(
        lambda ids, token: ViduUnavailableError("503") if down else page([row(task_id) for task_id in ids]), row
    )
    task_ids = [str(number) for number in range(1000)]
    for _ in range(3):
        await BulkQuery(made, paced=True).get_tasks(task_ids[:100])
    down = False
    answer = await BulkQuery(made, paced=True).get_tasks(task_ids)
    assert not any(isinstance(result, ViduError) for result in answer.values())
    assert made.queried == ["0"]


async def test_one_call_gets_past_a_list_that_is_down_alone(client):
    made = client(lambda ids, token: ViduUnavailableError("502"), row)
    task_ids = [str(number) for number in range(250)]
    answer = await BulkQuery(made).get_tasks(task_ids)
    assert list(answer) == task_ids
    assert all(result.state == "processing" for result in answer.values())
    # Every page once, and the list once more after the query that was answered.
    assert len(made.listed) <= 3 + MAX_PARALLEL_PAGES
    assert sorted(made.queried, key=int) == task_ids
    listed = len(made.listed)
    assert len(await BulkQuery(made).get_tasks(["1", "2"])) == 2
    assert len(made.listed) == listed


async def test_one_failed_page_does_not_cause_a_thousand_queries(client):
    failures = [ViduUnavailableError("502")]
    made = client(lambda ids, token: failures.pop() if failures else page([row(one) for one in ids]), row)
    answer = await BulkQuery(made).get_tasks([str(number) for number in range(1000)])
    assert not any(isinstance(result, ViduError) for result in answer.values())
    assert len(made.queried) <= 1


async def test_a_not_found_probe_shows_that_the_host_is_up(client):
    made = client(
        lambda ids, token: ViduUnavailableError("502"),
        lambda task_id: ViduNotFoundError("404") if task_id == "0" else row(task_id),
    )
    answer = await BulkQuery(made).get_tasks(["0", "1"])
    assert isinstance(answer["0"], ViduNotFoundError)
    assert answer["1"].state == "processing"


async def test_a_web_page_for_a_list_means_single_queries(client):
    made = client(lambda ids, token: ViduConfigurationError("a web page", http_status=200), row)
    for _ in range(2):
        answer = await BulkQuery(made).get_tasks(["1", "2"])
        assert [result.state for result in answer.values()] == ["processing"] * 2
    assert len(made.listed) == 1


async def test_stateless_and_foreign_rows_are_ignored(client):
    made = client(lambda ids, token: page([row("1", None), row("3"), row("2")]), row)
    answer = await BulkQuery(made).get_tasks(["1", "2"])
    assert made.queried == ["1"]
    assert list(answer) == ["1", "2"]


async def test_smaller_pages_are_followed_up_to_a_limit(client):
    def pages(ids, token):
        at = int(token or 0)
        return page([row(task_id) for task_id in ids[at : at + 30]], str(at + 30) if at + 30 < len(ids) else None)

    made = client(pages, row)
    assert len(await BulkQuery(made).get_tasks([str(number) for number in range(100)])) == 100
    assert (len(made.listed), made.queried) == (4, [])
    endless = client(lambda ids, token: page([row(f"other {token}")], f"{token}x"), row)
    assert set(await BulkQuery(endless).get_tasks(["1"])) == {"1"}
    assert len(endless.listed) <= 10


async def test_too_large_replies_shrink_the_page_size(submit, query, vidu_emulator, monkeypatch):
    task_ids = submit(40)
    monkeypatch.setattr(http_messages, "MAX_ANSWER_BYTES", 10_000)
    answers = await query(task_ids, task_ids)
    assert all(task.state for answer in answers for task in answer.values())
    lists, polls = asked(vidu_emulator)
    assert polls == 0
    monkeypatch.undo()
    vidu_emulator.counters.reset()
    assert lists < 40


async def test_one_row_that_is_too_large_is_asked_singly(submit, query, vidu_emulator, monkeypatch):
    task_ids = submit(3)
    monkeypatch.setattr(http_messages, "MAX_ANSWER_BYTES", 500)
    (answer,) = await query(task_ids)
    assert all(task.state for task in answer.values())
    assert asked(vidu_emulator)[1] == 3


async def test_a_bad_id_is_refused_alone(client):
    refused = ViduRequestError("Vidu answered: task_ids", http_status=400)
    made = client(
        lambda ids, token: refused if "bad" in ids else page([row(task_id) for task_id in ids]),
        lambda task_id: refused if task_id == "bad" else row(task_id),
    )
    answer = await BulkQuery(made).get_tasks(["1", "bad", "2"])
    assert [isinstance(task, ViduError) for task in answer.values()] == [False, True, False]


async def test_queries_are_parallel_within_bounds(client):
    made = client(lambda ids, token: ViduNotFoundError("404"), row)
    await BulkQuery(made).get_tasks([str(number) for number in range(100)])
    assert made.most == MAX_PARALLEL
    made = client(lambda ids, token: page([row(task_id) for task_id in ids]))
    await BulkQuery(made).get_tasks([str(number) for number in range(2000)])
    assert made.most == MAX_PARALLEL_PAGES


async def test_a_hanging_request_does_not_delay_the_others_long(client, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.waiting.bulk_query.REQUEST_SECONDS", 0.05)

    async def hang(*task_ids, **query):
        await asyncio.sleep(60)

    made = client(None)
    made.list_page = made.get_task = hang
    answer = await BulkQuery(made).get_tasks(["1"])
    assert isinstance(answer["1"], ViduUnavailableError)


async def test_a_bug_is_no_answer(client):
    made = client(lambda ids, token: KeyError("bug"))
    with pytest.raises(KeyError):
        await BulkQuery(made).get_tasks(["1"])


async def test_cancelled_it_leaves_nothing_under_way(client):
    made = client(lambda ids, token: ViduNotFoundError("404"), row)
    asking = asyncio.create_task(BulkQuery(made).get_tasks([str(number) for number in range(1000)]))
    for _ in range(100):
        await asyncio.sleep(0)
    assert made.queried
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    sent = len(made.queried)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(made.queried) == sent
