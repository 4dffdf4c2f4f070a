"""Who measures an element, how often, and who sees counts: tables of cases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from exchange.sources.model import Measurement, Publisher, SourceCase
from exchange.sources.rights import APART, check_apart, check_may_measure, seen_by
from runtime.errors import PermissionDenied, ResourceExhausted
from runtime.identity import Role
from tests.builders.catalog import AUDITOR, CIVIL, HEALTH, HOUSING, NOON, OFFICE, caller

ONE = Publisher(resource=f"{CIVIL}/resources/residents", item="name", key_standard="GB 11643")
OTHER = Publisher(resource=f"{HOUSING}/resources/tenants", item="name", key_standard="GB 11643")
COUNTY = "departments/county"
ABOVE = {CIVIL: {COUNTY, HEALTH}, HOUSING: {COUNTY}}
PARTY, NOT_ABOVE = "PARTY_TO_THE_ELEMENT", "NOT_ABOVE_THE_PARTIES"

CASES = [  # who, its role, whether a party is closed, refused why
    (OFFICE, Role.ADMINISTRATOR, False, ""),
    (COUNTY, Role.ADMINISTRATOR, False, ""),
    (COUNTY, Role.ADMINISTRATOR, True, ""),
    (OFFICE, Role.ADMINISTRATOR, True, NOT_ABOVE),
    (HEALTH, Role.ADMINISTRATOR, False, NOT_ABOVE),  # above one of them only
    (CIVIL, Role.ADMINISTRATOR, False, PARTY),
    (HOUSING, Role.ADMINISTRATOR, True, PARTY),
    (COUNTY, Role.DEPARTMENT, False, NOT_ABOVE),
    (OFFICE, Role.AUDITOR, False, NOT_ABOVE),
]


@pytest.mark.parametrize(("who", "role", "closed", "reason"), CASES)
def test_who_measures(who, role, closed, reason):
    def act():
        parties = [ONE, replace(OTHER, closed=closed)]
        check_may_measure(caller(who, role), parties, lambda one: ABOVE[one], office=OFFICE)

    if not reason:
        act()
        return
    with pytest.raises(PermissionDenied) as refused:
        act()
    assert refused.value.reason == reason


def test_an_office_that_publishes_is_a_party():
    own = replace(ONE, resource=f"{OFFICE}/resources/residents")
    office = caller(OFFICE, Role.ADMINISTRATOR)
    with pytest.raises(PermissionDenied) as refused:
        check_may_measure(office, [own, OTHER], lambda _: set(), office=OFFICE)
    assert refused.value.reason == PARTY


def test_how_often():
    check_apart(None, NOON)
    check_apart(NOON - APART, NOON)
    with pytest.raises(ResourceExhausted) as refused:
        check_apart(NOON - APART + timedelta(seconds=1), NOON)
    assert refused.value.reason == "MEASURED_LATELY"


SEEN = [  # who, its role, records in common, whether it sees counts
    (OFFICE, Role.ADMINISTRATOR, 20, True),
    (OFFICE, Role.ADMINISTRATOR, 19, False),
    (AUDITOR.department, Role.AUDITOR, 20, True),
    (CIVIL, Role.DEPARTMENT, 20, False),
    (HOUSING, Role.ADMINISTRATOR, 20, False),
    (HOUSING, Role.AUDITOR, 20, False),
]


@pytest.mark.parametrize(("who", "role", "both", "told"), SEEN)
def test_who_sees_counts(who, role, both, told):
    found = Measurement(pair=1, first=ONE.resource, second=OTHER.resource, equal=both, only_first=7)
    case = SourceCase(
        name="sourceCases/a",
        element="population.name",
        parties=(ONE, OTHER),
        measurements=(found,),
        create_time=NOON,
        measure_time=NOON,
    )
    (seen,) = seen_by(caller(who, role), case).measurements
    assert seen.withheld is not told
    assert seen == (found if told else replace(found, equal=0, only_first=0))
