# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The machine on which the figures were taken."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil


def describe() -> dict[str, str]:
    """Return what a reader of the figures has to know, by name, in the order of the page."""
    return {
        "cores": str(os.cpu_count()),
        "CPU": _processor(),
        "RAM": f"{psutil.virtual_memory().total / 2**30:.0f} GB",
        "system": platform.system(),
        "Python": platform.python_version(),
        "Airflow": version("apache-airflow"),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
