# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Parametrize a test by a table of faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest


def one_by_one(faults: Mapping[str, Any]) -> pytest.MarkDecorator:
    """Run a test once for each named fault, as its parameter ``fault``."""
    return pytest.mark.parametrize("fault", faults.values(), ids=faults.keys())
