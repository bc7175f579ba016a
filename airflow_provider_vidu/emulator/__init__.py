# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A local Vidu: the same API, offline, with videos, pictures and sound that play.

``python -m airflow_provider_vidu.emulator`` starts one; tests use :class:`ViduEmulator`, or the pytest fixture
``vidu_emulator``. Names are imported when they are first used: pytest loads this package in every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_vidu.emulator.faults import Fault, Quirks
    from airflow_provider_vidu.emulator.running import ViduEmulator

__all__ = ["Fault", "Quirks", "ViduEmulator"]

_MODULES = {"Fault": "faults", "Quirks": "faults", "ViduEmulator": "running"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
