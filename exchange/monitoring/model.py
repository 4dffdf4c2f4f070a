"""Records of calls, and the rules that raise alerts from them; pure.

1. A record says who called what, the sizes, four times and the outcome, as X-Road's does; and
   grant, resource, rows and codes of items where the method has them. It holds no key and no value.
   The purpose is free text, so a keyed hash stands for it: alike purposes are seen to be alike.
2. What a caller wrote is recorded only where the node found it to be so: no grant's name of a call
   that was malformed or found nothing.
3. Keys are looked at when they are asked, for how near they are to those just before, and
   forgotten: the last few numbers a grant, in memory, are all that is ever held of them.
4. An alert is of one kind, subject and window, and is raised once; its count goes on growing.
5. Claims about one record are counted under a keyed hash of it (`claiming`), in memory.
6. All state is bounded: `GREATEST_SUBJECTS` of each kind, the longest unseen goes first.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from statistics import median
from typing import Generic, NamedTuple, TypeVar

from exchange.monitoring.claiming import VERIFY, Claims
from runtime.clock import CHINA
from runtime.workdays import Workdays

MICROSECONDS = 1_000_000
HOUR = 3600 * MICROSECONDS
TEN_MINUTES = 600 * MICROSECONDS
GREATEST_SUBJECTS = 10_000
#: Outcomes after which what the caller wrote is not believed.
DOUBTFUL = frozenset({"NOT_FOUND", "INVALID_ARGUMENT", "UNAUTHENTICATED", "CANCELLED", "UNKNOWN"})
#: Outcomes that are refused attempts.
REFUSALS = frozenset({"PERMISSION_DENIED", "NOT_FOUND", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED"})
#: Key sequences: so many answers are looked back at, and a neighbour is at most so far away.
LOOK_BACK = 64
NEIGHBOURS = 8
LAST_NUMBERS = 4
LONGEST_KEY = 64
#: Of one call at most so many keys are looked at.
KEYS_OF_A_CALL = 256
HISTORY_HOURS = 168
LEAST_HISTORY = 8
State = TypeVar("State")


class CallRecord(NamedTuple):
    """One finished call. Times are microseconds since 1970.

    A tuple in the order of the table's columns: thousands a second are made and written.
    """

    system: str
    method: str
    #: When the request was there, its method began, its method ended, its answer was handed on.
    request_in: int
    handler_begin: int
    handler_end: int
    response_out: int
    request_bytes: int
    response_bytes: int
    #: Name of the gRPC status, and the reason of a refusal.
    code: str
    reason: str = ""
    grant: str = ""
    resource: str = ""
    #: Keyed hash, 16 hexadecimal digits.
    purpose: str = ""
    rows: int = 0
    #: Codes of items that were answered.
    items: tuple[str, ...] = ()
    number: int = 0


class Answer(NamedTuple):
    """What was answered, as the rules look at it; `at` is microseconds since 1970."""

    #: A grant; of a counter's questions for applicants, which need none, the counter's system.
    subject: str
    system: str
    at: int
    rows: int
    keys: Sequence[str] = ()


class AlertKind(StrEnum):
    """What an alert is about."""

    VOLUME = "unusual_volume"
    SEQUENCE = "sequential_keys"
    OFF_HOURS = "off_hours"
    REFUSED = "refused_attempts"
    CLAIMS = "repeated_claims"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that a supervisor should look at."""

    number: int = 0
    kind: AlertKind
    #: A grant; of refused attempts, and of a counter's questions for applicants, the system.
    subject: str
    #: The system whose call raised it.
    system: str
    window_start: datetime
    window_end: datetime
    #: Rows, neighbouring keys, or calls.
    count: int
    #: What the count has passed.
    threshold: int

    @property
    def key(self) -> tuple[str, str, datetime]:
        """What there is one alert of."""
        return self.kind, self.subject, self.window_start


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """From when on alerts are raised."""

    #: So many times a grant's own median hour, at least `volume_floor` rows.
    volume_factor: int = 5
    volume_floor: int = 200
    #: Neighbouring keys among the last `LOOK_BACK`.
    sequence: int = 20
    #: Refused calls of a system in ten minutes.
    refused: int = 10
    #: Verifications of one record by a grant in an hour.
    claims: int = 20
    #: Hours of work in China on working days; None raises no alert.
    hours: tuple[time, time] | None = (time(7), time(21))


