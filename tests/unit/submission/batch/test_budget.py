# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A batch stops before it exceeds its budget."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.submission.batch.budget import Budget, Spending


@pytest.mark.parametrize(
    ("limit", "spent", "estimate", "others_are_out", "answer"),
    [
        (None, 10**9, None, False, Spending.GO),
        (100, 92, 8, False, Spending.GO),
        (100, 93, 8, False, Spending.STOP),
        (100, 0, None, False, Spending.GO),
        (100, 0, None, True, Spending.WAIT),
        (100, 100, None, False, Spending.STOP),
        (0, 0, 8, False, Spending.STOP),
    ],
)
def test_budget_allows_what_fits_in_it(limit, spent, estimate, others_are_out, answer):
    budget = Budget(limit)
    budget.add_paid(1, "other", None, spent)
    assert budget.check("kind", estimate, others_are_out=others_are_out) is answer


def test_unknown_price_stops_others_of_its_kind():
    budget = Budget(100)
    budget.add_paid(2, "kind", None, None)
    assert budget.check("kind", None, others_are_out=False) is Spending.STOP
    assert budget.check("another", None, others_are_out=False) is Spending.GO
    budget.note_unknown_price("another", None)
    assert budget.check("another", None, others_are_out=False) is Spending.STOP


def test_budget_reserves_what_is_in_flight():
    budget = Budget(20)
    held = [budget.reserve("kind", 8), budget.reserve("kind", 8)]
    assert budget.check("kind", 8, others_are_out=True) is Spending.STOP
    budget.release(held[0])
    assert budget.check("kind", 8, others_are_out=True) is Spending.GO


def test_vidus_price_outranks_the_estimate():
    budget = Budget(30)
    held = budget.reserve("kind", 8)
    budget.release(held)
    budget.add_paid(3, "kind", 8, 12)
    assert budget.price("kind", 8) == 12
    assert budget.spent == 12
    budget.add_paid(4, "kind", 8, None)
    assert budget.spent == 24
    assert budget.check("kind", 8, others_are_out=False) is Spending.STOP


@pytest.mark.parametrize("credits", [0, -1])
def test_zero_credits_are_no_price_where_none_is_known(credits):
    budget = Budget(100)
    budget.add_paid(1, "kind", None, credits)
    assert budget.check("kind", None, others_are_out=False) is Spending.STOP


def test_submission_counts_once_at_its_last_price():
    budget = Budget(100)
    budget.add_paid("item 0", "kind", 8, None)
    budget.add_paid("item 0", "kind", 8, 12)
    assert budget.spent == 12
    budget.remove_paid("item 0")
    assert budget.spent == 0


@pytest.mark.parametrize("credits", [0, -1, 0.0])
def test_host_that_answers_no_credits_does_not_lift_the_budget(credits):
    budget = Budget(100)
    budget.add_paid(5, "kind", 75, credits)
    assert budget.spent == 75
    assert budget.check("kind", 75, others_are_out=False) is Spending.STOP
