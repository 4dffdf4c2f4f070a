"""Tables of export jobs and their parts.

1. What a job was made with is one JSON text that does not change but for its free text, which is
   dropped when the job ends. State, cursor and what is found on the way are columns or parts.
2. A worker holds a job by a lease: a random token, until `next_time`. Every step that it writes
   names the token, so of two workers one writes and the other stops.
3. An ended job is due until its objects are deleted; then it is never due again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from exchange.files.model import LIVE, ExportJob, FileFormat, JobState, Part, Signing, total
from runtime.database import UtcDateTime
from runtime.records import instant

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class _Table(SQLModel, registry=registry()):
    pass


class ExportJobRow(_Table, table=True):
    """A job."""

    __tablename__ = "export_job"
    __table_args__ = (
        sa.Index("export_job_by_department", "department", "name"),
        sa.Index("export_job_by_time", "state", "next_time"),
        sa.Index("export_job_once", "once", unique=True),
    )

    name: str = Field(primary_key=True, sa_type=NAME)
    department: str = Field(sa_type=NAME)
    grant_name: str = Field(sa_type=NAME)
    state: str = Field(max_length=16)
    content: str = Field(sa_type=sa.Text)
    cursor: int = Field(sa_type=sa.BigInteger)
    receipt: bytes
    create_time: datetime = Field(sa_type=UtcDateTime)
    next_time: datetime = Field(sa_type=UtcDateTime)
    lease: str = Field(max_length=32)
    etag: str = Field(max_length=32)
    #: Of a signed request (`Signing.once`).
    once: bytes | None = Field(sa_type=sa.LargeBinary)


class ExportPartRow(_Table, table=True):
    """One file of a job."""

    __tablename__ = "export_part"

    job: str = Field(primary_key=True, sa_type=NAME)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    object: str = Field(max_length=200)
    size: int = Field(sa_type=sa.BigInteger)
    digest: str = Field(max_length=64)
    records: int


METADATA = _Table.metadata


def _table(row: type[SQLModel]) -> sa.Table:
    table = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(table, sa.Table)  # noqa: S101  # for the type checker
    return table


JOBS = _table(ExportJobRow)
PARTS = _table(ExportPartRow)


def add(session: Session, job: ExportJob) -> bool:
    """Hold a new job; False where its name is taken."""
    found = session.execute(sa.select(JOBS.c.name).where(JOBS.c.name == job.name)).first()
    if found is not None:
        return False
    session.execute(
        JOBS.insert().values(
            name=job.name,
            department=job.department,
            grant_name=job.grant,
            state=job.state.value,
            content=_content(job),
            cursor=job.cursor,
            receipt=b"",
            create_time=job.create_time,
            next_time=job.create_time,
            lease="",
            etag=job.etag,
            once=job.signing.once if job.signing else None,
        )
    )
    return True


def signed_before(session: Session, once: bytes) -> bool:
    """Whether a job was made by this signed request already."""
    found = session.execute(sa.select(JOBS.c.name).where(JOBS.c.once == once)).first()
    return found is not None


def job(session: Session, name: str) -> ExportJob | None:
    """A job with its parts."""
    row = session.execute(sa.select(JOBS).where(JOBS.c.name == name)).mappings().first()
    if row is None:
        return None
    parts = session.execute(
        sa.select(PARTS).where(PARTS.c.job == name).order_by(PARTS.c.number)
    ).mappings()
    return _job(row, tuple(_part(part) for part in parts))


def jobs(session: Session, department: str, after: str, limit: int) -> list[ExportJob]:
    """Jobs of a department in order of name, without their parts."""
    rows = session.execute(
        sa.select(JOBS)
        .where(JOBS.c.department == department, JOBS.c.name > after)
        .order_by(JOBS.c.name)
        .limit(limit)
    ).mappings()
    return [_job(row, ()) for row in rows]


def live(session: Session, department: str) -> int:
    """How many jobs of a department are running or have files."""
    count = sa.select(sa.func.count()).where(
        JOBS.c.department == department, JOBS.c.state.in_(sorted(LIVE))
    )
    return int(session.execute(count).scalar_one())


def finished(session: Session) -> list[ExportJob]:
    """All jobs that have succeeded, without their parts: as few as departments may keep."""
    query = sa.select(JOBS).where(JOBS.c.state == JobState.SUCCEEDED.value)
    return [_job(row, ()) for row in session.execute(query).mappings()]


def due(session: Session, now: datetime) -> str | None:
    """Name of a job that a worker may take now."""
    query = (
        sa.select(JOBS.c.name)
        .where(JOBS.c.next_time <= now, JOBS.c.state != JobState.SUCCEEDED.value)
        .order_by(JOBS.c.next_time)
        .limit(1)
    )
    return session.execute(query).scalar_one_or_none()


def take(session: Session, name: str, *, lease: str, now: datetime, until: datetime) -> bool:
    """Hold a due job until a time; False where somebody came first."""
    changed = session.execute(
        sa.update(JOBS)
        .where(JOBS.c.name == name, JOBS.c.next_time <= now)
        .values(lease=lease, next_time=until)
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def advance(
    session: Session, name: str, part: Part | None, *, cursor: int, lease: str, until: datetime
) -> bool:
    """Keep a part that was written and go on; False where the job is not this worker's any more."""
    if not _held(session, name, lease, cursor=cursor, next_time=until):
        return False
    if part is not None:
        session.execute(
            PARTS.insert().values(
                job=name,
                number=part.number,
                object=part.object,
                size=part.size,
                digest=part.sha256,
                records=part.records,
            )
        )
    return True


