"""What a holder is told of looks at their licenses. To ask leaves a leaf, and is no look itself."""

from __future__ import annotations

from licenses.accesses import store
from licenses.accesses.model import Look
from licenses.holder_index import HolderIndex
from licenses.holders import check_identified
from runtime import names
from runtime.clock import Clock
from runtime.database import Database
from runtime.identity import Principal
from runtime.paging import last_number_of
from runtime.records import make_record


class Looks:
    """The use case of telling."""

    def __init__(self, database: Database, holder_index: HolderIndex, clock: Clock) -> None:
        self._database = database
        self._index = holder_index
        self._clock = clock

    def listed(
        self,
        holder_code: str,
        *,
        license_: str,
        size: int,
        token: str,
        principal: Principal,
        without_own: bool = False,
    ) -> list[Look]:
        """Looks at a holder's licenses, or at one, newest first: at most `size` + 1.

        `without_own` leaves out those by which the holder themself listed and opened them.
        One who was not identified as the holder is told what a holder of nothing is. Raises
        InvalidArgument (BAD_PAGE_TOKEN, MALFORMED_NAME).
        """
        if license_:
            names.parse(names.LICENSE, license_, field="license")
        before = last_number_of(token)
        if not check_identified(principal, holder_code):
            return []
        with self._database.unit_of_work() as work:
            found = store.looks_of(
                work.session,
                self._index(holder_code),
                license_id=license_.rpartition("/")[2],
                before=before,
                size=size + 1,
                without_own=without_own,
            )
            work.record(
                make_record(
                    "looks_told",
                    at=self._clock.now(),
                    actor=principal.system,
                    facts={},
                    commitments={
                        "license": license_.encode(),
                        "count": str(min(len(found), size)).encode(),
                        "holder_code": holder_code.encode(),
                    },
                )
            )
        return found
