# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The tab *Vidu report*: Airflow's own API server, asked as the UI asks it, for the report of a batch that has run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from _support.stage import AIRFLOW

if AIRFLOW < (3, 1):
    pytest.skip("Airflow 3.0 has no such tabs", allow_module_level=True)

from airflow import plugins_manager
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.testclient import TestClient

DAG, TASK = "report_by_conf", "batch"
REQUESTS = json.dumps({"images": "https://example.com/mug.png", "id": "MUG-1", "prompt": "Steam rises"}).encode()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which reports are shown; so is one in the object store."""
    folder = tmp_path / "shown"
    folder.mkdir()
    (folder / "requests.jsonl").write_bytes(REQUESTS)
    monkeypatch.setenv("AIRFLOW__VIDU__REPORT_PLACES", f"s3://object_store@videos/shown, {folder}")
    return folder


@pytest.fixture
def server(place: Path, airflow_database: None) -> Iterator[TestClient]:
    """Airflow's API server with the plugin, without a signed-in user."""
    loaders = (plugins_manager._get_plugins, plugins_manager.get_fastapi_plugins)
    for loader in loaders:
        loader.cache_clear()
    with TestClient(create_app(apps="core")) as server:
        yield server
    for loader in loaders:
        loader.cache_clear()


@pytest.fixture
def run(run_dag: Callable[..., Any], vidu_emulator: Any) -> Callable[[str], str]:
    """Run the batch with a folder for its report, and return the id of the run."""

    def run(folder: str) -> str:
        done = run_dag(DAG, {"folder": folder})
        assert done.state == "success"
        return str(done.run_id)

    return run


def cookie_of(role: str | None) -> dict[str, str]:
    """Return what the browser of a signed-in user sends."""
    return {"Cookie": f"_token={get_auth_manager().generate_jwt(SimpleAuthManagerUser(username='ann', role=role))}"}


def address_of(run_id: str, task_id: str = TASK, map_index: str = "{MAP_INDEX}") -> str:
    """Return what the UI requests; it does not fill in the map index of a task that is not mapped."""
    return f"/vidu/report/{DAG}/{quote(run_id)}/{task_id}/{map_index}"


def is_without_origin(reply: httpx.Response) -> bool:
    policy = reply.headers["Content-Security-Policy"]
    return "sandbox" in policy and "allow-same-origin" not in policy and "default-src 'none'" in policy


def test_signed_in_user_gets_the_report_without_an_origin(server: TestClient, place: Path, run):
    reply = server.get(address_of(run(str(place))), headers=cookie_of("viewer"))
    assert reply.status_code == 200
    assert "MUG-1" in reply.text
    assert f"A copy of <bdi>{place}/report.html</bdi>" in reply.text
    assert is_without_origin(reply)
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_airflow_refuses_whom_it_refuses_the_task_instance(server: TestClient, place: Path, run):
    address = address_of(run(str(place)))
    assert server.get(address).status_code == 401
    assert server.get(address, headers={"Cookie": "_token=forged"}).status_code in {401, 403}
    assert server.get(address, headers=cookie_of(None)).status_code == 403
    assert server.get("/vidu/docs", headers=cookie_of("admin")).status_code == 404


def test_report_in_a_store_is_shown(server: TestClient, store, run):
    store.put("shown/requests.jsonl", REQUESTS)
    address = address_of(run(store.path("shown")))
    reply = server.get(address, headers=cookie_of("viewer"))
    assert reply.status_code == 200
    assert f"A copy of <bdi>{store.path('shown/report.html')}</bdi>" in reply.text
    with store.denying():
        store.allow("s3:PutObject")
        reply = server.get(address, headers=cookie_of("viewer"))
    assert "cannot read it (PermissionError; see its log)" in reply.text


def test_what_cannot_be_shown_is_explained(
    server: TestClient, place: Path, run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    run_id, report = run(str(place)), place / "report.html"
    whole = report.read_bytes()

    def shown(*address: str) -> str:
        reply = server.get(address_of(run_id, *address), headers=cookie_of("viewer"))
        assert reply.status_code == 404
        assert is_without_origin(reply)
        return reply.text

    assert "has no Vidu report" in shown("other")
    assert "has no Vidu report" in shown(TASK, "7")
    report.write_text("root:x:0:0:root:/root:/bin/bash")
    assert "is no report of this package" in shown()
    assert "root:x" not in shown()
    report.write_bytes(whole + b" " * 64_000_000)
    assert "too large" in shown()
    report.unlink()
    assert f"There is no report at {report} (yet)." in shown()
    monkeypatch.setenv("AIRFLOW__VIDU__REPORT_PLACES", str(tmp_path / "elsewhere"))
    assert "in none of the places" in shown()


def test_no_request_and_no_xcom_names_the_file(server: TestClient, place: Path, run):
    run_id, other = run(str(place)), place / "other.html"
    other.write_bytes((place / "report.html").read_bytes().replace(b"MUG-1", b"SECRET"))
    entries = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id)}/taskInstances/{TASK}/xcomEntries"
    made = server.post(entries, headers=cookie_of("admin"), json={"key": "report_path", "value": str(other)})
    assert made.status_code == 201
    reply = server.get(f"{address_of(run_id)}?report_path={other}&path={other}", headers=cookie_of("admin"))
    assert "MUG-1" in reply.text
    assert "SECRET" not in reply.text
