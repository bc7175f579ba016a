# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What the error of a batch advises about tasks that are paid for, or may be."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_vidu.api.errors import ViduError, ViduNoCreationError, ViduNotFoundError, ViduTaskFailedError
from airflow_provider_vidu.batch.results import Memory, failure_of


def record(task_id: str | None, state: str | None, error: ViduError | None) -> dict[str, Any]:
    return {"task_id": task_id, "state": state, "err_code": None, "error": None if error is None else str(error)}


@pytest.mark.parametrize("memory", Memory)
@pytest.mark.parametrize(
    ("error", "state"), [(ViduNoCreationError("no link"), "success"), (ViduNotFoundError("unknown"), None)]
)
def test_what_may_be_billed_is_checked_before_it_is_submitted_again(memory, error, state):
    failed = ViduTaskFailedError("failed")
    records = [record("1", "success", None), record("2", state, error), record("3", "failed", failed)]
    told = str(failure_of(records, {1: error, 2: failed}, None, memory))
    assert "Item 1 is or may be billed: check Vidu task 2 before" in told


@pytest.mark.parametrize("memory", Memory)
def test_what_has_failed_needs_no_check(memory):
    failed = ViduTaskFailedError("failed")
    records = [record("1", "success", None), record("3", "failed", failed), record(None, None, failed)]
    assert "may be billed" not in str(failure_of(records, {1: failed, 2: failed}, None, memory))
