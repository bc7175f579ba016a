# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that turns an image into a video."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import conf

from airflow_provider_vidu.api.defaults import DEFAULT_MODEL, REQUEST_FIELDS
from airflow_provider_vidu.links.task import ViduTaskLink, ViduVideoLink
from airflow_provider_vidu.operators.base import ViduSubmittingOperator
from airflow_provider_vidu.operators.img2video_batch import Img2VideoBatchOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.api.errors import ViduError
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient
    from airflow_provider_vidu.submission.driver import Submission
    from airflow_provider_vidu.submission.tries import Resumed

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
        return self._run(context, None)

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
        from airflow_provider_vidu.submission.tries import Resumed

        if not self._is_still(try_number, context):
            return self.execute(context)
        return self._run(context, Resumed.from_json(resumed, context))

    def _run(self, context: Context, resumed: Resumed | None) -> dict[str, Any]:
        from airflow_provider_vidu.api.errors import ViduError, ViduInputError, ViduStillRunningError
        from airflow_provider_vidu.exceptions import raise_for_airflow
        from airflow_provider_vidu.reporting import metrics
        from airflow_provider_vidu.reporting.lineage import hand_over, show
        from airflow_provider_vidu.submission.driver import SubmitLater
        from airflow_provider_vidu.waiting.wait import hints_of, wait_for_end

        began = time.time() if resumed is None else resumed.began
        self._read_rendered()
        try:
            self._check_settings()
            with self._client() as client:
                submission = self._submission(context, client, resumed)
                task = submission.submit(lambda: self._wire(context["ti"].map_index), picture=self.images)
                show(self, task)
                self._stop_if_killed(context, client, task.task_id)
                if not self.wait_for_completion:
                    submission.note_returned()
                    return hand_over(self, context, task, images=self.images)
                submitted_at = submission.record.attempted_at if submission.record else began
                # A record that a person has written tells no time; the task does.
                hints = hints_of(task, submitted_at=submitted_at or None)
                end_time = began + self._seconds(off_peak=hints.off_peak)
                if not self.deferrable or task.is_final:
                    try:
                        task = wait_for_end(
                            client,
                            task,
                            hints=hints,
                            end_time=end_time,
                            poll_interval=self.poll_interval,
                            log=self.log,
                            stop=lambda: self._stop_if_killed(context, client, task.task_id),
                        )
                    except ViduStillRunningError as error:
                        raise error if self._killed else self._at_the_deadline(client, submission, error) from None
                    except ViduError:
                        # The looks failed for good, not the task: whoever mends the cause wants to wait on for it.
                        submission.note_left_running()
                        raise
                    return self._finish(context, client, submission, task)
        except SubmitLater as later:
            self._defer_submission(context, later)
        except ViduError as error:
            metrics.failed(error, self.model)
            if isinstance(error, ViduInputError) and (resumed is not None or context["ti"].try_number > 1):
                error.advice = _input_advice_after_submission()
            raise_for_airflow(error)
        return self._defer(context, task.task_id, task.record(), hints.to_json(), end_time)

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
        if not self._is_still(try_number, context):
            # Airflow 3.0 resumes a retry where the failed try had resumed, with its event, instead of running it.
            return self.execute(context)
        from airflow_provider_vidu.api.errors import (
            ViduConfigurationError,
            ViduError,
            ViduInputError,
            ViduNoCreationError,
            ViduRateLimitError,
            ViduRequestError,
            ViduStillRunningError,
            ViduUnavailableError,
        )
        from airflow_provider_vidu.api.tasks import ViduTask
        from airflow_provider_vidu.compat import state_store
        from airflow_provider_vidu.exceptions import raise_for_airflow
        from airflow_provider_vidu.reporting import metrics
        from airflow_provider_vidu.reporting.lineage import show
        from airflow_provider_vidu.waiting.wait import Next, after_resuming, waited, with_what_a_clear_does

        event = event if isinstance(event, Mapping) else {}
        self._read_rendered()
        try:
            with self._client() as client:
                submission = self._submission(context, client)
                record = submission.load()
                # dag.test() drops the arguments of defer(): the record has the id too, and the event at the worst.
                task_id = task_id or (record.task_id if record else None) or event.get("task_id")
                if task_id is None:
                    raise ViduError("The task was resumed without a Vidu task id.", advice="Clear this task.")
                self._check_settings()
                known_task = ViduTask.model_validate({"model": self.model, **(known or {}), "task_id": task_id})
                if record is not None and record.task_id == task_id:
                    known_task = known_task.filled_from(record.as_task())
                submission.note_submitted(known_task)
                show(self, known_task)
                try:
                    task = waited(client, known_task, event)
                except (ViduStillRunningError, ViduUnavailableError, ViduRateLimitError) as error:
                    then = after_resuming(event, task_id, end_time, time.time())
                    if then is Next.GIVE_UP:
                        submission.note_left_running()
                        raise
                    if then is Next.WAIT_ON and end_time is not None:
                        self.log.warning("Waiting on for Vidu task %s: %s", task_id, error.message)
                        self._defer(context, task_id, known_task.record(), hints or {}, end_time)
                    if isinstance(error, ViduStillRunningError):
                        raise self._at_the_deadline(client, submission, error) from None
                    submission.note_left_running()
                    raise
                except (ViduRequestError, ViduConfigurationError) as error:
                    if error.http_status is not None:
                        # The query was refused for good; the task has not failed.
                        submission.note_left_running()
                    raise
                except ViduNoCreationError as error:
                    remembered = self.durable and state_store(context) is not None
                    raise with_what_a_clear_does(error, remembered=remembered) from None
                return self._finish(context, client, submission, task)
        except ViduError as error:
            metrics.failed(error, self.model)
            if isinstance(error, ViduInputError):
                error.task_id = error.task_id or task_id
                error.advice = _input_advice_after_submission()
            raise_for_airflow(error)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """
        Tell OpenLineage what was made of what; see ``lineage.openlineage_facets``.

        :param task_instance: Airflow's.
        """
        from airflow_provider_vidu.reporting.lineage import openlineage_facets

        return openlineage_facets(self.images, self.delivered)

    # -- steps ------------------------------------------------------------------------------------------------

    def _submission(self, context: Context, client: ViduClient, resumed: Resumed | None = None) -> Submission:
        from airflow_provider_vidu.submission.driver import Submission

        return Submission.of(
            context,
            client,
            self._policies(),
            resumed=resumed,
            is_delivered=self._is_delivered,
            sleep=self._sleep_unless_killed,
            log=self.log,
        )

    def _is_delivered(self, task: ViduTask) -> bool | None:
        if not (self.wait_for_completion and self.output_path):
            return None
        return self._wanted(self.output_path).is_landed(task)

    def _wire(self, map_index: int | None) -> dict[str, Any]:
        """Check what has to be right before anything is paid for, and return the request."""
        from airflow_provider_vidu.api.fields import require
        from airflow_provider_vidu.images import wire_of

        require("images", self.images)
        self._check_time_to_wait()
        if self.output_path is not None and self.wait_for_completion:
            self._wanted(self.output_path).check(model=self.model)
            if (map_index or 0) > 0:
                self._check_own_name()
        fields = {name: getattr(self, name) for name in REQUEST_FIELDS}
        return wire_of(fields, self.extra_params, self.log)

    def _check_settings(self) -> None:
        from airflow_provider_vidu.api.errors import ViduInputError
        from airflow_provider_vidu.api.fields import without_unset

        super()._check_settings()
        if self.land_watermarked and self.output_path and not (self.watermark or self.extra_params):
            raise ViduInputError("land_watermarked needs watermark=True: else Vidu makes no watermarked copy.")
        if isinstance(self.extra_params, str):
            try:
                self.extra_params = json.loads(self.extra_params or "null")
            except ValueError:
                raise ViduInputError("extra_params must be a dict, or a string that holds a JSON object.") from None
        if self.extra_params is not None and not isinstance(self.extra_params, Mapping):
            raise ViduInputError(f"extra_params must be a dict, got {type(self.extra_params).__name__}.")
        self.extra_params = without_unset(self.extra_params)

    def _check_own_name(self) -> None:
        """Refuse a path that all mapped instances share: each video would replace the one before."""
        from airflow_provider_vidu.api.errors import ViduInputError
        from airflow_provider_vidu.landing.destinations import is_shared

        if (dag := self.get_dag()) is None:
            return
        written = dag.task_dict[self.task_id]
        given = getattr(written, "partial_kwargs", None) or vars(written)
        if is_shared(given.get("output_path"), given.get("file_name")):
            place = f"file_name {self.file_name!r} in {self.output_path}" if self.file_name else "output_path"
            raise ViduInputError(
                f"{place} is the same for every mapped instance: each video would replace the one before. Put "
                "{task_id} into file_name, or name the file by the picture."
            )

    def _check_time_to_wait(self) -> None:
        """See the base; one that is short for its model is warned of, since a retry waits on for the same video."""
        from airflow_provider_vidu.api.catalog import MODELS

        super()._check_time_to_wait()
        if self.deferrable or not self.wait_for_completion or self.execution_timeout is None:
            return
        seconds = self.execution_timeout.total_seconds()
        model = MODELS.get(str(self.model).strip())
        if model and seconds < model.typical:
            self.log.warning(
                "execution_timeout is %.0f s and %s usually takes about %.0f s: this try may end before the video is "
                "there. A retry waits on for the same video.",
                seconds,
                model.name,
                model.typical,
            )

    def _defer(
        self, context: Context, task_id: str, known: dict[str, Any], hints: Mapping[str, Any], end_time: float
    ) -> NoReturn:
        from airflow_provider_vidu.triggers.task import wait_in_triggerer

        wait_in_triggerer(
            self,
            task_id,
            vidu_conn_id=self.vidu_conn_id,
            end_time=end_time,
            poll_interval=self.poll_interval,
            cancel_on_kill=self.cancel_on_kill,
            hints=hints,
            known=known,
            try_number=context["ti"].try_number,
        )

    def _finish(self, context: Context, client: ViduClient, submission: Submission, task: ViduTask) -> dict[str, Any]:
        from airflow_provider_vidu.api.errors import Fate, ViduLandingError, ViduNoCreationError
        from airflow_provider_vidu.compat import state_store
        from airflow_provider_vidu.landing.land import land_all
        from airflow_provider_vidu.reporting import metrics
        from airflow_provider_vidu.reporting.lineage import hand_over
        from airflow_provider_vidu.waiting.wait import (
            ended_line,
            seconds_of,
            sleep_in_slices,
            video_of,
            with_what_a_clear_does,
        )

        def sleep(seconds: float) -> None:
            sleep_in_slices(seconds, lambda: self._stop_if_killed(context, client, task.task_id))

        try:
            task = video_of(client, task, sleep=sleep)
        except ViduNoCreationError as error:
            # The record stays as it is: the video may exist, and a clear must not pay for another one.
            remembered = self.durable and state_store(context) is not None
            raise with_what_a_clear_does(error, remembered=remembered) from None
        try:
            files = land_all(client, task, self._wanted(self.output_path), log=self.log) if self.output_path else []
        except ViduLandingError as error:
            if not self.durable:
                error.fate = Fate.PERMANENT
                error.advice = (
                    "The video is paid for and safe at Vidu. A retry would pay for another one (durable=False): fetch "
                    f"it with ViduHook().download({task.task_id!r}, path)."
                )
            raise
        submission.note_returned()
        seconds = seconds_of(task, submission.record.attempted_at if submission.record else None, time.time())
        self.log.info("%s", ended_line(task, seconds, files))
        metrics.completed(task.model, task.credits, seconds)
        return hand_over(self, context, task, files, images=self.images)

    def _at_the_deadline(self, client: ViduClient, submission: Submission, error: ViduError) -> ViduError:
        from airflow_provider_vidu.waiting.wait import cancelled

        if self.cancel_on_timeout and error.task_id and cancelled(client, error.task_id, self.log):
            anew = submission.note_cancelled()
            error.advice = f"It was cancelled at Vidu (cancel_on_timeout) and is not billed; {anew}."
            return error
        submission.note_left_running()
        return error

    def _stop_if_killed(self, context: Context, client: ViduClient, task_id: str) -> None:
        if not self._killed:
            return
        from airflow_provider_vidu.api.errors import ViduStillRunningError
        from airflow_provider_vidu.submission.kill_guard import ended_by_user, is_forgotten
        from airflow_provider_vidu.waiting.wait import cancelled

        outcome = "It was left running; a retry re-attaches to it."
        try:
            if self.cancel_on_kill and ended_by_user(context["ti"]):
                done = cancelled(client, task_id, self.log)
                outcome = f"A user has ended this task: it was {'cancelled' if done else 'not cancelled'} at Vidu."
            elif self.cancel_on_kill and is_forgotten(context["ti"], client):
                done = cancelled(client, task_id, self.log)
                outcome = (
                    "A user has cleared this task, which may discard its state, and this host has no task list: it was "
                    f"{'cancelled' if done else 'not cancelled, and is billed when it succeeds,'} at Vidu."
                )
        except Exception as error:
            outcome = f"It was left running, since Airflow does not tell why this task ends ({error})."
        raise ViduStillRunningError("The task was told to stop while it waited.", task_id=task_id, advice=outcome)


def _input_advice_after_submission() -> str:
    from airflow_provider_vidu.compat import clear_this_task

    return (
        "Nothing was sent to Vidu just now. What was submitted before, if anything, goes on and is billed when it "
        f"succeeds; its video stays at Vidu. Fix this, then {clear_this_task()}: it is found again."
    )
