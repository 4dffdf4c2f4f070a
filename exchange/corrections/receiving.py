"""What a leaf of the log says that somebody was told of a record, and how leaves are found.

1. Leaves are found through the index of accesses, by the record's key; what was erased from the
   salts is found no more, and what was told before the index was kept never was in it.
2. Which version was told: of a question about the past the one of its `read_time`, of an export
   into files the one held at its `offset`, of a delivery those between its offsets, of any other
   what was held at its time. A batch that is published at
   that moment may have been seen or not, so that `SLACK` around it counts as seen.
3. What a source's own system answered (`source`: `endpoint`) is no version that the node knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from exchange.audit.appending import AuditLog

SLACK = timedelta(seconds=30)
#: Questions and deliveries, by what they did: all kinds of leaves that tell of records.
BY_KEY = frozenset({"query", "verify", "batch_query"})
DELIVERED = "changes_delivered"
PAGE = 500
_NEWEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One leaf about a record."""

    index: int
    time: datetime
    kind: str
    resource: str
    grant: str
    contract: str
    items: tuple[str, ...]
    #: Whether the record was found; None where the leaf does not say it of one record.
    found: bool | None
    subscription: str
    read_time: datetime | None
    first_offset: int
    last_offset: int
    #: Of an export into files; 0 of any other.
    read_offset: int
    by_endpoint: bool

    @property
    def by_key(self) -> bool:
        """Whether the key was sent by who asked."""
        return self.kind in BY_KEY


def told_of(audit: AuditLog, key: str, *, limit: int) -> Iterator[Told]:
    """What the log has about a key, the newest first, at most `limit` leaves."""
    store, tag, before = audit.accesses, audit.tags((key,)), _NEWEST
    while limit > 0:
        indexes = store.of(tag, before, min(PAGE, limit))
        for index, leaf in store.leaves(indexes):
            if (told := _told(index, leaf)) is not None:
                yield told
        if len(indexes) < min(PAGE, limit):
            return
        before, limit = indexes[-1], limit - len(indexes)


def _told(index: int, leaf: bytes) -> Told | None:
    body = orjson.loads(leaf)
    if not body.get("grant") or "items" not in body:
        return None  # not an answer under a grant
    kind = body["kind"]
    found = body.get("found")
    past = body.get("read_time")
    return Told(
        index=index,
        time=datetime.fromisoformat(body["time"]),
        kind=kind,
        resource=body.get("resource", ""),
        grant=body["grant"],
        contract=body.get("contract", ""),
        items=tuple(body["items"]),
        found=bool(found) if kind == "query" and found is not None else None,
        subscription=body.get("subscription", ""),
        read_time=datetime.fromisoformat(past) if past else None,
        first_offset=int(body.get("first_offset", 0)),
        last_offset=int(body.get("last_offset", 0)),
        read_offset=int(body.get("offset", 0)),
        by_endpoint=body.get("source") == "endpoint",
    )
