# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Write ``docs/models.md`` from the operators and the catalogue: ``make models``.

A test fails if the page is not what this script writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

from airflow_provider_vidu.api.catalog import PRICES_AS_OF, RECOMMENDED_PROMPT_CREDITS
from airflow_provider_vidu.api.catalog_types import Model, Price
from airflow_provider_vidu.api.registry import Endpoint, known_endpoint
from airflow_provider_vidu.api.request import listed
from airflow_provider_vidu.api.upscale_new import UpscaleNewRequest
from airflow_provider_vidu.operators.base import ViduSingleOperator
from airflow_provider_vidu.operators.extend import ExtendVideoOperator
from airflow_provider_vidu.operators.img2video import Img2VideoOperator
from airflow_provider_vidu.operators.reference2video import Reference2VideoOperator
from airflow_provider_vidu.operators.start_end2video import StartEnd2VideoOperator
from airflow_provider_vidu.operators.text2video import Text2VideoOperator
from airflow_provider_vidu.operators.upscale import UpscaleVideoOperator

PAGE = Path(__file__).resolve().parent.parent / "docs" / "models.md"

#: Each operator of an endpoint, and what it makes.
OPERATORS: dict[type[ViduSingleOperator], str] = {
    Img2VideoOperator: "a video from a picture",
    Text2VideoOperator: "a video from a text",
    StartEnd2VideoOperator: "a video from its first to its last frame",
    Reference2VideoOperator: "a video with the people and things of reference pictures",
    ExtendVideoOperator: "the continuation of a video",
    UpscaleVideoOperator: "the same video in a higher resolution",
}

INTRODUCTION = """\
# Endpoints and models

*`make models` writes this page from the catalogue that checks and prices your requests.*

| operator | endpoint | makes |
|---|---|---|
{operators}
| `ViduGenerateOperator` | [any other](#any-other-endpoint) | what the endpoint makes |

`ViduBatchOperator` submits thousands of requests, of one endpoint or of several, in one task instance;
`Img2VideoBatchOperator` does so for `img2video` ([batch.md](batch.md)). Each operator's docstring describes its
fields.

How to read the tables:

- **Bold** is the default: what you get if the request does not name the model, the seconds, and so on.
- *Credits* are prices as of {day}; Vidu changes them without notice. Where price lists contradict each other, the
  higher figure counts. *unknown*: no list has a price. The estimate is then None, and the price in Vidu's answer
  decides ([money.md](money.md)).
- Off-peak costs half, rounded up for each second. `is_rec` adds {recommended} credits.
- *No effect*: Vidu accepts the field and ignores it. The operator logs a warning.
- *Refused*: the operator rejects the field with this model before anything is sent.
- A model that is not in its endpoint's table is sent unchecked, with a warning, and Vidu decides: it may be newer than
  this release.
"""

OTHER_ENDPOINTS = """\
## Any other endpoint

`from airflow_provider_vidu.operators.generate import ViduGenerateOperator`

It submits to any endpoint that creates tasks, for example `template`, `lip-sync`, `multiframe`, `reference2image` or
`text2audio`. Pictures may be paths, as in the other operators. This release checks no other field of such a request,
and has no price for it. Fields that are None or empty are not sent. `video` takes another task's output for `extend`
and `upscale-new` only: where a page has `video_url`, pass the link in the record's `creations`.

```python
ViduGenerateOperator(task_id="talk", endpoint="lip-sync", request={"video_url": "https://…/face.mp4", "text": "Hello"})
ViduGenerateOperator(task_id="story", endpoint="multiframe", request={
    "model": "viduq2-turbo", "start_image": "shut.png",
    "image_settings": [{"key_image": "open.png", "prompt": "It opens"}, {"key_image": "shut.png"}]})
ViduGenerateOperator(task_id="rain", endpoint="text2audio", request={"model": "audio1.0", "prompt": "Rain on a roof"})
```

An endpoint whose name ends with `2image` makes a picture, one that ends with `2audio` a sound, and any other a video.
Endpoints that answer at once and create no task (`audio-tts`, `audio-clone`) are rejected.
"""


def page() -> str:
    """Return the whole page."""
    rows = "\n".join(
        f"| `{operator.__name__}` | [`{operator.endpoint}`](#{operator.endpoint}) | {makes} |"
        for operator, makes in OPERATORS.items()
    )
    introduction = INTRODUCTION.format(operators=rows, day=PRICES_AS_OF, recommended=RECOMMENDED_PROMPT_CREDITS)
    return "\n".join([introduction, *map(section, OPERATORS), OTHER_ENDPOINTS])


def section(operator: type[ViduSingleOperator]) -> str:
    """Return the heading and the table of an operator's endpoint."""
    endpoint = known_endpoint(str(operator.endpoint))
    rows = [model_row(endpoint, model) for model in endpoint.models.values()] or [_upscale_row()]
    # A column that would be empty in every row is left out.
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    imported = f"`from {operator.__module__} import {operator.__name__}`"
    lines = [f"## {endpoint.name}", "", imported, "", *_notes(endpoint)]
    lines += [_table_line(columns), "|---" * len(columns) + "|"]
    lines += [_table_line([row[name] or "–" for name in columns]) for row in rows]
    return "\n".join([*lines, ""])


