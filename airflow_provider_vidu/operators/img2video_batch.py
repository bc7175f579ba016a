# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that turns thousands of images into videos in one task instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.operators.base import ViduSubmittingOperator, with_shared_settings

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.execution.batch import BatchExecution


#: Submissions that are out at once, where the author does not say.
DEFAULT_MAX_IN_FLIGHT = 10


@with_shared_settings
class Img2VideoBatchOperator(ViduSubmittingOperator):
    """
    Generates a video from each of many images, in one task instance: one submission run, one trigger, one resume.

    All requests are checked before the first one is paid for. Each is then submitted once per intended run, whatever
    dies: a retry goes on where the last try ended, and a clear submits only what has failed or was never
    submitted. Only a clear after a batch that was delivered whole means a new generation of all. (Unlike with
    :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator`, a clear cancels nothing that runs.) Below
    Airflow 3.3, which has no task state store, retries do the same on hosts that have a task list, but a clear pays
    for every request again.

    .. seealso:: Vidu's image-to-video page, ``POST /ent/v2/img2video``; the base
        :class:`~airflow_provider_vidu.operators.base.ViduSubmittingOperator` for settings that are not named here.

    :param requests: a list of dicts, each with Vidu's fields by their API names as
        :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` takes them (``images``, ``prompt``,
        ``model``, …), and ``extra_params`` and ``output_path`` of its own where it needs them. Or the path or
        ``ObjectStoragePath`` URL of a JSON Lines file with one such dict a line, or of a file with a JSON array of
        them, in UTF-8; relative ``images`` in a file are relative to the file. Also another task's output. At least
        one; 10 000 have been run.
    :param defaults: fields for all requests; a request's own win, and None in a request takes the default away.
    :param max_in_flight: submissions that are out at once, 1 to 100, default 10. It has nothing to do with how many
        tasks Vidu renders at once: the others queue there. A 429 slows all of them down.
    :param item_retries: how often a request is submitted again within one try after its task has failed, unbilled, for
        a passing reason; 0 and more, default 1. Airflow's ``retries`` come on top.
    :param on_failure: what to do when requests have no video at the end: ``fail`` (default; every other one is waited
        for and landed first), ``partial`` (succeed, with the errors in the records), ``skip`` (as ``partial``; skip
        this task if none has a video).
    :param credit_budget: credits that all of it may cost, over all tries, a whole number from 0; None = any.
        Submitting stops before it is exceeded, by the prices of Vidu's answers and before them by the catalogue's
        estimates. The first request of a kind whose price nobody knows is sent alone, and may exceed it by its own
        price.
    :param max_credits: credits that each of its generations may cost, a whole number from 0; None = any. What the
        catalogue estimates at more fails the batch before anything is sent. Where Vidu's answer asks for more, that
        task is cancelled and nothing more is submitted; if Vidu refuses the cancel, it is kept and landed.
    :param min_remaining_credits: credits that the account must still have after all that is to be submitted now, by the
        catalogue's estimates, else nothing is sent; None = any number. The host must report the balance.
    :param manifest_path: where all records are written as JSON Lines, also when the batch fails; a local path or any
        ``ObjectStoragePath`` URL of a file; None = nowhere.
    :param output_path: where the videos are landed: a folder, a local path or any ``ObjectStoragePath`` URL; None =
        nowhere, and links die within 24 hours.
    :param file_name: template of the videos' names in that folder, with ``{task_id}``, ``{creation_id}`` or ``{index}``
        (the request's place, from 0; ``{index:05d}``) in it, else they would overwrite each other; ``{model}`` too.
        None = ``{task_id}``.
    :param land_watermarked: land each watermarked copy too, as ``<name>-watermarked.mp4``.
    :param timeout: seconds (or a timedelta) to wait, from the start of each try, above 0 and at most ten years; None =
        24 hours, with an off-peak request 49. ``execution_timeout`` bounds it too. At the deadline the tasks are left
        running, and the next try re-attaches to them.
    :param durable: as in ``Img2VideoOperator``; with False every try pays for every request again, so a failed item is
        no reason for one.
    :param on_unknown: as in ``Img2VideoOperator``, for each request.
    :param on_input_change: when a retry no longer asks for something that was submitted: ``fail`` or
        ``resubmit``. Requests are known by their content: new ones, or another order, are no change. A link that may
        be a new signature of a paid picture, or another picture, fails after a clear too, unless this is ``resubmit``.
    :param cancel_on_kill: cancel what Vidu still lets go when a user ends this task for good, for as long as Airflow
        leaves time: some 18 seconds while it is deferred, 2.5 in a worker.
    :param cancel_on_timeout: the same at the deadline, instead of leaving it running.
    :return: a list of task records in the order of the requests, each with ``error`` (None, or why it has no video)
        beside the fields of the single operator's. With more than 300 requests the records in XCom have no links and
        payloads; the manifest has them.
    """

    template_fields: Sequence[str] = (
        "requests",
        "defaults",
        "vidu_conn_id",
        "output_path",
        "file_name",
        "land_cover",
        "land_watermarked",
        "manifest_path",
        "credit_budget",
        "max_credits",
        "min_remaining_credits",
    )
    template_fields_renderers = {"requests": "json", "defaults": "json"}
    endpoint = "img2video"

    def __init__(
        self,
        *,
        requests: Any,
        defaults: Mapping[str, Any] | str | None = None,
        max_in_flight: int = DEFAULT_MAX_IN_FLIGHT,
        item_retries: int = 1,
        on_failure: str = "fail",
        credit_budget: int | str | None = None,
        manifest_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.requests = requests
        self.defaults = defaults
        self.max_in_flight = max_in_flight
        self.item_retries = item_retries
        self.on_failure = on_failure
        self.credit_budget = credit_budget
        self.manifest_path = manifest_path
        self._check_policies()
        if on_failure not in {"fail", "partial", "skip"}:
            raise ValueError(f"on_failure must be 'fail', 'partial' or 'skip', got {on_failure!r}.")
        if not 1 <= max_in_flight <= 100:
            raise ValueError(f"max_in_flight must be 1 to 100, got {max_in_flight!r}.")
        if item_retries < 0:
            raise ValueError(f"item_retries must be at least 0, got {item_retries!r}.")

    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None = None,
        began: float | None = None,
        try_number: int | None = None,
        travelled: dict[str, Any] | None = None,
        ids: str | None = None,
    ) -> list[dict[str, Any]]:
        """
        Take the results on a worker, once the trigger has seen the end. Safe to run twice with the same event.

        :param context: Airflow's.
        :param event: of the trigger; a hint only, the tasks are queried again.
        :param began: when the try began, epoch seconds.
        :param try_number: of the try that has deferred.
        :param travelled: what is remembered of the items, below Airflow 3.3.
        :param ids: digest of the Vidu tasks that the try has deferred for; None = not known (dag.test() drops it).
        :return: the task records, in the order of the requests.
        """
        return self._execution().complete(context, event, began, try_number, travelled, ids)

    def _execution(self) -> BatchExecution:
        from airflow_provider_vidu.execution.batch import BatchExecution

        return BatchExecution(self)
