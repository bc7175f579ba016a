# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a worker does between ``execute`` and its return. The operators import it when they run, and nothing else."""
