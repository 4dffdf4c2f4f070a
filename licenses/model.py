"""What a license is, and the rules that need nothing but the license itself.

1. An identifier is `1.2.156.3005.2.<type>.<issuer>.<serial>.<version>.<check>` (GB/T 36904); its
   check character is ISO 7064 MOD 37,36 over the four parts without dots.
2. A license's metadata (GB/T 36903) is fixed when its identifier is reserved, and never changes
   afterwards: the sealed document carries it. The state is not part of it; it lives in the row.
3. ISSUING is nobody's business but the issuer's. From ACTIVE and SUSPENDED there are ways out;
   REVOKED and CANCELLED are final. Expiry is told by the last day, in China, not by a state.
4. The holder's name and code never stand in a `repr`, a name or an error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from runtime import idcodes
from runtime.clock import CHINA, china_date
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument
from runtime.records import canonical

ROOT = "1.2.156.3005.2"
FIRST_VERSION = 1
TEXT_LIMIT = 200  # GB/T 36906: the reason for use
NAME_LIMIT = 100
FIELD_LIMIT = 1000
SHOWN_VIOLATIONS = 100
FIELD_CODE = re.compile(r"KZ_[A-Z][A-Z0-9]{0,29}")
_SERIAL = re.compile(r"[0-9]{1,30}")  # \d would take the digits of every script
_TYPE_CODE = re.compile(r"[0-9A-Z]{18}\d{3}")
_PART = re.compile(r"[0-9A-Z]{1,40}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
# Long numbers have no place in a reason: a citizen number, or a mobile number.
_PERSONAL_NUMBER = re.compile(r"\d{17}[\dXx]|(?<!\d)1\d{10}(?!\d)")


class LicenseState(StrEnum):
    """Where a license is in its life; the Chinese words are those seen in practice."""

    ISSUING = "ISSUING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    REVOKED = "REVOKED"
    CANCELLED = "CANCELLED"


class Act(StrEnum):
    """What an issuer may do to a license; the value is the audit record's kind."""

    SUSPEND = "license_suspended"
    RESUME = "license_resumed"
    REVOKE = "license_revoked"
    CANCEL = "license_cancelled"


#: The only ways from state to state; what is not here is forbidden.
TRANSITIONS: Mapping[tuple[LicenseState, Act], LicenseState] = {
    (LicenseState.ACTIVE, Act.SUSPEND): LicenseState.SUSPENDED,
    (LicenseState.SUSPENDED, Act.RESUME): LicenseState.ACTIVE,
    (LicenseState.ACTIVE, Act.REVOKE): LicenseState.REVOKED,
    (LicenseState.SUSPENDED, Act.REVOKE): LicenseState.REVOKED,
    (LicenseState.ACTIVE, Act.CANCEL): LicenseState.CANCELLED,
    (LicenseState.SUSPENDED, Act.CANCEL): LicenseState.CANCELLED,
}

STATE_WORDS: Mapping[LicenseState, str] = {
    LicenseState.ISSUING: "制证中",
    LicenseState.ACTIVE: "有效",
    LicenseState.SUSPENDED: "暂扣",
    LicenseState.REVOKED: "吊销",
    LicenseState.CANCELLED: "注销",
}


class HolderCodeType(StrEnum):
    """Type of the holder's code, by its number in GB/T 36903."""

    CREDIT_CODE = "001"
    CITIZEN_NUMBER = "111"


HOLDER_CODE_WORDS: Mapping[HolderCodeType, str] = {
    HolderCodeType.CREDIT_CODE: "统一社会信用代码",
    HolderCodeType.CITIZEN_NUMBER: "公民身份号码",
}


