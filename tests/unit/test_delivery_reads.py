"""Reading under a row filter: told at steps of time, in turns by caller, and refused at once."""

import asyncio
import time
from threading import Event

import pytest

from exchange.delivery import reads
from exchange.delivery.reads import STEP, THREADS, Reads
from tests.builders.catalog import HEALTH, HOUSING, caller


async def timed(read, *, filtered):
    began = time.monotonic()
    done = await Reads().run(caller(HOUSING), lambda: filtered, read)
    return done, time.monotonic() - began


async def test_what_is_filtered_comes_at_a_step_of_time(monkeypatch):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(reads.asyncio, "sleep", sleep)
    assert (await timed(lambda: 1, filtered=True))[0] == 1
    assert (await timed(lambda: time.sleep(STEP * 1.2), filtered=True))[0] is None
    assert (await timed(lambda: 2, filtered=False))[0] == 2
    short, long = waits
    assert 0 < short <= STEP
    assert long > 0, "the next step"


async def test_a_refusal_is_told_at_once():
    def refuse():
        raise LookupError

    with pytest.raises(LookupError):
        await timed(refuse, filtered=True)


async def test_one_caller_with_many_reads_leaves_turns_to_another():
    them, done, going = Reads(), [], Event()

    def read(name):
        going.wait(10)
        done.append(name)

    async def ask(department):
        await them.run(caller(department), lambda: True, lambda: read(department))

    many = [asyncio.create_task(ask(HOUSING)) for _ in range(THREADS * 5)]
    await asyncio.sleep(0.05)
    one = asyncio.create_task(ask(HEALTH))
    await asyncio.sleep(0.05)
    going.set()
    await asyncio.gather(one, *many)
    assert HEALTH in done[: THREADS * 2 + 1]
