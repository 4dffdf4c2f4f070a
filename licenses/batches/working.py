"""The worker: issues the rows of batches in the background, a few at a time.

1. It takes a batch under a lease, which it puts off while it works, issues the next rows, and
   writes their results and gives the batch back in one transaction. So batches take turns, and a
   worker that dies costs a few rows that are asked again: with the same request ids, whose licenses
   are there. Another takes the batch when the lease is over; where no other process can be at work
   on this database, a worker that starts takes it at once.
2. What a row is refused for is its result. Where all rows would be refused alike, or a neighbour
   does not answer, the batch rests, longer each time, and says why.
3. What fails a row again and again for another reason is its result in the end: no row holds up
   those behind it for ever.
4. Single licenses are issued by other threads: a batch delays them by its share of the processor
   and no more.
5. Rows are issued a few together, which share transactions and calls. Where anything is refused,
   each of them is issued by itself, and goes on with what was begun of it.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Protocol

import structlog

from licenses.batches import model, store
from licenses.batches.model import BEAT, LEASE, Batch, Result, RowState
from licenses.batches.rows import store as rows_store
from licenses.batches.rows.store import Waiting
from licenses.issuing import Asked, Request
from licenses.model import License, Order, Paper
from licenses.orders import holder_of
from licenses.types.model import TypeVersion
from licenses.types.service import Types
from licenses.types.values import read_day
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import (
    AlreadyExists,
    DomainError,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from runtime.records import make_record
from runtime.telemetry import Repeated

ROWS_AT_ONCE: Final = 64
TOGETHER: Final = 16
POLL_SECONDS: Final = 2.0
FIRST_REST: Final = 2.0
LONGEST_REST: Final = 300.0
ATTEMPTS: Final = 3
_FINAL: Final = (InvalidArgument, AlreadyExists, NotFound, FailedPrecondition, PermissionDenied)

_log = structlog.get_logger()


class Issues(Protocol):
    """The use case of issuing, as far as a batch needs it."""

    def issue(self, order: Order, *, department: str, seal: str, request: Request) -> License:
        """Issue a license, or go on with the one that this request began."""
        ...

    def issue_all(self, several: Sequence[Asked]) -> list[License]:
        """`issue` of several, in their order; raises where one cannot be issued so."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stopped:
    """A row that has no result yet, and why; `counts` where it may be the row's own fault."""

    number: int
    reason: str
    counts: bool


