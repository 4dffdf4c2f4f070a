"""Batches of licenses on a database, with issuing simulated, on a clock that stands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from licenses.batches import model
from licenses.batches.model import (
    Batch,
    Row,
    RowHolder,
)
from licenses.batches.rows import store as rows_store
from licenses.batches.service import Batches
from licenses.batches.working import BatchWorker
from licenses.issuing import Asked, Request
from licenses.model import License, Order
from licenses.server import MIGRATIONS
from licenses.types.service import Types
from runtime.clock import FixedClock
from runtime.database import Database, audit_outbox
from runtime.errors import (
    AlreadyExists,
    DomainError,
)
from runtime.identity import Principal, Role
from tests.builders.licenses import (
    BUREAU,
    FIELDS,
    ISSUER,
    NOW,
    TYPE_NAME,
    a_license,
    citizen_number,
)

CALLER = Principal(
    system=f"{BUREAU}/systems/main",
    department=BUREAU,
    roles=frozenset({Role.DEPARTMENT}),
    serial=1,
)
STRANGER = replace(CALLER, system="departments/tax/systems/main", department="departments/tax")


class Crash(BaseException):
    """The process is gone: nobody catches this."""


@dataclass
class Simulator:
    """Issuing as a batch sees it: one license a request id, refusals by the holder's name."""

    clock: FixedClock
    made: dict[str, tuple[License, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    failing: dict[str, DomainError | Exception] = field(default_factory=dict)
    crash_after: int = -1
    meanwhile: Callable[[], None] = lambda: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def issue(
        self, order: Order, *, department: str, seal: str, request: Request, **_more: Any
    ) -> License:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        with self.lock:
            name = order.holders[0].name
            self.asked.append(name)
            self.orders.append(order)
            error = self.failing.get(name) or self.failing.get("*")
            if error is not None:
                raise error
            if request.id in self.made:
                license_, digest = self.made[request.id]
                if digest != request.digest:
                    raise AlreadyExists("used", reason="REQUEST_ID_REUSED", message_zh="已用")
                return license_
            number = len(self.made) + 1
            license_ = a_license(number, issue_time=self.clock.now(), issuer=department)
            self.made[request.id] = (license_, request.digest)
            if number == self.crash_after:
                raise Crash
            return license_

    def issue_all(self, several: Sequence[Asked]) -> list[License]:
        return [
            self.issue(one.order, department=one.department, seal=one.seal, request=one.request)
            for one in several
        ]


@dataclass
class World:
    """A database with a worker, on a clock that stands."""

    database: Database
    clock: FixedClock
    batches: Batches
    issuing: Simulator
    worker: BatchWorker
    types: Types

    def send(self, rows: list[Row], *, seal: str = "", caller: Principal = CALLER) -> Batch:
        receiving = self.batches.begin(caller, BUREAU, TYPE_NAME, seal, repeated=False)
        for at in range(0, len(rows), 1000):
            receiving.take(rows[at : at + 1000])
        batch = receiving.whole(last=True)
        with self.database.unit_of_work() as work:
            return self.batches.start(work, batch)

    def work(self) -> None:
        """Rounds until nothing is due now."""
        while self.worker.run_once():
            pass

    def results(self, name: str, **how: Any) -> list[model.Result]:
        how = {"state": None, "page_size": 1000, "page_token": "", **how}
        return list(self.batches.results(CALLER, name, **how)[0])

    def content(self) -> int:
        """How many rows still hold what stood in them."""
        with self.database.engine.connect() as connection:
            held = sa.select(sa.func.count()).where(sa.func.length(rows_store.ROWS.c.content) > 0)
            return int(connection.execute(held).scalar_one())

    def leaves(self) -> list[bytes]:
        with self.database.engine.connect() as connection:
            return [bytes(row.leaf) for row in connection.execute(sa.select(audit_outbox))]


@contextmanager
def a_world(database_url: str) -> Iterator[World]:
    """Batches with a worker; ended afterwards."""
    database, clock = Database(database_url, schema="licenses"), FixedClock(NOW)
    database.migrate(MIGRATIONS)
    types = Types(database, clock)
    types.begin()
    issuing = Simulator(clock)
    worker = BatchWorker(database, issuing, types, clock)
    batches = Batches(database, types, clock, lambda _: ISSUER)
    try:
        yield World(database, clock, batches, issuing, worker, types)
    finally:
        worker.stop()
        database.close()


def a_row(number: int = 1, **changes: Any) -> Row:
    values: dict[str, Any] = {
        "holders": (RowHolder(name=f"人{number}", code=citizen_number(number)),),
        "fields": FIELDS,
    }
    return Row(**{**values, **changes})
