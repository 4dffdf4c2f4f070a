"""Whether what was good when it was signed holds today.

1. What was wrong or open then is so now.
2. Something that has ended since (a certificate revoked or expired, a seal that ran out, a trust
   withdrawn) does no harm where a time-stamp proves that the signature is older.
3. Where nothing proves it, the answer is open (REVOKED_NO_POE, OUT_OF_BOUNDS_NO_POE of
   EN 319 102-1 §5.1.3): whoever holds a key may write any date.
4. That nothing has ended is said only where revocation data reaches to today. Else the verdict says
   until when it is known; and it is open (TRY_LATER) where the trust list asks for such data and no
   time-stamp proves that the signature is from before it ends: what ended later does no harm then.
5. A seal's own time-stamp proves the seal's making, not the signature. A time-stamp whose authority
   was revoked since proves nothing, and none proves that its own authority was good.
6. Until when a time-stamp's authority is known to be good is told, and leaves nothing open: else no
   proof would outlast the lists of its day, which is what proofs are for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from seal.judging.check_names import ENDINGS, titled
from seal.judging.findings import Check, Indication, Unknown, decisive, shown, worst
from seal.judging.plainly import china_day

PROOFS: Final = ("time_stamp", "document_time", "evidence_time")
"""What proves that a signature existed: a time-stamp of its own, of the document after it, of the
bundle around it."""
_STAMPS: Final = frozenset({*PROOFS, "seal_time_stamp"})
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
    unknown = [(check, check.unknown) for check in checks if check.unknown]
    missing = [one for one in unknown if _is_missing(*one, checks)]
    if missing:
        return _too_little_known(missing, checks)
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
    return _as_known(unknown, checks) if unknown else UNENDED


def _proved_before(check: Check, checks: tuple[Check, ...]) -> bool:
    """Whether what ended is proved to have been used before."""
    proof = _proof_for(check, checks)
    return check.ended is not None and proof is not None and proof <= check.ended


def _proof_for(check: Check, checks: tuple[Check, ...]) -> datetime | None:
    """When what was checked is proved to have been used; a seal's own stamp counts for the seal.

    A time-stamp is proved by others alone: a key that is lost makes any time.
    """
    made = check.name == "seal_maker_certificate"
    others = tuple(one for one in checks if one is not check)
    return proof_of(others, *PROOFS, *(("seal_time_stamp",) if made else ()))


# --- what is known of revocation (rule 4) -----------------------------------------------------


_Found = tuple[Check, Unknown]


def _too_little_known(missing: list[_Found], checks: tuple[Check, ...]) -> Standing:
    what, what_zh = _reached(missing, checks)
    return Standing(
        indication=Indication.INDETERMINATE,
        sub_indication="TRY_LATER",
        since=None,
        summary=f"valid when signed; what has happened since is not known: {what}",
        summary_zh=f"签章时有效；此后情况不明：{what_zh}",
    )


def _as_known(unknown: list[_Found], checks: tuple[Check, ...]) -> Standing:
    """Of what has not ended as far as is known: how far that is."""
    what, what_zh = _reached(unknown, checks)
    return Standing(
        indication=Indication.PASSED,
        sub_indication="",
        since=None,
        summary=f"nothing is known to have ended; {what}",
        summary_zh=f"未发现失效事件；{what_zh}",
    )


def _is_missing(check: Check, unknown: Unknown, checks: tuple[Check, ...]) -> bool:
    """Whether the trust list asks for more than there is, and no proof makes it needless."""
    if check.name in _STAMPS or not unknown.required:
        return False
    proof = _proof_for(check, checks)
    return proof is None or unknown.until is None or proof > unknown.until


def _reach(found: _Found) -> float:
    until = found[1].until
    return until.timestamp() if until else float("-inf")


def _reached(found: list[_Found], checks: tuple[Check, ...]) -> tuple[str, str]:
    """Until when revocation is known; of which certificate, where more is known of another."""
    check, unknown = min(found, key=_reach)
    entry = titled(check.name)
    asked = sum(one.trust is not None for one in checks)
    is_alone = len(found) < asked
    of = f" of {entry.thing}" if is_alone else ""
    of_zh = f"{entry.thing_zh}的" if is_alone else ""
    if unknown.until is None:
        return f"no revocation data{of} was given", f"未提供{of_zh}吊销数据"
    day = china_day(unknown.until)
    return f"revocation{of} is known until {day}", f"{of_zh}吊销情况仅知至 {day}"


def _gravity(check: Check) -> tuple[int, float]:
    when = check.ended.timestamp() if check.ended else 0.0
    return _ORDER.get(check.ended_why, len(_ORDER)), when


def _lapsed(check: Check, proof: datetime | None, signed_at: datetime | None) -> Standing:
    what, what_zh = _ending(check)
    claimed = f" ({china_day(signed_at)})" if signed_at else ""
    claimed_zh = f"（{china_day(signed_at)}）" if signed_at else ""
    late, late_zh = "no time-stamp proves that it was signed before", "没有时间戳证明签章早于此时"
    if proof:
        late = f"its time-stamp ({china_day(proof)}) is later"
        late_zh = f"时间戳（{china_day(proof)}）晚于此时"
    then = f"valid when signed by its own word{claimed}; {what}, and {late}"
    then_zh = f"按签章自述时间{claimed_zh}有效；{what_zh}，{late_zh}"
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
