# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""One module a row, or a kind of rows. Each measures; :mod:`benchmarks.pictures` draws and the report tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.report import Table, Target


@dataclass(frozen=True)
class Measured:
    """
    What a row returns: the parts of :class:`benchmarks.report.Result` that only it knows.

    :param targets: figures with what was hoped for.
    :param table: all figures.
    :param notes: what a reader needs to read them right.
    :param series: what is drawn; JSON.
    """

    targets: Sequence[Target]
    table: Table
    notes: Sequence[str] = ()
    series: Mapping[str, Any] = field(default_factory=dict)
