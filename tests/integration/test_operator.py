# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator through Airflow: every way of waiting gives the same record, and no fault pays twice."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version
from PIL import Image

from airflow_provider_vidu.emulator import Fault

IMAGE = Path(__file__).resolve().parents[2] / "dags_examples" / "images" / "city_dusk.jpg"
DAG_ID = "operator_by_conf"
HAS_STATE_STORE = Version(version("apache-airflow")) >= Version("3.3")
WAITING = ("in_worker", "deferred")
# Before 3.1.1 Airflow resumes a retry where the failed try had resumed. dag.test() drops the argument to detect that.
KEEPS_NEXT_METHOD = Version(version("apache-airflow")) < Version("3.1.1")


@pytest.fixture
def run(run_dag, vidu_emulator):
    def run(**conf):
        return run_dag(DAG_ID, {"image": str(IMAGE), **conf})

    return run


def test_every_way_of_waiting_gives_the_same_record(run, vidu_emulator, tmp_path):
    result = run(output=f"{tmp_path}/")
    assert result.state == "success"
    records = {task_id: result.xcom(task_id) for task_id in (*WAITING, "submit_only")}
    expected = {"task_id", "state", "model", "credits", "err_code", "payload", "created_at", "creations", "files"}
    expected |= {"index", "id", "labels", "image", "prompt"}
    for record in records.values():
        assert set(record) == expected
        assert record["model"] == "viduq2-turbo"
        assert record["credits"] == 8
    for task_id in WAITING:
        assert records[task_id]["state"] == "success"
        assert set(records[task_id]["creations"][0]) == {"id", "url", "cover_url", "watermarked_url"}
        assert Path(records[task_id]["files"][0]["path"]).read_bytes()[4:8] == b"ftyp"
    assert records["submit_only"]["state"] == "created"
    assert all(records[task_id]["created_at"] for task_id in ("in_worker", "submit_only"))
    # dag.test() drops the arguments of defer(): there only the state store (3.3+) keeps the reply to the submission.
    assert records["deferred"]["created_at"] or not HAS_STATE_STORE
    assert vidu_emulator.counters.submissions == 3
    # The payload contains the marker by which a lost submission is found.
    assert all(task.request.payload.startswith("avp1:") for task in vidu_emulator.tasks)


def test_a_reply_lost_on_the_wire_is_not_paid_twice(run, vidu_emulator):
    vidu_emulator.faults.add("submit", Fault.drop_after_accept(times=3))
    assert run().state == "success"
    assert vidu_emulator.counters.submissions == 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault.rate_limit(retry_after=0.2, times=4),
        Fault.drop_before_accept(times=6),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_a_poll_outage_never_fails_a_wait(run, vidu_emulator, fault):
    # The fault matrix has the other faults, in virtual time. The triggerer polls the list. A resumed worker queries its
    # task four times; in dag.test(), which drops the arguments of a deferral, it cannot continue to wait.
    vidu_emulator.faults.add("list", fault)
    vidu_emulator.faults.add("poll", replace(fault, times=3))
    result = run()
    assert result.state == "success"
    assert set(result.tries().values()) == {1}
    assert vidu_emulator.counters.submissions == 3


def test_a_full_queue_costs_no_airflow_retry(run, vidu_emulator):
    vidu_emulator.faults.add("submit", Fault.rate_limit(reason="QuotaExceeded", retry_after=0.2, times=4))
    result = run()
    assert result.state == "success"
    assert set(result.tries().values()) == {1}


def test_transient_failure_is_retried_and_paid_once(run, vidu_emulator):
    result = run(prompt="[emulator:fail=InternalServiceFailure:1]")
    waited = [task for task in WAITING if task == "in_worker" or not KEEPS_NEXT_METHOD]
    assert {result.states()[task, -1] for task in waited} == {"success"}
    assert {result.tries()[task, -1] for task in waited} == {2}
    # A failed task is not billed, so one generation each remains charged.
    assert vidu_emulator.ledger.charged == 8 * len(waited)


def test_moderation_spends_no_retry_and_gives_advice(run, vidu_emulator, capfd):
    result = run(prompt="[emulator:fail=CreationPolicyViolation]")
    assert {result.states()[task, -1] for task in WAITING} == {"failed"}
    assert {result.tries()[task, -1] for task in WAITING} == {1}
    assert vidu_emulator.counters.submissions == 3
    assert vidu_emulator.ledger.charged == 0
    output = "".join(capfd.readouterr())
    assert "was refused by Vidu's content checks" in output
    assert "Change the prompt or the image" in output


def test_too_few_credits_spend_no_retry(run, vidu_emulator):
    vidu_emulator.faults.add("submit", Fault.refuse(400, reason="CreditInsufficient", times=None))
    result = run()
    assert set(result.states().values()) == {"failed"}
    assert set(result.tries().values()) == {1}
    assert vidu_emulator.counters.submissions == 0


def test_wrong_key_spends_no_retry(run, vidu_emulator, monkeypatch):
    vidu_emulator.faults.add("submit", Fault.refuse(401, times=None))
    result = run()
    assert set(result.states().values()) == {"failed"}
    assert set(result.tries().values()) == {1}


def test_success_without_a_creation_is_queried_again(run, vidu_emulator):
    result = run(prompt="[emulator:no-creation]")
    assert result.state == "success"
    assert result.xcom("deferred")["creations"][0]["url"]


def _small(path: Path, size: tuple[int, int], kind: str) -> str:
    Image.new("RGB", size, (90, 120, 200)).save(path, kind)
    return str(path)


@pytest.mark.parametrize(
    ("conf", "named"),
    [
        ({"duration": 11}, "duration of viduq2-turbo must be 1 to 10 s, got 11"),
        ({"prompt": "x" * 5001}, "prompt: takes at most 5000 characters, got 5001"),
        ({"image": "/nowhere/cat.png"}, "images: /nowhere/cat.png was not found on the worker"),
        ({"image": "data:image/png;base64,####"}, "is not valid base64"),
    ],
)
def test_bad_input_reaches_neither_the_api_nor_a_second_try(run, vidu_emulator, conf, named, capfd):
    result = run(**conf)
    assert set(result.states().values()) == {"failed"}
    assert set(result.tries().values()) == {1}
    assert vidu_emulator.counters.requests["submit"] == 0
    output = "".join(capfd.readouterr())
    assert named in output
    assert "Nothing was sent to Vidu" in output


def test_image_type_comes_from_its_bytes(run, vidu_emulator, tmp_path, capfd):
    result = run(image=_small(tmp_path / "innocent.png", (64, 64), "GIF"))
    assert set(result.states().values()) == {"failed"}
    assert vidu_emulator.counters.requests["submit"] == 0
    assert "is a GIF" in "".join(capfd.readouterr())


def test_a_landing_that_fails_is_retried_without_submitting(run, vidu_emulator, tmp_path):
    vidu_emulator.faults.add("download", Fault.refuse(503, times=5))
    result = run(output=f"{tmp_path}/")
    assert result.state == "success"
    assert vidu_emulator.counters.submissions == 3
    assert len(list(tmp_path.iterdir())) == 2
