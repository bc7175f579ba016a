# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The bases of the operators that submit: shared settings, checks when the DAG is parsed, entry points for Airflow."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_vidu.links.task import ViduTaskLink, ViduVideoLink
from airflow_provider_vidu.operators.resume_across_releases import ResumesAcrossReleases
from airflow_provider_vidu.operators.templated_fields import TextRendering, check_booleans, check_paths

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.execution.base import Execution
    from airflow_provider_vidu.execution.single import SingleExecution


class ViduSubmittingOperator(TextRendering, ResumesAcrossReleases, BaseOperator):
    """
    The base of every operator that submits to Vidu.

    A subclass adds its own parameters, sets them in its ``__init__`` and calls :meth:`_check_policies` last.
    :func:`with_shared_settings` shows the parameters below as its own.

    :param vidu_conn_id: id of the Airflow connection; default ``vidu_default``.
    :param deferrable: wait in the triggerer, without a worker slot. Default: Airflow's ``[operators]
        default_deferrable``.
    :param poll_interval: seconds (or a timedelta) between polls, above 0; None (default) = the connection's
        ``poll_interval`` or, if it has none, a schedule based on the model's usual rendering time.
    :param timeout: seconds (or a timedelta) to wait, counted from the start of each try, above 0 and at most ten years;
        None (default) = 24 hours, or 49 for an off-peak request. ``execution_timeout`` limits the wait too, even while
        deferred. At the deadline the Vidu task is left running, and the next try re-attaches to it.
    :param durable: remember the submission in Airflow's task state store (3.3+), or find it by its marker in the
        account's task list (3.0 to 3.2). False = every try submits. Default True.
    :param on_unknown: what to do if it cannot be determined whether Vidu accepted an earlier attempt: ``fail``
        (default), or ``resubmit``, which may pay twice.
    :param on_input_change: what to do if a retry's request differs from the first try's: ``fail`` (default) or
        ``resubmit``.
    :param cancel_on_kill: cancel the Vidu task when a user ends the Airflow task for good. Vidu refuses once the task
        is processing. Default True.
    :param cancel_on_timeout: cancel the Vidu task at the deadline instead of leaving it running. Default False.
    :param output_path: where to land the video: a file name (``.mp4``, ``.mov``, ``.m4v``; of an endpoint that makes
        pictures ``.png``, ``.jpg``, ``.jpeg``, ``.webp``, of one that makes sounds ``.mp3``, ``.wav``) or a folder
        (anything else), as a local path or any ``ObjectStoragePath`` URL; None (default) = nowhere, and the links in
        the record expire within 24 hours. Mapped instances need a folder, or a file name each.
    :param file_name: template for the video's name in that folder, for example ``{model}/{task_id}``; the fields are
        ``task_id``, ``creation_id``, ``model`` (the endpoint's name if it has no models), ``image`` (the name of the
        picture without suffix) and ``labels[sku]``. None (default) = ``{task_id}``. Jinja is rendered first.
    :param land_cover: land the cover picture too, beside the video as ``<name>-cover.jpg``. Default False.
    :param land_watermarked: land the watermarked copy too, as ``<name>-watermarked.mp4``; needs ``watermark``,
        which ``viduq3-drama`` has by default. Default False.
    :param max_credits: maximum credits for this generation, a whole number from 0; None (default) = no limit. A request
        that the catalogue estimates at more is not sent. If Vidu's reply names a higher price, the task is cancelled at
        once. If Vidu refuses the cancel, the video is kept and landed, with a warning: a paid video is never thrown
        away.
    :param min_remaining_credits: credits that the account must still have after this generation, a whole number from 0;
        otherwise nothing is sent. None (default) = no check. The host must report the balance.
    """

    template_fields: Sequence[str] = (
        "vidu_conn_id",
        "output_path",
        "file_name",
        "land_cover",
        "land_watermarked",
        "max_credits",
        "min_remaining_credits",
    )
    ui_color = "#e4dcff"
    #: The last part of the path that requests are posted to; None = each request names its own.
    endpoint: str | None
    #: The returned records, for OpenLineage, which asks after the task has finished.
    delivered: Sequence[Mapping[str, Any]] = ()
    wait_for_completion = True
    #: Whether Airflow has told the worker to stop.
    killed = False

    def __init__(
        self,
        *,
        vidu_conn_id: str = "vidu_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float | None = None,
        durable: bool = True,
        on_unknown: str = "fail",
        on_input_change: str = "fail",
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = False,
        output_path: str | None = None,
        file_name: str | None = None,
        land_cover: bool | str = False,
        land_watermarked: bool | str = False,
        max_credits: int | str | None = None,
        min_remaining_credits: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vidu_conn_id = vidu_conn_id
        self.deferrable = deferrable
        self.poll_interval: Any = poll_interval
        self.timeout: Any = timeout
        self.durable = durable
        self.on_unknown = on_unknown
        self.on_input_change = on_input_change
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self.output_path = output_path
        self.file_name = file_name
        self.land_cover = land_cover
        self.land_watermarked = land_watermarked
        self.max_credits = max_credits
        self.min_remaining_credits = min_remaining_credits

    def execute(self, context: Context) -> Any:
        """
        Submit, or re-attach to what an earlier try submitted; then wait, land and return.

        :return: as the class says.
        :raises AirflowFailException: if a retry would fail in the same way, or pay again.
        :raises ViduError: if a retry may succeed.
        """
        return self._execution().run(context)

    def execute_again(
        self,
        context: Context,
        event: Any = None,
        resumed: Mapping[str, Any] | None = None,
        try_number: int | None = None,
        travelled: dict[str, Any] | None = None,
    ) -> Any:
        """
        Continue after :meth:`execute` left the worker, because Vidu's queue was full or its list had not settled.

        :param event: the timer's event; unused.
        :param resumed: what the try took with it; see ``submission.airflow_try.Resumed``.
        :param try_number: number of the try that left the worker.
        :param travelled: what is remembered of a batch's items, below Airflow 3.3.
        :return: as the class says.
        """
        return self._execution().run_again(context, resumed, try_number, travelled)

    def on_kill(self) -> None:
        """Note that the worker must stop. Airflow calls this for timeouts, too: the wait decides what to do."""
        self.killed = True

    def is_remembered(self, context: Context) -> bool:
        """Check whether this task may start again without paying again."""
        return self._execution().is_remembered(context)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Report to OpenLineage which videos were made from which images; see ``lineage.openlineage_facets``."""
        return self._execution().openlineage_facets()

    def _execution(self) -> Execution[Any]:
        """Return the object that runs this operator. It is imported here, so that parsing a DAG stays fast."""
        raise NotImplementedError

    def _check_policies(self) -> None:
        """Check the settings that are known when the DAG is parsed and are never rendered."""
        for name in ("on_unknown", "on_input_change"):
            policy = getattr(self, name)
            if policy not in {"fail", "resubmit"}:
                raise ValueError(f"{name} must be 'fail' or 'resubmit', got {policy!r}.")
        switches = ("wait_for_completion", "deferrable", "durable", "cancel_on_kill", "cancel_on_timeout")
        check_booleans(**{name: getattr(self, name) for name in switches})
        check_paths(self, *self.template_fields)


class ViduSingleOperator(ViduSubmittingOperator):
    """
    The base of the operators that submit one request.

    :param labels: your own values for this video, a dict or a string with a JSON object, for example ``{"sku":
        "MUG-01"}``. They are never sent to Vidu; the task record, the asset events and lineage have them, and
        ``file_name`` may contain ``{labels[sku]}``. None (default) = no labels.
    :param extra_params: further fields of the request, a dict or a string with a JSON object; merged last and not
        checked, for fields that are newer than this release. None (default) = no further fields.
    :param wait_for_completion: wait for the video (default). False = return right after submitting.
    """

    template_fields: Sequence[str] = ("labels", "extra_params", *ViduSubmittingOperator.template_fields)
    operator_extra_links = (ViduTaskLink(), ViduVideoLink())
    #: The operator's parameters that are fields of the request, by their API names.
    request_fields: Sequence[str] = ()

    def __init__(
        self,
        *,
        labels: Mapping[str, Any] | str | None = None,
        extra_params: Mapping[str, Any] | str | None = None,
        wait_for_completion: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.labels: Any = labels
        self.extra_params: Any = extra_params
        self.wait_for_completion = wait_for_completion

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the request, as rendered."""
        return {name: getattr(self, name) for name in self.request_fields}

    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        known: Mapping[str, Any] | None = None,
        hints: Mapping[str, Any] | None = None,
        end_time: float | None = None,
        try_number: int | None = None,
    ) -> dict[str, Any]:
        """
        Return the result on a worker after the trigger's event. Safe to run twice with the same event.

        :param event: the trigger's event, only a hint: the task is queried again.
        :param task_id: Vidu's id at the start of the wait.
        :param known: the task record at the start of the wait.
        :param hints: for the schedule, if the wait has to continue.
        :param end_time: the deadline, epoch seconds.
        :param try_number: number of the try that deferred.
        :return: the task record.
        """
        return self._execution().complete(context, event, task_id, known, hints, end_time, try_number)

    def _execution(self) -> SingleExecution:
        from airflow_provider_vidu.execution.single import SingleExecution

        return SingleExecution(self)


