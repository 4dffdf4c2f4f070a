"""What is read off the messages of methods that answer data; on the hot path, so it is little.

A stream is told answer by answer, as each is sent: it may end badly, or not for days, and what was
answered was answered.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from exchange.monitoring.claiming import VERIFY
from exchange.monitoring.model import KEYS_OF_A_CALL
from runtime.observing import Look, Seen

GREATEST_ITEMS = 64


class Sent(NamedTuple):
    """One answer of a stream, of which there may be many; `grant` may be named by a subscription.

    `at` is nanoseconds since 1970.
    """

    seen: Seen
    at: int
    grant: str
    rows: int
    keys: Sequence[str]


Looks = dict[str, tuple[Look | None, Look | None]]


def _asked(seen: Seen, request: Any) -> None:
    seen.grant = request.grant
    seen.purpose = request.purpose


def _asked_files(seen: Seen, request: Any) -> None:
    _asked(seen, request)
    seen.asked = deque()  # the rules are told of the files as they are written


def _asked_key(seen: Seen, request: Any) -> None:
    seen.grant = request.grant
    seen.purpose = request.purpose
    seen.keys = (request.key,)


def _asked_query(seen: Seen, request: Any) -> None:
    seen.grant = request.grant
    seen.purpose = request.purpose
    key = request.key
    seen.keys = (key,) if key else tuple(request.keys[:KEYS_OF_A_CALL])


class _Streams:
    """Looks at what streams ask and are sent; hands each answer to `take`."""

    def __init__(self, take: Callable[[Sent], None], now: Callable[[], int]) -> None:
        self._take = take
        self._now = now

    def asked_batch(self, seen: Seen, request: Any) -> None:
        if seen.asked is None:
            seen.asked = deque()
            seen.grant = request.grant
            seen.purpose = request.purpose
        elif request.grant != seen.grant:
            seen.grant = ""  # several in one stream: none is told of the call, each of its answers
        # Answers come in the order of the questions, of which few wait at a time.
        seen.asked.append((request.grant, tuple(request.keys)))

    def told_batch(self, seen: Seen, answer: Any) -> None:
        before = seen.rows
        _told_records(seen, answer)
        if seen.asked:
            grant, keys = seen.asked.popleft()
            self._take(Sent(seen, self._now(), grant, seen.rows - before, some_of(keys)))

    def asked_changes(self, seen: Seen, request: Any) -> None:
        seen.grant = request.subscription
        seen.asked = deque()

    def told_changes(self, seen: Seen, answer: Any) -> None:
        rows = len(answer.changes)
        seen.rows += rows
        if rows:
            self._take(Sent(seen, self._now(), seen.grant, rows, ()))


def _asked_dead_letter(seen: Seen, request: Any) -> None:
    seen.grant = request.name.rpartition("/deadLetters/")[0]


def _told_dead_letter(seen: Seen, answer: Any) -> None:
    seen.rows = int(answer.HasField("change"))


def some_of(keys: Sequence[str]) -> Sequence[str]:
    """A stretch of the keys of one question, in their order and not in the asker's.

    Where it begins nobody can foretell, and the order in which they were asked hides nothing.
    """
    if len(keys) <= KEYS_OF_A_CALL:
        return keys
    begin = secrets.randbelow(len(keys) - KEYS_OF_A_CALL + 1)
    return sorted(keys)[begin : begin + KEYS_OF_A_CALL]


def _told_query(seen: Seen, answer: Any) -> None:
    if answer.found:
        seen.rows = 1
        seen.items = tuple(answer.items)
        if not seen.items:
            seen.rows = 0
            _told_records(seen, answer)


def _told_records(seen: Seen, answer: Any) -> None:
    for record in answer.records:
        # A record that was not found has no items.
        if record.items:
            seen.rows += 1
            if not seen.items:
                seen.items = tuple(record.items)


def _told_verify(seen: Seen, answer: Any) -> None:
    seen.rows = 1
    seen.items = tuple(answer.claims)


def _asked_publish(seen: Seen, request: Any) -> None:
    if request.HasField("header"):
        seen.resource = request.header.resource
    else:
        seen.rows += len(request.rows)


def _asked_person(seen: Seen, request: Any) -> None:
    seen.keys = (request.key,)


def _told_person(seen: Seen, _answer: Any) -> None:
    seen.rows = 1


_EXCHANGE = "/tongban.exchange.v1."
#: Asks on behalf of people, under no grant.
MY_ACCESS = f"{_EXCHANGE}QueryService/MyAccess"
#: Asks for files, which are written later.
FILES = f"{_EXCHANGE}FileService/CreateExportJob"


def looks(take: Callable[[Sent], None], now: Callable[[], int]) -> Looks:
    """By method, what looks at each message asked and told."""
    streams = _Streams(take, now)
    changes = (streams.asked_changes, streams.told_changes)
    return {
        f"{_EXCHANGE}QueryService/Query": (_asked_query, _told_query),
        f"{_EXCHANGE}QueryService/BatchQuery": (streams.asked_batch, streams.told_batch),
        VERIFY: (_asked_key, _told_verify),
        f"{_EXCHANGE}QueryService/Export": (_asked, _told_records),
        FILES: (_asked_files, None),
        MY_ACCESS: (_asked_person, _told_person),
        f"{_EXCHANGE}SpatialService/SpatialQuery": (_asked, _told_records),
        f"{_EXCHANGE}DeliveryService/PullChanges": changes,
        f"{_EXCHANGE}DeliveryService/Subscribe": changes,
        f"{_EXCHANGE}DeliveryService/GetDeadLetter": (_asked_dead_letter, _told_dead_letter),
        f"{_EXCHANGE}DeliveryService/Publish": (_asked_publish, None),
    }
