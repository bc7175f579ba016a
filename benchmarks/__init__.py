# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What ``make bench`` measures, side by side in one run; the last figures are in ``docs/benchmarks.md``."""
