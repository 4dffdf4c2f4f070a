"""The command tables of both READMEs: every command there is, and no other."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from tongban.main import app

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = set(get_command(app).commands)  # type: ignore[attr-defined]


def told(document: str) -> set[str]:
    """The first words of what stands in the first column of the table of commands."""
    text = (ROOT / document).read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[a-z].*?) \|", text, re.MULTILINE)
    return {name.split()[0] for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("document", ["README.md", "README.zh.md"])
def test_every_command_stands_in_the_table(document):
    assert told(document) == COMMANDS


def test_the_changelog_tells_of_every_command():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert {one for one in COMMANDS if not re.search(rf"`(?:tongban )?{one}\b", text)} == set()
