# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What this package shows in a browser: one real Airflow, one local Vidu and one Chromium for the whole folder.

``SCREENSHOTS=1`` writes the pictures of the README again; without it they go to a temporary folder, so that a test run
changes no file of the repository. ``CHROMIUM`` names a browser that is not in the path.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from _support.stage import AIRFLOW, eventually
from local_airflow import LocalAirflow
from PIL import Image
from up import FIRST_DAG, connection

from airflow_provider_vidu.emulator import ViduEmulator
from airflow_provider_vidu.emulator.running import DEFAULT_API_KEY

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "img"

#: Milliseconds until a page must show something; the machine may be busy with Airflow.
PATIENCE = 60_000
#: Maximum bytes of a picture in the repository.
MAX_PICTURE = 250_000

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SHARP = 1.5


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files of this folder: the first starts an Airflow of its own, the last clears a task."""
    order = {"test_up.py": -1, "test_links.py": 1}
    here = Path(__file__).parent
    items.sort(key=lambda item: order.get(item.path.name, 0) if item.path.parent == here else 0)


@pytest.fixture(scope="session")
def browser() -> Iterator[playwright.Browser]:
    """A headless Chromium."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip(f"no browser: {', '.join(_NAMES)} are not in the path, and CHROMIUM is not set")
    with playwright.sync_playwright() as driver:
        # Chromium's own sandbox does not work for root.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def vidu() -> Iterator[ViduEmulator]:
    """A local Vidu that accepts only one key."""
    with ViduEmulator(speed=8, seed=1, api_keys={DEFAULT_API_KEY}) as vidu:
        yield vidu


@pytest.fixture(scope="session")
def airflow(browser: playwright.Browser, vidu: ViduEmulator, tmp_path_factory: pytest.TempPathFactory):
    """The one Airflow, with the examples and the connection ``vidu_default`` in its database."""
    if AIRFLOW < (3, 2):
        pytest.skip("the tests know the pages of Airflow 3.2 and newer")
    work = tmp_path_factory.mktemp("browser")
    airflow = LocalAirflow(home=work / "airflow", dags=ROOT / "dags_examples", work=work)
    with airflow:
        airflow.send("POST", "connections", connection(vidu))
        yield airflow
    assert not airflow.find_left_behind(), "processes have outlived their Airflow"


@pytest.fixture
def page(browser: playwright.Browser, airflow: LocalAirflow) -> Iterator[playwright.Page]:
    """A new page; addresses are relative to Airflow's."""
    context = browser.new_context(
        base_url=airflow.url,
        viewport={"width": 1280, "height": 720},
        device_scale_factor=_SHARP,
        locale="en-US",
        timezone_id="UTC",
        color_scheme="light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    playwright.expect.set_options(timeout=PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str, playwright.Page | playwright.Locator], None]:
    """Call it with a name and a page or an element: takes a screenshot, small enough for the repository."""
    folder = PICTURES if os.environ.get("SCREENSHOTS") == "1" else tmp_path

    def take(name: str, seen: playwright.Page | playwright.Locator) -> None:
        shot = Image.open(io.BytesIO(seen.screenshot(animations="disabled", caret="hide")))
        target = folder / f"{name}.png"
        # A page of flat colours loses nothing visible; by k-means, otherwise small red marks turn grey.
        shot.convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE).save(target, optimize=True)
        assert target.stat().st_size < MAX_PICTURE

    return take


@pytest.fixture(scope="session")
def folder_run(airflow: LocalAirflow) -> str:
    """The id of a run that has turned the four example pictures into videos."""
    run_id = airflow.trigger(FIRST_DAG)
    state = eventually(
        lambda: airflow.run_state(FIRST_DAG, run_id),
        lambda state: state in {"success", "failed"},
        within=300,
        message=f"{FIRST_DAG} finishes",
    )
    assert state == "success"
    return run_id
