"""Use cases of oversight.

1. Administrators and auditors see everything; a department's system sees what concerns its own
   resources and grants.
2. The tally is brought up to the log before an answer, at most `AT_ONCE` records a time; it is read
   and counted before any transaction begins, so it never keeps anybody waiting.
3. What the tally cannot tell (a rate, a row filter) is read from the log itself (`traffic`), within
   bounds that the answer tells.
4. What a row filter would hide is told by what records hold: to the source only, whose records they
   are. To anybody else it would tell, value by value, what its grant hides.
5. A system tries `TRIALS_A_MINUTE` changes a minute; one for which the log is read counts as
   `OF_A_LOOK` of them, since it may read as much as the bounds allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from exchange.audit.merkle import split_entries
from exchange.audit.store import AuditStore
from exchange.catalog.history import service as history
from exchange.catalog.model import DataResource, SharingType
from exchange.catalog.service import Schemas
from exchange.grants import service as grants
from exchange.grants import store as grant_store
from exchange.grants.faults import quota_faults, refuse
from exchange.grants.model import Grant, GrantState, GrantVersion
from exchange.grants.rates import Rates
from exchange.grants.rights import sees_everything
from exchange.grants.rows import faults_of
from exchange.grants.sharing import is_closed, is_undecided, tested_by
from exchange.lists import store as list_store
from exchange.lists.keeping import is_in_force, listed
from exchange.lists.model import Negative
from exchange.oversight import model, store, supposing
from exchange.oversight.model import GrantUse, Tally
from exchange.oversight.supposing import Affected, CatalogChange, Change, GrantAffected
from exchange.oversight.traffic.reading import Look, Traffic
from runtime import names, paging
from runtime.clock import CHINA, Clock, china_date
from runtime.database import Database
from runtime.errors import FieldViolation, InvalidArgument, NotFound, PermissionDenied
from runtime.identity import Principal

AT_ONCE = 2_000
BATCHES_AT_ONCE = 16
LOOK_BACK = timedelta(days=90)
GREATEST_ITEMS = 500
TRIALS_A_MINUTE = 60
OF_A_LOOK = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a change would do."""

    uses: int
    affected: list[Affected]
    tally: Tally
    look: Look | None = None
    unjudged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogAnswer:
    """What a change of the catalog would do; a page of grants."""

    grants: list[GrantAffected]
    next_page_token: str
    requests: int
    tally: Tally


