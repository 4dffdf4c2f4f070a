"""What is relayed, and the pure rules of it.

1. One subscription goes into one stream that nobody else writes to. Its changes stand there in the
   order of the log, each exactly once, as the subscription's grant shows them.
2. The stream itself says how far it has come: its last message names its offset. So whatever died,
   and for however long, a change that is there is not put there again, and none is left out.
3. Every message names the sequence that it must follow, and the first of several is waited for: a
   relay that another one has overtaken counts from a sequence that stands for another change, so
   only its first message is sure to be refused. Two relays of one subscription cannot mix: one
   puts, the other is refused, looks where the stream is, and finds its changes there.
4. The message's id is the subscription and the offset, for brokers and readers that look at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from runtime import names
from runtime.records import canonical, instant

OFFSET = "Tongban-Offset"
MESSAGE_ID = "Nats-Msg-Id"
EXPECTED = "Nats-Expected-Last-Sequence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """One change as a subscriber sees it."""

    offset: int
    withdrawn: bool
    record_id: str
    items: Mapping[str, str]
    publish_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a subscription is put: the stream, and the subject of its messages."""

    stream: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a stream has come: the sequence and the offset of its last message."""

    sequence: int
    offset: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the broker takes it."""

    payload: bytes
    headers: dict[str, str]

    @property
    def sequence(self) -> int:
        """Where it has to stand in the stream."""
        return int(self.headers[EXPECTED]) + 1


def target_of(subscription: str) -> Target:
    """Where a subscription is put unless it is said otherwise. Raises InvalidArgument."""
    ids = names.parse(names.SUBSCRIPTION, subscription, field="subscription")
    department, last = ids["department"], ids["subscription"]
    return Target(stream=f"tongban_{department}_{last}", subject=f"tongban.{department}.{last}")


def messages(subscription: str, changes: Iterable[Relayed], place: Place) -> Sequence[Message]:
    """The messages of the changes that the stream does not have yet, in their order."""
    missing = [change for change in changes if change.offset > place.offset]
    return [
        Message(
            canonical(
                {
                    "offset": change.offset,
                    "type": "withdraw" if change.withdrawn else "upsert",
                    "record_id": change.record_id,
                    "items": dict(change.items),
                    "publish_time": instant(change.publish_time),
                }
            ),
            {
                MESSAGE_ID: f"{subscription}#{change.offset}",
                OFFSET: str(change.offset),
                EXPECTED: str(place.sequence + ahead),
            },
        )
        for ahead, change in enumerate(missing)
    ]


def after(place: Place, changes: Sequence[Relayed], sent: int) -> Place:
    """How far the stream has come with these changes, of which so many were sent."""
    last = changes[-1].offset if changes else 0
    return Place(sequence=place.sequence + sent, offset=max(place.offset, last))
