"""Long work takes turns by caller."""

import asyncio
import threading

import pytest

from exchange.query.fair import FairThreads
from runtime.errors import InvalidArgument


@pytest.fixture
async def one():
    threads = FairThreads(1, name="test")
    yield threads
    await asyncio.to_thread(threads.close)


async def test_who_asks_for_much_waits_for_their_own_line(one):
    order: list[str] = []
    go = threading.Event()

    def piece(name: str) -> str:
        go.wait(10)
        order.append(name)
        return name

    much = [asyncio.ensure_future(one.run("much", lambda n=n: piece(f"m{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    few = [asyncio.ensure_future(one.run(who, lambda who=who: piece(who))) for who in ("a", "b")]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*few) == ["a", "b"]
    # Behind the one that was under way, and one in turn for each other caller before.
    assert order.index("a") <= 2
    assert order.index("b") <= 3
    await asyncio.gather(*much)
    assert [name for name in order if name[0] == "m"] == [f"m{n}" for n in range(20)]


async def test_what_fails_is_told_and_the_next_goes_on(one):
    def fail() -> None:
        raise InvalidArgument("no")

    with pytest.raises(InvalidArgument):
        await one.run("a", fail)
    assert await one.run("a", lambda: 1) == 1


async def test_work_whose_caller_is_gone_is_not_begun(one):
    begun: list[int] = []
    go = threading.Event()
    first = asyncio.ensure_future(one.run("a", lambda: go.wait(10)))
    await asyncio.sleep(0)
    gone = asyncio.ensure_future(one.run("a", lambda: begun.append(1)))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await first
    assert await one.run("a", lambda: 2) == 2
    assert not begun


async def test_one_that_goes_away_while_it_runs_gives_its_thread_back(one):
    go = threading.Event()
    running = asyncio.ensure_future(one.run("a", lambda: go.wait(10)))
    await asyncio.sleep(0.05)
    running.cancel()
    go.set()
    assert await asyncio.wait_for(one.run("b", lambda: 3), 10) == 3
