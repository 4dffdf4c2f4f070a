"""What every use case of a subscriber asks first: is it theirs, does the grant hold now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exchange.audit.many import record_of_many
from exchange.catalog.service import Schemas
from exchange.delivery.model import Change, Subscription, delivered
from exchange.delivery.subscriptions import store as subscriptions
from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import Grant, Operation
from exchange.grants.sharing import admitted
from exchange.refusals import REFUSED
from exchange.refusing import Attempt, Refusals
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import DomainError, FailedPrecondition, NotFound
from runtime.identity import Principal
from runtime.records import SealedRecord, canonical
from runtime.signed import not_subscribed

_MOST_KNOWN = 10_000


def grants_of(database: Database) -> Callable[[str], str]:
    """Tells the grant of a subscription, which never changes; empty of an unknown one."""
    known: dict[str, str] = {}

    def grant_of(name: str) -> str:
        held = known.get(name, "")
        if not held and names.is_name(names.SUBSCRIPTION, name):
            with database.reading() as session:
                subscription = subscriptions.get(session, name)
            if subscription is not None:
                if len(known) >= _MOST_KNOWN:
                    known.clear()
                held = known[name] = subscription.grant
        return held

    return grant_of


class Access:
    """Subscriptions of callers, and their grants as these are now."""

    def __init__(
        self,
        *,
        database: Database,
        grants: GrantIndex,
        schemas: Schemas,
        clock: Clock,
        refusals: Refusals,
        elsewhere: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._database = database
        self._grants = grants
        self._schemas = schemas
        self._clock = clock
        self._refusals = refusals
        self._elsewhere = elsewhere
        #: What ended while this process ran: its live streams are told without a reading.
        self._ended: set[str] = set()

    def ended(self, name: str) -> None:
        """A subscription has ended; after the commit, from any thread."""
        if len(self._ended) >= _MOST_KNOWN:
            self._ended.clear()
        self._ended.add(name)

    def still(self, principal: Principal, subscription: Subscription) -> Grant:
        """The grant of a subscription that is being read: raises as `granted`, and NotFound."""
        if subscription.name in self._ended:
            raise _not_found()
        return self.granted(subscription.grant, principal)

    def is_filtered(self, principal: Principal, subscription: Subscription) -> bool:
        """Whether a row filter hides something of it; False too where nothing may be read."""
        try:
            grant = self.granted(subscription.grant, principal)
        except REFUSED:  # which the reading refuses, and records
            return False
        return bool(grant.row_filter or grant.earlier)

    def subscription(self, principal: Principal, name: str) -> Subscription:
        """A subscription of the caller's department. Raises NotFound, SUBSCRIPTION_NOT_FOUND."""
        names.parse(names.SUBSCRIPTION, name, field="subscription")
        with self._database.reading() as session:
            return _of(principal, subscriptions.get(session, name))

    def held(self, work: UnitOfWork, principal: Principal, name: str) -> Subscription:
        """The same within a transaction."""
        names.parse(names.SUBSCRIPTION, name, field="subscription")
        return _of(principal, subscriptions.get(work.session, name))

    def granted(self, grant: str, principal: Principal) -> Grant:
        """The grant, if it lets the caller subscribe now.

        Raises what `GrantIndex.authorize` and `admitted` raise, where requests have to be signed
        what `not_subscribed` is, and where the source's own system answers (`elsewhere`)
        FailedPrecondition (RESOURCE_NOT_HELD).
        """
        granted = self._grants.authorize(
            grant, department=principal.department, operation=Operation.SUBSCRIBE
        )
        schema = self._schemas.schema(granted.resource)
        if schema.signed_requests:  # a delivery answers no single request that could be signed
            raise not_subscribed()
        if self._elsewhere(granted.resource):  # it has no log here, so nothing would ever come
            raise _not_held()
        return admitted(granted, schema)

    def delivered(
        self,
        principal: Principal,
        grant: Grant,
        subscription: Subscription,
        changes: Sequence[Change],
        keys: Sequence[str],
        **facts: str | int,
    ) -> SealedRecord:
        """The record of changes that are about to be sent, one at the least; `keys` are theirs."""
        return record_of_many(
            "changes_delivered",
            at=self._clock.now(),
            actor=principal.system,
            keys=keys,
            facts={
                "subscription": subscription.name,
                "grant": grant.name,
                "contract": grant.contract_hash,
                "resource": grant.resource,
                "items": list(grant.masks),
                "first_offset": changes[0].offset,
                "last_offset": changes[-1].offset,
                "count": len(changes),
                **facts,
            },
            commitments={"changes": delivered(changes)},
        )

    def refuse(self, error: DomainError, principal: Principal, subscription: Subscription) -> None:
        """Keep a refusal; from a worker thread. Raises as `AuditLog.append`."""
        self._refusals.keep_blocking(error, self._attempt(principal, subscription))

    async def refuse_stream(
        self, error: DomainError, principal: Principal, subscription: Subscription
    ) -> None:
        """The same, on the loop."""
        await self._refusals.keep(error, self._attempt(principal, subscription))

    def _attempt(self, principal: Principal, subscription: Subscription) -> Attempt:
        return Attempt(
            at=self._clock.now(),
            actor=principal.system,
            operation=Operation.SUBSCRIBE.value,
            grant=subscription.grant,
            request=canonical({"subscription": subscription.name}),
        )


def _of(principal: Principal, subscription: Subscription | None) -> Subscription:
    if subscription is None or subscription.department != principal.department:
        raise _not_found()
    return subscription


def _not_held() -> FailedPrecondition:
    return FailedPrecondition(
        "this resource is answered by its department's own system, and changes there are not told "
        "here: ask for records by their keys (Query, Verify), or ask the department to publish it",
        reason="RESOURCE_NOT_HELD",
        message_zh="该信息资源由部门自有系统应答，本节点不接收其变更：请按主键查询、核查，"
        "或请数源部门改为发布数据",
    )


def _not_found() -> NotFound:
    return NotFound(
        "no such subscription: check its name with ListSubscriptions",
        reason="SUBSCRIPTION_NOT_FOUND",
        message_zh="没有该订阅：请用订阅列表核对其名称",
    )
