# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator for any endpoint of Vidu's that creates tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_vidu.operators.base import ViduSingleOperator, with_shared_settings


@with_shared_settings
class ViduGenerateOperator(ViduSingleOperator):
    """
    Submit a request to any endpoint of Vidu's that creates tasks: template, lip-sync, multiframe, text2audio …

    It is submitted, waited for and landed as every other request. If the endpoint has an operator of its own, the
    request is checked as there. The fields of any other request are sent unchecked, except those that are None or
    empty, with a warning: this release knows neither its fields nor its price, so only Vidu's reply is checked against
    ``max_credits``. Endpoints that answer at once (``audio-tts``, ``audio-clone``) create no task and are rejected, and
    so are names that look like a typo.

    A retry re-attaches to the submitted task, and a clear is handled as
    :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` describes under "Durable execution".

    .. code-block:: python

        ViduGenerateOperator(
            task_id="hug",
            endpoint="template",
            request={"template": "hugging", "images": ["/pictures/two.png"], "prompt": "They hug."},
            output_path="s3://conn_id@bucket/videos/",
            deferrable=True,
        )

    :param endpoint: the last part of the endpoint's path, for example ``template`` or ``one-click/mv``. Not templated.
    :param request: the fields by their API names, a dict or a string with a JSON object or a Python dict. ``images``
        may be paths, as in ``Img2VideoOperator``. ``video`` takes another task's output for ``extend`` and
        ``upscale-new`` only; for an endpoint such as ``lip-sync`` pass its ``video_url``. A ``payload`` of your own
        needs ``{marker}``, so that a lost submission can be found.
    :return: the task record, as :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` returns it.
    :raises AirflowFailException: if a retry would fail in the same way, or pay again.
    :raises ViduError: if a retry may succeed.
    """

    template_fields: Sequence[str] = ("request", *ViduSingleOperator.template_fields)
    template_fields_renderers = {"request": "json", "extra_params": "json"}

    def __init__(self, *, endpoint: str, request: Mapping[str, Any] | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.request = request
        self._check_policies()

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the request, as rendered."""
        from airflow_provider_vidu.api.errors import ViduInputError
        from airflow_provider_vidu.api.rendered_fields import parse_structure
        from airflow_provider_vidu.api.request import shown

        given: Any = self.request
        # Without tojson in its template, a dict is the text of a Python dict.
        parsed = parse_structure(given.strip()) if isinstance(given, str) else given
        if isinstance(parsed, Mapping):
            return dict(parsed)
        several = " Map over several requests with .expand(request=…)." if isinstance(parsed, (list, tuple)) else ""
        raise ViduInputError(
            f"request must be a dict of fields, or a string with a JSON object, got {shown(given)}.{several}"
        )
