"""How a department stands to a resource, case by case, against the pure rule."""

from dataclasses import replace
from datetime import timedelta

import pytest

from exchange.catalog.model import EntryState, SharingType
from exchange.discovery.model import GREATEST_GRANTS, Access, Reason, Rules, stand
from exchange.grants.model import AccessRequestState, Grant, GrantedItem, GrantState, Operation
from exchange.lists.model import Negative
from tests.builders import catalog as county
from tests.builders import grants as build
from tests.builders.catalog import CIVIL, HOUSING, NOON

DAY = timedelta(days=1)
END = NOON + 30 * DAY
TICK = timedelta(microseconds=1)

RESIDENTS = county.resource()
OPEN_TO_ALL = county.unconditional()
NOT_SHARED = county.resource(
    sharing_type=SharingType.NOT_SHARED, legal_basis="示范县档案管理办法第三条"
)
WITHDRAWN = replace(RESIDENTS, state=EntryState.WITHDRAWN, update_time=NOON - DAY)
EVERY = tuple(GrantedItem(item=item.code) for item in RESIDENTS.items)

SOME = build.grant()
ALL = build.grant(items=EVERY)
LATER = build.grant(start_time=NOON + 7 * DAY)
REVOKED = build.grant(state=GrantState.REVOKED, revoke_time=NOON - DAY, revoke_reason="已办结")
OVER = build.grant(start_time=NOON - 9 * DAY, end_time=NOON)

S = AccessRequestState
PENDING = build.access_request(reply_due="2026-03-16")
AWAITING = build.access_request(state=S.AWAITING_AUTHORITY)
RETURNED = build.access_request(state=S.RETURNED, review_note="请补充依据")
REFUSED = build.access_request(
    state=S.REJECTED, decide_time=NOON, decision_reason="不符", decision_legal_basis="第九条"
)
TAKEN_BACK = build.access_request(state=S.WITHDRAWN, create_time=NOON + DAY)
EARLIER = build.access_request(state=S.APPROVED, create_time=NOON - DAY)

