"""Requests and grants between the departments of the fictional county."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from exchange.grants import replying, requesting
from exchange.grants.model import AccessRequest, Grant, GrantedItem, Operation
from runtime.clock import Clock
from runtime.database import Database
from runtime.identity import Principal
from tests.builders.catalog import HOUSING, NOON, RESIDENTS, caller

PURPOSE = "公共租赁住房资格审核"
LEGAL_BASIS = "示范县公共租赁住房管理办法第九条"
GRANT = f"{HOUSING}/grants/aaaaaaaaaaaaaaaa"
REQUEST = f"{HOUSING}/accessRequests/bbbbbbbbbbbbbbbb"
ALL_OPERATIONS = (Operation.QUERY, Operation.VERIFY, Operation.SUBSCRIBE)


def access_request(**changes: Any) -> AccessRequest:
    """A pending request of the housing department for the residents."""
    made = AccessRequest(
        name=REQUEST,
        resource=RESIDENTS,
        items=("citizen_number", "name", "birth_date"),
        operations=(Operation.QUERY, Operation.VERIFY),
        purpose=PURPOSE,
        legal_basis=LEGAL_BASIS,
        create_time=NOON,
    )
    return replace(made, **changes)


def grant(**changes: Any) -> Grant:
    """An active grant of query and verify on three items, for thirty days from noon."""
    values: dict[str, Any] = {
        "name": GRANT,
        "resource": RESIDENTS,
        "items": tuple(GrantedItem(item=i) for i in ("citizen_number", "name", "birth_date")),
        "operations": (Operation.QUERY, Operation.VERIFY),
        "purpose": PURPOSE,
        "legal_basis": LEGAL_BASIS,
        "daily_quota": 100,
        "start_time": NOON,
        "end_time": NOON + timedelta(days=30),
        "access_request": REQUEST,
        "create_time": NOON,
    }
    return Grant(**(values | changes))


def ask(
    database: Database,
    *,
    clock: Clock,
    resource: str = RESIDENTS,
    consumer: str = HOUSING,
    items: tuple[str, ...] = ("citizen_number", "name", "birth_date"),
    operations: tuple[Operation, ...] = ALL_OPERATIONS,
    **asked: Any,
) -> AccessRequest:
    """Ask as a consumer's system."""
    with database.unit_of_work() as work:
        return requesting.create_access_request(
            work,
            caller(consumer),
            parent=consumer,
            resource=resource,
            items=items,
            operations=operations,
            purpose=PURPOSE,
            legal_basis=LEGAL_BASIS,
            clock=clock,
            **asked,
        )


def approve(
    database: Database,
    request: AccessRequest,
    *,
    clock: Clock,
    items: tuple[GrantedItem, ...] = (),
    daily_quota: int = 0,
    start_time: datetime | None = None,
    end_time: datetime | None = None,
    by: Principal | None = None,
    **terms: Any,
) -> Grant:
    """Approve as the source, or as somebody: all that was asked, for thirty days, unless told."""
    with database.unit_of_work() as work:
        _, grant = replying.approve_access_request(
            work,
            by or caller(request.source),
            name=request.name,
            items=items or tuple(GrantedItem(item=item) for item in request.items),
            operations=(),
            daily_quota=daily_quota,
            start_time=start_time,
            end_time=end_time or clock.now() + timedelta(days=30),
            clock=clock,
            **terms,
        )
    assert grant is not None
    return grant
