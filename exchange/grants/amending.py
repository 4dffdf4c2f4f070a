"""Changing a grant: taking away at once, and adding by a request; pure.

1. Whoever may revoke may narrow, and narrowing never adds: items and operations stay or go, a whole
   item may get a mask, bounds sink, conditions are added, the end comes earlier. The consumer adds
   conditions on items that it is shown whole: another would tell it what is hidden.
2. Only a request that is approved adds. Each change makes the next version of the same grant.
3. Widening leaks no history: changes that were published before are shown by what the versions
   before and the new one both show (`Earlier`), unless the decision includes history. A query,
   a verification and an export answer from what is held now, by the terms as they are now.
   One that newly lets the log be read begins its history anew (rule 7 of `model`).
4. A record that leaves the filter is withdrawn from a subscriber if an earlier version may have
   shown it: `Earlier.formerly` keeps what that version let through.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from exchange.catalog.model import DataResource
from exchange.grants.faults import REASON_LIMIT, quota_faults, refuse, repeated, text_faults
from exchange.grants.model import (
    AccessRequest,
    Earlier,
    Grant,
    GrantedItem,
    GrantState,
    Mask,
    Operation,
    Terms,
    grant_not_found,
)
from exchange.grants.rights import may_decide, may_revoke, may_see
from exchange.grants.rows import RowCondition, both, faults_of, implies
from runtime.errors import (
    Aborted,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    PermissionDenied,
)
from runtime.identity import Principal

GREATEST_VERSIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """What is left of a grant; what is empty or None stays, `row_filter` is added."""

    items: tuple[GrantedItem, ...] = ()
    operations: tuple[Operation, ...] = ()
    daily_quota: int | None = None
    rate_per_minute: int | None = None
    row_filter: tuple[RowCondition, ...] = ()
    end_time: datetime | None = None


def narrow(
    principal: Principal,
    grant: Grant | None,
    *,
    to: Narrowing,
    resource: DataResource,
    reason: str,
    etag: str,
    offset: int,
    now: datetime,
    above: Collection[str] = (),
) -> Grant:
    """The next version of the grant, with less in it; `above` are departments above the source.

    Raises NotFound (GRANT_NOT_FOUND), PermissionDenied (NOT_A_PARTY), FailedPrecondition
    (GRANT_ALREADY_REVOKED, GRANT_TOO_OFTEN_CHANGED), Aborted (ETAG_MISMATCH) or InvalidArgument
    (NOT_NARROWER, with all violations).
    """
    if grant is None or not may_see(principal, grant):
        raise grant_not_found()
    if not may_revoke(principal, grant):
        raise not_a_party()
    _check_changeable(grant)
    if etag and etag != grant.etag:
        raise Aborted(
            "the grant has changed since it was read: read it again and repeat",
            reason="ETAG_MISMATCH",
            message_zh="授权在读取后已有变化：请重新读取后再试",
        )
    held = {item.code for item in resource.items}
    faults = chain(
        text_faults("reason", reason, REASON_LIMIT),
        _wider(grant, to, now),
        faults_of(to.row_filter, held=held, consumer=grant.consumer),
        () if may_decide(principal, grant, above) else _hidden(grant, to.row_filter),
    )
    refuse(faults, "NOT_NARROWER")
    terms = Terms(
        items=to.items or grant.items,
        operations=to.operations or grant.operations,
        daily_quota=grant.daily_quota if to.daily_quota is None else to.daily_quota,
        rate_per_minute=(
            grant.rate_per_minute if to.rate_per_minute is None else to.rate_per_minute
        ),
        row_filter=both(grant.row_filter, to.row_filter),
        start_time=grant.start_time,
        end_time=to.end_time or grant.end_time,
    )
    made = _next_version(grant, terms, offset=offset)
    if replace(made, version=grant.version, earlier=grant.earlier, contract_hash="-") == replace(
        grant, contract_hash="-"
    ):
        raise InvalidArgument(
            "this takes nothing away: name what is to be left, or revoke the grant",
            reason="NOT_NARROWER",
            message_zh="未缩小任何范围：请列明保留的内容，或撤销该授权",
        )
    return made


def _wider(grant: Grant, to: Narrowing, now: datetime) -> Iterator[FieldViolation]:
    yield from repeated("items", [given.item for given in to.items], ".item")
    for place, given in enumerate(to.items):
        mask = grant.masks.get(given.item)
        if mask is None:
            yield FieldViolation(f"items[{place}].item", "is not granted")
        elif mask not in (Mask.WHOLE, given.mask):
            yield FieldViolation(
                f"items[{place}].mask", "shows more than, or another part than now"
            )
    yield from repeated("operations", to.operations)
    for place, operation in enumerate(to.operations):
        if operation not in grant.operations:
            yield FieldViolation(f"operations[{place}]", "is not granted")
    for field, new, old in (
        ("daily_quota", to.daily_quota, grant.daily_quota),
        ("rate_per_minute", to.rate_per_minute, grant.rate_per_minute),
    ):
        if new is not None:
            yield from quota_faults(new, field)
            if old and not 0 < new <= old:
                yield FieldViolation(field, "is not lower than now")
    if to.end_time is not None and not now < to.end_time <= grant.end_time:
        yield FieldViolation("end_time", "must be in the future and not after the end as it is")


def _hidden(grant: Grant, row_filter: Sequence[RowCondition]) -> Iterator[FieldViolation]:
    """New conditions on items that the grant does not show whole, or did not of earlier changes."""
    shown = set(grant.whole)
    for one in grant.earlier:
        shown &= {given.item for given in one.items if given.mask is Mask.WHOLE}
    for place, condition in enumerate(row_filter):
        if condition.item not in shown and condition not in grant.row_filter:
            problem = "is not granted whole: the source, or who is above it, adds such a condition"
            yield FieldViolation(f"row_filter[{place}].item", problem)


def check_amendable(grant: Grant | None, request: AccessRequest) -> None:
    """Whether a request may change this grant: its own, of the same resource, not revoked.

    Raises NotFound (GRANT_NOT_FOUND), InvalidArgument (ACCESS_REQUEST_INVALID) and
    FailedPrecondition (GRANT_ALREADY_REVOKED, GRANT_TOO_OFTEN_CHANGED).
    """
    if grant is None or grant.consumer != request.consumer:
        raise grant_not_found()
    if grant.resource != request.resource:
        wrong = FieldViolation("access_request.resource", "is not that of the grant")
        refuse(iter([wrong]), "ACCESS_REQUEST_INVALID")
    _check_changeable(grant)


def amend(grant: Grant, request: AccessRequest, terms: Terms, *, offset: int) -> Grant:
    """The next version, with the terms of an approved request."""
    made = replace(
        grant,
        purpose=request.purpose,
        legal_basis=request.legal_basis,
        service_item=request.service_item or grant.service_item,
        access_request=request.name,
    )
    if terms.include_history:
        made = replace(made, include_history=True, history_from=0)
    elif _reads_more(grant, terms):
        made = replace(made, include_history=False, history_from=offset)
    return _next_version(made, replace(terms, start_time=grant.start_time), offset=offset)


def _reads_more(grant: Grant, terms: Terms) -> bool:
    """Whether the terms newly let the log be read: by subscription, or a record as it was."""
    before, after = set(grant.operations), set(terms.operations)
    if Operation.SUBSCRIBE in before:
        return False
    return Operation.SUBSCRIBE in after or (
        Operation.QUERY in after and Operation.QUERY not in before
    )


def _next_version(grant: Grant, terms: Terms, *, offset: int) -> Grant:
    return replace(
        grant,
        items=terms.items,
        operations=terms.operations,
        daily_quota=terms.daily_quota,
        rate_per_minute=terms.rate_per_minute,
        row_filter=terms.row_filter,
        start_time=terms.start_time,
        end_time=terms.end_time,
        version=grant.version + 1,
        earlier=_earlier(grant, terms, offset),
        contract_hash="",
    )


def _earlier(grant: Grant, terms: Terms, offset: int) -> tuple[Earlier, ...]:
    """How what was published at or before the offset is shown from now on."""
    past = list(grant.earlier)
    if offset > (past[-1].until_offset if past else 0):
        past.append(
            Earlier(
                until_offset=offset,
                items=grant.items,
                row_filter=grant.row_filter,
                formerly=grant.row_filter,
            )
        )
    seen = [_seen_now(one, terms) for one in past]
    # A stretch like the one after it needs no entry, nor does a last one like the terms.
    kept: list[Earlier] = []
    for one in reversed(seen):
        after = kept[-1] if kept else None
        same = (
            replace(one, until_offset=after.until_offset) == after
            if after
            else one.items == terms.items
            and one.row_filter == terms.row_filter
            and implies(one.formerly, terms.row_filter)
        )
        if not same:
            kept.append(one)
    return tuple(reversed(kept))


def _seen_now(one: Earlier, terms: Terms) -> Earlier:
    if terms.include_history:
        return replace(one, items=terms.items, row_filter=terms.row_filter)
    narrower = implies(terms.row_filter, one.row_filter)
    return replace(
        one,
        items=_common(one.items, terms.items),
        row_filter=terms.row_filter if narrower else both(one.row_filter, terms.row_filter),
    )


def _common(one: Sequence[GrantedItem], other: Sequence[GrantedItem]) -> tuple[GrantedItem, ...]:
    """What both show of each item; two different masks together show nothing."""
    masks = {given.item: given.mask for given in one}
    found = []
    for given in other:
        mask = masks.get(given.item)
        if mask is None:
            continue
        if given.mask in (Mask.WHOLE, mask):
            found.append(GrantedItem(item=given.item, mask=mask))
        elif mask is Mask.WHOLE:
            found.append(given)
    return tuple(found)


def _check_changeable(grant: Grant) -> None:
    if grant.state is not GrantState.ACTIVE:
        raise already_revoked()
    if grant.version >= GREATEST_VERSIONS:
        raise FailedPrecondition(
            f"this grant was changed {GREATEST_VERSIONS} times: ask for a new one",
            reason="GRANT_TOO_OFTEN_CHANGED",
            message_zh=f"该授权已变更 {GREATEST_VERSIONS} 次：请重新申请",
        )


def revoke(principal: Principal, grant: Grant | None, *, reason: str, now: datetime) -> Grant:
    """The grant ended.

    Raises NotFound (GRANT_NOT_FOUND), PermissionDenied (NOT_A_PARTY), FailedPrecondition
    (GRANT_ALREADY_REVOKED) or InvalidArgument (REASON_REQUIRED).
    """
    if grant is None or not may_see(principal, grant):
        raise grant_not_found()
    if not may_revoke(principal, grant):
        raise not_a_party()
    if grant.state is not GrantState.ACTIVE:
        raise already_revoked()
    refuse(text_faults("reason", reason, REASON_LIMIT), "REASON_REQUIRED")
    # Its terms, and so its contract hash, stay.
    return replace(grant, state=GrantState.REVOKED, revoke_time=now, revoke_reason=reason)


def already_revoked() -> FailedPrecondition:
    """The refusal of a change to a grant that has ended."""
    return FailedPrecondition(
        "this grant was revoked before: there is nothing left to do",
        reason="GRANT_ALREADY_REVOKED",
        message_zh="该授权此前已撤销：无需再操作",
    )


def not_a_party() -> PermissionDenied:
    """The refusal of who may see a grant and not end it."""
    return PermissionDenied(
        "only the source, the consumer or an administrator revokes or narrows a grant",
        reason="NOT_A_PARTY",
        message_zh="只有数源部门、使用部门或管理员可以撤销或缩小授权",
    )
