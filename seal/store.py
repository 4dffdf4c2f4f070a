"""Every SQL statement on the tables of the seal service (`seal.tables.store`).

1. A seal's row is changed only where it still has the revision that was read: a lost race changes
   nothing. Who changes or uses a seal holds its row, so that both see each other.
2. Uses of a seal are written by `seal.notes`, and read here.
3. Revocation lists are kept, numbered from 1 per root; the newest is the one in force.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session as Session

from runtime import names
from seal.life import EventKind, SealEvent
from seal.orders import Format, SealingState
from seal.registry import MADE, Authorization, HeldSeal, SealState, Shape
from seal.ses.model import SignerList
from seal.tables.store import METADATA as METADATA
from seal.tables.store import RevocationListRow, SealEventRow, SealingRow, SealRow

_SEAL: Any = SealRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_EVENT: Any = SealEventRow.__table__  # type: ignore[attr-defined]
_SEALING: Any = SealingRow.__table__  # type: ignore[attr-defined]
_LIST: Any = RevocationListRow.__table__  # type: ignore[attr-defined]
_LARGE = ("seal_data", "image")


class Hold(Enum):
    """Whom the row of a seal is kept from."""

    FOR_USE = "changes"
    FOR_CHANGE = "changes and uses"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """A revocation list as kept: DER, and the times it says."""

    number: int
    this_update: datetime
    next_update: datetime
    encoded: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """One use of a seal, as far as it came; hashes are SHA-256, hex."""

    id: str
    seal: str
    actor: str
    format: Format
    reason: str
    sha256_before: str
    state: SealingState
    tbs: bytes | None
    seal_time: datetime
    prepared_at: datetime
    kind: str = ""
    stamp_count: int = 0
    sha256_after: str | None = None
    failure: str | None = None


# --- seals -----------------------------------------------------------------------------------


def add_seal(session: Session, seal: HeldSeal) -> None:
    """Keep a new seal. A name or an es_id in use is an IntegrityError (CONCURRENT_CHANGE)."""
    session.execute(_SEAL.insert().values(**_columns(seal)))


def change_seal(session: Session, before: HeldSeal, after: HeldSeal) -> HeldSeal | None:
    """Put `after` in the place of `before`; None where that is no longer what is held."""
    after = replace(after, revision=before.revision + 1)
    done = session.execute(
        _SEAL.update()
        .where(_SEAL.c.name == before.name, _SEAL.c.revision == before.revision)
        .values(**_columns(after))
    )
    return after if _count(done) == 1 else None


def find_seal(session: Session, name: str, *, hold: Hold | None = None) -> HeldSeal | None:
    """A seal by its name.

    With `hold` its row is kept as it is until the transaction ends: against changes, or against
    uses too (PostgreSQL; SQLite has one writer at a time anyway).
    """
    query = sa.select(_SEAL).where(_SEAL.c.name == name)
    if hold is not None:
        query = query.with_for_update(read=hold is Hold.FOR_USE)
    row = session.execute(query).mappings().first()
    return None if row is None else _held(row)


def page_of_seals(
    session: Session,
    *,
    department: str | None,
    after: str,
    limit: int,
    wishes_of: str | None = names.ANY,
    ends_by: datetime | None = None,
) -> list[HeldSeal]:
    """Seals in order of name after `after`, of one department or of all, without their pictures.

    `wishes_of` is the department whose seals not made are listed too; `-` is every one, None none.
    With `ends_by` only those that are in use or frozen and end by then.
    """
    columns = [column for column in _SEAL.c if column.name not in _LARGE]
    query = sa.select(*columns).where(_SEAL.c.name > after).order_by(_SEAL.c.name).limit(limit)
    if department is not None:
        query = query.where(_SEAL.c.department == department)
    if wishes_of != names.ANY:
        made = _SEAL.c.state.in_([one.value for one in MADE])
        query = query.where(sa.or_(made, _SEAL.c.department == (wishes_of or "")))
    if ends_by is not None:
        lasting = [SealState.ACTIVE.value, SealState.FROZEN.value]
        query = query.where(_SEAL.c.state.in_(lasting), _SEAL.c.end_time <= ends_by)
    rows = session.execute(query).mappings()
    return [_held({**dict.fromkeys(_LARGE, b""), **row}) for row in rows]


def uses_credit_code(session: Session, credit_code: str, *, beside: str) -> bool:
    """Whether a department other than `beside` has a seal, or waits for one, of that code."""
    columns = _SEAL.c
    over = [SealState.REJECTED.value, SealState.REVOKED.value]
    query = sa.select(columns.name).where(
        columns.credit_code == credit_code,
        columns.department != beside,
        columns.state.not_in(over),
    )
    return session.execute(query.limit(1)).first() is not None


def has_made_seals(session: Session) -> bool:
    """Whether any seal was ever made here."""
    made = _SEAL.c.state.in_([one.value for one in MADE])
    return session.execute(sa.select(_SEAL.c.name).where(made).limit(1)).first() is not None


def revoked_certificates(session: Session) -> list[tuple[bytes, bytes, datetime]]:
    """(SM2 certificate, P-256 certificate, since when) of each revoked seal."""
    columns = _SEAL.c
    query = sa.select(columns.certificate, columns.pdf_certificate, columns.revoked_at)
    rows = session.execute(
        query.where(columns.state == SealState.REVOKED.value).order_by(columns.name)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def _columns(seal: HeldSeal) -> dict[str, Any]:
    values = {one.name: getattr(seal, one.name) for one in fields(seal)}
    values |= {"state": seal.state.value, "shape": seal.shape.value}
    values["signer_list"] = seal.signer_list.name
    values["allowed"] = _packed(values.pop("authorization"))
    values["pending"] = None if seal.pending is None else _packed(seal.pending)
    return values


def _held(row: Any) -> HeldSeal:
    values = dict(row)
    pending = values.pop("pending")
    return HeldSeal(
        state=SealState(values.pop("state")),
        shape=Shape(values.pop("shape")),
        signer_list=SignerList[values.pop("signer_list")],
        authorization=_unpacked(values.pop("allowed")),
        pending=None if pending is None else _unpacked(pending),
        **values,
    )


def _packed(found: Authorization) -> str:
    return json.dumps(
        {
            "users": found.users,
            "license_types": found.license_types,
            "document_kinds": found.document_kinds,
            "expire_time": found.expire_time and found.expire_time.isoformat(),
        }
    )


def _unpacked(text: str) -> Authorization:
    found = json.loads(text)
    until = found.get("expire_time")
    return Authorization(
        users=tuple(found.get("users", ())),
        license_types=tuple(found.get("license_types", ())),
        document_kinds=tuple(found.get("document_kinds", ())),
        expire_time=until and datetime.fromisoformat(until),
    )


# --- what befell a seal ------------------------------------------------------------------------


def add_event(session: Session, seal: str, event: SealEvent) -> None:
    """Keep something that befell a seal; its id is given here."""
    session.execute(
        _EVENT.insert().values(
            seal=seal,
            event_time=event.event_time,
            kind=event.kind.value,
            actor=event.actor,
            reason=event.reason,
        )
    )


def newest_actor(session: Session, seal: str, kind: EventKind) -> str:
    """Who last did that to a seal; empty where nobody did."""
    query = (
        sa.select(_EVENT.c.actor)
        .where(_EVENT.c.seal == seal, _EVENT.c.kind == kind.value)
        .order_by(_EVENT.c.id.desc())
        .limit(1)
    )
    return session.execute(query).scalar() or ""


def page_of_events(session: Session, seal: str, *, before: int, limit: int) -> list[SealEvent]:
    """Events of a seal, newest first, from the one before the id `before`; 0 is the newest."""
    query = sa.select(_EVENT).where(_EVENT.c.seal == seal)
    if before:
        query = query.where(_EVENT.c.id < before)
    rows = session.execute(query.order_by(_EVENT.c.id.desc()).limit(limit))
    return [
        SealEvent(
            id=row.id,
            event_time=row.event_time,
            kind=EventKind(row.kind),
            actor=row.actor,
            reason=row.reason,
        )
        for row in rows
    ]


# --- sealings --------------------------------------------------------------------------------


def unfinished(
    session: Session, *, actor: str, request_id: str, request_digest: bytes
) -> list[Sealing]:
    """Sealings of one request that began and neither ended nor failed, the furthest first."""
    columns = _SEALING.c
    rows = session.execute(
        sa.select(_SEALING)
        .where(
            columns.actor == actor,
            columns.request_id == request_id,
            columns.request_digest == request_digest,
            columns.state.in_([SealingState.PREPARED.value, SealingState.SIGNED.value]),
        )
        .order_by(columns.state.desc(), columns.prepared_at.desc())
    )
    return [_sealing(row) for row in rows]


def sealings_of(
    session: Session, seal: str, *, limit: int, before: tuple[datetime, str] | None = None
) -> list[Sealing]:
    """The newest uses of a seal, newest first; `before` is time and id of the last one seen."""
    columns = _SEALING.c
    query = sa.select(_SEALING).where(columns.seal == seal)
    if before is not None:
        at, ident = before
        query = query.where(
            sa.or_(
                columns.prepared_at < at,
                sa.and_(columns.prepared_at == at, columns.id < ident),
            )
        )
    rows = session.execute(
        query.order_by(columns.prepared_at.desc(), columns.id.desc()).limit(limit)
    )
    return [_sealing(row) for row in rows]


def _sealing(row: Any) -> Sealing:
    return Sealing(
        id=row.id,
        seal=row.seal,
        actor=row.actor,
        format=Format(row.format),
        kind=row.kind,
        reason=row.reason,
        sha256_before=row.sha256_before,
        state=SealingState(row.state),
        tbs=row.tbs,
        seal_time=row.seal_time,
        stamp_count=row.stamp_count,
        sha256_after=row.sha256_after,
        failure=row.failure,
        prepared_at=row.prepared_at,
    )


# --- revocation lists ------------------------------------------------------------------------


def newest_list(session: Session, issuer: str) -> RevocationList | None:
    """The revocation list in force of one root."""
    row = session.execute(
        sa.select(_LIST).where(_LIST.c.issuer == issuer).order_by(_LIST.c.number.desc()).limit(1)
    ).first()
    if row is None:
        return None
    return RevocationList(
        number=row.number,
        this_update=row.this_update,
        next_update=row.next_update,
        encoded=row.encoded,
    )


def add_list(session: Session, issuer: str, found: RevocationList) -> None:
    """Keep a newer revocation list. A number in use is an IntegrityError (CONCURRENT_CHANGE)."""
    session.execute(
        _LIST.insert().values(
            issuer=issuer,
            number=found.number,
            this_update=found.this_update,
            next_update=found.next_update,
            encoded=found.encoded,
        )
    )


def _count(done: Any) -> int:
    return int(done.rowcount)
