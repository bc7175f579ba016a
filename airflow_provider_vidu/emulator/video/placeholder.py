# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A picture in place of an image that the emulator does not fetch: it works offline, and shows the image's name."""

from __future__ import annotations

import io
import random

from airflow_provider_vidu.emulator.video.scenes import title_card

_SIZES = ((1280, 720), (720, 1280), (960, 960))


def paint_placeholder(name: str) -> bytes:
    """Return a JPEG that shows a name, on colours that follow from it."""
    file = io.BytesIO()
    title_card(name[-120:].replace("/", "/ "), placeholder_size(name)).save(file, "JPEG", quality=90)
    return file.getvalue()


def placeholder_size(name: str) -> tuple[int, int]:
    """Return width and height of a placeholder: landscape, portrait or square."""
    return random.Random(name).choice(_SIZES)
