# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The Grafana dashboard of the docs can be imported, and shows exactly the metrics that the package emits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from airflow_provider_vidu.api.errors import ViduTaskFailedError
from airflow_provider_vidu.reporting import metrics

DASHBOARD = json.loads((Path(__file__).resolve().parents[3] / "docs" / "grafana_vidu.json").read_text())
PANELS = DASHBOARD["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]

TEXT = {"type": "string", "minLength": 1}
WHOLE = {"type": "integer", "minimum": 0}


def fields(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these fields."""
    return {"type": "object", "required": list(properties), "properties": properties}


#: What Grafana needs of a dashboard, as far as known: it was not imported into a real Grafana.
DATASOURCE = fields(type={"const": "prometheus"}, uid={"const": "${datasource}"})
TARGET = fields(datasource=DATASOURCE, refId=TEXT, expr=TEXT, legendFormat={"type": "string"})
PANEL = fields(
    id={"type": "integer", "minimum": 1},
    type={"enum": ["stat", "timeseries"]},
    title=TEXT,
    datasource=DATASOURCE,
    gridPos=fields(x={**WHOLE, "maximum": 23}, y=WHOLE, w={"type": "integer", "minimum": 1, "maximum": 24}, h=WHOLE),
    fieldConfig=fields(defaults={"type": "object"}, overrides={"type": "array"}),
    targets={"type": "array", "minItems": 1, "items": TARGET},
)
VARIABLE = fields(name={"const": "datasource"}, type={"const": "datasource"}, query={"const": "prometheus"})
SCHEMA = fields(
    title=TEXT,
    uid={"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,40}$"},
    schemaVersion={"type": "integer", "minimum": 36},
    time=fields(**{"from": TEXT, "to": TEXT}),
    templating=fields(list={"type": "array", "items": VARIABLE, "minItems": 1}),
    panels={"type": "array", "items": PANEL},
)


@pytest.fixture
def emitted(monkeypatch) -> set[str]:
    """The names, as Prometheus's StatsD exporter writes them, of everything that can be emitted."""
    names: list[str] = []
    stats = SimpleNamespace(
        incr=lambda name, count, tags: names.append(name),
        timing=lambda name, value, tags: names.extend([f"{name}_sum", f"{name}_count"]),
    )
    monkeypatch.setattr("airflow.providers.common.compat.sdk.Stats", stats)
    metrics.submitted("viduq2-turbo")
    metrics.completed("viduq2-turbo", 8, 12.5)
    metrics.failed(ViduTaskFailedError("x", reason="Reason"), "viduq2-turbo")
    return {f"airflow.{name}".replace(".", "_") for name in names}


def test_dashboard_has_what_grafana_imports():
    jsonschema.validate(DASHBOARD, SCHEMA)
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    # The only variable is the data source; the others are Grafana's own, and a group of a pattern.
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(PANELS))) == {"datasource", "__range", "__rate_interval", "1"}


def test_dashboard_panels_do_not_overlap():
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in PANELS)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


def test_dashboard_queries_exactly_the_emitted_metrics(emitted):
    queried = {name for query in QUERIES for name in re.findall(r'(?<!")\bairflow_vidu_\w+', query)}
    patterns = {pattern for query in QUERIES for pattern in re.findall(r'__name__=~"([^"]+)"', query)}
    by_pattern = {name for name in emitted for pattern in patterns if re.fullmatch(pattern, name)}
    assert queried <= emitted
    assert by_pattern
    assert queried | by_pattern == emitted
