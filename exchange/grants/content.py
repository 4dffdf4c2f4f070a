"""Terms as JSON, as the database keeps them, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any

import orjson

from exchange.grants.model import (
    Earlier,
    Grant,
    GrantedItem,
    GrantState,
    Mask,
    Operation,
    Terms,
)
from exchange.grants.rows import RowCondition, RowTest

_TIMES = ("start_time", "end_time", "revoke_time", "create_time")


def dumped(value: object) -> str:
    """JSON text; times are RFC 3339."""
    return orjson.dumps(value).decode()


def items(given: Iterable[GrantedItem]) -> list[list[str]]:
    """Granted items as pairs."""
    return [[one.item, one.mask.value] for one in given]


def conditions(row_filter: Iterable[RowCondition]) -> list[list[Any]]:
    """A row filter as triples."""
    return [[one.item, one.test.value, list(one.values)] for one in row_filter]


def earlier(stretches: Iterable[Earlier]) -> list[list[Any]]:
    """How earlier changes are shown."""
    return [
        [one.until_offset, items(one.items), conditions(one.row_filter), conditions(one.formerly)]
        for one in stretches
    ]


def terms(given: Terms) -> dict[str, Any]:
    """Proposed terms."""
    return {
        "items": items(given.items),
        "operations": list(given.operations),
        "daily_quota": given.daily_quota,
        "rate_per_minute": given.rate_per_minute,
        "row_filter": conditions(given.row_filter),
        "start_time": given.start_time,
        "end_time": given.end_time,
        "include_history": given.include_history,
    }


def items_of(pairs: Iterable[Sequence[str]]) -> tuple[GrantedItem, ...]:
    """The items whose `items` this is."""
    return tuple(GrantedItem(item=item, mask=Mask(mask)) for item, mask in pairs)


def conditions_of(triples: Iterable[Sequence[Any]]) -> tuple[RowCondition, ...]:
    """The filter whose `conditions` this is."""
    return tuple(
        RowCondition(item=item, test=RowTest(test), values=tuple(values))
        for item, test, values in triples
    )


def operations_of(words: Iterable[str]) -> tuple[Operation, ...]:
    """Operations by their words."""
    return tuple(Operation(word) for word in words)


def terms_of(text: str) -> Terms | None:
    """The terms in a text; None in an empty one."""
    if not text:
        return None
    values = orjson.loads(text)
    return Terms(
        items=items_of(values["items"]),
        operations=operations_of(values["operations"]),
        daily_quota=values["daily_quota"],
        rate_per_minute=values["rate_per_minute"],
        row_filter=conditions_of(values["row_filter"]),
        start_time=datetime.fromisoformat(values["start_time"]),
        end_time=datetime.fromisoformat(values["end_time"]),
        include_history=values["include_history"],
    )


def proposer_of(text: str) -> str:
    """Who proposed the terms in a text; empty where nobody did, or where it was not kept yet."""
    return str(orjson.loads(text).get("by", "")) if text else ""


@lru_cache(maxsize=4096)
def _items_in(text: str) -> tuple[GrantedItem, ...]:
    return items_of(orjson.loads(text))


@lru_cache(maxsize=256)
def _operations_in(text: str) -> tuple[Operation, ...]:
    return operations_of(orjson.loads(text))


def grant_of(values: Mapping[str, Any]) -> Grant:
    """The grant of a row, or of a version's content, where times are texts."""
    times = {
        key: datetime.fromisoformat(values[key]) for key in _TIMES if isinstance(values[key], str)
    }
    return Grant(
        **{
            **values,
            **times,
            "resource": intern(values["resource"]),
            "items": _items_in(values["items"]),
            "operations": _operations_in(values["operations"]),
            "state": GrantState(values["state"]),
            "row_filter": conditions_of(orjson.loads(values["row_filter"])),
            "earlier": tuple(
                Earlier(
                    until_offset=until,
                    items=items_of(given),
                    row_filter=conditions_of(row_filter),
                    formerly=conditions_of(formerly),
                )
                for until, given, row_filter, formerly in orjson.loads(values["earlier"])
            ),
        }
    )
