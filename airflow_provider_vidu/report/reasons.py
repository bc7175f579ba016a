# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Says in plain words why an item has no video."""

from __future__ import annotations

from airflow_provider_vidu.api.errors import REASONS

_WORDS = {
    "CreditBudgetSpent": "The credit budget was used up",
    "CreditBudgetUnknownPrice": "No price is known, so the credit budget stopped it",
    "ImageDownloadFailure": "Vidu could not download the picture",
    "ModelUnavailable": "The model is not available",
    "NotSent": "Not sent, because other requests are invalid",
    "UserCancelled": "Cancelled",
    "ViduCreditError": "Too few credits",
    "ViduCreditLimitError": "More expensive than max_credits allows",
    "ViduInputError": "The request is invalid",
    "ViduLandingError": "Made, but not saved to its destination",
    "ViduNoCreationError": "Finished, but Vidu gave no link to the video",
    "ViduNotFoundError": "Vidu does not know the task",
    "ViduStillRunningError": "Not finished at the deadline",
    "ViduSubmissionInDoubtError": "Unknown whether Vidu accepted it",
    "ViduUnavailableError": "Vidu could not be reached",
}
_WORDS_OF_KIND = {
    "moderation": "Refused by Vidu's content checks",
    "input": "Vidu does not accept the picture or a setting",
    "credits": "Too few credits",
    "later": "A fault at Vidu, which may pass",
    "limit": "Too many requests at once",
    "missing": "Vidu does not know the task",
    "no channel": "The relay does not have the model",
}
_STOPPED_BY_CREDITS = frozenset(
    {"CreditBudgetSpent", "CreditBudgetUnknownPrice", "ViduCreditError", "ViduCreditLimitError"}
)


def plain_words(reason: str | None) -> str:
    """
    Return what a reason means.

    :param reason: ``err_code`` of a task record: Vidu's reason, a relay's code or the class of an error.
    """
    if not reason:
        return "No reason given"
    return _WORDS.get(reason) or _WORDS_OF_KIND.get(REASONS.get(reason, "")) or reason


def is_about_credits(reason: str | None) -> bool:
    """Return whether credits ran out. A batch then stops submitting, and the items that are left have this reason."""
    return reason in _STOPPED_BY_CREDITS or REASONS.get(reason or "") == "credits"