class LicenseFormat(StrEnum):
    """A license's two files, by their suffix."""

    OFD = ".ofd"
    PDF = ".pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseField:
    """A field of a type's own (`KZ_*`); `length` counts characters."""

    code: str
    display_name: str
    required: bool = False
    length: int = FIELD_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseType:
    """A license type (证照类型).

    `code`: credit code of the defining authority and 3 digits. `validity_years`: 0 is without end.
    `slots`: which value stands in which field of the page `template`.
    """

    id: str
    code: str
    display_name: str
    holder_code_type: HolderCodeType
    fields: tuple[LicenseField, ...]
    validity_years: int
    template: str
    slots: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseIdentifier:
    """The parts of an identifier (GB/T 36904)."""

    type_code: str
    issuer_code: str
    serial: str
    version: int = FIRST_VERSION

    @property
    def check(self) -> str:
        """The check character, ISO 7064 MOD 37,36."""
        return idcodes.license_identifier_check(
            f"{self.type_code}{self.issuer_code}{self.serial}{self.version:03d}"
        )

    def __str__(self) -> str:
        parts = (self.type_code, self.issuer_code, self.serial, f"{self.version:03d}", self.check)
        return ".".join((ROOT, *parts))

    @classmethod
    def parse(cls, text: str) -> LicenseIdentifier:
        """Take an identifier apart. Raises InvalidArgument, BAD_LICENSE_IDENTIFIER."""
        head, _, body = text.partition(f"{ROOT}.")
        parts = body.split(".")
        if not head and len(parts) == 5 and all(_PART.fullmatch(p) for p in parts):
            type_code, issuer_code, serial, version, check = parts
            if _TYPE_CODE.fullmatch(type_code) and re.fullmatch(r"\d{3}", version):
                found = cls(
                    type_code=type_code,
                    issuer_code=issuer_code,
                    serial=serial,
                    version=int(version),
                )
                if found.check == check:
                    return found
        raise InvalidArgument(
            "not a license identifier, or its check character is wrong (GB/T 36904)",
            reason="BAD_LICENSE_IDENTIFIER",
            message_zh="证照标识格式或校验位不正确（GB/T 36904）",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """The issuing authority, as the catalog holds it."""

    department: str
    display_name: str
    credit_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuingSeal:
    """The seal a license is sealed with."""

    name: str
    display_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an issuer asks for; `valid_from` None is today in China, an empty serial the next."""

    type: LicenseType
    holder_name: str = field(repr=False)
    holder_code: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    valid_from: date | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """A license (电子证照), with everything that is needed to finish issuing it.

    `ofd_sha256` and `pdf_sha256` are hex, empty while ISSUING. `activated_at` is when it first
    became ACTIVE; `actor` is the system that asked for it. `metadata_sha256` is of the
    canonical JSON of `metadata`.
    """

    id: str
    issuer: str
    type_id: str
    identifier: str
    serial: str
    holder_name: str = field(repr=False)
    holder_code: str = field(repr=False)
    holder_code_type: HolderCodeType
    metadata: Mapping[str, str] = field(repr=False)
    metadata_sha256: str
    valid_from: date
    valid_to: date | None
    issue_time: datetime
    seal: str
    actor: str
    state: LicenseState
    state_time: datetime
    state_reason: str = ""
    activated_at: datetime | None = None
    ofd_sha256: str = ""
    pdf_sha256: str = ""

    @property
    def name(self) -> str:
        """departments/{issuer}/licenses/{license}."""
        return f"{self.issuer}/licenses/{self.id}"

    def sha256(self, form: LicenseFormat) -> str:
        """SHA-256 of one of its files, hex."""
        return self.ofd_sha256 if form is LicenseFormat.OFD else self.pdf_sha256

    def as_issued(self) -> License:
        """What the issuer was first answered: ACTIVE, whatever came later."""
        return replace(
            self,
            state=LicenseState.ACTIVE,
            state_time=self.activated_at or self.state_time,
            state_reason="",
        )


def decide_transition(state: LicenseState, act: Act) -> LicenseState:
    """The state after an act. Raises FailedPrecondition, TRANSITION_FORBIDDEN."""
    try:
        return TRANSITIONS[state, act]
    except KeyError:
        raise FailedPrecondition(
            f"a license that is {state} cannot be {act.value.removeprefix('license_')}",
            reason="TRANSITION_FORBIDDEN",
            message_zh=f"处于“{STATE_WORDS[state]}”状态的证照不允许此操作",
            state=state.value,
        ) from None


def validate_order(order: Order) -> None:
    """Raises InvalidArgument (BAD_LICENSE_FIELDS), naming each wrong field and never its value."""
    wrong: list[FieldViolation] = []
    wrong += _text_problems("holder_name", order.holder_name, NAME_LIMIT, required=True)
    problem = holder_code_problem(order.type.holder_code_type, order.holder_code)
    if problem:
        wrong.append(FieldViolation("holder_code", problem))
    if order.serial and not _SERIAL.fullmatch(order.serial):
        wrong.append(FieldViolation("serial", "1 to 30 digits"))
    known = {f.code: f for f in order.type.fields}
    unknown = sorted(set(order.fields) - set(known))
    for code in unknown[:SHOWN_VIOLATIONS]:
        # The sender's text is repeated only where it cannot be anything but a code.
        shown = f"fields.{code}" if FIELD_CODE.fullmatch(code) else "fields"
        wrong.append(FieldViolation(shown, "the license type has no such field"))
    for code, one in known.items():
        value = order.fields.get(code, "")
        wrong += _text_problems(f"fields.{code}", value, one.length, required=one.required)
    if wrong:
        # What is wrong with each stands in the violations, and not here once more.
        fields = list(dict.fromkeys(v.field for v in wrong))
        # First, since a long text is cut on its way.
        there = f" (the type has the fields {', '.join(known)})" if unknown else ""
        there_zh = f"（该类型的字段为 {'、'.join(known)}）" if unknown else ""
        raise InvalidArgument(
            f"the license cannot be issued as asked{there}: correct {', '.join(fields)}",
            reason="BAD_LICENSE_FIELDS",
            message_zh=f"签发内容有误{there_zh}：请更正 {'、'.join(fields)}",
            violations=wrong,
        )


def holder_code_problem(kind: HolderCodeType, code: str) -> str | None:
    """What is wrong with a holder's code, in words without the code; None if good."""
    if kind is HolderCodeType.CITIZEN_NUMBER:
        return idcodes.citizen_number_problem(code)
    return idcodes.credit_code_problem(code)


def _text_problems(name: str, value: str, limit: int, *, required: bool) -> list[FieldViolation]:
    if not value.strip():
        return [FieldViolation(name, "required")] if required else []
    if len(value) > limit:
        return [FieldViolation(name, f"longer than {limit} characters")]
    if _CONTROL.search(value) or value != value.strip():
        return [FieldViolation(name, "has control characters, or spaces at an end")]
    return []


def check_text(value: str, *, name: str, public: bool = False) -> str:
    """A required text of at most 200 characters (GB/T 36906), such as a reason or a purpose.

    A `public` one goes into audit leaves as it is, so a number that looks like a person's is
    refused. Raises InvalidArgument: BAD_TEXT, PERSONAL_NUMBER_IN_TEXT.
    """
    wrong = _text_problems(name, value, TEXT_LIMIT, required=True)
    if wrong:
        raise InvalidArgument(
            f"{name}: {wrong[0].description}",
            reason="BAD_TEXT",
            message_zh=f"{name} 必填，不超过 {TEXT_LIMIT} 字，不含控制字符",
            violations=wrong,
        )
    if public and _PERSONAL_NUMBER.search(value):
        raise InvalidArgument(
            f"{name} holds what looks like a person's number: say why without personal data",
            reason="PERSONAL_NUMBER_IN_TEXT",
            message_zh=f"{name} 中疑似含有个人号码：请勿写入个人信息",
            violations=[FieldViolation(name, "holds what looks like a person's number")],
        )
    return value


def last_day(valid_from: date, years: int) -> date | None:
    """The last day of a validity of whole years; None is without end."""
    if years == 0:
        return None
    try:
        anniversary = valid_from.replace(year=valid_from.year + years)
    except ValueError:  # 29 February
        anniversary = date(valid_from.year + years, 3, 1)
    return anniversary - timedelta(days=1)


def is_expired(valid_to: date | None, now: datetime) -> bool:
    """Whether the last day is over in China."""
    return valid_to is not None and china_date(now) > valid_to.isoformat()


def metadata_of(
    order: Order,
    *,
    identifier: LicenseIdentifier,
    issuer: Issuer,
    seal: IssuingSeal,
    issue_time: datetime,
    valid_from: date,
    valid_to: date | None,
) -> dict[str, str]:
    """The metadata of a license: every key of GB/T 36903, then the type's own fields.

    ZZQZSJ is when the license was given to be sealed; the instant of sealing itself stands in the
    seal's signature, which covers this text and so cannot be in it.
    """
    kind = order.type.holder_code_type
    own = {f.code: order.fields[f.code] for f in order.type.fields if order.fields.get(f.code)}
    return {
        "ZZMC": order.type.display_name,
        "ZZLXDM": order.type.code,
        "ZZBH": identifier.serial,
        "ZZBS": str(identifier),
        "ZZBFJG": issuer.display_name,
        "ZZBFJGDM": issuer.credit_code,
        "ZZBFRQ": china_date(issue_time),
        "CZZT": order.holder_name,
        "CZZTDM": order.holder_code,
        "CZZTDMLX": HOLDER_CODE_WORDS[kind],
        "CZZTDMLXDM": kind.value,
        "ZZYXQQSRQ": valid_from.isoformat(),
        "ZZYXQJZRQ": valid_to.isoformat() if valid_to else "长期",
        "ZZQZR": issuer.display_name,
        "ZZQZSJ": issue_time.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S"),
        "ZZQZMC": seal.display_name,
        **own,
    }


def metadata_digest(metadata: Mapping[str, str]) -> str:
    """SHA-256 of the canonical JSON of the metadata, hex."""
    return hashlib.sha256(canonical(dict(metadata))).hexdigest()


def page_fields(license_: License, slots: Mapping[str, str]) -> dict[str, str]:
    """What stands in each field of the page; only the row is asked, so a retry renders the same."""
    values = {
        **license_.metadata,
        "issue_date": chinese_date(date.fromisoformat(license_.metadata["ZZBFRQ"])),
        "validity": (
            f"{chinese_date(license_.valid_from)} 至 "
            f"{chinese_date(license_.valid_to) if license_.valid_to else '长期'}"
        ),
    }
    return {slot: values.get(key, "") for slot, key in slots.items()}


def chinese_date(day: date) -> str:
    """A date as people write it."""
    return f"{day.year}年{day.month}月{day.day}日"
