"""A search of the catalog with 100,000 data items, on SQLite and on PostgreSQL.

The figure is the slowest of the queries, each by the median of its repetitions: words that nearly
every item has, rare ones, words that nobody has, filters, and what is stale.
"""

from __future__ import annotations

import random
import statistics
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from exchange.catalog import service as catalog
from exchange.catalog.model import DataItem, DataResource, ItemType
from exchange.catalog.search import service
from exchange.catalog.search.model import DATA_ITEM, RESOURCE, Filters
from runtime.clock import FixedClock
from runtime.database import Database
from tests.benchmarks.measure import Entry, bounded, rounded, say
from tests.benchmarks.postgres import postgresql
from tests.builders import catalog as build

ITEMS = 100_000
ITEMS_EACH = 25
RESOURCES_A_BATCH = 200
REPEATS = 15
AIM_MS = 50.0
DEPARTMENTS = tuple(f"departments/d{number}" for number in range(50))
TEXT = (
    "人口户籍地址房屋产权婚姻登记车辆许可证照名称日期编号状态机构法人注册资本"
    "经营范围行政区划面积用途教育学校医疗保险社会缴费项目投资审批结果环境监测"
)
WORDS = [TEXT[place : place + 2] for place in range(0, len(TEXT), 2)]
QUERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "in every resource": ("信息", {}),
    "one character": ("人", {}),
    "one word": ("户籍", {}),
    "two words in one": ("户籍地址", {}),
    "three words": ("户籍 房屋 投资", {}),
    "nowhere": ("龘", {}),
    "a pair of nobody": ("籍权", {}),
    "a code": ("101001/77", {}),
    "items of a department": ("户籍", {"department": DEPARTMENTS[7], "kind": DATA_ITEM}),
    "a filter that nothing passes": ("信息", {"sharing_type": "unconditional"}),
    "resources of a library": ("户籍", {"base_library": "spatial", "kind": RESOURCE}),
    "stale": ("", {"stale_only": True}),
    "stale with a word": ("户籍", {"stale_only": True}),
}


def run(folder: Path) -> list[Entry]:
    """Measure."""
    entries = [_measure("search", f"sqlite:///{folder / 'search.db'}")]
    with postgresql() as url:
        entries.append(_measure("search-postgresql", url))
    return entries


def _measure(name: str, url: str) -> Entry:
    database, clock = Database(url, schema="exchange"), FixedClock(build.NOON)
    database.migrate(build.MIGRATIONS)
    try:
        began = time.perf_counter()
        _fill(database, clock)
        took = time.perf_counter() - began
        say(f"{name}: {ITEMS:,} items put into the catalog in {took:.0f} s")
        medians = {
            label: _median(database, clock, query, Filters(**filters))
            for label, (query, filters) in QUERIES.items()
        }
    finally:
        database.close()
    slowest = max(medians, key=lambda label: medians[label])
    return bounded(
        name,
        "ms",
        medians[slowest],
        below=AIM_MS,
        items=ITEMS,
        slowest=slowest,
        medians={label: rounded(value) for label, value in medians.items()},
        put_seconds=rounded(took),
    )


def _median(database: Database, clock: FixedClock, query: str, filters: Filters) -> float:
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        service.search(database, query, filters, page_size=20, page_token="", clock=clock)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def _fill(database: Database, clock: FixedClock) -> None:
    dice = random.Random(1)
    build.register(database, *DEPARTMENTS, clock=clock)
    numbers = range(ITEMS // ITEMS_EACH)
    for first in range(0, len(numbers), RESOURCES_A_BATCH):
        batch = [_resource(dice, n) for n in numbers[first : first + RESOURCES_A_BATCH]]
        with database.unit_of_work() as work:
            catalog.apply_directory(
                work,
                build.ADMINISTRATOR,
                changes=batch,
                source="benchmark",
                clock=clock,
                office=build.OFFICE,
            )
    if not database.is_sqlite:  # as the server does by itself after a while
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as one:
            one.execute(sa.text("ANALYZE"))


def _resource(dice: random.Random, number: int) -> DataResource:
    def words(count: int) -> str:
        return "".join(dice.choices(WORDS, k=count))

    items = tuple(
        DataItem(
            code=f"i{place}",
            display_name=words(2),
            type=ItemType.CHARACTER,
            required=place == 0,
            definition=words(4),
        )
        for place in range(ITEMS_EACH)
    )
    return build.resource(
        f"{DEPARTMENTS[number % len(DEPARTMENTS)]}/resources/r{number}",
        code=f"101001/{number}",
        display_name=words(3) + "信息",
        abstract=words(8),
        items=items,
        key_item="i0",
        base_library=dice.choice(["", "population", "spatial"]),
    )
