"""The service of the three lists over a database, and rows of them, of the county 示范县."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from exchange.catalog.service import Schemas
from exchange.delivery.intake import Batch
from exchange.delivery.store import write_batch
from exchange.lists.rpc import ListServicer
from exchange.v1 import lists_pb2 as pb
from runtime.clock import FixedClock
from runtime.database import Database, audit_outbox
from runtime.errors import DomainError
from runtime.identity import Principal
from runtime.rpc import Call
from tests.builders import catalog as county
from tests.builders.catalog import ADMINISTRATOR, CIVIL, HEALTH, HOUSING, RESIDENTS, caller

SUPPLIER, CONSUMER, STRANGER = caller(CIVIL), caller(HOUSING), caller(HEALTH)
EVERY = "departments/-"
ROW = f"{CIVIL}/responsibilities/residents"


class Node:
    """The service in a database, called as somebody."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.database, self.clock = database, clock
        self._servicer = ListServicer(
            database, Schemas(database, clock), clock, office=county.OFFICE
        )

    def __call__(self, who: Principal, method: str, **fields):
        request = getattr(pb, f"{method}Request")(**fields)
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = str(uuid.uuid4())
        return getattr(self._servicer, method)(request, Call(method, who, None))

    def promise(self, **changes) -> pb.Responsibility:
        return self(
            ADMINISTRATOR, "PutResponsibility", responsibility=row(**changes)
        ).responsibility

    def shortfalls(self, who: Principal = ADMINISTRATOR, **how) -> dict[str, list]:
        found = self(who, "CompareDelivery", **{"parent": EVERY, **how}).comparisons
        return {
            c.responsibility.name: [
                (pb.Shortfall.Name(f.shortfall).removeprefix("SHORTFALL_"), list(f.about))
                for f in c.findings
            ]
            for c in found
        }

    def publish(self, resource: str = RESIDENTS) -> None:
        with self.database.unit_of_work() as work:
            batch = Batch(resource=resource, keys=["k"], payloads=["{}"], digest=b"")
            write_batch(work, batch, publisher=SUPPLIER.system, at=self.clock.now())

    def records(self, kind: str) -> list[dict]:
        with self.database.reading() as session:
            rows = session.execute(sa.select(audit_outbox.c.leaf).order_by(audit_outbox.c.id))
            return [leaf for found in rows if (leaf := orjson.loads(found[0]))["kind"] == kind]

    def statements(self, who: Principal, method: str, **fields) -> int:
        told: list[str] = []
        listen = lambda *a: told.extend([a[2]] * a[2].startswith("SELECT"))  # noqa: E731
        event.listen(self.database.engine, "before_cursor_execute", listen)
        self(who, method, **fields)
        event.remove(self.database.engine, "before_cursor_execute", listen)
        return len(told)


def row(**changes) -> pb.Responsibility:
    values = {
        "name": ROW,
        "resource": RESIDENTS,
        "display_name": "常住人口信息",
        "items": ["citizen_number", "name"],
        "update_cycle": "daily",
        "receivers": [HOUSING],
        "legal_basis": "示范县政务数据共享办法第五条",
        "from_day": "2026-01-01",
    }
    return pb.Responsibility(**{**values, **changes})


def demand(**changes) -> pb.Demand:
    values = {
        "display_name": "公积金缴存信息",
        "items": ["缴存基数", "缴存状态"],
        "purpose": "公共租赁住房资格审核",
        "legal_basis": "示范县公共租赁住房管理办法第九条",
        "supplier": CIVIL,
        "update_cycle": "monthly",
    }
    return pb.Demand(**{**values, **changes})


def negative(resource: str, **changes) -> pb.Negative:
    values = {
        "name": resource.replace("/resources/", "/negatives/"),
        "display_name": "不予共享的信息",
        "legal_basis": "示范县保密规定第三条",
        "from_day": "2026-01-01",
    }
    return pb.Negative(**{**values, **changes})


@contextmanager
def running(database_url: str) -> Iterator[Node]:
    """The service, with three departments and two resources."""
    clock = FixedClock(county.NOON)  # 2 March 2026
    database = Database(database_url, schema="exchange")
    database.migrate(county.MIGRATIONS)
    county.register(database, CIVIL, HOUSING, HEALTH, clock=clock)
    county.put(database, county.resource(), county.unconditional(), clock=clock)
    yield Node(database, clock)
    database.close()


def refused(error: type[DomainError], call, *arguments, **fields) -> DomainError:
    with pytest.raises(error) as found:
        call(*arguments, **fields)
    assert found.value.message_zh
    return found.value
