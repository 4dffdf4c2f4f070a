"""Licenses of an issuer, page by page: by name, by the time of issuing, by holders' names."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from licenses.model import License
from licenses.store import HolderRow, LicenseRow, license_of
from runtime.database import UtcDateTime

_LAST = chr(0x10FFFF)


def issued(session: Session, issuer: str, *, after: str, size: int) -> list[License]:
    """Licenses of an issuer in order of id."""
    statement = (
        select(LicenseRow)
        .where(LicenseRow.issuer == issuer, col(LicenseRow.id) > after)
        .order_by(LicenseRow.id)
        .limit(size)
    )
    return [license_of(row) for row in session.exec(statement)]


def issued_by_time(
    session: Session, issuer: str, *, after: str, newest_first: bool, size: int
) -> list[License]:
    """Licenses of an issuer in order of the time of issuing, then of id; `after` is an id."""
    time, license_id = col(LicenseRow.issue_time), col(LicenseRow.id)
    conditions: list[Any] = [LicenseRow.issuer == issuer]
    if after:
        last = session.get(LicenseRow, after)
        if last is None or last.issuer != issuer:
            return []
        place = sa.tuple_(time, license_id)
        limit = sa.tuple_(sa.literal(last.issue_time, UtcDateTime), sa.literal(last.id))
        conditions.append(place < limit if newest_first else place > limit)
    order = [time.desc(), license_id.desc()] if newest_first else [time, license_id]
    statement = select(LicenseRow).where(*conditions).order_by(*order).limit(size)
    return [license_of(row) for row in session.exec(statement)]


def issued_to(
    session: Session, issuer: str, prefix: str, *, after: tuple[str, int] | None, size: int
) -> list[tuple[int, License]]:
    """Licenses of an issuer by their holders' names that begin so, in order of name, then of id.

    `prefix` is a key (`texts.search_key`). Each license comes with the place of that holder in it;
    `after` is the id and the place of one that was shown, so that no token holds a name.
    """
    key, license_id, place = (
        col(HolderRow.search_key),
        col(HolderRow.license_id),
        col(HolderRow.place),
    )
    conditions: list[Any] = [HolderRow.issuer == issuer, key >= prefix, key < prefix + _LAST]
    if after is not None:
        last = session.get(HolderRow, after)
        if last is None or last.issuer != issuer:
            return []
        conditions.append(
            sa.tuple_(key, license_id, place)
            > sa.tuple_(
                sa.literal(last.search_key), sa.literal(last.license_id), sa.literal(last.place)
            )
        )
    statement = (
        select(place, LicenseRow)
        .join(LicenseRow, col(LicenseRow.id) == license_id)
        .where(*conditions)
        .order_by(key, license_id, place)
        .limit(size)
    )
    return [(found, license_of(row)) for found, row in session.exec(statement)]
