"""Where licenses are held.

1. A license's row is written when its identifier is reserved and has all that is needed to finish
   issuing it; afterwards only its state, its successor and the digests of its files change.
2. Every change of state goes through an UPDATE that names the state before, so that of two changes
   at once one is told that it came second.
3. A holder is found by a keyed index of the code (HMAC-SHA256), so that an index alone tells
   nothing, and by the key of the name; a changed key of the index is noticed at start, and the
   index is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, TypeAlias

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel, col, select

from licenses.model import MAY_CHANGE, NEVER_IN_FORCE, Act, Holder, License, LicenseState, Origin
from licenses.texts import search_key
from licenses.types.model import HolderCodeType
from runtime.database import REQUEST_ID_LIMIT, UtcDateTime

TABLES = registry()
Reads: TypeAlias = Session  # what a question is asked in
#: Ids in one statement.
_AT_ONCE = 500
BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
#: Ordered by code point in every database.
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
#: Read by `licenses.states`.
_STATE_BEGAN = sa.text(
    "INSERT INTO license_state (license_id, at, state) VALUES (:license_id, :at, :state)"
).bindparams(sa.bindparam("at", type_=UtcDateTime))

#: What a license that ended had to itself (`licenses.claims`).
_RELEASED = sa.text("DELETE FROM license_claim WHERE license_id = :id")


class Table(SQLModel, registry=TABLES):
    """Base of the tables of licenses and what belongs to them."""


class LicenseRow(Table, table=True):
    """One license; one shape for every type, since a type's own fields are in the metadata."""

    __tablename__ = "license"
    __table_args__ = (
        sa.UniqueConstraint("identifier", name="license_identifier_once"),
        sa.UniqueConstraint("actor", "request_id", name="license_request_once"),
        sa.Index("license_of_issuer", "issuer", "id"),
        sa.Index("license_before", "predecessor"),
        sa.Index("license_in_state", "state", "issue_time"),
        sa.Index("license_of_type", "type_id", "state", "id"),
        sa.Index("license_by_time", "issuer", "issue_time", "id"),
    )

    id: str = Field(primary_key=True, max_length=32)
    issuer: str = Field(max_length=80)
    type_id: str = Field(max_length=63)
    type_version: int
    identifier: str = Field(max_length=120)
    serial: str = Field(max_length=30)
    version: int
    #: Names and codes of all holders, as JSON.
    holders_json: str = Field(sa_type=sa.Text)
    metadata_json: str = Field(sa_type=sa.Text)
    metadata_sha256: str = Field(max_length=64)
    valid_from: str = Field(max_length=10)
    valid_to: str = Field(max_length=10)
    issue_time: datetime = Field(sa_type=UtcDateTime)
    seal: str = Field(max_length=200)
    state: str = Field(max_length=12)
    state_time: datetime = Field(sa_type=UtcDateTime)
    state_reason: str = Field(sa_type=sa.Text)
    activated_at: datetime | None = Field(sa_type=UtcDateTime, nullable=True)
    ofd_sha256: str = Field(max_length=64)
    pdf_sha256: str = Field(max_length=64)
    jwt_sha256: str = Field(max_length=64)
    origin: str = Field(max_length=8)
    predecessor: str = Field(max_length=32)
    successor: str = Field(max_length=32)
    act: str = Field(max_length=24)
    act_reason: str = Field(sa_type=sa.Text)
    #: Who asked for it, with which request: a repeat goes on with this row.
    actor: str = Field(max_length=200)
    request_id: str = Field(max_length=REQUEST_ID_LIMIT)
    request_digest: bytes


class HolderRow(Table, table=True):
    """By what a license's holder is found."""

    __tablename__ = "license_holder"
    __table_args__ = (
        sa.Index("license_of_holder", "holder_index", "license_id"),
        sa.Index("license_by_name", "issuer", "search_key", "license_id"),
    )

    license_id: str = Field(primary_key=True, max_length=32)
    place: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    issuer: str = Field(max_length=80)
    holder_index: bytes
    search_key: str = Field(sa_type=_KEY)