R = Reason
#: resource, grants, requests, when → access, reasons, whether it can be asked for.
CASES = [
    # Nothing is there.
    (RESIDENTS, [], [], NOON, Access.REQUESTABLE, [R.NO_GRANT], True),
    (OPEN_TO_ALL, [], [], NOON, Access.REQUESTABLE, [R.NO_GRANT], True),
    (NOT_SHARED, [], [], NOON, Access.CLOSED, [R.NOT_SHARED], False),
    (WITHDRAWN, [], [], NOON, Access.CLOSED, [R.WITHDRAWN], False),
    (
        replace(NOT_SHARED, state=EntryState.WITHDRAWN),
        *([], [], NOON, Access.CLOSED, [R.NOT_SHARED, R.WITHDRAWN], False),
    ),
    # Grants.
    (RESIDENTS, [ALL], [], NOON, Access.USABLE, [], True),
    (RESIDENTS, [SOME], [], NOON, Access.USABLE, [R.ITEMS_NOT_GRANTED], True),
    (RESIDENTS, [SOME, OVER], [], NOON, Access.USABLE, [R.ITEMS_NOT_GRANTED], True),
    (RESIDENTS, [ALL], [], END - TICK, Access.USABLE, [], True),
    (RESIDENTS, [ALL], [], END, Access.REQUESTABLE, [R.GRANT_EXPIRED], True),
    (RESIDENTS, [ALL], [], NOON - TICK, Access.NOT_YET, [R.GRANT_NOT_YET_VALID], True),
    (RESIDENTS, [LATER], [], NOON, Access.NOT_YET, [R.GRANT_NOT_YET_VALID], True),
    (RESIDENTS, [LATER, REVOKED], [], NOON, Access.NOT_YET, [R.GRANT_NOT_YET_VALID], True),
    (RESIDENTS, [LATER], [], NOON + 7 * DAY, Access.USABLE, [R.ITEMS_NOT_GRANTED], True),
    (RESIDENTS, [REVOKED], [], NOON, Access.REQUESTABLE, [R.GRANT_REVOKED], True),
    (RESIDENTS, [OVER], [], NOON, Access.REQUESTABLE, [R.GRANT_EXPIRED], True),
    (RESIDENTS, [REVOKED, OVER], [], NOON, Access.REQUESTABLE, [R.GRANT_EXPIRED], True),
    # What is closed is not read, whatever grants stand.
    (WITHDRAWN, [ALL], [], NOON, Access.CLOSED, [R.WITHDRAWN], False),
    (NOT_SHARED, [ALL], [], NOON, Access.CLOSED, [R.NOT_SHARED], False),
    (WITHDRAWN, [REVOKED], [], NOON, Access.CLOSED, [R.WITHDRAWN, R.GRANT_REVOKED], False),
    # Requests.
    (RESIDENTS, [], [PENDING], NOON, Access.REQUESTED, [R.NO_GRANT, R.REQUEST_PENDING], True),
    (
        *(RESIDENTS, [], [AWAITING], NOON, Access.REQUESTED),
        *([R.NO_GRANT, R.REQUEST_AWAITING_AUTHORITY], True),
    ),
    (RESIDENTS, [], [RETURNED], NOON, Access.REQUESTED, [R.NO_GRANT, R.REQUEST_RETURNED], True),
    (RESIDENTS, [], [REFUSED], NOON, Access.REQUESTABLE, [R.NO_GRANT, R.REQUEST_REJECTED], True),
    (RESIDENTS, [], [REFUSED, TAKEN_BACK], NOON, Access.REQUESTABLE, [R.NO_GRANT], True),
    (RESIDENTS, [], [TAKEN_BACK], NOON, Access.REQUESTABLE, [R.NO_GRANT], True),
    (
        *(RESIDENTS, [REVOKED], [PENDING, EARLIER], NOON, Access.REQUESTED),
        *([R.GRANT_REVOKED, R.REQUEST_PENDING], True),
    ),
    (
        *(RESIDENTS, [SOME], [PENDING], NOON, Access.USABLE),
        *([R.ITEMS_NOT_GRANTED, R.REQUEST_PENDING], True),
    ),
    (
        *(RESIDENTS, [SOME], [REFUSED], NOON, Access.USABLE),
        *([R.ITEMS_NOT_GRANTED, R.REQUEST_REJECTED], True),
    ),
    (RESIDENTS, [ALL], [REFUSED], NOON, Access.USABLE, [], True),
    (RESIDENTS, [ALL], [PENDING], NOON, Access.USABLE, [R.REQUEST_PENDING], True),
]


@pytest.mark.parametrize(("resource", "grants", "requests", "now", "access", "why", "ask"), CASES)
def test_how_a_department_stands(resource, grants, requests, now, access, why, ask):
    standing = stand(
        resource, consumer=HOUSING, grants=grants, requests=requests, rules=Rules(), now=now
    )
    assert standing.access is access
    assert [obstacle.reason for obstacle in standing.obstacles] == why
    assert (standing.asking is not None) == ask
    # Without a grant in force there is always a reason.
    assert standing.usable_items or standing.obstacles
    assert {*standing.usable_items, *standing.missing_items} == {i.code for i in resource.items}


def test_what_is_a_departments_own_needs_nothing():
    standing = stand(RESIDENTS, consumer=CIVIL, grants=[], requests=[], rules=Rules(), now=NOON)
    assert (standing.access, standing.obstacles, standing.asking) == (Access.OWN, (), None)


def test_obstacles_tell_what_they_are_about():
    def obstacles(**changes):
        told = {"grants": [], "requests": [], "rules": Rules(), "now": NOON, **changes}
        return stand(RESIDENTS, consumer=HOUSING, **told).obstacles

    (revoked,) = obstacles(grants=[REVOKED])
    assert (revoked.subject, revoked.time, revoked.detail) == (
        *(REVOKED.name, REVOKED.revoke_time, "已办结"),
    )
    pending = obstacles(requests=[PENDING])[1]
    assert (pending.subject, pending.time, pending.due) == (PENDING.name, NOON, "2026-03-16")
    refused = obstacles(requests=[REFUSED])[1]
    assert (refused.legal_basis, refused.detail) == ("第九条", "不符")
    (closed,) = stand(
        NOT_SHARED, consumer=HOUSING, grants=[], requests=[], rules=Rules(), now=NOON
    ).obstacles
    assert closed.legal_basis == NOT_SHARED.legal_basis


