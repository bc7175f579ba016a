# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What the error of a batch advises about tasks that are paid for, or may be."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_vidu.api.errors import (
    Fate,
    ViduCreditError,
    ViduError,
    ViduLandingError,
    ViduNoCreationError,
    ViduNotFoundError,
    ViduTaskFailedError,
)
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.submission.batch.results import Memory, batch_error, failure_lines, failure_reasons


def record(task_id: str | None, state: str | None, error: ViduError | None) -> dict[str, Any]:
    return {"task_id": task_id, "state": state, "err_code": None, "error": None if error is None else str(error)}


@pytest.mark.parametrize("memory", Memory)
@pytest.mark.parametrize(
    ("error", "state"), [(ViduNoCreationError("no link"), "success"), (ViduNotFoundError("unknown"), None)]
)
def test_error_advises_a_check_of_what_may_be_billed(memory, error, state):
    failed = ViduTaskFailedError("failed")
    records = [record("1", "success", None), record("2", state, error), record("3", "failed", failed)]
    message = str(batch_error(records, {1: error, 2: failed}, None, memory))
    assert "Item 1 is billed, or may be: check Vidu task 2 before" in message


@pytest.mark.parametrize("memory", Memory)
def test_failed_tasks_need_no_check(memory):
    failed = ViduTaskFailedError("failed")
    records = [record("1", "success", None), record("3", "failed", failed), record(None, None, failed)]
    assert "may be billed" not in str(batch_error(records, {1: failed, 2: failed}, None, memory))


def batch_of(made: int, refused: list[ViduError], held: int, budget: ViduError) -> tuple[list[dict[str, Any]], Any]:
    records = [record(str(number), "success", None) for number in range(made)]
    records += [{**record(None, None, error), "err_code": error.reason} for error in refused]
    records += [{**record(None, None, budget), "err_code": budget.reason} for _ in range(held)]
    return records, dict(enumerate([*refused, *[budget] * held], start=made))


BUDGET = ViduCreditError(
    "The next submission would exceed credit_budget.", reason="CreditBudgetSpent", advice="Raise it."
)


@pytest.mark.parametrize("memory", Memory)
def test_spent_budget_comes_first_and_its_items_need_no_correction(memory):
    records, errors = batch_of(10, [], 35, BUDGET)
    message = str(batch_error(records, errors, BUDGET, memory))
    assert message.startswith(
        f"35 of 45 requests were not submitted (CreditBudgetSpent, items 10-44): {BUDGET.message}"
    )
    assert "Raise it." in message
    assert "Correct" not in message
    assert "have no video" not in message


@pytest.mark.parametrize("memory", Memory)
def test_with_a_spent_budget_only_other_items_need_correction(memory):
    refused = ViduError("submit is illegal", reason="AuditSubmitIllegal")
    message = str(batch_error(*batch_of(10, [refused], 34, BUDGET), BUDGET, memory))
    assert message.startswith("34 of 45 requests were not submitted (CreditBudgetSpent, items 11-44): ")
    assert "1 more has no video: AuditSubmitIllegal × 1 (item 10). Item 10: submit is illegal" in message
    assert message.index("Raise it.") < message.index("First correct the error that item 10 has")


def test_spent_budget_keeps_no_paid_video_from_a_retry():
    records, errors = batch_of(1, [], 2, BUDGET)
    records[0] = record("1", "success", full := ViduLandingError("No space left."))
    error = batch_error(records, {0: full, **errors}, BUDGET, Memory.STORE)
    assert error.fate is Fate.RETRYABLE
    assert "A retry first lands what is made" in error.advice
    assert batch_error(records, {0: full, **errors}, BUDGET, Memory.NONE).fate is Fate.PERMANENT
    assert batch_error(*batch_of(1, [], 2, BUDGET), BUDGET, Memory.STORE).fate is Fate.PERMANENT


def test_failures_are_reported_first_if_nothing_was_held_back():
    refused = ViduError("submit is illegal", reason="AuditSubmitIllegal")
    message = str(batch_error(*batch_of(1, [refused], 0, BUDGET), None, Memory.STORE))
    assert message.startswith("1 of 2 requests has no video: AuditSubmitIllegal × 1 (item 1). Item 1: ")
    assert "Fix the cause, then" in message
    assert "The other video is made and paid for." in message


def test_unlanded_videos_are_not_submitted_again():
    full = ViduLandingError("No space left.")
    records = [record("1", "success", None), record("2", "success", full)]
    message = str(batch_error(records, {1: full}, None, Memory.STORE))
    assert (
        f"A retry lands it and submits nothing; if no retry is left, {clear_this_task()}: it does the same." in message
    )
    assert "submits the failed" not in message
    both = {1: full, 2: ViduTaskFailedError("failed", fate=Fate.RETRYABLE)}
    message = str(batch_error([*records, record("3", "failed", both[2])], both, None, Memory.STORE))
    assert "A retry submits only what failed and lands the rest; if no retry is left" in message
    assert "A retry lands it and submits nothing. " in str(batch_error(records, {1: full}, None, Memory.LIST))


def test_batch_without_videos_counts_none_as_made():
    refused = ViduError("submit is illegal", reason="AuditSubmitIllegal")
    message = str(batch_error(*batch_of(0, [refused, refused], 0, BUDGET), None, Memory.STORE))
    assert message.startswith("2 of 2 requests have no video: AuditSubmitIllegal × 2 (items 0-1). Item 0: ")
    assert "made and paid" not in message


def test_each_reason_names_its_items():
    reasons = {2: "A", 3: "A", 4: "B", 5: "A", 9: "B", 11: "C", 12: "D", 13: "E", 14: "F", 16: "G"}
    records = [{"err_code": reasons.get(number), "error": number in reasons or None} for number in range(20)]
    assert failure_reasons(records, list(reasons)) == (
        "A × 3 (items 2-3, 5), B × 2 (items 4, 9), C × 1 (item 11), D × 1 (item 12), E × 1 (item 13), "
        "others × 2 (items 14, 16)"
    )


@pytest.mark.parametrize("failed", [3, 10, 12])
def test_failures_have_a_line_each_up_to_a_limit(failed):
    errors = {number: ViduTaskFailedError(f"no. {number}", task_id=f"9{number}") for number in range(failed)}
    lines = failure_lines([{}] * 71, {**errors, 70: BUDGET}, BUDGET)
    assert lines[0] == "Item 0: no. 0 (Vidu task 90). Vidu does not bill failed tasks."
    assert len(lines) == {3: 3, 10: 10, 12: 11}[failed]
    assert (lines[-1] == "2 more items have no video.") is (failed == 12)
