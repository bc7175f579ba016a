# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Finds a font of this machine that can draw given texts: Pillow's own has no more than the letters of English."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import ImageFont

#: Fonts that are tried for characters that Pillow's own does not have.
MAX_FONTS = 300

_SUFFIXES = {".ttf", ".otf", ".ttc"}
# Tried last: a caption should look plain.
_STYLED = re.compile(r"bold|black|heavy|light|thin|italic|oblique|cond|narrow|mono|math|emoji|symbol", re.IGNORECASE)
# It has a box for every character.
_NO_FONT = re.compile(r"lastresort", re.IGNORECASE)
# No font has a sign for it, so it is drawn as a font draws what it lacks.
_IN_NO_FONT = "\U0010ffff"
_OMITTED = "…"


@dataclass(frozen=True)
class Typeface:
    """
    A font in any size.

    :param path: of its file; None = Pillow's own.
    :param lacking: the characters that it should draw and does not have.
    """

    path: str | None
    lacking: frozenset[str]

    def at(self, size: int) -> ImageFont.FreeTypeFont:
        """Return the font in a size."""
        return _load(self.path, size)

    def readable(self, text: str) -> str:
        """Return a text with an ellipsis for what the font does not have: better than a row of boxes."""
        kept = "".join("\0" if one in self.lacking else one for one in text)
        return re.sub(r"\0+", _OMITTED, kept)


def choose_typeface(text: str) -> Typeface:
    """Return the first font that has all characters of a text, otherwise the one that has the most of them."""
    wanted = frozenset(one for one in f"{text}{_OMITTED}" if not one.isspace())
    best = Typeface(None, wanted)
    for path in _font_files():
        try:
            font = _load(path, 16)
            lacking = frozenset(one for one in wanted if _lacks(font, one))
        except (OSError, ValueError):
            # Damaged, or of pictures in one size.
            continue
        if path is None or len(lacking) < len(best.lacking):
            best = Typeface(path, lacking)
        if not lacking:
            break
    return best


@cache
def _load(path: str | None, size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size) if path is None else ImageFont.truetype(path, size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise ValueError("this Pillow draws no fonts in a size")
    return font


def _lacks(font: ImageFont.FreeTypeFont, character: str) -> bool:
    drawn, boxed = font.getmask(character), font.getmask(_IN_NO_FONT)
    return drawn.size == boxed.size and bytes(drawn) == bytes(boxed)


def _font_files() -> Iterator[str | None]:
    yield None
    found = {path for folder in _font_folders() for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES}
    plain = sorted(found, key=lambda path: (bool(_STYLED.search(path.stem)), "sans" not in path.stem.lower(), path))
    yield from [str(path) for path in plain if not _NO_FONT.search(path.stem)][:MAX_FONTS]


def _font_folders() -> list[Path]:
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", "C:/Windows"), "Fonts")]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), Path("~/Library/Fonts").expanduser()]
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return [Path(folder, "fonts") for folder in [own, *shared.split(":")]]
