"""Traffic and latency over time, counted as calls are recorded; pure.

1. Calls are counted by steps of five minutes, by outcome and by class of time: four classes to each
   doubling, so a percentile is told to a fifth of it and costs a few rows, however many calls.
2. Streams last as long as their caller likes and are not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from math import log2

from exchange.monitoring.model import MICROSECONDS, REFUSALS, CallRecord
from runtime.errors import FieldViolation, InvalidArgument

STEP = 300
GREATEST_STEPS = 400
_OK, _REFUSED, _FAILED = 0, 1, 2
#: What a caller asked wrongly is answered as well as anything; who hangs up is no failure of ours.
_ANSWERED = frozenset(
    {"OK", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "ALREADY_EXISTS", "OUT_OF_RANGE", "ABORTED",
     "CANCELLED"}
)  # fmt: skip
STREAMS = frozenset(
    {"Subscribe", "BatchQuery", "DownloadPart", "Publish", "StreamSealDocument", "Watch",
     "StreamVerifyDocument", "BatchSealDocuments", "CreateIssueBatch"}
)  # fmt: skip
Row = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A span of whole steps, in seconds since 1970."""

    start: int
    end: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What was called in one step."""

    start: int
    calls: int
    refused: int
    failed: int
    median_ms: float
    p95_ms: float


def counted(calls: Iterable[CallRecord]) -> list[Row]:
    """Calls as rows (start, outcome, class, calls), in order."""
    found: Counter[tuple[int, int, int]] = Counter()
    for call in calls:
        if _is_stream(call.method):
            continue
        second = call.request_in // MICROSECONDS
        took = max(1, call.response_out - call.request_in)
        found[second - second % STEP, _outcome(call.code), int(4 * log2(took))] += 1
    return [(*key, count) for key, count in sorted(found.items())]


def steps_of(start: int, end: int, length: int) -> Steps:
    """The whole steps of a span. Raises InvalidArgument (BAD_SPAN)."""
    if length < STEP or length % STEP or not 0 <= start < end:
        raise _bad_span()
    start, end = start - start % length, end + -end % length
    if (end - start) // length > GREATEST_STEPS + 1:
        raise _bad_span()
    return Steps(start=start, end=end, length=length)


def told(rows: Iterable[Row]) -> Iterator[Step]:
    """Steps of rows that are in order of start."""
    for start, those in groupby(rows, key=lambda row: row[0]):
        outcomes: Counter[int] = Counter()
        classes: Counter[int] = Counter()
        for _, outcome, took, calls in those:
            outcomes[outcome] += calls
            classes[took] += calls
        yield Step(
            start=start,
            calls=outcomes.total(),
            refused=outcomes[_REFUSED],
            failed=outcomes[_FAILED],
            median_ms=_within(classes, 0.5),
            p95_ms=_within(classes, 0.95),
        )


def _within(classes: Counter[int], share: float) -> float:
    """Milliseconds within which a share of the calls was answered: its class's upper end."""
    wanted, seen = classes.total() * share, 0
    for took in sorted(classes):
        seen += classes[took]
        if seen >= wanted:
            return round(float(2 ** ((took + 1) / 4)) / 1000, 3)
    return 0.0


def _outcome(code: str) -> int:
    if code in REFUSALS:
        return _REFUSED
    return _OK if code in _ANSWERED else _FAILED


def _is_stream(method: str) -> bool:
    return method.rpartition("/")[2] in STREAMS


def _bad_span() -> InvalidArgument:
    return InvalidArgument(
        f"ask for at most {GREATEST_STEPS} steps of a multiple of {STEP} seconds, and an end after "
        "the start",
        reason="BAD_SPAN",
        message_zh=f"请求至多 {GREATEST_STEPS} 个时段，时段长度为 {STEP} 秒的倍数，结束晚于开始",
        violations=[FieldViolation("step_seconds", "does not fit the span")],
    )