class SerialRow(Table, table=True):
    """The last serial number given out by an issuer for a type in a year."""

    __tablename__ = "serial_counter"

    issuer: str = Field(primary_key=True, max_length=80)
    type_id: str = Field(primary_key=True, max_length=63)
    year: int = Field(primary_key=True)
    last: int = Field(sa_type=sa.BigInteger)


class IndexKeyRow(Table, table=True):
    """Fingerprint of the key of the holder index, in one row."""

    __tablename__ = "holder_index_key"

    id: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    fingerprint: bytes


# Statements of every issuance, written once: to build one takes longer than to run it.
_LICENSES: sa.Table = LicenseRow.__table__  # type: ignore[attr-defined]
_ADD_LICENSE = sa.insert(_LICENSES)
_ADD_HOLDERS = sa.insert(HolderRow.__table__)  # type: ignore[attr-defined]
_BY_ID = sa.select(_LICENSES).where(_LICENSES.c.id == sa.bindparam("wanted"))
_BY_ID_LOCKED = _BY_ID.with_for_update()
_BY_REQUEST = sa.select(_LICENSES).where(
    _LICENSES.c.actor == sa.bindparam("asker"), _LICENSES.c.request_id == sa.bindparam("wanted")
)
_BY_REQUESTS = sa.select(_LICENSES).where(
    _LICENSES.c.actor == sa.bindparam("asker"),
    _LICENSES.c.request_id.in_(sa.bindparam("wanted", expanding=True)),
)
_ISSUING_LOCKED = (
    sa.select(_LICENSES)
    .where(
        _LICENSES.c.id.in_(sa.bindparam("wanted", expanding=True)),
        _LICENSES.c.state == LicenseState.ISSUING.value,
    )
    .order_by(_LICENSES.c.id)
    .with_for_update()
)
_OF_IDENTIFIER = sa.text("SELECT 1 FROM license WHERE identifier = :identifier")
_NEXT_SERIAL = sa.text(
    "INSERT INTO serial_counter (issuer, type_id, year, last) "
    "VALUES (:issuer, :type_id, :year, 1) "
    "ON CONFLICT (issuer, type_id, year) DO UPDATE SET last = serial_counter.last + 1 "
    "RETURNING last"
)


# Licenses.


def add_license(
    session: Session,
    license_: License,
    *,
    index: Callable[[str], bytes],
    request_id: str,
    request_digest: bytes,
) -> None:
    """Write a reserved license, with `index` of each holder's code."""
    session.execute(
        _ADD_LICENSE,
        {
            "id": license_.id,
            "issuer": license_.issuer,
            "type_id": license_.type_id,
            "type_version": license_.type_version,
            "identifier": license_.identifier,
            "serial": license_.serial,
            "version": license_.version,
            "holders_json": _holders_json(license_),
            "metadata_json": orjson.dumps(dict(license_.metadata)).decode(),
            "metadata_sha256": license_.metadata_sha256,
            "valid_from": license_.valid_from.isoformat(),
            "valid_to": license_.valid_to.isoformat() if license_.valid_to else "",
            "issue_time": license_.issue_time,
            "seal": license_.seal,
            "state": license_.state.value,
            "state_time": license_.state_time,
            "state_reason": license_.state_reason,
            "activated_at": license_.activated_at,
            "ofd_sha256": license_.ofd_sha256,
            "pdf_sha256": license_.pdf_sha256,
            "jwt_sha256": license_.jwt_sha256,
            "origin": license_.origin.value,
            "predecessor": license_.predecessor,
            "successor": license_.successor,
            "act": license_.act.value if license_.act else "",
            "act_reason": license_.act_reason,
            "actor": license_.actor,
            "request_id": request_id,
            "request_digest": request_digest,
        },
    )
    session.execute(
        _ADD_HOLDERS,
        [
            {
                "license_id": license_.id,
                "place": place,
                "issuer": license_.issuer,
                "holder_index": index(one.code),
                "search_key": search_key(one.name),
            }
            for place, one in enumerate(license_.holders)
        ],
    )


