"""Where looks are held (`licenses.accesses.model`). They are only added."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.accesses.model import KINDS, Look
from licenses.delegations.store import DelegationRow
from licenses.store import BIG_ID, HolderRow, LicenseRow, Table
from runtime.database import UtcDateTime
from runtime.identity import APPLICANTS
from runtime.records import SealedRecord

_OWN = (
    "held_licenses_listed", "license_document_read", "license_copy_read", "materials_planned",
)  # fmt: skip


class AccessRow(Table, table=True):
    """One use of a license."""

    __tablename__ = "license_access"
    __table_args__ = (sa.Index("access_of_license", "license_id", "id"),)

    id: int | None = Field(
        default=None, sa_column=sa.Column(BIG_ID, primary_key=True, autoincrement=True)
    )
    license_id: str = Field(max_length=32)
    at: datetime = Field(sa_type=UtcDateTime)
    system: str = Field(max_length=200)
    kind: str = Field(max_length=40)
    purpose: str = Field(sa_type=sa.Text)
    presentation: str = Field(max_length=32)
    result: str = Field(max_length=40)
    #: Id of the delegation under which it was done, or what was looked at was made; "" is none.
    delegation: str = Field(max_length=32)
    #: By the portal, for somebody whom nobody knows.
    visitor: bool
    #: Keys of the metadata that were shown, as JSON.
    fields: str = Field(sa_type=sa.Text)
    #: The leaf hash of the record (RFC 6962), empty of looks from before receipts were kept.
    receipt: bytes


class ReceiptRow(Table, table=True):
    """A leaf of the log and its salt, once for all the looks it tells of."""

    __tablename__ = "look_receipt"

    hash: bytes = Field(primary_key=True)
    leaf: bytes
    salt: bytes


def add_access(
    session: Session,
    license_id: str,
    *,
    at: datetime,
    system: str,
    kind: str,
    purpose: str,
    record: SealedRecord,
    fields: Sequence[str] = (),
    presentation: str = "",
    result: str = "",
    delegation: str = "",
    visitor: bool = False,
) -> None:
    """Keep who used a license for what, with the audit record that tells of it."""
    if kind not in KINDS:
        raise AssertionError(f"a look of no kind that people are told of: {kind}")
    receipt = leaf_hash(record.leaf)
    if session.get(ReceiptRow, receipt) is None:
        session.add(ReceiptRow(hash=receipt, leaf=record.leaf, salt=record.salt))
    session.add(
        AccessRow(
            license_id=license_id,
            at=at,
            system=system,
            kind=kind,
            purpose=purpose,
            presentation=presentation,
            result=result,
            delegation=delegation,
            visitor=visitor,
            fields=orjson.dumps(list(fields)).decode(),
            receipt=receipt,
        )
    )


def leaf_hash(leaf: bytes) -> bytes:
    """By what the log knows a leaf (RFC 6962 §2.1)."""
    return hashlib.sha256(b"\0" + leaf).digest()


def add_listed(
    session: Session,
    license_ids: Iterable[str],
    *,
    at: datetime,
    system: str,
    kind: str,
    record: SealedRecord,
) -> None:
    """Keep that licenses were listed whole, by one record."""
    for one in license_ids:
        add_access(
            session, one, at=at, system=system, kind=kind, purpose="", record=record, fields=("*",)
        )


def looks_of(
    session: Session,
    holder_index: bytes,
    *,
    license_id: str,
    before: int,
    size: int,
    without_own: bool = False,
) -> list[Look]:
    """Looks at a holder's licenses, or at one of them, newest first; `before` 0 is from the end."""
    row = AccessRow
    conditions: list[Any] = [col(HolderRow.holder_index) == holder_index]
    if license_id:
        conditions.append(col(row.license_id) == license_id)
    if before:
        conditions.append(col(row.id) < before)
    if without_own:
        # Of the applicants, only the holder can do these: an agent has other ways.
        own = col(row.kind).in_(_OWN) & col(row.system).startswith(f"{APPLICANTS}/")
        conditions.append(~own)
    statement = (
        select(row, LicenseRow, ReceiptRow, DelegationRow)
        .join(LicenseRow, col(LicenseRow.id) == col(row.license_id))
        .join(HolderRow, col(HolderRow.license_id) == col(row.license_id))
        .outerjoin(ReceiptRow, col(ReceiptRow.hash) == col(row.receipt))
        .outerjoin(DelegationRow, col(DelegationRow.id) == col(row.delegation))
        .where(*conditions)
        .order_by(col(row.id).desc())
        .limit(size)
    )
    return [
        Look(
            number=found.id or 0,
            license=f"{of.issuer}/licenses/{found.license_id}",
            title=str(orjson.loads(of.metadata_json)["ZZMC"]),
            at=found.at,
            system=found.system,
            kind=found.kind,
            fields=tuple(orjson.loads(found.fields)),
            purpose=found.purpose,
            presentation=found.presentation,
            result=found.result,
            delegation=found.delegation,
            agent_name=under.agent_name if under and under.grantor_index == holder_index else "",
            visitor=found.visitor,
            leaf=bytes(receipt.leaf) if receipt else b"",
            salt=bytes(receipt.salt) if receipt else b"",
            as_of=_as_of(receipt.leaf) if receipt else "",
        )
        for found, of, receipt, under in session.exec(statement)
    ]


def _as_of(leaf: bytes) -> str:
    """The time that a look was about, as its record has it; "" is its own."""
    return str(orjson.loads(leaf).get("as_of", ""))
