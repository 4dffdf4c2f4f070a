"""Durable audit appends a second against bare commits of the same leaves.

Theirs is one insert a transaction on the same kind of database: what an append cost if each had a
commit of its own. `audit-append` is 64 callers at once, as a busy node has; `audit-append-alone` is
one caller, who waits for each receipt before the next record. Ours also hashes, signs what it
promises and hands over a receipt, about 0.2 ms of work that theirs does not do; so alone the ratio
is that of this work to a sync, and depends on the disk: `sync_ms` is what a bare commit took.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from runtime.database import Database
from tests.benchmarks.measure import Entry, compare, rounded
from tests.builders.audit import LogFixture, record

CALLERS = 64
APPENDS = 4_000
ALONE = 1_500
AIM = 0.8


def run(folder: Path) -> list[Entry]:
    """Measure both."""
    place = folder / "audit-append"
    place.mkdir()
    bare = Database(f"sqlite:///{place / 'bare.db'}", schema="audit")
    bare.held.rows("CREATE TABLE bare (id INTEGER PRIMARY KEY, leaf BLOB)", ())
    node = LogFixture(f"sqlite:///{place / 'audit.db'}", place)
    try:
        return [
            compare(
                name,
                "appends/s",
                ours=lambda callers=callers, count=count: _appends(node, callers, count),
                theirs=lambda: _commits(bare, ALONE),
                against="bare commits of one leaf each, SQLite, synchronous=FULL",
                aim=AIM,
                extra=lambda callers=callers: {
                    "callers": callers,
                    "sync_ms": rounded(1000 / _commits(bare, ALONE)),
                },
            )
            for name, callers, count in (
                ("audit-append", CALLERS, APPENDS),
                ("audit-append-alone", 1, ALONE),
            )
        ]
    finally:
        node.close()
        bare.close()


def _commits(database: Database, count: int) -> float:
    leaf = record(1).leaf
    began = time.perf_counter()
    for _ in range(count):
        with database.held.transaction() as connection:
            connection.execute("INSERT INTO bare (leaf) VALUES (?)", (leaf,))
    return count / (time.perf_counter() - began)


def _appends(node: LogFixture, callers: int, count: int) -> float:
    records = [record(number) for number in range(count // callers)]

    async def caller() -> None:
        for one in records:
            await node.log.append(one)

    async def all_of_them() -> float:
        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(callers)))
        return callers * len(records) / (time.perf_counter() - began)

    return asyncio.run(all_of_them())
