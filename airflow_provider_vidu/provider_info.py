# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The provider metadata for Airflow. Every Airflow process loads this module, so it imports nothing but the package's
version.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_vidu import __version__

#: Labels of the connection form, in the spelling of the provider metadata.
UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["login", "schema"],
    "relabeling": {"password": "API key"},
    "placeholders": {
        "host": "https://api.vidu.com (mainland keys: https://api.vidu.cn)",
        "password": "vda_…",
        # The form of 3.3.1 and 3.3.2 sends port 0 for a missing port, which their API treats as another host.
        "port": "443; without one, Test fails on Airflow 3.3.1 and 3.3.2",
    },
}

_RELAYS = "Relays: hosts other than Vidu's own"


def get_provider_info() -> dict[str, Any]:
    """Return the metadata that the ``apache_airflow_provider`` entry point hands to Airflow."""
    integration = "Vidu"
    return {
        "package-name": "airflow-provider-vidu",
        "name": "Vidu",
        "description": "Generate videos with `Vidu <https://www.vidu.com/>`__: submitted once, waited for nearly free.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": integration,
                "external-doc-url": "https://platform.vidu.com/docs",
                "tags": ["service", "ai", "video"],
            }
        ],
        "operators": [
            {
                "integration-name": integration,
                "python-modules": [
                    "airflow_provider_vidu.operators.img2video",
                    "airflow_provider_vidu.operators.text2video",
                    "airflow_provider_vidu.operators.start_end2video",
                    "airflow_provider_vidu.operators.reference2video",
                    "airflow_provider_vidu.operators.extend",
                    "airflow_provider_vidu.operators.upscale",
                    "airflow_provider_vidu.operators.generate",
                    "airflow_provider_vidu.operators.batch",
                    "airflow_provider_vidu.operators.download",
                ],
            }
        ],
        "sensors": [{"integration-name": integration, "python-modules": ["airflow_provider_vidu.sensors.task"]}],
        "hooks": [{"integration-name": integration, "python-modules": ["airflow_provider_vidu.hooks.vidu"]}],
        "triggers": [
            {
                "integration-name": integration,
                "python-modules": ["airflow_provider_vidu.triggers.task", "airflow_provider_vidu.triggers.timer"],
            }
        ],
        "extra-links": [
            "airflow_provider_vidu.links.batch.ViduReportLink",
            "airflow_provider_vidu.links.batch.ViduManifestLink",
            "airflow_provider_vidu.links.task.ViduTaskLink",
            "airflow_provider_vidu.links.task.ViduVideoLink",
        ],
        "config": {
            "vidu": {
                "description": "Settings of the Vidu provider.",
                "options": {
                    "report_places": {
                        "description": "Folders from which the API server may show the reports of batches in the tab "
                        "Vidu report of their task instances, separated by commas (Airflow 3.1+). Empty: no tab.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://conn_id@bucket/videos, /opt/airflow/reports",
                        "default": "",
                    }
                },
            }
        },
        "connection-types": [
            {
                "hook-class-name": "airflow_provider_vidu.hooks.vidu.ViduHook",
                "hook-name": "Vidu",
                "connection-type": "vidu",
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
                "conn-fields": {
                    # Airflow saves an empty field as null, which means the default. The paths are not here, because
                    # there null means that a relay lacks the endpoint.
                    "task_url": {
                        "label": "Task page",
                        "description": "Address of a page that shows a task, with {task_id} in it. The button Vidu "
                        "task of a task instance opens it. Empty: Vidu's console for its own hosts.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "timeout": {
                        "label": "Request timeout (s)",
                        "description": "Limit for each single request, not for the wait for a video. Empty: 60.",
                        "schema": {"type": ["number", "null"], "minimum": 1},
                    },
                    "poll_interval": {
                        "label": "Poll interval (s)",
                        "description": "Time between two polls of a task. Empty: based on the model's usual rendering "
                        "time, which is best with the real Vidu.",
                        "schema": {"type": ["number", "null"], "minimum": 0.1},
                    },
                    "settle_seconds": {
                        "label": "Settle time (s)",
                        "description": "How long after a lost reply its task may still be missing from the account's "
                        "list. Empty: 60. A lower value risks paying twice.",
                        "schema": {"type": ["number", "null"], "minimum": 0},
                    },
                    "proxy": {
                        "label": "Proxy",
                        "description": "For example http://user:password@proxy.example:3128; no SOCKS. Empty: the "
                        "proxy of the environment.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "auth_scheme": {
                        "label": "Authorization",
                        "description": "The word before the key in the Authorization header.",
                        "schema": {
                            "type": ["string", "null"],
                            "enum": [None, "Token", "Bearer", ""],
                            "values_display": {
                                "null": "By host: Token for Vidu's own, Bearer for others",
                                "Token": "Token",
                                "Bearer": "Bearer",
                                "": "Nothing: the raw key",
                            },
                            "section": _RELAYS,
                        },
                    },
                    "api_prefix": {
                        "label": "API prefix",
                        "description": "Path before every endpoint. Empty: /ent/v2. A single / means none.",
                        "schema": {"type": ["string", "null"], "section": _RELAYS},
                    },
                    "allow_http": {
                        "label": "Allow plain http",
                        "description": "Allow sending the key unencrypted to a host that is not this machine.",
                        "schema": {"type": ["boolean", "null"], "default": False, "section": _RELAYS},
                    },
                },
            }
        ],
    }
