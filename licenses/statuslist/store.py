"""Where the places in status lists are held. A place is given once and to nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.model import LicenseState
from licenses.presentations.store import PresentationRow
from licenses.states.store import StateRow
from licenses.statuslist.model import Places, Status, status_of
from licenses.store import LicenseRow, Table
from runtime.database import UtcDateTime

_AT_ONCE = 10_000
#: Named one by one, so that the index of states finds them: most licenses are in force.
_ENDED = tuple(one.value for one in LicenseState if one is not LicenseState.ACTIVE)


class PlaceRow(Table, table=True):
    """A place, and of what it is."""

    __tablename__ = "license_place"
    __table_args__ = (
        sa.UniqueConstraint("license_id", "showing", name="license_place_once"),
        sa.Index("license_place_over", "until"),
    )

    list: int = Field(primary_key=True)
    place: int = Field(primary_key=True)
    license_id: str = Field(max_length=32)
    #: "" is the license's own file; else the SHA-256 of a wallet's key, or a presentation's id.
    showing: str = Field(max_length=64)
    #: When nobody asks for it any more; None is as long as the license.
    until: datetime | None = Field(sa_type=UtcDateTime, nullable=True)


class StatusCounterRow(Table, table=True):
    """How many places of a sequence were given; and at 3 how often presentations were ended."""

    __tablename__ = "license_status_counter"

    id: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    last: int = Field(sa_type=sa.BigInteger)


# Statements of every issuance, written once.
_ADD = sa.insert(PlaceRow.__table__)  # type: ignore[attr-defined]
_HELD = sa.text(
    "SELECT list, place FROM license_place WHERE license_id = :license_id AND showing = :showing"
)
_HELD_BY = sa.text(
    "SELECT license_id, list, place FROM license_place "
    "WHERE license_id IN :license_ids AND showing = ''"
).bindparams(sa.bindparam("license_ids", expanding=True))
_TAKEN = sa.text("SELECT 1 FROM license_place WHERE list = :list AND place = :place")
_TAKE = sa.text(
    "INSERT INTO license_status_counter (id, last) VALUES (:id, 0) "
    "ON CONFLICT (id) DO UPDATE SET last = license_status_counter.last + 1 RETURNING last"
)


def place(
    session: Session,
    license_id: str,
    where: Callable[[int], tuple[int, int]],
    *,
    showing: str = "",
    places: Places = Places.LASTING,
    until: datetime | None = None,
) -> tuple[int, int]:
    """List and place of a showing; given now where it has none. `where` is of the nth."""
    held = held_place(session, license_id, showing)
    if held is not None:
        return held
    while True:
        number = int(session.execute(_TAKE, {"id": int(places)}).scalar_one())
        of_list, at = where(number)
        # Where the node's key was changed a place may be taken already: the next one is not.
        if session.execute(_TAKEN, {"list": of_list, "place": at}).first() is None:
            break
    values = {"license_id": license_id, "showing": showing, "until": until}
    session.execute(_ADD, {"list": of_list, "place": at, **values})
    return of_list, at


def held_place(session: Session, license_id: str, showing: str) -> tuple[int, int] | None:
    """List and place of a showing, where it has them."""
    held = session.execute(_HELD, {"license_id": license_id, "showing": showing}).first()
    return None if held is None else (held[0], held[1])


def held_places(session: Session, license_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """List and place of the own files of some licenses, by their ids, of those that have them."""
    rows = session.execute(_HELD_BY, {"license_ids": list(license_ids)})
    return {row[0]: (row[1], row[2]) for row in rows}


def license_at(session: Session, of_list: int, at: int) -> str:
    """The id of the license at a place; "" where none is."""
    row = session.get(PlaceRow, (of_list, at))
    return row.license_id if row else ""


def lists(session: Session) -> list[int]:
    """The numbers of the lists that have places given."""
    statement = select(PlaceRow.list).distinct().order_by(col(PlaceRow.list))
    return list(session.exec(statement))


def given(session: Session, places: Places) -> int:
    """How many places of a sequence were given."""
    row = session.get(StatusCounterRow, int(places))
    return row.last + 1 if row else 0


def changes(session: Session) -> tuple[int, ...]:
    """What differs as soon as any list would say something else, or of something new."""
    counted = session.exec(select(StatusCounterRow.last).order_by(col(StatusCounterRow.id))).all()
    return (session.exec(select(sa.func.max(StateRow.id))).one() or 0, *counted)


def forget_over(session: Session, now: datetime) -> None:
    """Remove the places of what is over."""
    session.execute(sa.delete(PlaceRow).where(col(PlaceRow.until) < now))


def entries(session: Session, of_list: int) -> Iterator[tuple[int, Status]]:
    """The places of a list that are not VALID, and how; in portions."""
    row = PlaceRow
    ended = (
        select(row.place, LicenseRow.state)
        .join(LicenseRow, col(LicenseRow.id) == col(row.license_id))
        # Not by the index of places (hence + 0): that would look at every license of the list.
        .where(col(row.list) + 0 == of_list, col(LicenseRow.state).in_(_ENDED))
        .execution_options(yield_per=_AT_ONCE)
    )
    of_codes, told = of_list >= Places.CODES.first, set()
    for at, state in session.execute(ended):
        yield at, status_of(LicenseState(state))
        if of_codes:
            told.add(at)
    if not of_codes:
        return
    by_holder = (
        select(row.place)
        .join(PresentationRow, col(PresentationRow.id) == col(row.showing))
        .where(row.list == of_list, col(PresentationRow.ended).is_(True))
        .execution_options(yield_per=_AT_ONCE)
    )
    for (at,) in session.execute(by_holder):
        if at not in told:
            yield at, Status.ENDED
