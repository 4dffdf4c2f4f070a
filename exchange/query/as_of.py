"""As-of reading (历史版本查询): one record as it was at a time.

The steps are those of Query (see `exchange.query.service`), but that reading is off the loop, so
the grant is looked at again after it. What may be read of the past is in `exchange.query.past`; of
several keys, `exchange.query.batching` reads it.

What a receipt's leaf says: as `query`, and `read_time`; its `request` has `read_time` too (RFC
3339, UTC, microseconds), and no `keys`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.audit.appending import AuditLog
from exchange.audit.model import Usage
from exchange.catalog.service import Schemas
from exchange.delivery.reading import RecordReader
from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import Grant, Operation
from exchange.grants.rates import Rates
from exchange.grants.sharing import admitted
from exchange.query import past
from exchange.query.days import Days
from exchange.query.forwarded import Sources
from exchange.query.model import (
    QueryAnswer,
    check_answer_size,
    check_items,
    check_sizes,
    counted,
    key_check,
    quota_exceeded,
    terms_changed,
)
from exchange.query.signing import signed_facts
from exchange.refusals import ATTEMPTED
from exchange.refusing import Attempt, Refusals
from runtime.asking import check_question
from runtime.clock import Clock
from runtime.errors import PermissionDenied
from runtime.identity import Principal
from runtime.records import canonical, instant, make_record
from runtime.signed import RequestSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class PastQuestion:
    """A question about the past, as it was sent."""

    grant: str
    key: str
    items: Sequence[str]
    purpose: str
    case_number: str
    read_time: datetime
    signed: RequestSignature | None = None

    def text(self) -> bytes:
        """What a receipt commits to."""
        return canonical(
            {
                "grant": self.grant,
                "key": self.key,
                "items": self.items,
                "purpose": self.purpose,
                "case_number": self.case_number,
                "read_time": instant(self.read_time),
            }
        )

    def committed(self) -> dict[str, bytes]:
        """What else a record commits to."""
        return {
            "key": self.key.encode(),
            "purpose": self.purpose.encode(),
            "case_number": self.case_number.encode(),
        }

    def attempt(self, actor: str, request: bytes, now: datetime) -> Attempt:
        """It, as it is refused."""
        return Attempt(
            at=now,
            actor=actor,
            operation=Operation.QUERY.value,
            grant=self.grant,
            request=request,
            asked=self.committed() if request else {},
            method="Query",
            signature=self.signed,
        )


class AsOf:
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

    async def query(self, principal: Principal, question: PastQuestion) -> QueryAnswer:
        """One record as it was.

        Raises InvalidArgument (BAD_QUESTION, BAD_READ_TIME, MALFORMED_KEY), what
        `GrantIndex.authorize` raises, PermissionDenied (READ_TIME_BEFORE_GRANT),
        ResourceExhausted (RATE_EXCEEDED, DAILY_QUOTA_EXCEEDED), what `admitted` raises and
        Aborted (GRANT_CHANGED).
        """
        now = self._clock.now()
        request = b""
        try:
            check_sizes(question.grant, question.key)
            check_question(question.purpose, question.case_number)
            check_items(question.items)
            past.check_read_time(question.read_time, now)
            request = question.text()
            asked_under = self._granted(principal, question)
            schema = self._schemas.schema(asked_under.resource)
            key_check(schema)(question.key)
            facts = signed_facts(schema, question.signed, "Query", request, now)
            past.check_held(forwarded=self._sources.serves(asked_under.resource))
            self._rates.take(asked_under)
            self._usage(asked_under, now)
            (items,) = await asyncio.to_thread(
                past.read,
                self._records,
                asked_under,
                (question.key,),
                question.items,
                question.read_time,
            )
            # Does it still hold? From here to the log nobody comes between.
            grant = self._granted(principal, question)
            was = asked_under
            if (grant.contract_hash, grant.items) != (was.contract_hash, was.items):
                raise terms_changed()
            usage = self._usage(grant, now)
            found, values = items is not None, items or {}
            answer = canonical({"found": found, "items": values})
            check_answer_size(len(answer))
        except ATTEMPTED as error:
            await self._refusals.keep(error, question.attempt(principal.system, request, now))
            raise
        record = make_record(
            "query",
            at=now,
            actor=principal.system,
            facts={
                "grant": grant.name,
                "contract": grant.contract_hash,
                "resource": grant.resource,
                "items": list(question.items or grant.masks),
                "found": found,
                "read_time": instant(question.read_time),
                **counted(grant, 1),
                **facts,
            },
            commitments={**question.committed(), "request": request, "answer": answer},
        )
        try:
            receipt = await self._audit.append(record, usage, self._audit.tags((question.key,)))
        except PermissionDenied as error:  # SIGNATURE_USED
            await self._refusals.keep(error, question.attempt(principal.system, request, now))
            raise
        return QueryAnswer(found=found, items=values, receipt=receipt)

    def _granted(self, principal: Principal, question: PastQuestion) -> Grant:
        grant = self._grants.authorize(
            question.grant,
            department=principal.department,
            operation=Operation.QUERY,
            items=question.items,
        )
        grant = admitted(grant, self._schemas.schema(grant.resource), question.items)
        past.check_begun(grant, question.read_time)
        return grant

    def _usage(self, grant: Grant, now: datetime) -> Usage | None:
        if not grant.daily_quota:
            return None
        day, left = self._days.at(now)
        if self._audit.used(grant.name, day) >= grant.daily_quota:
            raise quota_exceeded(left)
        return Usage(grant=grant.name, day=day, count=1)
