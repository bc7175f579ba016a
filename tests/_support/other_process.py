# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Landing in separate processes, which can be killed, limited, or run concurrently."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

#: Runs a command as root of a network and of mounts that are its own, and end with it.
OWN_NAMESPACES = ("unshare", "--map-root-user", "--net", "--mount")
#: The same with this machine's network.
OWN_MOUNTS = ("unshare", "--map-root-user", "--mount")

namespaces = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*OWN_NAMESPACES, "true"], capture_output=True).returncode != 0,
    reason="this machine does not allow separate network and mount namespaces (unshare)",
)

_HOOK = """
import json, sys
from airflow_provider_vidu.hooks.vidu import ViduHook
"""
#: A program whose arguments are a task's id and a destination; the connections come from the environment.
DOWNLOAD = f"""{_HOOK}
print("landed", json.dumps(ViduHook().download(*sys.argv[1:3])))
"""

#: The same on a disk of 1 MB, which is mounted at a third argument.
DOWNLOAD_ON_A_SMALL_DISK = f"""{_HOOK}
import os, subprocess
folder = sys.argv[3]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
open(folder + "/older.mp4", "w").write("older")
try:
    print("landed", json.dumps(ViduHook().download(*sys.argv[1:3])))
finally:
    print("in the folder:", *sorted(os.listdir(folder)))
"""


def python(program: str, *arguments: str, within: Sequence[str] = (), **options: Any) -> subprocess.Popen[str]:
    """
    Start a Python program.

    :param program: its source.
    :param within: a command that runs another one, such as ``unshare``.
    :param options: for ``subprocess.Popen``.
    """
    command = [*within, sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
