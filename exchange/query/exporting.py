"""Export (导出): all records that a grant shows, page by page.

1. A page is read in the order of the records' newest changes; a record that changes meanwhile comes
   again, later. A token tells nothing but where the next page begins (`grants.pages`).
2. Each record counts as one against the day's quota; a page has no more than are left when it is
   recorded, whoever asks at the same time.
3. The page's audit record is durable before the page is sent: kind `export`, with `grant`,
   `contract`, `resource`, `items`, `count`, and commitments to `purpose`, `case_number`, `request`
   (`{grant, purpose, case_number, page_size, page_token}`) and `answer` (the list of the items);
   and `entries`, of which each person can open their own (`exchange.audit.entries`).
4. Under a row filter a page comes at a step of time (`exchange.pacing`).
5. What a department answers from its own system is not held here, and so not exported.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import orjson

from exchange import pacing
from exchange.audit.appending import AuditLog
from exchange.audit.many import record_of_many
from exchange.audit.model import Receipt, Usage
from exchange.catalog.service import Schemas
from exchange.delivery.reading import RecordReader
from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import Grant, Operation
from exchange.grants.pages import PageTokens
from exchange.grants.rates import Rates
from exchange.grants.rows import looked_up, shows
from exchange.grants.sharing import admitted
from exchange.query.days import Days
from exchange.query.forwarded import Sources, check_held
from exchange.query.model import check_sizes, counted, quota_exceeded
from exchange.query.signing import Facts, signed_facts
from exchange.refusals import ATTEMPTED
from exchange.refusing import Attempt, Refusals
from runtime import paging
from runtime.asking import check_question
from runtime.clock import Clock
from runtime.errors import PermissionDenied
from runtime.identity import Principal
from runtime.records import SealedRecord, canonical
from runtime.signed import RequestSignature

DEFAULT_PAGE = 500
GREATEST_PAGE = 5_000
CHUNK = 500
#: A message holds about so much at most; the transport takes 20 MiB.
PAGE_BYTES = 8 * 1024 * 1024
_Row = tuple[int, dict[str, str], str]  # offset, what is shown, key
_Said = tuple[SealedRecord, bytes]  # the record of a page, and whom it is about


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Records, the token of the next page (empty at the end), and the proof of having asked."""

    records: Sequence[Mapping[str, str]]
    next_page_token: str
    receipt: Receipt


