# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Inherited settings are shown and work as if each operator had declared them."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_vidu.operators.base import ViduSingleOperator, ViduSubmittingOperator
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator

NEEDED = {Img2VideoOperator: {"images": "a.png"}, Img2VideoBatchOperator: {"requests": []}}
OPERATORS = pytest.mark.parametrize("operator", NEEDED)


def parameters(operator: Any) -> dict[str, inspect.Parameter]:
    return {
        name: parameter
        for name, parameter in inspect.signature(operator).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }


def own_parameters(operator: Any) -> set[str]:
    code = inspect.unwrap(vars(operator)["__init__"]).__code__
    return set(code.co_varnames[1 : 1 + code.co_kwonlyargcount])


@OPERATORS
def test_the_signature_has_each_shared_setting_once(operator):
    shown = parameters(operator)
    shared = own_parameters(ViduSubmittingOperator)
    assert shared <= set(shown)
    assert not shared & own_parameters(operator)
    assert {shown[name].kind for name in shown} == {inspect.Parameter.KEYWORD_ONLY}
    assert next(iter(shown)) == next(iter(NEEDED[operator]))


@OPERATORS
def test_the_docstring_documents_every_parameter_once(operator):
    documented = re.findall(r"^:param (\w+):", inspect.getdoc(operator), re.MULTILINE)
    assert sorted(documented) == sorted(parameters(operator))
    assert inspect.getdoc(operator).count(":return:") == 1


@OPERATORS
def test_every_parameter_can_be_fixed_or_mapped(operator):
    needed = NEEDED[operator]
    given = {name: one.default for name, one in parameters(operator).items() if name not in needed}
    mapped = {name: [value] for name, value in needed.items()}
    operator.partial(task_id="fixed", **given).expand(**mapped)
    operator.partial(task_id="mapped").expand(**mapped, **{name: [value] for name, value in given.items()})
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        operator.partial(task_id="wrong", nonsense=1)


@OPERATORS
def test_default_args_reach_shared_settings(operator):
    with DAG("d", schedule=None, default_args={"deferrable": True, "output_path": "/o/", "max_credits": 3}):
        made = operator(task_id="t", max_credits=5, **NEEDED[operator])
    assert (made.deferrable, made.output_path, made.max_credits) == (True, "/o/", 5)


def test_a_users_subclass_fixes_settings_and_fields():
    class Ours(Img2VideoOperator):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(images="a.png", deferrable=True, **kwargs)

    with DAG("d", schedule=None, default_args={"deferrable": False}):
        made = Ours(task_id="t", durable=False)
    assert (made.images, made.deferrable, made.durable) == ("a.png", True, False)


def test_bases_are_documented_too():
    for base in (ViduSubmittingOperator, ViduSingleOperator):
        documented = set(re.findall(r":param (\w+):", base.__doc__ or ""))
        assert documented == own_parameters(base)
