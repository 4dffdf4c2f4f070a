"""Spatial query (空间查询): the records of an area under a grant.

The steps are those of Query (see `exchange.query.service`): the question's shape → authorize under
the grant, the geometry item granted whole → rate and quota → read, in a worker thread → leave out
what the grant's row filter does not show → project and mask → authorize again, for a question may
take a while → append the audit record → answer.

1. The index finds candidates, `exact` judges each as its record holds it; so the answer is the same
   on every database. What a question looks at is bounded; a page may end early, with a token.
   Records that the grant's row filter does not show count for nothing (`searching`, `places`).
2. To ask about a masked geometry would tell, box by box, what the mask hides.
3. Each record returned is taken from the day's quota, and an answer without any counts as one.
   Where less is left than was found, the answer ends there.
4. What a receipt's leaf says (kind `spatial_query`): `grant`, `contract`, `resource`, `items`,
   `geometry_item`, `area` (`at`, `box`, `within`, `nearest`), `found` (how many); and commitments
   to `purpose`, `case_number`, `request` and `answer`. `request` is canonical JSON of `{grant,
   geometry_item, area, items, purpose, case_number, page_size, page_token}` as sent, the area as
   `model.text_of` says it, and what a signature is over (`signed`); `answer` of `{records:
   [{items, distance_mm}], next_page_token}`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from exchange import pacing
from exchange.audit.appending import AuditLog
from exchange.audit.many import record_of_many
from exchange.audit.model import Receipt, Usage
from exchange.catalog.schema import ResourceSchema
from exchange.catalog.service import Schemas
from exchange.delivery.reading import RecordReader
from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import Grant, Mask, Operation
from exchange.grants.pages import PageTokens
from exchange.grants.rates import Rates
from exchange.grants.sharing import admitted
from exchange.query.model import (
    check_answer_size,
    check_items,
    check_sizes,
    counted,
    granted_in_part,
    quota_exceeded,
)
from exchange.query.signing import Facts, signed_facts
from exchange.refusals import ATTEMPTED
from exchange.refusing import Attempt, Refusals
from exchange.spatial.indexing import geometry_items
from exchange.spatial.model import Area, Nearest, check_area, page_wanted, text_of
from exchange.spatial.places.store import PlaceReader
from exchange.spatial.searching import Found, Search
from runtime.asking import check_question
from runtime.clock import CHINA, Clock
from runtime.database import Database
from runtime.errors import Aborted, DomainError, FieldViolation, InvalidArgument, PermissionDenied
from runtime.identity import Principal
from runtime.records import SealedRecord, canonical
from runtime.signed import RequestSignature

THREADS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SpatialRecord:
    """One record that answers, as far as the grant goes; `number` is its place in the index."""

    items: dict[str, str]
    distance_mm: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpatialAnswer:
    """A page of records, and the proof of having asked."""

    records: Sequence[SpatialRecord]
    next_page_token: str
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, as it was sent, but for the area, which is checked and rounded."""

    grant: str
    geometry_item: str
    area: Area
    items: Sequence[str]
    purpose: str
    case_number: str
    page_size: int = 0
    page_token: str = ""
    signed: RequestSignature | None = None

    def text(self) -> bytes:
        """What a receipt commits to."""
        return canonical(
            {
                "grant": self.grant,
                "geometry_item": self.geometry_item,
                "area": text_of(self.area),
                "items": list(self.items),
                "purpose": self.purpose,
                "case_number": self.case_number,
                "page_size": self.page_size,
                "page_token": self.page_token,
            }
        )


