"""What a guard tells of each finished call, to one observer, for less than a microsecond or two.

Nothing here is kept or written: `Observer.done` must only take the note and return.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

#: What was asked or told, looked at when it is there: a message, and the note to write it on.
Look = Callable[["Seen", Any], None]


class Seen:
    """One call as it went. Times are of `time.perf_counter`; `at` is the same as `began`, UTC.

    Most stays as the class has it, so that making one costs little.
    """

    # When the method began, when it ended, when its answer was handed on; 0 where it did not.
    handled = answered = ended = 0.0
    request_bytes = response_bytes = 0
    system = ""
    #: Name of the gRPC status.
    code = "CANCELLED"
    reason = ""
    # What only the messages tell; what is the caller's word is not to be believed on refusal.
    grant = resource = purpose = ""
    #: In memory, for the rules; never written.
    keys: tuple[str, ...] = ()
    rows = 0
    items: tuple[str, ...] = ()
    #: Of a stream: what was asked and not yet answered.
    asked: deque[tuple[str, tuple[str, ...]]] | None = None
    #: W3C `traceparent` of the caller, where traces are on.
    trace = ""

    def __init__(self, method: str, began: float) -> None:
        self.method = method
        #: Nanoseconds since 1970.
        self.at = time.time_ns()
        #: When the request was there.
        self.began = began


class Observer(Protocol):
    """Takes notes of calls."""

    #: Whether callers' traces are wanted.
    tracing: bool
    #: By method, what to look at in its request and in its answer (of a stream: in each message).
    looks: dict[str, tuple[Look | None, Look | None]]

    def done(self, seen: Seen) -> None:
        """A call is over; returns at once and raises nothing."""
        ...


class Nobody:
    """The observer where there is none."""

    tracing = False

    def __init__(self) -> None:
        self.looks: dict[str, tuple[Look | None, Look | None]] = {}

    def done(self, seen: Seen) -> None:
        """Nothing."""
