"""A request on its way: returned, handed in again, withdrawn; and who has to look at it, pure.

| state | may become | by |
| --- | --- | --- |
| pending | approved, rejected, returned, awaiting the authority; withdrawn | source; consumer |
| awaiting the authority | approved, rejected, returned; withdrawn | authority; consumer |
| returned | pending; withdrawn | consumer |
| approved, rejected, withdrawn | nothing | |
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from exchange.catalog.model import DataResource, Department
from exchange.grants.deciding import Review, to_answer
from exchange.grants.faults import REASON_LIMIT, faults_of_request, refuse, text_faults
from exchange.grants.model import OPEN, AccessRequest, AccessRequestState, request_not_found
from exchange.grants.rights import may_see
from exchange.grants.sharing import check_shared
from exchange.grants.states import wrong_state
from runtime.errors import PermissionDenied
from runtime.identity import Principal, Role


def review_of(
    consumer: Department, source: Department, *, review_when: Collection[str], authority: str
) -> Review:
    """What crosses between two departments, and whether the authority has to agree.

    `review_when` is the rule of the source's jurisdiction: `cross_region`, `cross_level`, both or
    none. A level that nobody stated is not known to differ.
    """
    cross_region = consumer.region_code != source.region_code
    levels = {consumer.level, source.level}
    cross_level = len(levels) > 1 and all(levels)
    crossed = {"cross_region": cross_region, "cross_level": cross_level}
    return Review(
        cross_region=cross_region,
        cross_level=cross_level,
        needed=any(crossed.get(rule, False) for rule in review_when),
        authority=authority,
    )


def give_back(
    principal: Principal,
    request: AccessRequest | None,
    *,
    note: str,
    above: Collection[str] = (),
) -> AccessRequest:
    """The request returned for more material.

    Raises as `deciding.reject`: NotFound, PermissionDenied, FailedPrecondition, InvalidArgument
    (REASON_REQUIRED).
    """
    request = to_answer(principal, request, above)
    refuse(text_faults("note", note, REASON_LIMIT), "REASON_REQUIRED")
    return replace(
        request, state=AccessRequestState.RETURNED, review_note=note, proposal=None, proposed_by=""
    )


def resubmit(
    principal: Principal,
    request: AccessRequest | None,
    *,
    resource: DataResource,
    content: AccessRequest,
) -> AccessRequest:
    """A returned request handed in again; `content` has what is asked for now.

    Raises NotFound (ACCESS_REQUEST_NOT_FOUND), PermissionDenied (NOT_OWN_REQUEST),
    FailedPrecondition (the reason tells the state) and InvalidArgument (ACCESS_REQUEST_INVALID).
    """
    request = _own(principal, request)
    if request.state is not AccessRequestState.RETURNED:
        raise wrong_state(request)
    check_shared(resource)
    made = replace(
        request,
        items=content.items,
        operations=content.operations,
        purpose=content.purpose,
        legal_basis=content.legal_basis,
        service_item=content.service_item,
        row_filter=content.row_filter,
        state=AccessRequestState.PENDING,
    )
    refuse(faults_of_request(made, resource), "ACCESS_REQUEST_INVALID")
    return made


def withdraw(
    principal: Principal, request: AccessRequest | None, *, now: datetime
) -> AccessRequest:
    """The request taken back by who asked, before it is decided. Raises as `resubmit`."""
    request = _own(principal, request)
    if request.state not in OPEN:
        raise wrong_state(request)
    return replace(
        request, state=AccessRequestState.WITHDRAWN, decide_time=now, proposal=None, proposed_by=""
    )


def _own(principal: Principal, request: AccessRequest | None) -> AccessRequest:
    if request is None or not may_see(principal, request):
        raise request_not_found()
    if not principal.has(Role.DEPARTMENT) or principal.department != request.consumer:
        raise PermissionDenied(
            "only the department that asked changes or withdraws its request",
            reason="NOT_OWN_REQUEST",
            message_zh="只有申请部门可以补正或撤回其申请",
        )
    return request
