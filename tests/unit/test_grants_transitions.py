"""Every act on a request and on a grant in every state: what is allowed, and each refusal."""

from dataclasses import replace
from datetime import timedelta

import pytest

from exchange.catalog.model import Department, DepartmentLevel
from exchange.grants import amending, deciding, reviewing
from exchange.grants.amending import Narrowing
from exchange.grants.model import (
    AccessRequest,
    AccessRequestState,
    GrantedItem,
    GrantState,
    Terms,
)
from runtime.errors import DomainError, FailedPrecondition, InvalidArgument, PermissionDenied
from runtime.identity import Role
from tests.builders import catalog as county
from tests.builders import grants as build
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, NOON, caller

P, AW, RE, AP, RJ, WD = (
    AccessRequestState.PENDING,
    AccessRequestState.AWAITING_AUTHORITY,
    AccessRequestState.RETURNED,
    AccessRequestState.APPROVED,
    AccessRequestState.REJECTED,
    AccessRequestState.WITHDRAWN,
)
DAY = timedelta(days=1)
SOURCE, CONSUMER, OTHER = caller(CIVIL), caller(HOUSING), caller(HEALTH)
AUTHORITY = county.ADMINISTRATOR
ABOVE = frozenset({AUTHORITY.department})
ELSEWHERE = caller("departments/other-office", Role.ADMINISTRATOR)
BY = {
    "approve": SOURCE,
    "endorse": AUTHORITY,
    "reject": SOURCE,
    "return": SOURCE,
    "resubmit": CONSUMER,
    "withdraw": CONSUMER,
}
DECIDED, GONE = "REQUEST_ALREADY_DECIDED", "REQUEST_WITHDRAWN"
BACK, SRC, AUTH = "REQUEST_RETURNED", "REQUEST_AWAITS_SOURCE", "REQUEST_AWAITS_AUTHORITY"

#: act: what comes of it in each state: the next state, or the reason of the refusal.
REQUESTS = {
    "approve": {P: AP, AW: AUTH, RE: BACK, AP: DECIDED, RJ: DECIDED, WD: GONE},
    "endorse": {P: SRC, AW: AP, RE: BACK, AP: DECIDED, RJ: DECIDED, WD: GONE},
    "reject": {P: RJ, AW: "NOT_THE_AUTHORITY", RE: BACK, AP: DECIDED, RJ: DECIDED, WD: GONE},
    "return": {P: RE, AW: "NOT_THE_AUTHORITY", RE: BACK, AP: DECIDED, RJ: DECIDED, WD: GONE},
    "resubmit": {P: SRC, AW: AUTH, RE: P, AP: DECIDED, RJ: DECIDED, WD: GONE},
    "withdraw": {P: WD, AW: WD, RE: WD, AP: DECIDED, RJ: DECIDED, WD: GONE},
}
TERMS = Terms(
    items=(GrantedItem(item="name"),),
    operations=build.access_request().operations,
    start_time=NOON,
    end_time=NOON + 9 * DAY,
)


def request(state: AccessRequestState = P, **changes) -> AccessRequest:
    proposal = TERMS if state is AW else None
    return build.access_request(state=state, proposal=proposal, **changes)


def act(what: str, held: AccessRequest, who=None) -> AccessRequest:
    who = who or BY[what]
    match what:
        case "approve":
            made, _ = deciding.approve(
                who,
                held,
                resource=county.resource(),
                grant_name=build.GRANT,
                items=[GrantedItem(item="name")],
                operations=(),
                daily_quota=0,
                start_time=None,
                end_time=NOON + DAY,
                now=NOON,
                above=ABOVE,
            )
            return made
        case "endorse":
            return deciding.endorse(
                who,
                held,
                resource=county.resource(),
                grant_name=build.GRANT,
                now=NOON,
                above=ABOVE,
            )[0]
        case "reject":
            return deciding.reject(who, held, reason="依据不足", legal_basis="某办法", now=NOON)
        case "return":
            return reviewing.give_back(who, held, note="请补充依据原文")
        case "resubmit":
            content = replace(held, items=("name",), purpose="补充后的用途")
            return reviewing.resubmit(who, held, resource=county.resource(), content=content)
        case _:
            return reviewing.withdraw(who, held, now=NOON)


@pytest.mark.parametrize("state", list(AccessRequestState))
@pytest.mark.parametrize("what", list(REQUESTS))
def test_a_request(what: str, state: AccessRequestState):
    outcome = REQUESTS[what][state]
    if isinstance(outcome, AccessRequestState):
        assert act(what, request(state)).state is outcome
        return
    with pytest.raises(DomainError) as refused:
        act(what, request(state))
    assert refused.value.reason == outcome
    assert refused.value.message_zh != refused.value.message


