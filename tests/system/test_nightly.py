# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A media team's night with real processes: fifty products, five broken pictures, three refusals, a budget."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _support.stage import AIRFLOW
from local_airflow import LocalAirflow
from local_database import own_database
from PIL import Image

from airflow_provider_vidu.emulator import ViduEmulator

pytestmark = pytest.mark.system

PRODUCTS, BROKEN, REFUSED = range(50), {3, 11, 19, 27, 35}, {5, 20, 40}
MADE = set(PRODUCTS) - BROKEN - REFUSED


@dataclass
class Night:
    """The finished run."""

    airflow: LocalAirflow
    vidu: ViduEmulator
    folder: Path
    run_id: str

    @property
    def manifest(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "manifest.jsonl").read_text().splitlines()]


def write_products(folder: Path) -> None:
    rows = []
    for number in PRODUCTS:
        picture = folder / f"{number:02}.png"
        if number in BROKEN:
            picture.write_bytes(b"no picture")
        else:
            Image.new("RGB", (320, 320), (5 * number, 90, 200)).save(picture)
        prompt = "[emulator:fail=CreationPolicyViolation]" if number in REFUSED else f"It turns, no. {number}"
        rows.append({"id": f"MUG-{number:02}", "images": picture.name, "prompt": prompt, "shop": f"shop {number % 3}"})
    (folder / "products.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("nightly")
    write_products(folder)
    with ViduEmulator(speed=60, concurrency=10) as vidu, own_database() as database:
        environment = {"AIRFLOW_CONN_VIDU_DEFAULT": vidu.connection_json()}
        dags = Path(__file__).parent / "dags"
        with LocalAirflow(home=folder / "airflow", dags=dags, environment=environment, database=database) as airflow:
            run_id = airflow.trigger("nightly", {"folder": str(folder)})
            end = time.monotonic() + 180
            while airflow.run_state("nightly", run_id) in {"queued", "running"}:
                assert time.monotonic() < end, "the run has not ended"
                time.sleep(0.5)
            yield Night(airflow, vidu, folder, run_id)


def test_night_succeeds_with_every_video_under_its_products_name(night: Night) -> None:
    assert night.airflow.run_state("nightly", night.run_id) == "success"
    assert {path.name for path in (night.folder / "videos").iterdir()} == {f"MUG-{number:02}.mp4" for number in MADE}


def test_night_pays_once_for_what_it_makes(night: Night) -> None:
    assert night.vidu.counters.submissions == len(MADE | REFUSED)
    assert night.vidu.ledger.charged == 6 * len(MADE)


def test_manifest_of_the_night_names_every_product(night: Night) -> None:
    rows = night.manifest
    assert [row["id"] for row in rows] == [f"MUG-{number:02}" for number in PRODUCTS]
    assert [row["labels"] for row in rows[:2]] == [
        {"campaign": "spring", "shop": "shop 0"},
        {"campaign": "spring", "shop": "shop 1"},
    ]
    assert Counter(row["err_code"] for row in rows) == {
        None: len(MADE),
        "ViduInputError": len(BROKEN),
        "CreationPolicyViolation": len(REFUSED),
    }
    for number, row in enumerate(rows):
        files = [Path(file["path"]).stem for file in row["files"]]
        assert files == ([row["id"]] if number in MADE else [])


def test_report_of_the_night_shows_every_product(night: Night) -> None:
    page = (night.folder / "report.html").read_text()
    assert all(page.count(f"MUG-{number:02}") for number in PRODUCTS)
    assert "CreationPolicyViolation" in page


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="below Airflow 3.3 there is no task state store")
def test_progress_of_the_night_ends_with_everything_counted(night: Night) -> None:
    path = f"dags/nightly/dagRuns/{night.run_id}/taskInstances/products/state-store/vidu_progress"
    progress = night.airflow.get(path)["value"]
    progress = json.loads(progress) if isinstance(progress, str) else progress
    counted = {name: progress[name] for name in ("made", "failed", "not_sent", "running", "queued")}
    assert counted == {
        **{"made": len(MADE), "failed": len(REFUSED), "not_sent": len(BROKEN)},
        **{"running": 0, "queued": 0},
    }
