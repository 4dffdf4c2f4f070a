"""The table of authorization cases (tests/unit/authorization.toml), read for all its judges."""

import tomllib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from exchange.grants.model import GrantedItem, Mask, Operation
from exchange.grants.rows import RowCondition, RowTest
from tests.builders.exchange import citizen_number

TABLE = Path(__file__).parents[1] / "unit" / "authorization.toml"
DAYS = 30
NOBODY = 99


@dataclass(frozen=True)
class Case:
    """One line."""

    who: str
    operation: Operation
    items: tuple[str, ...]
    when: timedelta
    grant: str
    record: str
    answer: str
    why: str


@dataclass(frozen=True)
class Given:
    """What a grant of the table gives; `was` is its first version, if it was changed."""

    consumer: str
    operations: tuple[Operation, ...]
    items: tuple[GrantedItem, ...]
    rows: tuple[RowCondition, ...]
    start: timedelta
    end: timedelta
    revoked: bool
    was: tuple[tuple[Operation, ...], tuple[GrantedItem, ...]] | None


def _read() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def _condition(text: str) -> RowCondition:
    for sign, test in (("^=", RowTest.PREFIX), ("@", RowTest.OWN_CLIENTS), ("=", RowTest.EQUALS)):
        item, found, value = text.partition(sign)
        if found:
            values = tuple(value.split(","))
            return RowCondition(
                item=item, test=RowTest.IN if len(values) > 1 else test, values=values
            )
    raise ValueError(text)


def _items(text: str) -> tuple[GrantedItem, ...]:
    pairs = [[*word.split(":"), "whole"][:2] for word in text.split()]
    return tuple(GrantedItem(item=item, mask=Mask(mask)) for item, mask in pairs)


def _operations(text: str) -> tuple[Operation, ...]:
    return tuple(Operation(word) for word in text.split())


def _given(told: dict[str, Any]) -> Given:
    was = told.get("was", "").split(" / ")
    return Given(
        consumer=f"departments/{told['consumer']}",
        operations=_operations(told["operations"]),
        items=_items(told["items"]),
        rows=tuple(_condition(word) for word in told.get("rows", "").split()),
        start=timedelta(days=told.get("start", 0)),
        end=timedelta(days=told.get("end", DAYS)),
        revoked=told.get("revoked", False),
        was=(_operations(was[0]), _items(was[1])) if len(was) == 2 else None,
    )


def _case(row: list[str], times: dict[str, Any]) -> Case:
    who, operation, items, when, grant, record, answer, why = row
    return Case(
        who=f"departments/{who}",
        operation=Operation(operation),
        items=tuple(items.split()),
        when=timedelta(**times[when]),
        grant=grant,
        record=record,
        answer=answer,
        why=why,
    )


_TABLE = _read()
CASES = [_case(row, _TABLE["times"]) for row in _TABLE["table"]["cases"]]
GRANTS = {name: _given(told) for name, told in _TABLE["grants"].items()}
CLIENTS = [name for name, told in _TABLE["records"].items() if told["client"]]


def key_of(record: str) -> str:
    """The citizen number of a record of the table; one that nobody has for `nobody`."""
    names = list(_TABLE["records"])
    return citizen_number(names.index(record) if record in names else NOBODY)


def values_of(record: str) -> dict[str, str] | None:
    """A record of the residents; None for `nobody`."""
    told = _TABLE["records"].get(record)
    if told is None:
        return None
    return {
        "citizen_number": key_of(record),
        "name": told["name"],
        "birth_date": "1990-01-02",
        "region": told["region"],
    }


RECORDS = list(_TABLE["records"])
