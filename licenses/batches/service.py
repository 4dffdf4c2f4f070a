"""Use cases of batches: take one, look at it, end it.

1. Rows are written as they come, in transactions of their own: a sender who is slow holds nobody
   up. Nobody works on them, or sees them, before the last has come; what never comes whole is
   forgotten.
2. A repeat with the same rows is answered as the first time, and leaves nothing.
3. The type's version is the one of the moment the batch was begun, for all of its rows.
4. A batch is its department's: for anybody else it does not exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from licenses.batches import model, store
from licenses.batches.model import MAX_ROWS_AT_ONCE, Batch, BatchState, Result, Row, RowState
from licenses.batches.rows import store as rows_store
from licenses.model import Issuer
from licenses.reading import check_own_department
from licenses.texts import check_text
from licenses.types.model import check_issuer
from licenses.types.service import Types
from runtime import names, paging
from runtime.clock import Clock, china_date
from runtime.database import Database, UnitOfWork
from runtime.errors import InvalidArgument, ResourceExhausted
from runtime.identity import Principal
from runtime.records import Value, make_record

#: How long a sender has for all rows, and how long results are kept.
RECEIVING: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=90)


class Receiving:
    """A batch on its way in. Not for two threads at once."""

    def __init__(self, database: Database, batch: Batch, *, day: str, writes: bool) -> None:
        self.batch = batch
        self._database = database
        self._day = day
        self._writes = writes
        self._count = self._size = 0
        self._hash = hashlib.sha256()

    def take(self, rows: Sequence[Row]) -> None:
        """Hold the next rows.

        Raises InvalidArgument (BAD_BATCH_ROW, TOO_MANY_ROWS), ResourceExhausted (BATCH_TOO_LARGE).
        """
        if len(rows) > MAX_ROWS_AT_ONCE:
            raise InvalidArgument(
                f"a message has at most {MAX_ROWS_AT_ONCE} rows",
                reason="TOO_MANY_ROWS",
                message_zh=f"每条消息不超过 {MAX_ROWS_AT_ONCE} 行",
            )
        held: list[tuple[str, bytes]] = []
        for number, row in enumerate(rows, self._count + 1):
            written = model.check_row(row, number)
            self._size += len(written)
            model.check_count(number, self._size)
            told = hashlib.sha256(written + row.key.encode()).digest()
            self._hash.update(told)
            key = model.key_of(row, written, type_id=self.batch.type_id, day=self._day)
            held.append((key, written))
        if held and self._writes:
            with self._database.unit_of_work() as work:
                rows_store.add(work.session, self.batch.name, self._count + 1, held)
        self._count += len(held)

    def whole(self, *, last: bool) -> Batch:
        """The batch when all rows are here. Raises as `model.check_whole`."""
        model.check_whole(self._count, last=last)
        return Batch(
            name=self.batch.name,
            type_id=self.batch.type_id,
            type_version=self.batch.type_version,
            seal=self.batch.seal,
            state=BatchState.RUNNING,
            actor=self.batch.actor,
            create_time=self.batch.create_time,
            row_count=self._count,
            rows_sha256=self._hash.hexdigest(),
        )

    def forget(self) -> None:
        """Leave nothing of it."""
        if self._writes:
            with self._database.unit_of_work() as work:
                store.delete(work.session, self.batch.name)


class Batches:
    """The use cases."""

    def __init__(
        self,
        database: Database,
        types: Types,
        clock: Clock,
        issuer_of: Callable[[str], Issuer],
    ) -> None:
        self._database = database
        self._types = types
        self._clock = clock
        self._issuer_of = issuer_of

    def begin(
        self, principal: Principal, parent: str, license_type: str, seal: str, *, repeated: bool
    ) -> Receiving:
        """A batch to receive; one that is `repeated` is read and not written.

        Raises PermissionDenied (NOT_OWN_DEPARTMENT, NOT_AN_ISSUER), InvalidArgument
        (MALFORMED_NAME), NotFound (LICENSE_TYPE_NOT_FOUND), ResourceExhausted (TOO_MANY_BATCHES).
        """
        check_own_department(parent, principal)
        if seal:
            names.parse(names.SEAL, seal, field="seal")
        version = self._types.newest(license_type)
        if parent not in version.type.issuing_departments:
            check_issuer(version.type, parent, self._issuer_of(parent).credit_code)
        now = self._clock.now()
        batch = Batch(
            name=f"{parent}/issueBatches/{model.fresh_id(now)}",
            type_id=version.type.id,
            type_version=version.version,
            seal=seal,
            state=BatchState.RECEIVING,
            actor=principal.system,
            create_time=now,
        )
        if not repeated:
            with self._database.unit_of_work() as work:
                if store.live(work.session, parent) >= model.MAX_BATCHES:
                    raise ResourceExhausted(
                        f"the department has {model.MAX_BATCHES} batches that have not ended: wait "
                        "for one, or cancel one",
                        reason="TOO_MANY_BATCHES",
                        message_zh=f"本部门已有 {model.MAX_BATCHES} 个未结束的批次："
                        "请等待或取消其一",
                    )
                store.add(work.session, batch)
        return Receiving(self._database, batch, day=china_date(now), writes=not repeated)

    def start(self, work: UnitOfWork, batch: Batch) -> Batch:
        """Let a batch that is whole be issued, with its audit record."""
        store.begin(work.session, batch)
        facts: dict[str, Value] = {
            "batch": batch.name,
            "license_type": batch.type_id,
            "type_version": batch.type_version,
            "rows": batch.row_count,
            "rows_sha256": batch.rows_sha256,
        }
        if batch.seal:
            facts["seal"] = batch.seal
        work.record(
            make_record(
                "license_batch_created", at=batch.create_time, actor=batch.actor, facts=facts
            )
        )
        return batch

    def get(self, principal: Principal, name: str) -> Batch:
        """A batch of the caller's department. Raises NotFound, ISSUE_BATCH_NOT_FOUND."""
        names.parse(names.ISSUE_BATCH, name)
        with self._database.reading() as session:
            return model.shown(_found(principal, store.batch(session, name)), self._clock.now())

    def page(
        self, principal: Principal, parent: str, *, page_size: int, page_token: str
    ) -> tuple[Sequence[Batch], str]:
        """A page of a department's batches, newest first, and the next token."""
        check_own_department(parent, principal)
        size = paging.page_size(page_size)
        with self._database.reading() as session:
            found = store.batches(session, parent, before=paging.last_of(page_token), size=size + 1)
        now = self._clock.now()
        found = [model.shown(one, now) for one in found]
        return paging.cut(found, size, lambda one: one.name)

    def results(
        self,
        principal: Principal,
        name: str,
        *,
        state: RowState | None,
        page_size: int,
        page_token: str,
    ) -> tuple[Sequence[Result], str]:
        """A page of what came of a batch's rows, and the next token."""
        batch = self.get(principal, name)
        size = paging.page_size(page_size)
        after = paging.last_number_of(page_token) or 0
        with self._database.reading() as session:
            found = rows_store.results(session, name, state=state, after=after, size=size + 1)
        found = [model.result_shown(one, batch) for one in found]
        return paging.cut(found, size, lambda one: str(one.number))

    def cancel(self, work: UnitOfWork, principal: Principal, name: str, *, reason: str) -> Batch:
        """End a batch.

        Raises NotFound (ISSUE_BATCH_NOT_FOUND), FailedPrecondition (BATCH_ENDED), InvalidArgument
        (BAD_TEXT, PERSONAL_NUMBER_IN_TEXT).
        """
        names.parse(names.ISSUE_BATCH, name)
        check_text(reason, name="reason", public=True)
        found = _found(principal, store.batch(work.session, name))
        model.check_cancel(found)
        now = self._clock.now()
        if not store.cancel(work.session, name, at=now):
            raise model.batch_not_found()
        work.record(
            make_record(
                "license_batch_cancelled",
                at=now,
                actor=principal.system,
                facts={"batch": name, "issued": found.issued_count, "reason": reason},
            )
        )
        return _found(principal, store.batch(work.session, name))

    def sweep(self) -> int:
        """Forget what never came whole, and results that were kept long enough; how many."""
        now = self._clock.now()
        with self._database.reading() as session:
            gone = store.stale(session, received_before=now - RECEIVING, ended_before=now - KEPT)
        for name in gone:
            with self._database.unit_of_work() as work:
                store.delete(work.session, name)
        return len(gone)


def _found(principal: Principal, batch: Batch | None) -> Batch:
    if batch is None or batch.issuer != principal.department or batch.state is BatchState.RECEIVING:
        raise model.batch_not_found()
    return batch
