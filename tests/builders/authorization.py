"""The table of authorization cases (tests/unit/authorization.toml), read for all its judges."""

import tomllib
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from exchange.catalog.model import DataResource, EntryState, SharingType
from exchange.grants.model import GrantedItem, Mask, Operation
from exchange.grants.rows import RowCondition, RowTest
from exchange.lists.model import Negative
from runtime.clock import china_date
from tests.builders import catalog as county
from tests.builders.catalog import CIVIL, NOON
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
    """What a grant of the table gives; `was` is its first version, if it was changed by `by`.

    Where that was `refused`, it gives what it was.
    """

    resource: str
    consumer: str
    operations: tuple[Operation, ...]
    items: tuple[GrantedItem, ...]
    rows: tuple[RowCondition, ...]
    start: timedelta
    end: timedelta
    revoked: bool
    was: tuple[tuple[Operation, ...], tuple[GrantedItem, ...]] | None
    by: str
    refused: str

    @property
    def rows_now(self) -> tuple[RowCondition, ...]:
        """The row filter that it has in the end."""
        return () if self.refused else self.rows


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
        resource=told.get("resource", "residents"),
        consumer=f"departments/{told['consumer']}",
        operations=_operations(told["operations"]),
        items=_items(told["items"]),
        rows=tuple(_condition(word) for word in told.get("rows", "").split()),
        start=timedelta(days=told.get("start", 0)),
        end=timedelta(days=told.get("end", DAYS)),
        revoked=told.get("revoked", False),
        was=(_operations(was[0]), _items(was[1])) if len(was) == 2 else None,
        by=f"departments/{told.get('by', 'civil-affairs')}",
        refused=told.get("refused", ""),
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


def resource_name(resource: str) -> str:
    """The name in the catalog."""
    return f"{CIVIL}/resources/{resource.replace('_', '-')}"


def resource_of(resource: str, *, then: bool = False) -> DataResource:
    """A resource of the table as it is when grants are made, or as it becomes."""
    told = _TABLE["resources"][resource] if then else {}
    number = list(_TABLE["resources"]).index(resource) + 1
    made = county.resource(resource_name(resource), code=f"101001/{number:06d}")
    gone = told.get("without", "").split()
    made = replace(made, items=tuple(item for item in made.items if item.code not in gone))
    if "sharing" in told:
        made = replace(made, sharing_type=SharingType(told["sharing"]), legal_basis="示范县办法")
    return replace(made, state=EntryState(told.get("state", "active")))


def negative_of(resource: str) -> Negative | None:
    """What the negative list says of a resource; None for nothing."""
    told = _TABLE["resources"][resource]
    if "negative" not in told:
        return None
    days = {key: NOON + timedelta(days=told[key]) for key in ("from", "until") if key in told}
    return Negative(
        name=resource_name(resource).replace("/resources/", "/negatives/"),
        display_name="不予共享的信息",
        items=() if told["negative"] == "all" else tuple(told["negative"].split()),
        legal_basis="示范县保密规定第三条",
        from_day=china_date(days.get("from", NOON)),
        until_day=china_date(days["until"]) if "until" in days else "",
    )


RECORDS = list(_TABLE["records"])
RESOURCES = list(_TABLE["resources"])
