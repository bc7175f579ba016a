# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The manifest and the report of a batch: written whenever a try ends, without losing what an earlier one has shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import ViduError, ViduInputError, ViduLandingError, ViduUnavailableError
from airflow_provider_vidu.api.origin import NAMES
from airflow_provider_vidu.api.rendered_fields import as_text
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.images import local_path
from airflow_provider_vidu.landing.destinations import names_media
from airflow_provider_vidu.landing.publish import identity_of, put_bytes
from airflow_provider_vidu.report.manifest import parse_rows
from airflow_provider_vidu.submission.batch.results import task_record, unfinished_error, unsent_records

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.submission.batch.driver import BatchSubmission
    from airflow_provider_vidu.submission.batch.requests import BatchRequest


class ResultFiles:
    """
    The files that a batch operator writes beside its videos.

    :param operator: rendered; its ``written`` says which files its buttons may lead to.
    :param is_first: nothing can have been sent before: it is the first try, and it has not left the worker.
    :param is_checked: this try has checked their paths before it left the worker.
    """

    def __init__(self, operator: Any, context: Context, *, is_first: bool, is_checked: bool = False) -> None:
        self._operator = operator
        self._log = operator.log
        instance = context["ti"]
        mapped = "" if instance.map_index is None or instance.map_index < 0 else f"[{instance.map_index}]"
        self._title = f"{instance.dag_id} · {instance.task_id}{mapped} · {instance.run_id}"
        self._is_first = is_first
        self._is_final = False
        self._is_checked = is_checked

    def check(self) -> None:
        """
        Check their paths before anything is paid for, once in a try.

        :raises ViduInputError: one cannot work.
        """
        if self._is_checked:
            return
        of: dict[str, str] = {}
        for name in ("requests", "manifest_path", "report_path"):
            path = as_text(getattr(self._operator, name))
            if not isinstance(path, str) or not path or (name == "requests" and path.lstrip().startswith("[")):
                continue
            try:
                identity = identity_of(path.strip())
            except (ValueError, RuntimeError) as error:
                raise ViduInputError(f"{name} {path!r:.200} is not a valid path ({error}).") from None
            if name != "requests":
                check_result_file(path, name)
            if (other := of.setdefault(identity, name)) != name:
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
                index: batch.errors.get(index) or unfinished_error(item, batch.tasks.get(index), error, batch.memory)
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


def check_result_file(path: str, named: str) -> None:
    """
    Check the path of a manifest or a report before anything is paid for.

    :param named: its parameter, for the message.
    :raises ViduInputError: it is a folder, a video's name, or no installed provider has its file system.
    """
    if path.endswith("/"):
        raise ViduInputError(f"{named} must name a file, got the folder {path}.")
    if names_media(path):
        raise ViduInputError(f"{named} {path} has the name of a video, a picture or a sound: one could overwrite it.")
    if local_path(path) is None:
        from airflow.sdk import ObjectStoragePath

        try:
            _ = ObjectStoragePath(path).fs
        except (ValueError, ImportError) as error:
            raise ViduInputError(f"{named} {path} cannot be opened ({error}).") from error


def read_manifest(path: str) -> list[dict[str, Any]]:
    """
    Read the rows that an earlier try has written; none if the manifest is missing.

    :raises ViduUnavailableError: it cannot be read; it may be all that shows what was submitted.
    """
    source: Any = local_path(path)
    try:
        if source is None:
            from airflow.sdk import ObjectStoragePath

            source = ObjectStoragePath(path)
        rows = parse_rows(source.read_bytes())
    except FileNotFoundError:
        return []
    except Exception as error:
        # Each store has its own exceptions.
        raise ViduUnavailableError(
            f"The manifest at {path} cannot be read ({error}).",
            advice="It may show what earlier tries have submitted; this try submitted nothing. A retry reads it again.",
        ) from error
    return [row for row in rows if isinstance(row, dict)]


def write_manifest(path: str, records: Sequence[Mapping[str, Any]]) -> None:
    """
    Write all records as JSON Lines, in one step, so that no reader sees half a manifest.

    :raises ViduLandingError: it cannot be written.
    """
    try:
        put_bytes("".join(f"{json.dumps(record)}\n" for record in records).encode(), path)
    except ViduError:
        raise
    except Exception as error:
        # Each store has its own exceptions.
        raise ViduLandingError(
            f"The manifest cannot be written to {path} ({error}).",
            advice=(
                "All videos that could be made are paid for and landed. Correct manifest_path or free space, then "
                f"retry or, from Airflow 3.3 on, {clear_this_task()}: it writes the manifest and submits nothing for "
                "requests that have their video."
            ),
        ) from error
