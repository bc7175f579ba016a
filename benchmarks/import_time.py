# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What importing operator, sensor and trigger costs a DAG file: medians of many cold processes.

``python benchmarks/import_time.py [--runs 21] [MODULE …]`` measures each named set of modules on top of
``airflow.sdk``; the modules of a set are comma-separated. Without any it measures this provider's.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence

OURS = (
    "airflow_provider_vidu.operators.img2video,airflow_provider_vidu.sensors.task,airflow_provider_vidu.triggers.task"
)

PROBE = """
import sys, time
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, task
began = time.perf_counter()
for name in sys.argv[1].split(","):
    __import__(name)
print((time.perf_counter() - began) * 1000)
"""


def measure(modules: str) -> float:
    """Import comma-separated modules in a fresh process, and return the milliseconds on top of ``airflow.sdk``."""
    done = subprocess.run([sys.executable, "-c", PROBE, modules], capture_output=True, text=True, check=True)
    return float(done.stdout.strip().splitlines()[-1])


def measure_all(sets: Sequence[str], runs: int) -> dict[str, list[float]]:
    """Measure several sets in turn, so that a drift of the machine affects all of them; return the runs of each."""
    taken: dict[str, list[float]] = {modules: [] for modules in sets}
    for _ in range(runs):
        for modules in sets:
            taken[modules].append(measure(modules))
    return taken


def main() -> None:
    """Measure the sets, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("modules", nargs="*", default=[])
    arguments = parser.parse_args()
    for modules, times in measure_all([OURS, *arguments.modules], arguments.runs).items():
        print(f"{statistics.median(times):7.1f} ms median, {min(times):6.1f} to {max(times):6.1f}  {modules}")


if __name__ == "__main__":
    main()
