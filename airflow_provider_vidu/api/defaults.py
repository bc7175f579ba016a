# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The defaults that DAG files need at parse time, and how a switch is read. Every DAG parse loads this module: it imports
nothing.
"""

from __future__ import annotations

#: The model that is used where the author of a DAG names none: the fastest of the current family.
DEFAULT_MODEL = "viduq3-turbo"

#: How long an operator waits for one task, in seconds, where its author does not say.
DEFAULT_TIMEOUT = 24 * 3600.0
#: The same for off-peak: Vidu renders those within 48 hours, or cancels and refunds them.
DEFAULT_OFF_PEAK_TIMEOUT = 49 * 3600.0

#: The fields of an image-to-video request, by their API names.
REQUEST_FIELDS = (
    "images",
    "prompt",
    "model",
    "duration",
    "seed",
    "resolution",
    "movement_amplitude",
    "audio",
    "audio_type",
    "voice_id",
    "is_rec",
    "bgm",
    "off_peak",
    "watermark",
    "wm_position",
    "wm_url",
    "meta_data",
    "payload",
    "callback_url",
)


#: Parameters that are text, whatever their text looks like.
TEXT_FIELDS = frozenset(
    {
        "prompt",
        "model",
        "resolution",
        "movement_amplitude",
        "audio_type",
        "voice_id",
        "wm_url",
        "payload",
        "callback_url",
        "output_path",
        "file_name",
        "manifest_path",
        "destination",
        "vidu_conn_id",
    }
)


_YES = frozenset({"true", "t", "1", "1.0", "yes", "y", "on"})
_NO = frozenset({"false", "f", "0", "0.0", "no", "n", "off"})


def is_yes(value: object) -> bool:
    """
    Tell whether a switch is on: a boolean, or what a template or a connection's form made of one.

    :param value: anything; ``true``, ``t``, ``1``, ``yes``, ``y`` and ``on`` mean yes, in any case.
    """
    return str(value).strip().lower() in _YES


def is_no(value: object) -> bool:
    """
    Say whether a switch is off by a word of its own; an unset one is not.

    :param value: see :func:`is_yes`; ``false``, ``f``, ``0``, ``no``, ``n`` and ``off`` mean no.
    """
    return str(value).strip().lower() in _NO
