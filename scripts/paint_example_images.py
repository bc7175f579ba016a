# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Paints the pictures the example DAGs animate: ``python scripts/paint_example_images.py``.

The examples need pictures that anyone may copy, in the formats and ratios the API takes. These are
computed, so there is no photographer to ask, and every run paints the same. Run by hand, after a change
of a scene; takes about a minute. Needs Pillow and numpy.
"""

from __future__ import annotations

from pathlib import Path

from example_images import ceramic_mug, city_dusk, mountain_dawn, night_sail

DIRECTORY = Path(__file__).parent.parent / "dags_examples" / "images"


def main() -> None:
    """Paint all pictures, over the ones there are."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    mountain_dawn.paint().save(DIRECTORY / "mountain_dawn.jpg", quality=88, optimize=True)
    ceramic_mug.paint().save(DIRECTORY / "ceramic_mug.png", optimize=True)
    night_sail.paint().save(DIRECTORY / "night_sail.webp", quality=88, method=6)
    city_dusk.paint().save(DIRECTORY / "city_dusk.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    main()
