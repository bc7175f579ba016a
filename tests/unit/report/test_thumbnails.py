# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Thumbnails are small and upright, and no picture can take the worker down."""

from __future__ import annotations

import base64
import io
import os
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from airflow_provider_vidu.report import thumbnails
from airflow_provider_vidu.report.thumbnails import MAX_PIXELS, make_thumbnails

EXAMPLES = Path(__file__).parents[3] / "dags_examples" / "images"
RED, BLUE, WHITE = (220, 30, 30), (30, 30, 220), (255, 255, 255)


def thumbnail(path: Path, side: int = 320) -> Image.Image | None:
    """Return the thumbnail of a picture as a browser would show it."""
    made = make_thumbnails({str(path): side})
    if not made:
        return None
    head, _, content = made[str(path)].partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def is_like(pixel: Any, colour: tuple[int, int, int]) -> bool:
    return max(abs(one - other) for one, other in zip(pixel, colour, strict=True)) < 40


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.[jpw]*")), ids=lambda path: path.name)
def test_thumbnail_has_a_few_kilobytes(path: Path):
    small = thumbnail(path)
    assert small is not None
    assert max(small.size) == 320
    with Image.open(path) as large:
        assert small.width / small.height == pytest.approx(large.width / large.height, rel=0.02)
    assert len(make_thumbnails({str(path): 320})[str(path)]) < 24_000
    assert len(make_thumbnails({str(path): 160})[str(path)]) < 8_000


def test_small_picture_is_not_enlarged(tmp_path: Path):
    Image.new("RGB", (40, 20), RED).save(tmp_path / "a.png")
    small = thumbnail(tmp_path / "a.png")
    assert small is not None
    assert small.size == (40, 20)


def test_orientation_of_a_phone_is_respected(tmp_path: Path):
    picture = Image.new("RGB", (800, 400), RED)
    picture.paste(BLUE, (400, 0, 800, 400))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    small = thumbnail(tmp_path / "a.jpg")
    assert small is not None
    assert small.size == (160, 320)
    assert is_like(small.convert("RGB").getpixel((80, 20)), RED)
    assert is_like(small.convert("RGB").getpixel((80, 300)), BLUE)


@pytest.mark.parametrize(
    ("mode", "suffix", "colour", "shown"),
    [
        ("RGBA", "png", (0, 0, 0, 0), WHITE),
        ("RGBA", "webp", (220, 30, 30, 255), RED),
        ("LA", "png", (0, 0), WHITE),
        ("P", "png", 0, (0, 0, 0)),
        ("1", "png", 1, WHITE),
        ("L", "jpg", 255, WHITE),
        ("CMYK", "jpg", (0, 0, 0, 0), WHITE),
    ],
)
def test_every_kind_of_pixel_is_read(tmp_path: Path, mode: str, suffix: str, colour: Any, shown: tuple[int, int, int]):
    path = tmp_path / f"a.{suffix}"
    Image.new(mode, (400, 400), colour).save(path)
    small = thumbnail(path)
    assert small is not None
    assert is_like(small.convert("RGB").getpixel((160, 160)), shown)


@pytest.mark.parametrize(
    "content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"<svg onload='alert(1)'/>"]
)
def test_broken_picture_has_no_thumbnail(tmp_path: Path, content: bytes):
    (tmp_path / "a.png").write_bytes(content)
    assert thumbnail(tmp_path / "a.png") is None


def test_cut_off_picture_has_no_thumbnail(tmp_path: Path):
    content = (EXAMPLES / "ceramic_mug.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    assert thumbnail(tmp_path / "a.png") is None


@pytest.mark.parametrize("name", ["missing.png", "folder", "fifo"])
def test_what_is_no_picture_has_no_thumbnail(tmp_path: Path, name: str):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    assert thumbnail(tmp_path / name) is None


@pytest.mark.parametrize("side", [9_000, 20_000])
def test_decompression_bomb_is_never_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int):
    assert side**2 > MAX_PIXELS
    # Its bytes are those of an empty picture; only its header claims the size.
    small = io.BytesIO()
    Image.new("1", (8, 8)).save(small, "PNG")
    bomb = bytearray(small.getvalue())
    bomb[16:24] = side.to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(bomb)
    unpacked = []
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: unpacked.append(self.size))
    assert thumbnail(tmp_path / "a.png") is None
    assert not unpacked


@pytest.mark.parametrize(
    "picture",
    [
        "",
        "https://shop.example/a.png",
        "HTTP://shop.example/a.png",
        "ssupload:?id=1",
        "data:image/png;base64,AAAA",
        "simplecache::https://shop.example/a.png",
    ],
)
def test_nothing_outside_is_fetched(monkeypatch: pytest.MonkeyPatch, picture: str):
    opened = []
    monkeypatch.setattr(thumbnails, "path_to_read", opened.append)
    assert make_thumbnails({picture: 320}) == {}
    assert not opened


def test_pictures_are_read_several_at_once(monkeypatch: pytest.MonkeyPatch):
    together = threading.Barrier(4, timeout=20)
    monkeypatch.setattr(thumbnails, "path_to_read", lambda path: together.wait())
    assert make_thumbnails({str(number): 320 for number in range(4)}) == {}
    assert not together.broken


def test_large_pictures_are_unpacked_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Image.new("RGB", (40, 20), RED).save(tmp_path / "a.png")
    monkeypatch.setattr(thumbnails, "_LARGE", 0)
    inside, most = [], []

    def encode(picture: Image.Image, side: int) -> bytes:
        inside.append(picture)
        most.append(len(inside))
        time.sleep(0)
        inside.remove(picture)
        return b""

    monkeypatch.setattr(thumbnails, "_encode", encode)
    for number in range(20):
        (tmp_path / f"{number}.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert len(make_thumbnails({str(tmp_path / f"{number}.png"): 320 for number in range(20)})) == 20
    assert max(most) == 1
