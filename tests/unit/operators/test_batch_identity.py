# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Which product is which video: ids and labels from the request to the record, and errors that stop only their item."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from _support.batch_drive import drive
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_vidu.api.errors import ViduError, ViduStillRunningError, ViduUnavailableError
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.execution.batch import BatchExecution
from airflow_provider_vidu.execution.manifest_and_report import ResultFiles, read_manifest
from airflow_provider_vidu.landing.destinations import Wanted
from airflow_provider_vidu.operators.batch import ViduBatchOperator
from airflow_provider_vidu.operators.download import ViduDownloadOperator
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator
from airflow_provider_vidu.sensors.task import ViduTaskSensor
from airflow_provider_vidu.submission.batch.requests import read_requests

pytestmark = pytest.mark.usefixtures("clock")

FIELDS = {"images": "https://me:secret@cdn.example/mug.png?sig=abc", "model": "viduq2-turbo", "duration": 1}
DEEP: Any = []
for _ in range(500):
    DEEP = [DEEP]
BROKEN = {**FIELDS, "images": "data:image/png;base64,AAAA"}


def product(number: int, **more: Any) -> dict[str, Any]:
    return {**FIELDS, "prompt": f"mug {number}", "id": f"MUG-{number}", "labels": {"shop": "Berlin"}, **more}


def operator(requests: Any, **settings: Any) -> Img2VideoBatchOperator:
    return Img2VideoBatchOperator(task_id="t", requests=requests, **{"poll_interval": 0.2, **settings})


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(params=[False, True], ids=["in the worker", "deferred"])
def deferrable(request):
    return request.param