class _Kept(Generic[State]):
    """State by subject, of the subjects seen last."""

    __slots__ = ("_held", "_make", "_newest")

    def __init__(self, make: Callable[[], State]) -> None:
        self._make = make
        self._held: OrderedDict[str, State] = OrderedDict()
        self._newest: tuple[str, State] | None = None

    def of(self, subject: str) -> State:
        if self._newest is not None and self._newest[0] == subject:
            return self._newest[1]
        held = self._held.get(subject)
        if held is None:
            held = self._held[subject] = self._make()
            if len(self._held) > GREATEST_SUBJECTS:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end(subject)
        self._newest = (subject, held)
        return held

    def __len__(self) -> int:
        return len(self._held)


@dataclass(slots=True)
class _Count:
    """What is counted in the window that begins at `start`."""

    start: int = 0
    count: int = 0

    def add(self, start: int, count: int = 1) -> int:
        if start != self.start:
            self.start, self.count = start, 0
        self.count += count
        return self.count


@dataclass(slots=True)
class _Raised:
    """An alert that is being raised."""

    system: str
    width: int
    count: int
    threshold: int


@dataclass(slots=True)
class _Volume:
    """Rows of a grant: this hour, and its earlier hours of use."""

    now: _Count = field(default_factory=_Count)
    hours: deque[int] = field(default_factory=lambda: deque(maxlen=HISTORY_HOURS))
    threshold: int = 0

    def add(self, start: int, rows: int, rules: Rules) -> int:
        if start != self.now.start:
            if self.now.count:
                self.hours.append(self.now.count)
            usual = median(self.hours) if len(self.hours) >= LEAST_HISTORY else 0
            self.threshold = int(rules.volume_factor * max(usual, rules.volume_floor))
        return self.now.add(start, rows)


@dataclass(slots=True)
class _Sequence:
    """How keys of a grant followed each other."""

    last: deque[int] = field(default_factory=lambda: deque(maxlen=LAST_NUMBERS))
    near: deque[bool] = field(default_factory=lambda: deque(maxlen=LOOK_BACK))
    nears: int = 0
    stride: int = 0

    def add(self, number: int) -> int:
        """How many of the last answers were of neighbouring keys."""
        if number in self.last:  # asked again: says nothing
            return self.nears
        near = False
        for other in self.last:
            if -NEIGHBOURS <= number - other <= NEIGHBOURS:
                near = True
        if self.last:
            stride = number - self.last[-1]
            near = near or stride == self.stride
            self.stride = stride
        self.last.append(number)
        if len(self.near) == LOOK_BACK:
            self.nears -= self.near[0]
        self.near.append(near)
        self.nears += near
        return self.nears


def number_of(key: str) -> int | None:
    """Where a key stands among keys of its form; None of one that has no such place.

    The check character of a citizen number (GB 11643) and of a credit code (GB 32100), the last of
    18, is left out: it follows from the others.
    """
    if not 0 < len(key) <= LONGEST_KEY:
        return None
    text = key[:17] if len(key) == 18 else key
    if text.isascii():
        if text.isdigit():
            return int(text)
        text = "".join(filter(str.isalnum, text))
        digits = text.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        if digits.isdigit():
            return int(digits)
        return int(text, 36) if text else None
    return None


