# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Parsing a DAG file imports next to nothing, and has no side effects."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from airflow_provider_vidu.provider_info import get_provider_info

MODULES = (
    *get_provider_info()["operators"][0]["python-modules"],
    "airflow_provider_vidu.sensors.task",
    "airflow_provider_vidu.triggers.task",
)

# What these modules may load beyond `airflow.sdk`: themselves, and light modules of Airflow.
OURS = {
    "airflow_provider_vidu.api",
    "airflow_provider_vidu.api.defaults",
    "airflow_provider_vidu.links",
    "airflow_provider_vidu.links.batch",
    "airflow_provider_vidu.links.task",
    "airflow_provider_vidu.operators",
    "airflow_provider_vidu.operators.base",
    "airflow_provider_vidu.operators.batch",
    "airflow_provider_vidu.operators.download",
    "airflow_provider_vidu.operators.extend",
    "airflow_provider_vidu.operators.generate",
    "airflow_provider_vidu.operators.img2video",
    "airflow_provider_vidu.operators.img2video_batch",
    "airflow_provider_vidu.operators.reference2video",
    "airflow_provider_vidu.operators.resume_across_releases",
    "airflow_provider_vidu.operators.start_end2video",
    "airflow_provider_vidu.operators.templated_fields",
    "airflow_provider_vidu.operators.text2video",
    "airflow_provider_vidu.operators.upscale",
    "airflow_provider_vidu.operators.video_fields",
    "airflow_provider_vidu.sensors",
    "airflow_provider_vidu.sensors.task",
    "airflow_provider_vidu.transport",
    "airflow_provider_vidu.transport.timing",
    "airflow_provider_vidu.triggers",
    "airflow_provider_vidu.triggers.task",
}
HEAVY = ("aiohttp", "requests", "PIL", "fsspec", "upath", "av", "numpy", "tenacity", "httpx", "yarl", "certifi")

PROBE = """
import json, sys
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, task
from pydantic import BaseModel
import airflow.triggers.base
def models(cls): return {cls, *(m for sub in cls.__subclasses__() for m in models(sub))}
modules, built = set(sys.modules), models(BaseModel)
for name in sys.argv[1:]:
    __import__(name)
new = sorted(set(sys.modules) - modules)
print(json.dumps([new, sorted(m.__module__ for m in models(BaseModel) - built)]))
"""


def test_operators_sensor_and_trigger_load_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", PROBE, *MODULES], capture_output=True, text=True, check=True)
    added, models = json.loads(done.stdout.strip().splitlines()[-1])
    # Airflow's discovery of providers may already have imported the package itself.
    assert {name for name in added if name.startswith("airflow_provider_vidu.")} == OURS
    assert [name for name in added if name.split(".")[0] in HEAVY] == []
    assert models == []
    # They add only Airflow's own lazy import line.
    foreign = [
        name for name in added if not name.startswith(("airflow_provider_vidu", "airflow.providers.common.compat"))
    ]
    assert [name for name in foreign if not name.startswith("airflow.")] == []


def printed(code: str) -> list[str]:
    """Return the lines that a new process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()


def test_the_provider_metadata_loads_nothing():
    code = (
        "import sys, typing; before = set(sys.modules);"
        "import airflow_provider_vidu.provider_info as p; p.get_provider_info();"
        "print(sorted(set(sys.modules) - before - {'__future__'}))"
    )
    assert printed(code) == ["['airflow_provider_vidu', 'airflow_provider_vidu.provider_info']"]


def test_the_plugin_that_every_process_loads_brings_no_web_server():
    code = (
        "import sys; import airflow.providers.common.compat.sdk as sdk; sdk.AirflowPlugin, sdk.conf;"
        "before = set(sys.modules); import airflow_provider_vidu.plugins.report_view as view; view.ViduReportPlugin();"
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('airflow_provider_vidu')))"
    )
    assert printed(code)[-1] == "[]"


def test_the_api_layer_is_pure():
    """No Airflow import and no I/O below api/: it loads where no Airflow is installed."""
    code = (
        "import sys\n"
        "class NoAirflow:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'airflow', 'requests', 'aiohttp', 'fsspec'}:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, NoAirflow())\n"
        "import pkgutil, importlib, airflow_provider_vidu.api as api\n"
        "for module in pkgutil.iter_modules(api.__path__):\n"
        "    importlib.import_module(f'airflow_provider_vidu.api.{module.name}')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_airflow_shows_the_provider():
    """What a user sees after installing: ``airflow providers get`` and ``airflow providers hooks`` know it."""
    airflow = Path(sys.executable).parent / "airflow"
    done = subprocess.run(
        [airflow, "providers", "get", "airflow-provider-vidu"], capture_output=True, text=True, check=True
    )
    assert "airflow-provider-vidu" in done.stdout
    hooks = subprocess.run([airflow, "providers", "hooks", "-o", "plain"], capture_output=True, text=True, check=True)
    assert "vidu" in hooks.stdout
