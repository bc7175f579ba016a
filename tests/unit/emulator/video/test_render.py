# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The emulator's videos: playable, made from the submitted picture, moving, and the same on every run."""

from __future__ import annotations

import io
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import av
import pytest
from av.video.reformatter import Colorspace
from PIL import Image, ImageChops, ImageDraw, ImageStat

from airflow_provider_vidu.emulator.video.render import encode_video, frame_size, open_picture
from airflow_provider_vidu.emulator.video.scenes import TRAVEL, zoom
from airflow_provider_vidu.emulator.video.soundtrack import SAMPLE_RATE, soundtrack
from airflow_provider_vidu.emulator.video.watermark import Watermark

SMALL = {"duration": 0.4, "resolution": "360p", "seed": 7}


class Film(NamedTuple):
    """A zoom into a picture: the bytes of its file, and what was promised of it."""

    video: bytes
    width: int
    height: int
    duration: float


def film(
    image: bytes,
    duration: float,
    resolution: str,
    seed: int,
    *,
    movement_amplitude: str = "auto",
    audio: bool = False,
    watermark: Watermark | None = None,
) -> Film:
    opened = open_picture(image)
    size = frame_size(*opened.size, resolution)
    count = max(1, round(duration * 24))
    pictures = zoom(opened, size, count, seed=seed, travel=TRAVEL[movement_amplitude])
    sound = soundtrack(seed, count * SAMPLE_RATE // 24) if audio else None
    return Film(encode_video(pictures, sound=sound, watermark=watermark), *size, count / 24)


def picture(width: int = 320, height: int = 180) -> Image.Image:
    """Paint something with a gradient, edges and a top that differs from the bottom."""
    painted = Image.merge(
        "RGB",
        [
            Image.linear_gradient("L").resize((width, height)),
            Image.radial_gradient("L").resize((width, height)),
            Image.linear_gradient("L").rotate(90).resize((width, height)),
        ],
    )
    pen = ImageDraw.Draw(painted)
    pen.ellipse((width * 0.1, height * 0.1, width * 0.4, height * 0.5), fill=(250, 220, 60))
    pen.rectangle((width * 0.6, height * 0.55, width * 0.85, height * 0.8), fill=(30, 60, 160))
    return painted


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def frames_of(video: bytes) -> list[Image.Image]:
    # Older PyAV does not read from the file which colours it has.
    colours = {"src_colorspace": Colorspace.ITU709, "dst_colorspace": Colorspace.ITU601}
    with av.open(io.BytesIO(video)) as container:
        return [frame.reformat(format="rgb24", **colours).to_image() for frame in container.decode(video=0)]


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two pictures, in steps of 255."""
    assert one.size == other.size
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


@pytest.fixture(scope="module")
def video() -> Film:
    return film(saved(picture()), **SMALL)


@pytest.mark.parametrize(
    ("seconds", "count"),
    [(0.25, 6), (0.3, 7), (1, 24), (0.001, 1)],
    ids=["quarter", "uneven", "whole", "tiny"],
)
@pytest.mark.parametrize("audio", [False, True], ids=["silent", "sound"])
def test_video_is_as_long_as_asked(seconds: float, count: int, audio: bool) -> None:
    made = film(saved(picture()), seconds, "360p", 1, audio=audio)
    assert len(frames_of(made.video)) == count
    assert made.duration == count / 24
    with av.open(io.BytesIO(made.video)) as container:
        assert container.duration / av.time_base == pytest.approx(seconds, abs=0.05)
        assert container.streams.video[0].average_rate == 24


@pytest.mark.parametrize(
    ("size", "resolution", "expected"),
    [
        ((1920, 1080), "1080p", (1920, 1080)),
        ((1280, 720), "540p", (960, 540)),
        ((720, 1280), "720p", (720, 1280)),
        ((600, 800), "360p", (360, 480)),
        ((500, 500), "540p", (540, 540)),
        ((100, 400), "360p", (360, 1440)),
        ((400, 100), "360p", (1440, 360)),
        ((333, 500), "540p", (540, 810)),
        ((1000, 667), "360p", (540, 360)),
        ((10, 10_000), "360p", (360, 1440)),
    ],
)
def test_size_follows_the_pictures_ratio(
    size: tuple[int, int],
    resolution: str,
    expected: tuple[int, int],
) -> None:
    assert frame_size(*size, resolution) == expected


@pytest.mark.parametrize("size", [(320, 180), (180, 320), (200, 200), (80, 320), (1, 1)], ids=str)
def test_video_has_the_promised_size(size: tuple[int, int]) -> None:
    made = film(saved(picture(*size)), 0.1, "360p", 1)
    assert (made.width, made.height) == frame_size(*size, "360p")
    assert {frame.size for frame in frames_of(made.video)} == {(made.width, made.height)}


def test_video_plays_in_browsers_before_it_is_fully_loaded(video: Film) -> None:
    with av.open(io.BytesIO(video.video)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
    assert 0 < video.video.index(b"moov") < video.video.index(b"mdat")


@pytest.mark.parametrize("seed", [0, -5, 2**31 - 1])
@pytest.mark.parametrize("amplitude", ["small", "large"])
def test_first_frame_is_the_whole_picture(seed: int, amplitude: str) -> None:
    make = partial(film, saved(picture()), 0.1, "360p", seed, movement_amplitude=amplitude)
    first = frames_of(make().video)[0]
    assert difference(first, picture().resize(first.size)) < 4


@pytest.mark.parametrize("amplitude", list(TRAVEL))
def test_picture_moves_from_the_first_frame_on(amplitude: str) -> None:
    make = partial(film, saved(picture()), 0.6, "360p", 3, movement_amplitude=amplitude)
    frames = frames_of(make().video)
    steps = [difference(one, other) for one, other in pairwise(frames)]
    assert min(steps) > 0.05
    assert difference(frames[0], frames[-1]) > 5 * max(steps[:3])


def test_a_larger_amplitude_moves_farther() -> None:
    distances = []
    for amplitude in ("small", "medium", "large"):
        make = partial(film, saved(picture()), 0.2, "360p", 3, movement_amplitude=amplitude)
        frames = frames_of(make().video)
        distances.append(difference(frames[0], frames[-1]))
    assert distances == sorted(distances)


def test_same_request_gives_the_same_bytes() -> None:
    make = partial(film, saved(picture()), audio=True, **SMALL)
    mark = Watermark(text="again")
    assert make(watermark=mark) == make(watermark=mark)


def test_another_seed_moves_elsewhere(video: Film) -> None:
    other = film(saved(picture()), **{**SMALL, "seed": 8})
    assert difference(frames_of(video.video)[-1], frames_of(other.video)[-1]) > 1


def test_sound_only_when_asked_and_as_long_as_the_video(video: Film) -> None:
    with av.open(io.BytesIO(video.video)) as container:
        assert not container.streams.audio
    loud = film(saved(picture()), audio=True, **SMALL)
    with av.open(io.BytesIO(loud.video)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == "aac"
        assert stream.codec_context.layout.name == "stereo"
        assert float(stream.duration * stream.time_base) == pytest.approx(loud.duration, abs=0.03)
        samples = b"".join(bytes(frame.planes[0])[: 4 * frame.samples] for frame in container.decode(audio=0))
    values = memoryview(samples).cast("f")
    assert 0.01 < max(abs(value) for value in values) < 0.4


@pytest.mark.parametrize("mark", ["text", "image"])
@pytest.mark.parametrize(
    ("position", "corner"), [(1, "left top"), (2, "right top"), (3, "right bottom"), (4, "left bottom")]
)
def test_watermark_changes_its_corner_and_nothing_else(mark: str, position: int, corner: str) -> None:
    flat = saved(Image.new("RGB", (320, 180), (128, 128, 128)))
    make = partial(film, flat, 0.1, "360p", 1)
    logo = saved(Image.new("RGB", (40, 30), (200, 20, 20))) if mark == "image" else None
    marked = make(watermark=Watermark("Made by a test", logo, position))
    changed = ImageChops.difference(frames_of(make().video)[-1], frames_of(marked.video)[-1])
    box = changed.convert("L").point([0] * 12 + [255] * 244).getbbox()
    assert box is not None
    horizontal, vertical = corner.split()
    left, top, right, bottom = box
    assert right < 320 if horizontal == "left" else left > 320
    assert bottom < 90 if vertical == "top" else top > 270
    assert min(left, 640 - right) < 30
    assert min(top, 360 - bottom) < 30


@pytest.mark.parametrize("shade", [0, 255], ids=["dark", "light"])
def test_watermark_can_be_read_on_dark_and_on_light_pictures(shade: int) -> None:
    make = partial(film, saved(Image.new("RGB", (320, 180), (shade,) * 3)), 0.05, "540p", 1)
    frame = frames_of(make(watermark=Watermark()).video)[0].convert("L")
    darkest, lightest = frame.crop((480, 270, 960, 540)).getextrema()
    assert lightest - darkest > 90


def test_watermark_fits_into_a_narrow_video() -> None:
    make = partial(film, saved(Image.new("RGB", (90, 360))), 0.05, "360p", 1)
    frame = frames_of(make(watermark=Watermark("a long text " * 9, position=4)).video)[0]
    box = frame.convert("L").point([0] * 40 + [255] * 216).getbbox()
    assert box is not None
    assert box[0] >= 4
    assert box[2] <= 300


def rotated() -> tuple[bytes, Image.Image]:
    tags = Image.Exif()
    tags[0x0112] = 6  # "turn it a quarter to the right to see it upright"
    return saved(picture().rotate(90, expand=True), "JPEG", quality=95, exif=tags), picture()


def transparent() -> tuple[bytes, Image.Image]:
    mask = Image.new("L", (320, 180))
    mask.paste(255, (40, 40, 200, 120))
    layered = picture()
    layered.putalpha(mask)
    grey = Image.new("RGB", (320, 180), (200, 200, 200))
    grey.paste(picture(), mask=mask)
    return saved(layered), grey


PICTURES = {
    "palette": lambda: (saved(picture().quantize(64)), picture().quantize(64).convert("RGB")),
    "palette with a transparent colour": lambda: (
        saved(Image.new("P", (320, 180)), transparency=0),
        Image.new("RGB", (320, 180), (200, 200, 200)),
    ),
    "greyscale": lambda: (saved(picture().convert("L")), picture().convert("L").convert("RGB")),
    "16-bit greyscale": lambda: (
        saved(Image.new("I;16", (320, 180), 257 * 100)),
        Image.new("RGB", (320, 180), (100, 100, 100)),
    ),
    "CMYK JPEG": lambda: (saved(picture().convert("CMYK"), "JPEG", quality=95), picture()),
    "WebP": lambda: (saved(picture(), "WEBP", quality=95), picture()),
    "turned by EXIF": rotated,
    "transparent PNG": transparent,
}


@pytest.mark.parametrize("kind", PICTURES)
def test_every_kind_of_picture_becomes_a_video_of_it(kind: str) -> None:
    image, expected = PICTURES[kind]()
    made = film(image, 0.05, "360p", 1)
    assert (made.width, made.height) == (640, 360)
    assert difference(frames_of(made.video)[0], expected.resize((640, 360))) < 6


@pytest.mark.parametrize("image", [b"", b"no picture", saved(picture())[:99]], ids=["empty", "text", "cut"])
def test_undecodable_bytes_are_rejected(image: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be decoded"):
        film(image, **SMALL)
