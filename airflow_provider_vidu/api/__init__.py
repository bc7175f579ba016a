# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Vidu's HTTP API as data: nothing in this package does I/O or imports Airflow."""
