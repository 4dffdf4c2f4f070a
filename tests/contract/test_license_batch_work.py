"""The work on batches, on SQLite and PostgreSQL: turns, leases, crashes, and what waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from licenses.batches import model, store
from licenses.batches.model import (
    BEAT,
    LEASE,
    BatchState,
    RowState,
)
from licenses.batches.working import ATTEMPTS, ROWS_AT_ONCE, BatchWorker
from runtime.errors import (
    DataLoss,
    FailedPrecondition,
    Unavailable,
)
from tests.builders.license_batches import (
    CALLER,
    Crash,
    World,
    a_row,
    a_world,
)
from tests.builders.licenses import (
    BUREAU,
)


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with a_world(database_url) as made:
        yield made


def test_a_crash_at_any_row_costs_no_license_and_makes_none_twice(world: World) -> None:
    batch = world.send([a_row(n) for n in range(1, 41)])
    for crash in (5, 33):
        world.issuing.crash_after = crash
        with pytest.raises(Crash):
            world.work()
        world.clock.advance(timedelta(minutes=3))  # its lease ends
    world.issuing.crash_after = -1
    world.work()
    found = world.results(batch.name)
    assert [one.state for one in found] == [RowState.ISSUED] * 40
    assert len({one.license for one in found}) == 40 == len(world.issuing.made)


def test_what_a_dead_process_held_is_told_and_taken_when_its_lease_is_over(world: World) -> None:
    batch = world.send([a_row(n) for n in range(1, 41)])
    world.issuing.crash_after = 5
    with pytest.raises(Crash):
        world.work()
    world.issuing.crash_after = -1

    def waits() -> str:
        world.work()
        return world.batches.get(CALLER, batch.name).waiting_reason

    assert waits() == ""  # it may be at work
    world.clock.advance(3 * BEAT)
    assert waits() == "WORKER_LOST"
    (listed,), _ = world.batches.page(CALLER, BUREAU, page_size=1, page_token="")
    assert listed.waiting_reason == "WORKER_LOST"
    world.clock.advance(LEASE - 3 * BEAT)
    assert waits() == ""
    assert world.batches.get(CALLER, batch.name).issued_count == 40


def test_a_process_that_is_alone_goes_on_at_once(world: World) -> None:
    batch = world.send([a_row(n) for n in range(1, 41)])
    world.issuing.crash_after = 5
    with pytest.raises(Crash):
        world.work()
    world.issuing.crash_after = -1
    again = BatchWorker(world.database, world.issuing, world.types, world.clock)
    again.start(alone=True)
    try:
        until = time.monotonic() + 20
        while world.batches.get(CALLER, batch.name).state is BatchState.RUNNING:
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        again.stop()
    assert len(world.results(batch.name, state=RowState.ISSUED)) == 40


def test_a_worker_that_is_slow_keeps_its_batch(world: World) -> None:
    batch = world.send([a_row(1), a_row(2)])
    slow = BatchWorker(world.database, world.issuing, world.types, world.clock, beat=0.01)
    beats = []

    def beat() -> None:
        # While a row is issued the clock goes on by more than a lease, a beat at a time.
        for _ in range(10):
            world.clock.advance(BEAT)
            time.sleep(0.1)
            beats.append(world.worker.run_once())

    world.issuing.meanwhile = beat
    assert slow.run_once()
    slow.stop()
    assert not any(beats)
    assert world.batches.get(CALLER, batch.name).issued_count == 2


def test_a_neighbour_that_is_away_makes_the_batch_wait(world: World) -> None:
    away = Unavailable("away", reason="NODE_AWAY", message_zh="不可用")
    world.issuing.failing["*"] = away
    batch = world.send([a_row(n) for n in range(1, 6)])
    for _ in range(2 * ATTEMPTS):
        world.work()
        waits = world.batches.get(CALLER, batch.name)
        assert (waits.state, waits.waiting_reason) == (BatchState.RUNNING, "NODE_AWAY")
        world.clock.advance(timedelta(minutes=6))
    assert world.results(batch.name, state=RowState.FAILED) == []
    world.issuing.failing.clear()
    world.work()
    assert world.batches.get(CALLER, batch.name).issued_count == 5
    assert world.batches.get(CALLER, batch.name).waiting_reason == ""


@pytest.mark.parametrize("reason", ["SEAL_NOT_USABLE", "SEAL_NOT_IN_FORCE"])
def test_a_seal_that_is_frozen_refuses_no_row(world: World, reason: str) -> None:
    world.issuing.failing["*"] = FailedPrecondition("frozen", reason=reason, message_zh="冻结")
    batch = world.send([a_row(n) for n in range(1, 50)])
    world.work()
    assert world.batches.get(CALLER, batch.name).failed_count == 0
    assert len(world.issuing.asked) < 10  # no use to ask with every row


@pytest.mark.parametrize(
    "error", [DataLoss("bad", reason="OUTPUT_NOT_GOOD", message_zh="坏"), ZeroDivisionError()]
)
def test_a_row_that_fails_for_ever_does_not_hold_up_the_others(
    world: World, error: Exception
) -> None:
    world.issuing.failing["人1"] = error
    batch = world.send([a_row(1), a_row(2)])
    for _ in range(ATTEMPTS):
        world.work()
        world.clock.advance(timedelta(minutes=6))
    world.work()
    found = world.results(batch.name)
    assert [one.state for one in found] == [RowState.FAILED, RowState.ISSUED]
    assert found[0].reason in ("OUTPUT_NOT_GOOD", "INTERNAL")


def test_batches_take_turns(world: World) -> None:
    long = world.send([a_row(n) for n in range(1, 101)])
    world.clock.advance(timedelta(seconds=1))
    short = world.send([a_row(200)])
    world.clock.advance(timedelta(seconds=1))
    world.worker.run_once()
    world.clock.advance(timedelta(seconds=1))
    world.worker.run_once()
    assert world.batches.get(CALLER, short.name).issued_count == 1
    assert world.batches.get(CALLER, long.name).issued_count == ROWS_AT_ONCE


def test_of_two_workers_one_writes(world: World) -> None:
    batch = world.send([a_row(1)])
    now = world.clock.now()
    until = now + timedelta(seconds=1)
    with world.database.unit_of_work() as work:
        assert store.take(work.session, batch.name, lease="one", now=now, until=until)
        assert not store.take(work.session, batch.name, lease="two", now=now, until=until)
    world.clock.advance(timedelta(seconds=2))
    world.work()
    late = model.Result(number=1, key="k", state=RowState.FAILED, reason="LATE")
    with world.database.unit_of_work() as work:
        assert not store.keep(work.session, batch.name, [late], lease="one", until=until)
    assert world.results(batch.name)[0].state is RowState.ISSUED
