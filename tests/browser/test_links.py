# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The buttons of a task instance: each map index has its own, and after a clear and a retry those of the last try."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import requests
from _support.stage import eventually
from local_airflow import LocalAirflow
from playwright.sync_api import Locator, Page, expect
from up import FIRST_DAG as DAG

from airflow_provider_vidu.emulator import Fault, ViduEmulator

PICTURES = 4
#: The instance that is cleared; the others' buttons must not move.
CLEARED = 2


def instance(airflow: LocalAirflow, run_id: str, index: int) -> dict[str, Any]:
    """Return a mapped task instance from the public API."""
    return dict(airflow.get(f"dags/{DAG}/dagRuns/{run_id}/taskInstances/animate/{index}"))


def record(airflow: LocalAirflow, run_id: str, index: int) -> dict[str, Any]:
    """Return the task record that an instance returned."""
    path = f"dags/{DAG}/dagRuns/{run_id}/taskInstances/animate/xcomEntries/return_value"
    return dict(airflow.get(path, map_index=index, deserialize=True)["value"])


def button(page: Page, run_id: str, index: int, name: str) -> Locator:
    """Open an instance's page, and return one of its buttons."""
    page.goto(f"/dags/{DAG}/runs/{quote(run_id)}/tasks/animate/mapped/{index}/details")
    found = page.get_by_role("link", name=name, exact=True)
    expect(found).to_be_visible()
    return found


def video_behind(found: Locator) -> str:
    """Return the checksum of a button's target."""
    answer = requests.get(found.get_attribute("href") or "", timeout=60)
    answer.raise_for_status()
    return hashlib.sha256(answer.content).hexdigest()


def test_each_map_index_links_to_its_task_and_video(
    page, airflow: LocalAirflow, folder_run: str, picture: Callable[..., None]
):
    seen = {}
    for index in range(PICTURES):
        landed = record(airflow, folder_run, index)
        seen[index] = video_behind(button(page, folder_run, index, "Vidu video"))
        assert seen[index] == landed["files"][0]["sha256"]
        task = page.get_by_role("link", name="Vidu task", exact=True)
        expect(task).to_have_attribute("href", re.compile(landed["task_id"]))
    assert len(set(seen.values())) == PICTURES
    picture("ui_links", page)


def test_a_click_opens_the_task_and_another_downloads_the_video(
    page, airflow: LocalAirflow, vidu: ViduEmulator, folder_run: str
):
    task_id = record(airflow, folder_run, 0)["task_id"]
    with page.expect_popup() as opened:
        button(page, folder_run, 0, "Vidu task").click()
    expect(opened.value.get_by_text(task_id).first).to_be_visible()
    expect(opened.value.locator("video")).to_be_visible()
    opened.value.close()
    downloads = vidu.counters.downloads
    video = button(page, folder_run, 0, "Vidu video")
    link = video.get_attribute("href")
    with page.context.expect_event("request", lambda request: request.url == link):
        video.click()
    # Vidu's links make the browser save the file.
    eventually(lambda: vidu.counters.downloads, lambda now: now > downloads, message="the browser fetches the video")


def test_after_clear_and_retry_buttons_lead_to_the_new_video(
    page, airflow: LocalAirflow, vidu: ViduEmulator, folder_run: str
):
    before = {index: record(airflow, folder_run, index) for index in range(PICTURES)}
    vidu.faults.add("download", Fault.refuse(503, times=None))
    try:
        airflow.send(
            "POST",
            f"dags/{DAG}/clearTaskInstances",
            {
                "dry_run": False,
                "dag_run_id": folder_run,
                "task_ids": [["animate", CLEARED]],
                "only_failed": False,
                "reset_dag_runs": True,
            },
        )
        # The video is made and paid for, but cannot be fetched.
        eventually(
            lambda: instance(airflow, folder_run, CLEARED)["state"],
            lambda state: state == "up_for_retry",
            within=300,
            message="the cleared task has failed to land its video",
        )
        new = vidu.tasks[-1].task_id
        assert new != before[CLEARED]["task_id"]
        expect(button(page, folder_run, CLEARED, "Vidu task")).to_have_attribute("href", re.compile(new))
    finally:
        vidu.faults.clear()
    eventually(
        lambda: instance(airflow, folder_run, CLEARED)["state"],
        lambda state: state == "success",
        within=300,
        message="the retry has landed it",
    )
    for index in range(PICTURES):
        landed = record(airflow, folder_run, index)
        assert (landed["task_id"] == before[index]["task_id"]) == (index != CLEARED)
        assert video_behind(button(page, folder_run, index, "Vidu video")) == landed["files"][0]["sha256"]
    assert instance(airflow, folder_run, CLEARED)["try_number"] == 3
    assert vidu.tasks[-1].task_id == new
