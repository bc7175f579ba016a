# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The same rules for thousands of items in one task instance, on an event loop."""