class BatchWorker:
    """Works in threads of its own; several processes may share the batches."""

    def __init__(
        self,
        database: Database,
        issuing: Issues,
        types: Types,
        clock: Clock,
        *,
        threads: int = 2,
        beat: float = BEAT.total_seconds(),
    ) -> None:
        self._database = database
        self._issuing = issuing
        self._types = types
        self._clock = clock
        self._beat = beat
        self._pool = ThreadPoolExecutor(threads, "batches")
        self._rests: dict[str, float] = {}
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, *, alone: bool = False) -> None:
        """Begin to work; `alone` where no other process works on this database."""
        if alone:
            with self._database.unit_of_work() as work:
                store.take_up(work.session, self._clock.now())
        if self._thread is None:
            self._thread = threading.Thread(target=self._work_on, name="batches", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Look for batches now."""
        self._woken.set()

    def stop(self) -> None:
        """Stop after the rows that are being issued."""
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _work_on(self) -> None:
        told = Repeated("issue_batches_failed", "issue_batches_resumed")
        while not self._stopping.is_set():
            try:
                worked = self.run_once()
            except Exception as error:  # noqa: BLE001  # the next round tries again
                worked = False
                told.failed(error)
            else:
                told.succeeded()
            if not worked:
                self._woken.wait(POLL_SECONDS)
                self._woken.clear()

    def run_once(self) -> bool:
        """Issue the next rows of the batch that waited longest; False where none is due."""
        lease = secrets.token_hex(8)
        batch = self._take(lease)
        if batch is None:
            return False
        with self._database.reading() as session:
            rows = rows_store.waiting(session, batch.name, ROWS_AT_ONCE)
        if not rows:
            self._finish(batch, lease)
            return True
        try:
            version = self._types.version(batch.type_id, batch.type_version)
        except NotFound as error:
            self._rest(batch, lease, [], [_Stopped(number=0, reason=error.reason, counts=False)])
            return True
        over = threading.Event()
        outcomes: list[Result | _Stopped | None] = []
        # Of one key the first row of the sheet that can be is issued, whichever thread is fastest.
        for some in _in_turns(rows):
            asked = [
                self._pool.submit(self._issue_some, batch, version, one, over)
                for one in _portions(some)
            ]
            try:
                while wait(asked, timeout=self._beat).not_done:
                    self._put_off(batch, lease, over)
            except BaseException:
                over.set()
                raise
            outcomes += [found for one in asked for found in one.result()]
        done = [one for one in outcomes if isinstance(one, Result)]
        stopped = [one for one in outcomes if isinstance(one, _Stopped)]
        if stopped:
            self._rest(batch, lease, done, stopped)
        else:
            self._rests.pop(batch.name, None)
            with self._database.unit_of_work() as work:
                store.keep(work.session, batch.name, done, lease=lease, until=self._clock.now())
        return True

    def _take(self, lease: str) -> Batch | None:
        now = self._clock.now()
        with self._database.reading() as session:
            name = store.due(session, now)
        if name is None:
            return None
        with self._database.unit_of_work() as work:
            if not store.take(work.session, name, lease=lease, now=now, until=now + LEASE):
                return None
            return store.batch(work.session, name)

    def _put_off(self, batch: Batch, lease: str, over: threading.Event) -> None:
        until = self._clock.now() + LEASE
        with self._database.unit_of_work() as work:
            if not store.put_off(work.session, batch.name, lease=lease, until=until):
                over.set()  # it ended, or another worker has it

    # --- rows --------------------------------------------------------------------------------

    def _issue_some(
        self, batch: Batch, version: TypeVersion, some: Sequence[Waiting], over: threading.Event
    ) -> list[Result | _Stopped | None]:
        """What came of some rows: issued together (rule 5), or else each by itself."""
        if len(some) > 1 and not (over.is_set() or self._stopping.is_set()):
            try:
                made = self._issuing.issue_all([_asked(batch, version, one) for one in some])
            except Exception as error:  # noqa: BLE001  # each by itself tells of its own
                _log.info("batch_rows_apart", batch=batch.name, error=type(error).__name__)
            else:
                return [_issued(batch, *both) for both in zip(some, made, strict=True)]
        return [self._issue(batch, version, one, over) for one in some]

    def _issue(
        self, batch: Batch, version: TypeVersion, waiting: Waiting, over: threading.Event
    ) -> Result | _Stopped | None:
        """What came of a row; None where another row has found that it is no use to go on."""
        if over.is_set() or self._stopping.is_set():
            return None
        try:
            asked = _asked(batch, version, waiting)
            made = self._issuing.issue(
                asked.order, department=asked.department, seal=asked.seal, request=asked.request
            )
        except DomainError as error:
            found = self._refused(waiting, error)
            if isinstance(found, _Stopped):
                over.set()
            return found
        except Exception as error:  # noqa: BLE001  # a fault of ours is told, and stops no batch
            _log.error("batch_row_failed", batch=batch.name, error=type(error).__name__)
            over.set()
            if waiting.attempts + 1 >= ATTEMPTS:
                return _fault(waiting)
            return _Stopped(number=waiting.number, reason="INTERNAL", counts=True)
        return _issued(batch, waiting, made)

    def _refused(self, waiting: Waiting, error: DomainError) -> Result | _Stopped:
        is_final = isinstance(error, _FINAL) and error.reason not in model.WAITED_FOR
        counts = not isinstance(error, (Unavailable, *_FINAL))
        if not is_final and not (counts and waiting.attempts + 1 >= ATTEMPTS):
            return _Stopped(number=waiting.number, reason=error.reason, counts=counts)
        if error.reason == "REQUEST_ID_REUSED":  # it is made of the row's key
            error = _key_reused()
        violations = getattr(error, "violations", ())
        return Result(
            number=waiting.number,
            key=waiting.row.key,
            state=RowState.FAILED,
            **model.told(error.reason, error.message, error.message_zh, violations),
        )

    # --- a batch -----------------------------------------------------------------------------

    def _rest(
        self, batch: Batch, lease: str, done: Sequence[Result], stopped: Sequence[_Stopped]
    ) -> None:
        rest = min(self._rests.get(batch.name, FIRST_REST / 2) * 2, LONGEST_REST)
        self._rests[batch.name] = rest
        why = stopped[0].reason
        _log.warning("batch_waits", batch=batch.name, reason=why, seconds=rest)
        until = self._clock.now() + timedelta(seconds=rest)
        counted = [one.number for one in stopped if one.counts]
        with self._database.unit_of_work() as work:
            if store.keep(
                work.session, batch.name, done, lease=lease, until=until, waiting_reason=why
            ):
                rows_store.attempted(work.session, batch.name, counted)

    def _finish(self, batch: Batch, lease: str) -> None:
        now = self._clock.now()
        self._rests.pop(batch.name, None)
        with self._database.unit_of_work() as work:
            if not store.finish(work.session, batch.name, lease=lease, at=now):
                return
            work.record(
                make_record(
                    "license_batch_finished",
                    at=now,
                    actor=batch.actor,
                    facts={
                        "batch": batch.name,
                        "issued": batch.issued_count,
                        "failed": batch.failed_count,
                    },
                )
            )


def _portions(rows: Sequence[Waiting]) -> Iterator[Sequence[Waiting]]:
    """The rows in parts of `TOGETHER`, in their order."""
    return (rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER))


def _asked(batch: Batch, version: TypeVersion, waiting: Waiting) -> Asked:
    """The license of a row. Raises InvalidArgument, BAD_LICENSE_FIELDS."""
    return Asked(
        order=_order(version, waiting),
        department=batch.issuer,
        seal=batch.seal,
        request=Request(
            actor=batch.actor,
            id=model.request_id_of(batch.type_id, waiting.row.key),
            digest=model.request_digest_of(batch.type_id, waiting.content),
        ),
    )


def _issued(batch: Batch, waiting: Waiting, made: License) -> Result:
    return Result(
        number=waiting.number,
        key=waiting.row.key,
        state=RowState.ISSUED,
        license=made.name,
        identifier=made.identifier,
        repeated=waiting.first < waiting.number
        or made.issue_time < batch.create_time.replace(microsecond=0),
    )


def _order(version: TypeVersion, waiting: Waiting) -> Order:
    """What the row asks for. Raises InvalidArgument, BAD_LICENSE_FIELDS."""
    row = waiting.row
    paper = None
    if row.paper is not None:
        paper = Paper(
            number=row.paper.number,
            issue_date=_day(row.paper.issue_date, "paper.issue_date"),
            scans=row.paper.scans,
        )
    return Order(
        type=version.type,
        type_version=version.version,
        holders=tuple(holder_of(version.type, one.name, one.code) for one in row.holders),
        fields=row.fields,
        valid_from=_day(row.valid_from, "valid_from") if row.valid_from else None,
        valid_to=_day(row.valid_to, "valid_to") if row.valid_to else None,
        serial=row.serial,
        pictures=row.pictures,
        paper=paper,
    )


def _day(text: str, field: str) -> date:
    day = read_day(text)
    if day is None:
        raise InvalidArgument(
            f"the license cannot be issued as asked: correct {field}",
            reason="BAD_LICENSE_FIELDS",
            message_zh=f"签发内容有误：请更正 {field}",
            violations=[FieldViolation(field, "not a date, YYYY-MM-DD")],
        )
    return day


def _in_turns(rows: Sequence[Waiting]) -> list[list[Waiting]]:
    """The rows in their order, in parts of which none has a key twice.

    The first of each key, then the second, and so on: what is refused leaves its key to the next.
    """
    parts: list[list[Waiting]] = []
    seen: Counter[str] = Counter()
    for one in rows:
        turn = seen[one.row.key]
        seen[one.row.key] += 1
        if turn == len(parts):
            parts.append([])
        parts[turn].append(one)
    return parts


def _key_reused() -> DomainError:
    return AlreadyExists(
        "another row with this row_key, and with something else in it, has been issued: give each "
        "license a row_key of its own; to correct one that is issued, use CorrectLicense",
        reason="ROW_KEY_REUSED",
        message_zh="已有另一行用同一行标识（row_key）签发了不同的内容：请为每件证照使用各自的行标识；"
        "已签发的请用更正",
        violations=[FieldViolation("row_key", "another row has it")],
    )


def _fault(waiting: Waiting) -> Result:
    return Result(
        number=waiting.number,
        key=waiting.row.key,
        state=RowState.FAILED,
        reason="INTERNAL",
        message="the node failed on this row: see its log, then send the row again",
        message_zh="节点处理该行时出现故障：请查看节点日志后重新提交该行",
    )
