"""One stored file per forgery: each fails at its own named check, and at no other.

`tests.builders.forgeries` made them from one sound document. The files are judged by the trust
folder beside them, as anybody would judge them: from public material, as of the manifest's time.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from seal.detached import assess_detached
from seal.judging.check_names import CHECKS
from seal.model import Check, Indication, Verdict
from seal.trust import TrustStore
from seal.verify import assess, assess_seal
from tests.builders.forgeries import ITEMS, write
from tests.builders.ofd_schema import departures
from tongban.verdicts import TrustFolder

FOLDER = Path(__file__).parent / "forgeries"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
LARGEST = 24 * 1024


@lru_cache(maxsize=2)
def _store(folder: Path) -> TrustStore:
    return TrustFolder(folder / "trust").read()


def _judge(folder: Path, name: str) -> Verdict:
    data, store = (folder / name).read_bytes(), _store(folder)
    now = datetime.fromisoformat(MANIFEST["judged_at"])
    if name.endswith(".esl"):
        return assess_seal(data, store=store, now=now)
    if name.endswith(".dat"):
        held = MANIFEST["detached"]
        digest = bytes.fromhex(held["digest"])
        return assess_detached(data, digest, store=store, now=now, about=held["about"])
    return assess(data, store=store, now=now)


def _expect(folder: Path, one: dict[str, Any]) -> None:
    """Its check fails (or, of a reported one, tells); every other passes or was not asked."""
    verdict = _judge(folder, one["file"])
    told = [check for check in verdict.all_checks() if check.reason != "NOT_ASKED"]
    assert (verdict.indication, verdict.reason, verdict.sub_indication) == (
        one["indication"],
        one["reason"],
        one["etsi"],
    )
    if one["indication"] == "PASSED":
        notices = [check.name for check in told if check.notice and not _is_of_any(check)]
        assert notices == [one["check"]]
        assert verdict.now.sub_indication == one["now"]
        return
    others = [check for check in told if check.indication is not Indication.PASSED]
    assert [check.name for check in others] == [one["check"]]
    assert not others[0].detail_zh.isascii()


def _is_of_any(check: Check) -> bool:
    """What is told of every seal that is judged by this folder, which lists no makers."""
    told = "the chain leads to a trust anchor; no list says who makes seals under that root"
    return check.detail.endswith(": " + told)


@pytest.mark.parametrize("name", MANIFEST["sound"])
def test_sound_files_pass(name: str) -> None:
    verdict = _judge(FOLDER, name)
    assert verdict.indication is Indication.PASSED
    assert not name.endswith(".ofd") or departures((FOLDER / name).read_bytes()) == []
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
