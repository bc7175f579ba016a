# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""How fast a batch submits."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.submission.batch.pacing import Pace


def test_refusal_slows_the_batch_down_and_it_recovers():
    pace = Pace(16, spread=0.0)
    pace.on_refused(100.0)
    assert (pace.allowed, pace.not_before) == (8, 102.0)
    for _ in range(200):
        pace.on_accepted()
    assert pace.allowed == 16


def test_refusals_of_concurrent_submissions_count_once():
    pace = Pace(16, spread=0.0)
    for _ in range(16):
        pace.on_refused(100.0)
    assert (pace.allowed, pace.refusals) == (8, 1)


def test_each_refusal_waits_longer_and_one_may_always_be_sent():
    pace, now, waits = Pace(4, spread=0.0), 0.0, []
    for _ in range(8):
        pace.on_refused(now)
        waits.append(pace.not_before - now)
        now = pace.not_before
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(256.0)
    assert pace.allowed == 1


def test_retry_after_is_followed():
    pace = Pace(4, spread=0.0)
    pace.on_refused(0.0, retry_after=7.0)
    assert pace.not_before == pytest.approx(7.0)
