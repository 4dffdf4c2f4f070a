"""A detached seal says of what it is, asked or not; a seal by itself is not said to be signed."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from seal.detached import assess_detached
from seal.model import Check, Indication
from seal.verify import assess_seal
from tongban.showing import facts_of
from tongban.verdicts import TrustFolder

FOLDER = Path(__file__).parent / "forgeries"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))


def _place(about: str) -> Check:
    verdict = assess_detached(
        (FOLDER / "sound.dat").read_bytes(),
        bytes.fromhex(MANIFEST["detached"]["digest"]),
        store=TrustFolder(FOLDER / "trust").read(),
        now=datetime.fromisoformat(MANIFEST["judged_at"]),
        about=about,
    )
    (check,) = [one for one in verdict.all_checks() if one.name == "property_info"]
    assert verdict.indication is check.indication
    return check


def test_it_tells_what_it_is_over_as_a_notice_where_nobody_asked() -> None:
    check = _place("")
    assert (check.indication, check.notice) == (Indication.PASSED, True)
    assert check.detail == "it says that it is over: record 42"
    assert "record 42" in check.detail_zh


def test_it_is_held_to_what_was_asked() -> None:
    assert (_place("record 42").indication, _place("record 42").notice) == ("PASSED", False)
    assert _place("record 43").indication is Indication.FAILED


def test_a_seal_by_itself_was_made_not_signed() -> None:
    verdict = assess_seal(
        (FOLDER / "sound.esl").read_bytes(),
        store=TrustFolder(FOLDER / "trust").read(),
        now=datetime.fromisoformat(MANIFEST["judged_at"]),
    )
    assert verdict.summary == "a seal by itself: every check passed"
    (report,) = verdict.signatures
    labels = [label for label, _ in facts_of(report)]
    assert ("made" in labels, "signed" in labels) == (True, False)
