# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The scenes of the example pictures, one module each, and the brushes they share."""
