# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The simulated Airflow with the batch operator: several requests, each of which is paid for once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from airflow_provider_vidu.operators.batch import ViduBatchOperator
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator
from airflow_provider_vidu.submission.batch.records import find_marker, shard_from_json
from airflow_provider_vidu.submission.batch.store import ADOPTED_KEY, HEADER_KEY
from airflow_provider_vidu.submission.record import Phase

from . import accidents
from .chance import Chance
from .worker import Broken, Worker
from .world import REQUESTS, World, request_of

#: The endpoint of a mixed batch's requests that name none.
DEFAULT_ENDPOINT = "text2video"


class BatchWorld(World):
    """One run of a batch: of image to video alone, or of requests to different endpoints."""

    option = " BATCH=1"

    def __init__(self, chance: Chance, folder: Path) -> None:
        super().__init__(chance, folder)
        self.settings.pop("wait_for_completion")
        self.settings.update(
            max_in_flight=chance.one_of([1, 3, 10]),
            item_retries=chance.one_of([0, 1]),
        )
        #: Vidu task delivered for each request, in the present generation.
        self.delivered: dict[tuple[str, str], str] = {}
        self.records_invalid = chance.happens(0.3)
        if chance.happens(0.3):
            self.settings["manifest_path"] = f"{folder}/manifest.jsonl"
        #: Requests that were removed from the list: their videos are unused.
        self.taken_out: set[tuple[str, str]] = set()
        self.note("", f"{self.fields} {self.settings}")

    def _request(self) -> dict[str, Any]:
        """
        Choose the requests.

        Endpoint and prompt together are unique, so that they show which request a task belongs to. Each prompt of a
        mixed batch occurs twice: its two requests may differ in their endpoints alone.
        """
        self.is_mixed = self.chance.happens(0.5)
        number_of = self.chance.one_of([1, 2, 5, 9])
        prompts = [f"{number} {accidents.prompt_of(self.chance)}" for number in range(number_of)]
        if not self.is_mixed:
            return {"requests": [self._new_row(prompt) for prompt in prompts], "defaults": REQUESTS["img2video"]}
        return {"requests": [self._new_row(prompts[number // 2]) for number in range(number_of)]}

    def _new_row(self, prompt: str) -> dict[str, Any]:
        """Return a request that was never asked for."""
        endpoint = self.chance.one_of(self._unused_endpoints(prompt))
        self.wanted.add((endpoint, prompt))
        if not self.is_mixed:
            return {"prompt": prompt}
        # The operator's own endpoint need not be named.
        named = {} if endpoint == DEFAULT_ENDPOINT else {"endpoint": endpoint}
        return {**REQUESTS[endpoint], **named, "prompt": prompt}

    def _unused_endpoints(self, prompt: str) -> list[str]:
        """Return the endpoints to which this prompt was never to be sent."""
        return [name for name in (REQUESTS if self.is_mixed else ["img2video"]) if (name, prompt) not in self.wanted]

    def _asked_by(self, row: dict[str, Any]) -> tuple[str, str]:
        """Return the endpoint and the prompt of a request."""
        return row.get("endpoint", DEFAULT_ENDPOINT if self.is_mixed else "img2video"), row["prompt"]

    def describe_write(self, key: str, value: Any) -> str:
        return f"{key} {value}"

    def _operator(self) -> Any:
        settings = {"task_id": "t", "on_unknown": self.on_unknown, **self.fields, **self.settings}
        if self.records_invalid:
            settings |= {"on_invalid": "record", "requests": self._partly_broken(self.fields["requests"])}
        if self.is_mixed:
            return ViduBatchOperator(endpoint=DEFAULT_ENDPOINT, **settings)
        return Img2VideoBatchOperator(**settings)

    def _partly_broken(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the requests as one worker reads them: some may be invalid for a while, as with a missing picture."""
        if self.calm or not self.chance.happens(0.3):
            return rows
        # A request that cannot be built, and one that cannot even be read.
        harm = self.chance.one_of([{"seed": -1}, {"labels": 7}])
        at = int(self.chance.between(0, len(rows) - 0.001))
        self.note("invalid request", f"request {at} is invalid: {harm}")
        return [*rows[:at], {**rows[at], **harm}, *rows[at + 1 :]]

    def _recorded_as_returned(self) -> set[str] | None:
        header = self.store.get(HEADER_KEY) or {}
        if header.get("returned") != "whole":
            return None
        items = shard_from_json(self.store[f"{HEADER_KEY}_{header['layout']}_0"])
        return {item.task_id for item in items if item.task_id}

    def _forget_delivery(self) -> None:
        self.delivered.clear()

    def _follow_the_advice(self) -> bool:
        header = self.store.get(HEADER_KEY) or {}
        items = shard_from_json(self.store[f"{HEADER_KEY}_{header['layout']}_0"]) if header else []
        in_doubt = {item.identity: item for item in items if item.phase is Phase.INTENT}
        found = {}
        for task in self.wire.vidu.tasks():
            marker = find_marker(task.request.payload, header.get("generation", "?"))
            if marker and marker.identity in in_doubt and in_doubt[marker.identity].attempt == marker.attempt:
                found[marker.identity] = task.task_id
        if not header and self.discards:
            self._write_what_was_discarded()
        if found:
            self.note("adoption", f"the user adopts the Vidu tasks {found}")
            # Earlier adoptions stay.
            markers = {in_doubt[identity].marker(header["generation"]): task_id for identity, task_id in found.items()}
            self.store[ADOPTED_KEY] = {**(self.store.get(ADOPTED_KEY) or {}), **markers}
        elif in_doubt:
            self.on_unknown = "resubmit"
        if not self.has_store and self._undelivered():
            # Below 3.3 the message advises to fetch it and mark the task as a success.
            self._fetch_by_hand()
            return True
        return False

    def _write_what_was_discarded(self) -> None:
        """Check the account, and submit everything again, as the message advises."""
        wanted = [task.task_id for task in self.wire.vidu.tasks() if str(task.state) != "failed"]
        if wanted:
            self.note("adoption", "the user has everything submitted again")
            self.asked_for += 1
            self.delivered_ids |= set(wanted)
        self.store[HEADER_KEY] = {"task_id": None}

    def on_warning(self, warning: str) -> None:
        if "a new generation of all" in warning and HEADER_KEY in self.store:
            # With its record, a clear of what was delivered has been counted when it was made.
            self.note("announced generation", "the log announces what the clear has asked for")
        elif "a new generation of all" in warning:
            self.note("announced generation", "the log announces a new generation of all")
            self.asked_for += 1
            self.delivered_ids |= {task.task_id for task in self.wire.vidu.tasks() if str(task.state) == "success"}
        elif "this host has no task list: a Vidu task" in warning:
            self.note("not promised: no record, no list", "nothing shows what was submitted")
            self.asked_for += 1
            self.unfindable = True

    def clear(self, why: str, *, keep: bool = False, waits_for_retry: bool = False) -> None:
        super().clear(why, keep=keep, waits_for_retry=waits_for_retry)
        if not self.calm and not self.nested and self.chance.happens(0.3):
            self._edit()

    def _edit(self) -> None:
        """Let the user edit the list of requests."""
        rows = list(self.fields["requests"])
        kind = self.chance.one_of(["add", "take out", "reorder", *["other endpoint"] * self.is_mixed])
        at = int(self.chance.between(0, len(rows) - 0.001))
        if kind == "add":
            rows.insert(at, self._new_row(f"added {len(self.history)} {accidents.prompt_of(self.chance)}"))
        elif kind == "other endpoint":
            if self._unused_endpoints(rows[at]["prompt"]):
                # To the batch this takes out one request, and adds another.
                self.taken_out.add(self._asked_by(rows[at]))
                rows[at] = self._new_row(rows[at]["prompt"])
        elif kind == "reorder":
            rows.append(rows.pop(at))
        elif len(rows) > 1:
            self.taken_out.add(self._asked_by(rows.pop(at)))
        self.note("edited list", f"the user edits the list: {kind}, {[self._asked_by(row) for row in rows]}")
        self.fields["requests"] = rows

    def _undelivered(self) -> set[str]:
        requests = self._requests()
        return {task_id for task_id in super()._undelivered() if requests[task_id] not in self.taken_out}

    def _requests(self) -> dict[str, tuple[str, str]]:
        """Return the endpoint and the prompt of each Vidu task, by its id."""
        return {task.task_id: request_of(task) for task in self.wire.vidu.tasks()}

    def _has_returned(self, worker: Worker, result: Any) -> None:
        self.note("", f"execute returns {[(record['task_id'], record['state']) for record in result]}")
        rows = self.fields["requests"]
        if len(result) != len(rows):
            raise Broken(f"{len(result)} records for {len(rows)} requests")
        requests = self._requests()
        for row, record in zip(rows, result, strict=True):
            if record["error"] is not None:
                raise Broken(f"succeeded with an item that has failed: {record}")
            task_id = record["task_id"]
            request = requests[task_id]
            if request != self._asked_by(row):
                raise Broken(f"{self._asked_by(row)} got the video of {request}")
            self.delivered_ids.add(task_id)
            if not worker.superseded and self.delivered.setdefault(request, task_id) != task_id:
                raise Broken(f"{request} of one run has delivered {self.delivered[request]} and then {task_id}")
            for landed in record["files"]:
                if not Path(landed["path"]).is_file():
                    raise Broken(f"{landed['path']} is not there")

    def _judge_payments(self, paid: list[str]) -> None:
        requests = self._requests()
        for request, times in Counter(requests[task_id] for task_id in paid).items():
            if times > self.asked_for:
                raise Broken(f"paid {times} times for {request}, which was asked for {self.asked_for} times")
