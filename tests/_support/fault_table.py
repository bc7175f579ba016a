# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""How a table of faults becomes cells of the matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest


def one_by_one(faults: Mapping[str, Any]) -> pytest.MarkDecorator:
    """
    Run a test once for each fault of a table, as its parameter ``fault``.

    :param faults: by name.
    """
    return pytest.mark.parametrize("fault", faults.values(), ids=faults.keys())
