"""What a license is, and the rules that need nothing but the license itself.

1. A license's metadata (GB/T 36903) is fixed when its identifier is reserved, and never changes
   afterwards: the sealed documents carry it. The state is not part of it; it lives in the row.
2. What is corrected, renewed or transferred becomes a new version with the same serial: a license
   of its own, with its own documents. The version before it ends in the moment it comes into force.
3. ISSUING is nobody's business but the issuer's. From ACTIVE and SUSPENDED there are ways out; all
   other states are final. Expiry is told by the last day, in China, not by a state.
4. A holder's name and code never stand in a `repr`, a name or an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

import structlog

from licenses.types.model import HolderCodeType, LicenseType
from runtime.clock import china_date
from runtime.errors import FailedPrecondition, Unavailable

FIRST_VERSION = 1
LAST_VERSION = 999
#: How far a clock may be set back while a license is made; verifiers allow as much.
CLOCK_SKEW = timedelta(minutes=5)
#: Between the names, and between the codes, of several holders.
BETWEEN = "、"
_log = structlog.get_logger()


class LicenseState(StrEnum):
    """Where a license is in its life; the Chinese words are those seen in practice."""

    ISSUING = "ISSUING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    REVOKED = "REVOKED"
    CANCELLED = "CANCELLED"
    #: A later version took its place.
    SUPERSEDED = "SUPERSEDED"
    #: A later version took its place, with another holder.
    TRANSFERRED = "TRANSFERRED"
    #: It was reserved and never came into force.
    ABANDONED = "ABANDONED"


#: Of these nobody outside knows.
NEVER_IN_FORCE = frozenset({LicenseState.ISSUING, LicenseState.ABANDONED})
#: All others are final.
MAY_CHANGE = frozenset({LicenseState.ISSUING, LicenseState.ACTIVE, LicenseState.SUSPENDED})


class Act(StrEnum):
    """What an issuer may do to a license; the value is the audit record's kind."""

    SUSPEND = "license_suspended"
    RESUME = "license_resumed"
    REVOKE = "license_revoked"
    CANCEL = "license_cancelled"
    ABANDON = "license_abandoned"
    CORRECT = "license_corrected"
    RENEW = "license_renewed"
    TRANSFER = "license_transferred"


#: Acts that make a new version.
SUCCESSIONS = frozenset({Act.CORRECT, Act.RENEW, Act.TRANSFER})

#: The only ways from state to state; what is not here is forbidden.
TRANSITIONS: Mapping[tuple[LicenseState, Act], LicenseState] = {
    (LicenseState.ISSUING, Act.ABANDON): LicenseState.ABANDONED,
    (LicenseState.ACTIVE, Act.SUSPEND): LicenseState.SUSPENDED,
    (LicenseState.SUSPENDED, Act.RESUME): LicenseState.ACTIVE,
    (LicenseState.ACTIVE, Act.REVOKE): LicenseState.REVOKED,
    (LicenseState.SUSPENDED, Act.REVOKE): LicenseState.REVOKED,
    (LicenseState.ACTIVE, Act.CANCEL): LicenseState.CANCELLED,
    (LicenseState.SUSPENDED, Act.CANCEL): LicenseState.CANCELLED,
    # A new version of a suspended license would lift the suspension: it is resumed first.
    (LicenseState.ACTIVE, Act.CORRECT): LicenseState.SUPERSEDED,
    (LicenseState.ACTIVE, Act.RENEW): LicenseState.SUPERSEDED,
    (LicenseState.ACTIVE, Act.TRANSFER): LicenseState.TRANSFERRED,
}

STATE_WORDS: Mapping[LicenseState, str] = {
    LicenseState.ISSUING: "制证中",
    LicenseState.ACTIVE: "有效",
    LicenseState.SUSPENDED: "暂扣",
    LicenseState.REVOKED: "吊销",
    LicenseState.CANCELLED: "注销",
    LicenseState.SUPERSEDED: "失效（已换发）",
    LicenseState.TRANSFERRED: "办理转出",
    LicenseState.ABANDONED: "作废（未生效）",
}


class LicenseFormat(StrEnum):
    """A license's files, by their suffix: one issuance in three forms."""

    OFD = ".ofd"
    PDF = ".pdf"
    JWT = ".jwt"


