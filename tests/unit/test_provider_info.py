# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What Airflow learns of this provider is what its own schema and this code say."""

from __future__ import annotations

import importlib
import json
from importlib.metadata import entry_points
from pathlib import Path

import airflow
import jsonschema
import pytest

from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.provider_info import get_provider_info

INFO = get_provider_info()


def test_it_is_valid_against_airflows_own_schema():
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema)


def test_airflow_finds_it_by_its_entry_point():
    (entry,) = [
        entry
        for entry in entry_points(group="apache_airflow_provider")
        if entry.value.startswith("airflow_provider_vidu")
    ]
    assert entry.dist is not None
    assert entry.dist.name == INFO["package-name"] == "airflow-provider-vidu"
    assert entry.load() is get_provider_info


@pytest.mark.parametrize("kind", ["operators", "sensors", "hooks", "triggers"])
def test_every_module_it_names_exists(kind):
    for group in INFO[kind]:
        for name in group["python-modules"]:
            importlib.import_module(name)


def test_the_connection_type_is_the_hooks():
    (declared,) = INFO["connection-types"]
    assert declared["connection-type"] == ViduHook.conn_type
    assert declared["hook-name"] == ViduHook.hook_name
    module, _, name = declared["hook-class-name"].rpartition(".")
    assert getattr(importlib.import_module(module), name) is ViduHook
    assert ViduHook.default_conn_name == "vidu_default"


def test_old_and_new_forms_say_the_same():
    behaviour = ViduHook.get_ui_field_behaviour()
    declared = INFO["connection-types"][0]["ui-field-behaviour"]
    assert behaviour["relabeling"] == declared["relabeling"]
    assert behaviour["hidden_fields"] == declared["hidden-fields"]


def test_a_form_left_as_it_comes_up_gives_a_working_account():
    """Airflow's form saves the declared defaults, and null where a field has none."""
    from airflow_provider_vidu.api.account import Account, account_from_fields

    fields = INFO["connection-types"][0]["conn-fields"]
    saved = {name: field["schema"].get("default") for name, field in fields.items()}
    assert account_from_fields(password="key", extra=saved) == Account(api_key="key")
