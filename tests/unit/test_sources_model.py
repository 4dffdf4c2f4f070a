"""Cases about one source: what is compared, and who may do what when."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.catalog.model import ItemType
from exchange.sources.model import (
    Measurement,
    Publisher,
    SourceCase,
    SourceCaseState,
    check_may_list,
    comparable,
    compare,
    decide,
    dismiss,
    key_hash,
    normal_form,
    opens,
    pairs_of,
    value_hash,
)
from runtime.errors import DomainError
from runtime.identity import Role
from tests.builders.catalog import ADMINISTRATOR, AUDITOR, CIVIL, HEALTH, HOUSING, NOON, caller

RUN = b"r" * 32
ONE = Publisher(resource=f"{CIVIL}/resources/residents", item="name", key_standard="GB 11643")
OTHER = Publisher(resource=f"{HOUSING}/resources/tenants", item="name", key_standard="GB 11643")


def case(**changes) -> SourceCase:
    return SourceCase(
        **{
            "name": "sourceCases/abc",
            "element": "population.name",
            "parties": (ONE, OTHER),
            "measurements": (
                Measurement(pair=1, first=ONE.resource, second=OTHER.resource, different=2),
            ),
            "create_time": NOON,
            "measure_time": NOON,
        }
        | changes
    )


def measured(left: dict[str, str], right: dict[str, str]) -> tuple[Measurement, list[bytes]]:
    kept: list[bytes] = []

    def in_order(values: dict[str, str]):
        return iter(sorted(values.items(), key=lambda pair: pair[0].encode()))

    found = compare(
        1, (ONE, OTHER), (in_order(left), in_order(right)), run_key=RUN, keep=kept.append
    )
    return found, kept


def test_records_are_joined_by_key_and_counted():
    found, kept = measured(
        {"a": "某甲", "b": "某乙", "c": "某丙", "d": "x"}, {"b": "某乙 ", "c": "某丁", "e": "y"}
    )
    assert (found.both, found.equal, found.different) == (2, 1, 1)
    assert (found.only_first, found.only_second) == (2, 1)
    assert kept == [key_hash(RUN, "c")]


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)
held = st.dictionaries(keys, st.sampled_from(["某甲", "某乙", "1", "１"]), max_size=8)


@given(held, held)
def test_counts_are_those_of_sets(left, right):
    found, kept = measured(left, right)
    same = {
        key
        for key in left.keys() & right.keys()
        if normal_form(ONE.type, left[key]) == normal_form(ONE.type, right[key])
    }
    assert found.both == len(left.keys() & right.keys())
    assert found.equal == len(same)
    assert found.only_first == len(left.keys() - right.keys())
    assert found.only_second == len(right.keys() - left.keys())
    assert set(kept) == {key_hash(RUN, key) for key in (left.keys() & right.keys()) - same}


@pytest.mark.parametrize(
    ("kind", "one", "other", "same"),
    [
        (ItemType.CHARACTER, "某甲", " 某甲　", True),
        (ItemType.CHARACTER, "ＡＢc1", "abC1", True),
        (ItemType.CHARACTER, "一  路", "一 路", True),
        (ItemType.CHARACTER, "张 三", "张\u3000三", True),
        (ItemType.CHARACTER, "张 三", "张三", True),
        (ItemType.CHARACTER, "解放路 12 号", "解放路12号", True),
        (ItemType.CHARACTER, "a b", "ab", False),
        (ItemType.CHARACTER, "某甲", "某乙", False),
        (ItemType.NUMBER, "1.50", "1.5", True),
        (ItemType.NUMBER, "0.0", "0", True),
        (ItemType.NUMBER, "100", "1e2", True),
        (ItemType.NUMBER, "1.5", "1.51", False),
        (ItemType.NUMBER, "none", "none", True),
        (ItemType.TIME, "2026-03-02T12:00:00+08:00", "2026-03-02T04:00:00Z", True),
        (ItemType.TIME, "2026-03-02T12:00:00Z", "2026-03-02T04:00:00Z", False),
        (ItemType.DATE, "2026-03-02", "2026-03-03", False),
    ],
)
def test_values_are_compared_in_normal_form(kind, one, other, same):
    assert (normal_form(kind, one) == normal_form(kind, other)) is same


def test_equal_values_of_two_people_do_not_show():
    assert value_hash(RUN, "a", ItemType.CHARACTER, "x") != value_hash(
        RUN, "b", ItemType.CHARACTER, "x"
    )
    assert key_hash(RUN, "a") != key_hash(b"s" * 32, "a")


def test_what_can_be_compared():
    assert comparable(ONE, OTHER)
    plain = Publisher(resource=OTHER.resource, item="name", key_standard="")
    assert not comparable(ONE, plain)
    assert not comparable(plain, plain)
    twin = Publisher(resource=f"{CIVIL}/resources/copies", item="n", key_standard="GB 11643")
    assert pairs_of([ONE, twin, OTHER]) == [(ONE, OTHER), (twin, OTHER)]


def test_when_a_case_opens():
    some = [Measurement(pair=1, first=ONE.resource, second=OTHER.resource, equal=20)]
    few = [Measurement(pair=1, first=ONE.resource, second=OTHER.resource, equal=19)]
    assert not opens(None, [ONE, OTHER], few)
    none = [Measurement(pair=1, first=ONE.resource, second=OTHER.resource, only_first=9)]
    assert opens(None, [ONE, OTHER], some)
    assert not opens(None, [ONE, OTHER], none)
    decided = case(state=SourceCaseState.DECIDED, source=ONE.resource)
    dismissed = case(state=SourceCaseState.DISMISSED)
    assert not opens(decided, [ONE, OTHER], some)
    assert not opens(dismissed, [ONE, OTHER], some)
    third = Publisher(resource=f"{HEALTH}/resources/patients", item="n", key_standard="GB 11643")
    assert opens(decided, [ONE, OTHER, third], some)
    assert opens(dismissed, [ONE, OTHER, third], some)
    gone = case(state=SourceCaseState.DECIDED, source=f"{CIVIL}/resources/former",
                parties=(ONE, OTHER))  # fmt: skip
    assert opens(gone, [ONE, OTHER], some)


def reason_of(act) -> str:
    with pytest.raises(DomainError) as refused:
        act()
    return refused.value.reason


def test_an_administrator_decides_and_dismisses():
    decided = decide(
        ADMINISTRATOR, case(), source=ONE.resource, reason="以民政为准", etag=case().etag, now=NOON
    )
    assert (decided.state, decided.source) == (SourceCaseState.DECIDED, ONE.resource)
    dismissed = dismiss(ADMINISTRATOR, case(), reason="口径不同", etag="", now=NOON)
    assert (dismissed.state, dismissed.source) == (SourceCaseState.DISMISSED, "")
    assert decided.etag != case().etag != dismissed.etag


@pytest.mark.parametrize("state", [SourceCaseState.DECIDED, SourceCaseState.DISMISSED])
@pytest.mark.parametrize("act", ["decide", "dismiss"])
def test_a_closed_case_stays_closed(state, act):
    closed = case(state=state, decide_time=NOON)
    told = {"reason": "再次", "etag": "", "now": NOON}
    if act == "decide":
        assert reason_of(lambda: decide(ADMINISTRATOR, closed, source=ONE.resource, **told)) == (
            "SOURCE_CASE_CLOSED"
        )
    else:
        assert reason_of(lambda: dismiss(ADMINISTRATOR, closed, **told)) == "SOURCE_CASE_CLOSED"


def test_who_may_not_decide_and_what_is_no_decision():
    told = {"source": ONE.resource, "reason": "以民政为准", "etag": "", "now": NOON}
    assert reason_of(lambda: decide(ADMINISTRATOR, None, **told)) == "SOURCE_CASE_NOT_FOUND"
    assert reason_of(lambda: decide(caller(HEALTH), case(), **told)) == "SOURCE_CASE_NOT_FOUND"
    assert reason_of(lambda: decide(caller(CIVIL), case(), **told)) == "NOT_AN_ADMINISTRATOR"
    assert reason_of(lambda: decide(AUDITOR, case(), **told)) == "NOT_AN_ADMINISTRATOR"
    for wrong in ({"source": f"{CIVIL}/resources/other"}, {"reason": ""}, {"reason": "x" * 501}):
        assert (
            reason_of(lambda wrong=wrong: decide(ADMINISTRATOR, case(), **told | wrong))
            == "SOURCE_CASE_INVALID"
        )
    newer = case(measure_time=NOON + timedelta(days=1))
    stale = told | {"etag": case().etag}
    assert reason_of(lambda: decide(ADMINISTRATOR, newer, **stale)) == "ETAG_MISMATCH"


def test_only_the_two_of_a_pair_get_hashes_and_only_while_it_is_open():
    third = Publisher(resource=f"{HEALTH}/resources/patients", item="n", key_standard="GB 11643")
    open_case = case(parties=(ONE, OTHER, third))
    for department in (CIVIL, HOUSING):
        assert check_may_list(caller(department), open_case, 1) is open_case
    assert reason_of(lambda: check_may_list(caller(HEALTH), open_case, 1)) == "NOT_OF_THE_PAIR"
    assert reason_of(lambda: check_may_list(ADMINISTRATOR, open_case, 1)) == "NOT_OF_THE_PAIR"
    own = caller(CIVIL, Role.COUNTER)
    assert reason_of(lambda: check_may_list(own, open_case, 1)) == "NOT_OF_THE_PAIR"
    assert reason_of(lambda: check_may_list(caller(CIVIL), open_case, 2)) == "NO_SUCH_PAIR"
    outsider = caller("departments/elsewhere")
    assert reason_of(lambda: check_may_list(outsider, open_case, 1)) == "SOURCE_CASE_NOT_FOUND"
    closed = case(state=SourceCaseState.DECIDED)
    assert reason_of(lambda: check_may_list(caller(CIVIL), closed, 1)) == "SOURCE_CASE_CLOSED"