def _holders_json(license_: License) -> str:
    rows = [[one.name, one.code, one.code_type.value] for one in license_.holders]
    return orjson.dumps(rows).decode()


def request_of(session: Session, actor: str, request_id: str) -> tuple[License, bytes] | None:
    """The license that a request began, and the digest of that request."""
    row = session.execute(_BY_REQUEST, {"asker": actor, "wanted": request_id}).first()
    return None if row is None else (license_of(row), row.request_digest)


def next_serial(session: Session, issuer: str, type_id: str, year: int) -> int:
    """The next number of an issuer for a type in a year, from 1; no number is given twice."""
    values = {"issuer": issuer, "type_id": type_id, "year": year}
    return int(session.execute(_NEXT_SERIAL, values).scalar_one())


def identifier_taken(session: Session, identifier: str) -> bool:
    """Whether a license has this identifier."""
    return session.execute(_OF_IDENTIFIER, {"identifier": identifier}).first() is not None


def greatest_version(session: Session, issuer: str, type_id: str, serial: str) -> int:
    """The greatest version that was ever reserved of a serial number; 0 where there is none."""
    statement = select(sa.func.max(LicenseRow.version)).where(
        LicenseRow.issuer == issuer, LicenseRow.type_id == type_id, LicenseRow.serial == serial
    )
    return int(session.exec(statement).one() or 0)


def being_issued_after(session: Session, predecessor: str) -> str:
    """The id of the version that is being issued after this one; "" where none is."""
    statement = select(LicenseRow.id).where(
        LicenseRow.predecessor == predecessor, LicenseRow.state == LicenseState.ISSUING.value
    )
    return session.exec(statement).first() or ""


def license_by_id(session: Session, license_id: str, *, lock: bool = False) -> License | None:
    """A license; `lock` holds its row until the transaction ends. None is called ""."""
    if not license_id:  # the one before a first version: half of the questions of an issuance
        return None
    row = session.execute(_BY_ID_LOCKED if lock else _BY_ID, {"wanted": license_id}).first()
    return None if row is None else license_of(row)


def requests_of(
    session: Session, actor: str, request_ids: Sequence[str]
) -> dict[str, tuple[License, bytes]]:
    """`request_of` for several requests, by their ids; none that began nothing."""
    found: dict[str, tuple[License, bytes]] = {}
    for start in range(0, len(request_ids), _AT_ONCE):
        some = list(request_ids[start : start + _AT_ONCE])
        rows = session.execute(_BY_REQUESTS, {"asker": actor, "wanted": some})
        found |= {row.request_id: (license_of(row), row.request_digest) for row in rows}
    return found


def issuing_by_id(session: Session, ids: Sequence[str]) -> dict[str, License]:
    """Of some licenses those that are being issued, held until the transaction ends."""
    rows = session.execute(_ISSUING_LOCKED, {"wanted": list(ids)})  # all are locked in one order
    return {row.id: license_of(row) for row in rows}


def licenses_by_id(session: Session, ids: Sequence[str]) -> list[License]:
    """Those of some licenses that there are, in the order of their ids as they are given."""
    found: dict[str, License] = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = select(LicenseRow).where(col(LicenseRow.id).in_(ids[start : start + _AT_ONCE]))
        found |= {row.id: license_of(row) for row in session.exec(some)}
    return [found[one] for one in dict.fromkeys(ids) if one in found]


def license_by_identifier(session: Session, identifier: str) -> License | None:
    """The license with an identifier."""
    row = session.exec(select(LicenseRow).where(LicenseRow.identifier == identifier)).first()
    return None if row is None else license_of(row)


