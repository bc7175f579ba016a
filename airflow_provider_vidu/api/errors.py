# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What can go wrong with Vidu, as one small tree of exceptions, and what each means for the money and the video.

Every error has a :class:`Fate`; ``airflow_provider_vidu.exceptions`` alone maps fates to Airflow exceptions. The
reasons are those of Vidu's error-code page (HTTP errors and the ``err_code`` of failed tasks share them); an unknown
reason is permanent, and its message is kept.
"""

from __future__ import annotations

from copy import copy
from enum import Enum
from typing import Any, TypeVar

from airflow_provider_vidu.api.messages import one_line, printable
from airflow_provider_vidu.api.redaction import redacted
from airflow_provider_vidu.compat import clear_this_task

#: The class of an error, which its changed copy keeps.
Error = TypeVar("Error", bound="ViduError")


# The read-only fields of an error; to change one, make a copy with :meth:`ViduError.but`.
_FACTS = frozenset(
    {"message", "fate", "advice", "task_id", "state", "reason", "trace_id", "credits", "http_status", "retry_after"}
)


class Fate(str, Enum):
    """What an error means for the next attempt."""

    #: The same request will fail again: do not waste retries on it.
    PERMANENT = "permanent"
    #: Nothing was created, or the task has failed unbilled: trying again later may work.
    RETRYABLE = "retryable"
    #: Vidu may have accepted the request, and would bill it: look it up, never repeat it blindly.
    IN_DOUBT = "in doubt"


class ViduError(Exception):
    """
    Base class of every error that this package raises about Vidu.

    Its text is one paragraph for the person on call: what happened, what is known about the task, what to do.

    :param message: what happened, one sentence.
    :param fate: what it means for the next attempt; None = the class's default.
    :param advice: what to do now; None = the class's default.
    :param task_id: Vidu's id of the task, if known.
    :param state: the state in which the task was last seen.
    :param reason: Vidu's ``reason`` of an HTTP error, or the ``err_code`` of a failed task.
    :param trace_id: Vidu's trace id, which its support asks for.
    :param credits: credits of the task, if known.
    :param http_status: the HTTP status of the reply, if there was one.
    :param retry_after: seconds that the server asks the client to wait, if it does.
    """

    default_fate = Fate.PERMANENT
    default_advice = ""

    def __init__(
        self,
        message: str,
        *,
        fate: Fate | None = None,
        advice: str | None = None,
        task_id: str | None = None,
        state: str | None = None,
        reason: str | None = None,
        trace_id: str | None = None,
        credits: float | None = None,
        http_status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        # A transport's error may quote the host.
        self.message = message = printable(message)
        self.fate = fate or self.default_fate
        self.advice = self.default_advice if advice is None else advice
        self.task_id = task_id
        self.state = state
        self.reason = reason
        self.trace_id = trace_id
        self.credits = credits
        self.http_status = http_status
        self.retry_after = retry_after
        super().__init__(message)

    def but(self: Error, **changes: Any) -> Error:
        """
        Return a copy with some fields changed, for a caller that knows more than the code that raised it.

        :param changes: fields by name, for example ``advice="…"``.
        """
        other = copy(self)
        if unknown := changes.keys() - other.__dict__.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        other.__dict__.update(changes)
        other.args = (other.message,)
        # The copy replaces this error in a traceback.
        other.__cause__, other.__suppress_context__ = self.__cause__, True
        return other.with_traceback(self.__traceback__)

    def without(self: Error, secret: str) -> Error:
        """Return a copy without a secret in anything that it quotes: a host may repeat the key that it refuses."""
        quoted = {name: getattr(self, name) for name in ("message", "reason", "trace_id")}
        return self.but(**{name: redacted(text, secret) for name, text in quoted.items() if text})

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        # BaseException's own would set each field again, in a copy and when unpickling.
        self.__dict__.update(state or {})

    def __setattr__(self, name: str, value: object) -> None:
        if name in _FACTS and name in self.__dict__:
            raise AttributeError(f"An error is a value: use but({name}=…).")
        super().__setattr__(name, value)

    @property
    def facts(self) -> str:
        """What is known besides the message, in one clause; empty if nothing is."""
        known = {
            "Vidu task": self.task_id,
            "state": self.state,
            "reason": self.reason,
            "HTTP": self.http_status,
            "credits": self.credits,
            "trace id": self.trace_id,
        }
        return ", ".join(f"{name} {one_line(str(value))}" for name, value in known.items() if value not in {None, ""})

    def __str__(self) -> str:
        # No square brackets: `airflow connections test` prints with Rich, which reads them as markup.
        text = f"{self.message.removesuffix('.')} ({self.facts})." if self.facts else self.message
        if self.advice and text and not text.endswith((".", "!", "?", "…")):
            text += "."
        return f"{text} {self.advice}".strip() if self.advice else text


class ViduInputError(ViduError, ValueError):
    """A field of the request is outside what Vidu accepts. Raised before the POST: nothing was sent or billed."""

    default_advice = "Nothing was sent to Vidu and nothing is billed."


class ViduNoSourceError(ViduInputError):
    """A request starts from the video of a batch's item that has none: there is nothing to do for it."""


