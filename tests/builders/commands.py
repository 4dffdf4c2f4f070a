"""`tongban` as people run it, and the node of the county that a test file's commands speak to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders.county import county
from tongban.demonstration.stage import Stage


def run(
    *arguments: object, language: str = "en", columns: int = 200
) -> subprocess.CompletedProcess[str]:
    """What a command says, and its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "tongban", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={**os.environ, "COLUMNS": str(columns), "TONGBAN_LANG": language},
    )


def told(*arguments: object) -> Any:
    """What a command that succeeds says with `--json`."""
    said = run(*arguments, "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    return json.loads(said.stdout)


def at(scene: Stage, key: str = "employment") -> tuple[str, str, str, str]:
    """The options that name a scene's node and one of its systems."""
    return "--node", scene.address, "--identity", str(scene.identity(key))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One node for a test file: say `scene = commands.scene` in it."""
    with county(tmp_path_factory.mktemp("county") / "data") as found:
        yield found