class Exporting:
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
        self._tokens = PageTokens(audit.key.secret_for("pages of exports"))

    async def export(
        self,
        principal: Principal,
        *,
        grant: str,
        purpose: str,
        case_number: str,
        page_size: int,
        page_token: str,
        signed: RequestSignature | None = None,
    ) -> Page:
        """A page of records.

        Raises InvalidArgument (BAD_QUESTION, BAD_PAGE_TOKEN), what `GrantIndex.authorize` and
        `admitted` raise, FailedPrecondition (RESOURCE_NOT_HELD) and ResourceExhausted
        (RATE_EXCEEDED, DAILY_QUOTA_EXCEEDED).
        """
        now = self._clock.now()
        request = b""

        def attempt(request: bytes) -> Attempt:
            return Attempt(
                at=now,
                actor=principal.system,
                operation=Operation.EXPORT.value,
                grant=grant,
                request=request,
                asked={"purpose": purpose.encode(), "case_number": case_number.encode()},
                method="Export",
                signature=signed,
            )

        try:
            check_sizes(grant)
            check_question(purpose, case_number)
            size = paging.page_size(page_size, default=DEFAULT_PAGE, greatest=GREATEST_PAGE)
            after = self._tokens.number(grant, page_token)
            request = canonical(
                {
                    "grant": grant,
                    "purpose": purpose,
                    "case_number": case_number,
                    "page_size": page_size,
                    "page_token": page_token,
                }
            )
            granted = self._grants.authorize(
                grant, department=principal.department, operation=Operation.EXPORT
            )
            schema = self._schemas.schema(granted.resource)
            granted = admitted(granted, schema)
            check_held(forwarded=self._sources.serves(granted.resource))
            facts = signed_facts(schema, signed, "Export", request, now)
            self._rates.take(granted)
            day, left = self._days.at(now)
            if granted.daily_quota:
                size = min(size, granted.daily_quota - self._audit.used(grant, day))
                if size <= 0:
                    raise quota_exceeded(left)
            record = partial(
                self._record,
                grant=granted,
                at=now,
                actor=principal.system,
                facts=facts,
                asked={
                    "purpose": purpose.encode(),
                    "case_number": case_number.encode(),
                    "request": request,
                },
            )
            began = time.monotonic()
            try:
                page, more, (said, tags) = await asyncio.to_thread(
                    self._read, granted, schema.key_item, after, size, record
                )
            finally:
                if granted.row_filter:
                    await asyncio.sleep(pacing.left_to_wait(time.monotonic() - began))
            if granted.daily_quota and page:
                # Others may have taken of it meanwhile; from here to the log nobody comes between.
                rest = granted.daily_quota - self._audit.used(grant, day)
                if rest <= 0:
                    raise quota_exceeded(left)
                if len(page) > rest:
                    page, more = page[:rest], True
                    said, tags = record(page)
        except ATTEMPTED as error:
            await self._refusals.keep(error, attempt(request))
            raise
        shown = [items for _, items, _ in page]
        token = self._tokens.after(grant, page[-1][0]) if more else ""
        usage = Usage(grant=grant, day=day, count=len(shown)) if granted.daily_quota else None
        try:
            receipt = await self._audit.append(said, usage, tags)
        except PermissionDenied as error:  # SIGNATURE_USED
            await self._refusals.keep(error, attempt(request))
            raise
        return Page(records=shown, next_page_token=token, receipt=receipt)

    def _record(
        self,
        page: Sequence[_Row],
        *,
        grant: Grant,
        at: datetime,
        actor: str,
        facts: Facts,
        asked: Mapping[str, bytes],
    ) -> tuple[SealedRecord, bytes]:
        """What is logged of a page, and whom it is about."""
        keys = [key for _, _, key in page]
        record = record_of_many(
            "export",
            at=at,
            actor=actor,
            keys=keys,
            facts={
                "grant": grant.name,
                "contract": grant.contract_hash,
                "resource": grant.resource,
                "items": list(grant.masks),
                "count": len(page),
                **counted(grant, len(page)),
                **facts,
            },
            commitments={**asked, "answer": canonical([items for _, items, _ in page])},
        )
        return record, self._audit.tags(keys)

    def _read(
        self,
        grant: Grant,
        key_item: str,
        after: int,
        size: int,
        record: Callable[[Sequence[_Row]], _Said],
    ) -> tuple[list[_Row], bool, _Said]:
        """The rows of a page, whether there are more, and its record. In a worker thread."""
        page: list[_Row] = []
        taken, more = 0, False
        for offset, length, values in self._shown(grant, after):
            # One more is there: the page ends before it, so a last page has no token.
            if len(page) == size or (page and taken + length * 3 > PAGE_BYTES):
                more = True
                break
            page.append((offset, grant.project(values), values[key_item]))
            taken += length * 3
        return page, more, record(page)

    def _shown(self, grant: Grant, after: int) -> Iterator[tuple[int, int, dict[str, str]]]:
        """Offset, length and values of each record that the row filter lets through."""
        while True:
            rows = self._records.held_after(grant.resource, after, CHUNK)
            values = [orjson.loads(text) for _, text in rows]
            wanted = {place for one in values for place in looked_up(grant.row_filter, one)}
            clients = self._records.payloads(wanted) if wanted else {}
            holds = partial(_holds, clients)
            for (offset, text), one in zip(rows, values, strict=True):
                if shows(grant.row_filter, one, holds):
                    yield offset, len(text), one
            if len(rows) < CHUNK:
                return
            after = rows[-1][0]


def _holds(clients: Mapping[tuple[str, str], str | None], resource: str, key: str) -> bool:
    return clients.get((resource, key)) is not None
