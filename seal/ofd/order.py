"""Whether signatures that cover others say they are later: order in time follows who covers whom.

1. Only good signatures are compared: what is wrong about another is told there.
2. Before what a time-stamp proves of a covered signature, a signature cannot be: no more than
   clocks differ (`CLOCK_SKEW`).
3. Where the covered one has only its own word, makers are known to write the local time as if it
   were UTC, and China is 8 hours ahead: as much earlier is told, and no more is believed.
4. Of two that do not cover each other, the one that says it was first is told: who signed after it
   saw nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from seal.judging.seal_checks import CLOCK_SKEW
from seal.judging.telling import moment, plain
from seal.model import Check, Indication, SignatureReport, failed
from seal.ofd.opened import OpenedDocument, OpenedSignature

_CHECK: Final = "signing_time"
_ZONE: Final = timedelta(hours=8)


class _There(NamedTuple):
    """When a good signature was there, as it says or as is proved."""

    at: datetime
    is_proved: bool
    id: str


def in_order(document: OpenedDocument, reports: list[SignatureReport]) -> list[SignatureReport]:
    """The reports of `document.signatures`, those of too early ones with what is wrong of them."""
    if len(reports) < 2:
        return reports
    pairs = list(zip(document.signatures, reports, strict=True))
    good = {
        one.listed.path: found
        for one, report in pairs
        if report.indication is Indication.PASSED and (found := _there(report)) is not None
    }
    return [
        _beside(_ordered(report, _covered(document, one, good)), _apart(document, one, good))
        for one, report in pairs
    ]


def _there(report: SignatureReport) -> _There | None:
    proved = report.proved_at
    at = proved or report.signed_at
    return None if at is None else _There(at, proved is not None, report.id)


def _covered(
    document: OpenedDocument, one: OpenedSignature, good: dict[str, _There]
) -> list[_There]:
    """The good ones that it covers; none where it is not good itself."""
    own = one.listed.path
    if own not in good:
        return []
    return [good[path] for path in document.seen_by(one) if path in good and path != own]


def _apart(document: OpenedDocument, one: OpenedSignature, good: dict[str, _There]) -> list[_There]:
    """The good ones that neither cover it nor are covered by it; none where it is not good."""
    own = one.listed.path
    if own not in good:
        return []
    return [
        good[each.listed.path]
        for each in document.unseen_by(one)
        if each.listed.path in good and own not in document.seen_by(each)
    ]


def _beside(report: SignatureReport, apart: list[_There]) -> SignatureReport:
    """Rule 4."""
    own = report.proved_at or report.signed_at
    later = max((one for one in apart if own and own < one.at - CLOCK_SKEW - _ZONE), default=None)
    if later is None:
        return report
    name, at = plain(later.id), moment(later.at)
    words = f"it is from before the signature {name} ({at}), which did not see it"
    words_zh = f"早于签章 {name}（{at}），而后者未见过它"
    return _with(report, lambda check: _remarked(check, words, words_zh))


def _ordered(report: SignatureReport, covered: list[_There]) -> SignatureReport:
    times = [at for at in (report.signed_at, report.proved_at) if at is not None]
    if not covered or not times:
        return report
    own = min(times)
    too_late = [one for one in covered if own < one.at - CLOCK_SKEW]
    if not too_late:
        return report
    wrong = [one for one in too_late if one.is_proved or own < one.at - CLOCK_SKEW - _ZONE]
    first = max(wrong or too_late)
    return _with(report, lambda check: _told(check, first, is_wrong=bool(wrong)))


def _with(report: SignatureReport, told: Callable[[Check], Check]) -> SignatureReport:
    checks = (told(check) if check.name == _CHECK else check for check in report.checks)
    return replace(report, checks=tuple(checks))


def _remarked(check: Check, words: str, words_zh: str) -> Check:
    return check._replace(
        detail=f"{check.detail}; by its own word {words}",
        detail_zh=f"{check.detail_zh}；自述时间{words_zh}",
        notice=True,
    )


def _told(check: Check, covered: _There, *, is_wrong: bool) -> Check:
    name, at = plain(covered.id), moment(covered.at)
    by, by_zh = ("as is proved", "已证明") if covered.is_proved else ("as it says", "自述")
    detail = f"it is from before the signature {name} that it covers, which is of {at}, {by}"
    detail_zh = f"早于其所覆盖的签章 {name}（{at}，{by_zh}）"
    if not is_wrong:
        return _remarked(check, detail, detail_zh)
    against = check.against, check.against_zh
    reason = "SIGNED_BEFORE_EARLIER_SIGNATURE"
    found = failed(_CHECK, detail, "签章时间" + detail_zh, reason=reason, against=against)
    return found.about(check.subject)
