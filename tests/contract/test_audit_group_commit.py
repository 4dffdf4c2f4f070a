"""One act of a group commit that fails takes none of the others with it."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from exchange.audit.making import made
from exchange.audit.model import Usage
from runtime.errors import InvalidArgument, Unavailable
from runtime.records import SealedRecord
from tests.builders.audit import LogFixture, record

GRANT = "departments/housing/grants/g1"
DAY = "2026-11-02"


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[LogFixture]:
    fixture = LogFixture(database_url, tmp_path)
    yield fixture
    fixture.close()


async def test_an_act_that_cannot_be_made_fails_alone(node: LogFixture) -> None:
    usage = Usage(grant=GRANT, day=DAY, count=1)

    def make(acts: Sequence[int]) -> list[SealedRecord]:
        if any(act in (7, 13) for act in acts):
            raise InvalidArgument("not that one", reason="VALUE_NOT_STORABLE")
        return [record(act) for act in acts]

    told = await asyncio.gather(
        *(node.log.append_made(make, n, usage) for n in range(20)), return_exceptions=True
    )
    failed = [n for n, one in enumerate(told) if isinstance(one, Exception)]
    assert failed == [7, 13]
    kept = [json.loads(one.leaf)["number"] for n, one in enumerate(told) if n not in failed]
    assert kept == [n for n in range(20) if n not in failed]
    assert node.log.used(GRANT, DAY) == 18


async def test_what_a_text_that_no_database_holds_fails_is_its_own_question(node) -> None:
    """As PostgreSQL does, which holds no NUL: reading for all, one text fails the statement."""
    held = node.database.held
    text = held.sql("SELECT CAST(? AS TEXT)")

    def make(acts: Sequence[str]) -> list[SealedRecord]:
        for act in acts:
            held.row(text, (act,))
            if "\0" in act:  # SQLite takes it
                raise InvalidArgument("no", reason="VALUE_NOT_STORABLE")
        return [record(len(act)) for act in acts]

    told = await asyncio.gather(
        *(node.log.append_made(make, act) for act in ("a", "a\0b", "abcd")), return_exceptions=True
    )
    assert [getattr(one, "reason", "") for one in told] == ["", "VALUE_NOT_STORABLE", ""]


def test_a_storage_that_fails_is_asked_once() -> None:
    asked: list[int] = []

    def make(acts: Sequence[int]) -> list[SealedRecord]:
        asked.append(len(acts))
        raise Unavailable("not now")

    assert {type(one) for one in made(make, range(9))} == {Unavailable}
    assert asked == [9]


def test_one_of_many_is_found_by_halving() -> None:
    asked: list[int] = []

    def make(acts: Sequence[int]) -> list[SealedRecord]:
        asked.append(len(acts))
        return [record(1 // act) for act in acts]

    told = made(make, range(512))
    assert [type(one) for one in told] == [ZeroDivisionError, *[SealedRecord] * 511]
    assert len(asked) == 1 + 2 * 9
