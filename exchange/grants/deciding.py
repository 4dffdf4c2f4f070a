"""From a request to a grant and to its end: the transitions, pure.

Each function takes the thing as it is (None where there is none) and who acts, and returns the
thing as it becomes. The order of refusals is always: does it exist for the caller → may the caller
do this → does its state allow it → is what was sent right. So an outsider learns nothing, and a
mistaken request of a party is told all its faults at once. `above` are the departments above the
source, whose administrators may act in its place.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from exchange.catalog.model import DataResource
from exchange.grants import amending
from exchange.grants.faults import (
    LEGAL_BASIS_LIMIT,
    REASON_LIMIT,
    amendment_faults,
    faults_of_request,
    filter_faults,
    item_faults,
    quota_faults,
    refuse,
    repeated,
    text_faults,
    time_faults,
    years_after,
)
from exchange.grants.model import (
    AccessRequest,
    AccessRequestState,
    Grant,
    GrantedItem,
    Operation,
    Terms,
    request_not_found,
)
from exchange.grants.rights import is_authority, may_decide, may_see
from exchange.grants.rows import RowCondition
from exchange.grants.sharing import check_shared
from exchange.grants.states import check_state
from runtime.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    PermissionDenied,
)
from runtime.identity import Principal

__all__ = ["approve", "ask", "endorse", "grant_at_once", "reject", "years_after"]

#: An unconditional resource is granted at once, for a year.
AT_ONCE_YEARS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What crossing regions or levels asks for, by the source's jurisdiction."""

    cross_region: bool = False
    cross_level: bool = False
    needed: bool = False
    authority: str = ""


NO_REVIEW = Review()


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
    service_item: str = "",
    row_filter: Sequence[RowCondition] = (),
    amends: str = "",
    amended: Grant | None = None,
    review: Review = NO_REVIEW,
) -> AccessRequest:
    """A new request, pending; `amended` is the grant that `amends` names, if there is one.

    Raises PermissionDenied (NOT_OWN_DEPARTMENT), NotFound (GRANT_NOT_FOUND), FailedPrecondition
    (RESOURCE_NOT_SHARED, RESOURCE_WITHDRAWN, GRANT_ALREADY_REVOKED) or InvalidArgument
    (ACCESS_REQUEST_INVALID, with all violations).
    """
    request = AccessRequest(
        name=name,
        resource=resource.name,
        items=tuple(items),
        operations=tuple(operations),
        purpose=purpose,
        legal_basis=legal_basis,
        create_time=now,
        service_item=service_item,
        row_filter=tuple(row_filter),
        amends=amends,
        cross_region=review.cross_region,
        cross_level=review.cross_level,
        needs_review=review.needed,
        authority=review.authority,
    )
    if principal.department != request.consumer:
        raise PermissionDenied(
            "a system asks for its own department: set parent to that",
            reason="NOT_OWN_DEPARTMENT",
            message_zh="只能以本部门名义申请：请将 parent 设为本部门",
        )
    check_shared(resource)
    if amends:
        amending.check_amendable(amended, request)
    refuse(faults_of_request(request, resource), "ACCESS_REQUEST_INVALID")
    return request


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
    row_filter: Sequence[RowCondition] = (),
    rate_per_minute: int = 0,
    include_history: bool = False,
    reason: str = "",
    amended: Grant | None = None,
    offset: int = 0,
    above: Collection[str] = (),
) -> tuple[AccessRequest, Grant | None]:
    """The request approved, and the grant that answers it; None while the authority has to agree.

    No operations mean all that were asked for, no row filter the one asked for, no start means now.
    Raises NotFound (ACCESS_REQUEST_NOT_FOUND), PermissionDenied (NOT_THE_SOURCE),
    FailedPrecondition (REQUEST_ALREADY_DECIDED and what else `check_state` raises,
    RESOURCE_NOT_SHARED, RESOURCE_WITHDRAWN, GRANT_ALREADY_REVOKED) or InvalidArgument
    (GRANT_INVALID, with all violations).
    """
    request = _to_decide(principal, request, above)
    check_state(request, AccessRequestState.PENDING)
    check_shared(resource)
    if request.amends:
        amending.check_amendable(amended, request)
    start = start_time or now
    faults = chain(
        item_faults(request, resource, items),
        repeated("operations", operations),
        (
            FieldViolation(f"operations[{place}]", "was not asked for")
            for place, operation in enumerate(operations)
            if operation not in request.operations
        ),
        time_faults(start, end_time, now),
        amendment_faults(request, start_time),
        quota_faults(daily_quota, "daily_quota"),
        quota_faults(rate_per_minute, "rate_per_minute"),
        filter_faults(request, resource, row_filter, reason),
    )
    refuse(faults, "GRANT_INVALID")
    if end_time is None:  # told above; the type checker does not know
        raise InvalidArgument(
            "end_time is required", reason="GRANT_INVALID", message_zh="必须填写截止日期"
        )
    terms = Terms(
        items=tuple(items),
        operations=tuple(operations) or request.operations,
        daily_quota=daily_quota,
        rate_per_minute=rate_per_minute,
        row_filter=tuple(row_filter) or request.row_filter,
        start_time=start,
        end_time=end_time,
        include_history=include_history,
    )
    request = replace(request, review_note=reason) if reason else request
    alone = principal.department == request.source and is_authority(principal, request, above)
    if request.needs_review and not alone:
        waiting = AccessRequestState.AWAITING_AUTHORITY
        by = principal.system
        return replace(request, state=waiting, proposal=terms, proposed_by=by), None
    return _answer(request, terms, grant_name, amended=amended, offset=offset, now=now)


