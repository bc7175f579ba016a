# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Renders the videos: each shows its picture, duration, size, seed, sound and watermark."""
