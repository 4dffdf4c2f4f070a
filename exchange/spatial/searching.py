"""Reading the records of an area: candidates of the index, each judged as its record holds it.

1. What one reading looks at is bounded, in candidates, characters and seconds; a page may end
   early, and its token goes on from there.
2. A record that the grant's row filter does not show is passed by like one that does not answer.
3. The nearest are found by circles: one grows until it holds enough, and shrinks again where it
   holds more than may be looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from exchange.delivery.model import DELIVERY_SIZE
from exchange.grants.model import Grant
from exchange.grants.rows import shows
from exchange.spatial.exact import Test, test_of
from exchange.spatial.model import Area, At, Box, Nearest, around
from exchange.spatial.store import PlaceReader
from runtime import paging
from runtime.errors import FailedPrecondition

READ_AT_ONCE = 200
#: What one question looks at: candidates, and characters of their records.
GREATEST_LOOKED_AT = 10_000
GREATEST_TEXT_READ = 64 * 1024 * 1024
GREATEST_SECONDS = 5.0
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
        self._ends = time.monotonic() + GREATEST_SECONDS
        #: What circles have judged, by number: a greater one holds the smaller.
        self._judged: dict[int, Found | None] = {}

    def page(self, size: int, after: int) -> tuple[list[Found], str]:
        """Records that answer, and the token of the next page."""
        layer = self._places.layer(self._grant.resource, self._item)
        if layer is None:
            return [], ""
        test = test_of(self._area)
        if isinstance(self._area, Nearest):
            return self._nearest(self._area, layer, test, size), ""
        return self._listed(layer, test, size, after)

    def _listed(self, layer: int, test: Test, size: int, after: int) -> tuple[list[Found], str]:
        boxes = _boxes(self._area)
        numbers = self._places.candidates(layer, boxes, after=after, limit=GREATEST_LOOKED_AT)
        more = len(numbers) == GREATEST_LOOKED_AT
        found: list[Found] = []
        told = read = 0
        for number, payload in self._records(numbers):
            read += len(payload)
            one = self._answers(test, number, payload)
            if one is not None:
                told += len(payload) * 3
                if found and told > DELIVERY_SIZE:
                    return found, paging.token_after(str(number - 1))
                found.append(one)
            if len(found) == size or read >= GREATEST_TEXT_READ or self._late():
                more = more or number != numbers[-1]
                return found, paging.token_after(str(number)) if more else ""
        return found, paging.token_after(str(numbers[-1])) if more else ""

    def _nearest(self, area: Nearest, layer: int, test: Test, size: int) -> list[Found]:
        """Grow the circle until it holds enough; shrink it again where it holds too much."""
        few, many = 0.0, 0.0  # a radius with too few records, and one with too many candidates
        radius = min(FIRST_RADIUS, area.radius)
        for _ in range(GREATEST_CIRCLES):
            if self._late():
                break
            found = self._in_circle(area, layer, test, radius)
            if found is None:
                many = radius
            elif len(found) >= size or radius >= area.radius:
                found.sort(key=lambda one: (one.distance_mm, one.number))
                return _fitting(found[:size])
            else:
                few = radius
            radius = (few + many) / 2 if many else min(radius * 2, area.radius)
        raise FailedPrecondition(
            "too many geometries are equally near, or they are too intricate: ask for fewer "
            "records, or by box",
            reason="AREA_TOO_CROWDED",
            message_zh="距离相近的几何对象过多或过于复杂：请减少查询条数，或按范围查询",
        )

    def _in_circle(
        self, area: Nearest, layer: int, test: Test, radius: float
    ) -> list[Found] | None:
        """Records within a radius; None where there are too many candidates."""
        numbers = self._places.candidates(
            layer, around(area.place, radius), after=0, limit=GREATEST_LOOKED_AT
        )
        if len(numbers) == GREATEST_LOOKED_AT:
            return None
        read = 0
        new = [number for number in numbers if number not in self._judged]
        for number, payload in self._records(new):
            read += len(payload)
            if read >= GREATEST_TEXT_READ or self._late():
                return None
            self._judged[number] = self._answers(test, number, payload)
        judged = (self._judged.get(number) for number in numbers)
        return [one for one in judged if one is not None and one.distance_mm <= radius * 1000]

    def _late(self) -> bool:
        return time.monotonic() > self._ends

    def _records(self, numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Numbers and JSON texts of the records of places, read in parts."""
        for start in range(0, len(numbers), READ_AT_ONCE):
            part = numbers[start : start + READ_AT_ONCE]
            yield from self._places.payloads(self._grant.resource, part)

    def _answers(self, test: Test, number: int, payload: str) -> Found | None:
        values: dict[str, str] = orjson.loads(payload)
        text = values.get(self._item)
        distance = test(text) if text else None
        if distance is None or not shows(self._grant.row_filter, values, self._holds):
            return None
        return Found(number, round(distance * 1000), values)


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