class ViduConfigurationError(ViduError):
    """The connection cannot work as it is (redirecting host, plain http, missing key, missing endpoint)."""

    default_advice = "Correct the Airflow connection (in the UI: Admin, Connections)."


class ViduRequestError(ViduError):
    """Vidu refused a request (4xx) and says that the same request would be refused again."""

    default_advice = "Nothing was created or billed by this request."


class ViduAuthError(ViduRequestError):
    """401 or 403: the key is wrong, suspended, or belongs to another region's host."""

    default_advice = (
        "Check the API key (the connection's password) and the host: keys of api.vidu.cn do not work on "
        "api.vidu.com, and vice versa."
    )


class ViduCreditError(ViduRequestError):
    """
    The account has too few credits. Vidu answers with HTTP 400, before it checks any field.

    Relays answer with 402, 403 or 429, before they send anything upstream.
    """

    default_advice = f"Top the account up, then {clear_this_task()}. Nothing was created or billed."


class ViduCreditLimitError(ViduCreditError):
    """A generation costs more than the DAG author allows. Refused before it is sent, or cancelled at once."""

    default_advice = f"Choose a cheaper request or raise max_credits, then {clear_this_task()}."


class ViduModerationError(ViduRequestError):
    """Vidu's content checks refused the prompt, the image or the result. Failed tasks are not billed."""

    default_advice = "Change the prompt or the image: the same input would be refused again. It is not billed."


class ViduNotFoundError(ViduRequestError):
    """
    This account has no such task (a wrong id, another account's key, or a task past its retention).

    Vidu answers with 404, new-api with 400.
    """

    default_advice = "Check the task id, and that the connection's key and host are those that created it."


class ViduRateLimitError(ViduRequestError):
    """429: too many requests, or no free slot in the account's queue. Nothing was created."""

    default_fate = Fate.RETRYABLE
    default_advice = "Nothing was created. Try again later, or lower the concurrency with an Airflow pool."


class ViduUnavailableError(ViduError):
    """Vidu could not be reached, or its reply is no answer (5xx, broken body)."""

    default_fate = Fate.RETRYABLE
    default_advice = "Running tasks continue at Vidu; nothing is lost."


class ViduAnswerTooLargeError(ViduUnavailableError):
    """The reply is too large to be read: a list row echoes its images, which may be megabytes of base64."""


class ViduSubmissionInDoubtError(ViduError):
    """The reply to a submission was lost: the task may exist and be billed, and repeating it may be billed again."""

    #: Whether the reply is recognisably Vidu's own. A gateway's settles nothing: Vidu may still accept the request.
    is_vidus_own = False

    default_fate = Fate.IN_DOUBT
    default_advice = "Look for it in the account's task list before you submit again."


class ViduTaskFailedError(ViduError):
    """The remote task ended in ``failed``. Vidu does not bill failed tasks."""

    default_advice = "Vidu does not bill failed tasks."


class ViduNoCreationError(ViduError):
    """The remote task is in ``success``, but no reply has a link to its video where Vidu or a known relay puts it."""

    default_advice = (
        "The video may exist and be billed. Check the task at the host and download the video by hand if it is there. "
        "If the reply has a link, report the reply to the maintainers of this provider, else report the task id to "
        "the host."
    )


class ViduStillRunningError(ViduError):
    """The deadline passed while the remote task was still running. It continues, and a retry waits for it again."""

    default_fate = Fate.RETRYABLE
    default_advice = (
        "It was left running: a retry of this Airflow task re-attaches to it and submits nothing. If no retry is left, "
        f"{clear_this_task()} (Airflow 3.3 or newer): it does the same."
    )


class ViduLandingError(ViduError):
    """The video is rendered and paid for, but could not be written to its destination."""

    default_fate = Fate.RETRYABLE
    default_advice = (
        "The video is safe at Vidu: a retry lands it and submits nothing. If no retry is left, "
        f"{clear_this_task()} (Airflow 3.3 or newer): it does the same."
    )


#: Errors about the key, or about the account behind it, not about the request.
ACCOUNT_ERRORS = (ViduAuthError, ViduCreditError)

# Maximum length of a reply without a known link in an error text.
_MAX_REPLY = 1500

