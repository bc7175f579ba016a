# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What was made of what, for Airflow's lineage, for OpenLineage, and for the asset events of a task's outlets.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from airflow_provider_vidu.images import local_path, meant_path

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask

_LOG = logging.getLogger(__name__)

#: Files of a batch that lineage and asset events name; beyond, the manifest has them.
MAX_NAMED = 1000


def asset_uri(place: Any) -> str | None:
    """
    Return the URI by which lineage knows a picture or a video.

    :param place: a local path, a ``file://`` URL, the URL of an object store (``s3://conn_id@bucket/key``: the
        connection is no part of what the object is), or a URL (without its query, which signs or expires).
    :return: None for what has no place: a data URI, an upload of Vidu's, nothing at all.
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
        parts = urlsplit(text)
        return urlunsplit((parts.scheme.lower(), parts.netloc.rpartition("@")[2], parts.path, "", ""))
    # The key of an object may have what begins a query or a fragment in a URL.
    scheme, _, place = text.partition("://")
    bucket, slash, key = place.partition("/")
    return f"{scheme.lower()}://{bucket.rpartition('@')[2]}{slash}{re.sub(r'[%?#]', _escape, key)}"


def _escape(found: re.Match[str]) -> str:
    return quote(found[0], safe="")


def asset_uris(images: Any) -> list[str]:
    """
    Return the URIs of pictures that have one.

    :param images: as rendered: one, a list of them, or a list of such lists.
    """
    if isinstance(images, (list, tuple)):
        return [uri for image in images for uri in asset_uris(image)]
    uri = asset_uri(images)
    return [] if uri is None else [uri]


def report_lineage(operator: Any, images: Any, files: Sequence[Mapping[str, Any]]) -> None:
    """
    Tell Airflow's lineage collector which picture became which files. Without a listener it costs nothing.

    :param operator: who did it.
    :param images: as rendered: one, or a list.
    :param files: of the task record.
    """
    with _warn_on_error("Lineage is not told"):
        from airflow.providers.common.compat.sdk import get_hook_lineage_collector

        collector = get_hook_lineage_collector()
        for uri in asset_uris(images)[:MAX_NAMED]:
            collector.add_input_asset(context=operator, uri=uri)
        for uri in asset_uris([file["path"] for file in files])[:MAX_NAMED]:
            collector.add_output_asset(context=operator, uri=uri)


def fill_outlet_events(
    context: Any, outlets: Sequence[Any], extra: Mapping[str, Any], records: Sequence[Mapping[str, Any]]
) -> None:
    """
    Put what was made into the asset events of a task's outlets; to an ``AssetAlias`` the landed files are added.

    Outlets that are no assets (manual lineage) are passed over, and so is what Airflow refuses.

    :param context: Airflow's.
    :param outlets: of the operator.
    :param extra: of the events of assets: plain JSON.
    :param records: task records.
    """
    if not outlets:
        return
    from airflow.providers.common.compat.sdk import Asset, AssetAlias

    files = [(record, file) for record in records for file in record["files"]]
    if len(files) > MAX_NAMED and any(isinstance(outlet, AssetAlias) for outlet in outlets):
        _LOG.warning("An asset alias gets %d of the %d landed files; the manifest names all.", MAX_NAMED, len(files))
    for outlet in outlets:
        with _warn_on_error(f"The outlet {outlet!r} is not told what was made"):
            if isinstance(outlet, AssetAlias):
                for record, file in files[:MAX_NAMED]:
                    if (uri := asset_uri(file["path"])) is not None:
                        told = file_extra(record, file, uri)
                        context["outlet_events"][outlet].add(Asset(uri=uri), extra=told)
            elif isinstance(outlet, Asset) or hasattr(outlet, "resolve"):
                context["outlet_events"][outlet].extra.update(extra)


def show_task(operator: Any, task: ViduTask) -> None:
    """
    Let an operator's buttons lead to a task.

    :param operator: whose buttons.
    :param task: as last seen.
    """
    operator.shown_vidu_task = task


def deliver(
    operator: Any,
    context: Any,
    task: ViduTask,
    files: Sequence[Mapping[str, Any]] = (),
    *,
    images: Any = None,
) -> dict[str, Any]:
    """
    Do what is common to all that hand one task over: links, lineage, asset events. The last thing that they do.

    :param operator: operator or sensor; an operator's ``delivered`` has the record afterwards, for OpenLineage.
    :param context: Airflow's.
    :param task: as last seen.
    :param files: where it was landed; none = nowhere.
    :param images: what it was made of, as rendered; None = not known here.
    :return: the task record.
    """
    record = task.record([dict(file) for file in files])
    operator.delivered = [record]
    show_task(operator, task)
    report_lineage(operator, images, files)
    fill_outlet_events(context, operator.outlets, event_extra(task, files), [record])
    return record


def deliver_batch(operator: Any, context: Any, images: Any, records: Sequence[Mapping[str, Any]]) -> None:
    """
    Do the same for a batch. One button for thousands would lead nowhere: it has none.

    :param operator: the batch operator.
    :param context: Airflow's.
    :param images: of all its requests.
    :param records: of all its requests.
    """
    operator.delivered = records
    report_lineage(operator, images, [file for record in records for file in record["files"]])
    fill_outlet_events(context, operator.outlets, batch_extra(records, operator.manifest_path), records)


def event_extra(task: ViduTask, files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return what an asset event tells of a video.

    :param task: as last seen.
    :param files: where it was landed; none = nowhere.
    :return: ``{"vidu_task_id", "uri", "credits", "model"}``; ``uri`` is None where nothing was landed: Vidu's own link
        is dead when somebody reads the event.
    """
    return {
        "vidu_task_id": task.task_id,
        "uri": asset_uri(files[0]["path"]) if files else None,
        "credits": task.credits,
        "model": task.model,
    }


