"""Published rows a second as rows and as Arrow, on both databases, against a bulk insert of them.

Ours is as in `publish`: one batch over the wire until all of it is durable; as Arrow, its rows are
IPC streams. Theirs is the database alone, the rows at hand, in one transaction that syncs once and
into a table keyed as the records are: `executemany` on SQLite, COPY on PostgreSQL. Both begin with
what the other holds.

The comparison is hard on us: theirs writes one table of rows it has at hand; ours takes them over
TLS, checks and compares each, and writes two (the log of changes, and which of them is a record's
newest). On SQLite theirs and ours wait for the same disk, so the ratio is better on a slow one.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from pyarrow import ipc

from exchange.v1 import delivery_pb2
from tests.benchmarks.county import POPULATION, County, batch_messages, fresh
from tests.benchmarks.measure import Entry, compare
from tests.benchmarks.publish import METHOD
from tongban.people import PERSON_ITEMS, people

ROWS = 20_000
PER_MESSAGE = 10_000
ROUNDS = 3
AIMS = {"rows": 0.5, "arrow": 0.8}
THEIRS = {"": "SQLite: executemany, one transaction", "-postgresql": "PostgreSQL: COPY"}

Rows = list[list[str]]


def names(database: str = "") -> tuple[str, ...]:
    """The figures on a database: "" is SQLite."""
    return tuple(f"publish-{form}{database}" for form in AIMS)


def run(county: County, folder: Path, url: str = "") -> list[Entry]:
    """Measure on a county's database; `url` is that of a PostgreSQL for theirs."""
    database = "-postgresql" if url else ""
    source = islice((person.row() for person in people(1_000_000)), 300_000, None)
    with ExitStack() as stack:
        client = stack.enter_context(county.client("police"))
        insert = stack.enter_context(closing(_Copied(url) if url else _Inserted(folder)))
        insert([person.row() for person in county.people])
        publish = client.channel.stream_unary(METHOD)  # bytes in, bytes out
        return [
            _figure(f"publish-{form}{database}", publish, insert, source, encode, AIMS[form],
                    THEIRS[database])
            for form, encode in {"rows": batch_messages, "arrow": arrow_messages}.items()
        ]  # fmt: skip


def _figure(
    name: str,
    publish: Any,
    insert: Callable[[Rows], None],
    source: Iterator[list[str]],
    encode: Callable[[Rows], list[bytes]],
    aim: float,
    theirs: str,
) -> Entry:
    taken: list[Rows] = []

    def ours() -> float:
        taken.append(list(islice(source, ROWS)))
        messages = encode(taken[-1])
        began = time.perf_counter()
        raw = publish(iter(messages), timeout=120)
        took = time.perf_counter() - began
        if delivery_pb2.PublishResponse.FromString(raw).upserted != ROWS:
            raise RuntimeError("the node did not take the rows as it should")
        return ROWS / took

    def other() -> float:
        began = time.perf_counter()
        insert(taken[-1])
        return ROWS / (time.perf_counter() - began)

    return compare(
        name,
        "rows/s",
        ours=ours,
        theirs=other,
        against=f"{theirs}, of the same rows",
        aim=aim,
        rounds=ROUNDS,
        extra=lambda: {"rows_per_batch": ROWS, "note": "one batch over mTLS until it is durable"},
    )


def arrow_messages(rows: Sequence[Sequence[str]]) -> list[bytes]:
    """A batch as it goes over the wire, its rows as Arrow."""
    header = delivery_pb2.PublishHeader(resource=POPULATION, items=PERSON_ITEMS, request_id=fresh())
    messages = [delivery_pb2.PublishRequest(header=header).SerializeToString()]
    for start in range(0, len(rows), PER_MESSAGE):
        columns = zip(*rows[start : start + PER_MESSAGE], strict=True)
        table = pa.table(
            {
                item: pa.array(column, pa.string())
                for item, column in zip(PERSON_ITEMS, columns, strict=True)
            }
        )
        sink = pa.BufferOutputStream()
        with ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        part = delivery_pb2.PublishRequest(arrow=sink.getvalue().to_pybytes())
        messages.append(part.SerializeToString())
    return [*messages, delivery_pb2.PublishRequest(last=True).SerializeToString()]


class _Inserted:
    """SQLite as the node sets it up."""

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(folder / "bulk.db", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-8192"):
            self._database.execute(f"PRAGMA {pragma}")
        key, *others = PERSON_ITEMS
        columns = ", ".join(f"{item} TEXT" for item in others)
        self._database.execute(
            f"CREATE TABLE person ({key} TEXT PRIMARY KEY, {columns}) WITHOUT ROWID"
        )

    def __call__(self, rows: Rows) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        marks = ", ".join("?" * len(PERSON_ITEMS))
        self._database.executemany(f"INSERT INTO person VALUES ({marks})", rows)
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Close."""
        self._database.close()


class _Copied:
    """A table of its own on the node's PostgreSQL server."""

    def __init__(self, url: str) -> None:
        self._database = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        key, *others = PERSON_ITEMS
        columns = ", ".join(f"{item} TEXT" for item in others)
        self._database.execute(f"CREATE TABLE person ({key} TEXT PRIMARY KEY, {columns})")

    def __call__(self, rows: Rows) -> None:
        with (
            self._database.transaction(),
            self._database.cursor() as cursor,
            cursor.copy(f"COPY person ({', '.join(PERSON_ITEMS)}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def close(self) -> None:
        """Close."""
        self._database.close()
