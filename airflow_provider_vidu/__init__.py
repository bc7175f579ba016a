# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Apache Airflow provider for Vidu's image-to-video API."""

__version__ = "0.1.0"