def test_who_holds_some_items_asks_for_the_rest_as_an_amendment():
    held = build.grant(operations=(Operation.QUERY, Operation.SUBSCRIBE))
    asking = stand(
        RESIDENTS, consumer=HOUSING, grants=[held], requests=[], rules=Rules(), now=NOON
    ).asking
    assert asking is not None
    assert asking.amends == held.name
    assert asking.operations == held.operations
    assert set(asking.items) == {item.code for item in RESIDENTS.items}


def test_of_several_grants_one_is_amended_to_give_what_all_of_them_give():
    first, second, third = (item.code for item in RESIDENTS.items[:3])

    def grant(number: int, item: str, *operations: Operation) -> Grant:
        return build.grant(
            name=f"{HOUSING}/grants/{number:016d}",
            items=(GrantedItem(item=item),),
            operations=operations,
        )

    grants = [grant(1, first, Operation.QUERY), grant(2, second, Operation.EXPORT)]
    asking = stand(
        RESIDENTS, consumer=HOUSING, grants=grants, requests=[], rules=Rules(), now=NOON
    ).asking
    assert asking is not None
    assert asking.amends == grants[0].name
    assert {first, second, third} <= set(asking.items)
    assert asking.operations == (Operation.QUERY, Operation.EXPORT)


def test_of_many_grants_a_few_are_told_those_in_force_first():
    def grant(number: int, **changes) -> Grant:
        return build.grant(name=f"{HOUSING}/grants/{number:016d}", **changes)

    many = [grant(number, start_time=NOON + DAY) for number in range(GREATEST_GRANTS)]
    many.append(grant(99))
    standing = stand(RESIDENTS, consumer=HOUSING, grants=many, requests=[], rules=Rules(), now=NOON)
    assert standing.more_grants
    assert len(standing.grants) == GREATEST_GRANTS
    assert standing.grants[0].name.endswith("99")


def test_every_reason_has_words_in_both_languages():
    for reason in Reason:
        english, chinese = reason.words
        assert english
        assert chinese


def kept(*items: str) -> Negative:
    return Negative(
        name=f"{CIVIL}/negatives/residents",
        display_name="不予共享的信息",
        items=items,
        legal_basis="示范县保密规定第三条",
        from_day="2026-01-01",
    )


def test_what_is_on_the_negative_list_is_left_out_of_the_request_and_told():
    told = {"consumer": HOUSING, "requests": [], "rules": Rules(), "now": NOON}
    standing = stand(RESIDENTS, grants=[], negative=kept("name"), **told)
    assert standing.access is Access.REQUESTABLE
    assert standing.asking is not None
    every = [item.code for item in RESIDENTS.items]
    assert list(standing.asking.items) == [code for code in every if code != "name"]
    (why, _) = standing.obstacles
    assert (why.reason, why.detail) == (R.NOT_SHARED, "name")
    assert why.legal_basis == "示范县保密规定第三条"
    # What a grant gives of it stays: an amendment would lose it.
    asking = stand(RESIDENTS, grants=[build.grant()], negative=kept("name"), **told).asking
    assert asking is not None
    assert not asking.amends
    assert set(asking.items) == set(every) - set(build.grant().masks)


def test_a_resource_that_is_all_on_the_negative_list_is_closed():
    told = {"consumer": HOUSING, "requests": [], "rules": Rules(), "now": NOON}
    standing = stand(RESIDENTS, grants=[], negative=kept(), **told)
    assert (standing.access, standing.asking) == (Access.CLOSED, None)
    assert [one.reason for one in standing.obstacles] == [R.NOT_SHARED]
