# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Report a delivered video to others: assets, lineage and metrics."""
