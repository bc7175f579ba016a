# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What Airflow has to know of this provider. Every Airflow process loads this module: it imports nothing heavier than
the package's version.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_vidu import __version__

#: Labels of the connection form, in the spelling of the provider metadata.
UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["login", "schema"],
    "relabeling": {"password": "API key"},
    "placeholders": {"host": "https://api.vidu.com (mainland keys: https://api.vidu.cn)"},
}


def get_provider_info() -> dict[str, Any]:
    """Return the metadata that the ``apache_airflow_provider`` entry point hands to Airflow."""
    integration = "Vidu"
    return {
        "package-name": "airflow-provider-vidu",
        "name": "Vidu",
        "description": "Image to video with `Vidu <https://www.vidu.com/>`__: submitted once, waited for nearly free.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": integration,
                "external-doc-url": "https://platform.vidu.com/docs",
                "tags": ["service", "ai", "video"],
            }
        ],
        "operators": [
            {"integration-name": integration, "python-modules": ["airflow_provider_vidu.operators.img2video"]}
        ],
        "sensors": [{"integration-name": integration, "python-modules": ["airflow_provider_vidu.sensors.task"]}],
        "hooks": [{"integration-name": integration, "python-modules": ["airflow_provider_vidu.hooks.vidu"]}],
        "triggers": [
            {
                "integration-name": integration,
                "python-modules": ["airflow_provider_vidu.triggers.task", "airflow_provider_vidu.triggers.timer"],
            }
        ],
        "connection-types": [
            {
                "hook-class-name": "airflow_provider_vidu.hooks.vidu.ViduHook",
                "hook-name": "Vidu",
                "connection-type": "vidu",
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
                "conn-fields": {
                    "auth_scheme": {
                        "label": "Authorization scheme",
                        "description": "Word before the key. Empty in a new connection: Token for api.vidu.com and "
                        "api.vidu.cn, Bearer for every other host.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "api_prefix": {
                        "label": "API prefix",
                        "description": "Path before every endpoint; relays may have another than /ent/v2.",
                        "schema": {"type": ["string", "null"], "default": "/ent/v2"},
                    },
                    "timeout": {
                        "label": "Request timeout (s)",
                        "description": "Bounds every single request, not the wait for a video.",
                        "schema": {"type": ["number", "null"], "default": 60, "minimum": 1},
                    },
                    "settle_seconds": {
                        "label": "Settle time (s)",
                        "description": "How long after a lost reply a task may still appear in the account's list.",
                        "schema": {"type": ["number", "null"], "default": 60, "minimum": 0},
                    },
                    "allow_http": {
                        "label": "Allow plain http",
                        "description": "Send the key unencrypted to a host that is not this machine.",
                        "schema": {"type": "boolean", "default": False},
                    },
                },
            }
        ],
    }
