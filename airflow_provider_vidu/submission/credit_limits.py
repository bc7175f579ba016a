# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a generation may cost, and what has to be left: decided before the POST by the estimate, after it by Vidu."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_vidu.api.catalog import PRICES_AS_OF, estimate_credits
from airflow_provider_vidu.api.errors import ViduConfigurationError, ViduCreditError, ViduCreditLimitError, ViduError
from airflow_provider_vidu.api.http_messages import is_missing_endpoint
from airflow_provider_vidu.api.messages import counted
from airflow_provider_vidu.api.registry import Endpoint
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.compat import clear_this_task


@dataclass(frozen=True)
class CreditLimits:
    """
    The author's limits; None = there is none.

    :param max_credits: credits that one generation may cost.
    :param min_remaining: credits that the account must still have after it.
    """

    max_credits: int | None = None
    min_remaining: int | None = None

    def check_estimate(self, request: Mapping[str, Any], endpoint: Endpoint) -> int | None:
        """
        Refuse what would cost too much by the catalogue.

        :param request: the fields by their API names.
        :return: the estimate; None = the catalogue does not know, and only Vidu's answer will tell.
        :raises ViduCreditLimitError: nothing was sent.
        """
        estimate = estimate_credits(request, endpoint=endpoint.name)
        if self.max_credits is not None and estimate is not None and estimate > self.max_credits:
            raise ViduCreditLimitError(
                f"This generation would cost about {counted(estimate, 'credit')} (prices of {PRICES_AS_OF}), and "
                f"max_credits is {self.max_credits}.",
                advice=(
                    "Nothing was sent to Vidu and nothing is billed. Choose a cheaper request (model, duration, "
                    f"resolution, off_peak) or raise max_credits, then {clear_this_task()}."
                ),
            )
        return estimate

    def check_balance(self, remaining: float, estimate: int | None) -> None:
        """
        Refuse what would leave too little on the account.

        :param remaining: credits that are left now.
        :param estimate: what is about to be submitted; None = not known, and not counted.
        :raises ViduCreditError: nothing was sent.
        """
        after = remaining - (estimate or 0)
        if self.min_remaining is not None and after < self.min_remaining:
            costs = "an unknown number" if estimate is None else f"about {estimate}"
            raise ViduCreditError(
                f"The account has {counted(remaining, 'credit')} left, this needs {costs} of them, and "
                f"min_remaining_credits is {self.min_remaining}.",
                reason="MinRemainingCredits",
            )

    def without_balance(self, error: ViduError) -> ViduError:
        """
        Return the error of a balance that could not be read.

        :param error: what came instead of it.
        """
        if isinstance(error, ViduConfigurationError) or is_missing_endpoint(error):
            return ViduConfigurationError(
                "Cannot enforce min_remaining_credits: this host does not report the balance.",
                advice="Nothing was sent to Vidu and nothing is billed. Leave min_remaining_credits out for this host.",
            )
        return error.but(message=f"Cannot read the balance for min_remaining_credits. {error.message}")

    def is_exceeded_by(self, task: ViduTask) -> bool:
        """
        Return whether a task costs more than max_credits, by Vidu's own figure.

        :param task: the create answer.
        """
        return self.max_credits is not None and task.credits is not None and task.credits > self.max_credits

    def exceeded(self, task: ViduTask) -> ViduCreditLimitError:
        """
        Return the error of a task that cost too much and was cancelled.

        :param task: the create answer.
        """
        return ViduCreditLimitError(
            f"Vidu's price for this generation is {counted(task.credits or 0, 'credit')}, but max_credits is "
            f"{self.max_credits}.",
            advice=(
                "It was cancelled at once and is not billed. Choose a cheaper request or raise max_credits, then "
                f"{clear_this_task()}."
            ),
            task_id=task.task_id,
            state=task.state,
            credits=task.credits,
        )

    def kept_in_spite(self, task: ViduTask) -> str:
        """
        Return the warning of a task that costs too much and cannot be cancelled any more.

        :param task: as last seen.
        """
        return (
            f"Vidu task {task.task_id} costs {counted(task.credits or 0, 'credit')}, more than max_credits "
            f"({self.max_credits}), and no query shows that it was cancelled. It is billed when it succeeds; its "
            "video is kept and landed."
        )
