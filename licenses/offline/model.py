"""What an offline code says, and what a verifier makes of it without a network.

1. A code is a CWT (RFC 8392) in a COSE_Sign1, deflated, in base45 after `TB1:`, as a QR code of
   level Q. It says the fields that the holder chose and no other.
2. It names its verifier where the holder named one, its purpose, its end, and where the license's
   status stands. It is bound to its holder by a slow hash of their number, which whoever sees the
   person's card compares: a screenshot serves nobody else. A hash of a number that has few values
   is slow to try out, not impossible.
3. Checks are asked in one order. FAILED is what is wrong for certain; what only a fresh list could
   tell (stale trust, a stale or missing status list) is INDETERMINATE, and the age is told.
4. What a stale list says of an end for good still counts: nothing takes that back.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

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
_SALT: Final = 16
_HASH: Final = 16
_SCRYPT_N: Final = 1 << 12
#: How long a cached presenting trust list is believed.
TRUST_FRESH: Final = timedelta(days=30)
SKEW: Final = timedelta(minutes=5)


class Reason(StrEnum):
    """Why an offline code did not pass."""

    QR_UNREADABLE = "QR_UNREADABLE"
    FOREIGN_KEY = "FOREIGN_KEY"
    SIGNATURE_WRONG = "SIGNATURE_WRONG"
    QR_EXPIRED = "QR_EXPIRED"
    QR_NOT_YET_VALID = "QR_NOT_YET_VALID"
    WRONG_AUDIENCE = "WRONG_AUDIENCE"
    WRONG_PURPOSE = "WRONG_PURPOSE"
    HOLDER_DIFFERS = "HOLDER_DIFFERS"
    LICENSE_NOT_IN_FORCE = "LICENSE_NOT_IN_FORCE"
    LICENSE_SUSPENDED = "LICENSE_SUSPENDED"
    STATUS_LIST_MISSING = "STATUS_LIST_MISSING"
    STATUS_LIST_NOT_GOOD = "STATUS_LIST_NOT_GOOD"
    STATUS_LIST_STALE = "STATUS_LIST_STALE"
    TRUST_LIST_STALE = "TRUST_LIST_STALE"


#: Of these nothing is certain.
UNCERTAIN: Final = frozenset(
    {
        Reason.STATUS_LIST_MISSING,
        Reason.STATUS_LIST_NOT_GOOD,
        Reason.STATUS_LIST_STALE,
        Reason.TRUST_LIST_STALE,
    }
)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineCheck:
    """One check; `passed` None is uncertain."""

    name: str
    passed: bool | None
    detail: str
    detail_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineOutcome:
    """What a verifier learns offline: `code` where its signature is good, and no certain fault."""

    reason: Reason | None
    summary: str
    summary_zh: str
    checks: tuple[OfflineCheck, ...]
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
    made = hashlib.scrypt(code.encode(), salt=salt, n=_SCRYPT_N, r=8, p=1, dklen=_HASH)
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
        PURPOSE: code.purpose,
    }
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
            purpose=_is(claims[PURPOSE], str),
            purpose_bound=_is(claims.get(BOUND, False), bool),
            issued_at=_time(claims[IAT]),
            expire_time=_time(claims[EXP]),
            type_code=_is(claims[TYPE_CODE], str),
            type_name=_is(claims[TYPE_NAME], str),
            fields={_is(key, str): _is(value, str) for key, value in fields.items()},
            status=StatusRef(uri=_is(status["uri"], str), index=_is(status["idx"], int)),
            holder=_is(claims[HOLDER], bytes) if HOLDER in claims else None,
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
    """What a verifier has kept: when its trust list was made, and the status lists by address.

    A list that could not be read with the trusted keys is None.
    """

    trust_made_at: datetime
    lists: Mapping[str, StatusList | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who verifies, for what, when, and whose card was seen ("" is nobody's)."""

    verifier: str
    purpose: str = field(repr=False)
    now: datetime
    holder_code: str = field(default="", repr=False)


def decide(code: OfflineCode, cached: Cached, asked: Asked) -> OfflineOutcome:
    """Judge a code whose signature is good, in the order of the checks."""
    status = cached.lists.get(code.status.uri)
    found: list[tuple[str, Reason | None]] = [
        ("key_trusted", None),
        ("signature", None),
        ("time", _of_time(code, asked)),
        ("verifier_named", _of_audience(code, asked)),
        ("purpose_fits", _of_purpose(code, asked)),
        ("holder", _of_holder(code, asked)),
        ("license_status", _of_status(code, status, asked)),
        ("status_list", _of_list(code, cached, status, asked)),
        ("trust_list", _of_trust(cached, asked)),
    ]
    checks = [_check(name, one) for name, one in found]
    reasons = [one for _, one in found if one is not None]
    certain = [one for one in reasons if one not in UNCERTAIN]
    reason = next(iter(certain or reasons), None)
    as_of = status.made_at if status else None
    return _outcome(reason, checks, None if certain else code, as_of)


def refused(reason: Reason) -> OfflineOutcome:
    """The outcome of what cannot be read, or is signed by nobody who is trusted."""
    names = {
        Reason.QR_UNREADABLE: "readable",
        Reason.FOREIGN_KEY: "key_trusted",
        Reason.SIGNATURE_WRONG: "signature",
    }
    return _outcome(reason, [_check(names[reason], reason)], None, None)


def _of_time(code: OfflineCode, asked: Asked) -> Reason | None:
    if asked.now >= code.expire_time:
        return Reason.QR_EXPIRED
    return Reason.QR_NOT_YET_VALID if code.issued_at > asked.now + SKEW else None


