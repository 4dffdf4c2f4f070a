"""Tables of recognised authorities and every SQL statement on them.

1. An authority's row is changed only where it still has the revision that was read; who decides
   holds the row until the transaction ends.
2. A new revocation list counts `lists_revision` up: an approval, which names `revision`, does not
   mind it, and whoever keeps the material in memory sees it.
3. An older revocation list is dropped only where a newer one of the same issuer says all that it
   says.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field
from sqlmodel import Session as Session

from runtime.database import UtcDateTime
from seal.recognition.model import (
    EVER_IN_FORCE,
    LIVE,
    Anchor,
    Authority,
    AuthorityEvent,
    AuthorityState,
    EventKind,
    Terms,
)
from seal.tables.store import Table
from seal.trust import Purpose


class AuthorityRow(Table, table=True):
    """An authority."""

    __tablename__ = "authority"

    name: str = Field(sa_column=sa.Column(sa.String(80), primary_key=True))
    state: str = Field(sa_column=sa.Column(sa.String(16), nullable=False))
    terms: str = Field(sa_column=sa.Column(sa.Text, nullable=False))
    pending: str | None = Field(sa_column=sa.Column(sa.Text, nullable=True))
    proposed_by: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))
    pending_by: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))
    approved_by: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))
    create_time: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    approve_time: datetime | None = Field(sa_column=sa.Column(UtcDateTime, nullable=True))
    withdraw_time: datetime | None = Field(sa_column=sa.Column(UtcDateTime, nullable=True))
    revision: int = Field(sa_column=sa.Column(sa.Integer, nullable=False))
    lists_revision: int = Field(sa_column=sa.Column(sa.Integer, nullable=False))


class AuthorityEventRow(Table, table=True):
    """Something that befell an authority."""

    __tablename__ = "authority_event"
    __table_args__ = (sa.Index("ix_authority_event", "authority", "id"),)

    id: int = Field(
        sa_column=sa.Column(
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        )
    )
    authority: str = Field(sa_column=sa.Column(sa.ForeignKey("authority.name"), nullable=False))
    event_time: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    kind: str = Field(sa_column=sa.Column(sa.String(24), nullable=False))
    actor: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))
    reason: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))
    sha256: str = Field(sa_column=sa.Column(sa.Text, nullable=False))
    withdraw_time: datetime | None = Field(sa_column=sa.Column(UtcDateTime, nullable=True))


class AuthorityListRow(Table, table=True):
    """A revocation list of an authority."""

    __tablename__ = "authority_list"

    authority: str = Field(sa_column=sa.Column(sa.ForeignKey("authority.name"), primary_key=True))
    sha256: str = Field(sa_column=sa.Column(sa.String(64), primary_key=True))
    signer: str = Field(sa_column=sa.Column(sa.String(64), nullable=False))
    issuer: str = Field(sa_column=sa.Column(sa.Text, nullable=False))
    this_update: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    next_update: datetime | None = Field(sa_column=sa.Column(UtcDateTime, nullable=True))
    revoked_count: int = Field(sa_column=sa.Column(sa.Integer, nullable=False))
    encoded: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False))


_AUTHORITY: Any = AuthorityRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_EVENT: Any = AuthorityEventRow.__table__  # type: ignore[attr-defined]
_LIST: Any = AuthorityListRow.__table__  # type: ignore[attr-defined]

Version = tuple[tuple[str, int, int], ...]
"""What of each authority that ever was in force is held: name and both revisions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldList:
    """A revocation list (DER) as kept; in a list of them `encoded` is empty.

    `sha256` is of the whole, `signer` of the public key that signed it, both hex.
    """

    sha256: str
    signer: str
    issuer: str
    this_update: datetime
    next_update: datetime | None
    revoked_count: int
    encoded: bytes = b""


# --- authorities -------------------------------------------------------------------------------


def add(session: Session, authority: Authority) -> None:
    """Keep a new authority. A name in use is an IntegrityError (CONCURRENT_CHANGE)."""
    session.execute(_AUTHORITY.insert().values(**_columns(authority)))


