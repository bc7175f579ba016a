# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The review of a batch: Airflow's form shows each video's cover, and takes the ids of those to make again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from _support.stage import eventually
from local_airflow import LocalAirflow
from playwright.sync_api import Page, expect

ROOT = Path(__file__).resolve().parents[2]
DAG = "example_vidu_review"
PICTURES = {"sail": "night_sail.webp", "mountain": "mountain_dawn.jpg"}
PROMPTS = {"sail": "The boat drifts under the stars", "mountain": "Mist drifts through the valley"}


def test_form_shows_the_covers_and_offers_the_ids(page: Page, airflow: LocalAirflow, picture: Callable[..., None]):
    requests = [
        {
            "id": name,
            "images": f"{ROOT}/dags_examples/images/{PICTURES[name]}",
            "prompt": PROMPTS[name],
            "seed": 1,
            "labels": {"campaign": "autumn"},
        }
        for name in PICTURES
    ]
    run_id = airflow.trigger(DAG, {"requests": requests})
    path = f"dags/{DAG}/dagRuns/{quote(run_id)}/taskInstances/review/0"

    def waits() -> bool:
        found = {one["task_id"]: one["state"] for one in airflow.task_instances(DAG, run_id)}
        return found["review"] in {"deferred", "awaiting_input"}

    eventually(waits, within=300, message="the review waits for an answer")
    assert airflow.get(path)["map_index"] == 0
    page.set_viewport_size({"width": 1600, "height": 1110})
    page.goto(f"/dags/{DAG}/runs/{quote(run_id)}/tasks/review/mapped/0/required_actions")
    covers = page.get_by_role("row").get_by_role("img")
    expect(covers).to_have_count(len(PICTURES))
    for cover in covers.all():
        page.wait_for_function("cover => cover.naturalWidth > 0", arg=cover.element_handle())
    page.get_by_role("combobox").click()
    # The form starts with "none, publish all".
    page.keyboard.press("Backspace")
    page.get_by_role("option", name="sail", exact=True).click()
    expect(page.get_by_text("publish all")).to_have_count(0)
    page.get_by_role("combobox").click()
    expect(page.get_by_role("option", name="mountain", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    picture("ui_review", page)