def test_every_state_and_every_act_has_a_line():
    assert all(set(line) == set(AccessRequestState) for line in REQUESTS.values())


@pytest.mark.parametrize(
    ("what", "state", "who", "outcome"),
    [
        # The authority answers what the source proposes.
        ("reject", AW, AUTHORITY, RJ),
        ("return", AW, AUTHORITY, RE),
        ("endorse", AW, SOURCE, "NOT_THE_AUTHORITY"),
        ("endorse", AW, CONSUMER, "NOT_THE_AUTHORITY"),
        ("endorse", AW, ELSEWHERE, "NOT_THE_AUTHORITY"),
        ("endorse", AW, OTHER, "ACCESS_REQUEST_NOT_FOUND"),
        ("reject", AW, ELSEWHERE, "NOT_THE_AUTHORITY"),
        ("reject", AW, OTHER, "ACCESS_REQUEST_NOT_FOUND"),
        ("return", P, CONSUMER, "NOT_THE_SOURCE"),
        ("return", P, OTHER, "ACCESS_REQUEST_NOT_FOUND"),
        # Only who asked changes or withdraws.
        ("resubmit", RE, SOURCE, "NOT_OWN_REQUEST"),
        ("resubmit", RE, AUTHORITY, "NOT_OWN_REQUEST"),
        ("resubmit", RE, OTHER, "ACCESS_REQUEST_NOT_FOUND"),
        ("withdraw", P, SOURCE, "NOT_OWN_REQUEST"),
        ("withdraw", P, AUTHORITY, "NOT_OWN_REQUEST"),
        ("withdraw", P, OTHER, "ACCESS_REQUEST_NOT_FOUND"),
        ("withdraw", P, caller(HOUSING, Role.COUNTER), "NOT_OWN_REQUEST"),
        # Without a named authority, any administrator is it.
    ],
)
def test_who_acts(what, state, who, outcome):
    held = request(state, needs_review=True, authority=AUTHORITY.department)
    if isinstance(outcome, AccessRequestState):
        assert act(what, held, who).state is outcome
        return
    with pytest.raises(DomainError) as refused:
        act(what, held, who)
    assert refused.value.reason == outcome


def test_what_crosses_waits_for_the_authority_and_gives_nothing_until_then():
    held = request(needs_review=True, authority=AUTHORITY.department)
    made, grant = deciding.approve(
        SOURCE,
        held,
        resource=county.resource(),
        grant_name=build.GRANT,
        items=[GrantedItem(item="name")],
        operations=(),
        daily_quota=5,
        start_time=None,
        end_time=NOON + DAY,
        now=NOON,
    )
    assert (made.state, grant, made.grant) == (AW, None, "")
    approved, given = deciding.endorse(
        AUTHORITY, made, resource=county.resource(), grant_name=build.GRANT, now=NOON
    )
    assert (approved.state, approved.proposal) == (AP, None)
    assert (given.daily_quota, given.items) == (5, (GrantedItem(item="name"),))


def test_without_a_named_authority_who_is_above_the_source_is_it():
    held = request(AW, needs_review=True)
    assert act("endorse", held, AUTHORITY).state is AP
    with pytest.raises(DomainError) as refused:
        act("endorse", held, ELSEWHERE)
    assert refused.value.reason == "NOT_THE_AUTHORITY"


def test_who_proposes_in_place_of_the_source_does_not_agree_as_the_authority_too():
    held = request(needs_review=True, authority=AUTHORITY.department)
    proposed = act("approve", held, AUTHORITY)
    assert (proposed.state, proposed.proposed_by) == (AW, AUTHORITY.system)
    with pytest.raises(PermissionDenied) as refused:
        act("endorse", proposed, AUTHORITY)
    assert refused.value.reason == "SECOND_PERSON_NEEDED"
    second = caller(AUTHORITY.department, Role.ADMINISTRATOR, system="second")
    agreed = act("endorse", proposed, second)
    assert (agreed.state, agreed.proposed_by) == (AP, "")
    assert act("endorse", act("approve", held, SOURCE), AUTHORITY).state is AP


