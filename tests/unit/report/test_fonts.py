# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A font that has the letters of a text, if the machine has one; otherwise a text without boxes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import ImageFont

from airflow_provider_vidu.report import fonts
from airflow_provider_vidu.report.fonts import choose_typeface


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put files into the one folder of fonts that this machine then has."""
    monkeypatch.setattr(fonts, "_font_folders", lambda: [tmp_path, tmp_path / "none"])

    def install(*names: str) -> Path:
        for name in names:
            try:
                source = ImageFont.truetype(name).path
            except OSError:
                pytest.skip(f"this machine has no {name}")
            shutil.copy(source, tmp_path / name)
        return tmp_path

    return install


def test_english_is_drawn_with_pillows_own_font(installed: Callable[..., Path]):
    installed("DejaVuSans.ttf")
    typeface = choose_typeface("MUG_001 #0")
    assert (typeface.path, typeface.lacking) == (None, frozenset())


@pytest.mark.parametrize("text", ["Кружка-01", "größer", "כוס"])
def test_other_letters_are_drawn_with_a_font_that_has_them(installed: Callable[..., Path], text: str):
    folder = installed("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
    (folder / "ASans.ttf").write_bytes(b"damaged")
    typeface = choose_typeface(text)
    assert typeface.path == str(folder / "DejaVuSans.ttf")
    assert typeface.readable(text) == text
    assert typeface.at(18).getlength(text) > 0


@pytest.mark.parametrize(
    ("text", "shown"), [("杯子_01", "…_01"), ("杯子", "…"), ("a杯b子c", "a…b…c"), ("a b", "a b"), ("", "")]
)
def test_what_no_font_has_becomes_an_ellipsis(installed: Callable[..., Path], text: str, shown: str):
    installed()
    assert choose_typeface(text).readable(text) == shown


def test_font_with_the_most_of_a_text_is_taken(installed: Callable[..., Path]):
    installed("DejaVuSans.ttf")
    assert choose_typeface("Кружка 杯子").readable("Кружка 杯子") == "Кружка …"
