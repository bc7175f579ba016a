# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Builds a batch's results, one record for each request, and the error of a batch that lacks videos."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import (
    Fate,
    ViduError,
    ViduLandingError,
    ViduTaskFailedError,
)
from airflow_provider_vidu.api.messages import counted, item_ranges, some_of
from airflow_provider_vidu.api.origin import Origin
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.submission.batch.records import Item
from airflow_provider_vidu.submission.memory import Memory
from airflow_provider_vidu.submission.record import Phase, with_marker

if TYPE_CHECKING:
    from airflow_provider_vidu.submission.batch.requests import BatchRequest

#: The version of the records' keys. A new key does not change it; another meaning of a key does.
SCHEMA_VERSION = 1
#: Records whose links, payloads and prompts an XCom carries; with more items it has none, and the manifest has them.
MAX_WITH_LINKS = 300
#: Different reasons that a message names.
MAX_REASONS = 5
#: Failed items that the log names a line each.
MAX_LINES = 10


def task_record(
    request: BatchRequest,
    item: Item,
    generation: str,
    task: ViduTask | None,
    files: list[dict[str, Any]],
    error: ViduError | None,
) -> dict[str, Any]:
    """Return the task record of one request, as a row of the manifest."""
    # Failed tasks are not billed: the credits of the create answer are left out.
    credits = None if task is not None and task.failed else item.credits
    # A submission in doubt has one, too: if its record is lost, only the manifest shows what was sent.
    sent = with_marker({"payload": request.all_fields.get("payload")}, item.marker(generation))[0]
    payload = sent["payload"] if item.has_been_sent else None
    known = ViduTask(task_id=item.task_id or "none", model=request.model, credits=credits, payload=payload)
    # A cancelled item counts as one that was not sent.
    shown = known if task is None or not item.task_id else task.filled_from(known)
    record = shown.with_origin(request.origin).record(files)
    record["task_id"] = item.task_id
    record["model"] = record["model"] or request.model or None
    if error is not None:
        record["err_code"] = record["err_code"] or error.reason or type(error).__name__
    more = {"endpoint": request.endpoint.name, "error": None if error is None else str(error)}
    return {"schema_version": SCHEMA_VERSION, **record, **more}


def unsent_records(requests: Sequence[BatchRequest], error: ViduError) -> list[dict[str, Any]]:
    """Return the records of a batch that has sent nothing because of an error."""
    if any(request.problem is not None for request in requests):
        error = ViduError("Not sent, because other requests of the batch are invalid.", reason="NotSent", advice="")
    return [task_record(request, Item(""), "", None, [], request.invalidity or error) for request in requests]


def unfinished_error(item: Item, task: ViduTask | None, error: ViduError, memory: Memory) -> ViduError:
    """Return the error of an item that has no error of its own in a try that ended with ``error``."""
    # The rest of its message is about other items.
    cause = error.message.partition("\n")[0].partition(". ")[0].rstrip(".")
    if task is not None and not item.task_id:
        does = "sends" if memory is Memory.STORE else "does not send"
        what, bill, then = "Its task was cancelled", "It is not billed", f"a retry {does} it again."
    elif task is not None and task.succeeded:
        what, bill, then = (
            "The video is made and not landed yet",
            "It is paid for and stays at Vidu",
            "a retry lands it.",
        )
    elif item.task_id:
        what, bill, then = "The task has not ended yet", "It is billed if it succeeds", "a retry waits for it."
    elif item.phase is Phase.INTENT:
        what, bill, then = (
            "It is unknown whether Vidu has accepted this request",
            "It may be billed",
            "a retry finds out.",
        )
    else:
        what, bill, then = "Not sent", "It is not billed", "a retry sends it."
    # It may be about another item's task.
    return error.but(
        message=f"{what}, and the try has ended. {cause}.",
        advice=f"{bill}. {memory.re_attaching}" if memory is Memory.NONE else f"{bill}: {then}",
        task_id=item.task_id,
        state=task.state if task is not None and item.task_id else None,
        credits=None,
        trace_id=None,
    )


