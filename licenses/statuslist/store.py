"""Where the places of licenses in status lists are held. A place is given once and never again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.model import LicenseState
from licenses.statuslist.model import Status, status_of
from licenses.store import BIG_ID, LicenseRow, Table

_AT_ONCE = 10_000
#: Named one by one, so that the index of states finds them: most licenses are in force.
_ENDED = tuple(one.value for one in LicenseState if one is not LicenseState.ACTIVE)


class StatusRow(Table, table=True):
    """A license's place."""

    __tablename__ = "license_status"
    __table_args__ = (sa.UniqueConstraint("list", "place", name="license_status_place_once"),)

    license_id: str = Field(primary_key=True, max_length=32)
    number: int = Field(sa_column=sa.Column(BIG_ID, nullable=False, unique=True))
    list: int
    place: int


class StatusCounterRow(Table, table=True):
    """How many places were given, in one row."""

    __tablename__ = "license_status_counter"

    id: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    last: int = Field(sa_type=sa.BigInteger)


def place(
    session: Session, license_id: str, where: Callable[[int], tuple[int, int]]
) -> tuple[int, int]:
    """A license's list and place; given now where it has none. `where` is of the nth."""
    held = session.get(StatusRow, license_id)
    if held is not None:
        return held.list, held.place
    while True:
        taken = sa.text(
            "INSERT INTO license_status_counter (id, last) VALUES (1, 0) "
            "ON CONFLICT (id) DO UPDATE SET last = license_status_counter.last + 1 RETURNING last"
        )
        number = int(session.execute(taken).scalar_one())
        of_list, at = where(number)
        # Where the node's key was changed a place may be taken already: the next one is not.
        if _is_free(session, of_list, at):
            break
    session.add(StatusRow(license_id=license_id, number=number, list=of_list, place=at))
    session.flush()
    return of_list, at


def _is_free(session: Session, of_list: int, at: int) -> bool:
    return not license_at(session, of_list, at)


def license_at(session: Session, of_list: int, at: int) -> str:
    """The id of the license at a place; "" where none is."""
    statement = select(StatusRow.license_id).where(StatusRow.list == of_list, StatusRow.place == at)
    return session.exec(statement).first() or ""


def lists(session: Session) -> list[int]:
    """The numbers of the lists that have places given."""
    statement = select(StatusRow.list).distinct().order_by(col(StatusRow.list))
    return list(session.exec(statement))


def entries(session: Session, of_list: int) -> Iterator[tuple[int, Status]]:
    """The places of a list whose licenses are not in force, and how; in portions."""
    statement = (
        select(StatusRow.place, LicenseRow.state)
        .join(LicenseRow, col(LicenseRow.id) == col(StatusRow.license_id))
        # Not by the index of places (hence + 0): that would look at every license of the list.
        .where(col(StatusRow.list) + 0 == of_list, col(LicenseRow.state).in_(_ENDED))
        .execution_options(yield_per=_AT_ONCE)
    )
    for at, state in session.execute(statement):
        yield at, status_of(LicenseState(state))
