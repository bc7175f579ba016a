# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Operator and sensor as objects: parsing does no work, and a resumed worker does not trust the event."""

from __future__ import annotations

import inspect
import pickle
from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    TaskDeferred,
)
from airflow.sdk import DAG, Asset

from airflow_provider_vidu.api.errors import ViduLandingError, ViduStillRunningError
from airflow_provider_vidu.api.img2video import Img2VideoRequest
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.operators.img2video import Img2VideoOperator
from airflow_provider_vidu.sensors.task import ViduTaskSensor
from airflow_provider_vidu.submission import cancel_on_kill
from airflow_provider_vidu.submission.cancel_on_kill import Standing
from airflow_provider_vidu.transport import timing

pytestmark = pytest.mark.usefixtures("clock")

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1, "prompt": "p"}


def operator(**settings):
    return Img2VideoOperator(**{"task_id": "t", **FIELDS, **settings})


def test_operator_has_and_templates_every_request_field():
    assert set(Img2VideoOperator.request_fields) == set(Img2VideoRequest.model_fields)
    parameters = inspect.signature(Img2VideoOperator.__init__).parameters
    assert set(Img2VideoOperator.request_fields) <= set(parameters)
    assert set(Img2VideoOperator.request_fields) <= set(Img2VideoOperator.template_fields)


def test_templated_fields_are_not_checked_in_init():
    made = operator(images="{{ nothing }}", duration="{{ params.x }}", model="{{ y }}", meta_data="{{ z }}")
    assert made.duration == "{{ params.x }}"


@pytest.mark.parametrize("policy", ["on_unknown", "on_input_change"])
def test_unknown_policy_is_rejected_at_parse_time(policy):
    with pytest.raises(ValueError, match=policy):
        operator(**{policy: "retry"})


def test_dags_that_use_them_serialize():
    from airflow.sdk import DAG

    with DAG("d", schedule=None) as dag:
        submit = operator(wait_for_completion=False)
        ViduTaskSensor(task_id="wait", vidu_task=submit.output)
        ViduTaskSensor.partial(task_id="mapped").expand(vidu_task=submit.output)
        Img2VideoOperator.partial(task_id="many", prompt="x").expand(images=["a.png", "b.png"])
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    except ImportError:
        from airflow.serialization.serialized_objects import SerializedDAG as Serialization
    assert "Img2VideoOperator" in str(Serialization.to_dict(dag))
    assert pickle.dumps(operator())


def deferral(made, context) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as raised:
        made.execute(context)
    return raised.value


def test_deferral_is_small_and_contains_no_key(vidu_emulator, runtime_context, store):
    deferred = deferral(operator(deferrable=True, prompt="[emulator:seconds=60]"), runtime_context(store))
    _, kwargs = deferred.trigger.serialize()
    travelling = f"{kwargs}{deferred.kwargs}"
    assert vidu_emulator.api_key not in travelling
    assert len(travelling) < 1500
    assert kwargs["vidu_task_ids"] == [vidu_emulator.tasks[0].task_id]


def test_airflows_trigger_timeout_is_later_than_ours(vidu_emulator, runtime_context, store):
    settings = {"deferrable": True, "prompt": "[emulator:seconds=60]", "timeout": 100}
    deferred = deferral(operator(**settings), runtime_context(store))
    assert deferred.trigger.end_time - timing.now() == pytest.approx(100, abs=5)
    assert deferred.timeout > timedelta(seconds=100)


def test_execution_timeout_bounds_a_deferred_wait(vidu_emulator, runtime_context, store):
    settings = {"prompt": "[emulator:seconds=60]", "execution_timeout": timedelta(seconds=30)}
    deferred = deferral(operator(deferrable=True, **settings), runtime_context(store))
    assert deferred.trigger.end_time - timing.now() == pytest.approx(30, abs=5)


