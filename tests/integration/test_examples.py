# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Every example runs through Airflow, and its videos match the requests."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timezone
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from _support.stage import AIRFLOW
from PIL import Image, ImageChops, ImageOps, ImageStat

EXAMPLES = Path(__file__).resolve().parents[2] / "dags_examples"
IMAGES = EXAMPLES / "images"


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference per channel, 0 to 255, from the middle of a picture that may have another shape."""
    other = ImageOps.fit(other.convert("RGB"), one.size)
    return sum(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other)).mean) / 3


def shows(frame: Image.Image, picture: Path) -> bool:
    """Check whether a frame shows this picture rather than another example."""
    found = {path: difference(frame, Image.open(path)) for path in IMAGES.iterdir() if path.is_file()}
    return min(found, key=lambda path: found[path]) == picture and found[picture] < 20


def test_one_step(run_dag, vidu_emulator, decoded_video, tmp_path):
    run = run_dag("example_vidu_one_step", {"output_path": f"{tmp_path}/"})
    assert run.state == "success"
    record = run.xcom("animate")
    assert record["state"] == "success"
    assert record["model"] == "viduq3-turbo"
    assert record["credits"] == 60
    (landed,) = record["files"]
    video = decoded_video(landed["path"])
    assert (video["codec"], video["width"], video["height"]) == ("h264", 1280, 720)
    assert video["duration"] == pytest.approx(5, abs=0.1)
    assert video["audio"] == 1
    assert shows(video["first"], IMAGES / "mountain_dawn.jpg")
    assert Path(landed["path"]).stat().st_size == landed["bytes"]
    assert list(tmp_path.iterdir()) == [Path(landed["path"])]
    assert vidu_emulator.counters.submissions == 1
    assert vidu_emulator.counters.leaked_keys == 0


def test_submit_and_wait(run_dag, vidu_emulator):
    run = run_dag("example_vidu_submit_and_wait")
    assert run.state == "success"
    submitted, waited = run.xcom("submit"), run.xcom("wait")
    assert submitted["task_id"] == waited["task_id"]
    assert submitted["creations"] == []
    assert waited["creations"][0]["url"].startswith(vidu_emulator.url)
    assert waited["model"] == submitted["model"] == "viduq2-turbo"
    assert run.xcom("announce") == waited["creations"][0]["id"]
    assert vidu_emulator.counters.submissions == 1


def test_folder(run_dag, vidu_emulator, decoded_video, tmp_path):
    run = run_dag("example_vidu_folder", {"output_path": f"{tmp_path}/", "duration": 2, "resolution": "540p"})
    assert run.state == "success"
    pictures = sorted(path for path in IMAGES.iterdir() if path.is_file())
    records = run.xcom("animate")
    assert len(records) == len(pictures) == vidu_emulator.counters.submissions
    for picture, record in zip(pictures, records, strict=True):
        video = decoded_video(record["files"][0]["path"])
        assert video["duration"] == pytest.approx(2, abs=0.1)
        assert min(video["width"], video["height"]) == 540
        assert shows(video["first"], picture)
        assert Path(record["files"][0]["path"]).name == f"{picture.stem}-{record['task_id']}.mp4"


def test_batch(run_dag, vidu_emulator, decoded_video, tmp_path):
    run = run_dag("example_vidu_batch", {"output_path": f"{tmp_path}/"})
    assert run.state == "success"
    records = run.xcom("animate")
    pictures = sorted(path for path in IMAGES.iterdir() if path.is_file())
    assert len(records) == 3 * len(pictures) == vidu_emulator.counters.submissions
    for number, record in enumerate(records):
        video = decoded_video(record["files"][0]["path"])
        assert video["duration"] == pytest.approx(2, abs=0.1)
        assert shows(video["first"], pictures[number // 3])
        assert Path(record["files"][0]["path"]).name.startswith(pictures[number // 3].stem)
    assert [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()] == records
    assert run.xcom("bill") == {"videos": len(records), "failed": [], "credits": vidu_emulator.ledger.charged}
    assert set(run.tries().values()) == {1}


def test_taskflow(run_dag, vidu_emulator, decoded_video, tmp_path):
    run = run_dag("example_vidu_taskflow", {"output_path": f"{tmp_path}/mug.mp4"})
    assert run.state == "success"
    record = run.xcom("animate")
    assert record["files"][0]["path"] == f"{tmp_path}/mug.mp4"
    assert decoded_video(tmp_path / "mug.mp4")["duration"] == pytest.approx(3, abs=0.1)
    assert vidu_emulator.counters.submissions == 1


def test_product_videos(run_dag, vidu_emulator, tmp_path):
    run = run_dag("example_vidu_product_videos", {"output_path": f"file://{tmp_path}"})
    assert run.state == "success"
    summed = run.xcom("summary")
    products = json.loads((EXAMPLES / "products.json").read_text())
    assert list(summed["videos"]) == [product["sku"] for product in products]
    assert summed["failed"] == []
    assert summed["credits"] == vidu_emulator.ledger.charged
    for path in summed["videos"].values():
        assert Path(path.removeprefix("file://")).read_bytes()[4:8] == b"ftyp"
    (summary,) = tmp_path.glob("*/summary.json")
    assert json.loads(summary.read_text()) == summed


def test_a_product_that_fails_does_not_stop_the_others(run_dag, vidu_emulator, tmp_path):
    products = json.loads((EXAMPLES / "products.json").read_text())
    for product in products:
        product["image"] = str(EXAMPLES / product["image"])
    products[1]["prompt"] += " [emulator:fail=CreationPolicyViolation]"
    manifest = tmp_path / "products.json"
    manifest.write_text(json.dumps(products))
    run = run_dag(
        "example_vidu_product_videos", {"manifest": f"file://{manifest}", "output_path": f"file://{tmp_path}/out"}
    )
    summed = run.xcom("summary")
    assert summed["failed"] == [products[1]["sku"]]
    assert len(summed["videos"]) == 2
    assert run.states()["video", 1] == "failed"
    # Moderation is permanent, so it spends no retry.
    assert run.tries()["video", 1] == 1
    assert vidu_emulator.counters.submissions == 3


def test_download(run_dag, vidu_emulator, decoded_video, tmp_path):
    run = run_dag("example_vidu_download", {"output_path": f"{tmp_path}/"})
    assert run.state == "success"
    record = run.xcom("land")
    stem = f"{tmp_path}/viduq2-turbo/ceramic_mug-{record['task_id']}"
    assert {file["kind"]: file["path"] for file in record["files"]} == {
        "video": f"{stem}.mp4",
        "cover": f"{stem}-cover.jpg",
        "watermarked": f"{stem}-watermarked.mp4",
    }
    for file in record["files"]:
        if file["kind"] != "cover":
            video = decoded_video(file["path"])
            assert (file["width"], file["height"]) == (video["width"], video["height"])
            assert file["duration"] == pytest.approx(video["duration"], abs=0.1)
    assert shows(decoded_video(f"{stem}.mp4")["first"], IMAGES / "ceramic_mug.png")
    assert shows(Image.open(f"{stem}-cover.jpg"), IMAGES / "ceramic_mug.png")
    assert vidu_emulator.counters.submissions == 1


def test_budget(run_dag, vidu_emulator, tmp_path):
    run = run_dag("example_vidu_budget", {"output_path": f"{tmp_path}/"})
    assert run.state == "success"
    assert run.xcom("estimate") == run.xcom("animate")["credits"] == vidu_emulator.ledger.charged
    assert run.xcom("balance") == 100_000 - vidu_emulator.ledger.charged


def test_a_budget_that_is_too_small_costs_nothing(run_dag, vidu_emulator, tmp_path):
    run = run_dag("example_vidu_budget", {"output_path": f"{tmp_path}/", "max_credits": 5})
    assert run.states()["animate", -1] == "failed"
    assert run.tries()["animate", -1] == 1
    assert vidu_emulator.counters.submissions == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.vidu_emulator(concurrency=0)
def test_orphans(run_dag, vidu_emulator, monkeypatch):
    """By Airflow's own answers: a finished run and one that does not exist need no video any more."""
    from cryptography.fernet import Fernet

    from airflow_provider_vidu import compat
    from airflow_provider_vidu.hooks.vidu import ViduHook

    cipher = Fernet(Fernet.generate_key())
    monkeypatch.setattr(compat, "_cipher", lambda: cipher)

    def submitted_by(dag_id, run_id):
        payload = f"avp1:{'0' * 32}.{compat.encrypt_parts((dag_id, run_id, 'animate', -1, compat.base_url()))}"
        request = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1, "payload": payload}
        return ViduHook().submit(request).task_id

    before = run_dag("example_vidu_orphans")
    assert (before.state, before.xcom("find_orphans")) == ("success", [])
    over, gone = submitted_by(before.dag_id, before.run_id), submitted_by("no_such_dag", "no such run")
    ViduHook().submit({"images": "https://example.com/a.png", "model": "viduq2-turbo", "payload": "not ours"})
    run = run_dag("example_vidu_orphans", {"cancel": [gone, "4711"]})
    found = {orphan["vidu_task"]: orphan for orphan in run.xcom("find_orphans")}
    assert set(found) == {over, gone}
    assert (found[over]["run_is_gone"], found[gone]["run_is_gone"]) == (False, True)
    assert found[over]["submitted_by"] == f"example_vidu_orphans.animate of {before.run_id}"
    assert run.xcom("cancel") == [gone]
    assert vidu_emulator.counters.cancels_accepted == 1


