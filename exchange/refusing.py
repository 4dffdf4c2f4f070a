"""Keeping refused attempts, so many of a caller that the log stays what it is for.

1. The first refusals of a system in a minute have a leaf each (kind `query_refused`), durable
   before the refusal is told. What comes beyond them is counted, and so is what was not a
   question (a malformed one): every few seconds a leaf says by system, operation and reason how
   many there were and when the first and the last (kind `queries_refused`).
2. Counts that are not written yet are lost when the process is killed: those of the last few
   seconds, and never the first refusals. Stopping writes them.
3. Alerts do not come from here: monitoring sees every call (`exchange.monitoring`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from exchange.audit.appending import AuditLog
from exchange.refusals import refusal
from runtime.errors import DomainError, PermissionDenied
from runtime.records import SealedRecord, Value, instant, make_record
from runtime.signed import RequestSignature

#: Refusals of one system in a minute that have a leaf each.
AT_ONCE = 60
MINUTE = timedelta(minutes=1)
COUNT_SECONDS = 10.0
GREATEST_SYSTEMS = 10_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A question that is to be refused, as far as it was understood."""

    at: datetime
    actor: str
    operation: str
    grant: str
    #: What was asked, canonical JSON; empty where it was no question.
    request: bytes = b""
    #: Beside `request`, what its record commits to.
    asked: Mapping[str, bytes] = field(default_factory=dict)
    #: The method that a signature is for, and the signature.
    method: str = ""
    signature: RequestSignature | None = None


@dataclass(slots=True)
class _Count:
    first: datetime
    last: datetime
    count: int = 0


class Refusals:
    """Refused attempts on their way to the log, of all services of a process; for any thread."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._lock = threading.Lock()
        #: Of each system, when its minute began and how many leaves it had since.
        self._minutes: dict[str, tuple[datetime, int]] = {}
        self._counts: dict[tuple[str, str, str], _Count] = {}
        self._timer: threading.Timer | None = None
        audit.before_stopping(self.close)

    async def keep(self, error: DomainError, attempt: Attempt) -> None:
        """Put a refusal on record, or count it; on the loop. Raises as `AuditLog.append`."""
        record = self._record(error, attempt)
        if record is not None:
            await self._audit.append(record)

    def keep_blocking(self, error: DomainError, attempt: Attempt) -> None:
        """The same from a worker thread."""
        record = self._record(error, attempt)
        if record is not None:
            self._audit.append_blocking([record])

    async def close(self) -> None:
        """Write what was counted."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            if timer.is_alive():
                await asyncio.to_thread(timer.join)
        await asyncio.to_thread(self._write)

    def _record(self, error: DomainError, attempt: Attempt) -> SealedRecord | None:
        """The leaf of an attempt; None where it was counted."""
        with self._lock:
            if not attempt.request or not self._at_once(attempt):
                self._count(error, attempt)
                return None
        return refusal(
            error,
            at=attempt.at,
            actor=attempt.actor,
            operation=attempt.operation,
            grant=attempt.grant,
            asked={**attempt.asked, "request": attempt.request},
            signed=_signed(attempt),
        )

    def _at_once(self, attempt: Attempt) -> bool:
        began, had = self._minutes.get(attempt.actor, (attempt.at, 0))
        if attempt.at - began >= MINUTE:
            began, had = attempt.at, 0
        if had >= AT_ONCE:
            return False
        if len(self._minutes) >= GREATEST_SYSTEMS:
            self._minutes.clear()
        self._minutes[attempt.actor] = (began, had + 1)
        return True

    def _count(self, error: DomainError, attempt: Attempt) -> None:
        which = (attempt.actor, attempt.operation, error.reason)
        held = self._counts.get(which)
        if held is None:
            held = self._counts[which] = _Count(attempt.at, attempt.at)
        held.count += 1
        held.last = attempt.at
        if self._timer is None:
            self._timer = threading.Timer(COUNT_SECONDS, self._due)
            self._timer.daemon = True
            self._timer.start()

    def _due(self) -> None:
        with self._lock:
            self._timer = None
        self._write()

    def _write(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, {}
        for (actor, operation, reason), one in counts.items():
            facts: dict[str, Value] = {
                "operation": operation,
                "reason": reason,
                "count": one.count,
                "first": instant(one.first),
                "last": instant(one.last),
            }
            record = make_record("queries_refused", at=one.last, actor=actor, facts=facts)
            try:
                self._audit.append_blocking([record])
            except DomainError as error:
                # The storage fails, which every caller is being told.
                _log.error(
                    "refusals_not_recorded", reason=error.reason, actor=actor, count=one.count
                )


def _signed(attempt: Attempt) -> dict[str, Value]:
    """What the record says of the signature; nothing of one that is not over this request."""
    if attempt.signature is None:
        return {}
    try:
        return {"signed": attempt.signature.check(attempt.method, attempt.request, attempt.at)}
    except PermissionDenied:
        return {}
