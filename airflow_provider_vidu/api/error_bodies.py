# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Why something failed, as a host reports it: in Vidu's form, in a relay's, or in one inside the other.

Vidu sends ``{code, reason, message, metadata.trace_id}``, middleware of relays ``{error: {message, code}}``; their task
errors are ``{code, message}``, with the upstream reply as the text of ``message``. A failed task has its reason in any
of half a dozen fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_vidu.api.errors import (
    ONLY_REFUSALS,
    REASONS,
    REFUSALS,
    is_inconclusive,
    is_rate_limit,
    is_vidus,
)
from airflow_provider_vidu.api.messages import quoted

# Fields with the host's words, the most specific first.
_WORDS = (
    "err_msg",
    "fail_reason",
    "failure_reason",
    "task_status_msg",
    "error_message",
    "error_msg",
    "message",
    "error",
    "msg",
    "detail",
)
# Words of relays for a request that succeeded.
_WELL = re.compile(
    r"(?:(?:request|query|operation) )?(?:success(?:ful(?:ly)?)?|succeeded|succeed|ok)[.!]?"
    r"|(?:请求|查询|操作|获取|处理|执行)?成功[.!。！]?",
    re.IGNORECASE,
)
# Fields of an envelope that are filled only if the request has failed.
_COMPLAINTS = ("error", "errors", "err_code", "reason", "detail")
# Codes of relays by their letters, because their spelling varies. Vidu's own reasons have only one spelling.
_CODES = {re.sub(r"[^a-z]", "", code.lower()): code for code in REASONS if code[0].islower()}
# Maximum depth of replies inside replies.
_MOST_NESTED = 3
# Fields that may contain another reply.
_HOLDERS = ("message", "msg", "detail", "data")
# Words of relays before and after a reply that they quote whole.
_BEFORE_A_REPLY = re.compile(
    r"\s*(?:bad |upstream )?(?:response )?status(?:[ _]code)?[ :=]*4\d\d[ ,:;]*(?:body|response|message)?[ :=]*(?=\{)",
    re.IGNORECASE,
)
_AFTER_A_REPLY = re.compile(r"\s*(?:\(request id[^()]*\))?\s*", re.IGNORECASE)
# A reason of Vidu's inside a text: no English word is written like this.
_REASON = re.compile(r"(?<![A-Za-z0-9_])[A-Z][a-z]+(?:[A-Z][a-z]+)+(?![A-Za-z0-9_])")

# Words of relays for an empty balance, if they give no code. A reply that starts with them comes before anything is
# sent upstream; later in a message, they may be about a refund or an echo of the request.
_EMPTY_BALANCE = re.compile(
    r"\s*(?:您的|你的|当前|该)?(?:用户|令牌|账户|账号)?(?:剩余)?(?:额度|余额|积分)(?:不足|已用尽)|\s*预扣费额度失败"
    r"|\s*(?:your )?(?:insufficient|not enough) (?:user |account |token )?(?:quota|balance|credits?|funds)\b"
    r"|\s*(?:your )?(?:account |credit )?(?:balance|credits?) (?:is|are) (?:insufficient|not enough|too low)\b",
    re.IGNORECASE,
)
_EMPTY_BALANCE_IN_A_REFUSAL = re.compile(
    r"(?:额度|余额|积分|配额)(?:不足|已用尽)|(?<!返还)预扣费额度失败"
    r"|(?:insufficient|not enough) (?:user |account |token )?(?:quota|balance|credits?|funds)\b"
    r"|\b(?:quota|balance|credits?|funds) (?:(?:is|are) )?(?:insufficient|not enough|too low|exhausted)\b"
    r"|pre-consume quota failed|exceeded your current quota",
    re.IGNORECASE,
)
# These words show a limit of tasks or requests at once, which passes.
_OF_A_RATE = re.compile(
    r"并发|频率|速率|每(?:秒|分|小时|天|日)|concurren|rate.?limit|\bper (?:second|minute|hour|day)\b", re.IGNORECASE
)
_OF_AN_ACCOUNT = re.compile(r"用户|令牌|账户|余额|积分|balance|credit|funds", re.IGNORECASE)
_NO_TASK = re.compile(
    r"\s*(?:task(?: (?:does|is|was))? not (?:exists?|found)|任务不存在)[.!。]?\s*(?:\(request id[^()]*\))?\s*",
    re.IGNORECASE,
)
_NO_CHANNEL = re.compile(r"无可用渠道|no available channels? for model", re.IGNORECASE)


