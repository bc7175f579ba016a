# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What a batch has made, for people to look at: a page with each request and its video, or a contact sheet.

``python -m airflow_provider_vidu.report MANIFEST`` writes either from the manifest of a batch; ``write_report`` does
it in a worker.
"""

from __future__ import annotations

from airflow_provider_vidu.report.writing import write_report

__all__ = ["write_report"]
