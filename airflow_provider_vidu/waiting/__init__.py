# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Waits for tasks: one poller per account serves every wait, without a worker and without a storm of requests."""
