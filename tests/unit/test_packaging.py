"""What an installed project has: every kind of file that its packages read."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: What lies in packages and is read by nobody who runs them.
NEVER = {".md", ".py", ".pyc"}


def test_every_kind_of_file_of_the_portal_is_installed():
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = tomllib.load(file)["tool"]["setuptools"]["package-data"]["*"]
    kinds = {Path(pattern).suffix for pattern in listed}
    found = {path.suffix for path in (ROOT / "portal").rglob("*.*") if path.is_file()}
    assert found - NEVER <= kinds
