"""What the node holds of each seal, and the pure rules of its use.

1. A seal is used only while ACTIVE, within its times and those of its authorization; each refusal
   names which rule it met.
2. Only systems of the seal's own department use it, of these only the ones it names where it names
   any, and the node's services, which act for a department. To anybody else it does not exist.
3. A seal that names license types or document kinds seals nothing else, and nothing unnamed.
4. What is not made yet, and who may use a seal, is seen by its department, by administrators, by
   auditors and by the node; to others a seal is what its documents show of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from runtime import names
from runtime.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
)
from runtime.idcodes import credit_code_problem
from runtime.identity import Principal, Role
from seal.judging.plainly import china_day
from seal.ses.model import SignerList

MAX_DISPLAY_NAME: Final = 40
DEFAULT_YEARS: Final = 3
MIN_MM: Final = 10
MAX_MM: Final = 100
MAX_NAMED: Final = 100
_TYPES: Final = names.LICENSE_TYPE.partition("{")[0]
_LICENSE_TYPE: Final = re.compile(rf"license-types/{names.ID.pattern}")


class SealState(StrEnum):
    """How far a seal's life is, its times apart."""

    REQUESTED = "REQUESTED"
    REJECTED = "REJECTED"
    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"
    REVOKED = "REVOKED"


MADE: Final = frozenset({SealState.ACTIVE, SealState.FROZEN, SealState.REVOKED})


class Shape(StrEnum):
    """Outline of a seal's image."""

    CIRCULAR = "CIRCULAR"
    OVAL = "OVAL"
    SQUARE = "SQUARE"
    UPLOADED = "UPLOADED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """Who may use a seal, for what, and until when; empty means its department, for anything."""

    users: tuple[str, ...] = ()
    license_types: tuple[str, ...] = ()
    document_kinds: tuple[str, ...] = ()
    expire_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSeal:
    """A seal as held.

    Times are aware UTC in whole seconds; certificates (DER), `seal_data` (DER SESeal) and `image`
    (PNG) are public, and in a list the last two are empty. Before it is made, a seal has no
    certificates and no data, and its times are what was asked for.
    """

    name: str
    department: str
    display_name: str
    credit_code: str
    es_id: str
    state: SealState
    start_time: datetime
    end_time: datetime
    seal_data: bytes
    image: bytes
    width_mm: float
    height_mm: float
    certificate: bytes
    pdf_certificate: bytes
    shape: Shape = Shape.CIRCULAR
    version: int = 4
    signer_list: SignerList = SignerList.CERTIFICATES
    bottom_line: str = ""
    seal_code: str = ""
    authorization: Authorization = field(default_factory=Authorization)
    pending: Authorization | None = None
    pending_by: str = ""
    requested_by: str = ""
    wanted_end: datetime | None = None
    replaces: str = ""
    replaced_by: str = ""
    create_time: datetime | None = None
    revoked_at: datetime | None = None
    revision: int = 1

    @property
    def is_made(self) -> bool:
        """Whether there is a seal, and not only the wish for one."""
        return self.state in MADE


# --- wishes ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SealOrder:
    """A valid wish for a new seal; the image's text and size are checked where it is drawn."""

    department: str
    seal_id: str
    display_name: str
    credit_code: str
    bottom_line: str = ""
    seal_code: str = ""
    shape: Shape = Shape.CIRCULAR
    image: bytes = b""
    width_mm: float = 0.0
    height_mm: float = 0.0
    version: int = 4
    signer_list: SignerList = SignerList.CERTIFICATES
    authorization: Authorization = field(default_factory=Authorization)
    end_time: datetime | None = None
    replaces: str = ""

    def __post_init__(self) -> None:
        problems = []
        if not 2 <= len(self.display_name) <= MAX_DISPLAY_NAME or not _is_plain(self.display_name):
            problems.append(
                FieldViolation("display_name", f"2 to {MAX_DISPLAY_NAME} printable characters")
            )
        if problem := credit_code_problem(self.credit_code):
            problems.append(FieldViolation("credit_code", problem))
        problems += [
            FieldViolation(name, "printable characters only, at most 40")
            for name in ("bottom_line", "seal_code")
            if not _is_plain(text := getattr(self, name)) or len(text) > MAX_DISPLAY_NAME
        ]
        if self.version not in (4, 5):
            problems.append(FieldViolation("version", "4 or 5"))
        if self.image and (self.bottom_line or self.seal_code):
            problems.append(FieldViolation("image", "comes with its text: leave out both lines"))
        for name in ("width_mm", "height_mm"):
            size = getattr(self, name)
            least = MIN_MM if self.image else 0
            if not least <= size <= MAX_MM or size != int(size):
                problems.append(FieldViolation(name, f"whole mm, {MIN_MM} to {MAX_MM}"))
        if problems:
            raise InvalidArgument(
                "the seal cannot be made: "
                + "; ".join(f"{_spelled(p.field)}: {p.description}" for p in problems),
                reason="BAD_SEAL_REQUEST",
                message_zh="无法制作印章："
                + "、".join(_spelled(p.field) for p in problems)
                + " 有误",
                violations=problems,
            )

    @property
    def name(self) -> str:
        """The seal's resource name."""
        return f"{self.department}/seals/{self.seal_id}"


