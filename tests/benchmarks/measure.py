"""How a figure is taken, and what it looks like in the document.

1. The machine is noisy, so ours and theirs take turns (A B A B …) in one run, several rounds of a
   second or two, and the medians are compared; the spread stands beside them.
2. A figure is never asserted: what misses its aim says `"met": false` and the run goes on.
3. Progress goes to standard error, the document alone to standard output.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

ROUNDS = 5
SECONDS = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the document; `extra` holds what only this benchmark knows."""

    name: str
    unit: str
    ours: float
    aim: str
    met: bool | None
    against: str | None = None
    theirs: float | None = None
    ratio: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": self.ours,
            "against": self.against,
            "theirs": self.theirs,
            "ratio": self.ratio,
            "aim": self.aim,
            "met": self.met,
            **self.extra,
        }


def say(text: str) -> None:
    """Tell how far it is."""
    print(f"  {text}", file=sys.stderr, flush=True)


def rounded(value: float) -> float:
    """Three significant digits, and no false precision above."""
    return round(value) if value >= 1000 else float(f"{value:.3g}")


def spread(values: Sequence[float]) -> dict[str, float]:
    """Least, median and greatest."""
    return {
        "min": rounded(min(values)),
        "median": rounded(statistics.median(values)),
        "max": rounded(max(values)),
    }


def rate(act: Callable[[], object], *, seconds: float = SECONDS) -> float:
    """How often a second an act can be done, one after the other."""
    done, began = 0, time.perf_counter()
    while True:
        act()
        done += 1
        took = time.perf_counter() - began
        if took >= seconds:
            return done / took


def compare(
    name: str,
    unit: str,
    *,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    against: str,
    aim: float | None,
    rounds: int = ROUNDS,
    extra: Callable[[], dict[str, Any]] = dict,
) -> Entry:
    """Let both take turns; each returns its rate. `aim` is the least ratio of the medians."""
    mine: list[float] = []
    other: list[float] = []
    for number in range(1, rounds + 1):
        mine.append(ours())
        other.append(theirs())
        figures = f"ours {mine[-1]:,.0f}, theirs {other[-1]:,.0f} {unit}"
        say(f"{name}: round {number}/{rounds}: {figures}")
    ratio = statistics.median(mine) / statistics.median(other)
    return Entry(
        name=name,
        unit=unit,
        ours=rounded(statistics.median(mine)),
        against=against,
        theirs=rounded(statistics.median(other)),
        ratio=float(f"{ratio:.3g}"),
        aim="none" if aim is None else f">= {aim}x",
        met=None if aim is None else ratio >= aim,
        extra={
            "rounds": rounds,
            "spread": {
                "ours": spread(mine),
                "theirs": spread(other),
                "ratio": spread([m / o for m, o in zip(mine, other, strict=True)]),
            },
            **extra(),
        },
    )


def with_least(entry: Entry, least: float) -> Entry:
    """The same entry, which must also reach a rate."""
    return replace(
        entry,
        aim=f"{entry.aim}, >= {least:g} {entry.unit}",
        met=bool(entry.met) and entry.ours >= least,
    )


def bounded(name: str, unit: str, value: float, *, below: float, **extra: Any) -> Entry:
    """A figure that should stay below a bound, compared with nothing."""
    return Entry(
        name=name,
        unit=unit,
        ours=rounded(value),
        aim=f"< {below:g} {unit}",
        met=value < below,
        extra=extra,
    )
