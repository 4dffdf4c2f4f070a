"""Receipts of two departments side by side: where both show the same, and where they do not; pure.

1. Each receipt is verified first: it is the log's promise, and what its owner says was asked and
   answered is what the log committed to. A receipt that does not hold agrees with nothing.
2. Two receipts are of one record where their leaves are the same; two of one promise with different
   leaves are a difference, and one of them is forged.
3. What the log has between the two, and neither showed, is told beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from exchange.audit.answering import Outcome
from exchange.audit.note import NoteError
from exchange.audit.saved import SavedReceipt, receipt_from_json
from exchange.audit.verify import verify_receipt
from portal.auditor.facts import COMMITMENTS
from portal.auditor.log import Record, read
from portal.verifier.recorded import check_name

#: What a consumer and a source are both given receipts of, or keep.
KINDS: Final = frozenset(
    {"query", "verify", "spatial_query", "batch_query", "changes_delivered", "export"}
)
#: What a receipt lacks by itself and is no fault of it: whose certificate signed the question.
_OPEN: Final = frozenset({"certificate", "opening:answer", "opening:request", "opening:changes"})


class Verdict(StrEnum):
    """How the two sides stand about one record."""

    AGREE = "agree"
    DIFFER = "differ"
    FIRST_ONLY = "first_only"
    SECOND_ONLY = "second_only"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One receipt that a side showed."""

    file: str
    #: Why it does not hold, English and Chinese; empty where it does.
    fault: tuple[str, str] = ("", "")
    leaf: bytes = b""
    promise: tuple[str, int, int] = ("", 0, 0)
    #: SHA-256 of what its owner says was asked and answered, by label.
    values: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One record, as both sides show it."""

    verdict: Verdict
    record: Record
    first: Shown | None
    second: Shown | None
    #: Why they differ, English and Chinese.
    why: tuple[str, str] = ("", "")
    #: Whether the record is in the log; None where the period was not looked through.
    logged: bool | None = None


def shown(file: str, content: bytes, key: str) -> Shown:
    """One file, verified by the log's key."""
    try:
        saved = receipt_from_json(content.decode())
    except (NoteError, UnicodeDecodeError):
        return Shown(file=file, fault=("is no receipt", "不是回执文件"))
    failed = [
        one
        for one in verify_receipt(saved, key).checks
        if one.outcome is Outcome.FAILED
        or (one.outcome is Outcome.INDETERMINATE and one.name not in _OPEN)
    ]
    fault = ("", "")
    if failed:
        name = check_name(failed[0].name)
        fault = (f"{name.en}: {failed[0].detail}", f"{name.zh}：{failed[0].detail_zh}")
    receipt = saved.receipt
    return Shown(
        file=file,
        fault=fault,
        leaf=receipt.leaf,
        promise=(receipt.shard, receipt.batch, receipt.position),
        values=_digests(saved),
    )


def parties(record: Record) -> set[str]:
    """Departments that a record names: who acted, and whose grant or resource it was."""
    said = " ".join((record.actor, *(value for _, value in record.facts)))
    words = said.replace("、", " ").replace('"', " ").split()
    return {"/".join(word.split("/")[:2]) for word in words if word.startswith("departments/")}


def is_between(record: Record, first: str, second: str) -> bool:
    """Whether a record is of something that passed between two departments."""
    return record.kind in KINDS and {first, second} <= parties(record)


def compare(
    first: Sequence[Shown],
    second: Sequence[Shown],
    logged: Iterable[Record],
    *,
    complete: bool,
) -> list[Line]:
    """The lines of a comparison, what differs first; `complete`: the log's period is whole."""
    ours, theirs = _by_leaf(first), _by_leaf(second)
    in_log = {record.leaf: record for record in logged}
    promised = {one.promise: one for one in theirs.values()}
    lines = []
    for leaf in dict.fromkeys([*ours, *theirs, *in_log]):
        one, other = ours.get(leaf), theirs.get(leaf)
        record = in_log.get(leaf) or read(-1, leaf)
        if one is not None and other is None:
            rival = promised.get(one.promise)
            other = rival if rival is not None and rival.leaf not in ours else None
        verdict, why = _judge(one, other)
        lines.append(
            Line(
                verdict=verdict,
                record=record,
                first=one,
                second=other,
                why=why,
                logged=leaf in in_log if complete else None,
            )
        )
    rivals = {line.second.leaf for line in lines if line.first and line.second}
    lines = [one for one in lines if one.first or not one.second or one.second.leaf not in rivals]
    order = list(Verdict)
    order.insert(0, order.pop(1))
    return sorted(lines, key=lambda line: (order.index(line.verdict), _when(line)))


def unread(shown_ones: Iterable[Shown]) -> list[Shown]:
    """Files that are no receipts."""
    return [one for one in shown_ones if not one.leaf]


def _judge(one: Shown | None, other: Shown | None) -> tuple[Verdict, tuple[str, str]]:
    for side in (one, other):
        if side is not None and side.fault[0]:
            return Verdict.DIFFER, (
                f"{side.file}: {side.fault[0]}",
                f"{side.file}：{side.fault[1]}",
            )
    if one is None or other is None:
        if one is other:
            return Verdict.NEITHER, ("", "")
        return (Verdict.FIRST_ONLY if one else Verdict.SECOND_ONLY), ("", "")
    if one.leaf != other.leaf:
        return Verdict.DIFFER, ("two records under one promise", "同一承诺下出现两条不同的记录")
    common = (one.values or {}).keys() & (other.values or {}).keys()
    for label in sorted(common):
        if (one.values or {})[label] != (other.values or {})[label]:
            en, zh = COMMITMENTS.get(label, (label, label))
            return Verdict.DIFFER, (f"what they show differs: {en}", f"双方所示不同：{zh}")
    return Verdict.AGREE, ("", "")


def _by_leaf(those: Sequence[Shown]) -> dict[bytes, Shown]:
    found: dict[bytes, Shown] = {}
    for one in those:
        if one.leaf:
            held = found.get(one.leaf)
            # Of two of one record that which does not hold speaks.
            if held is None or (one.fault[0] and not held.fault[0]):
                found[one.leaf] = one
    return found


def _digests(saved: SavedReceipt) -> dict[str, str]:
    return {
        label: hashlib.sha256(repr(value).encode("utf-8", "replace")).hexdigest()
        for label, value in saved.values.items()
    }


def _when(line: Line) -> float:
    at: datetime | None = line.record.time
    return -at.timestamp() if at is not None else 0.0
