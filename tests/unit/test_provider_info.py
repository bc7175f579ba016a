# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The provider metadata matches Airflow's schema and this code."""

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


def test_info_is_valid_against_airflows_schema():
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema)


def test_airflow_finds_the_entry_point():
    (entry,) = [
        entry
        for entry in entry_points(group="apache_airflow_provider")
        if entry.value.startswith("airflow_provider_vidu")
    ]
    assert entry.dist is not None
    assert entry.dist.name == INFO["package-name"] == "airflow-provider-vidu"
    assert entry.load() is get_provider_info


@pytest.mark.parametrize("kind", ["operators", "sensors", "hooks", "triggers"])
def test_every_named_module_exists(kind):
    for group in INFO[kind]:
        for name in group["python-modules"]:
            importlib.import_module(name)


def test_connection_type_matches_the_hook():
    (declared,) = INFO["connection-types"]
    assert declared["connection-type"] == ViduHook.conn_type
    assert declared["hook-name"] == ViduHook.hook_name
    module, _, name = declared["hook-class-name"].rpartition(".")
    assert getattr(importlib.import_module(module), name) is ViduHook
    assert ViduHook.default_conn_name == "vidu_default"


def test_old_and_new_forms_are_equivalent():
    behaviour = ViduHook.get_ui_field_behaviour()
    declared = INFO["connection-types"][0]["ui-field-behaviour"]
    assert behaviour["relabeling"] == declared["relabeling"]
    assert behaviour["hidden_fields"] == declared["hidden-fields"]


def test_untouched_form_gives_a_working_account():
    """Airflow's form saves the declared defaults, and null if a field has none."""
    from airflow_provider_vidu.api.account import account_from_fields

    fields = INFO["connection-types"][0]["conn-fields"]
    saved = {name: field["schema"].get("default") for name, field in fields.items()}
    assert account_from_fields(password="key", extra=saved) == account_from_fields(password="key")


FIELDS = INFO["connection-types"][0]["conn-fields"]


def test_the_form_has_what_people_need_and_no_more():
    in_sections = {name: field["schema"].get("section", "") for name, field in FIELDS.items()}
    assert [name for name, section in in_sections.items() if not section] == [
        "task_url",
        "timeout",
        "poll_interval",
        "settle_seconds",
        "proxy",
    ]
    assert [name for name, section in in_sections.items() if section] == ["auth_scheme", "api_prefix", "allow_http"]


@pytest.mark.parametrize("name", FIELDS)
def test_every_form_field_has_label_and_help_and_is_optional(name):
    field = FIELDS[name]
    assert field["label"]
    assert field["description"].endswith(".")
    assert "null" in field["schema"]["type"]


@pytest.mark.parametrize("name", FIELDS)
def test_emptied_field_equals_an_absent_one(name):
    """Airflow's form saves null for both, so a path, for which null means something else, must not be in the form."""
    from airflow_provider_vidu.api.account import account_from_fields

    assert account_from_fields(password="key", extra={name: None}) == account_from_fields(password="key")


def test_published_schema_includes_the_form():
    schema = json.loads((Path(airflow.__file__).parent / "provider.yaml.schema.json").read_text())
    ours = schema["properties"]["connection-types"]["items"]
    jsonschema.validate(INFO["connection-types"][0], {**ours, "definitions": schema.get("definitions", {})})


def test_fields_with_passwords_are_masked():
    assert FIELDS["proxy"]["schema"]["format"] == "password"
    assert INFO["connection-types"][0]["ui-field-behaviour"]["relabeling"]["password"] == "API key"


def test_every_authorization_choice_gives_its_header():
    from airflow_provider_vidu.api.account import account_from_fields

    schema = FIELDS["auth_scheme"]["schema"]
    headers = {
        choice: account_from_fields(password="key", host="relay.example", extra={"auth_scheme": choice}).authorization
        for choice in schema["enum"]
    }
    assert headers == {None: "Bearer key", "Token": "Token key", "Bearer": "Bearer key", "": "key"}
    assert {str(choice if choice is not None else "null") for choice in schema["enum"]} == set(schema["values_display"])
