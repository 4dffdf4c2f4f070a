"""From a request to a grant and to its end: the transitions, pure.

Each function takes the thing as it is (None where there is none) and who acts, and returns the
thing as it becomes. The order of refusals is always: does it exist for the caller → may the caller
do this → does its state allow it → is what was sent right. So an outsider learns nothing, and a
mistaken request of a party is told all its faults at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, islice

from exchange.catalog.model import CONTROL, DataResource, EntryState, SharingType
from exchange.grants.model import (
    AccessRequest,
    AccessRequestState,
    Grant,
    GrantedItem,
    GrantState,
    Operation,
    grant_not_found,
    may_decide,
    may_revoke,
    may_see,
    request_not_found,
)
from runtime.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    PermissionDenied,
)
from runtime.identity import Principal

GREATEST_YEARS = 5
PURPOSE_LIMIT = 200
LEGAL_BASIS_LIMIT = 500
REASON_LIMIT = 500
GREATEST_ITEMS = 500
#: An unconditional resource is granted at once, for a year.
AT_ONCE_YEARS = 1


def ask(
    principal: Principal,
    *,
    name: str,
    resource: DataResource,
    items: Sequence[str],
    operations: Sequence[Operation],
    purpose: str,
    legal_basis: str,
    now: datetime,
) -> AccessRequest:
    """A new request, pending.

    Raises PermissionDenied (NOT_OWN_DEPARTMENT), FailedPrecondition (RESOURCE_NOT_SHARED,
    RESOURCE_WITHDRAWN) or InvalidArgument (ACCESS_REQUEST_INVALID, with all violations).
    """
    request = AccessRequest(
        name=name,
        resource=resource.name,
        items=tuple(items),
        operations=tuple(operations),
        purpose=purpose,
        legal_basis=legal_basis,
        create_time=now,
    )
    if principal.department != request.consumer:
        raise PermissionDenied(
            "a system asks for its own department: set parent to that",
            reason="NOT_OWN_DEPARTMENT",
            message_zh="只能以本部门名义申请：请将 parent 设为本部门",
        )
    check_shared(resource)
    _refuse(_faults_of(request, resource), "ACCESS_REQUEST_INVALID")
    return request


def check_shared(resource: DataResource) -> None:
    """Whether a resource can be granted at all.

    Raises FailedPrecondition, RESOURCE_NOT_SHARED or RESOURCE_WITHDRAWN.
    """
    if resource.state is EntryState.WITHDRAWN:
        raise FailedPrecondition(
            "this resource was withdrawn by its department: look for its successor in the catalog",
            reason="RESOURCE_WITHDRAWN",
            message_zh="该信息资源已由数源部门撤下：请在目录中查找替代资源",
        )
    if resource.sharing_type is SharingType.NOT_SHARED:
        raise FailedPrecondition(
            "this resource is not shared: its legal basis is in its sharing_condition",
            reason="RESOURCE_NOT_SHARED",
            message_zh="该信息资源不予共享：依据见其共享条件",
        )


def _faults_of(request: AccessRequest, resource: DataResource) -> Iterator[FieldViolation]:
    known = {item.code for item in resource.items}
    if not 0 < len(request.items) <= GREATEST_ITEMS:
        yield FieldViolation("access_request.items", f"must be 1 to {GREATEST_ITEMS}")
    yield from _repeated("access_request.items", request.items)
    for place, item in enumerate(request.items[:GREATEST_ITEMS]):
        if item not in known:
            yield FieldViolation(f"access_request.items[{place}]", "is not in the resource")
    if not request.operations:
        yield FieldViolation("access_request.operations", "is required")
    yield from _repeated("access_request.operations", request.operations)
    yield from _text("access_request.purpose", request.purpose, PURPOSE_LIMIT)
    yield from _text("access_request.legal_basis", request.legal_basis, LEGAL_BASIS_LIMIT)


def approve(
    principal: Principal,
    request: AccessRequest | None,
    *,
    resource: DataResource,
    grant_name: str,
    items: Sequence[GrantedItem],
    operations: Sequence[Operation],
    daily_quota: int,
    start_time: datetime | None,
    end_time: datetime | None,
    now: datetime,
) -> tuple[AccessRequest, Grant]:
    """The request approved, and the grant that answers it.

    No operations mean all that were asked for; no start means now. Raises NotFound
    (ACCESS_REQUEST_NOT_FOUND), PermissionDenied (NOT_THE_SOURCE), FailedPrecondition
    (REQUEST_ALREADY_DECIDED, RESOURCE_NOT_SHARED, RESOURCE_WITHDRAWN) or InvalidArgument
    (GRANT_INVALID, with all violations).
    """
    request = _to_decide(principal, request)
    check_shared(resource)
    start = start_time or now
    faults = chain(
        _item_faults(request, resource, items),
        _repeated("operations", operations),
        (
            FieldViolation(f"operations[{place}]", "was not asked for")
            for place, operation in enumerate(operations)
            if operation not in request.operations
        ),
        _time_faults(start, end_time, now),
        _quota_faults(daily_quota),
    )
    _refuse(faults, "GRANT_INVALID")
    if end_time is None:  # told above; the type checker does not know
        raise InvalidArgument("end_time is required", reason="GRANT_INVALID")
    return _answer(
        request,
        grant_name=grant_name,
        items=tuple(items),
        operations=tuple(operations) or request.operations,
        daily_quota=daily_quota,
        start=start,
        end=end_time,
        now=now,
    )


def grant_at_once(
    request: AccessRequest, *, grant_name: str, now: datetime
) -> tuple[AccessRequest, Grant]:
    """The node's own rule for an unconditional resource: all that was asked, whole, for a year."""
    return _answer(
        request,
        grant_name=grant_name,
        items=tuple(GrantedItem(item=item) for item in request.items),
        operations=request.operations,
        daily_quota=0,
        start=now,
        end=years_after(now, AT_ONCE_YEARS),
        now=now,
    )


