# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A run of four mapped tasks, as a person looks at it: the grid, a task's log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from local_airflow import LocalAirflow
from playwright.sync_api import expect

from airflow_provider_vidu.emulator.running import DEFAULT_API_KEY

DAG = "example_vidu_folder"
PICTURES = 4


def test_the_grid_of_a_mapped_run_shows_each_video(page, folder_run: str, picture: Callable[..., None]):
    page.goto(f"/dags/{DAG}/runs/{folder_run}/tasks/animate/mapped")
    rows = page.get_by_role("row").filter(has_text="Img2VideoOperator")
    expect(rows).to_have_count(PICTURES)
    expect(rows.get_by_text("Success", exact=True)).to_have_count(PICTURES)
    expect(page.get_by_text("Total Success")).to_be_visible()
    picture("ui_grid", page)


def test_the_log_of_a_task_tells_its_story_without_a_traceback_or_the_key(
    page, airflow: LocalAirflow, folder_run: str, picture: Callable[..., None]
):
    page.goto(f"/dags/{DAG}/runs/{folder_run}/tasks/animate/mapped/1")
    for line in (
        r"Submitted: Vidu task \d+, \d+ credits\. Model .*, picture .*, prompt .*",
        r"Vidu task \d+: success after \d+ s\.",
        r"Landed vidu-videos/[a-z_]+-\d+\.mp4",
        r"Vidu task \d+ has its video.* \d+ credits",
    ):
        expect(page.get_by_text(re.compile(line))).to_be_visible()
    picture("ui_log", page)
    shown = page.locator("body").inner_text()
    assert DEFAULT_API_KEY not in shown
    assert not re.search(r"Traceback|ERROR|WARNING", shown)


def test_no_log_of_the_run_holds_the_key_or_a_traceback_where_it_is_folded_away_either(
    airflow: LocalAirflow, folder_run: str
):
    for index in range(PICTURES):
        path = f"dags/{DAG}/dagRuns/{folder_run}/taskInstances/animate/logs/1"
        log = json.dumps(airflow.get(path, map_index=index, full_content=True))
        assert "has its video" in log
        assert DEFAULT_API_KEY not in log
        assert "Traceback" not in log
