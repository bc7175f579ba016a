# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that lands the video of a task somebody else has submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_vidu.links.task import ViduTaskLink, ViduVideoLink
from airflow_provider_vidu.operators.rendering import TextRendering, check_paths

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ViduDownloadOperator(TextRendering, BaseOperator):
    """
    Lands the files of a Vidu task that has ended: what its links lead to dies within 24 hours, a file does not.

    The links are read from the API just before, so that it may run days after the task that submitted, as long as Vidu
    keeps the task. Retrying and clearing it never submits and costs no credits; a file that stands there already, the
    same by length and MD5, is not fetched again. It waits for nothing: put it behind a
    :class:`~airflow_provider_vidu.sensors.task.ViduTaskSensor`, or behind an operator that waits.

    .. seealso:: Vidu's get-generation page, ``GET /ent/v2/tasks/{id}/creations``.

    :param vidu_task: the task's id (a string or a number), or a task record: ``wait.output``, also with
        ``.expand(vidu_task=wait.output)``. For the records of a batch: ``.expand(vidu_task=batch.output)``; those
        without a video are skipped.
    :param destination: a file name (``.mp4``, ``.mov``, ``.m4v``), or a folder (anything else); a local path or any
        ``ObjectStoragePath`` URL, such as ``s3://conn_id@bucket/videos/``. Mapped instances need a folder.
    :param file_name: template of the video's name in that folder, for example ``{model}/{task_id}``; fields are
        ``task_id``, ``creation_id`` and ``model``. None = ``{task_id}``. Jinja is rendered before.
    :param land_cover: land the still picture too, beside the video as ``<name>-cover.jpg``.
    :param land_watermarked: land the watermarked copy too, as ``<name>-watermarked.mp4``, where the task has one.
    :param vidu_conn_id: the connection's id; it must name the account that submitted.
    :return: the task record; its ``files`` are ``[{kind, path, bytes, sha256, duration, width, height, fps}]``.
    :raises ViduLandingError: the video could not be fetched or put; a retry tries again.
    :raises ViduStillRunningError: the task has not ended; a retry looks again.
    :raises AirflowFailException: the task has failed, is not known to this account, or the destination cannot work.
    """

    template_fields: Sequence[str] = (
        "vidu_task",
        "destination",
        "file_name",
        "land_cover",
        "land_watermarked",
        "vidu_conn_id",
    )
    operator_extra_links = (ViduTaskLink(), ViduVideoLink())
    ui_color = "#d9f0e6"
    #: The record that was handed over; for OpenLineage, which asks when the task is done.
    delivered: Sequence[Mapping[str, Any]] = ()

    def __init__(
        self,
        *,
        vidu_task: Any,
        destination: str,
        file_name: str | None = None,
        land_cover: bool | str = False,
        land_watermarked: bool | str = False,
        vidu_conn_id: str = "vidu_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vidu_task = vidu_task
        self.destination = destination
        self.file_name = file_name
        self.land_cover = land_cover
        self.land_watermarked = land_watermarked
        self.vidu_conn_id = vidu_conn_id
        check_paths(self, "destination", "file_name")

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Land the files.

        :param context: Airflow's.
        :return: the task record.
        """
        from airflow.providers.common.compat.sdk import AirflowSkipException

        from airflow_provider_vidu.api.errors import ViduError, ViduStillRunningError
        from airflow_provider_vidu.api.fields import as_text, given, record_of_text, require, switched
        from airflow_provider_vidu.exceptions import raise_for_airflow
        from airflow_provider_vidu.hooks.vidu import ViduHook
        from airflow_provider_vidu.landing.destinations import Wanted
        from airflow_provider_vidu.landing.land import land_all
        from airflow_provider_vidu.reporting.lineage import deliver, show_task
        from airflow_provider_vidu.waiting.wait import for_other_task, given_task, video_of

        try:
            vidu_task = record_of_text(require("vidu_task", self.vidu_task))
            if isinstance(vidu_task, Mapping) and vidu_task.get("error"):
                # A request of a batch that has no video: a task mapped over its records is to land the others.
                raise AirflowSkipException(f"There is no video to land: {vidu_task['error']}")
            known = given_task(vidu_task)
            wanted = Wanted(
                as_text(require("destination", self.destination)),
                as_text(self.file_name) or None,
                switched("land_cover", given(self.land_cover)),
                switched("land_watermarked", given(self.land_watermarked)),
            )
            wanted.check("destination")
            with ViduHook(self.vidu_conn_id).get_conn() as client:
                task = video_of(client, known)
                show_task(self, task)
                files = land_all(client, task, wanted, log=self.log)
                return deliver(self, context, task, files)
        except ViduStillRunningError as error:
            raise_for_airflow(
                ViduStillRunningError(
                    "There is no video to land yet: the task has not ended.",
                    advice="Put a ViduTaskSensor before this task. A retry looks again; nothing is submitted.",
                    task_id=error.task_id,
                    state=error.state,
                    credits=error.credits,
                )
            )
        except ViduError as error:
            raise_for_airflow(for_other_task(error))

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """
        Tell OpenLineage what was landed; see ``lineage.openlineage_facets``.

        :param task_instance: Airflow's.
        """
        from airflow_provider_vidu.reporting.lineage import openlineage_facets

        return openlineage_facets((), self.delivered)
