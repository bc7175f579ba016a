# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A batch in Airflow's UI: its progress, its buttons, and its report in a tab, for people who have signed in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
import requests
from _support.object_store import BUCKET, CONN_ID, ObjectStore, serving
from _support.stage import eventually
from local_airflow import LocalAirflow, free_port
from playwright.sync_api import Page, expect

DAG, TASK = "example_vidu_batch", "animate"
ITEMS = 12
KEY = "autumn/report.html"
USER, PASSWORD = "ann", "a password"


@pytest.fixture(scope="module")
def store(airflow: LocalAirflow) -> Iterator[ObjectStore]:
    """An object store, and Airflow's connection to it."""
    with serving() as store:
        fields = json.loads(store.connection_json())
        airflow.send("POST", "connections", {**fields, "connection_id": CONN_ID, "extra": json.dumps(fields["extra"])})
        yield store


@pytest.fixture(scope="module")
def started(airflow: LocalAirflow, store: ObjectStore) -> str:
    """The address of a task instance's page, whose batch has submitted its requests and waits."""
    run_id = airflow.trigger(DAG, {"output_path": store.path("autumn")})
    path = f"dags/{DAG}/dagRuns/{quote(run_id)}/taskInstances/{TASK}"
    eventually(
        lambda: airflow.get(path)["state"],
        lambda state: state in {"deferred", "success", "failed"},
        within=300,
        message="the batch has submitted its requests",
    )
    return f"/dags/{DAG}/runs/{quote(run_id)}/tasks/{TASK}"


@pytest.fixture(scope="module")
def done(airflow: LocalAirflow, started: str) -> str:
    """The same, once the batch has its videos."""
    path = started[1:].replace("/runs/", "/dagRuns/").replace("/tasks/", "/taskInstances/")
    state = eventually(
        lambda: airflow.get(path)["state"],
        lambda state: state in {"success", "failed"},
        within=300,
        message="the batch has its videos",
    )
    assert state == "success"
    return started


@pytest.fixture(scope="module")
def showing(airflow: LocalAirflow, store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of another API server of this Airflow, which may show reports and where people sign in."""
    passwords = tmp_path_factory.mktemp("showing") / "passwords.json"
    passwords.write_text(json.dumps({USER: PASSWORD}))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "AIRFLOW__VIDU__REPORT_PLACES": store.path(),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
    }
    airflow.start_process("showing", "api-server", "--port", str(port), environment=environment)

    def answers() -> bool:
        try:
            return requests.get(f"{url}/api/v2/version", timeout=5).ok
        except requests.ConnectionError:
            return False

    eventually(answers, within=180, message="the other API server answers")
    return url


@pytest.fixture
def wide(page: Page) -> Page:
    """A page on which no tab's name is cut off."""
    page.set_viewport_size({"width": 1500, "height": 640})
    return page


def test_progress_is_in_the_task_state_store(wide: Page, started: str, picture: Callable[..., None]):
    wide.goto(f"{started}/details")
    # From Airflow 3.4 on it is a tab of its own.
    wide.get_by_role("link", name=re.compile(r"^(Storage|Task State Store)$")).click()
    row = wide.get_by_role("row").filter(has_text="vidu_progress")
    # An editor shows the value, with spaces of its own.
    expect(row).to_contain_text(re.compile(rf'"requests":\s{ITEMS}\b'))
    row.scroll_into_view_if_needed()
    expect(row).to_contain_text("expected_end")
    picture("ui_progress", wide)


def test_buttons_lead_to_report_and_manifest(wide: Page, store: ObjectStore, done: str, picture: Callable[..., None]):
    wide.goto(f"{done}/details")
    report = wide.get_by_role("link", name="Report", exact=True)
    expect(report).to_have_attribute("href", f"{store.url}/{BUCKET}/{KEY}")
    manifest = wide.get_by_role("link", name="Manifest", exact=True)
    expect(manifest).to_have_attribute("href", f"{store.url}/{BUCKET}/autumn/manifest.jsonl")
    # This Airflow may show no reports itself.
    expect(wide.get_by_role("link", name="Vidu report")).to_have_count(0)
    picture("ui_batch_links", wide)
    store.s3.put_object_acl(Bucket=BUCKET, Key=KEY, ACL="public-read")
    with wide.expect_popup() as opened:
        report.click()
    expect(opened.value.locator("article.made")).to_have_count(ITEMS)


def test_report_opens_in_a_tab_for_signed_in_users_only(
    wide: Page, showing: str, done: str, picture: Callable[..., None]
):
    wide.set_viewport_size({"width": 1500, "height": 1150})
    wide.goto(f"{showing}{done}/details")
    wide.get_by_label("Username").fill(USER)
    wide.get_by_label("Password").fill(PASSWORD)
    wide.get_by_role("button", name="Sign in").click()
    with wide.expect_response(lambda reply: "/vidu/report/" in reply.url) as shown:
        wide.get_by_role("link", name="Vidu report").click()
    frame = wide.frame_locator("iframe[title='Vidu report']")
    expect(frame.locator("article.made")).to_have_count(ITEMS)
    expect(frame.get_by_text("A copy of")).to_contain_text(KEY)
    frame.get_by_role("searchbox").fill("mug night")
    expect(frame.get_by_role("status")).to_have_text(f"1 of {ITEMS} shown")
    frame.get_by_role("searchbox").fill("")
    frame.get_by_role("searchbox").blur()
    expect(frame.locator("article.made .player img")).to_have_count(ITEMS)
    picture("ui_report", wide)

    assert requests.get(shown.value.url, timeout=30).status_code == 401
    (inner,) = [one for one in wide.frames if one.url == shown.value.url]
    assert inner.evaluate("origin") == "null"
    cookie = inner.evaluate("() => { try { return document.cookie } catch (error) { return error.name } }")
    assert cookie == "SecurityError"
    assert inner.evaluate("() => fetch('/api/v2/dags').then(() => 'answered', () => 'refused')") == "refused"
