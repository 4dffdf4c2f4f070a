"""Reading the records of an area: candidates of the index, each judged as its record holds it.

1. What one reading looks at is bounded, in candidates, characters and seconds; a page may end
   early, and the next one goes on from there.
2. A record that the grant's row filter does not show is no candidate: the database leaves it out
   before anything is counted. So bounds, pages and refusals depend on what the caller may see. What
   leaving out takes has seconds of its own, and only where they are not enough, or by a clock, can
   it be told that there is much more than is shown.
3. The nearest are found by circles: one grows until it holds enough, and shrinks again where it
   holds more than may be looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import orjson

from exchange.delivery.model import DELIVERY_SIZE
from exchange.grants.model import Grant
from exchange.grants.rows import shows
from exchange.spatial.exact import Tests, tests_of
from exchange.spatial.model import Area, At, Box, Nearest, around
from exchange.spatial.places.store import PlaceReader
from runtime.errors import FailedPrecondition

READ_AT_ONCE = 200
JUDGED_AT_ONCE = 200_000  # characters of records
#: What one question looks at: candidates, and characters of their records.
GREATEST_LOOKED_AT = 10_000
GREATEST_TEXT_READ = 64 * 1024 * 1024
GREATEST_SECONDS = 5.0
#: What leaving out may take besides; places that it takes from the index, and looks at, at once.
GREATEST_SECONDS_OUT = 5.0
PLACES_AT_ONCE = 100_000
LEFT_OUT_AT_ONCE = 2_000
FIRST_RADIUS = 100.0  # metres; grows until enough is near
GREATEST_CIRCLES = 48


@dataclass(frozen=True, slots=True)
class Found:
    """A record that answers; `number` is its place in the index."""

    number: int
    distance_mm: int
    values: dict[str, str]


class Search:
    """One reading, in one thread."""

    def __init__(
        self,
        places: PlaceReader,
        holds: Callable[[str, str], bool],
        grant: Grant,
        item: str,
        area: Area,
    ) -> None:
        self._places = places
        self._holds = holds
        self._grant = grant
        self._item = item
        self._area = area
        #: Seconds: what is left for reading, and what leaving out has taken.
        self._left = GREATEST_SECONDS
        self._spent_out = 0.0
        #: What circles have judged, by number: a greater one holds the smaller.
        self._judged: dict[int, Found | None] = {}

    def page(self, size: int, after: int) -> tuple[list[Found], int]:
        """Records that answer, and the number that the next page follows; 0 at the end.

        Raises FailedPrecondition: POSTGIS_MISSING, NOT_INDEXED, AREA_TOO_CROWDED.
        """
        layer = self._places.layer(self._grant.resource, self._item)
        if layer is None:
            return [], 0
        tests = tests_of(self._area)
        if isinstance(self._area, Nearest):
            return self._nearest(self._area, layer, tests, size), 0
        return self._listed(layer, tests, size, after)

    def _listed(self, layer: int, tests: Tests, size: int, after: int) -> tuple[list[Found], int]:
        numbers = self._candidates(layer, _boxes(self._area), after=after)
        found: list[Found] = []
        told = read = looked_at = last = 0
        began = time.monotonic() - self._spent_out
        while part := list(islice(numbers, min(READ_AT_ONCE, size))):
            looked_at += len(part)
            last = part[-1]
            for number, length, one in self._judge(tests, part):
                read += length
                if one is not None:
                    told += length * 3
                    if found and told > DELIVERY_SIZE:
                        return found, found[-1].number
                    found.append(one)
                late = time.monotonic() - self._spent_out - began > self._left
                if len(found) == size or read >= GREATEST_TEXT_READ or late:
                    more = number != last or looked_at == GREATEST_LOOKED_AT
                    return found, number if more or next(numbers, None) is not None else 0
        return found, last if looked_at == GREATEST_LOOKED_AT else 0

    def _candidates(self, layer: int, boxes: Sequence[Box], *, after: int) -> Iterator[int]:
        """Numbers, in order, of as many places as may be looked at, of records that are shown."""
        if not self._grant.row_filter:
            limit = GREATEST_LOOKED_AT
            return iter(self._places.candidates(layer, boxes, after=after, limit=limit))
        return islice(self._shown(layer, boxes, after), GREATEST_LOOKED_AT)

    def _shown(self, layer: int, boxes: Sequence[Box], after: int) -> Iterator[int]:
        """Numbers of places whose records the row filter shows."""
        resource, row_filter = self._grant.resource, self._grant.row_filter
        part: list[int] = []
        while not part or len(part) == PLACES_AT_ONCE:
            began = time.monotonic()
            part = self._places.candidates(layer, boxes, after=after, limit=PLACES_AT_ONCE)
            if not part:
                return
            after = part[-1]
            for start in range(0, len(part), LEFT_OUT_AT_ONCE):
                these = self._places.shown(
                    resource, part[start : start + LEFT_OUT_AT_ONCE], row_filter
                )
                self._spent_out += time.monotonic() - began
                if self._spent_out > GREATEST_SECONDS_OUT:
                    raise _too_crowded()
                yield from these
                began = time.monotonic()

    def _nearest(self, area: Nearest, layer: int, tests: Tests, size: int) -> list[Found]:
        """Grow the circle until it holds enough; shrink it again where it holds too much."""
        few, many = 0.0, 0.0  # a radius with too few records, and one with too many candidates
        radius = min(FIRST_RADIUS, area.radius)
        for _ in range(GREATEST_CIRCLES):
            found = self._in_circle(area, layer, tests, radius)
            if self._left <= 0:
                break
            if found is None:
                many = radius
            elif len(found) >= size or radius >= area.radius:
                found.sort(key=lambda one: (one.distance_mm, one.number))
                return _fitting(found[:size])
            else:
                few = radius
            radius = (few + many) / 2 if many else min(radius * 2, area.radius)
        raise _too_crowded()

    def _in_circle(
        self, area: Nearest, layer: int, tests: Tests, radius: float
    ) -> list[Found] | None:
        """Records within a radius; None where there are too many candidates."""
        numbers = list(self._candidates(layer, around(area.place, radius), after=0))
        if len(numbers) == GREATEST_LOOKED_AT:
            return None
        read = 0
        ends = time.monotonic() + self._left
        new = [number for number in numbers if number not in self._judged]
        for number, length, one in self._judge(tests, new):
            read += length
            if read >= GREATEST_TEXT_READ or time.monotonic() > ends:
                break
            self._judged[number] = one
        self._left = ends - time.monotonic()
        if read >= GREATEST_TEXT_READ or self._left <= 0:
            return None
        judged = (self._judged.get(number) for number in numbers)
        return [one for one in judged if one is not None and one.distance_mm <= radius * 1000]

    def _judge(
        self, tests: Tests, numbers: Sequence[int]
    ) -> Iterator[tuple[int, int, Found | None]]:
        """Numbers of places, characters of their records, and those that answer; read in parts."""
        for start in range(0, len(numbers), READ_AT_ONCE):
            part = numbers[start : start + READ_AT_ONCE]
            rows = self._places.payloads(self._grant.resource, part)
            for some in _portions(rows):
                yield from self._answers(tests, some)

    def _answers(
        self, tests: Tests, rows: Sequence[tuple[int, str]]
    ) -> Iterator[tuple[int, int, Found | None]]:
        conditions = self._grant.row_filter
        records: list[dict[str, str]] = [orjson.loads(payload) for _, payload in rows]
        texts = [text for record in records if (text := record.get(self._item))]
        distances = iter(tests(texts) if texts else ())
        for (number, payload), values in zip(rows, records, strict=True):
            distance = next(distances) if values.get(self._item) else None
            found = None
            if distance is not None and (not conditions or shows(conditions, values, self._holds)):
                found = Found(number, round(distance * 1000), values)
            yield number, len(payload), found


def _portions(rows: Sequence[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Rows by a bound of characters, one row at the least: what is judged at once takes time."""
    some: list[tuple[int, str]] = []
    length = 0
    for row in rows:
        length += len(row[1])
        if some and length > JUDGED_AT_ONCE:
            yield some
            some, length = [], len(row[1])
        some.append(row)
    if some:
        yield some


def _too_crowded() -> FailedPrecondition:
    return FailedPrecondition(
        "too many geometries are there or equally near, or they are too intricate: ask for fewer "
        "records, or of a smaller area",
        reason="AREA_TOO_CROWDED",
        message_zh="范围内或距离相近的几何对象过多或过于复杂：请减少查询条数，或缩小查询范围",
    )


def _fitting(found: list[Found]) -> list[Found]:
    """As many as one message may hold, one at the least."""
    told = 0
    for place, one in enumerate(found):
        told += sum(map(len, one.values.values())) * 3
        if place and told > DELIVERY_SIZE:
            return found[:place]
    return found


def _boxes(area: Area) -> tuple[Box, ...]:
    if isinstance(area, Box):
        return area.parts()
    if isinstance(area, At):
        x, y = area.place.longitude, area.place.latitude
        return (Box(west=x, south=y, east=x, north=y),)
    return around(area.place, area.radius)
