"""Collections as they are kept: found, looked at, ended, forgotten.

1. To anybody but the accepting department, and the applicant it is about, a collection does not
   exist.
2. What was agreed to and not collected is forgotten a month after its day; what was collected, a
   month after it was archived, and after a year where nobody archived it. Its copies go with it.
3. A consent that is withdrawn, or runs out, ends what copies were made under it, and no copy
   becomes good after that.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import orjson

from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.copies import store as copies
from licenses.holder_index import HolderIndex
from licenses.materials import store
from licenses.materials.copying import Copying
from licenses.materials.filling import ENTRIES_MISSING
from licenses.materials.looks import store as looks
from licenses.materials.model import (
    COLLECTION,
    Collection,
    CollectionState,
    Handling,
    Look,
    Result,
)
from licenses.materials.planning import without_grants
from licenses.store import Reads
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from runtime.identity import Principal, Role, check_holder
from runtime.paging import moment_of
from runtime.records import canonical, make_record

SWEPT_EVERY: Final = timedelta(hours=1)
#: How long a consent that came to nothing is kept after its time, and a case after its archiving.
KEPT: Final = timedelta(days=30)
#: How long a case that nobody archives is kept, with its form and its copies.
CASE_KEPT: Final = timedelta(days=366)
#: The reason of a refusal where the consent is over.
CONSENT_ENDED: Final = "CONSENT_ENDED"
#: Looks at a collection that its applicant is told of.
MOST_LOOKS: Final = 100
_AT_ONCE: Final = 500


class Keeping:
    """The use cases of looking and ending. `purpose`: what an item's materials are used for."""

    def __init__(
        self,
        database: Database,
        copying: Copying,
        index: HolderIndex,
        purpose: Callable[[str], str],
        clock: Clock,
    ) -> None:
        self._database = database
        self._purpose = purpose
        self._copying = copying
        self._index = index
        self._clock = clock
        self._swept: datetime | None = None

    def sweep(self, archived: Callable[[list[str]], set[str]]) -> int:
        """Forget what is over (rule 2); hourly at most. How many there were.

        `archived`: which of some collections, by id, have a package in the archive for so long.
        """
        now = self._clock.now()
        if self._swept is not None and now - self._swept < SWEPT_EVERY:
            return 0
        self._swept = now
        with self._database.unit_of_work() as work:
            copies.end_of_collections(work.session, store.run_out(now), now)
            store.drop_answers(work.session, now)
            gone = store.forget_collections(work.session, now - KEPT)
            gone += store.forget_collected(work.session, now - CASE_KEPT)
            copies.release(work.session, gone)
        return len(gone) + self._sweep_archived(archived, now - KEPT)

    def _sweep_archived(self, archived: Callable[[list[str]], set[str]], before: datetime) -> int:
        after, count = "", 0
        while True:
            with self._database.reading() as session:
                page = store.collected(session, before, after=after, size=_AT_ONCE)
            if not page:
                return count
            after = page[-1]
            kept = archived(page)
            if kept:
                with self._database.unit_of_work() as work:
                    gone = store.forget_collected(work.session, before, sorted(kept))
                    copies.release(work.session, gone)
                count += len(gone)

    def get(self, name: str, principal: Principal) -> Collection:
        """A collection of the caller's department. Raises NotFound, COLLECTION_NOT_FOUND."""
        found = self._find(name)
        if found.department != principal.department:
            raise _not_found()
        return found

    def read(self, name: str, principal: Principal) -> Collection:
        """As `get`, with the form: each time it is read, that is a look at what filled it."""
        found = self.get(name, principal)
        if not accepts(found, principal):
            raise _not_found()
        now, kind = self._clock.now(), "collection_read"
        record = make_record(
            kind,
            at=now,
            actor=principal.system,
            facts={"collection": name},
            commitments={
                **committed(found.result),
                **({"entered": canonical(dict(found.entered))} if found.entered else {}),
            },
        )
        purpose = self._purpose(found.service_item)
        look = Look(time=now, system=principal.system, kind=kind, purpose=purpose)
        with self._database.unit_of_work() as work:
            looks.add(work.session, found.id, look)
            for copy in found.result.copies:
                accesses.add_access(
                    work.session,
                    copy.license.rpartition("/")[2],
                    at=now,
                    system=principal.system,
                    kind=kind,
                    purpose=purpose,
                    record=record,
                    fields=fields_of(found.result, copy.license),
                )
            work.record(record)
        return found

    def of_applicant(self, name: str, holder_code: str, principal: Principal) -> Collection:
        """A collection, for who speaks for its applicant. Audited. Raises NotFound.

        An applicant is not told the names of the department's grants.
        """
        found = self.of_holder(name, holder_code, principal)
        with self._database.unit_of_work() as work:
            work.record(
                make_record(
                    "collection_read",
                    at=self._clock.now(),
                    actor=principal.system,
                    facts={"collection": name},
                    commitments={"holder_code": holder_code.encode()},
                )
            )
        return told_to(principal, found)

    def of_holder(self, name: str, holder_code: str, principal: Principal) -> Collection:
        """A collection, for who speaks for its applicant. Raises NotFound, COLLECTION_NOT_FOUND."""
        if not check_holder(principal, holder_code):
            raise _not_found()
        return self._of_holder(self._find(name), holder_code)

    def listed(
        self, holder_code: str, principal: Principal, *, size: int, token: str
    ) -> list[Collection]:
        """An applicant's collections, newest first, without their forms: at most `size` + 1.

        Others than the applicant, or a counter for them, see none. Raises InvalidArgument
        (BAD_PAGE_TOKEN).
        """
        before = moment_of(token)
        if not check_holder(principal, holder_code):
            return []
        with self._database.reading() as session:
            found = store.collections_of(
                session, self._index(holder_code), before=before, size=size + 1
            )
        return [
            replace(told_to(principal, one), result=replace(one.result, form=(), outcomes=()))
            for one in found
        ]

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
            facts={"collection": name},
            commitments={
                "holder_code": license_.holder_code.encode(),
                "license": copy.license.encode(),
                "document": sha256.encode(),
            },
        )
        purpose = self._purpose(collection.service_item)
        look = Look(time=now, system=principal.system, kind=kind, purpose=purpose)
        with self._database.unit_of_work() as work:
            looks.add(work.session, collection.id, look)
            accesses.add_access(
                work.session,
                license_.id,
                at=now,
                system=principal.system,
                kind=kind,
                purpose=purpose,
                record=record,
                fields=("*",),
            )
            work.record(record)
        return data, copy.media_type

    def end(
        self, work: UnitOfWork, name: str, holder_code: str, principal: Principal
    ) -> Collection:
        """Withdraw the consent. Raises NotFound, FailedPrecondition (ALREADY_COLLECTED)."""
        if not check_holder(principal, holder_code):
            raise _not_found()
        collection = self._of_holder(self._find(name, work), holder_code)
        if collection.state is CollectionState.ENDED:
            return collection
        if not store.move(work.session, collection.id, CollectionState.ENDED):
            raise collected_already()
        copies.end_of_collections(work.session, [collection.id], self._clock.now())
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

    def looks(self, collection: Collection) -> list[Look]:
        """Who looked at a collection, newest first: for its applicant."""
        with self._database.reading() as session:
            return looks.of(session, collection.id, size=MOST_LOOKS)

    @contextmanager
    def trying(self, name: str, system: str, answers: Mapping[str, bytes]) -> Iterator[None]:
        """A try at collecting, and what stays of one that failed.

        Where the consent was over, its copies end (rule 3). Where the form is not whole, the
        `answers`, by grant, are kept: they are proven, and nobody is asked about the applicant
        twice.
        """
        try:
            yield
        except FailedPrecondition as error:
            if error.reason == CONSENT_ENDED:
                self.run_out()
            raise
        except InvalidArgument as error:
            if error.reason == ENTRIES_MISSING:
                self.keep_answers(name, system, answers)
            raise

    def answered(self, name: str, system: str, *, but: Set[str] = frozenset()) -> dict[str, bytes]:
        """Answers that a system handed in before the form was whole, by grant, as they came.

        `but`: not those of these grants.
        """
        collection_id = names.parse(COLLECTION, name)["collection"]
        with self._database.reading() as session:
            kept = orjson.loads(store.answers(session, collection_id) or "{}")
        return {
            grant: base64.b64decode(one)
            for grant, one in kept.get(system, {}).items()
            if grant not in but
        }

    def keep_answers(self, name: str, system: str, answers: Mapping[str, bytes]) -> None:
        """Keep a system's answers, by grant, until it collects, or the consent is over."""
        collection_id = names.parse(COLLECTION, name)["collection"]
        told = {grant: base64.b64encode(one).decode() for grant, one in answers.items()}
        with self._database.unit_of_work() as work:
            store.keep_answers(work.session, collection_id, orjson.dumps({system: told}).decode())

    def own(self, name: str, holder_code: str, principal: Principal) -> Collection:
        """One about this applicant: for its department, and for who speaks for them.

        Raises NotFound, COLLECTION_NOT_FOUND.
        """
        found = self._of_holder(self._find(name), holder_code)
        if not accepts(found, principal) and not check_holder(principal, holder_code):
            raise _not_found()
        return found

    def _of_holder(self, collection: Collection, holder_code: str) -> Collection:
        if not hmac.compare_digest(collection.holder_index, self._index(holder_code)):
            raise _not_found()
        return collection

    def _find(self, name: str, work: UnitOfWork | None = None) -> Collection:
        ids = names.parse(COLLECTION, name)
        if work is not None:
            found = store.collection(work.session, ids["collection"])
        else:
            with self._database.reading() as session:
                found = store.collection(session, ids["collection"])
        if found is None:
            raise _not_found()
        # What was entered is nobody's to read once the consent is over, swept or not.
        return found if found.is_open(self._clock.now()) else replace(found, entered={})

    def check_still_open(self, session: Reads, collection_id: str) -> Collection:
        """As `check_open`, of the row, which stays as it is until the transaction ends."""
        found = store.collection(session, collection_id, lock=True)
        if found is None:
            raise _not_found()
        self.check_open(found)
        return found

    def run_out(self) -> None:
        """End the copies of what was not collected in the time of its consent (rule 3)."""
        now = self._clock.now()
        with self._database.unit_of_work() as work:
            copies.end_of_collections(work.session, store.run_out(now), now)

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
                reason=CONSENT_ENDED,
                message_zh="申请人的同意已撤回或已失效：请重新征得同意",
            )