class Watch:
    """The rules over a stream of records; one thread uses it."""

    def __init__(self, rules: Rules, calendar: Callable[[], Workdays]) -> None:
        self._rules = rules
        self._calendar = calendar
        self._volumes: _Kept[_Volume] = _Kept(_Volume)
        self._sequences: _Kept[_Sequence] = _Kept(_Sequence)
        self._off: _Kept[_Count] = _Kept(_Count)
        self._refused: _Kept[_Count] = _Kept(_Count)
        self._claims = Claims()
        self._raised: dict[tuple[AlertKind, str, int], _Raised] = {}
        #: Between these instants it is open, or off hours (of the day that began then).
        self._open = (0, 0)
        self._off_hours = (0, 0, 0)

    def remember(self, grant: str, rows_by_hour: Iterable[tuple[int, int]]) -> None:
        """A grant's rows of earlier hours (number of the hour since 1970, rows), in order."""
        volume = self._volumes.of(grant)
        for hour, rows in rows_by_hour:
            volume.add(hour * HOUR, rows, self._rules)

    def see(self, call: CallRecord, keys: Sequence[str] = ()) -> None:
        """Look at one call that is over; `keys` are those it asked for."""
        if call.code in REFUSALS and call.system:
            self._see_refused(call)
        if call.grant and (call.code == "OK" or call.rows):
            self.see_answer(Answer(call.grant, call.system, call.request_in, call.rows, keys))
            if call.method == VERIFY and keys:
                self._see_claims(call, keys[0])

    def see_answer(self, answer: Answer) -> None:
        """Look at what was answered, whatever became of the call later."""
        self._see_volume(answer)
        if answer.keys:
            self._see_keys(answer)
        if self._rules.hours is not None:
            self._see_hours(answer)

    def raised(self) -> list[Alert]:
        """Alerts that are new or grew since this was asked last."""
        found, self._raised = self._raised, {}
        alerts = []
        for (kind, subject, start), held in found.items():
            begin = datetime.fromtimestamp(start // MICROSECONDS, UTC)
            alerts.append(
                Alert(
                    kind=kind,
                    subject=subject,
                    system=held.system,
                    window_start=begin,
                    window_end=begin + timedelta(microseconds=held.width),
                    count=held.count,
                    threshold=held.threshold,
                )
            )
        return alerts

    def _see_refused(self, call: CallRecord) -> None:
        start = call.request_in - call.request_in % TEN_MINUTES
        count = self._refused.of(call.system).add(start)
        if count >= self._rules.refused:
            self._raise(
                AlertKind.REFUSED, call.system, call.system, start, TEN_MINUTES,
                count, self._rules.refused,
            )  # fmt: skip

    def _see_claims(self, call: CallRecord, key: str) -> None:
        start, most = call.request_in - call.request_in % HOUR, self._rules.claims
        count = self._claims.add(call.grant, key, start)
        if count > most:
            self._raise(AlertKind.CLAIMS, call.grant, call.system, start, HOUR, count, most)

    def _see_volume(self, answer: Answer) -> None:
        start = answer.at - answer.at % HOUR
        volume = self._volumes.of(answer.subject)
        count = volume.add(start, max(answer.rows, 1), self._rules)
        if count > volume.threshold:
            self._raise(
                AlertKind.VOLUME, answer.subject, answer.system, start, HOUR,
                count, volume.threshold,
            )  # fmt: skip

    def _see_keys(self, answer: Answer) -> None:
        sequence = self._sequences.of(answer.subject)
        keys = answer.keys
        # The order in which they were asked in one question may hide how they follow each other.
        for key in sorted(keys)[:KEYS_OF_A_CALL] if len(keys) > 1 else keys:
            number = number_of(key)
            if number is None:
                continue
            near = sequence.add(number)
            if near >= self._rules.sequence:
                start = answer.at - answer.at % HOUR
                self._raise(
                    AlertKind.SEQUENCE, answer.subject, answer.system, start, HOUR,
                    near, self._rules.sequence,
                )  # fmt: skip

    def _see_hours(self, answer: Answer) -> None:
        at = answer.at
        if self._open[0] <= at < self._open[1]:
            return
        if not self._off_hours[0] <= at < self._off_hours[1]:
            self._tell_hours(at)
            if self._open[0] <= at < self._open[1]:
                return
        start = self._off_hours[2]
        count = self._off.of(answer.subject).add(start)
        self._raise(AlertKind.OFF_HOURS, answer.subject, answer.system, start, 24 * HOUR, count, 0)

    def _tell_hours(self, instant: int) -> None:
        """Whether it is open now, and until when that holds; off hours ask again in ten minutes."""
        assert self._rules.hours is not None  # noqa: S101  # the caller looked
        begin, end = self._rules.hours
        at = datetime.fromtimestamp(instant / MICROSECONDS, CHINA)
        day = at.replace(hour=0, minute=0, second=0, microsecond=0)
        start = _micros(day, time())
        until = start + 24 * HOUR
        if self._calendar().is_workday(day.date()):
            if begin <= at.time() < end:
                self._open = (_micros(day, begin), _micros(day, end))
                return
            if at.time() < begin:
                until = _micros(day, begin)
        self._off_hours = (instant, min(until, instant + TEN_MINUTES), start)

    def _raise(
        self,
        kind: AlertKind,
        subject: str,
        system: str,
        start: int,
        width: int,
        count: int,
        threshold: int,
    ) -> None:
        held = self._raised.get((kind, subject, start))
        if held is None:
            self._raised[kind, subject, start] = _Raised(system, width, count, threshold)
        elif count > held.count:
            held.count = count


def _micros(day: datetime, at: time) -> int:
    return int(datetime.combine(day.date(), at, CHINA).timestamp()) * MICROSECONDS
