"""Every statement that writes a use of a seal: fixed SQL on a driver's own connection.

1. A sealing's state moves only from the states that its statement names: a lost race moves nothing.
2. What was to be signed is dropped at release: the released document holds it, byte for byte.
3. A seal's row is held against changes by the transaction that notes its use. It is read whole once
   for each of its revisions, which every change counts up.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime
from typing import Final

from runtime.database import Database, FixedWork
from seal import store
from seal.orders import SealingState
from seal.registry import HeldSeal
from seal.store import Sealing

_SEALS_KEPT: Final = 256
_COLUMNS: Final = (
    "id, seal, actor, request_id, request_digest, format, kind, reason, sha256_before, "
    "stamp_count, state, tbs, seal_time, prepared_at"
)


class SealingNotes:
    """The notes of one database. Its calls come from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        sql = database.held.sql
        revision = "SELECT revision FROM seal WHERE name = ?"
        self._revision = sql(revision)
        # SQLite has one writer at a time anyway.
        self._revision_held = sql(revision + ("" if database.is_sqlite else " FOR SHARE"))
        self._begun = sql("SELECT 1 FROM sealing WHERE actor = ? AND request_id = ? LIMIT 1")
        marks = ", ".join("?" * 14)
        self._add = sql(f"INSERT INTO sealing ({_COLUMNS}) VALUES ({marks})")  # noqa: S608
        self._signed = sql(
            "UPDATE sealing SET state = 'SIGNED', sha256_after = ?, signed_at = ? "
            "WHERE id = ? AND state = 'PREPARED'"
        )
        self._released = sql(
            "UPDATE sealing SET state = 'RELEASED', tbs = NULL, ended_at = ? "
            "WHERE id = ? AND state = 'SIGNED'"
        )
        self._failed = sql(
            "UPDATE sealing SET state = 'FAILED', failure = ?, ended_at = ? "
            "WHERE id = ? AND state IN ('PREPARED', 'SIGNED')"
        )
        self._lock = threading.Lock()
        self._seals: OrderedDict[str, HeldSeal] = OrderedDict()

    # --- seals -------------------------------------------------------------------------------

    def seal(self, name: str) -> HeldSeal | None:
        """A seal as it is now."""
        row = self._database.held.row(self._revision, (name,))
        return None if row is None else self._of_revision(name, row[0])

    def seal_for_use(self, work: FixedWork, name: str) -> HeldSeal | None:
        """A seal that stays as it is until the transaction ends; read once for all its notes."""
        if name not in work.memo:
            row = work.row(self._revision_held, (name,))
            work.memo[name] = None if row is None else self._of_revision(name, row[0])
        found: HeldSeal | None = work.memo[name]
        return found

    def _of_revision(self, name: str, revision: int) -> HeldSeal | None:
        with self._lock:
            known = self._seals.get(name)
        if known is not None and known.revision == revision:
            return known
        with self._database.reading() as session:
            found = store.find_seal(session, name)
        if found is not None:
            with self._lock:
                self._seals[name] = found
                self._seals.move_to_end(name)
                while len(self._seals) > _SEALS_KEPT:
                    self._seals.popitem(last=False)
        return found

    # --- sealings ----------------------------------------------------------------------------

    def has_begun(self, *, actor: str, request_id: str) -> bool:
        """Whether there is any sealing of a request id."""
        return self._database.held.row(self._begun, (actor, request_id)) is not None

    def add(
        self, work: FixedWork, sealing: Sealing, *, request_id: str, request_digest: bytes
    ) -> None:
        """Keep a sealing that is PREPARED: before its key is asked."""
        work.run(
            self._add,
            (
                sealing.id,
                sealing.seal,
                sealing.actor,
                request_id,
                request_digest,
                sealing.format.value,
                sealing.kind,
                sealing.reason,
                sealing.sha256_before,
                sealing.stamp_count,
                SealingState.PREPARED.value,
                sealing.tbs,
                work.time(sealing.seal_time),
                work.time(sealing.prepared_at),
            ),
        )

    def mark_signed(
        self, work: FixedWork, sealing: str, *, sha256_after: str, at: datetime
    ) -> bool:
        """PREPARED → SIGNED; whether it was PREPARED."""
        return work.run(self._signed, (sha256_after, work.time(at), sealing)) == 1

    def mark_released(self, work: FixedWork, sealing: str, *, at: datetime) -> bool:
        """SIGNED → RELEASED, dropping what was to be signed; whether it was SIGNED."""
        return work.run(self._released, (work.time(at), sealing)) == 1

    def mark_failed(self, work: FixedWork, sealing: str, *, failure: str, at: datetime) -> bool:
        """PREPARED or SIGNED → FAILED, with a stable word why; whether it was either."""
        return work.run(self._failed, (failure, work.time(at), sealing)) == 1
