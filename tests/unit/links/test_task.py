# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A button leads to a web page or nowhere, whatever the host has sent."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.links.task import ViduVideoLink, links_of


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)//https://a.example/v.mp4",
        "\x01javascript:alert(1)",
        "data:text/html,<script>",
        "ftp://a.example/v.mp4",
        "//a.example/v.mp4",
        "https://a.example/\u202e4pm.v",
        " https://a.example/v.mp4\nX",
    ],
)
@pytest.mark.parametrize("place", [{"creations": []}, {"creations": [{"id": "c"}]}], ids=["flat", "creation"])
def test_only_a_web_link_becomes_a_button(link, place):
    creations = [{**one, "url": link} for one in place["creations"]]
    task = ViduTask.model_validate({"id": "1", "state": "success", "creations": creations, "url": link})
    operator = SimpleNamespace(shown_vidu_task=task)
    assert ViduVideoLink().get_link(operator, ti_key=None) == ""
    assert set(links_of(task, None).values()) == {""}
