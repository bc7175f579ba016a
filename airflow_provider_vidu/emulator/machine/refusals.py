# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What Vidu answers instead: the reasons of its error-code page with their HTTP status, text and body."""

from __future__ import annotations

from typing import Any

# All other reasons of the page come with 400, CreditInsufficient included.
_STATUSES = {
    "Unauthorized": 401,
    "Forbidden": 403,
    "TaskNotFound": 404,
    "CreationNotFound": 404,
    "NotFound": 404,
    "Conflict": 409,
    "QuotaExceeded": 429,
    "TooManyRequests": 429,
    "SystemThrottling": 429,
    "Canceled": 499,
    "InternalServiceFailure": 500,
}

# The page's texts. Where it has none, the emulator spells out the reason.
_MESSAGES = {
    "FieldLacking": "field is missing or empty",
    "FieldUnwanted": "unwanted field",
    "FieldInvalid": "invalid field",
    "ImageFormatInvalid": "invalid image format",
    "PageSizeOutOfRange": "page size out of range",
    "OperationInProcess": "operation in process, please retry later",
    "TaskPromptPolicyViolation": "prompt policy violation",
    "AuditSubmitIllegal": "submit is illegal",
    "CreditInsufficient": "insufficient credits",
    "SystemThrottling": "system is throttling",
    "Canceled": "request canceled by client",
}

# The reason for a bare status, when a fault names none.
_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    429: "TooManyRequests",
    499: "Canceled",
}


class Refusal(Exception):
    """An answer other than a 2xx; text and status are those of Vidu's page unless they are given."""

    def __init__(self, reason: str, message: str | None = None, *, status: int | None = None) -> None:
        self.reason = reason
        self.message = message_of(reason) if message is None else message
        self.status = _STATUSES.get(reason, 400) if status is None else status
        super().__init__(f"{self.status} {reason}: {self.message}")

    def body(self, trace_id: str) -> dict[str, Any]:
        """Return the JSON object of the answer."""
        return {
            "code": self.status,
            "reason": self.reason,
            "message": self.message,
            "metadata": {"trace_id": trace_id},
        }


def about_fields(reason: str, *names: str, detail: str = "") -> Refusal:
    """Return a refusal that names fields, as the page's templates do."""
    text = f"{message_of(reason)}: {', '.join(names)}"
    return Refusal(reason, f"{text} ({detail})" if detail else text)


def message_of(reason: str) -> str:
    """Return the page's text for a reason, without fields; a reason without a text is spelled out."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in reason)
    return _MESSAGES.get(reason, words.strip())


def reason_of(status: int) -> str:
    """Return the reason for a bare HTTP status."""
    return _REASONS.get(status, "InternalServiceFailure" if status >= 500 else "BadRequest")
