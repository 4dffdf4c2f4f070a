"""The log as its readers search it: backwards from its end, by what a record is, whose, and when.

1. A search looks at a bounded stretch of the log at a time, for a bounded time, and says how far it
   came: a log of millions is searched in steps, and no step holds the portal up.
2. A leaf is canonical JSON, so what cannot be found in its bytes is not read at all.
3. A span of time is found by halving, so that a day of years ago costs some forty short questions.
4. What is shown of a record is its leaf and nothing else; what its commitments hide stays hidden.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from exchange.v1 import audit_pb2, audit_pb2_grpc
from portal.node import told
from portal.sessions.keeping import Person
from runtime.errors import NotFound

SECONDS: Final = 30
SHOWN: Final = 50
CHUNK: Final = 2048
GREATEST_STRETCH: Final = 8 * CHUNK
"""Records that one step of a search looks at."""
LONGEST: Final = 0.08
"""Seconds after which a step ends with the chunk that it is at."""
_NEAR: Final = 8
_ASTRAY: Final = timedelta(minutes=10)
"""How far a record's time may be from those of its neighbours: they come from several appenders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of the log."""

    index: int
    leaf: bytes
    kind: str
    actor: str
    time: datetime | None
    #: The rest of it, as text, in the order of the leaf.
    facts: tuple[tuple[str, str], ...]
    #: Labels of what it commits to.
    commitments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One step of a search."""

    records: tuple[Record, ...]
    #: Size of the log.
    size: int
    #: The first index that was looked at.
    reached: int
    looked_at: int
    #: The first index of the span that was asked for; 0 is the log's beginning.
    first: int = 0

    @property
    def more(self) -> bool:
        """Whether there is something left to look at."""
        return self.reached > self.first


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is searched for; an empty word is found in every record."""

    kind: str = ""
    actor: str = ""
    text: str = ""
    #: What else may stand there instead: the identifiers of what a word is the name of.
    actors: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    #: From then, and before then.
    since: datetime | None = None
    until: datetime | None = None

    def marks(self) -> list[tuple[bytes, ...]]:
        """Of what the bytes of such a leaf hold one each."""
        groups = [(self.actor, *self.actors), (self.text, *self.texts)]
        if self.kind:
            groups.append((f'"kind":{json.dumps(self.kind)}',))
        return [tuple(word.encode() for word in group) for group in groups if group[0]]

    def fits(self, record: Record) -> bool:
        """Whether it is this record."""
        actor = f'{record.actor}"'
        return (
            (not self.kind or record.kind == self.kind)
            and (not self.actor or any(word in actor for word in (self.actor, *self.actors)))
            and (
                not self.text
                or any(word.encode() in record.leaf for word in (self.text, *self.texts))
            )
            and (self.since is None or (record.time is not None and record.time >= self.since))
            and (self.until is None or (record.time is not None and record.time < self.until))
        )


class Log:
    """One auditor's questions to the log."""

    def __init__(self, person: Person, node: str) -> None:
        self._stub: Any = audit_pb2_grpc.AuditServiceStub(person.channel(node))

    async def search(self, wanted: Wanted, before: int | None = None) -> Found:
        """Records before an index (the end, where it is None), the newest first."""
        size = await self.size()
        end = size if before is None else max(0, min(before, size))
        first = 0 if wanted.since is None else await self.first_since(wanted.since - _ASTRAY, size)
        if wanted.until is not None and before is None:
            end = await self.first_since(wanted.until + _ASTRAY, size)
        reached, marks, begun = end, wanted.marks(), time.monotonic()
        found: list[Record] = []
        while reached > first and end - reached < GREATEST_STRETCH and len(found) < SHOWN:
            chunk = CHUNK if marks else SHOWN
            start = max(first, reached - chunk)
            leaves = await self.leaves(start, reached - start)
            place = len(leaves)
            while place and len(found) < SHOWN:
                place -= 1
                leaf = leaves[place]
                if all(any(mark in leaf for mark in group) for group in marks):
                    record = read(start + place, leaf)
                    if wanted.fits(record):
                        found.append(record)
            reached = start + (place if len(found) == SHOWN else 0)
            if time.monotonic() - begun > LONGEST:
                break
        return Found(
            records=tuple(found),
            size=size,
            reached=reached,
            looked_at=max(0, end - reached),
            first=first,
        )

    async def size(self) -> int:
        """How many records there are."""
        return int((await self._entries(0, 1)).size)

    async def leaves(self, start: int, count: int) -> list[bytes]:
        """Leaves from an index on, all that there are of so many."""
        found: list[bytes] = []
        while len(found) < count:
            more = list((await self._entries(start + len(found), count - len(found))).leaves)
            if not more:
                break
            found += more
        return found

    async def first_since(self, at: datetime, size: int | None = None) -> int:
        """The first index whose record, and those after it, are of a time or later.

        By halving: records are in the order in which they came, give or take some seconds.
        """
        low, high = 0, await self.size() if size is None else size
        while low < high:
            middle = (low + high) // 2
            leaves = await self.leaves(middle, min(_NEAR, high - middle))
            times = [one.time for one in (read(0, leaf) for leaf in leaves) if one.time]
            if times and times[0] < at:
                low = middle + 1
            else:
                high = middle
        return low

    async def record(self, index: int) -> Record:
        """One record. Raises NotFound (RECORD_NOT_FOUND)."""
        answer = await self._entries(index, 1)
        if not answer.leaves:
            raise NotFound(
                f"the log has {answer.size} records: choose one of them",
                reason="RECORD_NOT_FOUND",
                message_zh=f"日志共有 {answer.size} 条记录：请从中选择",
            )
        return read(index, answer.leaves[0])

    async def proof(self, index: int) -> str:
        """That a record is in the log, c2sp.org/tlog-proof. Raises NotFound."""
        asked = audit_pb2.GetInclusionProofRequest(index=index)
        answer = await told(self._stub.GetInclusionProof(asked, timeout=SECONDS))
        return str(answer.proof)

    async def checkpoint(self) -> Any:
        """The newest checkpoint, and the log's key."""
        asked = audit_pb2.GetCheckpointRequest()
        return await told(self._stub.GetCheckpoint(asked, timeout=SECONDS))

    async def witnesses(self) -> Sequence[audit_pb2.Witness]:
        """Who watches over the log."""
        asked = audit_pb2.ListWitnessesRequest()
        found: Sequence[audit_pb2.Witness] = (
            await told(self._stub.ListWitnesses(asked, timeout=SECONDS))
        ).witnesses
        return found

    async def _entries(self, start: int, count: int) -> Any:
        asked = audit_pb2.ListEntriesRequest(start=start, page_size=count)
        return await told(self._stub.ListEntries(asked, timeout=SECONDS))


#: What a leaf commits to: for all who were told all of it, and for who asked.
_COMMITTED: Final = ("commitments", "asked")


def read(index: int, leaf: bytes) -> Record:
    """What a leaf says; one that is not a record of ours says nothing but its bytes."""
    try:
        body = json.loads(leaf)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    facts = tuple(
        (key, _text(value))
        for key, value in body.items()
        if key not in ("v", "kind", "actor", "time", *_COMMITTED)
    )
    return Record(
        index=index,
        leaf=leaf,
        kind=str(body.get("kind", "")),
        actor=str(body.get("actor", "")),
        time=_time(str(body.get("time", ""))),
        facts=facts,
        commitments=tuple(sorted({str(one) for key in _COMMITTED for one in body.get(key) or ()})),
    )


def _text(value: object) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "、".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
