# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The pytest fixture ``vidu_emulator``: a local Vidu for one test, with ``vidu_default`` pointing to it. Its twins
``module_vidu_emulator`` and ``session_vidu_emulator`` serve a module and the whole run.

::

    def test_my_dag(vidu_emulator):
        dag.test()
        assert vidu_emulator.counters.submissions == 1

    @pytest.mark.vidu_emulator(concurrency=1, speed=50)
    def test_queue(vidu_emulator): ...

pytest loads this module in every run wherever the package is installed, so it imports nothing but pytest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_vidu.emulator.running import ViduEmulator

#: How the fixture's emulator differs from the defaults: a minute at Vidu takes 0.3 s.
DEFAULTS = {"speed": 200.0, "seed": 1}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "vidu_emulator(**settings): settings of the fixtures vidu_emulator and, on a module, module_vidu_emulator, as "
        "airflow_provider_vidu.emulator.ViduEmulator takes them (speed, concurrency, credits, processing_seconds ...)",
    )


@pytest.fixture
def vidu_emulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ViduEmulator]:
    """A running local Vidu for one test; ``AIRFLOW_CONN_VIDU_DEFAULT`` is set to it. See ``ViduEmulator``."""
    yield from _running(request, monkeypatch)


@pytest.fixture(scope="module")
def module_vidu_emulator(request: pytest.FixtureRequest) -> Iterator[ViduEmulator]:
    """The same for all tests of a module, which share its tasks, credits and faults: ``reset()`` clears them."""
    with pytest.MonkeyPatch.context() as patch:
        yield from _running(request, patch)


@pytest.fixture(scope="session")
def session_vidu_emulator(request: pytest.FixtureRequest) -> Iterator[ViduEmulator]:
    """The same for the whole test run. It has the default settings: no marker reaches it."""
    with pytest.MonkeyPatch.context() as patch:
        yield from _running(request, patch)


def _running(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> Iterator[ViduEmulator]:
    from importlib.util import find_spec

    missing = [name for name in ("aiohttp", "av") if find_spec(name) is None]
    if missing:
        pytest.fail(
            f"The fixture {request.fixturename} needs {' and '.join(missing)}: "
            "pip install 'airflow-provider-vidu[emulator]'",
            pytrace=False,
        )
    from airflow_provider_vidu.emulator.running import ViduEmulator

    # The marker of the test, or of the module if the fixture serves a module.
    marker = request.node.get_closest_marker("vidu_emulator")
    with ViduEmulator(**{**DEFAULTS, **(marker.kwargs if marker else {})}) as vidu:
        patch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", vidu.connection_json())
        yield vidu
