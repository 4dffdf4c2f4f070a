"""Which licenses have which claim: one row for each license and claim.

1. A claim is kept as a keyed index (`HolderIndex`), never as it is.
2. It is refused where another license has it that is not over, or is valid on one of its days: so
   two are never in force on one day, whatever the clock said when they were made. What is over
   itself is refused nothing but the number of a paper of those days.
3. A version and the one before it have theirs beside each other; with a license's end its own are
   gone (`licenses.store.move`), in the transaction of the change of state.
4. What several had before there was a rule stays theirs: a version keeps what the one before it
   had, beside whoever had it then. To anybody else it is refused until the last of them ended.
5. The claims of a type are made anew, of what is in force, when its version or the key is another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from orjson import loads
from sqlmodel import Field, Session, col, select

from licenses.claims.model import PAPER, Claim, claims_of
from licenses.holder_index import HolderIndex
from licenses.model import Holder, License, LicenseState
from licenses.store import LicenseRow, Table
from licenses.types.model import HolderCodeType, LicenseType
from runtime.errors import Aborted

_LIVE = (LicenseState.ISSUING.value, LicenseState.ACTIVE.value, LicenseState.SUSPENDED.value)
_PAGE = 2000
#: Of a holder who is looked at for their code alone.
_ANY = HolderCodeType.CITIZEN_NUMBER
_NO_END = "9999-12-31"


class ClaimRow(Table, table=True):
    """One license's claim; `place` tells apart those who have it. Days are YYYY-MM-DD."""

    __tablename__ = "license_claim"
    __table_args__ = (sa.Index("license_claim_of_license", "license_id"),)

    type_id: str = Field(primary_key=True, max_length=63)
    what: str = Field(primary_key=True, max_length=32)
    value_index: bytes = Field(primary_key=True)
    place: int = Field(primary_key=True)
    license_id: str = Field(max_length=32)
    valid_from: str = Field(max_length=10)
    valid_to: str = Field(max_length=10)


