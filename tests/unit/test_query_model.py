"""The rules of questions and answers."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.catalog.schema import schema_of
from exchange.grants.model import Grant, GrantedItem, Mask, Operation
from exchange.query.days import Days
from exchange.query.model import (
    Match,
    are_keys,
    check_claims,
    check_granted_whole,
    compare,
    key_check,
    overall,
    quota_exceeded,
)
from runtime.asking import check_question
from runtime.clock import CHINA
from runtime.errors import InvalidArgument, PermissionDenied
from tests.builders.catalog import HOUSING, NOON, RESIDENTS, resource
from tests.builders.exchange import citizen_number


@pytest.mark.parametrize(
    ("purpose", "case_number", "field"),
    [
        ("", "c", "purpose"),
        ("x" * 201, "c", "purpose"),
        ("p", "", "case_number"),
        ("p", "x" * 65, "case_number"),
    ],
)
def test_a_question_says_what_it_is_for(purpose, case_number, field):
    with pytest.raises(InvalidArgument) as caught:
        check_question(purpose, case_number)
    assert [violation.field for violation in caught.value.violations] == [field]


def test_a_full_question_is_taken():
    check_question("用" * 200, "x" * 64)


@pytest.mark.parametrize("claims", [{}, {"name": ""}, {f"i{n}": "x" for n in range(21)}])
def test_claims_are_bounded_and_have_values(claims):
    with pytest.raises(InvalidArgument) as caught:
        check_claims(claims)
    assert caught.value.reason == "BAD_CLAIMS"


def grant(**masks: Mask) -> Grant:
    return Grant(
        name=f"{HOUSING}/grants/one",
        resource=RESIDENTS,
        items=tuple(GrantedItem(item=item, mask=mask) for item, mask in masks.items()),
        operations=(Operation.VERIFY,),
        purpose="p",
        legal_basis="l",
        start_time=NOON,
        end_time=NOON + timedelta(days=1),
        access_request=f"{HOUSING}/accessRequests/one",
        create_time=NOON,
    )


def test_a_masked_item_is_not_verified():
    given = grant(name=Mask.WHOLE, region=Mask.FIRST_SIX)
    check_granted_whole(given, {"name": "x"})
    with pytest.raises(PermissionDenied) as caught:
        check_granted_whole(given, {"name": "x", "region": "990101"})
    assert caught.value.reason == "ITEM_GRANTED_IN_PART"
    assert caught.value.metadata == {"item": "region"}


@pytest.mark.parametrize("key", ["", "1" * 18, "1" * 19, citizen_number(1)[:-1] + "?", "x"])
def test_a_malformed_key_is_refused_by_its_item(key):
    with pytest.raises(InvalidArgument) as caught:
        key_check(schema_of(resource()))(key)
    error = caught.value
    assert error.reason == "MALFORMED_KEY"
    assert error.metadata == {"item": "citizen_number"}
    told = error.message + error.message_zh + repr(error.violations)
    assert len(key) < 2 or key not in told


@pytest.mark.parametrize("key", ["a\0b", "a\nb", "k" * 201])
def test_a_key_that_cannot_be_published_is_refused_where_no_standard_says_so(key):
    schema = schema_of(resource())
    free = replace(schema.items[schema.key_position], standard="", length=0)
    assert schema.key_position == 0
    items = (free, *schema.items[1:])
    with pytest.raises(InvalidArgument) as caught:
        key_check(replace(schema, items=items))(key)
    assert caught.value.reason == "MALFORMED_KEY"


def test_a_good_key_passes():
    key_check(schema_of(resource()))(citizen_number(1))


def test_claims_are_compared_one_by_one():
    held = {"name": "某甲", "region": "990101"}
    claims = {"name": "某甲", "region": "990102", "status": "x"}
    results = {"name": Match.MATCH, "region": Match.NO_MATCH, "status": Match.NOT_HELD}
    assert compare(held, claims) == results
    assert overall(results) is Match.NO_MATCH
    assert overall({"name": Match.MATCH}) is Match.MATCH


def test_an_absent_record_compares_like_one_that_holds_none_of_the_items():
    claims = {"name": "某甲", "region": "990102"}
    results = compare({}, claims)
    assert results == compare({"phone": "1"}, claims) == dict.fromkeys(claims, Match.NOT_HELD)
    assert overall(results) is Match.NO_MATCH


def test_a_day_is_a_day_in_china():
    days = Days()
    midnight = NOON.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    assert days.at(midnight)[0] == "2026-03-02"
    assert days.at(midnight - timedelta(seconds=1)) == ("2026-03-01", 1.0)
    assert days.at(midnight + timedelta(hours=23)) == ("2026-03-02", 3600.0)
    assert quota_exceeded(3600.0).retry_after == 3600.0


@given(
    keys=st.lists(
        st.sampled_from(
            [citizen_number(1), citizen_number(2), "", "x", "1" * 18, "a\nb", "\x00", "k" * 201]
        ),
        max_size=3,
    ),
    standard=st.sampled_from(["", "GB 11643", "GB 32100"]),
    length=st.sampled_from([0, 2, 18]),
)
def test_keys_are_told_good_at_once_only_where_each_is(keys, standard, length):
    schema = schema_of(resource())
    items = list(schema.items)
    items[schema.key_position] = replace(
        items[schema.key_position], standard=standard, length=length
    )
    schema = replace(schema, items=tuple(items))
    if not are_keys(schema, keys):
        return
    for key in keys:
        key_check(schema)(key)  # refuses none
