# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Renders the videos: what shows the picture, the duration, the size, the seed, the sound and the watermark."""