def _answer(
    request: AccessRequest,
    *,
    grant_name: str,
    items: tuple[GrantedItem, ...],
    operations: tuple[Operation, ...],
    daily_quota: int,
    start: datetime,
    end: datetime,
    now: datetime,
) -> tuple[AccessRequest, Grant]:
    grant = Grant(
        name=grant_name,
        resource=request.resource,
        items=items,
        operations=operations,
        purpose=request.purpose,
        legal_basis=request.legal_basis,
        daily_quota=daily_quota,
        start_time=start,
        end_time=end,
        access_request=request.name,
        create_time=now,
    )
    approved = replace(
        request, state=AccessRequestState.APPROVED, grant=grant_name, decide_time=now
    )
    return approved, grant


def reject(
    principal: Principal, request: AccessRequest | None, *, reason: str, now: datetime
) -> AccessRequest:
    """The request refused.

    Raises NotFound (ACCESS_REQUEST_NOT_FOUND), PermissionDenied (NOT_THE_SOURCE),
    FailedPrecondition (REQUEST_ALREADY_DECIDED) or InvalidArgument (REASON_REQUIRED).
    """
    request = _to_decide(principal, request)
    _refuse(_text("reason", reason, REASON_LIMIT), "REASON_REQUIRED")
    return replace(
        request, state=AccessRequestState.REJECTED, decision_reason=reason, decide_time=now
    )


