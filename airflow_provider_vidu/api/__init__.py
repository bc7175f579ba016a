# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Vidu's HTTP API as data: no I/O and no Airflow import below this package."""
