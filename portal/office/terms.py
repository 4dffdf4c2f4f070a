"""The terms of a grant as a form has them, read and given back; and what of them was looked at.

1. Fields: `item` is a code with its mask after a colon, one for each item given; `operation`,
   `quota`, `rate`, `until`; `filter-item-N`, `filter-test-N`, `filter-values-N`; `history`.
2. Nothing is guessed: a mask, a test or a number that is not known is refused.
3. Nothing chosen is refused: to the services no operations and no items mean all that there are.
4. What was previewed is told apart from what was changed since by the digest of the terms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeVar

from exchange.v1 import grants_pb2
from portal.sessions.access import one
from runtime.clock import CHINA
from runtime.errors import FieldViolation, InvalidArgument

FILTERS: Final = 3
"""Conditions that a form has room for."""
_LONGEST: Final = 2_000
Fields = Mapping[str, list[str]]
_Choice = TypeVar("_Choice")
_MASKS: Final = {
    "": grants_pb2.MASK_UNSPECIFIED,
    "last_four": grants_pb2.MASK_LAST_FOUR,
    "first_character": grants_pb2.MASK_FIRST_CHARACTER,
    "year": grants_pb2.MASK_YEAR,
    "first_six": grants_pb2.MASK_FIRST_SIX,
}
_TESTS: Final = {
    "prefix": grants_pb2.ROW_TEST_PREFIX,
    "equals": grants_pb2.ROW_TEST_EQUALS,
    "in": grants_pb2.ROW_TEST_IN,
    "own_clients": grants_pb2.ROW_TEST_OWN_CLIENTS,
}
_OPERATIONS: Final = {
    "query": grants_pb2.OPERATION_QUERY,
    "verify": grants_pb2.OPERATION_VERIFY,
    "subscribe": grants_pb2.OPERATION_SUBSCRIBE,
    "export": grants_pb2.OPERATION_EXPORT,
}
MASKS: Final = {number: word for word, number in _MASKS.items()}
TESTS: Final = {number: word for word, number in _TESTS.items()}
OPERATIONS: Final = {number: word for word, number in _OPERATIONS.items()}


class UnfitTerms(InvalidArgument):
    """What the form itself refuses, in words for who filled it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a grant would give; 0 is without bound, an empty `until` is not said."""

    items: tuple[grants_pb2.GrantedItem, ...]
    operations: tuple[int, ...]
    row_filter: tuple[grants_pb2.RowCondition, ...] = ()
    daily_quota: int = 0
    rate_per_minute: int = 0
    #: The last day, YYYY-MM-DD.
    until: str = ""
    history: bool = False

    @property
    def masks(self) -> dict[str, str]:
        """The words of masks by item code, as a form has them."""
        return {given.item: MASKS[given.mask] for given in self.items}

    @property
    def filters(self) -> list[tuple[str, str, str]]:
        """The conditions as a form has them, and empty ones as far as there is room."""
        said = [(held.item, TESTS[held.test], "、".join(held.values)) for held in self.row_filter]
        return [*said, *[("", "", "")] * max(FILTERS - len(said), 1)][: max(FILTERS, len(said))]

    @property
    def end_time(self) -> datetime | None:
        """The end, exclusive: the day after the last one, in China. Raises InvalidArgument."""
        if not self.until:
            return None
        try:
            day = date.fromisoformat(self.until)
        except ValueError:
            raise _bad("until", "the last day is a date", "截止日期无效：请重新填写") from None
        return datetime.combine(day + timedelta(days=1), datetime.min.time(), CHINA)

    def digest(self) -> str:
        """What tells these terms from others."""
        said = hashlib.sha256()
        for part in (*self.items, *self.row_filter):
            said.update(part.SerializeToString(deterministic=True) + b"\x00")
        rest = (sorted(self.operations), self.daily_quota, self.rate_per_minute, self.until)
        said.update(repr((*rest, self.history)).encode())
        return said.hexdigest()[:32]


def read(given: Fields) -> Terms:
    """The terms of a form. Raises UnfitTerms, also where nothing is allowed."""
    found = replace(
        shown_again(given),
        daily_quota=_number(given, "quota"),
        rate_per_minute=_number(given, "rate"),
    )
    if not found.operations:
        raise _bad("operation", "choose at least one operation", "请至少选择一种允许的操作")
    return found


def read_left(given: Fields) -> Terms:
    """What is left of a grant by a form. Raises InvalidArgument (TERMS_INVALID)."""
    if not any(given.get("item", ())) or not given.get("operation"):
        raise _bad(
            "terms",
            "leave at least one item and one operation; to end the grant, revoke it",
            "请至少保留一个信息项和一种操作；如需全部停止，请撤销授权",
        )
    return read(given)


def check_end(wanted: Terms, today: date) -> None:
    """Refuse a last day that is none, or is past. Raises InvalidArgument (TERMS_INVALID)."""
    end = wanted.end_time
    if end is None:
        raise _bad("until", "fill in the last day", "请填写截止日期")
    if end <= datetime.combine(today, datetime.min.time(), CHINA):
        raise _bad(
            "until",
            "the last day is past: choose today or a later day",
            "截止日期已过，请选择今天或以后的日期",
        )


def shown_again(given: Fields) -> Terms:
    """The terms of a form as far as they can be shown again where a number is none.

    Raises InvalidArgument (TERMS_INVALID) for what no form of ours sends.
    """
    return Terms(
        items=tuple(_item(text) for text in given.get("item", ()) if text),
        operations=tuple(sorted(_known(_OPERATIONS, w) for w in given.get("operation", ()))),
        row_filter=tuple(_conditions(given)),
        until=one(given, "until")[:10],
        history="history" in given,
    )


def asked_for(request: grants_pb2.AccessRequest) -> Terms:
    """What a request asks for, to begin with: a year, all items whole."""
    until = datetime.now(UTC).astimezone(CHINA).date() + timedelta(days=364)
    return Terms(
        items=tuple(grants_pb2.GrantedItem(item=code) for code in request.items),
        operations=tuple(request.operations),
        row_filter=tuple(request.row_filter),
        until=until.isoformat(),
    )


def proposed(held: grants_pb2.GrantTerms) -> Terms:
    """What a source proposed to the authority."""
    return Terms(
        items=tuple(held.items),
        operations=tuple(held.operations),
        row_filter=tuple(held.row_filter),
        daily_quota=held.daily_quota,
        rate_per_minute=held.rate_per_minute,
        until=last_day(held.end_time.ToDatetime(UTC)),
        history=held.include_history,
    )


def held_by(grant: grants_pb2.Grant) -> Terms:
    """What a grant gives now; a filter that is added begins empty."""
    return Terms(
        items=tuple(grant.items),
        operations=tuple(grant.operations),
        daily_quota=grant.daily_quota,
        rate_per_minute=grant.rate_per_minute,
        until=last_day(grant.end_time.ToDatetime(UTC)),
        history=grant.include_history,
    )


def last_day(end: datetime) -> str:
    """The last day before an exclusive end, in China."""
    return (end - timedelta(microseconds=1)).astimezone(CHINA).date().isoformat()


def _item(text: str) -> grants_pb2.GrantedItem:
    code, _, mask = text.partition(":")
    return grants_pb2.GrantedItem(item=code[:64], mask=_known(_MASKS, mask))


def _conditions(given: Fields) -> Iterable[grants_pb2.RowCondition]:
    for place in range(10):
        code = one(given, f"filter-item-{place}")
        text = one(given, f"filter-values-{place}")[:_LONGEST]
        if not code and not text:
            continue
        test = _known(_TESTS, one(given, f"filter-test-{place}"))
        parts = [text]
        if test == grants_pb2.ROW_TEST_IN:
            parts = [
                part.strip() for part in text.replace("，", "、").replace(",", "、").split("、")
            ]
        yield grants_pb2.RowCondition(item=code[:64], test=test, values=[p for p in parts if p])


def _number(given: Fields, field: str) -> int:
    text = one(given, field) or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise _bad(field, "a bound is a number, or 0 for none", "上限应为数字，0 表示不限")
    return int(text)


def _known(words: Mapping[str, _Choice], word: str) -> _Choice:
    if word not in words:
        raise _bad("terms", "a choice is not known: choose again", "选项无效：请重新选择")
    return words[word]


def _bad(field: str, english: str, chinese: str) -> UnfitTerms:
    return UnfitTerms(
        english,
        reason="TERMS_INVALID",
        message_zh=chinese,
        violations=[FieldViolation(field, english)],
    )
