# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The key is nowhere but in the connection, and an image is nowhere but on the wire."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
from pathlib import Path

IMAGE = Path(__file__).resolve().parents[2] / "dags_examples" / "images" / "city_dusk.jpg"


def test_run_leaves_no_key_and_no_image_behind(run_dag, vidu_emulator, tmp_path, capfd):
    from airflow_provider_vidu.triggers.task import ViduTaskTrigger

    result = run_dag("operator_by_conf", {"image": str(IMAGE), "output": f"{tmp_path}/"})
    assert result.state == "success"
    # Airflow 3.0 logs its own masking of secrets at debug level, secret included, where supervisor and task share a
    # process; that is dag.test() only.
    log = "\n".join(line for line in "".join(capfd.readouterr()).splitlines() if "MaskSecret(" not in line)
    assert "Submitted: Vidu task" in log
    home = Path(os.environ["AIRFLOW_HOME"])
    traces = {
        "log": log,
        "log files": "".join(path.read_text(errors="replace") for path in home.rglob("*.log")),
        "XCom": json.dumps([str(value) for value in result.xcoms().values()]),
        "rendered fields": json.dumps(result.rendered(), default=str),
        "trigger": json.dumps(ViduTaskTrigger("vidu_default", ["1"], 0.0).serialize()),
        # Everything in the database: XCom, rendered fields, task state store, triggers' arguments.
        "database": "\n".join(sqlite3.connect(home / "airflow.db").iterdump()),
    }
    assert len(traces["database"]) > 10_000
    encoded = base64.b64encode(IMAGE.read_bytes()).decode()
    for place, trace in traces.items():
        assert vidu_emulator.api_key not in trace, place
        assert encoded[:60] not in trace, place
        # Other tests of this process put data URIs into the conf of their runs.
        assert place in {"database", "log files"} or ";base64," not in trace, place


def test_data_uri_appears_only_in_its_own_field(run_dag, vidu_emulator, capfd):
    uri = f"data:image/jpeg;base64,{base64.b64encode(IMAGE.read_bytes()).decode()}"
    result = run_dag("operator_by_conf", {"image": uri})
    assert result.state == "success"
    # Otherwise the loop below would check nothing.
    assert any("images" in fields for fields in result.rendered())
    for value in result.xcoms().values():
        assert ";base64," not in str(value)
    for fields in result.rendered():
        assert ";base64," not in str({name: value for name, value in fields.items() if name != "images"})
