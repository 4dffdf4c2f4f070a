"""One source for each item (一数一源): cases, their rules, and how far two sources differ.

1. Items of different resources that name one data element (`DataItem.element`) mean the same thing.
   Where two or more departments publish one, a case asks which is its source.
2. A case is open, then decided (a resource of a party is the source) or dismissed; never back.
3. Two publishers can be compared where their key items are of one standard: then equal keys mean
   one person or body. Two resources of one department are not compared.
4. Values are compared by keyed hashes only: HMAC-SHA-256 under a random key of the run, of the
   record's key and of its value in normal form, so equal values of two people do not show. What
   leaves a comparison is counts, and the hashes of the keys of which both hold values that differ.
5. Fewer common records than `FEWEST` are told to nobody, nor do they open a case; `rights` has who
   measures, and who sees counts.
6. Only the two departments of a pair get those hashes and the key of the run, while the case is
   open. Both hold the records in question, so they learn which of their own to look at and nothing
   else; keys that only one holds are counted and never listed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import combinations

from exchange.catalog.model import ItemType
from runtime import names
from runtime.errors import (
    Aborted,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Principal, Role
from runtime.records import canonical

RUN_KEY_SIZE = 32
HASH_SIZE = 16
REASON_LIMIT = 500
GREATEST_PARTIES = 10
#: Least records in common of which counts are told.
FEWEST = 20
#: Hashes of differing keys that a case keeps.
GREATEST_KEPT = 100_000
_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_BESIDE_HAN = re.compile(f"(?<=[{_HAN}]) | (?=[{_HAN}])")


class SourceCaseState(StrEnum):
    """Where a case is."""

    OPEN = "open"
    DECIDED = "decided"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """An item of a resource that holds an element."""

    resource: str
    item: str
    key_standard: str
    type: ItemType = ItemType.CHARACTER
    #: The catalog, or the negative list, keeps it from everybody; not part of a case.
    closed: bool = False

    @property
    def department(self) -> str:
        """Whose resource it is."""
        return names.department_of(self.resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """How far two publishers differ; counts of records by key, where they hold a value."""

    pair: int
    first: str
    second: str
    comparable: bool = True
    equal: int = 0
    different: int = 0
    only_first: int = 0
    only_second: int = 0

    @property
    def both(self) -> int:
        """Records of which both hold a value."""
        return self.equal + self.different

    @property
    def withheld(self) -> bool:
        """Whether there are too few to tell of."""
        return self.comparable and self.both < FEWEST

    def without_counts(self) -> Measurement:
        """The same pair, and nothing about its records."""
        return replace(self, equal=0, different=0, only_first=0, only_second=0)

    def told(self) -> Measurement:
        """What may be told of it, and kept."""
        return self.without_counts() if self.withheld else self


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCase:
    """A question of one source."""

    name: str
    element: str
    parties: tuple[Publisher, ...]
    measurements: tuple[Measurement, ...]
    state: SourceCaseState = SourceCaseState.OPEN
    source: str = ""
    reason: str = ""
    create_time: datetime
    measure_time: datetime
    decide_time: datetime | None = None

    @property
    def departments(self) -> frozenset[str]:
        """The departments whose resources it is about."""
        return frozenset(party.department for party in self.parties)

    @property
    def etag(self) -> str:
        """Changes with what was measured and decided."""
        told = [
            self.name,
            self.state.value,
            self.source,
            self.measure_time.isoformat(),
            [[party.resource, party.item] for party in self.parties],
        ]
        return hashlib.sha256(canonical(told)).hexdigest()[:32]


def pairs_of(parties: Sequence[Publisher]) -> list[tuple[Publisher, Publisher]]:
    """Every two publishers of different departments; a pair's number is its place."""
    return [(a, b) for a, b in combinations(parties, 2) if a.department != b.department]


def comparable(first: Publisher, second: Publisher) -> bool:
    """Whether equal keys of the two mean one person or body."""
    return first.key_standard == second.key_standard != ""


