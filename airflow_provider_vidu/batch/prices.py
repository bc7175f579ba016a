# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Holds a batch to its author's limits: ``max_credits`` a generation, ``min_remaining_credits`` on the account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_provider_vidu.api.errors import ViduCreditLimitError, ViduError
from airflow_provider_vidu.api.messages import some_of
from airflow_provider_vidu.bulk_cancel import cancel_unfinished

if TYPE_CHECKING:
    from airflow_provider_vidu.batch.submission import BatchSubmission

#: Seconds for cancelling what costs more than it may.
CANCEL_SECONDS = 60.0


async def check_prices(batch: BatchSubmission, new: Sequence[int]) -> None:
    """
    Refuse what would cost too much, or leave too little, before any of it is sent.

    :param batch: whose limits and requests.
    :param new: the numbers of the items that are about to be submitted.
    :raises ViduCreditLimitError: the catalogue estimates one at more than ``max_credits``.
    :raises ViduCreditError: too few credits would be left.
    """
    limits = batch.policies.limits
    estimates: list[int | None] = []
    for index in new:
        request = batch.requests[index]
        try:
            estimates.append(limits.check_estimate({**request.fields, **(request.extra_params or {})}))
        except ViduCreditLimitError as error:
            error.message = f"Item {index}: {error.message}"
            raise
    unknown = estimates.count(None)
    if unknown and limits.max_credits is not None:
        batch.log.warning("The catalogue does not know the price of %d requests: Vidu's answers decide.", unknown)
    if limits.min_remaining is not None:
        try:
            credits = await batch.client.get_credits()
        except ViduError as error:
            raise limits.without_balance(error) from error
        limits.check_balance(credits.total, sum(estimate or 0 for estimate in estimates))


async def give_back(batch: BatchSubmission) -> None:
    """
    Cancel what Vidu has asked more for than it may cost; it was found out while submitting, which has stopped.

    :param batch: whose tasks.
    """
    dear = {
        item.task_id: index
        for index, item in enumerate(batch.items)
        if item.task_id and (task := batch.tasks.get(index)) is not None and not task.is_final
        if batch.policies.limits.is_exceeded_by(task)
    }
    if not dear:
        return
    report = await cancel_unfinished(batch.client, list(dear), seconds=CANCEL_SECONDS, log=batch.log)
    cancelled = await batch.note_cancelled(report.cancelled)
    for task_id in report.cancelled:
        batch.tasks.pop(dear[task_id], None)
    if kept := [task_id for task_id in dear if task_id not in report.cancelled]:
        batch.log.warning(
            "%d tasks cost more than max_credits (%s), and Vidu has not cancelled them. They are paid for, and their "
            "videos are kept and landed: %s",
            len(kept),
            batch.policies.limits.max_credits,
            some_of(kept),
        )
    batch.log.info("%d tasks cost more than max_credits and were cancelled, unbilled.", cancelled)
