# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Submit x every fault: one video, paid for once, whatever happens to the POST and to the worker that sent it."""

from __future__ import annotations

import pytest
from _support.fault_table import one_by_one, one_by_one_for_each_endpoint

from airflow_provider_vidu.api.errors import (
    ViduConfigurationError,
    ViduError,
    ViduRequestError,
    ViduSubmissionInDoubtError,
    ViduUnavailableError,
)
from airflow_provider_vidu.client import AsyncViduClient, ViduClient
from airflow_provider_vidu.emulator import Fault

REFUSED = "refused connection"
ELSEWHERE = "/storage/elsewhere"
# Timeouts of the connection on which a POST hangs, in seconds: of the POST, and of the list.
SHORT_TIMEOUT, SETTLE = 0.8, 60

# The POST was accepted, and its client cannot know: it searches, and never sends it again.
ACCEPTED = {
    "reply lost": Fault.drop_after_accept(),
    "half a reply": Fault.half_reply(),
    "200 without id": Fault.no_id(),
    "200 with broken JSON": Fault.broken_json(),
    "500 after accept": Fault.fail_after_accept(500),
    "503 after accept": Fault.fail_after_accept(503),
    "408 after accept": Fault.fail_after_accept(408),
    "409 after accept": Fault.fail_after_accept(409),
    "499 after accept": Fault.fail_after_accept(499),
    "hang after accept": Fault.hang(1.2),
    "hang, then accepted late": Fault.hang_before_accept(1.2),
}
# The POST was not accepted, and its client cannot know: it sends it again once the list has settled without it.
NOT_ACCEPTED = {
    "dropped before accept": Fault.drop_before_accept(),
    "500 before accept": Fault.refuse(500),
    "503 before accept": Fault.refuse(503),
    "408 before accept": Fault.refuse(408),
    "409 before accept": Fault.refuse(409),
    "499 before accept": Fault.refuse(499),
    "200 with an error": Fault.error_in_200(),
    # A 303 says that the POST was processed, and where its result is.
    "303 before accept": Fault.refuse(303, location=ELSEWHERE),
}
# The POST created nothing, and its client knows: the try ends, and the next one may send it without a search.
REFUSALS = {
    "refused connection": (REFUSED, ViduUnavailableError),
    "302": (Fault.refuse(302, location=ELSEWHERE), ViduConfigurationError),
    "307": (Fault.refuse(307, location=ELSEWHERE), ViduConfigurationError),
    "400": (Fault.refuse(400), ViduRequestError),
    "401": (Fault.refuse(401), ViduRequestError),
    "403": (Fault.refuse(403), ViduRequestError),
    "404": (Fault.refuse(404), ViduRequestError),
}
# The POST created nothing, and its client must wait at least this many seconds.
FULL_QUEUES = {
    "429": (Fault.rate_limit(), 2),
    "429, Retry-After 7": (Fault.rate_limit(retry_after=7), 7),
    "429, Retry-After a date": (Fault.rate_limit(retry_after="HTTP date"), 20),
    "429, Retry-After unreadable": (Fault.rate_limit(retry_after="soon"), 2),
}

KNOWN_NOT = {**{name: row[0] for name, row in REFUSALS.items()}, **{name: row[0] for name, row in FULL_QUEUES.items()}}
EVERY = {**ACCEPTED, **NOT_ACCEPTED, **KNOWN_NOT}


in_every_mode = pytest.mark.parametrize("mode", ["store", "no store", "leaves"])


@pytest.fixture
def order(strike, vidu):
    """Schedule a fault for submissions. A POST that hangs before accept arrives just before it counts as absent."""

    def order(fault, *, times=1):
        strike("submit", fault, times=times)
        if getattr(fault, "kind", None) == "hang_before_accept":
            strike.expect_late_request(SHORT_TIMEOUT + SETTLE - 0.1, lambda: vidu.counters.submissions)

    return order


@in_every_mode
@one_by_one_for_each_endpoint(ACCEPTED)
def test_possibly_accepted_submission_is_searched_and_never_resent(fault, mode, task_instance, order, books):
    task = task_instance(fault, mode=mode)
    order(fault)
    video = task.run()
    assert books.paid == books.created == [video]
    assert books.requests("submit") == 1