def endorse(
    principal: Principal,
    request: AccessRequest | None,
    *,
    resource: DataResource,
    grant_name: str,
    now: datetime,
    amended: Grant | None = None,
    offset: int = 0,
    above: Collection[str] = (),
) -> tuple[AccessRequest, Grant]:
    """The authority agrees to what the source proposes.

    Raises NotFound (ACCESS_REQUEST_NOT_FOUND), PermissionDenied (NOT_THE_AUTHORITY, and
    SECOND_PERSON_NEEDED of who proposed it in the source's place) and FailedPrecondition
    (REQUEST_AWAITS_SOURCE and others of `check_state`, PROPOSAL_OUT_OF_DATE).
    """
    if request is None or not may_see(principal, request):
        raise request_not_found()
    if not is_authority(principal, request, above):
        raise _not_the_authority()
    check_state(request, AccessRequestState.AWAITING_AUTHORITY)
    if principal.system == request.proposed_by:
        raise _proposed_it()
    check_shared(resource)
    if request.amends:
        amending.check_amendable(amended, request)
    held = {item.code for item in resource.items}
    proposal = request.proposal
    if (
        proposal is None
        or proposal.end_time <= now
        or not {given.item for given in proposal.items} <= held
    ):
        raise FailedPrecondition(
            "what the source proposed can no longer be given: return the request",
            reason="PROPOSAL_OUT_OF_DATE",
            message_zh="数源部门的意见已不能执行（信息项或期限已变）：请退回该申请",
        )
    return _answer(request, proposal, grant_name, amended=amended, offset=offset, now=now)


def grant_at_once(
    request: AccessRequest,
    *,
    grant_name: str,
    now: datetime,
    amended: Grant | None = None,
    offset: int = 0,
) -> tuple[AccessRequest, Grant]:
    """The node's own rule for an unconditional resource: all that was asked, whole, for a year."""
    terms = Terms(
        items=tuple(GrantedItem(item=item) for item in request.items),
        operations=request.operations,
        row_filter=request.row_filter,
        start_time=now,
        end_time=years_after(now, AT_ONCE_YEARS),
        include_history=True,  # anybody may have all of it
    )
    return _answer(request, terms, grant_name, amended=amended, offset=offset, now=now)


