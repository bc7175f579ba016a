# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Says in plain words why an item has no video."""

from __future__ import annotations

import re

from airflow_provider_vidu.api.errors import REASONS

_WORDS = {
    "CreditBudgetSpent": "The credit budget was used up",
    "CreditBudgetUnknownPrice": "No price is known, so the credit budget stopped it",
    "ImageDownloadFailure": "Vidu could not download the picture",
    "ModelUnavailable": "The model is not available",
    "NotSent": "Not sent, because other requests are invalid",
    "UserCancelled": "Cancelled",
    "ViduAnswerTooLargeError": "Vidu's reply was too large to be read",
    "ViduAuthError": "Vidu did not accept the API key",
    "ViduConfigurationError": "The Airflow connection is not set up correctly",
    "ViduCreditError": "Too few credits",
    "ViduCreditLimitError": "More expensive than max_credits allows",
    "ViduError": "An error of the provider",
    "ViduLandingError": "Made, but not saved to its destination",
    "ViduModerationError": "Refused by Vidu's content checks",
    "ViduNoCreationError": "Finished, but Vidu gave no link to the video",
    "ViduNoSourceError": "The video that it starts from was not made",
    "ViduNotFoundError": "Vidu does not know the task",
    "ViduRateLimitError": "Too many requests at once",
    "ViduRequestError": "Vidu refused the request",
    "ViduStillRunningError": "Not finished at the deadline",
    "ViduSubmissionInDoubtError": "Unknown whether Vidu accepted it",
    "ViduTaskFailedError": "The task failed at Vidu",
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
#: Invalid requests all have this reason; the text of the error says what is wrong.
INVALID = "ViduInputError"
_WORDS_OF_INVALID = {
    re.compile(pattern): words
    for pattern, words in {
        r"images: .* (was not found on the worker|does not exist)": "Picture not found",
        r"images:? .*(is required|empty after rendering|is None: a Param|, got 0\b)": "No picture given",
        r"images: .* no permission to read ": "Picture that the worker may not read",
        r"images: ": "Picture that Vidu does not accept",
        r"prompt: takes at most ": "Prompt too long",
        r"id: .* is that of item ": "Same id as another item",
        r"(output_path|file_name):? .* is (that|a file) of item ": "Same file as another item's video",
        r"[\w.\[\]]+: is not a field of ": "Unknown field",
    }.items()
}
_FIELD = re.compile(r"[a-z]\w*(?=[:.\[]| (?:of|must|'|/|\S+://))")

# Without a task, these reasons mean that an item was never submitted: it is invalid, or the batch stopped before it. An
# outage is not among them, because the submission may have been lost on the way.
_NOT_SENT = frozenset(
    {
        INVALID,
        "CreditBudgetSpent",
        "CreditBudgetUnknownPrice",
        "Forbidden",
        "NotSent",
        "Unauthorized",
        "ViduAuthError",
        "ViduConfigurationError",
        "ViduCreditError",
        "ViduCreditLimitError",
        "ViduNoSourceError",
        "ViduRateLimitError",
    }
)


def plain_words(reason: str | None, error: str = "") -> str:
    """
    Return what a reason means.

    :param reason: ``err_code`` of a task record: Vidu's reason, a relay's code or the class of an error.
    :param error: the text of the error.
    """
    if not reason:
        return "No reason given"
    if reason == INVALID:
        return _what_is_invalid(error)
    return _WORDS.get(reason) or _WORDS_OF_KIND.get(REASONS.get(reason, "")) or reason


def was_never_sent(reason: str | None, error: str) -> bool:
    """Return whether an item that has no task was never submitted, by its reason and the text of its error."""
    return reason in _NOT_SENT or error.startswith("Not sent") or REASONS.get(reason or "") in {"credits", "limit"}


def _what_is_invalid(error: str) -> str:
    """Return the same few words for all requests with the same mistake: without their names and values."""
    for pattern, words in _WORDS_OF_INVALID.items():
        if pattern.match(error):
            return words
    # An error begins with the name of the field, if it is about one.
    field = _FIELD.match(error)
    return f"Invalid {field[0]}" if field else "The request is invalid"
