# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Turn an expiring link into a whole file at its destination, or into nothing."""
