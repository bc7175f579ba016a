# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The pytest plugin, in separate test runs: cheap if unused, and useful with its fixture."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_vidu.emulator import pytest_plugin

ROOT = Path(__file__).parents[2]


def run(directory: Path, test: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a test file in a process that has this package only on its path."""
    (directory / "test_it.py").write_text(test)
    return subprocess.run(
        [
            sys.executable,
            *("-m", "pytest", "-p", "airflow_provider_vidu.emulator.pytest_plugin"),
            *("-p", "no:cacheprovider", "-q", "--strict-markers", *arguments, "test_it.py"),
        ],
        cwd=directory,
        # Other installed plugins stay out, and so does this plugin's own entry point.
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_loading_the_plugin_imports_nothing_but_pytest() -> None:
    program = """
import sys
import pytest
before = set(sys.modules)
import airflow_provider_vidu.emulator.pytest_plugin
new = {name for name in set(sys.modules) - before if not name.startswith("airflow_provider_vidu")}
ours = {name for name in sys.modules if name.startswith("airflow_provider_vidu")}
heavy = {"aiohttp", "av", "PIL", "pydantic", "airflow", "requests", "asyncio"} & set(sys.modules)
print(sorted(new), sorted(ours), sorted(heavy))
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    package = "airflow_provider_vidu"
    assert result.stdout.strip() == (f"[] ['{package}', '{package}.emulator', '{package}.emulator.pytest_plugin'] []")


def test_plugin_imports_only_pytest_at_the_top() -> None:
    source = (ROOT / "airflow_provider_vidu" / "emulator" / "pytest_plugin.py").read_text(encoding="utf-8")
    imports = [node for node in ast.parse(source).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert {ast.unparse(node).split()[1] for node in imports} == {
        "__future__",
        "collections.abc",
        "typing",
        "pytest",
    }


def test_the_fixture_runs_an_emulator_and_sets_the_connection(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        """
import json, os, threading
import requests, pytest

def test_it_runs(vidu_emulator):
    connection = json.loads(os.environ["AIRFLOW_CONN_VIDU_DEFAULT"])
    assert connection["host"] == vidu_emulator.url
    headers = {"Authorization": "Bearer " + connection["password"]}
    assert requests.get(vidu_emulator.url + "/ent/v2/credits", headers=headers).status_code == 200

@pytest.mark.vidu_emulator(concurrency=2, credits=7, speed=3)
def test_the_marker_sets_it_up(vidu_emulator):
    remains = requests.get(
        vidu_emulator.url + "/ent/v2/credits", headers={"Authorization": vidu_emulator.api_key}
    ).json()["remains"][0]
    assert (remains["credit_remain"], remains["concurrency_limit"]) == (7, 2)

def test_nothing_is_left_behind():
    assert "AIRFLOW_CONN_VIDU_DEFAULT" not in os.environ
    assert threading.active_count() == 1
""",
    )
    assert "3 passed" in result.stdout, result.stdout + result.stderr


def test_module_and_session_fixtures_work(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        """
import json, os
import pytest

pytestmark = pytest.mark.vidu_emulator(credits=7)
seen = []

def host():
    return json.loads(os.environ["AIRFLOW_CONN_VIDU_DEFAULT"])["host"]

@pytest.fixture(scope="module")
def tasks(module_vidu_emulator):
    return module_vidu_emulator

def test_session(session_vidu_emulator):
    assert session_vidu_emulator.ledger.balance() == 100_000
    assert host() == session_vidu_emulator.url
    os.environ["SESSION_URL"] = session_vidu_emulator.url

def test_module_has_the_marks_of_its_module(tasks):
    assert tasks.ledger.balance() == 7
    assert host() == tasks.url != os.environ["SESSION_URL"]
    seen.append(tasks.url)

def test_function_within_a_module(vidu_emulator):
    assert host() == vidu_emulator.url not in seen

def test_module_is_the_same_and_the_connections(module_vidu_emulator):
    assert [module_vidu_emulator.url, host()] == seen * 2
"""
    )
    result = run(
        tmp_path,
        """
import json, os, threading

def test_session_goes_on_in_the_next_module(session_vidu_emulator):
    connection = json.loads(os.environ["AIRFLOW_CONN_VIDU_DEFAULT"])
    assert connection["host"] == session_vidu_emulator.url == os.environ.pop("SESSION_URL")

def test_module_is_over():
    assert sum(thread.name == "vidu-emulator" for thread in threading.enumerate()) == 1
""",
        "test_a.py",
    )
    assert "6 passed" in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize("fixture", ["vidu_emulator", "module_vidu_emulator", "session_vidu_emulator"])
def test_environment_is_restored_afterwards(fixture: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        """
import os, threading

def pytest_unconfigure(config):
    assert os.environ["AIRFLOW_CONN_VIDU_DEFAULT"] == "mine"
    assert threading.active_count() == 1
    print("all clean")
"""
    )
    test = f"def test_it({fixture}): pass"
    result = run(tmp_path, test, AIRFLOW_CONN_VIDU_DEFAULT="mine")
    assert "1 passed" in result.stdout, result.stdout + result.stderr
    assert "all clean" in result.stdout, result.stdout + result.stderr


def test_missing_extra_fails_only_tests_with_the_fixture(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        """
import sys
sys.modules["av"] = None

def test_other():
    pass

def test_it(vidu_emulator):
    pass
""",
    )
    assert "1 passed" in result.stdout, result.stdout + result.stderr
    assert "1 error" in result.stdout, result.stdout
    assert "needs av: pip install 'airflow-provider-vidu[emulator]'" in result.stdout


def test_the_marker_is_documented() -> None:
    lines: list[tuple[str, str]] = []
    pytest_plugin.pytest_configure(SimpleNamespace(addinivalue_line=lambda *line: lines.append(line)))  # type: ignore[arg-type]
    ((name, text),) = lines
    assert name == "markers"
    assert text.startswith("vidu_emulator(**settings): ")
