"""Who acts for a department, and who moves one: tables of cases."""

import pytest

from exchange.catalog.acting import check_place, may_act_for
from runtime.errors import PermissionDenied
from runtime.identity import Role
from tests.builders.catalog import OFFICE, caller

POLICE, STATION, BUREAU, COUNTY = (
    f"departments/{name}" for name in ("police", "station", "bureau", "county")
)
ABOVE = {POLICE: {COUNTY}, STATION: {POLICE, COUNTY}, BUREAU: set(), COUNTY: set()}

ACTING = [  # who, its role, for whom, may it
    (POLICE, Role.ADMINISTRATOR, POLICE, True),
    (POLICE, Role.ADMINISTRATOR, STATION, True),
    (COUNTY, Role.ADMINISTRATOR, STATION, True),
    (OFFICE, Role.ADMINISTRATOR, POLICE, True),
    (STATION, Role.ADMINISTRATOR, POLICE, False),  # from below
    (BUREAU, Role.ADMINISTRATOR, POLICE, False),  # from beside: another department's
    (POLICE, Role.ADMINISTRATOR, OFFICE, False),
    (POLICE, Role.DEPARTMENT, POLICE, False),  # no administrator
    (COUNTY, Role.DEPARTMENT, STATION, False),
    (OFFICE, Role.AUDITOR, POLICE, False),
]


@pytest.mark.parametrize(("who", "role", "department", "allowed"), ACTING)
def test_who_acts_for_whom(who, role, department, allowed):
    above = ABOVE.get(department, ())
    principal = caller(who, role)
    assert may_act_for(principal, department, above=above, office=OFFICE) is allowed


def test_without_an_office_nobody_acts_for_all():
    assert not may_act_for(caller("departments/", Role.ADMINISTRATOR), POLICE)
    assert not may_act_for(caller(OFFICE, Role.ADMINISTRATOR), POLICE)


PLACES = [  # who, above now (None: it is new), above then, may it
    (OFFICE, None, set(), True),
    (OFFICE, {COUNTY}, set(), True),
    (COUNTY, None, {COUNTY}, True),  # below its own
    (COUNTY, {COUNTY}, {POLICE, COUNTY}, True),  # stays below it
    (BUREAU, set(), {BUREAU}, False),  # takes another department
    (BUREAU, {COUNTY}, {BUREAU}, False),
    (BUREAU, {BUREAU}, {POLICE}, False),  # gives it away
    (BUREAU, {BUREAU}, set(), False),
    (POLICE, {COUNTY}, {COUNTY}, False),  # its own region or level
    (BUREAU, None, set(), False),  # a department beside it
    (BUREAU, None, {COUNTY}, False),
]


@pytest.mark.parametrize(("who", "above", "then", "allowed"), PLACES)
def test_who_puts_a_department_where(who, above, then, allowed):
    def act(role):
        check_place(caller(who, role), above=above, then=then, office=OFFICE)

    if allowed:
        act(Role.ADMINISTRATOR)
    else:
        with pytest.raises(PermissionDenied) as refused:
            act(Role.ADMINISTRATOR)
        assert refused.value.reason == "NOT_ABOVE"
    with pytest.raises(PermissionDenied):
        act(Role.DEPARTMENT)
