# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What operators and sensor do on a worker. Imported only when a task runs, so that DAGs are parsed fast."""