@in_every_mode
@one_by_one_for_each_endpoint(NOT_ACCEPTED)
def test_unaccepted_submission_is_resent_only_after_the_list_settled(fault, mode, task_instance, order, books, clock):
    task = task_instance(fault, mode=mode)
    order(fault)
    clock.call_after(
        SETTLE, lambda: books.requests("submit") == 1 or pytest.fail("sent again before the list has settled")
    )
    video = task.run()
    assert books.paid == books.created == [video]
    assert books.requests("submit") == 2


@in_every_mode
@one_by_one_for_each_endpoint(REFUSALS, "error")
def test_submission_that_created_nothing_may_be_resent(fault, error, mode, task_instance, order, strike, books):
    task = task_instance(fault, mode=mode)
    order(fault)
    with pytest.raises(error) as raised:
        task.run()
    assert not isinstance(raised.value, ViduSubmissionInDoubtError)
    assert books.created == []
    strike.stop()
    looked = books.requests("list")
    video = task.run()
    # The record says that nothing was created; without a record a retry must search.
    assert (books.requests("list") == looked) is (mode != "no store")
    assert books.paid == books.created == [video]


@one_by_one({name: row[0] for name, row in REFUSALS.items() if name.startswith("3")})
def test_redirect_is_a_configuration_error_and_gets_no_key(fault, task_instance, order, books):
    order(fault)
    with pytest.raises(ViduConfigurationError, match="redirects"):
        task_instance().run()
    assert books.requests("submit") == 1
    assert books.key_stayed_home
    assert books.requests("download") == 0


@in_every_mode
@one_by_one_for_each_endpoint(FULL_QUEUES, "seconds")
def test_a_full_queue_is_waited_out_as_the_server_asks(fault, seconds, mode, task_instance, order, books, clock):
    order(fault)
    task = task_instance(fault, mode=mode)
    clock.call_after(seconds, lambda: books.requests("submit") == 1 or pytest.fail("it came again too early"))
    video = task.run()
    assert books.paid == books.created == [video]
    assert (books.requests("submit"), books.requests("list")) == (2, 0)


@pytest.mark.parametrize(
    ("mode", "cleared"), [("store", False), ("store", True), ("no store", False), ("leaves", False)]
)
@one_by_one_for_each_endpoint(EVERY)
def test_worker_killed_with_the_reply_pays_once(fault, mode, cleared, task_instance, order, strike, books):
    task = task_instance(fault, mode=mode)
    order(fault)
    task.die_submitting()
    if fault == REFUSED:
        strike.stop()
    video = task.run(cleared=cleared)
    assert books.paid == [video]
    # A clear cancels a task that is still waiting, and submits a new one.
    assert books.requests("submit") == 1 + (cleared or fault not in ACCEPTED.values()) - (fault == REFUSED)


@in_every_mode
@one_by_one_for_each_endpoint(EVERY)
def test_a_fault_that_strikes_three_submissions_pays_once(fault, mode, task_instance, order, strike, books):
    task = task_instance(fault, mode=mode)
    order(fault, times=3)
    video = None
    while video is None:
        try:
            video = task.run()
        except ViduError:
            # Airflow does not retry a permanent error. If a user does, nothing is paid twice.
            if task.tries == 3:
                strike.stop()
            assert task.tries < 5
    assert books.paid == books.created == [video]


@one_by_one_for_each_endpoint(EVERY)
async def test_both_clients_agree_on_what_may_have_been_accepted(fault, endpoint, wire, account, vidu, strike, books):
    errors = []
    for asynchronous in (False, True):
        strike("submit", fault)
        try:
            if asynchronous:
                async with AsyncViduClient(account(fault)) as client:
                    await client.submit(wire, endpoint=endpoint.name)
            else:
                with ViduClient(account(fault)) as client:
                    client.submit(wire, endpoint=endpoint.name)
        except ViduError as error:
            errors.append(error)
        strike.stop()
    assert [type(error) for error in errors] == [type(errors[0])] * 2
    in_doubt = fault in [*ACCEPTED.values(), *NOT_ACCEPTED.values()]
    assert [isinstance(error, ViduSubmissionInDoubtError) for error in errors] == [in_doubt] * 2
    assert books.requests("submit") == (0 if fault == REFUSED else 2)
    assert books.key_stayed_home
