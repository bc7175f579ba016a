# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The page of one task, to which the button "Vidu task" in Airflow leads."""

from __future__ import annotations

from datetime import datetime, timezone
from html import escape

from airflow_provider_vidu.emulator.machine.emulated_task import EmulatedTask

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Vidu task {task_id}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
  video, img {{ width: 100%; max-height: 70vh; border-radius: .5rem; background: #000 }}
  th {{ text-align: left; padding-right: 1.5rem; font-weight: 600; vertical-align: top; white-space: nowrap }}
  .state {{ padding: .1rem .6rem; border-radius: 1rem; background: #e4dcff }}
  small {{ color: #666 }}
</style>
<h1>Vidu task {task_id}</h1>
<p><span class="state">{state}</span></p>
{video}
<table>{rows}</table>
<p><small>The local Vidu. Nothing here is billed, and nothing leaves this machine.</small></p>
</html>
"""

_TAGS = {
    "video": '<video controls autoplay muted loop src="{url}"></video>',
    "image": '<img src="{url}" alt="">',
    "audio": '<audio controls src="{url}"></audio>',
}


def task_page(task: EmulatedTask, video_url: str | None) -> str:
    """Return the page, with the video if there is a link to one."""
    request = task.request
    facts = {
        "endpoint": request.endpoint.name,
        "model": request.model or "none",
        "prompt": request.prompt or "none",
        "duration": f"{request.effective_duration} s",
        "resolution": request.effective_resolution or "none",
        "credits": task.credits,
        "error": task.err_code or "none",
        **{str(state): _moment(at) for state, at in task.changes},
    }
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(fact))}</td></tr>" for name, fact in facts.items())
    tag = _TAGS[request.endpoint.delivers].format(url=escape(video_url)) if video_url else ""
    return _PAGE.format(task_id=escape(task.task_id), state=escape(task.shown_state), video=tag, rows=rows)


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
