"""When an answer is told under a row filter, so that its time tells little of what is hidden; pure.

By place, or page by page of everything, hidden records are looked at and left out, which takes
time. So the answer comes a step after the question, or twice, four times, … as long. Where less
than a step was needed, no time tells that anything was left out; above, it tells the size within a
factor of two.
"""

from __future__ import annotations

#: Seconds; leaving out some thirty thousand records takes as long.
STEP = 0.1


def left_to_wait(seconds: float, step: float = 0.0) -> float:
    """Seconds until the next step for an answer that took so many; a first step is `STEP`."""
    until = step or STEP
    while until < seconds:
        until *= 2
    return until - seconds
