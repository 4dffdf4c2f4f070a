"""Use cases of oversight.

1. Administrators and auditors see everything; a department's system sees what concerns its own
   resources and grants.
2. The tally is brought up to the log before an answer, at most `AT_ONCE` records a time; it is read
   and counted before any transaction begins, so it never keeps anybody waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from exchange.audit.merkle import split_entries
from exchange.audit.store import AuditStore
from exchange.catalog.history import service as history
from exchange.catalog.model import DataResource
from exchange.grants import service as grants
from exchange.grants import store as grant_store
from exchange.grants.model import Grant, GrantState, GrantVersion
from exchange.grants.rights import sees_everything
from exchange.grants.sharing import is_closed
from exchange.lists import store as list_store
from exchange.lists.keeping import is_in_force, listed
from exchange.oversight import model, store
from exchange.oversight.model import Affected, Change, GrantUse, Tally
from runtime import names, paging
from runtime.clock import CHINA, Clock, china_date
from runtime.database import Database
from runtime.errors import FieldViolation, InvalidArgument, NotFound, PermissionDenied
from runtime.identity import Principal

AT_ONCE = 50_000
LOOK_BACK = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a change would do."""

    uses: int
    affected: list[Affected]
    tally: Tally


class Overseeing:
    """The use cases."""

    def __init__(self, *, database: Database, log: AuditStore, clock: Clock) -> None:
        self._database = database
        self._log = log
        self._clock = clock

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
        names.parse(names.RESOURCE, resource, field="resource")
        own = names.department_of(resource) == principal.department
        if not (own or sees_everything(principal)):
            raise PermissionDenied(
                "only the source department, administrators and auditors ask who could read this",
                reason="NOT_THE_SOURCE",
                message_zh="只有数源部门、管理员和审计员可以查询谁能读取该信息资源",
            )
        size, after = paging.page_size(page_size), paging.last_of(page_token)
        then = at or self._clock.now()
        held = self._items_then(resource, then)
        if not held or (item and item not in held):
            return [], ""
        with self._database.reading() as session:
            rows = grant_store.versions_at(session, resource, then, after=after, limit=size + 1)
        page, token = paging.cut(rows, size, lambda version: version.grant.name)
        return [
            version
            for version in page
            if version.grant.start_time <= then < version.grant.end_time
            and (item in version.grant.masks if item else held & version.grant.masks.keys())
        ], token

    def _items_then(self, resource: str, then: datetime) -> set[str]:
        """Items that anybody could read at a time by catalog and lists (`grants.sharing`)."""
        try:
            entry, _ = history.entry_then(
                self._database, resource, at=then, version=0, clock=self._clock
            )
        except NotFound:
            return set()
        if not isinstance(entry, DataResource) or is_closed(entry):
            return set()
        with self._database.reading() as session:
            kept_back = list_store.negative_then(session, resource, then)
        if kept_back is not None and not is_in_force(kept_back, china_date(then)):
            kept_back = None
        codes = [item.code for item in entry.items]
        return set(codes) - {*listed(kept_back, codes)}

    def what_if(
        self, principal: Principal, *, grant: str, change: Change, from_day: str, until_day: str
    ) -> Answer:
        """What recorded uses of a grant a change would have met. Raises NotFound."""
        held = grants.get_grant(self._database, principal, grant)
        first, last = self._days(from_day, until_day)
        tally = self.catch_up()
        with self._database.reading() as session:
            uses = store.uses(session, [grant], from_day=first, until_day=last).get(grant, [])
        return Answer(
            uses=sum(use.uses for use in uses),
            affected=model.what_if(held, change, uses),
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
            found = [one for one in found if one.is_wider and self._in_force(one.grant)]
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
        for first, bundle in self._log.batches_from(begin):
            entries = split_entries(bundle)
            yield from entries[max(begin - first, 0) :]

    def _in_force(self, grant: Grant) -> bool:
        return grant.state is GrantState.ACTIVE and self._clock.now() < grant.end_time

    def _days(self, first: str, last: str) -> tuple[str, str]:
        today = self._clock.now().astimezone(CHINA).date()
        begin = _day("from_day", first) if first else today - LOOK_BACK
        end = _day("until_day", last) if last else today
        return begin.isoformat(), end.isoformat()


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