def model_row(endpoint: Endpoint, model: Model) -> dict[str, str]:
    """Return the cells of a model by the names of their columns."""
    is_default = model.name == endpoint.default_model
    return {
        "model": f"**`{model.name}`**" if is_default else f"`{model.name}`",
        "seconds added" if "video" in endpoint.parameters else "seconds": _seconds(model),
        "resolutions": _resolutions(model),
        "aspect ratios": _aspect_ratios(model),
        "sound": _sound(model) if "audio" in endpoint.fields else "",
        "credits": "<br>".join(price_lines(model)),
        "no effect": _no_effect(endpoint, model),
        "refused": ", ".join(refusals(endpoint, model)),
    }


def price_lines(model: Model) -> list[str]:
    """Return the prices of a model, a line for each resolution."""
    if not model.prices:
        return ["unknown"]
    lines: dict[str, list[str]] = defaultdict(list)
    for row in model.rows:
        for resolution in row.resolutions:
            by_second = model.prices.get(resolution)
            if isinstance(by_second, Price):
                lines[resolution] = [describe_price(by_second)]
                continue
            for duration in row.durations:
                whole = model.prices.get((duration, resolution))
                lines[resolution].append("unknown" if whole is None else f"{whole} for {duration} s")
    return [f"{resolution}: {', '.join(prices)}" for resolution, prices in lines.items()]


def describe_price(price: Price) -> str:
    """Return a price by the second in words."""
    if price.second is not None:
        return f"{price.first} for 1 s, {price.second} for 2 s, then {price.more} a second"
    if price.first == price.more:
        return f"{price.first} a second"
    return f"{price.first} for 1 s, then {price.more} a second"


def refusals(endpoint: Endpoint, model: Model) -> list[str]:
    """Return what the operator rejects with a model, although the endpoint has the field."""
    found = [f"`{name}`" for name in sorted(model.refuses & endpoint.fields)]
    # A refused field for sound must not decide about off-peak.
    if {"audio", "off_peak"} <= endpoint.fields - model.refuses and model.off_peak_audio is not None:
        found.append(f"`off_peak` {'without' if model.off_peak_audio else 'with'} `audio`")
    if model.max_images is not None:
        found.append(f"more than {model.max_images} `images`")
    return found


def _seconds(model: Model) -> str:
    default = f"**{model.default_duration}**"
    if len(model.durations) == 1:
        return default
    chosen = ", 0 = Vidu chooses" if 0 in model.durations else ""
    span = listed(model.durations)
    if " to " in span:
        return f"{span} ({default}){chosen}"
    return ", ".join(default if one == model.default_duration else str(one) for one in model.durations) + chosen


def _resolutions(model: Model) -> str:
    by_row = {
        row: ", ".join(f"**{one}**" if one == row.default_resolution else one for one in row.resolutions)
        for row in model.rows
    }
    if len(by_row) == 1:
        return by_row[model.rows[0]]
    return "<br>".join(f"{listed(row.durations)} s: {resolutions}" for row, resolutions in by_row.items())


def _aspect_ratios(model: Model) -> str:
    # The first one is Vidu's default.
    return ", ".join([f"**{ratio}**" for ratio in model.aspect_ratios[:1]] + list(model.aspect_ratios[1:]))


def _sound(model: Model) -> str:
    if "audio" in model.refuses:
        return "none"
    default = "**on**" if model.audio_default else "**off**"
    return f"{default}; on costs {model.audio_credits} more" if model.audio_credits else default


def _no_effect(endpoint: Endpoint, model: Model) -> str:
    found = []
    for name in sorted(endpoint.fields - model.refuses):
        ignored = [str(seconds) for seconds in model.durations if model.ignores(name, seconds)]
        if ignored:
            always = len(ignored) == len(model.durations)
            found.append(f"`{name}`" if always else f"`{name}` at {' and '.join(ignored)} s")
    return ", ".join(found)


def _notes(endpoint: Endpoint) -> list[str]:
    """Return a list of what the table does not show, with an empty line behind it."""
    notes = [f"- `{name}` is rejected: Vidu's page excludes it." for name in _rejected_models(endpoint)]
    if "prompt" in endpoint.fields:
        notes.append(f"- `prompt` has at most {_prompt_limits(endpoint)}.")
    notes += [
        f"- `{model.name}` renders a watermarked copy too, unless you set `watermark=False`."
        for model in endpoint.models.values()
        if model.watermark_default
    ]
    return [*notes, ""] if notes else []


def _rejected_models(endpoint: Endpoint) -> list[str]:
    return sorted(getattr(endpoint.request, "rejected_models", ()))


def _prompt_limits(endpoint: Endpoint) -> str:
    models = endpoint.models.values()
    (limit,) = {model.max_prompt for model in models if model.max_prompt is not None}
    unknown = [f"`{model.name}`" for model in models if model.max_prompt is None]
    return f"{limit} characters" + (f" ({', '.join(unknown)}: not published, Vidu decides)" if unknown else "")


def _upscale_row() -> Mapping[str, str]:
    allowed, *_ = get_args(UpscaleNewRequest.model_fields["upscale_resolution"].annotation)
    # The first one is Vidu's default.
    default, *others = get_args(allowed)
    return {"`upscale_resolution`": ", ".join([f"**{default}**", *others]), "credits": "unknown"}


def _table_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
