"""Use cases of discovery: a page of resources as a department stands to them, and a descriptor.

1. Any authenticated system discovers for its own department; an administrator or an auditor for
   any. What is read of grants and requests is that department's alone.
2. A page costs a fixed number of statements for each `CHUNK` of resources that it looks through,
   and looks through `GREATEST_SCAN` at most: a filter that finds little gives a short page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from exchange.catalog import registering
from exchange.catalog import service as catalog
from exchange.catalog import store as catalog_store
from exchange.catalog.model import DataResource, Department, SharingType
from exchange.deadlines import jurisdictions
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Jurisdiction, Kind, Ruling
from exchange.deadlines.tables import store as deadline_tables
from exchange.discovery import descriptor, store
from exchange.discovery.model import Access, Reply, Rules, Standing, stand
from exchange.grants import reviewing
from exchange.grants.model import AccessRequest
from exchange.grants.rights import sees_everything
from exchange.lists import store as list_store
from runtime import names, paging
from runtime.clock import Clock, china_date
from runtime.database import Database
from runtime.errors import FailedPrecondition, PermissionDenied
from runtime.identity import Principal
from runtime.records import canonical
from runtime.workdays import china_day

if TYPE_CHECKING:
    from sqlmodel import Session

GREATEST_PAGE = 200
CHUNK = 400
GREATEST_SCAN = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for; what is empty or None filters nothing."""

    parent: str = ""
    base_library: str = ""
    sharing: SharingType = SharingType.UNSPECIFIED
    access: Access | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How a department stands to a resource, and the name that people use of its source."""

    standing: Standing
    source_display_name: str


def discover(
    database: Database,
    principal: Principal,
    *,
    wanted: Wanted,
    consumer: str,
    page_size: int,
    page_token: str,
    clock: Clock,
    office: str = "",
) -> tuple[list[Found], str]:
    """A page in order of name, and the token of the next.

    Raises InvalidArgument, and PermissionDenied (NOT_OWN_DEPARTMENT) where `consumer` is another's.
    """
    consumer = _consumer(principal, consumer)
    parent = wanted.parent or catalog.EVERY_DEPARTMENT
    names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
    size = paging.page_size(page_size, greatest=GREATEST_PAGE)
    after = paging.last_of(page_token)
    if after:
        names.parse(names.RESOURCE, after, field="page_token")
    found: list[Found] = []
    with database.reading() as session:
        knowledge = _Knowledge(session, consumer, clock.now(), office)
        scanned, limit = 0, CHUNK if _filters(wanted) else size + 1
        while scanned < GREATEST_SCAN:
            chunk = catalog_store.entries(
                session,
                catalog_store.RESOURCE_KIND,
                department=None if parent == catalog.EVERY_DEPARTMENT else parent,
                withdrawn=wanted.withdrawn,
                after=after,
                limit=limit,
            )
            asked = [one for one in chunk if isinstance(one, DataResource) and _fits(one, wanted)]
            for one in knowledge.of(asked):
                if wanted.access in (None, one.standing.access):
                    if len(found) == size:
                        return found, paging.token_after(found[-1].standing.resource.name)
                    found.append(one)
            if len(chunk) < limit:
                return found, ""
            after, scanned = chunk[-1].name, scanned + len(chunk)
    return found, paging.token_after(after)


def descriptor_of(database: Database, *, name: str, clock: Clock) -> tuple[bytes, str]:
    """The descriptor of a resource in canonical JSON, and the resource's etag.

    Raises NotFound, RESOURCE_NOT_FOUND.
    """
    resource = catalog.get_resource(database, name)
    source = catalog.get_department(database, names.department_of(name))
    told = descriptor.descriptor(resource, source_display_name=source.display_name, now=clock.now())
    return canonical(told), resource.etag


def _consumer(principal: Principal, consumer: str) -> str:
    if not consumer or consumer == principal.department:
        return principal.department
    names.parse(names.DEPARTMENT, consumer, field="consumer")
    if not sees_everything(principal):
        raise PermissionDenied(
            "a system discovers for its own department: leave consumer out",
            reason="NOT_OWN_DEPARTMENT",
            message_zh="只能以本部门名义查询：请不要填写 consumer",
        )
    return consumer


def _filters(wanted: Wanted) -> bool:
    return bool(wanted.base_library or wanted.sharing or wanted.access)


def _fits(resource: DataResource, wanted: Wanted) -> bool:
    return wanted.base_library in ("", resource.base_library) and wanted.sharing in (
        SharingType.UNSPECIFIED,
        resource.sharing_type,
    )


class _Knowledge:
    """What one page needs to know, each thing read once for a chunk of resources."""

    def __init__(self, session: Session, consumer: str, now: datetime, office: str) -> None:
        self._session = session
        self._consumer = consumer
        self._now = now
        self._office = office
        self._below: frozenset[str] | None = None
        self._tables: list[Jurisdiction] = deadline_tables.jurisdictions(session)
        self._calendar = deadline_tables.calendar(session)
        self._rules: dict[tuple[str, SharingType], Rules] = {}
        self._departments: dict[str, Department] = {}

    def of(self, resources: Sequence[DataResource]) -> list[Found]:
        """How the consumer stands to these."""
        wanted = [resource.name for resource in resources]
        if not wanted:
            return []
        sources = {names.department_of(name) for name in wanted} | {self._consumer}
        self._departments |= store.departments(self._session, sources - self._departments.keys())
        grants = store.grants(
            self._session, consumer=self._consumer, resources=wanted, now=self._now
        )
        requests = store.requests(self._session, consumer=self._consumer, resources=wanted)
        negatives = list_store.negatives_of(self._session, wanted, china_date(self._now))
        clocks = self._due([one for of_one in requests.values() for one in of_one])
        return [
            Found(
                standing=stand(
                    resource,
                    consumer=self._consumer,
                    grants=grants.get(resource.name, ()),
                    requests=[
                        replace(one, reply_due=clocks.get(one.name, ""))
                        for one in requests.get(resource.name, ())
                    ],
                    rules=self._rules_of(resource),
                    now=self._now,
                    negative=negatives.get(resource.name),
                ),
                source_display_name=self._name_of(names.department_of(resource.name)),
            )
            for resource in resources
        ]

    def _name_of(self, department: str) -> str:
        held = self._departments.get(department)
        return held.display_name if held else ""

    def _due(self, requests: Sequence[AccessRequest]) -> dict[str, str]:
        held = deadlines.of_subjects(self._session, [one.name for one in requests])
        return {
            subject: clock.due.isoformat()
            for (subject, _), clock in held.items()
            if clock.open and clock.due
        }

    def _rules_of(self, resource: DataResource) -> Rules:
        source = names.department_of(resource.name)
        key = (source, resource.sharing_type)
        if key not in self._rules:
            self._rules[key] = self._make_rules(self._departments.get(source), key[1])
        return self._rules[key]

    def _make_rules(self, source: Department | None, sharing: SharingType) -> Rules:
        if source is None:
            return Rules()
        held = jurisdictions.ruling(self._tables, source.region_code)
        if sharing is SharingType.UNCONDITIONAL:
            return Rules(
                reply=self._reply(held, Kind.REPLY_UNCONDITIONAL),
                at_once=not self._keeps(source.name),
            )
        consumer = self._departments.get(self._consumer)
        # Nobody knows where an unregistered department is: to be safe, elsewhere.
        needed = (
            "cross_region" in held.review_when
            if consumer is None
            else reviewing.review_of(
                consumer, source, review_when=held.review_when, authority=held.authority
            ).needed
        )
        return Rules(
            reply=self._reply(held, Kind.REPLY_CONDITIONAL),
            review=self._reply(held, Kind.AUTHORITY_REVIEW) if needed else Reply(),
            needs_review=needed,
            authority=held.authority if needed else "",
        )

    def _keeps(self, source: str) -> bool:
        """Whether the consumer keeps a source's directory, so that the source decides."""
        if self._below is None:
            self._below = registering.names_below(self._session, self._consumer)
        return self._consumer == self._office or source in self._below

    def _reply(self, held: Ruling, kind: str) -> Reply:
        try:
            _, period = held.period(kind)
        except FailedPrecondition:
            return Reply()
        due = self._calendar.after(china_day(self._now), period.days)
        return Reply(
            days=period.days,
            due=due.day,
            provisional=due.provisional,
            source=period.source,
            sure=period.sure,
        )