def file_extra(record: Mapping[str, Any], file: Mapping[str, Any], uri: str) -> dict[str, Any]:
    """
    Return what the asset event of one landed file tells.

    :param record: its task record.
    :param file: of the record.
    :param uri: of the file.
    :return: ``{"vidu_task_id", "kind", "uri", "credits", "model"}``; the credits stand with the video alone, so that
        they may be summed.
    """
    return {
        "vidu_task_id": record["task_id"],
        "kind": file["kind"],
        "uri": uri,
        "credits": record["credits"] if file["kind"] == "video" else None,
        "model": record["model"],
    }


def batch_extra(records: Sequence[Mapping[str, Any]], manifest_path: str | None) -> dict[str, Any]:
    """
    Return what an asset event tells of a batch.

    :param records: of all its requests.
    :param manifest_path: where they stand.
    :return: ``{"videos", "failed", "credits", "uri"}``; ``uri`` is the manifest's.
    """
    made = [record for record in records if record["error"] is None]
    return {
        "videos": len(made),
        "failed": len(records) - len(made),
        "credits": sum(record["credits"] or 0 for record in made),
        "uri": asset_uri(manifest_path) if manifest_path else None,
    }


def openlineage_facets(images: Any, records: Sequence[Mapping[str, Any]]) -> Any:
    """
    Return what the OpenLineage provider asks an operator for when its task is done.

    :param images: as rendered.
    :param records: task records.
    :return: an ``OperatorLineage``: picture and files as datasets, each file with its size, and a run facet ``vidu``
        with task ids, models, seconds of video and credits; None where that provider is not installed.
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

    every = [file for record in records for file in record["files"]]
    inputs = [Dataset(*_dataset(uri)) for uri in asset_uris(images)[:MAX_NAMED]]
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
    )
    return OperatorLineage(inputs=inputs, outputs=outputs, run_facets={"vidu": facet})


def _dataset(uri: str) -> tuple[str, str]:
    # By OpenLineage's naming, a bucket is a namespace, and that of local files is "file".
    parts = urlsplit(uri)
    if not parts.netloc:
        return parts.scheme, parts.path
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")


@contextmanager
def _warn_on_error(what: str) -> Generator[None, None, None]:
    # The video is paid for by now: nothing that is only told may fail the task, whose retry or clear would pay again.
    try:
        yield
    except Exception:
        _LOG.warning("%s.", what, exc_info=True)
