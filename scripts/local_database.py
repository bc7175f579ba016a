# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A PostgreSQL database for one run of a local Airflow, where a server can be reached."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager

import psycopg2


@contextmanager
def own_database() -> Generator[str | None, None, None]:
    """Create a PostgreSQL database for this run and drop it afterwards; None = no PostgreSQL is reachable."""
    # A password, if one is needed, is in PGPASSWORD, which every driver reads itself.
    user = os.environ.get("PGUSER", "postgres")
    host, port = os.environ.get("PGHOST", "127.0.0.1"), os.environ.get("PGPORT", "5432")
    try:
        server = psycopg2.connect(host=host, port=port, user=user, dbname="postgres", connect_timeout=3)
    except psycopg2.OperationalError:
        yield None
        return
    server.autocommit = True
    name = f"airflow_provider_vidu_{secrets.token_hex(6)}"
    try:
        with server.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        try:
            yield f"postgresql+psycopg2://{user}@{host}:{port}/{name}"
        finally:
            with server.cursor() as cursor:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        server.close()
