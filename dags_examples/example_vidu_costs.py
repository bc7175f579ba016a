# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What the videos of a month have cost, by one of your labels and by model: a CSV file and a chart.

The DAG reads every ``manifest.jsonl`` below a folder, as batches write them (``manifest_path``), and takes the Vidu
tasks that were created in that month, by the host's date. A task counts once, however many manifests name it. Failed
tasks do not count, since Vidu does not bill them. Videos of unknown price are counted as such: they are not free.

Each run sums the month before it, unless you name another month.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from html import escape
from pathlib import Path

from airflow.sdk import DAG, ObjectStoragePath, Param, task

#: The columns of the CSV file after that of the label.
COLUMNS = ("model", "videos", "credits", "videos_of_unknown_price")

with DAG(
    dag_id="example_vidu_costs",
    description="The costs of a month by label and model, from the manifests of all batches",
    schedule="@monthly",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    params={
        "manifests": Param(
            f"file://{Path.cwd() / 'vidu-videos'}",
            type="string",
            title="Folder with the manifests",
            description="Each manifest.jsonl below it is read. A URL such as s3://conn_id@bucket/videos.",
        ),
        "label": Param(
            "campaign",
            type="string",
            title="Label to sum by",
            description="The name of one of the labels of your requests.",
        ),
        "month": Param(
            None,
            type=["null", "string"],
            pattern=r"^\d{4}-\d{2}$",
            title="Month",
            description="For example 2026-01. Empty: the month before the run.",
        ),
        "output_path": Param(
            f"file://{Path.cwd() / 'vidu-costs'}",
            type="string",
            title="Folder for the CSV file and the chart",
            description="A URL such as file:///data/costs or s3://conn_id@bucket/costs, without a slash at its end.",
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:

    @task(multiple_outputs=False)
    def sums(params: dict | None = None, dag_run=None) -> dict:
        """
        Sum the credits of the month by label and model, the most expensive first.

        :param params: the Dag run's params.
        :param dag_run: the Dag run, for its month.
        """
        params = params or {}
        month = params["month"] or f"{dag_run.run_after.replace(day=1) - timedelta(days=1):%Y-%m}"
        tasks: dict[str, dict] = {}
        for manifest in ObjectStoragePath(params["manifests"]).rglob("manifest.jsonl"):
            for record in map(json.loads, manifest.read_text().splitlines()):
                if record["task_id"]:
                    # Of a task's records the one counts that knows more: how it ended, and the price.
                    tasks[record["task_id"]] = max(
                        (tasks.get(record["task_id"], record), record),
                        key=lambda one: (one["state"] in {"success", "failed"}, one["credits"] is not None),
                    )
        billed = [record for record in tasks.values() if record["state"] != "failed"]
        if undated := [record["task_id"] for record in billed if not record["created_at"]]:
            print(f"These Vidu tasks are in no month, since their host does not report when it created them: {undated}")
        prices = defaultdict(list)
        for record in billed:
            if (record["created_at"] or "").startswith(month):
                prices[str(record["labels"].get(params["label"], "")), record["model"] or ""].append(record["credits"])
        rows = [
            (label, model, len(known), sum(price or 0 for price in known), known.count(None))
            for (label, model), known in prices.items()
        ]
        return {"month": month, "rows": sorted(rows, key=lambda row: -row[3])}

    @task
    def report(summed: dict, params: dict | None = None) -> list[str]:
        """
        Write the CSV file, and the chart (SVG) with a bar for each of its rows.

        :param summed: the month and its sums.
        :param params: the Dag run's params.
        """
        params = params or {}
        table = io.StringIO()
        csv.writer(table).writerows([(params["label"], *COLUMNS), *summed["rows"]])
        longest = max((row[3] for row in summed["rows"]), default=0) or 1
        bars = []
        for number, (label, model, videos, credits, unknown) in enumerate(summed["rows"]):
            width = round(300 * credits / longest)
            made = f"{credits} credits, videos: {videos}{f', of unknown price: {unknown}' if unknown else ''}"
            bars.append(
                f'<g transform="translate(0 {50 + 30 * number})">'
                f'<text x="290" y="15" text-anchor="end">{escape(label or "(none)")}, {escape(model)}</text>'
                f'<rect x="300" width="{width}" height="20" fill="#2f7d95"/>'
                f'<text x="{width + 310}" y="15">{made}</text></g>'
            )
        title = escape(f"Vidu, {summed['month']}: credits by {params['label']} and model")
        chart = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="900" height="{60 + 30 * len(bars)}" '
            f'font-family="sans-serif"><text x="10" y="25" font-size="20">{title}</text>{"".join(bars)}</svg>'
        )
        folder = ObjectStoragePath(params["output_path"])
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for suffix, text in {"csv": table.getvalue(), "svg": chart}.items():
            target = folder / f"{summed['month']}.{suffix}"
            target.write_text(text)
            written.append(str(target))
        return written

    report(sums())