def resumed(deferred, made, context, event):
    return made.execute_complete(context, event=event, **deferred.kwargs)


def test_resuming_twice_with_the_same_event_gives_the_same_result(vidu_emulator, runtime_context, store, tmp_path):
    settings = {"deferrable": True, "output_path": f"{tmp_path}/", "prompt": "[emulator:seconds=60]"}
    deferred = deferral(operator(**settings), runtime_context(store))
    vidu_emulator.skip(61)
    ViduHook().wait_for_task(deferred.kwargs["task_id"])
    event = {"status": "success", "task_id": deferred.kwargs["task_id"]}
    one, two = (resumed(deferred, operator(**settings), runtime_context(store), event) for _ in range(2))
    assert one["files"] == two["files"]
    assert one["task_id"] == two["task_id"]
    assert len(list(tmp_path.iterdir())) == 1
    assert vidu_emulator.counters.submissions == 1


def submitted_and_died(vidu, context):
    """A try whose worker died while it waited, and whose video is ready."""
    with pytest.raises(TaskDeferred) as raised:
        operator(deferrable=True, prompt="[emulator:seconds=60]").execute(context)
    vidu.skip(61)
    return raised.value.kwargs["task_id"]


@pytest.mark.parametrize("images", [None, "None", "/gone/cat.png"])
def test_paid_video_is_delivered_without_its_picture(vidu_emulator, runtime_context, store, images):
    task_id = submitted_and_died(vidu_emulator, runtime_context(store))
    made = operator(prompt="[emulator:seconds=60]", images=images)
    assert made.execute(runtime_context(store, try_number=2))["task_id"] == task_id
    assert vidu_emulator.counters.submissions == 1


def test_destination_that_breaks_after_payment_is_retried(vidu_emulator, runtime_context, store, tmp_path):
    task_id = submitted_and_died(vidu_emulator, runtime_context(store))
    (tmp_path / "videos").write_text("an unmounted share")
    made = operator(prompt="[emulator:seconds=60]", output_path=f"{tmp_path}/videos/")
    with pytest.raises(ViduLandingError, match=f"{task_id}") as raised:
        made.execute(runtime_context(store, try_number=2))
    assert "nothing is billed" not in str(raised.value)
    (tmp_path / "videos").unlink()
    assert made.execute(runtime_context(store, try_number=3))["task_id"] == task_id
    assert vidu_emulator.counters.submissions == 1


def test_setting_that_breaks_after_payment_denies_no_bill(vidu_emulator, runtime_context, store):
    made = operator(prompt="[emulator:seconds=60]", deferrable=True)
    deferred = deferral(made, runtime_context(store))
    broken = operator(prompt="[emulator:seconds=60]", deferrable=True, max_credits="plenty")
    event = {"status": "success", "task_id": deferred.kwargs["task_id"]}
    for act in (
        lambda: broken.execute(runtime_context(store, try_number=2)),
        lambda: resumed(deferred, broken, runtime_context(store), event),
    ):
        with pytest.raises(AirflowFailException, match="max_credits") as raised:
            act()
        assert "nothing is billed" not in str(raised.value)
        assert "billed" in str(raised.value)


@pytest.mark.parametrize(
    ("place", "is_refused"),
    [
        ({"file_name": "video"}, True),
        ({"output_path": "{folder}/cat.mp4"}, True),
        ({"file_name": "video-{task_id}"}, False),
        ({"file_name": "{{ ti.map_index }}"}, False),
        ({}, False),
    ],
)
def test_mapped_videos_never_replace_each_other(vidu_emulator, runtime_context, store, tmp_path, place, is_refused):
    place = {"output_path": f"{tmp_path}/", **place}
    place["output_path"] = place["output_path"].format(folder=tmp_path)
    fields = {name: value for name, value in FIELDS.items() if name != "images"}
    with DAG("d", schedule=None) as dag:
        Img2VideoOperator.partial(task_id="t", **fields, **place).expand(images=["a", "b"])
    made = dag.task_dict["t"].unmap({"images": FIELDS["images"], **place})
    made.file_name = made.file_name and made.file_name.replace("{{ ti.map_index }}", "1")
    context = runtime_context(store, map_index=1)
    if is_refused:
        with pytest.raises(AirflowFailException, match="the same for every mapped instance"):
            made.execute(context)
        assert vidu_emulator.counters.submissions == 0
    else:
        assert made.execute(context)["files"]


