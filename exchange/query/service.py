"""Query (查询) and Verify (核查): the hot path, on the loop.

The steps, in this order: the question's shape → authorize under the grant → the key's shape →
rate and quota → read → leave out what the grant's row filter does not show → project and mask, or
compare → append the audit record → answer. No answer leaves
before its record is durable; a refusal's record is durable before the refusal is told (but for what
`exchange.refusing` only counts). From reading
on, the questions of one group commit go together: one statement reads for all of them.

Where a resource's department answers from its own system (`exchange.connecting`), reading is asking
there. Since that takes time, the grant is looked at again when the answer has come: one that was
revoked meanwhile shows nothing. The leaf then says `source: endpoint`; that a source does not
answer is a refusal like others, and on record.

What a receipt's leaf says (kinds `query` and `verify`): `grant`, `contract` (hash of the grant's
terms), `resource`, `items` (codes asked for), for a query `found`; and these commitments, each
SHA-256(salt || label || 0x00 || value), where `{…}` is canonical JSON (sorted keys, no spaces,
UTF-8):

| label | value |
| --- | --- |
| `key` | the key |
| `purpose`, `case_number` | as asked: free text, which may hold what it should not |
| `request` | Query: `{grant, key, items, purpose, case_number}`, items as sent; |
|           | Verify: `{grant, key, claims, purpose, case_number}` |
| `answer` | Query: `{found, items}`; |
|          | Verify: `{claims, result}` with `match`, `no_match`, `not_held` |

So whoever holds a receipt, its question and its answer shows that they belong together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from exchange.audit.appending import AuditLog
from exchange.audit.model import Receipt, Usage
from exchange.catalog.schema import ResourceSchema
from exchange.catalog.service import Schemas
from exchange.delivery.reading import RecordReader
from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import Grant, Operation
from exchange.grants.rates import Rates
from exchange.grants.sharing import admitted
from exchange.query.days import Days
from exchange.query.filtering import held, shown
from exchange.query.forwarded import SOURCE_ERRORS, Remaining, Sources, caller_gone, unbounded
from exchange.query.model import (
    QueryAnswer,
    VerifyAnswer,
    check_claims,
    check_granted_whole,
    check_items,
    check_sizes,
    key_check,
    quota_exceeded,
)
from exchange.query.questions import QueryQuestion, Question, VerifyQuestion
from exchange.query.signing import signed_facts
from exchange.refusals import ATTEMPTED
from exchange.refusing import Attempt, Refusals
from runtime.asking import check_question
from runtime.clock import Clock
from runtime.errors import DomainError, PermissionDenied, ResourceExhausted
from runtime.identity import Principal
from runtime.records import SealedRecord, canonical
from runtime.signed import RequestSignature

_Make = Callable[[Sequence[Question]], list[SealedRecord]]


class Querying:
    """The two questions."""

    def __init__(
        self,
        *,
        grants: GrantIndex,
        schemas: Schemas,
        records: RecordReader,
        audit: AuditLog,
        clock: Clock,
        rates: Rates | None = None,
        sources: Sources | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self._refusals = refusals or Refusals(audit)
        self._rates = rates or Rates(clock)
        self._sources = sources or Sources(None, schemas, records)
        self._authorize = grants.authorize
        self._schema = schemas.schema
        self._records = records
        self._audit = audit
        self._clock = clock
        self._days = Days()
        self._key_checks: dict[str, tuple[ResourceSchema, Callable[[str], None]]] = {}

    async def query(
        self,
        principal: Principal,
        *,
        grant: str,
        key: str,
        items: Sequence[str],
        purpose: str,
        case_number: str,
        time_remaining: Remaining = unbounded,
        signed: RequestSignature | None = None,
    ) -> QueryAnswer:
        """The granted items of one record.

        `time_remaining` tells the seconds that the caller still waits. Raises InvalidArgument
        (BAD_QUESTION, MALFORMED_KEY), what `GrantIndex.authorize` raises, ResourceExhausted
        (RATE_EXCEEDED, DAILY_QUOTA_EXCEEDED), what `admitted` raises and, of a
        source's own system, Unavailable (SOURCE_UNAVAILABLE) and DataLoss (SOURCE_DATA_INVALID).
        """
        now = self._clock.now()
        request = b""
        try:
            check_sizes(grant, key)
            check_question(purpose, case_number)
            check_items(items)
            request = canonical(
                {
                    "grant": grant,
                    "key": key,
                    "items": items,
                    "purpose": purpose,
                    "case_number": case_number,
                }
            )
            granted = self._authorize(
                grant, department=principal.department, operation=Operation.QUERY, items=items
            )
            schema = self._schema(granted.resource)
            granted = admitted(granted, schema, items)
            self._check_key(schema, key)
            facts = signed_facts(schema, signed, "Query", request, now)
            usage = self._take(granted, now)
        except ATTEMPTED as error:
            attempt = Attempt(
                at=now,
                actor=principal.system,
                operation=Operation.QUERY.value,
                grant=grant,
                request=request,
                asked=_asked(key, purpose, case_number),
                method="Query",
                signature=signed,
            )
            await self._refusals.keep(error, attempt)
            raise
        asked = QueryQuestion(
            grant=granted,
            key=key,
            actor=principal.system,
            at=now,
            items=items,
            request=request,
            signed=facts,
            signature=signed,
            purpose=purpose,
            case_number=case_number,
        )
        receipt = await self._answered(asked, usage, principal, time_remaining)
        return QueryAnswer(found=asked.found, items=asked.shown, receipt=receipt)

    async def verify(
        self,
        principal: Principal,
        *,
        grant: str,
        key: str,
        claims: Mapping[str, str],
        purpose: str,
        case_number: str,
        time_remaining: Remaining = unbounded,
        signed: RequestSignature | None = None,
    ) -> VerifyAnswer:
        """Whether claims are true of a record, and nothing else of it.

        Raises as `query`, and InvalidArgument (BAD_CLAIMS) and PermissionDenied
        (ITEM_GRANTED_IN_PART).
        """
        now = self._clock.now()
        request = b""
        try:
            check_sizes(grant, key)
            check_question(purpose, case_number)
            check_claims(claims)
            request = canonical(
                {
                    "grant": grant,
                    "key": key,
                    "claims": claims,
                    "purpose": purpose,
                    "case_number": case_number,
                }
            )
            granted = self._authorize(
                grant,
                department=principal.department,
                operation=Operation.VERIFY,
                items=tuple(claims),
            )
            schema = self._schema(granted.resource)
            granted = admitted(granted, schema, tuple(claims))
            check_granted_whole(granted, claims)
            self._check_key(schema, key)
            facts = signed_facts(schema, signed, "Verify", request, now)
            usage = self._take(granted, now)
        except ATTEMPTED as error:
            attempt = Attempt(
                at=now,
                actor=principal.system,
                operation=Operation.VERIFY.value,
                grant=grant,
                request=request,
                asked=_asked(key, purpose, case_number),
                method="Verify",
                signature=signed,
            )
            await self._refusals.keep(error, attempt)
            raise
        asked = VerifyQuestion(
            grant=granted,
            key=key,
            actor=principal.system,
            at=now,
            claims=claims,
            request=request,
            signed=facts,
            signature=signed,
            purpose=purpose,
            case_number=case_number,
        )
        receipt = await self._answered(asked, usage, principal, time_remaining)
        return VerifyAnswer(claims=asked.results, receipt=receipt)

    async def _answered(
        self,
        asked: Question,
        usage: Usage | None,
        principal: Principal,
        time_remaining: Remaining,
    ) -> Receipt:
        """The receipt of an authorized question, which knows its answer then. Raises as `query`."""
        make: _Make = self._answer
        if self._sources.serves(asked.grant.resource):
            make, usage = await self._forward(asked, principal, time_remaining)
        tags = self._audit.tags((asked.key,))
        try:
            return await self._audit.append_made(make, asked, usage, tags)
        except (PermissionDenied, ResourceExhausted) as error:  # nothing was said to be answered
            await self._refuse(error, asked)
            raise

    def _answer(self, asked: Sequence[Question]) -> list[SealedRecord]:
        """Read, project or compare, and say it: for all the questions of one group commit."""
        places = [(one.grant.resource, one.key) for one in asked]
        texts = held(self._records, [one.grant for one in asked], places)
        return [one.answer(text) for one, text in zip(asked, texts, strict=True)]

    def _answer_forwarded(self, asked: Sequence[Question]) -> list[SealedRecord]:
        """`_answer` of what the sources' own systems sent."""
        texts = shown(self._records, [one.grant for one in asked], [one.fetched for one in asked])
        return [one.answer(text) for one, text in zip(asked, texts, strict=True)]

    async def _forward(
        self,
        asked: Question,
        principal: Principal,
        time_remaining: Remaining,
    ) -> tuple[_Make, Usage | None]:
        """Ask the source's own system; what makes the answer, and the usage it causes.

        Raises as `Sources.records`, and what authorizing raises once the answer has come.
        """
        name, operation, items = asked.grant.name, asked.operation, asked.asked_items
        try:
            records = await self._sources.records(
                principal,
                asked.grant,
                keys=(asked.key,),
                items=items,
                purpose=asked.purpose,
                case_number=asked.case_number,
                time_remaining=time_remaining,
            )
            asked.fetched, asked.forwarded = records[asked.key], True
            # The grant may have changed, and its quota been used up, while the source was asked.
            granted = self._authorize(
                name, department=principal.department, operation=operation, items=items
            )
            asked.grant = admitted(granted, self._schema(granted.resource), items)
            if operation is Operation.VERIFY:
                check_granted_whole(asked.grant, dict.fromkeys(items, ""))
            usage = self._take(asked.grant, asked.at, counted=True)  # the record is of that day
        except (*ATTEMPTED, *SOURCE_ERRORS) as error:
            await self._refuse(error, asked)
            raise
        except asyncio.CancelledError:
            self._sources.leave(self._refuse(caller_gone(), asked))
            raise
        return self._answer_forwarded, usage

    def _check_key(self, schema: ResourceSchema, key: str) -> None:
        known = self._key_checks.get(schema.resource)
        if known is None or known[0] is not schema:
            known = self._key_checks[schema.resource] = (schema, key_check(schema))
        known[1](key)

    def _take(self, grant: Grant, now: datetime, *, counted: bool = False) -> Usage | None:
        """One record from the day's quota; None where the grant has no quota.

        What is on its way to the log counts already, so questions at one time cannot pass together.
        `counted`: against the rate it was, when the question came.
        """
        if grant.rate_per_minute and not counted:
            self._rates.take(grant)
        if not grant.daily_quota:
            return None
        day, left = self._days.at(now)
        if self._audit.used(grant.name, day) >= grant.daily_quota:
            raise quota_exceeded(left)
        return Usage(grant=grant.name, day=day, count=1)

    async def _refuse(self, error: DomainError, asked: Question) -> None:
        attempt = Attempt(
            at=asked.at,
            actor=asked.actor,
            operation=asked.operation.value,
            grant=asked.grant.name,
            request=asked.request,
            asked=_asked(asked.key, asked.purpose, asked.case_number),
            method=asked.method,
            signature=asked.signature,
        )
        await self._refusals.keep(error, attempt)


def _asked(key: str, purpose: str, case_number: str) -> dict[str, bytes]:
    """What the record of a refusal commits to."""
    return {
        "key": key.encode(),
        "purpose": purpose.encode(),
        "case_number": case_number.encode(),
    }
