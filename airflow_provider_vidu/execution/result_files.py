# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The manifest and the report of a batch: written whenever a try ends, without losing what an earlier one has shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import ViduError, ViduInputError
from airflow_provider_vidu.api.origin import NAMES
from airflow_provider_vidu.landing.publish import identity_of
from airflow_provider_vidu.submission.batch.results import (
    check_result_file,
    read_manifest,
    task_record,
    unfinished_error,
    unsent_records,
    write_manifest,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.submission.batch.driver import BatchSubmission
    from airflow_provider_vidu.submission.batch.requests import BatchRequest


class ResultFiles:
    """
    The files that a batch operator writes beside its videos.

    :param operator: rendered; its ``written`` says which files its buttons may lead to.
    :param is_first: nothing can have been sent before: it is the first try, and it has not left the worker.
    """

    def __init__(self, operator: Any, context: Context, *, is_first: bool) -> None:
        self._operator = operator
        self._log = operator.log
        instance = context["ti"]
        mapped = "" if instance.map_index is None or instance.map_index < 0 else f"[{instance.map_index}]"
        self._title = f"{instance.dag_id} · {instance.task_id}{mapped} · {instance.run_id}"
        self._is_first = is_first
        self._is_final = False
        self._is_checked = False

    def check(self) -> None:
        """
        Check their paths before anything is paid for.

        :raises ViduInputError: one cannot work.
        """
        requests = self._operator.requests
        is_file = isinstance(requests, str) and not requests.lstrip().startswith("[")
        of = {identity_of(requests.strip()): "requests"} if is_file else {}
        for name in ("manifest_path", "report_path"):
            if path := getattr(self._operator, name):
                check_result_file(path, name)
                other = of.setdefault(identity_of(path), name)
                if other != name:
                    raise ViduInputError(f"{other} and {name} must not be the same file ({path}).")
        self._is_checked = True

    def read_manifest(self) -> list[dict[str, Any]]:
        """Return the rows that an earlier try has written."""
        return read_manifest(self._operator.manifest_path) if self._operator.manifest_path else []

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """
        Write both files, the last time in this try.

        :raises ViduLandingError: the manifest cannot be written; a report that cannot be written is a warning.
        """
        self._is_final = True
        if self._operator.manifest_path:
            write_manifest(self._operator.manifest_path, records)
            self._note_written("manifest_path")
            self._log.info("The manifest of all %d records is at %s.", len(records), self._operator.manifest_path)
        self.write_report(records)

    def write_report(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write the report alone, also while the batch runs."""
        if not self._operator.report_path:
            return
        from airflow_provider_vidu.report import write_report

        try:
            write_report(self._operator.report_path, records, title=self._title, log=self._log)
        except ViduError as error:
            self._log.warning("%s", error)
        else:
            self._note_written("report_path")

    def write_failure(self, requests: Sequence[BatchRequest], batch: BatchSubmission | None, error: ViduError) -> None:
        """Write both files of a try that fails without results; what an earlier try has delivered stays in them."""
        has_files = self._operator.manifest_path or self._operator.report_path
        if self._is_final or not self._is_checked or not requests or not has_files:
            return
        try:
            sent = {row["task_id"]: row for row in self.read_manifest() if row.get("task_id")}
        except ViduError as failure:
            self._log.warning("%s", failure)
            return
        if batch is not None and batch.is_of(requests):
            errors = {
                index: batch.errors.get(index) or unfinished_error(item, batch.tasks.get(index), error)
                for index, item in enumerate(batch.items)
            }
            delivered = {task_id: row for task_id, row in sent.items() if row.get("error") is None}
            records = [
                {**delivered.get(record["task_id"], record), **{name: record[name] for name in NAMES}}
                for record in records_of(batch, {}, errors)
            ]
        elif sent or not self._is_first or (batch is not None and batch.store.header is not None):
            # What this try or an earlier one has sent is unknown here.
            return
        else:
            records = unsent_records(requests, error)
        try:
            self.write(records)
        except ViduError as failure:
            self._log.warning("%s", failure)

    def _note_written(self, name: str) -> None:
        self._operator.written = {*self._operator.written, name}


def records_of(
    batch: BatchSubmission, files: Mapping[int, list[dict[str, Any]]], errors: Mapping[int, ViduError]
) -> list[dict[str, Any]]:
    """Return the records of all requests, in their order; ``files`` and ``errors`` are by their numbers."""
    return [
        task_record(request, item, batch.generation, batch.tasks.get(index), files.get(index, []), errors.get(index))
        for index, (request, item) in enumerate(zip(batch.requests, batch.items, strict=True))
    ]
