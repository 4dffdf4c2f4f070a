"""The log as its readers search it: backwards from its end, by what a record is and who acted.

1. A search looks at a bounded stretch of the log at a time and says how far it came: a log of
   millions is searched in steps, and no step holds the node up.
2. What is shown of a record is its leaf and nothing else; what its commitments hide stays hidden.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
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
    #: The first index that was looked at; 0 is the log's beginning.
    reached: int
    looked_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is searched for; an empty word is found in every record."""

    kind: str = ""
    actor: str = ""
    text: str = ""

    def fits(self, record: Record) -> bool:
        """Whether it is this record."""
        return (
            (not self.kind or record.kind == self.kind)
            and self.actor in record.actor
            and (not self.text or self.text.encode() in record.leaf)
        )


class Log:
    """One auditor's questions to the log."""

    def __init__(self, person: Person, node: str) -> None:
        self._stub: Any = audit_pb2_grpc.AuditServiceStub(person.channel(node))

    async def search(self, wanted: Wanted, before: int | None = None) -> Found:
        """Records before an index (the end, where it is None), the newest first."""
        size = (await self._entries(0, 1)).size
        end = size if before is None else max(0, min(before, size))
        reached = end
        found: list[Record] = []
        while reached > 0 and end - reached < GREATEST_STRETCH and len(found) < SHOWN:
            start = max(0, reached - CHUNK)
            leaves = list((await self._entries(start, reached - start)).leaves)
            for place in range(len(leaves) - 1, -1, -1):
                record = read(start + place, leaves[place])
                if wanted.fits(record):
                    found.append(record)
                    if len(found) == SHOWN:
                        break
            reached = start + (place if len(found) == SHOWN else 0)
        return Found(records=tuple(found), size=size, reached=reached, looked_at=end - reached)

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
        if key not in ("v", "kind", "actor", "time", "commitments")
    )
    return Record(
        index=index,
        leaf=leaf,
        kind=str(body.get("kind", "")),
        actor=str(body.get("actor", "")),
        time=_time(str(body.get("time", ""))),
        facts=facts,
        commitments=tuple(sorted(body.get("commitments") or ())),
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
