"""The auditors' guides have every check, and name only reasons that exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from seal.judging.check_names import CHECKS, REASONS

DOCS = Path(__file__).parents[2] / "docs"
_spec = importlib.util.spec_from_file_location("make_checks", DOCS / "make_checks.py")
assert _spec
assert _spec.loader
make_checks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_checks)


@pytest.mark.parametrize(("name", "chinese"), make_checks.GUIDES.items())
def test_guide_has_every_check(name: str, *, chinese: bool) -> None:
    guide = (DOCS / name).read_text(encoding="utf-8")
    assert guide == make_checks.written(guide, chinese=chinese), "run `python docs/make_checks.py`"


@pytest.mark.parametrize("name", make_checks.GUIDES)
def test_guide_names_reasons_that_exist(name: str) -> None:
    known = REASONS.keys() | {check.upper() for check in CHECKS}
    told = set(re.findall(r"`([A-Z][A-Z0-9_]{3,})`", (DOCS / name).read_text(encoding="utf-8")))
    assert told - known == set()
    assert len(told) > 8