Operator = TypeVar("Operator", bound=ViduSubmittingOperator)

# A field of a docstring, with the indented lines that continue it.
_PARAMETER = re.compile(r"^:param (\w+):.*?(?=^:|\Z)", re.MULTILINE | re.DOTALL)


def with_shared_settings(operator: type[Operator]) -> type[Operator]:
    """
    Show the parameters of an operator's bases in its signature and docstring, for API docs and interactive help.

    Airflow itself walks the bases. What the operator documents itself takes precedence.
    """
    init = vars(operator)["__init__"]
    bases = [base for base in operator.__mro__ if issubclass(base, ViduSubmittingOperator) and "__init__" in vars(base)]
    shown: dict[str, inspect.Parameter] = {}
    documented: dict[str, str] = {}
    for base in bases:
        for name, parameter in inspect.signature(vars(base)["__init__"]).parameters.items():
            shown.setdefault(name, parameter)
        for found in _PARAMETER.finditer(_doc(base)):
            documented.setdefault(found[1], found[0])
    # The sort is stable: it only moves **kwargs to the end.
    init.__signature__ = inspect.Signature(sorted(shown.values(), key=lambda parameter: parameter.kind))
    own = _doc(operator)
    missing = [text.rstrip() for name, text in documented.items() if f":param {name}:" not in own]
    if own:
        head, mark, tail = own.partition("\n:return:")
        operator.__doc__ = "\n".join([head, *missing]) + mark + tail
    return operator


def _doc(operator: type[Any]) -> str:
    return inspect.cleandoc(operator.__doc__ or "")
