# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Switches in the prompt: how a test makes one task fail without touching the emulator.

===================================  ==================================================================
in the prompt                        what happens
===================================  ==================================================================
``[emulator:AuditSubmitIllegal]``    the submission is refused; any reason of Vidu's error-code page
``[emulator:TooManyRequests:2]``     the first two submissions of this same prompt are refused
``[emulator:fail=UserCancelled]``    the task is accepted and fails later with this ``err_code``
``[emulator:fail=AnyCode:1]``        the first submission of this same prompt fails, the next succeeds
``[emulator:no-creation]``           the first answer that says ``success`` has no creation, the next has
``[emulator:no-creation:3]``         the same for the first three such answers
``[emulator:seconds=2.5]``           processing takes this long, in real seconds, whatever the speed
``[emulator:state=reviewing]``       during processing the task's state is this word
===================================  ==================================================================

A prompt may contain several. A switch that does not exist refuses the submission: a typing error in a test must not
pass for a successful video.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from airflow_provider_vidu.api.errors import REASONS
from airflow_provider_vidu.emulator.machine.refusals import Refusal

_SWITCH = re.compile(r"\[emulator:([^\]=:]*)(?:=([^\]:]*))?(?::([^\]]*))?\]")


@dataclass(frozen=True)
class Scenario:
    """
    What the prompt of one submission requests.

    :param refuse_reason: the reason with which the submission is refused.
    :param refuse_times: how many submissions of this prompt are refused; None = all.
    :param fail_code: the ``err_code`` with which the task fails.
    :param fail_times: how many submissions of this prompt fail; None = all.
    :param answers_without_creation: how many answers that say ``success`` come without a creation.
    :param seconds: real seconds of processing.
    :param shown_state: the word for ``processing`` in answers.
    """

    refuse_reason: str | None = None
    refuse_times: int | None = None
    fail_code: str | None = None
    fail_times: int | None = None
    answers_without_creation: int = 0
    seconds: float | None = None
    shown_state: str | None = None

    def refusal(self, submission: int) -> str | None:
        """Return the reason with which this submission of the prompt, counted from 1, is refused, if it is."""
        return self.refuse_reason if _applies(self.refuse_times, submission) else None

    def failure(self, submission: int) -> str | None:
        """Return the ``err_code`` with which its task fails, if it does."""
        return self.fail_code if _applies(self.fail_times, submission) else None


def read_scenario(prompt: str | None) -> Scenario:
    """
    Read the switches of a prompt.

    :raises Refusal: an unknown switch, or an invalid number.
    """
    asked: dict[str, object] = {}
    for match in _SWITCH.finditer(prompt or ""):
        name, value, times = (None if part is None else part.strip() for part in match.groups())
        try:
            asked.update(_switch(name or "", value or "", None if times is None else int(times)))
        except ValueError:
            raise Refusal(
                "BadRequest",
                f"the emulator has no switch {match.group()}; it has [emulator:<Reason>], [emulator:fail=<err_code>], "
                f"[emulator:no-creation], [emulator:seconds=<number>] and [emulator:state=<word>]",
            ) from None
    return Scenario(**asked)  # type: ignore[arg-type]


def _switch(name: str, value: str, times: int | None) -> dict[str, object]:
    if times is not None and times < 1:
        raise ValueError(times)
    if name in REASONS and not value:
        return {"refuse_reason": name, "refuse_times": times}
    if name == "fail" and value:
        return {"fail_code": value, "fail_times": times}
    if name == "no-creation" and not value:
        return {"answers_without_creation": times or 1}
    if name == "seconds" and times is None:
        seconds = float(value)
        if 0 <= seconds < math.inf:
            return {"seconds": seconds}
    if name == "state" and value and times is None:
        return {"shown_state": value}
    raise ValueError(name)


def _applies(times: int | None, submission: int) -> bool:
    return times is None or submission <= times
