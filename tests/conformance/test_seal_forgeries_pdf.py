"""One stored PDF per forgery: each fails at its own named check, and at no other.

`tests.builders.forgeries_pdf` made them from one sound document. The files are judged by the trust
folder beside them, as anybody would judge them: from public material, as of the manifest's time.
"""

from __future__ import annotations

import json
import re
import subprocess
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from seal.judging.check_names import CHECKS
from seal.model import Indication, Verdict
from seal.trust import TrustStore
from seal.verify import assess
from tests.builders.forgeries_pdf import ITEMS, write
from tongban.verdicts import TrustFolder

FOLDER = Path(__file__).parent / "forgeries-pdf"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
LARGEST = 96 * 1024


@lru_cache(maxsize=2)
def _store(folder: Path) -> TrustStore:
    return TrustFolder(folder / "trust").read()


def _judge(folder: Path, name: str) -> Verdict:
    now = datetime.fromisoformat(MANIFEST["judged_at"])
    return assess((folder / name).read_bytes(), store=_store(folder), now=now)


def _expect(folder: Path, one: dict[str, Any]) -> None:
    verdict = _judge(folder, one["file"])
    told = [check for check in verdict.all_checks() if check.reason != "NOT_ASKED"]
    wrong = [check for check in told if check.indication is not Indication.PASSED]
    assert [check.name for check in wrong] == [one["check"]]
    assert (verdict.indication, verdict.reason, verdict.sub_indication) == (
        one["indication"],
        one["reason"],
        one["etsi"],
    )
    assert not wrong[0].detail_zh.isascii()


@pytest.mark.parametrize("name", MANIFEST["sound"])
def test_sound_files_pass(name: str) -> None:
    verdict = _judge(FOLDER, name)
    assert verdict.indication is Indication.PASSED
    assert verdict.now.indication is Indication.PASSED


@pytest.mark.parametrize("one", MANIFEST["forgeries"], ids=lambda one: one["file"])
def test_forgery_fails_at_its_check_and_no_other(one: dict[str, Any]) -> None:
    _expect(FOLDER, one)


def test_manifest_and_folder_agree() -> None:
    listed = [one["file"] for one in MANIFEST["forgeries"]] + MANIFEST["sound"]
    found = [path.name for path in FOLDER.iterdir() if path.is_file()]
    assert sorted([*listed, "manifest.json"]) == sorted(found)
    assert all((FOLDER / name).stat().st_size <= LARGEST for name in listed)


def test_everything_on_the_list_is_covered() -> None:
    covered = {one["item"] for one in MANIFEST["forgeries"]}
    assert covered == set(MANIFEST["items"]) == set(ITEMS)
    for one in MANIFEST["forgeries"]:
        assert one["check"] in CHECKS
        assert one["en"].isascii()
        assert not one["zh"].isascii()


def test_the_script_makes_them_anew(tmp_path: Path) -> None:
    """Other keys, the same answers: what is stored is what the script makes."""
    write(tmp_path / "forgeries")
    made = json.loads((tmp_path / "forgeries" / "manifest.json").read_text(encoding="utf-8"))
    # In what order they were noted is of no matter: another test may have come upon them first.
    noted, stored = made.pop("forgeries"), dict(MANIFEST)
    assert sorted(noted, key=str) == sorted(stored.pop("forgeries"), key=str)
    assert made == stored
    for one in noted:
        _expect(tmp_path / "forgeries", one)


# --- poppler --------------------------------------------------------------------------------------


def _pdfsig(name: str) -> str:
    """What `pdfsig` says, which looks at the mathematics alone here (`-nocert`)."""
    done = subprocess.run(
        ["pdfsig", "-nocert", FOLDER / name], check=False, capture_output=True, timeout=30
    )
    return done.stdout.decode(errors="replace")


@pytest.mark.parametrize("name", MANIFEST["sound"])
def test_poppler_agrees_that_the_sound_ones_are(name: str) -> None:
    first = re.findall(r"Signature Validation: (.*)", _pdfsig(name))[0]
    assert first == "Signature is Valid."


WRONG_BY_MATHEMATICS = [
    one["file"]
    for one in MANIFEST["forgeries"]
    if one["check"] == "document_signature"
    and one["item"] in ("changed_bytes", "foreign_signature", "wrong_signature")
]


@pytest.mark.parametrize("name", WRONG_BY_MATHEMATICS)
def test_poppler_agrees_that_the_mathematics_are_wrong(name: str) -> None:
    assert "Signature is Valid" not in _pdfsig(name)


PASSED_OVER = [
    "bytes_after.pdf",
    "page_replaced.pdf",
    "gap_before_value.pdf",
    "room_not_empty.pdf",
    "revoked_signer.pdf",
]


@pytest.mark.parametrize("name", PASSED_OVER)
def test_the_mathematics_alone_would_not_do(name: str) -> None:
    """What each of these checks stops is stopped by no mathematics: poppler calls them valid."""
    assert "Signature is Valid" in _pdfsig(name)
