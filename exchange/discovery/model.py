"""How a department stands to a resource: what it may use, what not and why, how it asks; pure.

1. What is told comes from the open catalog, and from the department's own requests and grants: of
   others nothing, not even how many there are.
2. `may use` is the rule of the hot path, item by item: a grant that is active, whose time has come
   and is not over. A resource that is no longer shared, or was withdrawn, is neither read under
   the grants that stand nor asked for anew: the rule of `grants.sharing`.
3. Every obstacle that stands in the way is told, not the first one only; without a grant in force
   there is always at least one.
4. How to ask is what the node will do: at once for an unconditional resource, else by the source,
   and by the authority where the jurisdiction's rule asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from exchange.catalog.model import DataResource, EntryState, SharingType
from exchange.grants.model import AccessRequest, AccessRequestState, Grant, GrantState, Operation
from exchange.grants.sharing import is_closed, is_undecided, tested_by
from exchange.lists.keeping import listed
from exchange.lists.model import Negative
from runtime import names

GREATEST_GRANTS = 20
GREATEST_REQUESTS = 5
OPEN = {
    AccessRequestState.PENDING: "request_pending",
    AccessRequestState.AWAITING_AUTHORITY: "request_awaiting_authority",
    AccessRequestState.RETURNED: "request_returned",
}


class Access(StrEnum):
    """How a department stands to a resource."""

    OWN = "own"
    USABLE = "usable"
    NOT_YET = "not_yet"
    REQUESTED = "requested"
    REQUESTABLE = "requestable"
    CLOSED = "closed"


class Reason(StrEnum):
    """Why a department may not use a resource, or not all of it."""

    NOT_SHARED = "not_shared"
    WITHDRAWN = "withdrawn"
    NO_GRANT = "no_grant"
    GRANT_EXPIRED = "grant_expired"
    GRANT_REVOKED = "grant_revoked"
    GRANT_NOT_YET_VALID = "grant_not_yet_valid"
    REQUEST_PENDING = "request_pending"
    REQUEST_AWAITING_AUTHORITY = "request_awaiting_authority"
    REQUEST_RETURNED = "request_returned"
    REQUEST_REJECTED = "request_rejected"
    ITEMS_NOT_GRANTED = "items_not_granted"
    NOW_CONDITIONAL = "now_conditional"

    @property
    def words(self) -> tuple[str, str]:
        """What it means and what to do, in English and in Chinese."""
        return _WORDS[self]


_WORDS = {
    Reason.NOT_SHARED: (
        "the source does not share it: see the legal basis",
        "数源部门不予共享：见依据",
    ),
    Reason.WITHDRAWN: (
        "its department has withdrawn it: look for its successor in the catalog",
        "已被数源部门撤回：请在目录中查找替代资源",
    ),
    Reason.NO_GRANT: (
        "nothing is granted yet: ask with the request given",
        "尚无授权：请按所附申请提出",
    ),
    Reason.GRANT_EXPIRED: ("the newest grant is over: ask anew", "最近的授权已到期：请重新申请"),
    Reason.GRANT_REVOKED: (
        "the newest grant was revoked: see why, and ask anew if the need stands",
        "最近的授权已被撤销：请查看原因，如仍有需要请重新申请",
    ),
    Reason.GRANT_NOT_YET_VALID: (
        "the grant's time has not come: wait for it",
        "授权尚未到生效时间：请等待",
    ),
    Reason.REQUEST_PENDING: (
        "a request waits for the source: wait for the reply",
        "已申请，等待数源部门答复",
    ),
    Reason.REQUEST_AWAITING_AUTHORITY: (
        "the source agrees, the authority has still to: wait for its reply",
        "数源部门已同意，等待主管部门审核",
    ),
    Reason.REQUEST_RETURNED: (
        "a request was returned for more material: complete it and hand it in again",
        "申请已退回补正：请补正后重新提交",
    ),
    Reason.REQUEST_REJECTED: (
        "the newest request was refused: see why and by what law",
        "最近的申请已被拒绝：请查看理由和依据",
    ),
    Reason.ITEMS_NOT_GRANTED: (
        "some items are in no grant that is in force: ask for those that are needed",
        "部分信息项未获授权：如有需要请申请",
    ),
    Reason.NOW_CONDITIONAL: (
        "the resource is conditional now, and the grant was given without a decision: ask to "
        "amend it",
        "该信息资源已改为有条件共享，而该授权未经审核：请申请变更该授权",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """One reason, and what it is about; `due` is a day in China, `YYYY-MM-DD`."""

    reason: Reason
    subject: str = ""
    time: datetime | None = None
    due: str = ""
    legal_basis: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """When a reply is owed: working days, and the last day were it asked now."""

    days: int = 0
    due: date | None = None
    provisional: bool = False
    source: str = ""
    sure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the source's jurisdiction says of a request of this department."""

    reply: Reply = field(default_factory=Reply)
    review: Reply = field(default_factory=Reply)
    needs_review: bool = False
    authority: str = ""
    #: The node's rule grants what is unconditional; the source decides for who keeps its directory.
    at_once: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How to ask; `items`, `operations` and `amends` are what the request would say."""

    at_once: bool
    rules: Rules
    condition: str
    department: str
    contact_office: str
    items: tuple[str, ...]
    operations: tuple[Operation, ...]
    amends: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a department stands to a resource."""

    resource: DataResource
    access: Access
    grants: tuple[Grant, ...] = ()
    more_grants: bool = False
    usable_items: tuple[str, ...] = ()
    missing_items: tuple[str, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    asking: Asking | None = None


def is_live(grant: Grant, now: datetime) -> bool:
    """Whether a grant is in force, or will be."""
    return grant.state is GrantState.ACTIVE and now < grant.end_time


def is_in_force(grant: Grant, now: datetime) -> bool:
    """Whether a grant is in force."""
    return is_live(grant, now) and grant.start_time <= now


def stand(
    resource: DataResource,
    *,
    consumer: str,
    grants: Sequence[Grant],
    requests: Sequence[AccessRequest],
    rules: Rules,
    now: datetime,
    negative: Negative | None = None,
) -> Standing:
    """How `consumer` stands to a resource.

    `grants` are its own of this resource: all that are live, or one more than `GREATEST_GRANTS`,
    and the newest that is over; `requests` those that are open, and the newest that was decided;
    `negative` the row of the negative list in force, whose items are not asked for.
    """
    if names.department_of(resource.name) == consumer:
        return Standing(resource=resource, access=Access.OWN)
    live = sorted(
        (grant for grant in grants if is_live(grant, now)),
        key=lambda grant: (grant.start_time > now, grant.name),
    )
    in_force = [grant for grant in live if is_in_force(grant, now)]
    codes = [item.code for item in resource.items]
    kept = listed(negative, codes)
    readable = [
        grant
        for grant in in_force
        if not is_closed(resource)
        and not is_undecided(grant, resource)
        and not listed(negative, tested_by(grant))
    ]
    given = {code for grant in readable for code in grant.masks} - {*kept}
    missing = tuple(code for code in codes if code not in given)
    askable = () if is_closed(resource) else tuple(code for code in codes if code not in kept)
    lacking = tuple(code for code in missing if code in askable)
    open_requests = [request for request in requests if request.state in OPEN]
    return Standing(
        resource=resource,
        access=_access(resource, live, in_force, open_requests, askable, bool(given)),
        grants=tuple(live[:GREATEST_GRANTS]),
        more_grants=len(live) > GREATEST_GRANTS,
        usable_items=tuple(code for code in codes if code in given),
        missing_items=missing,
        obstacles=(
            *_of_catalog(resource),
            *_of_list(negative, kept),
            *_of_decisions(resource, in_force),
            *_of_grants(askable, grants, live, in_force, lacking if readable else (), now),
            *_of_requests(requests, open_requests, done=bool(in_force) and not lacking),
        ),
        asking=_asking(resource, rules, in_force, askable, lacking),
    )


def _access(
    resource: DataResource,
    live: Sequence[Grant],
    in_force: Sequence[Grant],
    open_requests: Sequence[AccessRequest],
    askable: Sequence[str],
    usable: bool,
) -> Access:
    if is_closed(resource) or (in_force and not (usable or askable)):
        return Access.CLOSED
    if in_force and usable:
        return Access.USABLE
    if len(live) > len(in_force):
        return Access.NOT_YET
    if open_requests:
        return Access.REQUESTED
    return Access.REQUESTABLE if askable else Access.CLOSED


def _of_catalog(resource: DataResource) -> Iterator[Obstacle]:
    if resource.sharing_type is SharingType.NOT_SHARED:
        yield Obstacle(reason=Reason.NOT_SHARED, legal_basis=resource.legal_basis)
    if resource.state is EntryState.WITHDRAWN:
        yield Obstacle(reason=Reason.WITHDRAWN, time=resource.update_time)


def _of_list(negative: Negative | None, kept: Sequence[str]) -> Iterator[Obstacle]:
    if negative is not None and kept:
        yield Obstacle(
            reason=Reason.NOT_SHARED,
            subject=negative.name,
            legal_basis=negative.legal_basis,
            detail=", ".join(kept) if negative.items else "",
        )


def _of_decisions(resource: DataResource, in_force: Sequence[Grant]) -> Iterator[Obstacle]:
    for grant in in_force:
        if not is_closed(resource) and is_undecided(grant, resource):
            yield Obstacle(reason=Reason.NOW_CONDITIONAL, subject=grant.name)


def _of_grants(
    askable: Sequence[str],
    grants: Sequence[Grant],
    live: Sequence[Grant],
    in_force: Sequence[Grant],
    lacking: Sequence[str],
    now: datetime,
) -> Iterator[Obstacle]:
    if in_force:
        if lacking:
            yield Obstacle(reason=Reason.ITEMS_NOT_GRANTED)
        return
    if live:
        first = min(live, key=lambda grant: grant.start_time)
        yield Obstacle(reason=Reason.GRANT_NOT_YET_VALID, subject=first.name, time=first.start_time)
        return
    over = [grant for grant in grants if not is_live(grant, now)]
    if not over:
        if askable:
            yield Obstacle(reason=Reason.NO_GRANT)
        return
    last = max(over, key=lambda grant: grant.revoke_time or grant.end_time)
    if last.state is GrantState.REVOKED:
        yield Obstacle(
            reason=Reason.GRANT_REVOKED,
            subject=last.name,
            time=last.revoke_time,
            detail=last.revoke_reason,
        )
    else:
        yield Obstacle(reason=Reason.GRANT_EXPIRED, subject=last.name, time=last.end_time)


def _of_requests(
    requests: Sequence[AccessRequest], open_requests: Sequence[AccessRequest], *, done: bool
) -> Iterator[Obstacle]:
    for request in open_requests[:GREATEST_REQUESTS]:
        yield Obstacle(
            reason=Reason(OPEN[request.state]),
            subject=request.name,
            time=request.create_time,
            due=request.reply_due,
            detail=request.review_note,
        )
    if open_requests or done or not requests:
        return
    newest = max(requests, key=lambda request: request.create_time)
    if newest.state is AccessRequestState.REJECTED:
        yield Obstacle(
            reason=Reason.REQUEST_REJECTED,
            subject=newest.name,
            time=newest.decide_time,
            legal_basis=newest.decision_legal_basis,
            detail=newest.decision_reason,
        )


def _asking(
    resource: DataResource,
    rules: Rules,
    in_force: Sequence[Grant],
    askable: Sequence[str],
    lacking: Sequence[str],
) -> Asking | None:
    if not askable:
        return None
    items = tuple(askable)
    operations: tuple[Operation, ...] = (Operation.QUERY, Operation.VERIFY)
    amends = ""
    keeps = all(code in askable for held in in_force for code in held.masks)
    if in_force and lacking and not keeps:
        # An amendment would lose what is given and can be asked for no longer: a grant beside.
        items = tuple(lacking)
    elif in_force and lacking:
        # What an amendment asks for is all that its grant gives afterwards: of several grants one
        # is amended, so that it is asked for what all of them give, and no other has to stay.
        amends = in_force[0].name
        operations = tuple(dict.fromkeys(one for held in in_force for one in held.operations))
    return Asking(
        at_once=rules.at_once and resource.sharing_type is SharingType.UNCONDITIONAL,
        rules=rules,
        condition=resource.sharing_condition,
        department=names.department_of(resource.name),
        contact_office=resource.contact_office,
        items=items,
        operations=operations,
        amends=amends,
    )
