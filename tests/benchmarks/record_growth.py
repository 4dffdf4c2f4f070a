"""Whether records grow old well: questions to a node that holds 10⁷ records, and to one of 10⁴.

Both nodes are asked over mTLS as in `query`, in turns, about records in random order; in the larger
one about a hundred thousand of all that it holds. Its records were published in bulk: the first
10⁴ over the wire, the others as rows of the same tables, written beside the node.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

from runtime.idcodes import citizen_check_character
from tests.benchmarks import load, processes, query
from tests.benchmarks.county import POPULATION, PUBLISHED, County, county_on
from tests.benchmarks.measure import Entry, compare, rounded, say

LARGE = 10_000_000
ASKED = 100_000
PORTION = 500_000
LEAST_RATIO = 1 / 1.3
GREATEST_GROWTH = 64.0  # MiB
#: A region that was never assigned, as 990101 is; so none of these keys is one of `people`.
_REGION = "990102"
_DAYS = 20_000
_CHANGE = 'INSERT INTO change ("offset", batch, record_key, payload) VALUES (?, ?, ?, ?)'
_RECORD = 'INSERT INTO record (resource, record_key, "offset") VALUES (?, ?, ?)'
_BATCH = (
    "INSERT INTO batch (number, resource, publisher, published_at, first_offset, last_offset,"
    " upserted, withdrawn, unchanged, digest)"
    " SELECT ?, resource, publisher, published_at, ?, ?, ?, 0, 0, digest FROM batch LIMIT 1"
)


def run(folder: Path) -> list[Entry]:
    """Measure."""
    for size in ("small", "large"):
        (folder / f"records-{size}").mkdir()
    with (
        county_on(processes.node, folder / "records-small") as small,
        county_on(processes.node, folder / "records-large") as large,
    ):
        keys = [person.citizen_number for person in large.people]
        began = time.perf_counter()
        keys += _grow(large.node.data / "exchange.db", LARGE - PUBLISHED)
        say(f"record-growth: {LARGE:,} records in {time.perf_counter() - began:.0f} s")
        few = [person.citizen_number for person in small.people]
        random.Random(7).shuffle(few)  # an order, no secret
        random.Random(7).shuffle(keys)
        mine, other = _asking(large, keys), _asking(small, few)
        before = small.node.memory()["now"], large.node.memory()["now"]
        entry = compare(
            "record-growth",
            "calls/s",
            ours=mine,
            theirs=other,
            against=f"the same with {PUBLISHED:,} records",
            aim=LEAST_RATIO,
            extra=lambda: {
                "records": [PUBLISHED, LARGE],
                "node_memory_mib": {
                    "small": rounded(small.node.memory()["now"]),
                    "large": rounded(large.node.memory()["now"]),
                },
                "note": f"queries, SQLite, {query.IN_FLIGHT} in flight; the larger node was asked "
                f"about {ASKED:,} of its records in random order",
            },
        )
        grown = large.node.memory()["now"] - before[1] - (small.node.memory()["now"] - before[0])
        aim = f"within 1.3x, memory within {GREATEST_GROWTH:g} MiB"
        return [replace(entry, aim=aim, met=bool(entry.met) and grown < GREATEST_GROWTH)]


def _asking(county: County, keys: list[str]) -> Callable[[], float]:
    messages = query.requests(county, keys)
    target = load.Target(
        port=county.node.port, path=query.PATH, identity=county.identity("employment")
    )

    def ask() -> float:
        return load.drive(
            target,
            messages,
            in_flight=query.IN_FLIGHT,
            connections=query.CONNECTIONS,
            seconds=1.5,
        ).rate

    return ask


def _people() -> Iterator[str]:
    """Keys in order."""
    first = date(1950, 1, 1)
    for day in range(_DAYS):
        born = f"{first + timedelta(days=day):%Y%m%d}"
        for number in range(1000):
            body = f"{_REGION}{born}{number:03d}"
            yield body + citizen_check_character(body)


def _grow(path: Path, count: int) -> list[str]:
    """Publish so many more people; some of their keys."""
    keys, kept = _people(), []
    each = max(count // ASKED, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous=OFF")
        while count:
            part = list(islice(keys, min(count, PORTION)))
            _publish(database, part)
            kept += part[::each]
            count -= len(part)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.sync()  # else what follows would wait for all of it to be written
    return kept


def _publish(database: sqlite3.Connection, keys: list[str]) -> None:
    database.execute("BEGIN IMMEDIATE")
    end, batch = database.execute("SELECT last_offset, last_batch FROM log_end").fetchone()
    first, last, number = end + 1, end + len(keys), batch + 1
    offsets = range(first, last + 1)
    database.execute(_BATCH, (number, first, last, len(keys)))
    database.executemany(
        _CHANGE, ((o, number, key, _payload(key)) for o, key in zip(offsets, keys, strict=True))
    )
    database.executemany(
        _RECORD, ((POPULATION, key, o) for o, key in zip(offsets, keys, strict=True))
    )
    database.execute("UPDATE log_end SET last_offset = ?, last_batch = ?", (last, number))
    database.execute("COMMIT")


def _payload(key: str) -> str:
    born = f"{key[6:10]}-{key[10:12]}-{key[12:14]}"
    return (
        f'{{"birth_date":"{born}","citizen_number":"{key}","name":"某甲","phone":"10000000000",'
        f'"residence_address":"示范县通达路{key[14:17]}号","sex":"男"}}'
    )