@dataclass(frozen=True)
class Failure:
    """
    What a host says about a failure.

    :param reason: Vidu's reason or a relay's code.
    :param words: one clean line; empty if the host says nothing.
    :param trace_id: Vidu's.
    :param vidu_status: the status of Vidu's own refusal, if a relay sends it inside its own reply.
    :param is_vidus: whether it has the form and one of the reasons of Vidu's own errors.
    """

    reason: str | None = None
    words: str = ""
    trace_id: str | None = None
    vidu_status: int | None = None
    is_vidus: bool = False


def read_error(status: int, body: Any) -> Failure:
    """Read the JSON body of an HTTP error; anything but an object says nothing."""
    fields, is_nested = _innermost(body)
    code = fields.get("code")
    reason = _text(fields.get("reason") or fields.get("err_code") or (code if isinstance(code, str) else None))
    words = _words_of(fields)
    if reason not in REASONS:
        reason = next(filter(None, map(_code_in, (reason, fields.get("type"), words))), reason)
    metadata = fields.get("metadata")
    return Failure(
        reason=_reason_of_a_sentence(status, reason, words) or reason,
        words=words,
        trace_id=_text(metadata.get("trace_id")) if isinstance(metadata, Mapping) else None,
        vidu_status=_status_of_vidus_refusal(status, reason, code, is_nested=is_nested),
        is_vidus=is_vidus(_text(fields.get("reason"))) and (isinstance(code, int) or isinstance(metadata, Mapping)),
    )


def says_task_is_missing(failure: Failure) -> bool:
    """Return whether a relay's reply to a query says that there is no such task, and nothing else."""
    return failure.reason in {"task_not_exist", "task_not_found"} or _NO_TASK.fullmatch(failure.words) is not None


def read_task_failure(fields: Mapping[str, Any]) -> Failure:
    """
    Read why a task has failed.

    :param fields: those of the reply, including its envelopes.
    """
    code = fields.get("code")
    # An envelope has a code of its own.
    codes = [fields.get("err_code"), fields.get("error_code"), code if _text(code) in REASONS else None]
    metadata = fields.get("metadata")
    said = [fields.get(name) for name in (*_WORDS, "errors")]
    said.append(metadata.get("error") if isinstance(metadata, Mapping) else None)
    # It may be a code or words.
    why = fields.get("reason")
    (codes if isinstance(why, str) and re.fullmatch(r"[\w.:-]+", why, re.ASCII) else said).append(why)
    all_words = []
    for value in said:
        inner, _ = _innermost({"error": value[0] if isinstance(value, list) and value else value})
        all_words.append(_words_of(inner))
        code = inner.get("code")
        codes += [inner.get("reason"), inner.get("err_code"), code if isinstance(code, str) else None]
        codes.append(inner.get("type"))
    reasons = [reason for code in codes if _is_filled(code) and (reason := _text(code))]
    named = [name for words in all_words for name in (words, *_REASON.findall(words))]
    # A host's own code, such as "fail", says less than one of Vidu's reasons beside it.
    known = next((reason for reason in (*reasons, *named) if reason in REASONS), None)
    return Failure(reason=known or next(iter(reasons), None), words=next(filter(None, all_words), ""))


def says_success(envelope: Mapping[str, Any]) -> bool | None:
    """
    Return whether a reply with HTTP 200 says that its request succeeded; gateways wrap errors in a 200.

    :param envelope: the fields around a task or a list, not those of a task.
    :return: None = it does not say.
    """
    success = _word(envelope.get("success"))
    if success in {"false", "0"} or any(_is_filled(envelope.get(name)) for name in _COMPLAINTS):
        return False
    code = _word(envelope.get("code"))
    number = int(code) if re.fullmatch(r"-?[0-9]{1,9}", code) else None
    if number == 0 or (number is not None and 200 <= number < 300) or _WELL.fullmatch(code):
        return True
    if code and (number is None or 400 <= number < 600):
        return False
    # Some hosts use codes such as 1 or 10000 for a success; then the words decide.
    words = _word(envelope.get("message") or envelope.get("msg"))
    is_said = success == "true" or (number is not None and _WELL.fullmatch(words) is not None)
    return True if is_said else None


