# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""One sensor for each way of waiting, all for the task id in the run's conf."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_vidu.sensors.task import ViduTaskSensor

with DAG(
    dag_id="sensor_by_conf",
    schedule=None,
    params={"vidu_task": ""},
    default_args={"retries": 1, "retry_delay": timedelta(seconds=0.1), "poke_interval": 0.3, "timeout": 60},
) as dag:
    for name, settings in {
        "poke": {},
        "reschedule": {"mode": "reschedule"},
        "deferred": {"deferrable": True},
        "ended_in_triggerer": {"deferrable": True, "end_from_trigger": True},
        "soft_poke": {"soft_fail": True},
        "soft_deferred": {"soft_fail": True, "deferrable": True},
    }.items():
        ViduTaskSensor(task_id=name, vidu_task="{{ params.vidu_task }}", **settings)
