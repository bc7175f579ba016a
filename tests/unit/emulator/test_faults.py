# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Faults: what each does to the exchange, and above all whether the request was acted on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_vidu.emulator import Fault, Quirks, ViduEmulator
from airflow_provider_vidu.emulator.faults import KINDS, OPERATIONS, FaultPlan

GOOD = {"model": "viduq3-turbo", "images": ["https://example.com/cat.png"], "duration": 1, "resolution": "540p"}


# --- the plan, pure --------------------------------------------------------------------------------------------


def kinds_taken(plan: FaultPlan, operation: str, requests: int) -> list[str]:
    taken = [plan.take(operation) for _ in range(requests)]
    return [fault.kind if fault else "" for fault in taken]


def test_without_faults_every_request_succeeds() -> None:
    plan = FaultPlan()
    assert all(plan.take(operation) is None for operation in OPERATIONS)


def test_faults_strike_in_the_order_and_as_often_as_they_were_added() -> None:
    plan = FaultPlan()
    plan.add("poll", Fault.hang(1, times=2), Fault.drop_after_accept())
    plan.add("poll", Fault.half_reply(after=2))
    assert kinds_taken(plan, "poll", 7) == ["hang", "hang", "drop_after_accept", "", "", "half_reply", ""]


def test_faults_strike_only_their_operation() -> None:
    plan = FaultPlan()
    plan.add("submit", Fault.no_id())
    assert kinds_taken(plan, "poll", 2) == ["", ""]
    assert kinds_taken(plan, "submit", 2) == ["no_id", ""]


def test_a_fault_without_a_number_strikes_until_it_is_cleared() -> None:
    plan = FaultPlan()
    plan.add("list", Fault.refuse(503, times=None))
    plan.add("poll", Fault.refuse(503))
    assert kinds_taken(plan, "list", 50) == ["refuse"] * 50
    plan.clear("list")
    assert (kinds_taken(plan, "list", 1), kinds_taken(plan, "poll", 1)) == ([""], ["refuse"])


def test_no_fault_is_lost_or_doubled_between_threads() -> None:
    plan = FaultPlan()
    plan.add("poll", Fault.broken_json(times=500))
    taken: list[Fault | None] = []
    threads = [threading.Thread(target=lambda: taken.extend(plan.take("poll") for _ in range(200))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(fault is not None for fault in taken) == 500


@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "explode"},
        {"kind": "refuse"},
        {"kind": "refuse", "status": 200},
        {"kind": "fail_after_accept", "status": 700},
        {"kind": "hang"},
        {"kind": "drop_after_accept", "times": 0},
        {"kind": "drop_after_accept", "after": -1},
    ],
)
def test_invalid_fault_is_rejected(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"fault|needs|must"):
        Fault(**arguments)


def test_unknown_operation_is_rejected() -> None:
    plan = FaultPlan()
    with pytest.raises(ValueError, match="no operation is called 'rename'"):
        plan.add("rename", Fault.hang(1))
    with pytest.raises(ValueError, match="submit, poll, list only"):
        plan.add("cancel", Fault.no_id())


@pytest.mark.parametrize(
    "changes", [{"has_lists": False}, {"has_list": "no"}, {"list_lag_seconds": -1}, {"list_omits_ids": "911"}]
)
def test_invalid_quirk_is_rejected_and_changes_nothing(changes: dict[str, Any]) -> None:
    quirks = Quirks()
    with pytest.raises(ValueError, match=r"no quirk|cannot be"):
        quirks.change(list_without_payload=True, **changes)
    assert quirks == Quirks()


# --- over HTTP -------------------------------------------------------------------------------------------------


@pytest.fixture
def vidu() -> Iterator[ViduEmulator]:
    with ViduEmulator(processing_seconds=0, created_seconds=0, video=b"video" * 1000) as vidu:
        yield vidu


def call(vidu: ViduEmulator, operation: str, *, timeout: float = 5) -> requests.Response:
    """Do one operation, on a task that is there already where it needs one."""
    headers = {"Authorization": f"Token {vidu.api_key}"}
    api = f"{vidu.url}/ent/v2"
    if operation == "submit":
        return requests.post(f"{api}/img2video", json=GOOD, headers=headers, timeout=timeout, allow_redirects=False)
    if operation == "list":
        return requests.get(f"{api}/tasks", headers=headers, timeout=timeout, allow_redirects=False)
    if operation == "credits":
        return requests.get(f"{api}/credits", headers=headers, timeout=timeout, allow_redirects=False)
    if operation == "upload":
        return requests.post(
            f"{vidu.url}/tools/v2/files/uploads",
            json={"scene": "vidu"},
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
        )
    task_id = vidu.tasks[0].task_id if vidu.tasks else call(vidu, "submit").json()["task_id"]
    if operation == "cancel":
        return requests.post(f"{api}/tasks/{task_id}/cancel", headers=headers, timeout=timeout, allow_redirects=False)
    query = requests.get(f"{api}/tasks/{task_id}/creations", headers=headers, timeout=timeout, allow_redirects=False)
    return query if operation == "poll" else requests.get(query.json()["creations"][0]["url"], timeout=timeout)


