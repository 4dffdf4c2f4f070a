"""Pictures and scans: put before a license that names them is reserved, swept where none came.

1. Noted, then put, then named in the transaction that reserves the license. One that is no longer
   noted then was swept meanwhile (only where an hour went by, or the clock jumped): whoever asked
   puts it again.
2. What a license names, or an abandoned one, is never swept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import timedelta
from typing import Final

from licenses.documents import Documents
from licenses.enclosures import store
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import Aborted

#: How long what is put may wait for the license that names it; no request takes so long.
GRACE: Final = timedelta(hours=1)
_AT_ONCE: Final = 20


class Enclosures:
    """The use case of keeping pictures and scans."""

    def __init__(self, database: Database, documents: Documents, clock: Clock) -> None:
        self._database = database
        self._documents = documents
        self._clock = clock

    def keep(self, found: Collection[bytes]) -> None:
        """Put what a license will name. Raises Unavailable."""
        if not found:
            return
        with self._database.unit_of_work() as work:
            store.note(work.session, _digests(found), self._clock.now())
        for data in found:
            self._documents.enclose(data)

    def name(self, work: UnitOfWork, found: Collection[bytes]) -> None:
        """In the transaction that reserves the license. Raises Aborted, ENCLOSURE_SWEPT."""
        if not store.name(work.session, _digests(found)):
            raise Aborted(
                "a picture or scan was cleaned away before the license was reserved: ask again",
                reason="ENCLOSURE_SWEPT",
                message_zh="照片或扫描件在登记证照前已被清理：请重试",
            )

    def sweep(self) -> int:
        """Take away what no license came to name; how many. Raises Unavailable."""
        before = self._clock.now() - GRACE
        with self._database.reading() as session:
            left = store.loose(session, before, _AT_ONCE)
        gone = 0
        for digest in left:
            with self._database.unit_of_work() as work:
                if store.forget(work.session, digest, before):
                    self._documents.take_away(digest)
                    gone += 1
        return gone


def _digests(found: Collection[bytes]) -> set[str]:
    return {hashlib.sha256(data).hexdigest() for data in found}
