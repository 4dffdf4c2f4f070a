"""Counts of a resource's records: complete, valid, alike; pure.

1. A measurement goes through all records once, in portions, and keeps counts, a sketch of each
   item's values and a number for each record: its memory is eight bytes a record and some.
2. Different values are counted exactly up to `SKETCH`, and beyond to some three in a hundred.
3. Two records are alike where all but their keys are: a value in common says nothing, and a record
   of a key alone is like none.
4. What leaves it is counts; no key and no value of a record is in them.
"""

from __future__ import annotations

from array import array
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from exchange.catalog.schema import ResourceSchema

SKETCH = 1024
_SPACE = 1 << 64


class QualityState(StrEnum):
    """How far a measurement is."""

    NONE = "none"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemQuality:
    """Counts of one item."""

    item: str
    filled: int
    valid: int
    distinct: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a measurement found."""

    items: tuple[ItemQuality, ...] = ()
    faultless: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """How far an item disagrees with other sources of its element."""

    item: str
    element: str
    others: int
    source_case: str = ""
    differing: int = 0
    measure_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The newest measurement of a resource, or the one under way."""

    resource: str
    state: QualityState = QualityState.NONE
    measured: int = 0
    records: int = 0
    begin_time: datetime | None = None
    end_time: datetime | None = None
    counts: Counts = Counts()


class Tally:
    """Counts while records are gone through."""

    def __init__(self, schema: ResourceSchema) -> None:
        self._schema = schema
        self._codes = [item.code for item in schema.items]
        self._others = [code for code in self._codes if code != schema.key_item]
        self._filled = dict.fromkeys(self._codes, 0)
        self._wrong = dict.fromkeys(self._codes, 0)
        self._sketches = {code: _Sketch() for code in self._codes}
        self._alike = array("Q")
        self._faultless = 0
        self.measured = 0

    def add(self, records: Sequence[Mapping[str, str]]) -> None:
        """Take a portion of records, as their values by item."""
        columns = [[one.get(code, "") for one in records] for code in self._codes]
        for code, column in zip(self._codes, columns, strict=True):
            self._filled[code] += len(column) - column.count("")
            self._sketches[code].add(set(column) - {""})
        if self._schema.fit(columns):
            self._faultless += len(records)
        else:
            for row in zip(*columns, strict=True):
                self._judge(row)
        for one in records:
            said = tuple(one.get(code, "") for code in self._others)
            if any(said):
                self._alike.append(hash(said) % _SPACE)
        self.measured += len(records)

    def _judge(self, row: Sequence[str]) -> None:
        wrong = {code for code, _ in self._schema.violations(row)}
        self._faultless += not wrong
        for code in wrong:
            if row[self._schema.position[code]]:
                self._wrong[code] += 1

    def counts(self) -> Counts:
        """What was found so far."""
        return Counts(
            items=tuple(
                ItemQuality(
                    item=code,
                    filled=self._filled[code],
                    valid=self._filled[code] - self._wrong[code],
                    distinct=min(self._sketches[code].count(), self._filled[code]),
                )
                for code in self._codes
            ),
            faultless=self._faultless,
            duplicates=sum(one == other for one, other in pairwise(sorted(self._alike))),
        )


class _Sketch:
    """How many different values there are, by the smallest of their hashes."""

    def __init__(self) -> None:
        self._least: list[int] = []
        self._there: set[int] = set()

    def add(self, values: set[str]) -> None:
        for value in values:
            number = hash(value) % _SPACE
            full = len(self._least) == SKETCH
            if number in self._there or (full and number > self._least[-1]):
                continue
            insort(self._least, number)
            self._there.add(number)
            if full:
                self._there.discard(self._least.pop())

    def count(self) -> int:
        if len(self._least) < SKETCH:
            return len(self._least)
        return round((SKETCH - 1) * _SPACE / self._least[-1])