_OPTIONS: Final = {
    "display_name": "--name",
    "seal_code": "--code",
    "width_mm": "--width",
    "height_mm": "--height",
}


def _spelled(field_name: str) -> str:
    """A field with the option of the command that fills it."""
    return f"{field_name} ({_OPTIONS.get(field_name, '--' + field_name.replace('_', '-'))})"


def kind_of(text: str) -> str:
    """A license type in the one spelling that seals keep, `license-types/{type}`; else as it is.

    The license service names its types `licenseTypes/{type}`: both are taken.
    """
    head, slash, rest = text.partition("/")
    return f"license-types/{rest}" if slash and f"{head}/" == _TYPES else text


def check_authorization(wanted: Authorization, *, department: str, now: datetime) -> Authorization:
    """The authorization in order, without repeats. Raises InvalidArgument (BAD_AUTHORIZATION)."""
    license_types = {kind_of(one) for one in wanted.license_types}
    problems = []
    if not all(_is_system_of(department, one) for one in wanted.users):
        problems.append(FieldViolation("users", f"systems below {department}"))
    if not all(map(_LICENSE_TYPE.fullmatch, license_types)):
        problems.append(FieldViolation("license_types", "each license-types/{type}"))
    if not all(names.ID.fullmatch(one) for one in wanted.document_kinds):
        problems.append(FieldViolation("document_kinds", "words of a-z, 0-9 and hyphens"))
    problems += [
        FieldViolation(name, f"at most {MAX_NAMED}")
        for name in ("users", "license_types", "document_kinds")
        if len(getattr(wanted, name)) > MAX_NAMED
    ]
    if wanted.expire_time is not None and wanted.expire_time <= now:
        problems.append(FieldViolation("expire_time", "after now"))
    if problems:
        raise InvalidArgument(
            "the authorization is not usable: "
            + "; ".join(f"{p.field}: {p.description}" for p in problems),
            reason="BAD_AUTHORIZATION",
            message_zh="授权有误：" + "、".join(p.field for p in problems),
            violations=problems,
        )
    return Authorization(
        users=tuple(sorted(set(wanted.users))),
        license_types=tuple(sorted(license_types)),
        document_kinds=tuple(sorted(set(wanted.document_kinds))),
        expire_time=wanted.expire_time and wanted.expire_time.replace(microsecond=0),
    )


def _is_system_of(department: str, name: str) -> bool:
    try:
        names.parse(names.SYSTEM, name)
    except InvalidArgument:
        return False
    return names.department_of(name) == department


# --- use ---------------------------------------------------------------------------------------