class Origin(StrEnum):
    """Where a license comes from."""

    NATIVE = "NATIVE"
    #: From a paper license issued before (历史数据电子化).
    PAPER = "PAPER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """The issuing authority, as the catalog holds it."""

    department: str
    display_name: str
    credit_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuingSeal:
    """The seal a license is sealed with; `ratio` is the height of its image by the width."""

    name: str
    display_name: str
    ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a license; the type of the code follows from the code."""

    name: str = field(repr=False)
    code: str = field(repr=False)
    code_type: HolderCodeType


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """The paper license that a license is made from: its number and date, and its scans."""

    number: str
    issue_date: date
    scans: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an issuer asks for, by one version of a type.

    `valid_from` None is today in China; `valid_to` only where a paper license says it; an empty
    serial is the next. `pictures`: bytes by field, whose hashes `fields` will hold; `carried`: the
    fields of the version before.
    """

    type: LicenseType
    type_version: int
    holders: tuple[Holder, ...]
    fields: Mapping[str, str] = field(repr=False)
    valid_from: date | None = None
    valid_to: date | None = None
    serial: str = ""
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    paper: Paper | None = None
    carried: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """A license (电子证照), with everything that is needed to finish issuing it.

    `ofd_sha256`, `pdf_sha256` and `jwt_sha256` are hex, empty while ISSUING. `activated_at` is when
    it first became ACTIVE; `actor` is the system that asked for it. `metadata_sha256` is of the
    canonical JSON of `metadata`, which all three files carry. `type_version` is the version of the
    type it was reserved with. `predecessor` and `successor` are ids of other versions; `act` is
    what made this one from its predecessor, `act_reason` why.
    """

    id: str
    issuer: str
    type_id: str
    type_version: int = 1
    identifier: str
    serial: str
    version: int = FIRST_VERSION
    holders: tuple[Holder, ...]
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
    jwt_sha256: str = ""
    origin: Origin = Origin.NATIVE
    predecessor: str = ""
    successor: str = ""
    act: Act | None = None
    act_reason: str = ""

    @property
    def name(self) -> str:
        """departments/{issuer}/licenses/{license}."""
        return f"{self.issuer}/licenses/{self.id}"

    @property
    def holder_name(self) -> str:
        """The holder's name; those of several with 、 between."""
        return BETWEEN.join(one.name for one in self.holders)

    @property
    def holder_code(self) -> str:
        """The holder's code; those of several with 、 between."""
        return BETWEEN.join(one.code for one in self.holders)

    @property
    def people(self) -> tuple[str, ...]:
        """Names of the holders who are persons."""
        kind = HolderCodeType.CITIZEN_NUMBER
        return tuple(one.name for one in self.holders if one.code_type is kind)

    @property
    def holder_code_type(self) -> HolderCodeType:
        """The type of the (first) holder's code."""
        return self.holders[0].code_type

    def sha256(self, form: LicenseFormat) -> str:
        """SHA-256 of one of its files, hex; empty where it has none."""
        return {
            LicenseFormat.OFD: self.ofd_sha256,
            LicenseFormat.PDF: self.pdf_sha256,
            LicenseFormat.JWT: self.jwt_sha256,
        }[form]

    def as_issued(self) -> License:
        """What the issuer was first answered: ACTIVE, whatever came later."""
        return replace(
            self,
            state=LicenseState.ACTIVE,
            state_time=self.activated_at or self.state_time,
            state_reason="",
            successor="",
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


def later(now: datetime, license_: License) -> datetime:
    """When a license changes now: after its last change, whatever the clock says.

    Its records in the library differ in their time, so that none is taken for a repeat of another.
    One that is dated later than the clock by more than its skew is logged as a warning.
    """
    after = license_.state_time + timedelta(microseconds=1)
    if after - now > CLOCK_SKEW:  # its date is not the day on which it was done
        _log.warning(
            "license_changed_ahead_of_clock",
            license=license_.name,
            dated=after.isoformat(),
            now=now.isoformat(),
        )
    return max(now, after)


def check_clock(now: datetime, issue_time: datetime) -> None:
    """Refuse to seal what was issued later than now. Raises Unavailable, CLOCK_BEHIND."""
    if now < issue_time - CLOCK_SKEW:
        raise Unavailable(
            "the node's clock is behind the time at which this license was issued: set it right; "
            "what was begun is finished then",
            reason="CLOCK_BEHIND",
            message_zh="节点时钟早于该证照的签发时间：请校准时钟，校准后未完成的制证会自动完成",
            retry_after=60,
        )


def has_begun(valid_from: date, now: datetime) -> bool:
    """Whether the first day is there in China."""
    return china_date(now) >= valid_from.isoformat()


def is_in_force(license_: License, now: datetime) -> bool:
    """Whether a license is ACTIVE, begun and not over."""
    return (
        license_.state is LicenseState.ACTIVE
        and has_begun(license_.valid_from, now)
        and not is_expired(license_.valid_to, now)
    )


def is_expired(valid_to: date | None, now: datetime) -> bool:
    """Whether the last day is over in China."""
    return valid_to is not None and china_date(now) > valid_to.isoformat()
