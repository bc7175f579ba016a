# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Pictures for the emulator: from the bytes of a submitted image to planes an encoder takes."""

from __future__ import annotations

import io
from typing import NamedTuple

import av
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image, ImageOps

# The grey a transparent picture is laid on: dark and light logos both stand out against it.
BACKGROUND = (200, 200, 200)


class Planes(NamedTuple):
    """A picture as three 8-bit greyscale images, the layout ``yuv420p`` video is made of.

    :param luma: brightness, in the picture's full size.
    :param blue: blue difference, in half the width and half the height.
    :param red: red difference, in half the width and half the height.
    """

    luma: Image.Image
    blue: Image.Image
    red: Image.Image


def open_picture(image: bytes) -> Image.Image:
    """Decode an image file into an upright, opaque RGB picture.

    The EXIF orientation is applied, transparency is laid on a neutral grey, palettes, CMYK and
    greyscale become RGB, and of an animation only the first frame is taken.

    :param image: the bytes of a PNG, JPEG, WebP or any other file Pillow reads.
    :return: the picture in mode ``RGB``.
    :raises ValueError: if the bytes are not a picture that can be decoded.
    """
    picture = decode(image)
    if picture.mode.startswith("I"):
        # 16-bit greyscale, which a plain conversion would clip to white.
        picture = picture.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    background = Image.new("RGB", picture.size, BACKGROUND)
    background.paste(picture, mask=picture.getchannel("A"))
    return background


def decode(image: bytes) -> Image.Image:
    """Decode an image file and turn it upright, leaving its colour mode and transparency alone.

    :param image: the bytes of an image file.
    :return: the first frame, in whatever mode the file has.
    :raises ValueError: if the bytes are not a picture that can be decoded.
    """
    try:
        with Image.open(io.BytesIO(image)) as opened:
            opened.load()
            return ImageOps.exif_transpose(opened)
    except Exception as error:  # a decoder can raise nearly anything on damaged bytes
        raise ValueError(f"the image cannot be decoded: {error}") from error


def to_planes(picture: Image.Image) -> Planes:
    """Convert an RGB picture to the planes of BT.709 ``yuv420p``, the colours of HD video.

    :param picture: a picture in mode ``RGB`` with an even width and an even height.
    :return: its three planes.
    """
    colours = av.VideoFrame(picture.width, picture.height, "rgb24")
    colours.planes[0].update(picture.tobytes("raw", "RGB", colours.planes[0].line_size))
    frame = colours.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )
    luma, blue, red = (
        Image.frombuffer("L", (plane.width, plane.height), bytes(plane), "raw", "L", plane.line_size, 1)
        for plane in frame.planes
    )
    return Planes(luma, blue, red)


def to_frame(planes: Planes) -> av.VideoFrame:
    """Pack planes into a frame for the encoder.

    :param planes: the planes of one picture.
    :return: a ``yuv420p`` frame of the size of the luma plane.
    """
    frame = av.VideoFrame(planes.luma.width, planes.luma.height, "yuv420p")
    for target, source in zip(frame.planes, planes, strict=True):
        # The encoder wants each line to begin at an aligned address: lines are filled up to that length.
        target.update(source.tobytes("raw", "L", target.line_size))
    return frame
