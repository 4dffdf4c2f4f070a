"""Subscriptions as they are made and looked at, by their own department."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from exchange.delivery import store
from exchange.delivery.access import Access
from exchange.delivery.acknowledging import beyond_log
from exchange.delivery.lanes import model as rules
from exchange.delivery.lanes import store as lanes
from exchange.delivery.lanes.model import Lane
from exchange.delivery.log.store import LogReader
from exchange.delivery.model import Start, StartPosition, Subscription
from exchange.delivery.subscriptions import store as subscriptions
from exchange.refusals import REFUSED
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    AlreadyExists,
    FieldViolation,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
)
from runtime.identity import Principal
from runtime.records import make_record

#: What a department may have; what ended is not among it.
GREATEST_SUBSCRIPTIONS = 500
GREATEST_LANES_IN_ALL = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How the work of a new subscription is shared; 0 means as many as usual."""

    lanes: int = 0
    max_deliveries: int = 0
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A subscription with its lanes, how many dead letters wait, and how far behind it is."""

    subscription: Subscription
    lanes: list[Lane]
    dead_letters: int
    #: From the end of the log of all resources.
    distance: int
    #: Changes of its resource after the cursor, and when the oldest of them was published; None
    #: where that would tell of records that the grant does not show.
    undelivered: int | None
    oldest: datetime | None


class Managing:
    """The use cases."""

    def __init__(self, *, database: Database, access: Access, clock: Clock) -> None:
        self._database = database
        self._access = access
        self._clock = clock
        self._log = LogReader(database)

    def create(
        self,
        work: UnitOfWork,
        principal: Principal,
        *,
        parent: str,
        subscription_id: str,
        grant: str,
        start: Start,
        sharing: Sharing,
    ) -> Subscription:
        """Make a subscription.

        Raises PermissionDenied (NOT_YOUR_DEPARTMENT, or what the grant does not allow), NotFound
        (GRANT_NOT_FOUND), InvalidArgument and OutOfRange (BAD_START, CURSOR_BEYOND_LOG,
        BAD_SHARING), AlreadyExists (SUBSCRIPTION_EXISTS) and ResourceExhausted
        (TOO_MANY_SUBSCRIPTIONS).
        """
        _own(principal, parent)
        names.check_id(subscription_id, field="subscription_id")
        _check(sharing)
        granted = self._access.granted(grant, principal)
        at = self._clock.now()
        end = store.end_of_log(work.session)
        _check_room(work, principal, sharing.lanes or 1)
        cursor = self._first_cursor(granted.resource, start, end)
        bound = end if start.position is StartPosition.SNAPSHOT else 0
        subscription = Subscription(
            name=f"{principal.department}/subscriptions/{subscription_id}",
            department=principal.department,
            grant=grant,
            cursor=cursor,
            create_time=at,
            secret=secrets.token_bytes(32),
            origin=end,
            snapshot_end=bound,
            lanes=sharing.lanes or 1,
            max_deliveries=sharing.max_deliveries or rules.DEFAULT_DELIVERIES,
            owner=sharing.owner,
            # Begun behind all that is read compacted, it never reads so.
            settled=cursor if cursor >= max(bound, granted.history_from) else -1,
        )
        if not subscriptions.add(work.session, subscription):
            raise _exists(
                subscription.name,
                ended=subscriptions.get(work.session, subscription.name) is None,
            )
        shared = {"lanes": subscription.lanes} if subscription.lanes > 1 else {}
        work.record(
            make_record(
                "subscription_created",
                at=at,
                actor=principal.system,
                facts={
                    "subscription": subscription.name,
                    "grant": grant,
                    "contract": granted.contract_hash,
                    "resource": granted.resource,
                    "cursor": subscription.cursor,
                    **shared,
                },
            )
        )
        return subscription

    def end(self, work: UnitOfWork, principal: Principal, name: str) -> None:
        """End a subscription, with its lanes and dead letters.

        Raises NotFound, SUBSCRIPTION_NOT_FOUND.
        """
        subscription = self._access.held(work, principal, name)
        at = self._clock.now()
        waiting = lanes.drop(work.session, name)
        subscriptions.end(work.session, name, at)
        work.record(
            make_record(
                "subscription_ended",
                at=at,
                actor=principal.system,
                facts={
                    "subscription": name,
                    "grant": subscription.grant,
                    "cursor": subscription.cursor,
                    "dead_letters": waiting,
                },
            )
        )

    def ended(self, name: str) -> None:
        """Let live streams of a subscription know; after the commit, from any thread."""
        self._access.ended(name)

    def get(self, principal: Principal, name: str) -> Looked:
        """A subscription of the caller's department. Raises NotFound, SUBSCRIPTION_NOT_FOUND."""
        subscription = self._access.subscription(principal, name)
        undelivered, oldest = self._lag(principal, subscription)
        with self._database.reading() as session:
            return Looked(
                subscription=subscription,
                lanes=lanes.lanes(session, name),
                dead_letters=lanes.open_count(session, name),
                distance=max(0, store.end_of_log(session) - subscription.cursor),
                undelivered=undelivered,
                oldest=oldest,
            )

    def _lag(
        self, principal: Principal, subscription: Subscription
    ) -> tuple[int | None, datetime | None]:
        try:
            granted = self._access.granted(subscription.grant, principal)
        except REFUSED:  # what is not delivered any more is not counted either
            return None, None
        if granted.row_filter or granted.earlier:
            return None, None
        return self._log.undelivered(granted.resource, subscription.cursor)

    def page(
        self, principal: Principal, *, parent: str, page_size: int, page_token: str
    ) -> tuple[list[Subscription], str]:
        """A page of the caller's department's subscriptions, and the token of the next page."""
        _own(principal, parent)
        size, after = paging.page_size(page_size), paging.last_of(page_token)
        with self._database.reading() as session:
            found = subscriptions.page(session, principal.department, after, size + 1)
        return paging.cut(found, size, lambda subscription: subscription.name)

    def _first_cursor(self, resource: str, start: Start, end: int) -> int:
        match start.position:
            case StartPosition.NOW:
                return end
            case StartPosition.EARLIEST | StartPosition.SNAPSHOT:
                return 0
            case StartPosition.TIME:
                if start.time is None:
                    raise bad_start("start_time", "is required to start from a time")
                first = self._log.begins(resource, start.time)
                return end if first is None else min(first - 1, end)
            case StartPosition.OFFSET:
                if start.offset < 0:
                    raise bad_start("start_offset", "is negative")
                if start.offset > end:
                    raise beyond_log()
                return start.offset


