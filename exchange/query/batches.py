"""A chunk of keys: as it was sent, once it is read, and as it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.audit.model import Receipt
from exchange.grants.model import Grant
from runtime.identity import Principal
from runtime.records import SealedRecord, canonical, instant
from runtime.signed import RequestSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One chunk, as it was sent."""

    grant: str
    keys: Sequence[str]
    items: Sequence[str]
    purpose: str
    case_number: str
    signed: RequestSignature | None = None
    #: As whom it came: `Query` of several keys, or `BatchQuery`.
    method: str = "BatchQuery"
    #: As of when; None for what is held now.
    read_time: datetime | None = None

    def text(self) -> bytes:
        """What a receipt commits to."""
        return canonical(
            {
                "grant": self.grant,
                "keys": self.keys,
                "items": self.items,
                "purpose": self.purpose,
                "case_number": self.case_number,
                **self.then,
            }
        )

    def committed(self) -> dict[str, bytes]:
        """What else a record commits to."""
        return {
            "keys": canonical(self.keys),
            "purpose": self.purpose.encode(),
            "case_number": self.case_number.encode(),
        }

    @property
    def then(self) -> Mapping[str, str]:
        """What a leaf and a request say of the time; nothing where none was asked for."""
        return {} if self.read_time is None else {"read_time": instant(self.read_time)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyRecords:
    """Records in the order of the keys, None for an absent one; and the proof of having asked."""

    records: Sequence[Mapping[str, str] | None]
    receipt: Receipt

    @property
    def any_found(self) -> bool:
        """Whether any key has a record."""
        return any(record is not None for record in self.records)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBatch:
    """A chunk whose records are read, and whose answer is not logged yet."""

    principal: Principal
    batch: Batch
    #: As it was when they were read.
    grant: Grant
    at: datetime
    found: Sequence[Mapping[str, str] | None]
    record: SealedRecord
    tags: bytes
