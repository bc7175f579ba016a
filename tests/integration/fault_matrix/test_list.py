# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
List x every fault, while a lost submission is looked up: found, or a safe stop, never a second one on a guess.

A worker was killed with its submission in flight, so its fate is unknown and the next try must search.
"""

from __future__ import annotations

import pytest
from _support.fault_table import for_each_endpoint, one_by_one, one_by_one_for_each_endpoint

from airflow_provider_vidu.api.errors import Fate, ViduError, ViduSubmissionInDoubtError
from airflow_provider_vidu.emulator import Fault

ELSEWHERE = "/storage/elsewhere"

FAULTS = {
    "refused connection": "refused connection",
    "dropped before accept": Fault.drop_before_accept(),
    "reply lost": Fault.drop_after_accept(),
    "half a reply": Fault.half_reply(),
    "rows without ids": Fault.no_id(),
    "200 with broken JSON": Fault.broken_json(),
    "500": Fault.refuse(500),
    "503": Fault.refuse(503),
    "504": Fault.fail_after_accept(504),
    "408": Fault.refuse(408),
    "409": Fault.refuse(409),
    "499": Fault.refuse(499),
    "302": Fault.refuse(302, location=ELSEWHERE),
    "307": Fault.refuse(307, location=ELSEWHERE),
    "401": Fault.refuse(401),
    "403": Fault.refuse(403),
    "404": Fault.refuse(404),
    "405": Fault.refuse(405),
    "501": Fault.refuse(501),
    "429": Fault.rate_limit(),
    "429, Retry-After 7": Fault.rate_limit(retry_after=7),
    "429, Retry-After a date": Fault.rate_limit(retry_after="HTTP date"),
    # For a read, a hang before accept is the same.
    "hang": Fault.hang(1.2),
    "200 with an error": Fault.error_in_200(),
}
# Permanent quirks of a list. There are other submissions too, so that they matter.
QUIRKS = {
    "lags by 45 s": {"list_lag_seconds": 45.0},
    "payload in the rows": {"list_without_payload": False},
    "ignores paging": {"list_ignores_paging": True},
    "omits ids": {"list_omits_ids": True},
    "no list": {"has_list": False},
}
# With these the absence of a submission cannot be proven.
NEVER_SEEN_WHOLE = {"ignores paging", "no list"}


def in_modes(*modes):
    return pytest.mark.parametrize("mode", modes)


@pytest.fixture
def lost(task_instance, strike, vidu, submit_others):
    """Make a task instance whose worker died during its submission, accepted or not; the list has other rows."""

    def lost(fault=None, *, mode, accepted, **extra):
        submit_others()
        task = task_instance(fault, mode=mode, **extra)
        if not accepted:
            strike("submit", Fault.drop_before_accept())
        task.die_submitting()
        return task

    return lost


@in_modes("store", "no store", "leaves")
@one_by_one_for_each_endpoint(FAULTS)
def test_accepted_submission_is_found_despite_a_list_fault(fault, mode, lost, strike, books, clock):
    task = lost(fault, mode=mode, accepted=True)
    strike("list", fault, times=1, lasts=60)
    try:
        video = task.run()
    except ViduError:
        clock.sleep(300)
        video = task.run()
    assert books.paid == books.created == [video]


@in_modes("store", "no store")
@one_by_one(FAULTS)
def test_unreadable_list_submits_nothing_and_a_later_try_adopts(fault, mode, lost, strike, books):
    task = lost(fault, mode=mode, accepted=True)
    strike("list", fault, times=None)
    with pytest.raises(ViduError):
        task.run()
    assert books.requests("submit") == 1
    assert books.key_stayed_home
    strike.stop()
    video = task.run()
    assert books.paid == books.created == [video]


@in_modes("store", "no store")
@one_by_one_for_each_endpoint(FAULTS)
def test_unaccepted_submission_is_not_resent_with_an_unreadable_list(fault, mode, lost, strike, books):
    task = lost(fault, mode=mode, accepted=False)
    strike("list", fault, times=None)
    with pytest.raises(ViduError) as raised:
        task.run()
    assert raised.value.fate is not Fate.PERMANENT
    assert books.requests("submit") == 1
    strike.stop()
    video = task.run()
    assert books.paid == books.created == [video]


@for_each_endpoint
@in_modes("store", "no store", "leaves")
@pytest.mark.parametrize("quirk", QUIRKS.values(), ids=QUIRKS.keys())
@pytest.mark.parametrize("accepted", [True, False], ids=["accepted", "not accepted"])
def test_list_quirk_never_causes_a_second_submission(accepted, mode, quirk, lost, vidu, books):
    task = lost(mode=mode, accepted=accepted)
    vidu.quirks.change(**quirk)
    is_shown = accepted and quirk != QUIRKS["no list"]
    if not is_shown and quirk in [QUIRKS[name] for name in NEVER_SEEN_WHOLE]:
        with pytest.raises(ViduSubmissionInDoubtError):
            task.run()
        assert books.requests("submit") == 1
        vidu.quirks.change(has_list=True, list_ignores_paging=False)
    video = task.run()
    assert books.paid == books.created == [video]
    assert books.requests("submit") == (1 if accepted else 2)


@in_modes("store", "no store", "leaves")
def test_host_without_a_list_stops_safely_and_adopts_later(mode, lost, account, books):
    task = lost(mode=mode, accepted=True, list_path=None)
    with pytest.raises(ViduSubmissionInDoubtError):
        task.run()
    task.account = account()
    video = task.run()
    assert books.paid == books.created == [video]


@in_modes("store", "no store", "leaves")
@pytest.mark.parametrize("quirk", ["", "list_ignores_paging"], ids=["", "ignores paging"])
def test_second_page_is_searched_or_the_try_stops_safely(quirk, mode, lost, submit_others, vidu, strike, books):
    task = lost(mode=mode, accepted=True)
    submit_others(100)
    if quirk:
        vidu.quirks.change(**{quirk: True})
        with pytest.raises(ViduSubmissionInDoubtError):
            task.run()
        vidu.quirks.change(**{quirk: False})
    strike("list", Fault.refuse(503, after=1), times=None)
    with pytest.raises(ViduError):
        task.run()
    strike.stop()
    video = task.run()
    assert books.paid == books.created == [video]


@one_by_one({name: fault for name, fault in FAULTS.items() if name != "rows without ids"})
def test_unreadable_rows_never_prove_absence(fault, lost, vidu, strike, books):
    task = lost(fault, mode="store", accepted=True)
    strike("poll", fault, times=None)
    with pytest.raises(ViduError):
        task.run()
    assert books.requests("submit") == 1
    assert books.key_stayed_home
    strike.stop()
    video = task.run()
    assert books.paid == books.created == [video]
