"""What an offline code says, and what a verifier makes of it without a network.

1. A code is a CWT (RFC 8392) in a COSE_Sign1, deflated, in base45 after `TB1:`, as a QR code of
   level Q. It says the fields that the holder chose and no other.
2. It names its verifier where the holder named one, its purpose, its end, and where the license's
   status stands. It is bound to its holder by a slow hash of their number, which whoever sees the
   person's card compares: then a screenshot serves nobody else. Where nobody compared a card the
   answer says so. Whoever has a picture of the code can try numbers out: of a person whose region
   and birthday are known there are 1,000, at a tenth of a second each on one core.
3. Checks are asked in one order. FAILED is what is wrong for certain; what only a fresh list could
   tell (stale trust, a stale or missing status list) is INDETERMINATE, and the age is told.
4. What a stale list says of an end for good still counts: nothing takes that back.
5. A key speaks for the node that it was fetched from: a code or a list that names another issuer is
   not believed, nor is the list of one node for the codes of another.
6. A code has a place of its own in a status list, which also tells that its holder ended it. A
   list from before the code says nothing of it: then the code itself says that the license was in
   force when it was made, and an end since, of the code or of the license, is told as not compared.
   PASSED is only what a list says that is as new as the code or newer, to the second, and fresh:
   of all else it is told after when nothing is known.
7. Codes of before share the place of their license (`own_place` is not said): whether their holder
   ended them is never known offline. Those of a license from the last day say since when it is one.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from licenses.checks import (
    BOUND_TO_NOBODY,
    CARD_NOT_SEEN,
    ENDED_SINCE,
    MAY_BE_ENDED,
    NO_STATUS_LIST,
    NOT_YET_LISTED,
    NOTHING_TELLS_ENDS,
    Check,
    NotCompared,
    changed_since,
)
from licenses.offline.reasons import SENTENCES, UNCERTAIN, Reason
from licenses.statuslist.model import STATUS, Status, StatusList, StatusRef
from licenses.texts import same_purpose
from licenses.tokens import TokenError
from runtime.clock import CHINA

PREFIX: Final = "TB1:"
ISS, AUD, EXP, IAT, CTI = 1, 3, 4, 6, 7
#: Private claims (RFC 8392 §9.1: below -65536).
TYPE_CODE, TYPE_NAME, FIELDS, PURPOSE, HOLDER, BOUND = (
    -70001,
    -70002,
    -70003,
    -70004,
    -70005,
    -70006,
)
NEW: Final = -70007
OWN_PLACE: Final = -70008
AGENCY: Final = -70009
_SALT: Final = 16
_HASH: Final = 16
_SCRYPT_N: Final = 1 << 15
_SCRYPT_MEMORY: Final = 64 * 1024 * 1024
#: How long a cached presenting trust list is believed.
TRUST_FRESH: Final = timedelta(days=30)
SKEW: Final = timedelta(minutes=5)
#: Of these it is told until when the license was in force.
_NOT_SINCE: Final = frozenset({Reason.STATUS_LIST_OLDER, Reason.STATUS_LIST_STALE})


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineCode:
    """What a code says. `holder` is salt and slow hash, or None; `status` where it may be asked."""

    presentation_id: str
    issuer: str
    audience: str
    purpose: str = field(repr=False)
    purpose_bound: bool
    issued_at: datetime
    expire_time: datetime
    type_code: str
    type_name: str
    fields: Mapping[str, str] = field(repr=False)
    status: StatusRef
    holder: bytes | None = field(repr=False)
    #: Its place in the status list is of this code alone (rule 6).
    own_place: bool = False
    #: Since when the license is one, where a list that is still good may be from before (rule 7).
    new_since: datetime | None = None
    #: Where an agent shows it: until when the holder delegated, for the purpose that binds.
    agency_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineOutcome:
    """What a verifier learns offline: `code` where its signature is good, and no certain fault.

    A check whose `passed` is None was not made, or only a fresh list could tell.
    """

    reason: Reason | None
    summary: str
    summary_zh: str
    checks: tuple[Check, ...]
    code: OfflineCode | None = None
    status_as_of: datetime | None = None

    @property
    def indication(self) -> str:
        """PASSED, INDETERMINATE or FAILED."""
        if self.reason is None:
            return "PASSED"
        return "INDETERMINATE" if self.reason in UNCERTAIN else "FAILED"


def holder_hash(code: str, salt: bytes | None = None) -> bytes:
    """Salt and slow hash of a holder's number, 32 bytes."""
    salt = os.urandom(_SALT) if salt is None else salt
    made = hashlib.scrypt(
        code.encode(), salt=salt, n=_SCRYPT_N, r=8, p=1, maxmem=_SCRYPT_MEMORY, dklen=_HASH
    )
    return salt + made


def is_holders(binding: bytes, code: str) -> bool:
    """Whether a binding is of a number."""
    if len(binding) != _SALT + _HASH:
        return False
    return hmac.compare_digest(holder_hash(code, binding[:_SALT]), binding)