def test_chain(run_dag, vidu_emulator, decoded_video, tmp_path):
    run = run_dag("example_vidu_chain", {"output_path": f"{tmp_path}/"})
    assert run.state == "success"
    made, longer, sharper = (run.xcom(task_id) for task_id in ("animate", "longer", "sharper"))
    sources = [task.fields.get("video_creation_id") for task in vidu_emulator.tasks]
    assert sources == [None, made["creations"][0]["id"], longer["creations"][0]["id"]]
    assert vidu_emulator.counters.submissions == 3
    (landed,) = sharper["files"]
    assert list(tmp_path.iterdir()) == [Path(landed["path"])]
    assert Path(landed["path"]).name == f"mountain_dawn-{sharper['task_id']}.mp4"
    video = decoded_video(landed["path"])
    assert (video["width"], video["height"]) == (1920, 1080)
    assert video["duration"] == pytest.approx(6, abs=0.1)
    assert shows(video["first"], IMAGES / "mountain_dawn.jpg")


def test_family(run_dag, vidu_emulator, decoded_video, tmp_path):
    run = run_dag("example_vidu_family", {"output_path": f"{tmp_path}/"})
    assert run.state == "success"
    singles = {name: run.xcom(name) for name in ("lighthouse", "nightfall", "coffee_sea", "template")}
    batch = run.xcom("batch")
    endpoint_of = {task.task_id: task.request.endpoint.name for task in vidu_emulator.tasks}
    assert [endpoint_of[record["task_id"]] for record in [*singles.values(), *batch]] == [
        *("text2video", "start-end2video", "reference2video", "template"),
        *("text2video", "img2video", "upscale-new"),
    ]
    assert len(vidu_emulator.tasks) == vidu_emulator.counters.submissions == 7
    assert sum(record["credits"] for record in [*singles.values(), *batch]) == vidu_emulator.ledger.charged
    lighthouse, nightfall, coffee_sea, template = (
        decoded_video(record["files"][0]["path"]) for record in singles.values()
    )
    paper_boat, mug, upscaled = (decoded_video(record["files"][0]["path"]) for record in batch)
    assert shows(nightfall["first"], IMAGES / "mountain_dawn.jpg")
    assert difference(nightfall["last"], Image.open(EXAMPLES / "frames" / "mountain_night.jpg")) < 5
    # Both references side by side, without the narrow gap around them.
    assert shows(coffee_sea["first"].crop((10, 10, 470, 530)), IMAGES / "night_sail.webp")
    assert shows(coffee_sea["first"].crop((490, 10, 950, 530)), IMAGES / "ceramic_mug.png")
    assert shows(template["first"], IMAGES / "city_dusk.jpg")
    assert shows(mug["first"], IMAGES / "ceramic_mug.png")
    assert (upscaled["width"], upscaled["height"]) == (1920, 1080)
    assert difference(lighthouse["first"], upscaled["first"]) < 5 < difference(lighthouse["first"], paper_boat["first"])


