"""The process that starts commands and nodes for the tests of a process."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO

from tests.builders import warm

ROOT = Path(__file__).resolve().parents[2]


@cache
def programs() -> str:
    """The socket of the process that starts commands, made for the first of a test process."""
    folder = mkdtemp(prefix="warm-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = f"{folder}/socket"
    served = subprocess.Popen(
        [sys.executable, warm.__file__, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    atexit.register(served.kill)
    assert served.stdout is not None
    assert served.stdout.readline() == b"serving\n"
    return path


def start(arguments: Sequence[str], log: BinaryIO) -> warm.Node:
    """`stage.running` with this starts a node without its second of imports."""
    return warm.Node(programs(), list(arguments), log.fileno())
