# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The one line that tells how far a wait for many is."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.waiting.group_progress import GroupCounts, progress_line


@pytest.mark.parametrize(
    ("counts", "known", "line"),
    [
        (
            GroupCounts(100, done=20, failed=5, queued=70, running=5),
            {"elapsed": 100.0, "credits": 240},
            "20 of 100 Vidu tasks succeeded, 5 running, 70 queued, 5 failed, 240 credits committed after 100 s; at "
            "this rate the last one finishes in about 5 min.",
        ),
        (
            GroupCounts(11, done=2, running=9, batch_size=45, batch_done=10),
            {"elapsed": 30.0, "credits": 59.5},
            "12 of 45 requests succeeded, 9 running, 59.5 credits committed after 30 s.",
        ),
        (
            GroupCounts(100, queued=50),
            {"elapsed": 10.0, "typical": 45.0},
            "0 of 100 Vidu tasks succeeded, 50 queued, 50 not queried yet after 10 s; one usually takes about 45 s "
            "once it is processing.",
        ),
        (
            GroupCounts(1, done=1),
            {"elapsed": 9.0, "credits": 1},
            "1 of 1 Vidu task succeeded, 1 credit spent after 9 s.",
        ),
        (GroupCounts(3, running=3), {"elapsed": 11.0}, "0 of 3 Vidu tasks succeeded, 3 running after 11 s."),
        (
            GroupCounts(10, done=8, failed=1, given_up=1),
            {"elapsed": 9000.0, "credits": 80},
            "8 of 10 Vidu tasks succeeded, 1 failed, 1 given up, 80 credits committed after 2 h 30 min.",
        ),
        (
            GroupCounts(1000, done=10, running=5, queued=985),
            {"elapsed": 60.0},
            "10 of 1000 Vidu tasks succeeded, 5 running, 985 queued after 60 s; at this rate the last one finishes in "
            "about 99 min.",
        ),
    ],
)
def test_the_line_says_what_is_known(counts, known, line):
    assert progress_line(counts, **known) == line
