"""Chunks are asked ahead of their turn and answered in it, however a stream ends."""

import asyncio
from contextlib import ExitStack

import pytest

from exchange.query.turns import AHEAD, GREATEST_STREAMS, Streams, in_turn
from runtime.errors import ResourceExhausted


async def questions(count: int):
    for number in range(count):
        yield number


@pytest.mark.parametrize("failing", range(6))
async def test_a_stream_ends_with_the_first_that_fails_however_many_follow(failing):
    async def ask(number: int) -> int:
        await asyncio.sleep(0)
        if number == failing:
            raise ValueError(number)
        return number

    told = []

    async def hear() -> None:
        async for answer in in_turn(questions(12), ask):
            told.append(answer)  # noqa: PERF401  # what came before the error counts

    with pytest.raises(ValueError, match=str(failing)):
        await asyncio.wait_for(hear(), 5)
    assert told == list(range(failing))


async def test_who_goes_away_in_the_middle_leaves_nothing_behind():
    async def ask(number: int) -> int:
        return number

    answers = in_turn(questions(12), ask)
    assert await anext(answers) == 0
    async with asyncio.timeout(5):
        await answers.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_no_more_are_asked_than_may_be():
    under_way, most = 0, 0

    async def ask(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return number

    assert [answer async for answer in in_turn(questions(20), ask)] == list(range(20))
    assert most == AHEAD


def test_a_system_has_so_many_streams_and_takes_none_of_anothers():
    streams = Streams()
    with ExitStack() as held:
        for _ in range(GREATEST_STREAMS):
            held.enter_context(streams.one_more("a"))
        with pytest.raises(ResourceExhausted) as caught, streams.one_more("a"):
            pass
        assert caught.value.reason == "TOO_MANY_STREAMS"
        with streams.one_more("b"):
            pass
    with streams.one_more("a"):
        pass
