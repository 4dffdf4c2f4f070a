"""Where a department may stand: one case per rule."""

import pytest

from exchange.catalog.departments import GREATEST_DEPTH, hierarchy_violations, region_prefix
from exchange.catalog.model import Department, DepartmentLevel
from tests.builders import catalog as build


def department(name: str, region: str = "990101", level=DepartmentLevel.COUNTY, parent: str = ""):
    return Department(
        name=f"departments/{name}",
        display_name=name,
        credit_code=build.credit_code(1),
        region_code=region,
        level=level,
        parent=f"departments/{parent}" if parent else "",
        create_time=build.NOON,
    )


NATION = department("nation", "100000", DepartmentLevel.NATIONAL)
PROVINCE = department("province", "990000", DepartmentLevel.PROVINCE, "nation")
CITY = department("city", "990100", DepartmentLevel.CITY, "province")
COUNTY = department("county", "990101", DepartmentLevel.COUNTY, "city")


def wrong(one, *above, children=(), height=0) -> list[str]:
    found = hierarchy_violations(one, above=above, children=children, height=height)
    return [violation.field.removeprefix("department.") for violation in found]


@pytest.mark.parametrize(
    ("one", "prefix"), [(NATION, ""), (PROVINCE, "99"), (CITY, "9901"), (COUNTY, "990101")]
)
def test_a_region_is_a_prefix(one, prefix):
    assert region_prefix(one) == prefix


def test_a_line_of_departments_fits():
    assert wrong(NATION, children=[PROVINCE], height=3) == []
    assert wrong(PROVINCE, NATION, children=[CITY], height=2) == []
    assert wrong(COUNTY, CITY, PROVINCE, NATION) == []
    assert wrong(department("office", parent="county"), COUNTY, CITY, PROVINCE, NATION) == []


def test_a_parent_is_registered():
    assert wrong(department("x", parent="nobody")) == ["parent"]


def test_nobody_is_above_itself():
    assert wrong(department("x", parent="x"), department("x", parent="x")) == ["parent"]
    below = department("below", parent="county")
    assert wrong(department("county", parent="below"), below, COUNTY) == ["parent"]


def test_at_most_six_stand_above_each_other():
    line = [department(f"d{n}", parent=f"d{n + 1}") for n in range(GREATEST_DEPTH)]
    assert wrong(line[0], *line[1:]) == []
    assert wrong(line[0], *line[1:], height=1) == ["parent"]
    assert wrong(line[0], *line) == ["parent"]


@pytest.mark.parametrize("region", ["990201", "980101", "990100"])
def test_a_region_lies_within_that_of_the_parent(region):
    assert wrong(department("x", region, parent="county"), COUNTY) == ["region_code"]


def test_a_child_is_not_above_its_parent():
    high = department("x", level=DepartmentLevel.CITY, parent="county")
    assert wrong(high, COUNTY) == ["level"]
    assert wrong(department("x", level=DepartmentLevel.UNSPECIFIED, parent="county"), COUNTY) == []


def test_a_change_fits_those_below():
    assert wrong(department("county", "990102"), children=[department("office")]) == ["region_code"]
    low = department("county", level=DepartmentLevel.TOWNSHIP)
    assert wrong(low, children=[department("office")]) == ["level"]
