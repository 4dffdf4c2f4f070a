"""What an archive is, and the rules that need nothing but it.

1. A license or a case is archived by its own department, once in a state: of what moved on since
   there is another archive. A package is never changed. Its name is a random one, claimed with its
   digest before it is put: what somebody else laid under any name is not taken for it.
2. It is kept from the first day (in China) of the year after it was archived, for as many years as
   its retention says (保管期限); what is permanent is never destroyed.
3. Two destroy: one asks when the time is over, another one approves or turns it down. They are two
   systems, as certificates name them; what a person who signed in asked, only a person approves.
4. Who approves claims it first: from then on it is being destroyed, and nobody turns it down.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runtime.clock import CHINA, china_date
from runtime.errors import Aborted, FailedPrecondition, NotFound, PermissionDenied
from runtime.identity import is_person
from runtime.records import instant

ARCHIVE = "archives/{archive}"


class Retention(StrEnum):
    """How long an archive is kept."""

    PERMANENT = "PERMANENT"
    YEARS_30 = "YEARS_30"
    YEARS_10 = "YEARS_10"

    @property
    def years(self) -> int:
        """Whole years; 0 is for good."""
        return {Retention.PERMANENT: 0, Retention.YEARS_30: 30, Retention.YEARS_10: 10}[self]


RETENTION_WORDS = {
    Retention.PERMANENT: "永久",
    Retention.YEARS_30: "定期30年",
    Retention.YEARS_10: "定期10年",
}


class ArchiveState(StrEnum):
    """Where an archive is in its life."""

    CLAIMED = "CLAIMED"
    KEPT = "KEPT"
    DESTRUCTION_ASKED = "ASKED"
    DESTROYING = "DESTROYING"
    DESTROYED = "DESTROYED"


#: The package is gone, or about to go.
GOING = frozenset((ArchiveState.DESTROYING, ArchiveState.DESTROYED))


class Property(StrEnum):
    """The four properties (四性)."""

    AUTHENTIC = "authentic"
    COMPLETE = "complete"
    USABLE = "usable"
    SAFE = "safe"


PROPERTY_WORDS = {
    Property.AUTHENTIC: "真实性",
    Property.COMPLETE: "完整性",
    Property.USABLE: "可用性",
    Property.SAFE: "安全性",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was checked."""

    property: Property
    name: str
    passed: bool
    detail: str
    detail_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive; `subject` is a license's or a collection's name.

    `standing`: the state that a license was archived in, and since when; of a case empty.
    """

    id: str
    department: str
    subject: str
    standing: str = ""
    state: ArchiveState = ArchiveState.KEPT
    object_name: str
    sha256: str
    size: int
    retention: Retention
    retain_until: datetime | None
    locked_by: str
    archive_time: datetime
    actor: str
    findings: tuple[Finding, ...] = ()
    check_time: datetime | None = None
    report_sha256: str = ""
    asked_by: str = ""
    asked_reason: str = ""
    asked_time: datetime | None = None
    destroyed_by: str = ""
    destroy_time: datetime | None = None
    certificate_sha256: str = ""

    @property
    def name(self) -> str:
        """archives/{archive}."""
        return f"archives/{self.id}"

    @property
    def is_case(self) -> bool:
        """Whether it is of a case, and not of a license."""
        return self.subject.startswith("collections/")

    @property
    def passed(self) -> bool:
        """Whether it was checked and everything holds."""
        return bool(self.findings) and all(one.passed for one in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """What lies in the store and belongs to no archive.

    `subject` is what it was begun for, where that is known and theirs who ask; `kept_until` an
    instant, FOR_GOOD, or why that cannot be told.
    """

    object_name: str
    subject: str
    kept_until: str


def is_stray(row: Archive, before: datetime) -> bool:
    """Whether a package is none of an archive's, by its row: begun and left, or destroyed."""
    if row.state is ArchiveState.CLAIMED:
        return row.archive_time <= before
    return row.state is ArchiveState.DESTROYED


def retained_until(retention: Retention, archived: datetime) -> datetime | None:
    """Until when; None is for good."""
    if not retention.years:
        return None
    year = int(china_date(archived)[:4]) + 1 + retention.years
    return datetime(year, 1, 1, tzinfo=CHINA)


