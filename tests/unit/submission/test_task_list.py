# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""No single walk through a list that cannot say decides whether something is submitted again."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.submission.retry_or_clear import LookUp
from airflow_provider_vidu.submission.task_list import CONFIRM_GAP, Search

ACCOUNT = Account(base_url="https://relay.example", api_key="key", timeout=60, settle_seconds=60)
SETTLED = 1000.0


def waits(search: Search, verdict: LookUp, now: float) -> bool:
    return search.next_walk(verdict, now, SETTLED, has_list=True, can_be_found=True) is not None


def test_several_pages_need_two_sure_walks():
    """If a row of a page that was read vanishes, the next page starts one row too late, and nothing shows that."""
    search = Search(ACCOUNT)
    search.has_pages = True
    assert waits(search, LookUp.ABSENT, SETTLED - 30)
    assert waits(search, LookUp.ABSENT, SETTLED)
    assert waits(search, LookUp.ABSENT, SETTLED + CONFIRM_GAP / 2)
    assert not waits(search, LookUp.ABSENT, SETTLED + CONFIRM_GAP)


@pytest.mark.parametrize(
    ("walks", "decides"),
    [
        # (the verdict, seconds after the list has settled) of each walk
        ([(LookUp.ABSENT, -1.0)], False),
        ([(LookUp.ABSENT, 0.0)], True),
        ([(LookUp.UNKNOWN, 0.0)], False),
        ([(LookUp.UNKNOWN, 0.0), (LookUp.UNKNOWN, 0.01)], False),
        ([(LookUp.UNKNOWN, 0.0), (LookUp.UNKNOWN, CONFIRM_GAP)], True),
        ([(LookUp.UNKNOWN, -30.0), (LookUp.UNKNOWN, 0.0)], True),
        ([(LookUp.UNKNOWN, -30.0), (LookUp.ABSENT, -10.0), (LookUp.UNKNOWN, 0.0)], False),
    ],
)
def test_two_unsure_walks_apart_decide_or_one_that_is_sure(walks, decides):
    search = Search(ACCOUNT)
    waiting = [waits(search, verdict, SETTLED + after) for verdict, after in walks]
    assert waiting[:-1] == [True] * (len(walks) - 1)
    assert waiting[-1] is not decides
