"""Which license has which claim: one row a claim, so that of two at once the database refuses one.

1. A claim is kept as a keyed index (`HolderIndex`), never as it is.
2. `next_id` is the version that takes the place of `license_id`: the claim is handed to it when
   that one ends, and both in the transaction of the change of state (`licenses.store.move`).
3. A claim of a license that is over by its last day holds nobody up.
4. The claims of a type are made anew, of what is in force, when its rules or the key are others.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.claims.model import Claim, claims_of
from licenses.holder_index import HolderIndex
from licenses.model import License, LicenseState
from licenses.store import LicenseRow, Table, license_of
from licenses.types.model import LicenseType

_LIVE = (LicenseState.ISSUING.value, LicenseState.ACTIVE.value, LicenseState.SUSPENDED.value)
_PAGE = 500


class ClaimRow(Table, table=True):
    """One claim; `valid_to` and `next_valid_to` are YYYY-MM-DD, "" without end."""

    __tablename__ = "license_claim"
    __table_args__ = (
        sa.Index("license_claim_of_license", "license_id"),
        sa.Index("license_claim_of_next", "next_id"),
    )

    type_id: str = Field(primary_key=True, max_length=63)
    what: str = Field(primary_key=True, max_length=32)
    value_index: bytes = Field(primary_key=True)
    license_id: str = Field(max_length=32)
    valid_to: str = Field(max_length=10)
    next_id: str = Field(max_length=32)
    next_valid_to: str = Field(max_length=10)


class RuleRow(Table, table=True):
    """By which version of a type, and which key, its claims were made."""

    __tablename__ = "license_claim_rule"

    type_id: str = Field(primary_key=True, max_length=63)
    type_version: int
    fingerprint: bytes


def take(
    session: Session, license_: License, claims: Sequence[Claim], index: HolderIndex, today: str
) -> str:
    """Claim for a license; what another has (`Claim.what`), "" where nothing is.

    Two that claim one at once make the second's transaction fail (Aborted).
    """
    valid_to = license_.valid_to.isoformat() if license_.valid_to else ""
    if _is_over(valid_to, today):
        return ""
    # In one order, or two transactions could wait for each other.
    for what, key in sorted((one.what, index(one.key)) for one in claims):
        row = session.get(ClaimRow, (license_.type_id, what, key), with_for_update=True)
        if row is None:
            row = ClaimRow(
                type_id=license_.type_id,
                what=what,
                value_index=key,
                license_id=license_.id,
                valid_to=valid_to,
                next_id="",
                next_valid_to="",
            )
            session.add(row)
            session.flush()
        elif license_.predecessor and row.license_id == license_.predecessor:
            row.next_id, row.next_valid_to = license_.id, valid_to
        elif _is_over(row.valid_to, today) and (
            not row.next_id or _is_over(row.next_valid_to, today)
        ):
            row.license_id, row.valid_to, row.next_id, row.next_valid_to = (
                license_.id,
                valid_to,
                "",
                "",
            )
        else:
            return what
    session.flush()
    return ""


def _is_over(valid_to: str, today: str) -> bool:
    return bool(valid_to) and valid_to < today


def keep(session: Session, kind: LicenseType, version: int, index: HolderIndex, today: str) -> None:
    """Make the claims of a type anew where they were made by other rules (rule 4).

    Of what was in force twice before, the first that was issued has the claim.
    """
    rule = session.get(RuleRow, kind.id)
    if rule is not None and rule.type_version >= version and rule.fingerprint == index.fingerprint:
        return
    session.execute(sa.delete(ClaimRow).where(col(ClaimRow.type_id) == kind.id))
    # A version that follows another comes after it.
    for states in (_LIVE[1:], _LIVE[:1]):
        after: License | None = None
        while found := _live(session, kind.id, states, after):
            for one in found:
                take(session, one, claims_of(kind, one.holders, one.metadata), index, today)
            after = found[-1]
    if rule is None:
        rule = RuleRow(type_id=kind.id, type_version=version, fingerprint=index.fingerprint)
        session.add(rule)
    rule.type_version, rule.fingerprint = max(version, rule.type_version), index.fingerprint
    session.flush()


def _live(
    session: Session, type_id: str, states: Sequence[str], after: License | None
) -> list[License]:
    issued, named = col(LicenseRow.issue_time), col(LicenseRow.id)
    statement = (
        select(LicenseRow)
        .where(LicenseRow.type_id == type_id, col(LicenseRow.state).in_(states))
        .order_by(issued, named)
        .limit(_PAGE)
    )
    if after is not None:
        later = sa.and_(issued == after.issue_time, named > after.id)
        statement = statement.where(sa.or_(issued > after.issue_time, later))
    return [license_of(row) for row in session.exec(statement)]