class Overseeing:
    """The use cases."""

    def __init__(
        self,
        *,
        database: Database,
        log: AuditStore,
        tags: Callable[[Iterable[str]], bytes],
        schemas: Schemas,
        clock: Clock,
    ) -> None:
        self._database = database
        self._log = log
        self._traffic = Traffic(database=database, log=log, tags=tags)
        self._schemas = schemas
        self._clock = clock
        self._rates = Rates(clock)

    def explain_access(
        self,
        principal: Principal,
        *,
        resource: str,
        item: str,
        at: datetime | None,
        page_size: int,
        page_token: str,
    ) -> tuple[list[GrantVersion], str]:
        """The versions of grants by which an item (empty: any) could be read at a time.

        Where the resource was not shared then, or had no such item, there are none. Raises
        PermissionDenied (NOT_THE_SOURCE).
        """
        _check_own(principal, resource)
        size, after = paging.page_size(page_size), paging.last_of(page_token)
        then = at or self._clock.now()
        entry, held, kept = self._items_then(resource, then)
        if entry is None or not held or (item and item not in held):
            return [], ""
        with self._database.reading() as session:
            rows = grant_store.versions_at(session, resource, then, after=after, limit=size + 1)
            page, token = paging.cut(rows, size, lambda version: version.grant.name)
            given = [version.grant for version in page]
            marked = grant_store.marked(session, given, then)
        return [
            version
            for version, grant in zip(page, marked, strict=True)
            if not is_undecided(grant, entry)
            and version.grant.start_time <= then < version.grant.end_time
            and not listed(kept, tested_by(version.grant))
            and (item in version.grant.masks if item else held & version.grant.masks.keys())
        ], token

    def _items_then(
        self, resource: str, then: datetime
    ) -> tuple[DataResource | None, set[str], Negative | None]:
        """Items that anybody could read at a time by catalog and lists (`grants.sharing`).

        With them the resource as it was, and the row of the negative list that was in force.
        """
        try:
            entry, _ = history.entry_then(
                self._database, resource, at=then, version=0, clock=self._clock
            )
        except NotFound:
            return None, set(), None
        if not isinstance(entry, DataResource) or is_closed(entry):
            return None, set(), None
        with self._database.reading() as session:
            kept_back = list_store.negative_then(session, resource, then)
        if kept_back is not None and not is_in_force(kept_back, china_date(then)):
            kept_back = None
        codes = [item.code for item in entry.items]
        return entry, set(codes) - {*listed(kept_back, codes)}, kept_back

    def what_if(
        self, principal: Principal, *, grant: str, change: Change, from_day: str, until_day: str
    ) -> Answer:
        """What recorded uses of a grant a change would have met.

        Raises NotFound (GRANT_NOT_FOUND), PermissionDenied (NOT_THE_SOURCE: rule 4),
        InvalidArgument (CHANGE_INVALID) and ResourceExhausted (RATE_EXCEEDED: rule 5).
        """
        held = grants.get_grant(self._database, principal, grant)
        if change.row_filter and principal.department != held.source:
            raise _not_told_of_records()
        self._check_change(held, change)
        first, last = self._days(from_day, until_day)
        looks = bool(change.row_filter or change.rate_per_minute)
        self._rates.take_of(principal.system, TRIALS_A_MINUTE, OF_A_LOOK if looks else 1)
        tally = self.catch_up()
        with self._database.reading() as session:
            uses = store.uses(session, [grant], from_day=first, until_day=last).get(grant, [])
        affected = supposing.what_if(held, change, uses)
        look, unjudged = None, 0
        if looks:
            look = self._traffic.look(grant, first, last)
            affected += supposing.by_rate(change.rate_per_minute or 0, look.uses)
        if look is not None and change.row_filter:
            more, unjudged = self._by_rows(held, change, look)
            affected += more
        return Answer(
            uses=sum(use.uses for use in uses),
            affected=affected,
            tally=tally,
            look=look,
            unjudged=unjudged,
        )

    def _by_rows(self, grant: Grant, change: Change, look: Look) -> tuple[list[Affected], int]:
        about = self._traffic.about(look)
        shown = self._traffic.shown(
            grant.resource,
            self._schemas.schema(grant.resource).key_item,
            {tag for tags in about.values() for tag in tags},
            change.row_filter,
        )
        return supposing.by_rows(look.uses, about, shown)

    def _check_change(self, grant: Grant, change: Change) -> None:
        resource = self._schemas.schema(grant.resource)
        wrong = [
            *faults_of(change.row_filter, held=set(resource.position), consumer=grant.consumer),
            *quota_faults(change.rate_per_minute or 0, "rate_per_minute"),
            *quota_faults(change.daily_quota or 0, "daily_quota"),
        ]
        refuse(iter(wrong), "CHANGE_INVALID")

    def what_if_catalog(
        self,
        principal: Principal,
        *,
        resource: str,
        change: CatalogChange,
        from_day: str,
        until_day: str,
        page_size: int,
        page_token: str,
    ) -> CatalogAnswer:
        """What a change of the catalog or the negative list would do to a resource's grants.

        Raises PermissionDenied (NOT_THE_SOURCE), NotFound (RESOURCE_NOT_FOUND), InvalidArgument
        (CHANGE_INVALID) and ResourceExhausted (RATE_EXCEEDED: rule 5).
        """
        _check_own(principal, resource)
        self._rates.take_of(principal.system, TRIALS_A_MINUTE)
        schema = self._schemas.schema(resource)
        wrong = [
            FieldViolation(f"{field}[{place}]", "is not in the resource")
            for field in ("removed_items", "negative_items")
            for place, item in enumerate(getattr(change, field)[:GREATEST_ITEMS])
            if item not in schema.position
        ]
        if schema.key_item in change.removed_items:
            wrong.append(FieldViolation("removed_items", "has the item that identifies records"))
        refuse(iter(wrong), "CHANGE_INVALID")
        first, last = self._days(from_day, until_day)
        size, after = paging.page_size(page_size), paging.last_of(page_token)
        if after:
            names.parse(names.GRANT, after, field="page_token")
        tally = self.catch_up()
        now = self._clock.now()
        with self._database.reading() as session:
            rows = store.live_grants(session, resource, now=now, after=after, limit=size + 1)
            page, token = paging.cut(rows, size, lambda grant: grant.name)
            used = store.uses(session, [g.name for g in page], from_day=first, until_day=last)
            other = _decided_otherwise(schema.sharing_type, change.sharing_type)
            asked = store.requests(session, resource, first, last) if other else 0
        found = [
            supposing.what_if_catalog(grant, change, used.get(grant.name, [])) for grant in page
        ]
        return CatalogAnswer(
            grants=[one for one in found if one.closed or one.lost_items],
            next_page_token=token,
            requests=asked,
            tally=tally,
        )

    def report_use(
        self,
        principal: Principal,
        *,
        parent: str,
        from_day: str,
        wider_only: bool,
        page_size: int,
        page_token: str,
    ) -> tuple[list[GrantUse], str, Tally]:
        """A page of grants against what was used of them."""
        first, last = self._days(from_day, "")
        tally = self.catch_up()
        page, token = grants.list_grants(
            self._database, principal, parent=parent, page_size=page_size, page_token=page_token
        )
        with self._database.reading() as session:
            used = store.uses(
                session, [grant.name for grant in page], from_day=first, until_day=last
            )
        found = [model.use_of(grant, used.get(grant.name, [])) for grant in page]
        if wider_only:
            found = [one for one in found if one.is_wider and self.in_force(one.grant)]
        return found, token, tally

    def catch_up(self) -> Tally:
        """Count what the log has got since, up to `AT_ONCE` records."""
        with self._database.reading() as session:
            begin = store.mark(session)
        leaves = list(islice(self._leaves(begin), AT_ONCE + 1))
        complete = len(leaves) <= AT_ONCE
        leaves = leaves[:AT_ONCE]
        end = begin + len(leaves)
        if leaves:
            uses = model.counted(leaves)
            with self._database.unit_of_work() as work:
                if store.move_mark(work.session, was=begin, now=end):
                    store.add(work.session, uses)
        return Tally(size=end, complete=complete)

    def _leaves(self, begin: int) -> Iterator[bytes]:
        # A few batches at a time: a batch may have a thousand records, and few are wanted.
        for first, bundle in self._log.batches_from(begin, limit=BATCHES_AT_ONCE):
            entries = split_entries(bundle)
            yield from entries[max(begin - first, 0) :]

    def in_force(self, grant: Grant) -> bool:
        """Whether anything is read under a grant now."""
        return grant.state is GrantState.ACTIVE and self._clock.now() < grant.end_time

    def _days(self, first: str, last: str) -> tuple[str, str]:
        today = self._clock.now().astimezone(CHINA).date()
        begin = _day("from_day", first) if first else today - LOOK_BACK
        end = _day("until_day", last) if last else today
        return begin.isoformat(), end.isoformat()


def _check_own(principal: Principal, resource: str) -> None:
    names.parse(names.RESOURCE, resource, field="resource")
    own = names.department_of(resource) == principal.department
    if not (own or sees_everything(principal)):
        raise PermissionDenied(
            "only the source department, administrators and auditors ask who could read this",
            reason="NOT_THE_SOURCE",
            message_zh="只有数源部门、管理员和审计员可以查询谁能读取该信息资源",
        )


def _not_told_of_records() -> PermissionDenied:
    return PermissionDenied(
        "only the source department asks what a row filter would hide: leave the filter out",
        reason="NOT_THE_SOURCE",
        message_zh="只有数源部门可以推演行过滤条件：请去掉该条件",
    )


def _decided_otherwise(now: SharingType, then: SharingType) -> bool:
    """Whether requests would be decided by another rule: at once, or not."""
    at_once = SharingType.UNCONDITIONAL
    return then is not SharingType.UNSPECIFIED and (now is at_once) != (then is at_once)


def _day(field: str, text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise InvalidArgument(
            f"{field} is a day, YYYY-MM-DD",
            message_zh=f"{field} 应为日期 YYYY-MM-DD",
            violations=[FieldViolation(field, "is not a day")],
        )
    return found