def renew(session: Session, name: str, *, lease: str, until: datetime) -> bool:
    """Hold a job for longer; False where it is not this worker's any more."""
    return _held(session, name, lease, next_time=until)


def wait(session: Session, job: ExportJob, *, lease: str, until: datetime) -> bool:
    """Let a job rest until a time; `failure_reason` says for what."""
    return _held(session, job.name, lease, content=_content(job), next_time=until, lease="")


def succeed(session: Session, job: ExportJob, *, lease: str) -> bool:
    """Keep a job whose files are all written; False where it is not this worker's any more."""
    return _held(
        session,
        job.name,
        lease,
        state=JobState.SUCCEEDED.value,
        content=_content(job),
        cursor=job.cursor,
        receipt=job.receipt,
        next_time=NEVER,
        lease="",
        etag=job.etag,
    )


def end(session: Session, job: ExportJob, *, now: datetime) -> bool:
    """End a live job, whoever holds it; False where it has ended already."""
    changed = session.execute(
        sa.update(JOBS)
        .where(JOBS.c.name == job.name, JOBS.c.state.in_(sorted(LIVE)))
        .values(
            state=job.state.value, content=_content(job), next_time=now, lease="", etag=job.etag
        )
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def deleted(session: Session, name: str) -> None:
    """An ended job has no objects any more."""
    session.execute(sa.update(JOBS).where(JOBS.c.name == name).values(next_time=NEVER, lease=""))


def _held(session: Session, name: str, held: str, /, **values: Any) -> bool:
    changed = session.execute(
        sa.update(JOBS)
        .where(JOBS.c.name == name, JOBS.c.lease == held, JOBS.c.state == JobState.RUNNING.value)
        .values(**values)
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def _content(job: ExportJob) -> str:
    return orjson.dumps(
        {
            "resource": job.resource,
            "contract": job.contract,
            "items": job.items,
            "format": job.format.value,
            "offset": job.offset,
            "actor": job.actor,
            "certificate": job.certificate,
            "fingerprint": job.fingerprint,
            "purpose": job.purpose,
            "case_number": job.case_number,
            "expire_time": instant(job.expire_time),
            "failure_reason": job.failure_reason,
            "records": job.records,
            **({"signing": _signing(job.signing)} if job.signing else {}),
        }
    ).decode()


def _signing(signing: Signing) -> dict[str, object]:
    return {
        "facts": dict(signing.facts),
        "nonce": signing.nonce.hex(),
        "certificate": signing.certificate,
    }


def _read_signing(content: Any) -> Signing | None:
    if content is None:
        return None
    return Signing(
        facts=content["facts"],
        nonce=bytes.fromhex(content["nonce"]),
        certificate=content["certificate"],
    )


def _job(row: Any, parts: tuple[Part, ...]) -> ExportJob:
    content = orjson.loads(row["content"])
    return ExportJob(
        name=row["name"],
        grant=row["grant_name"],
        resource=content["resource"],
        contract=content["contract"],
        items=tuple(content["items"]),
        format=FileFormat(content["format"]),
        state=JobState(row["state"]),
        offset=content["offset"],
        cursor=int(row["cursor"]),
        actor=content["actor"],
        certificate=content["certificate"],
        fingerprint=content["fingerprint"],
        purpose=content["purpose"],
        case_number=content["case_number"],
        signing=_read_signing(content.get("signing")),
        create_time=row["create_time"],
        expire_time=datetime.fromisoformat(content["expire_time"]),
        failure_reason=content["failure_reason"],
        receipt=bytes(row["receipt"]),
        records=total(parts) if parts else content["records"],
        parts=parts,
        etag=row["etag"],
    )


def _part(row: Any) -> Part:
    return Part(
        number=row["number"],
        object=row["object"],
        size=int(row["size"]),
        sha256=row["digest"],
        records=row["records"],
    )
