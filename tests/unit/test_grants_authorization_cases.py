"""Who may do what under which grant, case by case, against the pure rules.

`USES` is the hot path's rule: (who, operation, items, when, grant, answer); `None` allows.
`ACTS` is the rule of seeing, deciding and revoking: (who, act, allowed or reason).
"""

from datetime import timedelta

import pytest

from exchange.grants import deciding
from exchange.grants.model import (
    AccessRequest,
    AccessRequestState,
    Grant,
    GrantedItem,
    GrantState,
    Mask,
    Operation,
    authorize,
)
from exchange.grants.rights import may_see
from runtime.errors import DomainError, NotFound, PermissionDenied
from runtime.identity import Principal, Role
from tests.builders import catalog as county
from tests.builders import grants as build
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, NOON, caller

Q, V, S = Operation.QUERY, Operation.VERIFY, Operation.SUBSCRIBE
END = NOON + timedelta(days=30)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)

ABSENT = None
ACTIVE = build.grant()
MASKED = build.grant(
    items=(GrantedItem(item="citizen_number"), GrantedItem(item="name", mask=Mask.FIRST_CHARACTER))
)
STREAM = build.grant(operations=(S,))
ALL = build.grant(operations=(Q, V, S))
LATER = build.grant(start_time=NOON + 7 * DAY)
REVOKED = build.grant(state=GrantState.REVOKED, revoke_time=NOON, revoke_reason="已办结")
REVOKED_LATER = build.grant(start_time=NOON + 7 * DAY, state=GrantState.REVOKED)
OWN = build.grant(name=f"{CIVIL}/grants/cccccccccccccccc")

NOT_FOUND = "GRANT_NOT_FOUND"
NOT_YET, OVER, CUT = "GRANT_NOT_YET_VALID", "GRANT_EXPIRED", "GRANT_REVOKED"
NO_OPERATION, NO_ITEM = "OPERATION_NOT_GRANTED", "ITEM_NOT_GRANTED"

