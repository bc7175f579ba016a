# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""In Airflow's UI the examples have a description, and help for each parameter of a run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from _support.stage import AIRFLOW
from airflow.sdk import DAG

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "dags_examples").glob("example_*.py"))
#: The Airflow that an example needs, where it is not the oldest supported one.
NEEDS = {"example_vidu_review": (3, 1)}
#: Not available if an API call or an asset starts the run.
OF_THE_LOGICAL_DATE = re.compile(r"\{\{\s*(ds|ts|ds_nodash|ts_nodash|logical_date|data_interval_\w+)\b")


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def dags(request):
    """The DAGs of a file; none, and no error either, where Airflow is too old for them."""
    found = [found for found in runpy.run_path(str(request.param)).values() if isinstance(found, DAG)]
    assert bool(found) == (NEEDS.get(request.param.stem, (3, 0)) <= AIRFLOW)
    return found


def test_each_example_has_a_description(dags):
    assert all(dag.description for dag in dags)


def test_each_param_has_title_help_and_type(dags):
    for dag in dags:
        for name in dag.params:
            param = dag.params.get_param(name)
            assert param.description, f"{dag.dag_id}.{name}"
            assert {"title", "type"} <= param.schema.keys(), f"{dag.dag_id}.{name}"
            assert "minimum" in param.schema or param.schema["type"] != "integer", f"{dag.dag_id}.{name}"


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", [*FILES, *PAGES], ids=lambda path: path.name)
def test_no_shown_template_needs_a_logical_date(path):
    text = path.read_text()
    blocks = [text] if path.suffix == ".py" else re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if not line.lstrip().startswith("#")]
    assert [line for line in lines if OF_THE_LOGICAL_DATE.search(line)] == []
