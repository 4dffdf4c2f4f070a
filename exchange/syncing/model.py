"""Runs of directory sync by department: bounds, rights, states; pure.

1. A run is told after it is over, for each department that its files speak of, by a system of that
   department or of an administrator who keeps its directory.
2. A reject keeps the rows of its entry as the file had them, until somebody settles it: corrected
   and taken, or given up. Then they are forgotten.
3. A department's newest `GREATEST_RUNS` are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument, NotFound

GREATEST_RUNS = 500
GREATEST_AT_ONCE = 200
GREATEST_REJECTS = 1000
GREATEST_ROWS = 500
GREATEST_CELLS = 200
GREATEST_TEXT = 2000
GREATEST_FILES = 50


class RejectState(StrEnum):
    """What became of a reject."""

    OPEN = "open"
    FIXED = "fixed"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a file: its line, and its cells as (heading, value)."""

    line: int
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """An entry that was not taken."""

    number: int
    file: str
    line: int
    entry: str
    reason: str
    detail: str
    detail_zh: str
    rows: tuple[Row, ...]
    state: RejectState = RejectState.OPEN
    settle_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of a run for one department."""

    department: str
    files: tuple[str, ...]
    added: int
    changed: int
    withdrawn: int
    unchanged: int
    name: str = ""
    number: int = 0
    create_time: datetime | None = None
    actor: str = ""
    rejected: int = 0
    open: int = 0
    rejects: tuple[Reject, ...] = ()


def check(runs: Sequence[Run]) -> None:
    """Refuse what is beyond bounds. Raises InvalidArgument (BAD_SYNC_RUN)."""
    if not 0 < len(runs) <= GREATEST_AT_ONCE:
        raise _bad("runs", f"tell 1 to {GREATEST_AT_ONCE}")
    for place, run in enumerate(runs):
        where = f"runs[{place}]"
        counts = (run.added, run.changed, run.withdrawn, run.unchanged)
        if min(counts) < 0:
            raise _bad(where, "counts are not negative")
        if len(run.files) > GREATEST_FILES or not _short(run.files, 200):
            raise _bad(f"{where}.files", f"at most {GREATEST_FILES}, of 200 characters each")
        if len(run.rejects) > GREATEST_REJECTS:
            raise _bad(f"{where}.rejects", f"at most {GREATEST_REJECTS}")
        for reject in run.rejects:
            _check_reject(reject, f"{where}.rejects[{reject.number}]")


def _check_reject(reject: Reject, where: str) -> None:
    if not _short((reject.file, reject.entry), 200) or not _short((reject.reason,), 64):
        raise _bad(where, "a name is too long")
    if not _short((reject.detail, reject.detail_zh), GREATEST_TEXT):
        raise _bad(where, "its words are too long")
    if len(reject.rows) > GREATEST_ROWS:
        raise _bad(where, f"at most {GREATEST_ROWS} rows")
    for row in reject.rows:
        if len(row.cells) > GREATEST_CELLS:
            raise _bad(where, f"at most {GREATEST_CELLS} cells a row")
        if not _short((word for cell in row.cells for word in cell), GREATEST_TEXT):
            raise _bad(where, f"a cell has at most {GREATEST_TEXT} characters")


def _short(texts: Iterable[str], greatest: int) -> bool:
    return all(len(text) <= greatest for text in texts)


def _bad(field: str, why: str) -> InvalidArgument:
    return InvalidArgument(
        f"{field}: {why}",
        reason="BAD_SYNC_RUN",
        message_zh=f"同步结果不符合要求（{field}）",
        violations=[FieldViolation(field, why)],
    )


def run_not_found() -> NotFound:
    """There is no such run for the caller."""
    return NotFound(
        "there is no such run of directory sync: see the list of them",
        reason="SYNC_RUN_NOT_FOUND",
        message_zh="没有这次目录同步：请查看同步列表",
    )


def settled_already() -> FailedPrecondition:
    """A reject is settled once."""
    return FailedPrecondition(
        "this reject is settled already: open the run again",
        reason="REJECT_SETTLED",
        message_zh="该条已处理：请重新打开此次同步",
    )
