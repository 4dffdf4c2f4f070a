"""What a good time-stamp proves, and what has become of its authority since.

1. It proves the time it tells and the accuracy that it states after it.
2. A token outlives its authority's certificate that was given up in good order (RFC 3161 §4); one
   whose key may have been lost could have been made by anybody since, and so proves nothing today.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from seal.judging.findings import Trust, Unknown
from seal.judging.telling import holder, moment, plain
from seal.model import Check, passed
from seal.pki.timestamp_token import TimestampInfo
from seal.trust import ChainResult, TrustStore, parse_certificate

_IN_ORDER: Final = frozenset({"affiliation_changed", "superseded", "cessation_of_operation"})
_EXACT: Final = timedelta(minutes=1)


def stamped_by(told: TimestampInfo) -> tuple[str, str]:
    """What a time-stamp is over, by whom and of when."""
    (who, who_zh), word, at = holder(told.certificate), told.digest.upper(), moment(told.time)
    return f"{word} of what is stamped; {who}; {at}", f"所盖内容的 {word} 摘要；{who_zh}；{at}"


def proving(name: str, good: TimestampInfo, store: TrustStore, now: datetime) -> Check:
    """A time-stamp that was found good: what it proves, and whom that rests on."""
    at, told = moment(good.proves), list(good.remarks)
    if good.proves - good.time > _EXACT:
        told.append(
            (
                f"it tells {moment(good.time)}, and may be late by {good.proves - good.time}",
                f"所载时间为 {moment(good.time)}，误差可达 {good.proves - good.time}",
            )
        )
    revoked, why = _lost(good.chain, now)
    if revoked is not None:
        told.append(
            (
                f"its authority is revoked since {moment(revoked)}{why}",
                f"其机构证书自 {moment(revoked)} 起被吊销",
            )
        )
    check = passed(
        name,
        "; ".join([f"the time-stamp proves {at}", *(english for english, _ in told)]),
        "；".join([f"时间戳证明时间为 {at}", *(chinese for _, chinese in told)]),
        against=stamped_by(good),
        notice=bool(told),
    )
    return check._replace(
        proves=good.proves,
        trust=_time_trust(name, good, store),
        ended=revoked,
        ended_why="CERTIFICATE_REVOKED" if revoked else "",
        unknown=unknown_since(good.chain, now) if good.chain else None,
    )


def unknown_since(result: ChainResult, now: datetime) -> Unknown | None:
    """Where what is known of revocation ends before today."""
    if result.known_until is not None and result.known_until >= now:
        return None
    return Unknown(until=result.known_until, required=result.is_required)


def _lost(chain: ChainResult | None, now: datetime) -> tuple[datetime | None, str]:
    """Since when the authority's key counts as lost, and the reason given."""
    if chain is None or chain.revoked_at is None or chain.revoked_at > now:
        return None, ""
    if chain.revoked_why in _IN_ORDER:
        return None, ""
    return chain.revoked_at, f" ({chain.revoked_why})" if chain.revoked_why else ""


def _time_trust(name: str, good: TimestampInfo, store: TrustStore) -> Trust | None:
    """The anchor that the checked token led to."""
    anchor = next((a for a in store.anchors if a.certificate == good.anchor), None)
    if anchor is None:
        return None
    print_of = parse_certificate(anchor.certificate).fingerprint
    return Trust(role=name, source=anchor.source, anchor=plain(anchor.name), fingerprint=print_of)