def _exists(name: str, *, ended: bool) -> AlreadyExists:
    go_on = f"tongban subscribe {name}"
    return AlreadyExists(
        f"the subscription {name} has ended, and its name is not given again: choose another"
        if ended
        else f"the department has the subscription {name}: go on with it (`{go_on}`), or choose "
        "another name",
        reason="SUBSCRIPTION_EXISTS",
        message_zh=f"订阅 {name} 已结束，其名称不再使用：请换一个名称"
        if ended
        else f"本部门已有订阅 {name}：可继续接收（{go_on}），或换一个名称",
    )


def _own(principal: Principal, parent: str) -> None:
    names.parse(names.DEPARTMENT, parent, field="parent")
    if parent != principal.department:
        raise PermissionDenied(
            "subscriptions are made and listed by their own department",
            reason="NOT_YOUR_DEPARTMENT",
            message_zh="只能创建和查看本部门的订阅",
        )


def _check_room(work: UnitOfWork, principal: Principal, wanted: int) -> None:
    held, in_all = subscriptions.count(work.session, principal.department)
    if held >= GREATEST_SUBSCRIPTIONS or in_all + wanted > GREATEST_LANES_IN_ALL:
        raise ResourceExhausted(
            f"a department has at most {GREATEST_SUBSCRIPTIONS} subscriptions and "
            f"{GREATEST_LANES_IN_ALL:,} lanes in all: delete those that are not read "
            "(`tongban subscriptions delete`), or take fewer lanes",
            reason="TOO_MANY_SUBSCRIPTIONS",
            message_zh=f"每个部门至多 {GREATEST_SUBSCRIPTIONS} 个订阅、共 "
            f"{GREATEST_LANES_IN_ALL:,} 个分道：请删除不再使用的订阅"
            "（tongban subscriptions delete）或减少分道",
        )


def _check(sharing: Sharing) -> None:
    wrong = []
    for field, value, greatest in (
        ("lanes", sharing.lanes, rules.GREATEST_LANES),
        ("max_deliveries", sharing.max_deliveries, rules.GREATEST_DELIVERIES),
    ):
        if not 0 <= value <= greatest:
            wrong.append(FieldViolation(field, f"is 1 to {greatest}"))
    if len(sharing.owner) > rules.GREATEST_OWNER or not (sharing.owner or "-").isprintable():
        limit = f"is up to {rules.GREATEST_OWNER} printable characters"
        wrong.append(FieldViolation("owner", limit))
    if wrong:
        raise InvalidArgument(
            "the work cannot be shared so: see the violations",
            reason="BAD_SHARING",
            message_zh="订阅的分道设置有误：请查看字段说明",
            violations=wrong,
        )


def bad_start(field: str, wrong: str) -> InvalidArgument:
    """The refusal of a start that is none."""
    return InvalidArgument(
        f"the start of the subscription is not right: {field} {wrong}",
        reason="BAD_START",
        message_zh=f"订阅起点有误：请检查 {field}",
        violations=[FieldViolation(field, wrong)],
    )
