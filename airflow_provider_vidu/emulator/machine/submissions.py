# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Reads the body of a create call and refuses what Vidu refuses, with Vidu's reason.

The rules are those of the client's own request model. Two things are stricter here: ``model`` has no default, and
types are those on the wire. The model reads ``"5"`` as a number because templates produce it; a client that *sends* a
string where Vidu's page has a number must be noticed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from airflow_provider_vidu.api.catalog import MODELS
from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.img2video import Img2VideoRequest, input_error_text
from airflow_provider_vidu.emulator.machine.refusals import Refusal, about_fields
from airflow_provider_vidu.emulator.machine.scenarios import Scenario, read_scenario
from airflow_provider_vidu.emulator.video.first_frames import data_uri_problem, is_data_uri


@dataclass(frozen=True)
class Submission:
    """
    A create call that passed every check of its fields.

    :param request: the checked request.
    :param fields: the fields as they were sent, without unknown ones; ``images`` verbatim.
    :param scenario: what the prompt's switches request.
    """

    request: Img2VideoRequest
    fields: dict[str, Any]
    scenario: Scenario


def read_submission(body: bytes, *, reject_unknown_fields: bool = False) -> Submission:
    """
    Read the body of ``POST /img2video``.

    :raises Refusal: ``BadRequest``, ``FieldUnwanted``, ``FieldLacking``, ``FieldItemCountOutOfRange``,
        ``FieldInvalid``, ``ImageFormatInvalid`` or ``PageSizeOutOfRange``, in this order.
    """
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal("BadRequest", "bad request: the body is not JSON, or nested too deeply") from None
    if not isinstance(sent, dict):
        raise Refusal("BadRequest", "bad request: the body is not a JSON object")
    unknown = sorted(set(sent) - set(Img2VideoRequest.model_fields))
    if unknown and reject_unknown_fields:
        raise about_fields("FieldUnwanted", *unknown)
    fields = {name: value for name, value in sent.items() if name in Img2VideoRequest.model_fields}
    _check_presence(fields)
    request = _checked(fields)
    return Submission(request, fields, read_scenario(request.prompt))


def _check_presence(fields: dict[str, Any]) -> None:
    lacking = [name for name in ("model", "images") if fields.get(name) in (None, "", [])]
    if lacking:
        raise about_fields("FieldLacking", *lacking)
    images = fields["images"]
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise about_fields("FieldInvalid", "images", detail="must be an array of strings")
    if len(images) != 1:
        raise about_fields("FieldItemCountOutOfRange", "images")
    if isinstance(fields["model"], str) and fields["model"] not in MODELS:
        raise Refusal("FieldInvalid", "model is not supported")
    if isinstance(fields.get("meta_data"), dict):
        raise about_fields("FieldInvalid", "meta_data", detail="must be a string that holds a JSON object")


def _checked(fields: dict[str, Any]) -> Img2VideoRequest:
    try:
        return Img2VideoRequest.model_validate(fields, strict=True)
    except ValidationError as error:
        names = list(dict.fromkeys(_name(item) for item in error.errors(include_url=False, include_input=False)))
        text = input_error_text(error, fields).rstrip(".")
    image = fields["images"][0]
    if names == ["images"] and is_data_uri(image):
        raise Refusal(data_uri_problem(image) or "ImageFormatInvalid")
    if names == ["duration"] and (range_text := _duration_range(fields["model"])):
        raise Refusal("FieldInvalid", range_text)
    raise about_fields("FieldInvalid", *names, detail=text)


def _name(item: Any) -> str:
    if item["loc"]:
        return str(item["loc"][0])
    # A rule about several fields names the invalid one first in its sentence.
    cause = item.get("ctx", {}).get("error")
    text = cause.message if isinstance(cause, ViduInputError) else str(cause)
    return text.split()[0].rstrip(":")


def _duration_range(model: Any) -> str | None:
    # Vidu's own words, from a recorded answer; they fit the models that take every second of a range.
    durations = MODELS[model].durations
    if len(durations) < 2 or durations != tuple(range(durations[0], durations[-1] + 1)):
        return None
    return f"duration only support between {durations[0]} to {durations[-1]}"
