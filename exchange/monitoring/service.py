"""Takes notes of calls and, once a second, makes records, alerts and the feed of them.

1. A call's own path only puts its note into a bounded ring. What does not fit is dropped and
   counted; a question never waits for monitoring and never fails because of it.
2. One thread makes records of the notes, looks at them by the rules, writes both in one transaction
   and sends alerts. What cannot be written is dropped and counted too: the log of what was answered
   is the audit log, not this.
3. Notes hold keys until then, in memory only.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge

from exchange.monitoring import feeding
from exchange.monitoring.looking import FILES, GREATEST_ITEMS, MY_ACCESS, Looks, Sent, looks
from exchange.monitoring.model import (
    DOUBTFUL,
    HISTORY_HOURS,
    HOUR,
    Answer,
    CallRecord,
    Rules,
    Watch,
)
from exchange.monitoring.store import MonitoringStore
from exchange.monitoring.tracing import Tracer
from runtime.config import MonitoringSettings
from runtime.database import Database
from runtime.errors import DomainError
from runtime.files import write_private
from runtime.observing import Seen
from runtime.telemetry import Repeated
from runtime.workdays import Workdays

RING = 50_000
PAUSE = 1.0
CALENDAR_SECONDS = 600
PRUNE_EVERY = timedelta(minutes=1).total_seconds()
#: Records beyond that are pruned, whatever their age.
GREATEST_RECORDS = 5_000_000

BYTES = Counter("tongban_rpc_bytes_total", "Bytes of messages.", ["method", "direction"])
RECORDS = Counter("tongban_monitoring_records_total", "Records of calls.", ["outcome"])
ALERTS = Counter("tongban_alerts_total", "Alerts raised.", ["kind"])
FEED = Counter("tongban_feed_total", "Alerts sent to a supervisor, or not.", ["target", "outcome"])
WAITING = Gauge("tongban_feed_waiting", "Alerts on their way to a supervisor.")

_log = structlog.get_logger()


class Monitoring:
    """The node's observer."""

    def __init__(
        self,
        database: Database,
        settings: MonitoringSettings,
        *,
        secret: Path,
        calendar: Callable[[], Workdays],
        resource_of: Callable[[str], str],
        grant_of: Callable[[str], str],
    ) -> None:
        """`resource_of` a grant, `grant_of` a subscription: by name, empty of an unknown one."""
        self.store = MonitoringStore(database)
        self.looks: Looks = looks(self._sent, time.time_ns)
        self._settings = settings
        self._secret = secret
        self._hash_key = b""
        self._resource_of = resource_of
        self._grant_of = grant_of
        self._read_calendar = calendar
        self._calendar_read: tuple[float, Workdays] | None = None
        self._watch = Watch(
            Rules(
                volume_factor=settings.volume_factor,
                volume_floor=settings.volume_floor,
                sequence=settings.sequence,
                refused=settings.refused,
                claims=settings.claims,
                hours=settings.work_hours(),
            ),
            self._calendar,
        )
        self._tracer = Tracer(settings.traces) if settings.traces else None
        self.tracing = self._tracer is not None
        self._ring: deque[Seen | Sent] = deque()
        self._feeders = feeding.feeders(settings)
        self._purposes: dict[str, str] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pruned = 0.0
        self._dropped = RECORDS.labels(outcome="dropped")
        self._written = RECORDS.labels(outcome="written")
        self._failing = Repeated("monitoring_failed", "monitoring_works_again")

    def done(self, seen: Seen) -> None:
        """Take a note; on the loop."""
        seen.ended = time.perf_counter()
        if len(self._ring) < RING:
            self._ring.append(seen)
        else:
            self._dropped.inc()

    def wrote(self, system: str, grant: str, rows: int) -> None:
        """Take a note of records that were written into a file for a system; on the loop."""
        seen = Seen(FILES, time.perf_counter())
        seen.system = system
        self._sent(Sent(seen, time.time_ns(), grant, rows, ()))

    def _sent(self, sent: Sent) -> None:
        """Take a note of one answer of a stream; on the loop."""
        if len(self._ring) < RING:
            self._ring.append(sent)

    def start(self) -> None:
        """Begin to write, from what the grants' last week was like."""
        try:
            self._hash_key = self._secret.read_bytes()
        except OSError:
            self._hash_key = secrets.token_bytes(32)
            self._secret.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self._secret, self._hash_key)
        since = time.time_ns() // 1000 - HISTORY_HOURS * HOUR
        for grant, hours in self.store.rows_by_hour(since).items():
            self._watch.remember(grant, hours)
        self._thread = threading.Thread(target=self._run, name="monitoring", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is noted, and end."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stopping.wait(PAUSE)
            try:
                self.flush()
                if not stopping:
                    self._send()
                    self._prune()
            except Exception as error:  # noqa: BLE001  # the next second tries again
                self._failing.failed(error)
            else:
                self._failing.succeeded()

    def flush(self) -> int:
        """Write what is noted; how many records."""
        notes = [self._ring.popleft() for _ in range(len(self._ring))]
        if not notes:
            return 0
        if self._tracer is not None:
            self._tracer.take([note for note in notes if isinstance(note, Seen)])
        try:
            calls = []
            for note in notes:
                if isinstance(note, Sent):
                    self._see_sent(note)
                    continue
                call = self._record(note)
                self._see(call, note)
                calls.append(call)
            self._count_bytes(calls)
            now = time.time_ns() // 1000
            targets = [feeder.target for feeder in self._feeders]
            new, dropped = self.store.write(calls, self._watch.raised(), targets, now)
        except DomainError:
            self._dropped.inc(len(notes))
            raise
        self._written.inc(len(calls))
        for alert in new:
            ALERTS.labels(kind=alert.kind.value).inc()
            _log.warning("alert", kind=alert.kind.value, subject=alert.subject, count=alert.count)
        if dropped:
            FEED.labels(target="", outcome="outbox_full").inc(dropped)
        return len(calls)

    def _see(self, call: CallRecord, note: Seen) -> None:
        """Show a call to the rules; what a stream answered they have seen already."""
        if note.asked is not None:
            call = call._replace(grant="")
        elif note.method == MY_ACCESS:
            call = call._replace(grant=call.system)
        self._watch.see(call, note.keys)

    def _see_sent(self, sent: Sent) -> None:
        grant = self._granted(sent.grant)
        if grant:
            answer = Answer(grant, sent.seen.system, sent.at // 1000, sent.rows, sent.keys)
            self._watch.see_answer(answer)

    def _granted(self, name: str) -> str:
        """The grant of this name, or of the subscription of this name."""
        return self._grant_of(name) if "/subscriptions/" in name else name

    def _record(self, note: Seen) -> CallRecord:
        begin = note.at // 1000
        handled = note.handled or note.ended
        answered = note.answered or note.ended
        grant, resource = note.grant, ""
        if grant:
            # A grant that there is, of a call that was its consumer's: what was answered was.
            doubtful = note.code in DOUBTFUL and not note.rows
            grant = "" if doubtful else self._granted(grant)
            resource = self._resource_of(grant) if grant else ""
            if not resource:
                grant = ""
        if note.resource and note.code == "OK":
            resource = note.resource
        # In the order of its fields, which costs a third of naming them.
        return CallRecord(
            note.system,
            note.method,
            begin,
            begin + _micros(handled - note.began),
            begin + _micros(answered - note.began),
            begin + _micros(note.ended - note.began),
            note.request_bytes,
            note.response_bytes,
            note.code,
            note.reason,
            grant,
            resource,
            self._purpose(note.purpose) if note.purpose else "",
            note.rows,
            note.items[:GREATEST_ITEMS],
        )

    def _purpose(self, text: str) -> str:
        held = self._purposes.get(text)
        if held is None:
            if len(self._purposes) >= 1000:
                self._purposes.clear()
            made = hashlib.blake2b(text.encode(), key=self._hash_key, digest_size=8)
            held = self._purposes[text] = made.hexdigest()
        return held

    def _calendar(self) -> Workdays:
        now = time.monotonic()
        if self._calendar_read is None or now - self._calendar_read[0] > CALENDAR_SECONDS:
            self._calendar_read = (now, self._read_calendar())
        return self._calendar_read[1]

    def _count_bytes(self, calls: list[CallRecord]) -> None:
        sums: dict[str, list[int]] = {}
        for call in calls:
            both = sums.setdefault(call.method, [0, 0])
            both[0] += call.request_bytes
            both[1] += call.response_bytes
        for method, (received, sent) in sums.items():
            BYTES.labels(method=method, direction="received").inc(received)
            BYTES.labels(method=method, direction="sent").inc(sent)

    def _send(self) -> None:
        by_target = {feeder.target: feeder for feeder in self._feeders}
        failed: set[str] = set()
        for waiting in self.store.due(time.time_ns() // 1000, feeding.AT_ONCE):
            feeder = by_target.get(waiting.target)
            if feeder is None:  # no longer configured
                self.store.sent(waiting)
                continue
            outcome = "failed"
            if waiting.target not in failed:
                with suppress(OSError):  # a refused, slow or untrusted target
                    feeder.send(waiting.alert)
                    outcome = "sent"
            if outcome == "failed":
                failed.add(waiting.target)
                if waiting.tries + 1 >= feeding.GREATEST_TRIES:
                    outcome = "given_up"
                    _log.error("alert_not_delivered", target=feeder.label)
                else:
                    pause = feeding.pause(waiting.tries)
                    self.store.failed(waiting, time.time_ns() // 1000 + _micros(pause))
            if outcome != "failed":
                self.store.sent(waiting)
            FEED.labels(target=feeder.label, outcome=outcome).inc()
        if self._feeders:
            WAITING.set(self.store.waiting())

    def _prune(self) -> None:
        now = time.monotonic()
        if now - self._pruned < PRUNE_EVERY and self._pruned:
            return
        before = time.time_ns() // 1000 - self._settings.retention_days * 24 * HOUR
        if self.store.prune(before=before, most=GREATEST_RECORDS) == 0:
            self._pruned = now  # else the next second takes the next portion


def _micros(seconds: float) -> int:
    return int(seconds * 1_000_000)
