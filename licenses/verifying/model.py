"""What came of verifying a license that came as a file, a QR code, or an identifier with fields.

1. One answer with its checks in the order they were asked; the first that failed names it.
2. Of what is not this node's, or does not match, nothing is told but that.
3. A license is judged as it is now, or as it was at a given time: by its state, its first and last
   day in China, and the end of an endorsement then. The live state is told beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from licenses.checks import RECEIVER_IN_WORDS, Agency, Check, NotCompared
from licenses.copies.model import EndorsedCopy, Endorsement
from licenses.model import License, LicenseState, is_expired
from licenses.presentations.model import (
    IDENTIFIER,
    OPENS_NOTHING,
    THEN_TOLD,
    Refusal,
    Then,
    summary_of,
    summary_then,
)
from licenses.texts import same_purpose
from runtime.errors import FieldViolation, InvalidArgument
from runtime.idcodes import citizen_number_problem, credit_code_problem

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
    IDENTIFIER_SCANNED = "IDENTIFIER_SCANNED"
    FOREIGN_KEY = "FOREIGN_KEY"
    SIGNATURE_WRONG = "SIGNATURE_WRONG"
    FILE_UNREADABLE = "FILE_UNREADABLE"
    LICENSE_UNKNOWN = "LICENSE_UNKNOWN"
    FILE_NOT_ISSUED = "FILE_NOT_ISSUED"
    WALLET_CREDENTIAL = "WALLET_CREDENTIAL"
    COPY_FOR_OTHER_RECEIVER = "COPY_FOR_OTHER_RECEIVER"
    COPY_WITHDRAWN = "COPY_WITHDRAWN"
    COPY_FOR_OTHER_PURPOSE = "COPY_FOR_OTHER_PURPOSE"
    COPY_ENDED = "COPY_ENDED"
    COPY_MADE_LATER = "COPY_MADE_LATER"
    NO_MATCH = "NO_MATCH"


Reason = Refusal | Fault
#: What a check came to: a reason against, why it was not made, or None where it passed.
Step = Reason | NotCompared | None
#: Of these nothing about a license is told.
TELLS_NOTHING: Final[frozenset[Reason]] = OPENS_NOTHING | {
    Fault.QR_UNREADABLE,
    Fault.IDENTIFIER_SCANNED,
    Fault.FOREIGN_KEY,
    Fault.SIGNATURE_WRONG,
    Fault.FILE_UNREADABLE,
    Fault.FILE_NOT_ISSUED,
    Fault.WALLET_CREDENTIAL,
    Fault.LICENSE_UNKNOWN,
    Fault.NO_MATCH,
    Refusal.METADATA_CHANGED,
    Refusal.DOCUMENT_NOT_VERIFIED,
}
#: What says nothing for a license, and nothing against it.
UNDECIDED: Final[frozenset[Reason]] = frozenset((Fault.IDENTIFIER_SCANNED,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a verifier learns. `then` is the state at the time asked about, if one was.

    `identifier` is the license's, where what was shown carries it (ZZBS): it links all showings.
    """

    reason: Reason | None
    summary: str
    summary_zh: str
    checks: tuple[Check, ...]
    license: License | None = None
    then: LicenseState | None = None
    endorsement: Endorsement | None = None
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    identifier: str = ""
    #: Of a presentation: what its holder said it is for, and that an agent shows it.
    shown_for: str = field(default="", repr=False)
    agency: Agency | None = None


def copy_refusal(
    copy: EndorsedCopy, purpose: str | None, at: datetime, *, delegation_open: bool
) -> Reason | None:
    """Why an endorsed copy does not serve a purpose at a time; None is whatever the purpose."""
    if purpose is not None and not same_purpose(copy.purpose, purpose):
        return Fault.COPY_FOR_OTHER_PURPOSE
    if copy.end_time is not None and copy.end_time <= at:
        return Fault.COPY_WITHDRAWN
    if copy.make_time > at:
        return Fault.COPY_MADE_LATER
    if not delegation_open:
        return Refusal.DELEGATION_ENDED
    return Fault.COPY_ENDED if is_expired(copy.valid_to, at) else None


def receiver_step(copy: EndorsedCopy, department: str, display_name: str) -> Step:
    """Whether an endorsed copy is for a department, as far as it says so."""
    if copy.receiver_department:
        return Fault.COPY_FOR_OTHER_RECEIVER if copy.receiver_department != department else None
    return None if display_name and display_name == copy.receiver else RECEIVER_IN_WORDS


def check_size(data: bytes) -> None:
    """Raises InvalidArgument: FILE_EMPTY, DOCUMENT_TOO_LARGE."""
    if not data:
        raise InvalidArgument(
            "the file is empty: ask for it again",
            reason="FILE_EMPTY",
            message_zh="文件是空的：请重新索取",
            violations=[FieldViolation("document", "empty")],
        )
    if len(data) > MOST_BYTES:
        raise InvalidArgument(
            f"a license's file has at most {MOST_BYTES >> 20} MiB",
            reason="DOCUMENT_TOO_LARGE",
            message_zh=f"证照文件不超过 {MOST_BYTES >> 20} MiB",
            violations=[FieldViolation("document", "too large")],
        )


def check_card(holder_code: str) -> None:
    """The number on a card, or none. Raises InvalidArgument, BAD_HOLDER_CODE."""
    if holder_code and citizen_number_problem(holder_code) and credit_code_problem(holder_code):
        raise InvalidArgument(
            "holder_code is neither a citizen number nor a credit code",
            reason="BAD_HOLDER_CODE",
            message_zh="holder_code 不是有效的公民身份号码或统一社会信用代码",
            violations=[FieldViolation("holder_code", "not such a number")],
        )


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


