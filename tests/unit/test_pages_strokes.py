"""Path data: parsing, bounds, arcs."""

from __future__ import annotations

import math

import pytest

from licenses.pages.strokes import apply, bounds, compose, moved, number, segments
from runtime.errors import InvalidArgument


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.12345, "0.123"), (-0.0001, "0"), (100.0, "100"), (1.5, "1.5")],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


def test_segments_of_every_operator() -> None:
    data = "S 0 0 L 1 0 Q 1 1 2 1 B 2 2 3 2 3 1 C"
    assert [operator for operator, _ in segments(data)] == ["M", "L", "Q", "B", "C"]
    assert bounds(data) == (0, 0, 3, 2)


def test_half_circle_as_cubics() -> None:
    found = segments("M 0 0 A 5 5 0 0 1 10 0")
    assert [operator for operator, _ in found] == ["M", "B", "B"]
    assert found[-1][1][-2:] == pytest.approx((10, 0))
    # Sweep 1 turns with the clock where y points down: over the top.
    assert found[1][1][-2:] == pytest.approx((5, -5))
    for t in (0.25, 0.5, 0.75):
        x1, y1, x2, y2, x, y = found[1][1]
        px = 3 * t * (1 - t) ** 2 * x1 + 3 * t * t * (1 - t) * x2 + t**3 * x
        py = 3 * t * (1 - t) ** 2 * y1 + 3 * t * t * (1 - t) * y2 + t**3 * y
        assert math.hypot(px - 5, py) == pytest.approx(5, abs=0.01)


@pytest.mark.parametrize("data", ["M 0", "X 1 2", "M a b", "L 1 2 3", "M nan 0", "1 2", "M 1 inf"])
def test_malformed_is_refused(data: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        segments(data)
    assert caught.value.reason == "PATH_INVALID"


def test_moved_and_compose() -> None:
    assert moved("M 1 2 L 3 4 C", -1, 1) == "M 0 3 L 2 5 C"
    outer, inner = (2.0, 0.0, 0.0, 2.0, 1.0, 1.0), (0.0, 1.0, -1.0, 0.0, 5.0, 0.0)
    assert apply(compose(outer, inner), 3, 4) == apply(outer, *apply(inner, 3, 4))