def claims_of(code: OfflineCode) -> dict[int, Any]:
    """The CWT's claims."""
    claims: dict[int, Any] = {
        ISS: code.issuer,
        EXP: int(code.expire_time.timestamp()),
        IAT: int(code.issued_at.timestamp()),
        CTI: bytes.fromhex(code.presentation_id),
        STATUS: {"status_list": {"idx": code.status.index, "uri": code.status.uri}},
        TYPE_CODE: code.type_code,
        TYPE_NAME: code.type_name,
        FIELDS: dict(code.fields),
    }
    if code.purpose:
        claims[PURPOSE] = code.purpose
    if code.own_place:
        claims[OWN_PLACE] = True
    if code.new_since is not None:
        claims[NEW] = int(code.new_since.timestamp())
    if code.agency_until is not None:
        claims[AGENCY] = int(code.agency_until.timestamp())
    if code.audience:
        claims[AUD] = code.audience
    if code.purpose_bound:
        claims[BOUND] = True
    if code.holder:
        claims[HOLDER] = code.holder
    return claims


def code_of(claims: Mapping[Any, Any]) -> OfflineCode:
    """What signed claims say. Raises TokenError, TOKEN_UNREADABLE."""
    try:
        status = claims[STATUS]["status_list"]
        fields = claims[FIELDS]
        found = OfflineCode(
            presentation_id=_is(claims[CTI], bytes).hex(),
            issuer=_is(claims[ISS], str),
            audience=_is(claims.get(AUD, ""), str),
            purpose=_is(claims.get(PURPOSE, ""), str),
            purpose_bound=_is(claims.get(BOUND, False), bool),
            issued_at=_time(claims[IAT]),
            expire_time=_time(claims[EXP]),
            type_code=_is(claims[TYPE_CODE], str),
            type_name=_is(claims[TYPE_NAME], str),
            fields={_is(key, str): _is(value, str) for key, value in fields.items()},
            status=StatusRef(uri=_is(status["uri"], str), index=_is(status["idx"], int)),
            holder=_is(claims[HOLDER], bytes) if HOLDER in claims else None,
            own_place=_is(claims.get(OWN_PLACE, False), bool),
            new_since=_time(claims[NEW]) if NEW in claims else None,
            agency_until=_time(claims[AGENCY]) if AGENCY in claims else None,
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, OSError):
        raise TokenError("TOKEN_UNREADABLE") from None
    return found


