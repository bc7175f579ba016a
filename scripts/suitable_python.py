# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Print a Python on this machine that an Airflow version supports: the running one, or another that is installed.

With ``--oldest`` before the version: print the oldest Python that this Airflow is tested with, for example ``3.11``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

#: The newest Python that is tested with each Airflow line.
NEWEST = {"3.0": (3, 12), "3.1": (3, 13)}
LATEST = (3, 13)
#: Airflow lines that need a newer Python than this project does.
OLDEST = {"3.4": (3, 11)}
EARLIEST = (3, 10)


def newest_for(airflow: str) -> tuple[int, int]:
    """Return the newest Python that is tested with an Airflow."""
    return NEWEST.get(_line(airflow), LATEST)


def oldest_for(airflow: str) -> tuple[int, int]:
    """Return the oldest Python that an Airflow and this project support."""
    return OLDEST.get(_line(airflow), EARLIEST)


def _line(airflow: str) -> str:
    return ".".join(airflow.split(".")[:2])


def main(airflow: str) -> int:
    """Print the path of a suitable Python; return 1 if there is none."""
    oldest, newest = oldest_for(airflow), newest_for(airflow)
    names = [sys.executable, *(f"python3.{minor}" for minor in range(newest[1], oldest[1] - 1, -1))]
    for name in names:
        path = shutil.which(name)
        if path is None:
            continue
        asked = [path, "-c", "import sys; print(*sys.version_info[:2])"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        version = tuple(int(part) for part in done.stdout.split()) if done.returncode == 0 else ()
        if oldest <= version <= newest:
            print(path)
            return 0
    print(f"Airflow {airflow} needs Python {_text(oldest)} to {_text(newest)}; none was found.", file=sys.stderr)
    return 1


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


if __name__ == "__main__":
    if sys.argv[1] == "--oldest":
        print(_text(oldest_for(sys.argv[2])))
    else:
        sys.exit(main(sys.argv[1]))