def normal_form(kind: ItemType, value: str) -> str:
    """A value as it is compared: width, case and spaces do not matter, nor how a number is written.

    Unicode NFKC, spaces folded, and cut at the ends and beside Han characters, between which they
    part no words; lower case; a number without needless zeros; an instant in UTC.
    """
    text = " ".join(unicodedata.normalize("NFKC", value).casefold().split())
    text = _BESIDE_HAN.sub("", text)
    try:
        if kind is ItemType.NUMBER:
            number = Decimal(text)
            return "0" if number == 0 else f"{number.normalize():f}"
        if kind is ItemType.TIME:
            return datetime.fromisoformat(text.upper()).astimezone(UTC).isoformat()
    except (InvalidOperation, ValueError, OverflowError):
        return text
    return text


def key_hash(run_key: bytes, key: str) -> bytes:
    """The keyed hash of a record's key, 16 bytes."""
    return hmac.digest(run_key, b"key\0" + key.encode(), "sha256")[:HASH_SIZE]


def value_hash(run_key: bytes, key: str, kind: ItemType, value: str) -> bytes:
    """The keyed hash of a record's value in normal form, bound to its key; 16 bytes."""
    told = b"value\0" + key.encode() + b"\0" + normal_form(kind, value).encode()
    return hmac.digest(run_key, told, "sha256")[:HASH_SIZE]


Values = Iterator[tuple[str, str]]


def compare(
    pair: int,
    publishers: tuple[Publisher, Publisher],
    values: tuple[Values, Values],
    *,
    run_key: bytes,
    keep: Callable[[bytes], None],
) -> Measurement:
    """Join two streams of (key, value) that are in order of key, and count.

    In the memory of one record of each. `keep` gets the hash of each key whose values differ. Keys
    are in the order of their bytes in UTF-8, as both databases sort them.
    """
    first, second = publishers
    left, right = values
    equal = different = only_first = only_second = 0
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0].encode() < other[0].encode()):
            only_first += 1
            one = next(left, None)
        elif one is None or other[0].encode() < one[0].encode():
            only_second += 1
            other = next(right, None)
        else:
            key = one[0]
            same = hmac.compare_digest(
                value_hash(run_key, key, first.type, one[1]),
                value_hash(run_key, key, second.type, other[1]),
            )
            if same:
                equal += 1
            else:
                different += 1
                keep(key_hash(run_key, key))
            one, other = next(left, None), next(right, None)
    return Measurement(
        pair=pair,
        first=first.resource,
        second=second.resource,
        equal=equal,
        different=different,
        only_first=only_first,
        only_second=only_second,
    )


def opens(
    newest: SourceCase | None, parties: Sequence[Publisher], found: Sequence[Measurement]
) -> bool:
    """Whether a measurement opens a case, where none is open.

    Two publishers must hold `FEWEST` records in common, and the question must be new: never asked,
    asked of others, or answered with a resource that publishes the element no more.
    """
    if not any(one.both >= FEWEST for one in found):
        return False
    if newest is None:
        return True
    now = {party.resource for party in parties}
    if newest.state is SourceCaseState.DECIDED and newest.source not in now:
        return True
    return now != {party.resource for party in newest.parties}


def may_see(principal: Principal, case: SourceCase) -> bool:
    """Whether the caller may know of a case."""
    if principal.has(Role.ADMINISTRATOR) or principal.has(Role.AUDITOR):
        return True
    return principal.department in case.departments


def party_to_the_element() -> PermissionDenied:
    """The answer to an administrator of a department that publishes the element."""
    return PermissionDenied(
        "your department publishes this element itself: who is above all parties, or the "
        "department that runs the node, measures and decides",
        reason="PARTY_TO_THE_ELEMENT",
        message_zh="本部门是该数据元的发布方：由各方的上级、主管部门或节点管理部门测量和确定",
    )


def decide(
    principal: Principal,
    case: SourceCase | None,
    *,
    source: str,
    reason: str,
    etag: str,
    now: datetime,
) -> SourceCase:
    """The case with its source named.

    Raises NotFound (SOURCE_CASE_NOT_FOUND), PermissionDenied (NOT_AN_ADMINISTRATOR,
    PARTY_TO_THE_ELEMENT), FailedPrecondition (SOURCE_CASE_CLOSED), Aborted (ETAG_MISMATCH)
    or InvalidArgument (SOURCE_CASE_INVALID, with all violations).
    """
    case = _to_close(principal, case, etag)
    wrong = _reason_faults(reason)
    if source not in {party.resource for party in case.parties}:
        wrong.append(FieldViolation("source", "is not a resource of a party of the case"))
    _refuse(wrong)
    return replace(
        case, state=SourceCaseState.DECIDED, source=source, reason=reason, decide_time=now
    )


