"""Copies that were made, for the holder of their licenses: to see, to take again, to withdraw.

1. To others than the holder a copy does not exist; one that was begun and never made does not
   either.
2. A copy has the bytes that it was made with, whatever became of its license. That it was taken is
   in the audit log, and a look for the holder.
3. A while after a copy is over its bytes are taken away; a collection keeps its own copies as long
   as itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.copies import store
from licenses.copies.model import EndorsedCopy, HeldCopy, still_serves
from licenses.copies.service import place_of
from licenses.held import is_delegation_open, is_holder
from licenses.holder_index import HolderIndex
from licenses.holders import check_identified
from licenses.model import License
from licenses.store import Reads
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import NotFound
from runtime.identity import Principal
from runtime.objects import ObjectStore, get_content
from runtime.paging import moment_of
from runtime.records import make_record

#: How long a copy's bytes are kept after it is over.
KEPT: Final = timedelta(days=30)
SWEPT_EVERY: Final = timedelta(hours=1)
_AT_ONCE: Final = 100


def copy_not_found() -> NotFound:
    """The one refusal for a copy that is absent and for one of somebody else's license."""
    return NotFound(
        "no such copy: see those of your licenses with ListEndorsedCopies",
        reason="COPY_NOT_FOUND",
        message_zh="没有这份加注件：请查看加注件列表",
    )


class KeptCopies:
    """The use cases of seeing and taking."""

    def __init__(
        self, database: Database, objects: ObjectStore, index: HolderIndex, clock: Clock
    ) -> None:
        self._database = database
        self._objects = objects
        self._index = index
        self._clock = clock
        self._swept: datetime | None = None

    def sweep(self) -> int:
        """Take away the bytes of what is over; how many. Raises Unavailable.

        Some at a time, and when there are no more, hourly.
        """
        now = self._clock.now()
        if self._swept is not None and now - self._swept < SWEPT_EVERY:
            return 0
        with self._database.reading() as session:
            left = store.over(session, now - KEPT, _AT_ONCE)
        for copy in left:
            self._objects.delete(place_of(copy.sha256, copy.form))
            with self._database.unit_of_work() as work:
                store.swept(work.session, copy.id, now)
        if not left:
            self._swept = now
        return len(left)

    def listed(
        self, holder_code: str, *, license_: str, size: int, token: str, principal: Principal
    ) -> list[HeldCopy]:
        """Copies of a holder's licenses, or of one, newest first: at most `size` + 1.

        Others than the holder see none. Raises InvalidArgument (BAD_PAGE_TOKEN, MALFORMED_NAME).
        """
        if license_:
            names.parse(names.LICENSE, license_, field="license")
        before = moment_of(token)
        if not check_identified(principal, holder_code):
            return []
        with self._database.reading() as session:
            return store.of_holder(
                session,
                self._index(holder_code),
                license_id=license_.rpartition("/")[2],
                before=before,
                size=size + 1,
                now=self._clock.now(),
            )

    def read(self, name: str, holder_code: str, *, principal: Principal) -> tuple[HeldCopy, bytes]:
        """A copy and its bytes. Raises NotFound (COPY_NOT_FOUND) and DataLoss."""
        ids = names.parse(names.COPY, name)
        check_identified(principal, holder_code, copy_not_found)
        now, kind = self._clock.now(), "license_copy_read"
        with self._database.reading() as session:
            copy, license_ = _own(session, ids["copy"], holder_code)
            found = _held(session, copy, license_, now)
        data = get_content(self._objects, place_of(copy.sha256, copy.form))
        record = make_record(
            kind,
            at=now,
            actor=principal.system,
            facts={},
            commitments={
                "copy": copy.name.encode(),
                "sha256": copy.sha256.encode(),
                "license": license_.name.encode(),
                "holder_code": holder_code.encode(),
            },
        )
        with self._database.unit_of_work() as work:
            accesses.add_access(
                work.session,
                license_.id,
                at=now,
                system=principal.system,
                kind=kind,
                purpose=copy.purpose,
                record=record,
                fields=("*",),
            )
            work.record(record)
        return found, data

    def end(
        self, work: UnitOfWork, name: str, holder_code: str, *, principal: Principal
    ) -> HeldCopy:
        """Withdraw a copy; to do so twice changes nothing. Raises NotFound (COPY_NOT_FOUND)."""
        ids = names.parse(names.COPY, name)
        check_identified(principal, holder_code, copy_not_found)
        copy, license_ = _own(work.session, ids["copy"], holder_code)
        now = self._clock.now()
        if store.end(work.session, copy.id, now):
            kind = "license_copy_ended"
            copy = replace(copy, end_time=now)
            record = make_record(
                kind,
                at=now,
                actor=principal.system,
                facts={},
                commitments={
                    "copy": copy.name.encode(),
                    "license": license_.name.encode(),
                    "holder_code": holder_code.encode(),
                },
            )
            accesses.add_access(
                work.session,
                license_.id,
                at=now,
                system=principal.system,
                kind=kind,
                purpose=copy.purpose,
                record=record,
            )
            work.record(record)
        return _held(work.session, copy, license_, now)


def _held(session: Reads, copy: EndorsedCopy, license_: License, now: datetime) -> HeldCopy:
    return HeldCopy(
        copy=copy,
        license=license_.name,
        title=license_.metadata["ZZMC"],
        stands=still_serves(copy, license_, now)
        and is_delegation_open(session, copy.delegation, now),
    )


def _own(session: Reads, copy_id: str, holder_code: str) -> tuple[EndorsedCopy, License]:
    """A holder's copy that is kept, with its license. Raises NotFound (COPY_NOT_FOUND)."""
    copy = store.of_id(session, copy_id)
    license_ = copy and licenses.license_by_id(session, copy.license_id)
    if (
        not copy
        or not copy.sha256
        or copy.swept
        or not license_
        or not is_holder(license_, holder_code)
    ):
        raise copy_not_found()
    return copy, license_
