"""What a node costs before anybody calls it: the time until it serves, and its memory then."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from tests.benchmarks import processes
from tests.benchmarks.measure import Entry, bounded, rounded, say, spread

RESTARTS = 3
IDLE = 3.0  # seconds before memory is read
GREATEST_START = 5  # seconds
GREATEST_MEMORY = 250  # MiB


def run(folder: Path) -> list[Entry]:
    """Start on an empty folder, then again on what that left."""
    data = folder / "idle"
    processes.compile_modules()
    times: list[float] = []
    memory: list[dict[str, float]] = []
    for number in range(1 + RESTARTS):
        with processes.node(data) as node:
            times.append(node.started_in)
            time.sleep(IDLE)
            memory.append(node.memory())
        say(f"start: {times[-1]:.2f} s, {memory[-1]['now']:.0f} MiB, start {number + 1}")
    return [
        bounded(
            "start",
            "s",
            max(times[0], statistics.median(times[1:])),
            below=GREATEST_START,
            first=rounded(times[0]),
            again=spread(times[1:]),
            note="from `tongban serve` to a health check that says SERVING; `first` also makes "
            "authority, keys and databases on an empty folder; ours is the slower of the two; "
            "modules are compiled before, as an installation leaves them",
        ),
        bounded(
            "memory",
            "MiB",
            max(each["now"] for each in memory),
            below=GREATEST_MEMORY,
            greatest=rounded(max(each["greatest"] for each in memory)),
            note=f"resident set of the one process, {IDLE:g} s after it serves, nobody calling; "
            "`greatest` is its peak until then",
        ),
    ]
