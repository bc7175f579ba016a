# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The log of a task: it says what happened, and contains neither the key nor a traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from local_airflow import LocalAirflow
from playwright.sync_api import expect
from up import FIRST_DAG as DAG

from airflow_provider_vidu.emulator.running import DEFAULT_API_KEY

PICTURES = 4


def test_log_says_what_happened_and_hides_the_key(page, folder_run: str, picture: Callable[..., None]):
    page.goto(f"/dags/{DAG}/runs/{folder_run}/tasks/animate/mapped")
    expect(page.get_by_role("row").filter(has_text="Img2VideoOperator")).to_have_count(PICTURES)
    picture("ui_grid", page)
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


def test_logs_contain_neither_key_nor_traceback(airflow: LocalAirflow, folder_run: str):
    """Nor in the folded parts of the page."""
    for index in range(PICTURES):
        path = f"dags/{DAG}/dagRuns/{folder_run}/taskInstances/animate/logs/1"
        log = json.dumps(airflow.get(path, map_index=index, full_content=True))
        assert "has its video" in log
        assert DEFAULT_API_KEY not in log
        assert "Traceback" not in log
