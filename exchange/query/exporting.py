"""Export (导出): all records that a grant shows, page by page.

1. A page is read in the order of the records' newest changes; a record that changes meanwhile comes
   again, later. A token tells nothing but where the next page begins (`grants.pages`).
2. Each record counts as one against the day's quota; a page has no more than are left when it is
   recorded, whoever asks at the same time.
3. The page's audit record is durable before the page is sent: kind `export`, with `grant`,
   `contract`, `resource`, `items`, `count`, and commitments to `purpose`, `case_number`, `request`
   (`{grant, purpose, case_number, page_size, page_token}`) and `answer` (the list of the items).
4. What a department answers from its own system is not held here, and so not exported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from exchange.audit.appending import AuditLog
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
from exchange.query.model import check_question, check_sizes, quota_exceeded
from exchange.query.signing import signed_facts
from exchange.refusals import ATTEMPTED
from exchange.refusing import Attempt, Refusals
from runtime import paging
from runtime.clock import Clock
from runtime.errors import PermissionDenied
from runtime.identity import Principal
from runtime.records import canonical, make_record
from runtime.signed import RequestSignature

DEFAULT_PAGE = 500
GREATEST_PAGE = 5_000
CHUNK = 500
#: A message holds about so much at most; the transport takes 20 MiB.
PAGE_BYTES = 8 * 1024 * 1024


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
            page, more = await asyncio.to_thread(self._read, granted, schema.key_item, after, size)
            if granted.daily_quota and page:
                # Others may have taken of it meanwhile; from here to the log nobody comes between.
                rest = granted.daily_quota - self._audit.used(grant, day)
                if rest <= 0:
                    raise quota_exceeded(left)
                page, more = page[:rest], more or len(page) > rest
        except ATTEMPTED as error:
            await self._refusals.keep(error, attempt(request))
            raise
        shown = [items for _, items, _ in page]
        token = self._tokens.after(grant, page[-1][0]) if more else ""
        record = make_record(
            "export",
            at=now,
            actor=principal.system,
            facts={
                "grant": granted.name,
                "contract": granted.contract_hash,
                "resource": granted.resource,
                "items": list(granted.masks),
                "count": len(shown),
                **facts,
            },
            commitments={
                "purpose": purpose.encode(),
                "case_number": case_number.encode(),
                "request": request,
                "answer": canonical(shown),
            },
        )
        usage = Usage(grant=grant, day=day, count=len(shown)) if granted.daily_quota else None
        try:
            receipt = await self._audit.append(record, usage, b"".join(tags for _, _, tags in page))
        except PermissionDenied as error:  # SIGNATURE_USED
            await self._refusals.keep(error, attempt(request))
            raise
        return Page(records=shown, next_page_token=token, receipt=receipt)

    def _read(
        self, grant: Grant, key_item: str, after: int, size: int
    ) -> tuple[list[tuple[int, dict[str, str], bytes]], bool]:
        """Records with their offsets and whom they are about, and whether there are more."""
        page: list[tuple[int, dict[str, str], bytes]] = []
        taken = 0
        for offset, length, values in self._shown(grant, after):
            # One more is there: the page ends before it, so a last page has no token.
            if len(page) == size or (page and taken + length * 3 > PAGE_BYTES):
                return page, True
            about = self._audit.tags((values[key_item],))
            page.append((offset, grant.project(values), about))
            taken += length * 3
        return page, False

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