def told_to(principal: Principal, collection: Collection) -> Collection:
    """As the caller is told of it: an applicant has no business with the department's grants."""
    if not principal.has(Role.APPLICANT):
        return collection
    return replace(collection, plan=without_grants(collection.plan))


def committed(result: Result) -> dict[str, bytes]:
    """What was collected, as a record commits to it: it is told to nobody who was not told."""
    return {
        "licenses": canonical([one.license for one in result.copies]),
        "documents": canonical([one.sha256 for one in result.copies]),
        "asked": canonical(list(result.asked)),
        "decision": result.decision.value.encode(),
        "rule": canonical(
            # Of a fact that was not known, that and why, too.
            [[one.field, one.holds, *filter(None, [one.missing])] for one in result.outcomes]
        ),
        "form": canonical([[one.code, one.value, one.source] for one in result.form]),
    }


def consented(collection: Collection) -> dict[str, bytes]:
    """The words of the consent, where they are kept: a record of collecting commits to them."""
    return {"consent": collection.consent.encode()} if collection.consent_salt else {}


def handling_of(handling: Handling | None, collection: Collection) -> Handling:
    """How the item is handled; where nobody said so, by no form and no rule."""
    return handling or Handling(service_item=collection.service_item)


def fields_of(result: Result, license_: str) -> list[str]:
    """Keys of a license's metadata that filled the form."""
    return [one.key or one.code for one in result.form if one.origin == license_]


def accepts(collection: Collection, principal: Principal) -> bool:
    """Whether a caller is a system of the accepting department."""
    return principal.has(Role.DEPARTMENT) and collection.department == principal.department


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