def complaint_of(envelope: Mapping[str, Any]) -> str:
    """
    Return the words of an envelope, unless they say that its request succeeded.

    :param envelope: see :func:`says_success`.
    """
    words = (_word(envelope.get(name)) for name in ("message", "msg", "error_msg", "errmsg"))
    return next((one for one in words if one and not _WELL.fullmatch(one)), "")


def _word(value: Any) -> str:
    return str(value).strip().lower() if isinstance(value, (str, int)) else ""


def _is_filled(value: Any) -> bool:
    word = _word(value)
    return bool(value) and word not in {"0", "null", "none", "false"} and not _WELL.fullmatch(word)


def _innermost(body: Any) -> tuple[Mapping[str, Any], bool]:
    """Return the innermost error of a reply, and whether it was inside another reply."""
    fields = body if isinstance(body, Mapping) else {}
    is_nested = False
    for _ in range(_MOST_NESTED):
        while isinstance(fields.get("error"), Mapping):
            fields = fields["error"]
        error = fields.get("error")
        if isinstance(error, str) and not fields.get("message"):
            fields = {**fields, "message": error}
        inner = next(filter(None, (_reply_in(name, fields.get(name)) for name in _HOLDERS)), None)
        if inner is None:
            break
        fields, is_nested = inner, True
    return fields, is_nested


def _reply_in(name: str, value: Any) -> Mapping[str, Any] | None:
    """Return the reply that a field of another one contains, as an object or as text."""
    inner = value if isinstance(value, Mapping) else _object_in(value)
    if name == "data":
        # The data of a task may be here, too.
        return inner if is_vidus(_text(inner.get("reason"))) else None
    return inner if any(inner.get(field) for field in ("message", "msg", "reason", "error")) else None


def _object_in(text: Any) -> Mapping[str, Any]:
    if not isinstance(text, str):
        return {}
    before = _BEFORE_A_REPLY.match(text)
    start = before.end() if before else len(text) - len(text.lstrip())
    if not text.startswith("{", start):
        return {}
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return {}
    # If there are words before it, those after it may be about another attempt.
    is_one = before is None or _AFTER_A_REPLY.fullmatch(text, end)
    return value if isinstance(value, dict) and is_one else {}


def _words_of(fields: Mapping[str, Any]) -> str:
    # The message of an HTTP error comes first; the caller passes a task's fields one by one.
    for name in ("message", *_WORDS):
        value = fields.get(name)
        if value and isinstance(value, (str, int)) and not isinstance(value, bool):
            words = quoted(str(value))
            if words and not _WELL.fullmatch(words):
                return words
    return ""


def _code_in(text: Any) -> str | None:
    """Return the relay code that a text spells, in any spelling."""
    is_code = isinstance(text, str) and re.fullmatch(r"[A-Za-z_-]+", text)
    return _CODES.get(re.sub(r"[^a-z]", "", text.lower())) if is_code else None


def _reason_of_a_sentence(status: int, reason: str | None, words: str) -> str | None:
    """Return the code for a known sentence, if the reply has no more specific one."""
    if REASONS.get(reason or "") == REASONS["CreditInsufficient"]:
        return None
    # If Vidu's reason is a limit, "quota" refers to that limit.
    is_a_limits = _OF_A_RATE.search(words) or (is_rate_limit(reason) and not _OF_AN_ACCOUNT.search(words))
    if _EMPTY_BALANCE.match(words) and not is_a_limits:
        return "insufficient_user_quota"
    if reason in REASONS and reason not in {"Unauthorized", "Forbidden", "QuotaExceeded", "TooManyRequests"}:
        return None
    is_refusal = not is_inconclusive(status)
    if is_refusal and _EMPTY_BALANCE_IN_A_REFUSAL.search(words) and not is_a_limits:
        return "insufficient_user_quota"
    return "model_not_found" if status == 503 and _NO_CHANNEL.search(words) else None


def _status_of_vidus_refusal(status: int, reason: str | None, code: Any, *, is_nested: bool) -> int | None:
    # Vidu's code repeats the status of its own reply.
    own = int(code) if isinstance(code, str) and re.fullmatch(r"[0-9]{3}", code) else code
    if not isinstance(own, int) and ((is_nested and not code) or reason in ONLY_REFUSALS):
        own = 400
    if reason not in REFUSALS or not isinstance(own, int) or own == status or is_inconclusive(own):
        return None
    return own


def _text(value: Any) -> str | None:
    return quoted(str(value)) or None if value else None
