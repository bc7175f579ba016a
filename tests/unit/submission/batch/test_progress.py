# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The progress in Airflow's UI counts every request once, and never fails a batch."""

from __future__ import annotations

import pytest
from _support.batch_stage import Kept, Stage

from airflow_provider_vidu.submission.batch.progress import PROGRESS_KEY

ROWS = [{"images": f"https://cdn.example/{name}.png", "prompt": "x", "model": "viduq3-turbo"} for name in "abcd"]
COUNTS = ("made", "failed", "running", "queued", "not_sent")


def shown(stage: Stage) -> dict:
    return stage.store.values[PROGRESS_KEY]


def test_progress_counts_every_request_once():
    stage = Stage(Kept())
    first = stage.submit(ROWS)
    first.show_progress()
    assert shown(stage) == {
        **{"requests": 4, "made": 0, "failed": 0, "running": 0, "queued": 4, "not_sent": 0, "credits": 32},
        "expected_end": shown(stage)["expected_end"],
    }
    assert shown(stage)["expected_end"].endswith("+00:00")
    stage.vidu.end("9000")
    stage.vidu.end("9001", "failed", "CreationPolicyViolation")
    stage.vidu.tasks["9002"]["state"] = "processing"
    stage.submit(ROWS).show_progress()
    assert [shown(stage)[name] for name in COUNTS] == [1, 1, 1, 1, 0]


def test_progress_calls_nothing_failed_that_was_never_sent():
    stage = Stage(Kept())
    stage.options["records_invalid"] = True
    stage.submit([*ROWS, {"images": "data:image/png;base64,AAAA"}]).show_progress()
    assert [shown(stage)[name] for name in COUNTS] == [0, 0, 0, 4, 1]


@pytest.mark.parametrize("more", [{"off_peak": True}, {"model": "viduq9"}])
def test_no_end_is_promised_that_nobody_knows(more):
    stage = Stage(Kept())
    stage.submit([{**ROWS[0], **more}, ROWS[1]]).show_progress()
    assert shown(stage)["expected_end"] is None


def test_progress_that_cannot_be_written_fails_nothing():
    class Broken(Kept):
        def set(self, key, value):
            if key == PROGRESS_KEY:
                raise ConnectionError("the API server is down")
            super().set(key, value)

    stage = Stage(Broken())
    batch = stage.submit(ROWS)
    batch.show_progress()
    assert len(batch.running) == 4
    assert PROGRESS_KEY not in stage.store.values
