# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What carries HTTP: one wall-clock limit for an exchange, connecting included, name resolution, and the time."""
