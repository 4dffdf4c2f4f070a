"""Keys a second of a batch query against raw selects of the same keys.

Ours is the whole way: authorized, checked, projected and masked, one durable record and one receipt
for each chunk, over mTLS, to a client that has read every answer. Theirs is the bare library: one
prepared select a key on an open connection to the node's own database, in this process, with
nothing done to what it finds. Both ask for all the people, in an order unlike the index's.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any

from exchange.v1 import query_pb2
from tests.benchmarks.county import POPULATION, County
from tests.benchmarks.measure import Entry, compare
from tests.benchmarks.query import PURPOSE
from tongban.client import Client

CHUNK = 1_000
ROUNDS = 3  # times all people in one measurement
AIM = 0.5
_SELECT = (
    'SELECT c.payload FROM record AS r JOIN change AS c ON c."offset" = r."offset" '
    "WHERE r.resource = ? AND r.record_key = ?"
)


def run(county: County) -> Entry:
    """Measure."""
    keys = [person.citizen_number for person in county.people]
    random.Random(7).shuffle(keys)  # an order, no secret
    chunks = requests(county, keys)
    database = sqlite3.connect(f"file:{county.node.data / 'exchange.db'}?mode=ro", uri=True)
    with county.client("employment") as client:
        check(county, client)
        took: list[float] = []

        def ours() -> float:
            began = time.perf_counter()
            found = sum(_ask(client, chunks) for _ in range(ROUNDS))
            took.append(time.perf_counter() - began)
            return _all(found, keys) / took[-1]

        def theirs() -> float:
            began = time.perf_counter()
            found = 0
            for _ in range(ROUNDS):
                for key in keys:
                    row = database.execute(_SELECT, (POPULATION, key)).fetchone()
                    found += row is not None
            return _all(found, keys) / (time.perf_counter() - began)

        def extra() -> dict[str, Any]:
            return {
                "keys_per_chunk": CHUNK,
                "note": f"{len(keys):,} records, SQLite; the client, which reads every answer, "
                "shares the machine and is part of our figure",
            }

        try:
            return compare(
                "batch-query",
                "keys/s",
                ours=ours,
                theirs=theirs,
                against="raw selects of the same keys, one by one on an open connection",
                aim=AIM,
                extra=extra,
            )
        finally:
            database.close()


def requests(county: County, keys: Sequence[str]) -> list[query_pb2.BatchQueryRequest]:
    """All keys, in chunks."""
    return [
        query_pb2.BatchQueryRequest(
            grant=county.grant,
            keys=keys[start : start + CHUNK],
            purpose=PURPOSE,
            case_number="SF2026-1",
        )
        for start in range(0, len(keys), CHUNK)
    ]


def check(county: County, client: Client) -> None:
    """See that the answers are right. Raises RuntimeError."""
    asked = list(county.people[:: len(county.people) // 20])
    keys = [person.citizen_number for person in asked]
    (answer,) = client.queries.BatchQuery(iter(requests(county, keys)), timeout=60)
    shown = [
        {
            "name": person.name,
            "birth_date": person.birth_date,
            "residence_address": person.residence_address[:6] + "****",
        }
        for person in asked
    ]
    if [dict(one.items) for one in answer.records] != shown or not answer.receipt.signature:
        raise RuntimeError("the node's answer is not what it should be")


def _ask(client: Client, chunks: Sequence[query_pb2.BatchQueryRequest]) -> int:
    def sent() -> Iterator[query_pb2.BatchQueryRequest]:
        yield from chunks

    answers = client.queries.BatchQuery(sent(), timeout=300)
    return sum(record.found for answer in answers for record in answer.records)


def _all(found: int, keys: Sequence[str]) -> int:
    if found != ROUNDS * len(keys):
        raise RuntimeError(f"{found} records were found, and {ROUNDS * len(keys)} are there")
    return found
