"""All that is held, to a new subscriber and into files, against reading a table of the same rows.

Ours: a new subscription that starts with a snapshot, streamed to its end over mTLS, acknowledged;
and an export job until its files are ready. Every record is projected, named by an HMAC or
indexed by whom it is about, and audited. Theirs is SQLite alone: every row of a table of the same
records, read through Python in the order of its key. The node's memory is what it held before, and
the most that it held meanwhile.

The comparison is hard on us: theirs makes a tuple of a row and drops it, in the process that reads.
Ours parses, projects, names and indexes each record, by Python under one interpreter lock, and the
client that takes it shares the machine. What is left of a record's time is two HMACs (its id, its
tag), its JSON and its bytes on the wire.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from exchange.v1 import delivery_pb2, delivery_pb2_grpc, files_pb2, files_pb2_grpc
from runtime.channels import aio_channel
from runtime.identity import Credentials
from tests.benchmarks.county import EMPLOYMENT, POPULATION, County, fresh
from tests.benchmarks.fanning_out import SHOWN, delivery_grant
from tests.benchmarks.measure import Entry, compare, rounded, say
from tests.benchmarks.processes import NodeProcess
from tongban.people import PERSON_ITEMS, people

ROWS = 1_000_000
PUBLISHED_AT_ONCE = 50_000
READ_AT_ONCE = 5_000
ROUNDS = 2
AIM = 0.3
NAMES = ("snapshot", "export-files")


def run(county: County, folder: Path, only: tuple[str, ...] = NAMES) -> list[Entry]:
    """Measure; publishes what is missing of the rows first."""
    with closing(sqlite3.connect(folder / "table.db", isolation_level=None)) as table:
        _fill(county, table)
        grant = delivery_grant(county)
        acts = {
            "snapshot": lambda: asyncio.run(_snapshot(county, grant)),
            "export-files": lambda: asyncio.run(_files(county, grant)),
        }
        return [
            _measured(county.node, name, act, table) for name, act in acts.items() if name in only
        ]


def _measured(node: NodeProcess, name: str, act: Any, table: sqlite3.Connection) -> Entry:
    before = _forgotten(node)
    return compare(
        name,
        "records/s",
        ours=act,
        theirs=lambda: _read(table),
        against="SQLite, every row of a table of the same records, read through Python",
        aim=AIM,
        rounds=ROUNDS,
        extra=lambda: {
            "records": ROWS,
            "memory_mib": {
                "before": rounded(before),
                "most": rounded(node.memory()["greatest"]),
                "more": rounded(node.memory()["greatest"] - before),
            },
        },
    )


def _forgotten(node: NodeProcess) -> float:
    """What a node holds now, MiB, once its greatest is forgotten (proc(5), clear_refs)."""
    Path(f"/proc/{node.pid}/clear_refs").write_text("5")
    return node.memory()["now"]


def _fill(county: County, table: sqlite3.Connection) -> None:
    key, *others = PERSON_ITEMS
    columns = ", ".join(f"{item} TEXT" for item in others)
    table.execute(f"CREATE TABLE person ({key} TEXT PRIMARY KEY, {columns}) WITHOUT ROWID")
    insert = f"INSERT INTO person VALUES ({', '.join('?' * len(PERSON_ITEMS))})"
    source: Iterator[list[str]] = (person.row() for person in people(ROWS))
    done = 0
    with county.client("police") as police:
        while rows := list(islice(source, PUBLISHED_AT_ONCE)):
            table.execute("BEGIN")
            table.executemany(insert, rows)
            table.execute("COMMIT")
            police.publish(POPULATION, PERSON_ITEMS, rows, request_id=fresh())
            done += len(rows)
            say(f"snapshot: {done:,} records published")


def _read(table: sqlite3.Connection) -> float:
    began = time.perf_counter()
    count = sum(1 for _ in table.execute("SELECT * FROM person"))
    return count / (time.perf_counter() - began)


async def _snapshot(county: County, grant: str) -> float:
    credentials = Credentials.read(county.identity("employment"))
    async with aio_channel(county.node.address, credentials) as channel:
        stub: Any = delivery_pb2_grpc.DeliveryServiceStub(channel)
        began = time.perf_counter()
        made = await stub.CreateSubscription(
            delivery_pb2.CreateSubscriptionRequest(
                parent=EMPLOYMENT,
                subscription_id=f"snapshot-{fresh()}",
                grant=grant,
                start=delivery_pb2.START_POSITION_SNAPSHOT,
                request_id=fresh(),
            )
        )
        name, count = made.subscription.name, 0
        request = delivery_pb2.SubscribeRequest(subscription=name, max_changes=READ_AT_ONCE)
        async for answer in stub.Subscribe(request):
            count += len(answer.changes)
            if count >= ROWS:
                break
        await stub.AcknowledgeChanges(
            delivery_pb2.AcknowledgeChangesRequest(subscription=name, cursor=answer.cursor)
        )
        return count / (time.perf_counter() - began)


async def _files(county: County, grant: str) -> float:
    credentials = Credentials.read(county.identity("employment"))
    async with aio_channel(county.node.address, credentials) as channel:
        stub: Any = files_pb2_grpc.FileServiceStub(channel)
        began = time.perf_counter()
        made = await stub.CreateExportJob(
            files_pb2.CreateExportJobRequest(
                parent=EMPLOYMENT,
                grant=grant,
                format=files_pb2.FILE_FORMAT_CSV,
                purpose="量测",
                case_number="1",
                request_id=fresh(),
            )
        )
        while True:
            job = (
                await stub.GetExportJob(files_pb2.GetExportJobRequest(name=made.export_job.name))
            ).export_job
            if job.state != files_pb2.EXPORT_JOB_STATE_RUNNING:
                break
            await asyncio.sleep(0.1)
        took = time.perf_counter() - began
        if job.state != files_pb2.EXPORT_JOB_STATE_SUCCEEDED or job.records != ROWS:
            raise RuntimeError(f"the export ended otherwise: {job.failure_reason or job.records}")
        if list(job.items) != sorted(SHOWN, key=list(SHOWN).index):
            raise RuntimeError("the files hold other items")
        return ROWS / took
