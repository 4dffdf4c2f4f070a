"""Changing a grant: narrowing never adds, and widening shows nothing of what was before."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.grants import amending
from exchange.grants.amending import Narrowing
from exchange.grants.model import (
    Earlier,
    Grant,
    GrantedItem,
    GrantState,
    Mask,
    Operation,
    Terms,
    terms_of,
)
from exchange.grants.rows import RowCondition, RowTest
from runtime.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from tests.builders import catalog as county
from tests.builders import grants as build
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, NOON, caller

SOURCE, CONSUMER = caller(CIVIL), caller(HOUSING)
DAY = timedelta(days=1)
WHOLE = tuple(GrantedItem(item=i) for i in ("citizen_number", "name", "birth_date"))
HERE = RowCondition(item="region", test=RowTest.PREFIX, values=("9901",))
THERE = RowCondition(item="region", test=RowTest.PREFIX, values=("990101",))
LOCAL = RowCondition(item="local", test=RowTest.EQUALS, values=("true",))


def narrow(grant: Grant | None = None, who=SOURCE, *, etag: str = "", offset: int = 7, **to):
    return amending.narrow(
        who,
        grant or build.grant(rate_per_minute=60, row_filter=(HERE,)),
        to=Narrowing(**to),
        resource=county.resource(),
        reason="用途缩小",
        etag=etag,
        offset=offset,
        now=NOON + DAY,
    )


def widened(grant: Grant, *, offset: int = 7, **terms) -> Grant:
    values = {
        "items": grant.items,
        "operations": grant.operations,
        "row_filter": grant.row_filter,
        "start_time": grant.start_time,
        "end_time": grant.end_time,
    }
    request = build.access_request(amends=grant.name, name=f"{HOUSING}/accessRequests/second")
    return amending.amend(grant, request, Terms(**(values | terms)), offset=offset)


@pytest.mark.parametrize(
    "to",
    [
        {"items": WHOLE[:1]},
        {"items": (GrantedItem(item="name", mask=Mask.FIRST_CHARACTER), *WHOLE[:1])},
        {"operations": (Operation.VERIFY,)},
        {"daily_quota": 99},
        {"rate_per_minute": 59},
        {"row_filter": (LOCAL,)},
        {"end_time": NOON + 2 * DAY},
    ],
)
def test_narrowing_makes_the_next_version(to):
    before = build.grant(rate_per_minute=60, row_filter=(HERE,))
    for who in (SOURCE, CONSUMER, county.ADMINISTRATOR):
        if "row_filter" in to and who is not SOURCE:
            continue  # `local` is not granted: see below
        after = narrow(who=who, **to)
        assert after.version == 2
        assert after.contract_hash != before.contract_hash
        assert after.etag != before.etag
        assert terms_of(after)["v"] == 2


@pytest.mark.parametrize(
    ("to", "fields"),
    [
        ({"items": (GrantedItem(item="region"),)}, ["items[0].item"]),
        ({"items": (WHOLE[0], WHOLE[0])}, ["items[1].item"]),
        ({"operations": (Operation.SUBSCRIBE,)}, ["operations[0]"]),
        ({"daily_quota": 101}, ["daily_quota"]),
        ({"daily_quota": 0}, ["daily_quota"]),
        ({"daily_quota": -1}, ["daily_quota", "daily_quota"]),
        ({"rate_per_minute": 61}, ["rate_per_minute"]),
        ({"rate_per_minute": 0}, ["rate_per_minute"]),
        ({"end_time": NOON + 31 * DAY}, ["end_time"]),
        ({"end_time": NOON + DAY}, ["end_time"]),
        ({"row_filter": (replace(LOCAL, item="wealth"),)}, ["row_filter[0].item"]),
    ],
)
def test_what_is_no_narrowing_is_refused(to, fields):
    with pytest.raises(InvalidArgument) as refused:
        narrow(**to)
    assert refused.value.reason == "NOT_NARROWER"
    assert [v.field for v in refused.value.violations] == fields


@pytest.mark.parametrize("test", list(RowTest))
@pytest.mark.parametrize("mask", [*Mask, None])
def test_the_consumer_adds_conditions_on_what_it_is_shown_whole_only(mask, test):
    items = () if mask is None else (GrantedItem(item="region", mask=mask),)
    grant = build.grant(items=(*WHOLE, *items), rate_per_minute=60)
    value = f"{HOUSING}/resources/tenants" if test is RowTest.OWN_CLIENTS else "990101"
    added = RowCondition(item="region", test=test, values=(value,))
    others = (CONSUMER, county.ADMINISTRATOR)
    for who in (SOURCE, *(others if mask is Mask.WHOLE else ())):
        assert narrow(grant, who, row_filter=(added,)).row_filter == (added,)
    if mask is not Mask.WHOLE:
        for who in others:  # who is above the source may, too: see the table of cases
            with pytest.raises(InvalidArgument) as refused:
                narrow(grant, who, row_filter=(added,))
            assert refused.value.reason == "NOT_NARROWER"
            assert [v.field for v in refused.value.violations] == ["row_filter[0].item"]
        # What stands is not added anew: it may be named again.
        narrow(replace(grant, row_filter=(added,)), CONSUMER, row_filter=(added,), daily_quota=9)


def test_the_consumer_adds_no_condition_on_what_was_hidden_of_earlier_changes():
    grant = widened(build.grant(), items=(*WHOLE, GrantedItem(item="region")))
    assert grant.earlier
    with pytest.raises(InvalidArgument):
        narrow(grant, CONSUMER, row_filter=(HERE,))
    assert narrow(grant, SOURCE, row_filter=(HERE,)).version == 3


@pytest.mark.parametrize("mask", [Mask.WHOLE, Mask.YEAR])
def test_a_mask_is_neither_lifted_nor_exchanged(mask):
    masked = build.grant(items=(GrantedItem(item="birth_date", mask=Mask.LAST_FOUR),))
    with pytest.raises(InvalidArgument) as refused:
        narrow(masked, items=(GrantedItem(item="birth_date", mask=mask),))
    assert refused.value.violations[0].field == "items[0].mask"


@pytest.mark.parametrize(
    "to", [{}, {"items": WHOLE}, {"daily_quota": 100}, {"row_filter": (HERE,)}]
)
def test_what_takes_nothing_away_is_told_so(to):
    with pytest.raises(InvalidArgument) as refused:
        narrow(**to)
    assert refused.value.reason == "NOT_NARROWER"


def test_a_revoked_grant_is_not_narrowed():
    with pytest.raises(FailedPrecondition) as refused:
        narrow(build.grant(state=GrantState.REVOKED), items=WHOLE[:1])
    assert refused.value.reason == "GRANT_ALREADY_REVOKED"


def test_a_grant_has_at_most_a_hundred_versions():
    with pytest.raises(FailedPrecondition) as refused:
        narrow(build.grant(version=100), items=WHOLE[:1])
    assert refused.value.reason == "GRANT_TOO_OFTEN_CHANGED"


def test_another_change_came_first():
    grant = build.grant()
    assert narrow(grant, etag=grant.etag, items=WHOLE[:1]).version == 2
    with pytest.raises(Aborted) as refused:
        narrow(replace(grant, version=2, contract_hash=""), etag=grant.etag, items=WHOLE[:1])
    assert refused.value.reason == "ETAG_MISMATCH"


def test_an_outsider_narrows_nothing():
    with pytest.raises(NotFound):
        narrow(who=caller(HEALTH), items=WHOLE[:1])


def test_a_plain_grant_keeps_the_form_of_its_contract():
    assert terms_of(build.grant())["v"] == 1
    assert terms_of(build.grant(rate_per_minute=1))["v"] == 2


def test_an_item_that_is_added_is_not_shown_in_what_was_before():
    grant = widened(build.grant(items=WHOLE[:2]), items=WHOLE)
    assert set(grant.view_at(7).masks) == {"citizen_number", "name"}
    assert set(grant.view_at(8).masks) == {"citizen_number", "name", "birth_date"}
    assert grant.masks.keys() == {"citizen_number", "name", "birth_date"}


def test_a_mask_that_is_lifted_stays_on_what_was_before():
    masked = (GrantedItem(item="name", mask=Mask.FIRST_CHARACTER),)
    grant = widened(build.grant(items=masked), items=WHOLE)
    assert grant.view_at(7).masks == {"name": Mask.FIRST_CHARACTER}
    assert grant.view_at(7).project({"name": "某甲", "birth_date": "1990-01-02"}) == {
        "name": "某**"
    }


def test_records_that_are_added_are_not_shown_in_what_was_before():
    grant = widened(build.grant(row_filter=(THERE,)), row_filter=(HERE,))
    assert set(grant.view_at(7).row_filter) == {HERE, THERE}
    assert grant.view_at(8).row_filter == (HERE,)


def test_the_decision_may_include_history():
    grant = widened(build.grant(items=WHOLE[:1]), items=WHOLE, include_history=True)
    assert grant.earlier == ()
    assert set(grant.view_at(1).masks) == {given.item for given in WHOLE}


def test_narrowing_holds_for_history_too_and_knows_what_was_delivered():
    grant = narrow(build.grant(), row_filter=(HERE,), items=WHOLE[:1])
    assert grant.view_at(3).row_filter == (HERE,)
    assert set(grant.view_at(3).masks) == {"citizen_number"}
    assert grant.view_at(3).formerly == ()
    assert grant.view_at(8).formerly is None


def test_different_masks_together_show_nothing():
    grant = build.grant(items=(GrantedItem(item="name", mask=Mask.FIRST_CHARACTER),))
    again = widened(grant, items=(GrantedItem(item="name", mask=Mask.LAST_FOUR),))
    assert again.view_at(7).masks == {}


def test_stretches_that_are_alike_are_one():
    grant = build.grant(items=WHOLE[:1])
    for offset, last in ((5, 2), (5, 3), (9, 2)):
        grant = widened(grant, offset=offset, items=WHOLE[:last])
    assert [one.until_offset for one in grant.earlier] == [5]
    assert set(grant.view_at(6).masks) == {"citizen_number", "name"}


ITEM = st.sampled_from(["citizen_number", "name", "birth_date"])
GIVEN = st.dictionaries(ITEM, st.sampled_from(list(Mask)), min_size=1).map(
    lambda masks: tuple(GrantedItem(item=item, mask=mask) for item, mask in masks.items())
)
FILTER = st.sampled_from([(), (HERE,), (THERE,), (LOCAL,), (HERE, LOCAL)])
STEPS = st.lists(st.tuples(GIVEN, FILTER, st.booleans()), min_size=1, max_size=6)


@given(GIVEN, FILTER, STEPS)
def test_whatever_the_changes_no_earlier_change_shows_more_than_its_time_and_now(
    items, row_filter, steps
):
    """Each stretch of the log shows an item only if every version since has given it so."""
    grant = build.grant(items=items, row_filter=row_filter)
    since: list[list[tuple[dict[str, Mask], set[RowCondition]]]] = [[]]
    for number, (given_items, conditions, history) in enumerate(steps, 1):
        for stretch in since:
            if history:
                stretch.clear()
            else:
                stretch.append((dict(grant.masks), set(grant.row_filter)))
        since.append([])
        grant = widened(
            grant,
            offset=number * 10,
            items=given_items,
            row_filter=conditions,
            include_history=history,
        )
        for stretch in since:
            stretch.append((dict(grant.masks), set(grant.row_filter)))
    for place, stretch in enumerate(since):
        view = grant.view_at(place * 10 + 5)
        for item, mask in view.masks.items():
            assert all(then.get(item) in (Mask.WHOLE, mask) for then, _ in stretch)
        for record in RECORDS:
            if all(one.holds(record.get(one.item), lambda *_: False) for one in view.row_filter):
                assert all(
                    one.holds(record.get(one.item), lambda *_: False)
                    for _, conditions in stretch
                    for one in conditions
                )


RECORDS = [
    {"region": region, "local": local}
    for region in ("990101", "990102", "980101")
    for local in ("true", "false")
]


def test_an_entry_tells_its_filter_and_the_one_before():
    grant = narrow(build.grant(row_filter=(HERE,)), row_filter=(LOCAL,))
    assert grant.earlier == (
        Earlier(until_offset=7, items=WHOLE, row_filter=(HERE, LOCAL), formerly=(HERE,)),
    )