@pytest.mark.parametrize(
    ("settings", "remembered"), [({}, True), ({"deferrable": True}, True), ({"durable": False}, False)], ids=str
)
def test_success_without_a_link_pays_once(vidu_emulator, runtime_context, store, monkeypatch, settings, remembered):
    monkeypatch.setattr("airflow_provider_vidu.waiting.wait.EMPTY_GAP", 0.0)
    # Behave as Airflow 3.4 does, whichever release this is: the advice must name the box.
    monkeypatch.setattr("airflow_provider_vidu.compat.clear_discards_state", lambda: True)
    made = operator(**settings, prompt="[emulator:no-creation:1000][emulator:seconds=1]")

    def run(**instance):
        context = runtime_context(store, **instance)
        deferred = deferral(made, context) if made.deferrable and not instance else None
        vidu_emulator.skip(60)
        with pytest.raises(AirflowFailException) as raised:
            resumed(deferred, made, context, {"status": "success"}) if deferred else made.execute(context)
        return str(raised.value)

    text = run()
    assert "Check the task at the host" in text
    if not remembered:
        assert text.endswith("A retry or clear of this task would pay again (durable=False).")
        return
    assert text.endswith(
        "A retry of this task, or a clear with *Keep task state*, queries it again and submits nothing for it."
    )
    assert store.values["vidu_submission"]["phase"] == "submitted"
    run(try_number=2, max_tries=5)
    assert vidu_emulator.counters.submissions == 1


def test_event_about_another_task_is_ignored(vidu_emulator, runtime_context, store):
    settings = {"deferrable": True, "prompt": "[emulator:seconds=60]"}
    deferred = deferral(operator(**settings), runtime_context(store))
    with pytest.raises(TaskDeferred) as raised:
        resumed(deferred, operator(**settings), runtime_context(store), {"status": "success", "task_id": "1"})
    again, first = raised.value.trigger, deferred.trigger
    # Except for the delay of its event, which is counted from each deferral.
    assert {**again.serialize()[1], "not_before": 0} == {**first.serialize()[1], "not_before": 0}


def test_task_left_at_the_deadline_is_continued_by_a_clear(vidu_emulator, runtime_context, store):
    settings = {"deferrable": True, "prompt": "[emulator:seconds=60]"}
    deferred = deferral(operator(**settings), runtime_context(store))
    with pytest.raises(ViduStillRunningError, match="left running"):
        resumed(deferred, operator(**settings), runtime_context(store), {"status": "timeout", "task_id": None})
    again = deferral(operator(**settings), runtime_context(store, try_number=2, max_tries=5))
    assert again.kwargs["task_id"] == deferred.kwargs["task_id"]
    assert vidu_emulator.counters.requests["cancel"] == 0
    assert vidu_emulator.counters.submissions == 1


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
def test_cancel_on_timeout_lets_a_retry_submit_again(vidu_emulator, runtime_context, store):
    settings = {"timeout": 0.5, "cancel_on_timeout": True}
    with pytest.raises(ViduStillRunningError, match=r"cancelled at Vidu .* a retry submits again"):
        operator(**settings).execute(runtime_context(store))
    assert vidu_emulator.counters.cancels_accepted == 1
    assert (vidu_emulator.ledger.reserved, vidu_emulator.ledger.refunded) == (0, 8)
    with pytest.raises(ViduStillRunningError):
        operator(**settings).execute(runtime_context(store, try_number=2))
    assert vidu_emulator.counters.submissions == 2


