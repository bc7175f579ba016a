# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The simulated Airflow with the batch operator: several requests, each of which is paid for once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator
from airflow_provider_vidu.submission.batch.records import find_marker, shard_from_json
from airflow_provider_vidu.submission.batch.store import ADOPTED_KEY, HEADER_KEY
from airflow_provider_vidu.submission.record import Phase

from . import accidents
from .chance import Chance
from .worker import Broken, Worker
from .world import World


class BatchWorld(World):
    """One run of a batch."""

    option = " BATCH=1"

    def __init__(self, chance: Chance, folder: Path) -> None:
        super().__init__(chance, folder)
        for name in ("images", "prompt", "model", "duration", "wait_for_completion"):
            self.settings.pop(name)
        number_of = chance.one_of([1, 2, 5, 9])
        self.settings.update(
            # Each prompt is unique, so that it shows which request a task belongs to.
            requests=[{"prompt": f"{number} {accidents.prompt_of(chance)}"} for number in range(number_of)],
            defaults={"images": "https://example.com/cat.png", "model": "viduq2-turbo", "duration": 1},
            max_in_flight=chance.one_of([1, 3, 10]),
            item_retries=chance.one_of([0, 1]),
        )
        #: Vidu task delivered for each request, in the present generation.
        self.delivered: dict[str, str] = {}
        if chance.happens(0.3):
            self.settings["manifest_path"] = f"{folder}/manifest.jsonl"
        #: Prompts that were removed from the list: their videos are unused.
        self.taken_out: set[str] = set()
        self.note("", f"{self.settings}")

    def describe_write(self, key: str, value: Any) -> str:
        return f"{key} {value}"

    def _operator(self) -> Any:
        return Img2VideoBatchOperator(task_id="t", on_unknown=self.on_unknown, **self.settings)

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
        if "a new generation of all" in warning:
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
        rows = list(self.settings["requests"])
        kind = self.chance.one_of(["add", "take out", "reorder"])
        at = int(self.chance.between(0, len(rows) - 0.001))
        if kind == "add":
            rows.insert(at, {"prompt": f"added {len(self.history)} {accidents.prompt_of(self.chance)}"})
        elif kind == "reorder":
            rows.append(rows.pop(at))
        elif len(rows) > 1:
            self.taken_out.add(rows.pop(at)["prompt"])
        self.note("edited list", f"the user edits the list: {kind}, {[row['prompt'] for row in rows]}")
        self.settings["requests"] = rows

    def _undelivered(self) -> set[str]:
        prompts = {task.task_id: task.request.prompt for task in self.wire.vidu.tasks()}
        return {task_id for task_id in super()._undelivered() if prompts[task_id] not in self.taken_out}

    def _has_returned(self, worker: Worker, result: Any) -> None:
        self.note("", f"execute returns {[(record['task_id'], record['state']) for record in result]}")
        if len(result) != len(self.settings["requests"]):
            raise Broken(f"{len(result)} records for {len(self.settings['requests'])} requests")
        prompts = {task.task_id: task.request.prompt for task in self.wire.vidu.tasks()}
        for number, record in enumerate(result):
            if record["error"] is not None:
                raise Broken(f"succeeded with an item that has failed: {record}")
            task_id = record["task_id"]
            if prompts[task_id] != self.settings["requests"][number]["prompt"]:
                raise Broken(f"request {number} got the video of {prompts[task_id]!r}")
            self.delivered_ids.add(task_id)
            prompt = prompts[task_id]
            if not worker.superseded and self.delivered.setdefault(prompt, task_id) != task_id:
                raise Broken(f"{prompt!r} of one run has delivered {self.delivered[prompt]} and then {task_id}")
            for landed in record["files"]:
                if not Path(landed["path"]).is_file():
                    raise Broken(f"{landed['path']} is not there")

    def _judge_payments(self, paid: list[str]) -> None:
        prompts = {task.task_id: task.request.prompt for task in self.wire.vidu.tasks()}
        for prompt, times in Counter(prompts[task_id] for task_id in paid).items():
            if times > self.asked_for:
                raise Broken(f"paid {times} times for {prompt!r}, which was asked for {self.asked_for} times")