class RuleRow(Table, table=True):
    """By which version of a type, and which key, its claims were made."""

    __tablename__ = "license_claim_rule"

    type_id: str = Field(primary_key=True, max_length=63)
    type_version: int
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The version whose place a license takes, and what that one claims by the same rules."""

    license: License
    claims: Collection[Claim] = field(repr=False)

    @classmethod
    def of(cls, kind: LicenseType, license_: License) -> Before:
        """By the rules of a type."""
        claims = claims_of(kind, license_.holders, license_.metadata)
        return cls(license=license_, claims=claims)


def take(
    session: Session,
    license_: License,
    claims: Sequence[Claim],
    index: HolderIndex,
    today: str,
    before: Before | None = None,
) -> str:
    """Claim for a license; what another has (`Claim.what`), "" where nothing is.

    Two that claim one at once make the second's transaction fail (Aborted).
    """
    first, last = _days(license_)
    kept = {one.key for one in before.claims} if before else set()
    # In one order, or two transactions could wait for each other.
    for what, key, is_kept in sorted((one.what, index(one.key), one.key in kept) for one in claims):
        rows = _rows(session, license_.type_id, what, key)
        for row in rows:
            if before is not None and row.license_id == before.license.id:
                continue
            if before is not None and is_kept and _meet(row, *_days(before.license)):
                continue
            in_force = last >= today and row.valid_to >= today
            if in_force or (_meet(row, first, last) and (last >= today or what == PAPER)):
                return what
        session.add(
            ClaimRow(
                type_id=license_.type_id,
                what=what,
                value_index=key,
                place=max((row.place for row in rows), default=-1) + 1,
                license_id=license_.id,
                valid_from=first,
                valid_to=last,
            )
        )
        session.flush()
    return ""


def _rows(session: Session, type_id: str, what: str, key: bytes) -> Sequence[ClaimRow]:
    """Who has a claim, each held until the transaction ends."""
    statement = select(ClaimRow).where(
        ClaimRow.type_id == type_id, ClaimRow.what == what, ClaimRow.value_index == key
    )
    if not session.exec(statement.with_for_update()).all():
        return []
    # Once more: whoever was waited for may have added one.
    return session.exec(statement).all()


def _days(license_: License) -> tuple[str, str]:
    last = license_.valid_to.isoformat() if license_.valid_to else _NO_END
    return license_.valid_from.isoformat(), last


def _meet(row: ClaimRow, first: str, last: str) -> bool:
    """Whether both are valid on one day."""
    return row.valid_from <= last and first <= row.valid_to


def keep(session: Session, kind: LicenseType, version: int, index: HolderIndex) -> None:
    """Make the claims of a type anew where they were made by another version or key (rule 5).

    Holds the rule until the transaction ends: a version that is put meanwhile waits. Raises Aborted
    where a later version was put since this one was read.
    """
    rule = session.get(RuleRow, kind.id, with_for_update={"read": True})
    if rule is not None and rule.type_version > version:
        raise Aborted(
            "the license type was changed at the same moment: repeat the request",
            reason="TYPE_CHANGED",
            message_zh="证照类型刚刚变更：请重试",
        )
    if rule is not None and (rule.type_version, rule.fingerprint) == (version, index.fingerprint):
        return
    session.execute(sa.delete(ClaimRow).where(col(ClaimRow.type_id) == kind.id))
    places: Counter[tuple[str, bytes]] = Counter()
    for page in _live(session, kind.id):
        rows: list[dict[str, Any]] = []
        for license_id, holders, metadata, first, last in page:
            people = [Holder(name="", code=code, code_type=_ANY) for _, code, _ in loads(holders)]
            for claim in claims_of(kind, people, loads(metadata)):
                what, key = claim.what, index(claim.key)
                rows.append(
                    {
                        "type_id": kind.id,
                        "what": what,
                        "value_index": key,
                        "place": places[what, key],
                        "license_id": license_id,
                        "valid_from": first,
                        "valid_to": last or _NO_END,
                    }
                )
                places[what, key] += 1
        if rows:
            session.execute(sa.insert(ClaimRow.__table__), rows)  # type: ignore[attr-defined]
    if rule is None:
        rule = RuleRow(type_id=kind.id, type_version=version, fingerprint=index.fingerprint)
        session.add(rule)
    rule.type_version, rule.fingerprint = version, index.fingerprint
    session.flush()


def is_kept(session: Session, type_id: str) -> bool:
    """Whether there are claims of a type, by any of its versions."""
    return session.get(RuleRow, type_id) is not None


def _live(session: Session, type_id: str) -> Iterator[Sequence[Any]]:
    """Of what is being issued or in force, what is claimed and for which days; by pages."""
    after = ""
    while True:
        statement = (
            sa.select(
                col(LicenseRow.id),
                col(LicenseRow.holders_json),
                col(LicenseRow.metadata_json),
                col(LicenseRow.valid_from),
                col(LicenseRow.valid_to),
            )
            .where(
                col(LicenseRow.type_id) == type_id,
                col(LicenseRow.state).in_(_LIVE),
                col(LicenseRow.id) > after,
            )
            .order_by(col(LicenseRow.id))
            .limit(_PAGE)
        )
        found = session.execute(statement).all()
        if not found:
            return
        yield found
        after = found[-1][0]


def doubled(session: Session, type_id: str, today: str) -> int:
    """How many claims several licenses in force have: one row is of whom the rule is kept."""
    issuing = select(LicenseRow.id).where(
        LicenseRow.state == LicenseState.ISSUING.value, LicenseRow.type_id == type_id
    )
    several = (
        select(ClaimRow.value_index)
        .where(
            ClaimRow.type_id == type_id,
            col(ClaimRow.valid_to) >= today,
            col(ClaimRow.license_id).not_in(issuing),
        )
        .group_by(col(ClaimRow.what), col(ClaimRow.value_index))
        .having(sa.func.count() > 1)
        .subquery()
    )
    return int(session.execute(select(sa.func.count()).select_from(several)).scalar_one())