USES = [
    # The consumer, within the grant's terms.
    (HOUSING, Q, ["name"], NOON, ACTIVE, None),
    (HOUSING, Q, ["citizen_number", "name", "birth_date"], NOON, ACTIVE, None),
    (HOUSING, Q, [], NOON, ACTIVE, None),
    (HOUSING, V, ["birth_date"], NOON, ACTIVE, None),
    (HOUSING, V, [], END - TICK, ACTIVE, None),
    (HOUSING, Q, ["name"], NOON + DAY, MASKED, None),
    (HOUSING, V, ["name"], NOON + DAY, MASKED, None),
    (HOUSING, S, [], NOON, STREAM, None),
    (HOUSING, S, ["name"], NOON, ALL, None),
    (HOUSING, Q, ["name"], NOON, ALL, None),
    (HOUSING, V, ["name"], NOON, ALL, None),
    # Its time: from the start, until the end exclusive.
    (HOUSING, Q, ["name"], NOON - TICK, ACTIVE, NOT_YET),
    (HOUSING, Q, ["name"], NOON - 365 * DAY, ACTIVE, NOT_YET),
    (HOUSING, Q, ["name"], END - TICK, ACTIVE, None),
    (HOUSING, Q, ["name"], END, ACTIVE, OVER),
    (HOUSING, Q, ["name"], END + TICK, ACTIVE, OVER),
    (HOUSING, Q, ["name"], END + 365 * DAY, ACTIVE, OVER),
    (HOUSING, Q, ["name"], NOON + 7 * DAY - TICK, LATER, NOT_YET),
    (HOUSING, Q, ["name"], NOON + 7 * DAY, LATER, None),
    (HOUSING, S, [], END, STREAM, OVER),
    (HOUSING, S, [], NOON - TICK, STREAM, NOT_YET),
    # Operations that were not granted.
    (HOUSING, S, [], NOON, ACTIVE, NO_OPERATION),
    (HOUSING, S, ["name"], NOON, ACTIVE, NO_OPERATION),
    (HOUSING, Q, ["name"], NOON, STREAM, NO_OPERATION),
    (HOUSING, V, ["name"], NOON, STREAM, NO_OPERATION),
    (HOUSING, S, [], END - TICK, MASKED, NO_OPERATION),
    # Items that were not granted.
    (HOUSING, Q, ["region"], NOON, ACTIVE, NO_ITEM),
    (HOUSING, Q, ["name", "region"], NOON, ACTIVE, NO_ITEM),
    (HOUSING, V, ["household_size"], NOON, ACTIVE, NO_ITEM),
    (HOUSING, Q, ["birth_date"], NOON, MASKED, NO_ITEM),
    (HOUSING, Q, [""], NOON, ACTIVE, NO_ITEM),
    (HOUSING, Q, ["NAME"], NOON, ACTIVE, NO_ITEM),
    (HOUSING, Q, ["no such"], NOON, ACTIVE, NO_ITEM),
    (HOUSING, S, ["photo"], NOON, STREAM, NO_ITEM),
    # A revoked grant is revoked at every time and for every operation.
    (HOUSING, Q, ["name"], NOON, REVOKED, CUT),
    (HOUSING, V, ["name"], NOON, REVOKED, CUT),
    (HOUSING, S, [], NOON, REVOKED, CUT),
    (HOUSING, Q, ["name"], NOON - TICK, REVOKED, CUT),
    (HOUSING, Q, ["name"], END, REVOKED, CUT),
    (HOUSING, Q, ["region"], NOON, REVOKED, CUT),
    (HOUSING, Q, ["name"], NOON, REVOKED_LATER, CUT),
    # To any other department there is no such grant, whatever its state: also to the source.
    (HEALTH, Q, ["name"], NOON, ACTIVE, NOT_FOUND),
    (HEALTH, V, ["name"], NOON, ACTIVE, NOT_FOUND),
    (HEALTH, S, [], NOON, STREAM, NOT_FOUND),
    (HEALTH, Q, ["region"], NOON, ACTIVE, NOT_FOUND),
    (HEALTH, Q, ["name"], NOON, REVOKED, NOT_FOUND),
    (HEALTH, Q, ["name"], END, ACTIVE, NOT_FOUND),
    (HEALTH, Q, ["name"], NOON - TICK, LATER, NOT_FOUND),
    (CIVIL, Q, ["name"], NOON, ACTIVE, NOT_FOUND),
    (CIVIL, S, [], NOON, STREAM, NOT_FOUND),
    (HOUSING + "x", Q, ["name"], NOON, ACTIVE, NOT_FOUND),
    ("", Q, ["name"], NOON, ACTIVE, NOT_FOUND),
    ("departments/-", Q, ["name"], NOON, ACTIVE, NOT_FOUND),
    # A grant that does not exist.
    (HOUSING, Q, ["name"], NOON, ABSENT, NOT_FOUND),
    (HEALTH, S, [], NOON, ABSENT, NOT_FOUND),
    # A department under a grant for its own resource.
    (CIVIL, Q, ["name"], NOON, OWN, None),
    (HOUSING, Q, ["name"], NOON, OWN, NOT_FOUND),
]

CONSUMER, SOURCE, OTHER = caller(HOUSING), caller(CIVIL), caller(HEALTH)
ADMIN, AUDITOR = county.ADMINISTRATOR, county.AUDITOR
CONSUMER_COUNTER = caller(HOUSING, Role.COUNTER)
SOURCE_COUNTER = caller(CIVIL, Role.COUNTER)
OTHER_COUNTER = caller(HEALTH, Role.COUNTER)
CONSUMER_AUDITOR = caller(HOUSING, Role.AUDITOR)
NODE = caller("departments/data-office", Role.NODE)
NO_REQUEST = "ACCESS_REQUEST_NOT_FOUND"
HIDDEN = "HIDDEN"