def _is(value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError
    return value


def _time(value: Any) -> datetime:
    return datetime.fromtimestamp(_is(value, int), CHINA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """What a verifier has kept: when its trust list was made, and the status lists.

    These are by issuer and address; one that could not be read with the issuer's keys is None.
    """

    trust_made_at: datetime
    lists: Mapping[tuple[str, str], StatusList | None]
    #: Issuers whose trust list is older than one that was kept before.
    trust_put_back: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who verifies, for what, when, and whose card was seen ("" is nobody's)."""

    verifier: str
    purpose: str = field(repr=False)
    now: datetime
    holder_code: str = field(default="", repr=False)


def decide(code: OfflineCode, cached: Cached, asked: Asked) -> OfflineOutcome:
    """Judge a code whose signature is good, in the order of the checks."""
    status = cached.lists.get((code.issuer, code.status.uri))
    found: list[tuple[str, Reason | NotCompared | None]] = [
        ("key_trusted", None),
        ("signature", None),
        ("time", _of_time(code, asked)),
        ("verifier_named", _of_audience(code, asked)),
        ("purpose_fits", _of_purpose(code, asked)),
        ("holder", _of_holder(code, asked)),
        ("presentation", _of_presentation(code, status)),
        ("license_status", _of_status(code, status, asked)),
        ("status_list", _of_list(code, cached, status, asked)),
        ("trust_list", _of_trust(code, cached, asked)),
    ]
    checks = [_check(name, one) for name, one in found]
    reasons = [one for _, one in found if isinstance(one, Reason)]
    left = [one for _, one in found if isinstance(one, NotCompared)]
    certain = [one for one in reasons if one not in UNCERTAIN]
    reason = next(iter(certain or reasons), None)
    # Its node told that it was in force by signing the code, and the list tells so after that.
    as_of = max(code.issued_at, status.made_at) if status else None
    in_force = reason is not Reason.STATUS_LIST_STALE or not _is_suspended(code, status)
    return _outcome(reason, checks, None if certain else code, as_of, left, in_force=in_force)


def _is_suspended(code: OfflineCode, status: StatusList | None) -> bool:
    return status is not None and status.status(code.status.index) == Status.SUSPENDED


def _is_newer(code: OfflineCode, status: StatusList) -> bool:
    """Whether what the code's place tells of came after the list was made."""
    if code.own_place:
        return code.issued_at > status.made_at
    return code.new_since is not None and code.new_since >= status.made_at


def refused(reason: Reason) -> OfflineOutcome:
    """The outcome of what cannot be read, or is signed by nobody who is trusted."""
    names = {
        Reason.QR_UNREADABLE: "readable",
        Reason.FOREIGN_KEY: "key_trusted",
        Reason.SIGNATURE_WRONG: "signature",
    }
    return _outcome(reason, [_check(names[reason], reason)], None, None, [], in_force=False)


def _of_time(code: OfflineCode, asked: Asked) -> Reason | None:
    if asked.now >= code.expire_time:
        return Reason.QR_EXPIRED
    return Reason.QR_NOT_YET_VALID if code.issued_at > asked.now + SKEW else None


def _of_audience(code: OfflineCode, asked: Asked) -> Reason | None:
    return Reason.WRONG_AUDIENCE if code.audience not in ("", asked.verifier) else None


def _of_purpose(code: OfflineCode, asked: Asked) -> Reason | None:
    fits = not code.purpose_bound or same_purpose(code.purpose, asked.purpose)
    return None if fits else Reason.WRONG_PURPOSE


def _of_holder(code: OfflineCode, asked: Asked) -> Reason | NotCompared | None:
    if code.holder is None:
        return BOUND_TO_NOBODY
    if not asked.holder_code:
        return CARD_NOT_SEEN
    return None if is_holders(code.holder, asked.holder_code) else Reason.HOLDER_DIFFERS


def _of_presentation(code: OfflineCode, status: StatusList | None) -> Reason | NotCompared | None:
    if not code.own_place:
        return MAY_BE_ENDED
    if status is None:
        return NOTHING_TELLS_ENDS
    if _is_newer(code, status):
        return ENDED_SINCE
    try:
        ended = status.status(code.status.index) == Status.ENDED
    except TokenError:
        return ENDED_SINCE
    return Reason.PRESENTATION_ENDED if ended else None


def _of_status(
    code: OfflineCode, status: StatusList | None, asked: Asked
) -> Reason | NotCompared | None:
    if status is None:
        return NO_STATUS_LIST
    if code.own_place and _is_newer(code, status):
        return changed_since(code.issued_at, status.made_at)
    try:
        value = status.status(code.status.index)
    except TokenError:
        return Reason.STATUS_LIST_NOT_GOOD
    if value == Status.VALID:
        return NOT_YET_LISTED if _is_newer(code, status) else None
    if value == Status.ENDED and code.own_place:
        return None
    if value == Status.SUSPENDED:
        return Reason.LICENSE_SUSPENDED if asked.now < status.good_until else None
    return Reason.LICENSE_NOT_IN_FORCE


def _of_list(
    code: OfflineCode, cached: Cached, status: StatusList | None, asked: Asked
) -> Reason | None:
    if (code.issuer, code.status.uri) not in cached.lists:
        return Reason.STATUS_LIST_MISSING
    if status is None or status.uri != code.status.uri or status.made_at > asked.now + SKEW:
        return Reason.STATUS_LIST_NOT_GOOD
    if status.made_at < code.issued_at:
        return Reason.STATUS_LIST_OLDER
    return None if asked.now < status.fresh_until else Reason.STATUS_LIST_STALE


def _of_trust(code: OfflineCode, cached: Cached, asked: Asked) -> Reason | None:
    if code.issuer in cached.trust_put_back or cached.trust_made_at > asked.now + SKEW:
        return Reason.TRUST_LIST_NOT_GOOD
    fresh = asked.now < cached.trust_made_at + TRUST_FRESH
    return None if fresh else Reason.TRUST_LIST_STALE


def _check(name: str, reason: Reason | NotCompared | None) -> Check:
    if reason is None:
        return Check(name=name, passed=True, detail="passed", detail_zh="通过")
    if isinstance(reason, NotCompared):
        return Check(name=name, passed=None, detail=reason.detail, detail_zh=reason.detail_zh)
    detail, detail_zh = SENTENCES[reason]
    passed = None if reason in UNCERTAIN else False
    return Check(name=name, passed=passed, detail=detail, detail_zh=detail_zh)


def _outcome(
    reason: Reason | None,
    checks: list[Check],
    code: OfflineCode | None,
    as_of: datetime | None,
    left: list[NotCompared],
    *,
    in_force: bool,
) -> OfflineOutcome:
    at = as_of.astimezone(CHINA).strftime("%Y-%m-%d %H:%M") if as_of else ""
    if reason is None:
        summary = f"the code is genuine; the license was in force at {at} (status list)"
        summary_zh = f"该码真实，证照在 {at}（状态列表时间）有效"
    else:
        summary, summary_zh = SENTENCES[reason]
        if reason in _NOT_SINCE and in_force:
            summary += f"; the license was in force at {at}, and what happened after is not known"
            summary_zh += f"；证照在 {at} 有效，此后的情况无法得知"
    if reason is None or reason in UNCERTAIN:
        summary = "; ".join((summary, *(one.detail for one in left)))
        summary_zh = "；".join((summary_zh, *(one.detail_zh for one in left)))
    return OfflineOutcome(
        reason=reason,
        summary=summary,
        summary_zh=summary_zh,
        checks=tuple(checks),
        code=code,
        status_as_of=as_of,
    )
