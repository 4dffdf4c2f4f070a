"""Authorizing with many grants, and how soon a revocation is seen.

`authorize` is the hot path's look-up and rule in one process: the same questions to an index with
10⁵ grants and, in turns, to one with 10², all of them in memory as after a while of work; beside it
stands the bare look-up in a dictionary. `revocation` is the time from the commit of a revocation
until each of several processes on the same database has refused; and, of a node, until it has ended
a live stream.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import sqlalchemy as sa

from exchange.grants import store
from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import Grant, GrantedItem, GrantState, Mask, Operation
from exchange.server import MIGRATIONS
from exchange.v1 import delivery_pb2, grants_pb2
from runtime.clock import SYSTEM
from runtime.database import Database
from tests.benchmarks.county import EMPLOYMENT, POPULATION, County, fresh
from tests.benchmarks.measure import Entry, bounded, rounded, say, spread
from tests.benchmarks.processes import ROOT, environment

MANY, FEW = 100_000, 100
QUESTIONS = 20_000
ROUNDS = 7
PROCESSES = 4
REVOCATIONS = 10
GREATEST_MICROSECONDS = 20
GREATEST_SECONDS = 1


def authorize(folder: Path) -> list[Entry]:
    """Measure what a decision takes."""
    with _grants(folder / "many", MANY) as many, _grants(folder / "few", FEW) as few:
        say(f"authorize: reading {MANY:,} grants")
        began = time.perf_counter()
        questions = {database: _questions(database, index) for database, index in (many, few)}
        filled = (time.perf_counter() - began) / (MANY + FEW)
        bare = {name: object() for name, _ in questions[many[0]]}
        times: dict[str, list[float]] = {"many": [], "few": [], "dict": []}
        for number in range(1, ROUNDS + 1):
            times["many"].append(_asked(many[1], questions[many[0]]))
            times["few"].append(_asked(few[1], questions[few[0]]))
            times["dict"].append(_looked_up(bare, questions[many[0]]))
            say(f"authorize: round {number}/{ROUNDS}: {times['many'][-1]:.2f} us")
    ours, theirs = (statistics.median(times[name]) for name in ("many", "few"))
    entry = bounded(
        "authorize",
        "us",
        ours,
        below=GREATEST_MICROSECONDS,
        rounds=ROUNDS,
        grants=MANY,
        spread={name: spread(told) for name, told in times.items()},
        dict_lookup=rounded(statistics.median(times["dict"])),
        first_reading=rounded(filled * 1e6),
        note="one decision in process, names in random order, the look at the epoch every 50 ms "
        f"included; against the same index with {FEW} grants, which the processor's cache holds: "
        "the rule is the same, what is more is waiting for memory; `dict_lookup` is the bare "
        "look-up of the same names, `first_reading` what the first question under a grant takes",
    )
    return [_against(entry, f"the same with {FEW} grants", theirs)]


def _against(entry: Entry, against: str, theirs: float) -> Entry:
    return replace(
        entry,
        against=against,
        theirs=rounded(theirs),
        ratio=float(f"{entry.ours / theirs:.3g}"),
    )


@contextmanager
def _grants(path: Path, count: int) -> Iterator[tuple[Database, GrantIndex]]:
    path.mkdir(parents=True, exist_ok=True)
    with closing(Database(f"sqlite:///{path / 'exchange.db'}", schema="exchange")) as database:
        database.migrate(MIGRATIONS)
        with database.unit_of_work() as work:
            epoch = store.bump(work.session)
            rows = [store.row_of(_grant(number), epoch=epoch) for number in range(count)]
            work.session.execute(sa.insert(store.GRANTS), rows)
        yield database, GrantIndex(database, SYSTEM)


def _grant(number: int) -> Grant:
    now = datetime.now(UTC)
    return Grant(
        name=f"departments/d{number % 50}/grants/g{number}",
        resource=f"departments/s{number % 7}/resources/r{number % 200}",
        items=(
            GrantedItem(item="name"),
            GrantedItem(item="birth_date", mask=Mask.YEAR),
            GrantedItem(item="residence_address", mask=Mask.FIRST_SIX),
        ),
        operations=(Operation.QUERY, Operation.VERIFY),
        purpose="办理就业创业登记时核实申请人身份",
        legal_basis="示范县政务数据共享办法第一条",
        start_time=now - timedelta(days=1),
        end_time=now + timedelta(days=30),
        access_request=f"departments/d{number % 50}/accessRequests/g{number}",
        create_time=now,
    )


def _questions(database: Database, index: GrantIndex) -> list[tuple[str, str]]:
    """Grants in random order with their departments; all are in memory afterwards."""
    with database.reading() as session:
        found = session.execute(sa.select(store.GRANTS.c.name, store.GRANTS.c.consumer)).all()
    for name, consumer in found:
        index.authorize(name, department=consumer, operation=Operation.QUERY, items=("name",))
    shuffled = [(name, consumer) for name, consumer in found]
    random.Random(7).shuffle(shuffled)
    return [shuffled[n % len(shuffled)] for n in range(QUESTIONS)]


def _asked(index: GrantIndex, questions: list[tuple[str, str]]) -> float:
    began = time.perf_counter()
    for name, department in questions:
        index.authorize(
            name, department=department, operation=Operation.QUERY, items=("name", "birth_date")
        )
    return (time.perf_counter() - began) / len(questions) * 1e6


def _looked_up(held: dict[str, object], questions: list[tuple[str, str]]) -> float:
    began = time.perf_counter()
    for name, _ in questions:
        held.get(name)
    return (time.perf_counter() - began) / len(questions) * 1e6


def revocation(county: County, folder: Path) -> list[Entry]:
    """Measure how soon every process, and a live stream, has seen it."""
    seen = _seen_by_processes(folder / "revocation")
    streams = [_stream_ended(county, number) for number in range(1, REVOCATIONS // 2 + 1)]
    return [
        bounded(
            "revocation",
            "s",
            max(seen),
            below=GREATEST_SECONDS,
            spread=spread(seen),
            live_stream=spread(streams),
            processes=PROCESSES,
            revocations=REVOCATIONS,
            note="the slowest of all revocations: from its commit until the last process had "
            "refused a question, each asking every millisecond; `live_stream` is from the call of "
            "RevokeGrant until an idle stream of a node has ended",
        )
    ]


def _seen_by_processes(path: Path) -> list[float]:
    with _grants(path, REVOCATIONS) as (database, _), ExitStack() as stack:
        names = [_grant(number).name for number in range(REVOCATIONS)]
        workers = [stack.enter_context(_worker(path / "exchange.db", names))
                   for _ in range(PROCESSES)]  # fmt: skip
        found = []
        for name in names:
            time.sleep(0.1)
            with database.unit_of_work() as work:
                held = store.grant(work.session, name, lock=True)
                if held is None:
                    raise RuntimeError("the grant is not there")
                ended = replace(held, state=GrantState.REVOKED, revoke_time=datetime.now(UTC))
                store.update_grant(work.session, ended, epoch=store.bump(work.session))
            committed = time.monotonic()
            told = [json.loads(worker.stdout.readline()) for worker in workers if worker.stdout]
            found.append(max(told) - committed)
            say(f"revocation: {found[-1] * 1000:.0f} ms")
        return found


@contextmanager
def _worker(database: Path, names: list[str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.benchmarks.revocation_worker", str(database), *names]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as worker:
        if worker.stdout is None or worker.stdout.readline() != "ready\n":
            raise RuntimeError("a worker did not begin")
        try:
            yield worker
        finally:
            worker.terminate()


def _stream_ended(county: County, number: int) -> float:
    with county.client("employment") as employment, county.client("police") as police:
        asked = employment.grants.CreateAccessRequest(
            grants_pb2.CreateAccessRequestRequest(
                parent=EMPLOYMENT,
                access_request=grants_pb2.AccessRequest(
                    resource=POPULATION,
                    items=["name"],
                    operations=[grants_pb2.OPERATION_SUBSCRIBE],
                    purpose="办理就业创业登记",
                    legal_basis="就业促进法第三十五条",
                ),
                request_id=fresh(),
            ),
            timeout=30,
        ).access_request
        approval = grants_pb2.ApproveAccessRequestRequest(
            name=asked.name, items=[grants_pb2.GrantedItem(item="name")], request_id=fresh()
        )
        approval.end_time.FromDatetime(SYSTEM.now() + timedelta(days=1))
        grant = police.grants.ApproveAccessRequest(approval, timeout=30).grant
        subscription = employment.delivery.CreateSubscription(
            delivery_pb2.CreateSubscriptionRequest(
                parent=EMPLOYMENT,
                subscription_id=f"revocation-{number}",
                grant=grant.name,
                request_id=fresh(),
            ),
            timeout=30,
        ).subscription
        stream = employment.delivery.Subscribe(
            delivery_pb2.SubscribeRequest(subscription=subscription.name)
        )
        time.sleep(0.5)  # it is idle, waiting for changes
        began = time.perf_counter()
        police.grants.RevokeGrant(
            grants_pb2.RevokeGrantRequest(name=grant.name, reason="测量", request_id=fresh()),
            timeout=30,
        )
        try:
            next(iter(stream))
        except grpc.RpcError:
            return time.perf_counter() - began
        raise RuntimeError("a stream outlived its grant")