_MODERATION = "moderation"
_INPUT = "input"
_CREDITS = "credits"
_LATER = "later"
_LIMIT = "limit"
_MISSING = "missing"
_NO_CHANNEL = "no channel"
_OTHER = "other"

#: The category of each reason on Vidu's error-code pages, and of each relay code that matters here. Vidu documents no
#: retry advice; ``later`` and ``limit`` follow the meaning of the names. ``UserCancelled`` is permanent: a user wanted
#: the task to end.
REASONS: dict[str, str] = {
    "BadRequest": _INPUT,
    "FieldLacking": _INPUT,
    "FieldUnwanted": _INPUT,
    "FieldInvalid": _INPUT,
    "FieldItemCountOutOfRange": _INPUT,
    "PageSizeOutOfRange": _INPUT,
    "ImageFormatInvalid": _INPUT,
    "ImageSizeInvalid": _INPUT,
    "ImageCheckBodyJointsFailed": _INPUT,
    "ImageCheckFaceFailed": _INPUT,
    "ImageObjectsUndetected": _INPUT,
    "VideoFormatInvalid": _INPUT,
    "FaceDetectFailure": _INPUT,
    "FaceDetectNotPass": _INPUT,
    "NoFaceDetected": _INPUT,
    "MultiFaceDetected": _INPUT,
    "TaskPromptPolicyViolation": _MODERATION,
    "AuditSubmitIllegal": _MODERATION,
    "CreationPolicyViolation": _MODERATION,
    "PhotoAuditNotPass": _MODERATION,
    "AuditFailed": _MODERATION,
    "CreditInsufficient": _CREDITS,
    "insufficient_user_quota": _CREDITS,
    "insufficient_quota": _CREDITS,
    "pre_consume_token_quota_failed": _CREDITS,
    "insufficient_balance": _CREDITS,
    "insufficient_credits": _CREDITS,
    "insufficient_funds": _CREDITS,
    "payment_required": _CREDITS,
    "ImageDownloadFailure": _LATER,
    "OperationInProcess": _LATER,
    "InternalServiceFailure": _LATER,
    "Conflict": _LATER,
    "Canceled": _LATER,
    "Unknown": _LATER,
    "QuotaExceeded": _LIMIT,
    "TooManyRequests": _LIMIT,
    "SystemThrottling": _LIMIT,
    "ModelUnavailable": _OTHER,
    "UserCancelled": _OTHER,
    "Unauthorized": _OTHER,
    "Forbidden": _OTHER,
    "TaskNotFound": _MISSING,
    "CreationNotFound": _MISSING,
    "NotFound": _MISSING,
    "task_not_exist": _MISSING,
    "task_not_found": _MISSING,
    "model_not_found": _NO_CHANNEL,
}

#: Reasons with which Vidu refuses a request: nothing was created, whatever status a relay sends them with.
REFUSALS = frozenset(
    reason
    for reason in REASONS
    if reason[0].isupper()
    and reason not in {"InternalServiceFailure", "Conflict", "Canceled", "Unknown", "UserCancelled"}
)

#: Those about a request's content or the balance: a refusal even without Vidu's own status. ``BadRequest`` is not among
#: them, because other gateways use it, too.
ONLY_REFUSALS = frozenset(reason for reason in REFUSALS if REASONS[reason] in {_INPUT, _MODERATION, _CREDITS}) - {
    "BadRequest"
}


def fate_of_reason(reason: str | None) -> Fate:
    """Return what a ``reason`` or ``err_code`` means for the next attempt; a new or missing one is permanent."""
    return Fate.RETRYABLE if REASONS.get(reason or "") in {_LATER, _LIMIT} else Fate.PERMANENT


def is_rate_limit(reason: str | None) -> bool:
    """Return whether a ``reason`` or ``err_code`` is about too many requests at once."""
    return REASONS.get(reason or "") == _LIMIT


def is_missing_task(reason: str | None) -> bool:
    """Return whether a reason says that a task is missing, which no submission can cause."""
    return REASONS.get(reason or "") == _MISSING and reason != "NotFound"


def is_outage(result: object) -> bool:
    """Return whether a result is an error about the host or the key, not about the task that was queried."""
    return isinstance(result, (ViduUnavailableError, ViduRateLimitError, *ACCOUNT_ERRORS))


def is_inconclusive(status: int) -> bool:
    """
    Return whether an HTTP status is no verdict on the request: outage, timeout, Conflict, Canceled, no HTTP status.

    It leaves a submission in doubt, because the request may have been executed; any other request may be sent again.

    :param status: anything but 200 to 299. Only 300 to 499 can be a refusal.
    """
    return not 300 <= status < 500 or status in {408, 409, 499}


