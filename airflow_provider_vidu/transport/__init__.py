# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What carries HTTP: one wall-clock limit for an exchange, name resolution that delays no one else."""
