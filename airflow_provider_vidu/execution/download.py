# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The download operator on a worker: read the task's links, land its files, return its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_vidu.api.errors import ViduError, ViduStillRunningError
from airflow_provider_vidu.api.registry import ANY
from airflow_provider_vidu.api.rendered_fields import as_text, given, parse_record, parse_switch, require
from airflow_provider_vidu.exceptions import raise_for_airflow
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.landing.destinations import Wanted
from airflow_provider_vidu.landing.land import land_all
from airflow_provider_vidu.reporting.lineage import deliver, openlineage_facets, show_task
from airflow_provider_vidu.waiting.wait import adapt_for_other_task, fetch_finished, parse_vidu_task

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class DownloadExecution:
    """One try of the download operator."""

    def __init__(self, operator: Any) -> None:
        self.operator = operator

    def run(self, context: Context) -> dict[str, Any]:
        operator = self.operator
        try:
            vidu_task = parse_record(require("vidu_task", operator.vidu_task))
            if isinstance(vidu_task, Mapping) and vidu_task.get("error"):
                # A batch's record without a video: a task that is mapped over the records must land the others.
                raise AirflowSkipException(f"There is no video to land: {vidu_task['error']}")
            known = parse_vidu_task(vidu_task)
            wanted = Wanted(
                as_text(require("destination", operator.destination)),
                as_text(operator.file_name) or None,
                parse_switch("land_cover", given(operator.land_cover)),
                parse_switch("land_watermarked", given(operator.land_watermarked)),
                origin=known.origin,
                produces=ANY,
            )
            wanted.check("destination")
            with ViduHook(operator.vidu_conn_id).get_conn() as client:
                task = fetch_finished(client, known)
                show_task(operator, task)
                files = land_all(client, task, wanted, log=operator.log)
                return deliver(operator, context, task, files)
        except ViduStillRunningError as error:
            raise_for_airflow(
                ViduStillRunningError(
                    "There is no video to land yet: the task has not ended.",
                    advice="Put a ViduTaskSensor before this task. A retry checks again and submits nothing.",
                    task_id=error.task_id,
                    state=error.state,
                    credits=error.credits,
                )
            )
        except ViduError as error:
            raise_for_airflow(adapt_for_other_task(error))

    def openlineage_facets(self) -> Any:
        """Return the facets for OpenLineage; see ``lineage.openlineage_facets``."""
        return openlineage_facets((), self.operator.delivered)