def _answer(
    request: AccessRequest,
    terms: Terms,
    grant_name: str,
    *,
    amended: Grant | None,
    offset: int,
    now: datetime,
) -> tuple[AccessRequest, Grant]:
    if amended is not None:
        grant = amending.amend(amended, request, terms, offset=offset)
    else:
        grant = Grant(
            name=grant_name,
            resource=request.resource,
            items=terms.items,
            operations=terms.operations,
            purpose=request.purpose,
            legal_basis=request.legal_basis,
            daily_quota=terms.daily_quota,
            rate_per_minute=terms.rate_per_minute,
            row_filter=terms.row_filter,
            service_item=request.service_item,
            start_time=terms.start_time,
            end_time=terms.end_time,
            access_request=request.name,
            create_time=now,
            include_history=terms.include_history,
            history_from=0 if terms.include_history else offset,
        )
    approved = replace(
        request,
        state=AccessRequestState.APPROVED,
        grant=grant.name,
        decide_time=now,
        proposal=None,
        proposed_by="",
    )
    return approved, grant


def reject(
    principal: Principal,
    request: AccessRequest | None,
    *,
    reason: str,
    legal_basis: str,
    now: datetime,
    above: Collection[str] = (),
) -> AccessRequest:
    """The request refused: by the source, or by the authority once the source has agreed.

    Raises NotFound (ACCESS_REQUEST_NOT_FOUND), PermissionDenied (NOT_THE_SOURCE,
    NOT_THE_AUTHORITY), FailedPrecondition (REQUEST_ALREADY_DECIDED, …) or InvalidArgument
    (REASON_REQUIRED).
    """
    request = to_answer(principal, request, above)
    faults = chain(
        text_faults("reason", reason, REASON_LIMIT),
        text_faults("legal_basis", legal_basis, LEGAL_BASIS_LIMIT),
    )
    refuse(faults, "REASON_REQUIRED")
    return replace(
        request,
        state=AccessRequestState.REJECTED,
        decision_reason=reason,
        decision_legal_basis=legal_basis,
        decide_time=now,
        proposal=None,
        proposed_by="",
    )


def to_answer(
    principal: Principal, request: AccessRequest | None, above: Collection[str] = ()
) -> AccessRequest:
    """A request that the caller may refuse or return now, whichever of the two deciders it is."""
    if (
        request is not None
        and request.state is AccessRequestState.AWAITING_AUTHORITY
        and may_see(principal, request)
    ):
        if not is_authority(principal, request, above):
            raise _not_the_authority()
        return request
    request = _to_decide(principal, request, above)
    check_state(request, AccessRequestState.PENDING)
    return request


def _to_decide(
    principal: Principal, request: AccessRequest | None, above: Collection[str]
) -> AccessRequest:
    if request is None or not may_see(principal, request):
        raise request_not_found()
    if not may_decide(principal, request, above):
        raise PermissionDenied(
            "only the source department, or an administrator of a department above it, decides on "
            "a request",
            reason="NOT_THE_SOURCE",
            message_zh="只有数源部门，或其上级部门、主管部门的管理员可以对申请作出决定",
        )
    return request


def _not_the_authority() -> PermissionDenied:
    return PermissionDenied(
        "only an administrator of the authority agrees to sharing across regions or levels",
        reason="NOT_THE_AUTHORITY",
        message_zh="跨地区、跨层级共享只能由主管部门的管理员审核",
    )


def _proposed_it() -> PermissionDenied:
    return PermissionDenied(
        "who proposed in the source's place does not agree as the authority too: another "
        "administrator of the authority does",
        reason="SECOND_PERSON_NEEDED",
        message_zh="代数源部门提出意见者不得再以主管部门身份审核：请由主管部门的另一管理员审核",
    )
