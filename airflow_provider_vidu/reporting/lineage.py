# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Report which picture became which files: to Airflow's lineage, OpenLineage, and the asset events of outlets."""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow_provider_vidu.api.images import public_url
from airflow_provider_vidu.api.origin import Origin
from airflow_provider_vidu.images import local_path, meant_path

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask

_LOG = logging.getLogger(__name__)

#: Maximum files of a batch in lineage and asset events; the manifest has all of them.
MAX_NAMED = 1000


def asset_uri(place: Any) -> str | None:
    """
    Return the URI of a picture or a video in lineage.

    :param place: a local path, a ``file://`` URL, the URL of an object store (the URI leaves out the connection in
        ``s3://conn_id@bucket/key``), or a URL (the URI leaves out the query, which may be a signature).
    :return: None for a data URI, an upload at Vidu, or an empty value.
    """
    if not isinstance(place, str) and not hasattr(place, "__fspath__") and not hasattr(place, "storage_options"):
        return None
    text = str(place).strip()
    if not text or text.lower().startswith(("data:", "ssupload:")):
        return None
    local = local_path(text)
    if local is not None:
        return f"file://{quote(str(meant_path(text, local).absolute()))}"
    if text.lower().startswith(("http://", "https://")):
        return public_url(text)
    # An object's key may contain the characters that start a query or a fragment in a URL.
    scheme, _, place = text.partition("://")
    bucket, slash, key = place.partition("/")
    return f"{scheme.lower()}://{bucket.rpartition('@')[2]}{slash}{re.sub(r'[%?#]', _escape, key)}"


def _escape(found: re.Match[str]) -> str:
    return quote(found[0], safe="")


def asset_uris(sources: Any) -> list[str]:
    """Return the URIs of one rendered picture, video or sound, or of a nested list of them, if they have any."""
    if isinstance(sources, (list, tuple)):
        return [uri for source in sources for uri in asset_uris(source)]
    uri = asset_uri(sources)
    return [] if uri is None else [uri]


def report_lineage(operator: Any, sources: Any, files: Sequence[Mapping[str, Any]]) -> None:
    """
    Report to Airflow's lineage collector which sources became which files. Without a listener this costs nothing.

    :param operator: the operator, sensor or hook that did it.
    :param sources: as rendered, see ``Endpoint.sources``.
    :param files: ``files`` of the task record.
    """
    with _warn_on_error("Lineage was not reported; the task and its video are not affected"):
        from airflow.providers.common.compat.sdk import get_hook_lineage_collector

        collector = get_hook_lineage_collector()
        for uri in asset_uris(sources)[:MAX_NAMED]:
            collector.add_input_asset(context=operator, uri=uri)
        for uri in asset_uris([file["path"] for file in files])[:MAX_NAMED]:
            collector.add_output_asset(context=operator, uri=uri)


def fill_outlet_events(
    context: Any, outlets: Sequence[Any], extra: Mapping[str, Any], records: Sequence[Mapping[str, Any]]
) -> None:
    """
    Describe what was made in the asset events of a task's outlets; add the landed files to an ``AssetAlias``.

    Outlets that are not assets (manual lineage) are ignored. If Airflow rejects an outlet, this logs a warning.

    :param extra: for the events of assets, plain JSON.
    """
    if not outlets:
        return
    from airflow.providers.common.compat.sdk import Asset, AssetAlias

    files = [(record, file) for record in records for file in record["files"]]
    if len(files) > MAX_NAMED and any(isinstance(outlet, AssetAlias) for outlet in outlets):
        _LOG.warning("An asset alias gets %d of the %d landed files; the manifest names all.", MAX_NAMED, len(files))
    for outlet in outlets:
        with _warn_on_error(f"No asset event for the outlet {outlet!r}; the task and its video are not affected"):
            if isinstance(outlet, AssetAlias):
                for record, file in files[:MAX_NAMED]:
                    if (uri := asset_uri(file["path"])) is not None:
                        context["outlet_events"][outlet].add(Asset(uri=uri), extra=file_extra(record, file, uri))
            elif isinstance(outlet, Asset) or hasattr(outlet, "resolve"):
                context["outlet_events"][outlet].extra.update(extra)


def show_task(operator: Any, task: ViduTask) -> None:
    """Let an operator's buttons lead to a task."""
    operator.shown_vidu_task = task


def deliver(
    operator: Any,
    context: Any,
    task: ViduTask,
    files: Sequence[Mapping[str, Any]] = (),
    *,
    sources: Any = (),
) -> dict[str, Any]:
    """
    Set links, lineage and asset events of one finished task. Operators and sensors call this last.

    :param operator: operator or sensor; its ``delivered`` keeps the record for OpenLineage.
    :param files: the landed files, if any.
    :param sources: the rendered sources; None = unknown here.
    :return: the task record.
    """
    record = task.record([dict(file) for file in files])
    operator.delivered = [record]
    show_task(operator, task)
    report_lineage(operator, sources, files)
    fill_outlet_events(context, operator.outlets, event_extra(task, files), [record])
    return record


