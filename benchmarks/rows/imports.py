# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What parsing a DAG file pays for the imports of operator, sensor and trigger, ours and others'."""

from __future__ import annotations

import subprocess
from importlib.metadata import version

from benchmarks.import_time import OURS, measure_all
from benchmarks.import_time import measure as import_once
from benchmarks.report import Table, Target, format_value, percentile, ratio
from benchmarks.rows import Measured

_PEERS = {
    "http": ("operators.http", "sensors.http", "triggers.http"),
    "openai": ("operators.openai", "triggers.openai"),
    "databricks": ("operators.databricks", "sensors.databricks", "triggers.databricks"),
    "airbyte": ("operators.airbyte", "sensors.airbyte", "triggers.airbyte"),
}


def measure(*, quick: bool) -> Measured:
    """Import each set in 15 cold processes, in turn; in three if quick."""
    sets, missing = {"ours": OURS}, []
    for name, modules in _PEERS.items():
        together = ",".join(f"airflow.providers.{name}.{module}" for module in modules)
        try:
            import_once(together)
        except subprocess.CalledProcessError as error:
            missing.append(f"{name} ({error.stderr.strip().splitlines()[-1]})")
        else:
            sets[f"{name} {version(f'apache-airflow-providers-{name}')}"] = together
    taken = measure_all(list(sets.values()), 3 if quick else 15)
    times = {name: taken[modules] for name, modules in sets.items()}
    medians = {name: percentile(values, 0.5) for name, values in times.items()}
    others = [median for name, median in medians.items() if name != "ours"]
    share = ratio(medians["ours"], min(others, default=None))
    reason = f"none can be imported: {', '.join(missing)}"
    targets = [Target("import of ours / of the lowest of the others", share, 1.0, "×", below=True, reason=reason)]
    lines = [
        [
            name,
            format_value(medians[name], "ms"),
            f"{format_value(min(values))} to {format_value(max(values), 'ms')}",
            format_value(ratio(medians["ours"], medians[name]), "share"),
        ]
        for name, values in times.items()
    ]
    notes = [
        "On top of `airflow.sdk`, which every DAG file imports: operator, sensor and trigger modules together, each "
        "in a cold process. The openai provider has no sensor."
    ]
    if missing:
        notes.append(f"Not compared, since it cannot be imported here: {', '.join(missing)}.")
    return Measured(targets, Table(["modules of", "median", "range", "ours / theirs"], lines), notes)