def is_vidus(reason: str | None) -> bool:
    """Return whether a reason is Vidu's own verdict on a request; ``Canceled`` is about the client that waited."""
    return reason in REASONS and reason[0].isupper() and reason != "Canceled"


def created_nothing(status: int, reason: str | None, vidu_status: int | None = None) -> bool:
    """
    Return whether the reply to a submission shows that nothing was created.

    An inconclusive status needs a known refusal beside it: Vidu's own, or one that a relay sends before anything goes
    upstream.

    :param vidu_status: see :func:`request_error`.
    """
    if status < 200:
        return False
    is_known_refusal = vidu_status is not None or REASONS.get(reason or "") in {_CREDITS, _NO_CHANNEL}
    return is_known_refusal or not is_inconclusive(status)


def request_error(
    status: int,
    reason: str | None,
    message: str,
    *,
    vidu_status: int | None = None,
    trace_id: str | None = None,
    retry_after: float | None = None,
    task_id: str | None = None,
) -> ViduError:
    """
    Turn an HTTP error into an exception.

    The parser of a *submission* decides what a lost or refused one means beyond this: a 5xx to a GET only says that
    Vidu is unavailable, a 5xx to a submission leaves it in doubt.

    :param status: the HTTP status, anything but 200 to 399.
    :param message: the body's message, or a part of the body.
    :param vidu_status: the status of Vidu's own refusal, if a relay sends it inside a reply of its own.
    :param retry_after: seconds from the ``Retry-After`` header.
    :param task_id: the task that was queried, if any.
    """
    kind = REASONS.get(reason or "")
    text = f"Vidu answered: {message}" if message else f"Vidu answered HTTP {status} without a message."
    error: type[ViduError] = ViduRequestError
    fate = fate_of_reason(reason)
    refused_with = vidu_status or status
    if kind == _CREDITS or refused_with == 402:
        error = ViduCreditError
    elif refused_with == 429 or kind == _LIMIT:
        error, fate = ViduRateLimitError, Fate.RETRYABLE
    elif is_inconclusive(refused_with):
        error, fate = ViduUnavailableError, Fate.RETRYABLE
    elif kind == _MODERATION:
        error = ViduModerationError
    elif refused_with in {401, 403}:
        error = ViduAuthError
    elif kind == _MISSING or (refused_with == 404 and kind != _NO_CHANNEL):
        error = ViduNotFoundError
    return error(
        text,
        fate=fate,
        reason=reason,
        trace_id=trace_id,
        retry_after=retry_after,
        http_status=status,
        task_id=task_id,
    )


def no_creation_error(
    task_id: str, reply: str | None, *, state: str | None = None, credits: float | None = None
) -> ViduNoCreationError:
    """
    Return the error of a task that has succeeded and whose video cannot be found.

    :param reply: an excerpt of the last reply, for a person to find the link in, without signatures and secrets.
    """
    shown = ""
    if reply:
        shown = f" The reply: {reply if len(reply) <= _MAX_REPLY else f'{reply[:_MAX_REPLY]}…'}"
    return ViduNoCreationError(
        f"The task has succeeded, but its reply has no link to a video in any known place.{shown}",
        task_id=task_id,
        state=state,
        credits=credits,
    )


def task_error(
    task_id: str,
    err_code: str | None,
    *,
    message: str | None = None,
    state: str = "failed",
    credits: float | None = None,
    trace_id: str | None = None,
) -> ViduError:
    """
    Turn a failed remote task into an exception.

    :param err_code: the task's ``err_code``; Vidu uses the reasons of its error-code page here, too.
    :param message: why, in the host's words.
    """
    moderated = REASONS.get(err_code or "") == _MODERATION
    what = "was refused by Vidu's content checks" if moderated else "failed at Vidu"
    error: type[ViduError] = ViduModerationError if moderated else ViduTaskFailedError
    fate = fate_of_reason(err_code)
    advice = None
    if err_code == "UserCancelled":
        what, advice = "was cancelled at Vidu", f"It is not billed. To submit it again, {clear_this_task()}."
    elif not moderated:
        again = "a retry submits it again" if fate is Fate.RETRYABLE else "the same input would fail again"
        if err_code not in REASONS:
            again = f"it is not known whether the same input would succeed. To submit it again, {clear_this_task()}"
        advice = f"Vidu does not bill failed tasks; {again}."
    why = f": {message.rstrip('. ')}" if message else ""
    return error(
        f"The video {what}{why}.",
        fate=fate,
        advice=advice,
        task_id=task_id,
        state=state,
        reason=err_code,
        credits=credits,
        trace_id=trace_id,
    )