def dismiss(
    principal: Principal, case: SourceCase | None, *, reason: str, etag: str, now: datetime
) -> SourceCase:
    """The case ended without a source. Raises as `decide`."""
    case = _to_close(principal, case, etag)
    _refuse(_reason_faults(reason))
    return replace(case, state=SourceCaseState.DISMISSED, reason=reason, decide_time=now)


def check_may_list(principal: Principal, case: SourceCase | None, pair: int) -> SourceCase:
    """The case, if the caller may have the hashes of a pair's differing keys.

    Raises NotFound (SOURCE_CASE_NOT_FOUND), PermissionDenied (NOT_OF_THE_PAIR), FailedPrecondition
    (SOURCE_CASE_CLOSED) or InvalidArgument (NO_SUCH_PAIR).
    """
    if case is None or not may_see(principal, case):
        raise case_not_found()
    measured = next((one for one in case.measurements if one.pair == pair), None)
    if measured is None:
        raise InvalidArgument(
            "the case has no pair of this number: see its measurements",
            reason="NO_SUCH_PAIR",
            message_zh="该案件没有此编号的比对：请查看其测量结果",
            violations=[FieldViolation("pair", "is not one of the case")],
        )
    of_pair = {names.department_of(measured.first), names.department_of(measured.second)}
    if principal.department not in of_pair or not principal.has(Role.DEPARTMENT):
        raise PermissionDenied(
            "only the two departments of a pair match its keys with their own records",
            reason="NOT_OF_THE_PAIR",
            message_zh="只有比对双方部门可以用其标识摘要核对自己的记录",
        )
    if case.state is not SourceCaseState.OPEN:
        raise _closed()
    return case


def _to_close(principal: Principal, case: SourceCase | None, etag: str) -> SourceCase:
    if case is None or not may_see(principal, case):
        raise case_not_found()
    if not principal.has(Role.ADMINISTRATOR):
        raise PermissionDenied(
            "an administrator names the source",
            reason="NOT_AN_ADMINISTRATOR",
            message_zh="由管理员确定数源",
        )
    if principal.department in case.departments:
        raise party_to_the_element()
    if case.state is not SourceCaseState.OPEN:
        raise _closed()
    if etag and etag != case.etag:
        raise Aborted(
            "the case has changed since it was read: read it again and repeat",
            reason="ETAG_MISMATCH",
            message_zh="读取之后案件已有变化：请重新读取后再试",
            violations=[FieldViolation("etag", "is not the newest")],
        )
    return case


def _reason_faults(reason: str) -> list[FieldViolation]:
    if 0 < len(reason) <= REASON_LIMIT and "\0" not in reason:
        return []
    return [FieldViolation("reason", f"1 to {REASON_LIMIT} characters are required")]


def _refuse(wrong: list[FieldViolation]) -> None:
    if wrong:
        raise InvalidArgument(
            "nothing was done: correct the fields listed and repeat",
            reason="SOURCE_CASE_INVALID",
            message_zh="未作任何更改：请更正所列字段后重试",
            violations=wrong,
        )


def _closed() -> FailedPrecondition:
    return FailedPrecondition(
        "the case is closed: measure the element again to see whether a new one opens",
        reason="SOURCE_CASE_CLOSED",
        message_zh="该案件已办结：请重新测量该数据元，以确定是否需要新立案",
    )


def case_not_found() -> NotFound:
    """The one answer for a case that is absent and for one that the caller may not know of."""
    return NotFound(
        "no such source case: check its name with ListSourceCases (`tongban sources cases`)",
        reason="SOURCE_CASE_NOT_FOUND",
        message_zh="没有该数源案件：请用案件列表（tongban sources cases）核对其名称",
    )
