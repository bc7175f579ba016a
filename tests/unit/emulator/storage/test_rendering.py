# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What each endpoint delivers, downloaded and opened: its kind, size, duration, and what it shows."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import av
import pytest
import requests
from _support.stopped_vidu import StoppedVidu, data_uri, file_server, picture
from av.video.reformatter import Colorspace
from PIL import Image, ImageChops, ImageStat

RED, GREEN, BLUE = ((200, 40, 40), (40, 160, 60), (40, 60, 200))


@pytest.fixture
def vidu() -> Iterator[StoppedVidu]:
    vidu = StoppedVidu()
    with vidu.emulator:
        yield vidu


def plain(colour: tuple[int, int, int], width: int = 160, height: int = 90) -> str:
    return data_uri(picture(width, height, colour=colour))  # type: ignore[arg-type]


def download(url: str) -> bytes:
    answer = requests.get(url, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.content


class Film:
    """A downloaded video, decoded."""

    def __init__(self, content: bytes) -> None:
        # Older PyAV does not read from the file which colours it has.
        colours = {"src_colorspace": Colorspace.ITU709, "dst_colorspace": Colorspace.ITU601}
        with av.open(io.BytesIO(content)) as container:
            assert container.streams.video[0].codec_context.name == "h264"
            self.frames = [frame.reformat(format="rgb24", **colours).to_image() for frame in container.decode(video=0)]
        with av.open(io.BytesIO(content)) as container:
            self.has_sound = bool(container.streams.audio)
        self.size, self.seconds = self.frames[0].size, len(self.frames) / 24

    def colour(self, number: int, x: float = 0.5, y: float = 0.5) -> tuple[int, ...]:
        frame = self.frames[number]
        return tuple(frame.getpixel((int(x * frame.width), int(y * frame.height))))


def film(vidu: StoppedVidu, endpoint: str, **fields: Any) -> Film:
    return Film(download(vidu.make(endpoint, **{"resolution": "540p", **fields})["url"]))


def looks(seen: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 24) -> bool:
    return all(abs(one - other) <= tolerance for one, other in zip(seen, expected, strict=True))


def difference(one: Image.Image, other: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean) / 3


# --- text ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "size"), [(None, (960, 540)), ("9:16", (540, 960)), ("4:3", (720, 540))])
def test_text_becomes_a_title_card_of_the_asked_ratio(
    vidu: StoppedVidu, ratio: str | None, size: tuple[int, int]
) -> None:
    made = film(vidu, "text2video", model="viduq2", prompt="A red fox", duration=1, aspect_ratio=ratio)
    assert (made.size, made.seconds, made.has_sound) == (size, 1, False)
    other = film(vidu, "text2video", model="viduq2", prompt="A blue whale", duration=1, aspect_ratio=ratio)
    assert difference(made.frames[0], other.frames[0]) > 5


@pytest.mark.parametrize("prompt", ["word " * 400, "x" * 300, "狐狸在雪地里" * 40, "fox"])
def test_text_stays_in_view_until_the_end(vidu: StoppedVidu, prompt: str) -> None:
    made = film(vidu, "text2video", model="viduq2", prompt=prompt, duration=1, movement_amplitude="large")
    for frame in (made.frames[0], made.frames[-1]):
        white = frame.convert("L").point([0] * 215 + [255] * 41).getbbox()
        assert white is not None
        left, top, right, bottom = white
        assert min(left, top, 960 - right, 540 - bottom) > 0


def test_q3_has_sound_unless_it_is_switched_off(vidu: StoppedVidu) -> None:
    fields = {"model": "viduq3-turbo", "prompt": "x", "duration": 1}
    assert film(vidu, "text2video", **fields).has_sound
    assert not film(vidu, "text2video", **fields, audio=False).has_sound


# --- pictures --------------------------------------------------------------------------------------------------


def test_start_end_video_fades_evenly_from_the_first_to_the_last(vidu: StoppedVidu) -> None:
    made = film(vidu, "start-end2video", model="viduq2-turbo", images=[plain(RED), plain(BLUE)], duration=2)
    assert (made.size, made.seconds) == ((960, 540), 2)
    assert looks(made.colour(0), RED)
    assert looks(made.colour(24), tuple((one + other) // 2 for one, other in zip(RED, BLUE, strict=True)))
    assert looks(made.colour(-1), BLUE)
    reds = [made.colour(number)[0] for number in range(48)]
    assert max(before - after for before, after in pairwise(reds)) < 16


def test_multiframe_passes_each_key_frame(vidu: StoppedVidu) -> None:
    settings = [{"key_image": plain(GREEN), "duration": 2}, {"key_image": plain(BLUE), "duration": 3}]
    made = film(vidu, "multiframe", model="viduq2-pro", start_image=plain(RED), image_settings=settings)
    assert made.seconds == 5
    assert [looks(made.colour(number), colour) for number, colour in ((0, RED), (48, GREEN), (-1, BLUE))] == [True] * 3


@pytest.mark.parametrize(
    ("count", "places"),
    [
        (1, [(0.5, 0.5)]),
        (2, [(0.25, 0.5), (0.75, 0.5)]),
        (3, [(0.17, 0.5), (0.5, 0.5), (0.83, 0.5)]),
        (5, [(0.25, 0.25), (0.75, 0.25), (0.17, 0.75), (0.5, 0.75), (0.83, 0.75)]),
        (7, [(0.17, 0.25), (0.5, 0.25), (0.83, 0.25), (0.12, 0.75), (0.37, 0.75), (0.62, 0.75), (0.87, 0.75)]),
    ],
)
def test_references_are_a_collage_in_their_order(
    vidu: StoppedVidu, count: int, places: list[tuple[float, float]]
) -> None:
    colours = [(30 * number, 200 - 20 * number, 60 + 20 * number) for number in range(count)]
    made = film(
        vidu, "reference2video", model="viduq2", prompt="x", images=[plain(colour) for colour in colours], duration=1
    )
    assert made.size == (960, 540)
    assert [looks(made.colour(0, *place), colour) for place, colour in zip(places, colours, strict=True)] == [
        True
    ] * count


def test_pictures_of_all_subjects_are_in_the_collage(vidu: StoppedVidu) -> None:
    subjects = [{"name": "a", "images": [plain(RED)]}, {"name": "b", "images": [plain(BLUE)]}]
    made = film(
        vidu, "reference2video", model="viduq3", prompt="@a @b", subjects=subjects, duration=3, aspect_ratio="9:16"
    )
    assert (made.size, made.seconds) == ((540, 960), 3)
    assert looks(made.colour(0, 0.5, 0.25), RED)
    assert looks(made.colour(0, 0.5, 0.75), BLUE)


def test_template_shows_its_pictures_in_their_own_ratio(vidu: StoppedVidu) -> None:
    made = film(vidu, "template", template="hug", images=[plain(RED, 90, 160)])
    assert (made.size, made.seconds) == ((720, 1280), 4)
    assert looks(made.colour(-1), RED)


def test_reference_image_is_a_picture(vidu: StoppedVidu) -> None:
    for fields, size in (({}, (1920, 1080)), ({"aspect_ratio": "2:3", "resolution": "2K"}, (1440, 2160))):
        creation = vidu.make("reference2image", model="viduq2", prompt="x", images=[plain(RED)], **fields)
        assert creation["watermarked_url"] == ""
        with Image.open(io.BytesIO(download(creation["url"]))) as made:
            assert (made.format, made.size) == ("PNG", size)
            assert looks(made.getpixel((5, 5)), RED, 2)
        answer = requests.head(creation["url"], timeout=10)
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Disposition"].endswith('.png"')


# --- sound -----------------------------------------------------------------------------------------------------


def test_audio_is_a_wav_file_without_a_cover(vidu: StoppedVidu) -> None:
    creation = vidu.make("text2audio", model="audio1.0", prompt="rain", duration=2.5, seed=1)
    assert (creation["cover_url"], creation["watermarked_url"]) == ("", "")
    with wave.open(io.BytesIO(download(creation["url"]))) as made:
        assert (made.getnchannels(), made.getframerate(), made.getnframes()) == (2, 48_000, 120_000)
        samples = memoryview(made.readframes(made.getnframes())).cast("h")
    assert 300 < max(samples) < 13_000
    assert requests.head(creation["url"], timeout=10).headers["Content-Type"] == "audio/wav"


# --- videos ----------------------------------------------------------------------------------------------------


def source(vidu: StoppedVidu, **fields: Any) -> dict[str, Any]:
    frames = {"model": "viduq2-turbo", "images": [plain(RED), plain(BLUE)]}
    return vidu.make("start-end2video", **{**frames, "duration": 4, "resolution": "540p", **fields})


def test_extension_continues_the_last_picture_of_its_source(vidu: StoppedVidu) -> None:
    made = film(vidu, "extend", model="viduq2-turbo", video_creation_id=source(vidu)["id"], duration=1)
    assert (made.size, made.seconds) == ((960, 540), 5)
    assert [looks(made.colour(number), colour) for number, colour in ((0, RED), (95, BLUE), (-1, BLUE))] == [True] * 3


def test_extension_ends_with_the_given_picture(vidu: StoppedVidu) -> None:
    made = film(
        vidu,
        "extend",
        model="viduq2-turbo",
        video_url=source(vidu)["url"],
        images=[plain(GREEN)],
        duration=1,
    )
    assert (made.size, made.seconds) == ((960, 540), 5)
    assert looks(made.colour(-1), GREEN)


def test_upscaled_video_is_its_source_larger_with_its_sound(vidu: StoppedVidu) -> None:
    small = source(vidu, model="viduq3-turbo", duration=1)
    made = Film(download(vidu.make("upscale-new", video_creation_id=small["id"])["url"]))
    assert (made.size, made.seconds, made.has_sound) == ((1920, 1080), 1, True)
    original = Film(download(small["url"]))
    assert difference(made.frames[12].resize((960, 540)), original.frames[12]) < 3
    silent = source(vidu, duration=1)
    assert not Film(download(vidu.make("upscale-new", video_creation_id=silent["id"])["url"])).has_sound


def test_video_of_this_machine_is_fetched(vidu: StoppedVidu) -> None:
    content = download(source(vidu)["url"])
    with file_server() as files:
        files["/clip.mp4"] = content
        made = film(vidu, "extend", model="viduq2-turbo", video_url=f"{files['url'].decode()}/clip.mp4", duration=1)
    assert (made.seconds, looks(made.colour(0), RED), looks(made.colour(-1), BLUE)) == (5, True, True)


def test_video_of_another_host_is_shown_by_its_name(vidu: StoppedVidu) -> None:
    one, other = (
        film(vidu, "extend", model="viduq2-turbo", video_url=f"https://example.com/{name}.mp4", duration=1)
        for name in ("cat", "dog")
    )
    assert one.seconds == 5
    assert one.size != other.size or difference(one.frames[0], other.frames[0]) > 3


def test_lip_sync_gives_its_source_a_voice(vidu: StoppedVidu) -> None:
    made = Film(download(vidu.make("lip-sync", video_url=source(vidu, duration=1)["url"], text="hello")["url"]))
    assert (made.size, made.seconds, made.has_sound) == ((960, 540), 1, True)
    assert looks(made.colour(0), RED)


# --- all of them -----------------------------------------------------------------------------------------------

DELIVER_VIDEO: dict[str, dict[str, Any]] = {
    "img2video": {"model": "viduq2-turbo", "images": [plain(RED)], "duration": 1, "resolution": "540p"},
    "text2video": {"model": "viduq2", "prompt": "x", "duration": 1, "resolution": "540p"},
    "start-end2video": {
        "model": "viduq2-turbo",
        "images": [plain(RED), plain(BLUE)],
        "duration": 1,
        "resolution": "540p",
    },
    "reference2video": {
        "model": "viduq2",
        "images": [plain(RED), plain(BLUE)],
        "prompt": "x",
        "duration": 1,
        "resolution": "540p",
    },
    "extend": {
        "model": "viduq2-turbo",
        "video_url": "https://example.com/cat.mp4",
        "duration": 1,
        "resolution": "540p",
    },
}


@pytest.mark.parametrize("endpoint", DELIVER_VIDEO)
def test_cover_mark_and_facts_agree_with_the_video(vidu: StoppedVidu, endpoint: str) -> None:
    creation = vidu.make(endpoint, **DELIVER_VIDEO[endpoint], watermark=True, wm_position=1, seed=3)
    made, marked = Film(download(creation["url"])), Film(download(creation["watermarked_url"]))
    with Image.open(io.BytesIO(download(creation["cover_url"]))) as cover:
        assert cover.format == "JPEG"
        assert difference(cover, made.frames[0]) < 4
    changed = ImageChops.difference(made.frames[0], marked.frames[0]).convert("L")
    box = changed.point([0] * 16 + [255] * 240).getbbox()
    assert box is not None
    assert box[3] < made.size[1] / 5
    (row,) = vidu.call("GET", "tasks").json()["tasks"]
    width, height = made.size
    assert row["creations"][0]["video"] == {
        "duration": made.seconds,
        "fps": 24,
        "resolution": {"width": width, "height": height},
    }


def test_equal_requests_give_equal_bytes() -> None:
    contents = []
    for _ in range(2):
        vidu = StoppedVidu()
        with vidu.emulator:
            small = source(vidu, duration=1)
            again = vidu.make("lip-sync", video_url=small["url"], text="hello", seed=2)
            contents.append([download(small["url"]), download(again["url"])])
    assert contents[0] == contents[1]