@pytest.fixture
def answered(monkeypatch):
    """A function that lets a stand-in answer, and returns the forms that it gets; tests/system has a real answer."""
    if AIRFLOW < (3, 1):
        pytest.skip("Airflow 3.0 has no human in the loop")
    from airflow.providers.standard.operators.hitl import HITLOperator

    def set_answer(chosen, at):
        forms = []

        def answer(form, context):
            forms.append(form)
            return {"chosen_options": chosen or form.defaults, "params_input": {}, "responded_at": at}

        monkeypatch.setattr(HITLOperator, "execute", answer)
        return forms

    return set_answer


@pytest.mark.parametrize("rejected", [["city"], []], ids=["one is rejected", "none is rejected"])
def test_review_publishes_the_rest_and_makes_rejected_ones_again(run_dag, vidu_emulator, answered, tmp_path, rejected):
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    at = datetime.now(timezone.utc)
    forms = answered(rejected, at)
    run = run_dag("example_vidu_review", {"output_path": f"file://{tmp_path}"})
    assert run.state == "success"
    (form,) = forms
    records = {record["id"]: record for record in run.xcom("animate")}
    assert form.options[1:] == list(records) == ["mug", "city", "mountain"]
    assert all(record["creations"][0]["cover_url"] in form.body for record in records.values())
    published = {path.stem: path.read_bytes() for path in (tmp_path / "published").iterdir()}
    assert published == {
        video: Path(record["files"][0]["path"].removeprefix("file://")).read_bytes()
        for video, record in records.items()
        if video not in rejected
    }
    assert vidu_emulator.counters.submissions == 3
    with create_session() as session:
        again = session.scalars(select(DagRun).where(DagRun.run_id == f"again__{at.isoformat()}")).all()
    seeds = [(request["id"], request["seed"]) for one in again for request in one.conf["requests"]]
    assert seeds == [(video, 2) for video in rejected]


