# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The order in which a batch's requests leave."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from _support import batch_stage
from _support.batch_stage import Kept, Stage, reply

from airflow_provider_vidu.submission.record import Phase

ROWS = [{"images": f"https://cdn.example/{name}.png", "prompt": "x"} for name in "abcdefgh"]
PRICE = 8


@pytest.fixture
def stage(monkeypatch):
    """A batch whose pictures take their time, each its own."""
    chance = random.Random(4)

    async def threaded(function: Any, /, *arguments: Any) -> Any:
        await asyncio.sleep(chance.random())
        return function(*arguments)

    monkeypatch.setattr(batch_stage, "in_line", threaded)
    return Stage(Kept())


def submitted(batch: Any) -> list[int]:
    return [index for index, item in enumerate(batch.items) if item.phase is Phase.SUBMITTED]


def test_budget_pays_for_the_first_rows(stage):
    stage.options["credit_budget"] = 4 * PRICE
    batch = stage.submit(ROWS)
    assert submitted(batch) == [0, 1, 2, 3]
    assert [task["images"] for task in stage.vidu.tasks.values()] == [[row["images"]] for row in ROWS[:4]]


@pytest.mark.parametrize("refused", [0, 2])
def test_budget_keeps_the_place_of_a_refused_request(stage, refused):
    waiting = [ROWS[refused]["images"]]

    def instead(operation: str, request: Any) -> Any:
        if operation == "submit" and waiting and waiting[0] in request.body.decode():
            waiting.clear()
            return reply(400, {"code": 400, "reason": "ImageDownloadFailure", "message": "not now"})
        return None

    stage.vidu.instead = instead
    stage.options["credit_budget"] = 4 * PRICE
    assert submitted(stage.submit(ROWS)) == [0, 1, 2, 3]


def test_without_budget_no_row_waits_for_anothers_picture(stage):
    stage.submit(ROWS)
    sent = [task["images"][0] for task in stage.vidu.tasks.values()]
    assert sent != [row["images"] for row in ROWS]
    assert sorted(sent) == [row["images"] for row in ROWS]