def _of_audience(code: OfflineCode, asked: Asked) -> Reason | None:
    return Reason.WRONG_AUDIENCE if code.audience not in ("", asked.verifier) else None


def _of_purpose(code: OfflineCode, asked: Asked) -> Reason | None:
    fits = not code.purpose_bound or same_purpose(code.purpose, asked.purpose)
    return None if fits else Reason.WRONG_PURPOSE


def _of_holder(code: OfflineCode, asked: Asked) -> Reason | None:
    if not asked.holder_code or code.holder is None:
        return None
    return None if is_holders(code.holder, asked.holder_code) else Reason.HOLDER_DIFFERS


def _of_status(code: OfflineCode, status: StatusList | None, asked: Asked) -> Reason | None:
    if status is None:
        return None
    try:
        value = status.status(code.status.index)
    except TokenError:
        return Reason.STATUS_LIST_NOT_GOOD
    if value == Status.VALID:
        return None
    if value == Status.SUSPENDED:
        return Reason.LICENSE_SUSPENDED if asked.now < status.good_until else None
    return Reason.LICENSE_NOT_IN_FORCE


def _of_list(
    code: OfflineCode, cached: Cached, status: StatusList | None, asked: Asked
) -> Reason | None:
    if code.status.uri not in cached.lists:
        return Reason.STATUS_LIST_MISSING
    if status is None or status.uri != code.status.uri or status.made_at > asked.now + SKEW:
        return Reason.STATUS_LIST_NOT_GOOD
    return None if asked.now < status.good_until else Reason.STATUS_LIST_STALE


def _of_trust(cached: Cached, asked: Asked) -> Reason | None:
    fresh = asked.now < cached.trust_made_at + TRUST_FRESH
    return None if fresh else Reason.TRUST_LIST_STALE


_SENTENCES: Final[Mapping[Reason, tuple[str, str]]] = {
    Reason.QR_UNREADABLE: ("this is no code of a license", "这不是证照亮证码"),
    Reason.FOREIGN_KEY: (
        "the code is signed by a key that is not trusted: it is forged, or your trust list is old",
        "该码由不受信任的密钥签发：系伪造，或本地信任列表过旧",
    ),
    Reason.SIGNATURE_WRONG: (
        "the code's signature is wrong: it was changed or forged",
        "该码签名不正确：已被篡改或系伪造",
    ),
    Reason.QR_EXPIRED: (
        "the code's time is over: it may be an old picture; ask the holder to present again",
        "该码已过期，可能是旧截图：请持证人重新亮证",
    ),
    Reason.QR_NOT_YET_VALID: (
        "the code says that it was made in the future: check this machine's clock",
        "该码的生成时间晚于当前时间：请检查本机时钟",
    ),
    Reason.WRONG_AUDIENCE: (
        "the code is for another verifier: ask the holder to present to you",
        "该码是出示给其他核验方的：请持证人向您重新亮证",
    ),
    Reason.WRONG_PURPOSE: (
        "the holder presented for another purpose: ask for a presentation for yours",
        "持证人出示的用途与您的不同：请持证人按您的用途重新亮证",
    ),
    Reason.HOLDER_DIFFERS: (
        "the code is bound to another person than the one whose card you saw",
        "该码绑定的持证人与所核对的身份证件不是同一人",
    ),
    Reason.LICENSE_NOT_IN_FORCE: (
        "the license is no longer in force",
        "证照已失效",
    ),
    Reason.LICENSE_SUSPENDED: ("the license is suspended", "证照处于“暂扣”状态"),
    Reason.STATUS_LIST_MISSING: (
        "the code is genuine; whether the license is still in force is not known here: fetch the "
        "status list",
        "该码真实；但本地没有状态列表，无法确认证照是否仍然有效：请获取状态列表",
    ),
    Reason.STATUS_LIST_NOT_GOOD: (
        "the code is genuine; the status list that is kept is not good: fetch it again",
        "该码真实；但本地状态列表无效：请重新获取",
    ),
    Reason.STATUS_LIST_STALE: (
        "the code is genuine; the status list that is kept is too old: fetch it again",
        "该码真实；但本地状态列表已过期：请重新获取",
    ),
    Reason.TRUST_LIST_STALE: (
        "the code is genuine by a trust list that is too old: fetch it again",
        "按本地信任列表该码真实，但信任列表过旧：请重新获取",
    ),
}


def _check(name: str, reason: Reason | None) -> OfflineCheck:
    if reason is None:
        return OfflineCheck(name=name, passed=True, detail="passed", detail_zh="通过")
    detail, detail_zh = _SENTENCES[reason]
    passed = None if reason in UNCERTAIN else False
    return OfflineCheck(name=name, passed=passed, detail=detail, detail_zh=detail_zh)


def _outcome(
    reason: Reason | None,
    checks: list[OfflineCheck],
    code: OfflineCode | None,
    as_of: datetime | None,
) -> OfflineOutcome:
    if reason is None:
        at = as_of.astimezone(CHINA).strftime("%Y-%m-%d %H:%M") if as_of else ""
        summary = f"the code is genuine; the license was in force at {at} (status list)"
        summary_zh = f"该码真实，证照在 {at}（状态列表时间）有效"
    else:
        summary, summary_zh = _SENTENCES[reason]
    return OfflineOutcome(
        reason=reason,
        summary=summary,
        summary_zh=summary_zh,
        checks=tuple(checks),
        code=code,
        status_as_of=as_of,
    )
