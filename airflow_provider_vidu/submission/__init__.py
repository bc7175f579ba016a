# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""One bill per intended run. This is the only package that may cause a bill."""