def test_execution_timeout_in_a_worker_leaves_time_for_the_error(vidu_emulator, runtime_context, store):
    settings = {"prompt": "[emulator:seconds=60]", "execution_timeout": timedelta(seconds=5.3)}
    with pytest.raises(ViduStillRunningError, match="left running"):
        operator(**settings).execute(runtime_context(store))
    assert store.values["vidu_submission"]["keep_running"] is True


@pytest.mark.parametrize("try_number", [1, 2])
def test_too_short_timeout_is_rejected_only_before_payment(vidu_emulator, runtime_context, store, try_number):
    short = operator(execution_timeout=timedelta(seconds=5))
    with pytest.raises(AirflowFailException, match="leaves no time to wait"):
        short.execute(runtime_context(store, try_number=try_number))
    assert vidu_emulator.counters.submissions == 0
    task_id = submitted_and_died(vidu_emulator, runtime_context(store))
    changed = operator(prompt="[emulator:seconds=60]", execution_timeout=timedelta(seconds=5))
    assert changed.execute(runtime_context(store, try_number=try_number + 1))["task_id"] == task_id


def test_a_trigger_that_gave_up_is_no_deadline(vidu_emulator, runtime_context, store):
    settings = {"deferrable": True, "prompt": "[emulator:seconds=60]", "cancel_on_timeout": True}
    deferred = deferral(operator(**settings), runtime_context(store))
    event = {"status": "error", "task_id": deferred.kwargs["task_id"], "message": "Vidu answered 401"}
    with pytest.raises(ViduStillRunningError, match="401"):
        resumed(deferred, operator(**settings), runtime_context(store), event)
    assert vidu_emulator.counters.requests["cancel"] == 0
    again = deferral(operator(**settings), runtime_context(store, try_number=2, max_tries=5))
    assert again.kwargs["task_id"] == deferred.kwargs["task_id"]


@pytest.mark.parametrize("status", [400, 401, 404])
def test_refused_query_after_resuming_loses_no_task(vidu_emulator, runtime_context, store, monkeypatch, status):
    monkeypatch.setattr("airflow_provider_vidu.waiting.wait.REFUSAL_GAP", 0.0)
    settings = {"deferrable": True, "prompt": "[emulator:seconds=60]"}
    deferred = deferral(operator(**settings), runtime_context(store))
    vidu_emulator.faults.add("poll", Fault.refuse(status, times=3))
    with pytest.raises(AirflowFailException, match="was submitted and may be billed"):
        resumed(deferred, operator(**settings), runtime_context(store), {"status": "success"})
    again = deferral(operator(**settings), runtime_context(store, try_number=2, max_tries=5))
    assert again.kwargs["task_id"] == deferred.kwargs["task_id"]
    assert vidu_emulator.counters.requests["cancel"] == 0
    assert vidu_emulator.counters.submissions == 1


@pytest.mark.parametrize("event", [{"status": "success"}, ["not", "ours"], "text", None])
def test_foreign_event_before_the_deadline_continues_the_wait(vidu_emulator, runtime_context, store, event):
    settings = {"deferrable": True, "prompt": "[emulator:seconds=60]"}
    deferred = deferral(operator(**settings), runtime_context(store))
    with pytest.raises(TaskDeferred):
        resumed(deferred, operator(**settings), runtime_context(store), event)
    made = sensor(vidu_task=deferred.kwargs["task_id"])
    waiting = deferral(made, runtime_context())
    with pytest.raises(TaskDeferred):
        made.execute_complete(runtime_context(), event=event, **waiting.kwargs)