def test_review_shows_what_failed_and_offers_only_videos(run_dag, vidu_emulator, answered, tmp_path):
    forms = answered([], datetime.now(timezone.utc))
    fails, works = "[emulator:fail=CreationPolicyViolation]", "one | two\nthree"
    picture = str(IMAGES / "ceramic_mug.png")
    requests = [
        {"id": "a", "seed": 1, "images": picture, "prompt": fails},
        {"id": "b", "seed": 1, "images": picture, "prompt": works},
    ]
    assert (
        run_dag("example_vidu_review", {"output_path": f"file://{tmp_path}", "requests": requests}).state == "success"
    )
    (form,) = forms
    assert form.options[1:] == ["b"] == [path.stem for path in (tmp_path / "published").iterdir()]
    header, _, failed, made = form.body.splitlines()
    assert "CreationPolicyViolation" in failed
    assert header.count("|") == failed.count("|") == made.count("|")


def costs(run_dag, folder: Path, **conf) -> list[dict[str, str]]:
    """Run the example on a folder's manifests, and return the rows of its CSV file."""
    places = {"manifests": f"file://{folder}", "output_path": f"file://{folder}/costs"}
    run = run_dag("example_vidu_costs", {**places, **conf})
    assert run.state == "success"
    table, chart = (Path(path.removeprefix("file://")) for path in run.xcom("report"))
    rows = list(csv.DictReader(table.open()))
    bars = ET.parse(chart).findall(".//{http://www.w3.org/2000/svg}rect")
    assert len(bars) == len(rows)
    return rows


def test_costs_of_a_batch_are_what_vidu_charged(run_dag, vidu_emulator, tmp_path):
    records = run_dag("example_vidu_batch", {"output_path": f"{tmp_path}/"}).xcom("animate")
    (row,) = costs(run_dag, tmp_path, month=records[0]["created_at"][:7])
    assert int(row["credits"]) == vidu_emulator.ledger.charged > 0
    assert (row["model"], int(row["videos"])) == ("viduq2-turbo", len(records))


def paid(task_id: str, **fields) -> dict:
    """A line of a manifest."""
    return {
        **{"task_id": task_id, "state": "success", "model": "viduq2-turbo", "credits": 8, "labels": {"shop": "<nl>"}},
        **{"created_at": "2026-01-31T23:59:59.9Z", **fields},
    }


def test_costs_count_each_generation_of_the_month_once(run_dag, tmp_path):
    manifests = {
        "monday": [
            paid("1"),
            paid("2", credits=59.5, model="viduq3-pro"),
            paid("3", labels={}),
            # The next try has seen how it ends.
            paid("4", state="processing"),
            paid("5", state="processing", credits=None),
            paid(None, state=None, credits=None),
        ],
        "tuesday/again": [
            paid("1"),
            paid("4", state="failed", credits=None),
            paid("5", credits=12),
            paid("6", credits=None),
            paid("7", created_at="2026-02-01T00:00:00Z"),
            paid("8", created_at=None),
        ],
    }
    for name, rows in manifests.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "manifest.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    names = ("shop", "model", "videos", "credits", "videos_of_unknown_price")
    assert costs(run_dag, tmp_path, month="2026-01", label="shop") == [
        dict(zip(names, row, strict=True))
        for row in [
            ("<nl>", "viduq3-pro", "1", "59.5", "0"),
            ("<nl>", "viduq2-turbo", "3", "20", "1"),
            ("", "viduq2-turbo", "1", "8", "0"),
        ]
    ]


def test_costs_of_nothing_are_an_empty_table(run_dag, tmp_path):
    assert costs(run_dag, tmp_path) == []