def deliver_batch(operator: Any, context: Any, sources: Any, records: Sequence[Mapping[str, Any]]) -> None:
    """
    Set lineage and asset events of a batch. It has no links, since one button cannot lead to thousands of tasks.

    :param sources: the sources of all requests.
    :param records: the records of all requests.
    """
    operator.delivered = records
    report_lineage(operator, sources, [file for record in records for file in record["files"]])
    fill_outlet_events(context, operator.outlets, batch_extra(records, operator.manifest_path), records)


def event_extra(task: ViduTask, files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return the ``extra`` of an asset event for one video.

    :param files: the landed files, if any.
    :return: ``{"vidu_task_id", "uri", "credits", "model"}`` and the keys of its :class:`Origin`; ``uri`` is None if
        nothing was landed, since Vidu's own link has expired by the time an event is read.
    """
    return {
        "vidu_task_id": task.task_id,
        "uri": asset_uri(files[0]["path"]) if files else None,
        "credits": task.credits,
        "model": task.model,
        **task.origin.as_record(),
    }


def file_extra(record: Mapping[str, Any], file: Mapping[str, Any], uri: str) -> dict[str, Any]:
    """
    Return the ``extra`` of the asset event of one landed file.

    :return: ``{"vidu_task_id", "kind", "uri", "credits", "model"}`` and the keys of the record's :class:`Origin`; only
        the first file of a task has credits, so that they can be summed.
    """
    return {
        "vidu_task_id": record["task_id"],
        "kind": file["kind"],
        "uri": uri,
        "credits": record["credits"] if file == record["files"][0] else None,
        "model": record["model"],
        **Origin.from_record(record).as_record(),
    }


def batch_extra(records: Sequence[Mapping[str, Any]], manifest_path: str | None) -> dict[str, Any]:
    """
    Return the ``extra`` of an asset event for a batch.

    :param records: the records of all requests.
    :return: ``{"videos", "failed", "credits", "uri"}``; ``uri`` is the manifest's.
    """
    made = [record for record in records if record["error"] is None]
    return {
        "videos": len(made),
        "failed": len(records) - len(made),
        "credits": sum(record["credits"] or 0 for record in made),
        "uri": asset_uri(manifest_path) if manifest_path else None,
    }


def openlineage_facets(sources: Any, records: Sequence[Mapping[str, Any]]) -> Any:
    """
    Return what the OpenLineage provider asks an operator for when its task is finished.

    :param sources: as rendered.
    :return: an ``OperatorLineage``: sources and files as datasets, each file with its size, and a run facet ``vidu``
        with task ids, models, seconds of video, credits, and what each task was made from; None if that provider is
        not installed.
    """
    try:
        from airflow.providers.common.compat.openlineage.facet import (
            Dataset,
            OutputDataset,
            OutputStatisticsOutputDatasetFacet,
        )
        from airflow.providers.openlineage.extractors import OperatorLineage
        from openlineage.client.generated.base import RunFacet
    except ImportError:
        return None
    import attrs

    @attrs.define
    class ViduRunFacet(RunFacet):
        """What was generated, and what it cost."""

        tasks: list[str]
        models: list[str]
        duration: float | None
        credits: float | None
        items: list[dict[str, Any]]

    every = [file for record in records for file in record["files"]]
    inputs = [Dataset(*_dataset(uri)) for uri in asset_uris(sources)[:MAX_NAMED]]
    outputs = [
        OutputDataset(
            *_dataset(uri),
            outputFacets={"outputStatistics": OutputStatisticsOutputDatasetFacet(size=file["bytes"], fileCount=1)},
        )
        for file in every[:MAX_NAMED]
        if (uri := asset_uri(file["path"])) is not None
    ]
    durations = [file["duration"] for file in every if file.get("duration") and file["kind"] == "video"]
    credits = [record["credits"] for record in records if record["credits"] is not None]
    facet = ViduRunFacet(
        tasks=[record["task_id"] for record in records if record["task_id"]][:MAX_NAMED],
        models=sorted({record["model"] for record in records if record["model"]}),
        duration=round(sum(durations), 3) if durations else None,
        credits=sum(credits) if credits else None,
        items=[
            {"task_id": record["task_id"], **Origin.from_record(record).as_record()} for record in records[:MAX_NAMED]
        ],
    )
    return OperatorLineage(inputs=inputs, outputs=outputs, run_facets={"vidu": facet})


def _dataset(uri: str) -> tuple[str, str]:
    # In OpenLineage's naming a bucket is a namespace, and local files have the namespace "file".
    parts = urlsplit(uri)
    if not parts.netloc:
        return parts.scheme, parts.path
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")


@contextmanager
def _warn_on_error(what: str) -> Generator[None, None, None]:
    # The video is paid for by now. A report must not fail the task, because its retry or clear could pay again.
    try:
        yield
    except Exception:
        _LOG.warning("%s.", what, exc_info=True)
