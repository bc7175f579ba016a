# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A thousand images in one task instance; what to generate and where it lands comes by the environment."""

from __future__ import annotations

import json
import os

from airflow.sdk import DAG

from airflow_provider_vidu.operators import img2video

BODIES = json.loads(os.environ.get("VIDU_BENCHMARK_THOUSAND", "[]"))

if BODIES and hasattr(img2video, "Img2VideoBatchOperator"):
    with DAG("thousand_batch", schedule=None):
        img2video.Img2VideoBatchOperator(
            task_id="generate",
            requests=[{"prompt": body["prompt"]} for body in BODIES],
            defaults={"images": BODIES[0]["images"][0], "model": BODIES[0]["model"]},
            vidu_conn_id="vidu_benchmark",
            deferrable=True,
            output_path=os.environ["VIDU_BENCHMARK_OUTPUT"],
        )
