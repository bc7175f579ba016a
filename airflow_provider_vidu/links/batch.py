# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The buttons of a batch: its report and its manifest, where a browser can open them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseOperatorLink


class _ResultFileLink(BaseOperatorLink):
    #: The operator's parameter with the path of the file.
    parameter: str

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """
        Return the link.

        :param operator: the operator that has just run.
        :param ti_key: unused.
        :return: the URL; empty if the file was not written, or no browser can open its place.
        """
        return _link(operator, self.parameter)


class ViduReportLink(_ResultFileLink):
    """Open the report of a batch (``report_path``); for the addresses see :func:`browser_url`."""

    name = "Report"
    parameter = "report_path"


class ViduManifestLink(_ResultFileLink):
    """Open the manifest of a batch (``manifest_path``); for the addresses see :func:`browser_url`."""

    name = "Manifest"
    parameter = "manifest_path"


def browser_url(path: str, endpoint_url: str | None = None) -> str:
    """
    Return the address at which a browser opens a landed file; empty = there is none.

    Nothing is signed, so that the store itself asks who may see the file: an object of S3 opens in the AWS console, one
    of Google at Cloud Storage's authenticated address. A local file has no address: Airflow's UI shows no button for
    one, since no browser opens it from a web page.

    :param path: a local path or an ``ObjectStoragePath`` URL.
    :param endpoint_url: address of the S3-compatible store; None = AWS.
    """
    scheme, _, place = path.partition("://")
    if scheme in {"http", "https"}:
        return path
    store, _, key = place.partition("/")
    bucket = store.rpartition("@")[2]
    if scheme in {"s3", "s3a", "s3n"}:
        if endpoint_url:
            return f"{endpoint_url.rstrip('/')}/{quote(bucket)}/{quote(key)}"
        return f"https://console.aws.amazon.com/s3/object/{quote(bucket)}?prefix={quote(key, safe='')}"
    return f"https://storage.cloud.google.com/{quote(bucket)}/{quote(key)}" if scheme in {"gs", "gcs"} else ""


def _link(operator: Any, name: str) -> str:
    if name not in getattr(operator, "written", ()):
        return ""
    path = str(getattr(operator, name))
    conn_id, at, _ = path.partition("://")[2].partition("/")[0].rpartition("@")
    endpoint = None
    if at:
        from airflow.providers.common.compat.sdk import BaseHook

        # A button must not fail a task.
        with suppress(Exception):
            extra = BaseHook.get_connection(conn_id).extra_dejson
            services = extra.get("service_config") or {}
            endpoint = (services.get("s3") or {}).get("endpoint_url") or extra.get("endpoint_url")
    return browser_url(path, endpoint)