def check_use(seal: HeldSeal, *, at: datetime, actor: str | None, kind: str) -> None:
    """Rules 1 to 3 for one use, by a system or, `actor` None, by a service of the node.

    `kind` is empty, `license-types/{type}` or a word. Raises NotFound (SEAL_NOT_FOUND) for a system
    that may not use it, FailedPrecondition: SEAL_NOT_IN_FORCE, whose metadata `why` says which rule
    it met, or SEAL_KIND_NOT_AUTHORIZED: it is the seal that may not, whoever asks.
    """
    allowed = seal.authorization
    if actor is not None and not _may_use(seal, actor):
        raise seal_not_found()
    if seal.replaced_by:
        raise _not_in_force(
            "revoked",
            f"was replaced: use {seal.replaced_by}",
            f"已被替换：请使用 {seal.replaced_by}",
        )
    if found := _NOT_IN_USE.get(seal.state):
        raise _not_in_force(*found)
    if at < seal.start_time:
        raise _not_in_force(
            "not_begun",
            f"begins on {china_day(seal.start_time)}: wait until then",
            f"自 {china_day(seal.start_time)} 起生效，请届时再用",
        )
    if at > seal.end_time:
        raise _not_in_force(
            "ended",
            f"ended on {china_day(seal.end_time)}: have a new one made",
            f"已于 {china_day(seal.end_time)} 到期，请重新制作",
        )
    if allowed.expire_time is not None and at > allowed.expire_time:
        raise _not_in_force(
            "authorization_ended",
            f"was authorized until {china_day(allowed.expire_time)}: ask for a new authorization",
            f"的使用授权已于 {china_day(allowed.expire_time)} 到期，请重新申请授权",
        )
    named = (*allowed.license_types, *allowed.document_kinds)
    if named and kind not in named:
        raise FailedPrecondition(
            "the seal is not authorized for this: name in `kind` one of what it is authorized for, "
            "or ask for a change of its authorization",
            reason="SEAL_KIND_NOT_AUTHORIZED",
            message_zh="印章未获授权用于此类证照或文件：请在 kind 中填写已授权的类型，"
            "或申请变更授权",
        )


_NOT_IN_USE: Final = {
    SealState.REVOKED: ("revoked", "is revoked: have a new one made", "已被废止，请重新制作"),
    SealState.FROZEN: ("frozen", "is frozen: have it thawed", "已被冻结，请先解冻"),
    SealState.REQUESTED: (
        "requested",
        "is asked for, not made: have it approved",
        "尚在申请中，请先审批",
    ),
    SealState.REJECTED: (
        "rejected",
        "was turned down: ask for it again",
        "的制作申请未获批准，请重新申请",
    ),
}


def _may_use(seal: HeldSeal, system: str) -> bool:
    users = seal.authorization.users
    own = names.department_of(system) == seal.department
    return own and (not users or system in users)


def may_see_inside(seal: HeldSeal, caller: Principal) -> bool:
    """Rule 4: wishes, authorization and history, for those whom they concern."""
    if caller.roles & {Role.ADMINISTRATOR, Role.AUDITOR, Role.NODE}:
        return True
    return caller.has(Role.DEPARTMENT) and caller.department == seal.department


def _not_in_force(why: str, text: str, text_zh: str) -> FailedPrecondition:
    return FailedPrecondition(
        f"the seal {text}", reason="SEAL_NOT_IN_FORCE", message_zh=f"印章{text_zh}", why=why
    )


def seal_not_found() -> NotFound:
    """The one refusal for a seal that is absent and for one of somebody else (rule 2)."""
    return NotFound(
        "no such seal, or not one that this system may use",
        reason="SEAL_NOT_FOUND",
        message_zh="没有这枚印章，或本系统无权使用",
    )


def term(wanted: datetime | None, *, now: datetime, latest: datetime) -> tuple[datetime, datetime]:
    """From when until when a new seal is good, in whole seconds; three years if not `wanted`.

    Raises InvalidArgument (BAD_END_TIME) where it would end before it begins, or after `latest`,
    when the certificates above it end.
    """
    start = now.replace(microsecond=0)
    end = wanted or _years_later(start, DEFAULT_YEARS)
    end = end.replace(microsecond=0)
    if not start < end <= latest:
        raise InvalidArgument(
            f"a new seal must end after now and not after {china_day(latest)}, when the seal "
            "maker's certificate or a root ends: give an earlier end, or appoint the next maker",
            reason="BAD_END_TIME",
            message_zh=f"新印章的截止时间应晚于当前时间且不晚于制章者或根证书的截止日 "
            f"{china_day(latest)}：请缩短有效期，或任命新的制章者",
            violations=[FieldViolation("end_time", "not in the future, or too far in it")],
        )
    return start, end


def _years_later(at: datetime, years: int) -> datetime:
    try:
        return at.replace(year=at.year + years)
    except ValueError:  # 29 February
        return at.replace(year=at.year + years, day=28) + timedelta(days=1)


def _is_plain(text: str) -> bool:
    """Printable, one line: what goes into names, images and records."""
    return text.isprintable()
