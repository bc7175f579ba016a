# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The buttons on a task instance's page.

A worker evaluates them when it finishes, defers or fails a task. Airflow keeps the result as an XCom of that try, so
each mapped instance has its own buttons, and they belong to the last try.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask


class ViduTaskLink(BaseOperatorLink):
    """
    Open a page that shows the Vidu task: the connection's ``task_url``, else Vidu's console for its own hosts. (Vidu
    documents no page for a single task.)
    """

    name = "Vidu task"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """
        Return the link.

        :param operator: the operator that has just run; see :func:`task_of`.
        :param ti_key: unused.
        :return: the URL; empty if nothing was submitted, or no page is known.
        """
        from airflow_provider_vidu.hooks.vidu import ViduHook

        task = task_of(operator)
        return "" if task is None else ViduHook(operator.vidu_conn_id).account.task_page(task.task_id) or ""


class ViduVideoLink(BaseOperatorLink):
    """Open the video at Vidu by the signed link from when the task finished. It expires within 24 hours."""

    name = "Vidu video"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """
        Return the link.

        :param operator: the operator that has just run.
        :param ti_key: unused.
        :return: the URL; empty if there is no video yet.
        """
        task = task_of(operator)
        return (task.video_url if task is not None else None) or ""


def task_of(operator: Any) -> ViduTask | None:
    """Return the task that the buttons of an operator lead to."""
    shown: ViduTask | None = getattr(operator, "shown_vidu_task", None)
    return shown


def links_of(task: ViduTask, task_page: str | None) -> dict[str, str]:
    """
    Return the same links as XComs, for a task that finishes in the triggerer, where no worker evaluates them.

    :param task: in ``success``.
    :param task_page: see ``Account.task_page``.
    :return: the links by Airflow's XCom keys.
    """
    return {ViduTaskLink().xcom_key: task_page or "", ViduVideoLink().xcom_key: task.video_url or ""}
