# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that lands the video of a task that was submitted elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_vidu.links.task import ViduTaskLink, ViduVideoLink
from airflow_provider_vidu.operators.templated_fields import TextRendering, check_paths

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.execution.download import DownloadExecution


class ViduDownloadOperator(TextRendering, BaseOperator):
    """
    Land the files of a finished Vidu task: its links expire within 24 hours, a file does not.

    A video, a picture or a sound is landed, whatever the task made: the file's first bytes show what it is.

    The links are read from the API just before the download, so this may run days after the submission, as long as Vidu
    keeps the task. Retrying or clearing it never submits and costs no credits. A file that is already there, with the
    same length and MD5, is not fetched again. The operator does not wait: put it after a
    :class:`~airflow_provider_vidu.sensors.task.ViduTaskSensor`, or after an operator that waits.

    .. code-block:: python

        ViduDownloadOperator(task_id="land", vidu_task=wait.output, destination="s3://conn_id@bucket/videos/")

    .. seealso:: Vidu's get-generation page, ``GET /ent/v2/tasks/{id}/creations``.

    :param vidu_task: the task's id (a string or a number), or a task record: ``wait.output``, also with
        ``.expand(vidu_task=wait.output)``. For the records of a batch: ``.expand(vidu_task=batch.output)``; records
        without a video are skipped.
    :param destination: a file name, which ends in the suffix of a video (``.mp4``, ``.mov``, ``.m4v``), a picture
        (``.png``, ``.jpg``, ``.jpeg``, ``.webp``) or a sound (``.mp3``, ``.wav``), or a folder (anything else); a local
        path or any ``ObjectStoragePath`` URL, such as ``s3://conn_id@bucket/videos/``. A file of another kind than its
        name is not written. Mapped instances need a folder.
    :param file_name: template for the file's name in that folder, for example ``{model}/{task_id}``; the fields are
        ``task_id``, ``creation_id`` and ``model``, and those of a record: ``image`` (the name of its picture without
        suffix), ``labels[sku]``, and of a batch's record ``index`` and ``id``. Without a suffix the file gets that of
        what it is. None (default) = ``{task_id}``. Jinja is rendered first.
    :param land_cover: land the cover picture too, beside the video as ``<name>-cover.jpg``. Default False.
    :param land_watermarked: land the watermarked copy too, as ``<name>-watermarked.mp4``, if the task has one. Default
        False.
    :param vidu_conn_id: id of the Airflow connection, for the account that submitted; default ``vidu_default``.
    :return: the task record; its ``files`` are ``[{kind, path, bytes, sha256, duration, width, height, fps}]``, of the
        kinds ``video``, ``image``, ``audio``, ``cover`` and ``watermarked``.
    :raises ViduLandingError: if the video cannot be fetched or written; a retry tries again.
    :raises ViduStillRunningError: if the task has not ended; a retry checks again.
    :raises AirflowFailException: if the task has failed or is unknown to this account, the destination cannot work, or
        it names a file of another kind than the task made.
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
    #: The returned record, for OpenLineage, which asks after the task has finished.
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

        :return: the task record.
        """
        return self._execution().run(context)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Report to OpenLineage which files were landed; see ``lineage.openlineage_facets``."""
        return self._execution().openlineage_facets()

    def _execution(self) -> DownloadExecution:
        from airflow_provider_vidu.execution.download import DownloadExecution

        return DownloadExecution(self)
