"""Traffic and latency over time, as a picture that the server draws.

1. Bars are calls, the darker part of each those that were not answered as asked; the line above is
   the time within which ninety-five of a hundred calls were answered.
2. The picture says what it is (title and description), and the table beside it says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from xml.sax.saxutils import escape

from markupsafe import Markup

from exchange.v1 import monitoring_pb2, monitoring_pb2_grpc
from portal.node import told
from portal.pages import chosen
from portal.sessions.keeping import Person
from runtime.clock import CHINA

SECONDS: Final = 30
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 960, 380, 64, 30, 36, 46
NARROW: Final = 340
"""The width of the picture for a phone."""
_HALF: Final = (HEIGHT - TOP - BOTTOM - GAP) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span that is looked at: how long, and in which steps."""

    word: str
    words: tuple[str, str]
    length: timedelta
    step: timedelta


SPANS: Final = (
    Span(word="hours", words=("Last 6 hours", "最近 6 小时"), length=timedelta(hours=6),
         step=timedelta(minutes=5)),
    Span(word="day", words=("Last 24 hours", "最近 24 小时"), length=timedelta(days=1),
         step=timedelta(minutes=30)),
    Span(word="week", words=("Last 7 days", "最近 7 天"), length=timedelta(days=7),
         step=timedelta(hours=4)),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One step of the picture; a step without calls is one of noughts."""

    at: datetime
    calls: int = 0
    refused: int = 0
    failed: int = 0
    median_ms: float = 0.0
    p95_ms: float = 0.0


def span_of(word: str) -> Span:
    """The span of a word; the day where none is said. Raises InvalidArgument (UNKNOWN_CHOICE)."""
    known = {one.word: one for one in SPANS}
    return known[chosen(word, known) or SPANS[1].word]


async def measure(person: Person, node: str, span: Span, now: datetime) -> list[Point]:
    """The points of a span until now, the oldest first."""
    stub: Any = monitoring_pb2_grpc.MonitoringServiceStub(person.channel(node))
    seconds = int(span.step.total_seconds())
    end = int(now.timestamp()) // seconds * seconds + seconds
    start = end - int(span.length.total_seconds())
    asked = monitoring_pb2.MeasureTrafficRequest(step_seconds=seconds)
    asked.start_time.FromSeconds(start)
    asked.end_time.FromSeconds(end)
    answer = await told(stub.MeasureTraffic(asked, timeout=SECONDS))
    found = {one.start_time.seconds: one for one in answer.steps}
    points = []
    for at in range(start, end, seconds):
        held, when = found.get(at), datetime.fromtimestamp(at, UTC)
        if held is None:
            points.append(Point(at=when))
            continue
        points.append(
            Point(
                at=when,
                calls=held.calls,
                refused=held.refused,
                failed=held.failed,
                median_ms=held.median_ms,
                p95_ms=held.p95_ms,
            )
        )
    return points


def picture(
    points: Sequence[Point],
    *,
    title: str,
    description: str,
    words: Sequence[str],
    narrow: bool = False,
) -> Markup:
    """The SVG. `words`: calls, not answered as asked, milliseconds."""
    width, shown = (NARROW, "narrow-only") if narrow else (WIDTH, "wide-only")
    most = _above(max((one.calls for one in points), default=0))
    slowest = _above(max((one.p95_ms for one in points), default=0.0))
    wide = (width - LEFT - 8) / max(1, len(points))
    base, middle = HEIGHT - BOTTOM, TOP + _HALF
    parts = [
        f'<svg class="chart {shown}" viewBox="0 0 {width} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}: {escape(description)}" '
        'xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(title)}</title>",
        f'<text class="chart-word" x="{LEFT}" y="{TOP - 12}">{escape(words[2])}</text>',
        f'<text class="chart-word" x="{LEFT}" y="{middle + GAP - 12}">{escape(words[0])}</text>',
        *_grid(TOP, middle, slowest, width),
        *_grid(middle + GAP, base, most, width),
    ]
    for place, one in enumerate(points):
        if one.calls:
            x = LEFT + place * wide
            parts.append(_bar("chart-calls", x, base, wide, _part(one.calls, most)))
            bad = one.refused + one.failed
            if bad:
                parts.append(_bar("chart-bad", x, base, wide, _part(bad, most)))
    parts += _lines(points, wide, middle, slowest)
    every = max(1, len(points) // (2 if narrow else 6))
    for place in range(0, len(points), every):
        at = points[place].at.astimezone(CHINA)
        long = points[-1].at - points[0].at > timedelta(days=2)
        said = at.strftime("%m-%d %H:%M" if long else "%H:%M")
        x = LEFT + place * wide
        parts.append(f'<text class="chart-word" x="{x:.1f}" y="{HEIGHT - 12}">{said}</text>')
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704  # numbers, and words that were escaped


def _lines(points: Sequence[Point], wide: float, base: int, most: float) -> list[str]:
    """The line of latency, broken where nobody called; a lone step is a dot."""
    found, run = [], list[tuple[float, float]]()
    for place in range(len(points) + 1):
        one = (
            points[place] if place < len(points) else Point(at=points[-1].at if points else _NEVER)
        )
        if one.calls:
            x = LEFT + (place + 0.5) * wide
            run.append((x, base - _part(one.p95_ms, most)))
            continue
        if len(run) == 1:
            found.append(
                f'<circle class="chart-dot" cx="{run[0][0]:.1f}" cy="{run[0][1]:.1f}" r="3"/>'
            )
        elif run:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
            found.append(f'<polyline class="chart-time" points="{path}"/>')
        run = []
    return found


_NEVER: Final = datetime(2000, 1, 1, tzinfo=UTC)


def _grid(top: int, base: int, most: float, width: int) -> list[str]:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = base - share * _HALF
        parts.append(
            f'<line class="chart-line" x1="{LEFT}" x2="{width - 8}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        said = f"{most * share:g}"
        parts.append(f'<text class="chart-number" x="{LEFT - 8}" y="{y + 4:.1f}">{said}</text>')
    return parts


def _bar(kind: str, x: float, base: int, wide: float, high: float) -> str:
    thick = max(1.0, wide * 0.7)
    return (
        f'<rect class="{kind}" x="{x + (wide - thick) / 2:.1f}" y="{base - high:.1f}" '
        f'width="{thick:.1f}" height="{high:.1f}"/>'
    )


def _part(value: float, most: float) -> float:
    return max(1.5, value / most * _HALF) if most else 0.0


def _above(value: float) -> float:
    """The next round number."""
    if value <= 0:
        return 1.0
    step = 10.0 ** (len(str(int(value))) - 1) if value >= 1 else 0.1
    for times in (1, 2, 5, 10):
        if value <= step * times:
            return step * times
    return step * 10