class SpatialQuerying:
    """The use case."""

    def __init__(
        self,
        *,
        database: Database,
        grants: GrantIndex,
        schemas: Schemas,
        audit: AuditLog,
        clock: Clock,
        rates: Rates | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self._places = PlaceReader(database)
        self._records = RecordReader(database)
        self._authorize = grants.authorize
        self._schema = schemas.schema
        self._audit = audit
        self._tokens = PageTokens(audit.key.secret_for("pages of places"))
        self._clock = clock
        self._rates = rates or Rates(clock)
        self._refusals = refusals or Refusals(audit)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="spatial")

    def close(self) -> None:
        """Wait for questions under way."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def query(self, principal: Principal, question: Question) -> SpatialAnswer:
        """The records of an area.

        Raises InvalidArgument (BAD_QUESTION, BAD_AREA, BAD_PAGE_TOKEN, GEOMETRY_ITEM_REQUIRED),
        what `GrantIndex.authorize` raises, PermissionDenied (ITEM_GRANTED_IN_PART,
        SIGNATURE_REQUIRED, BAD_SIGNATURE, SIGNATURE_USED),
        ResourceExhausted (RATE_EXCEEDED, DAILY_QUOTA_EXCEEDED) and FailedPrecondition
        (RESOURCE_WITHDRAWN, RESOURCE_NOT_SHARED, POSTGIS_MISSING, NOT_INDEXED,
        AREA_TOO_CROWDED) and Aborted (GRANT_CHANGED).
        """
        # 1. The question's shape.
        try:
            check_sizes(question.grant)
            check_items((question.geometry_item,))
            check_question(question.purpose, question.case_number)
            question = replace(question, area=check_area(question.area))
            size, after = page_wanted(question.page_size), self._after(question)
            check_items(question.items)
        except InvalidArgument as error:
            await self._refuse(error, principal, question, self._clock.now(), understood=False)
            raise
        # 2. May it be asked, now?
        item, facts = await self._admit(principal, question)
        # 3. Read, off the loop.
        asked_under = self._granted(principal, question, item)
        search = Search(self._places, self._holds, asked_under, item, question.area)
        loop, began = asyncio.get_running_loop(), time.monotonic()
        try:
            found, following = await loop.run_in_executor(self._threads, search.page, size, after)
        finally:
            if asked_under.row_filter:
                await asyncio.sleep(pacing.left_to_wait(time.monotonic() - began))
        # 4. May it still? Then what is left of the quota is taken, and the answer said, in one go:
        #    nothing else runs on the loop until the usage is reserved.
        now = self._clock.now()
        try:
            grant = self._granted(principal, question, item)
            was = asked_under
            if (grant.contract_hash, grant.items) != (was.contract_hash, was.items):
                raise _terms_changed()
            usage = self._usage(grant, len(found), now)
            if usage is not None and usage.count < len(found):
                found = found[: usage.count]
                nearest = isinstance(question.area, Nearest)
                following = 0 if nearest else found[-1].number
            records = [_shown(grant, one, question.items) for one in found]
            token = self._tokens.after(grant.name, following)
            key_item = self._schema(grant.resource).key_item
            keys = [one.values[key_item] for one in found]
            asked = _answered(
                principal, question, grant, item, records, token, now,
                keys=keys, usage=usage, facts=facts,
            )  # fmt: skip
        except ATTEMPTED as error:
            await self._refuse(error, principal, question, now)
            raise
        try:
            receipt = await self._audit.append(asked, usage, self._audit.tags(keys))
        except PermissionDenied as error:  # SIGNATURE_USED
            await self._refuse(error, principal, question, now)
            raise
        return SpatialAnswer(records=records, next_page_token=token, receipt=receipt)

    def _after(self, question: Question) -> int:
        if question.page_token and isinstance(question.area, Nearest):
            raise InvalidArgument(
                "the nearest records are one page: ask without page_token",
                reason="BAD_PAGE_TOKEN",
                message_zh="最近查询仅一页：请不带 page_token",
                violations=[FieldViolation("page_token", "is not taken")],
            )
        return self._tokens.number(question.grant, question.page_token)

    def _holds(self, resource: str, key: str) -> bool:
        """Whether a resource holds a record of a key."""
        place = (resource, key)
        return self._records.payloads([place]).get(place) is not None

    async def _admit(self, principal: Principal, question: Question) -> tuple[str, Facts]:
        """The geometry item that is asked about, and what the record says of the signature.

        If grant, signature, rate and quota allow the question.
        """
        now = self._clock.now()
        try:
            grant = self._granted(principal, question, "")
            schema = self._schema(grant.resource)
            facts = signed_facts(schema, question.signed, "SpatialQuery", question.text(), now)
            item = _item_of(schema, question.geometry_item)
            self._granted(principal, question, item)
            self._rates.take(grant)
            self._usage(grant, 0, now)
        except ATTEMPTED as error:
            await self._refuse(error, principal, question, now)
            raise
        return item, facts

    def _granted(self, principal: Principal, question: Question, item: str) -> Grant:
        items = [*question.items, item] if item else question.items
        grant = self._authorize(
            question.grant,
            department=principal.department,
            operation=Operation.QUERY,
            items=items,
        )
        grant = admitted(grant, self._schema(grant.resource), items)
        if item and grant.masks[item] is not Mask.WHOLE:
            raise granted_in_part(item, "be asked by place", "按位置查询")
        return grant

    def _usage(self, grant: Grant, found: int, now: datetime) -> Usage | None:
        """What is taken from the day's quota for so many records; None where there is none."""
        if not grant.daily_quota:
            return None
        local = now.astimezone(CHINA)
        day = local.date().isoformat()
        left = grant.daily_quota - self._audit.used(grant.name, day)
        if left <= 0:
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
            raise quota_exceeded((midnight + timedelta(days=1) - local).total_seconds())
        return Usage(grant=grant.name, day=day, count=min(max(found, 1), left))

    async def _refuse(
        self,
        error: DomainError,
        principal: Principal,
        question: Question,
        now: datetime,
        *,
        understood: bool = True,
    ) -> None:
        attempt = Attempt(
            at=now,
            actor=principal.system,
            operation=Operation.QUERY.value,
            grant=question.grant,
            request=question.text() if understood else b"",
            asked={
                "purpose": question.purpose.encode(),
                "case_number": question.case_number.encode(),
            },
            method="SpatialQuery",
            signature=question.signed,
        )
        await self._refusals.keep(error, attempt)