def test_outage_at_the_last_query_skips_no_paid_task(vidu_emulator, runtime_context, store, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.client.GET_ATTEMPTS", 1)
    made = sensor(vidu_task=ViduHook().submit({**FIELDS, "prompt": "[emulator:seconds=60]"}).task_id, soft_fail=True)
    waiting = deferral(made, runtime_context())
    vidu_emulator.faults.add("poll", Fault.refuse(503, times=None))
    with pytest.raises(TaskDeferred):
        made.execute_complete(runtime_context(), event={"status": "success"}, **waiting.kwargs)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": -5}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"timeout": 1e15}, "timeout"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"poll_interval": []}, "poll_interval"),
        ({"extra_params": "x"}, "extra_params"),
        ({"extra_params": "[1]"}, "extra_params"),
        ({"output_path": "nosuch://bucket/"}, "output_path"),
        ({"output_path": True}, "output_path"),
        ({"execution_timeout": timedelta(seconds=4)}, "execution_timeout .* leaves no time to wait"),
    ],
)
def test_invalid_setting_is_rejected_before_payment(vidu_emulator, runtime_context, store, settings, named):
    with pytest.raises(AirflowFailException, match=named):
        operator(**settings).execute(runtime_context(store))
    assert vidu_emulator.counters.requests["submit"] == 0


def test_settings_may_be_timedeltas_and_rendered_json(vidu_emulator, runtime_context, store):
    settings = {
        "timeout": timedelta(seconds=30),
        "poll_interval": timedelta(seconds=0.1),
        "extra_params": '{"duration": 2}',
    }
    assert operator(**settings).execute(runtime_context(store))["state"] == "success"
    assert vidu_emulator.tasks[0].request.duration == 2


