"""Rates: a burst of a minute's questions, then evenly; by grant, and bounded in memory."""

from datetime import timedelta

import pytest

from exchange.grants import rates
from exchange.grants.rates import Rates
from runtime.clock import FixedClock
from runtime.errors import ResourceExhausted
from tests.builders import grants as build
from tests.builders.catalog import HOUSING, NOON


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


def refused(held: Rates, grant) -> float:
    with pytest.raises(ResourceExhausted) as error:
        held.take(grant)
    assert error.value.reason == "RATE_EXCEEDED"
    return error.value.retry_after


def test_a_burst_then_evenly(clock: FixedClock):
    held, grant = Rates(clock), build.grant(rate_per_minute=6)
    for _ in range(6):
        held.take(grant)
    assert refused(held, grant) == 10
    clock.advance(timedelta(seconds=4))
    assert refused(held, grant) == pytest.approx(6)
    clock.advance(timedelta(seconds=6))
    held.take(grant)
    assert refused(held, grant) == pytest.approx(10)
    clock.advance(timedelta(hours=1))
    for _ in range(6):
        held.take(grant)
    refused(held, grant)


def test_no_rate_is_no_bound(clock: FixedClock):
    held, grant = Rates(clock), build.grant()
    for _ in range(1000):
        held.take(grant)
    assert held._left == {}


def test_a_lowered_rate_holds_at_once(clock: FixedClock):
    held = Rates(clock)
    held.take(build.grant(rate_per_minute=100))
    lower = build.grant(rate_per_minute=2)
    held.take(lower)
    held.take(lower)
    refused(held, lower)


def test_a_clock_that_goes_back_gives_nothing(clock: FixedClock):
    held, grant = Rates(clock), build.grant(rate_per_minute=1)
    held.take(grant)
    clock.advance(timedelta(minutes=-5))
    refused(held, grant)


def test_full_buckets_are_forgotten(clock: FixedClock, monkeypatch):
    monkeypatch.setattr(rates, "GREATEST_BUCKETS", 10)
    held = Rates(clock)
    grants = [build.grant(name=f"{HOUSING}/grants/g{n}", rate_per_minute=1) for n in range(12)]
    for grant in grants[:10]:
        held.take(grant)
    clock.advance(timedelta(minutes=2))
    held.take(grants[10])
    assert list(held._left) == [grants[10].name]
