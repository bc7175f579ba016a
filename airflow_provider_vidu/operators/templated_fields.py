# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Template rendering of the operators and the sensor, and the checks when the DAG is parsed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.defaults import TEXT_FIELDS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator as _Base
else:
    _Base = object


class TextRendering(_Base):
    """
    Render text parameters to text, even in DAGs with ``render_template_as_native_obj``.

    Native rendering evaluates everything that looks like a Python literal: the prompt ``20231023`` becomes a number.
    """

    vidu_conn_id: str
    #: Parameters that are text. So are a task and a video: a record in a text is parsed later, and an id of digits
    #: stays an id.
    text_fields = TEXT_FIELDS | {"vidu_task", "video"}

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Any, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        names = list(template_fields)
        text = [name for name in names if parent is self and name in self.text_fields]
        others = [name for name in names if name not in text]
        super()._do_render_template_fields(parent, others, context, jinja_env, seen_oids)
        super()._do_render_template_fields(parent, text, context, _text_environment(jinja_env), seen_oids)
        if parent is self and "vidu_conn_id" in names and self.vidu_conn_id in (None, "None"):
            # A Param without a value. The trigger and the task's links read this attribute too.
            self.vidu_conn_id = "vidu_default"

    def render_template(
        self, content: Any, context: Any, jinja_env: Any = None, seen_oids: set[int] | None = None
    ) -> Any:
        """Render as Airflow does; the text fields of a dict (a batch's request) are rendered to text."""
        if type(content) is not dict:
            return super().render_template(content, context, jinja_env, seen_oids)
        env = jinja_env or self.get_template_env()
        text = _text_environment(env)
        return {
            name: self.render_template(value, context, text if name in self.text_fields else env, seen_oids)
            for name, value in content.items()
        }

    def _render(self, template: Any, context: Any, dag: Any = None) -> Any:
        if getattr(template.environment, "vidu_text", False):
            return template.render(context)
        return super()._render(template, context, dag)


def check_booleans(**switches: Any) -> None:
    """
    Reject text for switches that are not templated: any text would count as true.

    :raises ValueError: when the DAG is parsed.
    """
    for name, value in switches.items():
        if value not in (True, False):
            raise ValueError(
                f"{name} must be True or False, got {value!r}. It is not templated: it is read when the DAG is parsed."
            )


def check_paths(operator: Any, *names: str) -> None:
    """
    Reject Jinja in a ``Path``, which Airflow does not render: a folder would be called ``{{ ds }}``.

    :raises ValueError: when the DAG is parsed.
    """
    for name in names:
        for value in _leaves(getattr(operator, name)):
            if not isinstance(value, os.PathLike) or hasattr(value, "storage_options"):
                continue
            if any(mark in str(value) for mark in ("{{", "{%")):
                raise ValueError(
                    f"{name}: Airflow does not render a Path ({str(value)!r}). Pass it as text: str(path)."
                )


def _leaves(value: Any) -> Iterator[Any]:
    """Iterate over a parameter's values, including those in a batch's requests."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from _leaves(one)
    else:
        yield value


def _text_environment(env: Any) -> Any:
    """Return a Jinja environment with the same filters and globals that renders to text."""
    from jinja2 import Template
    from jinja2.compiler import CodeGenerator

    text = env.overlay()
    text.code_generator_class = CodeGenerator
    text.template_class = Template
    text.concat = "".join
    text.vidu_text = True
    return text
