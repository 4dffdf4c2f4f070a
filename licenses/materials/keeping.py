"""Collections as they are kept: found, looked at, ended.

To anybody but the accepting department, and the applicant it is about, a collection does not exist.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.holder_index import HolderIndex
from licenses.materials import store
from licenses.materials.copying import Copying
from licenses.materials.model import COLLECTION, Collection, CollectionState
from runtime import names
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import FailedPrecondition, NotFound
from runtime.identity import Principal, Role, check_holder
from runtime.records import make_record

SWEPT_EVERY: Final = timedelta(hours=1)
#: How long the row of a consent that came to nothing is kept after its time.
KEPT: Final = timedelta(days=30)


class Keeping:
    """The use cases of looking and ending."""

    def __init__(
        self, database: Database, copying: Copying, index: HolderIndex, clock: Clock
    ) -> None:
        self._database = database
        self._copying = copying
        self._index = index
        self._clock = clock
        self._swept: datetime | None = None

    def sweep(self) -> int:
        """Forget what was agreed to and never collected; hourly at most. How many there were."""
        now = self._clock.now()
        if self._swept is not None and now - self._swept < SWEPT_EVERY:
            return 0
        self._swept = now
        with self._database.unit_of_work() as work:
            return store.forget_collections(work.session, now - KEPT)

    def get(self, name: str, principal: Principal) -> Collection:
        """A collection of the caller's department. Raises NotFound, COLLECTION_NOT_FOUND."""
        found = self._find(name)
        if found.department != principal.department:
            raise _not_found()
        return found

    def document(self, name: str, sha256: str, principal: Principal) -> tuple[bytes, str]:
        """An attached copy and its media type. Audited. Raises NotFound, DataLoss."""
        collection = self.get(name, principal)
        copy = next((one for one in collection.result.copies if one.sha256 == sha256), None)
        if copy is None:
            raise _not_found()
        with self._database.reading() as session:
            license_ = licenses.license_by_id(session, copy.license.rpartition("/")[2])
        if license_ is None:
            raise _not_found()
        data = self._copying.read(copy, license_)
        now, kind = self._clock.now(), "collected_document_read"
        record = make_record(
            kind,
            at=now,
            actor=principal.system,
            facts={"collection": name, "license": copy.license, "sha256": sha256},
            commitments={"holder_code": license_.holder_code.encode()},
        )
        with self._database.unit_of_work() as work:
            accesses.add_access(
                work.session,
                license_.id,
                at=now,
                system=principal.system,
                kind=kind,
                purpose=name,
                record=record,
                fields=("*",),
            )
            work.record(record)
        return data, copy.media_type

    def end(self, name: str, holder_code: str, principal: Principal) -> Collection:
        """Withdraw the consent. Raises NotFound, FailedPrecondition (ALREADY_COLLECTED)."""
        if not check_holder(principal, holder_code):
            raise _not_found()
        collection = self._of_holder(self._find(name), holder_code)
        if collection.state is CollectionState.ENDED:
            return collection
        with self._database.unit_of_work() as work:
            if not store.move(work.session, collection.id, CollectionState.ENDED):
                raise collected_already()
            work.record(
                make_record(
                    "collection_consent_withdrawn",
                    at=self._clock.now(),
                    actor=principal.system,
                    facts={"collection": name, "service_item": collection.service_item},
                    commitments={"holder_code": holder_code.encode()},
                )
            )
        return replace(collection, state=CollectionState.ENDED)

    def own(self, name: str, holder_code: str, principal: Principal) -> Collection:
        """One that the caller's department accepts, about this applicant. Raises NotFound."""
        if not principal.has(Role.DEPARTMENT):
            raise _not_found()
        return self._of_holder(self.get(name, principal), holder_code)

    def _of_holder(self, collection: Collection, holder_code: str) -> Collection:
        if not hmac.compare_digest(collection.holder_index, self._index(holder_code)):
            raise _not_found()
        return collection

    def _find(self, name: str) -> Collection:
        ids = names.parse(COLLECTION, name)
        with self._database.reading() as session:
            found = store.collection(session, ids["collection"])
        if found is None:
            raise _not_found()
        return found

    def check_open(self, collection: Collection) -> None:
        """Raises FailedPrecondition: ALREADY_COLLECTED, CONSENT_ENDED."""
        if collection.state is CollectionState.COLLECTED:
            raise collected_already()
        ended = collection.state is CollectionState.ENDED
        if ended or self._clock.now() >= collection.expire_time:
            raise FailedPrecondition(
                "the consent was withdrawn: ask the applicant again"
                if ended
                else "the consent is over, a day after it was given: ask the applicant again",
                reason="CONSENT_ENDED",
                message_zh="申请人的同意已撤回或已失效：请重新征得同意",
            )


def collected_already() -> FailedPrecondition:
    """The refusal of what was collected before."""
    return FailedPrecondition(
        "it was collected already: begin another with the applicant's consent",
        reason="ALREADY_COLLECTED",
        message_zh="已收集完毕：如需再次收集，请重新征得同意",
    )


def _not_found() -> NotFound:
    return NotFound(
        "no such collection",
        reason="COLLECTION_NOT_FOUND",
        message_zh="没有这次材料收集",
    )