def test_records_say_which_product_they_are(vidu_emulator, runtime_context, store, deferrable, tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    made = operator([product(1), {**FIELDS}], deferrable=deferrable, manifest_path=str(manifest))
    records, _ = drive(made, runtime_context(store))
    assert rows_of(manifest) == records
    assert {name: records[0][name] for name in ("schema_version", "index", "id", "labels", "image", "prompt")} == {
        "schema_version": 1,
        "index": 0,
        "id": "MUG-1",
        "labels": {"shop": "Berlin"},
        "image": "https://cdn.example/mug.png",
        "prompt": "mug 1",
    }
    assert [records[1][name] for name in ("index", "id", "labels", "endpoint")] == [1, None, {}, "img2video"]
    assert "secret" not in json.dumps(records)
    assert vidu_emulator.tasks
    assert not any("MUG-1" in repr(vars(task.request)) for task in vidu_emulator.tasks)


def test_labels_and_ids_do_not_change_what_is_paid_for(vidu_emulator, runtime_context, store):
    drive(operator([product(1), product(2)], on_failure="partial"), runtime_context(store))
    changed = [product(1, id="A", labels={"shop": "Rome"}), product(2, id=None, labels=None)]
    records, _ = drive(operator(changed), runtime_context(store, try_number=2))
    assert [record["id"] for record in records] == ["A", None]
    assert vidu_emulator.counters.submissions == 2


@pytest.mark.parametrize(
    ("requests", "settings", "message"),
    [
        ([product(1), product(1, prompt="other")], {}, "item 1 (MUG-1): id: 'MUG-1' is that of item 0, too"),
        ([product(1, id=True)], {}, "id: must be a text or a whole number, got True"),
        ([product(1, labels=["a"])], {}, "labels: must be a dict of JSON values"),
        ([product(1, sku="M")], {}, "sku: is not a field of Vidu's image-to-video request; a newer field goes into"),
        ([product(1, sku="M")], {}, "a column of your own into labels"),
        (
            [product(1, promt="M")],
            {"labels_from": "rest"},
            "promt: is not a field of Vidu's image-to-video request (pro",
        ),
        ([product(1, subjects="M")], {"labels_from": "rest"}, "subjects: is not a field of"),
        ([product(1)], {"defaults": {"labels": "x"}}, "labels: must be a dict"),
    ],
    ids=str,
)
def test_what_is_no_identity_is_rejected(vidu_emulator, runtime_context, store, requests, settings, message):
    with pytest.raises(AirflowFailException) as raised:
        drive(operator(requests, **settings), runtime_context(store))
    assert message in str(raised.value)
    assert vidu_emulator.counters.submissions == 0


def test_other_columns_of_a_file_become_labels(vidu_emulator, runtime_context, store, tmp_path):
    file = tmp_path / "products.jsonl"
    file.write_text(json.dumps({**FIELDS, "id": 7, "sku": "M", "stock": 3, "labels": {"stock": 4}}))
    made = operator(str(file), defaults={"labels": {"campaign": "spring"}}, labels_from="rest")
    [record], _ = drive(made, runtime_context(store))
    assert record["id"] == "7"
    assert record["labels"] == {"campaign": "spring", "sku": "M", "stock": 4}


def test_invalid_requests_are_errors_of_their_items(vidu_emulator, runtime_context, store, deferrable, tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    requests = [product(0), {**BROKEN, "id": "MUG-1"}, product(2, sku="x"), "no dict", product(4)]
    made = operator(
        requests, on_invalid="record", on_failure="partial", deferrable=deferrable, manifest_path=str(manifest)
    )
    records, _ = drive(made, runtime_context(store))
    assert [record["err_code"] for record in records] == [None, *["ViduInputError"] * 3, None]
    assert [record["id"] for record in records] == ["MUG-0", "MUG-1", "MUG-2", None, "MUG-4"]
    assert "images" in records[1]["error"]
    assert "sku: is not a field" in records[2]["error"]
    assert records[2]["prompt"] == "mug 2"
    assert "must be a dict of fields, got" in records[3]["error"]
    assert rows_of(manifest) == records
    assert vidu_emulator.counters.submissions == 2


def test_files_that_would_collide_are_errors_of_their_items(vidu_emulator, runtime_context, store, tmp_path):
    rows = [product(0, output_path=f"{tmp_path}/a.mp4"), product(1, output_path=f"{tmp_path}/a.mp4"), product(2)]
    records, _ = drive(operator(rows, on_invalid="record", on_failure="partial"), runtime_context(store))
    assert [record["err_code"] for record in records] == [None, "ViduInputError", None]
    assert len(records[0]["files"]) == 1


@pytest.mark.parametrize(
    "image",
    [
        "htps://me:s3cret@cdn.example/mug.png?X-Amz-Signature=s3cret",
        "//me:s3cret@cdn.example/mug.png?v=1&sig=s3cret",
        "mug.png?token=s3cret",
        "mug.png?v=1&password=s3cret",
        "mug.png#jwt=s3cret",
        "https:/cdn.example/mug.png?sig=s3cret",
    ],
)
@pytest.mark.parametrize("field", ["images", "resolution", "sku"])
def test_no_record_shows_the_secret_of_a_link(vidu_emulator, runtime_context, store, tmp_path, caplog, image, field):
    manifest, report = tmp_path / "manifest.jsonl", tmp_path / "report.html"
    made = operator(
        [product(0), product(1, **{field: image})],
        on_invalid="record",
        on_failure="partial",
        manifest_path=str(manifest),
        report_path=str(report),
    )
    records, _ = drive(made, runtime_context(store))
    assert records[1]["error"]
    assert "s3cret" not in manifest.read_text() + report.read_text() + caplog.text


def test_no_store_is_opened_on_the_event_loop(vidu_emulator, runtime_context, store, tmp_path, monkeypatch):
    """Amazon's hook runs an event loop of its own when it opens S3, which is impossible on a running one."""
    opened = []
    check = Wanted.check

    def checked(self, *arguments, **more):
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        opened.append(self.destination)
        return check(self, *arguments, **more)

    monkeypatch.setattr(Wanted, "check", checked)
    drive(operator([product(0)], output_path=f"{tmp_path}/"), runtime_context(store))
    assert opened == [f"{tmp_path}/"]


def test_item_with_a_bad_name_is_never_sent(vidu_emulator, runtime_context, store, deferrable, tmp_path):
    rows = [product(0), product(1, labels={}), product(0, prompt="a twin", id="MUG-2"), product(3)]
    made = operator(
        rows,
        on_invalid="record",
        on_failure="partial",
        deferrable=deferrable,
        output_path=f"{tmp_path}/",
        file_name="{labels[shop]}/{image}-{labels[shop]}",
    )
    rows[3]["labels"] = {"shop": "Rome"}
    records, _ = drive(made, runtime_context(store))
    assert [record["err_code"] for record in records] == [None, "ViduInputError", "ViduInputError", None]
    assert "this request has no label 'shop'" in records[1]["error"]
    assert "is a file of item 0, too" in records[2]["error"]
    assert vidu_emulator.counters.submissions == 2


def test_paid_video_is_not_paid_again_although_its_name_has_become_invalid(
    vidu_emulator, runtime_context, store, tmp_path
):
    manifest = tmp_path / "manifest.jsonl"
    settings = {"on_invalid": "record", "on_failure": "partial", "output_path": f"{tmp_path}/"}
    settings["manifest_path"] = str(manifest)
    first, _ = drive(operator([product(0), product(1)], file_name="{id}", **settings), runtime_context(store))
    rows = [product(2), product(0), product(1)]
    drive(operator(rows, file_name="{labels[size]}", **settings), runtime_context(store, try_number=2))
    middle = rows_of(manifest)
    assert middle[0]["error"].startswith("file_name")
    assert all(row["error"].startswith("The video was not landed: file_name") for row in middle[1:])
    last, _ = drive(operator(rows, file_name="{id}", **settings), runtime_context(store, try_number=3))
    assert [one["task_id"] for one in last[1:]] == [one["task_id"] for one in first]
    assert vidu_emulator.counters.submissions == 3


def test_destination_of_one_item_that_cannot_work_stops_only_it(
    vidu_emulator, runtime_context, store, deferrable, tmp_path
):
    bad = (f"{tmp_path}/a.wav", "nowhere://b/a.mp4", f"{tmp_path}/a\0b.mp4")
    rows = [product(0), *(product(number, output_path=path) for number, path in enumerate(bad, start=1))]
    settings = {"on_invalid": "record", "on_failure": "partial", "deferrable": deferrable}
    records, _ = drive(operator(rows, output_path=f"{tmp_path}/", **settings), runtime_context(store))
    assert [record["err_code"] for record in records] == [None, *["ViduInputError"] * len(bad)]
    assert vidu_emulator.counters.submissions == 1
    with pytest.raises(AirflowFailException, match="output_path"):
        drive(operator(rows[:1], output_path=bad[0], **settings), runtime_context(store, try_number=2))


@pytest.mark.vidu_emulator(created_seconds=1e6)
def test_no_record_promises_a_retry_that_would_pay_again(vidu_emulator, runtime_context, store, tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    made = operator([product(0)], timeout=1, durable=False, manifest_path=str(manifest))
    with pytest.raises((ViduStillRunningError, AirflowFailException)):
        drive(made, runtime_context(store))
    [row] = rows_of(manifest)
    assert "would pay for every request again" in row["error"]


def test_video_without_a_valid_name_counts_as_not_landed(vidu_emulator, runtime_context, store, tmp_path):
    made = operator([product(0, labels={})], output_path=f"{tmp_path}/", file_name="{labels[sku]}")
    execution = BatchExecution(made)
    [request] = read_requests(made.requests, None, made.output_path, endpoint=execution.endpoint)
    assert execution._is_landed(request, ViduTask(task_id="1", state="success")) is False


def test_batch_with_an_invalid_item_fails_after_the_others_are_made(vidu_emulator, runtime_context, store):
    with pytest.raises(AirflowFailException, match=r"ViduInputError × 1 \(item 1\).*Item 1 \(MUG-1\): images"):
        drive(operator([product(0), {**BROKEN, "id": "MUG-1"}], on_invalid="record"), runtime_context(store))
    assert vidu_emulator.counters.submissions == 1


@pytest.mark.parametrize("policy", ["fail", "record"])
def test_manifest_names_what_is_invalid_also_if_nothing_is_sent(
    vidu_emulator, runtime_context, store, tmp_path, policy
):
    manifest = tmp_path / "manifest.jsonl"
    requests = [{**BROKEN, "id": "A"}, {**BROKEN, "id": "B"}]
    if policy == "fail":
        requests.append(product(2))
    with pytest.raises(AirflowFailException):
        drive(operator(requests, on_invalid=policy, manifest_path=str(manifest)), runtime_context(store))
    rows = rows_of(manifest)
    assert [row["id"] for row in rows[:2]] == ["A", "B"]
    assert {row["err_code"] for row in rows[:2]} == {"ViduInputError"}
    assert [row["err_code"] for row in rows[2:]] == ["NotSent"] * (policy == "fail")
    assert vidu_emulator.counters.submissions == 0


def test_failing_try_keeps_what_the_manifest_has(vidu_emulator, runtime_context, store, tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    settings = {"manifest_path": str(manifest), "output_path": f"{tmp_path}/"}
    drive(operator([product(0), product(1)], on_failure="partial", **settings), runtime_context(store))
    delivered = rows_of(manifest)
    broken = operator([product(0), product(1), product(2, duration=99)], **settings)
    with pytest.raises(AirflowFailException, match="duration"):
        drive(broken, runtime_context(store, try_number=2))
    assert rows_of(manifest) == delivered


@pytest.mark.vidu_emulator(created_seconds=1e6)
def test_manifest_of_a_try_that_ran_out_of_time_names_its_tasks(vidu_emulator, runtime_context, store, tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    with pytest.raises(ViduStillRunningError):
        drive(operator([product(0)], timeout=1, manifest_path=str(manifest)), runtime_context(store))
    [row] = rows_of(manifest)
    assert (row["id"], row["task_id"]) == ("MUG-0", vidu_emulator.tasks[0].task_id)
    assert row["state"] in {"created", "queueing", "processing"}
    assert row["error"].startswith(
        "The task has not ended yet, and the try has ended. The wait has reached its deadline (Vidu task "
    )
    assert "1 of 1" not in row["error"]


@pytest.mark.vidu_emulator(created_seconds=1e6)
def test_manifest_of_cancelled_tasks_counts_no_credits(vidu_emulator, runtime_context, store, tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    made = operator([product(0)], timeout=1, cancel_on_timeout=True, manifest_path=str(manifest))
    with pytest.raises(ViduStillRunningError):
        drive(made, runtime_context(store))
    [row] = rows_of(manifest)
    assert (row["task_id"], row["credits"]) == (None, None)
    assert row["error"].startswith("Its task was cancelled")
    assert row["error"].endswith("It is not billed: a retry sends it again.")
    vidu_emulator.reset()
    with pytest.raises((ViduStillRunningError, AirflowFailException)):
        drive(made, runtime_context(None))
    assert rows_of(manifest)[0]["error"].endswith("It is not billed: a retry does not send it again.")


def test_manifest_of_an_outage_loses_no_delivered_video(vidu_emulator, runtime_context, store, tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    settings = {"manifest_path": str(manifest), "output_path": f"{tmp_path}/", "on_failure": "partial"}
    drive(operator([product(0)], **settings), runtime_context(store))
    [before] = rows_of(manifest)
    vidu_emulator.faults.add("poll", Fault.refuse(401, times=100))
    vidu_emulator.faults.add("list", Fault.refuse(401, times=100))
    with pytest.raises((ViduError, AirflowFailException)):
        drive(operator([product(0), product(1)], **settings), runtime_context(store, try_number=2))
    assert rows_of(manifest)[0] == before


def test_single_operator_passes_its_labels_on(vidu_emulator, runtime_context, store, tmp_path):
    labels = {"sku": "MUG-1"}
    made = Img2VideoOperator(task_id="t", labels=labels, prompt="p", poll_interval=0.2, **FIELDS)
    record = made.execute(runtime_context(store))
    assert (record["labels"], record["image"], record["prompt"]) == (labels, "https://cdn.example/mug.png", "p")
    waited = ViduTaskSensor(task_id="s", vidu_task=record, poke_interval=0.2).execute(runtime_context(store))
    landed = ViduDownloadOperator(task_id="d", vidu_task=waited, destination=f"{tmp_path}/")
    assert landed.execute(runtime_context(store))["labels"] == labels


def test_batch_record_keeps_its_identity_on_the_way(vidu_emulator, runtime_context, store, tmp_path):
    batch = ViduBatchOperator(task_id="t", endpoint="img2video", requests=[product(1)], poll_interval=0.2)
    [record], _ = drive(batch, runtime_context(store))
    landed = ViduDownloadOperator(task_id="d", vidu_task=record, destination=f"{tmp_path}/")
    again = landed.execute(runtime_context(store))
    assert (again["task_id"], again["id"], again["index"]) == (record["task_id"], "MUG-1", 0)


@pytest.mark.parametrize(
    ("file_name", "names"),
    [
        ("{id}", ["MUG-0", "MUG-1"]),
        ("{labels[shop]}/{id}", ["Berlin/MUG-0", "Berlin/MUG-1"]),
        ("{image}-{index}", ["mug-0", "mug-1"]),
    ],
)
def test_files_are_named_after_their_products(vidu_emulator, runtime_context, store, tmp_path, file_name, names):
    made = operator([product(0), product(1)], output_path=f"{tmp_path}/", file_name=file_name)
    records, _ = drive(made, runtime_context(store))
    assert [record["files"][0]["path"] for record in records] == [f"{tmp_path}/{name}.mp4" for name in names]


@pytest.mark.parametrize(
    ("file_name", "message"),
    [
        ("{image}", "is a file of item 0, too"),
        (
            "{labels[size]}",
            "item 0 (MUG-0), item 1 (MUG-1): file_name '{labels[size]}': this request has no label",
        ),
        ("{sku}", "has unknown fields 'sku'"),
    ],
)
def test_names_that_cannot_work_cost_nothing(vidu_emulator, runtime_context, store, tmp_path, file_name, message):
    made = operator([product(0), product(1)], output_path=f"{tmp_path}/", file_name=file_name)
    with pytest.raises(AirflowFailException) as raised:
        drive(made, runtime_context(store))
    assert message in str(raised.value)
    assert vidu_emulator.counters.submissions == 0


def test_report_shows_the_batch_while_it_runs_and_at_its_end(
    vidu_emulator, runtime_context, store, tmp_path, deferrable, monkeypatch
):
    pages = []
    written = ResultFiles.write_report

    def write_report(self, records):
        written(self, records)
        pages.append((tmp_path / "report.html").read_text())

    monkeypatch.setattr(ResultFiles, "write_report", write_report)
    made = operator(
        [product(0), {**BROKEN, "id": "MUG-1"}],
        on_invalid="record",
        on_failure="partial",
        deferrable=deferrable,
        output_path=f"{tmp_path}/videos/",
        report_path=str(tmp_path / "report.html"),
    )
    [record, _], _ = drive(made, runtime_context(store))
    assert len(pages) == 2
    assert all("MUG-0" in page and "MUG-1" in page for page in pages)
    assert f"videos/{record['task_id']}.mp4" in pages[-1]
    assert f"videos/{record['task_id']}.mp4" not in pages[0]
    assert made.written == {"report_path"}


@pytest.mark.parametrize(("map_index", "task"), [(-1, "t"), (3, "t[3]")])
def test_title_of_a_report_names_task_and_run(vidu_emulator, runtime_context, store, tmp_path, map_index, task):
    made = operator([product(0)], report_path=str(tmp_path / "report.html"))
    drive(made, runtime_context(store, run_id="scheduled__2026-07-01", map_index=map_index))
    assert f"<title>d · {task} · scheduled__2026-07-01</title>" in (tmp_path / "report.html").read_text()


def test_report_that_cannot_be_written_fails_nothing(vidu_emulator, runtime_context, store, tmp_path, capsys, caplog):
    (tmp_path / "file").touch()
    made = operator([product(0)], report_path=f"{tmp_path}/file/report.html")
    [record], _ = drive(made, runtime_context(store))
    assert record["error"] is None
    assert "The report cannot be written" in capsys.readouterr().out + caplog.text
    assert made.written == ()


@pytest.mark.parametrize("name", ["manifest_path", "report_path"])
def test_folder_is_no_place_for_a_file(vidu_emulator, runtime_context, store, tmp_path, name):
    with pytest.raises(AirflowFailException, match=f"{name} must name a file"):
        drive(operator([product(0)], **{name: f"{tmp_path}/"}), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_no_separator_in_a_prompt_splits_a_row_of_the_manifest(
    vidu_emulator, runtime_context, store, tmp_path, separator
):
    manifest = tmp_path / "manifest.jsonl"
    made = operator([product(0, prompt=f"a{separator}b")], manifest_path=str(manifest))
    [record], _ = drive(made, runtime_context(store))
    assert read_manifest(str(manifest)) == [record]
    # Earlier releases did not escape it.
    manifest.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    assert read_manifest(str(manifest)) == [record]


def test_manifest_that_cannot_be_read_is_not_taken_for_a_missing_one(
    vidu_emulator, runtime_context, store, tmp_path, monkeypatch
):
    manifest = tmp_path / "manifest.jsonl"
    drive(operator([product(0)], manifest_path=str(manifest)), runtime_context(store))
    before = manifest.read_text()

    def hiccup(path):
        raise OSError("a hiccup")

    torn = tmp_path / "torn.jsonl"
    torn.write_text('{"task_id": "9"}\n{"task')
    with pytest.raises(ViduUnavailableError, match="line 2"):
        read_manifest(str(torn))
    monkeypatch.setattr(Path, "read_bytes", hiccup)
    with pytest.raises(ViduUnavailableError, match="may show what earlier tries have submitted"):
        read_manifest(str(manifest))
    broken = operator([product(0), product(1, duration=99)], manifest_path=str(manifest))
    with pytest.raises(AirflowFailException, match="duration"):
        drive(broken, runtime_context(store, try_number=2))
    assert manifest.read_text() == before


def test_nothing_is_called_unsent_if_an_earlier_try_may_have_sent_it(vidu_emulator, runtime_context, store, tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    with pytest.raises(TaskDeferred):
        operator([product(0)], deferrable=True, manifest_path=str(manifest)).execute(runtime_context(store))
    broken = operator([product(0), {**FIELDS, "sku": "x"}], manifest_path=str(manifest))
    with pytest.raises(AirflowFailException, match="sku"):
        broken.execute(runtime_context(store, try_number=2))
    assert not manifest.exists()


def test_manifest_of_a_failing_try_names_the_products_of_now(vidu_emulator, runtime_context, store, tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    settings = {"manifest_path": str(manifest), "output_path": f"{tmp_path}/", "on_failure": "partial"}
    drive(operator([product(0), product(1)], **settings), runtime_context(store))
    prompts = {row["task_id"]: row["prompt"] for row in rows_of(manifest)}
    vidu_emulator.faults.add("poll", Fault.refuse(401, times=100))
    vidu_emulator.faults.add("list", Fault.refuse(401, times=100))
    renamed = [product(1, id="TEA-1"), product(0, id="TEA-0")]
    with pytest.raises((ViduError, AirflowFailException)):
        drive(operator(renamed, **settings), runtime_context(store, try_number=2))
    rows = [(row["index"], row["id"], prompts[row["task_id"]], row["error"]) for row in rows_of(manifest)]
    assert rows == [(0, "TEA-1", "mug 1", None), (1, "TEA-0", "mug 0", None)]


def test_half_a_character_in_a_prompt_is_an_error_of_its_item(vidu_emulator, runtime_context, store, tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    rows = [product(0), product(1, prompt="\ud83d")]
    made = operator(rows, on_invalid="record", on_failure="partial", manifest_path=str(manifest))
    records, _ = drive(made, runtime_context(store))
    assert [record["err_code"] for record in records] == [None, "ViduInputError"]
    assert read_manifest(str(manifest)) == records


@pytest.mark.parametrize("own", [{"id": "MUG\ud83d"}, {"labels": {"sku": "\ud83d"}}, {"labels": {"a": DEEP}}])
def test_what_no_file_could_hold_costs_nothing(vidu_emulator, runtime_context, store, own):
    with pytest.raises(AirflowFailException, match=r"id: must be|labels: must be"):
        drive(operator([product(0, **own)]), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


@pytest.mark.parametrize("name", ["requests", "manifest_path", "report_path"])
@pytest.mark.parametrize("path", ["~no-such-user/a.jsonl", "/tmp/a\0b"])
def test_impossible_path_is_an_invalid_input(vidu_emulator, runtime_context, store, name, path):
    settings = {"requests": [product(0)], name: path}
    with pytest.raises(AirflowFailException, match=name):
        drive(operator(settings.pop("requests"), **settings), runtime_context(store))
    assert vidu_emulator.counters.submissions == 0


def test_manifest_does_not_overwrite_the_file_of_requests_given_as_a_path(
    vidu_emulator, runtime_context, store, tmp_path
):
    requests = tmp_path / "requests.jsonl"
    requests.write_text(json.dumps(product(0)))
    with pytest.raises(AirflowFailException, match="must not be the same file"):
        drive(operator(requests, manifest_path=f"{tmp_path}/./requests.jsonl"), runtime_context(store))
    assert json.loads(requests.read_text()) == product(0)


@pytest.mark.parametrize(
    ("manifest", "report", "message"),
    [
        ("both", "both", "manifest_path and report_path must not be the same file"),
        ("both", "./both", "manifest_path and report_path must not be the same file"),
        ("requests.jsonl", None, "requests and manifest_path must not be the same file"),
        ("a.mp4", None, "has the name of a video"),
        (None, "a.png", "has the name of a video"),
    ],
)
def test_manifest_and_report_overwrite_nothing(
    vidu_emulator, runtime_context, store, tmp_path, manifest, report, message
):
    requests = tmp_path / "requests.jsonl"
    requests.write_text(json.dumps(product(0)))
    paths = {"manifest_path": manifest, "report_path": report}
    paths = {name: f"{tmp_path}/{path}" for name, path in paths.items() if path}
    with pytest.raises(AirflowFailException, match=message):
        drive(operator(str(requests), **paths), runtime_context(store))
    assert json.loads(requests.read_text()) == product(0)
    assert vidu_emulator.counters.submissions == 0
