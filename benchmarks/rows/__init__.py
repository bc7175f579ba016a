# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""One module a row, or a kind of rows. Each measures; :mod:`benchmarks.pictures` draws, the report writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.report import Table, Target


@dataclass(frozen=True)
class Measured:
    """What a row returns: the parts of :class:`benchmarks.report.Result` that only it knows."""

    targets: Sequence[Target]
    table: Table
    notes: Sequence[str] = ()
    #: What its picture is drawn from. Only the picture is kept.
    series: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> dict[str, Any]:
        """The parts that go into the row's file of figures."""
        return {"targets": self.targets, "table": self.table, "notes": self.notes}
