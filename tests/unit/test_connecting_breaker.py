"""The circuit breaker: when an endpoint is called, transition by transition."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.connecting.breaker import LONGEST, Breaker, BreakerState, Rule
from tests.builders.catalog import NOON

RULE = Rule(failures=3, cool_down=timedelta(seconds=10))
CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def at(seconds: float):
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def closed() -> Breaker:
    return Breaker(rule=RULE)


@pytest.fixture
def opened(closed: Breaker) -> Breaker:
    for _ in range(3):
        closed = closed.failed(closed.turn, at(0))
    return closed


def test_it_opens_after_so_many_failures_in_a_row(closed):
    for _ in range(2):
        closed = closed.failed(closed.turn, at(0))
    assert closed.state is CLOSED
    closed = closed.succeeded(closed.turn)  # the row begins anew
    for _ in range(2):
        closed = closed.failed(closed.turn, at(0))
    assert closed.state is CLOSED
    assert closed.failed(closed.turn, at(0)).state is OPEN


def test_open_admits_nobody_until_the_cool_down_is_over(opened):
    assert opened.admit(at(9.9)) == (opened, False)
    assert opened.retry_after(at(4)) == 6
    trying, may = opened.admit(at(10))
    assert (trying.state, may) == (HALF_OPEN, True)


def test_half_open_lets_one_try(opened):
    trying, _ = opened.admit(at(10))
    assert trying.admit(at(11))[1] is False
    lost, may = trying.admit(at(20))  # nothing was heard of the first
    assert may
    assert lost.turn != trying.turn


def test_a_try_that_succeeds_closes(opened):
    trying, _ = opened.admit(at(10))
    after = trying.succeeded(trying.turn)
    assert (after.state, after.failures, after.trips) == (CLOSED, 0, 0)


def test_each_try_that_fails_doubles_the_cool_down(opened):
    now, pauses = 0.0, []
    for _ in range(8):
        assert opened.until is not None
        pauses.append((opened.until - at(now)).total_seconds())
        now += pauses[-1]
        trying, may = opened.admit(at(now))
        assert may
        opened = trying.failed(trying.turn, at(now))
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_try_that_tells_nothing_lets_the_next_one_try_at_once(opened):
    trying, _ = opened.admit(at(10))
    given_up = trying.abandoned(trying.turn, at(11))
    assert given_up.state is OPEN
    assert given_up.trips == opened.trips
    assert given_up.admit(at(11))[1]


def test_what_was_asked_in_another_state_changes_nothing(closed, opened):
    late = closed.turn
    for judged in (
        opened.failed(late, at(5)),
        opened.succeeded(late),
        opened.abandoned(late, at(5)),
    ):
        assert judged == opened
    trying, _ = opened.admit(at(10))
    assert trying.succeeded(late) == trying
    assert trying.failed(late, at(10)) == trying
    # Nor does one of its own turn once it is open.
    assert opened.failed(opened.turn, at(5)) == opened
    assert opened.succeeded(opened.turn) == opened
    assert closed.abandoned(closed.turn, at(0)) == closed


def test_a_clock_that_jumps_back_does_not_keep_it_open(opened):
    assert opened.admit(at(-3600))[1]
    assert 0 < opened.retry_after(at(-3600)) <= LONGEST.total_seconds()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["admit", "succeeded", "failed", "abandoned"]),
            st.integers(0, 3),
            st.integers(0, 400),
        ),
        max_size=60,
    )
)
def test_whatever_happens_it_comes_back(steps):
    breaker, now = Breaker(rule=RULE), 0
    turns = [0]
    for step, back, seconds in steps:
        now += seconds
        turn = turns[max(0, len(turns) - 1 - back)]
        match step:
            case "admit":
                breaker, _ = breaker.admit(at(now))
            case "succeeded":
                breaker = breaker.succeeded(turn)
            case "failed":
                breaker = breaker.failed(turn, at(now))
            case _:
                breaker = breaker.abandoned(turn, at(now))
        turns.append(breaker.turn)
        assert (breaker.state is CLOSED) == (breaker.until is None)
    later, may = breaker.admit(at(now + 301))
    assert may
    assert later.succeeded(later.turn).state is CLOSED
    assert replace(later, turn=0).rule == RULE


def test_one_consumers_questions_alone_never_close_a_source_to_the_others():
    breaker = Breaker(rule=RULE)
    for _ in range(20):
        breaker = breaker.failed(breaker.turn, at(0), "departments/housing")
    assert breaker.state is CLOSED
    assert breaker.failed(breaker.turn, at(0), "departments/civil").state is OPEN
    assert breaker.failed(breaker.turn, at(0)).state is OPEN


def test_nor_does_the_try_of_who_alone_failed_before():
    breaker = Breaker(rule=RULE)
    for asker in ["a", "b", "a", "b", "a", "b"]:
        breaker = breaker.failed(breaker.turn, at(0), asker)
    assert breaker.state is OPEN
    opened_by = next(iter(breaker.askers))
    trying, may = breaker.admit(at(1000))
    assert may
    again = trying.failed(trying.turn, at(1000), opened_by)
    assert again.trips == breaker.trips
    _, may = again.admit(at(1000))
    assert may
    assert trying.failed(trying.turn, at(1000), "c").trips == breaker.trips + 1
