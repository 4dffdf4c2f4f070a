"""Whether what was good when it was signed holds today.

1. What was wrong or open then is so now.
2. Something that has ended since (a certificate revoked or expired, a seal that ran out, a trust
   withdrawn) does no harm where a time-stamp proves that the signature is older.
3. Where nothing proves it, the answer is open (REVOKED_NO_POE, OUT_OF_BOUNDS_NO_POE of
   EN 319 102-1 §5.1.3): whoever holds a key may write any date.
4. A seal's own time-stamp proves the seal's making, not the signature. A time-stamp whose authority
   was revoked since proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from seal.judging.check_names import ENDINGS, titled
from seal.judging.findings import Check, Indication, decisive, shown, worst
from seal.judging.plainly import china_day

PROOFS: Final = ("time_stamp", "document_time", "evidence_time")
"""What proves that a signature existed: a time-stamp of its own, of the document after it, of the
bundle around it."""
_ORDER: Final = {word: number for number, word in enumerate(ENDINGS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether it holds today; `since` is when what speaks against it happened."""

    indication: Indication
    sub_indication: str
    since: datetime | None
    summary: str
    summary_zh: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "indication": self.indication.value,
            "sub_indication": self.sub_indication,
            "since": shown(self.since),
            "summary": self.summary,
            "summary_zh": self.summary_zh,
        }


UNENDED: Final = Standing(
    indication=Indication.PASSED,
    sub_indication="",
    since=None,
    summary="nothing has ended since",
    summary_zh="此后没有失效事件",
)
"""What was good is good."""


def proof_of(checks: tuple[Check, ...], *names: str) -> datetime | None:
    """The earliest time proved by checks of these names that have not ended themselves."""
    told = [one for one in checks if one.name in names and not one.ended]
    return min((one.proves for one in told if one.proves), default=None)


def standing_of(checks: tuple[Check, ...], signed_at: datetime | None) -> Standing:
    """One signature today; `signed_at` is what it says itself."""
    indication = worst(checks)
    if indication is not Indication.PASSED:
        first = decisive(checks)
        return Standing(
            indication=indication,
            sub_indication=first.sub_indication if first else "GENERIC",
            since=None,
            summary=first.detail if first else "it has no checks",
            summary_zh=first.detail_zh if first else "没有检查项",
        )
    ended = [check for check in checks if check.ended]
    open_ones = [check for check in ended if not _proved_before(check, checks)]
    if open_ones:
        return _lapsed(min(open_ones, key=_gravity), proof_of(checks, *PROOFS), signed_at)
    if ended:
        first = min(ended, key=_gravity)
        what, what_zh = _ending(first)
        return Standing(
            indication=indication,
            sub_indication="",
            since=first.ended,
            summary=f"still good: {what}, and a time-stamp proves the signature older",
            summary_zh=f"仍然有效：{what_zh}，时间戳证明签章更早",
        )
    return UNENDED


def _proved_before(check: Check, checks: tuple[Check, ...]) -> bool:
    """Whether what ended is proved to have been used before; a seal's own stamp counts for it."""
    made = check.name in ("seal_maker_certificate", "seal_time_stamp")
    proof = proof_of(checks, *PROOFS, *(("seal_time_stamp",) if made else ()))
    return check.ended is not None and proof is not None and proof <= check.ended


def _gravity(check: Check) -> tuple[int, float]:
    when = check.ended.timestamp() if check.ended else 0.0
    return _ORDER.get(check.ended_why, len(_ORDER)), when


def _lapsed(check: Check, proof: datetime | None, signed_at: datetime | None) -> Standing:
    what, what_zh = _ending(check)
    if proof:
        then = f"valid when signed; {what}, and its time-stamp ({china_day(proof)}) is later"
        then_zh = f"签章时有效；{what_zh}，时间戳（{china_day(proof)}）晚于此时"
    else:
        claimed = f" ({china_day(signed_at)})" if signed_at else ""
        claimed_zh = f"（{china_day(signed_at)}）" if signed_at else ""
        nothing = "no time-stamp proves that it was signed before"
        then = f"valid when signed by its own word{claimed}; {what}, and {nothing}"
        then_zh = f"按签章自述时间{claimed_zh}有效；{what_zh}，没有时间戳证明签章早于此时"
    known = ENDINGS.get(check.ended_why)
    return Standing(
        indication=Indication.INDETERMINATE,
        sub_indication=known.etsi if known else "OUT_OF_BOUNDS_NO_POE",
        since=check.ended,
        summary=then,
        summary_zh=then_zh,
    )


def _ending(check: Check) -> tuple[str, str]:
    entry, known = titled(check.name), ENDINGS.get(check.ended_why)
    when = china_day(check.ended) if check.ended else ""
    words, words_zh = (known.words, known.words_zh) if known else ("ended", "已失效")
    return f"{entry.thing or entry.title} {words} on {when}", (
        f"{entry.thing_zh or entry.title_zh}已于 {when} {words_zh.removeprefix('已')}"
    )