def revoke(principal: Principal, grant: Grant | None, *, reason: str, now: datetime) -> Grant:
    """The grant ended.

    Raises NotFound (GRANT_NOT_FOUND), PermissionDenied (NOT_A_PARTY), FailedPrecondition
    (GRANT_ALREADY_REVOKED) or InvalidArgument (REASON_REQUIRED).
    """
    if grant is None or not may_see(principal, grant):
        raise grant_not_found()
    if not may_revoke(principal, grant):
        raise PermissionDenied(
            "only the source, the consumer or an administrator revokes a grant",
            reason="NOT_A_PARTY",
            message_zh="只有数源部门、使用部门或管理员可以撤销授权",
        )
    if grant.state is not GrantState.ACTIVE:
        raise FailedPrecondition(
            "this grant was revoked before: there is nothing left to do",
            reason="GRANT_ALREADY_REVOKED",
            message_zh="该授权此前已撤销：无需再操作",
        )
    _refuse(_text("reason", reason, REASON_LIMIT), "REASON_REQUIRED")
    # Its terms, and so its contract hash, stay.
    return replace(grant, state=GrantState.REVOKED, revoke_time=now, revoke_reason=reason)


def _to_decide(principal: Principal, request: AccessRequest | None) -> AccessRequest:
    if request is None or not may_see(principal, request):
        raise request_not_found()
    if not may_decide(principal, request):
        raise PermissionDenied(
            "only the source department or an administrator decides on a request",
            reason="NOT_THE_SOURCE",
            message_zh="只有数源部门或管理员可以对申请作出决定",
        )
    if request.state is not AccessRequestState.PENDING:
        raise FailedPrecondition(
            "this request was decided before: read it to see how",
            reason="REQUEST_ALREADY_DECIDED",
            message_zh="该申请此前已作出决定：请查看结果",
            state=request.state.value,
        )
    return request


def _item_faults(
    request: AccessRequest, resource: DataResource, items: Sequence[GrantedItem]
) -> Iterator[FieldViolation]:
    if not items:
        yield FieldViolation("items", "is required: name what is given")
    yield from _repeated("items", [given.item for given in items], ".item")
    held = {item.code for item in resource.items}
    asked = set(request.items)
    for place, given in enumerate(items):
        if given.item not in asked:
            yield FieldViolation(f"items[{place}].item", "was not asked for")
        elif given.item not in held:
            yield FieldViolation(f"items[{place}].item", "is no longer in the resource")


def _time_faults(start: datetime, end: datetime | None, now: datetime) -> Iterator[FieldViolation]:
    if start > years_after(now, GREATEST_YEARS):
        yield FieldViolation("start_time", f"must be within {GREATEST_YEARS} years from now")
    elif end is None:
        yield FieldViolation("end_time", "is required")
    elif end <= start:
        yield FieldViolation("end_time", "must be after start_time")
    elif end <= now:
        yield FieldViolation("end_time", "is in the past")
    elif end > years_after(start, GREATEST_YEARS):
        yield FieldViolation("end_time", f"must be within {GREATEST_YEARS} years of start_time")


def _quota_faults(daily_quota: int) -> Iterator[FieldViolation]:
    if not 0 <= daily_quota < 2**31:
        yield FieldViolation("daily_quota", "must not be negative")


def years_after(start: datetime, years: int) -> datetime:
    """The same day and time some years later; the day after for 29 February."""
    try:
        return start.replace(year=start.year + years)
    except ValueError:
        return (start - timedelta(days=1)).replace(year=start.year + years) + timedelta(days=1)


def _repeated(field: str, values: Sequence[str], suffix: str = "") -> Iterator[FieldViolation]:
    seen: set[str] = set()
    for place, value in enumerate(values):
        if value in seen:
            yield FieldViolation(f"{field}[{place}]{suffix}", "is listed already")
        seen.add(value)


def _text(field: str, text: str, limit: int) -> Iterator[FieldViolation]:
    if not text.strip():
        yield FieldViolation(field, "is required")
    if len(text) > limit:
        yield FieldViolation(field, f"is longer than {limit} characters")
    if CONTROL.search(text):
        yield FieldViolation(field, "holds control characters")


def _refuse(faults: Iterator[FieldViolation], reason: str) -> None:
    told = list(islice(faults, 100))
    if told:
        raise InvalidArgument(
            "nothing was done: correct the fields listed and repeat",
            reason=reason,
            message_zh="未作任何更改：请更正所列字段后重试",
            violations=told,
        )
