# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Is it finished? One poller per account answers for every wait, without a worker and without a storm."""
