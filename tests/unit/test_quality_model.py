"""Counts of records: what is there, what is right, what is alike."""

from __future__ import annotations

from exchange.catalog.schema import schema_of
from exchange.quality.model import SKETCH, Tally
from tests.builders.catalog import resource
from tests.builders.exchange import ITEMS, person

SCHEMA = schema_of(resource())


def records(*numbers: int, **changed: str) -> list[dict[str, str]]:
    return [dict(zip(ITEMS, person(n), strict=True)) | changed for n in numbers]


def test_what_is_missing_wrong_and_alike_is_counted():
    tally = Tally(SCHEMA)
    tally.add(records(1, 2, 3))
    tally.add(records(4, name=""))
    tally.add(records(5, birth_date="2026-02-30"))
    counts = tally.counts()
    assert tally.measured == 5
    items = {one.item: one for one in counts.items}
    assert (items["citizen_number"].filled, items["citizen_number"].distinct) == (5, 5)
    assert (items["name"].filled, items["name"].valid) == (4, 4)
    assert (items["birth_date"].filled, items["birth_date"].valid) == (5, 4)
    assert items["photo"].filled == 0
    assert counts.faultless == 5 - 1 - SCHEMA.items[SCHEMA.position["name"]].required
    assert counts.duplicates == 2  # the first three say the same under three keys


def test_a_record_of_a_key_alone_is_like_none():
    tally = Tally(SCHEMA)
    tally.add([{"citizen_number": one["citizen_number"]} for one in records(1, 2)])
    assert tally.counts().duplicates == 0


def test_many_values_are_counted_nearly():
    tally = Tally(SCHEMA)
    for start in range(0, 20_000, 1_000):
        tally.add([{"name": f"n{number}"} for number in range(start, start + 1_000)])
    (name,) = [one for one in tally.counts().items if one.item == "name"]
    assert name.distinct > SKETCH
    assert abs(name.distinct - 20_000) < 3_000
    assert name.distinct <= name.filled
