"""Verifying records of the log, and the log whole, by the offline verifier: nothing is believed.

1. A record is verified with its own proof: leaf, path, checkpoint and the log's key, which an
   auditor had from elsewhere, or the node's where none is given; the page says which.
2. The whole log is verified as work (`working`): every leaf is hashed into one tree, whose root has
   to be the checkpoint's.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from exchange.audit.answering import Check, Outcome
from exchange.audit.merkle import Frontier, leaf_hash
from exchange.audit.note import NoteError, Verifier, open_checkpoint
from exchange.audit.verify import verify_inclusion
from portal.auditor.log import Log, Record
from portal.plain import plain_words
from portal.sessions.keeping import Person
from portal.working import Work
from runtime.errors import DomainError, InvalidArgument

MOST: Final = 50
"""Records that are verified at once, with a proof each."""
PORTION: Final = 4096
_RANGE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What came of one record."""

    index: int
    record: Record | None
    checks: tuple[Check, ...]
    #: Why it could not be looked at, English and Chinese.
    refused: tuple[str, str] = ("", "")

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return bool(self.checks) and all(one.outcome is Outcome.PASSED for one in self.checks)


@dataclass(slots=True, eq=False, kw_only=True)
class Whole:
    """The verifying of a whole log: by which key, and the tree as far as it is hashed."""

    key: str
    own_key: bool
    root: bytes
    tree: Frontier = field(default_factory=Frontier)


def indexes_in(text: str) -> list[int]:
    """The numbers and ranges of a text such as "3, 5, 10-20", each once.

    Raises InvalidArgument (BAD_INDEXES, TOO_MANY_RECORDS).
    """
    found: dict[int, None] = {}
    for word in text.replace("，", ",").replace("、", ",").replace(" ", ",").split(","):
        parts = word.split("-")
        if not word:
            continue
        good = len(parts) <= _RANGE and all(
            one.isascii() and one.isdecimal() and len(one) < 19 for one in parts
        )
        if not good or int(parts[0]) > int(parts[-1]):
            raise InvalidArgument(
                "write numbers of records, such as 3, 5, 10-20",
                reason="BAD_INDEXES",
                message_zh="请填写记录序号，如 3, 5, 10-20",
            )
        first, last = int(parts[0]), int(parts[-1])
        if last - first >= MOST:
            raise _too_many()
        found |= dict.fromkeys(range(first, last + 1))
        if len(found) > MOST:
            raise _too_many()
    if not found:
        raise InvalidArgument(
            "choose a record at least, or write its number",
            reason="BAD_INDEXES",
            message_zh="请至少选择一条记录，或填写其序号",
        )
    return list(found)


async def verify(log: Log, indexes: Sequence[int], key: str) -> list[Verified]:
    """Each record, with its proof."""
    return [await _verify_one(log, index, key) for index in indexes]


async def _verify_one(log: Log, index: int, key: str) -> Verified:
    try:
        record = await log.record(index)
        proof = await log.proof(index)
    except DomainError as error:
        return Verified(index=index, record=None, checks=(), refused=plain_words(error))
    answer = await asyncio.to_thread(verify_inclusion, proof, record.leaf, key)
    return Verified(index=index, record=record, checks=answer.checks)


def root_of(note: str, key: str) -> bytes:
    """The root that a checkpoint signs. Raises InvalidArgument (BAD_CHECKPOINT)."""
    try:
        return open_checkpoint(note, Verifier(key)).root
    except NoteError as error:
        raise InvalidArgument(
            f"the checkpoint is not signed by this key: {error}",
            reason="BAD_CHECKPOINT",
            message_zh="检查点不是由该密钥签名：请核对日志公钥",
        ) from None


def whole(note: str, key: str, *, own_key: bool, node: str) -> Work:
    """The work of verifying what a checkpoint signs. Raises InvalidArgument (BAD_CHECKPOINT)."""
    about = Whole(key=key, own_key=own_key, root=root_of(note, key))

    async def run(work: Work, person: Person) -> None:
        await _through(work, about, Log(person, node))

    return Work(run=run, about=about, size=int(note.splitlines()[1]))


async def _through(work: Work, about: Whole, log: Log) -> None:
    """Hash all leaves that are not hashed yet."""
    while work.done < work.size:
        leaves = await log.leaves(work.done, min(PORTION, work.size - work.done))
        if not leaves:
            work.end(
                "FAILED", f"the node gave no record {work.done}", f"节点未提供第 {work.done} 条记录"
            )
            return
        # Hashed or not, and never half: whoever is stopped here goes on with these leaves.
        tree = await asyncio.to_thread(_grown, about.tree, leaves)
        about.tree, work.done = tree, work.done + len(leaves)
    if about.tree.root() == about.root:
        work.end(
            "PASSED",
            "the tree over all records has the checkpoint's root",
            "全部记录的树根与检查点一致",
        )
    else:
        work.end(
            "FAILED",
            "the tree over all records has another root than the checkpoint",
            "全部记录的树根与检查点不一致",
        )


def _grown(tree: Frontier, leaves: Sequence[bytes]) -> Frontier:
    made = copy.deepcopy(tree)
    for leaf in leaves:
        made.add(leaf_hash(leaf))
    return made


def _too_many() -> InvalidArgument:
    return InvalidArgument(
        f"at most {MOST} records at once; all of them are verified by `Verify the whole log`",
        reason="TOO_MANY_RECORDS",
        message_zh=f"一次至多 {MOST} 条；如需核验全部，请用“核验整个日志”",
    )