def check_may_ask(archive: Archive, now: datetime) -> None:
    """Raises FailedPrecondition: RETENTION_NOT_OVER, DESTRUCTION_ASKED, and as `check_there`."""
    check_there(archive)
    if archive.state is ArchiveState.DESTRUCTION_ASKED:
        raise FailedPrecondition(
            "its destruction is asked already: another system, or another person who signed in, "
            "approves it or turns it down",
            reason="DESTRUCTION_ASKED",
            message_zh="已申请销毁：请由另一系统或另一名登录人员审批",
        )
    if archive.retain_until is None or now < archive.retain_until:
        until = instant(archive.retain_until)[:10] if archive.retain_until else ""
        raise FailedPrecondition(
            f"it is kept until {until}" if until else "it is kept for good",
            reason="RETENTION_NOT_OVER",
            message_zh=f"保管期限至 {until}，期满后方可销毁" if until else "永久保管，不得销毁",
        )


def check_person(system: str) -> None:
    """Where only people destroy. Raises PermissionDenied, PERSON_NEEDED."""
    if not is_person(system):
        raise PermissionDenied(
            "on this node (archive_by_persons) only people who signed in ask to destroy and decide",
            reason="PERSON_NEEDED",
            message_zh="本节点设定（archive_by_persons）仅登录人员可申请和审批销毁",
        )


def check_may_approve(archive: Archive, system: str) -> None:
    """One that is being destroyed may be approved once more: that ends it.

    Raises FailedPrecondition (DESTRUCTION_NOT_ASKED, ARCHIVE_DESTROYED), PermissionDenied
    (SAME_PERSON, PERSON_NEEDED).
    """
    if archive.state is not ArchiveState.DESTROYING:
        check_there(archive)
        _check_asked(archive)
    _check_other(archive, system)
    if is_person(archive.asked_by) and not is_person(system):
        raise PermissionDenied(
            "a person asked to destroy it: another person who signed in decides, and no program",
            reason="PERSON_NEEDED",
            message_zh="该销毁由人员本人申请：须由另一名登录人员审批，程序不得审批",
        )


def check_may_reject(archive: Archive, system: str) -> None:
    """Raises as `check_may_approve`, and FailedPrecondition, DESTRUCTION_APPROVED."""
    check_there(archive)
    _check_asked(archive)
    _check_other(archive, system)


def check_there(archive: Archive) -> None:
    """Raises FailedPrecondition: ARCHIVE_DESTROYED, DESTRUCTION_APPROVED."""
    if archive.state is ArchiveState.DESTROYED:
        raise FailedPrecondition(
            "it was destroyed: its certificate of destruction says when and by whom",
            reason="ARCHIVE_DESTROYED",
            message_zh="该归档包已销毁：详见销毁证明",
        )
    if archive.state is ArchiveState.DESTROYING:
        raise FailedPrecondition(
            "its destruction was approved and is under way: approve it again to end what was cut "
            "short",
            reason="DESTRUCTION_APPROVED",
            message_zh="销毁已获批准、正在进行：如曾中断，请再次审批以完成",
        )


def _check_asked(archive: Archive) -> None:
    if archive.state is not ArchiveState.DESTRUCTION_ASKED:
        raise FailedPrecondition(
            "nobody asked to destroy it: one person asks, another decides",
            reason="DESTRUCTION_NOT_ASKED",
            message_zh="尚未申请销毁：须一人申请、另一人审批",
        )


def _check_other(archive: Archive, system: str) -> None:
    if archive.asked_by == system:
        raise PermissionDenied(
            "who asked to destroy it does not decide on it: another system does, or another person "
            "who signed in",
            reason="SAME_PERSON",
            message_zh="申请者不得审批自己的销毁申请：须由另一系统或另一名登录人员审批",
        )


def archive_not_found() -> NotFound:
    """The one refusal for an archive that is absent and for another department's."""
    return NotFound(
        "no such archive: see ListArchives (`tongban archives list`)",
        reason="ARCHIVE_NOT_FOUND",
        message_zh="没有这个归档包：请用 tongban archives list 核对",
    )


def archived_meanwhile() -> Aborted:
    """Of two calls that archive one state of one subject, the second."""
    return Aborted(
        "another call archives it, or was cut short doing so: look for it with ListArchives "
        "(`tongban archives list`), and repeat it in a minute where it is not there",
        reason="CONCURRENT_CHANGE",
        message_zh="另一请求正在归档该对象或曾中断：请先查看归档列表，如没有请一分钟后重试",
    )
