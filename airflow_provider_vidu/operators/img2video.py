# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that turns an image into a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_vidu.api.defaults import DEFAULT_MODEL, REQUEST_FIELDS
from airflow_provider_vidu.links.task import ViduTaskLink, ViduVideoLink
from airflow_provider_vidu.operators.base import ViduSubmittingOperator
from airflow_provider_vidu.operators.img2video_batch import Img2VideoBatchOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.execution.single import SingleExecution


__all__ = ["Img2VideoBatchOperator", "Img2VideoOperator"]


class Img2VideoOperator(ViduSubmittingOperator):
    """
    Generates a video from an image with Vidu.

    Submits once per intended run, whatever dies: a retry re-attaches to the task that an earlier try submitted, a
    clear submits again. Waits in the triggerer (``deferrable=True``), in the worker, or
    not at all (``wait_for_completion=False``: then a :class:`ViduTaskSensor` takes the result).

    Every field of the request is templated and checked after rendering, before anything is sent; an empty string
    counts as not given.

    **Durable execution.** What a try has submitted is kept in the task state store (Airflow 3.3+):

    ===================  ==========================  ===================================  ===========================
    earlier task         retry                       default clear (discards the state    clear that keeps the state
                                                     from Airflow 3.4 on)
    ===================  ==========================  ===================================  ===========================
    running              re-attach                   found in the account's list:         cancel, then submit;
                                                     cancel, then submit; refused:        refused: re-attach
                                                     re-attach
    succeeded, not       land and return it          land and return it, if               land and return it
    delivered                                        ``output_path`` is set and the
                                                     file is not there; else submit
    delivered            return the same record      submit, with a warning               submit
    failed               submit, or fail for good    submit                               submit
    ===================  ==========================  ===================================  ===========================

    A clear of the whole Dag run keeps the state, too. Below Airflow 3.3 a retry searches the account's list, and a
    clear always submits. All situations are in ``docs/reliability.md``.

    .. seealso:: Vidu's image-to-video page, ``POST /ent/v2/img2video``.

    :param images: one image (a string, or a list of one): a URL that Vidu can reach, a path on the worker, any
        ``ObjectStoragePath`` URL (``s3://conn_id@bucket/key``), or a data URI (it then stands in the rendered
        field; a path does not put the image there). PNG, JPEG or WebP; sides between 1:4 and 4:1; at most 50 MB by
        URL, about 15 MB otherwise (a request takes 20 MB).
    :param prompt: what happens in the video, at most 5000 characters.
    :param model: for example ``viduq3-pro``; one newer than this release passes through with a warning.
    :param duration: whole seconds, within the model's range; None = the model's default.
    :param seed: 0 or None = random.
    :param resolution: ``360p``, ``540p``, ``720p``, ``1080p``, ``2K`` or ``4K``; None = the model's default.
    :param movement_amplitude: ``auto``, ``small``, ``medium`` or ``large``; no effect with q2 and q3 models.
    :param audio: sound in the video; None = the model's default (on for q3).
    :param audio_type: ``all``, ``speech_only`` or ``sound_effect_only``.
    :param voice_id: a voice of Vidu's list; needs ``audio``.
    :param is_rec: Vidu writes the prompt, for 10 credits more.
    :param bgm: background music.
    :param off_peak: half the price, within 48 hours.
    :param watermark: render a watermarked copy too.
    :param wm_position: 1 top left, 2 top right, 3 bottom right, 4 bottom left.
    :param wm_url: URL of the watermark's picture.
    :param meta_data: provenance labels, a dict or a string that holds a JSON object.
    :param payload: echoed by Vidu. Unless given, it carries the marker by which a lost submission is found again; a
        literal ``{marker}`` in a payload of yours is replaced by it, one without cannot be found again.
    :param callback_url: where Vidu reports state changes to.
    :param extra_params: merged into the request last, unchecked: for what is newer than this release.
    :param vidu_conn_id: the connection's id.
    :param wait_for_completion: False = return right after submitting.
    :param deferrable: wait in the triggerer, without a worker slot.
    :param poll_interval: seconds (or a timedelta) between looks; None = the schedule decides.
    :param timeout: seconds (or a timedelta) to wait, from the begin of each try; None = 24 hours, off-peak 49.
        ``execution_timeout`` bounds it too, also while deferred. At the deadline the remote task is left running and
        the next try re-attaches to it.
    :param durable: keep a record of the submission in Airflow's task state store (3.3+), or find it by its marker in
        the account's list (3.0 to 3.2). False = every try submits.
    :param on_unknown: when nobody can tell whether an earlier attempt was accepted: ``fail``, or ``resubmit``,
        which may pay twice.
    :param on_input_change: when a retry asks for something else than the first try: ``fail`` or ``resubmit``.
    :param cancel_on_kill: cancel the remote task when a user ends this one for good. Vidu refuses once it is
        processing.
    :param cancel_on_timeout: cancel the remote task at the deadline instead of leaving it running.
    :param output_path: where to land the video: a file name or a folder, a local path or any ``ObjectStoragePath``
        URL; None = nowhere, the record's links die within 24 hours. Mapped instances need a folder, or a name each.
    :param file_name: template of the video's name in that folder, for example ``{model}/{task_id}``; fields are
        ``task_id``, ``creation_id`` and ``model``. None = ``{task_id}``. Jinja is rendered before.
    :param land_cover: land the still picture too, beside the video as ``<name>-cover.jpg``.
    :param land_watermarked: land the watermarked copy too, as ``<name>-watermarked.mp4``; it needs ``watermark``.
    :param max_credits: credits that this generation may cost, a whole number from 0; None = any. By the catalogue's
        estimate before it is sent; by the figure of Vidu's answer after: what costs more is cancelled at once, and
        kept, landed and warned of where Vidu refuses the cancel (a paid video is never thrown away).
    :param min_remaining_credits: credits that the account must still have after this generation, else nothing is sent;
        None = any number. The host must tell the balance.
    :return: the task record ``{task_id, state, model, credits, err_code, payload, created_at, creations, files}``.
    """

    template_fields: Sequence[str] = (
        *REQUEST_FIELDS,
        "extra_params",
        "vidu_conn_id",
        "output_path",
        "file_name",
        "land_cover",
        "land_watermarked",
        "max_credits",
        "min_remaining_credits",
    )
    template_fields_renderers = {"prompt": "md", "meta_data": "json", "extra_params": "json"}
    operator_extra_links = (ViduTaskLink(), ViduVideoLink())
    ui_color = "#e4dcff"

    def __init__(
        self,
        *,
        images: str | Sequence[str],
        prompt: str = "",
        model: str = DEFAULT_MODEL,
        duration: int | str | None = None,
        seed: int | str | None = None,
        resolution: str | None = None,
        movement_amplitude: str | None = None,
        audio: bool | str | None = None,
        audio_type: str | None = None,
        voice_id: str | None = None,
        is_rec: bool | str | None = None,
        bgm: bool | str | None = None,
        off_peak: bool | str | None = None,
        watermark: bool | str | None = None,
        wm_position: int | str | None = None,
        wm_url: str | None = None,
        meta_data: Mapping[str, Any] | str | None = None,
        payload: str | None = None,
        callback_url: str | None = None,
        extra_params: Mapping[str, Any] | str | None = None,
        vidu_conn_id: str = "vidu_default",
        wait_for_completion: bool = True,
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
        self.images = images
        self.prompt = prompt
        self.model = model
        self.duration = duration
        self.seed = seed
        self.resolution = resolution
        self.movement_amplitude = movement_amplitude
        self.audio = audio
        self.audio_type = audio_type
        self.voice_id = voice_id
        self.is_rec = is_rec
        self.bgm = bgm
        self.off_peak = off_peak
        self.watermark = watermark
        self.wm_position = wm_position
        self.wm_url = wm_url
        self.meta_data = meta_data
        self.payload = payload
        self.callback_url = callback_url
        self.extra_params: Any = extra_params
        self.vidu_conn_id = vidu_conn_id
        self.wait_for_completion = wait_for_completion
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
        self._check_policies()

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Submit or re-attach, then wait as asked.

        :param context: Airflow's.
        :return: the task record.
        """
        return self._execution().run(context)

    def execute_again(
        self,
        context: Context,
        event: Any = None,
        resumed: Mapping[str, Any] | None = None,
        try_number: int | None = None,
    ) -> dict[str, Any]:
        """
        Go on where :meth:`execute` has left the worker, because Vidu's queue was full or its list not yet settled.

        :param context: Airflow's.
        :param event: of the timer; of no interest.
        :param resumed: what the try took with it, see ``submission.tries.Resumed``.
        :param try_number: of the try that has left.
        :return: the task record.
        """
        return self._execution().run_again(context, resumed, try_number)

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
        Take the result on a worker, once the trigger has seen the end. Safe to run twice with the same event.

        :param context: Airflow's.
        :param event: of the trigger; a hint only, the task is queried again.
        :param task_id: Vidu's id, as it was when the wait began.
        :param known: the task record as it was when the wait began.
        :param hints: for a wait that has to go on.
        :param end_time: the deadline, epoch seconds.
        :param try_number: of the try that has deferred.
        :return: the task record.
        """
        return self._execution().complete(context, event, task_id, known, hints, end_time, try_number)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """
        Tell OpenLineage what was made of what; see ``lineage.openlineage_facets``.

        :param task_instance: Airflow's.
        """
        from airflow_provider_vidu.reporting.lineage import openlineage_facets

        return openlineage_facets(self.images, self.delivered)

    def _execution(self) -> SingleExecution:
        from airflow_provider_vidu.execution.single import SingleExecution

        return SingleExecution(self)
