# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Parametrize a test by a table of faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

#: The endpoint of the whole fault matrix, and the one for which the cells are repeated that depend on the endpoint.
ENDPOINTS = FIRST, SECOND = ("img2video", "text2video")

for_each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, indirect=True)


def one_by_one(faults: Mapping[str, Any]) -> pytest.MarkDecorator:
    """Run a test once for each named fault, as its parameter ``fault``."""
    return pytest.mark.parametrize("fault", faults.values(), ids=faults.keys())


def one_by_one_for_each_endpoint(faults: Mapping[str, Any], *more: str) -> pytest.MarkDecorator:
    """
    Run a test once for each named fault and endpoint; with ``more``, each row has further parameters.

    A hang takes seconds, so it runs for the first endpoint only.
    """
    cells = {}
    for name, row in faults.items():
        fault, *rest = row if more else (row,)
        cells[name] = (fault, *rest, FIRST)
        if not hangs(fault):
            cells[f"{name}, {SECOND}"] = (fault, *rest, SECOND)
    return pytest.mark.parametrize(
        ("fault", *more, "endpoint"), cells.values(), ids=cells.keys(), indirect=["endpoint"]
    )


def hangs(fault: Any) -> bool:
    """Return whether a request with this fault hangs in real time."""
    return str(getattr(fault, "kind", "")).startswith("hang")
