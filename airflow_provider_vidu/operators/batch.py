# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operators that submit thousands of requests in one task instance: their base, and the one for any endpoint."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.links.batch import ViduManifestLink, ViduReportLink
from airflow_provider_vidu.operators.base import ViduSubmittingOperator, with_shared_settings

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.execution.batch import BatchExecution


#: Default for ``max_in_flight``.
DEFAULT_MAX_IN_FLIGHT = 10


class ViduManyOperator(ViduSubmittingOperator):
    """
    The base of the operators that submit many requests in one task instance: one trigger, one resume.

    :param requests: a list of dicts, each with Vidu's fields by their API names as the operator of its endpoint takes
        them (``images``, ``prompt``, ``model``, …), and ``extra_params`` and ``output_path`` of its own if it needs
        them. ``id`` (a text that no other request has) and ``labels`` (a dict) are yours: they are never sent, and
        the records, the manifest and the log have them. Or the path or ``ObjectStoragePath`` URL of a UTF-8 file: JSON
        Lines with one such dict per line, or a JSON array of them; relative paths in a file are relative to the file.
        Another task's output works too. At least one request; tested with 10 000.
    :param defaults: fields for all requests, a dict; a request's own field wins, and None in a request removes the
        default. A default that a request's endpoint does not have must be removed so. None (default) = no fields.
    :param labels_from: ``rest`` = fields that the endpoint does not have, such as the other columns of a file, become
        labels, unless they look like a typo of one that it has. None (default) = such a field is an error.
    :param on_invalid: what to do if some requests are invalid before anything is sent: ``fail`` (default; send nothing)
        or ``record`` (send the others; the invalid ones are errors in the records, as ``on_failure`` says).
    :param max_in_flight: maximum number of concurrent submissions, 1 to 100; default 10. It does not limit how many
        tasks Vidu renders at once: the others queue there. A 429 slows all submissions down.
    :param item_retries: how often a request is submitted again within one try after its task has failed, unbilled, for
        a transient reason; a whole number from 0, default 1. Airflow's ``retries`` come on top.
    :param on_failure: what to do if some requests have no video at the end: ``fail`` (default; wait for and land all
        other videos, then fail), ``partial`` (succeed, with the errors in the records), ``skip`` (like ``partial``, but
        skip this task if no request has a video).
    :param credit_budget: maximum credits for the whole batch over all tries, a whole number from 0; None (default) = no
        limit. The operator stops submitting before it would exceed the budget. It uses the prices in Vidu's replies,
        and the catalogue's estimates until there is a reply. The first request of a kind without a known price is sent
        alone, and may exceed the budget by its own price.
    :param max_credits: maximum credits for each generation, a whole number from 0; None (default) = no limit. If the
        catalogue estimates a request at more, the batch fails before anything is sent. If Vidu's reply names a higher
        price, that task is cancelled and nothing more is submitted; if Vidu refuses the cancel, the video is kept and
        landed.
    :param min_remaining_credits: credits that the account must still have after everything that is about to be
        submitted, by the catalogue's estimates, a whole number from 0; otherwise nothing is sent. None (default) = no
        check. The host must report the balance.
    :param manifest_path: file to which all records are written as JSON Lines whenever a try ends, also if it fails; a
        local path or any ``ObjectStoragePath`` URL; None (default) = nowhere.
    :param report_path: file of a report for people (HTML): each request with its picture, its video and its error,
        written before the batch waits and whenever a try ends; a local path or any ``ObjectStoragePath`` URL. Put it
        beside or above the videos, so that it can show them. None (default) = nowhere.
    :param output_path: folder where the videos are landed, a local path or any ``ObjectStoragePath`` URL; None
        (default) = nowhere, and the links expire within 24 hours.
    :param file_name: template for the videos' names in that folder. It must contain ``{task_id}``, ``{creation_id}`` or
        ``{index}`` (the request's position, from 0; ``{index:05d}``) or name the request: ``{id}``, ``{image}`` (the
        name of its picture without suffix), ``{labels[sku]}``. Two requests must not get the same name. ``{model}`` is
        allowed too (the endpoint's name if it has no models). None (default) = ``{task_id}``.
    :param land_watermarked: land each watermarked copy too, as ``<name>-watermarked.mp4``. Default False.
    :param timeout: seconds (or a timedelta) to wait, counted from the start of each try, above 0 and at most ten years;
        None (default) = 24 hours, or 49 if any request is off-peak. ``execution_timeout`` limits the wait too. At the
        deadline the tasks are left running, and the next try re-attaches to them.
    :param durable: as in ``Img2VideoOperator``, default True. With False every try pays for every request again, so the
        failure of single requests causes no retry.
    :param on_unknown: as in ``Img2VideoOperator``, for each request; default ``fail``.
    :param on_input_change: what to do if a retry no longer contains a request that was submitted: ``fail`` (default) or
        ``resubmit``. Requests are recognised by their content: new requests, or another order, are no change. If it is
        unclear whether a link is a paid picture with a new signature or another picture, the task fails, after a clear
        too, unless this is ``resubmit``.
    :param cancel_on_kill: when a user ends the Airflow task for good, cancel the tasks that Vidu still allows to be
        cancelled, within the time that Airflow leaves: about 18 seconds while deferred, 2.5 in a worker. Default True.
    :param cancel_on_timeout: cancel them at the deadline (for up to 60 seconds) instead of leaving them running.
        Default False.
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
        "report_path",
        "credit_budget",
        "max_credits",
        "min_remaining_credits",
    )
    template_fields_renderers = {"requests": "json", "defaults": "json"}
    operator_extra_links = (ViduReportLink(), ViduManifestLink())
    #: Which of ``report_path`` and ``manifest_path`` have been written, for the buttons.
    written: Collection[str] = ()
    #: Whether a request may name an endpoint of its own.
    endpoints_may_differ = False

    def __init__(
        self,
        *,
        requests: Any,
        defaults: Mapping[str, Any] | str | None = None,
        labels_from: str | None = None,
        on_invalid: str = "fail",
        max_in_flight: int = DEFAULT_MAX_IN_FLIGHT,
        item_retries: int = 1,
        on_failure: str = "fail",
        credit_budget: int | str | None = None,
        manifest_path: str | None = None,
        report_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.requests = requests
        self.defaults = defaults
        self.labels_from = labels_from
        self.on_invalid = on_invalid
        self.max_in_flight = max_in_flight
        self.item_retries = item_retries
        self.on_failure = on_failure
        self.credit_budget = credit_budget
        self.manifest_path = manifest_path
        self.report_path = report_path
        self._check_policies()
        if on_failure not in {"fail", "partial", "skip"}:
            raise ValueError(f"on_failure must be 'fail', 'partial' or 'skip', got {on_failure!r}.")
        if on_invalid not in {"fail", "record"}:
            raise ValueError(f"on_invalid must be 'fail' or 'record', got {on_invalid!r}.")
        if labels_from not in {None, "rest"}:
            raise ValueError(f"labels_from must be 'rest' or None, got {labels_from!r}.")
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
        attempts_of: Mapping[str, int] | None = None,
    ) -> list[dict[str, Any]]:
        """
        Return the results on a worker after the trigger's event. Safe to run twice with the same event.

        :param event: the trigger's event, only a hint: the tasks are queried again.
        :param began: start of the try, epoch seconds.
        :param try_number: number of the try that deferred.
        :param travelled: what is remembered of the items, below Airflow 3.3.
        :param ids: digest of the Vidu tasks that the try waits for; None = unknown (dag.test() drops it).
        :param attempts_of: how many replies this try has lost, by the items' identities.
        :return: the task records, in the order of the requests.
        """
        return self._execution().complete(context, event, began, try_number, travelled, ids, attempts_of)

    def _execution(self) -> BatchExecution:
        from airflow_provider_vidu.execution.batch import BatchExecution

        return BatchExecution(self)


@with_shared_settings
class ViduBatchOperator(ViduManyOperator):
    """
    Submit many requests, of one endpoint or of several, in one task instance: one trigger, one resume.

    All requests are checked before the first one is paid for. One intended run then submits each request once, whatever
    crashes: a retry continues where the last try ended, and a clear submits only what has failed or was never
    submitted. Only a clear after a complete delivery generates everything again. The endpoint is a part of what a
    request is: the same fields for another endpoint are another request.

    .. code-block:: python

        ViduBatchOperator(
            task_id="clips",
            endpoint="text2video",
            requests=[
                {"prompt": "A lighthouse at dawn."},
                {"endpoint": "start-end2video", "images": ["/a.png", "/b.png"], "prompt": "The door opens."},
            ],
            output_path="s3://conn_id@bucket/videos/",
            deferrable=True,
        )

    .. seealso:: the operator of each endpoint for its fields; the base
        :class:`~airflow_provider_vidu.operators.base.ViduSubmittingOperator` for settings that are not named here.

    :param endpoint: the endpoint of the requests that name none in a field ``endpoint`` of their own, by the last part
        of its path, for example ``text2video``. None (default) = each request names its own.
    :return: a list of task records in the order of the requests. Each has ``error`` (None, or why there is no video)
        beside the fields that the single operator returns. With more than 300 requests the records in XCom have no
        links and payloads; the manifest has them.
    :raises AirflowFailException: if a retry would fail in the same way, or pay again.
    :raises ViduError: if a retry may succeed.
    """

    endpoints_may_differ = True

    def __init__(self, *, requests: Any, endpoint: str | None = None, **kwargs: Any) -> None:
        super().__init__(requests=requests, **kwargs)
        self.endpoint = endpoint
