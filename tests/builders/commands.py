"""`tongban` as people run it, and the node of the county that a test file's commands speak to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from tests.builders import warm
from tests.builders.county import county
from tests.builders.programs import programs
from tongban.demonstration.stage import Stage

ROOT = Path(__file__).resolve().parents[2]


def run(
    *arguments: object,
    language: str = "en",
    columns: int = 200,
    stdin: str = "",
    folder: Path | None = None,
    env: Mapping[str, object] | None = None,
) -> subprocess.CompletedProcess[str]:
    """What a command says, and its exit code."""
    environment = {**os.environ, "COLUMNS": str(columns), "TONGBAN_LANG": language}
    environment |= {name: str(value) for name, value in (env or {}).items()}
    words = [str(one) for one in arguments]
    # A flow that starts an engine of its own ends it when the interpreter ends.
    if words[0] == "flow" and "PREFECT_API_URL" not in environment:
        return subprocess.run(
            [sys.executable, "-m", "tongban", *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            cwd=folder,
            env={**environment, "PYTHONPATH": str(ROOT)},
        )
    with ExitStack() as files:
        given, out, err = (
            files.enter_context(TemporaryFile("w+", encoding="utf-8")) for _ in "123"
        )
        given.write(stdin)
        given.seek(0)
        code = warm.ask(
            programs(),
            words,
            files=(given.fileno(), out.fileno(), err.fileno()),
            environment=environment,
            folder=str(folder or Path.cwd()),
            timeout=180,
        )
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(words, code, out.read(), err.read())


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