def held(
    session: Session, holder_index: bytes, *, after: str, size: int, license_id: str = ""
) -> list[License]:
    """Licenses of a holder, or the one, in order of id, without what never came into force."""
    statement = (
        select(LicenseRow)
        .join(HolderRow, col(HolderRow.license_id) == col(LicenseRow.id))
        .where(
            col(HolderRow.holder_index) == holder_index,
            col(LicenseRow.state).not_in([one.value for one in NEVER_IN_FORCE]),
            col(LicenseRow.id) > after,
            *([col(LicenseRow.id) == license_id] if license_id else []),
        )
        .order_by(LicenseRow.id)
        .limit(size)
    )
    return [license_of(row) for row in session.exec(statement)]


def unfinished(session: Session, limit: int) -> list[License]:
    """Licenses that are still being issued, oldest first."""
    statement = (
        select(LicenseRow)
        .where(LicenseRow.state == LicenseState.ISSUING.value)
        .order_by(col(LicenseRow.issue_time), LicenseRow.id)
        .limit(limit)
    )
    return [license_of(row) for row in session.exec(statement)]


def move(
    session: Session,
    license_id: str,
    before: LicenseState,
    after: LicenseState,
    *,
    at: datetime,
    reason: str,
    **others: object,
) -> bool:
    """Change the state if it is still `before`; whether this call changed it."""
    done = session.execute(
        sa.update(_LICENSES)
        .where(_LICENSES.c.id == license_id, _LICENSES.c.state == before.value)
        .values(state=after.value, state_time=at, state_reason=reason, **others)
    )
    if not done.rowcount:  # type: ignore[attr-defined]  # an UPDATE has one
        return False
    values = {"license_id": license_id, "at": at, "state": after.value}
    session.execute(_STATE_BEGAN, values)
    if after not in MAY_CHANGE:
        session.execute(_RELEASED, {"id": license_id})
    return True


def license_of(row: LicenseRow | sa.Row[Any]) -> License:
    """A license as its row has it."""
    return License(
        id=row.id,
        issuer=row.issuer,
        type_id=row.type_id,
        type_version=row.type_version,
        identifier=row.identifier,
        serial=row.serial,
        version=row.version,
        holders=tuple(
            Holder(name=name, code=code, code_type=HolderCodeType(kind))
            for name, code, kind in orjson.loads(row.holders_json)
        ),
        metadata=orjson.loads(row.metadata_json),
        metadata_sha256=row.metadata_sha256,
        valid_from=date.fromisoformat(row.valid_from),
        valid_to=date.fromisoformat(row.valid_to) if row.valid_to else None,
        issue_time=row.issue_time,
        seal=row.seal,
        actor=row.actor,
        state=LicenseState(row.state),
        state_time=row.state_time,
        state_reason=row.state_reason,
        activated_at=row.activated_at,
        ofd_sha256=row.ofd_sha256,
        pdf_sha256=row.pdf_sha256,
        jwt_sha256=row.jwt_sha256,
        origin=Origin(row.origin),
        predecessor=row.predecessor,
        successor=row.successor,
        act=Act(row.act) if row.act else None,
        act_reason=row.act_reason,
    )


# The holder index.


def keep_index(session: Session, fingerprint: bytes, index: Callable[[str], bytes]) -> int:
    """Make the holder index again if its key is another than before; how many rows it touched."""
    held_key = session.get(IndexKeyRow, 1)
    if held_key is None:
        session.add(IndexKeyRow(id=1, fingerprint=fingerprint))
        return 0
    if held_key.fingerprint == fingerprint:
        return 0
    held_key.fingerprint = fingerprint
    touched = 0
    for license_id, holders in session.exec(select(LicenseRow.id, LicenseRow.holders_json)).all():
        for place, (_, code, _) in enumerate(orjson.loads(holders)):
            session.execute(
                sa.update(HolderRow)
                .where(col(HolderRow.license_id) == license_id, col(HolderRow.place) == place)
                .values(holder_index=index(code))
            )
        touched += 1
    return touched
