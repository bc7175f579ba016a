# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A link that expires becomes a whole file at its destination, or nothing does."""