# What a client sees of a submission, and how many tasks there are afterwards.
SUBMISSIONS = [
    (Fault.drop_before_accept(), "ConnectionError", 0),
    (Fault.drop_after_accept(), "ConnectionError", 1),
    (Fault.half_reply(), "ChunkedEncodingError", 1),
    (Fault.no_id(), "200 without id", 1),
    (Fault.refuse(500), "500 InternalServiceFailure", 0),
    (Fault.refuse(503), "503 InternalServiceFailure", 0),
    (Fault.fail_after_accept(), "502 InternalServiceFailure", 1),
    (Fault.fail_after_accept(500), "500 InternalServiceFailure", 1),
    (Fault.refuse(408), "408 BadRequest", 0),
    (Fault.refuse(409), "409 Conflict", 0),
    (Fault.refuse(499), "499 Canceled", 0),
    (Fault.fail_after_accept(409), "409 Conflict", 1),
    (Fault.refuse(401), "401 Unauthorized", 0),
    (Fault.refuse(404), "404 NotFound", 0),
    (Fault.refuse(302, location="http://127.0.0.1:1/elsewhere"), "302", 0),
    (Fault.rate_limit(), "429 TooManyRequests", 0),
    (Fault.rate_limit(reason="QuotaExceeded"), "429 QuotaExceeded", 0),
    (Fault.broken_json(), "200 broken", 1),
    (Fault.error_in_200(), "200 InternalServiceFailure", 0),
    (Fault.error_in_200(reason="QuotaExceeded"), "200 QuotaExceeded", 0),
    (Fault.hang(1.5), "ReadTimeout", 1),
    (Fault.hang_before_accept(1.5), "ReadTimeout", 0),
]


@pytest.mark.parametrize(("fault", "seen", "created"), SUBMISSIONS)
def test_struck_submission_is_accepted_only_by_faults_after_accept(
    vidu: ViduEmulator, fault: Fault, seen: str, created: int
) -> None:
    vidu.faults.add("submit", fault)
    try:
        answer = call(vidu, "submit", timeout=0.5 if fault.seconds else 5)
    except requests.RequestException as error:
        outcome = type(error).__name__
    else:
        outcome = str(answer.status_code)
        try:
            body = answer.json() if answer.content else {}
            outcome += f" {body['reason']}" if "reason" in body else " without id" if body and "id" not in body else ""
        except ValueError:
            outcome += " broken"
    assert outcome == seen
    assert len(vidu.tasks) == vidu.counters.submissions == created
    assert bool(vidu.ledger.entries) == bool(created)
    assert (vidu.counters.requests["submit"], vidu.counters.faults["submit"]) == (1, 1)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"no_id", "hang", "hang_before_accept"}])
def test_every_fault_strikes_every_operation_once(vidu: ViduEmulator, operation: str, kind: str) -> None:
    good = call(vidu, operation).status_code
    vidu.faults.add(operation, Fault(kind, status=503 if kind in {"refuse", "fail_after_accept"} else None))
    try:
        struck = call(vidu, operation)
        went_well = struck.status_code == good and kind not in {"broken_json", "error_in_200"}
    except requests.RequestException:
        went_well = False
    assert not went_well
    assert vidu.counters.faults[operation] == 1
    assert call(vidu, operation).status_code == good


def test_broken_json_has_its_full_length(vidu: ViduEmulator) -> None:
    vidu.faults.add("poll", Fault.broken_json())
    answer = call(vidu, "poll")
    assert len(answer.content) == int(answer.headers["Content-Length"])
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Extra"):
        answer.json()


def test_answers_and_rows_can_lack_their_ids(vidu: ViduEmulator) -> None:
    call(vidu, "submit")
    for operation in ("poll", "list"):
        vidu.faults.add(operation, Fault.no_id())
    query, page = call(vidu, "poll").json(), call(vidu, "list").json()
    assert "id" not in query
    assert query["state"] == "success"
    assert ["id" in row for row in page["tasks"]] == [False]


@pytest.mark.parametrize(
    ("told", "header"), [(None, None), (2, "2"), (0.5, "0.5"), ("Wed, 21 Oct 2026 07:28:00 GMT",) * 2]
)
def test_a_rate_limit_comes_with_or_without_retry_after(vidu: ViduEmulator, told: Any, header: str | None) -> None:
    vidu.faults.add("poll", Fault.rate_limit(retry_after=told))
    answer = call(vidu, "poll")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, header)


def test_a_redirect_names_its_target(vidu: ViduEmulator) -> None:
    vidu.faults.add("credits", Fault.refuse(307, location="https://elsewhere.example/ent/v2/credits"))
    answer = call(vidu, "credits")
    assert (answer.status_code, answer.headers["Location"]) == (307, "https://elsewhere.example/ent/v2/credits")


def test_submission_of_a_disconnected_client_is_still_accepted(vidu: ViduEmulator) -> None:
    vidu.faults.add("submit", Fault.hang_before_accept(1.5))
    with pytest.raises(requests.ReadTimeout):
        call(vidu, "submit", timeout=0.5)
    assert vidu.tasks == []
    deadline = time.monotonic() + 5
    while not vidu.tasks and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(vidu.tasks) == 1


def test_half_a_download_announces_the_whole(vidu: ViduEmulator) -> None:
    vidu.faults.add("download", Fault.half_reply())
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match=r"2500 bytes read, 2500 more expected"):
        call(vidu, "download")


def test_a_refusal_by_the_rules_is_not_counted_as_a_fault(vidu: ViduEmulator) -> None:
    call(vidu, "cancel")
    assert vidu.counters.cancels_refused == 1
    assert sum(vidu.counters.faults.values()) == 0