def change(session: Session, before: Authority, after: Authority) -> Authority | None:
    """Put `after` in the place of `before`; None where that is no longer what is held."""
    after = replace(after, revision=before.revision + 1)
    values = _columns(after)
    del values["lists_revision"]  # counted by `add_list` alone
    done: Any = session.execute(
        _AUTHORITY.update()
        .where(_AUTHORITY.c.name == before.name, _AUTHORITY.c.revision == before.revision)
        .values(**values)
    )
    return after if done.rowcount == 1 else None


def find(session: Session, name: str, *, hold: bool = False) -> Authority | None:
    """An authority by its name; with `hold` its row stays as it is until the transaction ends."""
    query = sa.select(_AUTHORITY).where(_AUTHORITY.c.name == name)
    row = session.execute(query.with_for_update() if hold else query).mappings().first()
    return None if row is None else _authority(row)


def page(session: Session, *, after: str, limit: int, everything: bool) -> list[Authority]:
    """Authorities in order of name after `after`: all, or those that ever were in force."""
    query = sa.select(_AUTHORITY).where(_AUTHORITY.c.name > after)
    if not everything:
        query = query.where(_AUTHORITY.c.state.in_(EVER_IN_FORCE))
    rows = session.execute(query.order_by(_AUTHORITY.c.name).limit(limit)).mappings()
    return [_authority(row) for row in rows]


def count(session: Session) -> int:
    """How many authorities there are, in whatever state."""
    return int(session.execute(sa.select(sa.func.count()).select_from(_AUTHORITY)).scalar_one())


def live_beside(session: Session, name: str) -> list[Authority]:
    """Authorities other than `name` that are asked for or recognised."""
    query = sa.select(_AUTHORITY).where(_AUTHORITY.c.name != name, _AUTHORITY.c.state.in_(LIVE))
    return [_authority(row) for row in session.execute(query).mappings()]


# --- what verifiers need -----------------------------------------------------------------------


def version(session: Session) -> Version:
    """Which material is held; another one wherever any of it changed."""
    columns = _AUTHORITY.c
    query = sa.select(columns.name, columns.revision, columns.lists_revision)
    rows = session.execute(query.where(columns.state.in_(EVER_IN_FORCE)).order_by(columns.name))
    return tuple((row[0], row[1], row[2]) for row in rows)


def ever_in_force(session: Session) -> list[Authority]:
    """Every authority that is recognised, or was."""
    query = sa.select(_AUTHORITY).where(_AUTHORITY.c.state.in_(EVER_IN_FORCE))
    return [
        _authority(row) for row in session.execute(query.order_by(_AUTHORITY.c.name)).mappings()
    ]


def lists_in_force(session: Session) -> list[bytes]:
    """Revocation lists (DER) of every authority that is recognised, or was."""
    query = (
        sa.select(_LIST.c.encoded)
        .join(_AUTHORITY, _AUTHORITY.c.name == _LIST.c.authority)
        .where(_AUTHORITY.c.state.in_(EVER_IN_FORCE))
        .order_by(_LIST.c.authority, _LIST.c.this_update, _LIST.c.sha256)
    )
    return [bytes(row[0]) for row in session.execute(query)]


# --- what befell an authority ------------------------------------------------------------------


def add_event(session: Session, authority: str, event: AuthorityEvent) -> None:
    """Keep something that befell an authority; its id is given here."""
    session.execute(
        _EVENT.insert().values(
            authority=authority,
            event_time=event.event_time,
            kind=event.kind.value,
            actor=event.actor,
            reason=event.reason,
            sha256=" ".join(event.sha256),
            withdraw_time=event.withdraw_time,
        )
    )


def page_of_events(
    session: Session, authority: str, *, before: int, limit: int
) -> list[AuthorityEvent]:
    """Events newest first, from the one before the id `before`; 0 is the newest."""
    query = sa.select(_EVENT).where(_EVENT.c.authority == authority)
    if before:
        query = query.where(_EVENT.c.id < before)
    rows = session.execute(query.order_by(_EVENT.c.id.desc()).limit(limit))
    return [
        AuthorityEvent(
            id=row.id,
            event_time=row.event_time,
            kind=EventKind(row.kind),
            actor=row.actor,
            reason=row.reason,
            sha256=tuple(row.sha256.split()),
            withdraw_time=row.withdraw_time,
        )
        for row in rows
    ]


