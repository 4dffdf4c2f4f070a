"""Where presentations are held. A use is taken by one UPDATE whose condition is the limit."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.model import LicenseState
from licenses.presentations.model import Presentation
from licenses.store import HolderRow, LicenseRow, Table
from runtime.database import REQUEST_ID_LIMIT, UtcDateTime

#: Beside the counters of places (`statuslist.store`): a list of codes from before is old by it.
_ENDS_COUNTED: Final = sa.text(
    "INSERT INTO license_status_counter (id, last) VALUES (3, 0) "
    "ON CONFLICT (id) DO UPDATE SET last = license_status_counter.last + 1"
)


class PresentationRow(Table, table=True):
    """One presentation; of its code only the digest."""

    __tablename__ = "presentation"
    __table_args__ = (
        sa.UniqueConstraint("code_digest", name="presentation_code_once"),
        sa.UniqueConstraint("actor", "request_id", name="presentation_request_once"),
        sa.Index("presentation_by_expiry", "expire_time"),
        sa.Index("presentation_of_license", "license_id", "id"),
    )

    id: str = Field(primary_key=True, max_length=32)
    license_id: str = Field(max_length=32, foreign_key="license.id")
    code_digest: bytes
    fields: str = Field(sa_type=sa.Text)
    audience: str = Field(max_length=80)
    expire_time: datetime = Field(sa_type=UtcDateTime)
    max_uses: int
    uses: int
    ended: bool
    #: As its presenter said it; personal, so in no audit leaf.
    purpose: str = Field(sa_type=sa.Text)
    purpose_bound: bool
    #: Id of the delegation it was made under; "" is by the holder.
    delegation: str = Field(max_length=32)
    actor: str = Field(max_length=200)
    request_id: str = Field(max_length=REQUEST_ID_LIMIT)


def add_presentation(
    session: Session,
    presentation: Presentation,
    *,
    code_digest: bytes,
    actor: str,
    request_id: str,
) -> None:
    """Write a presentation."""
    session.add(
        PresentationRow(
            id=presentation.id,
            license_id=presentation.license_id,
            code_digest=code_digest,
            fields=orjson.dumps(list(presentation.fields)).decode(),
            audience=presentation.audience,
            expire_time=presentation.expire_time,
            max_uses=presentation.max_uses,
            uses=presentation.uses,
            ended=presentation.ended,
            purpose=presentation.purpose,
            purpose_bound=presentation.purpose_bound,
            delegation=presentation.delegation,
            actor=actor,
            request_id=request_id,
        )
    )
    session.flush()


def presentation_told(session: Session, actor: str, request_id: str) -> bool:
    """Whether a request made a presentation before."""
    statement = select(PresentationRow.id).where(
        PresentationRow.actor == actor, PresentationRow.request_id == request_id
    )
    return session.exec(statement).first() is not None


def presentation_by_code(session: Session, code_digest: bytes) -> Presentation | None:
    """The presentation that a code opens."""
    statement = select(PresentationRow).where(PresentationRow.code_digest == code_digest)
    row = session.exec(statement).first()
    return None if row is None else _presentation(row)


def presentation_by_id(session: Session, presentation_id: str) -> Presentation | None:
    """A presentation."""
    row = session.get(PresentationRow, presentation_id)
    return None if row is None else _presentation(row)


def presentations_of(
    session: Session,
    holder_index: bytes,
    *,
    license_id: str,
    open_at: datetime | None,
    after: str,
    size: int,
) -> list[tuple[Presentation, str, str]]:
    """Presentations of a holder's licenses, or of one, in order of id.

    Each with the license's name, and with what people call it.

    With `open_at`, those that can still be verified then. Of a license that is not in force none
    can: to its holder they are over.
    """
    row, state = PresentationRow, col(LicenseRow.state)
    conditions: list[Any] = [col(HolderRow.holder_index) == holder_index, col(row.id) > after]
    if license_id:
        conditions.append(col(row.license_id) == license_id)
    if open_at is not None:
        left = sa.or_(col(row.max_uses) == 0, col(row.uses) < col(row.max_uses))
        conditions += [col(row.ended).is_(False), col(row.expire_time) > open_at, left]
        conditions.append(state == LicenseState.ACTIVE.value)
    statement = (
        select(row, state, col(LicenseRow.issuer), col(LicenseRow.metadata_json))
        .join(LicenseRow, col(LicenseRow.id) == col(row.license_id))
        .join(HolderRow, col(HolderRow.license_id) == col(row.license_id))
        .where(*conditions)
        .order_by(row.id)
        .limit(size)
    )
    return [
        (
            replace(_presentation(found), ended=found.ended or now != LicenseState.ACTIVE.value),
            f"{issuer}/licenses/{found.license_id}",
            str(orjson.loads(metadata)["ZZMC"]),
        )
        for found, now, issuer, metadata in session.exec(statement)
    ]


def open_count(session: Session, license_id: str, now: datetime) -> int:
    """How many presentations of a license can still be verified."""
    row = PresentationRow
    left = sa.or_(col(row.max_uses) == 0, col(row.uses) < col(row.max_uses))
    statement = select(sa.func.count()).where(
        col(row.license_id) == license_id,
        col(row.ended).is_(False),
        col(row.expire_time) > now,
        left,
    )
    return int(session.exec(statement).one())


def use(session: Session, presentation_id: str) -> bool:
    """Count one use if one is left and the presentation was not ended; whether it was counted."""
    row = PresentationRow
    left = sa.or_(col(row.max_uses) == 0, col(row.uses) < col(row.max_uses))
    done = session.execute(
        sa.update(row)
        .where(col(row.id) == presentation_id, col(row.ended).is_(False), left)
        .values(uses=col(row.uses) + 1)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def end(session: Session, presentation_id: str) -> None:
    """End a presentation; nothing happens where it was ended."""
    session.execute(
        sa.update(PresentationRow)
        .where(col(PresentationRow.id) == presentation_id)
        .values(ended=True)
    )
    session.execute(_ENDS_COUNTED)


def end_delegated(session: Session, delegation: str) -> None:
    """End every presentation that was made under a delegation."""
    session.execute(
        sa.update(PresentationRow)
        .where(col(PresentationRow.delegation) == delegation)
        .values(ended=True)
    )
    session.execute(_ENDS_COUNTED)


def forget_presentations(session: Session, before: datetime) -> int:
    """Remove presentations whose time was over before an instant; how many there were."""
    done = session.execute(
        sa.delete(PresentationRow).where(col(PresentationRow.expire_time) < before)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]  # a DELETE has one


def _presentation(row: PresentationRow) -> Presentation:
    return Presentation(
        id=row.id,
        license_id=row.license_id,
        fields=tuple(orjson.loads(row.fields)),
        audience=row.audience,
        expire_time=row.expire_time,
        max_uses=row.max_uses,
        uses=row.uses,
        ended=row.ended,
        purpose=row.purpose,
        purpose_bound=row.purpose_bound,
        delegation=row.delegation,
    )
