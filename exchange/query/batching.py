"""Batch query (批量查询): the granted items of many records, chunk by chunk.

The steps are those of Query (see `exchange.query.service`), once for each chunk: the question's
shape → authorize under the grant → the keys' shape → rate and quota → read, in a worker thread, in
fair turns with other callers (`exchange.query.fair`) →
leave out what the grant's row filter does not show → project and mask → authorize again, for a
chunk may take a while → append the audit record → answer.

1. A chunk is a question of its own, with its own leaf and receipt: it is answered whole or not at
   all, and what was answered before it stays answered.
2. Each key counts as one against rate and quota. Where not all are left, none is taken.
3. The next chunks are read while this one's record becomes durable. Quota is taken, and answers
   come, in the order of the chunks.
4. With `read_time` each record is told as it was then (see `exchange.query.past`); the leaf then
   says so, and `request` has it too (RFC 3339, UTC, microseconds).
5. Where a resource's department answers from its own system, that is asked, up to 100 keys at a
   time; the leaf then says `source: endpoint`.
6. What a receipt's leaf says (kind `batch_query`): `grant`, `contract`, `resource`, `items`,
   `count` (of keys), `found` (how many); and commitments to `keys` (the list), `purpose`,
   `case_number`, `request` (`{grant, keys, items, purpose, case_number}`) and `answer`
   (`{records: [{found, items}]}`, in the order of the keys); and `entries`, of which each person
   can open their own (`exchange.audit.entries`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import orjson

from exchange.audit.appending import AuditLog
from exchange.audit.many import record_of_many
from exchange.audit.model import Usage
from exchange.catalog.service import Schemas
from exchange.delivery.reading import RecordReader
from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import Grant, Operation
from exchange.grants.rates import Rates
from exchange.grants.sharing import admitted
from exchange.query import past
from exchange.query.batches import Batch, ManyRecords, ReadBatch
from exchange.query.days import Days
from exchange.query.fair import FairThreads
from exchange.query.filtering import held, shown
from exchange.query.forwarded import SOURCE_ERRORS, Remaining, Sources, caller_gone, unbounded
from exchange.query.keys import check_keys
from exchange.query.model import (
    are_keys,
    check_answer_size,
    check_items,
    check_sizes,
    counted,
    key_check,
    quota_exceeded,
    terms_changed,
)
from exchange.query.signing import Facts, signed_facts
from exchange.refusals import ATTEMPTED
from exchange.refusing import Attempt, Refusals
from runtime.asking import check_question
from runtime.clock import Clock
from runtime.errors import DomainError, FieldViolation, InvalidArgument, PermissionDenied
from runtime.identity import Principal
from runtime.records import SealedRecord, canonical

#: More would take the interpreter from the loop, which serves everybody.
THREADS = 2
Done = TypeVar("Done")
Fetched = Mapping[str, str | None]  # what sources sent, by key


class Batching:
    """The use case."""

    def __init__(
        self,
        *,
        grants: GrantIndex,
        schemas: Schemas,
        records: RecordReader,
        audit: AuditLog,
        clock: Clock,
        rates: Rates,
        sources: Sources | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self._refusals = refusals or Refusals(audit)
        self._sources = sources or Sources(None, schemas, records)
        self._grants = grants
        self._schemas = schemas
        self._records = records
        self._audit = audit
        self._clock = clock
        self._rates = rates
        self._days = Days()
        self._threads = FairThreads(THREADS, name="batch")

    def close(self) -> None:
        """Wait for chunks under way."""
        self._threads.close()

    async def in_turn(self, principal: Principal, work: Callable[[], Done]) -> Done:
        """What `work` returns, done off the loop when it is the calling system's turn."""
        return await self._threads.run(principal.system, work)

    async def ask(
        self, principal: Principal, batch: Batch, time_remaining: Remaining = unbounded
    ) -> ManyRecords:
        """The records of one chunk. Raises as `read` and `answer`."""
        return await self.answer(await self.read(principal, batch, time_remaining))

    async def read(
        self, principal: Principal, batch: Batch, time_remaining: Remaining = unbounded
    ) -> ReadBatch:
        """Read the records of one chunk; nobody has seen them yet.

        Raises InvalidArgument (BAD_QUESTION, BAD_KEYS, MALFORMED_KEY, BAD_READ_TIME), what
        `GrantIndex.authorize` raises, PermissionDenied (READ_TIME_BEFORE_GRANT), ResourceExhausted
        (RATE_EXCEEDED, DAILY_QUOTA_EXCEEDED), what `admitted` raises and what `Sources.records`
        raises.
        """
        now = self._clock.now()
        request = b""
        refuse = partial(self._refuse, principal=principal, batch=batch, now=now)
        try:
            # Up to the quota nothing is waited for: of two chunks the first comes first.
            check_sizes(batch.grant)
            check_question(batch.purpose, batch.case_number)
            check_items(batch.items)
            check_keys(batch.keys)
            if batch.read_time is not None:
                past.check_read_time(batch.read_time, now)
            request = batch.text()
            grant = self._granted(principal, batch)
            schema = self._schemas.schema(grant.resource)
            facts = signed_facts(schema, batch.signed, batch.method, request, now)
            self._rates.take(grant, len(batch.keys))
            self._usage(grant, len(batch.keys), now)
        except ATTEMPTED as error:
            await refuse(error, request)
            raise
        fetched = None
        try:
            if self._sources.serves(grant.resource):
                past.check_held(forwarded=batch.read_time is not None)
                await self.in_turn(principal, partial(self._check_each, grant, batch.keys))
                fetched = await self._fetched(principal, grant, batch, now, time_remaining)
            find = partial(self._found, principal.system, grant, batch, now, fetched)
            found, record, tags = await self.in_turn(
                principal, partial(find, request=request, signed=facts)
            )
        except (*ATTEMPTED, *SOURCE_ERRORS) as error:
            await refuse(error, request)
            raise
        return ReadBatch(
            principal=principal,
            batch=batch,
            grant=grant,
            at=now,
            found=found,
            record=record,
            tags=tags,
        )

    async def answer(self, done: ReadBatch) -> ManyRecords:
        """Log what was read, and tell it.

        Raises what `GrantIndex.authorize` raises, ResourceExhausted (DAILY_QUOTA_EXCEEDED) and
        Aborted (GRANT_CHANGED).
        """
        try:
            # Does it still hold? From here to the log nobody comes between.
            grant = self._granted(done.principal, done.batch)
            was = done.grant
            if (grant.contract_hash, grant.items) != (was.contract_hash, was.items):
                raise terms_changed()
            usage = self._usage(grant, len(done.batch.keys), done.at)
        except ATTEMPTED as error:
            await self._refuse(
                error, done.batch.text(), principal=done.principal, batch=done.batch, now=done.at
            )
            raise
        try:
            receipt = await self._audit.append(done.record, usage, done.tags)
        except PermissionDenied as error:  # SIGNATURE_USED
            await self._refuse(
                error, done.batch.text(), principal=done.principal, batch=done.batch, now=done.at
            )
            raise
        return ManyRecords(records=done.found, receipt=receipt)

    async def _fetched(
        self,
        principal: Principal,
        grant: Grant,
        batch: Batch,
        now: datetime,
        time_remaining: Remaining,
    ) -> Fetched:
        try:
            return await self._sources.records(
                principal,
                grant,
                keys=batch.keys,
                items=batch.items,
                purpose=batch.purpose,
                case_number=batch.case_number,
                time_remaining=time_remaining,
            )
        except asyncio.CancelledError:
            refusing = self._refuse(
                caller_gone(), batch.text(), principal=principal, batch=batch, now=now
            )
            self._sources.leave(refusing)
            raise

    async def _refuse(
        self,
        error: DomainError,
        request: bytes,
        *,
        principal: Principal,
        batch: Batch,
        now: datetime,
    ) -> None:
        attempt = Attempt(
            at=now,
            actor=principal.system,
            operation=Operation.QUERY.value,
            grant=batch.grant,
            request=request,
            asked=batch.committed() if request else {},
            method=batch.method,
            signature=batch.signed,
        )
        await self._refusals.keep(error, attempt)

    def _granted(self, principal: Principal, batch: Batch) -> Grant:
        grant = self._grants.authorize(
            batch.grant,
            department=principal.department,
            operation=Operation.QUERY,
            items=batch.items,
        )
        grant = admitted(grant, self._schemas.schema(grant.resource), batch.items)
        if batch.read_time is not None:
            past.check_begun(grant, batch.read_time)
        return grant

    def _check_each(self, grant: Grant, keys: Sequence[str]) -> None:
        schema = self._schemas.schema(grant.resource)
        if are_keys(schema, keys):
            return
        check = key_check(schema)
        for place, key in enumerate(keys):
            try:
                check(key)
            except InvalidArgument as error:
                told = tuple(
                    FieldViolation(f"keys[{place}]", violation.description)
                    for violation in error.violations
                )
                error.violations = told
                raise

    def _usage(self, grant: Grant, count: int, now: datetime) -> Usage | None:
        """What the chunk takes from the day's quota; None where the grant has none."""
        if not grant.daily_quota:
            return None
        day, left = self._days.at(now)
        if self._audit.used(grant.name, day) + count > grant.daily_quota:
            raise quota_exceeded(left)
        return Usage(grant=grant.name, day=day, count=count)

    def _found(
        self,
        actor: str,
        grant: Grant,
        batch: Batch,
        now: datetime,
        fetched: Fetched | None,
        *,
        request: bytes,
        signed: Facts,
    ) -> tuple[list[Mapping[str, str] | None], SealedRecord, bytes]:
        """What is shown of each record, the record that says so, and whom it is about.

        In a worker thread.
        """
        self._check_each(grant, batch.keys)
        if batch.read_time is None:
            found = self._read(grant, batch.keys, batch.items, fetched)
        else:
            found = past.read(self._records, grant, batch.keys, batch.items, batch.read_time)
        answer = _said(found)
        check_answer_size(len(answer))
        record = record_of_many(
            "batch_query",
            at=now,
            actor=actor,
            keys=batch.keys,
            facts={
                "grant": grant.name,
                "contract": grant.contract_hash,
                "resource": grant.resource,
                "items": list(batch.items or grant.masks),
                "count": len(batch.keys),
                "found": len(found) - found.count(None),
                **({} if fetched is None else {"source": "endpoint"}),
                **batch.then,
                **counted(grant, len(batch.keys)),
                **signed,
            },
            commitments={**batch.committed(), "request": request, "answer": answer},
        )
        return found, record, self._audit.tags(batch.keys)

    def _read(
        self, grant: Grant, keys: Sequence[str], items: Sequence[str], fetched: Fetched | None
    ) -> list[Mapping[str, str] | None]:
        grants = [grant] * len(keys)
        if fetched is not None:
            texts = shown(self._records, grants, list(map(fetched.get, keys)))
        elif grant.row_filter:
            texts = held(self._records, grants, [(grant.resource, key) for key in keys])
        else:
            texts = list(map(self._records.texts(grant.resource, keys).get, keys))
        project, loads = grant.project, orjson.loads
        found: list[Mapping[str, str] | None] = []
        for text in texts:
            if text is None:
                found.append(None)
                continue
            values = project(loads(text))
            if items:
                values = {code: values[code] for code in items if code in values}
            found.append(values)
        return found


def _said(found: Sequence[Mapping[str, str] | None]) -> bytes:
    """`{records: [{found, items}]}` in canonical JSON.

    Made record by record: one call for all would keep the loop waiting for the interpreter.
    """
    said = (
        _ABSENT if items is None else b'{"found":true,"items":%b}' % canonical(items)
        for items in found
    )
    return b'{"records":[%b]}' % b",".join(said)


_ABSENT = b'{"found":false,"items":{}}'