def _terms_changed() -> Aborted:
    return Aborted(
        "the grant's terms changed while it was read under them: ask again",
        reason="GRANT_CHANGED",
        message_zh="读取期间授权条款已变更：请重新查询",
    )


def _shown(grant: Grant, one: Found, items: Sequence[str]) -> SpatialRecord:
    shown = grant.project(one.values)
    if items:
        shown = {code: shown[code] for code in items if code in shown}
    return SpatialRecord(items=shown, distance_mm=one.distance_mm, number=one.number)


def _item_of(schema: ResourceSchema, wanted: str) -> str:
    """The geometry item asked about. Raises InvalidArgument, GEOMETRY_ITEM_REQUIRED."""
    there = geometry_items(schema)
    if wanted in there:
        return wanted
    if not wanted and len(there) == 1:
        return there[0]
    problem = "name the geometry item: the resource has " + (
        f"{', '.join(there[:20])}" if there else "none, so it cannot be asked by place"
    )
    raise InvalidArgument(
        problem,
        reason="GEOMETRY_ITEM_REQUIRED",
        message_zh="请指明空间信息项 geometry_item：该信息资源"
        + (f"有 {'、'.join(there[:20])}" if there else "没有空间信息项，不能按位置查询"),
        violations=[FieldViolation("geometry_item", "is not a geometry item of the resource")],
    )


def _answered(
    principal: Principal,
    question: Question,
    grant: Grant,
    item: str,
    records: Sequence[SpatialRecord],
    following: str,
    now: datetime,
    *,
    keys: Sequence[str],
    usage: Usage | None,
    facts: Facts,
) -> SealedRecord:
    """The record of a question and its answer. Raises ResourceExhausted, ANSWER_TOO_LARGE."""
    told: dict[str, Any] = {
        "records": [{"items": one.items, "distance_mm": one.distance_mm} for one in records],
        "next_page_token": following,
    }
    answer = canonical(told)
    check_answer_size(len(answer))
    return record_of_many(
        "spatial_query",
        at=now,
        actor=principal.system,
        keys=keys,
        facts={
            "grant": grant.name,
            "contract": grant.contract_hash,
            "resource": grant.resource,
            "items": list(question.items or grant.masks),
            "geometry_item": item,
            "area": next(iter(text_of(question.area))),
            "found": len(records),
            **counted(grant, usage.count if usage else 0),
            **facts,
        },
        commitments={
            "purpose": question.purpose.encode(),
            "case_number": question.case_number.encode(),
            "request": question.text(),
            "answer": answer,
        },
    )
