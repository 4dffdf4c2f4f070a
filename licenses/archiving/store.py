"""Where archives are held. A destruction moves on by UPDATEs that name the state before.

What is claimed only is no archive yet: nobody finds it but who archives the same again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, col, select

from licenses.archiving.model import (
    GOING,
    Archive,
    ArchiveState,
    Finding,
    Property,
    Retention,
    archived_meanwhile,
)
from licenses.store import Table
from runtime.database import UtcDateTime


class ArchiveRow(Table, table=True):
    """One archive; of what is in it nothing."""

    __tablename__ = "archive_package"
    __table_args__ = (
        sa.UniqueConstraint("subject", "standing", name="archive_package_once"),
        sa.Index("archive_of_department", "department", "id"),
        sa.Index("archive_by_check", "state", "check_time"),
    )

    id: str = Field(primary_key=True, max_length=32)
    department: str = Field(max_length=80)
    subject: str = Field(max_length=200)
    standing: str = Field(max_length=64, sa_column_kwargs={"server_default": ""})
    state: str = Field(max_length=16)
    object_name: str = Field(max_length=200)
    sha256: str = Field(max_length=64)
    size: int = Field(sa_type=sa.BigInteger)
    retention: str = Field(max_length=12)
    retain_until: datetime | None = Field(sa_type=UtcDateTime, nullable=True)
    locked_by: str = Field(max_length=16)
    archive_time: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(max_length=200)
    check_json: str = Field(sa_type=sa.Text)
    check_time: datetime | None = Field(sa_type=UtcDateTime, nullable=True)
    report_sha256: str = Field(max_length=64)
    asked_by: str = Field(max_length=200)
    asked_reason: str = Field(sa_type=sa.Text)
    asked_time: datetime | None = Field(sa_type=UtcDateTime, nullable=True)
    destroyed_by: str = Field(max_length=200)
    destroy_time: datetime | None = Field(sa_type=UtcDateTime, nullable=True)
    certificate_sha256: str = Field(max_length=64)


def add_archive(session: Session, one: Archive) -> None:
    """Write a new archive, or the claim of one. Raises Aborted where it is claimed already."""
    session.add(
        ArchiveRow(
            id=one.id,
            department=one.department,
            subject=one.subject,
            standing=one.standing,
            state=one.state.value,
            object_name=one.object_name,
            sha256=one.sha256,
            size=one.size,
            retention=one.retention.value,
            retain_until=one.retain_until,
            locked_by=one.locked_by,
            archive_time=one.archive_time,
            actor=one.actor,
            check_json="[]",
            check_time=None,
            report_sha256="",
            asked_by="",
            asked_reason="",
            asked_time=None,
            destroyed_by="",
            destroy_time=None,
            certificate_sha256="",
        )
    )
    try:
        session.flush()
    except IntegrityError:
        raise archived_meanwhile() from None


def archive(session: Session, archive_id: str) -> Archive | None:
    """An archive; none where it is claimed only."""
    row = session.get(ArchiveRow, archive_id)
    return None if row is None or row.state == ArchiveState.CLAIMED else _archive(row)


def of_subject(session: Session, subject: str) -> list[Archive]:
    """All of one license or case, what is claimed too, the newest first."""
    statement = (
        select(ArchiveRow)
        .where(ArchiveRow.subject == subject)
        .order_by(col(ArchiveRow.archive_time).desc(), col(ArchiveRow.id))
    )
    return [_archive(row) for row in session.exec(statement)]


def by_object(session: Session, names: Sequence[str]) -> dict[str, Archive]:
    """Archives by the names of their packages, what is claimed too."""
    statement = select(ArchiveRow).where(col(ArchiveRow.object_name).in_(names))
    return {row.object_name: _archive(row) for row in session.exec(statement)}


def give_up_claim(session: Session, archive_id: str, at: datetime) -> None:
    """Let another call take over what was claimed: by this time, it was put or never will be."""
    session.execute(
        sa.update(ArchiveRow)
        .where(
            col(ArchiveRow.id) == archive_id, col(ArchiveRow.state) == ArchiveState.CLAIMED.value
        )
        .values(archive_time=at)
    )


def drop_claim(session: Session, archive_id: str) -> bool:
    """Give up what was claimed and never archived; whether it was there."""
    done = session.execute(
        sa.delete(ArchiveRow).where(
            col(ArchiveRow.id) == archive_id, col(ArchiveRow.state) == ArchiveState.CLAIMED.value
        )
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # a DELETE has one


def archives(
    session: Session,
    department: str,
    *,
    after: str,
    size: int,
    not_checked_since: datetime | None = None,
) -> list[Archive]:
    """Those of a department, "" for all, in order of id.

    `not_checked_since`: only those that are there, and were not checked since.
    """
    statement = select(ArchiveRow).where(
        col(ArchiveRow.id) > after, col(ArchiveRow.state) != ArchiveState.CLAIMED.value
    )
    if department:
        statement = statement.where(ArchiveRow.department == department)
    if not_checked_since is not None:
        checked = col(ArchiveRow.check_time)
        statement = statement.where(
            col(ArchiveRow.state).not_in([one.value for one in GOING]),
            sa.or_(checked.is_(None), checked < not_checked_since),
        )
    found = session.exec(statement.order_by(ArchiveRow.id).limit(size))
    return [_archive(row) for row in found]


def archived(session: Session, subjects: Sequence[str], before: datetime) -> set[str]:
    """Which of some subjects were archived before an instant."""
    statement = select(ArchiveRow.subject).where(
        col(ArchiveRow.subject).in_(subjects),
        col(ArchiveRow.archive_time) < before,
        col(ArchiveRow.state) != ArchiveState.CLAIMED.value,
    )
    return set(session.exec(statement))


def set_findings(
    session: Session, archive_id: str, findings: tuple[Finding, ...], at: datetime
) -> None:
    """Keep what a check found."""
    session.execute(
        sa.update(ArchiveRow)
        .where(col(ArchiveRow.id) == archive_id)
        .values(check_json=orjson.dumps(findings).decode(), check_time=at)
    )


def set_report(session: Session, archive_ids: list[str], sha256: str) -> None:
    """Note the report that tells of them."""
    session.execute(
        sa.update(ArchiveRow)
        .where(col(ArchiveRow.id).in_(archive_ids))
        .values(report_sha256=sha256)
    )


def move(
    session: Session,
    archive_id: str,
    before: ArchiveState,
    after: ArchiveState,
    **values: object,
) -> bool:
    """Change the state if it is still `before`; whether this call changed it."""
    done = session.execute(
        sa.update(ArchiveRow)
        .where(col(ArchiveRow.id) == archive_id, col(ArchiveRow.state) == before.value)
        .values(state=after.value, **values)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def _archive(row: ArchiveRow) -> Archive:
    return Archive(
        id=row.id,
        department=row.department,
        subject=row.subject,
        standing=row.standing,
        state=ArchiveState(row.state),
        object_name=row.object_name,
        sha256=row.sha256,
        size=row.size,
        retention=Retention(row.retention),
        retain_until=row.retain_until,
        locked_by=row.locked_by,
        archive_time=row.archive_time,
        actor=row.actor,
        findings=tuple(
            Finding(**{**one, "property": Property(one["property"])})
            for one in orjson.loads(row.check_json)
        ),
        check_time=row.check_time,
        report_sha256=row.report_sha256,
        asked_by=row.asked_by,
        asked_reason=row.asked_reason,
        asked_time=row.asked_time,
        destroyed_by=row.destroyed_by,
        destroy_time=row.destroy_time,
        certificate_sha256=row.certificate_sha256,
    )
