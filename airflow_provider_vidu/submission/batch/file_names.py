# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Checks, before a batch is paid for, that each row's files have a place of their own.

``landing.many`` checks it again with the names that the finished tasks give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.registry import Produces
from airflow_provider_vidu.landing.destinations import Wanted
from airflow_provider_vidu.landing.publish import ClaimedPaths
from airflow_provider_vidu.submission.batch.requests import BatchRequest


def check_destinations(requests: Sequence[BatchRequest], common: str | None = None) -> list[BatchRequest]:
    """
    Check that what the requests produce can be written to their destinations.

    :param common: the destination that is not a row's own.
    :return: the same requests, each with its problem.
    :raises ViduInputError: the common destination cannot be used.
    """
    wrong: dict[tuple[str | None, Produces], ViduInputError] = {}
    for destination, produces in {(one.output_path, one.endpoint.produces) for one in requests if one.output_path}:
        try:
            Wanted(str(destination), produces=produces).check()
        except ViduInputError as error:
            if destination == common:
                raise
            wrong[destination, produces] = error
    return [
        replace(one, problem=one.problem or wrong.get((one.output_path, one.endpoint.produces))) for one in requests
    ]


def check_names(requests: Sequence[BatchRequest], wanted_of: Callable[[BatchRequest], Wanted]) -> list[BatchRequest]:
    """
    Check that each request's files have valid names of their own. No destination is looked up.

    An invalid request keeps its name: its task may have been paid for before it became invalid.

    :param wanted_of: returns which files of a request to land, and where.
    :return: the same requests, each with its problem.
    """
    checked = []
    claimed = ClaimedPaths()
    for request in requests:
        problem: Exception | None = None
        if request.output_path is not None:
            try:
                wanted = wanted_of(request)
                wanted.check_name(model=request.model or request.endpoint.name)
                if taken := claimed.claim(request.number, wanted.likely_paths(request.number)):
                    raise ViduInputError(_shared_name(request, *taken))
            except ViduInputError as error:
                problem = error
            except (ValueError, RuntimeError) as error:
                problem = ViduInputError(f"output_path: {error}")
        checked.append(replace(request, problem=request.problem or problem))
    return checked


def _shared_name(request: BatchRequest, path: str, number: int) -> str:
    is_own = path == str(request.output_path).strip()
    hint = "" if is_own else "; put {task_id}, {index} or {id} into file_name"
    return f"output_path: {path} is a file of item {number}, too{hint}"