#: What a pass says: of a QR code and of fields no seal is looked at.
_PASSED: Final[Mapping[Subject, tuple[str, str]]] = {
    Subject.QR: (
        "the code is genuine, and the license is in force",
        "亮证码真实，证照有效",
    ),
    Subject.FILE: summary_of(None, None),
    Subject.FIELDS: (
        "the fields are the license's, and it is in force",
        "所比对字段与证照一致，证照有效",
    ),
}


def conclude(
    subject: Subject,
    steps: Sequence[tuple[str, Step]],
    license_: License | None,
    *,
    detail: str = "",
    then: Then | None = None,
    endorsement: Endorsement | None = None,
    fields: Mapping[str, str] | None = None,
    shown: Collection[str] = (),
    copy_now: Reason | None = None,
) -> Verified:
    """The answer of checks in their order, up to the first that failed.

    `shown`: the keys of what was shown. `then`: what was asked about, where that is not now;
    `copy_now`: why an endorsed copy that served then serves no longer.
    """
    checks, reason, left = [], None, []
    for name, found in steps:
        if isinstance(found, NotCompared):
            left.append(found)
            checks.append(
                Check(name=name, passed=None, detail=found.detail, detail_zh=found.detail_zh)
            )
            continue
        summary, summary_zh = _told(found, license_)
        checks.append(
            Check(
                name=name,
                passed=None if found in UNDECIDED else found is None,
                detail=(detail or summary) if found else "passed",
                detail_zh=summary_zh if found else "通过",
            )
        )
        if found is not None:
            reason = found
            break
    summary, summary_zh = _PASSED[subject] if reason is None else _told(reason, license_)
    if reason in THEN_TOLD and then is not None and license_ is not None:
        summary, summary_zh = summary_then(license_, then)
    if reason is None:
        if copy_now is not None:
            told, told_zh = _told(copy_now, license_)
            left.insert(0, NotCompared(detail=f"now: {told}", detail_zh=f"现在：{told_zh}"))
        summary = "; ".join((summary, *(one.detail for one in left)))
        summary_zh = "；".join((summary_zh, *(one.detail_zh for one in left)))
    quiet = reason in TELLS_NOTHING
    return Verified(
        reason=reason,
        summary=summary,
        summary_zh=summary_zh,
        checks=tuple(checks),
        license=None if quiet else license_,
        then=None if quiet or then is None else then.state,
        endorsement=None if quiet else endorsement,
        fields=fields or {} if reason is None else {},
        identifier=license_.identifier if license_ and IDENTIFIER in shown and not quiet else "",
    )


_SENTENCES: Final[Mapping[Fault, tuple[str, str]]] = {
    Fault.QR_UNREADABLE: ("this is no code of a license", "这不是证照亮证码"),
    Fault.IDENTIFIER_SCANNED: (
        "this is the identifier that is printed on a license, which anybody can copy: it says "
        "nothing for or against the license; ask its holder to show a code, verify its file, or "
        "compare fields with the identifier (match); FindLicenses tells whose it is, where it is "
        "shared with you",
        "这是印在证照上的标识，任何人都可以抄录，不能据以判断证照真伪：请持证人出示亮证码，或核验证照文件，或以该标识"
        "比对字段（match）；证照对本部门共享的，可用 FindLicenses 查找",
    ),
    Fault.FOREIGN_KEY: (
        "the code is signed by a key that is not this node's: it is forged, or another node's",
        "该码不是本节点签发的：系伪造，或由其他节点签发",
    ),
    Fault.SIGNATURE_WRONG: (
        "the code's signature is wrong: it was changed or forged",
        "该码签名不正确：已被篡改或系伪造",
    ),
    Fault.FILE_UNREADABLE: (
        "the file is sealed, and is no license or endorsed copy: it carries no metadata of one",
        "文件虽有签章，但不是电子证照或加注件：没有证照元数据",
    ),
    Fault.LICENSE_UNKNOWN: (
        "the file's license is none of this node's: ask the node of its issuer",
        "该证照不是本节点签发的：请向颁发机构所在节点核验",
    ),
    Fault.FILE_NOT_ISSUED: (
        "the file is sealed and names a license, and is not the file that was issued: it was made "
        "or sealed by somebody else; ask its holder for the original or an endorsed copy",
        "文件虽有签章且载有证照信息，但不是所签发的文件：系他人另行制作或签章，请持证人提供原件或加注件",
    ),
    Fault.WALLET_CREDENTIAL: (
        "this is out of a wallet and bound to its key, so that a file of it proves nothing: verify "
        "it by a request to the wallet, or ask its holder for a code or an endorsed copy",
        "这是绑定数字钱包密钥的凭证，其文件不能证明任何事项：请向钱包发起出示请求核验，或请持证人亮证、提供加注件",
    ),
    Fault.COPY_MADE_LATER: (
        "this endorsed copy was made after the time asked about",
        "该加注件是在所询时间之后制作的",
    ),
    Fault.COPY_FOR_OTHER_RECEIVER: (
        "this endorsed copy was made for another department: ask for one for yours",
        "该加注件是提供给其他部门的：请持证人为您重新制作",
    ),
    Fault.COPY_WITHDRAWN: (
        "the holder has withdrawn this endorsed copy: ask them",
        "持证人已作废该加注件：请联系持证人",
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
}


def _told(reason: Reason | None, license_: License | None) -> tuple[str, str]:
    return _SENTENCES[reason] if isinstance(reason, Fault) else summary_of(reason, license_)
