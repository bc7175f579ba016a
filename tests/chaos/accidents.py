# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The accidents that can happen to a run, and their probabilities."""

from __future__ import annotations

from airflow_provider_vidu.emulator.faults import Fault, Quirks

from .chance import Chance

#: That a request fails.
FAULT = 0.12
#: That a worker dies at a step (a request, an access to the store).
DEATH = 0.02
#: That it freezes there, Airflow gives it up, and it wakes up beside its successor.
FREEZE = 0.01
#: That an access to the state store fails.
STORE_FAILURE = 0.04
#: That a user or Airflow ends a worker, for each half second of its waits.
END_OF_WORKER = 0.004
#: That an incident happens in a stretch of a deferred wait.
INCIDENT = 0.5
#: That Airflow does not return a task's state.
SILENCE = 0.05
#: That a user clears a finished task.
CLEAR = 0.35

_STATUSES = (500, 502, 503, 504, 408, 409, 499)


def fault_of(chance: Chance, operation: str) -> Fault:
    """
    Return one fault of the matrix for an operation.
    """
    kinds = [
        Fault.drop_before_accept,
        Fault.drop_after_accept,
        Fault.half_reply,
        Fault.broken_json,
        lambda: Fault.fail_after_accept(chance.one_of(_STATUSES)),
        lambda: Fault.refuse(chance.one_of(_STATUSES)),
        lambda: Fault.rate_limit(retry_after=chance.one_of([None, 0, 3, 40, 400])),
        lambda: Fault.hang(chance.between(1, 90)),
        lambda: Fault.hang_before_accept(chance.between(1, 110)),
    ]
    if operation == "submit":
        kinds += [
            Fault.no_id,
            # As from a transport that takes an interim reply for the final one.
            lambda: Fault.fail_after_accept(chance.one_of([102, 103])),
            lambda: Fault.refuse(302, location="https://elsewhere.example/"),
            lambda: Fault.refuse(400, reason="CreditInsufficient"),
        ]
    else:
        kinds += [lambda: Fault.refuse(401), lambda: Fault.refuse(404, reason="TaskNotFound")]
    return chance.one_of(kinds)()


def quirks_of(chance: Chance) -> Quirks:
    """Return how this run's host differs from Vidu's API page."""
    quirks = Quirks()
    if chance.happens(0.3):
        quirks.list_lag_seconds = chance.between(0, 50)
    quirks.list_without_payload = not chance.happens(0.15)
    quirks.list_without_err_code = not chance.happens(0.15)
    quirks.list_ignores_paging = chance.happens(0.05)
    quirks.has_list = not chance.happens(0.1)
    return quirks


def prompt_of(chance: Chance) -> str:
    """Return a prompt, whose switches may make the Vidu task fail."""
    return str(
        chance.one_of(
            [
                *["a cat"] * 6,
                "[emulator:fail=InternalServiceFailure:1]",
                "[emulator:fail=CreationPolicyViolation:1]",
                "[emulator:no-creation]",
                "[emulator:state=reviewing]",
                "[emulator:QuotaExceeded:3]",
            ]
        )
    )
