"""Whose table of periods holds in a region, and who is told when."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.deadlines.jurisdictions import (
    Jurisdiction,
    Kind,
    Period,
    ReviewWhen,
    content_of,
    etag_of,
    ruling,
    shipped,
)
from exchange.deadlines.notices import Stage, spans
from runtime.errors import FailedPrecondition
from runtime.workdays import shipped as calendar

BOTH = (ReviewWhen.CROSS_REGION, ReviewWhen.CROSS_LEVEL)
CITY = Jurisdiction(
    name="jurisdictions/city",
    region_prefix="9901",
    display_name="示范市",
    authority="departments/city-data-office",
    periods={Kind.REPLY_CONDITIONAL: Period(days=7), "local_check": Period(days=3)},
)
COUNTY = Jurisdiction(
    name="jurisdictions/county",
    region_prefix="990101",
    display_name="示范县",
    review_when=(),
    periods={Kind.REPLY_CONDITIONAL: Period(days=5, extension=2)},
)


def held(region: str):
    return ruling([CITY, COUNTY], region)


@pytest.mark.parametrize(
    ("region", "kind", "name", "days"),
    [
        ("990101", Kind.REPLY_CONDITIONAL, COUNTY.name, 5),
        ("990102", Kind.REPLY_CONDITIONAL, CITY.name, 7),
        ("990101", "local_check", CITY.name, 3),
        ("990101", Kind.SUPPLY_AFTER_CONSENT, "jurisdictions/default", 20),
        ("980101", Kind.REPLY_CONDITIONAL, "jurisdictions/default", 10),
        ("", Kind.REPLY_UNCONDITIONAL, "jurisdictions/default", 1),
    ],
)
def test_the_longest_prefix_that_has_a_kind_holds(region: str, kind: str, name: str, days: int):
    table, period = held(region).period(kind)
    assert (table.name, period.days) == (name, days)


def test_authority_and_review_come_from_the_nearest_that_says():
    assert held("990101").authority == CITY.authority  # the county says nothing
    assert held("990101").review_when == frozenset()  # the county says: never
    assert held("990102").review_when == frozenset(BOTH)  # the city says nothing
    assert (held("980101").authority, held("980101").review_when) == ("", frozenset(BOTH))
    assert held("990101").jurisdiction is COUNTY


def test_a_kind_that_no_table_has_is_refused():
    with pytest.raises(FailedPrecondition):
        held("980101").period("local_check")


def test_a_nodes_own_default_is_asked_before_the_shipped_one():
    own = Jurisdiction(
        name="jurisdictions/default",
        region_prefix="",
        display_name="本节点",
        periods={Kind.CORRECTION: Period(days=4)},
    )
    found = ruling([own], "990101")
    assert found.period(Kind.CORRECTION)[1].days == 4
    assert found.period(Kind.REPLY_CONDITIONAL)[1].days == 10


def test_the_shipped_table_has_every_kind_with_its_source():
    kinds = {value for key, value in vars(Kind).items() if not key.startswith("_")}
    assert set(shipped().periods) == kinds
    assert all(period.source for period in shipped().periods.values())
    # What the Decree was found to say; the rest is told apart.
    sure = {kind: period.days for kind, period in shipped().periods.items() if period.sure}
    assert sure == {"reply_unconditional": 1, "reply_conditional": 10, "supply_after_consent": 20}


def test_an_etag_is_of_what_is_said():
    assert etag_of(CITY) != etag_of(COUNTY)
    assert shipped().etag == etag_of(shipped())
    assert b"9901" in content_of(CITY)


def test_notices_are_told_by_due_day():
    # A Tuesday before National Day: the second working day on is 10 October.
    found = spans(date(2025, 9, 30), calendar(), remind_before=2, escalate_after=3)
    assert found[Stage.REMINDER].last == date(2025, 10, 10)
    assert found[Stage.OVERDUE].last == date(2025, 9, 29)
    # 28 (a Sunday, worked), 29 and 30 September have come since Saturday the 27th.
    assert found[Stage.ESCALATION].last == date(2025, 9, 27)


@given(st.dates(date(2020, 1, 1), date(2027, 12, 31)), st.integers(1, 60), st.integers(1, 60))
def test_an_escalation_comes_when_so_many_days_are_over(day: date, before: int, after: int):
    found = spans(day, calendar(), remind_before=before, escalate_after=after)
    last = found[Stage.ESCALATION].last
    assert calendar().between(last, day) >= after
    assert calendar().between(last.fromordinal(last.toordinal() + 1), day) < after
    assert calendar().between(day, found[Stage.REMINDER].last) == before
