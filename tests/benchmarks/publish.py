"""Published rows a second against the bare insert of the same rows into a database.

Ours is one batch over the wire, from the first byte sent to the answer that all of it is durable:
decoded, checked against the schema, compared with what is held, written with its change events, its
audit record and its answer. Theirs is SQLite alone, as the node sets it up (WAL, synchronous=FULL),
with the rows at hand and keyed as the records are: once with a transaction for every 500 rows, the
usual way to insert many durably, and once with one transaction for all, as the node does it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from exchange.v1 import delivery_pb2
from tests.benchmarks.county import PUBLISHED, County, batch_messages
from tests.benchmarks.measure import Entry, compare, rounded
from tongban.people import PERSON_ITEMS, people

METHOD = "/tongban.exchange.v1.DeliveryService/Publish"
ROWS = 20_000
AT_ONCE = 500
ROUNDS = 5
AIM = 0.4


def run(county: County, folder: Path) -> list[Entry]:
    """Measure."""
    batches = _batches()
    with (
        county.client("police") as client,
        closing(_open(folder / "by-500.db")) as by_500,
        closing(_open(folder / "whole.db")) as whole,
    ):
        publish = client.channel.stream_unary(METHOD)  # bytes in, bytes out
        for database in (by_500, whole):  # theirs begins with what ours holds
            _inserted(database, [person.row() for person in county.people], PUBLISHED)
        left = [iter(batches) for _ in range(3)]
        ours: list[float] = []
        whole_rates: list[float] = []

        def publishing() -> float:
            rows = next(left[0])
            ours.append(_published(publish, rows, new=len(rows)))
            return ours[-1]

        def inserting() -> float:
            whole_rates.append(_inserted(whole, next(left[2]), ROWS))
            return _inserted(by_500, next(left[1]), AT_ONCE)

        usual = compare(
            "publish",
            "rows/s",
            ours=publishing,
            theirs=inserting,
            against=f"SQLite inserts of the same rows, {AT_ONCE} a transaction, synchronous=FULL",
            aim=AIM,
            rounds=ROUNDS,
            extra=lambda: {
                "rows_per_batch": ROWS,
                "unchanged_rows": rounded(_published(publish, batches[-1], new=0)),
                "note": "one batch over mTLS until it is durable, all rows new, on top of "
                f"{PUBLISHED:,} held; `unchanged_rows` is the rate of the same rows once more",
            },
        )
    once, again = iter(ours), iter(whole_rates)
    hard = compare(
        "publish-whole",
        "rows/s",
        ours=lambda: next(once),
        theirs=lambda: next(again),
        against="the same inserts in one transaction, which syncs once",
        aim=AIM,
        rounds=ROUNDS,
        extra=lambda: {"note": "the same rounds as `publish`, against the fastest insert there is"},
    )
    return [usual, hard]


def _batches() -> list[list[list[str]]]:
    """Rows of people that the county does not hold yet."""
    source: Iterator[list[str]] = (person.row() for person in people(PUBLISHED + ROUNDS * ROWS))
    rest = islice(source, PUBLISHED, None)
    return [list(islice(rest, ROWS)) for _ in range(ROUNDS)]


def _published(publish: Any, rows: list[list[str]], *, new: int) -> float:
    messages = batch_messages(rows)
    began = time.perf_counter()
    raw = publish(iter(messages), timeout=120)
    took = time.perf_counter() - began
    answer = delivery_pb2.PublishResponse.FromString(raw)
    if (answer.upserted, answer.unchanged) != (new, len(rows) - new):
        raise RuntimeError("the node did not take the rows as it should")
    return len(rows) / took


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-8192"):
        database.execute(f"PRAGMA {pragma}")
    key, *others = PERSON_ITEMS
    columns = ", ".join(f"{item} TEXT" for item in others)
    database.execute(f"CREATE TABLE person ({key} TEXT PRIMARY KEY, {columns}) WITHOUT ROWID")
    return database


def _inserted(database: sqlite3.Connection, rows: list[list[str]], at_once: int) -> float:
    insert = f"INSERT INTO person VALUES ({', '.join('?' * len(PERSON_ITEMS))})"
    began = time.perf_counter()
    for start in range(0, len(rows), at_once):
        database.execute("BEGIN IMMEDIATE")
        database.executemany(insert, rows[start : start + at_once])
        database.execute("COMMIT")
    return len(rows) / (time.perf_counter() - began)
