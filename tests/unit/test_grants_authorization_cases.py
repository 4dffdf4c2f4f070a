"""Who may do what under which grant, case by case, against the pure rules.

`USES` is the hot path's rule: (who, operation, items, when, grant, answer); `None` allows.
`ACTS` is the rule of seeing, deciding and revoking: (who, act, allowed or reason).
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from exchange.grants import amending, deciding, reviewing
from exchange.grants.amending import Narrowing
from exchange.grants.model import (
    AccessRequest,
    AccessRequestState,
    Grant,
    GrantedItem,
    GrantState,
    Mask,
    Operation,
    Terms,
)
from exchange.grants.rights import may_see
from exchange.grants.rows import RowCondition, RowTest
from exchange.grants.rule import authorize
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
SOURCE_ADMIN = caller(CIVIL, Role.ADMINISTRATOR)
CONSUMER_ADMIN = caller(HOUSING, Role.ADMINISTRATOR, Role.DEPARTMENT)
OTHER_ADMIN = caller(HEALTH, Role.ADMINISTRATOR)
CITY = "departments/city-civil-affairs"
ABOVE = frozenset({CITY, "departments/city-data-office"})
CITY_ADMIN, CITY_SYSTEM = caller(CITY, Role.ADMINISTRATOR), caller(CITY)
CITY_AUDITOR = caller(CITY, Role.AUDITOR)
OFFICE_ADMIN = caller("departments/city-data-office", Role.ADMINISTRATOR)
NODE = caller("departments/data-office", Role.NODE)
NO_REQUEST = "ACCESS_REQUEST_NOT_FOUND"
HIDDEN = "HIDDEN"
HERE = RowCondition(item="region", test=RowTest.PREFIX, values=("9901",))

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
    # Who approves: the source's own system or administrator, or an administrator above it.
    (SOURCE, "approve", None),
    (SOURCE_ADMIN, "approve", None),
    (CITY_ADMIN, "approve", None),
    (OFFICE_ADMIN, "approve", None),
    (ADMIN, "approve", "NOT_THE_SOURCE"),
    (OTHER_ADMIN, "approve", "NOT_THE_SOURCE"),
    (CONSUMER_ADMIN, "approve", "NOT_THE_SOURCE"),
    (CITY_SYSTEM, "approve", NO_REQUEST),
    (CITY_AUDITOR, "approve", "NOT_THE_SOURCE"),
    (CONSUMER, "approve", "NOT_THE_SOURCE"),
    (CONSUMER_COUNTER, "approve", "NOT_THE_SOURCE"),
    (SOURCE_COUNTER, "approve", "NOT_THE_SOURCE"),
    (AUDITOR, "approve", "NOT_THE_SOURCE"),
    (CONSUMER_AUDITOR, "approve", "NOT_THE_SOURCE"),
    (OTHER, "approve", NO_REQUEST),
    (NODE, "approve", NO_REQUEST),
    # Who rejects: the same.
    (SOURCE, "reject", None),
    (SOURCE_ADMIN, "reject", None),
    (CITY_ADMIN, "reject", None),
    (OFFICE_ADMIN, "reject", None),
    (ADMIN, "reject", "NOT_THE_SOURCE"),
    (OTHER_ADMIN, "reject", "NOT_THE_SOURCE"),
    (CONSUMER_ADMIN, "reject", "NOT_THE_SOURCE"),
    (CITY_SYSTEM, "reject", NO_REQUEST),
    (CONSUMER, "reject", "NOT_THE_SOURCE"),
    (SOURCE_COUNTER, "reject", "NOT_THE_SOURCE"),
    (AUDITOR, "reject", "NOT_THE_SOURCE"),
    (OTHER, "reject", NO_REQUEST),
    # Who returns one for more material: the same.
    (SOURCE, "return", None),
    (SOURCE_ADMIN, "return", None),
    (CITY_ADMIN, "return", None),
    (ADMIN, "return", "NOT_THE_SOURCE"),
    (OTHER_ADMIN, "return", "NOT_THE_SOURCE"),
    (CONSUMER_ADMIN, "return", "NOT_THE_SOURCE"),
    (OTHER, "return", NO_REQUEST),
    # Who adds a condition on an item that is not granted whole: the same.
    (SOURCE, "filter", None),
    (SOURCE_ADMIN, "filter", None),
    (CITY_ADMIN, "filter", None),
    (ADMIN, "filter", "NOT_NARROWER"),
    (OTHER_ADMIN, "filter", "NOT_NARROWER"),
    (CONSUMER_ADMIN, "filter", "NOT_NARROWER"),
    (CONSUMER, "filter", "NOT_NARROWER"),
    (OTHER, "filter", NOT_FOUND),
    # Who endorses where no authority is named: administrators above the source.
    (CITY_ADMIN, "endorse", None),
    (OFFICE_ADMIN, "endorse", None),
    (ADMIN, "endorse", "NOT_THE_AUTHORITY"),
    (SOURCE_ADMIN, "endorse", "NOT_THE_AUTHORITY"),
    (CONSUMER_ADMIN, "endorse", "NOT_THE_AUTHORITY"),
    (CITY_SYSTEM, "endorse", NO_REQUEST),
    # Who endorses where one is named: its administrators, nobody else.
    (OFFICE_ADMIN, "endorse as named", None),
    (CITY_ADMIN, "endorse as named", "NOT_THE_AUTHORITY"),
    (ADMIN, "endorse as named", "NOT_THE_AUTHORITY"),
    # Who endorses where none is named and none is above: any administrator but of who asks.
    (ADMIN, "endorse alone", None),
    (SOURCE_ADMIN, "endorse alone", None),
    (CONSUMER_ADMIN, "endorse alone", "NOT_THE_AUTHORITY"),
    # Who endorses what the authority itself asks: others above the source, else any administrator.
    (OFFICE_ADMIN, "endorse own", "NOT_THE_AUTHORITY"),
    (CITY_ADMIN, "endorse own", None),
    (ADMIN, "endorse own", "NOT_THE_AUTHORITY"),
    (OFFICE_ADMIN, "endorse own above", "NOT_THE_AUTHORITY"),
    (CITY_ADMIN, "endorse own above", None),
    (OFFICE_ADMIN, "endorse own alone", "NOT_THE_AUTHORITY"),
    (ADMIN, "endorse own alone", None),
    # Who revokes: both parties or an administrator.
    (SOURCE, "revoke", None),
    (ADMIN, "revoke", None),
    (OTHER_ADMIN, "revoke", None),
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


def proposed(request: AccessRequest, authority: str) -> AccessRequest:
    """What the source proposes to an authority; to any that may be, where none is named."""
    terms = Terms(items=(GrantedItem(item="name"),), operations=(Q,), start_time=NOON, end_time=END)
    return replace(
        request,
        state=AccessRequestState.AWAITING_AUTHORITY,
        needs_review=True,
        authority=authority,
        proposal=terms,
    )


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
                above=ABOVE,
            )
        case "reject":
            return deciding.reject(
                who,
                request,
                reason="依据不足",
                legal_basis="示范县办法第六条",
                now=NOON,
                above=ABOVE,
            )
        case "return":
            return reviewing.give_back(who, request, note="请补充依据", above=ABOVE)
        case "filter":
            return amending.narrow(
                who,
                grant,
                to=Narrowing(row_filter=(HERE,)),
                resource=county.resource(),
                reason="按地区",
                etag="",
                offset=0,
                now=NOON,
                above=ABOVE,
            )
        case _ if act.startswith("endorse"):
            office = "departments/city-data-office"
            if request and "own" in act:
                request = replace(request, name=f"{office}/accessRequests/aaaaaaaaaaaaaaaa")
            named = act in ("endorse as named", "endorse own", "endorse own alone")
            return deciding.endorse(
                who,
                request and proposed(request, office if named else ""),
                resource=county.resource(),
                grant_name=build.GRANT,
                now=NOON,
                above={office} if act == "endorse own alone" else () if "alone" in act else ABOVE,
            )
        case "revoke":
            return amending.revoke(who, grant, reason="已办结", now=NOON)
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
