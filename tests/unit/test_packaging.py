# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The package declares everything that it imports."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Distributions whose modules have another name.
DISTRIBUTIONS = {"PIL": "pillow"}
#: Imported only where they are installed: attrs comes with OpenLineage, fsspec with Airflow's object storage, FastAPI
#: and SQLAlchemy with its API server.
OPTIONAL = {"airflow", "attrs", "fastapi", "fsspec", "openlineage", "pytest", "sqlalchemy"}


def declared():
    tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def names(requirements):
        return {re.split(r"[^\w-]", line)[0] for line in requirements}

    return names(project["dependencies"]), names(project["optional-dependencies"]["emulator"])


def imported(files):
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            for name in names:
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names | OPTIONAL | {"airflow_provider_vidu"}:
                    yield DISTRIBUTIONS.get(top, top)


def test_every_imported_distribution_is_declared():
    required, of_the_extra = declared()
    package = ROOT / "airflow_provider_vidu"
    with_extra = {*(package / "emulator").rglob("*.py"), package / "report" / "contact_sheet.py"}
    assert set(imported(set(package.rglob("*.py")) - with_extra)) - required == set()
    assert set(imported(with_extra)) - required - of_the_extra == set()


def test_licence_of_bundled_codecs_is_documented_with_the_extra():
    for page in ("README.md", "docs/testing.md", "pyproject.toml"):
        text = (ROOT / page).read_text()
        assert "GPL" in text, page
