# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A migrated Airflow database, and DAGs run in this process by ``dag.test()`` against the local Vidu over real HTTP."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _support.object_store import ObjectStore, empty, serving

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "dags_examples"
TEST_DAGS = Path(__file__).parent / "dags"


@pytest.fixture(scope="session", autouse=True)
def airflow_database() -> None:
    """Migrate once per process; dag.test() needs the DAG files in a configured bundle."""
    bundles = [
        {
            "name": path.name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(path)},
        }
        for path in (EXAMPLES, TEST_DAGS)
    ]
    os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = json.dumps(bundles)
    airflow = Path(sys.executable).parent / "airflow"
    subprocess.run([airflow, "db", "migrate"], check=True, capture_output=True)


@pytest.fixture(scope="session")
def one_store() -> Iterator[ObjectStore]:
    """One object store a process: moto keeps its users there, and Airflow the store of a connection."""
    with serving() as store:
        yield store


@pytest.fixture
def store(one_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The object store, empty, behind a connection."""
    monkeypatch.setenv("AIRFLOW_CONN_OBJECT_STORE", one_store.connection_json())
    empty(one_store)
    return one_store


@dataclass
class Run:
    """What a DAG run has left behind."""

    dag_id: str
    run_id: str
    state: str

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        """Return the XCom of an unmapped task, or the list of XComs of a mapped one."""
        values = [value for (task, name, _), value in sorted(self.xcoms().items()) if (task, name) == (task_id, key)]
        return values if len(values) != 1 or self.mapped(task_id) else values[0]

    def xcoms(self) -> dict[tuple[str, str, int], Any]:
        from airflow.models.xcom import XComModel

        return {(row.task_id, row.key, row.map_index): _decoded(row.value) for row in self._rows(XComModel)}

    def states(self) -> dict[tuple[str, int], str]:
        from airflow.models.taskinstance import TaskInstance

        return {(row.task_id, row.map_index): str(row.state) for row in self._rows(TaskInstance)}

    def tries(self) -> dict[tuple[str, int], int]:
        from airflow.models.taskinstance import TaskInstance

        return {(row.task_id, row.map_index): row.try_number for row in self._rows(TaskInstance)}

    def rendered(self) -> list[Any]:
        from airflow.models.renderedtifields import RenderedTaskInstanceFields
        from airflow.models.taskinstance import TaskInstance

        if hasattr(RenderedTaskInstanceFields, "dag_id"):
            rows = self._rows(RenderedTaskInstanceFields)
        else:
            # From Airflow 3.4 on they belong to one try, and only that knows its Dag run.
            ids = [row.id for row in self._rows(TaskInstance)]
            rows = self._select(RenderedTaskInstanceFields, RenderedTaskInstanceFields.task_instance_id.in_(ids))
        return [row.rendered_fields for row in rows]

    def mapped(self, task_id: str) -> bool:
        return any(name == task_id and index >= 0 for name, index in self.states())

    def _rows(self, model: Any) -> list[Any]:
        return self._select(model, model.dag_id == self.dag_id, model.run_id == self.run_id)

    def _select(self, model: Any, *conditions: Any) -> list[Any]:
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            rows = list(session.scalars(select(model).where(*conditions)))
            session.expunge_all()
        return rows


def _decoded(value: Any) -> Any:
    # Airflow versions differ in whether the column decodes itself; an id of digits is text, not a number.
    return json.loads(value) if isinstance(value, str) and value[:1] in {"{", "[", '"'} else value


@pytest.fixture
def run_dag(airflow_database: None) -> Any:
    """Run a DAG of the examples or the test DAGs."""

    def run(dag_id: str, conf: dict[str, Any] | None = None) -> Run:
        folder = EXAMPLES if (EXAMPLES / f"{dag_id}.py").exists() else TEST_DAGS
        spec = importlib.util.spec_from_file_location(dag_id, folder / f"{dag_id}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[dag_id] = module
        spec.loader.exec_module(module)
        dag_run = module.dag.test(run_conf=conf or {})
        return Run(dag_id, dag_run.run_id, str(dag_run.state))

    return run


@pytest.fixture
def decoded_video() -> Any:
    """Decode a whole MP4 and describe its content; of its frames only the first and the last are kept."""

    def decode(path: str | Path) -> dict[str, Any]:
        import av

        with av.open(str(path)) as container:
            (video,) = container.streams.video
            ends: list[tuple[int, Any]] = []
            for numbered in enumerate(container.decode(video), start=1):
                ends[1:] = [numbered]
            (_, first), (count, last) = ends[0], ends[-1]
            rate = float(video.average_rate or 0)
            return {
                "codec": video.codec_context.name,
                "width": video.width,
                "height": video.height,
                "first": first.to_image(),
                "last": last.to_image(),
                "count": count,
                "duration": count / rate,
                "audio": len(container.streams.audio),
            }

    return decode
