"""Records of a box, against the bare R*Tree.

Ours is the whole reading: candidates of the index, each judged as its record holds it, and shown
under a grant. Theirs is the same index asked for the same boxes by `sqlite3` with one statement
that joins the records' texts, and nothing done with them.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import cycle
from pathlib import Path

import orjson

from exchange.delivery import store as delivery
from exchange.delivery.intake import Batch
from exchange.grants.model import Grant, GrantedItem
from exchange.server import MIGRATIONS
from exchange.spatial import store
from exchange.spatial.model import Box
from exchange.spatial.places.store import PlaceReader
from exchange.spatial.searching import Search
from runtime.database import Database
from tests.benchmarks.measure import Entry, compare, rate, rounded, say
from tests.builders import grants
from tests.builders.catalog import NOON
from tests.builders.spatial import PARCELS, square

PLACES = 50_000
A_BATCH = 10_000
BOXES = 500
#: In a county of one degree: about twenty of the places meet such a box.
SIDE = 0.02
LEAST_RATIO = 0.3
_BARE = (
    "SELECT c.payload FROM spatial_box AS b JOIN spatial_place AS p ON p.id = b.id "
    "JOIN record AS r ON r.resource = ? AND r.record_key = p.record_key "
    'JOIN change AS c ON c."offset" = r."offset" '
    "WHERE b.west <= ? AND b.east >= ? AND b.south <= ? AND b.north >= ?"
)


def run(folder: Path) -> Entry:
    """Measure."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "spatial.db"
    with closing(Database(f"sqlite:///{path}", schema="exchange")) as database:
        database.migrate(MIGRATIONS)
        _fill(database)
        dice = random.Random(5)
        edges = [(10 + dice.random(), 40 + dice.random()) for _ in range(BOXES)]
        boxes = [Box(west=w, south=s, east=w + SIDE, north=s + SIDE) for w, s in edges]
        with closing(sqlite3.connect(path)) as bare:
            ours, theirs = _ours(database), _theirs(bare)
            counts = [(len(ours(box)), len(theirs(box))) for box in boxes]
            # The tree's boxes are a little larger (32 bits), so theirs may find a few more.
            if any(not 0.8 * other - 1 <= mine <= other for mine, other in counts):
                raise RuntimeError("the two do not find the same")
            turn = {True: cycle(boxes), False: cycle(boxes)}
            return compare(
                "spatial",
                "questions/s",
                ours=lambda: rate(lambda: ours(next(turn[True]))),
                theirs=lambda: rate(lambda: theirs(next(turn[False]))),
                against="the bare R*Tree asked for the same boxes, with the records' texts",
                aim=LEAST_RATIO,
                extra=lambda: {
                    "places": PLACES,
                    "found_each": rounded(sum(mine for mine, _ in counts) / BOXES),
                    "note": "one process and thread, SQLite; ours judges each geometry by itself "
                    "and shows the record under a grant; without the call and the audit record",
                },
            )


def _ours(database: Database) -> Callable[[Box], list[object]]:
    places, grant = PlaceReader(database), _grant()

    def ask(box: Box) -> list[object]:
        found, _ = Search(places, lambda *_: False, grant, "shape", box).page(1000, 0)
        return [grant.project(one.values) for one in found]

    return ask


def _theirs(bare: sqlite3.Connection) -> Callable[[Box], list[object]]:
    def ask(box: Box) -> list[object]:
        edges = (box.east, box.west, box.north, box.south)
        return bare.execute(_BARE, (PARCELS, *edges)).fetchall()

    return ask


def _grant() -> Grant:
    items = tuple(GrantedItem(item=item) for item in ("parcel_number", "owner", "shape"))
    return grants.grant(resource=PARCELS, items=items)


def _fill(database: Database) -> None:
    dice = random.Random(3)
    say(f"spatial: publishing {PLACES:,} places")
    for first in range(0, PLACES, A_BATCH):
        keys = [f"p{number}" for number in range(first, first + A_BATCH)]
        payloads: list[str | None] = [
            orjson.dumps(
                {
                    "parcel_number": key,
                    "owner": "某甲",
                    "shape": square(10 + dice.random(), 40 + dice.random(), 0.0005),
                }
            ).decode()
            for key in keys
        ]
        batch = Batch(resource=PARCELS, keys=keys, payloads=payloads, digest=b"d")
        with database.unit_of_work() as work:
            done = delivery.write_batch(work, batch, publisher="p", at=NOON)
            store.write_changes(
                work, PARCELS, ["shape"], first=done.offset - A_BATCH + 1, last=done.offset
            )