def test_single_refused_query_does_not_end_a_sensor(vidu_emulator, runtime_context, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.waiting.wait.REFUSAL_GAP", 0.0)
    task_id = ViduHook().submit({**FIELDS, "prompt": "[emulator:seconds=60]"}).task_id
    vidu_emulator.faults.add("poll", Fault.refuse(403, times=2))
    assert sensor(vidu_task=task_id, deferrable=False).poke(runtime_context()) is False
    assert deferral(sensor(vidu_task=task_id), runtime_context())
    made = sensor(vidu_task=task_id, deferrable=False)
    # Each poke tolerates two refusals.
    vidu_emulator.faults.add("poll", Fault.refuse(403, times=9))
    assert [made.poke(runtime_context()) for _ in range(2)] == [False, False]
    with pytest.raises(AirflowFailException, match="403"):
        made.poke(runtime_context())


def test_without_its_arguments_a_resumed_task_still_knows_its_id(vidu_emulator, runtime_context, store):
    deferred = deferral(operator(deferrable=True, prompt="[emulator:seconds=60]"), runtime_context(store))
    vidu_emulator.skip(61)
    ViduHook().wait_for_task(deferred.kwargs["task_id"])
    record = operator().execute_complete(runtime_context(store), event=None)
    assert record["task_id"] == deferred.kwargs["task_id"]
    assert record["model"] == "viduq2-turbo"


def test_finished_task_is_not_deferred(vidu_emulator, runtime_context, store):
    hook = ViduHook()
    first = hook.submit_once(runtime_context(store), FIELDS)
    hook.wait_for_task(first)
    record = operator(deferrable=True).execute(runtime_context(store, try_number=2))
    assert record["task_id"] == first.task_id


def test_a_kill_of_a_waiting_worker_never_ends_in_success(vidu_emulator, runtime_context, store, monkeypatch):

    monkeypatch.setattr(cancel_on_kill, "get_standing", lambda instance: Standing.UNKNOWN)
    made = operator(prompt="[emulator:seconds=60]")
    made.on_kill()
    with pytest.raises(ViduStillRunningError, match="told to stop"):
        made.execute(runtime_context(store))
    assert vidu_emulator.counters.requests["cancel"] == 0


def test_kill_is_noticed_while_fetching_the_result(vidu_emulator, runtime_context, store, monkeypatch):
    """A kill during the pauses of the last query keeps the record, so that a retry fetches the result."""
    from airflow_provider_vidu.waiting import wait as waiting

    monkeypatch.setattr(cancel_on_kill, "get_standing", lambda instance: Standing.UNKNOWN)
    monkeypatch.setattr(waiting, "EMPTY_GAP", 0.01)
    first = operator(wait_for_completion=False, prompt="[emulator:no-creation:2]").execute(runtime_context(store))
    vidu_emulator.skip(1000)
    store.values["vidu_submission"]["phase"] = "submitted"
    made = operator(prompt="[emulator:no-creation:2]")
    query = waiting.query_paid_task

    def query_and_kill(*arguments, **options):
        task = query(*arguments, **options)
        made.on_kill()
        return task

    monkeypatch.setattr(waiting, "query_paid_task", query_and_kill)
    with pytest.raises(ViduStillRunningError, match="told to stop"):
        made.execute(runtime_context(store, try_number=2))
    assert store.values["vidu_submission"]["phase"] == "submitted"
    assert vidu_emulator.counters.requests["cancel"] == 0
    monkeypatch.setattr(waiting, "query_paid_task", query)
    again = operator(prompt="[emulator:no-creation:2]").execute(runtime_context(store, try_number=3))
    assert again["task_id"] == first["task_id"]
    assert vidu_emulator.counters.submissions == 1


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
def test_a_shutdown_is_no_deadline(vidu_emulator, runtime_context, store, monkeypatch):
    """SIGTERM of a worker cancels nothing, unlike the deadline, and does not bind a later clear."""

    monkeypatch.setattr(cancel_on_kill, "get_standing", lambda instance: Standing.UNKNOWN)
    made = operator(cancel_on_timeout=True)
    made.on_kill()
    with pytest.raises(ViduStillRunningError, match="told to stop"):
        made.execute(runtime_context(store))
    assert vidu_emulator.counters.requests["cancel"] == 0
    assert store.values["vidu_submission"]["keep_running"] is False


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
def test_user_ending_a_waiting_worker_gets_a_refund(vidu_emulator, runtime_context, store, monkeypatch):

    monkeypatch.setattr(cancel_on_kill, "get_standing", lambda instance: Standing.OVER)
    made = operator()
    made.on_kill()
    with pytest.raises(ViduStillRunningError, match="the Vidu task was cancelled"):
        made.execute(runtime_context(store))
    assert (vidu_emulator.ledger.reserved, vidu_emulator.ledger.refunded) == (0, 8)


def sensor(**settings):
    return ViduTaskSensor(**{"task_id": "s", "deferrable": True, **settings})


@pytest.mark.parametrize("given", [902581991298326528, "902581991298326528", {"task_id": "902581991298326528"}])
def test_sensor_accepts_number_string_or_record(given):
    assert sensor(vidu_task=given)._execution().parse_task().task_id == "902581991298326528"


@pytest.mark.parametrize("given", [None, "", {}, [], True, {"state": "created"}])
def test_sensor_rejects_non_tasks_permanently(given):
    with pytest.raises(AirflowFailException, match=r"vidu_task (must be|is required)"):
        sensor(vidu_task=given)._execution().parse_task()


def test_sensors_default_poke_interval_does_not_affect_deferred_waits(vidu_emulator, runtime_context):
    task_id = ViduHook().submit({**FIELDS, "prompt": "[emulator:seconds=60]"}).task_id
    assert deferral(sensor(vidu_task=task_id), runtime_context()).trigger.poll_interval is None
    assert deferral(sensor(vidu_task=task_id, poke_interval=7), runtime_context()).trigger.poll_interval == 7
    assert deferral(sensor(vidu_task=task_id), runtime_context()).trigger.cancel_on_kill is False


def test_sensor_raises_airflows_timeout_at_its_deadline(vidu_emulator, runtime_context):
    made = sensor(vidu_task=ViduHook().submit({**FIELDS, "prompt": "[emulator:seconds=60]"}).task_id)
    deferred = deferral(made, runtime_context())
    with pytest.raises(AirflowSensorTimeout):
        made.execute_complete(runtime_context(), event={"status": "timeout"}, **deferred.kwargs)


def test_sensor_passes_the_record_to_an_ending_trigger(vidu_emulator, runtime_context):
    record = ViduHook().submit({**FIELDS, "prompt": "[emulator:seconds=60]"}).record()
    made = sensor(vidu_task=record, end_from_trigger=True)
    kwargs = deferral(made, runtime_context()).trigger.serialize()[1]
    assert kwargs["end_task"] is True
    assert kwargs["known"]["model"] == FIELDS["model"]
    assert deferral(sensor(vidu_task=record), runtime_context()).trigger.end_task is False
    quiet = sensor(vidu_task=record, end_from_trigger=True, do_xcom_push=False)
    assert deferral(quiet, runtime_context()).trigger.known is None


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"deferrable": False}, "deferrable"),
        ({"outlets": [Asset("s3://videos/cat")]}, "outlets"),
        ({"multiple_outputs": True}, "multiple_outputs"),
    ],
)
def test_impossible_end_from_trigger_is_rejected_at_parse_time(settings, named):
    with pytest.raises(ValueError, match=named):
        sensor(vidu_task="1", end_from_trigger=True, **settings)