ACTS = [
    # Who sees a request and its grant.
    (CONSUMER, "see", None),
    (SOURCE, "see", None),
    (ADMIN, "see", None),
    (AUDITOR, "see", None),
    (CONSUMER_COUNTER, "see", None),
    (OTHER, "see", HIDDEN),
    (OTHER_COUNTER, "see", HIDDEN),
    (NODE, "see", HIDDEN),
    # Who approves: the source's own system or an administrator.
    (SOURCE, "approve", None),
    (ADMIN, "approve", None),
    (CONSUMER, "approve", "NOT_THE_SOURCE"),
    (CONSUMER_COUNTER, "approve", "NOT_THE_SOURCE"),
    (SOURCE_COUNTER, "approve", "NOT_THE_SOURCE"),
    (AUDITOR, "approve", "NOT_THE_SOURCE"),
    (CONSUMER_AUDITOR, "approve", "NOT_THE_SOURCE"),
    (OTHER, "approve", NO_REQUEST),
    (NODE, "approve", NO_REQUEST),
    # Who rejects: the same.
    (SOURCE, "reject", None),
    (ADMIN, "reject", None),
    (CONSUMER, "reject", "NOT_THE_SOURCE"),
    (SOURCE_COUNTER, "reject", "NOT_THE_SOURCE"),
    (AUDITOR, "reject", "NOT_THE_SOURCE"),
    (OTHER, "reject", NO_REQUEST),
    # Who revokes: both parties or an administrator.
    (SOURCE, "revoke", None),
    (ADMIN, "revoke", None),
    (CONSUMER, "revoke", None),
    (CONSUMER_COUNTER, "revoke", "NOT_A_PARTY"),
    (SOURCE_COUNTER, "revoke", "NOT_A_PARTY"),
    (AUDITOR, "revoke", "NOT_A_PARTY"),
    (OTHER, "revoke", NOT_FOUND),
    (NODE, "revoke", NOT_FOUND),
    # Who asks in the name of the housing department: its own systems.
    (CONSUMER, "ask", None),
    (SOURCE, "ask", "NOT_OWN_DEPARTMENT"),
    (OTHER, "ask", "NOT_OWN_DEPARTMENT"),
    (ADMIN, "ask", "NOT_OWN_DEPARTMENT"),
]


@pytest.mark.parametrize(("who", "operation", "items", "when", "grant", "answer"), USES)
def test_use(who, operation, items, when, grant: Grant | None, answer: str | None):
    def use() -> Grant:
        return authorize(grant, department=who, operation=operation, items=items, now=when)

    if answer is None:
        assert use() is grant
        return
    with pytest.raises(NotFound if answer == NOT_FOUND else PermissionDenied) as refused:
        use()
    assert refused.value.reason == answer
    assert refused.value.message_zh != refused.value.message


@pytest.mark.parametrize(("who", "act", "answer"), ACTS)
def test_act(who: Principal, act: str, answer: str | None):
    request, grant = build.access_request(), build.grant()
    if act == "see":
        assert may_see(who, request) is may_see(who, grant) is (answer is None)
        return
    if answer is None:
        perform(act, who, request, grant)
        return
    with pytest.raises(DomainError) as refused:
        perform(act, who, request, grant)
    assert refused.value.reason == answer


def perform(act: str, who: Principal, request: AccessRequest | None, grant: Grant | None) -> object:
    match act:
        case "approve":
            return deciding.approve(
                who,
                request,
                resource=county.resource(),
                grant_name=build.GRANT,
                items=[GrantedItem(item="name")],
                operations=(),
                daily_quota=0,
                start_time=None,
                end_time=END,
                now=NOON,
            )
        case "reject":
            return deciding.reject(
                who, request, reason="依据不足", legal_basis="示范县办法第六条", now=NOON
            )
        case "revoke":
            return deciding.revoke(who, grant, reason="已办结", now=NOON)
        case _:
            return deciding.ask(
                who,
                name=build.REQUEST,
                resource=county.resource(),
                items=["name"],
                operations=[Q],
                purpose=build.PURPOSE,
                legal_basis=build.LEGAL_BASIS,
                now=NOON,
            )


@pytest.mark.parametrize("act", ["approve", "reject", "revoke"])
def test_an_outsider_cannot_tell_absent_from_hidden(act: str):
    told = []
    for request, grant in ((build.access_request(), build.grant()), (None, None)):
        with pytest.raises(NotFound) as refused:
            perform(act, OTHER, request, grant)
        told.append(
            (
                refused.value.reason,
                refused.value.message,
                refused.value.message_zh,
                refused.value.metadata,
            )
        )
    assert told[0] == told[1]


@pytest.mark.parametrize("state", [AccessRequestState.APPROVED, AccessRequestState.REJECTED])
@pytest.mark.parametrize("act", ["approve", "reject"])
def test_a_decided_request_is_not_decided_again(act: str, state: AccessRequestState):
    with pytest.raises(DomainError) as refused:
        perform(act, SOURCE, build.access_request(state=state), None)
    assert refused.value.reason == "REQUEST_ALREADY_DECIDED"


def test_a_revoked_grant_is_not_revoked_again():
    with pytest.raises(DomainError) as refused:
        perform("revoke", SOURCE, None, REVOKED)
    assert refused.value.reason == "GRANT_ALREADY_REVOKED"