def test_an_authority_approves_what_is_its_own_at_once():
    own = caller(SOURCE.department, Role.ADMINISTRATOR, system="admin")
    held = request(needs_review=True, authority=own.department)
    assert act("approve", held, own).state is AP
    assert act("approve", held, SOURCE).state is AW
    held = request(needs_review=True, authority=AUTHORITY.department)
    with pytest.raises(DomainError) as refused:
        act("approve", held, ELSEWHERE)
    assert refused.value.reason == "NOT_THE_SOURCE"


def test_a_proposal_that_can_no_longer_be_given_is_not_endorsed():
    for held in (
        replace(request(AW), proposal=replace(TERMS, end_time=NOON)),
        replace(request(AW), proposal=replace(TERMS, items=(GrantedItem(item="gone"),))),
    ):
        with pytest.raises(FailedPrecondition) as refused:
            act("endorse", held)
        assert refused.value.reason == "PROPOSAL_OUT_OF_DATE"


@pytest.mark.parametrize(("reason", "basis"), [("", "某办法"), ("依据不足", ""), ("", "")])
def test_a_refusal_has_a_reason_and_a_legal_basis(reason, basis):
    with pytest.raises(InvalidArgument) as refused:
        deciding.reject(SOURCE, request(), reason=reason, legal_basis=basis, now=NOON)
    assert refused.value.reason == "REASON_REQUIRED"


def test_a_return_says_what_is_missing():
    with pytest.raises(InvalidArgument) as refused:
        reviewing.give_back(SOURCE, request(), note=" ")
    assert refused.value.reason == "REASON_REQUIRED"


def test_a_resubmission_is_checked_like_a_request():
    held = request(RE)
    with pytest.raises(InvalidArgument) as refused:
        reviewing.resubmit(
            CONSUMER,
            held,
            resource=county.resource(),
            content=replace(held, items=("wealth",), purpose=""),
        )
    assert refused.value.reason == "ACCESS_REQUEST_INVALID"
    assert len(refused.value.violations) == 2


@pytest.mark.parametrize("state", list(GrantState))
@pytest.mark.parametrize("what", ["revoke", "narrow", "amend"])
def test_a_grant(what: str, state: GrantState):
    grant = build.grant(state=state)

    def change():
        if what == "revoke":
            return amending.revoke(SOURCE, grant, reason="已办结", now=NOON)
        if what == "narrow":
            return amending.narrow(
                SOURCE,
                grant,
                to=Narrowing(daily_quota=1),
                resource=county.resource(),
                reason="缩小",
                etag="",
                offset=0,
                now=NOON,
            )
        return amending.check_amendable(grant, request(amends=grant.name))

    if state is GrantState.ACTIVE:
        change()
        return
    with pytest.raises(FailedPrecondition) as refused:
        change()
    assert refused.value.reason == "GRANT_ALREADY_REVOKED"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": f"{HEALTH}/grants/another"}, "GRANT_NOT_FOUND"),
        ({"resource": f"{CIVIL}/resources/other"}, "ACCESS_REQUEST_INVALID"),
    ],
)
def test_an_amendment_is_of_ones_own_grant_of_the_same_resource(changes, reason):
    with pytest.raises(DomainError) as refused:
        amending.check_amendable(build.grant(**changes), request(amends=build.GRANT))
    assert refused.value.reason == reason


LEVELS = DepartmentLevel


@pytest.mark.parametrize(
    ("regions", "levels", "rule", "needed"),
    [
        (("990101", "990101"), ("", ""), ["cross_region", "cross_level"], False),
        (("990101", "990102"), ("", ""), ["cross_region", "cross_level"], True),
        (("990101", "990102"), ("", ""), ["cross_level"], False),
        (("990101", "990102"), ("", ""), [], False),
        (("990101", "990101"), (LEVELS.COUNTY, LEVELS.CITY), ["cross_level"], True),
        (("990101", "990101"), (LEVELS.COUNTY, LEVELS.COUNTY), ["cross_level"], False),
        (("990101", "990101"), (LEVELS.COUNTY, ""), ["cross_level"], False),
        (("990101", "990101"), (LEVELS.COUNTY, LEVELS.CITY), ["cross_region"], False),
    ],
)
def test_when_the_authority_has_to_agree(regions, levels, rule, needed):
    asking, source = (
        Department(
            name=f"departments/d{n}",
            display_name="某局",
            credit_code=county.credit_code(n),
            region_code=regions[n],
            level=LEVELS(levels[n]),
            create_time=NOON,
        )
        for n in (0, 1)
    )
    review = reviewing.review_of(asking, source, review_when=rule, authority="departments/x")
    assert review.needed is needed
    assert review.cross_region is (regions[0] != regions[1])
