# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Print a Python on this machine that an Airflow version supports: the running one, or another that is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys

#: The newest Python of each Airflow line; the oldest of this project is 3.10.
NEWEST = {"3.0": (3, 12), "3.1": (3, 13)}
LATEST = (3, 13)


def newest_for(airflow: str) -> tuple[int, int]:
    """
    Return the newest Python that is tested with an Airflow.

    :param airflow: for example ``3.0.6``.
    """
    return NEWEST.get(".".join(airflow.split(".")[:2]), LATEST)


def main(airflow: str) -> int:
    """
    Print the path of a suitable Python.

    :param airflow: for example ``3.0.6``.
    :return: exit code; 1 where there is none.
    """
    newest = newest_for(airflow)
    names = [sys.executable, *(f"python3.{minor}" for minor in range(newest[1], 9, -1))]
    for name in names:
        path = shutil.which(name)
        if path is None:
            continue
        asked = [path, "-c", "import sys; print(*sys.version_info[:2])"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False)
        version = tuple(int(part) for part in told.stdout.split()) if told.returncode == 0 else ()
        if (3, 10) <= version <= newest:
            print(path)
            return 0
    print(f"Airflow {airflow} needs Python 3.10 to {newest[0]}.{newest[1]}; none was found.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