def test_the_log_says_what_was_submitted(vidu_emulator, runtime_context, capsys):
    operator(prompt="The cat yawns", wait_for_completion=False).execute(runtime_context())
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "Submitted" in line]
    assert "Model viduq2-turbo, picture a.png, prompt The cat yawns." in line


def test_a_listener_gets_its_success_from_a_worker(vidu_emulator, runtime_context, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.compat.is_success_listened_to", lambda: True)
    task_id = ViduHook().submit({**FIELDS, "prompt": "[emulator:seconds=60]"}).task_id
    assert deferral(sensor(vidu_task=task_id, end_from_trigger=True), runtime_context()).trigger.end_task is False


def test_a_callback_gets_its_success_from_a_worker(vidu_emulator, runtime_context):
    task_id = ViduHook().submit({**FIELDS, "prompt": "[emulator:seconds=60]"}).task_id
    made = sensor(vidu_task=task_id, end_from_trigger=True, on_success_callback=lambda context: None)
    assert deferral(made, runtime_context()).trigger.end_task is False


def test_only_listeners_for_task_success_count():
    from airflow.listeners import hookimpl

    try:
        from airflow.sdk.listener import get_listener_manager
    except ImportError:
        from airflow.listeners.listener import get_listener_manager

    from airflow_provider_vidu import compat

    class Success:
        @hookimpl
        def on_task_instance_success(self, previous_state, task_instance): ...

    class Running:
        @hookimpl
        def on_task_instance_running(self, previous_state, task_instance): ...

    manager = get_listener_manager()
    for listener, listened_to in ((Running(), False), (Success(), True)):
        manager.pm.register(listener)
        try:
            assert compat.is_success_listened_to() is listened_to
        finally:
            manager.pm.unregister(listener)


def test_airflow_imports_the_sensor_where_listeners_are_installed():
    """With a listener installed, Airflow refuses a DAG with a task that has a true attribute of this name."""
    assert not getattr(sensor(vidu_task="1", end_from_trigger=True), "end_from_trigger", False)


def test_end_from_trigger_resumes_with_its_own_event(vidu_emulator, runtime_context):
    """dag.test() runs the trigger itself, and resumes the task with the event that would have ended it."""
    task_id = ViduHook().submit(FIELDS).task_id
    ViduHook().wait_for_task(task_id)
    made = sensor(vidu_task=task_id, end_from_trigger=True)
    assert made.execute_complete(runtime_context(), event="success")["task_id"] == task_id
