"""What an append costs: bare commits, appends one by one, and 64 callers at once.

Run: python -m tests.benchmarks.audit_log
"""

import asyncio
import tempfile
import time
import timeit
from pathlib import Path

from exchange.audit.merkle import leaf_hash, levels_of, path_of
from exchange.audit.note import Verifier
from runtime.database import Database
from tests.builders.audit import LogFixture, record

APPENDS = 6000


def bare_commits(folder: Path, count: int) -> float:
    database = Database(f"sqlite:///{folder / 'bare.db'}", schema="audit")
    database.held.rows("CREATE TABLE bare (id INTEGER PRIMARY KEY, leaf BLOB)", ())
    leaf = record(1).leaf
    began = time.perf_counter()
    for _ in range(count):
        with database.held.transaction() as connection:
            connection.execute("INSERT INTO bare (leaf) VALUES (?)", (leaf,))
    return count / (time.perf_counter() - began)


async def appends(node: LogFixture, callers: int, count: int) -> tuple[float, float, int]:
    records = [record(n) for n in range(count // callers)]
    batches: set[int] = set()
    waits: list[float] = []

    async def caller() -> None:
        for one in records:
            at = time.perf_counter()
            batches.add((await node.log.append(one)).batch)
            waits.append(time.perf_counter() - at)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    rate = len(waits) / (time.perf_counter() - began)
    return rate, sorted(waits)[len(waits) // 2] * 1000, len(batches)


def nanoseconds(what: str, step: object, number: int) -> None:
    took = min(timeit.repeat(step, number=number, repeat=3)) / number  # type: ignore[arg-type]
    print(f"{what:44} {took * 1e9:12,.0f} ns")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'bare commits, one insert each':44} {bare_commits(folder, APPENDS):12,.0f} /s")
        node = LogFixture(f"sqlite:///{folder / 'audit.db'}", folder)
        began = time.perf_counter()
        for number in range(APPENDS):
            node.log.append_blocking([record(number)])
        rate = APPENDS / (time.perf_counter() - began)
        print(f"{'appends one by one, from a thread':44} {rate:12,.0f} /s")
        for callers in (1, 16, 64, 256):
            rate, wait, batches = asyncio.run(appends(node, callers, APPENDS))
            text = f"appends, {callers} at once ({batches} batches, p50 {wait:.2f} ms)"
            print(f"{text:44} {rate:12,.0f} /s")
        began = time.perf_counter()
        size = node.log.sequencer.run()
        assert size is not None
        rate = size / (time.perf_counter() - began)
        print(f"{'sequencing: tiles and checkpoint':44} {rate:12,.0f} /s")
        node.close()
    hashes = [leaf_hash(str(n).encode()) for n in range(64)]
    levels = levels_of(hashes)
    nanoseconds("leaf hash", lambda: leaf_hash(b"x" * 300), 20_000)
    nanoseconds("tree over 64 leaves", lambda: levels_of(hashes), 500)
    nanoseconds("path in a tree of 64", lambda: path_of(levels, 33), 20_000)
    key = node.key
    signature = key.sign(b"x" * 150)
    nanoseconds("signature of a promise", lambda: key.sign(b"x" * 150), 2000)
    verifier = Verifier(key.verifier_key)
    nanoseconds("its verification", lambda: verifier.check(b"x" * 150, signature), 2000)


if __name__ == "__main__":
    main()
