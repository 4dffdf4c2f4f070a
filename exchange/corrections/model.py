"""Requests for correction and their notices: states, and which versions are wrong.

1. A request is about one record and says which of its items are doubted, never what they hold.
   Submitted, then under review, then accepted or rejected; withdrawn by who asked until then.
2. The source takes it up and answers. It accepts by having published: the first version after the
   doubted one that differs in the accepted items is the correct one, and there must be one.
3. Wrong are the versions around the doubted one, without a gap, that hold the same in those items.
4. A notice is to one department, by one grant or subscription. It names no value, no requester, and
   of the items only those that the department was shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from exchange.catalog.model import CONTROL
from runtime import names
from runtime.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
)

GREATEST_ITEMS = 100
GREATEST_STATEMENT = 1000  # characters
GREATEST_ANSWER = 1000
GREATEST_LEGAL_BASIS = 500
#: Of one department at a time, unanswered.
GREATEST_OPEN = 1000
#: The same of one citizen, or their company, whoever asked for them.
GREATEST_OPEN_OF_CITIZEN = 50
#: How far back and forward versions of a record are looked at.
GREATEST_VERSIONS = 1000
SHOWN_ACCESSES = 20
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


class CorrectionState(StrEnum):
    """State of a request."""

    SUBMITTED = "submitted"
    UNDER_REVIEW = "review"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


OPEN_STATES = (CorrectionState.SUBMITTED, CorrectionState.UNDER_REVIEW)


class Origin(StrEnum):
    """On what ground a request stands."""

    QUERY = "query"
    SUBSCRIPTION = "subscription"
    CITIZEN = "citizen"
    SOURCE = "source"


class Fault(StrEnum):
    """What is wrong."""

    WRONG_VALUE = "wrong_value"
    OUTDATED = "outdated"
    MISSING = "missing"
    WRONG_RECORD = "wrong_record"


class Tracing(StrEnum):
    """Whether all who got a wrong version are known."""

    NONE = ""
    PENDING = "pending"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A request; `doubted` is the offset of the doubted change, 0 where there is no record."""

    name: str
    resource: str
    origin: Origin
    items: tuple[str, ...]
    fault: Fault
    statement: str
    record_key: str
    grant_name: str = ""
    subscription: str = ""
    record_id: str = ""
    doubted: int = 0
    state: CorrectionState = CorrectionState.SUBMITTED
    accepted_items: tuple[str, ...] = ()
    answer: str = ""
    answer_legal_basis: str = ""
    wrong: tuple[int, ...] = ()
    corrected: int = 0
    tracing: Tracing = Tracing.NONE
    create_time: datetime
    review_time: datetime | None = None
    end_time: datetime | None = None

    @property
    def requester(self) -> str:
        """The department that asks."""
        return names.department_of(self.name)

    @property
    def source(self) -> str:
        """The department whose record it is."""
        return names.department_of(self.resource)

    @property
    def open(self) -> bool:
        """Whether the source owes an answer."""
        return self.state in OPEN_STATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A change of one record as it is in the log; `values` is None where it was withdrawn."""

    offset: int
    batch: int
    publish_time: datetime
    values: dict[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Tells a department that a record which it received was wrong."""

    name: str
    correction: str
    items: tuple[str, ...]
    grant_name: str
    subscription: str = ""
    #: It asked by the record's key, or was shown it.
    key_known: bool
    #: Indexes of leaves of the log, the newest first.
    accesses: tuple[int, ...]
    access_count: int
    first_access_time: datetime
    last_access_time: datetime
    create_time: datetime
    acknowledge_time: datetime | None = None
    acknowledged_by: str = ""

    @property
    def recipient(self) -> str:
        """The department that it is to."""
        return names.department_of(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Which versions of a record are wrong, oldest first, and the first that is not."""

    wrong: tuple[int, ...]
    corrected: Version


def check(items: Sequence[str], statement: str) -> None:
    """Raises InvalidArgument (CORRECTION_INVALID) with every field that is wrong."""
    wrong = list(_coded("items", items))
    if not items:
        wrong.append(FieldViolation("items", "at least one is needed"))
    wrong += _text("statement", statement, GREATEST_STATEMENT, needed=True)
    _raise(wrong)


def _raise(wrong: Sequence[FieldViolation]) -> None:
    if wrong:
        raise InvalidArgument(
            "this cannot be taken: correct the fields named and repeat",
            reason="CORRECTION_INVALID",
            message_zh="校核异议内容有误：请按所列字段更正后重试",
            violations=wrong,
        )


def _coded(field: str, items: Sequence[str]) -> Iterator[FieldViolation]:
    if len(items) > GREATEST_ITEMS or len(set(items)) != len(items):
        yield FieldViolation(field, f"at most {GREATEST_ITEMS}, none of them twice")
    for place, item in enumerate(items[:GREATEST_ITEMS]):
        if not _CODE.fullmatch(item):
            yield FieldViolation(f"{field}[{place}]", "is not a code of an item")


def _text(field: str, text: str, limit: int, *, needed: bool) -> Iterator[FieldViolation]:
    if len(text) > limit or CONTROL.search(text) or (needed and not text.strip()):
        least = 1 if needed else 0
        yield FieldViolation(field, f"must have {least} to {limit} characters, none of control")


def review(held: Correction, *, at: datetime) -> Correction:
    """The source takes a request up.

    Raises FailedPrecondition: CORRECTION_UNDER_REVIEW, CORRECTION_CLOSED.
    """
    _check_not_closed(held)
    if held.state is CorrectionState.UNDER_REVIEW:
        raise FailedPrecondition(
            "this request is under review already: answer it",
            reason="CORRECTION_UNDER_REVIEW",
            message_zh="该校核异议已在核查：请直接答复",
        )
    return replace(held, state=CorrectionState.UNDER_REVIEW, review_time=at)


def check_answerable(held: Correction) -> None:
    """Raises FailedPrecondition: CORRECTION_NOT_UNDER_REVIEW, CORRECTION_CLOSED."""
    _check_not_closed(held)
    if held.state is CorrectionState.SUBMITTED:
        raise FailedPrecondition(
            "take this request up before you answer it (`tongban corrections review`)",
            reason="CORRECTION_NOT_UNDER_REVIEW",
            message_zh="请先受理该校核异议再答复（tongban corrections review）",
        )


def reject(held: Correction, *, answer: str, legal_basis: str, at: datetime) -> Correction:
    """The source stands by its record.

    Raises InvalidArgument (CORRECTION_INVALID) without a reason and a law, and as
    `check_answerable`.
    """
    check_answerable(held)
    wrong = [*_text("answer", answer, GREATEST_ANSWER, needed=True)]
    wrong += _text("answer_legal_basis", legal_basis, GREATEST_LEGAL_BASIS, needed=True)
    _raise(wrong)
    return replace(
        held,
        state=CorrectionState.REJECTED,
        answer=answer,
        answer_legal_basis=legal_basis,
        end_time=at,
    )


def accept(
    held: Correction,
    *,
    accepted_items: Sequence[str],
    answer: str,
    legal_basis: str,
    versions: Sequence[Version],
    batch: int,
    at: datetime,
) -> Correction:
    """The source has corrected the record: `versions` are all it had, oldest first.

    `batch` is the number of the batch that it names, 0 for none. Raises InvalidArgument
    (CORRECTION_INVALID) of items that were not doubted, FailedPrecondition (NOT_CORRECTED) where no
    version differs, or not that of the batch, and as `check_answerable`.
    """
    check_answerable(held)
    wrong = [*_coded("accepted_items", accepted_items)]
    wrong += [
        FieldViolation(f"accepted_items[{place}]", "is not doubted here")
        for place, item in enumerate(accepted_items)
        if item not in held.items
    ]
    wrong += _text("answer", answer, GREATEST_ANSWER, needed=False)
    wrong += _text("answer_legal_basis", legal_basis, GREATEST_LEGAL_BASIS, needed=False)
    _raise(wrong)
    items = tuple(accepted_items) or held.items
    found = find(versions, held.doubted, items)
    if found is None or batch not in (0, found.corrected.batch):
        raise FailedPrecondition(
            "no version of the record differs in these items from the one that is doubted, or not "
            "that of the batch named: publish the correct record first, then accept",
            reason="NOT_CORRECTED",
            message_zh="尚无在这些信息项上不同于存疑数据的新版本（或所列批次不含该版本）："
            "请先发布更正后的数据再答复",
        )
    return replace(
        held,
        state=CorrectionState.ACCEPTED,
        accepted_items=items,
        answer=answer,
        answer_legal_basis=legal_basis,
        wrong=found.wrong,
        corrected=found.corrected.offset,
        tracing=Tracing.PENDING,
        end_time=at,
    )


def withdraw(held: Correction, *, at: datetime) -> Correction:
    """Who asked takes it back. Raises FailedPrecondition (CORRECTION_CLOSED)."""
    _check_not_closed(held)
    return replace(held, state=CorrectionState.WITHDRAWN, end_time=at)


def _check_not_closed(held: Correction) -> None:
    if not held.open:
        raise FailedPrecondition(
            f"this request is {held.state.value}: nothing more is done with it",
            reason="CORRECTION_CLOSED",
            message_zh="该校核异议已办结或已撤回：不能再办理",
        )


def find(versions: Sequence[Version], doubted: int, items: Collection[str]) -> Found | None:
    """The run of wrong versions around the doubted one, and the version that ends it (rules 2, 3).

    Without a doubted version there is no wrong one, and the first that there is corrects it.
    """
    if not doubted:
        return Found(wrong=(), corrected=versions[0]) if versions else None
    place = next((n for n, one in enumerate(versions) if one.offset == doubted), None)
    if place is None:
        return None
    held = _of(versions[place], items)
    first = last = place
    while first and _of(versions[first - 1], items) == held:
        first -= 1
    while last + 1 < len(versions) and _of(versions[last + 1], items) == held:
        last += 1
    if last + 1 == len(versions):
        return None
    wrong = tuple(one.offset for one in versions[first : last + 1])
    return Found(wrong=wrong, corrected=versions[last + 1])


def _of(version: Version, items: Collection[str]) -> dict[str, str] | None:
    values = version.values
    return None if values is None else {code: values[code] for code in items if code in values}


def acknowledge(notice: Notice, *, by: str, at: datetime) -> Notice:
    """The notice as it was read. Raises FailedPrecondition (NOTICE_ACKNOWLEDGED)."""
    if notice.acknowledge_time is not None:
        raise FailedPrecondition(
            "this notice is acknowledged already",
            reason="NOTICE_ACKNOWLEDGED",
            message_zh="该更正通知已确认",
        )
    return replace(notice, acknowledge_time=at, acknowledged_by=by)


def correction_not_found() -> NotFound:
    """The one answer for a request that is absent and for one that the caller may not know of."""
    return NotFound(
        "no such request for correction: check its name (`tongban corrections list`)",
        reason="CORRECTION_NOT_FOUND",
        message_zh="没有该校核异议：请核对其名称（tongban corrections list）",
    )


def notice_not_found() -> NotFound:
    """The one answer for a notice that is absent and for another department's."""
    return NotFound(
        "no such notice: check its name (`tongban corrections notices`)",
        reason="NOTICE_NOT_FOUND",
        message_zh="没有该更正通知：请核对其名称（tongban corrections notices）",
    )


def record_not_received() -> NotFound:
    """The one answer for a record that is absent, hidden, or was never told to the caller."""
    return NotFound(
        "you were not told of such a record in this way: check the grant and the key, or the "
        "subscription, the offset and the record's id. What you asked for within the last seconds "
        "may not be known yet: try again",
        reason="RECORD_NOT_RECEIVED",
        message_zh="未查到您以此方式收到过该数据：请核对授权与主键，或订阅、偏移与记录标识；"
        "几秒内刚查询的可稍后重试",
    )
