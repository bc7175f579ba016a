# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Serves the report of a task instance inside Airflow's UI. Only the API server imports this module.

A report is foreign HTML in Airflow's origin, and its path comes from a DAG. So Airflow itself checks the user, the path
is the one that Airflow has rendered for this task instance (no request and no XCom can name another), it must be in a
place that the deployment has named, the file must be one of our reports, and the browser gives it no origin.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from html import escape

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from airflow_provider_vidu.compat import report_places
from airflow_provider_vidu.landing.publish import open_existing

#: Bytes of the largest report that is shown. An item with two pictures has about 15 kB.
MAX_BYTES = 64_000_000
#: How each report starts.
BEGINNING = (
    b'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" '
    b"content=\"default-src 'none';"
)
# `sandbox` without allow-same-origin: its script gets neither cookies nor Airflow's API. The report's own policy also
# names the one script and style that it has.
_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}
_LINK = re.compile(r'(<a\b[^>]*) href="[^"]*"')
_PLAYER = re.compile(r"<noscript><video\b([^>]*)></video></noscript>")
_POSTER = re.compile(r' poster="([^"]*)"')
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>Vidu report</title>
<style>body {{ margin: 32px; max-width: 80ch; font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }}</style>
</head>
<body>
<p>{}</p>
</body>
</html>
"""

_log = logging.getLogger(__name__)
app = FastAPI(title="Vidu report", openapi_url=None)


@app.get(
    "/report/{dag_id}/{run_id}/{task_id}/{map_index}",
    dependencies=[Depends(requires_access_dag(method="GET", access_entity=DagAccessEntity.TASK_INSTANCE))],
)
def show_report(dag_id: str, run_id: str, task_id: str, map_index: str, session: SessionDep) -> HTMLResponse:
    """Return the report of a task instance, or a page that says why there is none."""
    instance = session.scalar(
        select(TaskInstance).where(
            TaskInstance.dag_id == dag_id,
            TaskInstance.run_id == run_id,
            TaskInstance.task_id == task_id,
            # The UI fills it in for mapped task instances only.
            TaskInstance.map_index == (int(map_index) if map_index.isdecimal() else -1),
        )
    )
    fields = instance and RenderedTaskInstanceFields.get_templated_fields(instance, session=session)
    path = (fields or {}).get("report_path")
    if not path or not isinstance(path, str):
        return _explain(
            "This task instance has no Vidu report. A batch operator writes one to its report_path; Airflow keeps the "
            "path for the last runs of a Dag ([core] num_dag_runs_to_retain_rendered_fields)."
        )
    where = f"The report is at {path}, but "
    source = find_in_places(path, report_places())
    if source is None:
        return _explain(f"{where}that is in none of the places that Airflow may show ([vidu] report_places).")
    try:
        with open_existing(source) as file:
            content = file.read(MAX_BYTES + 1).lstrip()
    except FileNotFoundError:
        return _explain(f"There is no report at {path} (yet). A batch first writes it once it has submitted.")
    except Exception as error:
        # Stores and Airflow's providers have exceptions of their own, with details that are not for everyone.
        _log.warning("Cannot read the report at %s: %r", path, error)
        return _explain(f"{where}Airflow's API server cannot read it ({type(error).__name__}; see its log).")
    if len(content) > MAX_BYTES:
        return _explain(f"{where}it is too large to be shown here (more than {MAX_BYTES // 1_000_000} MB).")
    if not content.startswith(BEGINNING):
        return _explain(f"{where}that file is no report of this package.")
    return HTMLResponse(_framed(content.decode(errors="replace"), path), headers=_HEADERS)


def find_in_places(path: str, places: Iterable[str]) -> str | None:
    """
    Return the file to open, if it is in one of some places.

    :param path: a local path or any ``ObjectStoragePath`` URL.
    :param places: folders, likewise; another connection or spelling is another place.
    :return: None = it is not. Links of a local path are resolved, so that it cannot lead out.
    """
    local = path.removeprefix("file://")
    if "://" in local:
        # In other stores a name has no links; fsspec would open what follows a "::".
        is_plain = "::" not in path and not {".", ".."}.intersection(path.split("/"))
        return path if is_plain and any(path.startswith(f"{place.rstrip('/')}/") for place in places) else None
    real = os.path.realpath(local)
    folders = [place.removeprefix("file://") for place in places]
    roots = [os.path.realpath(folder) for folder in folders if folder.startswith("/")]
    is_inside = local.startswith("/") and any(os.path.commonpath([root, real]) == root for root in roots)
    # Opening a pipe would wait for a writer.
    return real if is_inside and (os.path.isfile(real) or not os.path.exists(real)) else None


def _framed(report: str, path: str) -> str:
    """Say where the report is, and take out what needs the files beside it, which Airflow does not serve."""
    text = f"A copy of <bdi>{escape(path)}</bdi>. Its videos and files open only there, not inside Airflow."
    note = f'<div class="tables"><p class="quiet">{text}</p></div>'
    return _PLAYER.sub(_still, _LINK.sub(r"\1", report)).replace("<body>", f"<body>\n{note}", 1)


def _still(player: re.Match[str]) -> str:
    poster = _POSTER.search(player[1])
    return f'<img class="shown" src="{poster[1]}" alt="">' if poster else '<p class="nothing">No cover</p>'


def _explain(text: str) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(escape(text)), status_code=404, headers=_HEADERS)
