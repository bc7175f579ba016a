# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The connection's form: its fields, what it saves, and what its Test says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from local_airflow import LocalAirflow
from playwright.sync_api import Locator, Page, expect

from airflow_provider_vidu.emulator import ViduEmulator
from airflow_provider_vidu.emulator.running import DEFAULT_API_KEY
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.provider_info import get_provider_info

FIELDS = get_provider_info()["connection-types"][0]["conn-fields"]
RELAYS = re.compile(r"^Relays")
SECTIONS = {
    "Extra Fields": ("Task page", "Request timeout (s)", "Poll interval (s)", "Settle time (s)", "Proxy"),
    RELAYS: ("Authorization", "API prefix", "Allow plain http"),
}
WRONG_KEY = "vda_0123456789abcdefghijklmnopqrstuvwxyz"


def opened_form(page: Page, conn_id: str) -> Locator:
    """Open the form of a new connection of our type."""
    page.goto("/connections")
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox").fill("vidu")
    page.get_by_role("option", name="Vidu", exact=True).click()
    form.locator("[name=connection_id]").fill(conn_id)
    return form


def section(form: Locator, name: str | re.Pattern[str]) -> None:
    """Open a section of the form; the previous one closes."""
    button = form.get_by_role("button", name=name, exact=True)
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")


def saved(page: Page, form: Locator) -> dict[str, Any]:
    """Save the form, and return what it sent."""
    with page.expect_request(lambda request: request.method in {"POST", "PATCH"}) as sent:
        form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()
    return dict(sent.value.post_data_json)


def row(page: Page, conn_id: str) -> Locator:
    """Return a connection's row of the list."""
    return page.get_by_role("row").filter(has=page.get_by_role("cell", name=conn_id, exact=True))


def press_test(page: Page, conn_id: str, *, green: bool) -> Locator:
    """Press a connection's Test, and return the note with its result."""
    button = row(page, conn_id).get_by_role("button", name="Test Connection")
    button.click()
    note = page.get_by_role("status").filter(
        has_text="Test Connection Successful" if green else "Test Connection Failed"
    )
    expect(note).to_be_visible()
    return note


def stored_extra(airflow: LocalAirflow, conn_id: str) -> dict[str, Any]:
    """Return a connection's extra from the database."""
    return dict(json.loads(airflow.get(f"connections/{conn_id}")["extra"]))


def test_form_has_our_fields_with_help_and_masks_the_key(page, picture: Callable[..., None]):
    page.set_viewport_size({"width": 1280, "height": 900})
    form = opened_form(page, "vidu_default")
    key = form.get_by_label("API key")
    key.fill(WRONG_KEY)
    expect(key).to_have_attribute("type", "password")
    expect(form.get_by_placeholder("https://api.vidu.com (mainland keys: https://api.vidu.cn)")).to_be_visible()
    for hidden in ("login", "schema"):
        expect(form.locator(f"[name={hidden}]")).to_have_count(0)
    form.get_by_role("heading").click()
    picture("ui_connection", form)
    help_of = {field["label"]: field["description"] for field in FIELDS.values()}
    for name, labels in SECTIONS.items():
        section(form, name)
        for label in labels:
            expect(form.get_by_text(label, exact=True)).to_be_visible()
            expect(form.get_by_text(help_of[label], exact=True)).to_be_visible()
    # No field is mandatory except those of Airflow itself.
    expect(form.get_by_text("*", exact=True)).to_have_count(2)


def test_form_with_only_host_and_key_saves_a_working_connection(
    page, airflow: LocalAirflow, vidu: ViduEmulator, monkeypatch: pytest.MonkeyPatch
):
    form = opened_form(page, "by_form")
    form.get_by_label("Host").fill("http://127.0.0.1")
    form.get_by_label("Port").fill(str(vidu.port))
    form.get_by_label("API key").fill(DEFAULT_API_KEY)
    sent = saved(page, form)
    expect(press_test(page, "by_form", green=True)).to_contain_text("accepts this key")
    assert DEFAULT_API_KEY not in page.content()

    extra = stored_extra(airflow, "by_form")
    assert extra == {name: field["schema"].get("default") for name, field in FIELDS.items()}
    connection = {"conn_type": "vidu", "password": sent["password"], "host": sent["host"], "port": sent["port"]}
    monkeypatch.setenv("AIRFLOW_CONN_BY_FORM", json.dumps({**connection, "extra": extra}))
    hook = ViduHook("by_form")
    task = hook.submit({"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1})
    assert hook.get_task(task.task_id).task_id == task.task_id


def test_connection_test_shows_the_balance_or_the_reason(page, airflow: LocalAirflow, vidu: ViduEmulator):
    page.goto("/connections")
    said = press_test(page, "vidu_default", green=True)
    expect(said).to_contain_text(re.compile(r"accepts this key; \d+ credits left\."))

    form = opened_form(page, "wrong_key")
    form.get_by_label("Host").fill("127.0.0.1")
    form.get_by_label("Port").fill(str(vidu.port))
    form.get_by_label("API key").fill(WRONG_KEY)
    saved(page, form)
    said = press_test(page, "wrong_key", green=False)
    expect(said).to_contain_text(f"http://127.0.0.1:{vidu.port} refuses this key.")
    expect(said).to_contain_text("Check the API key")
    assert WRONG_KEY not in page.content()
