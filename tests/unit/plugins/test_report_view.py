# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The tab with the report: where Airflow can show it, and only if the deployment has named places."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from _support.stage import AIRFLOW

from airflow_provider_vidu.plugins.report_view import ViduReportPlugin


def test_airflow_finds_the_plugin():
    (entry,) = [entry for entry in entry_points(group="airflow.plugins") if entry.name == "vidu_report"]
    assert entry.load() is ViduReportPlugin


@pytest.mark.parametrize("places", ["", " ", ","])
def test_installing_the_provider_adds_no_tab(monkeypatch: pytest.MonkeyPatch, places: str):
    monkeypatch.setenv("AIRFLOW__VIDU__REPORT_PLACES", places)
    plugin = ViduReportPlugin()
    assert plugin.fastapi_apps == []
    assert not getattr(plugin, "external_views", [])


@pytest.mark.skipif(AIRFLOW < (3, 1), reason="Airflow 3.0 has no such tabs")
def test_named_places_add_the_tab_to_task_instances(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW__VIDU__REPORT_PLACES", "s3://conn_id@bucket/reports")
    plugin = ViduReportPlugin()
    ((view,), (app,)) = plugin.external_views, plugin.fastapi_apps
    assert view["destination"] == "task_instance"
    assert f"/{view['href']}".startswith(f"{app['url_prefix']}/")


@pytest.mark.skipif(AIRFLOW >= (3, 1), reason="newer releases show it")
def test_airflow_without_such_tabs_gets_no_server_either(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW__VIDU__REPORT_PLACES", "s3://conn_id@bucket/reports")
    assert ViduReportPlugin().fastapi_apps == []
