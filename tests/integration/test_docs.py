# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The code in the docs works as written."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

from airflow_provider_vidu.emulator.faults import Quirks

ROOT = Path(__file__).resolve().parents[2]
TESTING = (ROOT / "docs" / "testing.md").read_text()


def test_the_whole_project_of_the_docs_passes_its_own_tests(tmp_path):
    files = dict(re.findall(r"^`([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)^```", TESTING, re.DOTALL | re.MULTILINE))
    assert set(files) >= {
        "dags/cat_video.py",
        "tests/conftest.py",
        "tests/test_cat_video.py",
        ".github/workflows/test.yml",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "3 passed" in done.stdout


def test_every_quirk_is_in_the_docs():
    assert {quirk.name for quirk in dataclasses.fields(Quirks)} <= set(
        re.findall(r"^\| `(\w+)` \|", TESTING, re.MULTILINE)
    )