# --- revocation lists --------------------------------------------------------------------------


def add_list(session: Session, authority: Authority, found: HeldList) -> Authority:
    """Keep a revocation list of an authority whose row is held (rule 2)."""
    values = {one.name: getattr(found, one.name) for one in fields(found)}
    session.execute(_LIST.insert().values(authority=authority.name, **values))
    newer = authority.lists_revision + 1
    session.execute(
        _AUTHORITY.update().where(_AUTHORITY.c.name == authority.name).values(lists_revision=newer)
    )
    return replace(authority, lists_revision=newer)


def lists_of(session: Session, authority: str, *, signer: str = "") -> list[HeldList]:
    """Revocation lists of an authority, newest first; whole where a `signer` is asked for."""
    columns = [c for c in _LIST.c if c.name != "authority" and (signer or c.name != "encoded")]
    query = sa.select(*columns).where(_LIST.c.authority == authority)
    if signer:
        query = query.where(_LIST.c.signer == signer)
    rows = session.execute(query.order_by(_LIST.c.this_update.desc(), _LIST.c.sha256)).mappings()
    return [HeldList(**row) for row in rows]


def size_of_lists(session: Session) -> int:
    """Bytes of all revocation lists of all authorities."""
    query = sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(_LIST.c.encoded)), 0))
    return int(session.execute(query).scalar_one())


def drop_list(session: Session, authority: str, sha256: str) -> None:
    """Forget a revocation list (rule 3)."""
    session.execute(_LIST.delete().where(_LIST.c.authority == authority, _LIST.c.sha256 == sha256))


# --- rows --------------------------------------------------------------------------------------


def _columns(authority: Authority) -> dict[str, Any]:
    values = {one.name: getattr(authority, one.name) for one in fields(authority)}
    values["state"] = authority.state.value
    values["terms"] = _packed(authority.terms)
    values["pending"] = None if authority.pending is None else _packed(authority.pending)
    return values


def _authority(row: Any) -> Authority:
    values = dict(row)
    pending = values.pop("pending")
    return Authority(
        state=AuthorityState(values.pop("state")),
        terms=_unpacked(values.pop("terms")),
        pending=None if pending is None else _unpacked(pending),
        **values,
    )


def _packed(terms: Terms) -> str:
    return json.dumps(
        {
            "display_name": terms.display_name,
            "credit_code": terms.credit_code,
            "foreign_id": terms.foreign_id,
            "anchors": [
                {
                    "certificate": _text(one.certificate),
                    "begin": one.begin.isoformat(),
                    "end": one.end.isoformat(),
                    "purposes": sorted(one.purposes),
                    "suites": sorted(one.suites),
                    "makers": one.makers,
                }
                for one in terms.anchors
            ],
            "intermediates": [_text(one) for one in terms.intermediates],
            "revocation_required": terms.revocation_required,
            "grace_seconds": int(terms.grace.total_seconds()),
            "list_urls": terms.list_urls,
            "legal_basis": terms.legal_basis,
        },
        ensure_ascii=False,
    )


def _unpacked(text: str) -> Terms:
    found = json.loads(text)
    return Terms(
        display_name=found["display_name"],
        credit_code=found["credit_code"],
        foreign_id=found["foreign_id"],
        anchors=tuple(
            Anchor(
                certificate=base64.b64decode(one["certificate"]),
                begin=datetime.fromisoformat(one["begin"]),
                end=datetime.fromisoformat(one["end"]),
                purposes=frozenset(map(Purpose, one["purposes"])),
                suites=frozenset(one["suites"]),
                makers=tuple(one.get("makers", ())),  # rows of before there were any
            )
            for one in found["anchors"]
        ),
        intermediates=tuple(map(base64.b64decode, found["intermediates"])),
        revocation_required=found["revocation_required"],
        grace=timedelta(seconds=found["grace_seconds"]),
        list_urls=tuple(found["list_urls"]),
        legal_basis=found["legal_basis"],
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
