"""What came of verifying a license that came as a file, a QR code, or an identifier with fields.

1. One answer with its checks in the order they were asked; the first that failed names it.
2. Of what is not this node's, or does not match, nothing is told but that.
3. A license is judged as it is now, or as it was at a given time: by its state, its first and last
   day in China, and the end of an endorsement then. The live state is told beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from licenses.copies.model import Endorsement
from licenses.model import License, LicenseState, is_expired
from licenses.presentations.model import Check, Refusal, state_refusal, summary_of
from licenses.texts import same_purpose
from runtime.clock import china_date
from runtime.errors import FieldViolation, InvalidArgument

MOST_BYTES: Final = 16 * 1024 * 1024
MOST_FIELDS: Final = 50


class Subject(StrEnum):
    """What is verified."""

    QR = "qr"
    FILE = "file"
    FIELDS = "fields"


class Fault(StrEnum):
    """Why it did not pass, beyond what a license itself may be (`presentations.model.Refusal`)."""

    QR_UNREADABLE = "QR_UNREADABLE"
    FOREIGN_KEY = "FOREIGN_KEY"
    SIGNATURE_WRONG = "SIGNATURE_WRONG"
    HOLDER_DIFFERS = "HOLDER_DIFFERS"
    FILE_UNREADABLE = "FILE_UNREADABLE"
    LICENSE_UNKNOWN = "LICENSE_UNKNOWN"
    COPY_FOR_OTHER_PURPOSE = "COPY_FOR_OTHER_PURPOSE"
    COPY_ENDED = "COPY_ENDED"
    NO_MATCH = "NO_MATCH"
    NOT_IN_FORCE_THEN = "NOT_IN_FORCE_THEN"


Reason = Refusal | Fault
#: Of these nothing about a license is told.
TELLS_NOTHING: Final = frozenset(
    {
        Fault.QR_UNREADABLE,
        Fault.FOREIGN_KEY,
        Fault.SIGNATURE_WRONG,
        Fault.HOLDER_DIFFERS,
        Fault.FILE_UNREADABLE,
        Fault.LICENSE_UNKNOWN,
        Fault.NO_MATCH,
        Refusal.CODE_UNKNOWN,
        Refusal.WRONG_AUDIENCE,
        Refusal.DELEGATION_ENDED,
        Refusal.PRESENTATION_ENDED,
        Refusal.CODE_EXPIRED,
        Refusal.CODE_USED_UP,
        Refusal.WRONG_PURPOSE,
        Refusal.METADATA_CHANGED,
        Refusal.DOCUMENT_NOT_VERIFIED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a verifier learns. `then` is the state at the time asked about, if one was."""

    reason: Reason | None
    summary: str
    summary_zh: str
    checks: tuple[Check, ...]
    license: License | None = None
    then: LicenseState | None = None
    endorsement: Endorsement | None = None
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)


def state_then_refusal(license_: License, then: LicenseState | None, at: datetime) -> Reason | None:
    """Why a license was not in force at a time; `then` is the state it was in."""
    if then is not LicenseState.ACTIVE:
        return Fault.NOT_IN_FORCE_THEN
    if is_expired(license_.valid_to, at) or china_date(at) < license_.valid_from.isoformat():
        return Fault.NOT_IN_FORCE_THEN
    return None


def state_now_refusal(license_: License, now: datetime) -> Reason | None:
    """Why a license is not in force now."""
    return state_refusal(license_, now)


def endorsement_refusal(
    endorsement: Endorsement | None, purpose: str, at: datetime
) -> Reason | None:
    """Why an endorsed copy does not serve this purpose at this time."""
    if endorsement is None:
        return None
    if not same_purpose(endorsement.purpose, purpose):
        return Fault.COPY_FOR_OTHER_PURPOSE
    return Fault.COPY_ENDED if is_expired(endorsement.valid_to, at) else None


def check_match(identifier: str, fields: Mapping[str, str]) -> None:
    """Raises InvalidArgument, BAD_MATCH."""
    wrong = ""
    if not 0 < len(identifier) <= 120:
        wrong = "license_identifier is required"
    elif not 0 < len(fields) <= MOST_FIELDS:
        wrong = f"1 to {MOST_FIELDS} fields are compared"
    elif "ZZBS" in fields:
        wrong = "the identifier is compared already"
    if wrong:
        raise InvalidArgument(
            f"match: {wrong}",
            reason="BAD_MATCH",
            message_zh="请给出证照标识和 1 至 50 个待比对的字段",
            violations=[FieldViolation("match", wrong)],
        )


def conclude(
    steps: Sequence[tuple[str, Reason | None]],
    license_: License | None,
    *,
    detail: str = "",
    then: LicenseState | None = None,
    endorsement: Endorsement | None = None,
    fields: Mapping[str, str] | None = None,
) -> Verified:
    """The answer of checks in their order, up to the first that failed."""
    checks, reason = [], None
    for name, found in steps:
        summary, summary_zh = _told(found, license_)
        checks.append(
            Check(
                name=name,
                passed=found is None,
                detail=(detail or summary) if found else "passed",
                detail_zh=summary_zh if found else "通过",
            )
        )
        if found is not None:
            reason = found
            break
    summary, summary_zh = _told(reason, license_)
    quiet = reason in TELLS_NOTHING
    return Verified(
        reason=reason,
        summary=summary,
        summary_zh=summary_zh,
        checks=tuple(checks),
        license=None if quiet else license_,
        then=None if quiet else then,
        endorsement=endorsement,
        fields=fields or {} if reason is None else {},
    )


_SENTENCES: Final[Mapping[Fault, tuple[str, str]]] = {
    Fault.QR_UNREADABLE: ("this is no code of a license", "这不是证照亮证码"),
    Fault.FOREIGN_KEY: (
        "the code is signed by a key that is not this node's: it is forged, or another node's",
        "该码不是本节点签发的：系伪造，或由其他节点签发",
    ),
    Fault.SIGNATURE_WRONG: (
        "the code's signature is wrong: it was changed or forged",
        "该码签名不正确：已被篡改或系伪造",
    ),
    Fault.HOLDER_DIFFERS: (
        "the code is bound to another person than the one whose card you saw",
        "该码绑定的持证人与所核对的身份证件不是同一人",
    ),
    Fault.FILE_UNREADABLE: (
        "the file is sealed, and is no license or endorsed copy: it carries no metadata of one",
        "文件虽有签章，但不是电子证照或加注件：没有证照元数据",
    ),
    Fault.LICENSE_UNKNOWN: (
        "the file's license is none of this node's: ask the node of its issuer",
        "该证照不是本节点签发的：请向颁发机构所在节点核验",
    ),
    Fault.COPY_FOR_OTHER_PURPOSE: (
        "this endorsed copy was made for another purpose: ask for one for yours",
        "该加注件用于其他事由：请持证人按您的事由重新制作",
    ),
    Fault.COPY_ENDED: (
        "this endorsed copy's time is over: ask for a new one",
        "该加注件已过有效期：请持证人重新制作",
    ),
    Fault.NO_MATCH: (
        "no license says this: check identifier and fields",
        "没有与所给信息一致的证照：请核对证照标识和字段",
    ),
    Fault.NOT_IN_FORCE_THEN: (
        "the license was not in force at the time asked about",
        "证照在所询时间不处于有效状态",
    ),
}


def _told(reason: Reason | None, license_: License | None) -> tuple[str, str]:
    return _SENTENCES[reason] if isinstance(reason, Fault) else summary_of(reason, license_)
