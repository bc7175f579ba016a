# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The tab *Vidu report* of a task instance, from Airflow 3.1 on.

Every Airflow process loads this module, so it imports nothing of the web server.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowPlugin

from airflow_provider_vidu.compat import has_external_views, report_places


class ViduReportPlugin(AirflowPlugin):
    """
    Add the tab if the deployment names in ``[vidu] report_places`` from where the API server may show reports.

    Not by default: Airflow shows such a tab on the task instances of all operators, and the API server reads files for
    it.
    """

    name = "vidu_report"

    def __init__(self) -> None:
        if has_external_views() and report_places():
            self.fastapi_apps = [{"name": "Vidu report", "app": _serve, "url_prefix": "/vidu"}]
            self.external_views = [
                {
                    "name": "Vidu report",
                    # Without a leading slash it also works below the path of [api] base_url. Not a query: Airflow 3.1
                    # does not encode the plus sign of a run id.
                    "href": "vidu/report/{DAG_ID}/{RUN_ID}/{TASK_ID}/{MAP_INDEX}",
                    "destination": "task_instance",
                    "url_route": "vidu-report",
                }
            ]


async def _serve(scope: Any, receive: Any, send: Any) -> None:
    from airflow_provider_vidu.plugins.report_app import app

    await app(scope, receive, send)
