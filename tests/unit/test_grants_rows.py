"""Row filters: which records they show, what is within what, and what is wrong with one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.grants.rows import RowCondition, RowTest, both, faults_of, implies, looked_up, shows
from tests.builders.catalog import CIVIL, HOUSING

CLIENTS = f"{HOUSING}/resources/clients"


def prefix(value: str, item: str = "region") -> RowCondition:
    return RowCondition(item=item, test=RowTest.PREFIX, values=(value,))


def equals(value: str, item: str = "region") -> RowCondition:
    return RowCondition(item=item, test=RowTest.EQUALS, values=(value,))


def within(*values: str, item: str = "region") -> RowCondition:
    return RowCondition(item=item, test=RowTest.IN, values=values)


OWN = RowCondition(item="citizen_number", test=RowTest.OWN_CLIENTS, values=(CLIENTS,))


def nobody(_resource: str, _key: str) -> bool:
    return False


@pytest.mark.parametrize(
    ("conditions", "values", "shown"),
    [
        ([], {}, True),
        ([prefix("9901")], {"region": "990101"}, True),
        ([prefix("9902")], {"region": "990101"}, False),
        ([prefix("9901")], {}, False),
        ([equals("990101")], {"region": "990101"}, True),
        ([equals("990101")], {"region": "9901011"}, False),
        ([within("990101", "990102")], {"region": "990102"}, True),
        ([within("990101", "990102")], {"region": "99010"}, False),
        ([prefix("9901"), equals("true", "local")], {"region": "990101", "local": "true"}, True),
        ([prefix("9901"), equals("true", "local")], {"region": "990101", "local": "false"}, False),
        ([prefix("9901"), equals("true", "local")], {"region": "990101"}, False),
        ([OWN], {"citizen_number": "a"}, False),
    ],
)
def test_a_record_is_shown_where_all_conditions_hold(conditions, values, shown):
    assert shows(conditions, values, nobody) is shown


def test_own_clients_are_asked_of_the_consumers_resource():
    asked = []

    def holds(resource: str, key: str) -> bool:
        asked.append((resource, key))
        return key == "a"

    assert shows([OWN], {"citizen_number": "a"}, holds)
    assert not shows([OWN], {"citizen_number": "b"}, holds)
    assert asked == [(CLIENTS, "a"), (CLIENTS, "b")]
    # An absent record asks, too: both cost the same.
    assert list(looked_up([OWN, prefix("99")], {})) == [(CLIENTS, "")]


@pytest.mark.parametrize(
    ("narrow", "wide", "answer"),
    [
        ([], [], True),
        ([prefix("9901")], [], True),
        ([], [prefix("9901")], False),
        ([prefix("990101")], [prefix("9901")], True),
        ([prefix("9901")], [prefix("990101")], False),
        ([equals("990101")], [prefix("9901")], True),
        ([within("990101", "990201")], [prefix("9901")], False),
        ([equals("990101")], [within("990101", "990102")], True),
        ([within("990101")], [equals("990101")], True),
        ([prefix("990101")], [equals("990101")], False),
        ([prefix("9901"), OWN], [OWN], True),
        ([prefix("9901")], [prefix("9901", "other")], False),
        ([OWN], [prefix("9901", "citizen_number")], False),
    ],
)
def test_one_filter_within_another(narrow, wide, answer):
    assert implies(narrow, wide) is answer


CONDITIONS = st.lists(
    st.builds(
        lambda test, values: RowCondition(
            item="r", test=test, values=values if test is RowTest.IN else values[:1]
        ),
        st.sampled_from([RowTest.PREFIX, RowTest.EQUALS, RowTest.IN]),
        st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=3).map(tuple),
    ),
    max_size=3,
)


@given(CONDITIONS, CONDITIONS, st.text("ab", max_size=4))
def test_what_is_within_shows_no_more(narrow, wide, value):
    record = {"r": value}
    if implies(narrow, wide) and shows(narrow, record, nobody):
        assert shows(wide, record, nobody)
    together = shows(narrow, record, nobody) and shows(wide, record, nobody)
    assert shows(both(narrow, wide), record, nobody) is together


@pytest.mark.parametrize(
    ("conditions", "fields"),
    [
        ([prefix("9901")], []),
        ([OWN], []),
        ([prefix("99", "wealth")], ["row_filter[0].item"]),
        ([prefix("")], ["row_filter[0].values"]),
        ([prefix("9" * 201)], ["row_filter[0].values"]),
        ([prefix("99\n")], ["row_filter[0].values"]),
        ([within()], ["row_filter[0].values"]),
        ([within(*map(str, range(100)))], []),
        ([within(*map(str, range(101)))], ["row_filter[0].values"]),
        (
            [RowCondition(item="region", test=RowTest.PREFIX, values=("1", "2"))],
            ["row_filter[0].values"],
        ),
        ([prefix("99"), prefix("99")], ["row_filter[1]"]),
        (
            [
                RowCondition(
                    item="citizen_number",
                    test=RowTest.OWN_CLIENTS,
                    values=(f"{CIVIL}/resources/residents",),
                )
            ],
            ["row_filter[0].values"],
        ),
        (
            [RowCondition(item="citizen_number", test=RowTest.OWN_CLIENTS, values=("x",))],
            ["row_filter[0].values"],
        ),
        ([prefix(str(n)) for n in range(11)], ["row_filter"]),
    ],
)
def test_faults_of_a_filter(conditions, fields):
    held = {"region", "citizen_number"}
    assert [f.field for f in faults_of(conditions, held=held, consumer=HOUSING)] == fields
