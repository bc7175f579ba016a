# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Below HTTP: the time, one wall-clock limit for a whole exchange, connecting included, and name resolution."""
