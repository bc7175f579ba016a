# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Reads the body of a create call and refuses what Vidu refuses, with Vidu's reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from airflow_provider_vidu.emulator.machine.endpoints import ENDPOINTS, Request
from airflow_provider_vidu.emulator.machine.refusals import Refusal, about_fields
from airflow_provider_vidu.emulator.machine.scenarios import read_scenario
from airflow_provider_vidu.emulator.video.first_frames import data_uri_problem, first_frame_size, is_data_uri


def read_submission(body: bytes, endpoint: str = "img2video", *, reject_unknown_fields: bool = False) -> Request:
    """
    Read the body of ``POST /{endpoint}``.

    :raises Refusal: ``BadRequest``, ``FieldUnwanted``, ``FieldLacking``, ``FieldInvalid``,
        ``FieldItemCountOutOfRange``, ``ImageFormatInvalid`` or ``PageSizeOutOfRange``.
    """
    try:
        sent = json.loads(body)
        if rb"\ud" in body.lower():
            # Half of a surrogate pair is no text: no answer could repeat it.
            json.dumps(sent, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Refusal("BadRequest", "bad request: the body is not JSON, or nested too deeply") from None
    if not isinstance(sent, dict):
        raise Refusal("BadRequest", "bad request: the body is not a JSON object")
    checks = ENDPOINTS[endpoint].checks
    unknown = sorted(set(sent) - set(checks))
    if unknown and reject_unknown_fields:
        raise about_fields("FieldUnwanted", *unknown)
    request = Request(ENDPOINTS[endpoint], {name: value for name, value in sent.items() if name in checks})
    _check_fields(request)
    _check_model(request)
    _check_pictures(request)
    request.endpoint.rule(request)
    return replace(request, scenario=read_scenario(request.prompt))


def _check_fields(request: Request) -> None:
    endpoint, fields = request.endpoint, request.fields
    lacking = [name for name in endpoint.required if fields.get(name) in (None, "", [])]
    if lacking:
        raise about_fields("FieldLacking", *lacking)
    given = {name: value for name, value in fields.items() if value is not None}
    problems = {name: problem for name, value in given.items() if (problem := endpoint.checks[name](value))}
    if problems:
        detail = "; ".join(f"{name} {problem}" for name, problem in problems.items())
        raise about_fields("FieldInvalid", *problems, detail=detail)
    if (request.model or "") not in endpoint.models:
        raise Refusal("FieldInvalid", "model is not supported")


def _check_model(request: Request) -> None:
    model = request.known_model
    seconds = model.usual_seconds if request.duration is None else request.duration
    if len(request.prompt or "") > model.max_prompt:
        raise about_fields("FieldInvalid", "prompt", detail=f"must have at most {model.max_prompt} characters")
    if model.rows:
        resolutions = model.resolutions(seconds)
        if resolutions is None:
            durations = model.durations
            # Vidu's own words, from a recorded answer; they fit the models that take every second of a range.
            if len(durations) > 1 and durations == list(range(durations[0], durations[-1] + 1)):
                raise Refusal("FieldInvalid", f"duration only support between {durations[0]} to {durations[-1]}")
            raise about_fields("FieldInvalid", "duration", detail=f"{request.model} takes {_listed(durations)}")
        if request.effective_resolution not in resolutions:
            raise about_fields("FieldInvalid", "resolution", detail=f"{request.model} takes {_listed(resolutions)}")
    if model.ratios and request.aspect_ratio and request.aspect_ratio not in model.ratios:
        raise about_fields("FieldInvalid", "aspect_ratio", detail=f"{request.model} takes {_listed(model.ratios)}")
    if request.off_peak and not model.off_peak:
        raise about_fields("FieldInvalid", "off_peak", detail=f"{request.model} has none")


def _check_pictures(request: Request) -> None:
    least, most = request.known_model.images
    if "images" in request.endpoint.checks and not least <= len(request.images or ()) <= most:
        raise about_fields("FieldItemCountOutOfRange", "images")
    inside = [picture for picture in request.pictures if is_data_uri(picture)]
    problem = next(filter(None, map(data_uri_problem, inside)), None)
    if problem is None and len(inside) == len(request.pictures):
        problem = request.endpoint.sizes_problem([first_frame_size(picture) for picture in inside])
    if problem is not None:
        raise Refusal(problem)


def _listed(values: Any) -> str:
    return ", ".join(map(str, values))