def shrink_for_xcom(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the records for XCom: beyond a few hundred, without what makes them long."""
    if len(records) <= MAX_WITH_LINKS:
        return [dict(record) for record in records]
    return [{**record, "creations": [], "payload": None, "prompt": None} for record in records]


def failure_reasons(records: Sequence[Mapping[str, Any]], failed: Iterable[int]) -> str:
    """Return why items have failed, and which ones, the most frequent reasons first."""
    items_of: dict[str, list[int]] = defaultdict(list)
    for number in failed:
        items_of[str(records[number]["err_code"])].append(number)
    by_count = sorted(items_of.items(), key=lambda one: -len(one[1]))
    named = by_count[:MAX_REASONS]
    if others := sorted(number for _, numbers in by_count[MAX_REASONS:] for number in numbers):
        named.append(("others", others))
    return ", ".join(f"{reason} × {len(numbers)} ({item_ranges(numbers)})" for reason, numbers in named)


def failure_lines(
    records: Sequence[Mapping[str, Any]], errors: Mapping[int, ViduError], stopped: ViduError | None
) -> list[str]:
    """Return why items have no video, a line each, for the log; ``stopped`` is the batch's error and no item's own."""
    failed = sorted(number for number, error in errors.items() if error is not stopped)
    lines = [f"{_name(records, number)}: {errors[number]}" for number in failed[:MAX_LINES]]
    if more := len(failed) - len(lines):
        lines.append(f"{counted(more, 'more item')} {'has' if more == 1 else 'have'} no video.")
    return lines


def batch_error(
    records: Sequence[Mapping[str, Any]], errors: Mapping[int, ViduError], stopped: ViduError | None, memory: Memory
) -> ViduError:
    """Return the error of a batch that lacks videos, with ``on_failure='fail'``."""
    failed = [number for number, record in enumerate(records) if record["error"] is not None]
    # A request that was not sent has no error of its own: what stopped the batch counts.
    held = [number for number in failed if stopped is not None and errors.get(number) is stopped]
    others = [number for number in failed if errors.get(number) is not stopped or stopped is None]
    to_land = [number for number in others if isinstance(errors.get(number), ViduLandingError)]
    # Retry only if something may work now: not to fail the same way, and not to pay again.
    may_pass = memory is not Memory.NONE and any(errors[number].fate is Fate.RETRYABLE for number in others)
    message = _what_has_no_video(records, held, others, stopped)
    made = len(records) - len(failed)
    advice = []
    if made:
        others_are = "The other video is" if made == 1 else f"The other {made} videos are"
        advice.append(f"{others_are} made and paid for.")
    if held and stopped is not None:
        advice.append(stopped.advice)
        if may_pass:
            advice.append("A retry first lands what is made, and submits what may work now.")
        elif others:
            named = f"item {others[0]} has" if len(others) == 1 else f"items {some_of(others)} have"
            advice.append(f"First correct the error that {named}, if it can be corrected.")
    elif may_pass:
        does = "submits only what failed"
        if to_land:
            does += " and lands the rest"
        if len(to_land) == len(others):
            does = f"lands {'it' if len(to_land) == 1 else 'them'} and submits nothing"
        by_clear = f"; if no retry is left, {clear_this_task()}: it does the same" if memory is Memory.STORE else ""
        advice.append(f"A retry {does}{by_clear}.")
    else:
        then = None if len(to_land) == len(others) else "what failed"
        advice.append(f"Fix the cause, then {memory.by_clearing(then)}")
    billed = [
        number
        for number in others
        if records[number]["task_id"] and records[number]["state"] != "failed" and number not in to_land
    ]
    if billed:
        ids = some_of(records[number]["task_id"] for number in billed)
        items = f"Item {billed[0]} is" if len(billed) == 1 else f"Items {some_of(billed)} are"
        advice.append(f"{items} billed, or may be: check Vidu task {ids} before you submit the request again.")
    return ViduTaskFailedError(
        message,
        fate=Fate.RETRYABLE if may_pass else Fate.PERMANENT,
        advice=f"{' '.join(advice)} Or set on_failure='partial'.",
    )


def _what_has_no_video(
    records: Sequence[Mapping[str, Any]], held: Sequence[int], others: Sequence[int], stopped: ViduError | None
) -> str:
    """Say what stopped the submissions, then what failed by itself."""
    parts = []
    if held and stopped is not None:
        reason = stopped.reason or type(stopped).__name__
        parts.append(
            f"{len(held)} of {counted(len(records), 'request')} {'was' if len(held) == 1 else 'were'} not submitted "
            f"({reason}, {item_ranges(held)}): {stopped.message}"
        )
    if others:
        count = f"{len(others)} more" if held else f"{len(others)} of {counted(len(records), 'request')}"
        first = others[0]
        parts.append(
            f"{count} {'has' if len(others) == 1 else 'have'} no video: {failure_reasons(records, others)}. "
            f"{_name(records, first)}: {records[first]['error']}"
        )
    return " ".join(parts)


def _name(records: Sequence[Mapping[str, Any]], number: int) -> str:
    """Return how a sentence begins that is about an item."""
    return replace(Origin.from_record(records[number]), index=number).subject
