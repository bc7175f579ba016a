# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The buttons on a task instance's page. A worker evaluates them whenever it is done with the task, also when it defers or
fails, and Airflow keeps the result as an XCom of that try: so they are each mapped instance's own, and the last try's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask


class ViduTaskLink(BaseOperatorLink):
    """
    Leads to where a person can look at the Vidu task: the connection's ``task_url``, else Vidu's console for its own
    hosts. (Vidu documents no page for a single task.)
    """

    name = "Vidu task"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """
        Return the link.

        :param operator: that has just run; it knows its Vidu task, see :func:`task_of`.
        :param ti_key: of no interest: the operator is that of the instance.
        :return: the URL; empty where nothing was submitted, or nobody knows a page.
        """
        from airflow_provider_vidu.hooks.vidu import ViduHook

        task = task_of(operator)
        return "" if task is None else ViduHook(operator.vidu_conn_id).account.task_page(task.task_id) or ""


class ViduVideoLink(BaseOperatorLink):
    """Leads to the video at Vidu, by the signed link of when the task ended: it dies within 24 hours."""

    name = "Vidu video"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """
        Return the link.

        :param operator: that has just run.
        :param ti_key: of no interest.
        :return: the URL; empty where there is no video yet.
        """
        task = task_of(operator)
        return (task.video_url if task is not None else None) or ""


def task_of(operator: Any) -> ViduTask | None:
    """
    Return the task that an operator's buttons lead to.

    :param operator: that has just run.
    """
    shown: ViduTask | None = getattr(operator, "shown_vidu_task", None)
    return shown


def links_of(task: ViduTask, task_page: str | None) -> dict[str, str]:
    """
    Return the same links as XComs, for a task that ends in the triggerer, where no worker evaluates them.

    :param task: in ``success``.
    :param task_page: see ``Account.task_page``.
    :return: by Airflow's keys.
    """
    return {ViduTaskLink().xcom_key: task_page or "", ViduVideoLink().xcom_key: task.video_url or ""}
