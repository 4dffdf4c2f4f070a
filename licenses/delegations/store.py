"""Where delegations are held. Both sides are found by the keyed index of their codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.delegations.model import Delegation, ShownAs, Standing
from licenses.model import LicenseState
from licenses.store import LicenseRow, Table
from runtime.database import UtcDateTime

_AT_ONCE = 500
_LICENSES: sa.Table = LicenseRow.__table__  # type: ignore[attr-defined]  # made by the metaclass
_GONE = Standing(state=LicenseState.ABANDONED, valid_from="", valid_to="")


class DelegationRow(Table, table=True):
    """One delegation."""

    __tablename__ = "delegation"
    __table_args__ = (
        sa.Index("delegation_of_grantor", "grantor_index", "id"),
        sa.Index("delegation_of_agent", "agent_index", "id"),
    )

    id: str = Field(primary_key=True, max_length=32)
    grantor_code: str = Field(max_length=18)
    grantor_index: bytes
    agent_name: str = Field(sa_type=sa.Text)
    agent_code: str = Field(max_length=18)
    agent_index: bytes
    #: Names of licenses, as JSON.
    licenses: str = Field(sa_type=sa.Text)
    purpose: str = Field(sa_type=sa.Text)
    create_time: datetime = Field(sa_type=UtcDateTime)
    expire_time: datetime = Field(sa_type=UtcDateTime)
    end_time: datetime | None = Field(sa_type=UtcDateTime, nullable=True)
    #: How an agent may show them, as JSON.
    forms: str = Field(sa_type=sa.Text)
    actor: str = Field(max_length=200)


def add(
    session: Session, delegation: Delegation, *, index: Callable[[str], bytes], actor: str
) -> None:
    """Write a delegation, with `index` of both codes."""
    session.add(
        DelegationRow(
            id=delegation.id,
            grantor_code=delegation.grantor_code,
            grantor_index=index(delegation.grantor_code),
            agent_name=delegation.agent_name,
            agent_code=delegation.agent_code,
            agent_index=index(delegation.agent_code),
            licenses=orjson.dumps(list(delegation.licenses)).decode(),
            purpose=delegation.purpose,
            create_time=delegation.create_time,
            expire_time=delegation.expire_time,
            end_time=delegation.end_time,
            forms=orjson.dumps(list(delegation.forms)).decode(),
            actor=actor,
        )
    )
    session.flush()


def delegation_by_id(session: Session, delegation_id: str) -> Delegation | None:
    """A delegation."""
    row = session.get(DelegationRow, delegation_id)
    return None if row is None else delegation_of(row)


def given_or_got(
    session: Session, index: bytes, *, as_agent: bool, after: str, size: int
) -> list[Delegation]:
    """Delegations that somebody gave, or was given, in order of id."""
    side = col(DelegationRow.agent_index if as_agent else DelegationRow.grantor_index)
    conditions: list[Any] = [side == index, col(DelegationRow.id) > after]
    statement = select(DelegationRow).where(*conditions).order_by(DelegationRow.id).limit(size)
    return [delegation_of(row) for row in session.exec(statement)]


def described(
    session: Session, found: Sequence[Delegation], *, agent_at: datetime | None = None
) -> list[Delegation]:
    """With how their licenses are called and stand; of one open at `agent_at`, who gave it."""
    ids = sorted({_id(name) for one in found for name in one.licenses})
    titles: dict[str, str] = {}
    standings: dict[str, Standing] = {}
    givers: dict[tuple[str, str], str] = {}
    for start in range(0, len(ids), _AT_ONCE):
        statement = sa.select(
            _LICENSES.c.id, _LICENSES.c.metadata_json, _LICENSES.c.holders_json,
            _LICENSES.c.state, _LICENSES.c.valid_from, _LICENSES.c.valid_to,
        ).where(_LICENSES.c.id.in_(ids[start : start + _AT_ONCE]))  # fmt: skip
        for license_id, metadata, holders, state, first, last in session.execute(statement):
            titles[license_id] = str(orjson.loads(metadata)["ZZMC"])
            standings[license_id] = Standing(
                state=LicenseState(state), valid_from=first, valid_to=last
            )
            givers |= {(license_id, code): name for name, code, _ in orjson.loads(holders)}
    return [
        replace(
            one,
            titles=tuple(titles.get(_id(name), "") for name in one.licenses),
            standings=tuple(standings.get(_id(name), _GONE) for name in one.licenses),
            grantor_name=(
                givers.get((_id(one.licenses[0]), one.grantor_code), "")
                if agent_at is not None and one.is_open(agent_at)
                else ""
            ),
        )
        for one in found
    ]


def _id(name: str) -> str:
    return name.rpartition("/")[2]


def open_count(session: Session, index: bytes, now: datetime) -> int:
    """How many delegations of a grantor are open."""
    row = DelegationRow
    statement = select(sa.func.count()).where(
        col(row.grantor_index) == index, col(row.end_time).is_(None), col(row.expire_time) > now
    )
    return int(session.exec(statement).one())


def end(session: Session, delegation_id: str, at: datetime) -> bool:
    """End a delegation; whether this call ended it."""
    done = session.execute(
        sa.update(DelegationRow)
        .where(col(DelegationRow.id) == delegation_id, col(DelegationRow.end_time).is_(None))
        .values(end_time=at)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def index_again(session: Session, index: Callable[[str], bytes]) -> None:
    """Make the indexes of both sides again, by a new key."""
    rows = session.exec(
        select(DelegationRow.id, DelegationRow.grantor_code, DelegationRow.agent_code)
    ).all()
    for delegation_id, grantor, agent in rows:
        session.execute(
            sa.update(DelegationRow)
            .where(col(DelegationRow.id) == delegation_id)
            .values(grantor_index=index(grantor), agent_index=index(agent))
        )


def delegation_of(row: DelegationRow) -> Delegation:
    """A delegation as its row has it."""
    return Delegation(
        id=row.id,
        grantor_code=row.grantor_code,
        agent_name=row.agent_name,
        agent_code=row.agent_code,
        licenses=tuple(orjson.loads(row.licenses)),
        purpose=row.purpose,
        create_time=row.create_time,
        expire_time=row.expire_time,
        end_time=row.end_time,
        forms=tuple(map(ShownAs, orjson.loads(row.forms))),
    )
