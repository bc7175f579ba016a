# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Enforces ``max_credits`` of a batch as ``submission.credit_limits`` decides, and ``min_remaining_credits``."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_vidu.api.errors import ViduCreditLimitError, ViduError
from airflow_provider_vidu.api.messages import counted, some_of
from airflow_provider_vidu.submission.batch.state import BatchState
from airflow_provider_vidu.waiting.cancel import VERIFY_SECONDS, cancel_unfinished

#: Seconds for cancelling tasks that cost more than ``max_credits``.
CANCEL_SECONDS = 60.0


async def check_prices(batch: BatchState, new: Sequence[int]) -> None:
    """
    Check what new items would cost and would leave on the account, before any of them is sent.

    :raises ViduCreditLimitError: the catalogue estimates an item at more than ``max_credits``.
    :raises ViduCreditError: less than ``min_remaining_credits`` would be left.
    """
    limits = batch.policies.limits
    estimates: list[int | None] = []
    for index in new:
        try:
            estimates.append(limits.check_estimate(batch.requests[index].all_fields, batch.requests[index].endpoint))
        except ViduCreditLimitError as error:
            name = batch.requests[index].origin.subject
            raise error.but(message=f"{name}: {error.message}") from error.__cause__
    unknown = estimates.count(None)
    if unknown and limits.max_credits is not None:
        batch.log.warning(
            "The catalogue has no price for %s: max_credits is checked against Vidu's answers.",
            counted(unknown, "request"),
        )
    if limits.min_remaining is not None:
        try:
            credits = await batch.client.get_credits()
        except ViduError as error:
            raise limits.without_balance(error) from error
        limits.check_balance(credits.total, sum(estimate or 0 for estimate in estimates))


async def cancel_over_limit(batch: BatchState) -> None:
    """Cancel the unfinished tasks for which Vidu asks more than ``max_credits``."""
    over_limit = {
        item.task_id: index
        for index, item in enumerate(batch.items)
        if item.task_id and (task := batch.tasks.get(index)) is not None and not task.is_final
        if batch.policies.limits.is_exceeded_by(task) and index not in batch.uncancelled
    }
    if not over_limit:
        return
    report = await cancel_unfinished(
        batch.client, list(over_limit), seconds=CANCEL_SECONDS, verify_seconds=VERIFY_SECONDS, log=batch.log
    )
    batch.note_cancelled(report.cancelled)
    for task_id, index in over_limit.items():
        if task_id in report.cancelled:
            del batch.tasks[index]
            batch.budget.remove_paid(batch.submission_of(index))
        else:
            batch.uncancelled.add(index)
    batch.log.info("Cancelled and not billed: %s above max_credits.", counted(len(report.cancelled), "task"))
    if kept := [task_id for task_id in over_limit if task_id not in report.cancelled]:
        batch.log.warning(
            "Vidu did not cancel %s above max_credits (%s). What succeeds is billed, kept and landed: %s",
            counted(len(kept), "task"),
            batch.policies.limits.max_credits,
            some_of(kept),
        )
